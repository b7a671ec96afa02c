// Steps of one script in another.
#ifndef TAPEDECK_FUZZ_MUTATE_SPLICE_H_
#define TAPEDECK_FUZZ_MUTATE_SPLICE_H_

#include <cstddef>
#include <vector>

#include "replay/script/script.h"
#include "stack/base/prng.h"

namespace tapedeck::fuzz {

// Puts `steps` in front of step `at`; descriptors that they make get names that nobody has.
void InsertSteps(Prng& random, Script& script, size_t at, std::vector<Step> steps);

// Some steps of `script` that follow each other, with what they need of those before (WithNeeded).
// At most `steps_max`. REQUIRES: it has steps; steps_max > 0.
std::vector<Step> SomeSteps(Prng& random, const Script& script, size_t steps_max);

// A script made of two: the beginning of one and the end of the other, all of both side by side, or
// a part of the second inside the first.
Script Cross(Prng& random, const Script& a, const Script& b, size_t steps_max);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_MUTATE_SPLICE_H_
