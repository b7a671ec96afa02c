// Super-frames: what a capture holds where segmentation was left to the NIC (TSO, GSO, BIG TCP), or
// where received segments were joined before the capture saw them (GRO). Finding them and where to
// cut them.
#ifndef TAPEDECK_REPLAY_NORMALISE_SUPER_FRAMES_H_
#define TAPEDECK_REPLAY_NORMALISE_SUPER_FRAMES_H_

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "replay/normalise/byte_pool.h"
#include "replay/normalise/frame.h"
#include "stack/base/ip_address.h"

namespace tapedeck::normalise {

// The longest frames of the 82599's driver (IXGBE_MAX_JUMBO_FRAME_SIZE 9728) without Ethernet
// header and FCS: no network of ours has a larger MTU.
inline constexpr uint32_t kMtuBytesMax = 9710;

// The largest IP packet that the SYNs of `frames` prove, at least the usual 1500.
uint32_t MtuOf(std::span<const Frame> frames);

// A frame that has to be cut.
struct SuperFrame {
  uint32_t frame = 0;        // index
  uint32_t piece_bytes = 0;  // payload of each piece but the last; 0: nothing proves where to cut
  bool is_guess = false;     // no SYN told the MSS
  bool same_ip_id = false;   // the sender does not count its packets
  uint32_t payload_bytes = 0;

  uint32_t pieces() const { return (payload_bytes + piece_bytes - 1) / piece_bytes; }
};

// All super-frames among `frames`, ascending.
//   TCP: more payload than the MSS of both SYNs leaves beside its options. Without a SYN: an IP
//        packet above `mtu_bytes`; the largest other segment of that direction tells the size.
//   UDP: above `mtu_bytes`; cut where the direction's largest other datagram occurs twice at least.
//   Else: above `mtu_bytes`; not cut.
std::vector<SuperFrame> FindSuperFrames(std::span<const Frame> frames, uint32_t mtu_bytes);

// Piece `piece`, from 0, of `whole`: headers and its share of the payload, captured or filler, in
// memory of `pool`. PSH and FIN go to the last, CWR to the first; lengths are filled in; a jumbo
// payload header is left out. Checksums are right. REQUIRES: super.piece_bytes != 0.
Frame CutPiece(const Frame& whole, const SuperFrame& super, uint32_t piece, BytePool& pool);

}  // namespace tapedeck::normalise

#endif  // TAPEDECK_REPLAY_NORMALISE_SUPER_FRAMES_H_
