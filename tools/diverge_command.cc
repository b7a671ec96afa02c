// tapedeck diverge: where two runs begin to differ.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "replay/debug/run_snapshot.h"
#include "replay/outside/child_process.h"
#include "replay/trace/digest_chain.h"
#include "tools/case_flags.h"
#include "tools/commands.h"

namespace tapedeck::tools {

namespace {

namespace fs = std::filesystem;

struct DivergeFlags {
  CaseFlags what;
  std::string other;
  std::string with;
  std::string commit;
  std::string flags_a;
  std::string flags_b;
  // What the two runs are asked for, each in a process of its own.
  std::string chain;
  std::string snapshot_against;
  uint64_t snapshot_at = 0;
};

int RefuseDiverge(const absl::Status& status) {
  std::fprintf(stderr, "tapedeck diverge: %s\n", std::string(status.message()).c_str());
  return kExitUsage;
}

// One side: how it is run, and what it is called.
struct DivergeSide {
  std::vector<std::string> argv;  // program, `diverge`, case and flags
  std::string name;
};

// A file that goes away.
class ScratchFile {
 public:
  ScratchFile() : path_((fs::temp_directory_path() / "tapedeck-chain-XXXXXX").string()) {
    const int fd = mkstemp(path_.data());
    if (fd >= 0) close(fd);
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  ~ScratchFile() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::vector<std::string> WordsOf(const std::string& flags) {
  return absl::StrSplit(flags, ' ', absl::SkipEmpty());
}

// What `side` says with `arguments` added.
absl::StatusOr<std::string> Ask(const DivergeSide& side,
                                const std::vector<std::string>& arguments) {
  std::vector<std::string> argv = side.argv;
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  const absl::StatusOr<ChildResult> result = RunChild(argv);
  if (!result.ok()) return result.status();
  if (result->exit_code != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(ShellLine(argv), ": exit status ", result->exit_code, "\n", result->err));
  }
  return result->out;
}

absl::StatusOr<RunSnapshot> AskForSnapshot(const DivergeSide& side,
                                           const std::vector<std::string>& arguments) {
  const absl::StatusOr<std::string> text = Ask(side, arguments);
  if (!text.ok()) return text.status();
  absl::StatusOr<RunSnapshot> snapshot = SnapshotFromJson(*text);
  if (!snapshot.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(ShellLine(side.argv), ": it does not know `diverge`; is it too old?"));
  }
  return snapshot;
}

// Plays A, then A and B against its chain. A run that differs from itself is told first: then
// nothing can be said of the other.
int CompareSides(const DivergeSide& a, const DivergeSide& b) {
  const ScratchFile chain;
  const absl::StatusOr<std::string> played = Ask(a, {"--chain", chain.path()});
  if (!played.ok()) return RefuseDiverge(played.status());
  const std::vector<std::string> against = {"--snapshot-against", chain.path()};
  const absl::StatusOr<RunSnapshot> again = AskForSnapshot(a, against);
  if (!again.ok()) return RefuseDiverge(again.status());
  if (again->event != 0) {
    std::printf("A is not the same when it is run again\nfirst difference: event %llu\n",
                static_cast<unsigned long long>(again->event));
    for (const std::string& line : again->before) std::printf("  both  %s\n", line.c_str());
    std::printf("  again %s\nA: %s\n", again->line.c_str(), a.name.c_str());
    return kExitFailed;
  }
  const absl::StatusOr<RunSnapshot> of_b = AskForSnapshot(b, against);
  if (!of_b.ok()) return RefuseDiverge(of_b.status());
  if (of_b->event == 0) {
    std::printf("no difference in %llu events\n", static_cast<unsigned long long>(of_b->events));
    return kExitHeld;
  }
  const absl::StatusOr<RunSnapshot> of_a =
      AskForSnapshot(a, {"--snapshot-at", std::to_string(of_b->event)});
  if (!of_a.ok()) return RefuseDiverge(of_a.status());
  std::fputs(CompareSnapshots(*of_a, *of_b, a.name, b.name).c_str(), stdout);
  return kExitFailed;
}

int CompareChains(const std::string& file_a, const std::string& file_b) {
  const absl::StatusOr<std::vector<uint64_t>> a = ReadDigestChain(file_a);
  const absl::StatusOr<std::vector<uint64_t>> b = ReadDigestChain(file_b);
  for (const auto* const chain : {&a, &b}) {
    if (!chain->ok()) return RefuseDiverge(chain->status());
  }
  const std::optional<uint64_t> first = FirstDifference(*a, *b);
  if (!first.has_value()) {
    std::printf("no difference in %zu events\n", a->size());
    return kExitHeld;
  }
  std::printf("first difference: event %llu (of %zu and %zu)\n",
              static_cast<unsigned long long>(*first), a->size(), b->size());
  return kExitFailed;
}

// The program of a commit of the repository that this directory is in, built where it is not yet.
absl::StatusOr<std::string> ProgramOfCommit(const std::string& commit) {
  const auto run = [](const std::vector<std::string>& argv) -> absl::StatusOr<std::string> {
    const absl::StatusOr<ChildResult> result = RunChild(argv, {}, 7200);
    if (!result.ok()) return result.status();
    if (result->exit_code != 0) {
      return absl::InvalidArgumentError(absl::StrCat(ShellLine(argv), ": ", result->err));
    }
    return result->out.substr(0, result->out.find_last_not_of('\n') + 1);
  };
  const absl::StatusOr<std::string> top = run({"git", "rev-parse", "--show-toplevel"});
  if (!top.ok()) return top.status();
  const absl::StatusOr<std::string> full =
      run({"git", "rev-parse", "--verify", "--quiet", absl::StrCat(commit, "^{commit}")});
  if (!full.ok()) return absl::NotFoundError(absl::StrCat("--commit ", commit, ": no such commit"));
  const std::string folder = absl::StrCat(*top, "/build/commit-", full->substr(0, 12));
  std::string program = folder + "/build/bin/tapedeck";
  if (fs::exists(program)) return program;
  std::fprintf(stderr, "tapedeck diverge: building %s\n", full->substr(0, 12).c_str());
  const std::string source = folder + "/source";
  std::vector<std::vector<std::string>> steps;
  if (!fs::exists(source)) steps.push_back({"git", "worktree", "add", "--detach", source, *full});
  steps.push_back(
      {"cmake", "-S", source, "-B", folder + "/build", "-G", "Ninja", "-DTAPEDECK_TESTS=OFF"});
  steps.push_back({"ninja", "-C", folder + "/build", "tapedeck"});
  for (const std::vector<std::string>& step : steps) {
    if (const absl::StatusOr<std::string> done = run(step); !done.ok()) return done.status();
  }
  return program;
}

DivergeSide MakeSide(const std::string& program, const std::string& file, const CaseFlags& flags,
                     const std::string& more) {
  DivergeSide side;
  side.argv = {program, "diverge", file};
  // What is said of one side alone comes last and wins.
  for (const std::string& word : CaseArguments(flags)) side.argv.push_back(word);
  for (const std::string& word : WordsOf(more)) side.argv.push_back(word);
  side.name = ShellLine(side.argv);
  return side;
}

int CompareRuns(const DivergeFlags& flags) {
  std::string program = flags.with.empty() ? OwnProgram() : flags.with;
  if (!flags.commit.empty()) {
    absl::StatusOr<std::string> built = ProgramOfCommit(flags.commit);
    if (!built.ok()) return RefuseDiverge(built.status());
    program = *std::move(built);
  }
  const std::string& other = flags.other.empty() ? flags.what.file : flags.other;
  return CompareSides(MakeSide(OwnProgram(), flags.what.file, flags.what, flags.flags_a),
                      MakeSide(program, other, flags.what, flags.flags_b));
}

// One side of a comparison, in this process.
int PlayOneSide(const DivergeFlags& flags) {
  const absl::StatusOr<std::unique_ptr<Case>> what = OpenCaseOf(flags.what);
  if (!what.ok()) return RefuseDiverge(what.status());
  if (!flags.chain.empty()) {
    const absl::StatusOr<std::vector<uint64_t>> links = ChainOf(**what);
    if (!links.ok()) return RefuseDiverge(links.status());
    const absl::Status written = WriteDigestChain(flags.chain, *links);
    return written.ok() ? kExitHeld : RefuseDiverge(written);
  }
  absl::StatusOr<RunSnapshot> snapshot;
  if (flags.snapshot_at != 0) {
    snapshot = SnapshotAt(**what, flags.snapshot_at);
  } else {
    const absl::StatusOr<std::vector<uint64_t>> links = ReadDigestChain(flags.snapshot_against);
    if (!links.ok()) return RefuseDiverge(links.status());
    snapshot = SnapshotAtDifference(**what, *links);
  }
  if (!snapshot.ok()) return RefuseDiverge(snapshot.status());
  std::printf("%s\n", ToJson(*snapshot).c_str());
  return kExitHeld;
}

int RunDiverge(const DivergeFlags& flags) {
  if (!flags.chain.empty() || !flags.snapshot_against.empty() || flags.snapshot_at != 0) {
    return PlayOneSide(flags);
  }
  if (IsDigestChain(flags.what.file) && !flags.other.empty()) {
    return CompareChains(flags.what.file, flags.other);
  }
  return CompareRuns(flags);
}

}  // namespace

Run AddDivergeCommand(CLI::App& app, CLI::App** subcommand) {
  const auto flags = std::make_shared<DivergeFlags>();
  CLI::App* const sub =
      app.add_subcommand("diverge", "Find the first event in which two runs differ, and why");
  sub->footer(
      "Every run has a chain of digests, a link an event; two runs are equal up to some event and\n"
      "different from there on. That event is found by bisection and printed as both runs have "
      "it,\n"
      "with the events before it and every named field of the state that differs right behind it.\n"
      "\n"
      "The two runs: a case by this program and by another (--with, --commit), with other flags\n"
      "(--flags-b), or two cases. Without any of these the case is run twice, in two processes:\n"
      "it may not differ. Two files of chains (--chain) are compared as they are.\n"
      "\n"
      "Examples:\n"
      "  tapedeck diverge --with build/clang/bin/tapedeck corpus/captures/ping4-b.pcap\n"
      "  tapedeck diverge --commit HEAD~3 handshake.pkt\n"
      "  tapedeck diverge --flags-b '--seed 2' handshake.pkt\n"
      "  tapedeck diverge --chain a.chain handshake.pkt; tapedeck diverge a.chain b.chain\n"
      "\n"
      "Exit codes: 0 equal, 1 different, 2 wrong flags or input.");
  sub->add_option("A", flags->what.file, "A case, or a file of a chain")->required();
  sub->add_option("B", flags->other, "The other one [the same case]");
  sub->add_option("--with", flags->with, "Run B with this program")->type_name("PROGRAM");
  sub->add_option("--commit", flags->commit, "... with that of this commit, built if need be")
      ->type_name("REV");
  sub->add_option("--flags-a", flags->flags_a, "More flags for A")->type_name("FLAGS");
  sub->add_option("--flags-b", flags->flags_b, "More flags for B")->type_name("FLAGS");
  sub->add_option("--chain", flags->chain, "Only play A and write its chain")->type_name("FILE");
  sub->add_option("--snapshot-against", flags->snapshot_against,
                  "Only play A up to where it differs from a chain, and tell what is there as JSON")
      ->type_name("FILE");
  sub->add_option("--snapshot-at", flags->snapshot_at, "... up to this event")->type_name("N");
  AddCaseFlags(sub, &flags->what);
  for (const char* const repeated : {"--seed", "--mode", "--host", "--frames", "--as"}) {
    sub->get_option(repeated)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
  *subcommand = sub;
  return [flags] { return RunDiverge(*flags); };
}

}  // namespace tapedeck::tools
