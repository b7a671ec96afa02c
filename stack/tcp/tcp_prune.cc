// A receive buffer that is full: packets are copied together to save what their buffers waste, and
// then, from the far end of the out-of-order queue, dropped.
#include <algorithm>
#include <cstring>

#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_input_internal.h"
#include "stack/tcp/tcp_queues.h"

namespace tapedeck {

namespace {

constexpr uint32_t kPageLogicalBytes = 4096;
// Data of one packet that collapsing makes: a page with the shared info (SKB_MAX_ORDER(0, 0)).
constexpr uint32_t kCollapsedBytes = SKB_WITH_OVERHEAD(kPageLogicalBytes);

bool HasSynOrFin(const sk_buff* skb) {
  return (TCP_SKB_CB(skb)->tcp_flags & (TCPHDR_SYN | TCPHDR_FIN)) != 0;
}

// The receive queue or the out-of-order queue, from one packet to another.
class CollapseRange {
 public:
  // `tail`: the first packet that is not part of it; nullptr: up to the queue's end.
  CollapseRange(sock* sk, sk_buff_head* list, rb_root* root, sk_buff* tail)
      : sk_(sk), list_(list), root_(root), tail_(tail) {}

  // The packet behind `skb`; nullptr at the end of the queue or range.
  sk_buff* Next(sk_buff* skb) const {
    sk_buff* const next = list_ != nullptr ? skb_peek_next(skb, list_) : skb_rb_next(skb);
    return next == tail_ ? nullptr : next;
  }

  // Frees a packet whose data is elsewhere and returns the next (tcp_collapse_one).
  sk_buff* Remove(sk_buff* skb) {
    sk_buff* const next = Next(skb);
    if (list_ != nullptr) {
      __skb_unlink(skb, list_);
    } else {
      rb_erase(root_, skb_rb(skb));
    }
    consume_skb(skb);
    NET_INC_STATS(sk_->sk_net, TcpExtMib::kTCPRcvCollapsed);
    return next;
  }

  // Where collapsing begins to save something: at a packet that wastes its buffer, or has bytes
  // that are old or come twice. `*start` becomes the sequence number there. nullptr: nowhere.
  // SYN and FIN stay packets of their own.
  sk_buff* FindStart(sk_buff* skb, SeqNum* start) {
    while (skb != nullptr) {
      sk_->sk_net.this_cpu().CountWork(1);
      const tcp_skb_cb* const cb = TCP_SKB_CB(skb);
      if (start->AtOrAfter(cb->end_seq)) {
        skb = Remove(skb);
        continue;
      }
      const bool bloated =
          tcp_win_from_space(sk_, skb->truesize) > skb->len || cb->seq.Before(*start);
      if (bloated && !HasSynOrFin(skb)) return skb;
      sk_buff* const next = Next(skb);
      if (next != nullptr && cb->end_seq != TCP_SKB_CB(next)->seq) {
        return HasSynOrFin(skb) ? nullptr : skb;
      }
      *start = cb->end_seq;
      skb = next;
    }
    return nullptr;
  }

  // Copies [start, end) into new packets and frees those it came from, from `skb` on.
  void Collapse(sk_buff* skb, SeqNum start, SeqNum end) {
    sk_buff_head made;
    while (skb != nullptr && start.Before(end)) {
      const auto want = std::min(kCollapsedBytes, static_cast<uint32_t>(end - start));
      sk_buff* const nskb = alloc_skb(sk_->sk_net, want);
      if (nskb == nullptr) break;
      std::memcpy(nskb->cb, skb->cb, sizeof(skb->cb));
      TCP_SKB_CB(nskb)->seq = TCP_SKB_CB(nskb)->end_seq = start;
      if (list_ != nullptr) {
        __skb_queue_before(list_, skb, nskb);
      } else {
        __skb_queue_tail(&made, nskb);  // the tree is in use until the end
      }
      skb_set_owner_r(nskb, sk_);
      skb = Fill(nskb, skb, want, &start);
    }
    while (sk_buff* const nskb = __skb_dequeue(&made)) tcp_rbtree_insert(root_, nskb);
  }

 private:
  // Moves up to `want` bytes from `*start` on into `nskb`. The packet to go on with; nullptr: here
  // collapsing ends.
  sk_buff* Fill(sk_buff* nskb, sk_buff* skb, uint32_t want, SeqNum* start) {
    while (want > 0) {
      const int32_t offset = *start - TCP_SKB_CB(skb)->seq;
      const int32_t left = TCP_SKB_CB(skb)->end_seq - *start;
      CHECK_GE(offset, 0);
      if (left > 0) {
        const uint32_t size = std::min(want, static_cast<uint32_t>(left));
        uint8_t* const to = skb_put(nskb, size);
        CHECK_EQ(skb_copy_bits(skb, static_cast<uint32_t>(offset), to, size), 0);
        TCP_SKB_CB(nskb)->end_seq += size;
        want -= size;
        *start += size;
      }
      if (start->AtOrAfter(TCP_SKB_CB(skb)->end_seq)) {
        skb = Remove(skb);
        if (skb == nullptr || HasSynOrFin(skb)) return nullptr;
      }
    }
    return skb;
  }

