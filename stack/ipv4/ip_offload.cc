// Cutting an IPv4 packet of several segments, and making one (inet_gso_segment, inet_gro_receive of
// net/ipv4/af_inet.c).
#include <cerrno>

#include "stack/core/gro.h"
#include "stack/core/gso.h"
#include "stack/core/net.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/ip_internal.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ipv4.h"

namespace tapedeck {

namespace {

// Each segment gets its own length, ID (counting on from the packet's, unless it is fixed) and
// checksum.
void CompleteHeaders(sk_buff* segs, uint32_t nhoff, uint16_t id, bool fixedid) {
  for (sk_buff* seg = segs; seg != nullptr; seg = seg->next) {
    seg->network_header = static_cast<uint16_t>(seg->mac_header + nhoff);
    skb_reset_mac_len(seg);
    wire::Ipv4Header* const iph = ip_hdr_writable(seg);
    iph->id = id;
    if (!fixedid) ++id;
    iph->tot_len = static_cast<uint16_t>(seg->len - nhoff);
    ip_send_check(iph);
  }
}

GsoResult inet_gso_segment(sk_buff* skb, netdev_features_t features) {
  skb_reset_network_header(skb);
  const uint32_t nhoff = skb_mac_header_len(skb);
  if (!pskb_may_pull(skb, sizeof(wire::Ipv4Header))) return GsoError(-EINVAL);
  const uint32_t header_bytes = ip_hdrlen(skb);
  if (header_bytes < sizeof(wire::Ipv4Header)) return GsoError(-EINVAL);
  if (!pskb_may_pull(skb, header_bytes)) return GsoError(-EINVAL);
  const uint16_t id = ip_hdr(skb)->id.host();
  const net_protocol* const protocol = net_ipv4(*skb->owner).inet_protos[ip_hdr(skb)->protocol];
  if (protocol == nullptr || protocol->gso_segment == nullptr) return GsoError(-EPROTONOSUPPORT);
  __skb_pull(skb, header_bytes);
  skb_reset_transport_header(skb);
  const GsoResult result = protocol->gso_segment(skb, features);
  const bool fixedid = (skb_shinfo(skb)->gso_type & SKB_GSO_TCP_FIXEDID) != 0;
  if (result.segs != nullptr) CompleteHeaders(result.segs, nhoff, id, fixedid);
  return result;
}

// Whether the packet is looked at further: no options, no fragment, a right checksum.
bool IsPlain(const wire::Ipv4Header& iph) {
  constexpr uint8_t kVersion4Words5 = 0x45;
  return iph.version_ihl == kVersion4Words5 && !iph.is_fragment() &&
         ip_fast_csum(&iph.version_ihl, 5) == 0;
}

sk_buff* inet_gro_receive(sk_buff_head* held, sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, inet_gro_receive, held, skb);
  napi_gro_cb* const cb = NAPI_GRO_CB(skb);
  const uint8_t* const header = skb_gro_header(skb, wire::kIpv4HeaderBytes);
  const auto* const iph = reinterpret_cast<const wire::Ipv4Header*>(header);
  const net_protocol* const protocol =
      header == nullptr ? nullptr : net_ipv4(*skb->owner).inet_protos[iph->protocol];
  if (protocol == nullptr || protocol->gro_receive == nullptr || !IsPlain(*iph)) {
    cb->flush = true;
    return nullptr;
  }
  for (sk_buff* p = skb_peek(held); p != nullptr; p = skb_peek_next(p, held)) {
    const wire::Ipv4Header* const other = ip_hdr(p);
    if (other->protocol != iph->protocol || other->saddr != iph->saddr ||
        other->daddr != iph->daddr) {
      NAPI_GRO_CB(p)->same_flow = false;
    }
  }
  // Padding behind the packet would become data.
  cb->flush |= iph->tot_len.host() != skb_gro_len(skb) || iph->reserved_bit();
  skb_gro_pull(skb, wire::kIpv4HeaderBytes);
  skb_set_transport_header(skb, static_cast<int>(skb_gro_offset(skb)));
  return protocol->gro_receive(held, skb);
}

void inet_gro_complete(sk_buff* skb, uint32_t nhoff) {
  TRACE_FUNCTION(*skb->owner, skb, inet_gro_complete, skb, nhoff);
  wire::Ipv4Header* const iph = ip_hdr_writable(skb);
  const be16 tot_len(static_cast<uint16_t>(skb->len - nhoff));
  csum_replace2(iph->check, iph->tot_len, tot_len);
  iph->tot_len = tot_len;
  const net_protocol* const protocol = net_ipv4(*skb->owner).inet_protos[iph->protocol];
  protocol->gro_complete(skb, nhoff + wire::kIpv4HeaderBytes);
}

}  // namespace

const packet_offload ip_packet_offload = {.type = wire::kEtherTypeIpv4,
                                          .gso_segment = inet_gso_segment,
                                          .gro_receive = inet_gro_receive,
                                          .gro_complete = inet_gro_complete};

}  // namespace tapedeck
