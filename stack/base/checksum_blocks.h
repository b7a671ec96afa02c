// The loop of the checksums, for whatever vectors there are. Internal to checksum.cc and
// checksum_wide.cc; the latter is built for more than every processor has, so this includes nothing
// that has inline functions.
#ifndef TAPEDECK_STACK_BASE_CHECKSUM_BLOCKS_H_
#define TAPEDECK_STACK_BASE_CHECKSUM_BLOCKS_H_

#include <stddef.h>
#include <stdint.h>

namespace tapedeck::checksum_internal {

// Sums 32-bit words without ever testing for a carry: `all` adds whole 64-bit lanes and wraps,
// `high` adds their upper halves and cannot wrap below 64 GiB; the sum of the lower halves is what
// remains of `all` without `high`.
// `Vector` names a vector type of 64-bit lanes.
template <typename Vector>
struct LaneSums {
  using Lanes = typename Vector::Lanes;

  Lanes all = {};
  Lanes high = {};

  static Lanes Load(const uint8_t* from) {
    Lanes v;
    __builtin_memcpy(&v, from, sizeof v);
    return v;
  }
  void Add(Lanes v) {
    all += v;
    high += v >> 32;
  }
  // High and low halves weigh the same modulo 0xffff.
  uint64_t Total() const {
    const Lanes low = all - (high << 32);
    uint64_t total = 0;
    for (size_t i = 0; i < sizeof(Lanes) / sizeof(uint64_t); ++i) total += low[i] + high[i];
    return total;
  }
};

// Sums, and with `kCopy` also copies, `vectors` whole vectors, four at a time as long as there are:
// their loads come before their stores.
template <typename Vector, bool kCopy>
uint64_t SumVectors(uint8_t* dst, const uint8_t* src, size_t vectors) {
  using Lanes = typename Vector::Lanes;
  LaneSums<Vector> even;
  LaneSums<Vector> odd;
  for (; vectors >= 4; vectors -= 4) {
    const Lanes a = LaneSums<Vector>::Load(src);
    const Lanes b = LaneSums<Vector>::Load(src + sizeof(Lanes));
    const Lanes c = LaneSums<Vector>::Load(src + 2 * sizeof(Lanes));
    const Lanes d = LaneSums<Vector>::Load(src + 3 * sizeof(Lanes));
    src += 4 * sizeof(Lanes);
    if constexpr (kCopy) {
      __builtin_memcpy(dst, &a, sizeof(Lanes));
      __builtin_memcpy(dst + sizeof(Lanes), &b, sizeof(Lanes));
      __builtin_memcpy(dst + 2 * sizeof(Lanes), &c, sizeof(Lanes));
      __builtin_memcpy(dst + 3 * sizeof(Lanes), &d, sizeof(Lanes));
      dst += 4 * sizeof(Lanes);
    }
    even.Add(a);
    odd.Add(b);
    even.Add(c);
    odd.Add(d);
  }
  for (; vectors != 0; --vectors) {
    const Lanes v = LaneSums<Vector>::Load(src);
    src += sizeof(Lanes);
    if constexpr (kCopy) {
      __builtin_memcpy(dst, &v, sizeof(Lanes));
      dst += sizeof(Lanes);
    }
    even.Add(v);
  }
  even.all += odd.all;
  even.high += odd.high;
  return even.Total();
}

}  // namespace tapedeck::checksum_internal

#endif  // TAPEDECK_STACK_BASE_CHECKSUM_BLOCKS_H_
