// Lists of sk_buffs: doubly linked rings through the packets themselves with a count, as struct
// sk_buff_head. The names with and without underscores are the kernel's; there the former want the
// list's lock held, here one thread runs and both do the same.
//
// A packet is on one list at most and has one user while it is (checked).
#ifndef TAPEDECK_STACK_CORE_SK_BUFF_HEAD_H_
#define TAPEDECK_STACK_CORE_SK_BUFF_HEAD_H_

#include <cstddef>
#include <cstdint>

#include "stack/base/check.h"
#include "stack/core/skbuff.h"

namespace tapedeck {

// The two links that sk_buff and sk_buff_head both start with.
struct sk_buff_list {
  sk_buff* next;
  sk_buff* prev;
};
static_assert(offsetof(sk_buff, next) == offsetof(sk_buff_list, next));
static_assert(offsetof(sk_buff, prev) == offsetof(sk_buff_list, prev));

struct sk_buff_head : sk_buff_list {
  sk_buff_head() : sk_buff_list{as_skb(), as_skb()} {}
  sk_buff_head(const sk_buff_head&) = delete;
  sk_buff_head& operator=(const sk_buff_head&) = delete;

  // The ring's own place in it: compared with, never looked into.
  sk_buff* as_skb() { return reinterpret_cast<sk_buff*>(this); }
  const sk_buff* as_skb() const { return reinterpret_cast<const sk_buff*>(this); }

  uint32_t qlen = 0;
};

// The links of a packet or of the head.
inline sk_buff_list* skb_links(sk_buff* skb) { return reinterpret_cast<sk_buff_list*>(skb); }

inline void __skb_queue_head_init(sk_buff_head* list) {
  list->next = list->prev = list->as_skb();
  list->qlen = 0;
}

inline bool skb_queue_empty(const sk_buff_head* list) { return list->next == list->as_skb(); }
inline uint32_t skb_queue_len(const sk_buff_head* list) { return list->qlen; }
inline bool skb_queue_is_last(const sk_buff_head* list, const sk_buff* skb) {
  return skb->next == list->as_skb();
}
inline bool skb_queue_is_first(const sk_buff_head* list, const sk_buff* skb) {
  return skb->prev == list->as_skb();
}

// What a link of a list leads to; nullptr for its head.
inline sk_buff* skb_of_link(sk_buff* link, const sk_buff_head* list) {
  // Said, so that nobody looks whether a packet is a nullptr.
  if (link == nullptr) __builtin_unreachable();
  return link == list->as_skb() ? nullptr : link;
}

// The first / last packet, which stays; nullptr where there is none.
inline sk_buff* skb_peek(const sk_buff_head* list) { return skb_of_link(list->next, list); }
inline sk_buff* skb_peek_tail(const sk_buff_head* list) { return skb_of_link(list->prev, list); }
// The one behind / before `skb`; nullptr at the end. A walk that unlinks takes the next one first.
// REQUIRES: `skb` is on the list.
inline sk_buff* skb_peek_next(const sk_buff* skb, const sk_buff_head* list) {
  return skb_of_link(skb->next, list);
}
inline sk_buff* skb_peek_prev(const sk_buff* skb, const sk_buff_head* list) {
  return skb_of_link(skb->prev, list);
}

inline void __skb_insert(sk_buff* skb, sk_buff* prev, sk_buff* next, sk_buff_head* list) {
  CHECK(skb->next == nullptr);
  CHECK(!skb_shared(skb));
  skb->next = next;
  skb->prev = prev;
  skb_links(next)->prev = skb;
  skb_links(prev)->next = skb;
  ++list->qlen;
}
inline void __skb_queue_after(sk_buff_head* list, sk_buff* prev, sk_buff* skb) {
  __skb_insert(skb, prev, skb_links(prev)->next, list);
}
inline void __skb_queue_before(sk_buff_head* list, sk_buff* next, sk_buff* skb) {
  __skb_insert(skb, skb_links(next)->prev, next, list);
}
inline void __skb_queue_head(sk_buff_head* list, sk_buff* skb) {
  __skb_queue_after(list, list->as_skb(), skb);
}
inline void __skb_queue_tail(sk_buff_head* list, sk_buff* skb) {
  __skb_queue_before(list, list->as_skb(), skb);
}
inline void __skb_unlink(sk_buff* skb, sk_buff_head* list) {
  CHECK(skb->next != nullptr && list->qlen > 0);
  --list->qlen;
  sk_buff* const next = skb->next;
  sk_buff* const prev = skb->prev;
  skb->next = skb->prev = nullptr;
  skb_links(next)->prev = prev;
  skb_links(prev)->next = next;
}
// Takes the first / last packet off; nullptr where there is none.
inline sk_buff* __skb_dequeue(sk_buff_head* list) {
  sk_buff* const skb = list->next;
  if (skb == list->as_skb()) return nullptr;
  sk_buff* const next = skb->next;
  skb->next = skb->prev = nullptr;
  list->next = next;
  skb_links(next)->prev = list->as_skb();
  --list->qlen;
  return skb;
}
inline sk_buff* __skb_dequeue_tail(sk_buff_head* list) {
  sk_buff* const skb = skb_peek_tail(list);
  if (skb != nullptr) __skb_unlink(skb, list);
  return skb;
}

inline void skb_queue_head(sk_buff_head* list, sk_buff* skb) { __skb_queue_head(list, skb); }
inline void skb_queue_tail(sk_buff_head* list, sk_buff* skb) { __skb_queue_tail(list, skb); }
inline void skb_append(sk_buff* old, sk_buff* skb, sk_buff_head* list) {
  __skb_queue_after(list, old, skb);
}
inline void skb_insert(sk_buff* old, sk_buff* skb, sk_buff_head* list) {
  __skb_queue_before(list, old, skb);
}
inline void skb_unlink(sk_buff* skb, sk_buff_head* list) { __skb_unlink(skb, list); }
inline sk_buff* skb_dequeue(sk_buff_head* list) { return __skb_dequeue(list); }
inline sk_buff* skb_dequeue_tail(sk_buff_head* list) { return __skb_dequeue_tail(list); }

// Moves what stands in `list` before `skb`, in order, to `front`, which is empty.
void skb_queue_cut_before(sk_buff_head* list, const sk_buff* skb, sk_buff_head* front);
// Moves all of `list` to the front / the back of `head`, in order; the names without _init leave
// `list` stale, to be initialised before its next use.
void skb_queue_splice(sk_buff_head* list, sk_buff_head* head);
void skb_queue_splice_tail(sk_buff_head* list, sk_buff_head* head);
void skb_queue_splice_init(sk_buff_head* list, sk_buff_head* head);
void skb_queue_splice_tail_init(sk_buff_head* list, sk_buff_head* head);

// Drops all packets of the list, each with `reason`.
void __skb_queue_purge_reason(sk_buff_head* list, DropReason reason);
inline void skb_queue_purge_reason(sk_buff_head* list, DropReason reason) {
  __skb_queue_purge_reason(list, reason);
}
// The same without counting them as drops: what is left when its owner ends in good order.
inline void skb_queue_purge(sk_buff_head* list) {
  __skb_queue_purge_reason(list, SKB_DROP_REASON_CONSUMED);
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_SK_BUFF_HEAD_H_
