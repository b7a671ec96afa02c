#include "stack/core/gro.h"

#include <cstring>

#include "stack/base/checksum.h"
#include "stack/core/eth.h"
#include "stack/core/gso.h"
#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/core/skb_internal.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"

namespace tapedeck {

namespace {

enum class GroVerdict : uint8_t {
  kNormal,      // goes up as it is
  kHeld,        // waits for more of its flow
  kMerged,      // hangs in a held packet
  kMergedFree,  // so does its buffer; the sk_buff is of no use
};

void gro_normal_one(napi_struct* napi, sk_buff* skb, uint32_t segs) {
  __skb_queue_tail(&napi->rx_list, skb);
  napi->rx_count += segs;
  const net& net = dev_net(napi->dev);
  if (napi->rx_count >= static_cast<uint32_t>(net.core.gro_normal_batch)) gro_normal_list(napi);
}

// Puts the headers of a held packet right, where it is one of several segments, and lets it go up.
void napi_gro_complete(napi_struct* napi, sk_buff* skb) {
  TRACE_FUNCTION(dev_net(napi->dev), skb, napi_gro_complete, napi, skb);
  const uint16_t count = NAPI_GRO_CB(skb)->count;
  if (count == 1) {
    skb_shinfo(skb)->gso_size = 0;
  } else {
    CHECK_GT(skb_shinfo(skb)->gso_size, 0);  // else nobody could tell the segments apart
    skb_find_offload(*skb->owner, skb->protocol)->gro_complete(skb, 0);
  }
  gro_normal_one(napi, skb, count);
}

void Release(napi_struct* napi, uint32_t bucket, sk_buff* skb) {
  sk_buff_head& held = napi->gro_hash[bucket];
  __skb_unlink(skb, &held);
  if (skb_queue_empty(&held)) napi->gro_bitmask &= static_cast<uint8_t>(~(1U << bucket));
  napi_gro_complete(napi, skb);
}

// Which of the held packets come from the same link-layer neighbour as `skb`.
void gro_list_prepare(sk_buff_head* held, const sk_buff* skb) {
  const wire::EthernetHeader& eth = *eth_hdr(skb);
  for (sk_buff* p = skb_peek(held); p != nullptr; p = skb_peek_next(p, held)) {
    napi_gro_cb* const cb = NAPI_GRO_CB(p);
    const wire::EthernetHeader& other = *eth_hdr(p);
    cb->flush = false;
    cb->same_flow = p->hash == skb->hash && p->dev == skb->dev && p->protocol == skb->protocol &&
                    p->vlan_proto == skb->vlan_proto &&
                    (p->vlan_proto == 0 || p->vlan_tci == skb->vlan_tci) &&
                    other.dest == eth.dest && other.source == eth.source;
  }
}

GroVerdict dev_gro_receive(napi_struct* napi, sk_buff* skb) {
  TRACE_FUNCTION(dev_net(napi->dev), skb, dev_gro_receive, napi, skb);
  const packet_offload* const offload = skb_find_offload(*skb->owner, skb->protocol);
  if (offload == nullptr) return GroVerdict::kNormal;
  const uint32_t bucket = skb->hash & (GRO_HASH_BUCKETS - 1);
  sk_buff_head* const held = &napi->gro_hash[bucket];
  gro_list_prepare(held, skb);
  skb_reset_network_header(skb);
  skb_reset_mac_len(skb);
  napi_gro_cb* const cb = NAPI_GRO_CB(skb);
  *cb = {.last = skb,
         .age = napi->cpu->jiffies(),
         .data_offset = 0,
         .count = 1,
         .flush = skb_has_frag_list(skb),
         .same_flow = false,
         .ip_fixedid = false,
         .stolen = false};

  sk_buff* const ended = offload->gro_receive(held, skb);
  const bool merged = cb->same_flow;
  const bool stolen = cb->stolen;
  if (ended != nullptr) Release(napi, bucket, ended);
  if (merged) return stolen ? GroVerdict::kMergedFree : GroVerdict::kMerged;
  if (cb->flush) return GroVerdict::kNormal;
  if (skb_queue_len(held) >= MAX_GRO_SKBS) Release(napi, bucket, skb_peek_tail(held));
  skb_shinfo(skb)->gso_size = static_cast<uint16_t>(skb_gro_len(skb));
  __skb_queue_head(held, skb);
  napi->gro_bitmask |= static_cast<uint8_t>(1U << bucket);
  return GroVerdict::kHeld;
}

uint8_t TransportProtocol(const sk_buff* skb) {
  const uint8_t* const header = skb_network_header(skb);
  return skb->protocol == wire::kEtherTypeIpv4
             ? reinterpret_cast<const wire::Ipv4Header*>(header)->protocol
             : reinterpret_cast<const wire::Ipv6Header*>(header)->nexthdr;
}

bool Ipv4Flush(const wire::Ipv4Header& iph, const wire::Ipv4Header& held, napi_gro_cb* cb) {
  const bool df = iph.dont_fragment();
  if (iph.ttl != held.ttl || iph.tos != held.tos || df != held.dont_fragment()) return true;
  const auto distance = static_cast<uint16_t>(iph.id.host() - held.id.host());
  // The second segment shows whether IDs count on.
  if (cb->count == 1 && df && distance == 0) cb->ip_fixedid = true;
  return distance != (cb->ip_fixedid ? 0 : cb->count);
}

bool Ipv6Flush(const wire::Ipv6Header& hdr, const wire::Ipv6Header& held) {
  return hdr.traffic_class() != held.traffic_class() || hdr.hop_limit != held.hop_limit;
}

}  // namespace

bool skb_gro_checksum_validate(sk_buff* skb, wsum pseudo) {
  if (skb_csum_unnecessary(skb)) return true;
  const wsum sum = skb_checksum(skb, skb_gro_offset(skb), skb_gro_len(skb), pseudo);
  if (csum_fold(sum) != 0) return false;
  skb->ip_summed = CHECKSUM_UNNECESSARY;
  return true;
}

wsum gro_compute_pseudo(const sk_buff* skb, uint32_t len, uint8_t protocol) {
  const uint8_t* const header = skb_network_header(skb);
  if (skb->protocol == wire::kEtherTypeIpv4) {
    const auto* const iph = reinterpret_cast<const wire::Ipv4Header*>(header);
    return csum_tcpudp_nofold(iph->saddr.wire(), iph->daddr.wire(), len, protocol, 0);
  }
  const auto* const hdr = reinterpret_cast<const wire::Ipv6Header*>(header);
  return csum_ipv6_nofold(hdr->saddr.bytes(), hdr->daddr.bytes(), len, protocol, 0);
}

bool gro_receive_network_flush(const sk_buff* skb, sk_buff* held) {
  const uint8_t* const header = skb_network_header(skb);
  const uint8_t* const held_header = skb_network_header(held);
  if (skb->protocol == wire::kEtherTypeIpv4) {
    return Ipv4Flush(*reinterpret_cast<const wire::Ipv4Header*>(header),
                     *reinterpret_cast<const wire::Ipv4Header*>(held_header), NAPI_GRO_CB(held));
  }
  return Ipv6Flush(*reinterpret_cast<const wire::Ipv6Header*>(header),
                   *reinterpret_cast<const wire::Ipv6Header*>(held_header));
}

sk_buff* gro_find_by_ports(const sk_buff_head* held, const void* ports) {
  for (sk_buff* p = skb_peek(held); p != nullptr; p = skb_peek_next(p, held)) {
    if (!NAPI_GRO_CB(p)->same_flow) continue;
    if (std::memcmp(skb_transport_header(p), ports, 2 * sizeof(be16)) == 0) return p;
    NAPI_GRO_CB(p)->same_flow = false;
  }
  return nullptr;
}

void gro_complete_transport(sk_buff* skb, uint32_t thoff, uint8_t protocol, uint16_t csum_offset,
                            uint32_t gso_type) {
  const be16 sum = csum_from32to16(gro_compute_pseudo(skb, skb->len - thoff, protocol));
  std::memcpy(skb_writable(skb, skb_transport_header(skb) + csum_offset, sizeof(sum)), &sum,
              sizeof(sum));
  skb->csum_start = skb->transport_header;
  skb->csum_offset = csum_offset;
  skb->ip_summed = CHECKSUM_PARTIAL;
  skb_shinfo(skb)->gso_segs = NAPI_GRO_CB(skb)->count;
  skb_shinfo(skb)->gso_type |= gso_type;
}

bool skb_gro_receive(sk_buff* held, sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, skb_gro_receive, held, skb);
  napi_gro_cb* const cb = NAPI_GRO_CB(skb);
  napi_gro_cb* const held_cb = NAPI_GRO_CB(held);
  const uint32_t offset = skb_gro_offset(skb);
  const uint32_t len = skb_gro_len(skb);
  if (held->len + len >= GRO_LEGACY_MAX_SIZE || cb->flush) return false;

