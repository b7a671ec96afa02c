// A TCP segment from a peer whose numbers are relative to what the host has last said, so that it
// keeps its meaning when the steps before it change: what fuzzers need to get anywhere in TCP.
#ifndef TAPEDECK_REPLAY_SCRIPT_SEGMENT_STEP_H_
#define TAPEDECK_REPLAY_SCRIPT_SEGMENT_STEP_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "stack/wire/tcp_options.h"

namespace tapedeck {

// Connections that a script's segments tell apart, by the peer's port: kScriptPort + flow. The
// host's port is that of its last SYN to there, or else kScriptPort.
inline constexpr uint8_t kSegmentFlowsMax = 16;
inline constexpr uint32_t kSegmentPayloadMax = 8960;  // with headers below any MTU of a jumbo frame

struct SegmentTimestamps {
  int32_t val = 0;  // from the peer's clock: virtual milliseconds
  int32_t ecr = 0;  // from the host's last TSval
  friend bool operator==(const SegmentTimestamps&, const SegmentTimestamps&) = default;
};

struct SegmentSackBlock {  // both from the number that the segment acknowledges
  int32_t left = 0;
  int32_t right = 0;
  friend bool operator==(const SegmentSackBlock&, const SegmentSackBlock&) = default;
};

struct SegmentStep {
  uint8_t flow = 0;
  bool ipv6 = false;
  uint16_t flags = wire::kTcpAck;  // as TcpHeader::flags()
  // From what the host expects next: its last acknowledgement, and before that the peer's ISN.
  int32_t seq = 0;
  // From behind all that the host has sent.
  int32_t ack = 0;
  uint16_t window = 65535;  // as the header has it
  uint32_t payload_bytes = 0;
  uint16_t urgent = 0;

  // Options, in this order on the wire; those for which the 40 bytes do not suffice are left out.
  std::optional<uint16_t> mss_bytes;
  std::optional<uint8_t> window_shift;
  bool sack_permitted = false;
  std::optional<SegmentTimestamps> timestamps;
  std::vector<SegmentSackBlock> sack;  // at most wire::kTcpSackBlocksMax
  std::vector<uint8_t> raw_options;    // at most wire::kTcpOptionsMax; as they are

  // What is wrong with it; all else is right. A union of bits.
  static constexpr uint8_t kWrongTcpChecksum = 1;
  static constexpr uint8_t kWrongIpChecksum = 2;
  static constexpr uint8_t kWrongDataOffset =
      4;  // 15: beyond a short segment, into the data of another
  static constexpr uint8_t kWrongLength = 8;  // IP's length says one byte less
  static constexpr uint8_t kWrongMask = 0xf;
  uint8_t wrong = 0;

  friend bool operator==(const SegmentStep&, const SegmentStep&) = default;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_SEGMENT_STEP_H_
