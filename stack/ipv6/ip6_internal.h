// Between the parts of the IPv6 layer that carry packets.
#ifndef TAPEDECK_STACK_IPV6_IP6_INTERNAL_H_
#define TAPEDECK_STACK_IPV6_IP6_INTERNAL_H_

#include <cstdint>

#include "stack/core/skbuff.h"
#include "stack/ipv6/in6.h"
#include "stack/ipv6/ip6_route.h"
#include "stack/ipv6/ipv6_sock.h"

namespace tapedeck {

// Codes of an ICMPv6 parameter problem (RFC 4443 3.4, RFC 7112) and of time exceeded.
inline constexpr uint8_t kIcmpv6HeaderField = 0;
inline constexpr uint8_t kIcmpv6UnknownNextHeader = 1;
inline constexpr uint8_t kIcmpv6UnknownOption = 2;
inline constexpr uint8_t kIcmpv6HeaderIncomplete = 3;
inline constexpr uint8_t kIcmpv6HopLimitExceeded = 0;
inline constexpr uint8_t kIcmpv6FragmentTimeExceeded = 1;

inline constexpr int kScopeInterfaceLocal = 1;      // of a multicast address (RFC 4291 2.7)
inline constexpr uint32_t kIpv6PayloadMax = 65535;  // IPV6_MAXPLEN
inline constexpr uint32_t kIpv6PacketMax = kIpv6PayloadMax + sizeof(wire::Ipv6Header);

// The device a route belongs to, which for our own addresses is not the loopback device.
inline inet6_dev* ip6_dst_idev(const dst_entry* dst) { return dst_rt6_info(dst)->rt6i_idev; }

// Where the fragment header goes (ip6_find_1stfragopt): behind the IPv6 header and the headers that
// every hop reads. Its offset from the network header, or -EINVAL where headers reach past the
// linear bytes; *nexthdr_offset becomes that of the byte that says what comes there.
int ip6_find_1stfragopt(const sk_buff* skb, uint32_t* nexthdr_offset);

// Whether a packet of the socket may be cut by us, as ip_sk_ignore_df.
inline bool ip6_sk_ignore_df(const sock* sk) {
  const uint8_t pmtudisc = inet6_sk(sk)->pmtudisc;
  return pmtudisc < kIpPmtudiscDo || pmtudisc == kIpPmtudiscOmit;
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_IP6_INTERNAL_H_
