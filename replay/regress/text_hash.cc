#include "replay/regress/text_hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tapedeck::regress {

uint32_t ShortHash(std::span<const uint8_t> bytes) {
  return static_cast<uint32_t>(XXH3_64bits(bytes.data(), bytes.size()));
}

uint64_t ChainHash(uint64_t chain, std::string_view text) {
  return XXH3_64bits_withSeed(text.data(), text.size(), chain);
}

}  // namespace tapedeck::regress
