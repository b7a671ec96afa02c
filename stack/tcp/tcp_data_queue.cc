// A segment's data on its way to the user (RFC 9293 3.10.7.4, seventh check).
#include <algorithm>

#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_input_internal.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_queues.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {

namespace {

// The segment is old or beyond the window: the peer hears at once where we are.
void DropOutOfWindow(sock* sk, sk_buff* skb, DropReason reason) {
  tcp_enter_quickack_mode(sk, TCP_MAX_QUICKACKS);
  inet_csk_schedule_ack(sk);
  tcp_drop_reason(sk, skb, reason);
}

void DropForZeroWindow(sock* sk, sk_buff* skb) {
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPZeroWindowDrop);
  DropOutOfWindow(sk, skb, SKB_DROP_REASON_TCP_ZEROWINDOW);
}

// Makes room for in-order data. False where there is none; then the ACK says so. The first data of
// an empty queue is always taken: the connection could not go on otherwise.
bool MakeRoom(sock* sk, const sk_buff* skb) {
  if (tcp_try_rmem_schedule(sk, skb, skb->truesize) == 0) return true;
  inet_csk(sk)->icsk_ack.pending |= ICSK_ACK_NOMEM | ICSK_ACK_NOW;
  inet_csk_schedule_ack(sk);
  sk->sk_data_ready(sk);
  if (skb_queue_len(&sk->sk_receive_queue) != 0 && skb->len != 0) return false;
  sk_forced_mem_schedule(sk, skb->truesize);
  return true;
}

// Data that begins at (or, in part, before) rcv_nxt.
void QueueInOrder(sock* sk, sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  if (!MakeRoom(sk, skb)) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPRcvQDrop);
    tcp_drop_reason(sk, skb, SKB_DROP_REASON_PROTO_MEM);
    return;
  }
  bool fragstolen = false;
  const bool eaten = tcp_queue_rcv(sk, skb, &fragstolen);
  if (skb->len != 0) tcp_event_data_recv(sk, skb);
  if ((TCP_SKB_CB(skb)->tcp_flags & TCPHDR_FIN) != 0) tcp_fin(sk);

  if (!tp->out_of_order_queue.empty()) {
    tcp_ofo_queue(sk);
    // RFC 5681 4.2: what fills a gap is acknowledged at once.
    if (tp->out_of_order_queue.empty()) inet_csk(sk)->icsk_ack.pending |= ICSK_ACK_NOW;
  }
  if (tp->rx_opt.num_sacks != 0) tcp_sack_remove(tp);
  tcp_fast_path_check(sk);
  if (eaten) kfree_skb_partial(skb, fragstolen);
  if (!sock_flag(sk, SOCK_DEAD)) tcp_data_ready(sk);
}

// Peers are known that send a bare FIN into a closed window until it is acknowledged. It costs no
// memory: it becomes a flag of the last packet.
bool IsBareFin(const sk_buff* skb) {
  return skb->len == 0 && (TCP_SKB_CB(skb)->tcp_flags & TCPHDR_FIN) != 0;
}

}  // namespace

void tcp_trace_deliver(const sock* sk, const sk_buff* skb) {
  if (!sk->sk_net.world.tracing()) return;
  sk->sk_net.this_cpu().Trace(TraceKind::kDeliver, skb->frame_id, skb->len, wire::kIpProtoTcp,
                              inet_sk(sk)->inet_num);
}

void tcp_consume_segment(const sock* sk, sk_buff* skb) {
  tcp_trace_deliver(sk, skb);
  consume_skb(skb);
}

void tcp_drop_reason(sock* sk, sk_buff* skb, DropReason reason) {
  sk->sk_drops += std::max<uint32_t>(1, skb_shinfo(skb)->gso_segs);
  kfree_skb_reason(skb, reason);
}