  sk_buff* grows = held_cb->last;
  uint32_t delta_truesize = skb->truesize;
  skb_shared_info* const info = skb_shinfo(grows);
  if (skb->head_frag && !skb_is_nonlinear(skb) && info->nr_frags < MAX_SKB_FRAGS) {
    page* const p = skb_internal::HeadAsPage(skb);
    if (p == nullptr) return false;
    skb_fill_page_desc(grows, info->nr_frags, p, skb_headroom(skb) + offset, len);
    delta_truesize -= kSkBuffLogicalBytes;
    cb->stolen = true;
  } else {
    __skb_pull(skb, offset);
    (grows == held ? info->frag_list : grows->next) = skb;
    held_cb->last = skb;
    __skb_header_release(skb);
    grows = held;
  }
  held_cb->count = static_cast<uint16_t>(held_cb->count + cb->count);
  const auto grow = [len, delta_truesize](sk_buff* grown) {
    grown->data_len += len;
    grown->truesize += delta_truesize;
    grown->len += len;
  };
  grow(held);
  if (grows != held) grow(grows);
  cb->same_flow = true;
  // Its frame's way ends here, as that of a fragment does which is put together with others.
  skb->owner->this_cpu().Trace(TraceKind::kDeliver, skb->frame_id, len, TransportProtocol(skb), 0);
  return true;
}

