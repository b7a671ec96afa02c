// Receiving UDP over IPv6 (see udp_ipv6.h for the path).
#include <cerrno>
#include <cstring>

#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/core/sock_cmsg.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv6/datagram.h"
#include "stack/ipv6/icmpv6.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/ipv6/ipv6.h"
#include "stack/udp/udp_impl.h"
#include "stack/udp/udp_input.h"
#include "stack/udp/udp_ipv6.h"
#include "stack/udp/udp_offload.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

udp_flow6 FlowOf6(const sk_buff* skb, const wire::UdpHeader* uh, int dif) {
  const wire::Ipv6Header& iph = *ipv6_hdr(skb);
  return {iph.saddr, iph.daddr, uh->source, uh->dest.host(), dif};
}

// udp6_csum_init: prepares or does the checksum's verification. True where it is known to be wrong.
// A zero passes here (RFC 6936): the socket says whether it takes that.
bool CsumInitFails6(sk_buff* skb, const wire::UdpHeader* uh) {
  const wire::Ipv6Header& iph = *ipv6_hdr(skb);
  const wsum pseudo =
      csum_ipv6_nofold(iph.saddr.bytes(), iph.daddr.bytes(), skb->len, wire::kIpProtoUdp, 0);
  return skb_checksum_validate(skb, false, true, uh->check.host(), pseudo) != 0;
}

bool RefusesZeroChecksum(const udp_sock* sk, const wire::UdpHeader* uh) {
  return uh->check == be16{} && !sk->no_check6_rx;
}

int DropForChecksum(net& net, sk_buff* skb) {
  udp_drop_for_checksum(skb, net.udp6_mib);
  return 0;
}

int udpv6_queue_rcv_one_skb(sock* sk, sk_buff* skb) {
  int ret = 0;
  if (!udp_pass_tunnel(sk, skb, &ret)) return ret;
  skb_dst_drop(skb);
  return __udp_queue_rcv_skb(sk, skb);
}

// As udp_queue_rcv_skb.
int udpv6_queue_rcv_skb(sock* sk, sk_buff* skb) {
  if (!udp_unexpected_gso(sk, skb)) return udpv6_queue_rcv_one_skb(sk, skb);
  for (sk_buff *seg = udp_rcv_segment(sk, skb), *next = nullptr; seg != nullptr; seg = next) {
    next = seg->next;
    seg->next = nullptr;
    __skb_pull(seg, static_cast<uint32_t>(skb_transport_offset(seg)));
    // What was summed before it was cut is known to be right.
    if (seg->ip_summed == CHECKSUM_NONE) seg->csum_valid = true;
    const int ret = udpv6_queue_rcv_one_skb(sk, seg);
    if (ret > 0) ip6_protocol_deliver_rcu(sk->sk_net, seg, static_cast<uint8_t>(ret), true);
  }
  return 0;
}

// A tunnel gives the number of the protocol to go on with.
int udp6_unicast_rcv_skb(sock* sk, sk_buff* skb) {
  const wire::Ipv6Header& hdr = *ipv6_hdr(skb);
  udp_convert_checksum(
      sk, skb,
      csum_ipv6_nofold(hdr.saddr.bytes(), hdr.daddr.bytes(), skb->len, wire::kIpProtoUdp, 0));
  const int ret = udpv6_queue_rcv_skb(sk, skb);
  return ret > 0 ? ret : 0;
}

// One more copy of a multicast.
void DeliverCopy(net& net, udp_sock* sk, const sk_buff* skb) {
  sk_buff* const copy = skb_clone(const_cast<sk_buff*>(skb));
  if (copy == nullptr) {
    ++sk->sk_drops;
    net.udp6_mib.Inc(UdpMib::kRcvbufErrors);
    net.udp6_mib.Inc(UdpMib::kInErrors);
    return;
  }
  if (udpv6_queue_rcv_skb(sk, copy) > 0) consume_skb(copy);
}

// Copies of a multicast to every socket that wants it; the first gets the packet itself, last.
int __udp6_lib_mcast_deliver(net& net, sk_buff* skb, const udp_flow6& flow) {
  const wire::UdpHeader* const uh = udp_hdr(skb);
  udp_sock* first = nullptr;
  for (udp_sock& sk : net_udp(net).table.hash[udp_hashfn(net, flow.hnum)].sockets) {
    if (!__udp_v6_is_mcast_sock(&sk, flow) || RefusesZeroChecksum(&sk, uh)) continue;
    if (first == nullptr) {
      first = &sk;
    } else {
      DeliverCopy(net, &sk, skb);
    }
  }
  if (first == nullptr) {
    net.udp6_mib.Inc(UdpMib::kIgnoredMulti);
    kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET);
    return 0;
  }
  if (udpv6_queue_rcv_skb(first, skb) > 0) consume_skb(skb);
  return 0;
}

