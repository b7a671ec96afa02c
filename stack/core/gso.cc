#include "stack/core/gso.h"

#include <algorithm>
#include <cerrno>

#include "stack/base/byteorder.h"
#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/core/skb_internal.h"
#include "stack/core/skb_split.h"
#include "stack/core/sock.h"
#include "stack/wire/ethernet.h"

namespace tapedeck {

namespace {

constexpr uint32_t kEtherTypeBytes = 2;

// EtherType of what is at the network header: behind VLAN tags it stands just before it.
uint16_t NetworkProtocol(const sk_buff* skb) {
  if (!wire::IsVlanType(skb->protocol)) return skb->protocol;
  if (skb_mac_header_len(skb) < kEtherTypeBytes) return 0;
  return LoadBe16(skb_network_header(skb) - kEtherTypeBytes);
}

// Of each segment: UDP's is fixed, TCP's says its own length.
uint32_t TransportHeaderBytes(const sk_buff* skb) {
  constexpr uint32_t kUdpHeaderBytes = 8;
  constexpr uint32_t kDataOffsetAt = 12;  // in a TCP header
  if ((skb_shinfo(skb)->gso_type & SKB_GSO_UDP_L4) != 0) return kUdpHeaderBytes;
  return (skb_transport_header(skb)[kDataOffsetAt] >> 4) * 4U;
}

// Gives `to` a share in the fragment bytes [start, start + bytes) of `from`, counted from its data.
void ShareFrags(const sk_buff* from, uint32_t start, uint32_t bytes, sk_buff* to) {
  const skb_shared_info* const info = skb_shinfo(from);
  uint32_t pos = skb_headlen(from);
  const uint32_t end = start + bytes;
  for (uint32_t i = 0; i < info->nr_frags && pos < end; ++i) {
    const skb_frag_t& frag = info->frags[i];
    const uint32_t first = std::max(start, pos);
    const uint32_t last = std::min(end, pos + frag.len);
    if (first < last) {
      get_page(frag.page);
      skb_fill_page_desc(to, skb_shinfo(to)->nr_frags, frag.page, frag.offset + (first - pos),
                         last - first);
    }
    pos += frag.len;
  }
  to->len += bytes;
  to->data_len += bytes;
  to->truesize += bytes;
}

// One segment: the headers and `len` payload bytes from `offset` on. With `share` the fragments are
// not copied. nullptr where memory failed.
sk_buff* MakeSegment(const sk_buff* skb, uint32_t offset, uint32_t len, bool share) {
  const uint32_t header_bytes = skb_headroom(skb) - skb->mac_header;
  const uint32_t headlen = skb_headlen(skb);
  const uint32_t linear = !share ? len : offset < headlen ? std::min(headlen - offset, len) : 0;
  sk_buff* const seg = alloc_skb(*skb->owner, skb->mac_header + header_bytes + linear);
  if (seg == nullptr) return nullptr;
  const uint32_t frame_id = seg->frame_id;
  skb_reserve(seg, skb->mac_header);
  skb_put_data(seg, skb_mac_header(skb), header_bytes);
  skb_internal::skb_copy_header(seg, skb);
  seg->frame_id = frame_id;
  skb_shinfo(seg)->gso_size = 0;
  skb_shinfo(seg)->gso_segs = 0;
  skb_shinfo(seg)->gso_type = 0;
  skb_reset_mac_len(seg);
  CHECK_EQ(skb_copy_bits(skb, offset, skb_put(seg, linear), linear), 0);
  if (linear < len) {
    skb_zerocopy_clone(seg, skb);
    ShareFrags(skb, offset + linear, len - linear, seg);
  }
  return seg;
}

}  // namespace

void dev_add_offload(net& net, const packet_offload* offload) {
  for (const packet_offload*& slot : net.offload_base) {
    if (slot != nullptr) continue;
    slot = offload;
    return;
  }
  CHECK(false);
}

void dev_remove_offload(net& net, const packet_offload* offload) {
  for (const packet_offload*& slot : net.offload_base) {
    if (slot == offload) slot = nullptr;
  }
}

const packet_offload* skb_find_offload(const net& net, uint16_t type) {
  for (const packet_offload* offload : net.offload_base) {
    if (offload != nullptr && offload->type == type) return offload;
  }
  return nullptr;
}

bool net_gso_ok(netdev_features_t features, uint32_t gso_type) {
  netdev_features_t wanted = 0;
  if ((gso_type & SKB_GSO_TCPV4) != 0) wanted |= NETIF_F_TSO;
  if ((gso_type & SKB_GSO_TCPV6) != 0) wanted |= NETIF_F_TSO6;
  // No device of ours checks what others say about a packet, nor knows the other types: with AccECN
  // it would clear CWR in all segments but the first (NETIF_F_GSO_ACCECN).
  if ((gso_type & SKB_GSO_UDP_L4) != 0) wanted |= NETIF_F_GSO_UDP_L4;
  constexpr uint32_t kInHardware = SKB_GSO_TCPV4 | SKB_GSO_TCPV6 | SKB_GSO_TCP_ECN | SKB_GSO_UDP_L4;
  return (gso_type & ~kInHardware) == 0 && (features & wanted) == wanted;
}

bool skb_gso_ok(const sk_buff* skb, netdev_features_t features) {
  return net_gso_ok(features, skb_shinfo(skb)->gso_type) &&
         (!skb_has_frag_list(skb) || (features & NETIF_F_FRAGLIST) != 0);
}

bool netif_needs_gso(const sk_buff* skb, netdev_features_t features) {
  return skb_is_gso(skb) &&
         (!skb_gso_ok(skb, features) ||
          (skb->ip_summed != CHECKSUM_PARTIAL && skb->ip_summed != CHECKSUM_UNNECESSARY));
}

bool skb_gso_validate_network_len(const sk_buff* skb, uint32_t mtu) {
  return skb_network_header_len(skb) + TransportHeaderBytes(skb) + skb_shinfo(skb)->gso_size <= mtu;
}

GsoResult skb_gso_segment(sk_buff* skb, netdev_features_t features) {
  const bool summed = skb->ip_summed == CHECKSUM_PARTIAL || skb->ip_summed == CHECKSUM_UNNECESSARY;
  // Somebody is going to set the checksum field.
  if (!summed && skb_cow_head(skb, 0) != 0) return GsoError(-ENOMEM);
  skb_reset_mac_header(skb);
  skb_reset_mac_len(skb);
  const packet_offload* const offload = skb_find_offload(*skb->owner, NetworkProtocol(skb));
  if (offload == nullptr) return GsoError(-EPROTONOSUPPORT);
  __skb_pull(skb, static_cast<uint32_t>(skb_network_offset(skb)));
  const GsoResult result = offload->gso_segment(skb, features);
  __skb_push(skb, static_cast<uint32_t>(-skb_mac_offset(skb)));
  return result;
}

GsoResult skb_segment(sk_buff* skb, netdev_features_t features) {
  const uint32_t mss = skb_shinfo(skb)->gso_size;
  const bool share = (features & NETIF_F_SG) != 0 && !skb_has_frag_list(skb);
  sk_buff* segs = nullptr;
  sk_buff** link = &segs;
  sk_buff* tail = nullptr;
  for (uint32_t offset = 0; offset < skb->len; offset += mss) {
    tail = MakeSegment(skb, offset, std::min(mss, skb->len - offset), share);
    if (tail == nullptr) {
      kfree_skb_list_reason(segs, SKB_DROP_REASON_NOMEM);
      return GsoError(-ENOMEM);
    }
    *link = tail;
    link = &tail->next;
  }
  // The socket pays until the last segment has gone.
  if (skb->destructor == sock_wfree) {
    std::swap(tail->truesize, skb->truesize);
    std::swap(tail->destructor, skb->destructor);
    std::swap(tail->sk, skb->sk);
  }
  return {.error = 0, .segs = segs};
}

}  // namespace tapedeck
