#include "stack/udp/udp_offload.h"

#include <cerrno>

#include "stack/base/checksum.h"
#include "stack/core/net.h"
#include "stack/core/tx_timestamp.h"
#include "stack/udp/udp.h"

namespace tapedeck {
namespace {

wire::UdpHeader* WritableHeader(sk_buff* skb) {
  return reinterpret_cast<wire::UdpHeader*>(
      skb_writable(skb, skb_transport_header(skb), wire::kUdpHeaderBytes));
}

// Each datagram's own length, in its header and in its pseudo-header's sum, of which `pseudo` is
// what does not depend on the length.
void CompleteHeaders(sk_buff* segs, wsum pseudo) {
  for (sk_buff* seg = segs; seg != nullptr; seg = seg->next) {
    const uint32_t len = seg->len - static_cast<uint32_t>(skb_transport_offset(seg));
    wire::UdpHeader* const uh = WritableHeader(seg);
    uh->len = static_cast<uint16_t>(len);
    uh->check = static_cast<uint16_t>(csum_add(pseudo, len));
  }
}

// All datagrams count in what the socket has on its way, not only the last.
void PassDestructorOn(sock* sk, const sk_buff* gso_skb, sk_buff* segs) {
  uint32_t truesize = 0;
  for (sk_buff* seg = segs; seg != nullptr; seg = seg->next) {
    seg->sk = sk;
    seg->destructor = sock_wfree;
    truesize += seg->truesize;
  }
  sk->sk_wmem_alloc += truesize - gso_skb->truesize;
}

}  // namespace

GsoResult __udp_gso_segment(sk_buff* skb, netdev_features_t features) {
  const uint32_t mss = skb_shinfo(skb)->gso_size;
  const uint32_t whole = skb->len;
  if (whole <= wire::kUdpHeaderBytes + mss) return GsoError(-EINVAL);
  if (skb->ip_summed != CHECKSUM_PARTIAL || skb->csum_start != skb->transport_header) {
    return GsoError(-EINVAL);
  }
  const uint32_t gso_type = skb_shinfo(skb)->gso_type;
  if (net_gso_ok(features, gso_type & ~SKB_GSO_DODGY)) {
    // The device could; only what a stranger says about it has to be checked.
    skb_shinfo(skb)->gso_segs =
        static_cast<uint16_t>((whole - wire::kUdpHeaderBytes + mss - 1) / mss);
    return {};
  }
  __skb_pull(skb, wire::kUdpHeaderBytes);
  // All of the datagrams are the socket's; skb_segment would give it the last alone.
  sock* const sk = skb->sk;
  const bool owned = skb->destructor == sock_wfree;
  if (owned) {
    skb->destructor = nullptr;
    skb->sk = nullptr;
  }
  const GsoResult result = skb_segment(skb, features);
  if (result.segs == nullptr) {
    if (owned) {
      skb->destructor = sock_wfree;
      skb->sk = sk;
    }
    return result;
  }
  // The first datagram is the one that is stamped.
  skb_shinfo(result.segs)->tskey = skb_shinfo(skb)->tskey;
  const auto stamps = static_cast<uint8_t>(skb_shinfo(skb)->tx_flags & SKBTX_ANY_TSTAMP);
  skb_shinfo(result.segs)->tx_flags |= stamps;
  CompleteHeaders(result.segs, csum_sub(udp_hdr(skb)->check.host(), whole));
  if (owned) PassDestructorOn(sk, skb, result.segs);
  return result;
}

bool udp_unexpected_gso(const sock* sk, const sk_buff* skb) {
  if (!skb_is_gso(skb)) return false;
  const udp_sock* const up = udp_sk(sk);
  const bool of_udp = (skb_shinfo(skb)->gso_type & SKB_GSO_UDP_L4) != 0;
  if (of_udp && !up->accept_udp_l4) return true;
  // A tunnel reads one outer header at a time.
  return up->encap_rcv != nullptr;
}

sk_buff* udp_rcv_segment(sock* sk, sk_buff* skb) {
  net& net = sk->sk_net;
  __skb_push(skb, static_cast<uint32_t>(-skb_mac_offset(skb)));
  // Sent here by the loopback of a multicast, which calls the checksum verified.
  if (skb->pkt_type == PACKET_LOOPBACK) skb->ip_summed = CHECKSUM_PARTIAL;
  constexpr netdev_features_t kFeatures = NETIF_F_SG | NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM;
  const GsoResult result = skb_gso_segment(skb, kFeatures);
  if (result.segs != nullptr) {
    consume_skb(skb);
    return result.segs;
  }
  const uint32_t datagrams = skb_shinfo(skb)->gso_segs;
  sk->sk_drops += datagrams;
  net.udp_mib.Add(UdpMib::kInErrors, datagrams);
  kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
  return nullptr;
}

}  // namespace tapedeck
