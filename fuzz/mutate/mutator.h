// The structure-aware mutator of targets whose inputs are Scripts: one function for a mutation, one
// for a cross-over, behind whatever an engine calls (libfuzzer_mutator.cc, afl_mutator.cc).
//
// What goes in may be any bytes; what comes out is the canonical spelling of a well-formed script
// within the bounds. It depends on the arguments and the swarm alone.
#ifndef TAPEDECK_FUZZ_MUTATE_MUTATOR_H_
#define TAPEDECK_FUZZ_MUTATE_MUTATOR_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "fuzz/mutate/mutation.h"

namespace tapedeck::fuzz {

struct MutatorOptions {
  // Longer scripts targets refuse.
  size_t steps_max = 256;
  // Words that mutations may use; the engine's own function for bytes, if it has one.
  std::vector<std::vector<uint8_t>> dictionary;
  ByteMutator mutate_bytes = nullptr;
  // New steps may be faults: of targets that are about them.
  bool faults = false;
  // After every single mutation the script must be well-formed: CHECK.
  bool validate = false;
};

class Mutator {
 public:
  using Bytes = std::vector<uint8_t>;

  // Begins with everything that there is (Swarm::Whole).
  explicit Mutator(MutatorOptions options) : options_(std::move(options)) { Use(Swarm::Whole()); }

  // From here on mutations are drawn from a swarm of their own.
  void DrawSwarm(uint64_t seed) { Use(Swarm::Draw(seed)); }

  // One mutation or a few of them, one after another. `donor`: another input, of which steps may be
  // taken; may be empty. At most `size_max` bytes; never empty unless size_max is 0.
  Bytes Mutate(std::span<const uint8_t> input, size_t size_max, uint64_t seed,
               std::span<const uint8_t> donor = {});

  // Of two inputs one.
  Bytes CrossOver(std::span<const uint8_t> a, std::span<const uint8_t> b, size_t size_max,
                  uint64_t seed) const;

  // What the last Mutate() did: "segment-ack,jump-delay".
  const std::string& last() const { return last_; }

 private:
  void Use(Swarm swarm) {
    swarm_ = std::move(swarm);
    if (!options_.faults) swarm_.LeaveOutFaults();
  }
  // False where none of those tried could change `script`.
  bool ApplyOne(MutationContext& context, Script& script);
  Bytes Encode(Prng& random, Script script, size_t size_max) const;

  MutatorOptions options_;
  Swarm swarm_;
  std::string last_;
};

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_MUTATE_MUTATOR_H_
