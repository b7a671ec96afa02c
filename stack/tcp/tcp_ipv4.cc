// Segments as IPv4 delivers them (net/ipv4/tcp_ipv4.c): what must be checked by its rules.
#include "stack/tcp/tcp_ipv4.h"

#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/ipv4/ip.h"
#include "stack/tcp/tcp_segment.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

// Checks what every segment must hold, and its checksum where it is short. CONSUMED: it may be
// looked up; its header is linear.
DropReason CheckSegment(net& net, sk_buff* skb) {
  if (skb->pkt_type != PACKET_HOST) {
    // RFC 9293 3.9.2.3: nobody connects to or from a group of hosts.
    const bool unicast = (skb_rtable(skb)->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) == 0;
    return unicast ? SKB_DROP_REASON_UNICAST_IN_L2_MULTICAST : SKB_DROP_REASON_IP_INVALID_DEST;
  }
  const DropReason reason = tcp_check_header(net, skb);
  if (reason != SKB_DROP_REASON_CONSUMED) return reason;
  const wire::Ipv4Header* const iph = ip_hdr(skb);
  const wsum pseudo =
      csum_tcpudp_nofold(iph->saddr.wire(), iph->daddr.wire(), skb->len, wire::kIpProtoTcp, 0);
  if (skb_checksum_validate(skb, false, false, tcp_hdr(skb)->check.host(), pseudo) != 0) {
    tcp_count_checksum_error(net);
    return SKB_DROP_REASON_TCP_CSUM;
  }
  return SKB_DROP_REASON_CONSUMED;
}

}  // namespace

int tcp_v4_rcv(sk_buff* skb) {
  net& net = *skb->owner;
  TRACE_FUNCTION(net, skb, tcp_v4_rcv, skb);
  net.Charge(CostPoint::k_tcp_rcv);
  const DropReason reason = CheckSegment(net, skb);
  if (reason == SKB_DROP_REASON_CONSUMED) return tcp_rcv_segment(skb, inet_iif(skb));
  kfree_skb_reason(skb, reason);
  return 0;
}

int tcp_v4_early_demux(sk_buff* skb, DropReason* reason) {
  TRACE_FUNCTION(*skb->owner, skb, tcp_v4_early_demux, skb, reason);
  tcp_early_demux(skb, skb->skb_iif);
  return 0;
}

}  // namespace tapedeck
