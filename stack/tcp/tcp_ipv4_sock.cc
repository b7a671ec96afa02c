// How a TCP socket over IPv4 begins and ends, and what it calls of its network layer.
#include "stack/core/net.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv4/inet_datagram.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/ip_sockopt.h"
#include "stack/ipv6/ipv6_sock.h"
#include "stack/tcp/inet_hashtables.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_fastopen.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_md5.h"
#include "stack/tcp/tcp_queues.h"
#include "stack/tcp/tcp_timer.h"

namespace tapedeck {

void tcp_v4_send_check(sock* sk, sk_buff* skb) {
  const inet_sock* const inet = inet_sk(sk);
  __tcp_v4_send_check(skb, inet->inet_saddr.v4(), inet->inet_daddr.v4());
}

void inet_sk_rx_dst_set(sock* sk, const sk_buff* skb) {
  dst_entry* const dst = skb_dst(skb);
  if (dst == nullptr) return;
  tcp_sock* const tp = tcp_sk(sk);
  dst_release(tp->sk_rx_dst);
  tp->sk_rx_dst = dst_clone(dst);
  tp->sk_rx_dst_ifindex = skb->skb_iif;
}

namespace {

// sock::sk_destruct: the last reference has gone.
void tcp_v4_destruct_sock(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  tcp_md5_destruct_sock(sk);
  dst_release(tp->sk_rx_dst);
  tp->sk_rx_dst = nullptr;
  inet6_sock_destruct(tp);
  inet_sock_destruct(sk);
}

}  // namespace

const inet_connection_sock_af_ops ipv4_specific = {
    .net_header_len = sizeof(wire::Ipv4Header),
    .sockaddr_len = sizeof(sockaddr_in),
    .queue_xmit = ip_queue_xmit,
    .send_check = tcp_v4_send_check,
    .rebuild_header = inet_sk_rebuild_header,
    .sk_rx_dst_set = inet_sk_rx_dst_set,
    .conn_request = tcp_v4_conn_request,
    .syn_recv_sock = tcp_v4_syn_recv_sock,
    .setsockopt = ip_setsockopt,
    .getsockopt = ip_getsockopt,
    .mtu_reduced = tcp_v4_mtu_reduced,
};

int tcp_v4_init_sock(sock* sk) {
  const int err = tcp_init_sock(sk);
  if (err != 0) return err;
  inet_csk(sk)->icsk_af_ops = &ipv4_specific;
  sk->sk_destruct = tcp_v4_destruct_sock;
  return 0;
}

void tcp_v4_destroy_sock(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  tcp_clear_xmit_timers(sk);
  tcp_cleanup_congestion_control(sk);
  tcp_write_queue_purge(sk);
  tcp_fastopen_active_disable_ofo_check(sk);
  skb_rbtree_purge(&tp->out_of_order_queue);
  if (tp->icsk_bind_node.tb != nullptr) inet_put_port(sk);
  CHECK(tp->fastopen_rsk == nullptr);
  tcp_free_fastopen_req(tp);
  tcp_fastopen_destroy_cipher(sk);
  saved_syn_free(sk->sk_net, tp->saved_syn);
  tp->saved_syn = nullptr;
  --sock_tcp(sk).memory.sockets;
}

}  // namespace tapedeck
