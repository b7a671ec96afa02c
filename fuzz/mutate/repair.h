// Makes a script that mutations have moved about well-formed again.
#ifndef TAPEDECK_FUZZ_MUTATE_REPAIR_H_
#define TAPEDECK_FUZZ_MUTATE_REPAIR_H_

#include <cstddef>

#include "replay/script/script.h"

namespace tapedeck::fuzz {

// Cuts what lies beyond `steps_max` steps, the longest script, or the frames that the bytes
// spelling holds; times that count from the start count from the step before where the order of
// steps asks for it. Steps themselves are well-formed already.
void RepairScript(Script& script, size_t steps_max);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_MUTATE_REPAIR_H_
