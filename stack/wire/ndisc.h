// Neighbour and router discovery (RFC 4861): the bodies of ICMPv6 types 133 to 137 and their
// options. All integers in wire order.
#ifndef TAPEDECK_STACK_WIRE_NDISC_H_
#define TAPEDECK_STACK_WIRE_NDISC_H_

#include <cstdint>

#include "stack/base/byteorder.h"
#include "stack/base/ip_address.h"
#include "stack/wire/icmpv6.h"

namespace tapedeck::wire {

// Neighbour solicitation and advertisement. Options follow.
struct NdMessage {
  Icmpv6Header header{};
  Ipv6Address target{};

  // Flags of an advertisement, the first bits of header.rest.
  constexpr bool router() const { return (header.rest[0] & 0x80) != 0; }
  constexpr bool solicited() const { return (header.rest[0] & 0x40) != 0; }
  constexpr bool override() const { return (header.rest[0] & 0x20) != 0; }
  constexpr void set_flags(bool router, bool solicited, bool override) {
    header.rest[0] =
        static_cast<uint8_t>((router ? 0x80 : 0) | (solicited ? 0x40 : 0) | (override ? 0x20 : 0));
  }
};
static_assert(sizeof(NdMessage) == 24 && alignof(NdMessage) == 1);

struct NdRouterAdvertisement {
  Icmpv6Header header{};
  be32 reachable_time_ms{};  // 0: not said
  be32 retrans_timer_ms{};   // 0: not said

  constexpr uint8_t hop_limit() const { return header.rest[0]; }  // 0: not said
  constexpr bool managed() const { return (header.rest[1] & 0x80) != 0; }
  constexpr bool other() const { return (header.rest[1] & 0x40) != 0; }
  // RFC 4191 2.2: 0 medium, 1 high, 3 low; 2 is reserved.
  constexpr uint8_t preference() const { return header.rest[1] >> 3 & 3; }
  constexpr uint16_t lifetime_s() const { return LoadBe16(&header.rest[2]); }
};
static_assert(sizeof(NdRouterAdvertisement) == 16 && alignof(NdRouterAdvertisement) == 1);

struct NdRedirect {
  Icmpv6Header header{};
  Ipv6Address target{};
  Ipv6Address destination{};
};
static_assert(sizeof(NdRedirect) == 40 && alignof(NdRedirect) == 1);

// --- Options ---

inline constexpr uint8_t kNdOptSourceLinkAddress = 1;
inline constexpr uint8_t kNdOptTargetLinkAddress = 2;
inline constexpr uint8_t kNdOptPrefixInfo = 3;
inline constexpr uint8_t kNdOptRedirectedHeader = 4;
inline constexpr uint8_t kNdOptMtu = 5;
inline constexpr uint8_t kNdOptNonce = 14;      // RFC 3971 5.3.2
inline constexpr uint8_t kNdOptRouteInfo = 24;  // RFC 4191 2.3

struct NdOption {
  uint8_t type = 0;
  uint8_t length = 0;  // in units of 8 bytes, all of it
};
static_assert(sizeof(NdOption) == 2);

struct NdPrefixInfo {
  NdOption option{};
  uint8_t prefix_len = 0;
  uint8_t flags = 0;
  be32 valid{};     // s; all ones: for ever
  be32 prefered{};  // s
  be32 reserved{};
  Ipv6Address prefix{};

  constexpr bool onlink() const { return (flags & 0x80) != 0; }
  constexpr bool autoconf() const { return (flags & 0x40) != 0; }
  constexpr bool prefer_pd() const { return (flags & 0x10) != 0; }  // RFC 9762
};
static_assert(sizeof(NdPrefixInfo) == 32 && alignof(NdPrefixInfo) == 1);

// The fixed part of a route information option; 0, 8 or 16 bytes of prefix follow.
struct NdRouteInfo {
  NdOption option{};
  uint8_t prefix_len = 0;
  uint8_t flags = 0;  // preference as in an advertisement
  be32 lifetime{};    // s
};
static_assert(sizeof(NdRouteInfo) == 8 && alignof(NdRouteInfo) == 1);

struct NdMtu {
  NdOption option{};
  be16 reserved{};
  be32 mtu{};  // bytes
};
static_assert(sizeof(NdMtu) == 8 && alignof(NdMtu) == 1);

}  // namespace tapedeck::wire

#endif  // TAPEDECK_STACK_WIRE_NDISC_H_
