// Where the layers of an Ethernet frame lie, also of one that was cut while capturing.
#ifndef TAPEDECK_REPLAY_NORMALISE_LAYOUT_H_
#define TAPEDECK_REPLAY_NORMALISE_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "replay/normalise/frame.h"
#include "stack/wire/pseudo_header.h"

namespace tapedeck::normalise {

// The largest IP packet that an Ethernet carries unless somebody said otherwise.
inline constexpr uint32_t kUsualMtuBytes = 1500;

// What was found beside the fields of a Frame.
struct Layout {
  size_t frame_bytes = 0;      // on the wire: to the end of the IP packet, without padding
  bool length_filled = false;  // the IP length was 0, and frame_bytes is what the record says
};

// Fills the layout fields of `frame`, of which `frame.bytes` is what was captured of an Ethernet
// frame that had `wire_bytes` bytes. Returns why the frame is of no use, or nothing. Damaged
// headers are not cut ones: such a frame is kept as it is, with what lies before the damage.
// REQUIRES: 14 bytes; wire_bytes >= frame.bytes.size().
std::optional<UnusedReason> FindLayout(size_t wire_bytes, Frame& frame, Layout& layout);

// Of the addresses that a checksum of the transport header covers: an IPv6 routing header names the
// last. REQUIRES: frame.is_ip(), with a whole header.
wire::PseudoHeader PseudoHeaderOf(const Frame& frame);

}  // namespace tapedeck::normalise

#endif  // TAPEDECK_REPLAY_NORMALISE_LAYOUT_H_
