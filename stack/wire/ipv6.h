// The IPv6 header and its extension headers (RFC 8200). Field names as in the kernel's struct
// ipv6hdr.
#ifndef TAPEDECK_STACK_WIRE_IPV6_H_
#define TAPEDECK_STACK_WIRE_IPV6_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "stack/base/byteorder.h"
#include "stack/base/ip_address.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/parse.h"

namespace tapedeck::wire {

inline constexpr size_t kIpv6MinMtu = 1280;  // RFC 8200 5

struct Ipv6Header {
  be32 ver_tc_flow{};  // version (4 bits), traffic class (8), flow label (20)
  be16 payload_len{};  // all that follows this header, bytes; zero with a jumbo option
  uint8_t nexthdr = 0;
  uint8_t hop_limit = 0;
  Ipv6Address saddr{};
  Ipv6Address daddr{};

  constexpr uint8_t version() const { return static_cast<uint8_t>(ver_tc_flow.host() >> 28); }
  constexpr uint8_t traffic_class() const {
    return static_cast<uint8_t>(ver_tc_flow.host() >> 20 & 0xff);
  }
  constexpr uint8_t ecn() const { return traffic_class() & 3; }
  constexpr uint32_t flow_label() const { return ver_tc_flow.host() & 0xfffff; }
  // Sets version 6 as well.
  constexpr void set_class_and_flow(uint8_t traffic_class, uint32_t flow_label) {
    ver_tc_flow = uint32_t{6} << 28 | uint32_t{traffic_class} << 20 | (flow_label & 0xfffff);
  }
};
static_assert(sizeof(Ipv6Header) == 40 && alignof(Ipv6Header) == 1);
inline constexpr uint32_t kIpv6HeaderBytes = sizeof(Ipv6Header);

struct Ipv6View {
  const Ipv6Header* header = nullptr;
  std::span<const uint8_t> payload{};  // up to payload_len, extension headers included
};

// A payload_len of zero is accepted and gives an empty payload. Errors: kTruncated, kVersion,
// kLengthBeyondData.
Parsed<Ipv6View> ParseIpv6(std::span<const uint8_t> packet);
// The same for a packet quoted in an ICMPv6 error: payload_len may reach past what is there.
Parsed<Ipv6View> ParseQuotedIpv6(std::span<const uint8_t> quote);

// Writes the header with version 6; payload_len as given. Returns 40, or 0 where there is no room.
size_t EmitIpv6(std::span<uint8_t> out, Ipv6Header header);

// --- Extension headers ---

struct Ipv6FragmentHeader {
  uint8_t nexthdr = 0;
  uint8_t reserved = 0;
  be16 frag_off{};  // offset in units of 8 bytes (13 bits), reserved (2), more fragments (1)
  be32 identification{};

  constexpr uint32_t offset_bytes() const { return frag_off.host() & 0xfff8U; }
  constexpr bool more_fragments() const { return (frag_off.host() & 1) != 0; }
};
static_assert(sizeof(Ipv6FragmentHeader) == 8 && alignof(Ipv6FragmentHeader) == 1);
inline constexpr uint32_t kIpv6FragmentHeaderBytes = sizeof(Ipv6FragmentHeader);

// The start of every routing header. Addresses, where the type has them, begin at byte 8.
struct Ipv6RoutingHeader {
  uint8_t nexthdr = 0;
  uint8_t hdrlen = 0;  // in units of 8 bytes, the first not counted
  uint8_t type = 0;
  uint8_t segments_left = 0;
};
static_assert(sizeof(Ipv6RoutingHeader) == 4 && alignof(Ipv6RoutingHeader) == 1);
inline constexpr uint8_t kIpv6RoutingSource = 0;    // RFC 2460 4.4, deprecated by RFC 5095
inline constexpr uint8_t kIpv6RoutingMobility = 2;  // RFC 6275 6.4
inline constexpr uint8_t kIpv6MobilityHdrlen = 2;   // of such a header: one address
inline constexpr uint8_t kIpv6RoutingSegments = 4;  // RFC 8754 2

// A header that may stand between the IPv6 header and the upper layer, as the kernel's
// ipv6_ext_hdr() but for no-next-header, which has nothing to step over.
constexpr bool IsIpv6ExtensionHeader(uint8_t nexthdr) {
  return nexthdr == kIpProtoHopByHop || nexthdr == kIpProtoRouting || nexthdr == kIpProtoFragment ||
         nexthdr == kIpProtoAh || nexthdr == kIpProtoDestOptions;
}

struct Ipv6Extension {
  uint8_t type = 0;   // which extension header it is
  size_t offset = 0;  // from the end of the IPv6 header
  std::span<const uint8_t>
      bytes;            // all of it; for a fragment header 8, for others a multiple of 4 or 8
  uint8_t nexthdr = 0;  // what follows it

