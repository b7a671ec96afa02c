// Mutations of when steps happen.
#include <algorithm>

#include "fuzz/mutate/choose.h"
#include "fuzz/mutate/mutation.h"
#include "fuzz/mutate/new_step.h"

namespace tapedeck::fuzz {

namespace {

using Context = MutationContext;

// Changes a step's delay by `edit`; or, with a quarter of those calls that block, when it returns.
template <typename Edit>
bool EditDelay(Context& context, Script& script, Edit edit) {
  if (script.steps.empty()) return false;
  Step& step = Pick(context.random, script.steps);
  if (step.base == TimeBase::kAny) return false;
  Duration* delay = &step.delay;
  auto* const call = std::get_if<SyscallStep>(&step.what);
  if (call != nullptr && call->returns_after.has_value() && OneIn(context.random, 4)) {
    delay = &*call->returns_after;
  }
  const Duration next = std::min(edit(*delay), kScriptDurationMax);
  if (next == *delay) return false;
  *delay = next;
  return true;
}

// Up or down to a power of ten nanoseconds: easier to read, and one byte.
Duration Rounded(Prng& random, Duration delay) {
  uint64_t power = 1'000;
  while (power * 10 <= delay.ps) power *= 10;
  if (delay.ps < 1'000) return Duration();
  const uint64_t down = delay.ps / power * power;
  return Duration{OneIn(random, 2) && down != delay.ps ? down + power : down};
}

bool RoundDelay(Context& context, Script& script) {
  return EditDelay(context, script, [&](Duration delay) { return Rounded(context.random, delay); });
}

bool ZeroDelay(Context& context, Script& script) {
  return EditDelay(context, script, [](Duration) { return Duration(); });
}

bool JumpDelay(Context& context, Script& script) {
  return EditDelay(context, script, [&](Duration) { return SomeDelay(context.random); });
}

// Just before or after what was: the order of two things that happen at one time.
bool NudgeDelay(Context& context, Script& script) {
  return EditDelay(context, script, [&](Duration delay) {
    constexpr uint64_t kSteps[] = {1, 1'000, 1'000'000, 1'000'000'000};
    const uint64_t step = Pick(context.random, kSteps);
    if (OneIn(context.random, 2)) return Duration{delay.ps + step};
    return Duration{delay.ps - std::min(delay.ps, step)};
  });
}

bool ScaleDelay(Context& context, Script& script) {
  return EditDelay(context, script, [&](Duration delay) {
    if (OneIn(context.random, 2)) return Duration{delay.ps / 2};
    return Duration{std::min(delay.ps, kScriptDurationMax.ps / 2) * 2};
  });
}

// Steps that follow each other happen at once.
bool Burst(Context& context, Script& script) {
  if (script.steps.size() < 2) return false;
  const size_t first = BelowSize(context.random, script.steps.size() - 1) + 1;
  const size_t count = FewUpTo(context.random, script.steps.size() - first);
  bool changed = false;
  for (size_t i = first; i < first + count; ++i) {
    Step& step = script.steps[i];
    if (step.base != TimeBase::kStepBefore || step.delay == Duration()) continue;
    step.delay = Duration();
    changed = true;
  }
  return changed;
}

// A call blocks, and returns later or not so soon.
bool CallBlocks(Context& context, Script& script) {
  return EditOne<SyscallStep>(context, script, [&](SyscallStep& call, Step&) {
    if (call.returns_after.has_value() && OneIn(context.random, 2)) {
      call.returns_after.reset();
    } else {
      const Duration after = SomeDelay(context.random);
      if (call.returns_after == after) return false;
      call.returns_after = after;
    }
    return true;
  });
}

constexpr Mutation kTimeMutations[] = {
    {"round-delay", 1, RoundDelay}, {"zero-delay", 3, ZeroDelay},   {"jump-delay", 6, JumpDelay},
    {"nudge-delay", 2, NudgeDelay}, {"scale-delay", 2, ScaleDelay}, {"burst", 2, Burst},
    {"call-blocks", 1, CallBlocks},
};

}  // namespace

std::span<const Mutation> TimeMutations() { return kTimeMutations; }

}  // namespace tapedeck::fuzz
