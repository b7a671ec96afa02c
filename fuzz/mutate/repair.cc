#include "fuzz/mutate/repair.h"

#include <algorithm>
#include <variant>

#include "replay/script/bytes.h"

namespace tapedeck::fuzz {

namespace {

size_t FrameBytesOf(const Step& step) {
  if (const auto* const frame = std::get_if<FrameStep>(&step.what)) return frame->bytes.size();
  const auto* const segment = std::get_if<SegmentStep>(&step.what);
  return segment == nullptr ? 0 : segment->payload_bytes;
}

// Makes `step` one that can come next.
void RepairTime(const StepClock& clock, Step& step) {
  if (step.base == TimeBase::kStart) {
    if (clock.is_exact()) {
      step.base = TimeBase::kStepBefore;
      step.delay = std::max(step.delay, clock.now()) - clock.now();
    } else if (clock.is_known()) {
      step.delay = std::max(step.delay, clock.now());
    }
  }
  const Duration most =
      step.base == TimeBase::kStart ? kScriptDurationMax : kScriptDurationMax - clock.now();
  step.delay = std::min(step.delay, most);
}

}  // namespace

void RepairScript(Script& script, size_t steps_max) {
  StepClock clock;
  size_t frame_bytes = 0;
  size_t kept = 0;
  for (size_t i = 0; i < script.steps.size() && kept < steps_max; ++i) {
    Step& step = script.steps[i];
    frame_bytes += FrameBytesOf(step);
    if (frame_bytes > kDecodedFrameBytesMax) break;
    RepairTime(clock, step);
    if (!clock.Add(step).ok()) break;
    if (i != kept) script.steps[kept] = std::move(step);
    ++kept;
  }
  script.steps.resize(kept);
  // It would be the command line at the beginning.
  if (script.steps.empty() && !script.init.has_value()) script.cleanup.reset();
}

}  // namespace tapedeck::fuzz
