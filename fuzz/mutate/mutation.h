// Named mutations of Scripts. Each changes one thing and leaves the script well-formed but for its
// times (RepairScript): what it touches keeps its lengths and checksums right unless its name says
// otherwise, and descriptors keep being what an earlier call made.
#ifndef TAPEDECK_FUZZ_MUTATE_MUTATION_H_
#define TAPEDECK_FUZZ_MUTATE_MUTATION_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "replay/script/script.h"
#include "stack/base/prng.h"

namespace tapedeck::fuzz {

struct Swarm;

// An engine's own mutation of bytes (libFuzzer's knows a dictionary and the operands of
// comparisons): changes `size` bytes at `data`, of which there is room for `size_max`, and returns
// how many they are then.
using ByteMutator = size_t (*)(uint8_t* data, size_t size, size_t size_max);

// What mutations draw from.
struct MutationContext {
  Prng& random;
  const Swarm& swarm;
  // Steps may be taken from it; empty: nothing may.
  const Script& donor;
  // Words that mean something: bytes of packets or whole records.
  std::span<const std::vector<uint8_t>> dictionary;
  ByteMutator mutate_bytes = nullptr;  // may be null
  size_t steps_max = 256;
};

struct Mutation {
  std::string_view name;  // "segment-ack"
  uint8_t weight;         // how often, beside the others
  // False, and `script` is as it was: there is nothing that it could change.
  bool (*apply)(MutationContext& context, Script& script);
};

// All there are.
std::span<const Mutation> AllMutations();

// Of each group, for the table above.
std::span<const Mutation> OrderMutations();
std::span<const Mutation> TimeMutations();
std::span<const Mutation> SegmentMutations();
std::span<const Mutation> FrameMutations();
std::span<const Mutation> CallMutations();
std::span<const Mutation> RecordMutations();

// A run uses some mutations and kinds of new steps only, and these not evenly: that gets deeper
// than all of them at once ever do (Groce et al., Swarm Testing, 2012).
struct Swarm {
  std::vector<uint32_t> mutations;  // weights, by place in AllMutations()
  std::vector<uint32_t> kinds;      // weights, by place in NewStepKinds()

  // Everything, as the tables weigh it.
  static Swarm Whole();
  // A choice that depends on `seed` alone.
  static Swarm Draw(uint64_t seed);

  // No new step is a fault.
  void LeaveOutFaults();
};

// A place in `weights`, as often as it weighs. REQUIRES: one is above zero.
size_t PickWeighted(Prng& random, std::span<const uint32_t> weights);

// The index of some step that holds an `What`; steps.size() where none does.
template <typename What>
size_t PickStep(Prng& random, const Script& script) {
  size_t count = 0;
  for (const Step& step : script.steps) count += std::holds_alternative<What>(step.what) ? 1 : 0;
  if (count == 0) return script.steps.size();
  uint32_t left = random.Below(static_cast<uint32_t>(count));
  size_t i = 0;
  while (!std::holds_alternative<What>(script.steps[i].what) || left-- != 0) ++i;
  return i;
}

// Changes one step that holds a `What`. REQUIRES: `edit` says false only where it has changed
// nothing.
template <typename What, typename Edit>
bool EditOne(MutationContext& context, Script& script, Edit edit) {
  const size_t i = PickStep<What>(context.random, script);
  if (i == script.steps.size()) return false;
  What& what = std::get<What>(script.steps[i].what);
  return edit(what, script.steps[i]);
}

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_MUTATE_MUTATION_H_
