#include "stack/base/sha1.h"

#include <bit>

#include "stack/base/byteorder.h"

namespace tapedeck {

namespace {

// RFC 3174 5: the function and the constant of round `t`.
uint32_t MixSha1(int t, uint32_t b, uint32_t c, uint32_t d) {
  if (t < 20) return ((b & c) | (~b & d)) + 0x5a827999;
  if (t < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  if (t < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}

}  // namespace

Sha1State Sha1Compress(const Sha1State& state, std::span<const uint8_t, 64> block) {
  uint32_t w[80];
  for (size_t t = 0; t < 16; ++t) w[t] = LoadBe32(&block[4 * t]);
  for (size_t t = 16; t < 80; ++t) {
    w[t] = std::rotl(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
  }
  auto [a, b, c, d, e] = state;
  for (int t = 0; t < 80; ++t) {
    const uint32_t next = std::rotl(a, 5) + MixSha1(t, b, c, d) + e + w[t];
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  }
  return {state[0] + a, state[1] + b, state[2] + c, state[3] + d, state[4] + e};
}

}  // namespace tapedeck
