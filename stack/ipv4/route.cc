// rtables: their making, life and properties (net/ipv4/route.c). Input and output decisions are in
// route_input.cc and route_output.cc.
#include "stack/ipv4/route.h"

#include <algorithm>
#include <cerrno>

#include "stack/core/neighbour.h"
#include "stack/core/net.h"
#include "stack/ipv4/arp.h"
#include "stack/ipv4/icmp.h"
#include "stack/ipv4/inet_sock.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv4/route_internal.h"

namespace tapedeck {

namespace {

constexpr uint32_t kMtuMax = 0xffff;  // IP_MAX_MTU
constexpr uint32_t kTcpIpHeaderBytes = 40;
constexpr uint32_t kLockedMtu = 576;  // beyond a gateway, where the MTU may not be discovered

rtable* Rt(dst_entry* dst) { return static_cast<rtable*>(dst); }
const rtable* Rt(const dst_entry* dst) { return static_cast<const rtable*>(dst); }

dst_entry* Ipv4DstCheck(dst_entry* dst, uint32_t /*cookie*/) {
  return dst->obsolete == DST_OBSOLETE_FORCE_CHK && !rt_is_expired(Rt(dst)) ? dst : nullptr;
}

uint32_t Ipv4Mtu(const dst_entry* dst) { return ip_dst_mtu_maybe_forward(dst, false); }

uint32_t Ipv4DefaultAdvmss(const dst_entry* dst) {
  const uint32_t mtu = Ipv4Mtu(dst);
  const auto min_advmss = static_cast<uint32_t>(Rt(dst)->ns->settings.route_min_advmss);
  const uint32_t advmss =
      std::max(mtu > kTcpIpHeaderBytes ? mtu - kTcpIpHeaderBytes : 0, min_advmss);
  return std::min(advmss, kMtuMax - kTcpIpHeaderBytes);
}

void Ipv4DstDestroy(dst_entry* dst) {
  rtable* const rt = Rt(dst);
  netns_ipv4& ns = *rt->ns;
  dev_put(rt->dev);
  rt->Unlink();
  ns.rtables.Delete(rt);
}

// A socket complains about its route: forgotten unless it is as good as new (ipv4_negative_advice).
void Ipv4NegativeAdvice(sock* sk, dst_entry* dst) {
  if (dst->obsolete > 0 || (Rt(dst)->rt_flags & RTCF_DOREDIRECT) != 0 || dst->expires != 0) {
    sk_dst_reset(sk);
  }
}

// The neighbour of a packet's next hop did not answer. Options are read from the header: the
// control block may be another layer's by now (ipv4_send_dest_unreach).
void Ipv4LinkFailure(sk_buff* skb) {
  net& net = *skb->owner;
  if (!pskb_may_pull(skb,
                     static_cast<uint32_t>(skb_network_offset(skb)) + sizeof(wire::Ipv4Header)) ||
      ip_hdr(skb)->version() != 4 || ip_hdr(skb)->ihl() < 5) {
    return;
  }
  ip_options opt{};
  if (ip_hdr(skb)->ihl() > 5) {
    if (!pskb_may_pull(skb, static_cast<uint32_t>(skb_network_offset(skb)) + ip_hdrlen(skb)))
      return;
    opt.optlen = static_cast<uint8_t>(ip_hdrlen(skb) - sizeof(wire::Ipv4Header));
    uint8_t pointer = 0;
    if (ip_options_check(net, skb, &opt, &pointer) != 0) return;
  }
  __icmp_send(skb, wire::kIcmpDestUnreachable, wire::kIcmpHostUnreachable, 0, opt);
  if (rtable* const rt = skb_rtable(skb); rt != nullptr) rt->expires = 0;
}

neighbour* Ipv4NeighLookup(const dst_entry* dst, sk_buff* skb, const void* daddr) {
  const rtable* const rt = Rt(dst);
  Ipv4Address hop = rt->rt_gw4;
  if (hop == kIpv4Any) {
    hop = skb != nullptr ? ip_hdr(skb)->daddr
                         : Ipv4Address(LoadBe32(static_cast<const uint8_t*>(daddr)));
  }
  return neigh_clone(ip_neigh_gw4(dst->dev, hop));
}

// The flow of a connected socket (build_sk_flow_key).
flowi4 FlowOfConnection(const sock* sk) {
  const inet_sock* const inet = inet_sk(sk);
  const bool source_routed = inet->has_opt && inet->inet_opt.opt.srr != 0;
  return flowi4_init_output(sk->sk_bound_dev_if, sk->sk_mark, ip_sock_rt_tos(sk),
                            ip_sock_rt_scope(sk), sk->sk_protocol, inet_sk_flowi_flags(sk),
                            source_routed ? inet->inet_opt.opt.faddr : inet->inet_daddr.v4(),
                            inet->inet_saddr.v4(), inet->inet_dport, inet->inet_sport);
}

// `skb` is null where a connection has heard of the MTU before.
void Ipv4UpdatePmtu(dst_entry* dst, sock* sk, sk_buff* skb, uint32_t mtu, bool confirm_neigh) {
  flowi4 flow;
  if (skb != nullptr) {
    rt_flow_of_header(skb, *ip_hdr(skb), 0, 0, &flow);
  } else {
    flow = FlowOfConnection(sk);
  }
  if (confirm_neigh) {
    neighbour* const neigh = ip_neigh_gw4(dst->dev, rt_nexthop(Rt(dst), flow.daddr));
    if (neigh != nullptr) neigh_confirm(neigh);
  }
  rt_update_pmtu(Rt(dst), &flow, mtu);
}

void Ipv4Redirect(dst_entry* dst, sock* /*sk*/, sk_buff* skb) {
  flowi4 flow;
  rt_flow_of_header(skb, *reinterpret_cast<const wire::Ipv4Header*>(skb->data), skb->dev->ifindex,
                    0, &flow);
  rt_redirect(Rt(dst), skb, &flow, true);
}

}  // namespace

const dst_ops ipv4_dst_ops = {
    .family = kAfInet,
    .check = Ipv4DstCheck,
    .default_advmss = Ipv4DefaultAdvmss,
    .mtu = Ipv4Mtu,
    .destroy = Ipv4DstDestroy,
    .negative_advice = Ipv4NegativeAdvice,
    .link_failure = Ipv4LinkFailure,
    .update_pmtu = Ipv4UpdatePmtu,
    .redirect = Ipv4Redirect,
    .neigh_lookup = Ipv4NeighLookup,
};

bool rt_is_expired(const rtable* rt) { return rt->rt_genid != rt->ns->rt_genid; }

bool rt_cache_valid(const rtable* rt) {
  return rt != nullptr && rt->obsolete == DST_OBSOLETE_FORCE_CHK && !rt_is_expired(rt);
}

rtable* rt_dst_alloc(netns_ipv4& ns, net_device* dev, uint32_t flags, uint8_t type) {
  rtable* const rt = ns.rtables.New();
  if (rt == nullptr) return nullptr;
  dst_init(rt, &ipv4_dst_ops, dev, DST_OBSOLETE_FORCE_CHK, 0);
  rt->ns = &ns;
  rt->rt_genid = ns.rt_genid;
  rt->rt_flags = flags;
  rt->rt_type = type;
  rt->output = ip_output;
  if ((flags & RTCF_LOCAL) != 0) rt->input = ip_local_deliver;
  ns.rt_list.PushBack(rt);
  return rt;
}

rtable* rt_dst_clone(net_device* dev, const rtable* rt) {
  rtable* const clone = rt_dst_alloc(*rt->ns, dev, rt->rt_flags, rt->rt_type);
  if (clone == nullptr) return nullptr;
  clone->rt_is_input = rt->rt_is_input;
  clone->rt_uses_gateway = rt->rt_uses_gateway;
  clone->rt_iif = rt->rt_iif;
  clone->rt_gw4 = rt->rt_gw4;
  clone->rt_pmtu = rt->rt_pmtu;
  clone->rt_mtu_locked = rt->rt_mtu_locked;
  clone->input = rt->input;
  clone->output = rt->output;
  clone->error = rt->error;
  clone->rt_genid = rt->rt_genid;
  return clone;
}

bool ip_mtu_locked(const dst_entry* dst) {
  return Rt(dst)->rt_mtu_locked || (dst->metrics[RTAX_LOCK] >> RTAX_MTU & 1) != 0;
}

void rt_cache_route(rtable** slot, rtable* rt) {
  rtable* const old = *slot;
  dst_hold(rt);
  *slot = rt;
  dst_release(old);
}

void rt_set_nexthop(rtable* rt, Ipv4Address daddr, const fib_result& res, fib_info* fi,
                    fib_nh_exception* fnhe, bool do_cache) {
  if (fi == nullptr) return;
  fib_nh* const nh = res.nhc;
  if (nh->nh_gw != kIpv4Any && nh->nh_scope == RT_SCOPE_LINK) {
    rt->rt_uses_gateway = true;
    rt->rt_gw4 = nh->nh_gw;
  }
  std::copy(std::begin(fi->metrics), std::end(fi->metrics), std::begin(rt->metrics));
  if (fnhe != nullptr) {
    rt_bind_exception(rt, fnhe, daddr, do_cache);
  } else if (do_cache) {
    rt_cache_route(rt->rt_is_input ? &nh->nh_rth_input : &nh->nh_rth_output, rt);
  } else if (rt->rt_gw4 == kIpv4Any) {
    // A route for one destination alone may as well name it (found by dst users that have no
    // packet).
    rt->rt_gw4 = daddr;
  }
}

uint32_t ip_dst_mtu_maybe_forward(const dst_entry* dst, bool forwarding) {
  const rtable* const rt = Rt(dst);
  net& net = rt->ns->host_net;
  uint32_t mtu = 0;
  if (!forwarding || rt->ns->settings.ip_forward_use_pmtu != 0 || ip_mtu_locked(dst)) {
    if (rt->rt_pmtu != 0 && net.jiffies() < dst->expires) mtu = rt->rt_pmtu;
  }
  if (mtu == 0) mtu = dst_metric_raw(dst, RTAX_MTU);
  if (mtu == 0) {
    mtu = dst->dev->mtu;
    if (ip_mtu_locked(dst) && rt->rt_uses_gateway && mtu > kLockedMtu) mtu = kLockedMtu;
  }
  return std::min(mtu, kMtuMax);
}

uint32_t ip_skb_dst_mtu(const sock* sk, const sk_buff* skb) {
  const bool ignores_path =
      sk != nullptr && sk->sk_family == kAfInet &&
      (inet_sk(sk)->pmtudisc == kIpPmtudiscProbe || inet_sk(sk)->pmtudisc == kIpPmtudiscInterface ||
       inet_sk(sk)->pmtudisc == kIpPmtudiscOmit);
  if (!ignores_path) {
    return ip_dst_mtu_maybe_forward(skb->dst, (IPCB(skb)->flags & IPSKB_FORWARDED) != 0);
  }
  return std::min(skb->dst->dev->mtu, kMtuMax);
}

uint8_t ip4_dst_hoplimit(const dst_entry* dst) {
  const uint32_t hoplimit = dst_metric_raw(dst, RTAX_HOPLIMIT);
  return static_cast<uint8_t>(
      hoplimit != 0 ? hoplimit : static_cast<uint32_t>(Rt(dst)->ns->settings.ip_default_ttl));
}

Ipv4Address fib_compute_spec_dst(net& net, const sk_buff* skb) {
  const rtable* const rt = skb_rtable(skb);
  const wire::Ipv4Header& iph = *ip_hdr(skb);
  if ((rt->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST | RTCF_LOCAL)) == RTCF_LOCAL) {
    return iph.daddr;
  }
  if (ipv4_is_zeronet(iph.saddr)) return inet_select_addr(skb->dev, iph.saddr, RT_SCOPE_LINK);
  netns_ipv4& ns = net_ipv4(net);
  flowi4 flow;
  flow.iif = kLoopbackIfindex;
  flow.daddr = iph.saddr;
  flow.tos = iph.tos & IPTOS_RT_MASK;
  fib_result res;
  if (fib_lookup(ns, flow, &res) == 0) return fib_result_prefsrc(ns, &res);
  return inet_select_addr(skb->dev, iph.saddr, RT_SCOPE_UNIVERSE);
}

Ipv4Address ip_rt_get_source(sk_buff* skb, const rtable* rt) {
  if (!rt->rt_is_input) return ip_hdr(skb)->saddr;
  netns_ipv4& ns = *rt->ns;
  const wire::Ipv4Header& iph = *ip_hdr(skb);
  flowi4 flow;
  flow.daddr = iph.daddr;
  flow.saddr = iph.saddr;
  flow.tos = iph.tos & IPTOS_RT_MASK;
  flow.oif = rt->dev->ifindex;
  flow.iif = skb->dev != nullptr ? skb->dev->ifindex : kLoopbackIfindex;
  flow.mark = skb->mark;
  fib_result res;
  if (fib_lookup(ns, flow, &res) == 0) return fib_result_prefsrc(ns, &res);
  return inet_select_addr(rt->dev, rt_nexthop(rt, iph.daddr), RT_SCOPE_UNIVERSE);
}

void rt_cache_flush(net& net) { ++net_ipv4(net).rt_genid; }

void rt_flush_dev(net_device* dev) {
  for (rtable& rt : dev_ipv4(dev).rt_list) {
    if (rt.dev == dev) dst_dev_put(&rt);
  }
}

}  // namespace tapedeck
