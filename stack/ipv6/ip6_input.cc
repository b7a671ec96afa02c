// From the device layer to the upper layers (net/ipv6/ip6_input.c; RFC 8200).
#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/icmpv6.h"
#include "stack/ipv6/ip6_internal.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/mcast.h"
#include "stack/ipv6/netns_ipv6.h"

namespace tapedeck {

namespace {

constexpr int kScopeReserved = 0;  // of multicast addresses (RFC 4291 2.7)

sk_buff* DropInput(sk_buff* skb, DropReason reason) {
  kfree_skb_reason(skb, reason);
  return nullptr;
}

sk_buff* DropHeaderError(net& net, sk_buff* skb, DropReason reason) {
  if (reason == SKB_DROP_REASON_NOT_SPECIFIED) reason = SKB_DROP_REASON_IP_INHDR;
  net.ip6_mib.Inc(Ip6Mib::kInHdrErrors);
  return DropInput(skb, reason);
}

void CountEcn(net& net, const sk_buff* skb) {
  static constexpr Ip6Mib kByCodepoint[] = {Ip6Mib::kInNoECTPkts, Ip6Mib::kInECT1Pkts,
                                            Ip6Mib::kInECT0Pkts, Ip6Mib::kInCEPkts};
  const uint32_t segs = skb_shinfo(skb)->gso_segs;
  net.ip6_mib.Add(kByCodepoint[ipv6_hdr(skb)->ecn()], segs != 0 ? segs : 1);
}

int MulticastScope(const Ipv6Address& addr) { return addr.bytes()[1] & 0x0f; }

// Addresses that may not be on the wire. CONSUMED where they may.
DropReason CheckAddresses(const sk_buff* skb, const net_device* dev) {
  const wire::Ipv6Header& hdr = *ipv6_hdr(skb);
  const bool to_group = ipv6_addr_is_multicast(hdr.daddr);
  const bool from_loopback = (dev->flags & IFF_LOOPBACK) != 0;
  // RFC 4291 2.5.3: the loopback address stays on its node.
  if ((ipv6_addr_loopback(hdr.saddr) || ipv6_addr_loopback(hdr.daddr)) && !from_loopback) {
    return SKB_DROP_REASON_IP_INHDR;
  }
  // RFC 4291 erratum 3480: so do groups of interface-local scope.
  if (to_group && skb->pkt_type != PACKET_LOOPBACK && !from_loopback &&
      MulticastScope(hdr.daddr) == kScopeInterfaceLocal) {
    return SKB_DROP_REASON_IP_INHDR;
  }
  const bool link_cast = skb->pkt_type == PACKET_BROADCAST || skb->pkt_type == PACKET_MULTICAST;
  if (!to_group && link_cast && dev->ip6_ptr->cnf->drop_unicast_in_l2_multicast != 0) {
    return SKB_DROP_REASON_UNICAST_IN_L2_MULTICAST;
  }
  // RFC 4291 2.7: a reserved scope; a group never is a source.
  if (to_group && MulticastScope(hdr.daddr) == kScopeReserved) return SKB_DROP_REASON_IP_INHDR;
  if (ipv6_addr_is_multicast(hdr.saddr)) return SKB_DROP_REASON_IP_INHDR;
  return SKB_DROP_REASON_CONSUMED;
}

// The packet cut to what its header says. A length of zero before hop-by-hop options may be a
// jumbogram's, which its option tells. nullptr where it was dropped.
sk_buff* TrimToLength(net& net, sk_buff* skb) {
  const wire::Ipv6Header& hdr = *ipv6_hdr(skb);
  const uint32_t payload = hdr.payload_len.host();
  if (payload == 0 && hdr.nexthdr == wire::kIpProtoHopByHop) return skb;
  if (payload + wire::kIpv6HeaderBytes > skb->len) {
    net.ip6_mib.Inc(Ip6Mib::kInTruncatedPkts);
    return DropInput(skb, SKB_DROP_REASON_PKT_TOO_SMALL);
  }
  if (pskb_trim_rcsum(skb, payload + wire::kIpv6HeaderBytes) != 0) {
    return DropHeaderError(net, skb, SKB_DROP_REASON_NOT_SPECIFIED);
  }
  return skb;
}

// Checks in the kernel's order, which decides the counter. Returns the packet, or nullptr where it
// was dropped.
sk_buff* ip6_rcv_core(sk_buff* skb, net_device* dev, net& net) {
  // In promiscuous mode we get all sorts of frames; those for others are not for us to look at.
  if (skb->pkt_type == PACKET_OTHERHOST) return DropInput(skb, SKB_DROP_REASON_OTHERHOST);
  net.ip6_mib.Inc(Ip6Mib::kInReceives);
  net.ip6_mib.Add(Ip6Mib::kInOctets, skb->len);
  const inet6_dev* const idev = __in6_dev_get(dev);
  skb = skb_share_check(skb);
  if (skb == nullptr || idev == nullptr || idev->cnf->disable_ipv6 != 0) {
    net.ip6_mib.Inc(Ip6Mib::kInDiscards);
    const bool disabled = idev != nullptr && idev->cnf->disable_ipv6 != 0;
    return DropInput(skb, disabled ? SKB_DROP_REASON_IPV6_DISABLED : SKB_DROP_REASON_NOT_SPECIFIED);
  }
  *IP6CB(skb) = inet6_skb_parm{};
  // What we sent to ourselves comes in by the loopback device, but belongs to the link it was sent
  // on.
  const inet6_dev* const routed = skb->dst != nullptr ? ip6_dst_idev(skb->dst) : nullptr;
  IP6CB(skb)->iif = routed != nullptr ? routed->dev->ifindex : dev->ifindex;
  if (!pskb_may_pull(skb, wire::kIpv6HeaderBytes)) {
    return DropHeaderError(net, skb, SKB_DROP_REASON_NOT_SPECIFIED);
  }
  if (ipv6_hdr(skb)->version() != 6) {
    return DropHeaderError(net, skb, SKB_DROP_REASON_UNHANDLED_PROTO);
  }
  CountEcn(net, skb);
  const DropReason reason = CheckAddresses(skb, dev);
  if (reason != SKB_DROP_REASON_CONSUMED) return DropHeaderError(net, skb, reason);
  skb->transport_header = static_cast<uint16_t>(skb->network_header + wire::kIpv6HeaderBytes);
  IP6CB(skb)->nhoff = offsetof(wire::Ipv6Header, nexthdr);
  skb = TrimToLength(net, skb);
  if (skb == nullptr) return nullptr;
  if (ipv6_hdr(skb)->nexthdr == wire::kIpProtoHopByHop && !ipv6_parse_hopopts(skb)) {
    net.ip6_mib.Inc(Ip6Mib::kInHdrErrors);
    return nullptr;
  }
  // Whoever sent it on this host has given it up: it belongs to a receiver now.
  if (skb->sk != nullptr) skb_orphan(skb);
  return skb;
}

// The socket of a connection knows the route of its packets: no lookup then. Only where the upper
// layer follows the header at once. False: to be dropped with *reason.
bool EarlyDemux(net& net, sk_buff* skb, DropReason* reason) {
  if (net_ipv4(net).settings.ip_early_demux == 0 || skb->dst != nullptr || skb->sk != nullptr) {
    return true;
  }
  const inet6_protocol* const protocol = net_ipv6(net).inet6_protos[ipv6_hdr(skb)->nexthdr];
  if (protocol == nullptr || protocol->early_demux == nullptr) return true;
  return protocol->early_demux(skb, reason) == 0;
}

[[gnu::always_inline]] inline int ip6_rcv_finish(net& net, sk_buff* skb) {
  TRACE_FUNCTION(net, skb, ip6_rcv_finish, net, skb);
  DropReason reason = SKB_DROP_REASON_NOT_SPECIFIED;
  if (!EarlyDemux(net, skb, &reason)) {
    kfree_skb_reason(skb, reason);
    return NET_RX_DROP;
  }
  if (skb->dst == nullptr) ip6_route_input(skb);
  return dst_input(skb);
}

// Whether `offset` bytes behind the network header is a message about group membership, which is
// heard whatever groups the host is in.
bool ipv6_is_mld(sk_buff* skb, uint8_t nexthdr, uint32_t offset) {
  if (nexthdr != wire::kIpProtoIcmpv6) return false;
  wire::Icmpv6Header copy;
  const int at = skb_network_offset(skb) + static_cast<int>(offset);
  const auto* const hdr = static_cast<const wire::Icmpv6Header*>(
      skb_header_pointer(skb, static_cast<uint32_t>(at), sizeof(copy), &copy));
  if (hdr == nullptr) return false;
  switch (hdr->type) {
    case wire::kIcmpv6ListenerQuery:
    case wire::kIcmpv6ListenerReport:
    case wire::kIcmpv6ListenerDone:
    case wire::kIcmpv6ListenerReport2:
      return true;
    default:
      return false;
  }
}

void Discard(net& net, sk_buff* skb, DropReason reason) {
  net.ip6_mib.Inc(Ip6Mib::kInDiscards);
  kfree_skb_reason(skb, reason);
}

// Nobody is there for `nexthdr`: raw sockets had it, or the sender is told.
void EndUndelivered(net& net, sk_buff* skb, bool raw, uint32_t nhoff) {
  if (raw) {
    net.ip6_mib.Inc(Ip6Mib::kInDelivers);
    consume_skb(skb);
    return;
  }
  net.ip6_mib.Inc(Ip6Mib::kInUnknownProtos);
  icmpv6_send(skb, wire::kIcmpv6ParameterProblem, kIcmpv6UnknownNextHeader, nhoff);
  kfree_skb_reason(skb, SKB_DROP_REASON_IP_NOPROTO);
}

// The upper layer is reached: the headers are no part of its checksum, and a packet to a group goes
// only to its members. False where it may not go on.
bool EnterUpperLayer(sk_buff* skb, uint8_t nexthdr) {
  const uint32_t header_bytes = skb_network_header_len(skb);
  skb_postpull_rcsum(skb, skb_network_header(skb), header_bytes);
  const wire::Ipv6Header& hdr = *ipv6_hdr(skb);
  return !ipv6_addr_is_multicast(hdr.daddr) ||
         ipv6_chk_mcast_addr(skb->dev, hdr.daddr, &hdr.saddr) ||
         ipv6_is_mld(skb, nexthdr, header_bytes);
}

}  // namespace

int ipv6_rcv(sk_buff* skb, net_device* dev, packet_type* pt, net_device* orig_dev) {
  net& net = dev_net(dev);
  TRACE_FUNCTION(net, skb, ipv6_rcv, skb, dev, pt, orig_dev);
  net.Charge(CostPoint::k_ip_rcv);
  skb = ip6_rcv_core(skb, dev, net);
  return skb == nullptr ? int{NET_RX_DROP} : ip6_rcv_finish(net, skb);
}

void ipv6_list_rcv(sk_buff_head* list, packet_type* pt, net_device* orig_dev) {
  while (sk_buff* const skb = __skb_dequeue(list)) ipv6_rcv(skb, skb->dev, pt, orig_dev);
}

int ip6_input(sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, ip6_input, skb);
  ip6_protocol_deliver_rcu(*skb->owner, skb, 0, false);
  return 0;
}

