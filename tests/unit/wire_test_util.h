// What the codec tests share: seeded bytes, and buffers of exact size so that AddressSanitizer sees
// one byte too many.
#ifndef TAPEDECK_TESTS_UNIT_WIRE_TEST_UTIL_H_
#define TAPEDECK_TESTS_UNIT_WIRE_TEST_UTIL_H_

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "stack/base/prng.h"

namespace tapedeck::wire {

using Bytes = std::vector<uint8_t>;

inline Bytes RandomBytes(Prng& prng, size_t n) {
  Bytes bytes(n);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(prng.Next32() >> 24);
  return bytes;
}

// Calls `parse` with every prefix of `bytes`, each in an allocation of its own.
template <typename Parse>
void ForEveryPrefix(std::span<const uint8_t> bytes, Parse parse) {
  for (size_t n = 0; n <= bytes.size(); ++n) {
    const auto copy = std::make_unique<uint8_t[]>(n);
    std::copy_n(bytes.begin(), n, copy.get());
    parse(std::span<const uint8_t>(copy.get(), n));
  }
}

// Calls `parse` with `rounds` random strings of 0..`max_bytes`; half of them begin like `start`, so
// that they get past the first checks.
template <typename Parse>
void ForRandomBytes(uint64_t seed, int rounds, uint32_t max_bytes, const Bytes& start,
                    Parse parse) {
  Prng prng(seed, 0);
  for (int i = 0; i < rounds; ++i) {
    const size_t n = prng.Below(max_bytes + 1);
    const auto copy = std::make_unique<uint8_t[]>(n);
    for (size_t k = 0; k < n; ++k) copy[k] = static_cast<uint8_t>(prng.Next32() >> 24);
    if (prng.Below(2) != 0) std::copy_n(start.begin(), std::min(n, start.size()), copy.get());
    parse(std::span<uint8_t>(copy.get(), n));
  }
}

// The bytes of a span, to compare with EXPECT_EQ.
inline Bytes ToBytes(std::span<const uint8_t> bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace tapedeck::wire

#endif  // TAPEDECK_TESTS_UNIT_WIRE_TEST_UTIL_H_
