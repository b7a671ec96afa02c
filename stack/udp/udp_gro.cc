#include "stack/udp/udp_gro.h"

#include <cstddef>

#include "stack/core/gro.h"
#include "stack/core/net.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv6/in6.h"
#include "stack/udp/udp.h"
#include "stack/udp/udp_ipv6.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {

namespace {

const udp_sock* LookupSock4(const sk_buff* skb, const wire::UdpHeader& uh) {
  const wire::Ipv4Header* const iph = ip_hdr(skb);
  return __udp4_lib_lookup(*skb->owner, {.saddr = iph->saddr,
                                         .daddr = iph->daddr,
                                         .sport = uh.source,
                                         .hnum = uh.dest.host(),
                                         .dif = skb->dev->ifindex});
}

const udp_sock* LookupSock6(const sk_buff* skb, const wire::UdpHeader& uh) {
  const wire::Ipv6Header* const hdr = ipv6_hdr(skb);
  return __udp6_lib_lookup(*skb->owner, {.saddr = hdr->saddr,
                                         .daddr = hdr->daddr,
                                         .sport = uh.source,
                                         .hnum = uh.dest.host(),
                                         .dif = skb->dev->ifindex});
}

// With a header whose checksum holds. What is padded, or has nothing in it, is no part of a packet
// of segments.
sk_buff* udp_gro_receive_segment(sk_buff_head* held, sk_buff* skb, const wire::UdpHeader& uh) {
  const uint32_t len = uh.len.host();
  if (uh.check == be16{} || len <= wire::kUdpHeaderBytes || len != skb_gro_len(skb)) {
    NAPI_GRO_CB(skb)->flush = true;
    return nullptr;
  }
  skb_gro_pull(skb, wire::kUdpHeaderBytes);
  sk_buff* const p = gro_find_by_ports(held, &uh);
  if (p == nullptr) return nullptr;
  const uint32_t held_len = udp_hdr(p)->len.host();
  if (gro_receive_network_flush(skb, p) || len > held_len) return p;
  const bool last = !skb_gro_receive(p, skb) || len != held_len;
  return last || NAPI_GRO_CB(p)->count >= kUdpGroDatagramsMax ? p : nullptr;
}

using SockLookup = const udp_sock* (*)(const sk_buff* skb, const wire::UdpHeader& uh);

// What a socket has not asked for, and what may be a tunnel's, goes up as it came.
sk_buff* udp_gro_receive(sk_buff_head* held, sk_buff* skb, SockLookup lookup) {
  const uint8_t* const header = skb_gro_header(skb, wire::kUdpHeaderBytes);
  const auto* const uh = reinterpret_cast<const wire::UdpHeader*>(header);
  napi_gro_cb* const cb = NAPI_GRO_CB(skb);
  if (uh != nullptr && !cb->flush) {
    const wsum pseudo = gro_compute_pseudo(skb, skb_gro_len(skb), wire::kIpProtoUdp);
    const bool right = uh->check == be16{} || skb_gro_checksum_validate(skb, pseudo);
    const bool wanted = net_udp(*skb->owner).encap_needed != 0;
    const udp_sock* const sk = right && wanted ? lookup(skb, *uh) : nullptr;
    const bool merges =
        sk != nullptr ? sk->gro_enabled : (skb->dev->features & NETIF_F_GRO_UDP_FWD) != 0;
    if (right && merges) return udp_gro_receive_segment(held, skb, *uh);
  }
  cb->flush = true;
  return nullptr;
}

void udp_gro_complete(sk_buff* skb, uint32_t thoff) {
  auto* const uh = reinterpret_cast<wire::UdpHeader*>(
      skb_writable(skb, skb_transport_header(skb), wire::kUdpHeaderBytes));
  uh->len = static_cast<uint16_t>(skb->len - thoff);
  gro_complete_transport(skb, thoff, wire::kIpProtoUdp, offsetof(wire::UdpHeader, check),
                         SKB_GSO_UDP_L4);
}

}  // namespace

sk_buff* udp4_gro_receive(sk_buff_head* held, sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, udp4_gro_receive, held, skb);
  return udp_gro_receive(held, skb, LookupSock4);
}

sk_buff* udp6_gro_receive(sk_buff_head* held, sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, udp6_gro_receive, held, skb);
  return udp_gro_receive(held, skb, LookupSock6);
}

void udp4_gro_complete(sk_buff* skb, uint32_t thoff) {
  TRACE_FUNCTION(*skb->owner, skb, udp4_gro_complete, skb, thoff);
  udp_gro_complete(skb, thoff);
}

void udp6_gro_complete(sk_buff* skb, uint32_t thoff) {
  TRACE_FUNCTION(*skb->owner, skb, udp6_gro_complete, skb, thoff);
  udp_gro_complete(skb, thoff);
}

}  // namespace tapedeck
