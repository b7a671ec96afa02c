// Which way a received packet goes (ip_route_input_slow and its parts).
#include <algorithm>
#include <cerrno>

#include "stack/core/net.h"
#include "stack/ipv4/devinet.h"
#include "stack/ipv4/icmp.h"
#include "stack/ipv4/igmp.h"
#include "stack/ipv4/inetpeer.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv4/route.h"
#include "stack/ipv4/route_internal.h"
#include "stack/wire/ethernet.h"

namespace tapedeck {

namespace {

// One decision: what is asked, and what has been found out so far.
struct Query {
  sk_buff* skb;
  Ipv4Address daddr;
  Ipv4Address saddr;
  uint8_t tos;
  net_device* dev;
  in_device* in_dev;
  netns_ipv4& ns;
  DropReason* reason;
};

int Refuse(const Query& query, DropReason reason, int error) {
  *query.reason = reason;
  return error;
}

// Of fib_validate_source's errors.
int RefuseSource(const Query& query, int error) {
  return Refuse(query,
                error == -EXDEV ? SKB_DROP_REASON_IP_RPFILTER : SKB_DROP_REASON_IP_LOCAL_SOURCE,
                error);
}

int ValidateSource(const Query& query, Ipv4Address dst, int oif) {
  return fib_validate_source(query.ns.host_net, query.saddr, dst, query.tos, oif, query.dev,
                             query.skb->mark);
}

// Packets we send ourselves never take an input route.
int IpRtBug(net& /*net*/, sock* /*sk*/, sk_buff* skb) {
  kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
  return -EINVAL;
}

in_route_hint& HintFor(in_device* in_dev, Ipv4Address saddr) {
  return in_dev->hints[saddr.host() % in_device::kHints];
}

// The route of the flow's last packet, where it was for us and nothing has changed since.
[[gnu::always_inline]] inline bool UseHint(const netns_ipv4& ns, const in_route_hint& hint,
                                           sk_buff* skb, Ipv4Address daddr, Ipv4Address saddr,
                                           uint8_t tos) {
  if (hint.genid != ns.rt_genid || hint.daddr != daddr || hint.saddr != saddr || hint.tos != tos ||
      hint.rt == nullptr || hint.rt->obsolete != DST_OBSOLETE_FORCE_CHK || skb->mark != 0) {
    return false;
  }
  dst_hold(hint.rt);
  skb_dst_set(skb, hint.rt);
  return true;
}

void RememberHint(const Query& query) {
  if (query.skb->mark != 0) return;
  in_route_hint& hint = HintFor(query.in_dev, query.saddr);
  rtable* const rt = skb_rtable(query.skb);
  dst_hold(rt);
  dst_release(hint.rt);
  hint = {.saddr = query.saddr,
          .daddr = query.daddr,
          .genid = query.ns.rt_genid,
          .tos = query.tos,
          .rt = rt};
}

net_device* LocalDevice(const Query& query) {
  net_device* const loopback = query.ns.host_net.loopback_dev;
  return loopback != nullptr ? loopback : query.dev;
}

// For us (flags has RTCF_LOCAL), or for nobody (`error`, a positive errno).
int DeliverLocally(const Query& query, const fib_result& res, uint8_t type, uint32_t flags,
                   int error, bool do_cache) {
  fib_nh* const nh = res.fi != nullptr && do_cache ? res.nhc : nullptr;
  if (nh != nullptr && rt_cache_valid(nh->nh_rth_input)) {
    dst_hold(nh->nh_rth_input);
    skb_dst_set(query.skb, nh->nh_rth_input);
    return 0;
  }
  rtable* const rt = rt_dst_alloc(query.ns, LocalDevice(query), flags, type);
  if (rt == nullptr) return Refuse(query, SKB_DROP_REASON_NOMEM, -ENOBUFS);
  rt->rt_is_input = true;
  rt->output = IpRtBug;
  if (error != 0) {
    rt->input = ip_error;
    rt->error = static_cast<int16_t>(error);
  }
  if (nh != nullptr) rt_cache_route(&nh->nh_rth_input, rt);
  skb_dst_set(query.skb, rt);
  return 0;
}

int NoRoute(const Query& query, int error) {
  return DeliverLocally(query, fib_result{}, RTN_UNREACHABLE, 0, -error, false);
}

int RouteBroadcast(const Query& query, const fib_result& res, bool do_cache) {
  if (query.skb->protocol != wire::kEtherTypeIpv4) {
    return Refuse(query, SKB_DROP_REASON_INVALID_PROTO, -EINVAL);
  }
  if (!ipv4_is_zeronet(query.saddr)) {
    const int err = ValidateSource(query, kIpv4Any, 0);
    if (err < 0) return RefuseSource(query, err);
  }
  return DeliverLocally(query, res, RTN_BROADCAST, RTCF_BROADCAST | RTCF_LOCAL, 0, do_cache);
}

int RouteMulticast(const Query& query) {
  const bool ours =
      ip_check_mc(query.in_dev, query.daddr, query.saddr, ip_hdr(query.skb)->protocol);
  if (!ours) return Refuse(query, SKB_DROP_REASON_IP_INVALID_DEST, -EINVAL);
  uint32_t itag = 0;
  const int err = ip_mc_validate_source(query.skb, query.daddr, query.saddr, query.tos, query.dev,
                                        &itag, query.reason);
  if (err != 0) return err;
  return DeliverLocally(query, fib_result{}, RTN_MULTICAST, RTCF_MULTICAST | RTCF_LOCAL, 0, false);
}

// __mkroute_input: on to another machine.
int RouteForward(const Query& query, fib_result* res) {
  flowi4 flow;
  flow.saddr = query.saddr;
  flow.daddr = query.daddr;
  fib_select_path(query.ns, res, &flow);
  const in_device* const out_dev = FIB_RES_DEV(*res)->ip_ptr;
  if (out_dev == nullptr) return Refuse(query, SKB_DROP_REASON_NOT_SPECIFIED, -EINVAL);
  const int on_link = ValidateSource(query, query.daddr, FIB_RES_OIF(*res));
  if (on_link < 0) return RefuseSource(query, on_link);
  const in_dev_conf conf(out_dev);
  if (out_dev == query.in_dev && on_link > 0 && conf.tx_redirects() &&
      (conf.shared_media() || inet_addr_onlink(out_dev, query.saddr, res->nhc->nh_gw))) {
    IPCB(query.skb)->flags |= IPSKB_DOREDIRECT;
  }
  // An ARP request for it: a proxy answers only for what lies behind another device.
  if (query.skb->protocol != wire::kEtherTypeIpv4 && out_dev == query.in_dev &&
      query.in_dev->conf->proxy_arp_pvlan == 0) {
    return Refuse(query, SKB_DROP_REASON_ARP_NOT_FOR_US, -EINVAL);
  }
  fib_nh_exception* const fnhe = find_exception(query.ns, res->nhc, query.daddr);
  rtable* const cached = fnhe != nullptr ? *rt_exception_slot(fnhe, true) : res->nhc->nh_rth_input;
  if (rt_cache_valid(cached)) {
    dst_hold(cached);
    skb_dst_set(query.skb, cached);
    return 0;
  }
  rtable* const rt = rt_dst_alloc(query.ns, out_dev->dev, 0, res->type);
  if (rt == nullptr) return Refuse(query, SKB_DROP_REASON_NOMEM, -ENOBUFS);
  rt->rt_is_input = true;
  rt->input = ip_forward;
  rt_set_nexthop(rt, query.daddr, *res, res->fi, fnhe, true);
  skb_dst_set(query.skb, rt);
  return 0;
}

// Addresses that no packet on a wire may have, in the kernel's order. SKB_DROP_REASON_CONSUMED:
// none of that.
DropReason MartianReason(const Query& query) {
  if (ipv4_is_zeronet(query.saddr)) return SKB_DROP_REASON_IP_INVALID_SOURCE;
  if (ipv4_is_zeronet(query.daddr)) return SKB_DROP_REASON_IP_INVALID_DEST;
  if ((ipv4_is_loopback(query.daddr) || ipv4_is_loopback(query.saddr)) &&
      !in_dev_conf(query.in_dev).route_localnet()) {
    return SKB_DROP_REASON_IP_LOCALNET;
  }
  return SKB_DROP_REASON_CONSUMED;
}

// ip_route_input_slow.
int RouteUnicast(const Query& query) {
  if (ipv4_is_multicast(query.saddr) || ipv4_is_lbcast(query.saddr)) {
    return Refuse(query, SKB_DROP_REASON_IP_INVALID_SOURCE, -EINVAL);
  }
  if (ipv4_is_lbcast(query.daddr) || (query.saddr == kIpv4Any && query.daddr == kIpv4Any)) {
    return RouteBroadcast(query, fib_result{}, false);
  }
  const DropReason martian = MartianReason(query);
  if (martian != SKB_DROP_REASON_CONSUMED) return Refuse(query, martian, -EINVAL);

  flowi4 flow;
  flow.iif = query.dev->ifindex;
  flow.mark = query.skb->mark;
  flow.tos = query.tos & IPTOS_RT_MASK;
  flow.daddr = query.daddr;
  flow.saddr = query.saddr;
  fib_result res;
  const int err = fib_lookup(query.ns, flow, &res);
  const in_dev_conf conf(query.in_dev);
  if (err != 0) return NoRoute(query, conf.forward() ? err : -EHOSTUNREACH);
  if (res.type == RTN_BROADCAST) {
    if (conf.bc_forward()) return RouteForward(query, &res);
    return RouteBroadcast(query, res, conf.all.bc_forwarding == 0);
  }
  if (res.type == RTN_LOCAL) {
    const int source = ValidateSource(query, query.daddr, 0);
    if (source < 0) return RefuseSource(query, source);
    const int delivered = DeliverLocally(query, res, RTN_LOCAL, RTCF_LOCAL, 0, true);
    if (delivered == 0) RememberHint(query);
    return delivered;
  }
  if (!conf.forward()) return NoRoute(query, -EHOSTUNREACH);
  if (res.type != RTN_UNICAST) return Refuse(query, SKB_DROP_REASON_IP_INVALID_DEST, -EINVAL);
  return RouteForward(query, &res);
}

// Whether one more ICMP error about routes may go to this host: a bucket of route/error_burst, a
// message costs error_cost.
bool ErrorIsAllowed(netns_ipv4& ns, Ipv4Address to) {
  inet_peer* const peer = inet_getpeer_v4(ns.peers, to, 0);
  if (peer == nullptr) return true;
  const Jiffies now = ns.host_net.jiffies();
  const auto cost = static_cast<Jiffies>(ns.settings.route_error_cost);
  peer->rate_tokens = std::min(peer->rate_tokens + (now - peer->rate_last),
                               static_cast<Jiffies>(ns.settings.route_error_burst));
  peer->rate_last = now;
  if (peer->rate_tokens < cost) return false;
  peer->rate_tokens -= cost;
  return true;
}

[[gnu::noinline]] int Route(const Query& query) {
  return ipv4_is_multicast(query.daddr) ? RouteMulticast(query) : RouteUnicast(query);
}

}  // namespace

int ip_route_input_noref(sk_buff* skb, Ipv4Address daddr, Ipv4Address saddr, uint8_t tos,
                         net_device* dev, DropReason* reason) {
  TRACE_FUNCTION(*skb->owner, skb, ip_route_input_noref, skb, daddr, saddr, tos, dev, reason);
  *reason = SKB_DROP_REASON_NOT_SPECIFIED;
  in_device* const in_dev = dev->ip_ptr;
  if (in_dev == nullptr) return -EINVAL;
  netns_ipv4& ns = dev_ipv4(dev);
  if (UseHint(ns, HintFor(in_dev, saddr), skb, daddr, saddr, tos)) return 0;
  return Route({skb, daddr, saddr, tos, dev, in_dev, ns, reason});
}

int ip_mc_validate_source(sk_buff* skb, Ipv4Address daddr, Ipv4Address saddr, uint8_t tos,
                          net_device* dev, uint32_t* itag, DropReason* reason) {
  *itag = 0;  // route classes (tclassid) are not kept
  const in_device* const in_dev = dev->ip_ptr;
  const auto refuse = [reason](DropReason why) {
    *reason = why;
    return -EINVAL;
  };
  if (in_dev == nullptr) return refuse(SKB_DROP_REASON_NOT_SPECIFIED);
  if (ipv4_is_multicast(saddr) || ipv4_is_lbcast(saddr)) {
    return refuse(SKB_DROP_REASON_IP_INVALID_SOURCE);
  }
  if (skb->protocol != wire::kEtherTypeIpv4) return refuse(SKB_DROP_REASON_INVALID_PROTO);
  if (ipv4_is_loopback(saddr) && !in_dev_conf(in_dev).route_localnet()) {
    return refuse(SKB_DROP_REASON_IP_LOCALNET);
  }
  if (ipv4_is_zeronet(saddr)) {
    // A host without an address may still speak IGMP and to its link.
    const bool allowed =
        ipv4_is_local_multicast(daddr) || ip_hdr(skb)->protocol == wire::kIpProtoIgmp;
    return allowed ? 0 : refuse(SKB_DROP_REASON_IP_INVALID_SOURCE);
  }
  const int err = fib_validate_source(dev_net(dev), saddr, kIpv4Any, tos, 0, dev, skb->mark);
  if (err >= 0) return 0;
  *reason = err == -EXDEV ? SKB_DROP_REASON_IP_RPFILTER : SKB_DROP_REASON_IP_LOCAL_SOURCE;
  return err;
}

int ip_error(sk_buff* skb) {
  const rtable* const rt = skb_rtable(skb);
  net& net = *skb->owner;
  const in_device* const in_dev = skb->dev->ip_ptr;
  DropReason reason = SKB_DROP_REASON_NOT_SPECIFIED;
  if (rt->error == ENETUNREACH) {
    reason = SKB_DROP_REASON_IP_INNOROUTES;
    net.ip_mib.Inc(IpMib::kInNoRoutes);
  }
  if (in_dev == nullptr || !in_dev_conf(in_dev).forward()) {
    if (rt->error == EHOSTUNREACH) {
      reason = SKB_DROP_REASON_IP_INADDRERRORS;
      net.ip_mib.Inc(IpMib::kInAddrErrors);
    }
    kfree_skb_reason(skb, reason);
    return 0;
  }
  int code = -1;
  switch (rt->error) {
    case EHOSTUNREACH:
      code = wire::kIcmpHostUnreachable;
      break;
    case ENETUNREACH:
      code = wire::kIcmpNetUnreachable;
      break;
    case EACCES:
      code = wire::kIcmpPacketFiltered;
      break;
    default:
      break;
  }
  if (code >= 0 && ErrorIsAllowed(net_ipv4(net), ip_hdr(skb)->saddr)) {
    icmp_send(skb, wire::kIcmpDestUnreachable, static_cast<uint8_t>(code), 0);
  }
  kfree_skb_reason(skb, reason);
  return 0;
}

}  // namespace tapedeck
