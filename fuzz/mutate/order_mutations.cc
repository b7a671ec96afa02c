// Mutations of which steps there are, and in which order.
#include <algorithm>
#include <iterator>
#include <utility>

#include "fuzz/mutate/choose.h"
#include "fuzz/mutate/idioms.h"
#include "fuzz/mutate/mutation.h"
#include "fuzz/mutate/new_step.h"
#include "fuzz/mutate/references.h"
#include "fuzz/mutate/splice.h"
#include "replay/script/bytes.h"

namespace tapedeck::fuzz {

namespace {

using Context = MutationContext;

bool HasRoom(const Context& context, const Script& script) {
  return script.steps.size() < context.steps_max;
}

std::ptrdiff_t At(size_t i) { return static_cast<std::ptrdiff_t>(i); }

// A place between steps, the end more often: what comes after all is what nobody has seen.
size_t SomePlace(Prng& random, const Script& script) {
  if (OneIn(random, 3)) return script.steps.size();
  return BelowSize(random, script.steps.size() + 1);
}

bool InsertStep(Context& context, Script& script) {
  if (!HasRoom(context, script)) return false;
  const size_t at = SomePlace(context.random, script);
  Step step = NewStep(context, script, at);
  script.steps.insert(script.steps.begin() + At(at), std::move(step));
  return true;
}

bool DeleteStep(Context& context, Script& script) {
  if (script.steps.empty()) return false;
  RemoveSteps(context.random, script, BelowSize(context.random, script.steps.size()), 1);
  return true;
}

bool DeleteRange(Context& context, Script& script) {
  if (script.steps.size() < 2) return false;
  const size_t first = BelowSize(context.random, script.steps.size() - 1);
  const size_t most = script.steps.size() - first;
  RemoveSteps(context.random, script, first, 2 + BelowSize(context.random, most - 1));
  return true;
}

bool Truncate(Context& context, Script& script) {
  if (script.steps.size() < 2) return false;
  script.steps.resize(1 + BelowSize(context.random, script.steps.size() - 1));
  return true;
}

bool DuplicateStep(Context& context, Script& script) {
  if (script.steps.empty() || !HasRoom(context, script)) return false;
  const size_t i = BelowSize(context.random, script.steps.size());
  Step copy = script.steps[i];
  copy.base = TimeBase::kStepBefore;
  copy.range.reset();
  script.steps.insert(script.steps.begin() + At(i + 1), std::move(copy));
  return true;
}

// One step many times: floods, and what counts up to a limit.
bool RepeatStep(Context& context, Script& script) {
  if (script.steps.empty() || !HasRoom(context, script)) return false;
  const size_t i = BelowSize(context.random, script.steps.size());
  const size_t room = context.steps_max - script.steps.size();
  const size_t times = std::min<size_t>(room, 2U << context.random.Below(6));
  Step copy = script.steps[i];
  copy.base = TimeBase::kStepBefore;
  copy.range.reset();
  if (OneIn(context.random, 2)) copy.delay = SomeDelay(context.random);
  script.steps.insert(script.steps.begin() + At(i + 1), times, copy);
  return true;
}

// What happens changes places; when it does stays.
void SwapWhat(Step& a, Step& b) {
  std::swap(a.what, b.what);
  std::swap(a.host, b.host);
  std::swap(a.nic, b.nic);
}

// "*" and "~" are of outbound packets only.
bool IsPlain(const Step& step) {
  return step.base == TimeBase::kStepBefore && !step.range.has_value();
}

bool SwapSteps(Context& context, Script& script) {
  if (script.steps.size() < 2) return false;
  const size_t a = BelowSize(context.random, script.steps.size());
  const size_t b = OneIn(context.random, 2) ? BelowSize(context.random, script.steps.size())
                                            : (a + 1) % script.steps.size();
  if (!IsPlain(script.steps[a]) || !IsPlain(script.steps[b])) return false;
  if (script.steps[a] == script.steps[b]) return false;
  SwapWhat(script.steps[a], script.steps[b]);
  return true;
}

bool MoveStep(Context& context, Script& script) {
  if (script.steps.size() < 2) return false;
  const size_t from = BelowSize(context.random, script.steps.size());
  const size_t to = BelowSize(context.random, script.steps.size());
  if (from == to) return false;
  const auto begin = script.steps.begin();
  if (from < to) {
    std::rotate(begin + At(from), begin + At(from + 1), begin + At(to + 1));
  } else {
    std::rotate(begin + At(to), begin + At(from), begin + At(from + 1));
  }
  return true;
}

bool CopyRange(Context& context, Script& script) {
  if (script.steps.empty() || !HasRoom(context, script)) return false;
  std::vector<Step> steps =
      SomeSteps(context.random, script, context.steps_max - script.steps.size());
  InsertSteps(context.random, script, SomePlace(context.random, script), std::move(steps));
  return true;
}

bool SpliceSteps(Context& context, Script& script) {
  if (context.donor.steps.empty() || !HasRoom(context, script)) return false;
  std::vector<Step> steps =
      SomeSteps(context.random, context.donor, context.steps_max - script.steps.size());
  InsertSteps(context.random, script, SomePlace(context.random, script), std::move(steps));
  return true;
}

bool InsertIdiom(Context& context, Script& script) {
  if (!HasRoom(context, script)) return false;
  InsertSteps(context.random, script, SomePlace(context.random, script),
              Pick(context.random, Idioms()).steps);
  return true;
}

bool InsertWord(Context& context, Script& script) {
  if (context.dictionary.empty() || !HasRoom(context, script)) return false;
  Script word = DecodeScript(Pick(context.random, context.dictionary));
  if (word.steps.empty()) return false;
  InsertSteps(context.random, script, SomePlace(context.random, script), std::move(word.steps));
  return true;
}

constexpr Mutation kOrderMutations[] = {
    {"insert-step", 16, InsertStep},      {"delete-step", 8, DeleteStep},
    {"delete-range", 3, DeleteRange},     {"truncate", 1, Truncate},
    {"duplicate-step", 4, DuplicateStep}, {"repeat-step", 2, RepeatStep},
    {"swap-steps", 4, SwapSteps},         {"move-step", 4, MoveStep},
    {"copy-range", 2, CopyRange},         {"splice-steps", 6, SpliceSteps},
    {"insert-idiom", 6, InsertIdiom},     {"insert-word", 3, InsertWord},
};

}  // namespace

std::span<const Mutation> OrderMutations() { return kOrderMutations; }

}  // namespace tapedeck::fuzz
