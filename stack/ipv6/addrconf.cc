// Addresses of devices: making, finding and taking them off (net/ipv6/addrconf.c).
#include "stack/ipv6/addrconf.h"

#include <cerrno>

#include "stack/core/neighbour.h"
#include "stack/ipv6/addrconf_internal.h"
#include "stack/ipv6/mcast.h"

namespace tapedeck {

using namespace addrconf_internal;  // NOLINT(google-build-using-namespace): this is its other half

namespace {

uint32_t BucketOf(const netns_ipv6& ns, const Ipv6Address& addr) {
  return ipv6_addr_jhash(addr, ns.host_net.hash_mix) % netns_ipv6::kAddrBuckets;
}

bool Hash(netns_ipv6& ns, inet6_ifaddr* ifp) {
  inet6_ifaddr** const bucket = &ns.addr_buckets[BucketOf(ns, ifp->addr)];
  for (const inet6_ifaddr* other = *bucket; other != nullptr; other = other->hash_next) {
    if (other->addr == ifp->addr && other->idev->dev == ifp->idev->dev) return false;
  }
  ifp->hash_next = *bucket;
  *bucket = ifp;
  ifp->hashed = true;
  return true;
}

// Behind those of greater scope, before those of the same (ipv6_link_dev_addr).
void LinkToDevice(inet6_dev* idev, inet6_ifaddr* ifp) {
  const int scope = ipv6_addr_src_scope(ifp->addr);
  for (inet6_ifaddr& other : idev->addr_list) {
    if (scope < ipv6_addr_src_scope(other.addr)) continue;
    idev->addr_list.InsertBeforeItem(&other, ifp);
    return;
  }
  idev->addr_list.PushBack(ifp);
}

int CheckNewAddress(const inet6_dev* idev, const Ipv6Address& addr) {
  const uint32_t type = ipv6_addr_type(addr);
  if (type == IPV6_ADDR_ANY || (type & IPV6_ADDR_MULTICAST) != 0) return -EADDRNOTAVAIL;
  if ((type & IPV6_ADDR_LOOPBACK) != 0 && (idev->dev->flags & IFF_LOOPBACK) == 0) {
    return -EADDRNOTAVAIL;
  }
  if (idev->dead) return -ENODEV;
  return idev->cnf->disable_ipv6 != 0 ? -EACCES : 0;
}

// Whether an address of a link or host is looked for on another device than its own.
bool OutOfScope(const inet6_ifaddr& ifp, const net_device* dev, bool strict) {
  return dev != nullptr && ifp.idev->dev != dev &&
         ((ifp.scope & (IFA_LINK | IFA_HOST)) != 0 || strict);
}

net_device* FindOwner(net& net, const Ipv6Address& addr, const net_device* dev, bool strict,
                      uint32_t banned_flags) {
  netns_ipv6& ns = net_ipv6(net);
  for (const inet6_ifaddr* ifp = ns.addr_buckets[BucketOf(ns, addr)]; ifp != nullptr;
       ifp = ifp->hash_next) {
    if (ifp->addr != addr) continue;
    // An optimistic address counts as tentative only where it is banned by name.
    uint32_t flags = ifp->flags;
    if ((flags & IFA_F_OPTIMISTIC) != 0) flags &= ~uint32_t{IFA_F_TENTATIVE};
    if ((flags & banned_flags) == 0 && !OutOfScope(*ifp, dev, strict)) return ifp->idev->dev;
  }
  return nullptr;
}

// What becomes of the route to an address's prefix when the address goes.
enum class PrefixRoute : uint8_t { kKeep, kDelete, kExpire };

// check_cleanup_prefix_route: it stays where another permanent address is in the prefix or a user
// manages it, and lives as long as the longest-lived of the other addresses.
PrefixRoute CheckPrefixRoute(const inet6_ifaddr* ifp, Jiffies* expires) {
  net& net = dev_net(ifp->idev->dev);
  PrefixRoute action = PrefixRoute::kDelete;
  *expires = net.jiffies();
  for (const inet6_ifaddr& ifa : ifp->idev->addr_list) {
    if (&ifa == ifp || ifa.prefix_len != ifp->prefix_len ||
        !ipv6_prefix_equal(ifa.addr, ifp->addr, ifp->prefix_len)) {
      continue;
    }
    if ((ifa.flags & (IFA_F_PERMANENT | IFA_F_NOPREFIXROUTE)) != 0) return PrefixRoute::kKeep;
    action = PrefixRoute::kExpire;
    const Jiffies end = ifa.tstamp + Jiffies{ifa.valid_lft} * Hz(net);
    if (*expires < end) *expires = end;
  }
  return action;
}

void CleanupPrefixRoute(const inet6_ifaddr* ifp, PrefixRoute action, Jiffies expires) {
  net& net = dev_net(ifp->idev->dev);
  fib6_info* const route =
      addrconf_get_prefix_route(ifp->addr, ifp->prefix_len, ifp->idev->dev, 0, RTF_DEFAULT, true);
  if (route == nullptr) return;
  if (action == PrefixRoute::kDelete) {
    ip6_del_rt(net, route);
    return;
  }
  if ((route->fib6_flags & RTF_EXPIRES) == 0) fib6_set_expires(net, route, expires);
  fib6_info_release(net_ipv6(net), route);
}

void InsertRoutes(inet6_ifaddr* ifp) {
  net_device* const dev = ifp->idev->dev;
  // An optimistic address got its route when DAD began.
  if (!ifp->rt_inserted) {
    ifp->rt_inserted = true;
    ip6_ins_local_rt(dev_net(dev), dev, ifp->addr, false, 0);
  }
  if (ifp->idev->cnf->forwarding != 0) addrconf_join_anycast(ifp);
  if (!ipv6_addr_any(ifp->peer_addr)) {
    addrconf_prefix_route(ifp->peer_addr, 128, ifp->rt_priority, dev, 0, 0);
  }
}

void DeleteRoutes(inet6_ifaddr* ifp) {
  net_device* const dev = ifp->idev->dev;
  net& net = dev_net(dev);
  if (ifp->idev->cnf->forwarding != 0) addrconf_leave_anycast(ifp);
  addrconf_leave_solict(ifp->idev, ifp->addr);
  if (!ipv6_addr_any(ifp->peer_addr)) {
    fib6_info* const route = addrconf_get_prefix_route(ifp->peer_addr, 128, dev, 0, 0, false);
    if (route != nullptr) ip6_del_rt(net, route);
  }
  if (ifp->rt_inserted) {
    ifp->rt_inserted = false;
    ip6_del_local_rt(net, dev, ifp->addr);
  }
  rt6_cache_flush(net);
}

// The anycast address of all routers of the prefix (RFC 4291 2.6.1), which /127 and /128 lack
// (RFC 6164).
bool SubnetRouterAnycast(const inet6_ifaddr* ifp, Ipv6Address* addr) {
  if (ifp->prefix_len >= 127) return false;
  *addr = ipv6_addr_prefix(ifp->addr, ifp->prefix_len);
  return !ipv6_addr_any(*addr);
}

// What inet6_rtm_newaddr makes of what a user asks for.
int ConfigOf(net_device* dev, const inet6_address_config& asked, ifa6_config* config) {
  if (asked.prefixlen > 128 || asked.valid_lft == 0 || asked.prefered_lft > asked.valid_lft) {
    return -EINVAL;
  }
  config->pfx = asked.local;
  config->peer_pfx = asked.peer;
  config->plen = asked.prefixlen;
  config->scope = ipv6_addr_scope(asked.local);
  config->ifa_flags =
      asked.flags & (IFA_F_NODAD | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_OPTIMISTIC);
  config->valid_lft = asked.valid_lft;
  config->preferred_lft = asked.prefered_lft;
  config->rt_priority = asked.metric;
  if (!addrconf_finite_timeout(asked.valid_lft)) config->ifa_flags |= IFA_F_PERMANENT;
  if (asked.prefered_lft == 0) config->ifa_flags |= IFA_F_DEPRECATED;
  const inet6_dev* const idev = ipv6_find_idev(dev);
  if (idev == nullptr) return dev->mtu < wire::kIpv6MinMtu ? -EINVAL : -ENOBUFS;
  if (!Either(dev_ipv6(dev).devconf_all.optimistic_dad, idev->cnf->optimistic_dad)) {
    config->ifa_flags &= ~uint32_t{IFA_F_OPTIMISTIC};
  }
  constexpr uint32_t kContradiction = IFA_F_NODAD | IFA_F_OPTIMISTIC;
  if ((config->ifa_flags & kContradiction) == kContradiction) return -EINVAL;
  if ((config->ifa_flags & IFA_F_MANAGETEMPADDR) != 0 && config->plen != 64) return -EINVAL;
  return 0;
}

}  // namespace

inet6_ifaddr::inet6_ifaddr() : dad_timer(addrconf_dad_timer) { dad_timer.ifp = this; }

void in6_ifa_put(inet6_ifaddr* ifp) {
  CHECK_GT(ifp->refcnt, 0U);
  if (--ifp->refcnt > 0) return;
  CHECK(ifp->state == Inet6IfaddrState::kDead && !ifp->hashed);
  inet6_dev* const idev = ifp->idev;
  dev_ipv6(idev->dev).ifaddrs.Delete(ifp);
  in6_dev_put(idev);
}

// --- Finding. ---

bool ipv6_chk_addr(net& net, const Ipv6Address& addr, const net_device* dev, bool strict) {
  return FindOwner(net, addr, dev, strict, IFA_F_TENTATIVE) != nullptr;
}

bool ipv6_chk_addr_and_flags(net& net, const Ipv6Address& addr, const net_device* dev,
                             bool skip_dev_check, bool strict, uint32_t banned_flags) {
  return FindOwner(net, addr, skip_dev_check ? nullptr : dev, strict, banned_flags) != nullptr;
}

net_device* ipv6_dev_find(net& net, const Ipv6Address& addr, net_device* dev) {
  return FindOwner(net, addr, dev, true, IFA_F_TENTATIVE);
}

inet6_ifaddr* ipv6_get_ifaddr(net& net, const Ipv6Address& addr, const net_device* dev,
                              bool strict) {
  netns_ipv6& ns = net_ipv6(net);
  for (inet6_ifaddr* ifp = ns.addr_buckets[BucketOf(ns, addr)]; ifp != nullptr;
       ifp = ifp->hash_next) {
    if (ifp->addr != addr || OutOfScope(*ifp, dev, strict)) continue;
    ++ifp->refcnt;
    return ifp;
  }
  return nullptr;
}

bool ipv6_chk_prefix(const Ipv6Address& addr, const net_device* dev) {
  const inet6_dev* const idev = __in6_dev_get(dev);
  if (idev == nullptr) return false;
  for (const inet6_ifaddr& ifa : idev->addr_list) {
    if (ipv6_prefix_equal(addr, ifa.addr, ifa.prefix_len)) return true;
  }
  return false;
}

int ipv6_get_lladdr(net_device* dev, Ipv6Address* addr, uint32_t banned_flags) {
  const inet6_dev* const idev = __in6_dev_get(dev);
  if (idev == nullptr) return -EADDRNOTAVAIL;
  for (const inet6_ifaddr* ifp = idev->addr_list.back(); ifp != nullptr;
       ifp = idev->addr_list.Prev(ifp)) {
    if (ifp->scope > IFA_LINK) break;
    if (ifp->scope != IFA_LINK || (ifp->flags & banned_flags) != 0) continue;
    *addr = ifp->addr;
    return 0;
  }
  return -EADDRNOTAVAIL;
}

bool ipv6_accept_ra(const inet6_dev* idev) {
  return idev->cnf->forwarding != 0 ? idev->cnf->accept_ra == 2 : idev->cnf->accept_ra != 0;
}

bool ipv6_use_optimistic_addr(const inet6_dev* idev) {
  const ipv6_devconf& all = dev_ipv6(idev->dev).devconf_all;
  return Either(all.optimistic_dad, idev->cnf->optimistic_dad) &&
         Either(all.use_optimistic, idev->cnf->use_optimistic);
}

// --- Groups that an address asks for. ---

void addrconf_join_solict(net_device* dev, const Ipv6Address& addr) {
  if ((dev->flags & (IFF_LOOPBACK | IFF_NOARP)) != 0) return;
  ipv6_dev_mc_inc(dev, addrconf_addr_solict_mult(addr));
}

void addrconf_leave_solict(inet6_dev* idev, const Ipv6Address& addr) {
  if ((idev->dev->flags & (IFF_LOOPBACK | IFF_NOARP)) != 0) return;
  __ipv6_dev_mc_dec(idev, addrconf_addr_solict_mult(addr));
}

namespace addrconf_internal {

void addrconf_join_anycast(inet6_ifaddr* ifp) {
  Ipv6Address addr;
  if (SubnetRouterAnycast(ifp, &addr)) __ipv6_dev_ac_inc(ifp->idev, addr);
}

void addrconf_leave_anycast(inet6_ifaddr* ifp) {
  Ipv6Address addr;
  if (SubnetRouterAnycast(ifp, &addr)) __ipv6_dev_ac_dec(ifp->idev, addr);
}

// --- Coming and going. ---

int ipv6_count_addresses(const inet6_dev* idev) {
  int count = 0;
  for (const inet6_ifaddr* ifp = idev->addr_list.front(); ifp != nullptr;
       ifp = idev->addr_list.Next(ifp)) {
    ++count;
  }
  return count;
}

inet6_ifaddr* ipv6_add_addr(inet6_dev* idev, const ifa6_config& config, int* err) {
  *err = CheckNewAddress(idev, config.pfx);
  if (*err != 0) return nullptr;
  netns_ipv6& ns = dev_ipv6(idev->dev);
  inet6_ifaddr* const ifp = ns.ifaddrs.New();
  if (ifp == nullptr) {
    *err = -ENOBUFS;
    return nullptr;
  }
  // From the first address on, the device no longer follows changes of the neighbour defaults.
  idev->nd_parms->data_state = UINT32_MAX;
  ifp->addr = config.pfx;
  ifp->peer_addr = config.peer_pfx;
  ifp->scope = config.scope;
  ifp->prefix_len = config.plen;
  ifp->rt_priority = config.rt_priority;
  ifp->flags = config.ifa_flags;
  if ((config.ifa_flags & IFA_F_NODAD) == 0) ifp->flags |= IFA_F_TENTATIVE;
  ifp->valid_lft = config.valid_lft;
  ifp->prefered_lft = config.preferred_lft;
  ifp->cstamp = ifp->tstamp = ns.host_net.jiffies();
  ifp->idev = idev;
  if (!Hash(ns, ifp)) {
    ns.ifaddrs.Delete(ifp);
    *err = -EEXIST;
    return nullptr;
  }
  ++idev->refcnt;
  LinkToDevice(idev, ifp);
  ++ifp->refcnt;
  if ((ifp->flags & IFA_F_TEMPORARY) != 0) {
    idev->tempaddr_list.PushFront(ifp);
    ++ifp->refcnt;
  }
  return ifp;
}

void Unhash(netns_ipv6& ns, inet6_ifaddr* ifp) {
  if (!ifp->hashed) return;
  inet6_ifaddr** link = &ns.addr_buckets[BucketOf(ns, ifp->addr)];
  while (*link != ifp) link = &(*link)->hash_next;
  *link = ifp->hash_next;
  ifp->hash_next = nullptr;
  ifp->hashed = false;
}

void ipv6_del_addr(inet6_ifaddr* ifp) {
  if (ifp->state == Inet6IfaddrState::kDead) {
    in6_ifa_put(ifp);
    return;
  }
  netns_ipv6& ns = dev_ipv6(ifp->idev->dev);
  ifp->state = Inet6IfaddrState::kDead;
  Unhash(ns, ifp);
  if ((ifp->flags & IFA_F_TEMPORARY) != 0) {
    static_cast<ListNode<TempAddrTag>*>(ifp)->Unlink();
    if (ifp->ifpub != nullptr) in6_ifa_put(ifp->ifpub);
    ifp->ifpub = nullptr;
    in6_ifa_put(ifp);
  }
  PrefixRoute action = PrefixRoute::kKeep;
  Jiffies expires = 0;
  if ((ifp->flags & IFA_F_NOPREFIXROUTE) == 0) action = CheckPrefixRoute(ifp, &expires);
  static_cast<ListNode<>*>(ifp)->Unlink();
  in6_ifa_put(ifp);
  addrconf_del_dad_work(ifp);
  ipv6_ifa_notify(IfaEvent::kDeleted, ifp);
  if (action != PrefixRoute::kKeep) CleanupPrefixRoute(ifp, action, expires);
  rt6_remove_prefsrc(ifp->idev->dev, ifp->addr);
  in6_ifa_put(ifp);
}

void ipv6_ifa_notify(IfaEvent event, inet6_ifaddr* ifp) {
  if (ifp->idev->dead && event != IfaEvent::kDeleted) return;
  switch (event) {
    case IfaEvent::kChanged:
      break;
    case IfaEvent::kNew:
      InsertRoutes(ifp);
      break;
    case IfaEvent::kDeleted:
      DeleteRoutes(ifp);
      break;
  }
  ++dev_ipv6(ifp->idev->dev).dev_addr_genid;
}

}  // namespace addrconf_internal

int inet6_addr_add(net_device* dev, const inet6_address_config& asked) {
  net& net = dev_net(dev);
  ifa6_config config;
  int err = ConfigOf(dev, asked, &config);
  if (err != 0) return err;
  inet6_dev* const idev = addrconf_add_dev(dev, &err);
  if (idev == nullptr) return err;
  inet6_ifaddr* const ifp = ipv6_add_addr(idev, config, &err);
  if (ifp == nullptr) return err;
  if ((config.ifa_flags & IFA_F_NOPREFIXROUTE) == 0) {
    const bool finite = addrconf_finite_timeout(config.valid_lft);
    addrconf_prefix_route(ifp->addr, ifp->prefix_len, ifp->rt_priority, dev,
                          finite ? Jiffies{config.valid_lft} * Hz(net) : 0,
                          finite ? uint32_t{RTF_EXPIRES} : 0U);
  }
  if ((ifp->flags & (IFA_F_OPTIMISTIC | IFA_F_NODAD)) == 0) {
    ipv6_ifa_notify(IfaEvent::kChanged, ifp);
  }
  addrconf_dad_start(ifp);
  if ((config.ifa_flags & IFA_F_MANAGETEMPADDR) != 0) {
    manage_tempaddrs(idev, ifp, config.valid_lft, config.preferred_lft, true);
  }
  in6_ifa_put(ifp);
  addrconf_verify(net);
  return 0;
}

int inet6_addr_del(net_device* dev, const Ipv6Address& addr, uint8_t prefixlen) {
  if (prefixlen > 128) return -EINVAL;
  inet6_dev* const idev = __in6_dev_get(dev);
  if (idev == nullptr) return -ENXIO;
  for (inet6_ifaddr& ifa : idev->addr_list) {
    if (ifa.prefix_len != prefixlen || ifa.addr != addr) continue;
    ++ifa.refcnt;
    if ((ifa.flags & (IFA_F_TEMPORARY | IFA_F_MANAGETEMPADDR)) == IFA_F_MANAGETEMPADDR) {
      delete_tempaddrs(idev, &ifa);
    }
    ipv6_del_addr(&ifa);
    addrconf_verify(dev_net(dev));
    return 0;
  }
  return -EADDRNOTAVAIL;
}

}  // namespace tapedeck
