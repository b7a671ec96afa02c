#include "stack/core/skb_split.h"

#include <algorithm>

#include "stack/core/zerocopy.h"

namespace tapedeck {

namespace {

uint8_t SharedFlags(const sk_buff* skb, uint8_t mask) {
  return static_cast<uint8_t>(skb_shinfo(skb)->flags & mask);
}

// `bytes` more (or fewer) in the fragments.
void AddBytes(sk_buff* skb, int32_t bytes) {
  const auto delta = static_cast<uint32_t>(bytes);
  skb->len += delta;
  skb->data_len += delta;
  skb->truesize += delta;
}

// Fragments that a move of `shiftlen` bytes adds to a packet; `merge`: the first one grows what is
// there.
uint32_t FragsFor(const skb_shared_info* info, uint32_t shiftlen, bool merge) {
  uint32_t frags = 0;
  for (uint32_t i = 0; i < info->nr_frags && shiftlen > 0; ++i) {
    shiftlen -= std::min(shiftlen, info->frags[i].len);
    ++frags;
  }
  return merge ? frags - 1 : frags;
}

// Drops the first `count` fragments of the list, whose pages belong to others now.
void ForgetFirstFrags(skb_shared_info* info, uint32_t count) {
  std::copy(info->frags + count, info->frags + info->nr_frags, info->frags);
  info->nr_frags = static_cast<uint8_t>(info->nr_frags - count);
}

// Moves fragments worth `bytes` from the front of `from` to the back of `to`. The page of one that
// is cut gets a second user.
void MoveFrags(skb_shared_info* to, skb_shared_info* from, uint32_t bytes, bool merge) {
  uint32_t moved = 0;
  while (bytes > 0) {
    skb_frag_t* const frag = &from->frags[moved];
    const uint32_t n = std::min(bytes, frag->len);
    const bool whole = n == frag->len;
    if (merge) {
      to->frags[to->nr_frags - 1].len += n;
      if (whole) put_page(frag->page);
      merge = false;
    } else {
      to->frags[to->nr_frags++] = {frag->page, frag->offset, n};
      if (!whole) get_page(frag->page);
    }
    bytes -= n;
    if (whole) {
      ++moved;
    } else {
      frag->offset += n;
      frag->len -= n;
    }
  }
  ForgetFirstFrags(from, moved);
}

}  // namespace

int skb_unclone_keeptruesize(sk_buff* skb) {
  if (!skb_cloned(skb)) return 0;
  const uint32_t truesize = skb->truesize;
  const bool released = skb->nohdr;
  const int err = pskb_expand_head(skb, 0, 0);
  if (err != 0) return err;
  skb->truesize = truesize;
  if (released) __skb_header_release(skb);
  return 0;
}

void skb_zerocopy_clone(sk_buff* to, const sk_buff* from) {
  skb_zcopy_set(to, skb_zcopy(from), nullptr);
}

void skb_split(sk_buff* skb, sk_buff* skb1, uint32_t len) {
  CHECK(skb_headlen(skb) == 0 && skb1->len == 0 && !skb_cloned(skb));
  CHECK_LE(len, skb->len);
  skb_shared_info* const info = skb_shinfo(skb);
  skb_shared_info* const info1 = skb_shinfo(skb1);
  info1->flags |= SharedFlags(skb, SKBFL_SHARED_FRAG | SKBFL_PURE_ZEROCOPY);
  skb_zerocopy_clone(skb1, skb);
  const uint32_t frags = info->nr_frags;
  uint32_t pos = 0;
  info->nr_frags = 0;
  for (uint32_t i = 0; i < frags; ++i) {
    skb_frag_t* const frag = &info->frags[i];
    const uint32_t size = frag->len;
    const uint32_t kept = std::min(size, pos < len ? len - pos : 0);
    if (kept < size) {
      info1->frags[info1->nr_frags++] = {frag->page, frag->offset + kept, size - kept};
      if (kept > 0) get_page(frag->page);
    }
    if (kept > 0) {
      frag->len = kept;
      ++info->nr_frags;
    }
    pos += size;
  }
  skb1->len = skb1->data_len = skb->len - len;
  skb->len = skb->data_len = len;
}

uint32_t skb_shift(sk_buff* tgt, sk_buff* skb, uint32_t shiftlen) {
  CHECK_LE(shiftlen, skb->len);
  if (shiftlen == 0 || skb_headlen(skb) != 0) return 0;
  if (skb_zcopy(tgt) != nullptr || skb_zcopy(skb) != nullptr) return 0;
  const skb_frag_t& first = skb_shinfo(skb)->frags[0];
  const uint32_t have = skb_shinfo(tgt)->nr_frags;
  const bool merge = skb_can_coalesce(tgt, have, first.page, first.offset);
  if (have + FragsFor(skb_shinfo(skb), shiftlen, merge) > MAX_SKB_FRAGS) return 0;
  if (skb_unclone_keeptruesize(skb) != 0 || skb_unclone_keeptruesize(tgt) != 0) return 0;

  MoveFrags(skb_shinfo(tgt), skb_shinfo(skb), shiftlen, merge);
  tgt->ip_summed = CHECKSUM_PARTIAL;
  skb->ip_summed = CHECKSUM_PARTIAL;
  skb_shinfo(tgt)->flags |= SharedFlags(skb, SKBFL_SHARED_FRAG);
  AddBytes(skb, -static_cast<int32_t>(shiftlen));
  AddBytes(tgt, static_cast<int32_t>(shiftlen));
  return shiftlen;
}

void __pskb_trim_head(sk_buff* skb, uint32_t len) {
  CHECK(skb_headlen(skb) == 0 && !skb_cloned(skb));
  CHECK_LE(len, skb->len);
  skb_shared_info* const info = skb_shinfo(skb);
  uint32_t eat = len;
  uint32_t gone = 0;
  while (gone < info->nr_frags && info->frags[gone].len <= eat) {
    eat -= info->frags[gone].len;
    put_page(info->frags[gone++].page);
  }
  if (eat > 0) {
    info->frags[gone].offset += eat;
    info->frags[gone].len -= eat;
  }
  ForgetFirstFrags(info, gone);
  skb->len = skb->data_len = skb->len - len;
}

}  // namespace tapedeck
