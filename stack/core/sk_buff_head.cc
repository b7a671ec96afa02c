#include "stack/core/sk_buff_head.h"

namespace tapedeck {

namespace {

// Puts the packets of `list`, which is not empty, between `prev` and `next`.
void Splice(sk_buff_head* list, sk_buff* prev, sk_buff* next) {
  sk_buff* const first = list->next;
  sk_buff* const last = list->prev;
  first->prev = prev;
  skb_links(prev)->next = first;
  last->next = next;
  skb_links(next)->prev = last;
}

}  // namespace

void skb_queue_splice(sk_buff_head* list, sk_buff_head* head) {
  if (skb_queue_empty(list)) return;
  Splice(list, head->as_skb(), head->next);
  head->qlen += list->qlen;
}

void skb_queue_splice_tail(sk_buff_head* list, sk_buff_head* head) {
  if (skb_queue_empty(list)) return;
  Splice(list, head->prev, head->as_skb());
  head->qlen += list->qlen;
}

void skb_queue_splice_init(sk_buff_head* list, sk_buff_head* head) {
  skb_queue_splice(list, head);
  __skb_queue_head_init(list);
}

void skb_queue_splice_tail_init(sk_buff_head* list, sk_buff_head* head) {
  skb_queue_splice_tail(list, head);
  __skb_queue_head_init(list);
}

void skb_queue_cut_before(sk_buff_head* list, const sk_buff* skb, sk_buff_head* front) {
  while (list->next != skb) __skb_queue_tail(front, __skb_dequeue(list));
}

void __skb_queue_purge_reason(sk_buff_head* list, DropReason reason) {
  while (sk_buff* const skb = __skb_dequeue(list)) kfree_skb_reason(skb, reason);
}

}  // namespace tapedeck