  sock* sk_;
  sk_buff_head* list_;  // or, where it is null,
  rb_root* root_;
  sk_buff* tail_;
};

// tcp_collapse: saves memory in the packets from `head` to `tail`, which hold [start, end).
void Collapse(sock* sk, sk_buff_head* list, rb_root* root, sk_buff* head, sk_buff* tail,
              SeqNum start, SeqNum end) {
  CollapseRange range(sk, list, root, tail);
  sk_buff* const first = range.FindStart(head, &start);
  if (first != nullptr) range.Collapse(first, start, end);
}

// A run of packets without a gap.
struct Run {
  sk_buff* head;
  sk_buff* tail;  // behind it; nullptr: the queue's end
  SeqNum start;
  SeqNum end;
  uint32_t truesize;
};

Run RunFrom(sk_buff* head) {
  Run run = {head, nullptr, TCP_SKB_CB(head)->seq, TCP_SKB_CB(head)->end_seq, head->truesize};
  for (sk_buff* skb = skb_rb_next(head); skb != nullptr; skb = skb_rb_next(skb)) {
    head->owner->this_cpu().CountWork(1);
    const tcp_skb_cb* const cb = TCP_SKB_CB(skb);
    if (cb->seq.After(run.end) || cb->end_seq.Before(run.start)) {
      run.tail = skb;
      break;
    }
    run.truesize += skb->truesize;
    run.start = SeqMin(run.start, cb->seq);
    run.end = SeqMax(run.end, cb->end_seq);
  }
  return run;
}

void CollapseOfoQueue(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  uint32_t sum_tiny = 0;
  sk_buff* skb = skb_rb_first(&tp->out_of_order_queue);
  while (skb != nullptr) {
    const Run run = RunFrom(skb);
    const bool tiny = run.truesize == run.head->truesize &&
                      static_cast<uint32_t>(run.end - run.start) < kCollapsedBytes;
    if (tiny) {
      // A queue of small islands: looking on would be much work for nothing.
      sum_tiny += run.truesize;
      if (sum_tiny > sk->sk_rcvbuf >> 3) return;
    } else {
      Collapse(sk, nullptr, &tp->out_of_order_queue, run.head, run.tail, run.start, run.end);
    }
    skb = run.tail;
  }
  tp->ooo_last_skb = skb_rb_last(&tp->out_of_order_queue);
}

}  // namespace

bool tcp_prune_ofo_queue(sock* sk, const sk_buff* in_skb) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->out_of_order_queue.empty()) return false;
  // An eighth of the buffer at a time, so that an attacker does not make us do this per packet.
  const int64_t share = sk->sk_rcvbuf >> 3;
  int64_t goal = share;
  bool pruned = false;
  for (sk_buff* skb = tp->ooo_last_skb; skb != nullptr;) {
    // What comes is to have a chance to close a hole: what lies before it stays.
    if (TCP_SKB_CB(in_skb)->seq.After(TCP_SKB_CB(skb)->seq)) break;
    pruned = true;
    sk_buff* const prev = skb_rb_prev(skb);
    rb_erase(&tp->out_of_order_queue, skb_rb(skb));
    goal -= skb->truesize;
    tcp_drop_reason(sk, skb, SKB_DROP_REASON_TCP_OFO_QUEUE_PRUNE);
    tp->ooo_last_skb = prev;
    if (prev == nullptr || goal <= 0) {
      if (tcp_can_ingest(sk) && !tcp_under_memory_pressure(sk)) break;
      goal = share;
    }
    skb = prev;
  }
  if (pruned) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kOfoPruned);
    // What was SACKed is gone. RFC 2018 8 allows that, and the sender keeps it until it is
    // acknowledged.
    if (tp->rx_opt.sack_ok != 0) tcp_sack_reset(&tp->rx_opt);
  }
  return pruned;
}

int tcp_prune_queue(sock* sk, const sk_buff* in_skb) {
  tcp_sock* const tp = tcp_sk(sk);
  if (sk->sk_rmem_alloc == 0) return -1;
  NET_INC_STATS(sk->sk_net, TcpExtMib::kPruneCalled);
  if (!tcp_can_ingest(sk)) {
    tcp_clamp_window(sk);
  } else if (tcp_under_memory_pressure(sk)) {
    tcp_adjust_rcv_ssthresh(sk);
  }
  if (tcp_can_ingest(sk)) return 0;

  CollapseOfoQueue(sk);
  if (sk_buff* const head = skb_peek(&sk->sk_receive_queue); head != nullptr) {
    Collapse(sk, &sk->sk_receive_queue, nullptr, head, nullptr, tp->copied_seq, tp->rcv_nxt);
  }
  if (tcp_can_ingest(sk)) return 0;

  tcp_prune_ofo_queue(sk, in_skb);
  if (tcp_can_ingest(sk)) return 0;

  NET_INC_STATS(sk->sk_net, TcpExtMib::kRcvPruned);
  tp->pred_flags = 0;
  return -1;
}

int tcp_try_rmem_schedule(sock* sk, const sk_buff* skb, uint32_t size) {
  if (tcp_can_ingest(sk) && sk_rmem_schedule(sk, size)) return 0;
  if (tcp_prune_queue(sk, skb) < 0) return -1;
  while (!sk_rmem_schedule(sk, size)) {
    if (!tcp_prune_ofo_queue(sk, skb)) return -1;
  }
  return 0;
}

}  // namespace tapedeck
