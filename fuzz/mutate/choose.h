// Draws of a mutation. All of them come from one Prng, so that a seed decides everything.
#ifndef TAPEDECK_FUZZ_MUTATE_CHOOSE_H_
#define TAPEDECK_FUZZ_MUTATE_CHOOSE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>

#include "replay/script/byte_record.h"
#include "stack/base/prng.h"

namespace tapedeck::fuzz {

inline bool OneIn(Prng& random, uint32_t n) { return random.Below(n) == 0; }

// Uniform in [0, size). REQUIRES: 0 < size < 2^32.
inline size_t BelowSize(Prng& random, size_t size) {
  return random.Below(static_cast<uint32_t>(size));
}

// One of a container's elements. REQUIRES: it has one.
template <typename Container>
decltype(auto) Pick(Prng& random, Container&& container) {
  return container[BelowSize(random, std::size(container))];
}

// 1 to `most`, small ones more often: each further one half as often.
inline size_t FewUpTo(Prng& random, size_t most) {
  size_t count = 1;
  while (count < most && OneIn(random, 2)) ++count;
  return count;
}

// Another number in min..max: an interesting one, one close to `value`, or any. It may turn out to
// be `value` where there is no other. REQUIRES: min <= value <= max.
inline int64_t OtherNumber(Prng& random, int64_t value, Choices interesting, int64_t min,
                           int64_t max) {
  int64_t next = value;
  for (int attempts = 0; attempts < 4 && next == value; ++attempts) {
    switch (random.Below(interesting.empty() ? 3 : 6)) {
      case 0:
        next = value + 1 - 2 * static_cast<int64_t>(random.Below(2));
        break;
      case 1:
        next = value ^ int64_t { 1 } << random.Below(31);
        break;
      case 2:
        next = static_cast<int32_t>(random.Next32());
        break;
      default:
        next = Pick(random, interesting);
    }
    next = std::clamp(next, min, max);
  }
  return next;
}

// The same for a field of an unsigned type.
template <typename Unsigned>
Unsigned OtherUnsigned(Prng& random, Unsigned value, Choices interesting) {
  static_assert(std::numeric_limits<Unsigned>::is_integer &&
                !std::numeric_limits<Unsigned>::is_signed);
  return static_cast<Unsigned>(
      OtherNumber(random, value, interesting, 0, std::numeric_limits<Unsigned>::max()));
}

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_MUTATE_CHOOSE_H_
