// The mutator behind libFuzzer's interface, for targets whose inputs are Scripts.
//
// libFuzzer draws the seeds, so that a run with -seed repeats; its dictionaries and operands of
// comparisons come in through LLVMFuzzerMutate. Now and then all is left to that: whatever records
// cannot say is reached by bytes.
//
// How often an edge was taken is no feature of these targets: a run of a whole stack takes
// thousands of them more or less often, so that nearly every input would be new, and libFuzzer's
// bookkeeping over a corpus of such inputs takes twice as long as the runs. The state map says what
// matters.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "fuzz/mutate/mutator.h"
#include "replay/script/script_targets.h"

extern "C" {
// Of libFuzzer.
size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

int LLVMFuzzerInitialize(int* argc, char*** argv);
size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t* a, size_t a_size, const uint8_t* b, size_t b_size,
                                 uint8_t* out, size_t out_size_max, unsigned int seed);
}

namespace tapedeck::fuzz {

namespace {

constexpr std::string_view kTarget = TAPEDECK_FUZZ_TARGET;
static_assert(PlaysScripts(kTarget), "tapedeck_fuzz_target(... BYTES) and script_targets.h differ");

// One of so many mutations is of bytes.
constexpr unsigned int kOfBytes = 20;
// Mutations for which a swarm stays.
constexpr uint32_t kSwarmMutations = 4096;

class LibFuzzerMutator {
 public:
  Mutator& Next(uint64_t seed) {
    if (count_++ % kSwarmMutations == 0) mutator_.DrawSwarm(seed);
    return mutator_;
  }

 private:
  static MutatorOptions Options() {
    MutatorOptions options;
    options.mutate_bytes = LLVMFuzzerMutate;
    options.faults = TakesFaults(kTarget);
    return options;
  }

  Mutator mutator_{Options()};
  uint32_t count_ = 0;
};

LibFuzzerMutator& TheMutator() {
  static LibFuzzerMutator mutator;
  return mutator;
}

size_t CopyOut(const std::vector<uint8_t>& bytes, uint8_t* out) {
  if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
  return bytes.size();
}

}  // namespace

}  // namespace tapedeck::fuzz

int LLVMFuzzerInitialize(int* argc, char*** argv) {
  // In front of all others, of which the last of a name counts.
  static char use_counters[] = "-use_counters=0";
  static std::vector<char*> arguments(*argv, *argv + *argc);
  arguments.insert(arguments.begin() + 1, use_counters);
  *argc = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  *argv = arguments.data();
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  if (seed % tapedeck::fuzz::kOfBytes == 0) return LLVMFuzzerMutate(data, size, max_size);
  return tapedeck::fuzz::CopyOut(
      tapedeck::fuzz::TheMutator().Next(seed).Mutate({data, size}, max_size, seed), data);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t* a, size_t a_size, const uint8_t* b, size_t b_size,
                                 uint8_t* out, size_t out_size_max, unsigned int seed) {
  return tapedeck::fuzz::CopyOut(tapedeck::fuzz::TheMutator().Next(seed).CrossOver(
                                     {a, a_size}, {b, b_size}, out_size_max, seed),
                                 out);
}
