// Which way packets go, in and out (ip6_pol_route, ip6_route_input, ip6_route_output_flags of
// net/ipv6/route.c; ip6_dst_lookup_flow of ip6_output.c).
#include <cerrno>

#include "stack/core/neighbour.h"
#include "stack/core/net.h"
#include "stack/core/sock.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/ip6_fib.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/ipv6_sock.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/ipv6/route6_internal.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {

namespace {

// Addresses that mean something on one device only.
bool NeedsDevice(const Ipv6Address& addr) {
  return (ipv6_addr_type(addr) &
          (IPV6_ADDR_MULTICAST | IPV6_ADDR_LINKLOCAL | IPV6_ADDR_LOOPBACK)) != 0;
}

// The rt6_info for a packet over the route found (ip6_pol_route, second half).
rt6_info* RouteFor(netns_ipv6& ns, const fib6_result& res, const flowi6& fl6) {
  if (rt6_info* const known = rt6_find_cached_rt(ns, res, fl6.daddr, fl6.saddr)) {
    return HeldRoute(known);
  }
  rt6_info* rt = nullptr;
  if ((fl6.flags & FLOWI_FLAG_KNOWN_NH) != 0 && !res.nh->has_gateway) {
    // The packet says another destination than the flow: that of the flow is the next hop.
    rt = ip6_rt_cache_alloc(ns, res, fl6.daddr, nullptr);
  } else {
    rt = rt6_get_pcpu_route(ns, res);
    if (rt != nullptr) dst_hold(rt);
  }
  return rt != nullptr ? rt : HeldRoute(ns.fib->ip6_null_entry);
}

rt6_info* PolRoute(netns_ipv6& ns, fib6_table* table, int oif, flowi6* fl6, sk_buff* skb,
                   int flags) {
  int strict = flags & (RT6_LOOKUP_F_IFACE | RT6_LOOKUP_F_IGNORE_LINKSTATE);
  // A router does not wait for other routers to answer.
  if (ns.devconf_all.forwarding == 0) strict |= RT6_LOOKUP_F_REACHABLE;
  fib6_result res;
  fib6_table_lookup(ns, table, oif, *fl6, &res, strict);
  if (res.f6i == ns.fib->null_entry) return HeldRoute(ns.fib->ip6_null_entry);
  const bool have_oif_match = fl6->iif == kLoopbackIfindex && oif == res.nh->fib_nh_dev->ifindex;
  fib6_select_path(ns, &res, fl6, oif, have_oif_match, skb, strict);
  return RouteFor(ns, res, *fl6);
}

rt6_info* PolRouteInput(netns_ipv6& ns, fib6_table* table, flowi6* fl6, sk_buff* skb, int flags) {
  return PolRoute(ns, table, fl6->iif, fl6, skb, flags);
}

rt6_info* PolRouteOutput(netns_ipv6& ns, fib6_table* table, flowi6* fl6, sk_buff* skb, int flags) {
  return PolRoute(ns, table, fl6->oif, fl6, skb, flags);
}

// ip6_pol_route_lookup: no regard to routers' reachability.
rt6_info* PolRouteLookup(netns_ipv6& ns, fib6_table* table, flowi6* fl6, sk_buff* skb, int flags) {
  fib6_node* fn = fib6_node_lookup(table->root, fl6->daddr, fl6->saddr);
  fib6_result res;
  for (; fn != nullptr; fn = fib6_backtrack(fn, fl6->saddr)) {
    res.f6i = fn->leaf;
    if (res.f6i == nullptr) continue;
    rt6_device_match(ns, &res, fl6->saddr, fl6->oif, flags);
    if (res.f6i != ns.fib->null_entry) break;
  }
  if (fn == nullptr) return HeldRoute(ns.fib->ip6_null_entry);
  if ((res.fib6_flags & RTF_REJECT) != 0) return ip6_create_rt(ns, res);
  fib6_select_path(ns, &res, fl6, fl6->oif, fl6->oif != 0, skb, flags);
  if (rt6_info* const known = rt6_find_cached_rt(ns, res, fl6->daddr, fl6->saddr)) {
    known->lastuse = ns.host_net.jiffies();
    return HeldRoute(known);
  }
  return ip6_create_rt(ns, res);
}

// The source for packets over a route: the one it prefers, else by RFC 6724 from its device
// (ip6_route_get_saddr).
int SourceFor(net& net, const rt6_info* rt, const Ipv6Address& daddr, uint32_t prefs,
              Ipv6Address* saddr) {
  const fib6_info* const from = rt->error == 0 ? rt->from : nullptr;
  if (from != nullptr && !ipv6_addr_any(from->fib6_prefsrc)) {
    *saddr = from->fib6_prefsrc;
    return 0;
  }
  const net_device* const dev = from != nullptr ? from->nh.fib_nh_dev : nullptr;
  return ipv6_dev_get_saddr(net, dev, daddr, prefs, saddr);
}

// While our address is optimistic (RFC 4429 3.3) nobody may be asked for a link-layer address with
// it: packets to a neighbour that is not known go by the default router.
bool MustAvoidNeighbour(net& net, const rt6_info* rt, const flowi6& fl6) {
  const Ipv6Address& hop = rt6_nexthop(rt, fl6.daddr);
  const neighbour* const neigh = __neigh_lookup_noref(net.nd_tbl, hop.bytes().data(), rt->dev);
  if (neigh == nullptr || (neigh->nud_state & NUD_VALID) != 0) return false;
  inet6_ifaddr* const ifp = ipv6_get_ifaddr(net, fl6.saddr, rt->dev, true);
  if (ifp == nullptr) return false;
  const bool optimistic = (ifp->flags & IFA_F_OPTIMISTIC) != 0;
  in6_ifa_put(ifp);
  return optimistic;
}

// Chooses the source if it is open. What the first lookup, which has no source, found is the answer
// unless it refuses: then the one with the source is (source-specific routes). *dst: nullptr: look
// again. 0 or -errno.
int ChooseSource(net& net, const sock* sk, flowi6* fl6, dst_entry** dst) {
  dst_entry* const first = ip6_route_output(net, sk, fl6);
  const uint32_t prefs = sk != nullptr ? inet6_sk(sk)->srcprefs : 0;
  const int err = SourceFor(net, dst_rt6_info(first), fl6->daddr, prefs, &fl6->saddr);
  if (err == 0 && first->error == 0) {
    *dst = first;
    return 0;
  }
  dst_release(first);
  return err;
}

// ip6_dst_lookup_tail. nullptr and *err.
dst_entry* LookUp(net& net, const sock* sk, flowi6* fl6, int* err) {
  dst_entry* dst = nullptr;
  int flags = 0;
  *err = 0;
  if (ipv6_addr_any(fl6->saddr)) {
    *err = ChooseSource(net, sk, fl6, &dst);
    if (*err != 0) return nullptr;
    if (fl6->oif != 0) flags |= RT6_LOOKUP_F_IFACE;
  }
  if (dst == nullptr) dst = ip6_route_output_flags(net, sk, fl6, flags);
  *err = dst->error;
  if (*err == 0 && MustAvoidNeighbour(net, dst_rt6_info(dst), *fl6)) {
    flowi6 to_router = *fl6;
    to_router.daddr = kIpv6Any;
    dst_release(dst);
    dst = ip6_route_output(net, sk, &to_router);
    *err = dst->error;
  }
  if (*err == 0 && ipv6_addr_v4mapped(fl6->saddr) && !ipv6_addr_v4mapped(fl6->daddr) &&
      !ipv6_addr_any(fl6->daddr)) {
    *err = -EAFNOSUPPORT;
  }
  if (*err == 0) return dst;
  dst_release(dst);
  return nullptr;
}

// Whether a cached route is for this address: a host route of it, or stored for it.
bool IsForAddress(const rt6key& key, const Ipv6Address& addr, bool is_stored_for) {
  return (key.plen == 128 && key.addr == addr) || is_stored_for;
}

// The socket's cached route, if it is right for this flow (ip6_sk_dst_check). With a reference.
dst_entry* CachedRoute(sock* sk, const flowi6& fl6) {
  dst_entry* const dst = sk_dst_check(sk, inet6_sk(sk)->dst_cookie);
  if (dst == nullptr) return nullptr;
  if (dst->ops->family == kAfInet6) {
    const rt6_info* const rt = dst_rt6_info(dst);
    const bool for_daddr = IsForAddress(rt->rt6i_dst, fl6.daddr,
                                        inet6_sk(sk)->daddr_cached && fl6.daddr == sk_v6_daddr(sk));
    // Only where routes ask for sources does it matter whose packet it is.
    const bool for_saddr =
        rt->ns->fib->routes_require_src == 0 ||
        IsForAddress(rt->rt6i_src, fl6.saddr, fl6.saddr == inet_sk(sk)->inet_saddr.v6());
    if (for_daddr && for_saddr && (fl6.oif == 0 || fl6.oif == dst->dev->ifindex)) return dst;
  }
  dst_release(dst);
  return nullptr;
}

}  // namespace

