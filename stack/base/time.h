// Virtual time: one 64-bit count of picoseconds per Lab. Bit times from 10 Mb/s to 100 Gb/s are
// whole numbers of picoseconds, so nothing about the wire is ever rounded. The range is 213 days;
// arithmetic saturates at the end of time instead of wrapping, and nothing is scheduled beyond it.
#ifndef TAPEDECK_STACK_BASE_TIME_H_
#define TAPEDECK_STACK_BASE_TIME_H_

#include <compare>
#include <cstdint>
#include <limits>

namespace tapedeck {

__extension__ typedef unsigned __int128 uint128;

// A length of time, never negative.
struct Duration {
  uint64_t ps = 0;

  static constexpr Duration Picoseconds(uint64_t n) { return {n}; }
  static constexpr Duration Nanoseconds(uint64_t n) { return Scaled(n, 1'000); }
  static constexpr Duration Microseconds(uint64_t n) { return Scaled(n, 1'000'000); }
  static constexpr Duration Milliseconds(uint64_t n) { return Scaled(n, 1'000'000'000); }
  static constexpr Duration Seconds(uint64_t n) { return Scaled(n, 1'000'000'000'000); }
  static constexpr Duration Max() { return {std::numeric_limits<uint64_t>::max()}; }

  // Whole units, rounded down.
  constexpr uint64_t ns() const { return ps / 1'000; }
  constexpr uint64_t us() const { return ps / 1'000'000; }
  constexpr uint64_t ms() const { return ps / 1'000'000'000; }
  constexpr uint64_t seconds() const { return ps / 1'000'000'000'000; }

  friend constexpr auto operator<=>(Duration, Duration) = default;
  friend constexpr Duration operator+(Duration a, Duration b) {
    const uint64_t sum = a.ps + b.ps;
    return {sum < a.ps ? std::numeric_limits<uint64_t>::max() : sum};
  }
  // Zero where `b` is longer.
  friend constexpr Duration operator-(Duration a, Duration b) {
    return {a.ps > b.ps ? a.ps - b.ps : 0};
  }
  friend constexpr Duration operator*(Duration a, uint64_t n) { return Scaled(n, a.ps); }
  constexpr Duration& operator+=(Duration b) { return *this = *this + b; }

 private:
  static constexpr Duration Scaled(uint64_t n, uint64_t unit_ps) {
    uint64_t product = 0;
    return {__builtin_mul_overflow(n, unit_ps, &product) ? std::numeric_limits<uint64_t>::max()
                                                         : product};
  }
};

// A point on the Lab's clock: the time since it was made.
struct SimTime {
  uint64_t ps = 0;

  static constexpr SimTime Zero() { return {0}; }
  // The end of time: later than everything that happens.
  static constexpr SimTime Never() { return {std::numeric_limits<uint64_t>::max()}; }
  static constexpr SimTime At(Duration since_start) { return {since_start.ps}; }

  constexpr uint64_t ns() const { return ps / 1'000; }
  constexpr uint64_t us() const { return ps / 1'000'000; }
  constexpr Duration since_start() const { return {ps}; }

  friend constexpr auto operator<=>(SimTime, SimTime) = default;
  friend constexpr SimTime operator+(SimTime t, Duration d) { return {(Duration{t.ps} + d).ps}; }
  // Zero where `b` is later.
  friend constexpr Duration operator-(SimTime a, SimTime b) {
    return Duration{a.ps} - Duration{b.ps};
  }
  constexpr SimTime& operator+=(Duration d) { return *this = *this + d; }
};

constexpr SimTime Later(SimTime a, SimTime b) { return a < b ? b : a; }
constexpr SimTime Earlier(SimTime a, SimTime b) { return a < b ? a : b; }

// A count of clock cycles of some ClockDomain.
struct Cycles {
  uint64_t count = 0;
  friend constexpr auto operator<=>(Cycles, Cycles) = default;
  friend constexpr Cycles operator+(Cycles a, Cycles b) { return {a.count + b.count}; }
};

// Converts cycles of one clock to picoseconds without losing any: what does not make a whole
// picosecond is carried into the next conversion, so that N conversions of one cycle equal one
// conversion of N.
class ClockDomain {
 public:
  // REQUIRES: 1 <= hz <= 10^12.
  explicit constexpr ClockDomain(uint64_t hz)
      : hz_(hz), ps_per_cycle_(kPsPerSecond % hz == 0 ? kPsPerSecond / hz : 0) {}

  constexpr uint64_t hz() const { return hz_; }

  // The time that the next `cycles` cycles take.
  constexpr Duration Advance(Cycles cycles) {
    if (ps_per_cycle_ != 0) {
      return Duration{ps_per_cycle_} * cycles.count;
    }
    const uint128 total = static_cast<uint128>(cycles.count) * kPsPerSecond + remainder_;
    remainder_ = static_cast<uint64_t>(total % hz_);
    return Duration{static_cast<uint64_t>(total / hz_)};
  }

 private:
  static constexpr uint64_t kPsPerSecond = 1'000'000'000'000;
  uint64_t hz_;
  uint64_t ps_per_cycle_;   // 0 where a cycle is not a whole number of picoseconds
  uint64_t remainder_ = 0;  // in 1/hz of a picosecond
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_BASE_TIME_H_
