#include "tools/inspect.h"

#include <algorithm>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "replay/case/case.h"
#include "replay/case/case_run.h"
#include "tools/commands.h"

namespace tapedeck::tools {

namespace {

void ComplainOfInspection(const std::string& command, const std::string& line) {
  std::fprintf(stderr, "tapedeck %s: %s\n", command.c_str(), line.c_str());
}

// What is to be skipped is no mistake of the caller's, but no run that held either.
int Refuse(const std::string& command, const absl::Status& status) {
  ComplainOfInspection(command, std::string(status.message()));
  return absl::IsFailedPrecondition(status) ? kExitFailed : kExitUsage;
}

int InspectFile(const std::string& command, const std::string& file, const InspectFlags& flags,
                const CaseOptions& options, const Inspection& inspection) {
  const absl::StatusOr<std::unique_ptr<Case>> what = OpenCase(file, options);
  if (!what.ok()) return Refuse(command, what.status());
  Arena arena{Arena::Options{}};
  const absl::StatusOr<std::unique_ptr<CaseRun>> started = CaseRun::Start(**what, &arena);
  if (!started.ok()) return Refuse(command, started.status());
  CaseRun& run = **started;
  if (inspection.begun) run.AddObserver(inspection.begun());
  for (int i = 0; inspection.host_made && i < run.hosts(); ++i) inspection.host_made(run.host(i));
  if (flags.event != 0 && flags.event < run.event()) {
    return Refuse(command,
                  absl::InvalidArgumentError(absl::StrCat(
                      "--event ", flags.event, ": the run begins behind event ", run.event())));
  }
  const bool there = flags.event != 0 && run.RunToEvent(flags.event);
  if (flags.event != 0 && !there) {
    return Refuse(command, absl::InvalidArgumentError(absl::StrCat("--event ", flags.event, ": ",
                                                                   file, " has ", run.event())));
  }
  if (!there) run.RunToEnd();
  for (int i = 0; inspection.ended && i < run.hosts(); ++i) inspection.ended(run.host(i));
  if (inspection.over) inspection.over();
  if (there) return kExitHeld;
  const PlaybackResult result = run.Finish();
  for (const std::string& warning : result.warnings) ComplainOfInspection(command, warning);
  for (const std::string& problem : result.problems) ComplainOfInspection(command, problem);
  return result.outcome == PlaybackResult::Outcome::kHeld ? kExitHeld : kExitFailed;
}

}  // namespace

void AddInspectFlags(CLI::App* sub, InspectFlags* flags) {
  sub->add_option("FILE", flags->files, "Captures, scripts (*.pkt), fuzzers' inputs")->required();
  sub->add_option("--event", flags->event, "Look right behind this event [the end]")
      ->type_name("N");
  AddCaseFlags(sub, &flags->what);
}

int InspectFiles(const std::string& command, const InspectFlags& flags,
                 const Inspection& inspection) {
  absl::StatusOr<CaseOptions> options = MakeCaseOptions(flags.what);
  if (!options.ok()) return Refuse(command, options.status());
  if (inspection.set_options) {
    const absl::Status set = inspection.set_options(&*options);
    if (!set.ok()) return Refuse(command, set);
  }
  int exit_code = kExitHeld;
  for (const std::string& file : flags.files) {
    if (flags.files.size() > 1) std::printf("==> %s <==\n", file.c_str());
    exit_code = std::max(exit_code, InspectFile(command, file, flags, *options, inspection));
  }
  return exit_code;
}

}  // namespace tapedeck::tools
