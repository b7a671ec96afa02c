// The Lab's random numbers: named streams, each a pure function of (seed, stream), so that a new
// draw in one part never shifts another part's numbers. xoshiro256** (Blackman and Vigna), seeded
// through splitmix64.
#ifndef TAPEDECK_STACK_BASE_PRNG_H_
#define TAPEDECK_STACK_BASE_PRNG_H_

#include <cstdint>

#include "stack/base/check.h"

namespace tapedeck {

constexpr uint64_t SplitMix64(uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

class Prng {
 public:
  constexpr Prng(uint64_t seed, uint64_t stream) {
    uint64_t state = seed;
    uint64_t mixed = SplitMix64(state) ^ (stream * 0xd1342543de82ef95);
    for (uint64_t& word : s_) word = SplitMix64(mixed);
  }

  constexpr uint64_t Next64() {
    const uint64_t result = Rotl(s_[1] * 5, 7) * 9;
    const uint64_t t = s_[1] << 17;
    s_[2] ^= s_[0];
    s_[3] ^= s_[1];
    s_[1] ^= s_[2];
    s_[0] ^= s_[3];
    s_[2] ^= t;
    s_[3] = Rotl(s_[3], 45);
    return result;
  }

  constexpr uint32_t Next32() { return static_cast<uint32_t>(Next64() >> 32); }

  // Uniform in [0, bound): Lemire's multiplication with rejection, so exactly uniform. REQUIRES:
  // bound > 0.
  constexpr uint32_t Below(uint32_t bound) {
    CHECK(bound > 0);
    uint64_t product = static_cast<uint64_t>(Next32()) * bound;
    const uint32_t reject_below = (0U - bound) % bound;
    while (static_cast<uint32_t>(product) < reject_below) {
      product = static_cast<uint64_t>(Next32()) * bound;
    }
    return static_cast<uint32_t>(product >> 32);
  }

 private:
  static constexpr uint64_t Rotl(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }
  uint64_t s_[4] = {};
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_BASE_PRNG_H_