void napi_gro_flush(napi_struct* napi, bool flush_old) {
  for (uint32_t bucket = 0; bucket < GRO_HASH_BUCKETS && napi->gro_bitmask >> bucket != 0;
       ++bucket) {
    sk_buff_head& held = napi->gro_hash[bucket];
    while (sk_buff* const oldest = skb_peek_tail(&held)) {
      if (flush_old && NAPI_GRO_CB(oldest)->age == napi->cpu->jiffies()) break;
      Release(napi, bucket, oldest);
    }
  }
}

void napi_gro_receive(napi_struct* napi, sk_buff* skb) {
  net& net = dev_net(napi->dev);
  TRACE_FUNCTION(net, skb, napi_gro_receive, napi, skb);
  net.this_cpu().Charge(CostPoint::k_gro_receive);
  skb->napi_id = napi->napi_id;
  if (__builtin_expect((napi->dev->features & NETIF_F_GRO) == 0, 1)) {
    return gro_normal_one(napi, skb, 1);
  }
  switch (dev_gro_receive(napi, skb)) {
    case GroVerdict::kNormal:
      return gro_normal_one(napi, skb, 1);
    case GroVerdict::kMergedFree:
      return kfree_skb_partial(skb, /*head_stolen=*/true);
    case GroVerdict::kHeld:
    case GroVerdict::kMerged:
      return;
  }
}

void gro_normal_list(napi_struct* napi) {
  if (napi->rx_count == 0) return;
  napi->rx_count = 0;
  netif_receive_skb_list_internal(dev_net(napi->dev), &napi->rx_list);
}

}  // namespace tapedeck
