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

// `ticks` of 2^-n seconds in nanoseconds. n is at most 127, and the product stays within 2^94.
Wide FromBinary(Wide ticks, unsigned n) { return (ticks * kNsPerSecond) >> n; }

// `ticks` of 10^-n seconds in nanoseconds.
Wide FromDecimal(Wide ticks, unsigned n) {
  constexpr unsigned kExponentMax = 19;  // of a power of ten in 64 bits
  if (n <= 9) return ticks * static_cast<Wide>(PowerOfTen(9 - n));
  if (n - 9 > kExponentMax) return ticks < 0 ? -1 : 0;
  const Wide divisor = static_cast<Wide>(PowerOfTen(n - 9));
  const Wide quotient = ticks / divisor;
  return quotient - (ticks % divisor < 0 ? 1 : 0);
}

// `ticks` in nanoseconds since 1970, without regard to what 64 bits hold.
Wide Exactly(Wide ticks, uint8_t resolution, int64_t offset_s) {
  const unsigned exponent = resolution & ~kPowerOfTwo;
  const Wide since_offset =
      (resolution & kPowerOfTwo) != 0 ? FromBinary(ticks, exponent) : FromDecimal(ticks, exponent);
  return since_offset + Wide{offset_s} * kNsPerSecond;
}

bool Fits(Wide ns) { return ns >= kNsMin && ns <= kNsMax; }

}  // namespace

TimeScale::TimeScale(uint8_t resolution, int64_t offset_s)
    : offset_s_(offset_s), resolution_(resolution) {
  if (resolution > 9) return;
  ns_per_tick_ = PowerOfTen(9u - resolution);
  if (offset_s == 0) fast_ticks_ = static_cast<uint64_t>(kNsMax) / ns_per_tick_ + 1;
}

int64_t TimeScale::ToNsSlowly(uint64_t ticks) const {
  const Wide ns = Exactly(Wide{ticks}, resolution_, offset_s_);
  if (Fits(ns)) return static_cast<int64_t>(ns);
  const Wide negative = Exactly(Wide{static_cast<int64_t>(ticks)}, resolution_, offset_s_);
  if (Fits(negative)) return static_cast<int64_t>(negative);
  return ns > kNsMax ? kNsMax : kNsMin;
}

}  // namespace tapedeck::capture
