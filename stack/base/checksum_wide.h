// The sum over long data with 256-bit vectors, for processors that have them; the rest of the
// program is built for any x86-64. Sums are the same. Internal to checksum.cc.
#ifndef TAPEDECK_STACK_BASE_CHECKSUM_WIDE_H_
#define TAPEDECK_STACK_BASE_CHECKSUM_WIDE_H_

#include <stddef.h>
#include <stdint.h>

namespace tapedeck::checksum_internal {

inline constexpr size_t kWideVectorBytes = 32;

#ifdef __x86_64__
inline bool CanSumWide() { return __builtin_cpu_supports("avx2") != 0; }
// Sums `vectors` pieces of kWideVectorBytes, as words of 32 bits in the machine's byte order, and
// copies them where `dst` is not null. REQUIRES: CanSumWide().
uint64_t SumWide(uint8_t* dst, const uint8_t* src, size_t vectors);
#else
constexpr bool CanSumWide() { return false; }
constexpr uint64_t SumWide(uint8_t*, const uint8_t*, size_t) { return 0; }
#endif

}  // namespace tapedeck::checksum_internal

#endif  // TAPEDECK_STACK_BASE_CHECKSUM_WIDE_H_
