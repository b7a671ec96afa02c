// connect() over IPv4 (tcp_v4_connect of net/ipv4/tcp_ipv4.c).
#include <cerrno>
#include <cstring>

#include "stack/core/net.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv4/ip.h"
#include "stack/tcp/inet_hashtables.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_fastopen.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_output.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

bool SourceRouted(const inet_sock* inet) { return inet->has_opt && inet->inet_opt.opt.srr != 0; }

// A route to where the first packet goes, which is the first hop of a source route. nullptr and
// *err.
rtable* RouteTo(sock* sk, const sockaddr_in& sin, int* err) {
  inet_sock* const inet = inet_sk(sk);
  if (SourceRouted(inet) && sin.sin_addr == kIpv4Any) {
    *err = -EINVAL;
    return nullptr;
  }
  const Ipv4Address nexthop = SourceRouted(inet) ? inet->inet_opt.opt.faddr : sin.sin_addr;
  rtable* const rt = ip_route_connect(sk->sk_net, &inet->cork.fl.ip4, nexthop,
                                      inet->inet_saddr.v4(), sk->sk_bound_dev_if, wire::kIpProtoTcp,
                                      inet->inet_sport, sin.sin_port, sk, err);
  if (rt == nullptr) {
    if (*err == -ENETUNREACH) sk->sk_net.ip_mib.Inc(IpMib::kOutNoRoutes);
    return nullptr;
  }
  if ((rt->rt_flags & (RTCF_MULTICAST | RTCF_BROADCAST)) == 0) return rt;
  dst_release(rt);
  *err = -ENETUNREACH;
  return nullptr;
}

// The connection's ends become the socket's. 0 or -ENOMEM.
int TakeAddresses(sock* sk, Ipv4Address daddr, be16 dport) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->inet_saddr.IsAny()) {
    if (const int err = inet_bhash2_update_saddr(sk, tp->cork.fl.ip4.saddr); err != 0) return err;
  } else {
    tp->inet_rcv_saddr = tp->inet_saddr;
  }
  tcp_forget_other_peer(sk, daddr);
  tp->inet_dport = dport;
  tp->inet_daddr = daddr;
  tp->icsk_ext_hdr_len = tp->has_opt ? tp->inet_opt.opt.optlen : uint16_t{0};
  tp->rx_opt.mss_clamp = TCP_MSS_DEFAULT;
  return 0;
}

// ip_route_newports: the route may depend on the port that has just been chosen. Takes `rt` over;
// nullptr and *err.
rtable* RouteWithPorts(sock* sk, rtable* rt, be16 old_sport, int* err) {
  inet_sock* const inet = inet_sk(sk);
  if (inet->inet_sport == old_sport) return rt;
  flowi4* const fl4 = &inet->cork.fl.ip4;
  dst_release(rt);
  fl4->sport = inet->inet_sport;
  fl4->dport = inet->inet_dport;
  fl4->oif = sk->sk_bound_dev_if;
  return ip_route_output_flow(sk->sk_net, fl4, sk, err);
}

// The part that may fail once the socket is in SYN-SENT. Takes `rt` over.
int StartConnection(sock* sk, rtable* rt, be16 old_sport) {
  int err = inet_hash_connect(sk);
  if (err != 0) {
    dst_release(rt);
    return err;
  }
  sk_set_txhash(sk);
  rt = RouteWithPorts(sk, rt, old_sport, &err);
  if (rt == nullptr) return err;
  tcp_sk(sk)->tcp_usec_ts = dst_tcp_usec_ts(rt);
  sk->sk_gso_type = SKB_GSO_TCPV4;
  sk_setup_caps(sk, rt);
  tcp_choose_isn(sk);
  inet_sk(sk)->inet_id = static_cast<uint16_t>(sock_tcp(sk).prng.Next32());
  if (tcp_fastopen_defer_connect(sk, &err)) return 0;
  return err != 0 ? err : tcp_connect(sk);
}

}  // namespace

int tcp_v4_connect(sock* sk, const void* addr, uint32_t addr_len) {
  TRACE_FUNCTION(sk->sk_net, nullptr, tcp_v4_connect, sk, addr, addr_len);
  sockaddr_in sin;
  if (addr_len < sizeof(sin)) return -EINVAL;
  std::memcpy(&sin, addr, sizeof(sin));
  if (sin.sin_family != kAfInet) return -EAFNOSUPPORT;

  inet_sock* const inet = inet_sk(sk);
  const be16 old_sport = inet->inet_sport;
  int err = 0;
  rtable* const rt = RouteTo(sk, sin, &err);
  if (rt == nullptr) return err;
  // The lookup has replaced 0.0.0.0 by an address of ours.
  const Ipv4Address daddr = SourceRouted(inet) ? sin.sin_addr : inet->cork.fl.ip4.daddr;
  err = TakeAddresses(sk, daddr, sin.sin_port);
  if (err != 0) {
    dst_release(rt);
    return err;
  }
  tcp_set_state(sk, TCP_SYN_SENT);
  err = StartConnection(sk, rt, old_sport);
  if (err == 0) return 0;
  // Out of the tables, and the port goes where it was chosen here.
  tcp_set_state(sk, TCP_CLOSE);
  inet_bhash2_reset_saddr(sk);
  sk->sk_route_caps = 0;
  inet->inet_dport = be16{};
  return err;
}

}  // namespace tapedeck
