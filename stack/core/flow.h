// What a route lookup asks, of IPv4, IPv6, or either: struct flowi4, flowi6 and flowi of
// include/net/flow.h, without the prefixes flowi4_, flowi6_ and fl6_.
#ifndef TAPEDECK_STACK_CORE_FLOW_H_
#define TAPEDECK_STACK_CORE_FLOW_H_

#include <cstdint>

#include "stack/base/byteorder.h"
#include "stack/base/ip_address.h"

namespace tapedeck {

// flowi4::flags and flowi6::flags.
enum : uint8_t {
  FLOWI_FLAG_ANYSRC = 0x01,       // the source need not be an address of ours (transparent proxies)
  FLOWI_FLAG_KNOWN_NH = 0x02,     // the packet names its next hop: no host route may replace it
  FLOWI_FLAG_SKIP_NH_OIF = 0x04,  // do not compare `oif` with the nexthop's
};

// Route scopes (rtnetlink.h): how far away a destination is. Greater is nearer.
enum : uint8_t {
  RT_SCOPE_UNIVERSE = 0,
  RT_SCOPE_SITE = 200,
  RT_SCOPE_LINK = 253,
  RT_SCOPE_HOST = 254,
  RT_SCOPE_NOWHERE = 255,
};

struct flowi4 {
  int oif = 0;  // ifindex the packet must leave by; 0: any
  int iif = 0;  // ifindex it came in by; the loopback device's for our own
  uint32_t mark = 0;
  uint8_t tos = 0;                    // DSCP bits (IPTOS_RT_MASK)
  uint8_t scope = RT_SCOPE_UNIVERSE;  // the destination must be at least so near
  uint8_t proto = 0;
  uint8_t flags = 0;  // FLOWI_FLAG_*
  Ipv4Address saddr;  // 0.0.0.0: to be chosen; the lookup fills it in
  Ipv4Address daddr;
  be16 sport;
  be16 dport;
  uint32_t multipath_hash = 0;  // 0: of the addresses
};

// The DSCP bits of a TOS byte, which is what routes select on (INET_DSCP_MASK). ECN never decides.
inline constexpr uint8_t IPTOS_RT_MASK = 0xfc;

// A flow for output, as flowi4_init_output.
inline flowi4 flowi4_init_output(int oif, uint32_t mark, uint8_t tos, uint8_t scope, uint8_t proto,
                                 uint8_t flags, Ipv4Address daddr, Ipv4Address saddr, be16 dport,
                                 be16 sport) {
  return {.oif = oif,
          .iif = 0,
          .mark = mark,
          .tos = static_cast<uint8_t>(tos & IPTOS_RT_MASK),
          .scope = scope,
          .proto = proto,
          .flags = flags,
          .saddr = saddr,
          .daddr = daddr,
          .sport = sport,
          .dport = dport};
}

struct flowi6 {
  int oif = 0;  // ifindex the packet must leave by; 0: any
  int iif = 0;  // ifindex it came in by; the loopback device's for our own
  uint32_t mark = 0;
  uint8_t proto = 0;
  uint8_t flags = 0;      // FLOWI_FLAG_*
  uint8_t icmp_type = 0;  // of ICMPv6, in place of the ports
  uint8_t icmp_code = 0;
  Ipv6Address saddr;       // ::: to be chosen; the lookup fills it in
  Ipv6Address daddr;       // where a routing header leads first
  uint32_t flowlabel = 0;  // host order: traffic class << 20 | flow label (28 bits)
  be16 sport;
  be16 dport;
  uint32_t mp_hash = 0;  // 0: of the addresses
};

// The traffic class and the label of flowi6::flowlabel, and the two together.
inline constexpr uint32_t IPV6_FLOWLABEL_MASK = 0x000fffff;
inline constexpr uint32_t IPV6_FLOWINFO_MASK = 0x0fffffff;
constexpr uint8_t ip6_tclass(uint32_t flowinfo) { return static_cast<uint8_t>(flowinfo >> 20); }
constexpr uint32_t ip6_make_flowinfo(uint8_t tclass, uint32_t flowlabel) {
  return uint32_t{tclass} << 20 | (flowlabel & IPV6_FLOWLABEL_MASK);
}

// The flow of a socket or request whose family only its operations know.
union flowi {
  constexpr flowi() : ip6() {}
  flowi4 ip4;
  flowi6 ip6;
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_FLOW_H_
