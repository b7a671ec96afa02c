// Segments as IPv6 delivers them (net/ipv6/tcp_ipv6.c): what must be checked by its rules.
#include "stack/tcp/tcp_ipv6.h"

#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/ipv6/ipv6.h"
#include "stack/tcp/tcp_segment.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

DropReason CheckSegmentV6(net& net, sk_buff* skb) {
  if (skb->pkt_type != PACKET_HOST) {
    return ipv6_unicast_destination(skb) ? SKB_DROP_REASON_UNICAST_IN_L2_MULTICAST
                                         : SKB_DROP_REASON_IP_INVALID_DEST;
  }
  const DropReason reason = tcp_check_header(net, skb);
  if (reason != SKB_DROP_REASON_CONSUMED) return reason;
  const wire::Ipv6Header* const hdr = ipv6_hdr(skb);
  const wsum pseudo =
      csum_ipv6_nofold(hdr->saddr.bytes(), hdr->daddr.bytes(), skb->len, wire::kIpProtoTcp, 0);
  if (skb_checksum_validate(skb, false, false, tcp_hdr(skb)->check.host(), pseudo) != 0) {
    tcp_count_checksum_error(net);
    return SKB_DROP_REASON_TCP_CSUM;
  }
  return SKB_DROP_REASON_CONSUMED;
}

bool HasConnection(const sock* sk) {
  return sk->sk_state != TCP_LISTEN && sk->sk_state != TCP_CLOSE;
}

// Keeps what `opt_skb` (a clone, which this owns) says for IPV6_2292PKTOPTIONS and as the
// destination of answers, where it was the last packet of the stream.
void LatchOptions(sock* sk, sk_buff* opt_skb) {
  ipv6_pinfo* const np = inet6_sk(sk);
  const ipv6_rxopt& want = np->rxopt;
  if (TCP_SKB_CB(opt_skb)->end_seq != tcp_sk(sk)->rcv_nxt || !HasConnection(sk)) {
    consume_skb(opt_skb);
    return;
  }
  const wire::Ipv6Header* const hdr = ipv6_hdr(opt_skb);
  if (want.rxinfo || want.rxoinfo) np->mcast_oif = tcp_iif(opt_skb);
  if (want.rxhlim || want.rxohlim) np->mcast_hops = hdr->hop_limit;
  if (want.rxflow || want.rxtclass) {
    np->rcv_flowinfo = ip6_make_flowinfo(hdr->traffic_class(), hdr->flow_label());
  }
  if (np->repflow) np->flow_label = hdr->flow_label();
  consume_skb(np->pktoptions);
  np->pktoptions = nullptr;
  if (!tcp_v6_opt_accepted(sk, opt_skb)) {
    consume_skb(opt_skb);
    return;
  }
  tcp_restore_cb(opt_skb);
  np->pktoptions = opt_skb;
}

}  // namespace

int tcp_v6_rcv(sk_buff* skb) {
  net& net = *skb->owner;
  TRACE_FUNCTION(net, skb, tcp_v6_rcv, skb);
  net.Charge(CostPoint::k_tcp_rcv);
  const DropReason reason = CheckSegmentV6(net, skb);
  if (reason == SKB_DROP_REASON_CONSUMED) return tcp_rcv_segment(skb, IP6CB(skb)->iif);
  kfree_skb_reason(skb, reason);
  return 0;
}

int tcp_v6_early_demux(sk_buff* skb, DropReason* reason) {
  TRACE_FUNCTION(*skb->owner, skb, tcp_v6_early_demux, skb, reason);
  tcp_early_demux(skb, IP6CB(skb)->iif);
  return 0;
}

int tcp_v6_do_rcv(sock* sk, sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, tcp_v6_do_rcv, sk, skb);
  // A packet of IPv4 comes this way from the backlog of a dual-stack listener's child.
  const bool latch = !tcp_is_v4(skb) && inet6_sk(sk)->rxopt.any() && HasConnection(sk);
  sk_buff* const opt_skb = latch ? skb_clone(skb) : nullptr;
  if (opt_skb != nullptr) skb_set_owner_r(opt_skb, sk);
  tcp_do_rcv(sk, skb);
  if (opt_skb != nullptr) LatchOptions(sk, opt_skb);
  return 0;
}

bool tcp_v6_opt_accepted(const sock* sk, const sk_buff* skb) {
  const ipv6_rxopt& want = inet6_sk(sk)->rxopt;
  const inet6_skb_parm& opt = *tcp_v6_ipcb(skb);
  const wire::Ipv6Header* const hdr = ipv6_hdr(skb);
  const bool has_flowinfo = hdr->traffic_class() != 0 || hdr->flow_label() != 0;
  if ((opt.flags & IP6SKB_HOPBYHOP) != 0 && (want.hopopts || want.ohopopts)) return true;
  if (has_flowinfo && want.rxflow) return true;
  if (opt.srcrt != 0 && (want.srcrt || want.osrcrt)) return true;
  return (opt.dst1 != 0 || opt.dst0 != 0) && (want.dstopts || want.odstopts);
}

}  // namespace tapedeck
