// How a datagram's payload is cut and in which order the pieces come, for tests of reassembly.
#ifndef TAPEDECK_TESTS_UNIT_FRAGMENT_RANGES_H_
#define TAPEDECK_TESTS_UNIT_FRAGMENT_RANGES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "stack/base/prng.h"

namespace tapedeck {

struct FragmentRange {
  uint32_t offset = 0;
  uint32_t bytes = 0;
  bool more = false;
};

// `total` bytes in pieces of up to 1200 bytes.
inline std::vector<FragmentRange> CutAtRandom(Prng& prng, uint32_t total) {
  std::vector<FragmentRange> ranges;
  for (uint32_t at = 0; at < total;) {
    const uint32_t bytes = std::min(8 * (1 + prng.Below(150)), total - at);
    ranges.push_back({at, bytes, at + bytes < total});
    at += bytes;
  }
  return ranges;
}

// Any order, some of them twice. The last to come completes it: what is repeated comes before.
inline std::vector<FragmentRange> Disordered(Prng& prng, std::vector<FragmentRange> ranges) {
  for (size_t i = ranges.size(); i > 1; --i) {
    std::swap(ranges[i - 1], ranges[prng.Below(static_cast<uint32_t>(i))]);
  }
  const size_t repeats = prng.Below(5);
  for (size_t i = 0; i < repeats; ++i) {
    const size_t from = prng.Below(static_cast<uint32_t>(ranges.size() - 1));
    const size_t to = from + prng.Below(static_cast<uint32_t>(ranges.size() - 1 - from));
    ranges.insert(ranges.begin() + static_cast<std::ptrdiff_t>(to), ranges[from]);
  }
  return ranges;
}

}  // namespace tapedeck

#endif  // TAPEDECK_TESTS_UNIT_FRAGMENT_RANGES_H_
