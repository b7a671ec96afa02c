// Time stamps of a pcapng interface to nanoseconds since 1970. Source: draft-ietf-opsawg-pcapng,
// if_tsresol, if_tsoffset.
#ifndef TAPEDECK_REPLAY_CAPTURE_TIME_SCALE_H_
#define TAPEDECK_REPLAY_CAPTURE_TIME_SCALE_H_

#include <cstdint>

namespace tapedeck::capture {

// Ticks of 10^-n or 2^-n seconds plus an offset in seconds. Exact where nanoseconds can hold the
// result; finer ticks are cut to whole nanoseconds towards the past. Stamps that would lie after
// the year 2262 are read as negative, which is what writers mean whose clock stood before 1970;
// what fits neither way saturates.
class TimeScale {
 public:
  // Microseconds, the resolution of an interface that names none.
  TimeScale() : TimeScale(6, 0) {}
  // `resolution` is if_tsresol: n of 10^-n, or with its top bit set of 2^-n. `offset_s` is
  // if_tsoffset.
  TimeScale(uint8_t resolution, int64_t offset_s);

  int64_t ToNs(uint64_t ticks) const {
    if (ticks < fast_ticks_) [[likely]] {
      return static_cast<int64_t>(ticks * ns_per_tick_);
    }
    return ToNsSlowly(ticks);
  }

  uint8_t resolution() const { return resolution_; }
  int64_t offset_s() const { return offset_s_; }

 private:
  int64_t ToNsSlowly(uint64_t ticks) const;

  uint64_t fast_ticks_ = 0;   // below this many ticks, ToNs is one multiplication
  uint64_t ns_per_tick_ = 0;  // 0 where a tick is not a whole number of nanoseconds
  int64_t offset_s_ = 0;
  uint8_t resolution_ = 6;
};

}  // namespace tapedeck::capture

#endif  // TAPEDECK_REPLAY_CAPTURE_TIME_SCALE_H_
