// The compression function of SHA-1 (RFC 3174 6.1), for interface identifiers (RFC 7217 as Linux
// computes them: one block, without padding).
#ifndef TAPEDECK_STACK_BASE_SHA1_H_
#define TAPEDECK_STACK_BASE_SHA1_H_

#include <array>
#include <cstdint>
#include <span>

namespace tapedeck {

using Sha1State = std::array<uint32_t, 5>;
inline constexpr Sha1State kSha1Initial = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
                                           0xc3d2e1f0};

// The state after one more block.
Sha1State Sha1Compress(const Sha1State& state, std::span<const uint8_t, 64> block);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_BASE_SHA1_H_
