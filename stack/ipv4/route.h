// IPv4 routing decisions (net/ipv4/route.c): from a packet or a flow to an rtable, the dst_entry
// that carries it on.
//
// rtables of ordinary routes are shared by all destinations over one nexthop and kept there
// (fib_nh::nh_rth_input and nh_rth_output); the others are made for one packet or socket. One is
// valid while the routing tables stay as they are (rt_genid); dst_check finds out.
#ifndef TAPEDECK_STACK_IPV4_ROUTE_H_
#define TAPEDECK_STACK_IPV4_ROUTE_H_

#include <cstdint>

#include "stack/base/ip_address.h"
#include "stack/base/list.h"
#include "stack/core/dst.h"
#include "stack/core/flow.h"
#include "stack/ipv4/fib.h"
#include "stack/wire/ipv4.h"

namespace tapedeck {

struct net;
struct sock;

// rtable::rt_flags (in_route.h).
enum : uint32_t {
  RTCF_NOTIFY = 0x00010000,
  RTCF_DOREDIRECT = 0x01000000,
  RTCF_DIRECTSRC = 0x04000000,
  RTCF_REDIRECTED = 0x00040000,
  RTCF_BROADCAST = 0x10000000,
  RTCF_MULTICAST = 0x20000000,
  RTCF_LOCAL = 0x80000000,
};

struct rtable : dst_entry, ListNode<> {
  netns_ipv4* ns = nullptr;
  uint32_t rt_genid = 0;
  uint32_t rt_flags = 0;  // RTCF_*
  uint8_t rt_type = RTN_UNSPEC;
  bool rt_is_input = false;
  bool rt_uses_gateway = false;
  bool rt_mtu_locked = false;
  int rt_iif = 0;        // input: where the packet came in; output: 0 or the flow's oif
  Ipv4Address rt_gw4;    // next hop; 0.0.0.0: the destination itself
  uint32_t rt_pmtu = 0;  // learnt path MTU; 0: none
};

inline rtable* skb_rtable(const sk_buff* skb) { return static_cast<rtable*>(skb->dst); }
inline const wire::Ipv4Header* ip_hdr(const sk_buff* skb) {
  return reinterpret_cast<const wire::Ipv4Header*>(skb_network_header(skb));
}
// For writing; CHECKs that the header is not shared.
inline wire::Ipv4Header* ip_hdr_writable(sk_buff* skb) {
  return reinterpret_cast<wire::Ipv4Header*>(
      skb_writable(skb, skb_network_header(skb), sizeof(wire::Ipv4Header)));
}
inline uint32_t ip_hdrlen(const sk_buff* skb) {
  return static_cast<uint32_t>(ip_hdr(skb)->header_bytes());
}

// The next hop of a packet to `daddr` over `rt`.
inline Ipv4Address rt_nexthop(const rtable* rt, Ipv4Address daddr) {
  return rt->rt_gw4 == kIpv4Any ? daddr : rt->rt_gw4;
}

// --- Input. ---

// Routes a received packet and sets skb->dst. 0, or -errno: the packet stays the caller's and
// *reason says why it must be dropped. (Unlike older kernels a packet to an unreachable destination
// gets a route that sends the ICMP error, and 0.)
int ip_route_input_noref(sk_buff* skb, Ipv4Address daddr, Ipv4Address saddr, uint8_t tos,
                         net_device* dev, DropReason* reason);
// The same for a caller that wants the route without a packet's dst; as ip_route_input, which keeps
// a reference too here.
inline int ip_route_input(sk_buff* skb, Ipv4Address daddr, Ipv4Address saddr, uint8_t tos,
                          net_device* dev, DropReason* reason) {
  return ip_route_input_noref(skb, daddr, saddr, tos, dev, reason);
}
// Whether a socket that was found early may take a multicast packet: joined, and its source valid.
// 0 or -errno.
int ip_mc_validate_source(sk_buff* skb, Ipv4Address daddr, Ipv4Address saddr, uint8_t tos,
                          net_device* dev, uint32_t* itag, DropReason* reason);

// --- Output. ---

// The route for `fl4`, with a reference; fills in what was open: saddr, daddr (0.0.0.0 means
// ourselves), oif. nullptr and *err: -ENETUNREACH, -EHOSTUNREACH, -EACCES, -EINVAL (bad source or
// blackhole), -ENODEV, -ENOBUFS. `sk` may be null.
rtable* ip_route_output_flow(net& net, flowi4* fl4, const sock* sk, int* err);
inline rtable* ip_route_output_key(net& net, flowi4* fl4, int* err) {
  return ip_route_output_flow(net, fl4, nullptr, err);
}
// The parts as arguments, as ip_route_output().
rtable* ip_route_output(net& net, Ipv4Address daddr, Ipv4Address saddr, uint8_t tos, int oif,
                        uint8_t scope, int* err);
// For a connected socket: chooses the source first, then looks up with the ports (ip_route_connect
// and ip_route_newports). `fl4` receives the flow.
rtable* ip_route_connect(net& net, flowi4* fl4, Ipv4Address dst, Ipv4Address src, int oif,
                         uint8_t protocol, be16 sport, be16 dport, const sock* sk, int* err);

// --- Properties. ---

// Largest packet, with its header, that goes over `dst`. For forwarding the path MTU is not trusted
// (ip_forward_use_pmtu).
uint32_t ip_dst_mtu_maybe_forward(const dst_entry* dst, bool forwarding);
uint32_t ip_skb_dst_mtu(const sock* sk, const sk_buff* skb);
// TTL of packets without one of their own.
uint8_t ip4_dst_hoplimit(const dst_entry* dst);
// The address that the sender of a received packet knows us by: what it was sent to where that is
// one host's, else the one we would answer from.
Ipv4Address fib_compute_spec_dst(net& net, const sk_buff* skb);
// The address that a packet which takes `rt` shows as ours in its options.
Ipv4Address ip_rt_get_source(sk_buff* skb, const rtable* rt);

// Whether the path MTU to it may not be learnt (ip_mtu_locked).
bool ip_mtu_locked(const dst_entry* dst);
// A copy of `rt` for `dev`, for packets of ours that come back to us. nullptr where memory failed.
rtable* rt_dst_clone(net_device* dev, const rtable* rt);

// --- Change. ---

// All rtables made so far are stale.
void rt_cache_flush(net& net);
// A device goes away: rtables that are still held somewhere let go of it.
void rt_flush_dev(net_device* dev);
// An rtable without a route behind it, for tests and special cases. nullptr where memory failed.
rtable* rt_dst_alloc(netns_ipv4& ns, net_device* dev, uint32_t flags, uint8_t type);
// Sends a redirect for a packet that goes out as it came in, rate-limited (route/redirect_*).
void ip_rt_send_redirect(sk_buff* skb);
// Messages about routes: a redirect, a path MTU (for protocols' error handlers). `iph` is the
// quoted header.
void ipv4_redirect(sk_buff* skb, net& net, int oif, uint8_t protocol);
void ipv4_sk_redirect(sk_buff* skb, sock* sk);
void ipv4_update_pmtu(sk_buff* skb, net& net, uint32_t mtu, int oif, uint8_t protocol);
void ipv4_sk_update_pmtu(sk_buff* skb, sock* sk, uint32_t mtu);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_ROUTE_H_
