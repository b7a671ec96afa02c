// tapedeck fuzz bugs: how the engines do on the planted bugs.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fuzz/campaign/bug_trials.h"
#include "fuzz/campaign/files.h"
#include "tools/fuzz_commands.h"
#include "tools/stop_signals.h"

namespace tapedeck::tools {

namespace {

struct FuzzBugsFlags {
  fuzz::BugTrialOptions trials;
  std::string engine = "both";
  std::string root;
  bool table_only = false;
};

absl::StatusOr<std::vector<fuzz::BugTrial>> TrialsOf(const FuzzBugsFlags& flags,
                                                     const fuzz::Workspace& workspace,
                                                     const std::vector<fuzz::PlantedBug>& bugs) {
  if (flags.table_only) {
    const absl::StatusOr<std::string> text = fuzz::ReadText(flags.trials.out + "/trials.jsonl");
    if (!text.ok()) return text.status();
    return fuzz::ParseTrials(*text);
  }
  fuzz::BugTrialOptions options = flags.trials;
  if (flags.engine != "both") options.engines = {flags.engine};
  options.stop = StopSignals::Wanted;
  options.tell = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  const StopSignals signals;
  return fuzz::RunBugTrials(workspace, bugs, options);
}

int RunFuzzBugs(const FuzzBugsFlags& flags) {
  const absl::StatusOr<fuzz::Workspace> workspace = fuzz::Workspace::Find(flags.root);
  if (!workspace.ok()) return FuzzUsage(workspace.status());
  const std::string file = workspace->root() + "/fuzz/bugs/bugs.tsv";
  const absl::StatusOr<std::string> text = fuzz::ReadText(file);
  if (!text.ok()) return FuzzUsage(text.status());
  const absl::StatusOr<std::vector<fuzz::PlantedBug>> bugs = fuzz::ParseBugTable(*text, file);
  if (!bugs.ok()) return FuzzUsage(bugs.status());
  const absl::StatusOr<std::vector<fuzz::BugTrial>> trials = TrialsOf(flags, *workspace, *bugs);
  if (!trials.ok()) return FuzzUsage(trials.status());
  const std::string table = fuzz::BugTable(*bugs, *trials);
  std::fputs(table.c_str(), stdout);
  const absl::Status written = fuzz::WriteText(flags.trials.out + "/table.txt", table);
  return written.ok() ? kExitHeld : FuzzUsage(written);
}

}  // namespace

void AddFuzzBugsCommands(CLI::App& fuzz, std::vector<FuzzSubcommand>* commands) {
  auto flags = std::make_shared<FuzzBugsFlags>();
  fuzz::BugTrialOptions* const trials = &flags->trials;
  CLI::App* const sub = fuzz.add_subcommand("bugs", "Measure the engines by the planted bugs");
  sub->add_option("ids", trials->ids, "Bugs of fuzz/bugs/bugs.tsv [all]")->type_name("ID");
  sub->add_option("-o,--out", trials->out, "Gets programs, trials and the table")
      ->required()
      ->type_name("DIR");
  sub->add_option("--engine", flags->engine, "libfuzzer, afl or both")
      ->check(CLI::IsMember({"libfuzzer", "afl", "both"}))
      ->capture_default_str();
  sub->add_option("--seeds", trials->seeds, "Trials of each bug with each engine")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str()
      ->type_name("N");
  sub->add_option("--runs", trials->executions, "A trial ends after so many")
      ->capture_default_str()
      ->type_name("N");
  sub->add_option("--seconds", trials->seconds, "... or after so much time [any]")
      ->type_name("SECONDS");
  sub->add_option("--input-bytes", trials->input_bytes,
                  "libFuzzer's inputs are at most so long: shorter ones are more [4096]")
      ->type_name("N");
  sub->add_flag("--until-found", trials->until_found, "A bug that was found needs no more trials");
  sub->add_option("-j,--jobs", trials->jobs, "Trials at a time")
      ->check(CLI::Range(1, 256))
      ->capture_default_str()
      ->type_name("N");
  sub->add_option(
         "--base", trials->base,
         "The build with libFuzzer that variants are made of; without sanitizers it is faster "
         "[build/bugs]")
      ->type_name("DIR");
  sub->add_flag("--table", flags->table_only, "Only show what DIR has");
  sub->add_option("--root", flags->root, "Where the sources are [above this folder]")
      ->type_name("DIR");
  sub->footer(
      "Builds a program with each bug in it (`tools/bugs build`), and lets each engine search from "
      "the committed inputs until\n"
      "it breaks a promise or has had its runs; where the bug is one of determinism they are "
      "replayed, "
      "too. A trial counts what\n"
      "was reached, what was triggered (the bug made a difference), what was found (a promise "
      "broke "
      "that the build without\n"
      "the bug keeps), and what was detected (it is the one that the table names). Medians are "
      "those of Kaplan and Meier:\n"
      "trials that end before count as long as they ran. Bugs that nobody found come first. The "
      "same command goes on where\n"
      "it was stopped.\n"
      "\n"
      "Example:\n"
      "  tapedeck fuzz bugs -o trials --seeds 10 --runs 10000000 --jobs 8\n"
      "\n"
      "Exit codes: 0 done, 2 wrong flags, or a bug cannot be built.");
  commands->push_back({sub, [flags] { return RunFuzzBugs(*flags); }});
}

}  // namespace tapedeck::tools
