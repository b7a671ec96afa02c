// tapedeck rr: Mozilla's rr round a run of tapedeck itself, where that works.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "replay/outside/child_process.h"
#include "replay/outside/rr.h"
#include "tools/case_flags.h"
#include "tools/commands.h"

namespace tapedeck::tools {

namespace {

struct RrFlags {
  CaseFlags what;         // to be recorded
  std::string directory;  // of the recording
  std::string script;
  std::string rr = "rr";
  bool print = false;
};

// Takes this process's place with the command, or only prints it.
int BecomeCommand(const RrFlags& flags, const std::vector<std::string>& argv) {
  std::printf("%s\n", ShellLine(argv).c_str());
  if (flags.print) return kExitHeld;
  std::fflush(stdout);
  BecomeProgram(argv);
  std::fprintf(stderr, "tapedeck rr: %s cannot be run\n", argv[0].c_str());
  return kExitUsage;
}

RrProbe ProbeWithOwnProgram(const RrFlags& flags) {
  return ProbeRr(flags.rr, {OwnProgram(), "--help"});
}

int RunRrRecord(const RrFlags& flags) {
  std::vector<std::string> program = {OwnProgram(), "debug", "--follow", flags.what.file};
  for (const std::string& word : CaseArguments(flags.what)) program.push_back(word);
  const std::vector<std::string> argv = RrRecordCommand(flags.rr, flags.directory, program);
  if (flags.print) return BecomeCommand(flags, argv);
  const RrProbe probe = ProbeWithOwnProgram(flags);
  std::printf("%s\n", probe.ToString().c_str());
  if (!probe.available()) {
    std::printf("instead: %s\n", ShellLine({"tapedeck", "debug", flags.what.file}).c_str());
    return kExitFailed;
  }
  const absl::StatusOr<ChildResult> recorded = RunChild(argv);
  if (!recorded.ok()) {
    std::fprintf(stderr, "tapedeck rr: %s\n", std::string(recorded.status().message()).c_str());
    return kExitFailed;
  }
  RrAttempt attempt = LookAtRecording(flags.directory);
  attempt.exit_code = recorded->exit_code;
  attempt.err = recorded->err;
  const RrProbe judged = JudgeRrAttempt(attempt);
  std::printf("%s: %s\n", flags.directory.c_str(),
              judged.available() ? "recorded" : judged.ToString().c_str());
  return judged.available() ? kExitHeld : kExitFailed;
}

int RunRrProbe(const RrFlags& flags) {
  const RrProbe probe = ProbeWithOwnProgram(flags);
  std::printf("%s\n", probe.ToString().c_str());
  return probe.available() ? kExitHeld : kExitFailed;
}

CLI::App* AddRrPart(CLI::App* sub, RrFlags* flags, const char* name, const char* about) {
  CLI::App* const part = sub->add_subcommand(name, about);
  part->add_option("--rr", flags->rr, "The program [rr]")->type_name("PROGRAM");
  part->add_flag("--print", flags->print, "Only print the command");
  return part;
}

}  // namespace

Run AddRrCommand(CLI::App& app, CLI::App** subcommand) {
  const auto flags = std::make_shared<RrFlags>();
  CLI::App* const sub = app.add_subcommand("rr", "Record tapedeck itself with Mozilla's rr");
  sub->require_subcommand(1);
  sub->footer(
      "rr needs hardware counters, which most virtual machines do not have: `tapedeck rr probe` "
      "says\n"
      "in one line whether it works here and why not. `tapedeck debug` goes back in time "
      "everywhere.\n"
      "\n"
      "A recording tells of every event of the case in the moment in which it is made. Replayed,\n"
      "each line stands behind rr's own event number ([rr PID EVENT]), so that ours and rr's map\n"
      "onto each other: `run EVENT` in its gdb goes to the code that made the event. To our event\n"
      "4711, forwards or back, leads:\n"
      "  break tapedeck_event_reached if $rdi == 4711\n"
      "\n"
      "Exit codes: 0 done, 1 rr does not work here or the recording failed, 2 wrong flags.");
  CLI::App* const probe = AddRrPart(sub, flags.get(), "probe", "Say whether rr works here");
  CLI::App* const record = AddRrPart(sub, flags.get(), "record", "Record a run of a case");
  record
      ->add_option("CASE", flags->what.file,
                   "A capture, a plan, a script (*.pkt), a fuzzer's input")
      ->required();
  AddCaseFlags(record, &flags->what);
  record->add_option("-o,--output", flags->directory, "Directory of the recording")->required();
  CLI::App* const replay = AddRrPart(sub, flags.get(), "replay", "Replay a recording in gdb");
  replay->add_option("DIR", flags->directory, "A recording")->required();
  replay->add_option("-x,--script", flags->script, "Commands for gdb, which then asks for none");
  CLI::App* const play = AddRrPart(sub, flags.get(), "play", "Replay a recording without gdb");
  play->add_option("DIR", flags->directory, "A recording")->required();
  CLI::App* const pack = AddRrPart(sub, flags.get(), "pack", "Make a recording fit to be moved");
  pack->add_option("DIR", flags->directory, "A recording")->required();
  *subcommand = sub;
  return [flags, probe, record, replay, play] {
    if (probe->parsed()) return RunRrProbe(*flags);
    if (record->parsed()) return RunRrRecord(*flags);
    if (replay->parsed()) {
      return BecomeCommand(*flags, RrDebugCommand(flags->rr, flags->directory, flags->script));
    }
    if (play->parsed()) return BecomeCommand(*flags, RrPlayCommand(flags->rr, flags->directory));
    return BecomeCommand(*flags, RrPackCommand(flags->rr, flags->directory));
  };
}

}  // namespace tapedeck::tools
