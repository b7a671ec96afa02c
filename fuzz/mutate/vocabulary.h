// Calls that the bytes spelling says as text only: what mutations make new steps of, beside the
// calls that have operands.
#ifndef TAPEDECK_FUZZ_MUTATE_VOCABULARY_H_
#define TAPEDECK_FUZZ_MUTATE_VOCABULARY_H_

#include <vector>

#include "replay/script/script.h"

namespace tapedeck::fuzz {

const std::vector<Step>& Vocabulary();

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_MUTATE_VOCABULARY_H_
