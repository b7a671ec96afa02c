// An IP packet and a TCP segment as stand-in replay looks at them: views over captured bytes, or
// over what the host under test has sent.
#ifndef TAPEDECK_REPLAY_STANDIN_PACKET_H_
#define TAPEDECK_REPLAY_STANDIN_PACKET_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "stack/base/ip_address.h"
#include "stack/wire/tcp_options.h"

namespace tapedeck::standin {

// A packet from its IP header on. Views live as long as the bytes.
struct IpPacket {
  IpAddress source;
  IpAddress dest;
  uint8_t protocol = 0;      // of the upper layer, behind IPv6's extension headers
  bool is_fragment = false;  // then `upper` is no whole upper layer
  bool is_later_fragment = false;
  size_t upper_offset = 0;  // from the start of the packet
  std::span<const uint8_t> upper;
  size_t total_bytes = 0;  // by the IP header; what lies behind is padding
};

// Nullopt where it is no IP packet, or one that was cut.
std::optional<IpPacket> ParseIpPacket(std::span<const uint8_t> packet);

// What a segment says, but for its ends and numbers: what inference keeps of each.
struct TcpContent {
  std::span<const uint8_t> payload;
  uint16_t flags = 0;
  uint16_t window = 0;
  std::optional<uint16_t> mss;
  std::optional<wire::TcpTimestamps> timestamps;
  std::optional<uint8_t> window_scale;
  bool sack_permitted = false;
  bool fast_open = false;
  bool multipath = false;      // MPTCP, whatever it says
  bool signed_by_key = false;  // MD5 or TCP-AO
  bool has_sacks = false;

  bool syn() const { return (flags & wire::kTcpSyn) != 0; }
  bool fin() const { return (flags & wire::kTcpFin) != 0; }
  bool rst() const { return (flags & wire::kTcpRst) != 0; }
  bool has_ack() const { return (flags & wire::kTcpAck) != 0; }
  // What it takes of the sequence space.
  uint32_t SequenceLength() const {
    return static_cast<uint32_t>(payload.size()) + (syn() ? 1 : 0) + (fin() ? 1 : 0);
  }
};

struct TcpSegment : TcpContent {
  Endpoint source;
  Endpoint dest;
  uint32_t seq = 0;
  uint32_t ack = 0;
  size_t header_offset = 0;  // of the TCP header, from the start of the packet
  wire::TcpSackBlocks sacks;
};

// Nullopt where it is not TCP, a fragment, or makes no sense.
std::optional<TcpSegment> ParseTcpSegment(const IpPacket& packet);

struct UdpDatagram {
  Endpoint source;
  Endpoint dest;
  std::span<const uint8_t> payload;
};
std::optional<UdpDatagram> ParseUdpDatagram(const IpPacket& packet);

// What the first frame of a datagram tells of it, be it the first of several fragments.
struct UdpHeading {
  Endpoint source;
  Endpoint dest;
  uint32_t payload_bytes = 0;
};
std::optional<UdpHeading> ParseUdpHeading(const IpPacket& packet);

// What an ICMP or ICMPv6 error quotes.
struct QuotedPacket {
  uint8_t protocol = 0;
  Endpoint source;  // of the packet that failed
  Endpoint dest;
  size_t upper_offset = 0;  // of the quoted transport header, from the start of the outer packet
  size_t upper_bytes = 0;   // so much of it is there
};
// Nullopt where it is no such error, or too little is quoted to know the ports.
std::optional<QuotedPacket> ParseIcmpError(const IpPacket& packet);

// `raw` as a position of a stream near `near`: raw modulo 2^32, and nearest (4.3: the 2^31 rule).
constexpr int64_t Unwrap(uint32_t raw, uint32_t initial, int64_t near) {
  const auto low = static_cast<uint32_t>(raw - initial);
  return near + static_cast<int32_t>(low - static_cast<uint32_t>(near));
}

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_PACKET_H_
