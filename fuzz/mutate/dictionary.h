// Words of a dictionary in the syntax that libFuzzer and AFL++ share: name="\x06\x61", a line each,
// # comments, names and levels (name@2) optional.
#ifndef TAPEDECK_FUZZ_MUTATE_DICTIONARY_H_
#define TAPEDECK_FUZZ_MUTATE_DICTIONARY_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace tapedeck::fuzz {

// InvalidArgument names the line: "stack.dict:7: expected a word in quotes".
absl::StatusOr<std::vector<std::vector<uint8_t>>> ParseDictionary(std::string_view text,
                                                                  std::string_view name);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_MUTATE_DICTIONARY_H_
