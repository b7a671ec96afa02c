// What the tables say about addresses, and the routes that addresses bring
// (net/ipv4/fib_frontend.c).
#include <cerrno>

#include "stack/core/net.h"
#include "stack/ipv4/devinet.h"
#include "stack/ipv4/fib.h"
#include "stack/ipv4/netns_ipv4.h"

namespace tapedeck {

namespace {

uint8_t AddrType(netns_ipv4& ns, const net_device* dev, Ipv4Address addr) {
  if (ipv4_is_zeronet(addr) || ipv4_is_lbcast(addr)) return RTN_BROADCAST;
  if (ipv4_is_multicast(addr)) return RTN_MULTICAST;
  flowi4 flow;
  flow.daddr = addr;
  fib_result res;
  if (fib_table_lookup(ns.fib.local, flow, &res, 0) != 0) return RTN_UNICAST;
  return dev == nullptr || dev == res.fi->nh[0].nh_dev ? res.type : uint8_t{RTN_UNICAST};
}

bool UsesDevice(const fib_info& fi, const net_device* dev) {
  for (uint32_t i = 0; i < fi.nhs; ++i) {
    if (fi.nh[i].nh_dev == dev) return true;
  }
  return false;
}

// What a source without a route back means: fine unless the reverse path is filtered.
int WithoutRoute(int rpf) { return rpf != 0 ? -EXDEV : 0; }

// __fib_validate_source: looks the source up as a destination.
int ValidateByLookup(netns_ipv4& ns, const in_device* in_dev, Ipv4Address src, Ipv4Address dst,
                     uint8_t tos, int oif, net_device* dev, uint32_t mark, int rpf) {
  const in_dev_conf conf(in_dev);
  flowi4 flow;
  flow.iif = oif != 0 ? oif : kLoopbackIfindex;
  flow.daddr = src;
  flow.saddr = dst;
  flow.tos = tos & IPTOS_RT_MASK;
  flow.mark = conf.src_vmark() ? mark : 0;
  fib_result res;
  if (fib_lookup(ns, flow, &res) != 0) return WithoutRoute(rpf);
  if (res.type != RTN_UNICAST && (res.type != RTN_LOCAL || !conf.accept_local())) return -EINVAL;
  const bool from_loopback = res.type == RTN_LOCAL && dev == ns.host_net.loopback_dev;
  if (UsesDevice(*res.fi, dev) || from_loopback) {
    return res.nhc->nh_scope >= RT_SCOPE_HOST ? 1 : 0;
  }
  if (in_dev->ifa_list.empty()) return WithoutRoute(rpf);
  if (rpf == 1) return -EXDEV;
  flow.oif = dev->ifindex;
  if (fib_lookup(ns, flow, &res, FIB_LOOKUP_IGNORE_LINKSTATE) != 0) return 0;
  return res.type == RTN_UNICAST && res.nhc->nh_scope >= RT_SCOPE_HOST ? 1 : 0;
}

enum class Change { kAdd, kDelete };

// fib_magic: one route of an address.
void ChangeRoute(Change change, uint8_t type, const Ipv4Prefix& dst, const in_ifaddr& ifa,
                 uint32_t priority) {
  net_device* const dev = ifa.ifa_dev->dev;
  fib_config cfg;
  cfg.protocol = RTPROT_KERNEL;
  cfg.type = type;
  cfg.dst = dst.network();
  cfg.dst_len = static_cast<uint8_t>(dst.length_bits());
  cfg.priority = priority;
  cfg.prefsrc = ifa.ifa_local;
  cfg.oif = dev->ifindex;
  cfg.append = true;
  cfg.table = type == RTN_UNICAST ? RT_TABLE_MAIN : RT_TABLE_LOCAL;
  cfg.scope = type == RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK;
  // As the kernel's, this does not fail the address: a route that is there already is as good, and
  // without memory the address has none.
  if (change == Change::kAdd) {
    fib_table_insert(dev_ipv4(dev), cfg);
  } else {
    fib_table_delete(dev_ipv4(dev), cfg);
  }
}

bool HasConnectedRoute(const in_ifaddr& ifa) {
  return !ipv4_is_zeronet(ifa.prefix().network()) && (ifa.ifa_flags & IFA_F_SECONDARY) == 0 &&
         (ifa.prefix().network() != ifa.ifa_local || ifa.ifa_prefixlen < 32);
}

uint8_t ConnectedType(const in_ifaddr& ifa) {
  return (ifa.ifa_dev->dev->flags & IFF_LOOPBACK) != 0 ? RTN_LOCAL : RTN_UNICAST;
}

const in_ifaddr* PrimaryOf(const in_ifaddr& ifa) {
  for (const in_ifaddr& other : ifa.ifa_dev->ifa_list) {
    if ((other.ifa_flags & IFA_F_SECONDARY) == 0 && other.prefix() == ifa.prefix()) return &other;
  }
  return nullptr;
}

// What other addresses of the device still need of what `gone` brought.
struct StillNeeded {
  bool local = false;
  bool prefix = false;
  bool broadcast = false;          // the explicit one
  bool network_broadcast = false;  // the last address of the network
};

StillNeeded NeededWithout(const in_ifaddr& gone) {
  StillNeeded needed;
  const Ipv4Address last = gone.prefix().last();
  for (const in_ifaddr& ifa : gone.ifa_dev->ifa_list) {
    if (&ifa == &gone) continue;
    if (ifa.ifa_local == gone.ifa_local) needed.local = true;
    if (ifa.prefix() == gone.prefix() && (ifa.ifa_flags & IFA_F_SECONDARY) == 0) {
      needed.prefix = true;
    }
    const bool has_last = ifa.ifa_prefixlen < 31;
    if (gone.ifa_broadcast == ifa.ifa_broadcast ||
        (has_last && gone.ifa_broadcast == ifa.prefix().last())) {
      needed.broadcast = true;
    }
    if (last == ifa.ifa_broadcast || (has_last && last == ifa.prefix().last())) {
      needed.network_broadcast = true;
    }
  }
  return needed;
}

}  // namespace

uint8_t inet_addr_type(net& net, Ipv4Address addr) {
  return AddrType(net_ipv4(net), nullptr, addr);
}

uint8_t inet_dev_addr_type(net& net, const net_device* dev, Ipv4Address addr) {
  return AddrType(net_ipv4(net), dev, addr);
}

int fib_validate_source(net& net, Ipv4Address src, Ipv4Address dst, uint8_t tos, int oif,
                        net_device* dev, uint32_t mark) {
  netns_ipv4& ns = net_ipv4(net);
  const in_device* const in_dev = dev->ip_ptr;
  const in_dev_conf conf(in_dev);
  const int rpf = conf.rpfilter();
  // Nothing to find out but whether the source is one of ours: no lookup is needed for that.
  if (rpf == 0 && (dev->ifindex != oif || !conf.tx_redirects())) {
    if (conf.accept_local()) return 0;
    if (!ns.fib.has_custom_local_routes && !ns.fib.has_custom_rules) {
      return inet_lookup_ifaddr(ns, src) != nullptr ? -EINVAL : 0;
    }
  }
  return ValidateByLookup(ns, in_dev, src, dst, tos, oif, dev, mark, rpf);
}

void fib_add_ifaddr(in_ifaddr* ifa) {
  const in_ifaddr* primary = ifa;
  if ((ifa->ifa_flags & IFA_F_SECONDARY) != 0) {
    primary = PrimaryOf(*ifa);
    if (primary == nullptr) return;
  }
  ChangeRoute(Change::kAdd, RTN_LOCAL, {ifa->ifa_local, 32}, *primary, 0);
  if ((ifa->ifa_dev->dev->flags & IFF_UP) == 0) return;
  if (ifa->ifa_broadcast != kIpv4Any && ifa->ifa_broadcast != kIpv4Broadcast) {
    ChangeRoute(Change::kAdd, RTN_BROADCAST, {ifa->ifa_broadcast, 32}, *primary, 0);
  }
  if (!HasConnectedRoute(*ifa)) return;
  if ((ifa->ifa_flags & IFA_F_NOPREFIXROUTE) == 0) {
    ChangeRoute(Change::kAdd, ConnectedType(*ifa), ifa->prefix(), *primary, ifa->ifa_rt_priority);
  }
  if (ifa->ifa_prefixlen < 31) {
    ChangeRoute(Change::kAdd, RTN_BROADCAST, {ifa->prefix().last(), 32}, *primary, 0);
  }
}

void fib_del_ifaddr(in_ifaddr* ifa, const in_ifaddr* primary) {
  netns_ipv4& ns = dev_ipv4(ifa->ifa_dev->dev);
  const StillNeeded needed = NeededWithout(*ifa);
  // The routes of a secondary address name the primary as their source.
  if (primary == nullptr && (ifa->ifa_flags & IFA_F_SECONDARY) != 0) primary = PrimaryOf(*ifa);
  if (primary == nullptr) primary = ifa;
  const bool connected = HasConnectedRoute(*ifa);
  if (connected && !needed.prefix && (ifa->ifa_flags & IFA_F_NOPREFIXROUTE) == 0) {
    ChangeRoute(Change::kDelete, ConnectedType(*ifa), ifa->prefix(), *primary,
                ifa->ifa_rt_priority);
  }
  if (ifa->ifa_broadcast != kIpv4Any && !needed.broadcast) {
    ChangeRoute(Change::kDelete, RTN_BROADCAST, {ifa->ifa_broadcast, 32}, *primary, 0);
  }
  if (connected && ifa->ifa_prefixlen < 31 && !needed.network_broadcast) {
    ChangeRoute(Change::kDelete, RTN_BROADCAST, {ifa->prefix().last(), 32}, *primary, 0);
  }
  if (needed.local) return;
  ChangeRoute(Change::kDelete, RTN_LOCAL, {ifa->ifa_local, 32}, *primary, 0);
  // Nobody else has the address: what prefers it as source is no longer right.
  if (inet_addr_type(ns.host_net, ifa->ifa_local) != RTN_LOCAL) {
    fib_del_local_addr(ns, ifa->ifa_local);
  }
}

}  // namespace tapedeck
