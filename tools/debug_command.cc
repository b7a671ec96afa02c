// tapedeck debug: a prompt in the middle of a run.
#include <histedit.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "replay/debug/debugger.h"
#include "replay/debug/event_hook.h"
#include "replay/debug/native_objects.h"
#include "replay/outside/child_process.h"
#include "tools/case_flags.h"
#include "tools/commands.h"

namespace tapedeck::tools {

namespace {

struct DebugFlags {
  CaseFlags what;
  std::vector<std::string> commands;
  uint64_t gdb_event = 0;   // where gdb is to stop
  uint64_t hook_event = 0;  // as its program: where the hook is called
  bool follow = false;      // only tell of every event as it happens
};

void ComplainOfDebug(const std::string& line) {
  std::fprintf(stderr, "tapedeck debug: %s\n", line.c_str());
}

// Where commands come from.
class CommandSource {
 public:
  virtual ~CommandSource() = default;
  virtual bool Next(std::string* line) = 0;
};

class ListedCommands : public CommandSource {
 public:
  explicit ListedCommands(const std::vector<std::string>& commands) : commands_(commands) {}
  bool Next(std::string* line) override {
    if (next_ == commands_.size()) return false;
    *line = commands_[next_++];
    return true;
  }

 private:
  const std::vector<std::string>& commands_;
  size_t next_ = 0;
};

class PipedCommands : public CommandSource {
 public:
  bool Next(std::string* line) override { return static_cast<bool>(std::getline(std::cin, *line)); }
};

// A terminal, with history and completion through libedit: its licence is BSD's, readline's the
// GPL.
class Terminal : public CommandSource {
 public:
  explicit Terminal(Debugger& debugger)
      : debugger_(debugger),
        editor_(el_init("tapedeck", stdin, stdout, stderr)),
        history_(history_init()) {
    HistEvent event;
    history(history_, &event, H_SETSIZE, 1000);
    el_set(editor_, EL_CLIENTDATA, this);
    el_set(editor_, EL_PROMPT, &Terminal::Prompt);
    el_set(editor_, EL_EDITOR, "emacs");
    el_set(editor_, EL_SIGNAL, 1);
    el_set(editor_, EL_HIST, history, history_);
    el_set(editor_, EL_ADDFN, "complete", "Complete names", &Terminal::Complete);
    el_set(editor_, EL_BIND, "^I", "complete", nullptr);
    el_source(editor_, nullptr);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() override {
    history_end(history_);
    el_end(editor_);
  }

  // An empty line is the last one once more.
  bool Next(std::string* line) override {
    int count = 0;
    const char* const typed = el_gets(editor_, &count);
    if (typed == nullptr || count <= 0) {
      std::printf("\n");
      return false;
    }
    *line = typed;
    line->erase(line->find_last_not_of("\r\n") + 1);
    if (line->empty()) {
      *line = last_;
      return true;
    }
    HistEvent event;
    history(history_, &event, H_ENTER, typed);
    last_ = *line;
    return true;
  }

 private:
  static const char* Prompt(EditLine*) { return "(tapedeck) "; }

  // Inserts what all candidates have in common; where that is nothing more, lists them.
  static unsigned char Complete(EditLine* editor, int) {
    Terminal* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    const LineInfo* const info = el_line(editor);
    const std::string line(info->buffer, info->cursor);
    const size_t start = line.rfind(' ') + 1;  // npos + 1 is 0
    const std::vector<std::string> words = self->debugger_.Complete(line, start);
    if (words.empty()) return CC_ERROR;
    size_t common = words[0].size();
    for (const std::string& word : words) {
      const auto differs = std::mismatch(word.begin(), word.end(), words[0].begin(),
                                         words[0].begin() + static_cast<ptrdiff_t>(common));
      common = static_cast<size_t>(differs.first - word.begin());
    }
    std::string more = words[0].substr(line.size() - start, common - (line.size() - start));
    if (words.size() == 1) more += " ";
    if (!more.empty()) return el_insertstr(editor, more.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
    constexpr size_t kListedMax = 60;
    std::printf("\n");
    for (size_t i = 0; i < std::min(words.size(), kListedMax); ++i) {
      std::printf("  %s\n", words[i].c_str());
    }
    if (words.size() > kListedMax) std::printf("  (%zu more)\n", words.size() - kListedMax);
    return CC_REDISPLAY;
  }

  Debugger& debugger_;
  EditLine* editor_;
  History* history_;
  std::string last_;
};

// Executes all commands. A wrong one is an error of a script, and a person's slip.
int ServePrompt(Debugger& debugger, CommandSource& source, bool person) {
  int exit_code = kExitHeld;
  std::string line;
  while (!debugger.quit() && source.Next(&line)) {
    std::string out;
    const absl::Status status = debugger.Execute(line, &out);
    std::fputs(out.c_str(), stdout);
    if (!status.ok()) {
      std::fflush(stdout);
      ComplainOfDebug(std::string(status.message()));
      if (!person) exit_code = kExitUsage;
    }
  }
  return exit_code;
}

// tools/gdb beside the build directory that this program is in; empty where it is not there.
std::string GdbScript() {
  namespace fs = std::filesystem;
  for (fs::path folder = fs::path(OwnProgram()).parent_path(); folder.has_relative_path();
       folder = folder.parent_path()) {
    const fs::path script = folder / "tools/gdb/tapedeck.py";
    if (fs::exists(script)) return script.string();
  }
  return "";
}

// Takes this process's place with gdb, in front of a program that runs the case and calls the hook.
int BecomeGdb(const DebugFlags& flags) {
  std::vector<std::string> argv = {"gdb", "-q", "-iex", "set debuginfod enabled off"};
  if (!flags.commands.empty()) argv.emplace_back("-batch");
  const std::string script = GdbScript();
  if (!script.empty()) argv.insert(argv.end(), {"-x", script});
  argv.insert(argv.end(), {"-ex", "set breakpoint pending on", "-ex",
                           "break tapedeck_event_reached", "-ex", "run"});
  if (!script.empty()) argv.insert(argv.end(), {"-ex", "tapedeck-up"});
  for (const std::string& command : flags.commands) argv.insert(argv.end(), {"-ex", command});
  argv.insert(argv.end(), {"--args", OwnProgram(), "debug", "--hook",
                           std::to_string(flags.gdb_event), flags.what.file});
  for (const std::string& word : CaseArguments(flags.what)) argv.push_back(word);
  BecomeProgram(argv);
  ComplainOfDebug("--gdb: gdb cannot be run; is it installed?");
  return kExitUsage;
}

// What gdb and rr look at.
int RunObserved(const Case& what, TraceObserver* observer) {
  Arena arena{Arena::Options{}};
  const absl::StatusOr<std::unique_ptr<CaseRun>> run =
      CaseRun::Start(what, &arena, {.observer = observer});
  if (!run.ok()) {
    ComplainOfDebug(std::string(run.status().message()));
    return kExitUsage;
  }
  ShowToNativeDebugger(run->get());
  (*run)->RunToEnd();
  ShowToNativeDebugger(nullptr);
  return kExitHeld;
}

int RunDebug(const DebugFlags& flags) {
  if (flags.gdb_event != 0) return BecomeGdb(flags);
  const absl::StatusOr<std::unique_ptr<Case>> what = OpenCaseOf(flags.what);
  if (!what.ok()) {
    ComplainOfDebug(std::string(what.status().message()));
    return kExitUsage;
  }
  if (flags.follow) {
    EventFollower follower(stdout);
    return RunObserved(**what, &follower);
  }
  if (flags.hook_event != 0) {
    EventHook hook(flags.hook_event);
    return RunObserved(**what, &hook);
  }
  const absl::StatusOr<std::unique_ptr<Debugger>> debugger = Debugger::Start(**what);
  if (!debugger.ok()) {
    ComplainOfDebug(std::string(debugger.status().message()));
    return kExitUsage;
  }
  if (!flags.commands.empty()) {
    ListedCommands commands(flags.commands);
    return ServePrompt(**debugger, commands, /*person=*/false);
  }
  if (isatty(STDIN_FILENO) == 0) {
    PipedCommands commands;
    return ServePrompt(**debugger, commands, /*person=*/false);
  }
  std::fputs((*debugger)->Greeting().c_str(), stdout);
  Terminal terminal(**debugger);
  return ServePrompt(**debugger, terminal, /*person=*/true);
}

}  // namespace

Run AddDebugCommand(CLI::App& app, CLI::App** subcommand) {
  const auto flags = std::make_shared<DebugFlags>();
  CLI::App* const sub =
      app.add_subcommand("debug", "Step through a run, forwards and back, and look at any field");
  sub->footer(
      "Stops a run right behind any event, by the numbers that `tapedeck replay -v` prints and "
      "that\n"
      "captures written have as packet ids. Goes back as easily as on: to an event, a time, or to\n"
      "where a field changed last. Plays the run again with a frame lost or a setting changed and\n"
      "shows both side by side.\n"
      "\n"
      "Commands are typed at a prompt (with completion of names), or come from --command or a "
      "pipe;\n"
      "`help` lists them. Of a script of commands the exit code says whether all were right.\n"
      "\n"
      "Examples:\n"
      "  tapedeck debug corpus/captures/http6-a.pcapng\n"
      "  tapedeck debug -c 'until tcp.icsk_ca_state == Recovery' -c 'show tcp' loss.pkt\n"
      "  tapedeck debug -c 'goto end' -c 'last-change tcp.snd_cwnd' -c 'events 7' loss.pkt\n"
      "  tapedeck debug -c 'whatif drop frame 17' corpus/captures/http6-a.pcapng\n"
      "\n"
      "Exit codes: 0 done, 2 a wrong command or flag, or a case that cannot be read.");
  sub->add_option("CASE", flags->what.file, "A capture, a plan, a script (*.pkt), a fuzzer's input")
      ->required();
  AddCaseFlags(sub, &flags->what);
  sub->add_option("-c,--command", flags->commands,
                  "Execute this instead of asking; may be repeated")
      ->allow_extra_args(false)
      ->type_name("COMMAND");
  sub->add_option("--gdb", flags->gdb_event,
                  "gdb, stopped in the code that tells of this event; --command are gdb's then")
      ->type_name("EVENT");
  sub->add_option("--hook", flags->hook_event, "Call tapedeck_event_reached at this event; for gdb")
      ->type_name("EVENT");
  sub->add_flag("--follow", flags->follow,
                "Only play it to its end and tell of every event as it happens, each by one write; "
                "calls that function at every event");
  *subcommand = sub;
  return [flags] { return RunDebug(*flags); };
}

}  // namespace tapedeck::tools
