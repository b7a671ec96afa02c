// rt6_infos: their making, life and properties (net/ipv6/route.c). Which route it is is decided in
// route6_lookup.cc and route6_select.cc.
#include <algorithm>
#include <cerrno>

#include "stack/core/neighbour.h"
#include "stack/core/net.h"
#include "stack/core/sock.h"
#include "stack/ipv6/icmpv6.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/ipv6/ip6_fib.h"
#include "stack/ipv6/ip6_route.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/ipv6/route6_internal.h"
#include "stack/wire/icmpv6.h"

namespace tapedeck {

namespace {

constexpr uint32_t kTcpIpHeaderBytes = 60;
constexpr uint32_t kMaxPayload = 65535;  // IPV6_MAXPLEN
constexpr uint32_t kTcpHeaderBytes = 20;
constexpr uint32_t kMaxAdvmss = 65534;  // GSO_BY_FRAGS - 1

// The route it was made of, while that is in a table.
fib6_info* From(const rt6_info* rt) {
  return rt->from != nullptr && rt->from->node != nullptr ? rt->from : nullptr;
}

bool OwnLifeIsOver(const rt6_info* rt) {
  return (rt->rt6i_flags & RTF_EXPIRES) != 0 && rt->ns->host_net.jiffies() > rt->expires;
}

uint32_t DeviceMtu(const net_device* dev) {
  const inet6_dev* const idev = dev != nullptr ? dev->ip6_ptr : nullptr;
  return idev != nullptr ? static_cast<uint32_t>(idev->cnf->mtu6) : IPV6_MIN_MTU;
}

// What the peer may send us is not bounded by what we learnt of the way there
// (ip6_dst_mtu_configured).
uint32_t ConfiguredMtu(const dst_entry* dst) {
  const fib6_info* const from = dst_rt6_info(dst)->from;
  uint32_t mtu = from != nullptr ? from->metrics[RTAX_MTU] : 0;
  if (mtu == 0) mtu = std::max(IPV6_MIN_MTU, DeviceMtu(dst->dev));
  return std::min(mtu, IP6_MAX_MTU);
}

// Many rt6_infos: what expires and what nobody uses goes, the more the more often this happens
// (ip6_dst_gc).
void CollectGarbage(netns_ipv6& ns) {
  fib6_state& fib = *ns.fib;
  if (fib.last_gc + static_cast<Jiffies>(fib.gc_min_interval) <= ns.host_net.jiffies()) {
    ++fib.gc_expire;
    fib6_run_gc(ns, static_cast<Jiffies>(fib.gc_expire));
    if (fib.dst_entries < static_cast<uint32_t>(fib.gc_thresh)) fib.gc_expire = fib.gc_timeout >> 1;
  }
  fib.gc_expire -= fib.gc_expire >> fib.gc_elasticity;
}

dst_entry* Ip6DstCheck(dst_entry* dst, uint32_t cookie) {
  const rt6_info* const rt = dst_rt6_info(dst);
  const fib6_info* const from = From(rt);
  if (rt->obsolete != DST_OBSOLETE_FORCE_CHK || from == nullptr ||
      from->node->fn_sernum != cookie || OwnLifeIsOver(rt)) {
    return nullptr;
  }
  // An exception that expires by itself does not ask the route.
  const bool asks_route = (rt->rt6i_flags & RTF_CACHE) == 0 || (rt->rt6i_flags & RTF_EXPIRES) == 0;
  return asks_route && fib6_check_expired(*rt->ns, from) ? nullptr : dst;
}

uint32_t Ip6DefaultAdvmss(const dst_entry* dst) {
  const auto min_advmss = static_cast<uint32_t>(dst_rt6_info(dst)->ns->settings.route_min_advmss);
  const uint32_t advmss = std::max(ConfiguredMtu(dst) - kTcpIpHeaderBytes, min_advmss);
  return advmss > kMaxPayload - kTcpHeaderBytes ? kMaxAdvmss : advmss;
}

uint32_t Ip6Mtu(const dst_entry* dst) { return ip6_dst_mtu_maybe_forward(dst, false); }

void Ip6DstDestroy(dst_entry* dst) {
  rt6_info* const rt = dst_rt6_info(dst);
  netns_ipv6& ns = *rt->ns;
  rt6_dev_put(rt);
  dev_put(rt->dev);
  if ((rt->dst_entry::flags & DST_NOCOUNT) == 0) --ns.fib->dst_entries;
  rt->Unlink();
  ns.rt6_infos.Delete(rt);
}

// A socket complains about its route: forgotten, an exception only once it has expired.
void Ip6NegativeAdvice(sock* sk, dst_entry* dst) {
  rt6_info* const rt = dst_rt6_info(dst);
  if ((rt->rt6i_flags & RTF_CACHE) == 0) return sk_dst_reset(sk);
  if (!rt6_check_expired(rt)) return;
  dst_hold(rt);
  sk_dst_reset(sk);
  rt6_remove_exception_rt(rt);
  dst_release(rt);
}

// The neighbour of a packet's next hop did not answer.
void Ip6LinkFailure(sk_buff* skb) {
  icmpv6_send(skb, wire::kIcmpv6DestUnreachable, wire::kIcmpv6AddressUnreachable, 0);
  rt6_info* const rt = skb_rt6_info(skb);
  if (rt == nullptr) return;
  if ((rt->rt6i_flags & RTF_CACHE) != 0) {
    rt6_remove_exception_rt(rt);
  } else if (fib6_info* const from = From(rt);
             from != nullptr && (rt->rt6i_flags & RTF_DEFAULT) != 0) {
    // Whoever goes by a default router asks again: there may be another.
    from->node->fn_sernum = UINT32_MAX;
  }
}

// The packet's own destination where the route has no gateway; :: where nobody says.
Ipv6Address NeighbourAddress(const rt6_info* rt, const sk_buff* skb, const Ipv6Address* daddr) {
  const Ipv6Address& hop = rt6_nexthop(rt, kIpv6Any);
  if (!ipv6_addr_any(hop)) return hop;
  if (skb != nullptr) return ipv6_hdr(skb)->daddr;
  return daddr != nullptr ? *daddr : kIpv6Any;
}

neighbour* Ip6NeighLookup(const dst_entry* dst, sk_buff* skb, const void* daddr) {
  const rt6_info* const rt = dst_rt6_info(dst);
  const Ipv6Address hop = NeighbourAddress(rt, skb, static_cast<const Ipv6Address*>(daddr));
  neigh_table* const tbl = rt->ns->host_net.nd_tbl;
  neighbour* const known = neigh_lookup(tbl, hop.bytes().data(), dst->dev);
  return known != nullptr ? known : neigh_create(tbl, hop.bytes().data(), dst->dev);
}

// What a route that leads somewhere does with packets.
void SetFunctions(rt6_info* rt, const fib6_result& res) {
  rt->output = ip6_output;
  if (res.fib6_type == RTN_LOCAL || res.fib6_type == RTN_ANYCAST) {
    rt->input = ip6_input;
  } else if (ipv6_addr_is_multicast(res.f6i->fib6_dst.addr)) {
    rt->input = ip6_mc_input;
  } else {
    rt->input = ip6_forward;
  }
}

void SetRefusingFunctions(rt6_info* rt, uint8_t type) {
  rt->error = static_cast<int16_t>(ip6_rt_type_to_error(type));
  switch (type) {
    case RTN_BLACKHOLE:
      rt->output = dst_discard_out;
      rt->input = dst_discard;
      break;
    case RTN_PROHIBIT:
      rt->output = ip6_pkt_prohibit_out;
      rt->input = ip6_pkt_prohibit;
      break;
    default:
      rt->output = ip6_pkt_discard_out;
      rt->input = ip6_pkt_discard;
      break;
  }
}

// ip6_rt_copy_init. Takes a reference to the route.
void CopyFrom(rt6_info* rt, const fib6_result& res) {
  fib6_info* const from = res.f6i;
  if ((res.fib6_flags & RTF_REJECT) != 0) {
    SetRefusingFunctions(rt, res.fib6_type);
  } else {
    SetFunctions(rt, res);
    rt->lastuse = rt->ns->host_net.jiffies();
  }
  rt->rt6i_dst = from->fib6_dst;
  rt->rt6i_src = from->fib6_src;
  rt->rt6i_idev = in6_dev_get(res.nh->fib_nh_dev);
  rt->rt6i_flags = res.fib6_flags & ~uint32_t{RTF_EXPIRES};
  if (res.nh->has_gateway) {
    rt->rt6i_gateway = res.nh->fib_nh_gw6;
    rt->rt6i_flags |= RTF_GATEWAY;
  }
  fib6_info_hold(from);
  rt->from = from;
  std::copy(std::begin(from->metrics), std::end(from->metrics), std::begin(rt->metrics));
  rt->shares_metrics = from->has_metrics;
}

// Packets to our own addresses pass the loopback device (ip6_rt_get_dev_rcu).
net_device* DeviceOf(netns_ipv6& ns, const fib6_result& res) {
  return (res.fib6_flags & (RTF_LOCAL | RTF_ANYCAST)) != 0 ? ns.host_net.loopback_dev
                                                           : res.nh->fib_nh_dev;
}

uint16_t DstFlags(const fib6_info& f6i) {
  return static_cast<uint16_t>((f6i.dst_nocount ? DST_NOCOUNT : 0) |
                               (f6i.dst_nopolicy ? DST_NOPOLICY : 0));
}

// A new rt6_info made of the route found; nullptr where memory failed, or collecting garbage for it
// took the route away.
rt6_info* MakeFrom(netns_ipv6& ns, const fib6_result& res, net_device* dev, uint16_t flags) {
  if (dev == nullptr) return nullptr;
  fib6_info* const f6i = res.f6i;
  fib6_info_hold(f6i);
  rt6_info* rt = ip6_dst_alloc(ns, dev, flags);
  if (rt != nullptr && f6i->node != nullptr) {
    CopyFrom(rt, res);
  } else if (rt != nullptr) {
    dst_release(rt);
    rt = nullptr;
  }
  fib6_info_release(ns, f6i);
  return rt;
}

int Drop(sk_buff* skb, uint8_t code, Ip6Mib counter) {
  net& net = *skb->owner;
  DropReason reason = SKB_DROP_REASON_IP_OUTNOROUTES;
  if (counter == Ip6Mib::kInNoRoutes) {
    const bool to_nobody = ipv6_addr_any(ipv6_hdr(skb)->daddr);
    reason = to_nobody ? SKB_DROP_REASON_IP_INADDRERRORS : SKB_DROP_REASON_IP_INNOROUTES;
    if (to_nobody) counter = Ip6Mib::kInAddrErrors;
  }
  net.ip6_mib.Inc(counter);
  icmpv6_send(skb, wire::kIcmpv6DestUnreachable, code, 0);
  kfree_skb_reason(skb, reason);
  return 0;
}

int DropOut(sk_buff* skb, uint8_t code) {
  skb->dev = skb->dst->dev;
  return Drop(skb, code, Ip6Mib::kOutNoRoutes);
}

rt6_info* SpecialEntry(netns_ipv6& ns, uint8_t type, int16_t error) {
  rt6_info* const rt = ip6_dst_alloc(ns, nullptr, DST_NOCOUNT);
  CHECK(rt != nullptr);
  rt->rt6i_flags = RTF_REJECT | RTF_NONEXTHOP;
  SetRefusingFunctions(rt, type);
  rt->error = error;
  return rt;
}

}  // namespace

const dst_ops ip6_dst_ops = {
    .family = kAfInet6,
    .check = Ip6DstCheck,
    .default_advmss = Ip6DefaultAdvmss,
    .mtu = Ip6Mtu,
    .destroy = Ip6DstDestroy,
    .negative_advice = Ip6NegativeAdvice,
    .link_failure = Ip6LinkFailure,
    .update_pmtu = ip6_dst_update_pmtu,
    .redirect = rt6_do_redirect,
    .neigh_lookup = Ip6NeighLookup,
};

rt6_info* ip6_dst_alloc(netns_ipv6& ns, net_device* dev, uint16_t flags) {
  fib6_state& fib = *ns.fib;
  const bool counted = (flags & DST_NOCOUNT) == 0;
  if (counted && fib.dst_entries > static_cast<uint32_t>(fib.gc_thresh)) CollectGarbage(ns);
  rt6_info* const rt = ns.rt6_infos.New();
  if (rt == nullptr) return nullptr;
  dst_init(rt, &ip6_dst_ops, dev, DST_OBSOLETE_FORCE_CHK, flags);
  if (counted) ++fib.dst_entries;
  rt->ns = &ns;
  ns.rt6_list.PushBack(rt);
  return rt;
}

void rt6_dev_put(rt6_info* rt) {
  dst_dev_put(rt);
  if (rt->rt6i_idev != nullptr) in6_dev_put(rt->rt6i_idev);
  rt->rt6i_idev = nullptr;
  if (fib6_info* const from = rt->from; from != nullptr) {
    rt->from = nullptr;
    fib6_info_release(*rt->ns, from);
  }
}

rt6_info* ip6_create_rt(netns_ipv6& ns, const fib6_result& res) {
  rt6_info* const rt = MakeFrom(ns, res, res.nh->fib_nh_dev, DstFlags(*res.f6i));
  if (rt != nullptr) return rt;
  dst_hold(ns.fib->ip6_null_entry);
  return ns.fib->ip6_null_entry;
}

rt6_info* ip6_rt_cache_alloc(netns_ipv6& ns, const fib6_result& res, const Ipv6Address& daddr,
                             const Ipv6Address* saddr) {
  rt6_info* const rt = MakeFrom(ns, res, DeviceOf(ns, res), 0);
  if (rt == nullptr) return nullptr;
  const rt6key& prefix = res.f6i->fib6_dst;
  rt->rt6i_flags |= RTF_CACHE;
  rt->rt6i_dst = {daddr, 128};
  if ((res.f6i->fib6_flags & RTF_NONEXTHOP) != 0 || res.nh->has_gateway) return rt;
  if (prefix.plen != 128 && prefix.addr == daddr) rt->rt6i_flags |= RTF_ANYCAST;
  if (rt->rt6i_src.plen > 0 && saddr != nullptr) rt->rt6i_src = {*saddr, 128};
  return rt;
}

rt6_info* rt6_get_pcpu_route(netns_ipv6& ns, const fib6_result& res) {
  rt6_info*& slot = res.nh->rt6i_pcpu;
  if (slot != nullptr && slot->obsolete == DST_OBSOLETE_FORCE_CHK) return slot;
  dst_release(slot);  // its device had gone
  slot =
      MakeFrom(ns, res, DeviceOf(ns, res), static_cast<uint16_t>(DstFlags(*res.f6i) | DST_NOCOUNT));
  if (slot != nullptr) slot->rt6i_flags |= RTF_PCPU;
  return slot;
}

bool rt6_check_expired(const rt6_info* rt) {
  if ((rt->rt6i_flags & RTF_EXPIRES) != 0) return OwnLifeIsOver(rt);
  if (rt->from == nullptr) return false;
  return rt->obsolete != DST_OBSOLETE_FORCE_CHK || fib6_check_expired(*rt->ns, rt->from);
}

int ip6_rt_type_to_error(uint8_t fib6_type) {
  switch (fib6_type) {
    case RTN_BLACKHOLE:
      return -EINVAL;
    case RTN_UNREACHABLE:
      return -EHOSTUNREACH;
    case RTN_PROHIBIT:
      return -EACCES;
    case RTN_THROW:
      return -EAGAIN;
    default:
      return 0;
  }
}

int ip6_pkt_discard(sk_buff* skb) { return Drop(skb, wire::kIcmpv6NoRoute, Ip6Mib::kInNoRoutes); }
int ip6_pkt_discard_out(net& /*net*/, sock* /*sk*/, sk_buff* skb) {
  return DropOut(skb, wire::kIcmpv6NoRoute);
}
int ip6_pkt_prohibit(sk_buff* skb) {
  return Drop(skb, wire::kIcmpv6AdminProhibited, Ip6Mib::kInNoRoutes);
}
int ip6_pkt_prohibit_out(net& /*net*/, sock* /*sk*/, sk_buff* skb) {
  return DropOut(skb, wire::kIcmpv6AdminProhibited);
}

dst_entry* icmp6_dst_alloc(net_device* dev, const flowi6& fl6) {
  if (dev->ip6_ptr == nullptr) return nullptr;
  rt6_info* const rt = ip6_dst_alloc(dev_ipv6(dev), dev, 0);
  if (rt == nullptr) return nullptr;
  rt->input = ip6_input;
  rt->output = ip6_output;
  rt->rt6i_gateway = fl6.daddr;
  rt->rt6i_dst = {fl6.daddr, 128};
  rt->rt6i_idev = in6_dev_get(dev);
  return rt;
}

bool ipv6_anycast_destination(const dst_entry* dst, const Ipv6Address& daddr) {
  const rt6_info* const rt = dst_rt6_info(dst);
  if ((rt->rt6i_flags & RTF_ANYCAST) != 0) return true;
  // The subnet's own address: that of its routers (RFC 4291 2.6.1).
  return rt->rt6i_dst.plen < 127 && (rt->rt6i_flags & (RTF_GATEWAY | RTF_NONEXTHOP)) == 0 &&
         rt->rt6i_dst.addr == daddr;
}

const Ipv6Address& rt6_nexthop(const rt6_info* rt, const Ipv6Address& daddr) {
  if ((rt->rt6i_flags & RTF_GATEWAY) != 0) return rt->rt6i_gateway;
  return (rt->rt6i_flags & RTF_CACHE) != 0 ? rt->rt6i_dst.addr : daddr;
}

Ipv6Address rt6_get_prefsrc(const rt6_info* rt) {
  return rt->from != nullptr ? rt->from->fib6_prefsrc : kIpv6Any;
}

uint32_t rt6_get_cookie(const rt6_info* rt) {
  const fib6_info* const from = From(rt);
  return from != nullptr ? from->node->fn_sernum : 0;
}

uint32_t ip6_dst_mtu_maybe_forward(const dst_entry* dst, bool forwarding) {
  const bool locked = (dst->metrics[RTAX_LOCK] >> RTAX_MTU & 1) != 0;
  uint32_t mtu = !forwarding || locked ? dst->metrics[RTAX_MTU] : 0;
  if (mtu == 0) mtu = DeviceMtu(dst->dev);
  return std::min(mtu, IP6_MAX_MTU);
}

uint32_t ip6_skb_dst_mtu(const sk_buff* skb) {
  const ipv6_pinfo* const np = skb->sk != nullptr ? inet6_sk(skb->sk) : nullptr;
  if (np != nullptr && np->pmtudisc >= kIpPmtudiscProbe) return skb->dst->dev->mtu;
  return dst_mtu(skb->dst);
}

uint8_t ip6_dst_hoplimit(const dst_entry* dst) {
  uint32_t hop_limit = dst->metrics[RTAX_HOPLIMIT];
  if (hop_limit == 0) {
    const inet6_dev* const idev = dst->dev != nullptr ? dst->dev->ip6_ptr : nullptr;
    const ipv6_devconf& conf = idev != nullptr ? *idev->cnf : dst_rt6_info(dst)->ns->devconf_all;
    hop_limit = static_cast<uint32_t>(conf.hop_limit);
  }
  return static_cast<uint8_t>(hop_limit);
}

void ip6_dst_store(sock* sk, dst_entry* dst, bool daddr_set) {
  ipv6_pinfo* const np = inet6_sk(sk);
  np->dst_cookie = rt6_get_cookie(dst_rt6_info(dst));
  sk_setup_caps(sk, dst);
  np->daddr_cached = daddr_set;
}

void rt6_cache_flush(net& net) { fib6_flush_trees(net_ipv6(net)); }

void ip6_route_init_special_entries(netns_ipv6& ns) {
  fib6_state& fib = *ns.fib;
  fib.null_entry = fib6_info_alloc(ns);
  CHECK(fib.null_entry != nullptr);
  fib.null_entry->fib6_flags = RTF_REJECT | RTF_NONEXTHOP;
  fib.null_entry->fib6_protocol = RTPROT_KERNEL;
  fib.null_entry->fib6_metric = UINT32_MAX;
  fib.null_entry->fib6_type = RTN_UNREACHABLE;
  fib.ip6_null_entry = SpecialEntry(ns, RTN_UNREACHABLE, -ENETUNREACH);
  fib.ip6_prohibit_entry = SpecialEntry(ns, RTN_PROHIBIT, -EACCES);
  fib.ip6_blk_hole_entry = SpecialEntry(ns, RTN_BLACKHOLE, -EINVAL);
}

}  // namespace tapedeck
