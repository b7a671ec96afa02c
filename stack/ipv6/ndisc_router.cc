// Router advertisements (RFC 4861 6.1.2, 6.3.4; RFC 4191) and redirects (8.1) that come in.
#include <algorithm>

#include "stack/core/dst.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/icmpv6.h"
#include "stack/ipv6/ip6_fib.h"
#include "stack/ipv6/ip6_route.h"
#include "stack/ipv6/ndisc.h"
#include "stack/ipv6/ndisc_internal.h"
#include "stack/ipv6/netns_ipv6.h"

namespace tapedeck::ndisc_internal {

namespace {

constexpr uint32_t kNoHopLimitFromRa = 256;

// An advertisement on its way through the rules.
struct RaContext {
  inet6_dev* idev;
  Ipv6Address saddr;
  wire::NdRouterAdvertisement ra;
  ndisc_options options;
  fib6_info* route = nullptr;  // the default route through this router, a reference
  neighbour* neigh = nullptr;  // of the router, a reference
};

net& NetOf(const RaContext& c) { return dev_net(c.idev->dev); }

// The router's entry in the neighbour table; false where it cannot be had.
bool LookupRouter(RaContext* c) {
  neigh_table* const tbl = NetOf(*c).nd_tbl;
  const uint8_t* const key = c->saddr.bytes().data();
  c->neigh = neigh_lookup(tbl, key, c->idev->dev);
  if (c->neigh == nullptr) c->neigh = neigh_create(tbl, key, c->idev->dev);
  return c->neigh != nullptr;
}

bool FromOurselves(const RaContext& c) {
  return c.idev->cnf->accept_ra_from_local == 0 &&
         ipv6_chk_addr(NetOf(c), c.saddr, c.idev->dev, false);
}

// 2 is reserved and read as medium (RFC 4191 2.2).
uint32_t PreferenceOf(const RaContext& c) {
  const uint32_t pref = c.ra.preference();
  return pref == 2 || c.idev->cnf->accept_ra_rtr_pref == 0 ? 0 : pref;
}

void TakeHopLimit(const RaContext& c) {
  ipv6_devconf& conf = *c.idev->cnf;
  const auto least = static_cast<uint32_t>(conf.accept_ra_min_hop_limit);
  if (least >= kNoHopLimitFromRa || c.ra.hop_limit() == 0 || least > c.ra.hop_limit()) return;
  conf.hop_limit = c.ra.hop_limit();
  if (c.route != nullptr) fib6_metric_set(c.route, RTAX_HOPLIMIT, c.ra.hop_limit());
}

// The default route through the router is made, lives on, changes or ends. False where the
// advertisement is given up.
bool UpdateDefaultRoute(RaContext* c) {
  net& net = NetOf(*c);
  net_device* const dev = c->idev->dev;
  const uint32_t lifetime = c->ra.lifetime_s();
  const auto metric = static_cast<uint32_t>(c->idev->cnf->ra_defrtr_metric);
  const uint32_t pref = PreferenceOf(*c);
  c->route = rt6_get_dflt_router(net, c->saddr, dev);
  if (c->route != nullptr && !LookupRouter(c)) return false;
  if (c->route != nullptr && (lifetime == 0 || c->route->fib6_metric != metric)) {
    ip6_del_rt(net, c->route);
    c->route = nullptr;
  }
  if (c->route == nullptr && lifetime != 0) {
    c->route = rt6_add_dflt_router(net, c->saddr, dev, pref, metric, lifetime);
    if (c->route == nullptr) return false;
    if (c->neigh == nullptr && !LookupRouter(c)) return false;
    c->neigh->flags |= NTF_ROUTER;
  } else if (c->route != nullptr && IPV6_EXTRACT_PREF(c->route->fib6_flags) != pref) {
    c->route->fib6_flags = (c->route->fib6_flags & ~RTF_PREF_MASK) | RTF_PREF(pref);
  }
  if (c->route != nullptr) {
    fib6_set_expires(net, c->route, net.jiffies() + Jiffies{lifetime} * net.kernel.hz());
  }
  TakeHopLimit(*c);
  return true;
}

// Whether the router's own life is to be read at all.
bool TakesDefaultRouter(const RaContext& c) {
  const ipv6_devconf& conf = *c.idev->cnf;
  const uint32_t lifetime = c.ra.lifetime_s();
  const bool too_short = lifetime != 0 && static_cast<int64_t>(lifetime) < conf.accept_ra_min_lft;
  return conf.accept_ra_defrtr != 0 && !too_short && !FromOurselves(c);
}

// Milliseconds of the wire as jiffies; not below `least`. 0: not said, or out of reason.
int32_t TimeOf(net& net, uint32_t ms, uint32_t least) {
  if (ms == 0) return 0;
  const uint64_t j = uint64_t{ms} * net.kernel.hz() / 1000;
  return static_cast<int32_t>(std::min<uint64_t>(std::max<uint64_t>(j, least), INT32_MAX / 3));
}

void TakeTimers(const RaContext& c) {
  net& net = NetOf(c);
  neigh_parms* const parms = c.idev->nd_parms;
  const uint32_t hz = net.kernel.hz();
  if (const int32_t retrans = TimeOf(net, c.ra.retrans_timer_ms.host(), hz / 100); retrans != 0) {
    parms->retrans_time = retrans;
    c.idev->tstamp = net.jiffies();
  }
  const int32_t reachable = TimeOf(net, c.ra.reachable_time_ms.host(), hz / 10);
  if (reachable == 0 || reachable == parms->base_reachable_time) return;
  parms->base_reachable_time = reachable;
  parms->gc_staletime = 3 * reachable;
  neigh_set_reach_time(parms);
  c.idev->tstamp = net.jiffies();
}

void TakeFlags(const RaContext& c) {
  uint32_t& flags = c.idev->if_flags;
  if ((flags & IF_RS_SENT) != 0) flags |= IF_RA_RCVD;
  flags &= ~uint32_t{IF_RA_MANAGED | IF_RA_OTHERCONF};
  if (c.ra.managed()) flags |= IF_RA_MANAGED;
  if (c.ra.other()) flags |= IF_RA_OTHERCONF;
}

// False where the link-layer address has another length than the device's.
bool LearnRouter(RaContext* c) {
  const uint8_t* lladdr = nullptr;
  if (c->options.src_lladdr != nullptr) {
    lladdr = ndisc_opt_addr_data(c->options.src_lladdr, c->idev->dev);
    if (lladdr == nullptr) return false;
  }
  neigh_update(c->neigh, lladdr, NUD_STALE,
               NEIGH_UPDATE_F_WEAK_OVERRIDE | NEIGH_UPDATE_F_OVERRIDE |
                   NEIGH_UPDATE_F_OVERRIDE_ISROUTER | NEIGH_UPDATE_F_ISROUTER);
  return true;
}

void TakeRoutes(const RaContext& c) {
  const ipv6_devconf& conf = *c.idev->cnf;
  if (conf.accept_ra_rtr_pref == 0 || FromOurselves(c)) return;
  ForEachOption(c.options, wire::kNdOptRouteInfo, [&c, &conf](const uint8_t* opt) {
    const auto& info = *reinterpret_cast<const wire::NdRouteInfo*>(opt);
    const uint32_t lifetime = info.lifetime.host();
    if ((info.prefix_len == 0 && conf.accept_ra_defrtr == 0) ||
        (lifetime != 0 && lifetime < static_cast<uint32_t>(conf.accept_ra_min_lft)) ||
        info.prefix_len < conf.accept_ra_rt_info_min_plen ||
        info.prefix_len > conf.accept_ra_rt_info_max_plen) {
      return;
    }
    rt6_route_rcv(c.idev->dev, opt, static_cast<int>(OptionBytes(opt)), c.saddr);
  });
}

void TakePrefixes(const RaContext& c) {
  if (c.idev->cnf->accept_ra_pinfo == 0) return;
  ForEachOption(c.options, wire::kNdOptPrefixInfo, [&c](const uint8_t* opt) {
    addrconf_prefix_rcv(c.idev->dev, opt, static_cast<int>(OptionBytes(opt)),
                        c.options.src_lladdr != nullptr);
  });
}

void TakeMtu(const RaContext& c) {
  ipv6_devconf& conf = *c.idev->cnf;
  net_device* const dev = c.idev->dev;
  if (c.options.mtu == nullptr || conf.accept_ra_mtu == 0) return;
  const uint32_t mtu = reinterpret_cast<const wire::NdMtu*>(c.options.mtu)->mtu.host();
  c.idev->ra_mtu = mtu;
  if (mtu < wire::kIpv6MinMtu || mtu > dev->mtu || conf.mtu6 == static_cast<int32_t>(mtu)) return;
  conf.mtu6 = static_cast<int32_t>(mtu);
  if (c.route != nullptr) fib6_metric_set(c.route, RTAX_MTU, mtu);
  rt6_mtu_change(dev, mtu);
}

// What is left once the message itself is in order.
DropReason Process(RaContext* c) {
  const bool accepts = ipv6_accept_ra(c->idev);
  if (accepts) {
    TakeFlags(*c);
    if (TakesDefaultRouter(*c) && !UpdateDefaultRoute(c)) return kNoReason;
    TakeTimers(*c);
  }
  if (c->neigh == nullptr) LookupRouter(c);
  if (c->neigh != nullptr && !LearnRouter(c)) return kNoReason;
  const DropReason reason = c->neigh != nullptr ? SKB_DROP_REASON_CONSUMED : kNoReason;
  if (!accepts) return reason;
  TakeRoutes(*c);
  TakePrefixes(*c);
  TakeMtu(*c);
  return reason;
}

}  // namespace

DropReason ndisc_router_discovery(sk_buff* skb) {
  const Ipv6Address saddr = ipv6_hdr(skb)->saddr;
  if ((ipv6_addr_type(saddr) & IPV6_ADDR_LINKLOCAL) == 0) return kNoReason;
  if (skb->len < sizeof(wire::NdRouterAdvertisement)) return SKB_DROP_REASON_PKT_TOO_SMALL;
  inet6_dev* const idev = __in6_dev_get(skb->dev);
  if (idev == nullptr) return kNoReason;
  RaContext context{idev, saddr, MessageOf<wire::NdRouterAdvertisement>(skb), {}};
  if (!ndisc_parse_options(OptionsOf(skb, sizeof(wire::NdRouterAdvertisement)), &context.options)) {
    return SKB_DROP_REASON_IPV6_NDISC_BAD_OPTIONS;
  }
  const DropReason reason = Process(&context);
  if (context.route != nullptr) fib6_info_release(net_ipv6(NetOf(context)), context.route);
  if (context.neigh != nullptr) neigh_release(context.neigh);
  return reason;
}

DropReason ndisc_redirect_rcv(sk_buff* skb) {
  if ((ipv6_addr_type(ipv6_hdr(skb)->saddr) & IPV6_ADDR_LINKLOCAL) == 0) return kNoReason;
  ndisc_options options;
  if (skb->len < sizeof(wire::NdRedirect) ||
      !ndisc_parse_options(OptionsOf(skb, sizeof(wire::NdRedirect)), &options)) {
    return SKB_DROP_REASON_IPV6_NDISC_BAD_OPTIONS;
  }
  if (options.redirect_header == nullptr) {
    ip6_redirect_no_header(skb, dev_net(skb->dev), skb->dev->ifindex);
    return kNoReason;
  }
  // Whoever sent the packet that was redirected, decides.
  const auto quoted =
      static_cast<uint32_t>(options.redirect_header + 8 - skb_transport_header(skb));
  if (pskb_pull(skb, quoted) == nullptr) return SKB_DROP_REASON_PKT_TOO_SMALL;
  return icmpv6_notify(skb, wire::kIcmpv6Redirect, 0, 0);
}

}  // namespace tapedeck::ndisc_internal
