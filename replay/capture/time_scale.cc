#include "replay/capture/time_scale.h"

#include <limits>

namespace tapedeck::capture {
namespace {

__extension__ typedef __int128 Wide;

constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int64_t kNsMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kNsMin = std::numeric_limits<int64_t>::min();
constexpr unsigned kPowerOfTwo = 0x80;  // top bit of if_tsresol

constexpr uint64_t PowerOfTen(unsigned exponent) {
  uint64_t power = 1;
  for (unsigned i = 0; i < exponent; ++i) power *= 10;
  return power;
}

// `ticks` of 2^-n seconds in nanoseconds. n is at most 127, and the product stays below 2^94.
Wide FromBinary(uint64_t ticks, unsigned n) { return (Wide{ticks} * kNsPerSecond) >> n; }

// `ticks` of 10^-n seconds in nanoseconds.
Wide FromDecimal(uint64_t ticks, unsigned n) {
  if (n <= 9) return Wide{ticks} * static_cast<Wide>(PowerOfTen(9 - n));
  constexpr unsigned kExponentMax = 19;  // of a power of ten in 64 bits
  return n - 9 > kExponentMax ? 0 : Wide{ticks / PowerOfTen(n - 9)};
}

}  // namespace

TimeScale::TimeScale(uint8_t resolution, int64_t offset_s)
    : offset_s_(offset_s), resolution_(resolution) {
  if (resolution > 9) return;
  ns_per_tick_ = PowerOfTen(9u - resolution);
  if (offset_s == 0) fast_ticks_ = static_cast<uint64_t>(kNsMax) / ns_per_tick_ + 1;
}

int64_t TimeScale::ToNsSlowly(uint64_t ticks) const {
  const unsigned exponent = resolution_ & ~kPowerOfTwo;
  const Wide since_offset =
      (resolution_ & kPowerOfTwo) != 0 ? FromBinary(ticks, exponent) : FromDecimal(ticks, exponent);
  const Wide ns = since_offset + Wide{offset_s_} * kNsPerSecond;
  if (ns > kNsMax) return kNsMax;
  if (ns < kNsMin) return kNsMin;
  return static_cast<int64_t>(ns);
}

}  // namespace tapedeck::capture