  // Nullptr where this is no fragment (routing) header.
  const Ipv6FragmentHeader* AsFragment() const;
  const Ipv6RoutingHeader* AsRouting() const;
  // The last address that a routing header still leads to; nullptr where this is none, where no
  // segments are left, and for types that are not known.
  const Ipv6Address* FinalDestination() const;
};

// Walks extension headers from first to last, whatever their order. Ends at the upper layer, at a
// fragment that is not the first (its rest is no header), and where a header reaches past the
// bytes.
class Ipv6ExtensionCursor {
 public:
  explicit Ipv6ExtensionCursor(const Ipv6View& view)
      : payload_(view.payload), nexthdr_(view.header->nexthdr) {}
  Ipv6ExtensionCursor(uint8_t nexthdr, std::span<const uint8_t> payload)
      : payload_(payload), nexthdr_(nexthdr) {}

  std::optional<Ipv6Extension> Next();

  bool malformed() const { return malformed_; }
  bool in_later_fragment() const { return in_later_fragment_; }
  // After the last: the upper layer's protocol and where it starts.
  uint8_t nexthdr() const { return nexthdr_; }
  size_t offset() const { return offset_; }

 private:
  std::span<const uint8_t> payload_;
  size_t offset_ = 0;
  uint8_t nexthdr_;
  bool malformed_ = false;
  bool in_later_fragment_ = false;
};

// What is left behind the extension headers.
struct Ipv6UpperLayer {
  uint8_t protocol = kIpProtoNoNext;
  size_t offset = 0;                             // from the end of the IPv6 header
  const Ipv6FragmentHeader* fragment = nullptr;  // the last one met, if any
  std::span<const uint8_t> payload{};            // of a later fragment: its data
  // Where the packet goes in the end, which the upper layer's checksum covers (RFC 8200 8.1): the
  // header's daddr, or what a routing header leads to.
  const Ipv6Address* final_daddr = nullptr;
};

// Errors: kExtensionHeader.
Parsed<Ipv6UpperLayer> FindUpperLayer(const Ipv6View& view);

// --- Options within hop-by-hop and destination options headers ---

inline constexpr uint8_t kIpv6OptPad1 = 0;
inline constexpr uint8_t kIpv6OptPadN = 1;
inline constexpr uint8_t kIpv6OptRouterAlert = 5;
inline constexpr uint8_t kIpv6OptJumbo = 0xc2;

struct Ipv6Option {
  uint8_t type = 0;
  size_t offset = 0;  // from the start of the extension header
  std::span<const uint8_t> data{};
};

// Walks the options of a hop-by-hop or destination options header, paddings included.
class Ipv6OptionCursor {
 public:
  // REQUIRES: `extension` is such a header.
  explicit Ipv6OptionCursor(const Ipv6Extension& extension) : bytes_(extension.bytes) {}

  std::optional<Ipv6Option> Next();

  bool malformed() const { return malformed_; }

 private:
  std::span<const uint8_t> bytes_;
  size_t offset_ = 2;
  bool malformed_ = false;
};

// "IP6 (class 0x0, flowlabel 0x0, hlim 64, next-header UDP (17), payload length: 28) 2001:db8::1 >
// 2001:db8::2"
std::string ToString(const Ipv6View& view);

}  // namespace tapedeck::wire

#endif  // TAPEDECK_STACK_WIRE_IPV6_H_
