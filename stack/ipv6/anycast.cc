// Anycast addresses: those of the routers of a prefix, and what sockets ask for
// (net/ipv6/anycast.c).
#include <cerrno>
#include <new>

#include "stack/core/sock.h"
#include "stack/ipv6/addrconf_internal.h"
#include "stack/ipv6/ipv6_sock.h"

namespace tapedeck {

// One that a socket has joined, on ipv6_pinfo::ipv6_ac_list, newest first.
struct ipv6_ac_socklist {
  ipv6_ac_socklist* next = nullptr;
  Ipv6Address addr;
  int ifindex = 0;
};

namespace {

ifacaddr6* Find(const inet6_dev* idev, const Ipv6Address& addr) {
  ifacaddr6* aca = idev->ac_list;
  while (aca != nullptr && aca->addr != addr) aca = aca->next;
  return aca;
}

// It is off the list: solicited-node group and route go.
void Forget(inet6_dev* idev, ifacaddr6* aca) {
  net& net = dev_net(idev->dev);
  addrconf_leave_solict(idev, aca->addr);
  ip6_del_local_rt(net, idev->dev, aca->addr);
  net.kernel.kmalloc().Free(aca, sizeof(*aca));
}

void LeaveByIndex(net& net, const ipv6_ac_socklist& joined) {
  net_device* const dev = dev_get_by_index(net, joined.ifindex);
  if (dev != nullptr && dev->ip6_ptr != nullptr) __ipv6_dev_ac_dec(dev->ip6_ptr, joined.addr);
}

void Free(net& net, ipv6_ac_socklist* joined) {
  net.kernel.kmalloc().Free(joined, sizeof(*joined));
}

// The device that an anycast address without a named one is on: that of its route; a router takes
// any that is up. nullptr and *err.
net_device* ChooseDevice(net& net, const Ipv6Address& addr, int* err) {
  if (rt6_info* const rt = rt6_lookup(net, addr, nullptr, 0, 0); rt != nullptr) {
    net_device* const dev = rt->dev;
    dst_release(rt);
    return dev;
  }
  *err = -ENODEV;
  if (net_ipv6(net).devconf_all.forwarding == 0) {
    *err = -EADDRNOTAVAIL;
    return nullptr;
  }
  for (net_device& dev : net.devices) {
    if ((dev.flags & (IFF_UP | IFF_LOOPBACK)) == IFF_UP) return &dev;
  }
  return nullptr;
}

}  // namespace

int __ipv6_dev_ac_inc(inet6_dev* idev, const Ipv6Address& addr) {
  if (idev->dead) return -ENODEV;
  if (ifacaddr6* const joined = Find(idev, addr); joined != nullptr) {
    ++joined->users;
    return 0;
  }
  net& net = dev_net(idev->dev);
  void* const memory = net.kernel.kmalloc().Alloc(sizeof(ifacaddr6));
  if (memory == nullptr) return -ENOMEM;
  idev->ac_list = new (memory) ifacaddr6{idev->ac_list, addr};
  ip6_ins_local_rt(net, idev->dev, addr, true, 0);
  addrconf_join_solict(idev->dev, addr);
  return 0;
}

int __ipv6_dev_ac_dec(inet6_dev* idev, const Ipv6Address& addr) {
  for (ifacaddr6** link = &idev->ac_list; *link != nullptr; link = &(*link)->next) {
    ifacaddr6* const aca = *link;
    if (aca->addr != addr) continue;
    if (--aca->users > 0) return 0;
    *link = aca->next;
    Forget(idev, aca);
    return 0;
  }
  return -ENOENT;
}

void ipv6_ac_destroy_dev(inet6_dev* idev) {
  while (ifacaddr6* const aca = idev->ac_list) {
    idev->ac_list = aca->next;
    Forget(idev, aca);
  }
}

bool ipv6_chk_acast_addr(net& net, const net_device* dev, const Ipv6Address& addr) {
  if (dev != nullptr) {
    const inet6_dev* const idev = __in6_dev_get(dev);
    return idev != nullptr && Find(idev, addr) != nullptr;
  }
  for (const net_device& any : net.devices) {
    if (any.ip6_ptr != nullptr && Find(any.ip6_ptr, addr) != nullptr) return true;
  }
  return false;
}

bool ipv6_chk_acast_addr_src(net& net, const net_device* dev, const Ipv6Address& addr) {
  const bool linklocal = (ipv6_addr_type(addr) & IPV6_ADDR_LINKLOCAL) != 0;
  return ipv6_chk_acast_addr(net, linklocal ? dev : nullptr, addr);
}

int ipv6_sock_ac_join(sock* sk, int ifindex, const Ipv6Address& addr) {
  net& net = sk->sk_net;
  if (ipv6_addr_is_multicast(addr)) return -EINVAL;
  if (ipv6_chk_addr(net, addr, nullptr, false)) return -EINVAL;
  int err = -ENODEV;
  net_device* const dev =
      ifindex != 0 ? dev_get_by_index(net, ifindex) : ChooseDevice(net, addr, &err);
  if (dev == nullptr) return err;
  inet6_dev* const idev = __in6_dev_get(dev);
  if (idev == nullptr) return ifindex != 0 ? -ENODEV : -EADDRNOTAVAIL;
  // A host takes part on its own links only, since it announces no routes.
  if (!ipv6_chk_prefix(addr, dev) && idev->cnf->forwarding == 0) return -EADDRNOTAVAIL;
  void* const memory = net.kernel.kmalloc().Alloc(sizeof(ipv6_ac_socklist));
  if (memory == nullptr) return -ENOMEM;
  ipv6_pinfo* const np = inet6_sk(sk);
  auto* const joined = new (memory) ipv6_ac_socklist{np->ipv6_ac_list, addr, dev->ifindex};
  err = __ipv6_dev_ac_inc(idev, addr);
  if (err != 0) {
    Free(net, joined);
    return err;
  }
  np->ipv6_ac_list = joined;
  return 0;
}

int ipv6_sock_ac_drop(sock* sk, int ifindex, const Ipv6Address& addr) {
  net& net = sk->sk_net;
  for (ipv6_ac_socklist** link = &inet6_sk(sk)->ipv6_ac_list; *link != nullptr;
       link = &(*link)->next) {
    ipv6_ac_socklist* const joined = *link;
    if (joined->addr != addr || (ifindex != 0 && joined->ifindex != ifindex)) continue;
    *link = joined->next;
    LeaveByIndex(net, *joined);
    Free(net, joined);
    return 0;
  }
  return -ENOENT;
}

void ipv6_sock_ac_close(sock* sk) {
  net& net = sk->sk_net;
  ipv6_pinfo* const np = inet6_sk(sk);
  while (ipv6_ac_socklist* const joined = np->ipv6_ac_list) {
    np->ipv6_ac_list = joined->next;
    LeaveByIndex(net, *joined);
    Free(net, joined);
  }
}

}  // namespace tapedeck
