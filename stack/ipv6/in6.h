// Numbers and structures of the IPv6 user interface (in6.h, ipv6.h), and the control block of a
// packet in the IPv6 layer. Where <netinet/in.h> makes a name a macro, ours is another: IPV6_TCLASS
// is kIpv6Tclass.
#ifndef TAPEDECK_STACK_IPV6_IN6_H_
#define TAPEDECK_STACK_IPV6_IN6_H_

#include <cstdint>

#include "stack/base/byteorder.h"
#include "stack/base/ip_address.h"
#include "stack/core/skbuff.h"
#include "stack/ipv4/mcast_uapi.h"
#include "stack/wire/icmpv6.h"
#include "stack/wire/ipv6.h"

namespace tapedeck {

inline constexpr int kSolIpv6 = 41;
inline constexpr int kSolIcmpv6 = 58;
inline constexpr int kSolRaw = 255;

enum : int {
  kIpv6Addrform = 1,
  kIpv62292Pktinfo = 2,
  kIpv62292Hopopts = 3,
  kIpv62292Dstopts = 4,
  kIpv62292Rthdr = 5,
  kIpv62292Pktoptions = 6,
  kIpv6Checksum = 7,
  kIpv62292Hoplimit = 8,
  kIpv6Flowinfo = 11,
  kIpv6UnicastHops = 16,
  kIpv6MulticastIf = 17,
  kIpv6MulticastHops = 18,
  kIpv6MulticastLoop = 19,
  kIpv6AddMembership = 20,
  kIpv6DropMembership = 21,
  kIpv6RouterAlert = 22,
  kIpv6MtuDiscover = 23,
  kIpv6Mtu = 24,
  kIpv6Recverr = 25,
  kIpv6V6only = 26,
  kIpv6JoinAnycast = 27,
  kIpv6LeaveAnycast = 28,
  kIpv6MulticastAll = 29,
  kIpv6RouterAlertIsolate = 30,
  kIpv6RecverrRfc4884 = 31,
  kIpv6FlowlabelMgr = 32,
  kIpv6FlowinfoSend = 33,
  kIpv6Recvpktinfo = 49,
  kIpv6Pktinfo = 50,
  kIpv6Recvhoplimit = 51,
  kIpv6Hoplimit = 52,
  kIpv6Recvhopopts = 53,
  kIpv6Hopopts = 54,
  kIpv6Rthdrdstopts = 55,
  kIpv6Recvrthdr = 56,
  kIpv6Rthdr = 57,
  kIpv6Recvdstopts = 58,
  kIpv6Dstopts = 59,
  kIpv6Recvpathmtu = 60,
  kIpv6Pathmtu = 61,
  kIpv6Dontfrag = 62,
  kIpv6Recvtclass = 66,
  kIpv6Tclass = 67,
  kIpv6Autoflowlabel = 70,
  kIpv6AddrPreferences = 72,
  kIpv6Minhopcount = 73,
  kIpv6Origdstaddr = 74,
  kIpv6Transparent = 75,
  kIpv6UnicastIf = 76,
  kIpv6Recvfragsize = 77,
  kIpv6Freebind = 78,
};

struct in6_pktinfo {
  Ipv6Address ipi6_addr;
  uint32_t ipi6_ifindex;
};
static_assert(sizeof(in6_pktinfo) == 20);

struct ipv6_mreq {
  Ipv6Address ipv6mr_multiaddr;
  int32_t ipv6mr_ifindex;
};
static_assert(sizeof(ipv6_mreq) == 20);

// The control block of a packet in the IPv6 layer (struct inet6_skb_parm). It comes first in the
// blocks of the layers above. Offsets are of extension headers from the network header; 0: none.
struct inet6_skb_parm {
  int iif;                 // ifindex of arrival
  uint16_t ra;             // value of the router alert option, host order (IP6SKB_ROUTERALERT)
  uint16_t dst0;           // destination options before a routing header
  uint16_t srcrt;          // routing header
  uint16_t dst1;           // destination options before the upper layer
  uint16_t lastopt;        // the last extension header
  uint16_t nhoff;          // of the byte that says what comes next
  uint16_t flags;          // IP6SKB_*
  uint16_t frag_max_size;  // the largest fragment it came in; 0: not fragmented
  uint16_t dsthao;
  uint8_t exthdrs;  // extension headers walked on the way in; at most IP6_MAX_EXT_HDRS_CNT
};
static_assert(sizeof(inet6_skb_parm) <= 24);

inline constexpr uint8_t IP6_MAX_EXT_HDRS_CNT = 12;

// inet6_skb_parm::flags.
enum : uint16_t {
  IP6SKB_FORWARDED = 2,
  IP6SKB_REROUTED = 4,
  IP6SKB_ROUTERALERT = 8,
  IP6SKB_FRAGMENTED = 16,
  IP6SKB_HOPBYHOP = 32,
  IP6SKB_JUMBOGRAM = 128,
  IP6SKB_FAKEJUMBO = 512,
  IP6SKB_MULTIPATH = 1024,
};

inline inet6_skb_parm* IP6CB(sk_buff* skb) { return SKB_CB<inet6_skb_parm>(skb); }
inline const inet6_skb_parm* IP6CB(const sk_buff* skb) { return SKB_CB<inet6_skb_parm>(skb); }

// Bytes of the extension header, other than a fragment or authentication header, that begins here.
constexpr uint32_t ipv6_optlen(const uint8_t* header) { return (uint32_t{header[1]} + 1) << 3; }

inline const wire::Ipv6Header* ipv6_hdr(const sk_buff* skb) {
  return reinterpret_cast<const wire::Ipv6Header*>(skb_network_header(skb));
}
// For writing; CHECKs that the header is not shared.
inline wire::Ipv6Header* ipv6_hdr_writable(sk_buff* skb) {
  return reinterpret_cast<wire::Ipv6Header*>(
      skb_writable(skb, skb_network_header(skb), sizeof(wire::Ipv6Header)));
}
// ifindex of the device a packet for us came in by.
inline int inet6_iif(const sk_buff* skb) { return IP6CB(skb)->iif; }
inline const wire::Icmpv6Header* icmp6_hdr(const sk_buff* skb) {
  return reinterpret_cast<const wire::Icmpv6Header*>(skb_transport_header(skb));
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_IN6_H_
