// Ethernet's arithmetic: how long a frame is on the wire, exactly. A byte time is a whole number of
// picoseconds at every speed, so nothing is rounded.
//
//   slot = preamble 7 + SFD 1 + frame (with FCS, at least 64) + inter-frame gap 12 bytes
#ifndef TAPEDECK_NICMODEL_WIRE_TIMING_H_
#define TAPEDECK_NICMODEL_WIRE_TIMING_H_

#include <cstdint>

#include "stack/base/check.h"
#include "stack/base/time.h"

namespace tapedeck::nic {

enum class LinkSpeed : uint8_t { k10M, k100M, k1G, k2500M, k10G, k25G, k40G, k100G };

inline constexpr uint32_t kPreambleBytes = 8;  // with the start frame delimiter
inline constexpr uint32_t kFcsBytes = 4;
inline constexpr uint32_t kInterFrameGapBytes = 12;
// Without FCS: what software sees.
inline constexpr uint32_t kFrameBytesMin = 60;

constexpr uint64_t BitsPerSecond(LinkSpeed speed) {
  switch (speed) {
    case LinkSpeed::k10M:
      return 10'000'000;
    case LinkSpeed::k100M:
      return 100'000'000;
    case LinkSpeed::k1G:
      return 1'000'000'000;
    case LinkSpeed::k2500M:
      return 2'500'000'000;
    case LinkSpeed::k10G:
      return 10'000'000'000;
    case LinkSpeed::k25G:
      return 25'000'000'000;
    case LinkSpeed::k40G:
      return 40'000'000'000;
    case LinkSpeed::k100G:
      return 100'000'000'000;
  }
  CheckFailed(__FILE__, __LINE__, "a member of LinkSpeed");
}

constexpr Duration ByteTime(LinkSpeed speed) {
  return Duration::Picoseconds(8'000'000'000'000 / BitsPerSecond(speed));
}
// The time of `bytes` on a wire.
constexpr Duration WireTime(LinkSpeed speed, uint64_t bytes) { return ByteTime(speed) * bytes; }

// From the first bit of the preamble to the last bit of the FCS. `frame_bytes` is without FCS.
constexpr Duration FrameTime(LinkSpeed speed, uint32_t frame_bytes) {
  return WireTime(speed, uint64_t{kPreambleBytes} + frame_bytes + kFcsBytes);
}

// From the first bit of a frame to the first bit of the next at line rate.
constexpr Duration FrameSlot(LinkSpeed speed, uint32_t frame_bytes) {
  return FrameTime(speed, frame_bytes) + WireTime(speed, kInterFrameGapBytes);
}

// Whole frames in a second at line rate.
constexpr uint64_t FramesPerSecond(LinkSpeed speed, uint32_t frame_bytes) {
  return Duration::Seconds(1).ps / FrameSlot(speed, frame_bytes).ps;
}

static_assert(WireTime(LinkSpeed::k10G, 1).ps == 800 && WireTime(LinkSpeed::k100G, 1).ps == 80);
static_assert(FramesPerSecond(LinkSpeed::k10G, kFrameBytesMin) == 14'880'952);

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_WIRE_TIMING_H_
