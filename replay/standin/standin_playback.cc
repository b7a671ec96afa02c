#include "replay/standin/standin_playback.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "replay/standin/plan_text.h"
#include "stack/wire/ip_protocol.h"

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

// "tcp 192.0.2.2:80 < 192.0.2.1:40000  grade B (window)  segments 9 of 9, read 77 B"
std::string FlowLine(const PlanFlow& flow, const FlowComparison& comparison,
                     const FlowResult& result) {
  return absl::StrFormat(
      "%s  grade %s%s  segments %d of %d, read %d B", FlowName(flow), GradeName(comparison.grade),
      comparison.reason.empty() ? "" : absl::StrCat(" (", comparison.reason, ")"),
      comparison.segments_same, comparison.segments_captured, result.read_bytes);
}

}  // namespace

struct StandInPlayback::Seam final : Playback::State {
  size_t bytes() const override { return lab.memory.bytes(); }
  Lab::Checkpoint lab;
  StandIn::State run;
  bool started = false;
};

StandInPlayback::StandInPlayback(const Plan& plan, const StandInOptions& options,
                                 const TimeTolerance& tolerance, Arena* arena)
    : plan_(plan), options_(options), tolerance_(tolerance), run_(plan, options, arena) {}

std::string StandInPlayback::Settings() const {
  std::vector<std::string> hosts;
  hosts.reserve(plan_.addresses.size());
  for (const IpAddress& address : plan_.addresses) hosts.push_back(address.ToString());
  return absl::StrFormat("stand-in  host %s  mac %s  mtu %d  hz %d  timing %s  plan %016x",
                         absl::StrJoin(hosts, ","), plan_.host_mac.ToString(), plan_.mtu_bytes,
                         plan_.hz != 0 ? plan_.hz : LabHostOptions().hz,
                         TimingName(options_.timing), PlanHash(plan_));
}

bool StandInPlayback::Advance() {
  if (!started_) run_.Start();
  started_ = true;
  return run_.Step();
}

std::unique_ptr<Playback::State> StandInPlayback::Take() {
  auto seam = std::make_unique<Seam>();
  run_.lab().Take(&seam->lab);
  seam->run = run_.Save();
  seam->started = started_;
  return seam;
}

void StandInPlayback::Restore(const State& state) {
  const auto& seam = static_cast<const Seam&>(state);
  run_.lab().Restore(seam.lab);
  run_.Restore(seam.run);
  started_ = seam.started;
}

PlaybackResult StandInPlayback::Finish() {
  constexpr size_t kFullFrameBytes = 1'514;
  tolerance_.same_ns =
      std::max(tolerance_.same_ns, static_cast<int64_t>(run_.latency().Of(kFullFrameBytes).ns()));
  result_.flows = run_.Finish();
  std::vector<std::string> summary;
  for (uint32_t i = 0; i < plan_.flows.size(); ++i) {
    result_.comparisons.push_back(
        CompareFlow(plan_, run_.stimuli(), i, result_.flows[i], tolerance_));
    summary.push_back(FlowLine(plan_.flows[i], result_.comparisons[i], result_.flows[i]));
  }
  Lab& lab = run_.lab();
  CountFrames(lab.recorder(), &result_);
  result_.virtual_time = lab.world().now() - run_.start();
  // The end of the Lab is not part of the run.
  lab.world().set_trace_sink(nullptr);
  lab.Shutdown();
  const uint64_t faults = lab.host(0).kernel().bus().faults();
  if (faults != 0) {
    result_.violations.push_back(
        absl::StrCat(faults, " accesses by the device that the driver did not allow"));
  }
  for (std::string& left : lab.Leftovers()) result_.violations.push_back(std::move(left));
  const bool held = result_.violations.empty();
  return {.outcome = held ? PlaybackResult::Outcome::kHeld : PlaybackResult::Outcome::kFailed,
          .digest = result_.digest,
          .events = result_.events,
          .problems = result_.violations,
          .warnings = {},
          .output = "",
          .summary = std::move(summary)};
}

}  // namespace tapedeck::standin
