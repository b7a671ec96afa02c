// A packet as packetdrill writes it: headers in short, payload as a length (all bytes are zero).
//
//   < [ect0] SEWA 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>
//   > . 1:1001(1000) ack 1
//   < icmp unreachable frag_needed mtu 1200 [1:1001(1000)]
//
// Whose packet it is follows from the connection under test: addresses, ports, initial sequence
// numbers and timestamp offsets are not in here. Sequence numbers count from the initial one of
// their sender (a SYN's is 0), acknowledgements and SACK blocks from that of the other side.
#ifndef TAPEDECK_REPLAY_SCRIPT_PACKET_STEP_H_
#define TAPEDECK_REPLAY_SCRIPT_PACKET_STEP_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "stack/base/ip_address.h"

namespace tapedeck {

// --- IP ---

// What a packet says about its IP header: "[ect0]", "(tos 0x28)", "[ttl 64, flowlabel 0x123]".
// Inbound it is what is sent, and what is absent is 0 (TTL: 255). Outbound it is what must be, and
// what is absent is not looked at.
struct IpFields {
  enum class TosCheck : uint8_t {
    kNone,
    kEcn,    // the low two bits are those of `tos`: [noecn], [ect0], [ect1], [ce]
    kEct01,  // ECT(0) or ECT(1); outbound only: [ect01]
    kTos,    // all eight bits are `tos`
  };
  TosCheck tos_check = TosCheck::kNone;
  uint8_t tos = 0;
  std::optional<uint8_t> ttl;          // IPv6: hop limit
  std::optional<uint32_t> flow_label;  // 20 bits; IPv6 only

  friend bool operator==(const IpFields&, const IpFields&) = default;
};

// --- Headers around the packet, outermost first ---

// "ipv4 192.0.2.1 > 192.0.2.2:", "ipv6 [ect0] 2001:db8::1 > 2001:db8::2:"
struct OuterIp {
  IpFields fields;
  IpAddress source;
  IpAddress dest;  // of the same family

  friend bool operator==(const OuterIp&, const OuterIp&) = default;
};

// RFC 2784, RFC 2890. "gre:", "gre flags [key present] sum 0 off 0 key 0x5 seq 0:"
struct OuterGre {
  uint16_t flags = 0;  // in host order: 0x8000 checksum, 0x2000 key, 0x1000 sequence number present
  uint16_t checksum = 0;
  uint16_t offset = 0;
  uint32_t key = 0;
  uint32_t sequence = 0;

  friend bool operator==(const OuterGre&, const OuterGre&) = default;
};

// One entry of a label stack, RFC 3032. "(label 16, tc 0, [S], ttl 64)"
struct MplsEntry {
  uint32_t label = 0;         // 20 bits
  uint8_t traffic_class = 0;  // 3 bits
  bool bottom = false;
  uint8_t ttl = 0;

  friend bool operator==(const MplsEntry&, const MplsEntry&) = default;
};

// "mpls (label 16, tc 0, ttl 64) (label 17, tc 0, [S], ttl 64):"
struct OuterMpls {
  std::vector<MplsEntry> entries;

  friend bool operator==(const OuterMpls&, const OuterMpls&) = default;
};

using OuterHeader = std::variant<OuterIp, OuterGre, OuterMpls>;

// --- TCP ---

// Bits of TcpPacket::flags: byte 13 of the header, and AE above it.
inline constexpr uint16_t kTcpFin = 0x001;  // F
inline constexpr uint16_t kTcpSyn = 0x002;  // S
inline constexpr uint16_t kTcpRst = 0x004;  // R
inline constexpr uint16_t kTcpPsh = 0x008;  // P
inline constexpr uint16_t kTcpAck = 0x010;  // .
inline constexpr uint16_t kTcpUrg = 0x020;  // U
inline constexpr uint16_t kTcpEce = 0x040;  // E
inline constexpr uint16_t kTcpCwr = 0x080;  // W
inline constexpr uint16_t kTcpAe = 0x100;   // A

// Kinds of options that have a notation (IANA, "TCP Option Kind Numbers").
inline constexpr uint8_t kTcpOptionEol = 0;
inline constexpr uint8_t kTcpOptionNop = 1;
inline constexpr uint8_t kTcpOptionMss = 2;
inline constexpr uint8_t kTcpOptionWscale = 3;
inline constexpr uint8_t kTcpOptionSackOk = 4;
inline constexpr uint8_t kTcpOptionSack = 5;
inline constexpr uint8_t kTcpOptionTimestamps = 8;
inline constexpr uint8_t kTcpOptionMd5 = 19;
inline constexpr uint8_t kTcpOptionFastOpen = 34;
inline constexpr uint8_t kTcpOptionAccEcn0 = 172;  // counters in the order e0b, ceb, e1b
inline constexpr uint8_t kTcpOptionAccEcn1 = 174;  // e1b, ceb, e0b
inline constexpr uint8_t kTcpOptionExperimental = 254;
// What an experimental option begins with if it is Fast Open's (RFC 7413 4.1.1, appendix A).
inline constexpr uint16_t kTcpFastOpenMagic = 0xf989;
inline constexpr size_t kTcpOptionBytesMax = 40;

// An option as it is on the wire: the bytes of `data` follow its kind and length (there is neither
// behind eol and nop), numbers in network order.
//
//   eol   nop   mss 1460   wscale 7   sackOK   sack 1:1001 2001:3001   TS val 100 ecr 0
//   FO a1b2c3d4   FOEXP a1b2c3d4   md5 00112233445566778899aabbccddeeff   ECN e0b 1 ceb 0 e1b 1
//   kind 76 0102                          any other (our own notation)
struct TcpOption {
  uint8_t kind = kTcpOptionNop;
  std::vector<uint8_t> data;

