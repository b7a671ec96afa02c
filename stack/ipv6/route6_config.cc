// What `ip -6 route` and address configuration say (ip6_route_add, ip6_route_del, fib6_nh_init of
// net/ipv6/route.c).
#include <algorithm>
#include <cerrno>

#include "stack/core/net.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/ipv6/ip6_fib.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/ipv6/route6_internal.h"

namespace tapedeck {

namespace {

// What the way to a gateway is, in one table.
bool LookUpGateway(netns_ipv6& ns, const fib6_config& cfg, uint32_t table_id, int flags,
                   fib6_result* res) {
  fib6_table* const table = fib6_get_table(ns, table_id);
  if (table == nullptr) return false;
  flowi6 fl6;
  fl6.oif = cfg.ifindex;
  fl6.daddr = cfg.gateway;
  fl6.saddr = cfg.prefsrc;
  flags |= RT6_LOOKUP_F_IGNORE_LINKSTATE;
  fib6_table_lookup(ns, table, cfg.ifindex, fl6, res, flags);
  if (res->f6i != ns.fib->null_entry) {
    fib6_select_path(ns, res, &fl6, cfg.ifindex, cfg.ifindex != 0, nullptr, flags);
  }
  return true;
}

int CheckOnLinkGateway(netns_ipv6& ns, const fib6_config& cfg) {
  fib6_result res;
  if (!LookUpGateway(ns, cfg, RT6_TABLE_MAIN, 0, &res)) return -EINVAL;
  const bool refused = (res.fib6_flags & RTF_REJECT) != 0;
  return refused || res.fib6_type == RTN_UNICAST ? 0 : -EINVAL;
}

// Whether a route found leads to a gateway's link: it must not need another gateway.
bool IsOnLink(const fib6_result& res) {
  return (res.fib6_flags & RTF_REJECT) == 0 && !res.nh->has_gateway;
}

// The gateway must be one hop away, over `*dev` where that is given; else it says the device
// (ip6_route_check_nh).
int CheckGatewayHop(netns_ipv6& ns, const fib6_config& cfg, net_device** dev) {
  fib6_result res;
  const bool found = LookUpGateway(ns, cfg, cfg.table, RT6_LOOKUP_F_IFACE, &res) && IsOnLink(res) &&
                     (*dev == nullptr || *dev == res.nh->fib_nh_dev);
  if (!found) {
    flowi6 fl6;
    fl6.oif = cfg.ifindex;
    fl6.daddr = cfg.gateway;
    const int err = fib6_lookup(ns, cfg.ifindex, fl6, &res, RT6_LOOKUP_F_IFACE);
    if (err != 0 || !IsOnLink(res)) return -EHOSTUNREACH;
    fib6_select_path(ns, &res, &fl6, cfg.ifindex, cfg.ifindex != 0, nullptr, RT6_LOOKUP_F_IFACE);
  }
  if (*dev == nullptr) *dev = res.nh->fib_nh_dev;
  return *dev == res.nh->fib_nh_dev ? 0 : -EHOSTUNREACH;
}

bool GatewayIsOurs(netns_ipv6& ns, const Ipv6Address& gateway, const net_device* dev) {
  const bool skip_device = (ipv6_addr_type(gateway) & IPV6_ADDR_LINKLOCAL) == 0;
  return ipv6_chk_addr_and_flags(ns.host_net, gateway, dev, skip_device, false, 0);
}

// ip6_validate_gw. RFC 4861 8: routers are known by their link-local addresses; others do if they
// are on a link.
int CheckGateway(netns_ipv6& ns, const fib6_config& cfg, net_device** dev) {
  const uint32_t type = ipv6_addr_type(cfg.gateway);
  const bool device_was_given = *dev != nullptr;
  if (device_was_given && GatewayIsOurs(ns, cfg.gateway, *dev)) return -EINVAL;
  if (type != (IPV6_ADDR_LINKLOCAL | IPV6_ADDR_UNICAST)) {
    if ((type & (IPV6_ADDR_UNICAST | IPV6_ADDR_MAPPED)) == 0) return -EINVAL;
    const bool onlink = (cfg.nh_flags & RTNH_F_ONLINK) != 0;
    const int err = onlink ? CheckOnLinkGateway(ns, cfg) : CheckGatewayHop(ns, cfg, dev);
    if (err != 0) return err;
  }
  if (*dev == nullptr || ((*dev)->flags & IFF_LOOPBACK) != 0) return -EINVAL;
  if (!device_was_given && GatewayIsOurs(ns, cfg.gateway, *dev)) return -EINVAL;
  return 0;
}

// The device of a nexthop, checked; RTNH_F_* of it into *nh_flags. 0 or -errno.
int ChooseDevice(netns_ipv6& ns, const fib6_config& cfg, net_device** dev, uint8_t* nh_flags) {
  net& net = ns.host_net;
  if (cfg.ifindex != 0) {
    *dev = dev_get_by_index(net, cfg.ifindex);
    if (*dev == nullptr || (*dev)->ip6_ptr == nullptr) return -ENODEV;
  }
  if ((cfg.nh_flags & RTNH_F_ONLINK) != 0) {
    if (*dev == nullptr) return -ENODEV;
    if (((*dev)->flags & IFF_UP) == 0) return -ENETDOWN;
    *nh_flags |= RTNH_F_ONLINK;
  }
  if ((cfg.flags & RTF_REJECT) != 0) {
    *dev = net.loopback_dev;
    return *dev != nullptr && (*dev)->ip6_ptr != nullptr ? 0 : -ENODEV;
  }
  if ((cfg.flags & RTF_GATEWAY) != 0) {
    const int err = CheckGateway(ns, cfg, dev);
    if (err != 0) return err;
  }
  if (*dev == nullptr) return -ENODEV;
  if ((*dev)->ip6_ptr == nullptr || (*dev)->ip6_ptr->cnf->disable_ipv6 != 0) return -EACCES;
  if (((*dev)->flags & IFF_UP) == 0 && !cfg.ignore_dev_down) return -ENETDOWN;
  const bool is_ours = (cfg.flags & (RTF_LOCAL | RTF_ANYCAST)) != 0;
  if (!is_ours && !netif_carrier_ok(*dev)) *nh_flags |= RTNH_F_LINKDOWN;
  return 0;
}

// What `ip route` leaves to be understood (rtm_to_fib6_config).
fib6_config Completed(const fib6_config& asked) {
  fib6_config cfg = asked;
  if (cfg.table == RT_TABLE_UNSPEC) cfg.table = RT6_TABLE_MAIN;
  if (cfg.metric == 0) cfg.metric = IP6_RT_PRIO_USER;
  if (cfg.protocol == RTPROT_UNSPEC) cfg.protocol = RTPROT_BOOT;
  if (cfg.type == RTN_UNSPEC) cfg.type = RTN_UNICAST;
  if (cfg.type >= RTN_BLACKHOLE && cfg.type <= RTN_THROW) cfg.flags |= RTF_REJECT;
  if (cfg.type == RTN_LOCAL) cfg.flags |= RTF_LOCAL;
  if (cfg.type == RTN_ANYCAST) cfg.flags |= RTF_ANYCAST;
  if (!ipv6_addr_any(cfg.gateway)) cfg.flags |= RTF_GATEWAY;
  cfg.flags |= RTF_UP;
  return cfg;
}

bool IsValid(const fib6_config& cfg) {
  return (cfg.flags & (RTF_PCPU | RTF_CACHE)) == 0 && cfg.type <= RTN_MAX && cfg.dst_len <= 128 &&
         cfg.src_len <= 128;
}

// Packets for others must not loop inside: routes over the loopback device refuse.
bool IsReject(const fib6_config& cfg, const net_device* dev) {
  if ((cfg.flags & RTF_REJECT) != 0) return true;
  return (dev->flags & IFF_LOOPBACK) != 0 && (ipv6_addr_type(cfg.dst) & IPV6_ADDR_LOOPBACK) == 0 &&
         (cfg.flags & (RTF_ANYCAST | RTF_LOCAL)) == 0;
}

int FillWay(netns_ipv6& ns, fib6_info* rt, const fib6_config& cfg) {
  const int err = fib6_nh_init(ns, &rt->nh, cfg);
  if (err != 0) return err;
  if (IsReject(cfg, rt->nh.fib_nh_dev)) rt->fib6_flags = RTF_REJECT | RTF_NONEXTHOP;
  if (ipv6_addr_any(cfg.prefsrc)) return 0;
  if (!ipv6_chk_addr(ns.host_net, cfg.prefsrc, rt->nh.fib_nh_dev, false)) return -EINVAL;
  rt->fib6_prefsrc = cfg.prefsrc;
  return 0;
}

// The route that `cfg` (completed) asks for, in no table yet; nullptr and *err.
fib6_info* Create(netns_ipv6& ns, const fib6_config& cfg, int* err) {
  fib6_table* const table = fib6_new_table(ns, cfg.table);
  fib6_info* const rt = table != nullptr ? fib6_info_alloc(ns) : nullptr;
  *err = -ENOMEM;
  if (rt == nullptr) return nullptr;
  std::copy(std::begin(cfg.metrics), std::end(cfg.metrics), std::begin(rt->metrics));
  rt->has_metrics = std::any_of(std::begin(cfg.metrics), std::end(cfg.metrics),
                                [](uint32_t metric) { return metric != 0; });
  const bool is_ours = cfg.table == RT6_TABLE_LOCAL && (cfg.flags & (RTF_LOCAL | RTF_ANYCAST)) != 0;
  rt->dst_nocount = (cfg.flags & RTF_ADDRCONF) != 0 || is_ours;
  rt->table = table;
  rt->fib6_protocol = cfg.protocol;
  rt->fib6_metric = cfg.metric;
  rt->fib6_type = cfg.type;
  rt->fib6_flags = cfg.flags & ~uint32_t{RTF_GATEWAY | RTF_EXPIRES};
  rt->fib6_dst = {ipv6_addr_prefix(cfg.dst, cfg.dst_len), cfg.dst_len};
  rt->fib6_src = {ipv6_addr_prefix(cfg.src, cfg.src_len), cfg.src_len};
  if ((cfg.flags & RTF_EXPIRES) != 0) {
    rt->expires = ns.host_net.jiffies() + cfg.expires;
    rt->fib6_flags |= RTF_EXPIRES;
  }
  *err = FillWay(ns, rt, cfg);
  if (*err == 0) return rt;
  fib6_info_release(ns, rt);
  return nullptr;
}

int AddOne(netns_ipv6& ns, const fib6_config& cfg, uint8_t weight, const fib6_add_mode& mode) {
  int err = 0;
  fib6_info* const rt = Create(ns, cfg, &err);
  if (rt == nullptr) return err;
  rt->nh.fib_nh_weight = weight;
  err = fib6_add(ns, rt, mode);
  fib6_info_release(ns, rt);
  return err;
}

fib6_config WithHop(const fib6_config& asked, const fib6_config_nexthop& hop) {
  fib6_config cfg = asked;
  cfg.nexthops = {};
  if (hop.ifindex != 0) cfg.ifindex = hop.ifindex;
  cfg.gateway = hop.gateway;
  cfg.nh_flags |= hop.flags;
  return Completed(cfg);
}

// One route for each hop, all or none (ip6_route_multipath_add). The first must find things as it
// was asked for; the others stand beside it.
int AddAll(netns_ipv6& ns, const fib6_config& asked, fib6_add_mode mode) {
  for (const fib6_config_nexthop& hop : asked.nexthops) {
    // Nothing is touched where one of them is wrong.
    int err = 0;
    fib6_info* const trial = Create(ns, WithHop(asked, hop), &err);
    if (trial == nullptr) return err;
    fib6_info_release(ns, trial);
  }
  for (size_t i = 0; i < asked.nexthops.size(); ++i) {
    const fib6_config_nexthop& hop = asked.nexthops[i];
    const int err = AddOne(ns, WithHop(asked, hop), hop.weight, mode);
    if (err != 0) {
      for (size_t j = 0; j < i; ++j) {
        ip6_route_del(ns.host_net, WithHop(asked, asked.nexthops[j]));
      }
      return err;
    }
    mode = fib6_add_mode{};
  }
  return 0;
}

bool Fits(const fib6_info& rt, const fib6_config& cfg) {
  if (cfg.metric != 0 && cfg.metric != rt.fib6_metric) return false;
  if (cfg.protocol != RTPROT_UNSPEC && cfg.protocol != rt.fib6_protocol) return false;
  if (cfg.ifindex != 0 && cfg.ifindex != rt.nh.fib_nh_dev->ifindex) return false;
  return ipv6_addr_any(cfg.gateway) || (rt.nh.has_gateway && cfg.gateway == rt.nh.fib_nh_gw6);
}

// All ways of a route go with it (__ip6_del_rt_siblings).
void DeleteWithSiblings(netns_ipv6& ns, fib6_info* rt) {
  if (rt->fib6_nsiblings > 0) {
    for (fib6_info* at = rt6_multipath_first_sibling(rt); at != nullptr;) {
      fib6_info* const next = rt6_multipath_next_sibling(at);
      if (at != rt) fib6_del(ns, at);
      at = next;
    }
  }
  fib6_del(ns, rt);
}

}  // namespace

int fib6_nh_init(netns_ipv6& ns, fib6_nh* nh, const fib6_config& cfg) {
  net_device* dev = nullptr;
  const int err = ChooseDevice(ns, cfg, &dev, &nh->fib_nh_flags);
  if (err != 0) return err;
  nh->last_probe = ns.host_net.jiffies();
  nh->fib_nh_dev = dev;
  dev_hold(dev);
  if ((cfg.flags & RTF_GATEWAY) != 0 && (cfg.flags & RTF_REJECT) == 0) {
    nh->has_gateway = true;
    nh->fib_nh_gw6 = cfg.gateway;
  }
  return 0;
}

void fib6_nh_release(netns_ipv6& ns, fib6_nh* nh) {
  fib6_nh_flush_exceptions(ns, nh);
  if (rt6_info* const rt = nh->rt6i_pcpu; rt != nullptr) {
    nh->rt6i_pcpu = nullptr;
    rt6_dev_put(rt);
    dst_release(rt);
  }
  dev_put(nh->fib_nh_dev);
  nh->fib_nh_dev = nullptr;
}

int ip6_route_add(net& net, const fib6_config& config) {
  if (!IsValid(config)) return -EINVAL;
  netns_ipv6& ns = net_ipv6(net);
  const fib6_add_mode mode{.create = config.create, .replace = config.replace, .excl = config.excl};
  if (!config.nexthops.empty()) return AddAll(ns, config, mode);
  return AddOne(ns, Completed(config), 1, mode);
}

int ip6_route_del(net& net, const fib6_config& config) {
  netns_ipv6& ns = net_ipv6(net);
  if (!config.nexthops.empty()) {
    int last_err = 0;
    for (const fib6_config_nexthop& hop : config.nexthops) {
      fib6_config one = config;
      one.nexthops = {};
      if (hop.ifindex != 0) one.ifindex = hop.ifindex;
      one.gateway = hop.gateway;
      const int err = ip6_route_del(net, one);
      if (err != 0) last_err = err;
    }
    return last_err;
  }
  const uint32_t id = config.table == RT_TABLE_UNSPEC ? RT6_TABLE_MAIN : config.table;
  const fib6_table* const table = fib6_get_table(ns, id);
  if (table == nullptr || config.dst_len > 128 || config.src_len > 128) return -ESRCH;
  const fib6_node* const fn =
      fib6_locate(table->root, {ipv6_addr_prefix(config.dst, config.dst_len), config.dst_len},
                  {ipv6_addr_prefix(config.src, config.src_len), config.src_len});
  for (fib6_info* rt = fn != nullptr ? fn->leaf : nullptr; rt != nullptr; rt = rt->fib6_next) {
    if (!Fits(*rt, config)) continue;
    if (ipv6_addr_any(config.gateway)) {
      DeleteWithSiblings(ns, rt);
    } else {
      fib6_del(ns, rt);
    }
    return 0;
  }
  return -ESRCH;
}

void ip6_del_rt(net& net, fib6_info* rt) {
  netns_ipv6& ns = net_ipv6(net);
  fib6_del(ns, rt);
  fib6_info_release(ns, rt);
}

int ip6_ins_local_rt(net& net, net_device* dev, const Ipv6Address& addr, bool anycast,
                     uint32_t metric) {
  netns_ipv6& ns = net_ipv6(net);
  if (dev->ip6_ptr == nullptr) return -ENODEV;
  fib6_config cfg;
  cfg.dst = addr;
  cfg.dst_len = 128;
  cfg.table = RT6_TABLE_LOCAL;
  cfg.ifindex = dev->ifindex;
  cfg.metric = metric;
  cfg.flags = RTF_UP | RTF_NONEXTHOP | (anycast ? RTF_ANYCAST : RTF_LOCAL);
  cfg.protocol = RTPROT_KERNEL;
  cfg.type = anycast ? RTN_ANYCAST : RTN_LOCAL;
  cfg.ignore_dev_down = true;
  int err = 0;
  fib6_info* const rt = Create(ns, cfg, &err);
  if (rt == nullptr) return err;
  rt->dst_nopolicy =
      !anycast && (ns.devconf_all.disable_policy != 0 || dev->ip6_ptr->cnf->disable_policy != 0);
  err = fib6_add(ns, rt, {});
  fib6_info_release(ns, rt);
  return err;
}

int ip6_del_local_rt(net& net, net_device* dev, const Ipv6Address& addr) {
  fib6_config cfg;
  cfg.dst = addr;
  cfg.dst_len = 128;
  cfg.table = RT6_TABLE_LOCAL;
  cfg.ifindex = dev->ifindex;
  return ip6_route_del(net, cfg);
}

}  // namespace tapedeck
