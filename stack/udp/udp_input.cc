#include "stack/udp/udp_input.h"

#include <cerrno>

#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/core/sock_cmsg.h"
#include "stack/ipv4/devinet.h"
#include "stack/ipv4/icmp.h"
#include "stack/ipv4/igmp.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/ip_recverr.h"
#include "stack/udp/udp.h"
#include "stack/udp/udp_impl.h"
#include "stack/udp/udp_offload.h"
#include "stack/udp/udp_queue.h"
#include "stack/udp/udp_table.h"
#include "stack/wire/icmp.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

[[gnu::always_inline]] inline udp_flow4 FlowOf(const sk_buff* skb, const wire::UdpHeader* uh,
                                               int dif) {
  const wire::Ipv4Header* const iph = ip_hdr(skb);
  return {iph->saddr, iph->daddr, uh->source, uh->dest.host(), dif};
}

// udp4_csum_init: prepares or does the checksum's verification. True where it is known to be wrong.
[[gnu::always_inline]] inline bool CsumInitFails(sk_buff* skb, const wire::UdpHeader* uh) {
  const wire::Ipv4Header* const iph = ip_hdr(skb);
  const wsum pseudo =
      csum_tcpudp_nofold(iph->saddr.wire(), iph->daddr.wire(), skb->len, wire::kIpProtoUdp, 0);
  return skb_checksum_validate(skb, false, true, uh->check.host(), pseudo) != 0;
}

// A datagram for a socket that may be a tunnel's end. False where the tunnel has taken it: *ret is
// what udp_pass_tunnel says.
[[gnu::noinline]] bool ShowToTunnel(sock* sk, sk_buff* skb, int* ret) {
  const udp_sock* const up = udp_sk(sk);
  if (up->encap_rcv == nullptr) return true;
  Mib<UdpMib>& mib = udp_mib_of(sk->sk_net, skb);
  // A tunnel sees nothing that is damaged.
  if (udp_lib_checksum_complete(skb)) {
    ++sk->sk_drops;
    udp_drop_for_checksum(skb, mib);
    *ret = -1;
    return false;
  }
  const int taken = up->encap_rcv(sk, skb);
  if (taken > 0) return true;
  mib.Inc(UdpMib::kInDatagrams);
  *ret = -taken;
  return false;
}

// udp_csum_pull_header: the payload's sum starts from the header's.
[[gnu::always_inline]] inline void PullHeader(sk_buff* skb) {
  const uint8_t* const header = skb->data;
  __skb_pull(skb, wire::kUdpHeaderBytes);
  const wsum sum = csum_words(header, wire::kUdpHeaderBytes / 4);
  if (skb->ip_summed == CHECKSUM_COMPLETE) {
    skb->csum = csum_sub(skb->csum, sum);
  } else if (skb->ip_summed == CHECKSUM_NONE && !skb->csum_valid) {
    skb->csum = csum_add(skb->csum, sum);
  } else {
    skb_postpull_rcsum(skb, header, wire::kUdpHeaderBytes);
  }
}

[[gnu::always_inline]] inline bool PassTunnel(sock* sk, sk_buff* skb, int* ret) {
  if (udp_sk(sk)->encap_type != 0 && !ShowToTunnel(sk, skb, ret)) return false;
  PullHeader(skb);
  return true;
}

[[gnu::always_inline]] inline int Queue(sock* sk, sk_buff* skb) {
  net& net = sk->sk_net;
  const uint32_t frame_id = skb->frame_id;
  const uint32_t len = skb->len;
  DropReason reason = SKB_DROP_REASON_NOT_SPECIFIED;
  const int err = __udp_enqueue_schedule_skb(sk, skb, &reason);
  if (err == 0) {
    if (net.world.tracing()) {
      net.this_cpu().Trace(TraceKind::kDeliver, frame_id, len, wire::kIpProtoUdp,
                           inet_sk(sk)->inet_num);
    }
    return 0;
  }
  Mib<UdpMib>& mib = udp_mib_of(net, skb);
  mib.Inc(err == -ENOMEM ? UdpMib::kRcvbufErrors : UdpMib::kMemErrors);
  mib.Inc(UdpMib::kInErrors);
  kfree_skb_reason(skb, reason);
  return -1;
}

// One datagram, data at its UDP header. 0, -1 where it was dropped, > 0: see udp_queue_rcv_skb.
[[gnu::always_inline]] inline int udp_queue_rcv_one_skb(sock* sk, sk_buff* skb) {
  int ret = 0;
  if (!PassTunnel(sk, skb, &ret)) return ret;
  ipv4_pktinfo_prepare(sk, skb, true);
  return Queue(sk, skb);
}

