// Messages about routes: path MTUs and redirects (__ip6_rt_update_pmtu, __ip6_route_redirect,
// rt6_do_redirect of net/ipv6/route.c; RFC 8201, RFC 4861 8).
#include <cerrno>

#include "stack/core/neighbour.h"
#include "stack/core/net.h"
#include "stack/core/sock.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/datagram.h"
#include "stack/ipv6/ip6_fib.h"
#include "stack/ipv6/ipv6_sock.h"
#include "stack/ipv6/ndisc_internal.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/ipv6/route6_internal.h"
#include "stack/wire/ndisc.h"

namespace tapedeck {

namespace {

struct Addresses {
  Ipv6Address daddr;
  Ipv6Address saddr;
};

const wire::Ipv6Header& QuotedHeader(const sk_buff* skb) {
  return *reinterpret_cast<const wire::Ipv6Header*>(skb->data);
}

uint32_t FlowInfo(const wire::Ipv6Header& iph) {
  return ip6_make_flowinfo(iph.traffic_class(), iph.flow_label());
}

// The route found for an rt6_info, as a lookup says it.
fib6_result ResultOf(fib6_info* from) {
  return {
      .f6i = from, .nh = &from->nh, .fib6_flags = from->fib6_flags, .fib6_type = from->fib6_type};
}

// The next hop has passed a packet on: it is there (ip6_confirm_neigh).
void ConfirmNeighbour(const rt6_info* rt, const Ipv6Address& daddr) {
  const net_device* const dev = rt->dev;
  const Ipv6Address& hop = rt6_nexthop(rt, daddr);
  if (dev == nullptr || (dev->flags & (IFF_NOARP | IFF_LOOPBACK)) != 0 ||
      ipv6_addr_is_multicast(hop)) {
    return;
  }
  neighbour* const neigh = __neigh_lookup_noref(rt->ns->host_net.nd_tbl, hop.bytes().data(), dev);
  if (neigh != nullptr) neigh_confirm(neigh);
}

// rt6_do_update_pmtu: holds for mtu_expires, not longer than the route.
void SetPmtu(rt6_info* rt, uint32_t mtu) {
  netns_ipv6& ns = *rt->ns;
  dst_metric_set(rt, RTAX_MTU, mtu);
  if ((rt->rt6i_flags & RTF_EXPIRES) == 0 && rt->from != nullptr) rt->expires = rt->from->expires;
  const Jiffies expires =
      ns.host_net.jiffies() + static_cast<Jiffies>(ns.settings.route_mtu_expires);
  if (rt->expires == 0 || expires < rt->expires) rt->expires = expires;
  rt->rt6i_flags |= RTF_MODIFIED | RTF_EXPIRES;
}

// __ip6_rt_update_pmtu. `addresses` may be null: then nobody knows whose path it is.
void UpdatePmtu(rt6_info* rt, const Addresses* addresses, uint32_t mtu, bool confirm_neigh) {
  netns_ipv6& ns = *rt->ns;
  if (confirm_neigh && addresses != nullptr) ConfirmNeighbour(rt, addresses->daddr);
  // RFC 8201 4: no path carries less.
  if (mtu < IPV6_MIN_MTU || mtu >= dst_mtu(rt)) return;
  const bool shared = (rt->rt6i_flags & RTF_CACHE) == 0 &&
                      ((rt->rt6i_flags & RTF_PCPU) != 0 || rt->from != nullptr);
  if (!shared) {
    SetPmtu(rt, mtu);
    if ((rt->rt6i_flags & RTF_CACHE) != 0) rt6_update_exception_stamp_rt(rt);
    return;
  }
  if (addresses == nullptr || rt->from == nullptr || rt->from->node == nullptr) return;
  const fib6_result res = ResultOf(rt->from);
  rt6_info* const nrt = ip6_rt_cache_alloc(ns, res, addresses->daddr, &addresses->saddr);
  if (nrt == nullptr) return;
  SetPmtu(nrt, mtu);
  if (rt6_insert_exception(ns, nrt, res) != 0) dst_release(nrt);
}

// Of the routes to a destination the one whose gateway a redirect came from; *known: what an
// earlier redirect made of it (ip6_redirect_nh_match).
bool CameFromGateway(netns_ipv6& ns, const fib6_result& res, const flowi6& fl6,
                     const Ipv6Address& gateway, rt6_info** known) {
  const fib6_nh& nh = *res.nh;
  if ((nh.fib_nh_flags & RTNH_F_DEAD) != 0 || !nh.has_gateway ||
      fl6.oif != nh.fib_nh_dev->ifindex) {
    return false;
  }
  if (nh.fib_nh_gw6 == gateway) return true;
  rt6_info* const cached = rt6_find_cached_rt(ns, res, fl6.daddr, fl6.saddr);
  if (cached == nullptr || cached->rt6i_gateway != gateway) return false;
  *known = cached;
  return true;
}

// A flow with the router that a redirect came from, for lookups that take a flow alone.
struct RedirectFlow : flowi6 {
  Ipv6Address gateway;
};

// RFC 4861 8.1: a redirect must come from the first hop to the destination. Which that is is fuzzy:
// any route that leads there counts (__ip6_route_redirect).
rt6_info* PolRouteRedirect(netns_ipv6& ns, fib6_table* table, flowi6* fl6, sk_buff* /*skb*/,
                           int /*flags*/) {
  const Ipv6Address& gateway = static_cast<const RedirectFlow*>(fl6)->gateway;
  fib6_node* fn = fib6_node_lookup(table->root, fl6->daddr, fl6->saddr);
  for (; fn != nullptr; fn = fib6_backtrack(fn, fl6->saddr)) {
    for (fib6_info* rt = fn->leaf; rt != nullptr; rt = rt->fib6_next) {
      if (fib6_check_expired(ns, rt)) continue;
      if ((rt->fib6_flags & RTF_REJECT) != 0) return HeldRoute(ns.fib->ip6_null_entry);
      const fib6_result res = ResultOf(rt);
      rt6_info* known = nullptr;
      if (!CameFromGateway(ns, res, *fl6, gateway, &known)) continue;
      return known != nullptr ? HeldRoute(known) : ip6_create_rt(ns, res);
    }
  }
  return HeldRoute(ns.fib->ip6_null_entry);
}

void Redirect(net& net, sk_buff* skb, const RedirectFlow& asked) {
  RedirectFlow flow = asked;
  flow.iif = kLoopbackIfindex;
  rt6_info* const rt =
      fib6_rule_lookup(net_ipv6(net), &flow, skb, RT6_LOOKUP_F_HAS_SADDR, PolRouteRedirect);
  rt6_do_redirect(rt, nullptr, skb);
  dst_release(rt);
}

// The redirect message in `skb` (RFC 4861 4.5), as far as RFC 4861 8.1 and the settings allow it.
struct RedirectMessage {
  Ipv6Address target;
  Ipv6Address dest;
  bool on_link = false;             // the destination itself is the better first hop
  const uint8_t* lladdr = nullptr;  // of the target; nullptr: not said
};

bool ReadRedirect(const sk_buff* skb, RedirectMessage* message) {
  // Data may be at the quoted packet already: the message begins at the transport header.
  const uint8_t* const end = skb_tail_pointer(skb);
  const std::span<const uint8_t> bytes(skb_transport_header(skb), end);
  if (bytes.size() < sizeof(wire::NdRedirect)) return false;
  const auto& nd = *reinterpret_cast<const wire::NdRedirect*>(bytes.data());
  message->target = nd.target;
  message->dest = nd.destination;
  if (ipv6_addr_is_multicast(message->dest)) return false;
  message->on_link = message->dest == message->target;
  if (!message->on_link &&
      ipv6_addr_type(message->target) != (IPV6_ADDR_UNICAST | IPV6_ADDR_LINKLOCAL)) {
    return false;
  }
  const inet6_dev* const idev = skb->dev->ip6_ptr;
  if (idev == nullptr || idev->cnf->forwarding != 0 || idev->cnf->accept_redirects == 0) {
    return false;
  }
  ndisc_internal::ndisc_options options;
  if (!ndisc_internal::ndisc_parse_options(bytes.subspan(sizeof(wire::NdRedirect)), &options)) {
    return false;
  }
  if (options.tgt_lladdr == nullptr) return true;
  message->lladdr = ndisc_internal::ndisc_opt_addr_data(options.tgt_lladdr, skb->dev);
  return message->lladdr != nullptr;
}

}  // namespace

void ip6_dst_update_pmtu(dst_entry* dst, sock* sk, sk_buff* skb, uint32_t mtu, bool confirm_neigh) {
  rt6_info* const rt = dst_rt6_info(dst);
  if (skb != nullptr) {
    const Addresses addresses{ipv6_hdr(skb)->daddr, ipv6_hdr(skb)->saddr};
    UpdatePmtu(rt, &addresses, mtu, confirm_neigh);
  } else if (sk != nullptr) {
    const Addresses addresses{sk_v6_daddr(sk), inet_sk(sk)->inet_saddr.v6()};
    UpdatePmtu(rt, &addresses, mtu, confirm_neigh);
  } else {
    UpdatePmtu(rt, nullptr, mtu, confirm_neigh);
  }
}

void ip6_update_pmtu(sk_buff* skb, net& net, uint32_t mtu, int oif, uint32_t mark) {
  const wire::Ipv6Header& iph = QuotedHeader(skb);
  const Addresses addresses{iph.daddr, iph.saddr};
  const bool reflect = net_ipv6(net).settings.fwmark_reflect != 0;
  flowi6 fl6;
  fl6.oif = oif;
  fl6.mark = mark != 0 || !reflect ? mark : skb->mark;
  fl6.daddr = iph.daddr;
  fl6.saddr = iph.saddr;
  fl6.flowlabel = FlowInfo(iph);
  dst_entry* const dst = ip6_route_output(net, nullptr, &fl6);
  if (dst->error == 0) UpdatePmtu(dst_rt6_info(dst), &addresses, mtu, true);
  dst_release(dst);
}

void ip6_sk_update_pmtu(sk_buff* skb, sock* sk, uint32_t mtu) {
  ip6_update_pmtu(skb, sk->sk_net, mtu, sk->sk_bound_dev_if, sk->sk_mark);
  dst_entry* const dst = __sk_dst_get(sk);
  if (dst == nullptr || dst_check(dst, inet6_sk(sk)->dst_cookie) != nullptr) return;
  if (!sock_owned_by_user(sk) && !ipv6_addr_v4mapped(sk_v6_daddr(sk))) {
    ip6_datagram_dst_update(inet_sk(sk), false);
  }
}

void ip6_redirect(sk_buff* skb, net& net, int oif, uint32_t mark) {
  const wire::Ipv6Header& iph = QuotedHeader(skb);
  RedirectFlow flow;
  flow.oif = oif;
  flow.mark = mark;
  flow.daddr = iph.daddr;
  flow.saddr = iph.saddr;
  flow.flowlabel = FlowInfo(iph);
  flow.gateway = ipv6_hdr(skb)->saddr;
  Redirect(net, skb, flow);
}

void ip6_redirect_no_header(sk_buff* skb, net& net, int oif) {
  RedirectFlow flow;
  flow.oif = oif;
  flow.daddr = reinterpret_cast<const wire::NdRedirect*>(skb_transport_header(skb))->destination;
  flow.saddr = ipv6_hdr(skb)->daddr;
  flow.gateway = ipv6_hdr(skb)->saddr;
  Redirect(net, skb, flow);
}

void ip6_sk_redirect(sk_buff* skb, sock* sk) {
  ip6_redirect(skb, sk->sk_net, skb->dev->ifindex, sk->sk_mark);
}

void rt6_do_redirect(dst_entry* dst, sock* /*sk*/, sk_buff* skb) {
  rt6_info* const rt = dst_rt6_info(dst);
  netns_ipv6& ns = *rt->ns;
  RedirectMessage message;
  if (!ReadRedirect(skb, &message) || (rt->rt6i_flags & RTF_REJECT) != 0) return;
  // It is sent about packets only: the router is there.
  ConfirmNeighbour(rt, ipv6_hdr(skb)->saddr);
  neigh_table* const tbl = ns.host_net.nd_tbl;
  const uint8_t* const key = message.target.bytes().data();
  neighbour* neigh = neigh_lookup(tbl, key, skb->dev);
  if (neigh == nullptr) neigh = neigh_create(tbl, key, skb->dev);
  if (neigh == nullptr) return;
  uint32_t flags = NEIGH_UPDATE_F_WEAK_OVERRIDE | NEIGH_UPDATE_F_OVERRIDE;
  if (!message.on_link) flags |= NEIGH_UPDATE_F_OVERRIDE_ISROUTER | NEIGH_UPDATE_F_ISROUTER;
  neigh_update(neigh, message.lladdr, NUD_STALE, flags);
  neigh_release(neigh);
  if (rt->from == nullptr || rt->from->node == nullptr) return;
  const fib6_result res = ResultOf(rt->from);
  rt6_info* const nrt = ip6_rt_cache_alloc(ns, res, message.dest, nullptr);
  if (nrt == nullptr) return;
  nrt->rt6i_flags = RTF_UP | RTF_DYNAMIC | RTF_CACHE | (message.on_link ? 0U : RTF_GATEWAY);
  nrt->rt6i_gateway = message.target;
  if (rt6_insert_exception(ns, nrt, res) != 0) dst_release(nrt);
}

}  // namespace tapedeck