int ip6_mc_input(sk_buff* skb) {
  net& net = *skb->owner;
  TRACE_FUNCTION(net, skb, ip6_mc_input, skb);
  net.ip6_mib.Inc(Ip6Mib::kInMcastPkts);
  net.ip6_mib.Add(Ip6Mib::kInMcastOctets, skb->len);
  // Which sources the group's members want to hear is asked when the upper layer is known.
  if (ipv6_chk_mcast_addr(skb->dev, ipv6_hdr(skb)->daddr, nullptr)) {
    ip6_input(skb);
  } else {
    kfree_skb(skb);
  }
  return 0;
}

void ip6_protocol_deliver_rcu(net& net, sk_buff* skb, uint8_t nexthdr, bool have_final) {
  TRACE_FUNCTION(net, skb, ip6_protocol_deliver_rcu, net, skb, nexthdr, have_final);
  const netns_ipv6& ns = net_ipv6(net);
  for (;;) {
    const uint16_t nhoff = IP6CB(skb)->nhoff;
    if (!have_final) {
      if (pskb_pull(skb, static_cast<uint32_t>(skb_transport_offset(skb))) == nullptr) {
        return Discard(net, skb, SKB_DROP_REASON_NOT_SPECIFIED);
      }
      nexthdr = skb_network_header(skb)[nhoff];
    }
    const bool raw = ns.raw.local_deliver != nullptr && ns.raw.local_deliver(skb, nexthdr);
    const inet6_protocol* const protocol = ns.inet6_protos[nexthdr];
    if (protocol == nullptr) return EndUndelivered(net, skb, raw, nhoff);
    const bool is_final = (protocol->flags & INET6_PROTO_FINAL) != 0;
    if (have_final && !is_final) return Discard(net, skb, SKB_DROP_REASON_NOT_SPECIFIED);
    if (is_final && !have_final) {
      have_final = true;
      if (!EnterUpperLayer(skb, nexthdr)) {
        return Discard(net, skb, SKB_DROP_REASON_IP_INADDRERRORS);
      }
    }
    const int ret = protocol->handler(skb);
    if (ret <= 0) {
      if (ret == 0) net.ip6_mib.Inc(Ip6Mib::kInDelivers);
      return;
    }
    if (is_final) {
      // It unwrapped another protocol.
      nexthdr = static_cast<uint8_t>(ret);
    } else if (IP6CB(skb)->exthdrs++ >= IP6_MAX_EXT_HDRS_CNT) {
      return Discard(net, skb, SKB_DROP_REASON_IPV6_TOO_MANY_EXTHDRS);
    }
  }
}

}  // namespace tapedeck