// A packet of several datagrams, each to be queued by itself.
[[gnu::noinline]] int QueueSegments(sock* sk, sk_buff* skb) {
  for (sk_buff *seg = udp_rcv_segment(sk, skb), *next = nullptr; seg != nullptr; seg = next) {
    next = seg->next;
    seg->next = nullptr;
    __skb_pull(seg, static_cast<uint32_t>(skb_transport_offset(seg)));
    // What was summed before it was cut is known to be right (udp_post_segment_fix_csum).
    if (seg->ip_summed == CHECKSUM_NONE) seg->csum_valid = true;
    const int ret = udp_queue_rcv_one_skb(sk, seg);
    if (ret > 0) ip_protocol_deliver_rcu(sk->sk_net, seg, static_cast<uint8_t>(ret));
  }
  return 0;
}

[[gnu::always_inline]] inline int QueueRcvSkb(sock* sk, sk_buff* skb) {
  const bool one = !skb_is_gso(skb) || !udp_unexpected_gso(sk, skb);
  return one ? udp_queue_rcv_one_skb(sk, skb) : QueueSegments(sk, skb);
}

[[gnu::always_inline]] inline int udp_unicast_rcv_skb(sock* sk, sk_buff* skb) {
  if ((inet_sk(sk)->cmsg_flags & IP_CMSG_CHECKSUM) != 0) {
    const wire::Ipv4Header* const iph = ip_hdr(skb);
    udp_convert_checksum(
        sk, skb,
        csum_tcpudp_nofold(iph->saddr.wire(), iph->daddr.wire(), skb->len, wire::kIpProtoUdp, 0));
  }
  const int ret = QueueRcvSkb(sk, skb);
  // A tunnel gives the number of the protocol to go on with.
  return ret > 0 ? -ret : 0;
}

// Copies of a multicast or broadcast to every socket that wants it; the first gets the packet
// itself, last.
int __udp4_lib_mcast_deliver(net& net, sk_buff* skb, const udp_flow4& flow) {
  sock* first = nullptr;
  for (udp_sock& sk : net_udp(net).table.hash[udp_hashfn(net, flow.hnum)].sockets) {
    if (!__udp_is_mcast_sock(&sk, flow)) continue;
    if (first == nullptr) {
      first = &sk;
      continue;
    }
    sk_buff* const copy = skb_clone(skb);
    if (copy == nullptr) {
      ++sk.sk_drops;
      net.udp_mib.Inc(UdpMib::kRcvbufErrors);
      net.udp_mib.Inc(UdpMib::kInErrors);
      continue;
    }
    if (udp_queue_rcv_skb(&sk, copy) > 0) consume_skb(copy);
  }
  if (first == nullptr) {
    net.udp_mib.Inc(UdpMib::kIgnoredMulti);
    kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET);
    return 0;
  }
  if (udp_queue_rcv_skb(first, skb) > 0) consume_skb(skb);
  return 0;
}

// A packet whose socket early demux has found.
int RcvForDemuxed(sk_buff* skb) {
  udp_sock* const sk = udp_take_demuxed_sock(skb);
  const int ret = udp_unicast_rcv_skb(sk, skb);
  sock_put(sk);
  return ret;
}

// RFC 1122 4.1.3.1: nobody listens. Silent where the checksum is wrong.
int RcvWithoutSocket(net& net, sk_buff* skb) {
  if (udp_lib_checksum_complete(skb)) {
    udp_drop_for_checksum(skb, net.udp_mib);
    return 0;
  }
  net.udp_mib.Inc(UdpMib::kNoPorts);
  icmp_send(skb, wire::kIcmpDestUnreachable, wire::kIcmpPortUnreachable, 0);
  kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET);
  return 0;
}

[[gnu::always_inline]] inline int __udp4_lib_rcv(net& net, sk_buff* skb) {
  if (!pskb_may_pull(skb, wire::kUdpHeaderBytes)) {
    return udp_drop_malformed(skb, SKB_DROP_REASON_PKT_TOO_SMALL, net.udp_mib);
  }
  const uint32_t ulen = udp_hdr(skb)->len.host();
  if (ulen > skb->len || ulen < wire::kUdpHeaderBytes) {
    return udp_drop_malformed(skb, SKB_DROP_REASON_UDP_LENGTH, net.udp_mib);
  }
  if (ulen != skb->len && pskb_trim_rcsum(skb, ulen) != 0) {
    return udp_drop_malformed(skb, SKB_DROP_REASON_NOMEM, net.udp_mib);
  }
  const wire::UdpHeader* const uh = udp_hdr(skb);
  if (CsumInitFails(skb, uh)) {
    udp_drop_for_checksum(skb, net.udp_mib);
    return 0;
  }
  if (skb->sk != nullptr) return RcvForDemuxed(skb);
  const udp_flow4 flow = FlowOf(skb, uh, inet_iif(skb));
  if ((skb_rtable(skb)->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) != 0) {
    return __udp4_lib_mcast_deliver(net, skb, flow);
  }
  udp_sock* const sk = __udp4_lib_lookup(net, flow);
  return sk != nullptr ? udp_unicast_rcv_skb(sk, skb) : RcvWithoutSocket(net, skb);
}

