// Fragments of IP packets, for those who have to change a header that they carry: whoever rewrites
// a sequence number finds it in the first fragment, or spread over several where the cut goes
// through the header. The cuts stay where they were, and overlaps and holes what they were.
#ifndef TAPEDECK_REPLAY_NORMALISE_FRAGMENTS_H_
#define TAPEDECK_REPLAY_NORMALISE_FRAGMENTS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "replay/normalise/frame.h"

namespace tapedeck::normalise {

// The fragments of one packet: same addresses, protocol and identification, each within 30 s (the
// time a Linux receiver waits, net.ipv4.ipfrag_time) of the one before.
struct FragmentedPacket {
  std::vector<uint32_t> frames;  // indices, in their order
  bool is_complete = false;      // first, last, and no hole between
  bool has_overlaps = false;     // bytes that several fragments carry
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

// The first `n` bytes behind the unfragmentable headers: of bytes that several fragments carry, the
// copy that came first. Nothing where one is missing.
std::optional<std::vector<uint8_t>> LeadingBytes(std::span<const Frame> frames,
                                                 const FragmentedPacket& packet, size_t n);

// A fragment as it is to be sent instead of frames[frame].
struct RewrittenFragment {
  uint32_t frame = 0;
  std::vector<uint8_t> bytes;
};

// Puts `header` in the place of the first bytes of the packet, in every copy of them. The caller
// has brought the checksum in `header` up to date (csum_replace4 and its like), since what it
// covers is here only in part. Returns the fragments that change.
std::vector<RewrittenFragment> RewriteLeadingBytes(std::span<const Frame> frames,
                                                   const FragmentedPacket& packet,
                                                   std::span<const uint8_t> header);

}  // namespace tapedeck::normalise

#endif  // TAPEDECK_REPLAY_NORMALISE_FRAGMENTS_H_