void ip6_route_input(sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, ip6_route_input, skb);
  netns_ipv6& ns = dev_ipv6(skb->dev);
  const wire::Ipv6Header* const iph = ipv6_hdr(skb);
  flowi6 fl6;
  fl6.iif = skb->dev->ifindex;
  fl6.daddr = iph->daddr;
  fl6.saddr = iph->saddr;
  fl6.flowlabel = ip6_make_flowinfo(iph->traffic_class(), iph->flow_label());
  fl6.mark = skb->mark;
  fl6.proto = iph->nexthdr;
  if (fl6.proto == wire::kIpProtoIcmpv6) fl6.mp_hash = rt6_multipath_hash(ns, fl6, skb);
  int flags = RT6_LOOKUP_F_HAS_SADDR;
  if (NeedsDevice(fl6.daddr)) flags |= RT6_LOOKUP_F_IFACE;
  skb_dst_drop(skb);
  skb_dst_set(skb, fib6_rule_lookup(ns, &fl6, skb, flags, PolRouteInput));
}

dst_entry* ip6_route_output_flags(net& net, const sock* sk, flowi6* fl6, int flags) {
  fl6->iif = kLoopbackIfindex;
  const bool any_src = ipv6_addr_any(fl6->saddr);
  if ((sk != nullptr && sk->sk_bound_dev_if != 0) || NeedsDevice(fl6->daddr) ||
      (fl6->oif != 0 && any_src)) {
    flags |= RT6_LOOKUP_F_IFACE;
  }
  if (!any_src) flags |= RT6_LOOKUP_F_HAS_SADDR;
  return fib6_rule_lookup(net_ipv6(net), fl6, nullptr, flags, PolRouteOutput);
}

