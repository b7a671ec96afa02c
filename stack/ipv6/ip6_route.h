// IPv6 routing decisions (net/ipv6/route.c): from a packet or a flow to an rt6_info, the dst_entry
// that carries it on. The tables are in ip6_fib.h.
#ifndef TAPEDECK_STACK_IPV6_IP6_ROUTE_H_
#define TAPEDECK_STACK_IPV6_IP6_ROUTE_H_

#include <cstdint>
#include <span>

#include "stack/base/ip_address.h"
#include "stack/base/list.h"
#include "stack/core/dst.h"
#include "stack/core/flow.h"
#include "stack/ipv6/in6.h"

namespace tapedeck {

struct fib6_info;
struct inet6_dev;
struct net;
struct netns_ipv6;
struct sock;

// rt6_info::rt6i_flags and fib6_info::fib6_flags (ipv6_route.h).
enum : uint32_t {
  RTF_UP = 0x0001,
  RTF_GATEWAY = 0x0002,
  RTF_HOST = 0x0004,
  RTF_DYNAMIC = 0x0010,   // by a redirect
  RTF_MODIFIED = 0x0020,  // its path MTU was learnt
  RTF_REJECT = 0x0200,
  RTF_DEFAULT = 0x00010000,
  RTF_ALLONLINK = 0x00020000,
  RTF_ADDRCONF = 0x00040000,
  RTF_PREFIX_RT = 0x00080000,
  RTF_ANYCAST = 0x00100000,
  RTF_NONEXTHOP = 0x00200000,
  RTF_EXPIRES = 0x00400000,
  RTF_ROUTEINFO = 0x00800000,
  RTF_CACHE = 0x01000000,  // an exception: path MTU or redirect of one destination
  RTF_PREF_MASK = 0x18000000,
  RTF_PCPU = 0x40000000,
  RTF_LOCAL = 0x80000000,
};

struct rt6key {
  Ipv6Address addr;
  uint8_t plen = 0;
};

struct rt6_info : dst_entry, ListNode<> {
  netns_ipv6* ns = nullptr;
  fib6_info* from = nullptr;  // the route it comes from, a reference; nullptr: it has gone
  rt6key rt6i_dst;
  rt6key rt6i_src;
  Ipv6Address rt6i_gateway;        // next hop; the destination itself without RTF_GATEWAY
  inet6_dev* rt6i_idev = nullptr;  // a reference
  uint32_t rt6i_flags = 0;         // RTF_*
  bool shares_metrics = false;     // with `from`, which had some
};
inline rt6_info* skb_rt6_info(const sk_buff* skb) { return static_cast<rt6_info*>(skb->dst); }
inline rt6_info* dst_rt6_info(dst_entry* dst) { return static_cast<rt6_info*>(dst); }
inline const rt6_info* dst_rt6_info(const dst_entry* dst) {
  return static_cast<const rt6_info*>(dst);
}
inline bool ipv6_unicast_destination(const sk_buff* skb) {
  return (skb_rt6_info(skb)->rt6i_flags & RTF_LOCAL) != 0;
}
// Whether `daddr` over `dst` is one of our anycast addresses.
bool ipv6_anycast_destination(const dst_entry* dst, const Ipv6Address& daddr);
// The next hop of a packet to `daddr` over `rt`.
const Ipv6Address& rt6_nexthop(const rt6_info* rt, const Ipv6Address& daddr);

// The source that the route prefers (`src` of ip route); :: none.
Ipv6Address rt6_get_prefsrc(const rt6_info* rt);

// Flags of lookups.
enum : int {
  RT6_LOOKUP_F_IFACE = 0x1,
  RT6_LOOKUP_F_REACHABLE = 0x2,
  RT6_LOOKUP_F_HAS_SADDR = 0x4,
  RT6_LOOKUP_F_SRCPREF_TMP = 0x8,
  RT6_LOOKUP_F_SRCPREF_PUBLIC = 0x10,
  RT6_LOOKUP_F_SRCPREF_COA = 0x20,
  RT6_LOOKUP_F_IGNORE_LINKSTATE = 0x40,
};

// Routes a received packet and sets skb->dst; never fails: a refusing route drops it in dst_input.
void ip6_route_input(sk_buff* skb);
// The route for `fl6`, with a reference, never nullptr: dst->error says what is wrong.
dst_entry* ip6_route_output_flags(net& net, const sock* sk, flowi6* fl6, int flags);
inline dst_entry* ip6_route_output(net& net, const sock* sk, flowi6* fl6) {
  return ip6_route_output_flags(net, sk, fl6, 0);
}
// The same, choosing the source address (RFC 6724) and, for a socket, checking its cached route;
// fl6 is filled in. nullptr and *err < 0: -ENETUNREACH, -EHOSTUNREACH, -EACCES, -EINVAL,
// -EADDRNOTAVAIL. `final_dst`: behind a routing header, may be null. (ip6_dst_lookup_flow,
// ip6_sk_dst_lookup_flow.)
dst_entry* ip6_dst_lookup_flow(net& net, const sock* sk, flowi6* fl6, const Ipv6Address* final_dst,
                               int* err);
dst_entry* ip6_sk_dst_lookup_flow(sock* sk, flowi6* fl6, const Ipv6Address* final_dst,
                                  bool connected, int* err);
// A look without a source (rt6_lookup); a reference or nullptr.
rt6_info* rt6_lookup(net& net, const Ipv6Address& daddr, const Ipv6Address* saddr, int oif,
                     int flags);

// Keeps a route in the socket as its cache, with what it stands for (ip6_dst_store).
void ip6_dst_store(sock* sk, dst_entry* dst, bool daddr_set);
uint32_t rt6_get_cookie(const rt6_info* rt);
uint32_t ip6_dst_mtu_maybe_forward(const dst_entry* dst, bool forwarding);
uint32_t ip6_skb_dst_mtu(const sk_buff* skb);
uint8_t ip6_dst_hoplimit(const dst_entry* dst);

// --- Messages about routes. ---

void ip6_update_pmtu(sk_buff* skb, net& net, uint32_t mtu, int oif, uint32_t mark);
void ip6_sk_update_pmtu(sk_buff* skb, sock* sk, uint32_t mtu);
void ip6_redirect(sk_buff* skb, net& net, int oif, uint32_t mark);
// A redirect that a socket's traffic brought / one without header option.
void ip6_sk_redirect(sk_buff* skb, sock* sk);
// Takes a validated redirect message (data at the ND message) over route `dst`.
void rt6_do_redirect(dst_entry* dst, sock* sk, sk_buff* skb);

// --- Change: what `ip -6 route` says. ---

struct fib6_config_nexthop {
  int ifindex = 0;      // 0: found from the gateway
  Ipv6Address gateway;  // ::: on the link
  uint8_t flags = 0;    // RTNH_F_ONLINK
  uint8_t weight = 1;   // 1..255
};

struct fib6_config {
  Ipv6Address dst;
  uint8_t dst_len = 0;
  Ipv6Address src;
  uint8_t src_len = 0;
  uint32_t table = 254;  // RT_TABLE_MAIN
  uint32_t metric = 0;   // 0: 1024
  int ifindex = 0;
  Ipv6Address gateway;  // ::: on the link
  Ipv6Address prefsrc;
  uint32_t flags = 0;    // RTF_*
  uint8_t protocol = 0;  // RTPROT_*
  uint8_t type = 1;      // RTN_*
  uint64_t expires = 0;  // jiffies from now; with RTF_EXPIRES
  uint32_t metrics[RTAX_MAX + 1] = {};
  uint8_t nh_flags = 0;  // RTNH_F_ONLINK
  // In place of `ifindex` and `gateway`: siblings, of which each flow takes one.
  std::span<const fib6_config_nexthop> nexthops;
  // NLM_F_*. None of the three: a route of the kernel's own, which may stand beside others of its
  // metric; so may what is appended.
  bool excl = false;  // what `ip route add` says: not where one of its metric is
  bool replace = false;
  bool append = false;
  bool create = true;            // false with replace: `ip route change`
  bool ignore_dev_down = false;  // the device may be down: addresses of ours
};
// -EEXIST, -EINVAL, -ENODEV, -EACCES (disable_ipv6), -ENETDOWN, -EHOSTUNREACH (the gateway is on no
// link), -ENOENT (nothing to replace), -ENOMEM.
int ip6_route_add(net& net, const fib6_config& config);
// Removes the first route to these prefixes that fits: what is left zero in metric, protocol,
// ifindex and gateway fits anything; without a gateway its siblings go with it. -ESRCH where none
// does.
int ip6_route_del(net& net, const fib6_config& config);
// All routes over `dev` go (it is down); carrier only: nexthops are marked.
void rt6_disable_ip(net_device* dev);
// The device / its carrier is back: nexthops lose `nh_flags` (RTNH_F_DEAD, RTNH_F_LINKDOWN of
// fib.h). The carrier has gone: nexthops are marked RTNH_F_LINKDOWN.
void rt6_sync_up(net_device* dev, uint8_t nh_flags);
void rt6_sync_down_carrier(net_device* dev);

// --- For address configuration and router discovery. ---

// The route of one of our own (or anycast) addresses, in table local.
int ip6_ins_local_rt(net& net, net_device* dev, const Ipv6Address& addr, bool anycast,
                     uint32_t metric);
int ip6_del_local_rt(net& net, net_device* dev, const Ipv6Address& addr);
// Default routers. `pref` 0 medium, 1 high, 3 low (RFC 4191). Lifetimes in seconds.
fib6_info* rt6_get_dflt_router(net& net, const Ipv6Address& addr, net_device* dev);
fib6_info* rt6_add_dflt_router(net& net, const Ipv6Address& gwaddr, net_device* dev, uint32_t pref,
                               uint32_t metric, uint32_t lifetime_s);
void fib6_set_expires(net& net, fib6_info* rt, uint64_t expires);
void ip6_del_rt(net& net, fib6_info* rt);
void rt6_purge_dflt_routers(net& net);
// A route information option (RFC 4191), `opt` of `len` bytes. 0 or -EINVAL.
int rt6_route_rcv(net_device* dev, const uint8_t* opt, int len, const Ipv6Address& gwaddr);

// A route for one message of ours to fl6.daddr over `dev`, in no table (icmp6_dst_alloc); nullptr
// where memory failed.
dst_entry* icmp6_dst_alloc(net_device* dev, const flowi6& fl6);
// Router `gateway` has become a host: routes through it that came by advertisements go.
void rt6_clean_tohost(net& net, const Ipv6Address& gateway);
// `addr` is no longer ours: routes forget it as their preferred source.
void rt6_remove_prefsrc(net_device* dev, const Ipv6Address& addr);
// A redirect without a header option (data at the ND message).
void ip6_redirect_no_header(sk_buff* skb, net& net, int oif);

// The MTU of `dev` for IPv6 changed: routes follow (rt6_mtu_change).
void rt6_mtu_change(net_device* dev, uint32_t mtu);
// All rt6_infos made so far are stale.
void rt6_cache_flush(net& net);

int ip6_route_init(net& net);
void ip6_route_exit(net& net);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_IP6_ROUTE_H_
