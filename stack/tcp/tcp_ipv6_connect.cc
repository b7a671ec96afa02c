// connect() over IPv6 (tcp_v6_connect of net/ipv6/tcp_ipv6.c).
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/core/net.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv6/datagram.h"
#include "stack/ipv6/ipv6.h"
#include "stack/tcp/inet_connection_sock.h"
#include "stack/tcp/inet_hashtables.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_fastopen.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_ipv6.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_segment.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

// Programs of 1999 know no scope id (SIN6_LEN_RFC2133).
constexpr uint32_t kSockaddrBytesMin = offsetof(sockaddr_in6, sin6_scope_id);

// The label that the user asks for (IPV6_FLOWINFO_SEND), which must be leased. 0 or -EINVAL.
int TakeFlowinfo(sock* sk, const sockaddr_in6& sin6, uint32_t* flowinfo) {
  *flowinfo = 0;
  if (!inet6_sk(sk)->sndflow) return 0;
  *flowinfo = sin6.sin6_flowinfo.host() & IPV6_FLOWINFO_MASK;
  if ((*flowinfo & IPV6_FLOWLABEL_MASK) == 0) return 0;
  int err = 0;
  ip6_flowlabel* const label = fl6_sock_lookup(sk, *flowinfo & IPV6_FLOWLABEL_MASK, &err);
  if (label == nullptr) return -EINVAL;
  fl6_sock_release(sk->sk_net, label);
  return 0;
}

// Where it really goes, and by which device: 0, -ENETUNREACH (a group), -EINVAL (link-local without
// or with the wrong device).
int CheckDestination(sock* sk, const sockaddr_in6& sin6, uint32_t addr_len, Ipv6Address* daddr) {
  *daddr = sin6.sin6_addr;
  if (*daddr == kIpv6Any) {
    const bool to_ipv4 = inet_sk(sk)->inet_rcv_saddr.is_v4();
    *daddr = to_ipv4 ? Ipv6Address::Mapped(kIpv4Loopback) : kIpv6Loopback;
  }
  const uint32_t type = ipv6_addr_type(*daddr);
  if ((type & IPV6_ADDR_MULTICAST) != 0) return -ENETUNREACH;
  if ((type & IPV6_ADDR_LINKLOCAL) == 0) return 0;
  if (addr_len >= sizeof(sin6) && sin6.sin6_scope_id != 0) {
    const auto scope = static_cast<int>(sin6.sin6_scope_id);
    if (sk->sk_bound_dev_if != 0 && sk->sk_bound_dev_if != scope) return -EINVAL;
    sk->sk_bound_dev_if = scope;
  }
  return sk->sk_bound_dev_if == 0 ? -EINVAL : 0;
}

int ConnectMapped(sock* sk, Ipv4Address daddr, be16 dport) {
  if (sk->sk_ipv6only) return -ENETUNREACH;
  inet_connection_sock* const icsk = inet_csk(sk);
  inet_sock* const inet = inet_sk(sk);
  const uint16_t ext_hdr_len = icsk->icsk_ext_hdr_len;
  const bool was_any = inet->inet_saddr.IsAny();
  // Bound to an address of IPv6 it has no way to IPv4's.
  if (!was_any && inet->inet_saddr.is_v6()) return -ENETUNREACH;
  icsk->icsk_af_ops = &ipv6_mapped;
  sockaddr_in sin;
  sin.sin_port = dport;
  sin.sin_addr = daddr;
  const int err = tcp_v4_connect(sk, &sin, sizeof(sin));
  if (err == 0) return 0;
  icsk->icsk_ext_hdr_len = ext_hdr_len;
  icsk->icsk_af_ops = &ipv6_specific;
  return err;
}

