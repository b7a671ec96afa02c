// Hashes that goldens show: XXH3, shortened to what a line has room for.
#ifndef TAPEDECK_REPLAY_REGRESS_TEXT_HASH_H_
#define TAPEDECK_REPLAY_REGRESS_TEXT_HASH_H_

#include <cstdint>
#include <span>
#include <string_view>

namespace tapedeck::regress {

// Of bytes, 32 bits.
uint32_t ShortHash(std::span<const uint8_t> bytes);
// Of `text` and all that was hashed into `chain` before it; a chain begins with 0.
uint64_t ChainHash(uint64_t chain, std::string_view text);

}  // namespace tapedeck::regress

#endif  // TAPEDECK_REPLAY_REGRESS_TEXT_HASH_H_
