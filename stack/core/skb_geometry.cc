// Making packets linear, shorter and longer: work on fragments and frag_list. Source of the cases:
// net/core/skbuff.c.
#include <cerrno>

#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/core/skb_internal.h"
#include "stack/core/skbuff.h"

namespace tapedeck {

namespace {

// Takes the first `*eat` bytes off the fragments, as far as they reach.
void EatFrags(skb_shared_info* info, uint32_t* eat) {
  uint8_t kept = 0;
  for (uint32_t i = 0; i < info->nr_frags; ++i) {
    skb_frag_t frag = info->frags[i];
    if (frag.len <= *eat) {
      *eat -= frag.len;
      put_page(frag.page);
      continue;
    }
    frag.offset += *eat;
    frag.len -= *eat;
    *eat = 0;
    info->frags[kept++] = frag;
  }
  info->nr_frags = kept;
}

// Takes the first `eat` bytes off frag_list. A packet in it that others share is replaced by a
// clone before it is cut. False where memory failed: then nothing has changed.
bool EatFragList(skb_shared_info* info, uint32_t eat) {
  sk_buff* part = info->frag_list;
  uint32_t left = eat;
  while (part != nullptr && part->len <= left) {
    left -= part->len;
    part = part->next;
  }
  sk_buff* first_kept = part;
  if (left > 0) {
    CHECK(part != nullptr);
    const bool shared = skb_shared(part);
    if (shared) first_kept = skb_clone(part);
    if (first_kept == nullptr) return false;
    if (pskb_pull(first_kept, left) == nullptr) {
      if (shared) consume_skb(first_kept);
      return false;
    }
    if (shared) {
      first_kept->next = part->next;
      --part->users;
    }
  }
  sk_buff* eaten = info->frag_list;
  while (eaten != part) {
    sk_buff* const next = eaten->next;
    consume_skb(eaten);
    eaten = next;
  }
  info->frag_list = first_kept;
  return true;
}

uint32_t FragBytes(const skb_shared_info* info) {
  uint32_t bytes = 0;
  for (uint32_t i = 0; i < info->nr_frags; ++i) bytes += info->frags[i].len;
  return bytes;
}

// Cuts the fragments to `len` bytes in all.
void TrimFrags(skb_shared_info* info, uint32_t len) {
  uint8_t kept = 0;
  for (uint32_t i = 0; i < info->nr_frags; ++i) {
    skb_frag_t* const frag = &info->frags[i];
    if (len == 0) {
      put_page(frag->page);
      continue;
    }
    if (frag->len > len) frag->len = len;
    len -= frag->len;
    ++kept;
  }
  info->nr_frags = kept;
}

// Cuts frag_list to `len` bytes in all. 0 or -ENOMEM.
int TrimFragList(skb_shared_info* info, uint32_t len) {
  if (len == 0) {
    skb_internal::DropFragList(info->frag_list);
    info->frag_list = nullptr;
    return 0;
  }
  sk_buff** link = &info->frag_list;
  while (*link != nullptr && len > 0) {
    sk_buff* part = *link;
    if (skb_shared(part)) {
      sk_buff* const clone = skb_clone(part);
      if (clone == nullptr) return -ENOMEM;
      clone->next = part->next;
      consume_skb(part);
      part = *link = clone;
    }
    if (part->len > len) {
      const int error = pskb_trim(part, len);
      if (error != 0) return error;
    }
    len -= part->len;
    link = &part->next;
  }
  skb_internal::DropFragList(*link);
  *link = nullptr;
  return 0;
}

void SetLinearLen(sk_buff* skb, uint32_t len) {
  skb->len = len;
  const uint32_t tail = skb_headroom(skb) + len;
  // What is cut off is nobody's any more, unless others see the same bytes.
  if (tail < skb->tail && !skb_cloned(skb)) PoisonMemory(skb->head + tail, skb->tail - tail);
  skb->tail = tail;
}

}  // namespace

uint8_t* __pskb_pull_tail(sk_buff* skb, uint32_t delta) {
  const uint32_t room = skb->end - skb->tail;
  if (delta > room || skb_cloned(skb)) {
    // As the kernel, with some room to spare: the next header will be asked for soon.
    const uint32_t ntail = delta > room ? delta - room + 128 : 0;
    if (pskb_expand_head(skb, 0, ntail) != 0) return nullptr;
  }
  UnpoisonMemory(skb_tail_pointer(skb), delta);
  CHECK_EQ(skb_copy_bits(skb, skb_headlen(skb), skb_tail_pointer(skb), delta), 0);
  skb_shared_info* const info = skb_shinfo(skb);
  const uint32_t frag_bytes = FragBytes(info);
  if (delta > frag_bytes && !EatFragList(info, delta - frag_bytes)) return nullptr;
  uint32_t eat = delta < frag_bytes ? delta : frag_bytes;
  EatFrags(info, &eat);
  skb->tail += delta;
  skb->data_len -= delta;
  return skb_tail_pointer(skb);
}

void skb_trim(sk_buff* skb, uint32_t len) {
  if (skb->len <= len) return;
  CHECK(!skb_is_nonlinear(skb));
  SetLinearLen(skb, len);
}

int pskb_trim(sk_buff* skb, uint32_t len) {
  if (len >= skb->len) return 0;
  if (!skb_is_nonlinear(skb)) {
    SetLinearLen(skb, len);
    return 0;
  }
  if (skb_cloned(skb) && pskb_expand_head(skb, 0, 0) != 0) return -ENOMEM;
  skb_shared_info* const info = skb_shinfo(skb);
  const uint32_t headlen = skb_headlen(skb);
  const uint32_t frag_bytes = FragBytes(info);
  const uint32_t behind_head = len > headlen ? len - headlen : 0;
  const uint32_t behind_frags = behind_head > frag_bytes ? behind_head - frag_bytes : 0;
  if (info->frag_list != nullptr) {
    const int error = TrimFragList(info, behind_frags);
    if (error != 0) return error;
  }
  TrimFrags(info, behind_head - behind_frags);
  if (len > headlen) {
    skb->data_len = len - headlen;
    skb->len = len;
  } else {
    skb->data_len = 0;
    SetLinearLen(skb, len);
  }
  return 0;
}

int pskb_trim_rcsum(sk_buff* skb, uint32_t len) {
  if (len >= skb->len) return 0;
  if (skb->ip_summed == CHECKSUM_COMPLETE) {
    const wsum cut = skb_checksum(skb, len, skb->len - len, 0);
    skb->csum = csum_block_sub(skb->csum, cut, len);
  }
  return pskb_trim(skb, len);
}

int __skb_linearize(sk_buff* skb) {
  return __pskb_pull_tail(skb, skb->data_len) != nullptr ? 0 : -ENOMEM;
}

int skb_put_padto(sk_buff* skb, uint32_t len) {
  if (skb->len >= len) return 0;
  const uint32_t pad = len - skb->len;
  const uint32_t room = skb->end - skb->tail;
  const uint32_t wanted = skb->data_len + pad;
  int error = 0;
  if (skb_cloned(skb) || wanted > room) {
    error = pskb_expand_head(skb, 0, wanted > room ? wanted - room : 0);
  }
  if (error == 0) error = skb_linearize(skb);
  if (error != 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM);
    return error;
  }
  skb_put_zero(skb, pad);
  return 0;
}

void skb_add_rx_frag(sk_buff* skb, uint32_t i, page* p, uint32_t offset, uint32_t size,
                     uint32_t truesize) {
  skb_fill_page_desc(skb, i, p, offset, size);
  skb->len += size;
  skb->data_len += size;
  skb->truesize += truesize;
}

}  // namespace tapedeck