bool tcp_try_coalesce(sock* sk, sk_buff* to, sk_buff* from, bool* fragstolen) {
  *fragstolen = false;
  tcp_skb_cb* const to_cb = TCP_SKB_CB(to);
  const tcp_skb_cb* const from_cb = TCP_SKB_CB(from);
  if (from_cb->seq != to_cb->end_seq) return false;
  uint32_t delta = 0;
  if (!skb_try_coalesce(to, from, fragstolen, &delta)) return false;
  sk->sk_rmem_alloc += delta;
  sk_mem_charge(sk, delta);
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPRcvCoalesce);
  to_cb->end_seq = from_cb->end_seq;
  to_cb->ack_seq = from_cb->ack_seq;
  to_cb->tcp_flags |= from_cb->tcp_flags;
  if (from_cb->has_rxtstamp) {
    to_cb->has_rxtstamp = true;
    to->tstamp = from->tstamp;
    skb_shinfo(to)->hwtstamp_ns = skb_shinfo(from)->hwtstamp_ns;
  }
  return true;
}

bool tcp_queue_rcv(sock* sk, sk_buff* skb, bool* fragstolen) {
  tcp_trace_deliver(sk, skb);
  sk_buff* const tail = skb_peek_tail(&sk->sk_receive_queue);
  const bool eaten = tail != nullptr && tcp_try_coalesce(sk, tail, skb, fragstolen);
  tcp_rcv_nxt_update(tcp_sk(sk), TCP_SKB_CB(skb)->end_seq);
  if (!eaten) {
    __skb_queue_tail(&sk->sk_receive_queue, skb);
    skb_set_owner_r(skb, sk);
  }
  return eaten;
}

bool tcp_epollin_ready(const sock* sk, int target) {
  const tcp_sock* const tp = tcp_sk(sk);
  const int32_t available = tp->rcv_nxt - tp->copied_seq;
  if (available <= 0) return false;
  // Where the peer cannot send more, waiting for it would last for ever.
  return available >= target || tcp_rmem_pressure(sk) ||
         tcp_receive_window(tp) <= inet_csk(sk)->icsk_ack.rcv_mss;
}

void tcp_data_ready(sock* sk) {
  if (tcp_epollin_ready(sk, sk->sk_rcvlowat) || sock_flag(sk, SOCK_DONE)) sk->sk_data_ready(sk);
}

void tcp_data_queue(sock* sk, sk_buff* skb) {
  TRACE_FUNCTION(sk->sk_net, skb, tcp_data_queue, sk, skb);
  tcp_sock* const tp = tcp_sk(sk);
  const SeqNum seq = TCP_SKB_CB(skb)->seq;
  const SeqNum end_seq = TCP_SKB_CB(skb)->end_seq;
  if (seq == end_seq) {
    tcp_consume_segment(sk, skb);
    return;
  }
  tcp_cleanup_skb(skb);
  __skb_pull(skb, tcp_hdrlen(skb));
  tp->rx_opt.dsack = false;

  const uint32_t window = tcp_receive_window(tp);
  if (seq == tp->rcv_nxt) {
    if (window == 0 && !IsBareFin(skb)) return DropForZeroWindow(sk, skb);
    return QueueInOrder(sk, skb);
  }
  if (end_seq.AtOrBefore(tp->rcv_nxt)) {
    tcp_rcv_spurious_retrans(sk, skb);
    NET_INC_STATS(sk->sk_net, TcpExtMib::kDelayedACKLost);
    tcp_dsack_set(sk, seq, end_seq);
    return DropOutOfWindow(sk, skb, SKB_DROP_REASON_TCP_OLD_DATA);
  }
  // A probe of a closed window, for example.
  if (seq.AtOrAfter(tp->rcv_nxt + window)) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kBeyondWindow);
    return DropOutOfWindow(sk, skb, SKB_DROP_REASON_TCP_OVERWINDOW);
  }
  if (seq.Before(tp->rcv_nxt)) {
    tcp_dsack_set(sk, seq, tp->rcv_nxt);
    if (window == 0) return DropForZeroWindow(sk, skb);
    return QueueInOrder(sk, skb);
  }
  tcp_data_queue_ofo(sk, skb);
}

}  // namespace tapedeck