  // On the wire.
  size_t bytes() const { return kind <= kTcpOptionNop ? 1 : 2 + data.size(); }
  // The 32-bit number in `data` at `offset`. REQUIRES: it is there.
  uint32_t U32(size_t offset) const;
  // Its Fast Open cookie may follow the magic number.
  bool IsFastOpenExperimental() const;

  friend bool operator==(const TcpOption&, const TcpOption&) = default;
};

struct TcpPacket {
  // "8080 > 40000": none: the ports of the connection under test.
  std::optional<uint16_t> source_port;
  std::optional<uint16_t> dest_port;
  uint16_t flags = 0;  // "-": none
  // The three ECN flags are written as one number, "P.5": the ACE field of Accurate ECN (RFC 9768),
  // AE being its high bit. They are in `flags` too.
  bool ace = false;
  uint32_t sequence = 0;
  uint16_t payload_bytes = 0;
  uint32_t ack = 0;
  bool has_ack = false;            // "ack 5" is written; without, the field is 0
  std::optional<uint16_t> window;  // as on the wire; always there inbound
  uint16_t urgent = 0;
  // None: "<...>", any options; outbound only. In the order of the header, padded by the script.
  std::optional<std::vector<TcpOption>> options = std::vector<TcpOption>();

  friend bool operator==(const TcpPacket&, const TcpPacket&) = default;
};

// The bytes of the options in a header; at most 40, a multiple of 4 in what a script may say.
std::vector<uint8_t> TcpOptionBytes(const std::vector<TcpOption>& options);
// The options that `bytes` of a header are. Total: what does not hold together (a length below 2 or
// beyond the end) becomes one last option whose data are the bytes behind its kind.
std::vector<TcpOption> ParseTcpOptions(const uint8_t* bytes, size_t size);

// --- UDP and ICMP ---

// "udp (100)"
struct UdpPacket {
  std::optional<uint16_t> source_port;
  std::optional<uint16_t> dest_port;
  uint16_t payload_bytes = 0;

  friend bool operator==(const UdpPacket&, const UdpPacket&) = default;
};

// What an ICMP error quotes of the packet that caused it, with the addresses and ports of the
// connection under test, as if its other side had received it.
struct IcmpQuote {
  enum class Protocol : uint8_t { kTcp, kUdp, kRaw };  // [1:1001(1000)], [udp (100)], [raw (100)]
  Protocol protocol = Protocol::kTcp;
  uint32_t sequence = 0;  // of kTcp
  uint16_t payload_bytes = 0;

  friend bool operator==(const IcmpQuote&, const IcmpQuote&) = default;
};

// "icmp unreachable host_unreachable [1:1001(1000)]". The names stand for other numbers in ICMPv6
// than in ICMP, so that they are kept as they are: one story, two families.
struct IcmpPacket {
  std::string type;  // "unreachable", "type_3"
  std::string code;  // "host_unreachable", "code_1"; empty: 0
  std::optional<uint32_t> mtu;
  std::optional<uint16_t> echo_id;
  std::optional<IcmpQuote> quote;  // none: a TCP segment 0:0(0)

  friend bool operator==(const IcmpPacket&, const IcmpPacket&) = default;
};

struct IcmpNumbers {
  uint8_t type = 0;
  uint8_t code = 0;
};

// Type and code in the ICMP of `family`; InvalidArgument where the family has no such name, or an
// MTU stands where the message has no room for it.
absl::StatusOr<IcmpNumbers> ResolveIcmp(const IcmpPacket& icmp, AddressFamily family);

// --- The step ---

struct PacketStep {
  enum class Direction : uint8_t {
    kInbound,   // "<": it reaches the stack
    kOutbound,  // ">": the stack must send it
  };
  Direction direction = Direction::kInbound;
  std::vector<OuterHeader> outer;
  IpFields ip;
  std::variant<TcpPacket, UdpPacket, IcmpPacket> what;

  bool inbound() const { return direction == Direction::kInbound; }

  friend bool operator==(const PacketStep&, const PacketStep&) = default;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_PACKET_STEP_H_
