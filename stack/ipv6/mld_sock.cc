// Groups that sockets have joined, with their source filters (net/ipv6/mcast.c).
#include <algorithm>
#include <cerrno>
#include <new>

#include "stack/core/net.h"
#include "stack/ipv4/mc_socket_filter.h"
#include "stack/ipv6/ip6_route.h"
#include "stack/ipv6/ipv6_sock.h"
#include "stack/ipv6/mcast.h"
#include "stack/ipv6/mld_internal.h"

namespace tapedeck {

using namespace mld_internal;  // NOLINT(google-build-using-namespace): this is its other half

// One membership, on ipv6_pinfo::ipv6_mc_list, newest first.
struct ipv6_mc_socklist {
  ipv6_mc_socklist* next = nullptr;
  Ipv6Address addr;
  int ifindex = 0;
  mc_socket_filter<Ipv6Address> filter;
};

namespace {

// The filter of one group of a device; of no device, nothing is there to change.
struct DeviceFilter {
  inet6_dev* idev;
  const Ipv6Address& group;
  int Add(uint8_t mode, std::span<const Ipv6Address> sources, bool delta) const {
    return idev == nullptr ? -ENODEV : ip6_mc_add_src(idev, group, mode, sources, delta);
  }
  int Delete(uint8_t mode, std::span<const Ipv6Address> sources, bool delta) const {
    return idev == nullptr ? -ENODEV : ip6_mc_del_src(idev, group, mode, sources, delta);
  }
};

net_device* ip6_mc_find_dev(net& net, const Ipv6Address& group, int ifindex) {
  if (ifindex != 0) return dev_get_by_index(net, ifindex);
  rt6_info* const rt = rt6_lookup(net, group, nullptr, 0, 0);
  if (rt == nullptr) return nullptr;
  net_device* const dev = rt->dev;
  dst_release(rt);
  return dev;
}

// The socket's membership of `group`, on any device where ifindex is 0; the link to it.
ipv6_mc_socklist** Find(ipv6_pinfo* np, int ifindex, const Ipv6Address& group) {
  ipv6_mc_socklist** link = &np->ipv6_mc_list;
  while (*link != nullptr &&
         ((*link)->addr != group || (ifindex != 0 && (*link)->ifindex != ifindex))) {
    link = &(*link)->next;
  }
  return link;
}

void FreeMembership(sock* sk, ipv6_mc_socklist* joined) {
  sk->sk_net.kernel.kmalloc().Free(joined, sizeof(*joined));
  sk->sk_omem_alloc -= static_cast<uint32_t>(sizeof(*joined));
}

void Drop(sock* sk, ipv6_mc_socklist* joined) {
  const net_device* const dev = dev_get_by_index(sk->sk_net, joined->ifindex);
  inet6_dev* const idev = dev == nullptr ? nullptr : __in6_dev_get(dev);
  mc_socket::Leave(sk, &joined->filter, DeviceFilter{idev, joined->addr});
  if (idev != nullptr) __ipv6_dev_mc_dec(idev, joined->addr);
  FreeMembership(sk, joined);
}

int Join(sock* sk, int ifindex, const Ipv6Address& addr, uint8_t mode) {
  net& net = sk->sk_net;
  ipv6_pinfo* const np = inet6_sk(sk);
  if (!ipv6_addr_is_multicast(addr)) return -EINVAL;
  if (*Find(np, ifindex, addr) != nullptr) return -EADDRINUSE;
  const auto limit = static_cast<uint32_t>(net.core.optmem_max);
  if (sk->sk_omem_alloc + sizeof(ipv6_mc_socklist) > limit) return -ENOMEM;
  void* const memory = net.kernel.kmalloc().Alloc(sizeof(ipv6_mc_socklist));
  if (memory == nullptr) return -ENOMEM;
  auto* const joined = new (memory) ipv6_mc_socklist;
  sk->sk_omem_alloc += static_cast<uint32_t>(sizeof(*joined));
  joined->addr = addr;
  joined->filter.sfmode = mode;
  net_device* const dev = ip6_mc_find_dev(net, addr, ifindex);
  const int err = dev == nullptr ? -ENODEV : __ipv6_dev_mc_inc(dev, addr, mode);
  if (err != 0) {
    FreeMembership(sk, joined);
    return err;
  }
  joined->ifindex = dev->ifindex;
  joined->next = np->ipv6_mc_list;
  np->ipv6_mc_list = joined;
  return 0;
}

inet6_dev* FindIdev(net& net, const Ipv6Address& group, int ifindex) {
  const net_device* const dev = ip6_mc_find_dev(net, group, ifindex);
  return dev == nullptr ? nullptr : __in6_dev_get(dev);
}

}  // namespace

int ipv6_sock_mc_join(sock* sk, int ifindex, const Ipv6Address& addr) {
  return Join(sk, ifindex, addr, kMcastExclude);
}

int ipv6_sock_mc_join_ssm(sock* sk, int ifindex, const Ipv6Address& addr, uint8_t mode) {
  return Join(sk, ifindex, addr, mode);
}

int ipv6_sock_mc_drop(sock* sk, int ifindex, const Ipv6Address& addr) {
  if (!ipv6_addr_is_multicast(addr)) return -EINVAL;
  ipv6_mc_socklist** const link = Find(inet6_sk(sk), ifindex, addr);
  ipv6_mc_socklist* const joined = *link;
  if (joined == nullptr) return -EADDRNOTAVAIL;
  *link = joined->next;
  Drop(sk, joined);
  return 0;
}

void ipv6_sock_mc_close(sock* sk) {
  ipv6_pinfo* const np = inet6_sk(sk);
  while (ipv6_mc_socklist* const joined = np->ipv6_mc_list) {
    np->ipv6_mc_list = joined->next;
    Drop(sk, joined);
  }
}

bool inet6_mc_check(const sock* sk, const Ipv6Address& group, const Ipv6Address& src) {
  const ipv6_pinfo* const np = inet6_sk(sk);
  const ipv6_mc_socklist* joined = np->ipv6_mc_list;
  while (joined != nullptr && joined->addr != group) joined = joined->next;
  return joined == nullptr ? np->mc_all : joined->filter.Allows(src);
}

int ip6_mc_source(bool add, uint8_t omode, sock* sk, int ifindex, const Ipv6Address& group,
                  const Ipv6Address& source) {
  net& net = sk->sk_net;
  if (!ipv6_addr_is_multicast(group)) return -EINVAL;
  inet6_dev* const idev = FindIdev(net, group, ifindex);
  if (idev == nullptr || idev->dead) return -ENODEV;
  ipv6_mc_socklist* const joined = *Find(inet6_sk(sk), ifindex, group);
  if (joined == nullptr) return -EINVAL;
  bool leave = false;
  const int err = mc_socket::ChangeSource(sk, &joined->filter, add, omode, source,
                                          net_ipv6(net).settings.mld_max_msf,
                                          DeviceFilter{idev, joined->addr}, &leave);
  return leave ? ipv6_sock_mc_drop(sk, ifindex, group) : err;
}

int ip6_mc_msfilter(sock* sk, int ifindex, const Ipv6Address& group, uint8_t fmode,
                    std::span<const Ipv6Address> sources) {
  if (!ipv6_addr_is_multicast(group)) return -EINVAL;
  if (fmode != kMcastInclude && fmode != kMcastExclude) return -EINVAL;
  inet6_dev* const idev = FindIdev(sk->sk_net, group, ifindex);
  if (idev == nullptr || idev->dead) return -ENODEV;
  if (fmode == kMcastInclude && sources.empty()) return ipv6_sock_mc_drop(sk, ifindex, group);
  ipv6_mc_socklist* const joined = *Find(inet6_sk(sk), ifindex, group);
  if (joined == nullptr) return -EINVAL;
  return mc_socket::ReplaceFilter(sk, &joined->filter, fmode, sources,
                                  DeviceFilter{idev, joined->addr});
}

int ip6_mc_msfget(const sock* sk, int ifindex, const Ipv6Address& group, uint8_t* fmode,
                  std::span<Ipv6Address> sources, uint32_t* count) {
  if (!ipv6_addr_is_multicast(group)) return -EINVAL;
  const ipv6_mc_socklist* joined = inet6_sk(sk)->ipv6_mc_list;
  while (joined != nullptr && (joined->addr != group || joined->ifindex != ifindex)) {
    joined = joined->next;
  }
  if (joined == nullptr) return -EADDRNOTAVAIL;
  const auto all = joined->filter.sources();
  *fmode = joined->filter.sfmode;
  *count = joined->filter.count;
  std::copy_n(all.begin(), std::min(all.size(), sources.size()), sources.begin());
  return 0;
}

}  // namespace tapedeck