// A packet whose socket early demux has found.
int RcvForDemuxed(net& net, sk_buff* skb) {
  udp_sock* const sk = udp_take_demuxed_sock(skb);
  sk->sk_rx_dst_cookie = skb->dst != nullptr ? rt6_get_cookie(skb_rt6_info(skb)) : 0;
  const int ret = RefusesZeroChecksum(sk, udp_hdr(skb)) ? DropForChecksum(net, skb)
                                                        : udp6_unicast_rcv_skb(sk, skb);
  sock_put(sk);
  return ret;
}

// Nobody listens. Silent where the checksum is wrong or is not there.
int RcvWithoutSocket6(net& net, sk_buff* skb) {
  if (udp_hdr(skb)->check == be16{} || udp_lib_checksum_complete(skb)) {
    return DropForChecksum(net, skb);
  }
  net.udp6_mib.Inc(UdpMib::kNoPorts);
  icmpv6_send(skb, wire::kIcmpv6DestUnreachable, wire::kIcmpv6PortUnreachable, 0);
  kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET);
  return 0;
}

// The length field is right, and what is behind it cut off. A zero stands for all of a jumbogram.
// False where the packet was dropped.
bool TrimToLength(net& net, sk_buff* skb) {
  if (!pskb_may_pull(skb, wire::kUdpHeaderBytes)) {
    udp_drop_malformed(skb, SKB_DROP_REASON_PKT_TOO_SMALL, net.udp6_mib);
    return false;
  }
  uint32_t ulen = udp_hdr(skb)->len.host();
  if (ulen == 0) ulen = skb->len;
  if (ulen > skb->len || ulen < wire::kUdpHeaderBytes) {
    udp_drop_malformed(skb, SKB_DROP_REASON_UDP_LENGTH, net.udp6_mib);
    return false;
  }
  if (ulen != skb->len && pskb_trim_rcsum(skb, ulen) != 0) {
    udp_drop_malformed(skb, SKB_DROP_REASON_NOMEM, net.udp6_mib);
    return false;
  }
  return true;
}

// An error's socket and what it means to him.
// The tunnel that sent the quoted datagram, as TunnelOfError of udp_input.cc
// (__udp6_lib_err_encap).
udp_sock* TunnelOfError6(net& net, sk_buff* skb, const udp_flow6& flow, udp_sock* sk, int offset) {
  if (net_udp(net).encap_needed == 0) return nullptr;
  const bool hears = sk != nullptr;
  if (!hears) {
    const udp_flow6 same_port = {flow.saddr, flow.daddr, be16(flow.hnum), flow.sport.host(),
                                 flow.dif};
    sk = __udp6_lib_lookup(net, same_port);
  }
  return udp_tunnel_knows(sk, skb, static_cast<uint32_t>(offset), hears) ? sk : nullptr;
}

// What an error says to the socket of the quoted datagram, or to its `tunnel`.
void TellError(udp_sock* sk, bool tunnel, sk_buff* skb, uint8_t type, uint8_t code, int offset,
               uint32_t info) {
  int err = 0;
  bool hard = icmpv6_err_convert(type, code, &err);
  const ipv6_pinfo* const np = inet6_sk(sk);
  if (type == wire::kIcmpv6PacketTooBig) {
    // Sockets that look at the device's MTU only believe nobody.
    if (np->pmtudisc == kIpPmtudiscInterface || np->pmtudisc == kIpPmtudiscOmit) return;
    ip6_sk_update_pmtu(skb, sk, info);
    if (np->pmtudisc != kIpPmtudiscDont) hard = true;
  }
  if (type == wire::kIcmpv6Redirect) {
    if (!tunnel) ip6_sk_redirect(skb, sk);
    return;
  }
  const auto* const uh = reinterpret_cast<const wire::UdpHeader*>(skb->data + offset);
  const uint32_t payload_offset = static_cast<uint32_t>(offset) + wire::kUdpHeaderBytes;
  if (tunnel) {
    // There is no sending socket to tell.
    if (sk->encap_err_rcv != nullptr)
      sk->encap_err_rcv(sk, skb, err, uh->dest, info, payload_offset);
    return;
  }
  if (np->recverr) {
    ipv6_icmp_error(sk, skb, err, uh->dest, info, payload_offset);
  } else if (!hard || sk->sk_state != TCP_ESTABLISHED) {
    return;
  }
  sk->sk_err = err;
  sk_error_report(sk);
}

sockaddr_in6 SourceOf(const sk_buff* skb) {
  sockaddr_in6 sin6;
  sin6.sin6_port = udp_hdr(skb)->source;
  if (skb->protocol == wire::kEtherTypeIpv6) {
    sin6.sin6_addr = ipv6_hdr(skb)->saddr;
    sin6.sin6_scope_id = ipv6_iface_scope_id(sin6.sin6_addr, inet6_iif(skb));
  } else {
    sin6.sin6_addr = Ipv6Address::Mapped(ip_hdr(skb)->saddr);
  }
  return sin6;
}

