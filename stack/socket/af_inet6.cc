#include "stack/socket/af_inet6.h"

#include <cerrno>
#include <cstring>

#include "stack/core/net.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv4/devinet.h"
#include "stack/ipv4/fib.h"
#include "stack/ipv4/inet_datagram.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/datagram.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/ipv6/mcast.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/socket/addrform.h"
#include "stack/socket/af_inet.h"
#include "stack/socket/ping.h"
#include "stack/socket/raw.h"
#include "stack/tcp/tcp_ipv6.h"
#include "stack/udp/udp_ipv6.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

int inet6_release(socket* sock) {
  ipv6_sock_mc_close(sock->sk);
  ipv6_sock_ac_close(sock->sk);
  return inet_release(sock);
}

// --- Binding. ---

// The device the socket is bound to: null in *dev where it is to none. 0 or -ENODEV.
int BoundDevice(const inet_sock* sk, const net_device** dev) {
  *dev = nullptr;
  if (sk->sk_bound_dev_if == 0) return 0;
  *dev = dev_get_by_index(sk->sk_net, sk->sk_bound_dev_if);
  return *dev != nullptr ? 0 : -ENODEV;
}

// Whether the socket may have an IPv4 address, by AF_INET's rules.
int CheckMapped(const inet_sock* sk, Ipv4Address address) {
  if (ipv6_only_sock(sk)) return -EINVAL;
  const net_device* dev = nullptr;
  if (const int err = BoundDevice(sk, &dev); err != 0) return err;
  const uint8_t type = inet_addr_type(sk->sk_net, address);
  return inet_addr_valid_or_nonlocal(sk, address, type) ? 0 : -EADDRNOTAVAIL;
}

// The same of an IPv6 address. A link-local one says by its scope on which device, and binds the
// socket to it.
int CheckIpv6(inet_sock* sk, const sockaddr_in6& sin6, uint32_t addr_len) {
  const uint32_t type = ipv6_addr_type(sin6.sin6_addr);
  if (type == IPV6_ADDR_ANY) return 0;
  if (__ipv6_addr_needs_scope_id(type)) {
    if (addr_len >= sizeof(sin6) && sin6.sin6_scope_id != 0) {
      sk->sk_bound_dev_if = static_cast<int32_t>(sin6.sin6_scope_id);
    }
    if (sk->sk_bound_dev_if == 0) return -EINVAL;
  }
  const net_device* dev = nullptr;
  if (const int err = BoundDevice(sk, &dev); err != 0) return err;
  const bool usable = (type & IPV6_ADDR_MULTICAST) != 0 || ipv6_can_nonlocal_bind(sk->sk_net, sk) ||
                      ipv6_chk_addr(sk->sk_net, sin6.sin6_addr, dev, false);
  return usable ? 0 : -EADDRNOTAVAIL;
}

int __inet6_bind(inet_sock* sk, const sockaddr_in6& sin6, uint32_t addr_len) {
  if (sk->sk_state != TCP_CLOSE || sk->inet_num != 0) return -EINVAL;
  const IpAddress address = IpAddress(sin6.sin6_addr).Unmapped();
  const int unusable =
      address.is_v4() ? CheckMapped(sk, address.v4()) : CheckIpv6(sk, sin6, addr_len);
  if (unusable != 0) return unusable;
  sk->inet_rcv_saddr = address;
  // A group is no source.
  if (!ipv6_addr_is_multicast(sin6.sin6_addr)) sk->inet_saddr = address;
  const bool was_ipv6only = sk->sk_ipv6only;
  const bool any = ipv6_addr_any(sin6.sin6_addr);
  if (!any && !address.is_v4()) sk->sk_ipv6only = true;
  const uint16_t port = sin6.sin6_port.host();
  if (port != 0 || !sk->bind_address_no_port) {
    if (const int err = sk->sk_prot->get_port(sk, port); err != 0) {
      sk->sk_ipv6only = was_ipv6only;
      inet_reset_saddr(sk);
      return err;
    }
  }
  if (!any) sk->sk_userlocks |= SOCK_BINDADDR_LOCK;
  if (port != 0) sk->sk_userlocks |= SOCK_BINDPORT_LOCK;
  sk->inet_sport = sk->inet_num;
  sk->inet_dport = be16{};
  sk->inet_daddr = kIpv6Any;
  return 0;
}

