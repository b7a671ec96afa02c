#include "fuzz/mutate/mutator.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "fuzz/mutate/choose.h"
#include "fuzz/mutate/references.h"
#include "fuzz/mutate/repair.h"
#include "fuzz/mutate/splice.h"
#include "replay/script/byte_record.h"
#include "replay/script/bytes.h"
#include "stack/base/check.h"

namespace tapedeck::fuzz {

namespace {

constexpr uint64_t kMutateStream = 0x3a;
constexpr uint64_t kCrossStream = 0x3b;
// How many a mutation that cannot change a script gives way to.
constexpr int kAttempts = 16;
// Mutations of one call of Mutate().
constexpr size_t kMutationsMax = 6;

// The shortest script that has a step, cut to `size_max`: an engine must be given something.
std::vector<uint8_t> Shortest(size_t size_max) {
  std::vector<uint8_t> pause = {0, kRecordEnd};
  pause.resize(std::min(pause.size(), size_max));
  return pause;
}

}  // namespace

bool Mutator::ApplyOne(MutationContext& context, Script& script) {
  for (int attempts = 0; attempts < kAttempts; ++attempts) {
    const Mutation& mutation = AllMutations()[PickWeighted(context.random, swarm_.mutations)];
    if (!mutation.apply(context, script)) continue;
    RepairScript(script, options_.steps_max);
    if (options_.validate) CHECK(ValidateScript(script).ok());
    if (!last_.empty()) last_ += ",";
    last_ += mutation.name;
    return true;
  }
  return false;
}

Mutator::Bytes Mutator::Encode(Prng& random, Script script, size_t size_max) const {
  if (size_max == 0) return {};
  for (;;) {
    KeepWhole(random, script);
    RepairScript(script, options_.steps_max);
    absl::StatusOr<Bytes> bytes = EncodeScript(script);
    if (bytes.ok() && bytes->size() <= size_max && !bytes->empty()) return *std::move(bytes);
    if (script.steps.empty()) return Shortest(size_max);
    // What is too much goes from anywhere, and a good part of it at once.
    const size_t count = std::max<size_t>(1, script.steps.size() / 8);
    RemoveSteps(random, script, BelowSize(random, script.steps.size() - count + 1), count);
  }
}

Mutator::Bytes Mutator::Mutate(std::span<const uint8_t> input, size_t size_max, uint64_t seed,
                               std::span<const uint8_t> donor) {
  last_.clear();
  Prng random(seed, kMutateStream);
  Script script = DecodeScript(input);
  RepairScript(script, options_.steps_max);
  const Script other = DecodeScript(donor);
  MutationContext context = {
      random, swarm_, other, options_.dictionary, options_.mutate_bytes, options_.steps_max};
  for (size_t left = FewUpTo(random, kMutationsMax); left != 0; --left) {
    if (!ApplyOne(context, script)) break;
  }
  return Encode(random, std::move(script), size_max);
}

Mutator::Bytes Mutator::CrossOver(std::span<const uint8_t> a, std::span<const uint8_t> b,
                                  size_t size_max, uint64_t seed) const {
  Prng random(seed, kCrossStream);
  Script script = Cross(random, DecodeScript(a), DecodeScript(b), options_.steps_max);
  RepairScript(script, options_.steps_max);
  if (options_.validate) CHECK(ValidateScript(script).ok());
  return Encode(random, std::move(script), size_max);
}

}  // namespace tapedeck::fuzz
