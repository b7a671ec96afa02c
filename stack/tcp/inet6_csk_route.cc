// Routes of connections over IPv6, and their segments' way out (net/ipv6/inet6_connection_sock.c).
#include <cerrno>

#include "stack/core/net.h"
#include "stack/ipv6/ipv6.h"
#include "stack/tcp/inet_connection_sock.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_ipv6.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

// The cached route while it is valid, without a reference of the caller's (__sk_dst_check).
dst_entry* CheckedRouteV6(sock* sk) {
  dst_entry* const dst = sk_dst_check(sk, inet6_sk(sk)->dst_cookie);
  dst_release(dst);
  return dst;
}

// The flow of a connected socket; its traffic class goes with the label.
void InitFlow(const sock* sk, flowi6* fl6) {
  const inet_sock* const inet = inet_sk(sk);
  const ipv6_pinfo* const np = inet6_sk(sk);
  *fl6 = flowi6{};
  fl6->proto = sk->sk_protocol;
  fl6->daddr = inet->inet_daddr.v6();
  fl6->saddr = inet->inet_saddr.v6();
  const auto ecn = static_cast<uint8_t>(np->tclass & INET_ECN_MASK);
  fl6->flowlabel = np->flow_label | ip6_make_flowinfo(ecn, 0);
  fl6->oif = sk->sk_bound_dev_if;
  fl6->mark = sk->sk_mark;
  fl6->sport = inet->inet_sport;
  fl6->dport = inet->inet_dport;
}

}  // namespace

dst_entry* inet6_csk_route_req(const sock* sk, flowi6* fl6, const request_sock* req) {
  *fl6 = flowi6{};
  fl6->proto = wire::kIpProtoTcp;
  fl6->daddr = req->node.daddr.v6();
  Ipv6Address final_daddr;
  const Ipv6Address* const final_p = fl6_update_dst(fl6, inet6_sk(sk)->opt, &final_daddr);
  fl6->saddr = req->node.rcv_saddr.v6();
  fl6->oif = req->node.bound_dev_if;
  fl6->mark = req->ir_mark;
  fl6->dport = req->node.dport;
  fl6->sport = req->node.num;
  int err = 0;
  return ip6_dst_lookup_flow(req->rsk_net, sk, fl6, final_p, &err);
}

dst_entry* inet6_csk_route_socket(sock* sk, int* err) {
  flowi6* const fl6 = &inet_sk(sk)->cork.fl.ip6;
  InitFlow(sk, fl6);
  Ipv6Address final_daddr;
  const Ipv6Address* const final_p = fl6_update_dst(fl6, inet6_sk(sk)->opt, &final_daddr);
  dst_entry* const dst = ip6_dst_lookup_flow(sk->sk_net, sk, fl6, final_p, err);
  if (dst == nullptr) return nullptr;
  ip6_dst_store(sk, dst, false);
  // The header's destination; ip6_xmit puts the first hop of a routing header in its place.
  fl6->daddr = inet_sk(sk)->inet_daddr.v6();
  return dst;
}

int inet6_csk_xmit(sock* sk, sk_buff* skb, flowi* /*fl*/) {
  int err = 0;
  dst_entry* dst = CheckedRouteV6(sk);
  if (dst == nullptr) dst = inet6_csk_route_socket(sk, &err);
  if (dst == nullptr) {
    sk->sk_err_soft = -err;
    sk->sk_route_caps = 0;
    kfree_skb_reason(skb, SKB_DROP_REASON_IP_OUTNOROUTES);
    return err;
  }
  skb_dst_set(skb, dst_clone(dst));
  const ipv6_pinfo* const np = inet6_sk(sk);
  return ip6_xmit(sk, skb, &inet_sk(sk)->cork.fl.ip6, sk->sk_mark, np->opt, np->tclass,
                  sk->sk_priority);
}

int inet6_sk_rebuild_header(sock* sk) {
  if (CheckedRouteV6(sk) != nullptr) return 0;
  int err = 0;
  if (inet6_csk_route_socket(sk, &err) != nullptr) return 0;
  sk->sk_route_caps = 0;
  sk->sk_err_soft = -err;
  return err;
}

dst_entry* inet6_csk_update_pmtu(sock* sk, uint32_t mtu) {
  int err = 0;
  dst_entry* const dst = inet6_csk_route_socket(sk, &err);
  if (dst == nullptr) return nullptr;
  dst->ops->update_pmtu(dst, sk, nullptr, mtu, true);
  return inet6_csk_route_socket(sk, &err);
}

}  // namespace tapedeck
