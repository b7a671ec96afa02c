// The header fields of a frame that drawings and tables need.
#ifndef TAPEDECK_REPLAY_REPORT_PACKET_FIELDS_H_
#define TAPEDECK_REPLAY_REPORT_PACKET_FIELDS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "stack/base/ip_address.h"
#include "stack/base/seqnum.h"
#include "stack/wire/tcp_options.h"

namespace tapedeck::report {

// "10.0.0.1:80"; without a port (0) the address alone.
std::string EndpointText(const Endpoint& endpoint);

// What a drawing needs of a TCP header.
struct TcpFields {
  SeqNum seq;
  SeqNum ack;  // meaningful where flags has ACK
  uint16_t flags = 0;
  uint16_t window = 0;                  // not scaled
  std::optional<uint8_t> window_shift;  // of a SYN's option, at most 14
  uint32_t payload_bytes = 0;
  wire::TcpSackBlocks sack;
  std::string options;  // "mss 1460,sackOK"

  // The first sequence number behind the segment.
  SeqNum end() const;
};

// Who sends what to whom.
struct PacketFields {
  uint8_t protocol = 0;  // of the upper layer
  Endpoint source;
  Endpoint destination;
  std::optional<TcpFields> tcp;  // of a whole TCP segment
};

// Nullopt for what carries no IP packet that can be parsed. A fragment has its protocol and
// addresses, and no ports. `bare_ip`: the bytes begin with the IP header.
std::optional<PacketFields> ParsePacketFields(std::span<const uint8_t> bytes, bool bare_ip);

}  // namespace tapedeck::report

#endif  // TAPEDECK_REPLAY_REPORT_PACKET_FIELDS_H_
