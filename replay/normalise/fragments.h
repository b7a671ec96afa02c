// Fragments of IP packets, and the packets that they were cut from, as a receiver puts them
// together: in any order, copies ignored, nothing of what overlaps (RFC 5722; ip_frag_queue,
// ip6_frag_queue).
#ifndef TAPEDECK_REPLAY_NORMALISE_FRAGMENTS_H_
#define TAPEDECK_REPLAY_NORMALISE_FRAGMENTS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "replay/normalise/frame.h"

namespace tapedeck::normalise {

// The fragments of one packet: same addresses, protocol and identification, all within the time
// that a Linux receiver waits from the first on (30 s, of IPv6 60 s). The fragment that makes it
// whole, or that overlaps others, is its last: what comes behind belongs to another packet.
struct FragmentedPacket {
  std::vector<uint32_t> frames;  // indices, in their order
  bool is_complete = false;      // first, last, and no hole between
  bool has_overlaps = false;     // bytes that several fragments carry, unless they are mere copies
};

// Where the data of a fragment lie in its packet, behind the unfragmentable headers.
struct FragmentRange {
  uint32_t offset_bytes = 0;
  uint32_t frame_offset = 0;  // where the data begin in the frame
  std::span<const uint8_t> data;
  bool more = false;
};

// REQUIRES: frame.is_fragment.
FragmentRange RangeOf(const Frame& frame);

// All packets of which `frames` hold fragments, by their first fragment.
std::vector<FragmentedPacket> FindFragmentedPackets(std::span<const Frame> frames);

// The packet from its IP header on, as if it had never been cut, with filler where data were not
// captured; its IPv4 header is that of the first fragment and its checksum is right. Empty where it
// would be longer than an IP packet can be. REQUIRES: packet.is_complete.
std::vector<uint8_t> WholePacket(std::span<const Frame> frames, const FragmentedPacket& packet);

}  // namespace tapedeck::normalise

#endif  // TAPEDECK_REPLAY_NORMALISE_FRAGMENTS_H_
