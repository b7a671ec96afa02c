// Connections that IPv6 peers open (net/ipv6/tcp_ipv6.c): the SYN-ACK's way out, and the child.
#include "stack/core/net.h"
#include "stack/ipv6/ipv6.h"
#include "stack/tcp/inet_connection_sock.h"
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

// Whether the listener's user will want to see the headers of the SYN.
bool WantsSyn(const sock* sk, const sk_buff* skb) {
  const ipv6_pinfo* const np = inet6_sk(sk);
  const ipv6_rxopt& want = np->rxopt;
  return tcp_v6_opt_accepted(sk, skb) || want.rxinfo || want.rxoinfo || want.rxhlim ||
         want.rxohlim || np->repflow;
}

// tcp_v6_init_req.
void InitRequestV6(const sock* sk, sk_buff* skb, request_sock* req, uint32_t tw_isn) {
  req->node.daddr = ipv6_hdr(skb)->saddr;
  req->node.rcv_saddr = ipv6_hdr(skb)->daddr;
  // So that link-local addresses mean something.
  const bool link_local = (ipv6_addr_type(ipv6_hdr(skb)->saddr) & IPV6_ADDR_LINKLOCAL) != 0;
  if (sk->sk_bound_dev_if == 0 && link_local) req->node.bound_dev_if = tcp_iif(skb);
  if (tw_isn == 0 && WantsSyn(sk, skb)) req->pktopts = skb_get(skb);
}

dst_entry* tcp_v6_route_req(const sock* sk, sk_buff* skb, flowi* fl, request_sock* req,
                            uint32_t tw_isn) {
  InitRequestV6(sk, skb, req, tw_isn);
  return inet6_csk_route_req(sk, &fl->ip6, req);
}

int tcp_v6_send_synack(const sock* sk, dst_entry* dst, flowi* fl, request_sock* req,
                       tcp_fastopen_cookie* foc, tcp_synack_type type, sk_buff* syn_skb) {
  flowi6* const fl6 = &fl->ip6;
  if (dst == nullptr) dst = inet6_csk_route_req(sk, fl6, req);
  if (dst == nullptr) return -1;
  sk_buff* const skb = tcp_make_synack(sk, dst, req, foc, type, syn_skb);
  if (skb == nullptr) return -1;
  const ipv6_pinfo* const np = inet6_sk(sk);
  req->syn_ect_snt = np->tclass & INET_ECN_MASK;
  __tcp_v6_send_check(skb, req->node.rcv_saddr.v6(), req->node.daddr.v6());
  fl6->daddr = req->node.daddr.v6();
  if (np->repflow && req->pktopts != nullptr) fl6->flowlabel = ipv6_hdr(req->pktopts)->flow_label();
  const uint32_t mark = skb->mark != 0 ? skb->mark : sk->sk_mark;
  return net_xmit_eval(ip6_xmit(sk, skb, fl6, mark, np->opt,
                                tcp_synack_dsfield(sk, req, np->tclass), sk->sk_priority));
}

// The child's IPv6 side.
void InitChildV6(const sock* sk, const sk_buff* skb, const request_sock* req, sock* child) {
  ipv6_pinfo* const np = inet6_sk(child);
  const wire::Ipv6Header* const hdr = ipv6_hdr(skb);
  child->sk_gso_type = SKB_GSO_TCPV6;
  np->mcast_oif = tcp_iif(skb);
  np->mcast_hops = hdr->hop_limit;
  np->rcv_flowinfo = ip6_make_flowinfo(hdr->traffic_class(), hdr->flow_label());
  if (np->repflow) np->flow_label = hdr->flow_label();
  if (tcp_sysctl(sk).reflect_tos != 0) {
    np->tclass = static_cast<uint8_t>(req->syn_tos & ~INET_ECN_MASK);
  }
  inet_csk(child)->icsk_accepted_ipv6 = true;
  inet_csk(child)->icsk_ext_hdr_len =
      np->opt != nullptr ? static_cast<uint16_t>(np->opt->opt_nflen + np->opt->opt_flen)
                         : uint16_t{0};
}

dst_entry* RouteChild(const sock* sk, sock* child, const request_sock* req) {
  return inet6_csk_route_req(sk, &inet_sk(child)->cork.fl.ip6, req);
}

void StoreRoute(sock* child, dst_entry* dst) { ip6_dst_store(child, dst, false); }

constexpr tcp_child_ops kChildOpsV6 = {
    .init_child = InitChildV6, .route_child = RouteChild, .store_route = StoreRoute};

}  // namespace

const request_sock_ops tcp_request_sock_ipv6_ops = {
    .family = kAfInet6,
    .mss_clamp = kIpv6MinMss,
    .route_req = tcp_v6_route_req,
    .send_synack = tcp_v6_send_synack,
};

int tcp_v6_conn_request(sock* sk, sk_buff* skb) {
  if (tcp_is_v4(skb)) return tcp_v4_conn_request(sk, skb);
  if (!ipv6_unicast_destination(skb)) {
    tcp_listendrop(sk);
    return 0;
  }
  // Such an address stands for a peer of IPv4 and does not belong on the wire.
  if (ipv6_addr_v4mapped(ipv6_hdr(skb)->saddr)) {
    sk->sk_net.ip6_mib.Inc(Ip6Mib::kInHdrErrors);
    return 0;
  }
  return tcp_conn_request(&tcp_request_sock_ipv6_ops, sk, skb);
}

sock* tcp_v6_syn_recv_sock(const sock* sk, sk_buff* skb, request_sock* req, dst_entry* dst,
                           request_sock* req_unhash, bool* own_req) {
  if (tcp_is_v4(skb)) return tcp_v4_syn_recv_sock(sk, skb, req, dst, req_unhash, own_req);
  sock* const child = tcp_syn_recv_sock(kChildOpsV6, sk, skb, req, dst, req_unhash, own_req);
  if (child == nullptr || !*own_req || req->pktopts == nullptr) return child;
  // What the SYN brought, for IPV6_2292PKTOPTIONS.
  sk_buff* const pktoptions = skb_clone(req->pktopts);
  consume_skb(req->pktopts);
  req->pktopts = nullptr;
  if (pktoptions == nullptr) return child;
  skb_set_owner_r(pktoptions, child);
  tcp_restore_cb(pktoptions);
  inet6_sk(child)->pktoptions = pktoptions;
  return child;
}

void tcp_v6_mapped_child_init(sock* child) {
  const inet_sock* const inet = inet_sk(child);
  ipv6_pinfo* const np = inet6_sk(child);
  inet_csk(child)->icsk_af_ops = &ipv6_mapped;
  np->mcast_oif = inet->mc_index;
  np->mcast_hops = inet->mc_ttl;
  np->rcv_flowinfo = 0;
  if (np->repflow) np->flow_label = 0;
}

}  // namespace tapedeck
