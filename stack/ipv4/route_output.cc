// Which way our own packets go (ip_route_output_key_hash_rcu and its parts).
#include <cerrno>

#include "stack/core/net.h"
#include "stack/core/sock.h"
#include "stack/ipv4/devinet.h"
#include "stack/ipv4/igmp.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv4/route.h"
#include "stack/ipv4/route_internal.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {

namespace {

struct Decision {
  netns_ipv4& ns;
  flowi4* flow;
  int orig_oif;
  fib_result res{};
  uint8_t type = RTN_UNICAST;
  net_device* dev_out = nullptr;
  uint32_t flags = 0;
};

rtable* Fail(int* err, int error) {
  *err = error;
  return nullptr;
}

// What kind of destination it is, and whether the route's own fib_info and cache apply
// (__mkroute_output, first half). 0 or -EINVAL.
int Classify(Decision* d, fib_info** fi, bool* do_cache) {
  const in_device* const in_dev = d->dev_out->ip_ptr;
  if (in_dev == nullptr) return -EINVAL;
  const flowi4& flow = *d->flow;
  const bool is_loopback = (d->dev_out->flags & IFF_LOOPBACK) != 0;
  if (ipv4_is_loopback(flow.saddr) && !is_loopback && !in_dev_conf(in_dev).route_localnet()) {
    return -EINVAL;
  }
  if (ipv4_is_lbcast(flow.daddr)) {
    d->type = RTN_BROADCAST;
    *fi = nullptr;
  } else if (ipv4_is_multicast(flow.daddr)) {
    d->type = RTN_MULTICAST;
  } else if (ipv4_is_zeronet(flow.daddr)) {
    return -EINVAL;
  }
  if (is_loopback) d->flags |= RTCF_LOCAL;
  *do_cache = true;
  if (d->type == RTN_BROADCAST) {
    d->flags |= RTCF_BROADCAST | RTCF_LOCAL;
  } else if (d->type == RTN_MULTICAST) {
    d->flags |= RTCF_MULTICAST | RTCF_LOCAL;
    if (ip_check_mc(in_dev, flow.daddr, flow.saddr, flow.proto)) {
      *do_cache = false;
    } else {
      d->flags &= ~uint32_t{RTCF_LOCAL};
    }
    // Without a route for groups the default route says the device, but its gateway is not meant.
    if (*fi != nullptr && d->res.prefixlen < 4) *fi = nullptr;
  } else if (d->type == RTN_LOCAL && d->orig_oif != 0 && d->orig_oif != d->dev_out->ifindex) {
    *do_cache = false;
  }
  return 0;
}

// __mkroute_output.
rtable* MakeRoute(Decision* d, int* err) {
  fib_info* fi = d->res.fi;
  bool do_cache = false;
  const int classified = Classify(d, &fi, &do_cache);
  if (classified != 0) return Fail(err, classified);
  fib_nh_exception* fnhe = nullptr;
  if (fi != nullptr) {
    fib_nh* const nh = d->res.nhc;
    fnhe = find_exception(d->ns, nh, d->flow->daddr);
    const bool has_gateway = nh->nh_gw != kIpv4Any && nh->nh_scope == RT_SCOPE_LINK;
    if (fnhe == nullptr && (d->flow->flags & FLOWI_FLAG_KNOWN_NH) != 0 && !has_gateway) {
      do_cache = false;
    }
    rtable* const cached = fnhe != nullptr ? *rt_exception_slot(fnhe, false) : nh->nh_rth_output;
    if (do_cache && rt_cache_valid(cached)) {
      dst_hold(cached);
      return cached;
    }
  }
  do_cache = do_cache && fi != nullptr;
  rtable* const rt = rt_dst_alloc(d->ns, d->dev_out, d->flags, d->type);
  if (rt == nullptr) return Fail(err, -ENOBUFS);
  rt->rt_iif = d->orig_oif;
  if ((d->flags & (RTCF_BROADCAST | RTCF_MULTICAST)) != 0 && (d->flags & RTCF_LOCAL) != 0 &&
      (d->dev_out->flags & IFF_LOOPBACK) == 0) {
    rt->output = ip_mc_output;
  }
  rt_set_nexthop(rt, d->flow->daddr, d->res, fi, fnhe, do_cache);
  return rt;
}

enum class Step { kGoOn, kMakeRoute, kFail };

// A source that was given must be ours, and says the device for groups and broadcasts.
Step CheckSource(Decision* d, int* err) {
  flowi4* const flow = d->flow;
  if (flow->saddr == kIpv4Any) return Step::kGoOn;
  if (ipv4_is_multicast(flow->saddr) || ipv4_is_lbcast(flow->saddr)) {
    *err = -EINVAL;
    return Step::kFail;
  }
  *err = -ENETUNREACH;
  if (flow->oif == 0 && (ipv4_is_multicast(flow->daddr) || ipv4_is_lbcast(flow->daddr))) {
    // The device with this address: needed by applications that send to a group with a bound
    // source.
    d->dev_out = __ip_dev_find(d->ns.host_net, flow->saddr);
    if (d->dev_out == nullptr) return Step::kFail;
    flow->oif = d->dev_out->ifindex;
    return Step::kMakeRoute;
  }
  if ((flow->flags & FLOWI_FLAG_ANYSRC) == 0 &&
      __ip_dev_find(d->ns.host_net, flow->saddr) == nullptr) {
    return Step::kFail;
  }
  return Step::kGoOn;
}

// A device that was given.
Step CheckDevice(Decision* d, int* err) {
  flowi4* const flow = d->flow;
  if (flow->oif == 0) return Step::kGoOn;
  d->dev_out = dev_get_by_index(d->ns.host_net, flow->oif);
  if (d->dev_out == nullptr) {
    *err = -ENODEV;
    return Step::kFail;
  }
  if ((d->dev_out->flags & IFF_UP) == 0 || d->dev_out->ip_ptr == nullptr) {
    *err = -ENETUNREACH;
    return Step::kFail;
  }
  if (ipv4_is_local_multicast(flow->daddr) || ipv4_is_lbcast(flow->daddr) ||
      flow->proto == wire::kIpProtoIgmp) {
    if (flow->saddr == kIpv4Any) {
      flow->saddr = inet_select_addr(d->dev_out, kIpv4Any, RT_SCOPE_LINK);
    }
    return Step::kMakeRoute;
  }
  if (flow->saddr == kIpv4Any) {
    if (ipv4_is_multicast(flow->daddr)) {
      flow->saddr = inet_select_addr(d->dev_out, kIpv4Any, flow->scope);
    } else if (flow->daddr == kIpv4Any) {
      flow->saddr = inet_select_addr(d->dev_out, kIpv4Any, RT_SCOPE_HOST);
    }
  }
  return Step::kGoOn;
}

// 0.0.0.0 as destination means ourselves.
Step AddressOurselves(Decision* d, int* err) {
  flowi4* const flow = d->flow;
  flow->daddr = flow->saddr;
  if (flow->daddr == kIpv4Any) flow->daddr = flow->saddr = kIpv4Loopback;
  d->dev_out = d->ns.host_net.loopback_dev;
  if (d->dev_out == nullptr) {
    *err = -ENETUNREACH;
    return Step::kFail;
  }
  flow->oif = d->dev_out->ifindex;
  d->type = RTN_LOCAL;
  d->flags |= RTCF_LOCAL;
  return Step::kMakeRoute;
}

Step LookUp(Decision* d, int* err) {
  flowi4* const flow = d->flow;
  const int found = fib_lookup(d->ns, *flow, &d->res);
  if (found != 0) {
    d->res = fib_result{};
    if (flow->oif == 0) {
      *err = found;
      return Step::kFail;
    }
    // The caller knows the device: the destination is taken to be on its link.
    if (flow->saddr == kIpv4Any) {
      flow->saddr = inet_select_addr(d->dev_out, kIpv4Any, RT_SCOPE_LINK);
    }
    d->type = RTN_UNICAST;
    return Step::kMakeRoute;
  }
  d->type = d->res.type;
  if (d->type == RTN_LOCAL) {
    if (flow->saddr == kIpv4Any) {
      flow->saddr = d->res.fi->prefsrc != kIpv4Any ? d->res.fi->prefsrc : flow->daddr;
    }
    net_device* const loopback = d->ns.host_net.loopback_dev;
    d->dev_out = loopback != nullptr ? loopback : FIB_RES_DEV(d->res);
    d->orig_oif = FIB_RES_OIF(d->res);
    flow->oif = d->dev_out->ifindex;
    d->flags |= RTCF_LOCAL;
    return Step::kMakeRoute;
  }
  fib_select_path(d->ns, &d->res, flow);
  if (flow->saddr == kIpv4Any) flow->saddr = fib_result_prefsrc(d->ns, &d->res);
  d->dev_out = FIB_RES_DEV(d->res);
  return Step::kMakeRoute;
}

}  // namespace

