#include "stack/ipv4/mcast_sock.h"

#include <cerrno>
#include <new>

#include "stack/core/net.h"
#include "stack/ipv4/devinet.h"
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

void FreeMembership(net& net, ip_mc_socklist* membership) {
  net.kernel.kmalloc().Free(membership, sizeof(*membership));
}

}  // namespace

int ip_mc_join_group(inet_sock* sk, ip_mreqn imr) {
  net& net = sk->sk_net;
  if (!ipv4_is_multicast(imr.imr_multiaddr)) return -EINVAL;
  in_device* const in_dev = FindDev(net, &imr);
  if (in_dev == nullptr) return -ENODEV;
  int count = 0;
  for (const ip_mc_socklist* m = sk->mc_list; m != nullptr; m = m->next, ++count) {
    if (m->multi.imr_multiaddr == imr.imr_multiaddr && m->multi.imr_ifindex == imr.imr_ifindex) {
      return -EADDRINUSE;
    }
  }
  if (count >= kIgmpMaxMemberships) return -ENOBUFS;
  void* const memory = net.kernel.kmalloc().Alloc(sizeof(ip_mc_socklist));
  if (memory == nullptr) return -ENOBUFS;
  auto* const membership = new (memory) ip_mc_socklist{sk->mc_list, imr};
  if (const int err = ip_mc_inc_group(in_dev, imr.imr_multiaddr); err != 0) {
    FreeMembership(net, membership);
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
    if (in_dev != nullptr) ip_mc_dec_group(in_dev, imr.imr_multiaddr);
    FreeMembership(net, membership);
    return 0;
  }
  return -EADDRNOTAVAIL;
}

void ip_mc_drop_socket(inet_sock* sk) {
  net& net = sk->sk_net;
  while (sk->mc_list != nullptr) {
    ip_mc_socklist* const membership = sk->mc_list;
    sk->mc_list = membership->next;
    in_device* const in_dev = InDevByIndex(net, membership->multi.imr_ifindex);
    if (in_dev != nullptr) ip_mc_dec_group(in_dev, membership->multi.imr_multiaddr);
    FreeMembership(net, membership);
  }
}

bool ip_mc_sf_allow(const inet_sock* sk, Ipv4Address local, int dif) {
  if (!ipv4_is_multicast(local)) return true;
  for (const ip_mc_socklist* m = sk->mc_list; m != nullptr; m = m->next) {
    if (m->multi.imr_multiaddr == local && m->multi.imr_ifindex == dif) return true;
  }
  return sk->mc_all;
}

}  // namespace tapedeck
