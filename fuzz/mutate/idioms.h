// Short stories that scripts are made of: what single steps seldom add up to by chance.
#ifndef TAPEDECK_FUZZ_MUTATE_IDIOMS_H_
#define TAPEDECK_FUZZ_MUTATE_IDIOMS_H_

#include <span>
#include <string_view>
#include <vector>

#include "replay/script/script.h"

namespace tapedeck::fuzz {

struct Idiom {
  std::string_view name;  // "accept a connection"
  std::vector<Step> steps;
};

// Descriptor 5 in them is a listener on the script's port, which fuzz targets have open.
std::span<const Idiom> Idioms();

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_MUTATE_IDIOMS_H_
