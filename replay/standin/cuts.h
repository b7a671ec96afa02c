// Packets that were on the wire in fragments: inference and plans have them whole, each with the
// list of its fragments, and our host gets it in those again.
#ifndef TAPEDECK_REPLAY_STANDIN_CUTS_H_
#define TAPEDECK_REPLAY_STANDIN_CUTS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "replay/standin/rare_list.h"

namespace tapedeck::standin {

// Where a packet is from: record `record` of the capture (1 is the first), of which it may be piece
// `piece` of `pieces`. Record 0: made up.
struct Provenance {
  uint64_t record = 0;
  uint32_t piece = 0;
  uint32_t pieces = 0;
  friend bool operator==(const Provenance&, const Provenance&) = default;
};

// One fragment: `length` bytes from `offset` of what the whole packet carries, behind `header`
// (from the IP header on, to the end of IPv6's fragment header).
struct Cut {
  Provenance from;
  uint32_t offset = 0;
  uint32_t length = 0;
  uint64_t before_ns = 0;  // so long ahead of the one that made the packet whole
  std::vector<uint8_t> header;
  friend bool operator==(const Cut&, const Cut&) = default;
};

// The fragments of a packet as they came, copies included; none where it came whole.
using Cuts = RareList<Cut>;

// How much data the fragments carry: they are at the end of the whole packet.
size_t CutDataBytes(std::span<const Cut> cuts);

// Those data. REQUIRES: `packet` has as many bytes.
std::span<const uint8_t> CutData(std::span<const uint8_t> packet, std::span<const Cut> cuts);

// The fragment `cut` of a packet that carries `data`.
std::vector<uint8_t> FragmentOf(std::span<const uint8_t> data, const Cut& cut);

// How long the longest packet on the wire was.
size_t LongestPart(std::span<const uint8_t> packet, std::span<const Cut> cuts);

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_CUTS_H_
