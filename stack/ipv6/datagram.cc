// Connecting datagram sockets over IPv6 (net/ipv6/datagram.c).
#include "stack/ipv6/datagram.h"

#include <cerrno>
#include <cstring>

#include "stack/core/net.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv4/inet_datagram.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/netns_ipv6.h"

namespace tapedeck {
namespace {

// The flow of a connected socket (ip6_datagram_flow_key_init).
flowi6 FlowOfSocket(const inet_sock* sk) {
  const ipv6_pinfo* const np = inet6_sk(sk);
  flowi6 fl6;
  fl6.proto = sk->sk_protocol;
  fl6.daddr = sk->inet_daddr.v6();
  fl6.saddr = sk->inet_saddr.v6();
  fl6.mark = sk->sk_mark;
  fl6.dport = sk->inet_dport;
  fl6.sport = sk->inet_sport;
  fl6.flowlabel = ip6_make_flowinfo(np->tclass, np->flow_label);
  fl6.oif = ip6_datagram_oif(sk, fl6.daddr, sk->sk_bound_dev_if);
  return fl6;
}

// The socket's source where it was open becomes what routing chose.
void FixSource(inet_sock* sk, const flowi6& fl6) {
  if (sk->inet_saddr.IsAny()) sk->inet_saddr = fl6.saddr;
  if (sk->inet_rcv_saddr.IsAny()) sk->inet_rcv_saddr = fl6.saddr;
}

int ConnectMapped(inet_sock* sk, const sockaddr_in6& sin6) {
  if (ipv6_only_sock(sk)) return -ENETUNREACH;
  sockaddr_in sin;
  sin.sin_addr = IpAddress(sin6.sin6_addr).v4();
  sin.sin_port = sin6.sin6_port;
  return __ip4_datagram_connect(sk, &sin, sizeof(sin));
}

// A link-local peer is reached by one device: the address's scope, or what the socket is bound to.
int BindToScope(inet_sock* sk, const sockaddr_in6& sin6, uint32_t addr_len) {
  const uint32_t type = ipv6_addr_type(sin6.sin6_addr);
  if (!__ipv6_addr_needs_scope_id(type)) return 0;
  if (addr_len >= sizeof(sin6) && sin6.sin6_scope_id != 0) {
    const auto scope = static_cast<int32_t>(sin6.sin6_scope_id);
    if (sk->sk_bound_dev_if != 0 && sk->sk_bound_dev_if != scope) return -EINVAL;
    sk->sk_bound_dev_if = scope;
  }
  if (sk->sk_bound_dev_if == 0 && (type & IPV6_ADDR_MULTICAST) != 0) {
    sk->sk_bound_dev_if = inet6_sk(sk)->mcast_oif;
  }
  return sk->sk_bound_dev_if != 0 ? 0 : -EINVAL;
}

int ConnectIpv6(inet_sock* sk, const sockaddr_in6& sin6, uint32_t addr_len) {
  if (const int err = BindToScope(sk, sin6, addr_len); err != 0) return err;
  ipv6_pinfo* const np = inet6_sk(sk);
  const IpAddress old_daddr = sk->inet_daddr;
  const uint32_t old_label = np->flow_label;
  const be16 old_dport = sk->inet_dport;
  sk->inet_daddr = sin6.sin6_addr;
  np->flow_label = np->sndflow ? sin6.sin6_flowinfo.host() & IPV6_FLOWINFO_MASK : 0;
  sk->inet_dport = sin6.sin6_port;
  const int err = ip6_datagram_dst_update(sk, true);
  if (err != 0) {
    sk->inet_daddr = old_daddr;
    np->flow_label = old_label;
    sk->inet_dport = old_dport;
    return err;
  }
  sk_set_state(sk, TCP_ESTABLISHED);
  sk_set_txhash(sk);
  return 0;
}

}  // namespace

int ip6_datagram_oif(const inet_sock* sk, const Ipv6Address& daddr, int oif) {
  const ipv6_pinfo* const np = inet6_sk(sk);
  if (oif == 0) oif = static_cast<int>(np->sticky_pktinfo_ifindex);
  if (oif != 0) return oif;
  return ipv6_addr_is_multicast(daddr) ? np->mcast_oif : np->ucast_oif;
}

int ip6_datagram_dst_update(inet_sock* sk, bool fix_sk_saddr) {
  ipv6_pinfo* const np = inet6_sk(sk);
  net& net = sk->sk_net;
  ip6_flowlabel* flowlabel = nullptr;
  if (np->sndflow && (np->flow_label & IPV6_FLOWLABEL_MASK) != 0) {
    int err = 0;
    flowlabel = fl6_sock_lookup(sk, np->flow_label, &err);
    if (err != 0) return -EINVAL;
  }
  // Not cork.fl, where the flow of a datagram that is being put together is.
  flowi6 fl6 = FlowOfSocket(sk);
  Ipv6Address final_daddr;
  const ipv6_txoptions* const opt = flowlabel != nullptr ? flowlabel->opt : np->opt;
  const Ipv6Address* const final_dst = fl6_update_dst(&fl6, opt, &final_daddr);
  int err = 0;
  dst_entry* const dst = ip6_dst_lookup_flow(net, sk, &fl6, final_dst, &err);
  if (dst != nullptr) {
    if (fix_sk_saddr) FixSource(sk, fl6);
    ip6_dst_store(sk, dst, fl6.daddr == sk->inet_daddr.v6());
  }
  fl6_sock_release(net, flowlabel);
  return err;
}

void ip6_datagram_release_cb(sock* sk) {
  inet_sock* const inet = inet_sk(sk);
  if (inet->inet_daddr.is_v4()) return;
  dst_entry* const dst = __sk_dst_get(sk);
  if (dst == nullptr || dst_check(dst, inet6_sk(sk)->dst_cookie) != nullptr) return;
  ip6_datagram_dst_update(inet, false);
}

int __ip6_datagram_connect(inet_sock* sk, const void* addr, uint32_t addr_len) {
  if (addr_len < sizeof(uint16_t)) return -EINVAL;
  if (SockaddrFamily(addr) == kAfInet) {
    return ipv6_only_sock(sk) ? -EAFNOSUPPORT : __ip4_datagram_connect(sk, addr, addr_len);
  }
  if (addr_len < kSin6LenRfc2133) return -EINVAL;
  if (SockaddrFamily(addr) != kAfInet6) return -EAFNOSUPPORT;
  sockaddr_in6 sin6 = CopySockaddrIn6(addr, addr_len);
  // "Any" is this host.
  if (ipv6_addr_any(sin6.sin6_addr)) {
    sin6.sin6_addr =
        sk->inet_rcv_saddr.is_v4() ? Ipv6Address::Mapped(kIpv4Loopback) : kIpv6Loopback;
  }
  if (ipv6_addr_v4mapped(sin6.sin6_addr)) return ConnectMapped(sk, sin6);
  return ConnectIpv6(sk, sin6, addr_len);
}

}  // namespace tapedeck
