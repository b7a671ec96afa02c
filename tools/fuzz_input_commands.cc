// tapedeck fuzz min, explain, to-test: one input.
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fuzz/campaign/files.h"
#include "fuzz/campaign/minimise.h"
#include "fuzz/campaign/observed_run.h"
#include "fuzz/campaign/to_test.h"
#include "tools/fuzz_commands.h"

namespace tapedeck::tools {

namespace {

// --- min ---

struct MinFlags {
  FuzzInputFlags input;
  std::string out;
  uint64_t runs_max = 20'000;
};

int RunFuzzMin(const MinFlags& flags) {
  const absl::StatusOr<FuzzInput> found = OpenFuzzInput(flags.input);
  if (!found.ok()) return FuzzUsage(found.status());
  const auto judge = found->StartJudge();
  if (!judge.ok()) return FuzzUsage(judge.status());
  fuzz::MinimiseOptions options;
  options.kind = found->input.kind();
  options.runs_max = flags.runs_max;
  if (isatty(STDERR_FILENO) != 0) {
    options.progress = [](size_t pieces, size_t bytes, uint64_t runs) {
      std::fprintf(stderr, "\r%zu records, %zu bytes after %" PRIu64 " runs \033[K", pieces, bytes,
                   runs);
    };
  }
  const absl::StatusOr<fuzz::Minimised> small =
      fuzz::Minimise(**judge, found->input.bytes, options);
  if (options.progress) std::fprintf(stderr, "\r\033[K");
  if (!small.ok()) {
    return FuzzUsage(
        absl::Status(small.status().code(),
                     absl::StrCat(flags.input.path, ": ", std::string(small.status().message()))));
  }
  const std::string out = flags.out.empty() ? flags.input.path + ".min" : flags.out;
  if (absl::Status status = fuzz::WriteBytes(out, small->input); !status.ok()) {
    return FuzzUsage(status);
  }
  std::printf("%s\n", small->signature.c_str());
  std::printf("%zu records, %zu bytes -> %zu records, %zu bytes in %" PRIu64 " runs: %s\n",
              small->pieces_before, found->input.bytes.size(), small->pieces, small->input.size(),
              small->runs, out.c_str());
  fuzz::CrashInput shown = found->input;
  shown.bytes = small->input;
  for (const std::string& line : fuzz::DescribeInput(shown)) std::printf("  %s\n", line.c_str());
  return kExitHeld;
}

FuzzSubcommand AddFuzzMin(CLI::App& fuzz) {
  auto flags = std::make_shared<MinFlags>();
  CLI::App* const sub = fuzz.add_subcommand("min", "Make an input small while it breaks the same");
  AddFuzzInputFlags(sub, &flags->input);
  sub->add_option("-o,--out", flags->out, "Where the small one goes [INPUT.min]")
      ->type_name("FILE");
  sub->add_option("--runs", flags->runs_max, "Stop after so many runs of the target")
      ->capture_default_str()
      ->type_name("N");
  sub->footer(
      "Leaves out records (of a Script), lines (of text) or packets (of a capture), then makes "
      "times and operands plain,\n"
      "and again until nothing changes; the signature, which is the promise that broke, stays the "
      "same all the time.\n"
      "\n"
      "Example:\n"
      "  tapedeck fuzz min found/crashes/crash-3e68bb5c --target stack -o small\n"
      "\n"
      "Exit codes: 0 done, 2 the input breaks nothing, or wrong flags.");
  return {sub, [flags] { return RunFuzzMin(*flags); }};
}

// --- explain ---

struct ExplainFlags {
  FuzzInputFlags input;
  size_t events = 30;
};

std::string VerdictOf(const fuzz::ObservedRun& run) {
  if (!run.held()) return absl::StrCat("breaks ", run.signature);
  return run.cut_short ? "cut short: it makes more work than a run may have, and held so far"
                       : "it holds";
}

int RunFuzzExplain(const ExplainFlags& flags) {
  const absl::StatusOr<FuzzInput> found = OpenFuzzInput(flags.input);
  if (!found.ok()) return FuzzUsage(found.status());
  const absl::StatusOr<fuzz::ObservedRun> run =
      fuzz::ObserveInput(found->replayer, found->input.bytes);
  if (!run.ok()) return FuzzUsage(run.status());
  std::printf("target   %s\ninput    %zu bytes, %s\nverdict  %s\n", found->input.target.c_str(),
              found->input.bytes.size(), fuzz::InputName(found->input.bytes).c_str(),
              VerdictOf(*run).c_str());
  std::printf("\nThe input says:\n");
  const std::vector<std::string> lines = fuzz::DescribeInput(found->input);
  for (size_t i = 0; i < lines.size(); ++i) std::printf("%5zu  %s\n", i + 1, lines[i].c_str());
  if (!run->events.empty()) {
    std::printf("\nIts last events (number, seconds, host, where, what):\n");
    PrintLastLines(run->events, flags.events);
  }
  if (!run->errors.empty()) std::printf("\n%s", run->errors.c_str());
  return run->held() ? kExitHeld : kExitFailed;
}

FuzzSubcommand AddFuzzExplain(CLI::App& fuzz) {
  auto flags = std::make_shared<ExplainFlags>();
  CLI::App* const sub = fuzz.add_subcommand("explain", "Tell what an input says and does");
  AddFuzzInputFlags(sub, &flags->input);
  sub->add_option("--events", flags->events, "So many of its last events")
      ->capture_default_str()
      ->type_name("N");
  sub->footer(
      "Prints the verdict, the input's records one a line in the notation of scripts, and the "
      "events of its run up to where\n"
      "it ended.\n"
      "\n"
      "Exit codes: 0 it holds, 1 it breaks a promise, 2 wrong flags or input.");
  return {sub, [flags] { return RunFuzzExplain(*flags); }};
}

// --- to-test ---

struct ToTestFlags {
  FuzzInputFlags input;
  std::string pkt;
  std::string gtest;
  std::string pcapng;
  std::string name;
};

absl::Status WriteTests(const ToTestFlags& flags, const FuzzInput& found,
                        const fuzz::ObservedRun& run) {
  absl::Status status;
  if (!flags.pkt.empty()) {
    if (found.input.kind() != fuzz::InputKind::kScript) {
      return absl::InvalidArgumentError(
          absl::StrCat("--pkt: inputs of ", found.input.target, " are no scripts"));
    }
    status.Update(fuzz::WriteText(flags.pkt, fuzz::ScriptText(found.input, run)));
  }
  if (!flags.gtest.empty()) {
    status.Update(fuzz::WriteText(flags.gtest, fuzz::GtestText(found.input, run, flags.name)));
  }
  if (!flags.pcapng.empty()) {
    status.Update(fuzz::WriteCaptureOfRun(found.replayer, found.input.bytes, run, flags.pcapng));
  }
  return status;
}

int RunFuzzToTest(const ToTestFlags& flags) {
  const absl::StatusOr<FuzzInput> found = OpenFuzzInput(flags.input);
  if (!found.ok()) return FuzzUsage(found.status());
  const absl::StatusOr<fuzz::ObservedRun> run =
      fuzz::ObserveInput(found->replayer, found->input.bytes);
  if (!run.ok()) return FuzzUsage(run.status());
  if (flags.pkt.empty() && flags.gtest.empty() && flags.pcapng.empty()) {
    if (found->input.kind() != fuzz::InputKind::kScript) {
      return FuzzUsage(absl::InvalidArgumentError("name what to write: --gtest or --pcapng"));
    }
    std::fputs(fuzz::ScriptText(found->input, *run).c_str(), stdout);
    return kExitHeld;
  }
  const absl::Status status = WriteTests(flags, *found, *run);
  return status.ok() ? kExitHeld : FuzzUsage(status);
}

FuzzSubcommand AddFuzzToTest(CLI::App& fuzz) {
  auto flags = std::make_shared<ToTestFlags>();
  CLI::App* const sub = fuzz.add_subcommand("to-test", "Write an input as a test");
  AddFuzzInputFlags(sub, &flags->input);
  sub->add_option("--pkt", flags->pkt, "As a script, which `tapedeck repro` runs")
      ->type_name("FILE");
  sub->add_option("--gtest", flags->gtest, "As a GoogleTest, to be linked with its target")
      ->type_name("FILE");
  sub->add_option("--pcapng", flags->pcapng, "The frames of its run, as a capture")
      ->type_name("FILE");
  sub->add_option("--name", flags->name, "What the GoogleTest is called [as what it breaks]");
  sub->footer(
      "Without a file the script is printed. A script that is changed by hand is an input again: "
      "`tapedeck repro FILE.pkt`.\n"
      "\n"
      "Exit codes: 0 written, 2 wrong flags or input.");
  return {sub, [flags] { return RunFuzzToTest(*flags); }};
}

}  // namespace

void AddFuzzInputCommands(CLI::App& fuzz, std::vector<FuzzSubcommand>* commands) {
  commands->push_back(AddFuzzMin(fuzz));
  commands->push_back(AddFuzzExplain(fuzz));
  commands->push_back(AddFuzzToTest(fuzz));
}

}  // namespace tapedeck::tools
