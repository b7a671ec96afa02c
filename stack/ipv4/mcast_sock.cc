#include "stack/ipv4/mcast_sock.h"

#include <cerrno>
#include <new>

#include "stack/core/net.h"
#include "stack/ipv4/devinet.h"
#include "stack/ipv4/igmp.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv4/route.h"

namespace tapedeck {
namespace {

in_device* InDevByIndex(net& net, int ifindex) {
  const net_device* const dev = dev_get_by_index(net, ifindex);
  return dev == nullptr ? nullptr : __in_dev_get_rcu(dev);
}

// ip_mc_find_dev: which device the request means; sets imr->imr_ifindex. nullptr where there is
// none.
in_device* FindDev(net& net, ip_mreqn* imr) {
  if (imr->imr_ifindex != 0) return InDevByIndex(net, imr->imr_ifindex);
  net_device* dev = nullptr;
  if (imr->imr_address != kIpv4Any) {
    dev = __ip_dev_find(net, imr->imr_address);
  } else {
    int err = 0;
    rtable* const rt =
        ip_route_output(net, imr->imr_multiaddr, kIpv4Any, 0, 0, RT_SCOPE_UNIVERSE, &err);
    if (rt != nullptr) {
      dev = rt->dev;
      dst_release(rt);
    }
  }
  if (dev == nullptr) return nullptr;
  imr->imr_ifindex = dev->ifindex;
  return __in_dev_get_rcu(dev);
}

bool Matches(const ip_mreqn& joined, const ip_mreqn& asked) {
  if (joined.imr_multiaddr != asked.imr_multiaddr) return false;
  if (asked.imr_ifindex != 0) return joined.imr_ifindex == asked.imr_ifindex;
  return asked.imr_address == kIpv4Any || joined.imr_address == asked.imr_address;
}

void FreeMembership(inet_sock* sk, ip_mc_socklist* membership) {
  sk->sk_net.kernel.kmalloc().Free(membership, sizeof(*membership));
  sk->sk_omem_alloc -= static_cast<uint32_t>(sizeof(*membership));
}

// The filter of one group of a device; of no device, nothing is there to change.
struct DeviceFilter {
  in_device* in_dev;
  Ipv4Address group;
  int Add(uint8_t mode, std::span<const Ipv4Address> sources, bool delta) const {
    return in_dev == nullptr ? -ENODEV : ip_mc_add_src(in_dev, group, mode, sources, delta);
  }
  int Delete(uint8_t mode, std::span<const Ipv4Address> sources, bool delta) const {
    return in_dev == nullptr ? -ENODEV : ip_mc_del_src(in_dev, group, mode, sources, delta);
  }
};

// The membership of exactly that group and device; nullptr where there is none.
ip_mc_socklist* Find(inet_sock* sk, const ip_mreqn& imr) {
  ip_mc_socklist* m = sk->mc_list;
  while (m != nullptr &&
         (m->multi.imr_multiaddr != imr.imr_multiaddr || m->multi.imr_ifindex != imr.imr_ifindex)) {
    m = m->next;
  }
  return m;
}

// The end of a membership that is off its list.
void Drop(inet_sock* sk, in_device* in_dev, ip_mc_socklist* membership) {
  const Ipv4Address group = membership->multi.imr_multiaddr;
  mc_socket::Leave(sk, &membership->filter, DeviceFilter{in_dev, group});
  if (in_dev != nullptr) ip_mc_dec_group(in_dev, group);
  FreeMembership(sk, membership);
}

}  // namespace

int ip_mc_join_group(inet_sock* sk, ip_mreqn imr) {
  return ip_mc_join_group_ssm(sk, imr, kMcastExclude);
}

int ip_mc_join_group_ssm(inet_sock* sk, ip_mreqn imr, uint8_t mode) {
  net& net = sk->sk_net;
  if (!ipv4_is_multicast(imr.imr_multiaddr)) return -EINVAL;
  in_device* const in_dev = FindDev(net, &imr);
  if (in_dev == nullptr) return -ENODEV;
  if (Find(sk, imr) != nullptr) return -EADDRINUSE;
  int count = 0;
  for (const ip_mc_socklist* m = sk->mc_list; m != nullptr; m = m->next) ++count;
  if (count >= net_ipv4(net).settings.igmp_max_memberships) return -ENOBUFS;
  const auto limit = static_cast<uint32_t>(net.core.optmem_max);
  if (sk->sk_omem_alloc + sizeof(ip_mc_socklist) > limit) return -ENOBUFS;
  void* const memory = net.kernel.kmalloc().Alloc(sizeof(ip_mc_socklist));
  if (memory == nullptr) return -ENOBUFS;
  auto* const membership = new (memory) ip_mc_socklist;
  sk->sk_omem_alloc += static_cast<uint32_t>(sizeof(*membership));
  membership->next = sk->mc_list;
  membership->multi = imr;
  membership->filter.sfmode = mode;
  if (const int err = __ip_mc_inc_group(in_dev, imr.imr_multiaddr, mode); err != 0) {
    FreeMembership(sk, membership);
    return err;
  }
  sk->mc_list = membership;
  return 0;
}

int ip_mc_leave_group(inet_sock* sk, ip_mreqn imr) {
  net& net = sk->sk_net;
  in_device* const in_dev = FindDev(net, &imr);
  if (in_dev == nullptr && imr.imr_ifindex == 0 && imr.imr_address == kIpv4Any) return -ENODEV;
  for (ip_mc_socklist** link = &sk->mc_list; *link != nullptr; link = &(*link)->next) {
    ip_mc_socklist* const membership = *link;
    if (!Matches(membership->multi, imr)) continue;
    *link = membership->next;
    Drop(sk, in_dev, membership);
    return 0;
  }
  return -EADDRNOTAVAIL;
}

void ip_mc_drop_socket(inet_sock* sk) {
  net& net = sk->sk_net;
  while (sk->mc_list != nullptr) {
    ip_mc_socklist* const membership = sk->mc_list;
    sk->mc_list = membership->next;
    Drop(sk, InDevByIndex(net, membership->multi.imr_ifindex), membership);
  }
}

int ip_mc_source(bool add, uint8_t omode, inet_sock* sk, ip_mreqn imr, Ipv4Address source) {
  net& net = sk->sk_net;
  if (!ipv4_is_multicast(imr.imr_multiaddr)) return -EINVAL;
  in_device* const in_dev = FindDev(net, &imr);
  if (in_dev == nullptr) return -ENODEV;
  ip_mc_socklist* const membership = Find(sk, imr);
  if (membership == nullptr) return -EINVAL;
  bool leave = false;
  const int err = mc_socket::ChangeSource(sk, &membership->filter, add, omode, source,
                                          net_ipv4(net).settings.igmp_max_msf,
                                          DeviceFilter{in_dev, imr.imr_multiaddr}, &leave);
  return leave ? ip_mc_leave_group(sk, imr) : err;
}

int ip_mc_msfilter(inet_sock* sk, ip_mreqn imr, uint8_t fmode,
                   std::span<const Ipv4Address> sources) {
  if (!ipv4_is_multicast(imr.imr_multiaddr)) return -EINVAL;
  if (fmode != kMcastInclude && fmode != kMcastExclude) return -EINVAL;
  in_device* const in_dev = FindDev(sk->sk_net, &imr);
  if (in_dev == nullptr) return -ENODEV;
  // To include nothing is to leave.
  if (fmode == kMcastInclude && sources.empty()) return ip_mc_leave_group(sk, imr);
  ip_mc_socklist* const membership = Find(sk, imr);
  if (membership == nullptr) return -EINVAL;
  return mc_socket::ReplaceFilter(sk, &membership->filter, fmode, sources,
                                  DeviceFilter{in_dev, imr.imr_multiaddr});
}

const ip_mc_socklist* ip_mc_find_membership(inet_sock* sk, ip_mreqn imr, int* err) {
  *err = ipv4_is_multicast(imr.imr_multiaddr) ? 0 : -EINVAL;
  if (*err == 0 && FindDev(sk->sk_net, &imr) == nullptr) *err = -ENODEV;
  if (*err != 0) return nullptr;
  const ip_mc_socklist* const membership = Find(sk, imr);
  if (membership == nullptr) *err = -EADDRNOTAVAIL;
  return membership;
}

bool ip_mc_sf_allow(const inet_sock* sk, Ipv4Address local, Ipv4Address src, int dif) {
  if (!ipv4_is_multicast(local)) return true;
  for (const ip_mc_socklist* m = sk->mc_list; m != nullptr; m = m->next) {
    if (m->multi.imr_multiaddr == local && m->multi.imr_ifindex == dif) {
      return m->filter.Allows(src);
    }
  }
  return sk->mc_all;
}

}  // namespace tapedeck
