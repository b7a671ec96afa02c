// Packets that share data, and copies that do not.
#include <algorithm>
#include <cerrno>

#include "stack/core/dst.h"
#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/core/skb_internal.h"
#include "stack/core/skbuff.h"
#include "stack/core/sock.h"
#include "stack/core/zerocopy.h"

namespace tapedeck {

using skb_internal::skb_copy_header;
using skb_internal::skb_headers_offset_update;

namespace skb_internal {

void skb_clone_fraglist(sk_buff* skb) {
  for (sk_buff* part = skb_shinfo(skb)->frag_list; part != nullptr; part = part->next) {
    skb_get(part);
  }
}

void skb_headers_offset_update(sk_buff* skb, int offset_bytes) {
  const auto move = [offset_bytes](uint16_t& header) {
    if (header != kHeaderUnset) header = static_cast<uint16_t>(header + offset_bytes);
  };
  if (skb->ip_summed == CHECKSUM_PARTIAL) {
    skb->csum_start = static_cast<uint16_t>(skb->csum_start + offset_bytes);
  }
  move(skb->transport_header);
  move(skb->network_header);
  move(skb->mac_header);
  move(skb->inner_transport_header);
  move(skb->inner_network_header);
  move(skb->inner_mac_header);
}

}  // namespace skb_internal

// Without geometry, destructor and socket.
void skb_internal::skb_copy_header(sk_buff* to, const sk_buff* from) {
  const uint32_t len = to->len;
  const uint32_t data_len = to->data_len;
  static_assert(offsetof(sk_buff, tstamp) < offsetof(sk_buff, len));
  static_assert(offsetof(sk_buff, inner_mac_header) < offsetof(sk_buff, tail));
  std::memcpy(static_cast<void*>(&to->tstamp), &from->tstamp,
              offsetof(sk_buff, tail) - offsetof(sk_buff, tstamp));
  to->len = len;
  to->data_len = data_len;
  to->hdr_len = 0;
  to->cloned = false;
  to->nohdr = false;
  to->peeked = false;
  to->dev = from->dev;
  to->dst = dst_clone(from->dst);
  to->frame_id = from->frame_id;
  const skb_shared_info* const info = skb_shinfo(from);
  skb_shinfo(to)->gso_size = info->gso_size;
  skb_shinfo(to)->gso_segs = info->gso_segs;
  skb_shinfo(to)->gso_type = info->gso_type;
}

namespace {

// Copies `bytes` of headroom before the data and all of the packet to the same places of `to`,
// which has room for them.
void CopyWithHeadroom(const sk_buff* from, uint32_t bytes, sk_buff* to) {
  std::memcpy(to->data - bytes, from->data - bytes, bytes);
  CHECK_EQ(skb_copy_bits(from, 0, to->data, from->len), 0);
}

}  // namespace

void __skb_header_release(sk_buff* skb) {
  CHECK(!skb_cloned(skb) && !skb->nohdr);
  skb->nohdr = true;
  skb_shinfo(skb)->dataref = (1U << SKB_DATAREF_SHIFT) + 1;
}

sk_buff* skb_clone(sk_buff* skb) {
  net& net = *skb->owner;
  auto* const clone = static_cast<sk_buff*>(net.skbuff_cache.Alloc());
  if (clone == nullptr) return nullptr;
  std::memcpy(static_cast<void*>(clone), skb, sizeof(*skb));
  clone->next = clone->prev = nullptr;
  clone->tsorted_next = clone->tsorted_prev = nullptr;
  clone->fclone = nullptr;
  clone->sk = nullptr;
  clone->destructor = nullptr;
  dst_clone(clone->dst);
  clone->hdr_len = skb->nohdr ? static_cast<uint16_t>(skb_headroom(skb)) : skb->hdr_len;
  clone->nohdr = false;
  clone->peeked = false;
  clone->users = 1;
  clone->cloned = skb->cloned = true;
  ++skb_shinfo(skb)->dataref;
  return clone;
}

sk_buff* skb_copy(const sk_buff* skb) {
  const uint32_t headroom = skb_headroom(skb);
  sk_buff* const copy = alloc_skb(*skb->owner, skb_end_offset(skb) + skb->data_len);
  if (copy == nullptr) return nullptr;
  skb_reserve(copy, headroom);
  skb_put(copy, skb->len);
  CopyWithHeadroom(skb, headroom, copy);
  skb_copy_header(copy, skb);
  return copy;
}

sk_buff* pskb_copy(sk_buff* skb) {
  const uint32_t headroom = skb_headroom(skb);
  sk_buff* const copy = alloc_skb(*skb->owner, skb_headlen(skb) + headroom);
  if (copy == nullptr) return nullptr;
  skb_reserve(copy, headroom);
  skb_put_data(copy, skb->data, skb_headlen(skb));
  copy->truesize += skb->data_len;
  copy->data_len = skb->data_len;
  copy->len = skb->len;
  const skb_shared_info* const info = skb_shinfo(skb);
  skb_shared_info* const copy_info = skb_shinfo(copy);
  for (uint32_t i = 0; i < info->nr_frags; ++i) {
    copy_info->frags[i] = info->frags[i];
    get_page(info->frags[i].page);
  }
  copy_info->nr_frags = info->nr_frags;
  skb_zcopy_set(copy, skb_zcopy(skb), nullptr);
  if (info->frag_list != nullptr) {
    copy_info->frag_list = info->frag_list;
    skb_internal::skb_clone_fraglist(copy);
  }
  skb_copy_header(copy, skb);
  return copy;
}

sk_buff* skb_copy_expand(const sk_buff* skb, uint32_t headroom, uint32_t tailroom) {
  sk_buff* const copy = alloc_skb(*skb->owner, headroom + skb->len + tailroom);
  if (copy == nullptr) return nullptr;
  skb_reserve(copy, headroom);
  skb_put(copy, skb->len);
  const uint32_t old_headroom = skb_headroom(skb);
  CopyWithHeadroom(skb, std::min(headroom, old_headroom), copy);
  skb_copy_header(copy, skb);
  skb_headers_offset_update(copy, static_cast<int>(headroom) - static_cast<int>(old_headroom));
  return copy;
}

sk_buff* skb_share_check(sk_buff* skb) {
  if (!skb_shared(skb)) return skb;
  sk_buff* const clone = skb_clone(skb);
  if (clone != nullptr) {
    consume_skb(skb);
  } else {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM);
  }
  return clone;
}

