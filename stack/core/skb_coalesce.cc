// Making one packet of two, so that what waits in a queue costs less (net/core/skbuff.c).
#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/core/skb_internal.h"
#include "stack/core/skbuff.h"
#include "stack/core/zerocopy.h"

namespace tapedeck {

namespace {

// Whether a packet's buffer cannot become a fragment of another packet.
bool skb_head_is_locked(const sk_buff* skb) { return !skb->head_frag || skb_cloned(skb); }

// Puts the linear data of `from` behind the fragments of `to`. False where memory failed.
[[gnu::always_inline]] inline bool StealHead(sk_buff* to, sk_buff* from) {
  page* const p = skb_internal::HeadAsPage(from);
  if (p == nullptr) return false;
  skb_fill_page_desc(to, skb_shinfo(to)->nr_frags, p, skb_headroom(from), skb_headlen(from));
  return true;
}

// Moves the fragments of `from`, or shares them where others hold them too.
void MoveFrags(sk_buff* to, sk_buff* from) {
  skb_shared_info* const to_info = skb_shinfo(to);
  skb_shared_info* const from_info = skb_shinfo(from);
  const bool shared = skb_cloned(from);
  for (uint32_t i = 0; i < from_info->nr_frags; ++i) {
    const skb_frag_t& frag = from_info->frags[i];
    if (shared) get_page(frag.page);
    to_info->frags[to_info->nr_frags++] = frag;
  }
  if (!shared) from_info->nr_frags = 0;
}

}  // namespace

page* skb_internal::HeadAsPage(sk_buff* from) {
  page* const p = from->owner->page_cache.New();
  if (p == nullptr) return nullptr;
  p->buffer.data = from->head;
  p->buffer.bytes = from->head_bytes;
  p->buffer.slab = from->head_slab;
  p->owner = from->owner;
  return p;
}

bool skb_try_coalesce(sk_buff* to, sk_buff* from, bool* fragstolen, uint32_t* delta_truesize) {
  *fragstolen = false;
  if (skb_cloned(to)) return false;
  const uint32_t len = from->len;
  if (len <= skb_tailroom(to)) {
    if (len > 0) CHECK_EQ(skb_copy_bits(from, 0, skb_put(to, len), len), 0);
    *delta_truesize = 0;
    return true;
  }

  const bool has_head = skb_headlen(from) != 0;
  if (has_head && skb_head_is_locked(from)) return false;
  const skb_shared_info* const to_info = skb_shinfo(to);
  const skb_shared_info* const from_info = skb_shinfo(from);
  if (to_info->frag_list != nullptr || from_info->frag_list != nullptr) return false;
  if (skb_zcopy(to) != nullptr || skb_zcopy(from) != nullptr) return false;
  const uint32_t frags = uint32_t{to_info->nr_frags} + from_info->nr_frags + (has_head ? 1 : 0);
  if (frags > MAX_SKB_FRAGS) return false;
  if (has_head && !StealHead(to, from)) return false;

  // What is merged no longer needs an sk_buff, nor, where only its fragments go, a buffer.
  const uint32_t saved = has_head ? kSkBuffLogicalBytes : SKB_TRUESIZE(skb_end_offset(from));
  *fragstolen = has_head;
  *delta_truesize = from->truesize - saved;
  if (from_info->nr_frags != 0) MoveFrags(to, from);
  to->truesize += *delta_truesize;
  to->len += len;
  to->data_len += len;
  return true;
}

void kfree_skb_partial(sk_buff* skb, bool head_stolen) {
  if (!head_stolen) {
    consume_skb(skb);
    return;
  }
  // Its head is another's, who may have freed it by now: napi_gro_receive comes here after the
  // packet has gone up.
  CHECK(!skb_shared(skb));
  net& net = *skb->owner;
  net.Charge(CostPoint::k_skb_free);
  skb_internal::skb_release_head_state(skb);
  net.skbuff_cache.Free(skb);
}

void skb_condense(sk_buff* skb) {
  if (skb->data_len != 0) {
    if (skb->data_len > skb->end - skb->tail || skb_cloned(skb)) return;
    if (__pskb_pull_tail(skb, skb->data_len) == nullptr) return;
  }
  skb->truesize = SKB_TRUESIZE(skb_end_offset(skb));
}

}  // namespace tapedeck
