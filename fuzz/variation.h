// Ways to run an input that must make no difference to its digest. A replayer chooses; fuzzers run
// inputs as they are.
#ifndef TAPEDECK_FUZZ_VARIATION_H_
#define TAPEDECK_FUZZ_VARIATION_H_

#include <cstdint>

namespace tapedeck::fuzz {

struct Variation {
  // What memory that nobody has written yet is filled with. Of the first input's process: the Lab
  // is built once.
  uint8_t fill = 0;
  // In the middle of the script time goes on for a while, and everything is put back.
  bool detour = false;
};

// Inputs run so from now on. Weak: targets that run no Lab do not have it.
[[gnu::weak]] void VaryRuns(const Variation& variation);
// As was said last.
[[gnu::weak]] const Variation& RunVariation();

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_VARIATION_H_