rtable* ip_route_output_flow(net& net, flowi4* fl4, const sock* /*sk*/, int* err) {
  fl4->iif = kLoopbackIfindex;
  fl4->tos &= IPTOS_RT_MASK;
  *err = 0;
  Decision decision{.ns = net_ipv4(net), .flow = fl4, .orig_oif = fl4->oif};
  Step step = CheckSource(&decision, err);
  if (step == Step::kGoOn) step = CheckDevice(&decision, err);
  if (step == Step::kGoOn && fl4->daddr == kIpv4Any) step = AddressOurselves(&decision, err);
  if (step == Step::kGoOn) step = LookUp(&decision, err);
  if (step == Step::kFail) return nullptr;
  *err = 0;
  return MakeRoute(&decision, err);
}

rtable* ip_route_output(net& net, Ipv4Address daddr, Ipv4Address saddr, uint8_t tos, int oif,
                        uint8_t scope, int* err) {
  flowi4 flow;
  flow.oif = oif;
  flow.tos = tos;
  flow.scope = scope;
  flow.daddr = daddr;
  flow.saddr = saddr;
  return ip_route_output_flow(net, &flow, nullptr, err);
}

rtable* ip_route_connect(net& net, flowi4* fl4, Ipv4Address dst, Ipv4Address src, int oif,
                         uint8_t protocol, be16 sport, be16 dport, const sock* sk, int* err) {
  *fl4 = flowi4_init_output(oif, sk->sk_mark, ip_sock_rt_tos(sk), ip_sock_rt_scope(sk), protocol,
                            inet_sk_flowi_flags(sk), dst, src, dport, sport);
  if (dst == kIpv4Any || src == kIpv4Any) {
    rtable* const first = ip_route_output_flow(net, fl4, sk, err);
    if (first == nullptr) return nullptr;
    dst_release(first);
    // flowi4_update_output: the second lookup has both addresses, and the device only if it was
    // asked for.
    fl4->oif = oif;
  }
  return ip_route_output_flow(net, fl4, sk, err);
}

}  // namespace tapedeck
