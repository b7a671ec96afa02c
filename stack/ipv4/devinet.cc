// Addresses and settings of devices (net/ipv4/devinet.c).
#include "stack/ipv4/devinet.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/base/hash.h"
#include "stack/core/neighbour.h"
#include "stack/core/net.h"
#include "stack/ipv4/arp.h"
#include "stack/ipv4/igmp.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/wire/ipv4.h"

namespace tapedeck {

namespace {

uint32_t AddrBucket(const netns_ipv4& ns, Ipv4Address addr) {
  return jhash_1word(addr.host(), ns.host_net.hash_mix) % netns_ipv4::kAddrBuckets;
}

void HashAddress(netns_ipv4& ns, in_ifaddr* ifa) {
  in_ifaddr** const bucket = &ns.addr_buckets[AddrBucket(ns, ifa->ifa_local)];
  ifa->hash_next = *bucket;
  *bucket = ifa;
}

void UnhashAddress(netns_ipv4& ns, in_ifaddr* ifa) {
  in_ifaddr** at = &ns.addr_buckets[AddrBucket(ns, ifa->ifa_local)];
  while (*at != ifa) at = &(*at)->hash_next;
  *at = ifa->hash_next;
}

in_ifaddr* FindAddress(const in_device* in_dev, Ipv4Address local, uint8_t prefixlen) {
  for (in_ifaddr& ifa : in_dev->ifa_list) {
    if (ifa.ifa_local == local && ifa.ifa_prefixlen == prefixlen) return &ifa;
  }
  return nullptr;
}

// Behind which address the new one goes: primaries in order of scope before all secondaries.
void InsertIntoList(in_device* in_dev, in_ifaddr* ifa) {
  if ((ifa->ifa_flags & IFA_F_SECONDARY) != 0) {
    in_dev->ifa_list.PushBack(ifa);
    return;
  }
  for (in_ifaddr& other : in_dev->ifa_list) {
    const bool is_behind =
        (other.ifa_flags & IFA_F_SECONDARY) != 0 || other.ifa_scope > ifa->ifa_scope;
    if (is_behind) {
      in_dev->ifa_list.InsertBeforeItem(&other, ifa);
      return;
    }
  }
  in_dev->ifa_list.PushBack(ifa);
}

void DestroyAddress(netns_ipv4& ns, in_ifaddr* ifa) {
  UnhashAddress(ns, ifa);
  ifa->Unlink();
  ++ns.dev_addr_genid;
  fib_del_ifaddr(ifa, nullptr);
  in_device* const in_dev = ifa->ifa_dev;
  ns.ifaddrs.Delete(ifa);
  // With its last address a device loses all of IPv4, routes through it included
  // (fib_inetaddr_event).
  if (in_dev->ifa_list.empty()) {
    fib_disable_ip(in_dev->dev, true);
  } else {
    rt_cache_flush(ns.host_net);
  }
}

bool IsSecondaryOf(const in_ifaddr& ifa, const in_ifaddr& primary) {
  return (ifa.ifa_flags & IFA_F_SECONDARY) != 0 && ifa.prefix() == primary.prefix();
}

// The secondaries of a primary that goes, while it is still there: they go first, or their routes,
// which name it as source. Returns the one to be promoted, if any.
in_ifaddr* RetireSecondaries(netns_ipv4& ns, in_device* in_dev, const in_ifaddr& primary) {
  const bool promote = in_dev_conf(in_dev).promote_secondaries();
  in_ifaddr* promoted = nullptr;
  for (in_ifaddr* ifa = in_dev->ifa_list.front(); ifa != nullptr;) {
    in_ifaddr* const next = in_dev->ifa_list.Next(ifa);
    if (IsSecondaryOf(*ifa, primary)) {
      if (promote) {
        fib_del_ifaddr(ifa, &primary);
        if (promoted == nullptr) promoted = ifa;
      } else {
        DestroyAddress(ns, ifa);
      }
    }
    ifa = next;
  }
  return promoted;
}

// __inet_del_ifa.
void DeleteAddress(in_device* in_dev, in_ifaddr* ifa) {
  netns_ipv4& ns = dev_ipv4(in_dev->dev);
  if ((ifa->ifa_flags & IFA_F_SECONDARY) != 0) {
    DestroyAddress(ns, ifa);
    return;
  }
  in_ifaddr* const promoted = RetireSecondaries(ns, in_dev, *ifa);
  DestroyAddress(ns, ifa);
  if (promoted == nullptr) return;
  promoted->Unlink();
  promoted->ifa_flags &= ~uint32_t{IFA_F_SECONDARY};
  InsertIntoList(in_dev, promoted);
  fib_add_ifaddr(promoted);
  for (in_ifaddr& other : in_dev->ifa_list) {
    if (IsSecondaryOf(other, *promoted)) fib_add_ifaddr(&other);
  }
}

// How near an address is, for choices of a source: host addresses count as of the link where they
// may be routed.
uint8_t EffectiveScope(const in_device* in_dev, const in_ifaddr& ifa) {
  const uint8_t localnet = in_dev_conf(in_dev).route_localnet() ? RT_SCOPE_LINK : RT_SCOPE_HOST;
  return std::min(ifa.ifa_scope, localnet);
}

Ipv4Address FirstLocal(const in_device* in_dev, uint8_t max_scope) {
  for (const in_ifaddr& ifa : in_dev->ifa_list) {
    if ((ifa.ifa_flags & IFA_F_SECONDARY) == 0 && ifa.ifa_scope != RT_SCOPE_LINK &&
        ifa.ifa_scope <= max_scope) {
      return ifa.ifa_local;
    }
  }
  return kIpv4Any;
}

// confirm_addr_indev: an address that may be `local`, in a subnet with `dst`.
Ipv4Address ConfirmOnDevice(const in_device* in_dev, Ipv4Address dst, Ipv4Address local,
                            uint8_t scope) {
  Ipv4Address addr = kIpv4Any;
  bool same = false;
  for (const in_ifaddr& ifa : in_dev->ifa_list) {
    const bool near_enough = EffectiveScope(in_dev, ifa) <= scope;
    if (addr == kIpv4Any && (local == ifa.ifa_local || local == kIpv4Any) && near_enough) {
      addr = ifa.ifa_local;
      if (same) break;
    }
    if (!same) {
      same = (local == kIpv4Any || inet_ifa_match(local, ifa)) &&
             (dst == kIpv4Any || inet_ifa_match(dst, ifa));
      if (same && addr != kIpv4Any) {
        if (local != kIpv4Any || dst == kIpv4Any) break;
        if (inet_ifa_match(addr, ifa)) break;  // the address chosen is of that subnet
        if (near_enough) {
          addr = ifa.ifa_local;
          break;
        }
        same = false;
      }
    }
  }
  return same ? addr : kIpv4Any;
}

ipv4_devconf* ConfFor(netns_ipv4& ns, const net_device* dev) {
  for (ipv4_devconf& conf : ns.devconfs) {
    if (std::strncmp(conf.name, dev->name, kIfNameBytes) == 0) return &conf;
  }
  auto* const conf = ns.host_net.world.arena().New<ipv4_devconf>();
  conf->ns = &ns;
  ns.devconfs.PushBack(conf);
  devinet_sysctl_register(ns.host_net, conf, dev->name);
  return conf;
}

void CopyValues(ipv4_devconf* to, const ipv4_devconf& from) {
#define X(member, file, value) to->member = from.member;
  TAPEDECK_IPV4_DEVCONF(X)
#undef X
}

// A change of ip_forward or conf/all/forwarding reaches all devices (inet_forward_change).
void OnForwardingChanged(void* context) {
  auto* const conf = static_cast<ipv4_devconf*>(context);
  netns_ipv4& ns = *conf->ns;
  if (conf == &ns.devconf_all) {
    const int32_t on = conf->forwarding;
    ns.devconf_all.accept_redirects = on != 0 ? 0 : 1;
    ns.devconf_dflt.forwarding = on;
    for (net_device& dev : ns.host_net.devices) {
      if (dev.ip_ptr != nullptr) dev.ip_ptr->conf->forwarding = on;
    }
  }
  rt_cache_flush(ns.host_net);
}

void OnConfChanged(void* context) {
  rt_cache_flush(static_cast<ipv4_devconf*>(context)->ns->host_net);
}

void ListConf(SysctlFiles& files, void* owner) {
  auto* const conf = static_cast<ipv4_devconf*>(owner);
  struct File {
    const char* name;
    int32_t ipv4_devconf::* member;
  };
  static constexpr File kFiles[] = {
#define X(member, file, value) {file, &ipv4_devconf::member},
      TAPEDECK_IPV4_DEVCONF(X)
#undef X
  };
  for (const File& file : kFiles) {
    SysctlEntry* const entry = files.AddInt(file.name, &(conf->*file.member));
    entry->changed = file.member == &ipv4_devconf::forwarding ? OnForwardingChanged : OnConfChanged;
    entry->context = conf;
  }
}

void BringUp(in_device* in_dev) {
  net_device* const dev = in_dev->dev;
  ip_mc_up(in_dev);
  if ((dev->flags & IFF_LOOPBACK) != 0 && in_dev->ifa_list.empty()) {
    inet_add_address(dev, {.local = kIpv4Loopback, .prefixlen = 8, .no_broadcast = true});
  }
  for (in_ifaddr& ifa : in_dev->ifa_list) fib_add_ifaddr(&ifa);
  fib_sync_up(dev, RTNH_F_DEAD);
}

void NotifyAddresses(in_device* in_dev) {
  if (in_dev_conf(in_dev).arp_notify() == 0) return;
  for (const in_ifaddr& ifa : in_dev->ifa_list) arp_announce_address(in_dev->dev, ifa.ifa_local);
}

void OnCarrierChange(net_device* dev) {
  if (netif_carrier_ok(dev)) {
    fib_sync_up(dev, RTNH_F_LINKDOWN);
    return;
  }
  fib_sync_down_carrier(dev);
  if (in_dev_conf(dev->ip_ptr).arp_evict_nocarrier()) {
    neigh_carrier_down(dev_net(dev).arp_tbl, dev);
  }
}

}  // namespace

in_device::in_device(net_device* its_dev, ipv4_devconf* its_conf)
    : dev(its_dev),
      conf(its_conf),
      mr_gq_timer(igmp_gq_timer_expire),
      mr_ifc_timer(igmp_ifc_timer_expire) {
  mr_gq_timer.in_dev = mr_ifc_timer.in_dev = this;
}

in_dev_conf::in_dev_conf(const in_device* in_dev)
    : dev(*in_dev->conf), all(dev_ipv4(in_dev->dev).devconf_all) {}

void devinet_sysctl_register(net& net, ipv4_devconf* conf, std::string_view name) {
  name.copy(conf->name, kIfNameBytes - 1);
  net.kernel.sysctl().AddOwner(ListConf, conf, "net/ipv4/conf", conf->name);
}

void devinet_sysctl_list_forward(SysctlFiles& files, netns_ipv4& ns) {
  SysctlEntry* const entry = files.AddInt("net/ipv4/ip_forward", &ns.devconf_all.forwarding);
  entry->changed = OnForwardingChanged;
  entry->context = &ns.devconf_all;
}

in_device* inetdev_init(net_device* dev) {
  if (dev->ip_ptr != nullptr) return dev->ip_ptr;
  if (dev->mtu < wire::kIpv4MinMtu) return nullptr;
  netns_ipv4& ns = dev_ipv4(dev);
  ipv4_devconf* const conf = ConfFor(ns, dev);
  CopyValues(conf, ns.devconf_dflt);
  in_device* const in_dev = ns.in_devices.New(dev, conf);
  if (in_dev == nullptr) return nullptr;
  dev->arp_parms = neigh_parms_alloc(dev, ns.host_net.arp_tbl);
  if (dev->arp_parms == nullptr) {
    ns.in_devices.Delete(in_dev);
    return nullptr;
  }
  dev_hold(dev);
  dev->ip_ptr = in_dev;
  if ((dev->flags & IFF_UP) != 0) BringUp(in_dev);
  return in_dev;
}

void inetdev_destroy(in_device* in_dev) {
  net_device* const dev = in_dev->dev;
  netns_ipv4& ns = dev_ipv4(dev);
  in_dev->dead = true;
  ip_mc_destroy_dev(in_dev);
  while (in_ifaddr* const ifa = in_dev->ifa_list.front()) {
    // Secondaries follow their primary: taken one by one nothing is promoted.
    DestroyAddress(ns, ifa);
  }
  fib_disable_ip(dev, true);
  rt_flush_dev(dev);
  neigh_ifdown(ns.host_net.arp_tbl, dev);
  neigh_parms_release(ns.host_net.arp_tbl, dev->arp_parms);
  dev->arp_parms = nullptr;
  for (in_route_hint& hint : in_dev->hints) dst_release(hint.rt);
  dev->ip_ptr = nullptr;
  ns.in_devices.Delete(in_dev);
  dev_put(dev);
}

int inet_add_address(net_device* dev, const inet_address_config& config) {
  if (config.prefixlen > 32 || ipv4_is_multicast(config.local) || config.local == kIpv4Any ||
      ipv4_is_lbcast(config.local)) {
    return -EINVAL;
  }
  netns_ipv4& ns = dev_ipv4(dev);
  in_device* const in_dev = inetdev_init(dev);
  if (in_dev == nullptr) return -ENOBUFS;
  const Ipv4Address address = config.peer == kIpv4Any ? config.local : config.peer;
  const Ipv4Prefix prefix(address, config.prefixlen);
  bool secondary = false;
  for (const in_ifaddr& other : in_dev->ifa_list) {
    if (other.prefix() != prefix) continue;
    if (other.ifa_local == config.local) return -EEXIST;
    secondary = true;
  }
  in_ifaddr* const ifa = ns.ifaddrs.New();
  if (ifa == nullptr) return -ENOBUFS;
  ifa->ifa_dev = in_dev;
  ifa->ifa_local = config.local;
  ifa->ifa_address = address;
  ifa->ifa_prefixlen = config.prefixlen;
  ifa->ifa_flags = config.flags | IFA_F_PERMANENT | (secondary ? uint32_t{IFA_F_SECONDARY} : 0U);
  ifa->ifa_rt_priority = config.metric;
  const uint8_t own_scope = ipv4_is_loopback(config.local) ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
  ifa->ifa_scope = config.scope < 0 ? own_scope : static_cast<uint8_t>(config.scope);
  if (config.broadcast != kIpv4Any) {
    ifa->ifa_broadcast = config.broadcast;
  } else if (!config.no_broadcast && (dev->flags & IFF_BROADCAST) != 0 && config.prefixlen < 31) {
    ifa->ifa_broadcast = prefix.last();
  }
  InsertIntoList(in_dev, ifa);
  HashAddress(ns, ifa);
  ++ns.dev_addr_genid;
  fib_add_ifaddr(ifa);
  fib_sync_up(dev, RTNH_F_DEAD);
  return 0;
}

int inet_del_address(net_device* dev, Ipv4Address local, uint8_t prefixlen) {
  in_device* const in_dev = dev->ip_ptr;
  in_ifaddr* const ifa = in_dev == nullptr ? nullptr : FindAddress(in_dev, local, prefixlen);
  if (ifa == nullptr) return -EADDRNOTAVAIL;
  DeleteAddress(in_dev, ifa);
  return 0;
}

in_ifaddr* inet_lookup_ifaddr(netns_ipv4& ns, Ipv4Address addr) {
  for (in_ifaddr* ifa = ns.addr_buckets[AddrBucket(ns, addr)]; ifa != nullptr;
       ifa = ifa->hash_next) {
    if (ifa->ifa_local == addr) return ifa;
  }
  return nullptr;
}

net_device* __ip_dev_find(net& net, Ipv4Address addr) {
  netns_ipv4& ns = net_ipv4(net);
  if (const in_ifaddr* const ifa = inet_lookup_ifaddr(ns, addr); ifa != nullptr) {
    return ifa->ifa_dev->dev;
  }
  // What lies in a local subnet, like 127.0.0.2, has no entry of its own.
  flowi4 flow;
  flow.daddr = addr;
  fib_result res;
  if (fib_table_lookup(ns.fib.local, flow, &res, 0) != 0 || res.type != RTN_LOCAL) return nullptr;
  return FIB_RES_DEV(res);
}

Ipv4Address inet_select_addr(const net_device* dev, Ipv4Address dst, uint8_t scope) {
  const in_device* const in_dev = dev->ip_ptr;
  if (in_dev != nullptr) {
    Ipv4Address first = kIpv4Any;
    for (const in_ifaddr& ifa : in_dev->ifa_list) {
      if ((ifa.ifa_flags & IFA_F_SECONDARY) != 0 || EffectiveScope(in_dev, ifa) > scope) continue;
      if (dst == kIpv4Any || inet_ifa_match(dst, ifa)) return ifa.ifa_local;
      if (first == kIpv4Any) first = ifa.ifa_local;
    }
    if (first != kIpv4Any) return first;
  }
  for (const net_device& other : dev_net(dev).devices) {
    if (other.ip_ptr == nullptr) continue;
    const Ipv4Address addr = FirstLocal(other.ip_ptr, scope);
    if (addr != kIpv4Any) return addr;
  }
  return kIpv4Any;
}

Ipv4Address inet_confirm_addr(net& net, const in_device* in_dev, Ipv4Address dst, Ipv4Address local,
                              uint8_t scope) {
  if (in_dev != nullptr) return ConfirmOnDevice(in_dev, dst, local, scope);
  for (const net_device& dev : net.devices) {
    if (dev.ip_ptr == nullptr) continue;
    const Ipv4Address addr = ConfirmOnDevice(dev.ip_ptr, dst, local, scope);
    if (addr != kIpv4Any) return addr;
  }
  return kIpv4Any;
}

bool inet_addr_onlink(const in_device* in_dev, Ipv4Address a, Ipv4Address b) {
  for (const in_ifaddr& ifa : in_dev->ifa_list) {
    if ((ifa.ifa_flags & IFA_F_SECONDARY) != 0 || !inet_ifa_match(a, ifa)) continue;
    if (b == kIpv4Any || inet_ifa_match(b, ifa)) return true;
  }
  return false;
}

int inetdev_event(net_device* dev, NetdevEvent event) {
  net& net = dev_net(dev);
  in_device* in_dev = dev->ip_ptr;
  if (in_dev == nullptr) {
    // The kernel gives IPv4 to a device when it is registered, or as soon as its MTU allows.
    if (event == NetdevEvent::kRegister || event == NetdevEvent::kChangeMtu) {
      in_dev = inetdev_init(dev);
      if (in_dev == nullptr && event == NetdevEvent::kRegister && dev->mtu >= wire::kIpv4MinMtu) {
        return -ENOMEM;
      }
    }
    return 0;
  }
  switch (event) {
    case NetdevEvent::kRegister:
    case NetdevEvent::kGoingDown:
    case NetdevEvent::kFeatChange:
      break;
    case NetdevEvent::kUp:
      BringUp(in_dev);
      NotifyAddresses(in_dev);
      break;
    case NetdevEvent::kDown:
      ip_mc_down(in_dev);
      fib_disable_ip(dev, false);
      neigh_ifdown(net.arp_tbl, dev);
      break;
    case NetdevEvent::kChange:
      OnCarrierChange(dev);
      break;
    case NetdevEvent::kChangeMtu:
      if (dev->mtu < wire::kIpv4MinMtu) {
        inetdev_destroy(in_dev);
      } else {
        rt_cache_flush(net);
      }
      break;
    case NetdevEvent::kChangeAddr:
      neigh_changeaddr(net.arp_tbl, dev);
      rt_cache_flush(net);
      NotifyAddresses(in_dev);
      break;
    case NetdevEvent::kUnregister:
      inetdev_destroy(in_dev);
      break;
  }
  return 0;
}

}  // namespace tapedeck
