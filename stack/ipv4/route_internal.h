// Between the parts of route.c: not for users of routes.
#ifndef TAPEDECK_STACK_IPV4_ROUTE_INTERNAL_H_
#define TAPEDECK_STACK_IPV4_ROUTE_INTERNAL_H_

#include <cstdint>

#include "stack/base/ip_address.h"
#include "stack/core/flow.h"
#include "stack/core/skbuff.h"
#include "stack/ipv4/fib.h"
#include "stack/ipv4/ip_options.h"
#include "stack/ipv4/route.h"
#include "stack/wire/ipv4.h"

namespace tapedeck {

extern const dst_ops ipv4_dst_ops;

// Made before the last change of tables, addresses or settings.
bool rt_is_expired(const rtable* rt);
// A cached rtable that may be used; false for nullptr.
bool rt_cache_valid(const rtable* rt);
// Puts `rt` where others find it, with a reference of its own.
void rt_cache_route(rtable** slot, rtable* rt);
// What the route says goes into `rt`, and `rt` to its nexthop (or the exception) if it may be
// shared.
void rt_set_nexthop(rtable* rt, Ipv4Address daddr, const fib_result& res, fib_info* fi,
                    fib_nh_exception* fnhe, bool do_cache);

// dst_entry::input of packets that go nowhere: tells the sender, if we forward, and drops.
int ip_error(sk_buff* skb);

// --- Exceptions (route_exception.cc). ---

// What was learnt about `daddr` behind `nh`; nullptr where nothing was, or no longer holds.
fib_nh_exception* find_exception(netns_ipv4& ns, fib_nh* nh, Ipv4Address daddr);
// The shared rtable of an exception.
rtable** rt_exception_slot(fib_nh_exception* fnhe, bool is_input);
// Puts what was learnt into `rt`, and `rt` to the exception if it may be shared.
void rt_bind_exception(rtable* rt, fib_nh_exception* fnhe, Ipv4Address daddr, bool do_cache);
// The path to flow->daddr carries `mtu` bytes only (__ip_rt_update_pmtu).
void rt_update_pmtu(rtable* rt, flowi4* flow, uint32_t mtu);
// The sender of the redirect in `skb` knows a better first hop (__ip_do_redirect).
void rt_redirect(rtable* rt, sk_buff* skb, flowi4* flow, bool kill_route);
// Forgets a hop's exceptions.
void rt_free_exceptions(netns_ipv4& ns, fib_nh* nh);

// The flow of a packet with header `iph`, quoted or not (build_skb_flow_key).
void rt_flow_of_header(const sk_buff* skb, const wire::Ipv4Header& iph, int oif, uint8_t protocol,
                       flowi4* flow);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_ROUTE_INTERNAL_H_
