// Connections that IPv4 peers open (net/ipv4/tcp_ipv4.c): the SYN-ACK's way out, and the child.
#include <cerrno>

#include "stack/core/net.h"
#include "stack/ipv4/ip.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_ipv6.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_segment.h"
#include "stack/tcp/tcp_syn_recv_sock.h"

namespace tapedeck {
namespace {

// tcp_v4_init_req: the ends, and the IP options to answer with.
void InitRequest(sk_buff* skb, request_sock* req) {
  const wire::Ipv4Header* const iph = ip_hdr(skb);
  req->node.rcv_saddr = iph->daddr;
  req->node.daddr = iph->saddr;
  const ip_options& received = tcp_v4_ipcb(skb)->opt;
  req->has_opt =
      received.optlen != 0 && __ip_options_echo(req->rsk_net, &req->opt, skb, received) == 0;
}

dst_entry* tcp_v4_route_req(const sock* sk, sk_buff* skb, flowi* fl, request_sock* req,
                            uint32_t /*tw_isn*/) {
  InitRequest(skb, req);
  return inet_csk_route_req(sk, &fl->ip4, req);
}

int tcp_v4_send_synack(const sock* sk, dst_entry* dst, flowi* fl, request_sock* req,
                       tcp_fastopen_cookie* foc, tcp_synack_type type, sk_buff* syn_skb) {
  if (dst == nullptr) dst = inet_csk_route_req(sk, &fl->ip4, req);
  if (dst == nullptr) return -1;
  sk_buff* const skb = tcp_make_synack(sk, dst, req, foc, type, syn_skb);
  if (skb == nullptr) return -1;
  req->syn_ect_snt = inet_sk(sk)->tos & INET_ECN_MASK;
  const Ipv4Address saddr = req->node.rcv_saddr.v4();
  const Ipv4Address daddr = req->node.daddr.v4();
  __tcp_v4_send_check(skb, saddr, daddr);
  const int err = ip_build_and_send_pkt(skb, sk, saddr, daddr, req->has_opt ? &req->opt : nullptr,
                                        tcp_synack_dsfield(sk, req, inet_sk(sk)->tos));
  return net_xmit_eval(err);
}

// The child's IPv4 side: its options are the request's.
void InitChild(const sock* sk, const sk_buff* skb, const request_sock* req, sock* child) {
  inet_sock* const inet = inet_sk(child);
  const wire::Ipv4Header* const iph = ip_hdr(skb);
  child->sk_gso_type = SKB_GSO_TCPV4;
  inet->has_opt = req->has_opt;
  if (req->has_opt) inet->inet_opt = req->opt;
  inet->mc_index = inet_iif(skb);
  inet->mc_ttl = iph->ttl;
  inet->rcv_tos = iph->tos;
  inet_csk(child)->icsk_ext_hdr_len = req->has_opt ? req->opt.opt.optlen : uint16_t{0};
  inet->inet_id = static_cast<uint16_t>(sock_tcp(sk).prng.Next32());
  if (tcp_sysctl(sk).reflect_tos != 0) {
    inet->tos = static_cast<uint8_t>(req->syn_tos & ~INET_ECN_MASK);
  }
  if (inet->pinet6 != nullptr) tcp_v6_mapped_child_init(child);
}

constexpr tcp_child_ops kChildOps = {.init_child = InitChild,
                                     .route_child = inet_csk_route_child_sock,
                                     .store_route = sk_setup_caps};

}  // namespace

const request_sock_ops tcp_request_sock_ipv4_ops = {
    .family = kAfInet,
    .mss_clamp = TCP_MSS_DEFAULT,
    .route_req = tcp_v4_route_req,
    .send_synack = tcp_v4_send_synack,
};

int tcp_v4_conn_request(sock* sk, sk_buff* skb) {
  // Never answer a SYN to a group of hosts.
  if ((skb_rtable(skb)->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) != 0) {
    tcp_listendrop(sk);
    return 0;
  }
  return tcp_conn_request(&tcp_request_sock_ipv4_ops, sk, skb);
}

sock* tcp_v4_syn_recv_sock(const sock* sk, sk_buff* skb, request_sock* req, dst_entry* dst,
                           request_sock* req_unhash, bool* own_req) {
  return tcp_syn_recv_sock(kChildOps, sk, skb, req, dst, req_unhash, own_req);
}

}  // namespace tapedeck