// A route to where the first packet goes, with a reference. nullptr and *err.
dst_entry* RouteToV6(sock* sk, be16 dport, int* err) {
  inet_sock* const inet = inet_sk(sk);
  const ipv6_pinfo* const np = inet6_sk(sk);
  flowi6* const fl6 = &inet->cork.fl.ip6;
  *fl6 = flowi6{};
  fl6->proto = wire::kIpProtoTcp;
  fl6->daddr = inet->inet_daddr.v6();
  fl6->saddr = inet->inet_rcv_saddr.IsAny() ? inet->inet_saddr.v6() : inet->inet_rcv_saddr.v6();
  fl6->flowlabel = ip6_make_flowinfo(np->tclass, np->flow_label);
  fl6->oif = sk->sk_bound_dev_if;
  fl6->mark = sk->sk_mark;
  fl6->dport = dport;
  fl6->sport = inet->inet_sport;
  Ipv6Address final_daddr;
  const Ipv6Address* const final_p = fl6_update_dst(fl6, np->opt, &final_daddr);
  dst_entry* const dst = ip6_dst_lookup_flow(sk->sk_net, sk, fl6, final_p, err);
  fl6->daddr = inet->inet_daddr.v6();
  return dst;
}

// The part that may fail once the socket is in SYN-SENT.
int StartConnectionV6(sock* sk) {
  int err = inet_hash_connect(sk);
  if (err != 0) return err;
  tcp_choose_isn(sk);
  if (tcp_fastopen_defer_connect(sk, &err)) return 0;
  return err != 0 ? err : tcp_connect(sk);
}

// Routes, takes the source address that belongs to the route, and starts. 0 or -errno.
int ConnectNative(sock* sk, be16 dport) {
  tcp_sock* const tp = tcp_sk(sk);
  sk_set_txhash(sk);
  int err = 0;
  dst_entry* const dst = RouteToV6(sk, dport, &err);
  if (dst == nullptr) return err;
  tp->tcp_usec_ts = dst_tcp_usec_ts(dst);
  if (tp->inet_rcv_saddr.IsAny()) {
    err = inet_bhash2_update_saddr(sk, tp->cork.fl.ip6.saddr);
    if (err != 0) {
      dst_release(dst);
      return err;
    }
  }
  tp->inet_saddr = tp->inet_rcv_saddr;
  sk->sk_gso_type = SKB_GSO_TCPV6;
  ip6_dst_store(sk, dst, false);
  const ipv6_txoptions* const opt = inet6_sk(sk)->opt;
  tp->icsk_ext_hdr_len =
      opt != nullptr ? static_cast<uint16_t>(opt->opt_flen + opt->opt_nflen) : uint16_t{0};
  tp->rx_opt.mss_clamp = kIpv6MinMss;
  tp->inet_dport = dport;
  tcp_set_state(sk, TCP_SYN_SENT);
  err = StartConnectionV6(sk);
  if (err == 0) return 0;
  // Out of the tables, and the port goes where it was chosen here.
  tcp_set_state(sk, TCP_CLOSE);
  inet_bhash2_reset_saddr(sk);
  return err;
}

}  // namespace

int tcp_v6_connect(sock* sk, const void* addr, uint32_t addr_len) {
  TRACE_FUNCTION(sk->sk_net, nullptr, tcp_v6_connect, sk, addr, addr_len);
  if (addr_len < kSockaddrBytesMin) return -EINVAL;
  sockaddr_in6 sin6;
  std::memcpy(&sin6, addr, std::min<size_t>(addr_len, sizeof(sin6)));
  if (sin6.sin6_family != kAfInet6) return -EAFNOSUPPORT;

  uint32_t flowinfo = 0;
  if (const int err = TakeFlowinfo(sk, sin6, &flowinfo); err != 0) return err;
  Ipv6Address daddr;
  if (const int err = CheckDestination(sk, sin6, addr_len, &daddr); err != 0) return err;
  inet_sock* const inet = inet_sk(sk);
  const IpAddress peer = IpAddress(daddr).Unmapped();
  tcp_forget_other_peer(sk, peer);
  inet6_sk(sk)->flow_label = flowinfo;
  int err = 0;
  if (peer.is_v4()) {
    err = ConnectMapped(sk, peer.v4(), sin6.sin6_port);
  } else {
    inet->inet_daddr = peer;
    err = ConnectNative(sk, sin6.sin6_port);
  }
  if (err == 0) return 0;
  inet->inet_dport = be16{};
  sk->sk_route_caps = 0;
  return err;
}

}  // namespace tapedeck
