// Data that has come ahead of its turn: a tree by sequence number (tcp_data_queue_ofo,
// tcp_ofo_queue). Its members may overlap, which is seen when their turn comes.
#include <algorithm>

#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_input_internal.h"
#include "stack/tcp/tcp_queues.h"

namespace tapedeck {

namespace {

uint32_t SegmentsOf(const sk_buff* skb) { return std::max<uint32_t>(1, skb_shinfo(skb)->gso_segs); }

// tcp_try_coalesce that keeps the number of segments right, should the packet be dropped later.
bool CoalesceOfo(sock* sk, sk_buff* to, sk_buff* from, bool* fragstolen) {
  const uint32_t segments = SegmentsOf(to) + SegmentsOf(from);
  if (!tcp_try_coalesce(sk, to, from, fragstolen)) return false;
  skb_shinfo(to)->gso_segs = static_cast<uint16_t>(std::min<uint32_t>(segments, UINT16_MAX));
  return true;
}

void DropAsMerged(sock* sk, sk_buff* skb) {
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPOFOMerge);
  tcp_drop_reason(sk, skb, SKB_DROP_REASON_TCP_OFOMERGE);
}

// What became of a new segment's search for its place.
enum class Placed : uint8_t {
  kInserted,   // it is in the tree
  kCoalesced,  // its data is part of another packet
  kDuplicate,  // another packet has all of it: dropped
};

// Puts `skb` below `parent` and forgets the segments behind it that it covers.
Placed InsertAt(sock* sk, sk_buff* skb, rb_node* parent, rb_node** link) {
  skb->dev = nullptr;  // its place is a link of the tree now
  rb_insert(&tcp_sk(sk)->out_of_order_queue, skb_rb(skb), parent, link);
  return Placed::kInserted;
}

// The slow way in: walks down from the root, merging with or cutting off what overlaps in front.
Placed SearchAndInsert(sock* sk, sk_buff* skb, bool* fragstolen) {
  tcp_sock* const tp = tcp_sk(sk);
  const SeqNum seq = TCP_SKB_CB(skb)->seq;
  const SeqNum end_seq = TCP_SKB_CB(skb)->end_seq;
  rb_node* parent = nullptr;
  rb_node** link = &tp->out_of_order_queue.node;
  while (*link != nullptr) {
    parent = *link;
    sk_buff* const other = rb_to_skb(parent);
    const SeqNum other_seq = TCP_SKB_CB(other)->seq;
    const SeqNum other_end = TCP_SKB_CB(other)->end_seq;
    if (seq.Before(other_seq)) {
      link = &parent->rb_left;
      continue;
    }
    if (seq.Before(other_end)) {
      if (end_seq.AtOrBefore(other_end)) {
        DropAsMerged(sk, skb);
        tcp_dsack_set(sk, seq, end_seq);
        return Placed::kDuplicate;
      }
      if (seq == other_seq) {
        // The new one has all of the other and more: it takes its place.
        rb_erase(&tp->out_of_order_queue, skb_rb(other));
        tcp_dsack_extend(sk, other_seq, other_end);
        DropAsMerged(sk, other);
        skb->dev = nullptr;
        tcp_rbtree_insert(&tp->out_of_order_queue, skb);
        return Placed::kInserted;
      }
      tcp_dsack_set(sk, seq, other_end);
    } else if (CoalesceOfo(sk, other, skb, fragstolen)) {
      return Placed::kCoalesced;
    }
    link = &parent->rb_right;
  }
  return InsertAt(sk, skb, parent, link);
}

// Forgets the segments behind `skb` whose data it has too.
void DropCovered(sock* sk, sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  const SeqNum end_seq = TCP_SKB_CB(skb)->end_seq;
  sk_buff* next = skb_rb_next(skb);
  for (; next != nullptr; next = skb_rb_next(skb)) {
    const SeqNum next_seq = TCP_SKB_CB(next)->seq;
    const SeqNum next_end = TCP_SKB_CB(next)->end_seq;
    if (end_seq.AtOrBefore(next_seq)) break;
    if (end_seq.Before(next_end)) {
      tcp_dsack_extend(sk, next_seq, end_seq);
      break;
    }
    rb_erase(&tp->out_of_order_queue, skb_rb(next));
    tcp_dsack_extend(sk, next_seq, next_end);
    DropAsMerged(sk, next);
  }
  if (next == nullptr) tp->ooo_last_skb = skb;
}

// Finds a segment its place in a queue that is not empty: usually at its end.
Placed Place(sock* sk, sk_buff* skb, bool* fragstolen) {
  tcp_sock* const tp = tcp_sk(sk);
  if (CoalesceOfo(sk, tp->ooo_last_skb, skb, fragstolen)) return Placed::kCoalesced;
  Placed placed = Placed::kInserted;
  if (TCP_SKB_CB(skb)->seq.AtOrAfter(TCP_SKB_CB(tp->ooo_last_skb)->end_seq)) {
    rb_node* const last = skb_rb(tp->ooo_last_skb);
    InsertAt(sk, skb, last, &last->rb_right);
  } else {
    placed = SearchAndInsert(sk, skb, fragstolen);
  }
  if (placed == Placed::kInserted) DropCovered(sk, skb);
  return placed;
}

Placed PlaceFirst(sock* sk, sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tcp_is_sack(tp)) {
    tp->rx_opt.num_sacks = 1;
    tp->selective_acks[0] = {TCP_SKB_CB(skb)->seq, TCP_SKB_CB(skb)->end_seq};
  }
  tp->ooo_last_skb = skb;
  return InsertAt(sk, skb, nullptr, &tp->out_of_order_queue.node);
}

