#include "tools/stand_in_replay.h"

#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/capture/input_file.h"
#include "replay/capture/output_file.h"
#include "replay/standin/plan_text.h"
#include "replay/standin/stand_in.h"
#include "replay/trace/trace_printer.h"
#include "stack/wire/ip_protocol.h"
#include "tools/commands.h"
#include "tools/counts.h"
#include "tools/run_outputs.h"
#include "tools/stop_signals.h"

namespace tapedeck::tools {

namespace {

using standin::FlowComparison;
using standin::FlowName;
using standin::FlowResult;
using standin::Plan;
using standin::PlanFlow;
using standin::StandInResult;
using StandInClock = std::chrono::steady_clock;

// Flows that a person is shown; the others are counted.
constexpr size_t kFlowsShown = 40;
constexpr size_t kGuessesShown = 20;
constexpr size_t kAroundDivergence = 4;

void ComplainOfStandIn(const std::string& line) {
  std::fprintf(stderr, "tapedeck replay: %s\n", line.c_str());
}

struct LoadedPlan {
  Plan plan;
  uint64_t hash = 0;
  std::vector<std::string> warnings;
};

bool IsPlanFile(const std::string& file) {
  if (capture::IsReadOnce(file)) return false;
  std::ifstream stream(file, std::ios::binary);
  std::string beginning(16, '\0');
  stream.read(beginning.data(), static_cast<std::streamsize>(beginning.size()));
  return standin::LooksLikePlan(beginning);
}

absl::StatusOr<LoadedPlan> LoadPlan(const std::string& file, const standin::InferOptions& inference,
                                    std::optional<uint32_t> hz) {
  LoadedPlan loaded;
  if (IsPlanFile(file)) {
    absl::StatusOr<Plan> plan = standin::ReadPlan(file);
    if (!plan.ok()) return plan.status();
    loaded.plan = *std::move(plan);
    if (hz.has_value()) loaded.plan.hz = *hz;
    loaded.hash = standin::PlanHash(loaded.plan);
    return loaded;
  }
  absl::StatusOr<Plan> plan = standin::PlanFromCapture(file, inference, &loaded.warnings);
  if (!plan.ok()) return plan.status();
  loaded.plan = *std::move(plan);
  loaded.plan.source = FileName(file);
  if (hz.has_value()) loaded.plan.hz = *hz;
  if (!loaded.plan.addresses.empty()) loaded.hash = standin::PlanHash(loaded.plan);
  return loaded;
}

absl::Status WritePlan(const std::string& path, const Plan& plan) {
  absl::StatusOr<capture::OutputFile> file = capture::OutputFile::Create(path);
  if (!file.ok()) return file.status();
  absl::Status written;
  standin::PrintPlan(plan, [&](std::string_view piece) {
    if (!written.ok()) return;
    written = file->Append({reinterpret_cast<const uint8_t*>(piece.data()), piece.size()});
  });
  return written.ok() ? file->Close() : written;
}

std::string StandInSettings(const ReplayFlags& flags, const LoadedPlan& loaded) {
  std::string hosts;
  for (const IpAddress& address : loaded.plan.addresses) {
    absl::StrAppend(&hosts, hosts.empty() ? "" : ",", address.ToString());
  }
  return absl::StrFormat(
      "seed %s  costs %s  hz %d  mode stand-in  timing %s  nic 82599  eitr 0x%x  host %s  mac %s  "
      "mtu %d  plan %016x",
      flags.seed, flags.costs, loaded.plan.hz != 0 ? loaded.plan.hz : LabHostOptions().hz,
      flags.timing, flags.eitr.value_or(0), hosts, loaded.plan.host_mac.ToString(),
      loaded.plan.mtu_bytes, loaded.hash);
}

std::string EndText(const PlanFlow& flow, const FlowComparison& comparison) {
  if (flow.protocol == wire::kIpProtoUdp) return "-";
  if (comparison.captured == comparison.replayed) return comparison.captured.ToString();
  return absl::StrCat(comparison.replayed.ToString(), ", captured ",
                      comparison.captured.ToString());
}

void PrintFlows(const Plan& plan, const StandInResult& run) {
  absl::PrintF("%5s %-58s %-5s %-14s %9s %11s  %s\n", "flow", "L (< accepted, > connected) P",
               "grade", "reason", "segments", "bytes read", "end");
  for (size_t i = 0; i < plan.flows.size() && i < kFlowsShown; ++i) {
    const FlowComparison& comparison = run.comparisons[i];
    absl::PrintF("%5d %-58s %-5s %-14s %4d/%-4d %11d  %s\n", i + 1, FlowName(plan.flows[i]),
                 GradeName(comparison.grade), comparison.reason.empty() ? "-" : comparison.reason,
                 comparison.segments_same, comparison.segments_captured, run.flows[i].read_bytes,
                 EndText(plan.flows[i], comparison));
  }
  if (plan.flows.size() > kFlowsShown) {
    absl::PrintF("      and %d more\n", plan.flows.size() - kFlowsShown);
  }
}

// The flow with the first difference that matters: of the worst grade, the first.
std::optional<size_t> WorstFlow(const StandInResult& run) {
  std::optional<size_t> worst;
  for (size_t i = 0; i < run.comparisons.size(); ++i) {
    if (!run.comparisons[i].diverged) continue;
    if (!worst.has_value() || run.comparisons[i].grade > run.comparisons[*worst].grade) worst = i;
  }
  return worst;
}

std::string DivergenceText(const Plan& plan, const StandInResult& run) {
  const std::optional<size_t> worst = WorstFlow(run);
  if (!worst.has_value()) return "";
  const FlowComparison& comparison = run.comparisons[*worst];
  std::string text = absl::StrFormat("first difference in flow %d, %s\n%s\n  %-62s   %s\n",
                                     *worst + 1, FlowName(plan.flows[*worst]),
                                     comparison.divergence, "captured, of L", "replayed");
  for (const std::string& line :
       standin::SideBySide(plan.flows[*worst], run.flows[*worst], comparison, kAroundDivergence)) {
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

FlowResult TotalOf(const StandInResult& run) {
  FlowResult total;
  for (const FlowResult& flow : run.flows) {
    total.as_captured += flow.as_captured;
    total.rewritten += flow.rewritten;
    total.late += flow.late;
    total.split += flow.split;
    total.synthetic += flow.synthetic;
    total.skipped += flow.skipped;
    total.modelled_acks += flow.modelled_acks;
  }
  return total;
}

void PrintStandIn(const LoadedPlan& loaded, const StandInResult& run, double wall_s) {
  PrintFlows(loaded.plan, run);
  std::fputs(DivergenceText(loaded.plan, run).c_str(), stdout);
  const std::vector<std::string>& guesses = loaded.plan.guesses;
  for (size_t i = 0; i < guesses.size() && i < kGuessesShown; ++i) {
    absl::PrintF("guess: %s\n", guesses[i]);
  }
  if (guesses.size() > kGuessesShown) {
    absl::PrintF("guess: and %d more\n", guesses.size() - kGuessesShown);
  }
  const FlowResult total = TotalOf(run);
  absl::PrintF(
      "packets of P: as captured %d  rewritten %d  late %d  split %d  synthetic %d  skipped %d  "
      "modelled %d\n",
      total.as_captured, total.rewritten, total.late, total.split, total.synthetic, total.skipped,
      total.modelled_acks);
  absl::PrintF("frames in %d = delivered %d + dropped %d%s + queued %d  frames out %d  events %d\n",
               run.frames_in, run.delivered, Total(run.dropped), CountsText(run.dropped),
               run.queued, run.frames_out, run.events);
  absl::PrintF("virtual %.6f s  wall %.3f s\n", static_cast<double>(run.virtual_time.ns()) * 1e-9,
               wall_s);
  for (const std::string& violation : run.violations) absl::PrintF("violated: %s\n", violation);
  absl::PrintF("%s  grade %s  digest %s\n", VerdictWord(run.violations, run.interrupted),
               GradeName(run.WorstGrade()), run.digest);
}

nlohmann::ordered_json FlowJson(const PlanFlow& flow, const FlowComparison& comparison,
                                const FlowResult& result) {
  nlohmann::ordered_json json;
  json["protocol"] = flow.protocol == wire::kIpProtoUdp ? "udp" : "tcp";
  json["local"] = flow.local.ToString();
  json["remote"] = flow.remote.ToString();
  json["role"] = flow.role == standin::Role::kActive ? "active" : "passive";
  json["grade"] = GradeName(comparison.grade);
  json["reason"] = comparison.reason;
  json["segments"] = comparison.segments_captured;
  json["segments_same"] = comparison.segments_same;
  json["bytes_read"] = result.read_bytes;
  json["bytes_read_same"] = comparison.bytes_read_same;
  json["bytes_sent_same"] = comparison.bytes_sent_same;
  json["end_captured"] = comparison.captured.ToString();
  json["end"] = comparison.replayed.ToString();
  json["retransmissions_more"] = comparison.retransmissions_more;
  json["resets_more"] = comparison.resets_more;
  json["challenge_acks_more"] = comparison.challenge_acks_more;
  json["time_off_max_ns"] = comparison.time_off_max_ns;
  json["starved"] = result.starved;
  json["divergence"] = comparison.divergence;
  return json;
}

// `json` as text that is not checked to be UTF-8: names of files are what they are.
std::string JsonText(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// One object on one line, flow by flow: of all of them at once it would be larger than the run.
void PrintStandInJson(const std::string& file, const LoadedPlan& loaded, const StandInResult& run,
                      double wall_s) {
  nlohmann::ordered_json json;
  json["file"] = file;
  json["mode"] = "stand-in";
  json["host"] = loaded.plan.addresses[0].ToString();
  json["plan"] = absl::StrFormat("%016x", loaded.hash);
  json["grade"] = GradeName(run.WorstGrade());
  std::string beginning = JsonText(json);
  beginning.pop_back();  // the object goes on
  absl::PrintF("%s,\"flows\":[", beginning);
  for (size_t i = 0; i < loaded.plan.flows.size(); ++i) {
    absl::PrintF("%s%s", i == 0 ? "" : ",",
                 JsonText(FlowJson(loaded.plan.flows[i], run.comparisons[i], run.flows[i])));
  }
  json.clear();
  const FlowResult total = TotalOf(run);
  json["packets"] = {{"as_captured", total.as_captured},
                     {"rewritten", total.rewritten},
                     {"late", total.late},
                     {"split", total.split},
                     {"synthetic", total.synthetic},
                     {"skipped", total.skipped},
                     {"modelled", total.modelled_acks}};
  json["frames_in"] = run.frames_in;
  json["frames_out"] = run.frames_out;
  json["delivered"] = run.delivered;
  json["dropped"] = run.dropped;
  json["queued"] = run.queued;
  json["virtual_ns"] = run.virtual_time.ns();
  json["wall_ns"] = static_cast<uint64_t>(wall_s * 1e9);
  json["digest"] = run.digest;
  json["guesses"] = loaded.plan.guesses;
  json["warnings"] = loaded.warnings;
  json["violations"] = run.violations;
  json["interrupted"] = run.interrupted;
  absl::PrintF("],%s\n", JsonText(json).substr(1));
}

report::ReportInput MakeStandInReport(const ReplayFlags& flags, const LoadedPlan& loaded,
                                      const StandInResult& run) {
  report::ReportInput input;
  input.title = loaded.plan.source;
  input.held = run.violations.empty();
  input.verdict = run.interrupted ? "the run was interrupted"
                  : input.held    ? absl::StrCat("the run held; the worst flow has grade ",
                                                 GradeName(run.WorstGrade()))
                                  : "the run broke a promise";
  input.digest = run.digest;
  input.command = absl::StrFormat("tapedeck replay --mode stand-in --host %s --seed %s %s",
                                  loaded.plan.addresses[0].ToString(), flags.seed, input.title);
  input.figures = {{"flows", absl::StrCat(run.flows.size())},
                   {"frames in", absl::StrCat(run.frames_in)},
                   {"frames out", absl::StrCat(run.frames_out)},
                   {"dropped", absl::StrCat(Total(run.dropped))},
                   {"events", absl::StrCat(run.events)}};
  input.settings = {StandInSettings(flags, loaded)};
  input.violations = run.violations;
  input.warnings = loaded.warnings;
  input.guesses = loaded.plan.guesses;
  for (size_t i = 0; i < loaded.plan.flows.size(); ++i) {
    const FlowComparison& comparison = run.comparisons[i];
    input.fidelity.push_back({FlowName(loaded.plan.flows[i]), GradeName(comparison.grade),
                              comparison.reason, comparison.divergence});
  }
  input.divergence = DivergenceText(loaded.plan, run);
  return input;
}

standin::StandInOptions OptionsOf(const ReplayFlags& flags, const LabOptions& lab) {
  standin::StandInOptions options;
  options.lab = lab;
  // A captured time is when the host saw a packet: what its NIC did before is in it already.
  options.lab.hosts[0].driver.eitr = flags.eitr.value_or(0);
  options.timing = flags.timing == "absolute" ? standin::Timing::kAbsolute
                   : flags.timing == "fast"   ? standin::Timing::kFast
                                              : standin::Timing::kReactive;
  options.restore_after_frames = flags.restore_after;
  options.stop = StopSignals::Wanted;
  options.settle = Duration::Nanoseconds(static_cast<uint64_t>(flags.settle_s * 1e9));
  return options;
}

int RunLoaded(const ReplayFlags& flags, const std::string& file, const LoadedPlan& loaded,
              const LabOptions& lab) {
  TracePrinter printer(stdout, flags.verbose >= 3   ? TracePrinter::Detail::kAll
                               : flags.verbose == 2 ? TracePrinter::Detail::kFrames
                                                    : TracePrinter::Detail::kChanges);
  RunOutputs outputs(flags.outputs);
  standin::StandInHooks hooks;
  hooks.started = [&](standin::StandIn& run) {
    if (!flags.json) absl::PrintF("%s\n%s\n", file, StandInSettings(flags, loaded));
    if (flags.verbose > 0 && !flags.json) {
      printer.PrintHeader();
      run.lab().recorder().AddObserver(&printer);
    }
    CaptureOutput::Options capture;
    capture.comments = {StandInSettings(flags, loaded)};
    capture.epoch_ns = loaded.plan.start_ns - static_cast<int64_t>(run.start().ns());
    return outputs.Start(run.lab().recorder(), capture);
  };
  const StandInClock::time_point start = StandInClock::now();
  const absl::StatusOr<StandInResult> run =
      standin::RunPlan(loaded.plan, OptionsOf(flags, lab), {}, hooks);
  const double wall_s = std::chrono::duration<double>(StandInClock::now() - start).count();
  const absl::Status status =
      run.ok() ? outputs.Finish(MakeStandInReport(flags, loaded, *run)) : run.status();
  if (!status.ok()) {
    ComplainOfStandIn(std::string(status.message()));
    return kExitUsage;
  }
  for (const std::string& warning : loaded.warnings) {
    ComplainOfStandIn(absl::StrCat("warning: ", warning));
  }
  if (flags.json) {
    PrintStandInJson(file, loaded, *run, wall_s);
  } else {
    PrintStandIn(loaded, *run, wall_s);
  }
  const std::optional<standin::Grade> required = standin::ParseGrade(flags.require_grade);
  const bool below = required.has_value() && run->WorstGrade() > *required;
  return ExitCodeOf(run->violations.empty() && !below, run->interrupted);
}

}  // namespace

bool MayStandIn(const ReplayFlags& flags, const std::string& file) {
  if (IsPlanFile(file)) return true;
  if (flags.mode == "raw") return false;
  if (flags.mode == "stand-in") return true;
  const bool raw_flags = flags.no_sockets || flags.no_arp_answers || !flags.bind.empty() ||
                         flags.frames_max != UINT64_MAX || flags.restore_after != 0;
  return !capture::IsReadOnce(file) && !raw_flags;
}

std::optional<int> ReplayStandIn(const ReplayFlags& flags, const std::string& file,
                                 const RawReplayOptions& options) {
  standin::InferOptions inference;
  inference.host = options.host;
  inference.fit = !flags.hz.has_value();
  inference.filter = options.filter;
  inference.stop = options.stop;
  const absl::StatusOr<LoadedPlan> loaded = LoadPlan(file, inference, flags.hz);
  const bool usable = loaded.ok() && standin::HasUsableFlows(loaded->plan);
  if (!usable && flags.mode == "auto" && flags.plan_out.empty() && !IsPlanFile(file)) {
    return std::nullopt;
  }
  absl::Status status = loaded.status();
  if (status.ok() && !usable) {
    status = absl::FailedPreconditionError(
        absl::StrCat(file, ": no flow of TCP or UDP whose packets could drive a host"));
  }
  if (status.ok() && !flags.plan_out.empty()) status = WritePlan(flags.plan_out, loaded->plan);
  if (!status.ok()) {
    ComplainOfStandIn(std::string(status.message()));
    return kExitUsage;
  }
  return RunLoaded(flags, file, *loaded, options.lab);
}

}  // namespace tapedeck::tools