// Source and control messages of a datagram of either version.
void Tell6(sock* sk, msghdr* msg, sk_buff* skb, uint32_t offset) {
  if (msg->msg_name != nullptr) {
    const sockaddr_in6 source = SourceOf(skb);
    std::memcpy(msg->msg_name, &source, sizeof(source));
    msg->msg_namelen = sizeof(source);
  }
  if (udp_sk(sk)->gro_enabled) udp_cmsg_recv(msg, skb);
  const bool wants_any = inet6_sk(sk)->rxopt.any();
  if (wants_any) ip6_datagram_recv_common_ctl(sk, msg, skb);
  if (skb->protocol == wire::kEtherTypeIpv6) {
    if (wants_any) ip6_datagram_recv_specific_ctl(sk, msg, skb);
  } else if (inet_sk(sk)->cmsg_flags != 0) {
    ip_cmsg_recv_offset(msg, sk, skb, wire::kUdpHeaderBytes, offset);
  }
}

}  // namespace

int udpv6_rcv(sk_buff* skb) {
  net& net = *skb->owner;
  TRACE_FUNCTION(net, skb, udpv6_rcv, skb);
  net.Charge(CostPoint::k_udp_rcv);
  if (!TrimToLength(net, skb)) return 0;
  const wire::UdpHeader* const uh = udp_hdr(skb);
  if (CsumInitFails6(skb, uh)) return DropForChecksum(net, skb);
  if (skb->sk != nullptr) return RcvForDemuxed(net, skb);
  const udp_flow6 flow = FlowOf6(skb, uh, inet6_iif(skb));
  if (ipv6_addr_is_multicast(flow.daddr)) return __udp6_lib_mcast_deliver(net, skb, flow);
  udp_sock* const sk = __udp6_lib_lookup(net, flow);
  if (sk == nullptr) return RcvWithoutSocket6(net, skb);
  if (RefusesZeroChecksum(sk, uh)) return DropForChecksum(net, skb);
  return udp6_unicast_rcv_skb(sk, skb);
}

int udpv6_err(sk_buff* skb, uint8_t type, uint8_t code, int offset, uint32_t info) {
  net& net = *skb->owner;
  if (type == wire::kIcmpv6PacketTooBig) {
    ip6_update_pmtu(skb, net, info, skb->dev->ifindex, 0);
  } else if (type == wire::kIcmpv6Redirect) {
    ip6_redirect(skb, net, skb->dev->ifindex, 0);
  }
  // The quoted datagram is ours: its source is our address.
  const auto& iph = *reinterpret_cast<const wire::Ipv6Header*>(skb->data);
  const auto& uh = *reinterpret_cast<const wire::UdpHeader*>(skb->data + offset);
  const udp_flow6 flow = {iph.daddr, iph.saddr, uh.dest, uh.source.host(), inet6_iif(skb)};
  udp_sock* sk = __udp6_lib_lookup(net, flow);
  const bool tunnel = sk == nullptr || sk->encap_type != 0;
  if (tunnel) sk = TunnelOfError6(net, skb, flow, sk, offset);
  if (sk == nullptr) {
    net.icmp6_mib.Inc(Icmp6Mib::kInErrors);
    return -ENOENT;
  }
  TellError(sk, tunnel, skb, type, code, offset, info);
  return 0;
}

int udp_v6_early_demux(sk_buff* skb, DropReason* reason) {
  net& net = *skb->owner;
  TRACE_FUNCTION(net, skb, udp_v6_early_demux, skb, reason);
  const netns_udp& udp = net_udp(net);
  if (udp.early_demux == 0 || !udp.has_connected || skb->pkt_type != PACKET_HOST) return 0;
  const auto transport = static_cast<uint32_t>(skb_transport_offset(skb));
  if (!pskb_may_pull(skb, transport + wire::kUdpHeaderBytes)) return 0;
  udp_sock* const sk = __udp6_lib_demux_lookup(net, FlowOf6(skb, udp_hdr(skb), skb->dev->ifindex));
  if (sk == nullptr) return 0;
  skb_set_owner_sk_safe(skb, sk);
  dst_entry* const dst = sk->sk_rx_dst;
  if (dst != nullptr && dst_check(dst, sk->sk_rx_dst_cookie) != nullptr) {
    skb_dst_set(skb, dst_clone(dst));
  }
  return 0;
}

int64_t udpv6_recvmsg(sock* sk, msghdr* msg, size_t len, uint32_t flags) {
  TRACE_FUNCTION(sk->sk_net, nullptr, udpv6_recvmsg, sk, msg, len, flags);
  if ((flags & MSG_ERRQUEUE) != 0) return ipv6_recv_error(sk, msg, len);
  const ipv6_pinfo* const np = inet6_sk(sk);
  if (np->rxopt.rxpmtu && np->rxpmtu != nullptr) return ipv6_recv_rxpmtu(sk, msg, len);
  return udp_recv_datagram(sk, msg, len, flags, Tell6);
}

GsoResult udp6_ufo_fragment(sk_buff* skb, netdev_features_t features) {
  return udp4_ufo_fragment(skb, features);
}

}  // namespace tapedeck