// Where the queue's packets touch what is in order now, part of them may be a duplicate.
void ReportOverlap(sock* sk, const sk_buff* skb, SeqNum dsack_high) {
  const SeqNum seq = TCP_SKB_CB(skb)->seq;
  if (!seq.Before(dsack_high)) return;
  tcp_dsack_extend(sk, seq, SeqMin(dsack_high, TCP_SKB_CB(skb)->end_seq));
}

}  // namespace

void skb_rbtree_purge(rb_root* root) {
  for (rb_node* node = rb_first(root); node != nullptr; node = rb_first(root)) {
    sk_buff* const skb = rb_to_skb(node);
    rb_erase(root, node);
    kfree_skb(skb);
  }
}

void tcp_ofo_queue(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  const SeqNum dsack_high = tp->rcv_nxt;
  while (sk_buff* const skb = skb_rb_first(&tp->out_of_order_queue)) {
    if (TCP_SKB_CB(skb)->seq.After(tp->rcv_nxt)) return;
    ReportOverlap(sk, skb, dsack_high);
    rb_erase(&tp->out_of_order_queue, skb_rb(skb));
    const SeqNum end_seq = TCP_SKB_CB(skb)->end_seq;
    if (end_seq.AtOrBefore(tp->rcv_nxt)) {
      tcp_drop_reason(sk, skb, SKB_DROP_REASON_TCP_OFO_DROP);
      continue;
    }
    const bool fin = (TCP_SKB_CB(skb)->tcp_flags & TCPHDR_FIN) != 0;
    sk_buff* const tail = skb_peek_tail(&sk->sk_receive_queue);
    bool fragstolen = false;
    const bool eaten = tail != nullptr && tcp_try_coalesce(sk, tail, skb, &fragstolen);
    tcp_rcv_nxt_update(tp, end_seq);
    if (eaten) {
      kfree_skb_partial(skb, fragstolen);
    } else {
      __skb_queue_tail(&sk->sk_receive_queue, skb);
    }
    if (fin) {
      tcp_fin(sk);  // empties the queue
      return;
    }
  }
}

void tcp_data_queue_ofo(sock* sk, sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  tcp_save_lrcv_flowlabel(sk, skb);
  tcp_data_ecn_check(sk, skb);
  if (tcp_try_rmem_schedule(sk, skb, skb->truesize) != 0) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPOFODrop);
    sk->sk_data_ready(sk);
    tcp_drop_reason(sk, skb, SKB_DROP_REASON_PROTO_MEM);
    return;
  }
  tcp_measure_rcv_mss(sk, skb);
  tp->pred_flags = 0;
  inet_csk_schedule_ack(sk);
  tp->rcv_ooopack += SegmentsOf(skb);
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPOFOQueue);

  const SeqNum seq = TCP_SKB_CB(skb)->seq;
  const SeqNum end_seq = TCP_SKB_CB(skb)->end_seq;
  const bool first = tp->out_of_order_queue.empty();
  bool fragstolen = false;
  tcp_trace_deliver(sk, skb);
  const Placed placed = first ? PlaceFirst(sk, skb) : Place(sk, skb, &fragstolen);
  // Without SACK the window does not grow: it stays the same in all ACKs, which makes them the
  // duplicates that the sender counts.
  if (placed == Placed::kCoalesced) {
    if (tcp_is_sack(tp)) tcp_grow_window(sk, skb, true);
    kfree_skb_partial(skb, fragstolen);
  }
  if (!first && tcp_is_sack(tp)) tcp_sack_new_ofo_skb(sk, seq, end_seq);
  if (placed == Placed::kInserted) {
    if (tcp_is_sack(tp)) tcp_grow_window(sk, skb, false);
    skb_condense(skb);
    skb_set_owner_r(skb, sk);
  }
  // Not while nobody has accepted it, nor after its user has gone.
  if (sk->sk_socket != nullptr) tcp_rcvbuf_grow(sk, tp->rcvq_space.space);
}

}  // namespace tapedeck
