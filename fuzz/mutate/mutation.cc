#include "fuzz/mutate/mutation.h"

#include <algorithm>

#include "fuzz/mutate/choose.h"
#include "fuzz/mutate/new_step.h"
#include "stack/base/check.h"

namespace tapedeck::fuzz {

namespace {

// A weight of a swarm: none, or one, two, four or eight times what the table has.
uint32_t DrawWeight(Prng& random, uint32_t weight) {
  return OneIn(random, 3) ? 0 : weight << random.Below(4);
}

// Draws a weight for each; at least one is above zero.
template <typename Entries>
std::vector<uint32_t> DrawWeights(Prng& random, Entries entries) {
  std::vector<uint32_t> weights;
  for (const auto& entry : entries) weights.push_back(DrawWeight(random, entry.weight));
  const size_t sure = BelowSize(random, entries.size());
  weights[sure] = std::max<uint32_t>(weights[sure], 1);
  return weights;
}

template <typename Entries>
std::vector<uint32_t> WholeWeights(Entries entries) {
  std::vector<uint32_t> weights;
  for (const auto& entry : entries) weights.push_back(entry.weight);
  return weights;
}

}  // namespace

std::span<const Mutation> AllMutations() {
  static const std::vector<Mutation> all = [] {
    std::vector<Mutation> table;
    for (const auto group : {OrderMutations(), TimeMutations(), SegmentMutations(),
                             FrameMutations(), CallMutations(), RecordMutations()}) {
      table.insert(table.end(), group.begin(), group.end());
    }
    return table;
  }();
  return all;
}

Swarm Swarm::Whole() { return {WholeWeights(AllMutations()), WholeWeights(NewStepKinds())}; }

Swarm Swarm::Draw(uint64_t seed) {
  constexpr uint64_t kStream = 0x5a;
  Prng random(seed, kStream);
  std::vector<uint32_t> mutations = DrawWeights(random, AllMutations());
  return {std::move(mutations), DrawWeights(random, NewStepKinds())};
}

void Swarm::LeaveOutFaults() {
  const std::span<const NewStepKind> all = NewStepKinds();
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].is_fault) kinds[i] = 0;
  }
  // There may have been nothing else.
  if (std::ranges::all_of(kinds, [](uint32_t weight) { return weight == 0; })) kinds[0] = 1;
}

size_t PickWeighted(Prng& random, std::span<const uint32_t> weights) {
  uint32_t sum = 0;
  for (const uint32_t weight : weights) sum += weight;
  CHECK_GT(sum, 0U);
  uint32_t left = random.Below(sum);
  size_t i = 0;
  while (left >= weights[i]) left -= weights[i++];
  return i;
}

}  // namespace tapedeck::fuzz
