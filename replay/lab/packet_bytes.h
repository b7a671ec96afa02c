// Packets between their two forms: as a script writes them, and as they are on the wire.
#ifndef TAPEDECK_REPLAY_LAB_PACKET_BYTES_H_
#define TAPEDECK_REPLAY_LAB_PACKET_BYTES_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "replay/script/packet_step.h"
#include "stack/base/ip_address.h"

namespace tapedeck {

// The two ends of a packet.
struct PacketEnds {
  Endpoint source;
  Endpoint dest;

  friend bool operator==(const PacketEnds&, const PacketEnds&) = default;
};

// The bytes of `packet` between `ends`, with right lengths and checksums. Its numbers (sequence,
// acknowledgement, timestamps) are taken as they stand; ports that it names are taken over those of
// `ends`. The quote of an ICMP error is of a packet that went the other way; its sequence number is
// taken as it stands. InvalidArgument for an ICMP message that the IP version does not have, and
// for a packet longer than 65535 bytes.
absl::StatusOr<std::vector<uint8_t>> EncodePacket(const PacketStep& packet, const PacketEnds& ends);

// A packet as it was on the wire.
struct LivePacket {
  PacketEnds ends;  // ports are 0 where it has none
  // Its numbers are those on the wire; ports are named, all of its IP header is.
  PacketStep packet;
  uint16_t payload_bytes = 0;
  bool payload_zero = true;   // all its payload is zeros
  uint8_t reserved_bits = 0;  // of the TCP header
  bool checksums_ok = true;
};

// Nullopt for what scripts cannot speak of: other protocols, fragments, headers that are cut short.
std::optional<LivePacket> DecodePacket(std::span<const uint8_t> bytes);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_PACKET_BYTES_H_
