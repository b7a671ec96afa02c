// The queues of a connection's segments, and what one segment counts as (include/net/tcp.h).
#ifndef TAPEDECK_STACK_TCP_TCP_QUEUES_H_
#define TAPEDECK_STACK_TCP_TCP_QUEUES_H_

#include <algorithm>
#include <cstdint>

#include "stack/core/sk_buff_head.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

// --- One packet: tcp_gso_segs segments of tcp_gso_size bytes. ---

inline uint32_t tcp_skb_pcount(const sk_buff* skb) { return TCP_SKB_CB(skb)->tcp_gso_segs; }
inline void tcp_skb_pcount_set(sk_buff* skb, uint32_t segs) {
  TCP_SKB_CB(skb)->tcp_gso_segs = static_cast<uint16_t>(segs);
}
inline void tcp_skb_pcount_add(sk_buff* skb, int segs) {
  TCP_SKB_CB(skb)->tcp_gso_segs =
      static_cast<uint16_t>(static_cast<int>(TCP_SKB_CB(skb)->tcp_gso_segs) + segs);
}
inline uint32_t tcp_skb_mss(const sk_buff* skb) { return TCP_SKB_CB(skb)->tcp_gso_size; }
inline bool tcp_skb_can_collapse_to(const sk_buff* skb) { return !TCP_SKB_CB(skb)->eor; }
// Zero-copy pieces stay apart from copied ones.
bool tcp_skb_can_collapse(const sk_buff* to, const sk_buff* from);
// Moves the first `shiftlen` bytes, `pcount` segments, of `from` behind the data of `to`. Only
// fragments move: false, and nothing has changed, where `from` has linear bytes, the fragments do
// not fit, the result would be too long, data is zero-copy, or memory failed. Each byte takes one
// byte of truesize with it.
bool tcp_skb_shift(sk_buff* to, sk_buff* from, uint32_t pcount, uint32_t shiftlen);

// --- Not yet sent: sk_write_queue. ---

inline sk_buff* tcp_send_head(const sock* sk) { return skb_peek(&sk->sk_write_queue); }
inline sk_buff* tcp_write_queue_tail(const sock* sk) { return skb_peek_tail(&sk->sk_write_queue); }
inline bool tcp_skb_is_last(const sock* sk, const sk_buff* skb) {
  return skb_queue_is_last(&sk->sk_write_queue, skb);
}
inline bool tcp_write_queue_empty(const sock* sk) {
  return tcp_sk(sk)->write_seq == tcp_sk(sk)->snd_nxt;
}
inline void tcp_unlink_write_queue(sk_buff* skb, sock* sk) {
  __skb_unlink(skb, &sk->sk_write_queue);
}
void tcp_add_write_queue_tail(sock* sk, sk_buff* skb);  // starts the busy chronograph
inline void tcp_insert_write_queue_before(sk_buff* new_skb, sk_buff* skb, sock* sk) {
  __skb_queue_before(&sk->sk_write_queue, skb, new_skb);
}

// --- Sent: tcp_rtx_queue, and its second order, tsorted_sent_queue. ---

inline sk_buff* tcp_rtx_queue_head(const sock* sk) {
  return skb_rb_first(&tcp_sk(sk)->tcp_rtx_queue);
}
inline sk_buff* tcp_rtx_queue_tail(const sock* sk) {
  return skb_rb_last(&tcp_sk(sk)->tcp_rtx_queue);
}
inline bool tcp_rtx_queue_empty(const sock* sk) { return tcp_sk(sk)->tcp_rtx_queue.empty(); }
inline bool tcp_rtx_and_write_queues_empty(const sock* sk) {
  return tcp_rtx_queue_empty(sk) && tcp_write_queue_empty(sk);
}
inline void tcp_rtx_queue_unlink(sk_buff* skb, sock* sk) {
  rb_erase(&tcp_sk(sk)->tcp_rtx_queue, skb_rb(skb));
}
// Also out of the time-sorted list, paid back and freed (tcp_wmem_free_skb).
void tcp_rtx_queue_unlink_and_free(sk_buff* skb, sock* sk);

// Time-sorted list. A packet is on it from its first transmission until it is (s)acked or lost.
bool tcp_tsorted_linked(const tcp_sock* tp, const sk_buff* skb);
void tcp_tsorted_add_tail(tcp_sock* tp, sk_buff* skb);
// Nothing where `place` is not on it: then the other half of a split packet is not either.
void tcp_tsorted_insert_after(tcp_sock* tp, sk_buff* place, sk_buff* skb);
void tcp_tsorted_del(tcp_sock* tp, sk_buff* skb);  // nothing where it is not on it
inline void tcp_tsorted_move_tail(tcp_sock* tp, sk_buff* skb) {
  tcp_tsorted_del(tp, skb);
  tcp_tsorted_add_tail(tp, skb);
}

// Frees a packet of the write or retransmission queue, off both, and uncharges it.
void tcp_wmem_free_skb(sock* sk, sk_buff* skb);
// Frees all that was written: connection over.
void tcp_write_queue_purge(sock* sk);

// --- SACK bookkeeping. ---

inline bool tcp_is_sack(const tcp_sock* tp) { return tp->rx_opt.sack_ok != 0; }
inline bool tcp_is_reno(const tcp_sock* tp) { return !tcp_is_sack(tp); }
inline SeqNum tcp_highest_sack_seq(const tcp_sock* tp) {
  if (tp->sacked_out == 0) return tp->snd_una;
  if (tp->highest_sack == nullptr) return tp->snd_nxt;
  return TCP_SKB_CB(tp->highest_sack)->seq;
}
inline void tcp_advance_highest_sack(sock* sk, sk_buff* skb) {
  tcp_sk(sk)->highest_sack = skb_rb_next(skb);
}
inline sk_buff* tcp_highest_sack(const sock* sk) { return tcp_sk(sk)->highest_sack; }
inline void tcp_highest_sack_reset(sock* sk) { tcp_sk(sk)->highest_sack = tcp_rtx_queue_head(sk); }
// `old` is about to go; what follows it takes its place.
inline void tcp_highest_sack_replace(sock* sk, const sk_buff* old, sk_buff* new_skb) {
  if (old == tcp_highest_sack(sk)) tcp_sk(sk)->highest_sack = new_skb;
}
inline void tcp_clear_all_retrans_hints(tcp_sock* tp) { tp->retransmit_skb_hint = nullptr; }

// --- Packets in flight (RFC 6675 pipe, in packets). ---

inline uint32_t tcp_left_out(const tcp_sock* tp) { return tp->sacked_out + tp->lost_out; }
inline uint32_t tcp_packets_in_flight(const tcp_sock* tp) {
  return tp->packets_out - tcp_left_out(tp) + tp->retrans_out;
}
inline SeqNum tcp_wnd_end(const tcp_sock* tp) { return tp->snd_una + tp->snd_wnd; }
inline uint32_t tcp_notsent_lowat(const tcp_sock* tp) {
  return tp->notsent_lowat != 0 ? tp->notsent_lowat : tcp_sysctl(tp).notsent_lowat;
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_QUEUES_H_
