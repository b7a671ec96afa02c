// The IPv4 header (RFC 791, RFC 2474, RFC 3168). Field names as in the kernel's struct iphdr.
// Options: ipv4_options.h.
#ifndef TAPEDECK_STACK_WIRE_IPV4_H_
#define TAPEDECK_STACK_WIRE_IPV4_H_

#include <cstdint>
#include <span>
#include <string>

#include "stack/base/byteorder.h"
#include "stack/base/ip_address.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/parse.h"

namespace tapedeck::wire {

inline constexpr size_t kIpv4OptionsMax = 40;
inline constexpr size_t kIpv4HeaderMax = 60;
inline constexpr size_t kIpv4TotalMax = 65535;
inline constexpr size_t kIpv4MinMtu = 68;  // every link carries this much (RFC 791 3.2)

// Bits of frag_off.
inline constexpr uint16_t kIpv4ReservedBit = 0x8000;  // "evil", RFC 3514
inline constexpr uint16_t kIpv4DontFragment = 0x4000;
inline constexpr uint16_t kIpv4MoreFragments = 0x2000;
inline constexpr uint16_t kIpv4OffsetMask = 0x1fff;  // in units of 8 bytes

// Low two bits of tos (RFC 3168 5).
inline constexpr uint8_t kEcnMask = 3;
inline constexpr uint8_t kEcnNotEct = 0;
inline constexpr uint8_t kEcnEct1 = 1;
inline constexpr uint8_t kEcnEct0 = 2;
inline constexpr uint8_t kEcnCe = 3;

struct Ipv4Header {
  uint8_t version_ihl = 0;
  uint8_t tos = 0;
  be16 tot_len{};  // header and payload, bytes
  be16 id{};
  be16 frag_off{};
  uint8_t ttl = 0;
  uint8_t protocol = 0;
  be16 check{};
  Ipv4Address saddr{};
  Ipv4Address daddr{};

  constexpr uint8_t version() const { return version_ihl >> 4; }
  constexpr uint8_t ihl() const { return version_ihl & 0xf; }  // 32-bit words
  constexpr size_t header_bytes() const { return size_t{4} * ihl(); }
  constexpr void set_ihl(uint8_t words) {
    version_ihl = static_cast<uint8_t>(0x40 | (words & 0xf));
  }

  constexpr uint8_t dscp() const { return tos >> 2; }
  constexpr uint8_t ecn() const { return tos & kEcnMask; }

  constexpr bool dont_fragment() const { return (frag_off.host() & kIpv4DontFragment) != 0; }
  constexpr bool more_fragments() const { return (frag_off.host() & kIpv4MoreFragments) != 0; }
  constexpr bool reserved_bit() const { return (frag_off.host() & kIpv4ReservedBit) != 0; }
  constexpr uint32_t offset_bytes() const {
    return uint32_t{8} * (frag_off.host() & kIpv4OffsetMask);
  }
  // As the kernel's ip_is_fragment(): the first fragment is one too.
  constexpr bool is_fragment() const {
    return (frag_off.host() & (kIpv4MoreFragments | kIpv4OffsetMask)) != 0;
  }
};
static_assert(sizeof(Ipv4Header) == 20 && alignof(Ipv4Header) == 1);
inline constexpr uint32_t kIpv4HeaderBytes = sizeof(Ipv4Header);  // without options

struct Ipv4View {
  const Ipv4Header* header = nullptr;
  std::span<const uint8_t> options{};
  std::span<const uint8_t> payload{};  // up to tot_len, without link padding
};

// Checks what ip_rcv() checks, save for the checksum: Ipv4ChecksumOk().
// Errors: kTruncated, kVersion, kHeaderLength, kHeaderBeyondData, kLength, kLengthBeyondData.
Parsed<Ipv4View> ParseIpv4(std::span<const uint8_t> packet);

// The same for a datagram quoted in an ICMP error, which is cut short: tot_len is not checked and
// the payload is whatever is there, but never more than tot_len allows.
Parsed<Ipv4View> ParseQuotedIpv4(std::span<const uint8_t> quote);

// REQUIRES: header_bytes() readable bytes at `header`, as ParseIpv4 has checked.
bool Ipv4ChecksumOk(const Ipv4Header* header);
void FillIpv4Checksum(Ipv4Header* header);

// Writes header and options, these padded to 32 bits with end-of-list. Version, ihl and check are
// set; tot_len is taken as given. Returns the header's bytes, 0 where there is no room or options
// exceed 40 bytes.
size_t EmitIpv4(std::span<uint8_t> out, Ipv4Header header, std::span<const uint8_t> options = {});

// "IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto UDP (17), length 28) 10.0.0.1 > 10.0.0.2"
std::string ToString(const Ipv4View& view);

}  // namespace tapedeck::wire

#endif  // TAPEDECK_STACK_WIRE_IPV4_H_
