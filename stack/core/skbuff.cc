// Making, ending and freeing packets.
#include "stack/core/skbuff.h"

#include <algorithm>
#include <bit>

#include "stack/core/dev.h"
#include "stack/core/dst.h"
#include "stack/core/net.h"
#include "stack/core/skb_internal.h"
#include "stack/core/zerocopy.h"

namespace tapedeck {

using skb_internal::LogicalBufferBytes;

namespace {

// What each packet passes at its beginning and its end is one function each, without calls.

// memset in steps of a cache line: as one call of 200 bytes gcc makes it `rep stos`, which alone
// takes longer than all the rest of an allocation.
template <size_t bytes>
[[gnu::always_inline]] inline void Clear(uint8_t* at) {
  if constexpr (bytes > kSkbAlignBytes) {
    std::memset(at, 0, kSkbAlignBytes);
    Clear<bytes - kSkbAlignBytes>(at + kSkbAlignBytes);
  } else {
    std::memset(at, 0, bytes);
  }
}

[[gnu::always_inline]] inline void InitSharedInfo(skb_shared_info* info) {
  Clear<offsetof(skb_shared_info, dataref)>(reinterpret_cast<uint8_t*>(info));
  info->dataref = 1;
}

// Makes `skb` an empty packet around `buffer` with the shared info at `end`. frame_id is 0.
[[gnu::always_inline]] inline void InitSkb(sk_buff* skb, net& net, const PacketBuffer& buffer,
                                           uint32_t end) {
  Clear<offsetof(sk_buff, tail)>(reinterpret_cast<uint8_t*>(skb));
  skb->transport_header = kHeaderUnset;
  skb->mac_header = kHeaderUnset;
  skb->tail = 0;
  skb->end = end;
  skb->head = buffer.data;
  skb->data = buffer.data;
  skb->owner = &net;
  skb->head_slab = buffer.slab;
  skb->head_bytes = buffer.bytes;
  skb->truesize = SKB_TRUESIZE(end);
  skb->users = 1;
  skb->frame_id = 0;
  InitSharedInfo(skb_shinfo(skb));
}

[[gnu::always_inline]] inline void ReleaseHeadState(sk_buff* skb) {
  dst_release(skb->dst);
  if (skb->destructor != nullptr) skb->destructor(skb);
  if (skb->fclone != nullptr) skb->fclone->fclone = nullptr;
}

[[gnu::always_inline]] inline void FreeBuffer(sk_buff* skb) {
  PacketBuffer buffer;
  buffer.data = skb->head;
  buffer.bytes = skb->head_bytes;
  buffer.slab = skb->head_slab;
  skb->owner->world.packets().Free(buffer);
}

// The last holder of the data gives up what is more than the buffer.
[[gnu::noinline]] void ReleaseFrags(skb_shared_info* info, sk_buff* skb) {
  if (info->flags != 0) skb_zcopy_clear(skb, true);
  for (uint32_t i = 0; i < info->nr_frags; ++i) put_page(info->frags[i].page);
  if (info->frag_list != nullptr) skb_internal::DropFragList(info->frag_list);
}

[[gnu::always_inline]] inline void ReleaseData(sk_buff* skb) {
  skb_shared_info* const info = skb_shinfo(skb);
  if (skb->cloned) {
    info->dataref -= skb->nohdr ? (1U << SKB_DATAREF_SHIFT) + 1 : 1;
    if (info->dataref != 0) return;
  }
  if ((info->flags | info->nr_frags) != 0 || info->frag_list != nullptr) ReleaseFrags(info, skb);
  FreeBuffer(skb);
}

[[gnu::noinline]] void __kfree_skb(sk_buff* skb) {
  net& net = *skb->owner;
  net.Charge(CostPoint::k_skb_free);
  ReleaseHeadState(skb);
  ReleaseData(skb);
  net.skbuff_cache.Free(skb);
}

// True where this was the last use. REQUIRES: skb != nullptr.
bool skb_unref(sk_buff* skb) {
  CHECK_GT(skb->users, 0U);
  return --skb->users == 0;
}

constexpr uint32_t kPageLogicalBytes = 4096;
constexpr uint32_t kPageOrderMax = 3;  // PAGE_ALLOC_COSTLY_ORDER

// Fragments for `data_len` bytes, the largest pages first. False where memory failed or the
// fragments do not suffice.
bool AddFrags(sk_buff* skb, uint32_t data_len) {
  uint32_t order = kPageOrderMax;
  uint32_t frag = 0;
  while (data_len > 0) {
    if (frag == MAX_SKB_FRAGS) return false;
    const uint32_t pages = (data_len + kPageLogicalBytes - 1) / kPageLogicalBytes;
    while (order > 0 && pages < (1U << order)) --order;
    const uint32_t bytes = kPageLogicalBytes << order;
    page* const p = alloc_page(*skb->owner, bytes);
    if (p == nullptr) return false;
    const uint32_t chunk = std::min(data_len, bytes);
    skb_fill_page_desc(skb, frag++, p, 0, chunk);
    skb->truesize += bytes;
    data_len -= chunk;
  }
  return true;
}

// A new packet around a new buffer of `buffer_bytes` logical bytes.
[[gnu::always_inline]] inline sk_buff* NewSkb(net& net, uint32_t buffer_bytes) {
  auto* const skb = static_cast<sk_buff*>(net.skbuff_cache.Alloc());
  if (skb == nullptr) return nullptr;
  const PacketBuffer buffer = net.kernel.AllocPacketBuffer(buffer_bytes);
  if (buffer.data == nullptr) {
    net.skbuff_cache.Free(skb);
    return nullptr;
  }
  InitSkb(skb, net, buffer, SKB_WITH_OVERHEAD(buffer_bytes));
  skb->frame_id = net.world.NewFrameId();
  return skb;
}

// __netdev_alloc_skb and napi_alloc_skb: sizes between the two bounds come from page fragments,
// whose rounding is finer than kmalloc's.
sk_buff* AllocForReceive(net& net, net_device* dev, uint32_t size) {
  net.Charge(CostPoint::k_skb_alloc);
  size += NET_SKB_PAD + NET_IP_ALIGN;
  const bool from_slab = size <= SKB_WITH_OVERHEAD(1024) || size > SKB_WITH_OVERHEAD(4096);
  if (size > PacketPool::kMaxBytes) return nullptr;
  sk_buff* const skb = NewSkb(net, from_slab ? LogicalBufferBytes(size) : SKB_HEAD_ALIGN(size));
  if (skb == nullptr) return nullptr;
  skb_reserve(skb, NET_SKB_PAD + NET_IP_ALIGN);
  skb->dev = dev;
  return skb;
}

}  // namespace

namespace skb_internal {

uint32_t LogicalBufferBytes(uint32_t size) {
  const uint32_t wanted = SKB_HEAD_ALIGN(size);
  return wanted <= kSmallHeadLogicalBytes ? kSmallHeadLogicalBytes : std::bit_ceil(wanted);
}

void skb_release_head_state(sk_buff* skb) { ReleaseHeadState(skb); }
void skb_release_data(sk_buff* skb) { ReleaseData(skb); }
void FreeHead(sk_buff* skb) { FreeBuffer(skb); }

void DropFragList(sk_buff* first) {
  while (first != nullptr) {
    // One that another frag_list shares stays linked there.
    sk_buff* const next = first->next;
    consume_skb(first);
    first = next;
  }
}

}  // namespace skb_internal

page* alloc_page(net& net, uint32_t bytes) {
  page* const p = net.page_cache.New();
  if (p == nullptr) return nullptr;
  p->buffer = net.kernel.AllocPacketBuffer(bytes);
  p->owner = &net;
  if (p->buffer.data != nullptr) return p;
  net.page_cache.Delete(p);
  return nullptr;
}

void put_page(page* p) {
  CHECK_GT(p->refcount, 0U);
  if (--p->refcount != 0) return;
  net& net = *p->owner;
  net.world.packets().Free(p->buffer);
  net.page_cache.Delete(p);
}

bool skb_page_frag_refill(net& net, uint32_t bytes, page_frag* frag) {
  if (frag->page != nullptr) {
    // Nobody else uses what was given out of it: start again at its beginning.
    if (frag->page->refcount == 1) frag->offset = 0;
    if (frag->offset + bytes <= frag->size) return true;
    put_page(frag->page);
    frag->page = nullptr;
  }
  const uint32_t page_bytes = bytes > kPageFragBytes ? bytes : kPageFragBytes;
  frag->page = alloc_page(net, page_bytes);
  if (frag->page == nullptr) return false;
  frag->offset = 0;
  frag->size = page_bytes;
  return true;
}

sk_buff* alloc_skb(net& net, uint32_t size) {
  net.Charge(CostPoint::k_skb_alloc);
  if (size > PacketPool::kMaxBytes) return nullptr;
  return NewSkb(net, LogicalBufferBytes(size));
}

sk_buff* alloc_skb_with_frags(net& net, uint32_t header_len, uint32_t data_len) {
  sk_buff* const skb = alloc_skb(net, header_len);
  if (skb == nullptr || AddFrags(skb, data_len)) return skb;
  consume_skb(skb);
  return nullptr;
}

sk_buff* netdev_alloc_skb(net_device* dev, uint32_t size) {
  return AllocForReceive(dev_net(dev), dev, size);
}

sk_buff* napi_alloc_skb(napi_struct* napi, uint32_t size) {
  return AllocForReceive(dev_net(napi->dev), napi->dev, size);
}

sk_buff* build_skb(net& net, PacketBuffer buffer, uint32_t frag_size) {
  CHECK(frag_size % kSkbAlignBytes == 0 && frag_size > kSharedInfoLogicalBytes);
  CHECK_LE(frag_size, buffer.bytes);
  net.Charge(CostPoint::k_build_skb);
  auto* const skb = static_cast<sk_buff*>(net.skbuff_cache.Alloc());
  if (skb == nullptr) return nullptr;
  const uint32_t end = SKB_WITH_OVERHEAD(frag_size);
  net.world.arena().Touch(buffer.data + end, kSharedInfoLogicalBytes);
  InitSkb(skb, net, buffer, end);
  skb->head_frag = true;
  return skb;
}

void consume_skb(sk_buff* skb) {
  if (skb != nullptr && skb_unref(skb)) __kfree_skb(skb);
}

void kfree_skb_reason(sk_buff* skb, DropReason reason) {
  if (skb == nullptr || !skb_unref(skb)) return;
  if (reason != SKB_DROP_REASON_CONSUMED) {
    net& net = *skb->owner;
    ++net.drops[static_cast<int>(reason)];
    net.this_cpu().Trace(TraceKind::kDrop, skb->frame_id, static_cast<uint64_t>(reason), skb->len);
  }
  __kfree_skb(skb);
}

void kfree_skb_list_reason(sk_buff* segs, DropReason reason) {
  while (segs != nullptr) {
    sk_buff* const next = segs->next;
    segs->next = nullptr;
    kfree_skb_reason(segs, reason);
    segs = next;
  }
}

void skb_orphan(sk_buff* skb) {
  if (skb->destructor != nullptr) {
    skb->destructor(skb);
    skb->destructor = nullptr;
    skb->sk = nullptr;
  }
  CHECK(skb->sk == nullptr);
}

void skb_scrub_packet(sk_buff* skb) {
  skb->pkt_type = PACKET_HOST;
  skb->skb_iif = 0;
  skb->ignore_df = false;
  skb_dst_drop(skb);
  skb->tstamp = 0;
  skb->from_ingress = false;
}

}  // namespace tapedeck
