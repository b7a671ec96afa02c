// IPv4 options as the stack works with them (net/ipv4/ip_options.c): found and checked once,
// recorded routes and times filled in, echoed in answers. The codec for tools and tests is
// stack/wire/ipv4_options.h.
#ifndef TAPEDECK_STACK_IPV4_IP_OPTIONS_H_
#define TAPEDECK_STACK_IPV4_IP_OPTIONS_H_

#include <cstdint>

#include "stack/base/ip_address.h"
#include "stack/core/skbuff.h"

namespace tapedeck {

struct net;
struct rtable;

// Where the options of a header are and what they want. Offsets count from the start of the IP
// header and are 0 where the option is absent.
struct ip_options {
  Ipv4Address faddr;    // first hop of a source route, which the header's daddr takes
  Ipv4Address nexthop;  // where a source route leads next
  uint8_t optlen;       // bytes, a multiple of 4
  uint8_t srr;          // loose or strict source route
  uint8_t rr;           // record route
  uint8_t ts;           // timestamp
  bool is_strictroute : 1;
  bool srr_is_hit : 1;   // the header's daddr is ours: the next hop is to be taken from the route
  bool is_changed : 1;   // the header must be checksummed again
  bool rr_needaddr : 1;  // room for our address in record route
  bool ts_needtime : 1;  // room for our time
  bool ts_needaddr : 1;  // and for our address before it
  uint8_t router_alert;
  uint8_t cipso;
  uint8_t pad;
};
static_assert(sizeof(ip_options) == 16);

// Options with their bytes: what a socket or an answer sends. Offsets count as in a header of 20
// bytes before them.
struct ip_options_data {
  ip_options opt{};
  uint8_t data[40] = {};
};

// inet_skb_parm::flags.
enum : uint16_t {
  IPSKB_FORWARDED = 1U << 0,
  IPSKB_XFRM_TUNNEL_SIZE = 1U << 1,
  IPSKB_XFRM_TRANSFORMED = 1U << 2,
  IPSKB_FRAG_COMPLETE = 1U << 3,  // all fragments of a datagram
  IPSKB_REROUTED = 1U << 4,
  IPSKB_DOREDIRECT = 1U << 5,  // tell the sender of a better way
  IPSKB_FRAG_PMTU = 1U << 6,
  IPSKB_MULTIPATH = 1U << 9,
};

// The control block of a packet in the IPv4 layer, on its way in and out. It comes first in the
// blocks of the layers above.
struct inet_skb_parm {
  int iif;  // ifindex of arrival
  ip_options opt;
  uint16_t flags;          // IPSKB_*
  uint16_t frag_max_size;  // the largest fragment it came in; 0: not fragmented
};
static_assert(sizeof(inet_skb_parm) == 24);
inline inet_skb_parm* IPCB(sk_buff* skb) { return SKB_CB<inet_skb_parm>(skb); }
inline const inet_skb_parm* IPCB(const sk_buff* skb) { return SKB_CB<inet_skb_parm>(skb); }

// Finds and checks the options of a received packet, and fills in the addresses and times they ask
// for. `opt->optlen` says how many bytes; all else in *opt is set. 0, or -EINVAL after which
// *pointer is the offset in the header of what is wrong (for a parameter problem). REQUIRES: the
// whole header is linear and private (skb_cow). Without a route in skb->dst no address is filled
// in.
int ip_options_compile(net& net, sk_buff* skb, ip_options* opt, uint8_t* pointer);
// Only finds and checks: nothing is written. REQUIRES: the whole header is linear.
int ip_options_check(net& net, const sk_buff* skb, ip_options* opt, uint8_t* pointer);
// The options that a user gives for what he sends. A source route's first hop moves to opt.faddr. 0
// or -EINVAL.
int ip_options_get(net& net, ip_options_data* to, const uint8_t* bytes, uint32_t len);

// Writes options behind the 20 bytes of the packet's header, whose ihl already counts them. `rt` is
// the way it goes.
void ip_options_build(sk_buff* skb, const ip_options_data& options, Ipv4Address daddr,
                      const rtable* rt);
// The options for an answer to `skb`: record route and timestamp go on, source routes are turned
// round. 0 or -EINVAL.
int __ip_options_echo(net& net, ip_options_data* to, sk_buff* skb, const ip_options& from);
// Blanks what only the first fragment carries. REQUIRES: the header is private.
void ip_options_fragment(sk_buff* skb);

// A packet that is forwarded: our address and time go in, a source route moves on.
void ip_forward_options(sk_buff* skb);
// A packet with a source route whose daddr is ours: where it goes next becomes its daddr and dst.
// 0, or -EINVAL (the caller drops it; an ICMP message has been sent).
int ip_options_rcv_srr(sk_buff* skb, net_device* dev);

// Milliseconds since midnight UT, as timestamps carry them. Virtual time begins at midnight.
uint32_t inet_current_timestamp(net& net);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_IP_OPTIONS_H_