// Early demux of a packet with a whole header.
[[gnu::noinline]] int DemuxFlow(net& net, sk_buff* skb, DropReason* reason) {
  const udp_flow4 flow = FlowOf(skb, udp_hdr(skb), skb->dev->ifindex);
  udp_sock* sk = nullptr;
  const bool multicast = skb->pkt_type == PACKET_MULTICAST;
  if (multicast) {
    const in_device* const in_dev = __in_dev_get_rcu(skb->dev);
    if (in_dev == nullptr || !ip_check_mc(in_dev, flow.daddr, flow.saddr, wire::kIpProtoUdp)) {
      return 0;
    }
    sk = __udp4_lib_mcast_demux_lookup(net, flow);
  } else if (skb->pkt_type == PACKET_HOST) {
    sk = __udp4_lib_demux_lookup(net, flow);
  }
  if (sk == nullptr) return 0;
  skb_set_owner_sk_safe(skb, sk);
  dst_entry* const dst = sk->sk_rx_dst;
  if (dst == nullptr || dst_check(dst, 0) == nullptr) return 0;
  skb_dst_set(skb, dst_clone(dst));
  if (!multicast || !sk->inet_daddr.IsAny()) return 0;
  // Any sender may be behind a multicast on an unconnected socket: each is looked at.
  uint32_t itag = 0;
  return ip_mc_validate_source(skb, flow.daddr, flow.saddr, ip_hdr(skb)->tos, skb->dev, &itag,
                               reason);
}

// What an error says of the path is true whoever has sent the datagram (udp_err_update_exception).
void UpdateException(net& net, sk_buff* skb, uint32_t info) {
  const wire::IcmpHeader& icmph = *icmp_hdr(skb);
  if (icmph.type == wire::kIcmpDestUnreachable && icmph.code == wire::kIcmpFragmentationNeeded) {
    ipv4_update_pmtu(skb, net, info, 0, wire::kIpProtoUdp);
  } else if (icmph.type == wire::kIcmpRedirect) {
    ipv4_redirect(skb, net, 0, wire::kIpProtoUdp);
  }
}

// What an ICMP error means to the sender of the datagram. false: nothing.
bool ErrorOf(sk_buff* skb, inet_sock* sk, uint32_t info, int* err, bool* hard) {
  const wire::IcmpHeader& icmph = *icmp_hdr(skb);
  *hard = false;
  *err = EHOSTUNREACH;
  switch (icmph.type) {
    case wire::kIcmpSourceQuench:
      return false;
    case wire::kIcmpRedirect:
      ipv4_sk_redirect(skb, sk);
      return false;
    case wire::kIcmpParameterProblem:
      *err = EPROTO;
      *hard = true;
      return true;
    case wire::kIcmpDestUnreachable:
      break;
    default:
      return true;
  }
  if (icmph.code == wire::kIcmpFragmentationNeeded) {
    ipv4_sk_update_pmtu(skb, sk, info);
    *err = EMSGSIZE;
    *hard = true;
    return sk->pmtudisc != kIpPmtudiscDont;
  }
  if (icmph.code <= wire::kIcmpUnreachableCodeMax) {
    *err = icmp_err_convert[icmph.code].err;
    *hard = icmp_err_convert[icmph.code].fatal;
  }
  return true;
}

// The tunnel that sent the quoted datagram, for an error that is no user's own to hear: that of
// `sk`, or where there is none one that uses the same port at both ends. nullptr: no tunnel knows
// it (__udp4_lib_err_encap).
udp_sock* TunnelOfError(net& net, sk_buff* skb, const udp_flow4& flow, udp_sock* sk,
                        uint32_t ip_header_bytes) {
  if (net_udp(net).encap_needed == 0) return nullptr;
  const bool hears = sk != nullptr;
  if (!hears) {
    const udp_flow4 same_port = {flow.saddr, flow.daddr, be16(flow.hnum), flow.sport.host(),
                                 flow.dif};
    sk = __udp4_lib_lookup(net, same_port);
  }
  return udp_tunnel_knows(sk, skb, ip_header_bytes, hears) ? sk : nullptr;
}

}  // namespace

void udp_drop_for_checksum(sk_buff* skb, Mib<UdpMib>& mib) {
  mib.Inc(UdpMib::kInCsumErrors);
  mib.Inc(UdpMib::kInErrors);
  kfree_skb_reason(skb, SKB_DROP_REASON_UDP_CSUM);
}

int udp_drop_malformed(sk_buff* skb, DropReason reason, Mib<UdpMib>& mib) {
  mib.Inc(UdpMib::kInErrors);
  kfree_skb_reason(skb, reason);
  return 0;
}