rt6_info* rt6_lookup(net& net, const Ipv6Address& daddr, const Ipv6Address* saddr, int oif,
                     int flags) {
  flowi6 fl6;
  fl6.oif = oif;
  fl6.daddr = daddr;
  if (saddr != nullptr) {
    fl6.saddr = *saddr;
    flags |= RT6_LOOKUP_F_HAS_SADDR;
  }
  rt6_info* const rt = fib6_rule_lookup(net_ipv6(net), &fl6, nullptr, flags, PolRouteLookup);
  if (rt->error == 0) return rt;
  dst_release(rt);
  return nullptr;
}

dst_entry* ip6_dst_lookup_flow(net& net, const sock* sk, flowi6* fl6, const Ipv6Address* final_dst,
                               int* err) {
  dst_entry* const dst = LookUp(net, sk, fl6, err);
  if (dst == nullptr) {
    if (*err == -ENETUNREACH) net.ip6_mib.Inc(Ip6Mib::kOutNoRoutes);
    return nullptr;
  }
  if (final_dst != nullptr) fl6->daddr = *final_dst;
  return dst;
}

dst_entry* ip6_sk_dst_lookup_flow(sock* sk, flowi6* fl6, const Ipv6Address* final_dst,
                                  bool connected, int* err) {
  *err = 0;
  if (dst_entry* const cached = CachedRoute(sk, *fl6)) return cached;
  dst_entry* const dst = ip6_dst_lookup_flow(sk->sk_net, sk, fl6, final_dst, err);
  if (dst != nullptr && connected) {
    ip6_dst_store(sk, dst_clone(dst), fl6->daddr == sk_v6_daddr(sk));
  }
  return dst;
}

}  // namespace tapedeck
