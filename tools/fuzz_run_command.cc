// tapedeck fuzz run: engines at work.
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "fuzz/campaign/campaign.h"
#include "fuzz/campaign/files.h"
#include "tools/fuzz_commands.h"
#include "tools/stop_signals.h"

namespace tapedeck::tools {

namespace {

struct FuzzRunFlags {
  fuzz::CampaignOptions campaign;
  std::string engine = "libfuzzer";
  std::string time;
  std::string root;
};

absl::StatusOr<uint64_t> ParseSeconds(const std::string& text) {
  absl::Duration duration;
  const std::string with_unit =
      text.find_first_not_of("0123456789") == std::string::npos ? text + "s" : text;
  if (!absl::ParseDuration(with_unit, &duration) || duration < absl::Seconds(1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--time ", text, ": expected a duration like 90s, 10m, 2h"));
  }
  return static_cast<uint64_t>(absl::ToInt64Seconds(duration));
}

int RunFuzzRun(const FuzzRunFlags& flags) {
  const absl::StatusOr<fuzz::Workspace> workspace = fuzz::Workspace::Find(flags.root);
  if (!workspace.ok()) return FuzzUsage(workspace.status());
  fuzz::CampaignOptions options = flags.campaign;
  options.libfuzzer = flags.engine != "afl";
  options.afl = flags.engine != "libfuzzer";
  if (options.out.empty()) options.out = "fuzz-" + options.target;
  if (!flags.time.empty()) {
    const absl::StatusOr<uint64_t> seconds = ParseSeconds(flags.time);
    if (!seconds.ok()) return FuzzUsage(seconds.status());
    options.seconds = *seconds;
  }
  // Before anything takes long: a Ctrl-C during the preparations ends the campaign as it begins.
  const StopSignals signals;
  const absl::StatusOr<std::unique_ptr<fuzz::Campaign>> campaign =
      fuzz::Campaign::Create(*workspace, options);
  if (!campaign.ok()) return FuzzUsage(campaign.status());
  const bool live = isatty(STDERR_FILENO) != 0;
  double told = 0;  // in a log, a line a minute
  const absl::Status status =
      (*campaign)->Run(StopSignals::Wanted, [&](const fuzz::CampaignSample& sample) {
        if (live) {
          std::fprintf(stderr, "\r%s \033[K", fuzz::SampleText(sample).c_str());
        } else if (sample.seconds - told >= 60) {
          told = sample.seconds;
          std::fprintf(stderr, "%s\n", fuzz::SampleText(sample).c_str());
        }
      });
  if (live) std::fprintf(stderr, "\r\033[K");
  if (!status.ok()) return FuzzUsage(status);
  std::printf("%s\n", fuzz::SampleText((*campaign)->last()).c_str());
  const std::vector<std::string> crashes = (*campaign)->Crashes();
  for (const std::string& crash : crashes) {
    std::printf("%s/crashes/%s\n", options.out.c_str(), crash.c_str());
  }
  if (crashes.empty()) return kExitHeld;
  std::printf("sort them: tapedeck fuzz dedupe --target %s -o bugs %s/crashes\n",
              options.target.c_str(), options.out.c_str());
  return kExitFailed;
}

}  // namespace

void AddFuzzCampaignCommands(CLI::App& fuzz, std::vector<FuzzSubcommand>* commands) {
  auto flags = std::make_shared<FuzzRunFlags>();
  fuzz::CampaignOptions* const campaign = &flags->campaign;
  CLI::App* const sub = fuzz.add_subcommand("run", "Let engines search");
  sub->add_option("target", campaign->target, "A target (fuzz/targets.txt)")
      ->required()
      ->type_name("TARGET");
  sub->add_option("--engine", flags->engine, "libfuzzer, afl, or both, which share what they find")
      ->check(CLI::IsMember({"libfuzzer", "afl", "both"}))
      ->capture_default_str();
  sub->add_option("-j,--jobs", campaign->jobs, "Processes at work; of both engines in turn")
      ->check(CLI::Range(1, 256))
      ->capture_default_str()
      ->type_name("N");
  sub->add_option("--time", flags->time, "For so long: 90s, 10m, 2h [until Ctrl-C]")
      ->type_name("TIME");
  sub->add_option("--runs", campaign->executions, "At most so many inputs a process")
      ->type_name("N");
  sub->add_option("--seed", campaign->seed, "Of the first process; the next have the next ones")
      ->capture_default_str()
      ->type_name("N");
  sub->add_option("-o,--out", campaign->out, "Where all of it goes [fuzz-TARGET]")
      ->type_name("DIR");
  sub->add_flag("--plain", campaign->plain, "libFuzzer without sanitizers: faster, sees less");
  sub->add_option("--crashes", campaign->crashes_max, "End after so many [go on]")->type_name("N");
  sub->add_option("--worker", campaign->worker,
                  "A name among workers that share DIR (fuzz/slurm has job files)")
      ->type_name("NAME");
  sub->add_option("--root", flags->root, "Where the sources are [above this folder]")
      ->type_name("DIR");
  sub->footer(
      "Builds the target for the engine where that is missing (build/fuzz-libfuzzer, "
      "build/fuzz-afl), starts from the\n"
      "committed inputs and from what DIR has, and shows runs, edges, states, inputs and crashes: "
      "on a terminal as they are,\n"
      "elsewhere a line a minute. Both engines mutate scripts as such (build/release has "
      "afl-fuzz's "
      "mutator). Ctrl-C ends it;\n"
      "nothing is lost, and the same command goes on.\n"
      "\n"
      "DIR/corpus has what reached anything new, DIR/crashes what broke a promise, each with the "
      "inputs that the same\n"
      "process ran before it, DIR/jobs the engines' logs.\n"
      "\n"
      "Examples:\n"
      "  tapedeck fuzz run stack --time 60s\n"
      "  tapedeck fuzz run stack --engine both --jobs 4 -o found\n"
      "\n"
      "Exit codes: 0 nothing broke, 1 there are crashes, 2 wrong flags, or the target cannot be "
      "built.");
  commands->push_back({sub, [flags] { return RunFuzzRun(*flags); }});
}

}  // namespace tapedeck::tools
