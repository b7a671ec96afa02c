// From the device layer to the protocols (net/ipv4/ip_input.c).
#include <cerrno>

#include "stack/base/checksum.h"
#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/ipv4/devinet.h"
#include "stack/ipv4/icmp.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/ip_fragment.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/wire/icmp.h"
#include "stack/wire/ipv4.h"

namespace tapedeck {

namespace {

[[gnu::noinline]] sk_buff* DropInput(sk_buff* skb, DropReason reason) {
  kfree_skb_reason(skb, reason);
  return nullptr;
}

[[gnu::noinline]] sk_buff* DropHeaderError(net& net, sk_buff* skb, DropReason reason) {
  if (reason == SKB_DROP_REASON_NOT_SPECIFIED) reason = SKB_DROP_REASON_IP_INHDR;
  net.ip_mib.Inc(IpMib::kInHdrErrors);
  return DropInput(skb, reason);
}

[[gnu::always_inline]] inline void CountEcn(net& net, const sk_buff* skb,
                                            const wire::Ipv4Header* iph) {
  static constexpr IpExtMib kByCodepoint[] = {IpExtMib::kInNoECTPkts, IpExtMib::kInECT1Pkts,
                                              IpExtMib::kInECT0Pkts, IpExtMib::kInCEPkts};
  const uint32_t segs = skb_shinfo(skb)->gso_segs;
  net.ip_ext_mib.Add(kByCodepoint[iph->ecn()], segs != 0 ? segs : 1);
}

// RFC 1122 3.2.1.1: a datagram that fails any of these is silently discarded. The order is the
// kernel's, and so the counter: header there, length and version, whole header there, checksum,
// total length. Returns the packet, or nullptr where it was dropped.
[[gnu::always_inline]] inline sk_buff* ip_rcv_core(sk_buff* skb, net& net) {
  // In promiscuous mode we get all sorts of frames; those for others are not for us to look at.
  if (skb->pkt_type == PACKET_OTHERHOST) return DropInput(skb, SKB_DROP_REASON_OTHERHOST);
  net.ip_mib.Inc(IpMib::kInReceives);
  net.ip_ext_mib.Add(IpExtMib::kInOctets, skb->len);
  if (skb_shared(skb)) {
    skb = skb_share_check(skb);
    if (skb == nullptr) {
      net.ip_mib.Inc(IpMib::kInDiscards);
      return nullptr;
    }
  }
  if (!pskb_may_pull(skb, wire::kIpv4HeaderBytes)) {
    return DropHeaderError(net, skb, SKB_DROP_REASON_NOT_SPECIFIED);
  }
  // The packet begins with it.
  const auto* iph = reinterpret_cast<const wire::Ipv4Header*>(skb->data);
  if (iph->ihl() < 5 || iph->version() != 4) {
    return DropHeaderError(net, skb, SKB_DROP_REASON_NOT_SPECIFIED);
  }
  CountEcn(net, skb, iph);
  const auto header_bytes = static_cast<uint32_t>(iph->header_bytes());
  if (header_bytes != wire::kIpv4HeaderBytes) {
    if (!pskb_may_pull(skb, header_bytes)) {
      return DropHeaderError(net, skb, SKB_DROP_REASON_NOT_SPECIFIED);
    }
    iph = reinterpret_cast<const wire::Ipv4Header*>(skb->data);
  }
  if (ip_fast_csum(skb->data, header_bytes / 4) != 0) {
    net.ip_ext_mib.Inc(IpExtMib::kInCsumErrors);
    return DropHeaderError(net, skb, SKB_DROP_REASON_IP_CSUM);
  }
  const uint32_t total = iph->tot_len.host();
  if (skb->len < total) {
    net.ip_mib.Inc(IpMib::kInTruncatedPkts);
    return DropInput(skb, SKB_DROP_REASON_PKT_TOO_SMALL);
  }
  if (total < header_bytes) {
    return DropHeaderError(net, skb, SKB_DROP_REASON_NOT_SPECIFIED);
  }
  // The medium may have padded the frame: what is behind the datagram goes.
  if (skb->len != total && pskb_trim_rcsum(skb, total) != 0) {
    net.ip_mib.Inc(IpMib::kInDiscards);
    return DropInput(skb, SKB_DROP_REASON_NOMEM);
  }
  skb->transport_header = static_cast<uint16_t>(skb->network_header + header_bytes);
  *IPCB(skb) = inet_skb_parm{};
  IPCB(skb)->iif = skb->skb_iif;
  // Whoever sent it on this host has given it up: it belongs to a receiver now.
  if (skb->sk != nullptr) skb_orphan(skb);
  return skb;
}

// Finds options, fills them in, and refuses or follows source routes. False: the packet must be
// dropped with *reason.
[[gnu::noinline]] bool TakeOptions(sk_buff* skb, net_device* dev, DropReason* reason) {
  net& net = *skb->owner;
  const uint32_t header_bytes = ip_hdrlen(skb);
  *reason = SKB_DROP_REASON_IP_INHDR;
  if (skb_cow(skb, skb_headroom(skb)) != 0) {
    net.ip_mib.Inc(IpMib::kInDiscards);
    *reason = SKB_DROP_REASON_NOMEM;
    return false;
  }
  ip_options* const opt = &IPCB(skb)->opt;
  opt->optlen = static_cast<uint8_t>(header_bytes - wire::kIpv4HeaderBytes);
  uint8_t pointer = 0;
  if (ip_options_compile(net, skb, opt, &pointer) != 0) {
    net.ip_mib.Inc(IpMib::kInHdrErrors);
    icmp_send(skb, wire::kIcmpParameterProblem, 0, uint32_t{pointer} << 24);
    return false;
  }
  if (opt->srr == 0) return true;
  if (dev->ip_ptr != nullptr && !in_dev_conf(dev->ip_ptr).source_route()) return false;
  return ip_options_rcv_srr(skb, dev) == 0;
}

// The socket of a connection knows the route of its packets: no lookup then.
[[gnu::always_inline]] inline bool EarlyDemux(net& net, sk_buff* skb, DropReason* reason) {
  const netns_ipv4& ns = net_ipv4(net);
  const wire::Ipv4Header* const iph = ip_hdr(skb);
  if (ns.settings.ip_early_demux == 0 || skb->dst != nullptr || skb->sk != nullptr ||
      iph->is_fragment()) {
    return true;
  }
  const net_protocol* const protocol = ns.inet_protos[iph->protocol];
  if (protocol == nullptr || protocol->early_demux == nullptr) return true;
  return protocol->early_demux(skb, reason) == 0;
}

// Counts multicast and broadcast packets. False for a unicast datagram in a link-layer multicast or
// broadcast that the device refuses (RFC 1122 3.3.6; sysctl drop_unicast_in_l2_multicast).
[[gnu::always_inline]] inline bool CheckCast(net& net, const sk_buff* skb,
                                             const in_device* in_dev) {
  Mib<IpExtMib>& mib = net.ip_ext_mib;
  switch (skb_rtable(skb)->rt_type) {
    case RTN_MULTICAST:
      mib.Inc(IpExtMib::kInMcastPkts);
      mib.Add(IpExtMib::kInMcastOctets, skb->len);
      return true;
    case RTN_BROADCAST:
      mib.Inc(IpExtMib::kInBcastPkts);
      mib.Add(IpExtMib::kInBcastOctets, skb->len);
      return true;
    default:
      break;
  }
  if (skb->pkt_type != PACKET_BROADCAST && skb->pkt_type != PACKET_MULTICAST) return true;
  return in_dev == nullptr || !in_dev_conf(in_dev).drop_unicast_in_l2_multicast();
}

// Routes the packet. NET_RX_SUCCESS: go on with dst_input; NET_RX_DROP: it has been dropped.
[[gnu::always_inline]] inline int ip_rcv_finish_core(net& net, sk_buff* skb, net_device* dev) {
  DropReason reason = SKB_DROP_REASON_NOT_SPECIFIED;
  if (!EarlyDemux(net, skb, &reason)) {
    kfree_skb_reason(skb, reason);
    return NET_RX_DROP;
  }
  const wire::Ipv4Header* const iph = ip_hdr(skb);
  if (skb->dst == nullptr &&
      ip_route_input_noref(skb, iph->daddr, iph->saddr, iph->tos, dev, &reason) != 0) {
    if (reason == SKB_DROP_REASON_IP_RPFILTER) {
      net.tcp_ext_mib.Inc(TcpExtMib::kIPReversePathFilter);
    }
    kfree_skb_reason(skb, reason);
    return NET_RX_DROP;
  }
  if (iph->ihl() > 5 && !TakeOptions(skb, dev, &reason)) {
    kfree_skb_reason(skb, reason);
    return NET_RX_DROP;
  }
  if (!CheckCast(net, skb, dev->ip_ptr)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_UNICAST_IN_L2_MULTICAST);
    return NET_RX_DROP;
  }
  return NET_RX_SUCCESS;
}

// A protocol that only raw sockets know, if they do: `raw` says so.
[[gnu::noinline]] void DeliverToRawOnly(net& net, sk_buff* skb, bool raw) {
  if (raw) {
    net.ip_mib.Inc(IpMib::kInDelivers);
    consume_skb(skb);
    return;
  }
  net.ip_mib.Inc(IpMib::kInUnknownProtos);
  icmp_send(skb, wire::kIcmpDestUnreachable, wire::kIcmpProtocolUnreachable, 0);
  kfree_skb_reason(skb, SKB_DROP_REASON_IP_NOPROTO);
}

// The packet to its protocol; each that it unwraps to in turn.
[[gnu::always_inline]] inline void ProtocolDeliver(net& net, sk_buff* skb, uint8_t protocol) {
  TRACE_FUNCTION(net, skb, ip_protocol_deliver_rcu, net, skb, protocol);
  const netns_ipv4& ns = net_ipv4(net);
  for (;;) {
    const bool raw = ns.raw.local_deliver != nullptr && ns.raw.local_deliver(skb, protocol);
    const net_protocol* const handler = ns.inet_protos[protocol];
    if (handler == nullptr) return DeliverToRawOnly(net, skb, raw);
    net.ip_mib.Inc(IpMib::kInDelivers);
    const int ret = handler->handler(skb);
    if (ret >= 0) return;
    protocol = static_cast<uint8_t>(-ret);
  }
}

[[gnu::always_inline]] inline int ip_local_deliver_finish(net& net, sk_buff* skb) {
  __skb_pull(skb, skb_network_header_len(skb));
  ProtocolDeliver(net, skb, ip_hdr(skb)->protocol);
  return 0;
}

[[gnu::always_inline]] inline int LocalDeliver(net& net, sk_buff* skb) {
  TRACE_FUNCTION(net, skb, ip_local_deliver, skb);
  if (ip_hdr(skb)->is_fragment()) {
    skb = ip_defrag(net, skb, IP_DEFRAG_LOCAL_DELIVER);
    if (skb == nullptr) return 0;
  }
  return ip_local_deliver_finish(net, skb);
}

[[gnu::always_inline]] inline int ip_rcv_finish(net& net, sk_buff* skb) {
  TRACE_FUNCTION(net, skb, ip_rcv_finish, net, skb);
  const int ret = ip_rcv_finish_core(net, skb, skb->dev);
  if (ret == NET_RX_DROP) return ret;
  // Most are for us, which needs no call then.
  return skb->dst->input == ip_local_deliver ? LocalDeliver(net, skb) : dst_input(skb);
}

}  // namespace

