// ICMP for IPv4: all messages of RFC 792, address masks (RFC 950), the next-hop MTU (RFC 1191),
// router discovery (RFC 1256) and the length of RFC 4884. Types and codes as in
// include/uapi/linux/icmp.h.
#ifndef TAPEDECK_STACK_WIRE_ICMP_H_
#define TAPEDECK_STACK_WIRE_ICMP_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "stack/base/byteorder.h"
#include "stack/base/ip_address.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/parse.h"

namespace tapedeck::wire {

inline constexpr uint8_t kIcmpEchoReply = 0;
inline constexpr uint8_t kIcmpDestUnreachable = 3;
inline constexpr uint8_t kIcmpSourceQuench = 4;
inline constexpr uint8_t kIcmpRedirect = 5;
inline constexpr uint8_t kIcmpEcho = 8;
inline constexpr uint8_t kIcmpRouterAdvertisement = 9;
inline constexpr uint8_t kIcmpRouterSolicitation = 10;
inline constexpr uint8_t kIcmpTimeExceeded = 11;
inline constexpr uint8_t kIcmpParameterProblem = 12;
inline constexpr uint8_t kIcmpTimestamp = 13;
inline constexpr uint8_t kIcmpTimestampReply = 14;
inline constexpr uint8_t kIcmpInfoRequest = 15;
inline constexpr uint8_t kIcmpInfoReply = 16;
inline constexpr uint8_t kIcmpAddressMask = 17;
inline constexpr uint8_t kIcmpAddressMaskReply = 18;
inline constexpr uint8_t kIcmpTypeMax = 18;  // NR_ICMP_TYPES

// Codes of destination unreachable.
inline constexpr uint8_t kIcmpNetUnreachable = 0;
inline constexpr uint8_t kIcmpHostUnreachable = 1;
inline constexpr uint8_t kIcmpProtocolUnreachable = 2;
inline constexpr uint8_t kIcmpPortUnreachable = 3;
inline constexpr uint8_t kIcmpFragmentationNeeded = 4;
inline constexpr uint8_t kIcmpSourceRouteFailed = 5;
inline constexpr uint8_t kIcmpNetUnknown = 6;
inline constexpr uint8_t kIcmpHostUnknown = 7;
inline constexpr uint8_t kIcmpHostIsolated = 8;
inline constexpr uint8_t kIcmpNetAdminProhibited = 9;
inline constexpr uint8_t kIcmpHostAdminProhibited = 10;
inline constexpr uint8_t kIcmpNetUnreachableTos = 11;
inline constexpr uint8_t kIcmpHostUnreachableTos = 12;
inline constexpr uint8_t kIcmpPacketFiltered = 13;
inline constexpr uint8_t kIcmpPrecedenceViolation = 14;
inline constexpr uint8_t kIcmpPrecedenceCutoff = 15;
inline constexpr uint8_t kIcmpUnreachableCodeMax = 15;  // NR_ICMP_UNREACH

// Codes of redirect.
inline constexpr uint8_t kIcmpRedirectNet = 0;
inline constexpr uint8_t kIcmpRedirectHost = 1;
inline constexpr uint8_t kIcmpRedirectNetTos = 2;
inline constexpr uint8_t kIcmpRedirectHostTos = 3;

// Codes of time exceeded.
inline constexpr uint8_t kIcmpTtlExceeded = 0;
inline constexpr uint8_t kIcmpReassemblyTimeExceeded = 1;

// The eight bytes that all messages begin with. What the last four mean depends on the type; the
// accessors name the types they belong to.
struct IcmpHeader {
  uint8_t type = 0;
  uint8_t code = 0;
  be16 checksum{};
  std::array<uint8_t, 4> rest{};

  // Echo, timestamp, information, address mask.
  constexpr uint16_t id() const { return LoadBe16(rest.data()); }
  constexpr uint16_t sequence() const { return LoadBe16(rest.data() + 2); }
  constexpr void set_id(uint16_t id) { StoreBe16(rest.data(), id); }
  constexpr void set_sequence(uint16_t sequence) { StoreBe16(rest.data() + 2, sequence); }

  // Redirect.
  constexpr Ipv4Address gateway() const { return Ipv4Address(LoadBe32(rest.data())); }
  constexpr void set_gateway(Ipv4Address gateway) { StoreBe32(rest.data(), gateway.host()); }

  // Fragmentation needed; zero from routers older than RFC 1191.
  constexpr uint16_t next_hop_mtu() const { return LoadBe16(rest.data() + 2); }
  constexpr void set_next_hop_mtu(uint16_t mtu_bytes) { StoreBe16(rest.data() + 2, mtu_bytes); }

  // Parameter problem: offset in bytes into the quoted datagram.
  constexpr uint8_t pointer() const { return rest[0]; }
  constexpr void set_pointer(uint8_t offset) { rest[0] = offset; }

  // Unreachable, time exceeded, parameter problem: length of the quote in 32-bit words when
  // extensions follow it (RFC 4884), else zero.
  constexpr uint8_t quote_words() const { return rest[1]; }

  // Whether the message reports a failed datagram and quotes it.
  constexpr bool is_error() const {
    return type == kIcmpDestUnreachable || type == kIcmpSourceQuench || type == kIcmpRedirect ||
           type == kIcmpTimeExceeded || type == kIcmpParameterProblem;
  }
};
static_assert(sizeof(IcmpHeader) == 8 && alignof(IcmpHeader) == 1);

// Body of timestamp and timestamp reply: milliseconds since midnight UT.
struct IcmpTimestamps {
  be32 originate_ms{};
  be32 receive_ms{};
  be32 transmit_ms{};
};
static_assert(sizeof(IcmpTimestamps) == 12);

struct IcmpView {
  const IcmpHeader* header = nullptr;
  std::span<const uint8_t> body{};

  // Nullptr where the type is another one or the body too short.
  const IcmpTimestamps* timestamps() const;
  std::optional<Ipv4Address> address_mask() const;
};

// Errors: kTruncated. Any type and code is accepted.
Parsed<IcmpView> ParseIcmp(std::span<const uint8_t> message);

// The datagram quoted by an error message: its header whole, its payload as far as quoted.
// Errors: those of ParseQuotedIpv4. REQUIRES: view.header->is_error().
Parsed<Ipv4View> ParseIcmpQuote(const IcmpView& view);

// Source and destination port at the start of a quoted TCP, UDP, UDP-Lite or SCTP header; nullopt
// where fewer than four bytes were quoted, the datagram is a later fragment, or the protocol has no
// ports.
struct QuotedPorts {
  be16 source{};
  be16 dest{};
};
std::optional<QuotedPorts> PortsOf(const Ipv4View& quote);

// Over the whole message. FillIcmpChecksum REQUIRES: message.size() >= 8.
bool IcmpChecksumOk(std::span<const uint8_t> message);
void FillIcmpChecksum(std::span<uint8_t> message);

// Returns 8, or 0 where there is no room. All fields as given.
size_t EmitIcmp(std::span<uint8_t> out, const IcmpHeader& header);

// "ICMP echo request, id 1, seq 2, length 64", "ICMP 10.0.0.2 udp port 53 unreachable, length 36"
std::string ToString(const IcmpView& view);

}  // namespace tapedeck::wire

#endif  // TAPEDECK_STACK_WIRE_ICMP_H_
