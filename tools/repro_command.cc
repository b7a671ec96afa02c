// tapedeck repro: one crash, exactly.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fuzz/campaign/archive.h"
#include "fuzz/campaign/files.h"
#include "fuzz/campaign/observed_run.h"
#include "fuzz/campaign/to_test.h"
#include "tools/fuzz_commands.h"

namespace tapedeck::tools {

namespace {

struct ReproFlags {
  FuzzInputFlags input;
  std::vector<std::string> builds;
  unsigned runs = 10;
  size_t events = 20;
  std::string pkt;
  std::string archive;
};

// How one build ran the input, so often.
struct BuildRuns {
  std::string replayer;
  fuzz::ObservedRun first;
  unsigned equal = 0;  // runs that ended like the first
};

absl::StatusOr<BuildRuns> RunBuild(const std::string& replayer, const fuzz::Bytes& input,
                                   unsigned runs) {
  BuildRuns result;
  result.replayer = replayer;
  for (unsigned i = 0; i < runs; ++i) {
    const absl::StatusOr<fuzz::ObservedRun> run = fuzz::ObserveInput(replayer, input);
    if (!run.ok()) return run.status();
    if (i == 0) result.first = *run;
    result.equal += fuzz::SameRun(*run, result.first);
  }
  return result;
}

void PrintBuild(const BuildRuns& build, unsigned runs) {
  std::printf("%-8s %s, %zu events, digest %s, %u of %u runs equal\n",
              !build.first.held()     ? "broken"
              : build.first.cut_short ? "cut"
                                      : "held",
              build.first.held() ? "-" : build.first.signature.c_str(), build.first.events.size(),
              build.first.trace_digest.c_str(), build.equal, runs);
  std::printf("         %s\n", build.replayer.c_str());
}

absl::Status WriteFiles(const ReproFlags& flags, const FuzzInput& found, const BuildRuns& build) {
  absl::Status status;
  if (!flags.pkt.empty()) {
    if (found.input.kind() != fuzz::InputKind::kScript) {
      return absl::InvalidArgumentError(
          absl::StrCat("--pkt: inputs of ", found.input.target, " are no scripts"));
    }
    status.Update(fuzz::WriteText(flags.pkt, fuzz::ScriptText(found.input, build.first)));
  }
  if (!flags.archive.empty()) {
    fuzz::CrashOrigin origin;
    origin.replayer = build.replayer;
    status.Update(fuzz::WriteArchive(flags.archive, found.input, build.first, origin));
  }
  return status;
}

int RunRepro(const ReproFlags& flags) {
  const absl::StatusOr<FuzzInput> found = OpenFuzzInput(flags.input);
  if (!found.ok()) return FuzzUsage(found.status());
  std::vector<std::string> replayers = {found->replayer};
  for (const std::string& build : flags.builds) {
    const absl::StatusOr<std::string> replayer =
        found->workspace.Replayer(found->input.target, build);
    if (!replayer.ok()) return FuzzUsage(replayer.status());
    if (*replayer != found->replayer) replayers.push_back(*replayer);
  }
  std::vector<BuildRuns> builds;
  for (const std::string& replayer : replayers) {
    absl::StatusOr<BuildRuns> build = RunBuild(replayer, found->input.bytes, flags.runs);
    if (!build.ok()) return FuzzUsage(build.status());
    builds.push_back(*std::move(build));
  }
  const BuildRuns& first = builds[0];
  if (!first.first.events.empty()) PrintLastLines(first.first.events, flags.events);
  if (!first.first.errors.empty()) std::printf("%s\n", first.first.errors.c_str());
  bool all_equal = true;
  bool all_held = true;
  bool seen_by_some = false;
  for (const BuildRuns& build : builds) {
    PrintBuild(build, flags.runs);
    const bool by_sanitizer = fuzz::SameUntilSanitizer(build.first, first.first);
    all_equal &=
        build.equal == flags.runs && (by_sanitizer || fuzz::SameRun(build.first, first.first));
    all_held &= build.first.held();
    seen_by_some |= by_sanitizer;
  }
  if (seen_by_some) std::printf("Only a sanitizer sees it; until then the runs are the same.\n");
  if (!all_equal) std::printf("The runs differ: that is a bug of its own (determinism).\n");
  std::printf("again:   tapedeck repro --target %s %s\n", found->input.target.c_str(),
              flags.input.path.c_str());
  if (absl::Status status = WriteFiles(flags, *found, first); !status.ok()) {
    return FuzzUsage(status);
  }
  return all_equal && all_held ? kExitHeld : kExitFailed;
}

}  // namespace

Run AddReproCommand(CLI::App& app, CLI::App** subcommand) {
  auto flags = std::make_shared<ReproFlags>();
  CLI::App* const sub = app.add_subcommand("repro", kReproAbout);
  *subcommand = sub;
  AddFuzzInputFlags(sub, &flags->input);
  sub->add_option("--also", flags->builds,
                  "Other presets whose replayers must come to the same (asan, clang-O0, ...)")
      ->type_name("PRESET");
  sub->add_option("--runs", flags->runs, "Run it so often in each build")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str()
      ->type_name("N");
  sub->add_option("--events", flags->events, "Print so many of its last events")
      ->capture_default_str()
      ->type_name("N");
  sub->add_option("--pkt", flags->pkt, "Write it as a script")->type_name("FILE");
  sub->add_option("--archive", flags->archive,
                  "Write a folder with input, script, trace, capture and how it was run")
      ->type_name("DIR");
  sub->footer(
      "INPUT is what an engine left behind, a script, or an archive. It runs in a process of its "
      "own, with all oracles; what\n"
      "is printed are the events before its end, what broke, and a digest of all events, which "
      "must be the same in every run\n"
      "and in every build; but where one has a sanitizer that ends it, it is the others' run up to "
      "there.\n"
      "\n"
      "Examples:\n"
      "  tapedeck repro found/crashes/crash-3e68bb5c --target stack\n"
      "  tapedeck repro --also asan --archive crash-1 "
      "corpus/regress/stack/empty_frame_memcpy_null\n"
      "  tapedeck repro crash-1\n"
      "\n"
      "Exit codes: 0 it holds, 1 it breaks a promise or runs differ, 2 wrong flags or input.");
  return [flags] { return RunRepro(*flags); };
}

}  // namespace tapedeck::tools