sk_buff* skb_unshare(sk_buff* skb) {
  if (!skb_cloned(skb)) return skb;
  sk_buff* const copy = skb_copy(skb);
  if (copy != nullptr) {
    consume_skb(skb);
  } else {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM);
  }
  return copy;
}

int pskb_expand_head(sk_buff* skb, uint32_t nhead, uint32_t ntail) {
  CHECK(!skb_shared(skb));
  const uint32_t old_end = skb->end;
  const uint32_t wanted = SKB_DATA_ALIGN(nhead + old_end + ntail);
  if (wanted > PacketPool::kMaxBytes) return -ENOMEM;
  const uint32_t buffer_bytes = skb_internal::LogicalBufferBytes(wanted);
  const PacketBuffer buffer = skb->owner->kernel.AllocPacketBuffer(buffer_bytes);
  if (buffer.data == nullptr) return -ENOMEM;

  const uint32_t end = SKB_WITH_OVERHEAD(buffer_bytes);
  const skb_shared_info* const old_info = skb_shinfo(skb);
  auto* const info = reinterpret_cast<skb_shared_info*>(buffer.data + end);
  std::memcpy(buffer.data + nhead, skb->head, skb->tail);
  std::memcpy(static_cast<void*>(info), old_info,
              offsetof(skb_shared_info, frags) + old_info->nr_frags * sizeof(skb_frag_t));
  if (skb_cloned(skb)) {
    for (uint32_t i = 0; i < info->nr_frags; ++i) get_page(info->frags[i].page);
    if (info->frag_list != nullptr) skb_internal::skb_clone_fraglist(skb);
    if (ubuf_info* const uarg = skb_zcopy(skb); uarg != nullptr) net_zcopy_get(uarg);
    skb_internal::skb_release_data(skb);
  } else {
    skb_internal::FreeHead(skb);
  }

  const uint32_t headroom = skb_headroom(skb);
  skb->head = buffer.data;
  skb->head_slab = buffer.slab;
  skb->head_bytes = buffer.bytes;
  skb->head_frag = false;
  skb->data = buffer.data + nhead + headroom;
  skb->tail += nhead;
  skb->end = end;
  skb_headers_offset_update(skb, static_cast<int>(nhead));
  skb->cloned = false;
  skb->hdr_len = 0;
  skb->nohdr = false;
  info->dataref = 1;
  // A packet that a socket pays for keeps its price: the socket would get back more than it gave.
  if (skb->sk == nullptr) skb->truesize += end - old_end;
  return 0;
}

namespace {

int __skb_cow(sk_buff* skb, uint32_t headroom, bool cloned) {
  const uint32_t have = skb_headroom(skb);
  const uint32_t delta = headroom > have ? headroom - have : 0;
  if (delta == 0 && !cloned) return 0;
  return pskb_expand_head(skb, (delta + NET_SKB_PAD - 1) & ~(NET_SKB_PAD - 1), 0);
}

}  // namespace

int skb_cow(sk_buff* skb, uint32_t headroom) { return __skb_cow(skb, headroom, skb_cloned(skb)); }

int skb_cow_head(sk_buff* skb, uint32_t headroom) {
  return __skb_cow(skb, headroom, skb_header_cloned(skb));
}

int skb_ensure_writable(sk_buff* skb, uint32_t write_len) {
  if (!pskb_may_pull(skb, write_len)) return -ENOMEM;
  const bool header_is_ours =
      !skb_header_cloned(skb) && skb_headroom(skb) + write_len <= skb->hdr_len;
  if (!skb_cloned(skb) || header_is_ours) return 0;
  return pskb_expand_head(skb, 0, 0);
}

sk_buff* skb_expand_head(sk_buff* skb, uint32_t headroom) {
  if (headroom <= skb_headroom(skb)) return skb;
  sock* const sk = skb->sk;
  if (skb_shared(skb)) {
    sk_buff* const clone = skb_clone(skb);
    if (clone != nullptr && sk != nullptr) skb_set_owner_w(clone, sk);
    if (clone == nullptr) {
      kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM);
      return nullptr;
    }
    consume_skb(skb);
    skb = clone;
  }
  if (__skb_cow(skb, headroom, true) == 0) return skb;
  kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM);
  return nullptr;
}

uint8_t* skb_writable(sk_buff* skb, const uint8_t* at, uint32_t bytes) {
  CHECK(at >= skb->head && at + bytes <= skb_tail_pointer(skb));
  const bool in_our_header = !skb_header_cloned(skb) && at + bytes <= skb->head + skb->hdr_len;
  CHECK(!skb_cloned(skb) || in_our_header);
  return skb->head + (at - skb->head);
}

}  // namespace tapedeck
