// Cutting an IPv4 packet of several segments (inet_gso_segment of net/ipv4/af_inet.c).
#include <cerrno>

#include "stack/core/gso.h"
#include "stack/core/net.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/ip_internal.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ipv4.h"

namespace tapedeck {

namespace {

// Each segment gets its own length, ID (counting on from the packet's) and checksum.
void CompleteHeaders(sk_buff* segs, uint32_t nhoff, uint16_t id) {
  for (sk_buff* seg = segs; seg != nullptr; seg = seg->next) {
    seg->network_header = static_cast<uint16_t>(seg->mac_header + nhoff);
    skb_reset_mac_len(seg);
    wire::Ipv4Header* const iph = ip_hdr_writable(seg);
    iph->id = id++;
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
  if (result.segs != nullptr) CompleteHeaders(result.segs, nhoff, id);
  return result;
}

}  // namespace

const packet_offload ip_packet_offload = {.type = wire::kEtherTypeIpv4,
                                          .gso_segment = inet_gso_segment};

}  // namespace tapedeck
