// Between the parts of ip6_route.h: not for users of routes.
#ifndef TAPEDECK_STACK_IPV6_ROUTE6_INTERNAL_H_
#define TAPEDECK_STACK_IPV6_ROUTE6_INTERNAL_H_

#include <cstdint>

#include "stack/core/net_device.h"
#include "stack/core/skbuff.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/ip6_fib.h"
#include "stack/ipv6/ip6_route.h"

namespace tapedeck {

inline constexpr uint32_t IPV6_MIN_MTU = 1280;
inline constexpr uint32_t IP6_MAX_MTU = 0xffff + 40;

extern const dst_ops ip6_dst_ops;

// --- rt6_infos (route6.cc). ---

// Without a route behind it; nullptr where memory failed.
rt6_info* ip6_dst_alloc(netns_ipv6& ns, net_device* dev, uint16_t flags);
// Lets go of the device and the route: whoever holds it finds it dead.
void rt6_dev_put(rt6_info* rt);
// For the route found, kept nowhere (ip6_create_rt_rcu).
rt6_info* ip6_create_rt(netns_ipv6& ns, const fib6_result& res);
// For one destination, to be given a path MTU or gateway of its own. `saddr` may be null.
rt6_info* ip6_rt_cache_alloc(netns_ipv6& ns, const fib6_result& res, const Ipv6Address& daddr,
                             const Ipv6Address* saddr);
// The one that all destinations over the route found share, without a reference.
rt6_info* rt6_get_pcpu_route(netns_ipv6& ns, const fib6_result& res);
bool rt6_check_expired(const rt6_info* rt);
// dst_entry::input and output of routes that refuse: tell the sender and drop.
int ip6_pkt_discard(sk_buff* skb);
int ip6_pkt_discard_out(net& net, sock* sk, sk_buff* skb);
int ip6_pkt_prohibit(sk_buff* skb);
int ip6_pkt_prohibit_out(net& net, sock* sk, sk_buff* skb);
// What lookups that end at a route of this type return; 0 where it leads somewhere.
int ip6_rt_type_to_error(uint8_t fib6_type);

// --- Choice (route6_select.cc). ---

// Where a device or source was named, the first route behind res->f6i that fits it.
void rt6_device_match(netns_ipv6& ns, fib6_result* res, const Ipv6Address& saddr, int oif,
                      int flags);
inline bool ip6_ignore_linkdown(const net_device* dev) {
  const inet6_dev* const idev = dev->ip6_ptr;
  return idev == nullptr || idev->cnf->ignore_routes_with_linkdown != 0;
}
// `rt` with one more reference.
inline rt6_info* HeldRoute(rt6_info* rt) {
  dst_hold(rt);
  return rt;
}
uint32_t rt6_multipath_hash(netns_ipv6& ns, const flowi6& fl6, sk_buff* skb);

// --- Exceptions (route6_exception.cc). ---

// What was learnt about `daddr` behind the nexthop found, without a reference; nullptr.
rt6_info* rt6_find_cached_rt(netns_ipv6& ns, const fib6_result& res, const Ipv6Address& daddr,
                             const Ipv6Address& saddr);
// Takes over the reference to `nrt` on 0. -ENOENT (the route has gone), -EINVAL (it says nothing
// new), -ENOMEM: then it stays the caller's.
int rt6_insert_exception(netns_ipv6& ns, rt6_info* nrt, const fib6_result& res);
// Forgets what `rt` (RTF_CACHE) says. -EINVAL, -ENOENT.
int rt6_remove_exception_rt(rt6_info* rt);
void rt6_update_exception_stamp_rt(rt6_info* rt);
// Forgets all of a nexthop.
void fib6_nh_flush_exceptions(netns_ipv6& ns, fib6_nh* nh);
// Forgets those over `gateway`, which is no router any more.
void fib6_nh_exceptions_clean_tohost(netns_ipv6& ns, fib6_nh* nh, const Ipv6Address& gateway);
// Forgets what has expired or was not used for `timeout` jiffies; whether anything is left.
bool rt6_age_exceptions(netns_ipv6& ns, fib6_info* rt, Jiffies timeout);
// The MTU of the device is `mtu` now.
void rt6_exceptions_update_pmtu(const inet6_dev* idev, fib6_nh* nh, uint32_t mtu);

// --- Messages (route6_redirect.cc). ---

// dst_ops::update_pmtu.
void ip6_dst_update_pmtu(dst_entry* dst, sock* sk, sk_buff* skb, uint32_t mtu, bool confirm_neigh);

// --- Nexthops (route6_config.cc). ---

// Fills the nexthop of a new route. 0 or -errno; fib6_nh_release undoes it in any case.
int fib6_nh_init(netns_ipv6& ns, fib6_nh* nh, const fib6_config& cfg);
void fib6_nh_release(netns_ipv6& ns, fib6_nh* nh);
// Makes the routes that stand for the lack of one (route6.cc).
void ip6_route_init_special_entries(netns_ipv6& ns);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_ROUTE6_INTERNAL_H_
