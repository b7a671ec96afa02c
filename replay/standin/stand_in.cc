#include "replay/standin/stand_in.h"

#include <malloc.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/capture/capture_reader.h"
#include "replay/standin/captured_packets.h"
#include "replay/standin/fit.h"
#include "replay/standin/plan_text.h"
#include "replay/standin/standin_playback.h"

namespace tapedeck::standin {
namespace {

// Plays on until `frames` have entered; false where the run ended before.
bool PlayFrames(StandInPlayback& playback, uint64_t frames) {
  while (playback.recorder().ledger().frames_in() < frames) {
    if (!playback.Advance()) return false;
  }
  return true;
}

// Goes `frames` further, back to where it was, and leaves the run as if nothing had happened.
void CheckRestore(StandInPlayback& playback, uint64_t frames) {
  if (!PlayFrames(playback, frames)) return;
  const std::unique_ptr<Playback::State> state = playback.Take();
  PlayFrames(playback, 2 * frames);
  playback.Restore(*state);
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
  StandInPlayback playback(plan, options, tolerance);
  if (hooks.started) {
    absl::Status started = hooks.started(playback.run());
    if (!started.ok()) return started;
  }
  if (options.restore_after_frames != 0) CheckRestore(playback, options.restore_after_frames);
  const bool interrupted = PlayToEnd(playback, options.stop, [] {});
  playback.Finish();
  playback.result().interrupted = interrupted;
  return std::move(playback.result());
}

absl::StatusOr<Plan> ReadPlan(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return absl::NotFoundError(absl::StrCat(file, ": cannot be read"));
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  return ParsePlan(text, file);
}

namespace {

// What was freed in many small pieces goes back to the system: the run needs as much again.
void ReturnFreeMemory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

// The plan as inferred, and what comments order besides; what was read of the capture is gone when
// it returns.
absl::StatusOr<Plan> Infer(const std::string& file, const InferOptions& options,
                           std::vector<std::string>* warnings, std::vector<CommentOrder>* orders) {
  capture::CaptureReaderOptions reading;
  reading.filter = options.filter;
  absl::StatusOr<capture::CaptureReader> reader = capture::CaptureReader::Open(file, reading);
  if (!reader.ok()) return reader.status();
  CapturedPackets packets = ReadPackets(*reader);
  if (options.filter != nullptr && !options.filter->status().ok()) return options.filter->status();
  if (packets.packets.empty() && packets.unused.empty() && !reader->damage().ok()) {
    return reader->damage();
  }
  warnings->insert(warnings->end(), packets.warnings.begin(), packets.warnings.end());
  *orders = std::move(packets.orders);
  return InferPlan(std::move(packets), file, options);
}

}  // namespace

absl::StatusOr<Plan> PlanFromCapture(const std::string& file, const InferOptions& options,
                                     std::vector<std::string>* warnings) {
  std::vector<CommentOrder> orders;
  absl::StatusOr<Plan> plan = Infer(file, options, warnings, &orders);
  ReturnFreeMemory();
  if (plan.ok() && options.fit) FitRecovery(&*plan, options.stop);
  // Last: what L was like shows in what happened, not in what is ordered.
  if (plan.ok()) ApplyCommentOrders(orders, &*plan);
  return plan;
}

}  // namespace tapedeck::standin
