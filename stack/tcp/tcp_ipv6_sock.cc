// How a TCP socket over IPv6 begins and ends, and what it calls of its network layer.
#include "stack/core/net.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv6/datagram.h"
#include "stack/ipv6/ipv6.h"
#include "stack/tcp/inet_connection_sock.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_ipv6.h"

namespace tapedeck {
namespace {

void tcp_v6_send_check(sock* sk, sk_buff* skb) {
  const inet_sock* const inet = inet_sk(sk);
  __tcp_v6_send_check(skb, inet->inet_saddr.v6(), inet->inet_daddr.v6());
}

void inet6_sk_rx_dst_set(sock* sk, const sk_buff* skb) {
  inet_sk_rx_dst_set(sk, skb);
  const dst_entry* const dst = tcp_sk(sk)->sk_rx_dst;
  if (dst != nullptr) tcp_sk(sk)->sk_rx_dst_cookie = rt6_get_cookie(dst_rt6_info(dst));
}

}  // namespace

const inet_connection_sock_af_ops ipv6_specific = {
    .net_header_len = sizeof(wire::Ipv6Header),
    .sockaddr_len = sizeof(sockaddr_in6),
    .queue_xmit = inet6_csk_xmit,
    .send_check = tcp_v6_send_check,
    .rebuild_header = inet6_sk_rebuild_header,
    .sk_rx_dst_set = inet6_sk_rx_dst_set,
    .conn_request = tcp_v6_conn_request,
    .syn_recv_sock = tcp_v6_syn_recv_sock,
    .setsockopt = ipv6_setsockopt,
    .getsockopt = ipv6_getsockopt,
    .mtu_reduced = tcp_v6_mtu_reduced,
};

const inet_connection_sock_af_ops ipv6_mapped = {
    .net_header_len = sizeof(wire::Ipv4Header),
    .sockaddr_len = sizeof(sockaddr_in6),
    .queue_xmit = ip_queue_xmit,
    .send_check = tcp_v4_send_check,
    .rebuild_header = inet_sk_rebuild_header,
    .sk_rx_dst_set = inet_sk_rx_dst_set,
    .conn_request = tcp_v6_conn_request,
    .syn_recv_sock = tcp_v6_syn_recv_sock,
    .setsockopt = ipv6_setsockopt,
    .getsockopt = ipv6_getsockopt,
    .mtu_reduced = tcp_v4_mtu_reduced,
};

int tcp_v6_init_sock(sock* sk) {
  const int err = tcp_v4_init_sock(sk);
  if (err == 0) inet_csk(sk)->icsk_af_ops = &ipv6_specific;
  return err;
}

}  // namespace tapedeck
