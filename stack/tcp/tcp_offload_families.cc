#include <cerrno>

#include "stack/base/checksum.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv6/in6.h"
#include "stack/tcp/tcp_offload.h"
#include "stack/tcp/tcp_sock.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {

namespace {

// Replaces a complete checksum by the pseudo-header's sum, as our own packets come with.
void MakeChecksumPartial(sk_buff* skb, wsum pseudo) {
  auto* const th = reinterpret_cast<wire::TcpHeader*>(
      skb_writable(skb, skb_transport_header(skb), sizeof(wire::TcpHeader)));
  th->check = static_cast<uint16_t>(pseudo);
  skb->ip_summed = CHECKSUM_PARTIAL;
  skb->csum_start = skb->transport_header;
  skb->csum_offset = offsetof(wire::TcpHeader, check);
}

}  // namespace

GsoResult tcp4_gso_segment(sk_buff* skb, netdev_features_t features) {
  if ((skb_shinfo(skb)->gso_type & SKB_GSO_TCPV4) == 0) return GsoError(-EINVAL);
  if (!pskb_may_pull(skb, sizeof(wire::TcpHeader))) return GsoError(-EINVAL);
  if (skb->ip_summed != CHECKSUM_PARTIAL) {
    const wire::Ipv4Header* const iph = ip_hdr(skb);
    MakeChecksumPartial(skb, csum_tcpudp_nofold(iph->saddr.wire(), iph->daddr.wire(), skb->len,
                                                wire::kIpProtoTcp, 0));
  }
  return tcp_gso_segment(skb, features);
}

GsoResult tcp6_gso_segment(sk_buff* skb, netdev_features_t features) {
  if ((skb_shinfo(skb)->gso_type & SKB_GSO_TCPV6) == 0) return GsoError(-EINVAL);
  if (!pskb_may_pull(skb, sizeof(wire::TcpHeader))) return GsoError(-EINVAL);
  if (skb->ip_summed != CHECKSUM_PARTIAL) {
    const wire::Ipv6Header* const hdr = ipv6_hdr(skb);
    MakeChecksumPartial(skb, csum_ipv6_nofold(hdr->saddr.bytes(), hdr->daddr.bytes(), skb->len,
                                              wire::kIpProtoTcp, 0));
  }
  return tcp_gso_segment(skb, features);
}

}  // namespace tapedeck