int inet6_bind(socket* sock, const void* addr, uint32_t addr_len) {
  struct sock* const sk = sock->sk;
  if (sk->sk_prot->bind != nullptr) return sk->sk_prot->bind(sk, addr, addr_len);
  if (addr_len < kSin6LenRfc2133) return -EINVAL;
  const sockaddr_in6 sin6 = CopySockaddrIn6(addr, addr_len);
  if (sin6.sin6_family != kAfInet6) return -EAFNOSUPPORT;
  if (ipv6_addr_is_multicast(sin6.sin6_addr) && sk->sk_type == SOCK_STREAM) return -EINVAL;
  lock_sock(sk);
  const int err = __inet6_bind(inet_sk(sk), sin6, addr_len);
  release_sock(sk);
  return err;
}

int inet6_getname(socket* sock, void* addr, SocketName which) {
  const inet_sock* const sk = inet_sk(sock->sk);
  const ipv6_pinfo* const np = inet6_sk(sk);
  sockaddr_in6 sin6;
  if (which != SocketName::kOwn) {
    const bool connected = sk->sk_state != TCP_CLOSE && sk->sk_state != TCP_SYN_SENT;
    if (sk->inet_dport == be16{} || (!connected && which == SocketName::kPeer)) return -ENOTCONN;
    sin6.sin6_port = sk->inet_dport;
    sin6.sin6_addr = sk->inet_daddr.v6();
    if (np->sndflow) sin6.sin6_flowinfo = np->flow_label;
  } else {
    sin6.sin6_port = sk->inet_sport;
    const bool any = ipv6_addr_any(sk->inet_rcv_saddr.v6());
    sin6.sin6_addr = any ? sk->inet_saddr.v6() : sk->inet_rcv_saddr.v6();
  }
  sin6.sin6_scope_id = ipv6_iface_scope_id(sin6.sin6_addr, sk->sk_bound_dev_if);
  std::memcpy(addr, &sin6, sizeof(sin6));
  return sizeof(sin6);
}

// IPV6_ADDRFORM makes another kind of socket, which is ours to do; the rest is the protocol's.
int inet6_setsockopt(socket* sock, int level, int name, const void* value, uint32_t length) {
  if (level == kSolIpv6 && name == kIpv6Addrform) return ipv6_addrform(sock, value, length);
  return sock_common_setsockopt(sock, level, name, value, length);
}

constexpr proto_ops Inet6(proto_ops ops) {
  ops.release = inet6_release;
  ops.setsockopt = inet6_setsockopt;
  return ops;
}
constexpr proto_ops kInet6DgramOps = Inet6(InetOps(kAfInet6, inet6_bind, inet6_getname, true));
constexpr proto_ops kInet6StreamOps = Inet6(InetStreamOps(kAfInet6, inet6_bind, inet6_getname));
constexpr proto_ops kInet6SockrawOps = Inet6(InetOps(kAfInet6, inet6_bind, inet6_getname, false));

// The first entry of a type is what protocol 0 means.
constexpr inet_protosw kInetSw6[] = {
    {SOCK_STREAM, wire::kIpProtoTcp, &tcpv6_prot, &kInet6StreamOps, false},
    {SOCK_DGRAM, wire::kIpProtoUdp, &udpv6_prot, &kInet6DgramOps, false},
    {SOCK_DGRAM, wire::kIpProtoIcmpv6, &pingv6_prot, &kInet6SockrawOps, true},
    {SOCK_RAW, kIpprotoIp, &rawv6_prot, &kInet6SockrawOps, true},
};

void Inet6Destruct(sock* sk) {
  inet6_sock_destruct(inet_sk(sk));
  inet_sock_destruct(sk);
}

int Inet6Init(sock* sk) {
  inet_sock_init(inet_sk(sk));
  inet_sk(sk)->mc_all = false;  // of IPv4's groups: IPv6 has a flag of its own
  sk->sk_destruct = Inet6Destruct;
  if (const int err = inet6_sock_init(inet_sk(sk)); err != 0) return err;
  return sk->sk_prot->init != nullptr ? sk->sk_prot->init(sk) : 0;
}

int inet6_create(net& net, socket* sock, int protocol) {
  TRACE_FUNCTION(net, nullptr, inet6_create, net, sock, protocol);
  if (net.ipv6 == nullptr) return -EAFNOSUPPORT;
  const inet_protosw* entry = nullptr;
  int err = inet_find_protosw(kInetSw6, sock->type, protocol, &entry);
  if (err != 0) return err;
  struct sock* const sk = sk_alloc(net, kAfInet6, entry->prot);
  if (sk == nullptr) return -ENOBUFS;
  inet_sk_begin(sk, sock, *entry, protocol);
  sock_graft(sk, sock);
  err = Inet6Init(sk);
  if (err != 0) {
    sk_common_release(sk);
    return err;
  }
  sock->ops = entry->ops;
  sock->sk = sk;
  return 0;
}

}  // namespace

const net_proto_family inet6_family_ops = {.family = kAfInet6, .create = inet6_create};

}  // namespace tapedeck