int ip_rcv(sk_buff* skb, net_device* dev, packet_type* pt, net_device* orig_dev) {
  net& net = dev_net(dev);
  TRACE_FUNCTION(net, skb, ip_rcv, skb, dev, pt, orig_dev);
  net.Charge(CostPoint::k_ip_rcv);
  skb = ip_rcv_core(skb, net);
  return skb == nullptr ? int{NET_RX_DROP} : ip_rcv_finish(net, skb);
}

void ip_list_rcv(sk_buff_head* list, packet_type* pt, net_device* orig_dev) {
  while (sk_buff* const skb = __skb_dequeue(list)) ip_rcv(skb, skb->dev, pt, orig_dev);
}

int ip_local_deliver(sk_buff* skb) { return LocalDeliver(*skb->owner, skb); }

void ip_protocol_deliver_rcu(net& net, sk_buff* skb, uint8_t protocol) {
  ProtocolDeliver(net, skb, protocol);
}

bool ip_call_ra_chain(sk_buff* skb) {
  const raw_hooks& raw = net_ipv4(*skb->owner).raw;
  return raw.router_alert != nullptr && raw.router_alert(skb);
}

int inet_add_protocol(net& net, const net_protocol* protocol, uint8_t number) {
  const net_protocol*& slot = net_ipv4(net).inet_protos[number];
  if (slot != nullptr) return -1;
  slot = protocol;
  return 0;
}

int inet_del_protocol(net& net, const net_protocol* protocol, uint8_t number) {
  const net_protocol*& slot = net_ipv4(net).inet_protos[number];
  if (slot != protocol) return -1;
  slot = nullptr;
  return 0;
}

void inet_set_raw_hooks(net& net, const raw_hooks& hooks) { net_ipv4(net).raw = hooks; }
void inet_set_ping_hooks(net& net, const ping_hooks& hooks) { net_ipv4(net).ping = hooks; }

}  // namespace tapedeck
