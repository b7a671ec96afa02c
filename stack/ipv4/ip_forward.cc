// Packets that are for somebody else (net/ipv4/ip_forward.c; RFC 1812 5.2, 5.3).
#include "stack/core/gso.h"
#include "stack/core/net.h"
#include "stack/core/qdisc.h"
#include "stack/ipv4/icmp.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/netns_ipv4.h"

namespace tapedeck {

namespace {

int DropForward(sk_buff* skb, DropReason reason) {
  kfree_skb_reason(skb, reason);
  return NET_RX_DROP;
}

bool ip_exceeds_mtu(const sk_buff* skb, uint32_t mtu) {
  if (skb->len <= mtu || !ip_hdr(skb)->dont_fragment()) return false;
  // It came in fragments that were larger, and may not be cut further.
  if (IPCB(skb)->frag_max_size > mtu) return true;
  if (skb->ignore_df) return false;
  return !(skb_is_gso(skb) && skb_gso_validate_network_len(skb, mtu));
}

void ip_decrease_ttl(wire::Ipv4Header* iph) {
  const be16 before = uint16_t(iph->ttl << 8 | iph->protocol);
  --iph->ttl;
  csum_replace2(iph->check, before, uint16_t(iph->ttl << 8 | iph->protocol));
}

int ip_forward_finish(net& net, sk_buff* skb) {
  if (IPCB(skb)->opt.optlen != 0) ip_forward_options(skb);
  skb->tstamp = 0;
  net.this_cpu().Trace(TraceKind::kForward, skb->frame_id, skb->len,
                       static_cast<uint64_t>(skb->skb_iif),
                       static_cast<uint64_t>(skb_dst(skb)->dev->ifindex));
  return dst_output(net, nullptr, skb);
}

}  // namespace

int ip_forward(sk_buff* skb) {
  net& net = *skb->owner;
  TRACE_FUNCTION(net, skb, ip_forward, skb);
  net.Charge(CostPoint::k_ip_forward);
  // Addressed to us by the link layer, and to nobody on this host.
  if (skb->pkt_type != PACKET_HOST || skb->sk != nullptr) {
    return DropForward(skb, SKB_DROP_REASON_NOT_SPECIFIED);
  }
  const ip_options& opt = IPCB(skb)->opt;
  if (opt.router_alert != 0 && ip_call_ra_chain(skb)) return NET_RX_SUCCESS;
  if (skb->ip_summed == CHECKSUM_COMPLETE) skb->ip_summed = CHECKSUM_NONE;
  if (ip_hdr(skb)->ttl <= 1) {
    net.ip_mib.Inc(IpMib::kInHdrErrors);
    icmp_send(skb, wire::kIcmpTimeExceeded, wire::kIcmpTtlExceeded, 0);
    return DropForward(skb, SKB_DROP_REASON_IP_INHDR);
  }
  const rtable* const rt = skb_rtable(skb);
  if (opt.is_strictroute && rt->rt_uses_gateway) {
    icmp_send(skb, wire::kIcmpDestUnreachable, wire::kIcmpSourceRouteFailed, 0);
    return DropForward(skb, SKB_DROP_REASON_NOT_SPECIFIED);
  }
  net.ip_mib.Inc(IpMib::kOutForwDatagrams);  // those that turn out to be too long, too
  IPCB(skb)->flags |= IPSKB_FORWARDED;
  const uint32_t mtu = ip_dst_mtu_maybe_forward(rt, true);
  if (ip_exceeds_mtu(skb, mtu)) {
    net.ip_mib.Inc(IpMib::kFragFails);
    icmp_send(skb, wire::kIcmpDestUnreachable, wire::kIcmpFragmentationNeeded, mtu);
    return DropForward(skb, SKB_DROP_REASON_PKT_TOO_BIG);
  }
  if (skb_cow(skb, LL_RESERVED_SPACE(rt->dev) + rt->header_len) != 0) {
    return DropForward(skb, SKB_DROP_REASON_NOMEM);
  }
  ip_decrease_ttl(ip_hdr_writable(skb));
  if ((IPCB(skb)->flags & IPSKB_DOREDIRECT) != 0 && opt.srr == 0) ip_rt_send_redirect(skb);
  if (net_ipv4(net).settings.ip_forward_update_priority != 0) {
    skb->priority = rt_tos2priority(ip_hdr(skb)->tos);
  }
  return ip_forward_finish(net, skb);
}

}  // namespace tapedeck
