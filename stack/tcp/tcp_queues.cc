#include "stack/tcp/tcp_queues.h"

#include "stack/core/zerocopy.h"
#include "stack/tcp/tcp_output.h"

namespace tapedeck {
namespace {

void tcp_rtx_queue_purge(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  tp->highest_sack = nullptr;
  while (sk_buff* const skb = tcp_rtx_queue_head(sk)) tcp_rtx_queue_unlink_and_free(skb, sk);
}

}  // namespace

void tcp_rbtree_insert(rb_root* root, sk_buff* skb) {
  rb_node** link = &root->node;
  rb_node* parent = nullptr;
  while (*link != nullptr) {
    parent = *link;
    const bool left = TCP_SKB_CB(skb)->seq.Before(TCP_SKB_CB(rb_to_skb(parent))->seq);
    link = left ? &parent->rb_left : &parent->rb_right;
  }
  rb_insert(root, skb_rb(skb), parent, link);
}

bool tcp_skb_can_collapse(const sk_buff* to, const sk_buff* from) {
  return tcp_skb_can_collapse_to(to) && skb_zcopy_pure(to) == skb_zcopy_pure(from);
}

void tcp_add_write_queue_tail(sock* sk, sk_buff* skb) {
  __skb_queue_tail(&sk->sk_write_queue, skb);
  if (tcp_send_head(sk) == skb) tcp_chrono_start(sk, TCP_CHRONO_BUSY);
}

// --- The time-sorted list. ---

bool tcp_tsorted_linked(const tcp_sock* tp, const sk_buff* skb) {
  return skb->tsorted_prev != nullptr || tp->tsorted_sent_queue.first == skb;
}

void tcp_tsorted_add_tail(tcp_sock* tp, sk_buff* skb) {
  CHECK(!tcp_tsorted_linked(tp, skb));
  tcp_tsorted_list& list = tp->tsorted_sent_queue;
  skb->tsorted_prev = list.last;
  skb->tsorted_next = nullptr;
  (list.last != nullptr ? list.last->tsorted_next : list.first) = skb;
  list.last = skb;
}

void tcp_tsorted_insert_after(tcp_sock* tp, sk_buff* place, sk_buff* skb) {
  if (!tcp_tsorted_linked(tp, place)) return;
  CHECK(!tcp_tsorted_linked(tp, skb));
  sk_buff* const next = place->tsorted_next;
  skb->tsorted_prev = place;
  skb->tsorted_next = next;
  place->tsorted_next = skb;
  (next != nullptr ? next->tsorted_prev : tp->tsorted_sent_queue.last) = skb;
}

void tcp_tsorted_del(tcp_sock* tp, sk_buff* skb) {
  if (!tcp_tsorted_linked(tp, skb)) return;
  tcp_tsorted_list& list = tp->tsorted_sent_queue;
  sk_buff* const prev = skb->tsorted_prev;
  sk_buff* const next = skb->tsorted_next;
  (prev != nullptr ? prev->tsorted_next : list.first) = next;
  (next != nullptr ? next->tsorted_prev : list.last) = prev;
  skb->tsorted_prev = skb->tsorted_next = nullptr;
}

// --- Freeing. ---

void tcp_wmem_free_skb(sock* sk, sk_buff* skb) {
  sk->sk_wmem_queued -= static_cast<int32_t>(skb->truesize);
  // The user's pages of a zero-copy packet were never charged.
  sk_mem_uncharge(sk, skb_zcopy_pure(skb) ? SKB_TRUESIZE(skb_end_offset(skb)) : skb->truesize);
  consume_skb(skb);
}

void tcp_rtx_queue_unlink_and_free(sk_buff* skb, sock* sk) {
  tcp_tsorted_del(tcp_sk(sk), skb);
  tcp_rtx_queue_unlink(skb, sk);
  tcp_wmem_free_skb(sk, skb);
}

void tcp_write_queue_purge(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  tcp_chrono_stop(sk, TCP_CHRONO_BUSY);
  while (sk_buff* const skb = __skb_dequeue(&sk->sk_write_queue)) tcp_wmem_free_skb(sk, skb);
  tcp_rtx_queue_purge(sk);
  tcp_clear_all_retrans_hints(tp);
  tp->packets_out = 0;
  tp->icsk_backoff = 0;
}

}  // namespace tapedeck
