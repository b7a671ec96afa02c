#include "replay/standin/stand_in.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/capture/capture_reader.h"
#include "replay/standin/captured_packets.h"
#include "replay/standin/fit.h"

namespace tapedeck::standin {
namespace {

void CountFrames(const Recorder& recorder, StandInResult* result) {
  const FrameLedger& ledger = recorder.ledger();
  result->frames_in = ledger.frames_in();
  result->frames_out = recorder.count(TraceKind::kWireTx);
  result->delivered = ledger.delivered();
  result->queued = ledger.queued();
  for (int i = 0; i < kDropReasons; ++i) {
    const auto reason = static_cast<DropReason>(i);
    if (ledger.dropped(reason) == 0) continue;
    result->dropped[DropReasonName(reason)] = ledger.dropped(reason);
  }
  result->events = recorder.digest().events();
  result->digest = recorder.digest().ToString();
}

}  // namespace

Grade StandInResult::WorstGrade() const {
  Grade worst = Grade::kA;
  for (const FlowComparison& comparison : comparisons) worst = std::max(worst, comparison.grade);
  return worst;
}

bool HasUsableFlows(const Plan& plan) {
  return std::any_of(plan.stimuli.begin(), plan.stimuli.end(), [](const Stimulus& stimulus) {
    return stimulus.flow != kNoFlow && stimulus.skip == SkipCause::kNone;
  });
}

absl::StatusOr<StandInResult> RunPlan(const Plan& plan, const StandInOptions& options,
                                      const TimeTolerance& tolerance, const StandInHooks& hooks) {
  StandInResult result;
  StandIn run(plan, options);
  if (hooks.started) {
    absl::Status started = hooks.started(run);
    if (!started.ok()) return started;
  }
  run.Start();
  while (run.Step()) {
  }
  result.flows = run.Finish();
  for (uint32_t i = 0; i < plan.flows.size(); ++i) {
    result.comparisons.push_back(
        CompareFlow(plan.flows[i], plan.stimuli, i, result.flows[i], tolerance));
  }
  Lab& lab = run.lab();
  CountFrames(lab.recorder(), &result);
  result.virtual_time = lab.world().now() - run.start();
  // The end of the Lab is not part of the run.
  lab.world().set_trace_sink(nullptr);
  lab.Shutdown();
  const uint64_t faults = lab.host(0).kernel().bus().faults();
  if (faults != 0) {
    result.violations.push_back(
        absl::StrCat(faults, " accesses by the device that the driver did not allow"));
  }
  for (std::string& left : lab.Leftovers()) result.violations.push_back(std::move(left));
  return result;
}

absl::StatusOr<Plan> PlanFromCapture(const std::string& file, const InferOptions& options,
                                     std::vector<std::string>* warnings) {
  absl::StatusOr<capture::CaptureReader> reader = capture::CaptureReader::Open(file);
  if (!reader.ok()) return reader.status();
  const CapturedPackets packets = ReadPackets(*reader);
  if (packets.packets.empty() && packets.unused.empty() && !reader->damage().ok()) {
    return reader->damage();
  }
  warnings->insert(warnings->end(), packets.warnings.begin(), packets.warnings.end());
  Plan plan = InferPlan(packets, file, options);
  if (options.fit) FitRecovery(&plan);
  return plan;
}

}  // namespace tapedeck::standin
