// Routes of connections over IPv4 (parts of net/ipv4/inet_connection_sock.c and af_inet.c).
#include <cerrno>

#include "stack/core/net.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/tcp/inet_connection_sock.h"
#include "stack/tcp/tcp_ipv4.h"

namespace tapedeck {
namespace {

dst_entry* RouteRequest(const sock* sk, flowi4* fl4, const request_sock* req) {
  net& net = req->rsk_net;
  const bool source_routed = req->has_opt && req->opt.opt.srr != 0;
  *fl4 = flowi4_init_output(req->node.bound_dev_if, req->ir_mark, ip_sock_rt_tos(sk),
                            ip_sock_rt_scope(sk), sk->sk_protocol, inet_sk_flowi_flags(sk),
                            source_routed ? req->opt.opt.faddr : req->node.daddr.v4(),
                            req->node.rcv_saddr.v4(), req->node.dport, req->node.num);
  int err = 0;
  rtable* const rt = ip_route_output_flow(net, fl4, sk, &err);
  if (rt != nullptr && !(req->has_opt && req->opt.opt.is_strictroute && rt->rt_uses_gateway)) {
    return rt;
  }
  dst_release(rt);
  net.ip_mib.Inc(IpMib::kOutNoRoutes);
  return nullptr;
}

// inet_sk_init_flowi4: the flow of a connected socket.
flowi4 FlowOf(const sock* sk) {
  const inet_sock* const inet = inet_sk(sk);
  const bool source_routed = inet->has_opt && inet->inet_opt.opt.srr != 0;
  return flowi4_init_output(sk->sk_bound_dev_if, sk->sk_mark, ip_sock_rt_tos(sk),
                            ip_sock_rt_scope(sk), sk->sk_protocol, inet_sk_flowi_flags(sk),
                            source_routed ? inet->inet_opt.opt.faddr : inet->inet_daddr.v4(),
                            inet->inet_saddr.v4(), inet->inet_dport, inet->inet_sport);
}

// The socket's route, looked up again; null and *err: none.
dst_entry* RebuildRoute(sock* sk, int* err) {
  flowi4* const fl4 = &inet_sk(sk)->cork.fl.ip4;
  *fl4 = FlowOf(sk);
  rtable* const rt = ip_route_output_flow(sk->sk_net, fl4, sk, err);
  if (rt != nullptr) sk_setup_caps(sk, rt);
  return rt;
}

// The cached route while it is valid, without a reference of the caller's (__sk_dst_check).
dst_entry* CheckedRoute(sock* sk) {
  dst_entry* const dst = sk_dst_check(sk, 0);
  dst_release(dst);
  return dst;
}

// inet_sk_reselect_saddr: a connecting socket's address has gone, and it takes another (sysctl
// ip_dynaddr). 0 or -errno.
int ReselectSource(sock* sk) {
  inet_sock* const inet = inet_sk(sk);
  const bool source_routed = inet->has_opt && inet->inet_opt.opt.srr != 0;
  flowi4* const fl4 = &inet->cork.fl.ip4;
  int err = 0;
  rtable* const rt = ip_route_connect(
      sk->sk_net, fl4, source_routed ? inet->inet_opt.opt.faddr : inet->inet_daddr.v4(), kIpv4Any,
      sk->sk_bound_dev_if, sk->sk_protocol, inet->inet_sport, inet->inet_dport, sk, &err);
  if (rt == nullptr) return err;
  if (IpAddress(fl4->saddr) == inet->inet_saddr) {
    sk_setup_caps(sk, rt);
    return 0;
  }
  err = inet_bhash2_update_saddr(sk, fl4->saddr);
  if (err != 0) {
    dst_release(rt);
    return err;
  }
  sk_setup_caps(sk, rt);
  // Its identity changes while it is hashed.
  sk->sk_prot->unhash(sk);
  return sk->sk_prot->hash(sk);
}

}  // namespace

dst_entry* inet_csk_route_req(const sock* sk, flowi4* fl4, const request_sock* req) {
  return RouteRequest(sk, fl4, req);
}

dst_entry* inet_csk_route_child_sock(const sock* sk, sock* newsk, const request_sock* req) {
  return RouteRequest(sk, &inet_sk(newsk)->cork.fl.ip4, req);
}

dst_entry* inet_csk_update_pmtu(sock* sk, uint32_t mtu) {
  int err = 0;
  dst_entry* dst = CheckedRoute(sk);
  if (dst == nullptr) dst = RebuildRoute(sk, &err);
  if (dst == nullptr) return nullptr;
  dst->ops->update_pmtu(dst, sk, nullptr, mtu, true);
  dst = CheckedRoute(sk);
  return dst != nullptr ? dst : RebuildRoute(sk, &err);
}

int inet_sk_rebuild_header(sock* sk) {
  if (CheckedRoute(sk) != nullptr) return 0;
  int err = 0;
  if (RebuildRoute(sk, &err) != nullptr) return 0;
  sk->sk_route_caps = 0;
  const bool may_move = net_ipv4(sk->sk_net).settings.ip_dynaddr != 0 &&
                        sk->sk_state == TCP_SYN_SENT &&
                        (sk->sk_userlocks & SOCK_BINDADDR_LOCK) == 0;
  if (may_move) err = ReselectSource(sk);
  if (err != 0) sk->sk_err_soft = -err;
  return err;
}

}  // namespace tapedeck
