// Cutting an IPv6 packet of several segments, and making one (ipv6_gso_segment, ipv6_gro_receive of
// net/ipv6/ip6_offload.c).
#include <cerrno>
#include <cstring>

#include "stack/core/gro.h"
#include "stack/core/gso.h"
#include "stack/core/net.h"
#include "stack/ipv6/ip6_internal.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/wire/ethernet.h"

namespace tapedeck {

namespace {

bool IsSteppedOver(uint8_t nexthdr) {
  return nexthdr == wire::kIpProtoHopByHop || nexthdr == wire::kIpProtoRouting ||
         nexthdr == wire::kIpProtoDestOptions;
}

// Pulls the extension headers that are the same in all segments; what follows them.
uint8_t ipv6_gso_pull_exthdrs(sk_buff* skb, uint8_t nexthdr) {
  while (IsSteppedOver(nexthdr) && pskb_may_pull(skb, 8)) {
    const uint32_t bytes = ipv6_optlen(skb->data);
    if (!pskb_may_pull(skb, bytes)) break;
    nexthdr = skb->data[0];
    __skb_pull(skb, bytes);
  }
  return nexthdr;
}

// Each segment gets its own length.
void CompleteHeaders(sk_buff* segs, uint32_t nhoff) {
  for (sk_buff* seg = segs; seg != nullptr; seg = seg->next) {
    seg->network_header = static_cast<uint16_t>(seg->mac_header + nhoff);
    skb_reset_mac_len(seg);
    ipv6_hdr_writable(seg)->payload_len =
        static_cast<uint16_t>(seg->len - nhoff - wire::kIpv6HeaderBytes);
  }
}

GsoResult ipv6_gso_segment(sk_buff* skb, netdev_features_t features) {
  skb_reset_network_header(skb);
  const uint32_t nhoff = skb_mac_header_len(skb);
  if (!pskb_may_pull(skb, wire::kIpv6HeaderBytes)) return GsoError(-EINVAL);
  const uint8_t nexthdr = ipv6_hdr(skb)->nexthdr;
  __skb_pull(skb, wire::kIpv6HeaderBytes);
  const uint8_t upper = ipv6_gso_pull_exthdrs(skb, nexthdr);
  const inet6_protocol* const protocol = net_ipv6(*skb->owner).inet6_protos[upper];
  if (protocol == nullptr || protocol->gso_segment == nullptr) return GsoError(-EPROTONOSUPPORT);
  skb_reset_transport_header(skb);
  const GsoResult result = protocol->gso_segment(skb, features);
  if (result.segs != nullptr) CompleteHeaders(result.segs, nhoff);
  return result;
}

// Steps over the extension headers of a packet whose IPv6 header is pulled: who comes after them;
// nullptr where nobody merges it.
const inet6_protocol* ipv6_gro_pull_exthdrs(sk_buff* skb, uint8_t nexthdr) {
  while (IsSteppedOver(nexthdr)) {
    const uint8_t* header = skb_gro_header(skb, 8);
    if (header != nullptr) header = skb_gro_header(skb, ipv6_optlen(header));
    if (header == nullptr) return nullptr;
    nexthdr = header[0];
    skb_gro_pull(skb, ipv6_optlen(header));
  }
  const inet6_protocol* const protocol = net_ipv6(*skb->owner).inet6_protos[nexthdr];
  return protocol != nullptr && protocol->gro_receive != nullptr ? protocol : nullptr;
}

// All but lengths and traffic class, `nlen` bytes with the extension headers.
bool IsSameFlow(const sk_buff* held, const wire::Ipv6Header* hdr, uint32_t nlen) {
  const wire::Ipv6Header* const other = ipv6_hdr(held);
  return skb_network_header_len(held) == nlen && other->version() == hdr->version() &&
         other->flow_label() == hdr->flow_label() && other->saddr == hdr->saddr &&
         other->daddr == hdr->daddr && other->nexthdr == hdr->nexthdr &&
         std::memcmp(other + 1, hdr + 1, nlen - wire::kIpv6HeaderBytes) == 0;
}

sk_buff* ipv6_gro_receive(sk_buff_head* held, sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, ipv6_gro_receive, held, skb);
  NAPI_GRO_CB(skb)->flush = true;
  const uint8_t* const header = skb_gro_header(skb, wire::kIpv6HeaderBytes);
  if (header == nullptr) return nullptr;
  const uint8_t nexthdr = reinterpret_cast<const wire::Ipv6Header*>(header)->nexthdr;
  skb_gro_pull(skb, wire::kIpv6HeaderBytes);
  const inet6_protocol* const protocol = ipv6_gro_pull_exthdrs(skb, nexthdr);
  if (protocol == nullptr) return nullptr;
  const wire::Ipv6Header* const hdr = ipv6_hdr(skb);
  const uint32_t nlen = skb_gro_offset(skb);
  for (sk_buff* p = skb_peek(held); p != nullptr; p = skb_peek_next(p, held)) {
    napi_gro_cb* const other = NAPI_GRO_CB(p);
    other->same_flow = other->same_flow && IsSameFlow(p, hdr, nlen);
  }
  // Padding behind the packet would become data.
  NAPI_GRO_CB(skb)->flush =
      skb_has_frag_list(skb) || hdr->payload_len.host() != skb->len - wire::kIpv6HeaderBytes;
  skb_set_transport_header(skb, static_cast<int>(nlen));
  return protocol->gro_receive(held, skb);
}

void ipv6_gro_complete(sk_buff* skb, uint32_t nhoff) {
  TRACE_FUNCTION(*skb->owner, skb, ipv6_gro_complete, skb, nhoff);
  ipv6_hdr_writable(skb)->payload_len =
      static_cast<uint16_t>(skb->len - nhoff - wire::kIpv6HeaderBytes);
  uint8_t upper = ipv6_hdr(skb)->nexthdr;
  uint16_t frag_off = 0;
  const int thoff =
      ipv6_skip_exthdr(skb, static_cast<int>(nhoff + wire::kIpv6HeaderBytes), &upper, &frag_off);
  CHECK_GE(thoff, 0);  // ipv6_gro_receive has been over them
  net_ipv6(*skb->owner).inet6_protos[upper]->gro_complete(skb, static_cast<uint32_t>(thoff));
}

}  // namespace

const packet_offload ipv6_packet_offload = {.type = wire::kEtherTypeIpv6,
                                            .gso_segment = ipv6_gso_segment,
                                            .gro_receive = ipv6_gro_receive,
                                            .gro_complete = ipv6_gro_complete};

}  // namespace tapedeck
