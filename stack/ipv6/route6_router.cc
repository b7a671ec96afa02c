// Routers that advertise themselves: default routes and routes they inform of (RFC 4861 6.3.4,
// RFC 4191; rt6_add_dflt_router, rt6_route_rcv of net/ipv6/route.c).
#include <algorithm>
#include <array>
#include <cerrno>

#include "stack/core/net.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/ipv6/ip6_fib.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/ipv6/route6_internal.h"
#include "stack/wire/ndisc.h"

namespace tapedeck {

namespace {

constexpr uint32_t kRouterFlags = RTF_ADDRCONF | RTF_DEFAULT;
constexpr uint32_t kPrefReserved = 2;  // ICMPV6_ROUTER_PREF_INVALID

// What a route information option (RFC 4191 2.3) says.
struct RouteInformation {
  uint8_t prefix_len;
  uint32_t pref;
  uint32_t lifetime_s;
  Ipv6Address prefix;
};

// False where the option is not valid.
bool Parse(const uint8_t* opt, int len, RouteInformation* info) {
  if (len < static_cast<int>(sizeof(wire::NdRouteInfo))) return false;
  const auto& fixed = *reinterpret_cast<const wire::NdRouteInfo*>(opt);
  const unsigned units = fixed.option.length;
  info->prefix_len = fixed.prefix_len;
  info->pref = fixed.flags >> 3 & 3U;
  info->lifetime_s = fixed.lifetime.host();
  const unsigned needed = info->prefix_len > 64 ? 3 : info->prefix_len > 0 ? 2 : 1;
  if (units > 3 || units < needed || info->prefix_len > 128 || info->pref == kPrefReserved ||
      len < static_cast<int>(8 * units)) {
    return false;
  }
  // The option may leave out what is zero.
  std::array<uint8_t, 16> bytes{};
  std::copy_n(opt + sizeof(wire::NdRouteInfo), 8 * (units - 1), bytes.begin());
  info->prefix =
      ipv6_addr_prefix(Ipv6Address(std::span<const uint8_t, 16>(bytes)), info->prefix_len);
  return true;
}

fib6_info* GetRouteInformation(netns_ipv6& ns, const RouteInformation& info,
                               const Ipv6Address& gwaddr, const net_device* dev) {
  const fib6_table* const table = fib6_get_table(ns, RT6_TABLE_INFO);
  const fib6_node* const fn = fib6_locate(table->root, {info.prefix, info.prefix_len}, {});
  if (fn == nullptr) return nullptr;
  for (fib6_info* rt = fn->leaf; rt != nullptr; rt = rt->fib6_next) {
    if (rt->nh.fib_nh_dev != dev || (rt->fib6_flags & RTF_ROUTEINFO) == 0 || !rt->nh.has_gateway ||
        rt->nh.fib_nh_gw6 != gwaddr) {
      continue;
    }
    fib6_info_hold(rt);
    return rt;
  }
  return nullptr;
}

fib6_info* AddRouteInformation(netns_ipv6& ns, const RouteInformation& info,
                               const Ipv6Address& gwaddr, const net_device* dev) {
  fib6_config cfg;
  cfg.table = RT6_TABLE_INFO;
  cfg.metric = IP6_RT_PRIO_USER;
  cfg.ifindex = dev->ifindex;
  cfg.dst = info.prefix;
  cfg.dst_len = info.prefix_len;
  cfg.gateway = gwaddr;
  cfg.flags = RTF_GATEWAY | RTF_ADDRCONF | RTF_ROUTEINFO | RTF_UP | RTF_PREF(info.pref);
  if (info.prefix_len == 0) cfg.flags |= RTF_DEFAULT;
  cfg.protocol = RTPROT_RA;
  ip6_route_add(ns.host_net, cfg);
  return GetRouteInformation(ns, info, gwaddr, dev);
}

void SetPreference(fib6_info* rt, uint32_t pref) {
  rt->fib6_flags = RTF_ROUTEINFO | (rt->fib6_flags & ~uint32_t{RTF_PREF_MASK}) | RTF_PREF(pref);
}

}  // namespace

fib6_info* rt6_get_dflt_router(net& net, const Ipv6Address& addr, net_device* dev) {
  const fib6_table* const table = fib6_get_table(net_ipv6(net), RT6_TABLE_DFLT);
  for (fib6_info* rt = table->root->leaf; rt != nullptr; rt = rt->fib6_next) {
    if (rt->nh.fib_nh_dev == dev && (rt->fib6_flags & kRouterFlags) == kRouterFlags &&
        rt->nh.fib_nh_gw6 == addr) {
      fib6_info_hold(rt);
      return rt;
    }
  }
  return nullptr;
}

fib6_info* rt6_add_dflt_router(net& net, const Ipv6Address& gwaddr, net_device* dev, uint32_t pref,
                               uint32_t metric, uint32_t lifetime_s) {
  fib6_config cfg;
  cfg.table = RT6_TABLE_DFLT;
  cfg.metric = metric;
  cfg.ifindex = dev->ifindex;
  cfg.gateway = gwaddr;
  cfg.flags = RTF_GATEWAY | kRouterFlags | RTF_UP | RTF_EXPIRES | RTF_PREF(pref);
  cfg.protocol = RTPROT_RA;
  cfg.expires = Jiffies{lifetime_s} * net.kernel.hz();
  if (ip6_route_add(net, cfg) == 0) {
    fib6_get_table(net_ipv6(net), RT6_TABLE_DFLT)->has_dflt_router = true;
  }
  return rt6_get_dflt_router(net, gwaddr, dev);
}

void rt6_purge_dflt_routers(net& net) {
  netns_ipv6& ns = net_ipv6(net);
  fib6_clean_all(ns, [](const fib6_info* rt) {
    const inet6_dev* const idev = rt->nh.fib_nh_dev->ip6_ptr;
    const bool advertised = rt->table->has_dflt_router && rt->node == rt->table->root &&
                            (rt->fib6_flags & kRouterFlags) != 0;
    const bool stays = idev != nullptr && idev->cnf->accept_ra == 2;
    return advertised && !stays ? Fib6Clean::kDelete : Fib6Clean::kKeep;
  });
  for (fib6_table* table = ns.fib->tables; table != nullptr; table = table->next) {
    table->has_dflt_router = false;
  }
}

int rt6_route_rcv(net_device* dev, const uint8_t* opt, int len, const Ipv6Address& gwaddr) {
  net& net = dev_net(dev);
  netns_ipv6& ns = net_ipv6(net);
  RouteInformation info{};
  if (!Parse(opt, len, &info)) return -EINVAL;
  const uint32_t lifetime_s = info.lifetime_s;
  fib6_info* rt = info.prefix_len == 0 ? rt6_get_dflt_router(net, gwaddr, dev)
                                       : GetRouteInformation(ns, info, gwaddr, dev);
  if (rt != nullptr && lifetime_s == 0) {
    ip6_del_rt(net, rt);
    return 0;
  }
  if (rt == nullptr && lifetime_s == 0) return 0;
  if (rt == nullptr) {
    rt = AddRouteInformation(ns, info, gwaddr, dev);
  } else {
    SetPreference(rt, info.pref);
  }
  if (rt == nullptr) return 0;
  if (lifetime_s == kInfinityLifeTime) {
    fib6_clean_expires(ns, rt);
  } else {
    fib6_set_expires(net, rt, net.jiffies() + Jiffies{lifetime_s} * net.kernel.hz());
  }
  fib6_info_release(ns, rt);
  return 0;
}

void rt6_clean_tohost(net& net, const Ipv6Address& gateway) {
  netns_ipv6& ns = net_ipv6(net);
  fib6_clean_all(ns, [&ns, &gateway](fib6_info* rt) {
    if ((rt->fib6_flags & kRouterFlags) == kRouterFlags && rt->nh.has_gateway &&
        rt->nh.fib_nh_gw6 == gateway) {
      return Fib6Clean::kDelete;
    }
    fib6_nh_exceptions_clean_tohost(ns, &rt->nh, gateway);
    return Fib6Clean::kKeep;
  });
}

}  // namespace tapedeck
