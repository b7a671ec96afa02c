// The mutator behind AFL++'s interface: a shared object that AFL_CUSTOM_MUTATOR_LIBRARY names. It
// runs in the process of afl-fuzz, which does not see the target's own.
//
// TAPEDECK_DICTIONARY: a file of words (mutate/dictionary.h), fuzz/dictionaries/stack.dict for one.
// TAPEDECK_FAULTS: new steps may be faults, for targets that are about them.
// Trimming takes steps out, as many as leave the target's coverage what it is.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "fuzz/mutate/dictionary.h"
#include "fuzz/mutate/mutator.h"
#include "fuzz/mutate/trim.h"

namespace {

using tapedeck::fuzz::Mutator;
using tapedeck::fuzz::MutatorOptions;
using tapedeck::fuzz::Trimmer;

// Mutations for which a swarm stays.
constexpr uint64_t kSwarmMutations = 4096;

struct AflMutator {
  explicit AflMutator(uint64_t seed, MutatorOptions options)
      : mutator(std::move(options)), random(seed, 1) {}

  uint64_t NextSeed() {
    const uint64_t seed = random.Next64();
    if (count++ % kSwarmMutations == 0) mutator.DrawSwarm(seed);
    return seed;
  }

  Mutator mutator;
  tapedeck::Prng random;
  uint64_t count = 0;
  std::vector<uint8_t> out;  // what was handed out last; must stay until the next call
  std::unique_ptr<Trimmer> trimmer;
};

// The words of TAPEDECK_DICTIONARY; a wrong file ends the program, as a wrong -x does.
std::vector<std::vector<uint8_t>> Words() {
  const char* const path = std::getenv("TAPEDECK_DICTIONARY");
  if (path == nullptr) return {};
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  auto words = tapedeck::fuzz::ParseDictionary(text, path);
  if (file && words.ok()) return *std::move(words);
  std::fprintf(stderr, "TAPEDECK_DICTIONARY: %s\n",
               words.ok() ? "cannot be read" : std::string(words.status().message()).c_str());
  std::exit(2);
}

}  // namespace

#define TAPEDECK_EXPORT extern "C" [[gnu::visibility("default")]]

TAPEDECK_EXPORT void* afl_custom_init(void*, unsigned int seed) {
  MutatorOptions options;
  options.dictionary = Words();
  options.faults = std::getenv("TAPEDECK_FAULTS") != nullptr;
  return new AflMutator(seed, std::move(options));
}

TAPEDECK_EXPORT void afl_custom_deinit(AflMutator* self) { delete self; }

// Returns how many bytes there are at *out_buf. `add_buf`: another input of the queue.
TAPEDECK_EXPORT size_t afl_custom_fuzz(AflMutator* self, uint8_t* buf, size_t buf_size,
                                       uint8_t** out_buf, uint8_t* add_buf, size_t add_buf_size,
                                       size_t max_size) {
  const uint64_t seed = self->NextSeed();
  const std::span<const uint8_t> input(buf, buf_size);
  const std::span<const uint8_t> other(add_buf, add_buf == nullptr ? 0 : add_buf_size);
  // As often as libFuzzer does.
  self->out = seed % 4 == 0 && !other.empty()
                  ? self->mutator.CrossOver(input, other, max_size, seed)
                  : self->mutator.Mutate(input, max_size, seed, other);
  *out_buf = self->out.data();
  return self->out.size();
}

// A name for the file of what the last mutation found.
TAPEDECK_EXPORT const char* afl_custom_describe(AflMutator* self, size_t) {
  return self->mutator.last().c_str();
}

TAPEDECK_EXPORT int32_t afl_custom_init_trim(AflMutator* self, uint8_t* buf, size_t buf_size) {
  self->trimmer = std::make_unique<Trimmer>(std::span<const uint8_t>(buf, buf_size));
  return static_cast<int32_t>(self->trimmer->attempts());
}

TAPEDECK_EXPORT size_t afl_custom_trim(AflMutator* self, uint8_t** out_buf) {
  self->out = self->trimmer->Next();
  *out_buf = self->out.data();
  return self->out.size();
}

TAPEDECK_EXPORT int32_t afl_custom_post_trim(AflMutator* self, uint8_t success) {
  return static_cast<int32_t>(self->trimmer->Judge(success != 0));
}
