// Cutting an IPv6 packet of several segments (ipv6_gso_segment of net/ipv6/ip6_offload.c).
#include <cerrno>

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

}  // namespace

const packet_offload ipv6_packet_offload = {.type = wire::kEtherTypeIpv6,
                                            .gso_segment = ipv6_gso_segment};

}  // namespace tapedeck
