#include "fuzz/mutate/splice.h"

#include <algorithm>
#include <set>
#include <utility>

#include "fuzz/mutate/choose.h"
#include "fuzz/mutate/references.h"

namespace tapedeck::fuzz {

namespace {

// What is said of times from the start would be false elsewhere.
void MakeRelative(std::vector<Step>& steps) {
  Duration before;
  for (Step& step : steps) {
    const Duration at = step.delay;
    if (step.base == TimeBase::kStart) {
      step.delay = std::max(at, before) - before;
      step.base = TimeBase::kStepBefore;
      before = std::max(at, before);
    } else {
      before += at;
    }
  }
}

std::vector<Step> Copy(const Script& script, const std::vector<size_t>& numbers) {
  std::vector<Step> steps;
  steps.reserve(numbers.size());
  for (const size_t number : numbers) steps.push_back(script.steps[number]);
  MakeRelative(steps);
  return steps;
}

std::vector<size_t> Range(size_t begin, size_t end) {
  std::vector<size_t> numbers;
  for (size_t i = begin; i < end; ++i) numbers.push_back(i);
  return numbers;
}

// All of both, each in its own order.
void Weave(Prng& random, std::vector<Step>& steps, std::vector<Step> others) {
  std::vector<Step> woven;
  woven.reserve(steps.size() + others.size());
  auto a = steps.begin();
  auto b = others.begin();
  while (a != steps.end() || b != others.end()) {
    const bool take_a = b == others.end() || (a != steps.end() && OneIn(random, 2));
    // In runs: a call and its answer belong together.
    for (size_t run = FewUpTo(random, 4); run != 0; --run) {
      auto& next = take_a ? a : b;
      if (next == (take_a ? steps.end() : others.end())) break;
      woven.push_back(std::move(*next++));
    }
  }
  steps = std::move(woven);
}

}  // namespace

void InsertSteps(Prng& random, Script& script, size_t at, std::vector<Step> steps) {
  RenameApart(random, NamesIn(script), FlowsOf(script.steps), steps);
  script.steps.insert(script.steps.begin() + static_cast<std::ptrdiff_t>(at),
                      std::make_move_iterator(steps.begin()), std::make_move_iterator(steps.end()));
}

std::vector<Step> SomeSteps(Prng& random, const Script& script, size_t steps_max) {
  const size_t begin = BelowSize(random, script.steps.size());
  const size_t most = std::min(script.steps.size() - begin, steps_max);
  const size_t count = OneIn(random, 4) ? most : FewUpTo(random, most);
  std::vector<Step> steps = Copy(script, WithNeeded(script, Range(begin, begin + count)));
  if (steps.size() > steps_max) steps.resize(steps_max);
  return steps;
}

Script Cross(Prng& random, const Script& a, const Script& b, size_t steps_max) {
  Script script = a;
  if (b.steps.empty()) return script;
  switch (random.Below(3)) {
    case 0: {
      const size_t end_a = BelowSize(random, a.steps.size() + 1);
      const size_t begin_b = BelowSize(random, b.steps.size());
      script.steps.resize(end_a);
      InsertSteps(random, script, end_a, Copy(b, WithNeeded(b, Range(begin_b, b.steps.size()))));
      break;
    }
    case 1: {
      std::vector<Step> others = Copy(b, Range(0, b.steps.size()));
      RenameApart(random, NamesIn(a), FlowsOf(a.steps), others);
      MakeRelative(script.steps);
      Weave(random, script.steps, std::move(others));
      break;
    }
    default:
      InsertSteps(random, script, BelowSize(random, a.steps.size() + 1),
                  SomeSteps(random, b, steps_max));
  }
  return script;
}

}  // namespace tapedeck::fuzz