void udp_convert_checksum(const sock* sk, sk_buff* skb, wsum pseudo) {
  if ((inet_sk(sk)->cmsg_flags & IP_CMSG_CHECKSUM) == 0 || udp_hdr(skb)->check == be16{}) return;
  if (skb->ip_summed != CHECKSUM_NONE || !skb->csum_valid) return;
  skb->csum = ~pseudo;
  skb->ip_summed = CHECKSUM_COMPLETE;
}

bool udp_lib_checksum_complete(sk_buff* skb) {
  return !skb_csum_unnecessary(skb) && __skb_checksum_complete(skb) != 0;
}

int udp_rcv(sk_buff* skb) {
  net& net = *skb->owner;
  TRACE_FUNCTION(net, skb, udp_rcv, skb);
  net.Charge(CostPoint::k_udp_rcv);
  return __udp4_lib_rcv(net, skb);
}

bool udp_pass_tunnel(sock* sk, sk_buff* skb, int* ret) { return PassTunnel(sk, skb, ret); }

bool udp_tunnel_knows(udp_sock* sk, sk_buff* skb, uint32_t udp_offset, bool hears) {
  if (sk == nullptr) return false;
  if (sk->encap_err_lookup == nullptr) return hears;
  const uint16_t network_header = skb->network_header;
  const uint16_t transport_header = skb->transport_header;
  skb_reset_network_header(skb);
  skb->transport_header = static_cast<uint16_t>(skb->network_header + udp_offset);
  const bool knows = sk->encap_err_lookup(sk, skb) == 0;
  skb->network_header = network_header;
  skb->transport_header = transport_header;
  return knows;
}

int __udp_queue_rcv_skb(sock* sk, sk_buff* skb) { return Queue(sk, skb); }

udp_sock* udp_take_demuxed_sock(sk_buff* skb) {
  udp_sock* const sk = udp_sk(skb->sk);
  skb->sk = nullptr;
  skb->destructor = nullptr;
  if (sk->sk_rx_dst != skb->dst) {
    dst_release(sk->sk_rx_dst);
    sk->sk_rx_dst = dst_clone(skb->dst);
  }
  return sk;
}

int udp_queue_rcv_skb(sock* sk, sk_buff* skb) { return QueueRcvSkb(sk, skb); }

int udp_v4_early_demux(sk_buff* skb, DropReason* reason) {
  net& net = *skb->owner;
  TRACE_FUNCTION(net, skb, udp_v4_early_demux, skb, reason);
  const netns_udp& udp = net_udp(net);
  if (udp.early_demux == 0 || (!udp.has_connected && skb->pkt_type == PACKET_HOST)) return 0;
  const auto transport = static_cast<uint32_t>(skb_transport_offset(skb));
  if (!pskb_may_pull(skb, transport + wire::kUdpHeaderBytes)) return 0;
  return DemuxFlow(net, skb, reason);
}

int udp_err(sk_buff* skb, uint32_t info) {
  net& net = *skb->owner;
  // The quoted datagram is ours: its source is our address.
  const auto* const iph = reinterpret_cast<const wire::Ipv4Header*>(skb->data);
  const auto header_bytes = static_cast<uint32_t>(iph->header_bytes());
  const auto* const uh = reinterpret_cast<const wire::UdpHeader*>(skb->data + header_bytes);
  UpdateException(net, skb, info);
  const udp_flow4 flow = {iph->daddr, iph->saddr, uh->dest, uh->source.host(), skb->dev->ifindex};
  udp_sock* sk = __udp4_lib_lookup(net, flow);
  const bool tunnel = sk == nullptr || sk->encap_type != 0;
  if (tunnel) sk = TunnelOfError(net, skb, flow, sk, header_bytes);
  if (sk == nullptr) {
    net.icmp_mib.Inc(IcmpMib::kInErrors);
    return -ENOENT;
  }
  int err = 0;
  bool hard = false;
  if (!ErrorOf(skb, sk, info, &err, &hard)) return 0;
  if (tunnel) {
    // There is no sending socket to tell.
    if (sk->encap_err_rcv != nullptr) {
      sk->encap_err_rcv(sk, skb, err, uh->dest, info, header_bytes + wire::kUdpHeaderBytes);
    }
    return 0;
  }
  // RFC 1122 4.1.3.3: applications hear of ICMP errors; those that did not ask to, only of hard
  // ones about their peer.
  if (sk->recverr) {
    ip_icmp_error(sk, skb, err, uh->dest, info, header_bytes + wire::kUdpHeaderBytes);
  } else if (!hard || sk->sk_state != TCP_ESTABLISHED) {
    return 0;
  }
  sk->sk_err = err;
  sk_error_report(sk);
  return 0;
}

}  // namespace tapedeck
