// tapedeck fuzz report, bisect: what campaigns have come to, and since when a bug is there.
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fuzz/campaign/bisect.h"
#include "fuzz/campaign/files.h"
#include "fuzz/campaign/observed_run.h"
#include "fuzz/campaign/report.h"
#include "tools/fuzz_commands.h"

namespace tapedeck::tools {

namespace {

// --- report ---

struct FuzzReportFlags {
  std::vector<std::string> folders;
  std::string out;
  std::string root;
};

int RunFuzzReport(const FuzzReportFlags& flags) {
  const absl::StatusOr<fuzz::Workspace> workspace = fuzz::Workspace::Find(flags.root);
  if (!workspace.ok()) return FuzzUsage(workspace.status());
  std::vector<fuzz::ReportTarget> targets;
  size_t bugs = 0;
  for (const std::string& folder : flags.folders) {
    absl::StatusOr<fuzz::ReportTarget> target = fuzz::ReadCampaign(*workspace, folder);
    if (!target.ok()) return FuzzUsage(target.status());
    bugs += target->bugs.size();
    targets.push_back(*std::move(target));
  }
  const absl::Status written = fuzz::WriteText(flags.out, fuzz::ReportPage(targets));
  if (!written.ok()) return FuzzUsage(written);
  std::printf("%zu targets, %zu bugs: %s\n", targets.size(), bugs, flags.out.c_str());
  return bugs == 0 ? kExitHeld : kExitFailed;
}

FuzzSubcommand AddFuzzReport(CLI::App& fuzz) {
  auto flags = std::make_shared<FuzzReportFlags>();
  CLI::App* const sub = fuzz.add_subcommand("report", "Write a page about campaigns");
  sub->add_option("folders", flags->folders, "What `run` has written")
      ->required()
      ->type_name("DIR");
  sub->add_option("-o,--out", flags->out, "The page: HTML, self-contained")
      ->required()
      ->type_name("FILE");
  sub->add_option("--root", flags->root, "Where the sources are [above this folder]")
      ->type_name("DIR");
  sub->footer(
      "Targets with their speed, edges and states over time, and each bug with its smallest "
      "input, what happened on the\n"
      "wire, and the command that shows it again.\n"
      "\n"
      "Exit codes: 0 no bugs, 1 there are some, 2 wrong flags or input.");
  return {sub, [flags] { return RunFuzzReport(*flags); }};
}

// --- bisect ---

struct FuzzBisectFlags {
  FuzzInputFlags input;
  fuzz::BisectOptions bisect;
};

int RunFuzzBisect(const FuzzBisectFlags& flags) {
  const absl::StatusOr<FuzzInput> found = OpenFuzzInput(flags.input);
  if (!found.ok()) return FuzzUsage(found.status());
  const absl::StatusOr<fuzz::ObservedRun> now =
      fuzz::ObserveInput(found->replayer, found->input.bytes);
  if (!now.ok()) return FuzzUsage(now.status());
  if (now->held()) {
    return FuzzUsage(absl::FailedPreconditionError(
        absl::StrCat(flags.input.path, ": it holds here: there is nothing to look for")));
  }
  fuzz::BisectOptions options = flags.bisect;
  options.preset = flags.input.build.empty() ? fuzz::kReplayPreset : flags.input.build;
  options.tell = [](const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
  };
  const absl::StatusOr<std::vector<std::string>> commits =
      fuzz::Bisect(found->workspace, found->input, now->signature, options);
  if (!commits.ok()) return FuzzUsage(commits.status());
  std::printf("%s since %s\n", now->signature.c_str(),
              commits->size() == 1 ? (*commits)[0].c_str() : "one of these:");
  for (size_t i = 0; commits->size() > 1 && i < commits->size(); ++i) {
    std::printf("  %s\n", (*commits)[i].c_str());
  }
  return kExitHeld;
}

FuzzSubcommand AddFuzzBisect(CLI::App& fuzz) {
  auto flags = std::make_shared<FuzzBisectFlags>();
  CLI::App* const sub = fuzz.add_subcommand("bisect", "Find the commit that brought a bug");
  AddFuzzInputFlags(sub, &flags->input);
  sub->add_option("--good", flags->bisect.good, "A revision that holds")
      ->required()
      ->type_name("REV");
  sub->add_option("--bad", flags->bisect.bad, "One that breaks it")
      ->capture_default_str()
      ->type_name("REV");
  sub->add_option("-o,--out", flags->bisect.folder,
                  "Gets a work tree with its builds, and keeps them for the next time")
      ->required()
      ->type_name("DIR");
  sub->footer(
      "Builds and runs the target at commits between the two, half of what is left each time; a "
      "run is exact, so one a\n"
      "commit is enough. A commit that cannot be built, or breaks something else, is passed over.\n"
      "\n"
      "Exit codes: 0 found, 2 the input holds, or wrong flags.");
  return {sub, [flags] { return RunFuzzBisect(*flags); }};
}

}  // namespace

void AddFuzzReportCommands(CLI::App& fuzz, std::vector<FuzzSubcommand>* commands) {
  commands->push_back(AddFuzzReport(fuzz));
  commands->push_back(AddFuzzBisect(fuzz));
}

}  // namespace tapedeck::tools
