// The child of a completed handshake, whatever the family (the common part of tcp_v4_syn_recv_sock
// and tcp_v6_syn_recv_sock).
#include "stack/tcp/tcp_syn_recv_sock.h"

#include "stack/core/net.h"
#include "stack/tcp/inet_connection_sock.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_md5.h"
#include "stack/tcp/tcp_minisocks.h"
#include "stack/tcp/tcp_output.h"

namespace tapedeck {
namespace {

// What the route says about segments.
void TakeRoute(const sock* sk, sock* child, dst_entry* dst) {
  tcp_ca_openreq_child(child, dst);
  tcp_sync_mss(child, dst_mtu(dst));
  tcp_sk(child)->advmss = tcp_mss_clamp(tcp_sk(sk), tcp_dst_advmss(dst));
  tcp_initialize_rcv_mss(child);
}

// The listener's MD5 key for this peer, and its port. False where memory failed.
bool InheritFromListener(const sock* sk, sock* child) {
  const IpAddress& peer = inet_sk(child)->inet_daddr;
  const tcp_md5sig_key* const key = tcp_md5_do_lookup(sk, peer);
  if (key != nullptr && tcp_md5_key_copy(child, peer, key) != 0) return false;
  return __inet_inherit_port(sk, child) == 0;
}

// A child that cannot be put in place ends, with the caller's reference.
sock* GiveUpChild(const sock* sk, sock* child) {
  inet_csk_prepare_forced_close(child);
  tcp_done(child);
  tcp_listendrop(const_cast<sock*>(sk));
  return nullptr;
}

}  // namespace

sock* tcp_syn_recv_sock(const tcp_child_ops& ops, const sock* sk, sk_buff* skb, request_sock* req,
                        dst_entry* dst, request_sock* req_unhash, bool* own_req) {
  const bool overflow = sk_acceptq_is_full(sk);
  if (overflow) NET_INC_STATS(sk->sk_net, TcpExtMib::kListenOverflows);
  sock* const child = overflow ? nullptr : tcp_create_openreq_child(sk, req, skb);
  if (child == nullptr) {
    dst_release(dst);
    tcp_listendrop(const_cast<sock*>(sk));
    return nullptr;
  }
  ops.init_child(sk, skb, req, child);
  inet_csk(child)->icsk_af_ops->sk_rx_dst_set(child, skb);
  // A SYN cookie's caller has a route already.
  if (dst == nullptr) dst = ops.route_child(sk, child, req);
  if (dst == nullptr) return GiveUpChild(sk, child);
  ops.store_route(child, dst);
  TakeRoute(sk, child, dst);
  if (!InheritFromListener(sk, child)) return GiveUpChild(sk, child);

  *own_req = inet_ehash_nolisten(child, req_unhash != nullptr ? &req_unhash->node : nullptr);
  if (*own_req) {
    tcp_sk(child)->saved_syn = req->syn;
    req->syn = nullptr;
    return child;
  }
  if (req_unhash != nullptr) return child;
  // Two ACKs of one cookie: the connection is there already.
  sock_put(child);
  return nullptr;
}

}  // namespace tapedeck
