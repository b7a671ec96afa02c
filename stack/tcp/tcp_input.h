// A segment's way in (the receiver's half of net/ipv4/tcp_input.c): the established path, the other
// states, options, the receive queues, the window, acknowledgments.
// Files: tcp_input.cc (rcv_established), tcp_validate.cc (validate_incoming), tcp_paws.cc,
// tcp_options_input.cc, tcp_rcv_state.cc (state machine, FIN, RST), tcp_rcv_synsent.cc (SYN-SENT,
// finish_connect), tcp_data_queue.cc, tcp_ofo_queue.cc, tcp_prune.cc, tcp_sack_output.cc (which
// SACK blocks to send), tcp_rcvbuf.cc (window and receive buffer), tcp_sndbuf.cc, tcp_ack_policy.cc
// (delayed, quick, compressed, challenge), tcp_urg.cc.
#ifndef TAPEDECK_STACK_TCP_TCP_INPUT_H_
#define TAPEDECK_STACK_TCP_TCP_INPUT_H_

#include <cstdint>

#include "stack/base/drop_reason.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

// A segment for an established connection; owns it. data is at the TCP header.
void tcp_rcv_established(sock* sk, sk_buff* skb);
// A segment in any other state but TIME-WAIT. CONSUMED: it was taken (queued or freed); else it
// stays the caller's, who answers it with a reset and drops it with the reason. REQUIRES: the
// caller holds a reference, as the connection may end.
DropReason tcp_rcv_state_process(sock* sk, sk_buff* skb);
// The handshake of an active open is complete.
void tcp_finish_connect(sock* sk, sk_buff* skb);
// First things of an established connection, both sides: metrics, congestion control, buffers.
void tcp_init_transfer(sock* sk, sk_buff* skb);
void tcp_reset(sock* sk, sk_buff* skb);
void tcp_fin(sock* sk);
// An ACK for a segment that may be forged (RFC 5961), at most so many. `accecn_reflector`: its ACE
// field says how the SYN has arrived.
void tcp_send_challenge_ack(sock* sk, bool accecn_reflector = false);
void tcp_reqsk_send_challenge_ack(sock* sk, sk_buff* skb, request_sock* req);
// Whether an ACK in answer to an out-of-window segment is held back (tcp_invalid_ratelimit); counts
// under `mib` then.
bool tcp_oow_rate_limited(net& net, const sk_buff* skb, TcpExtMib mib, uint32_t* last_oow_ack_time);
// PAWS (RFC 7323 5): whether the last segment's timestamp is not older than ts_recent, by more than
// `paws_win` ticks / whether the segment must go.
bool tcp_paws_check(const net& net, const tcp_options_received* rx_opt, int paws_win);
bool tcp_paws_reject(const net& net, const tcp_options_received* rx_opt, bool rst);
// ts_recent becomes the last segment's timestamp: always / where `seq` says that it may (RFC 7323
// 4.3). The latter two return FLAG_TS_PROGRESS (tcp_ack.h) or 0.
void tcp_store_ts_recent(tcp_sock* tp);
uint32_t __tcp_replace_ts_recent(tcp_sock* tp, int32_t tstamp_delta);
uint32_t tcp_replace_ts_recent(tcp_sock* tp, SeqNum seq);
// Whether a segment's window is news (RFC 9293 3.10.7.4, Linux also takes a larger or zero one of
// the same sequence number). REQUIRES: snd_una <= ack <= snd_nxt.
inline bool tcp_may_update_window(const tcp_sock* tp, SeqNum ack, SeqNum ack_seq, uint32_t nwin) {
  return ack.After(tp->snd_una) || ack_seq.After(tp->snd_wl1) ||
         (ack_seq == tp->snd_wl1 && (nwin > tp->snd_wnd || nwin == 0));
}
inline void tcp_rcv_nxt_update(tcp_sock* tp, SeqNum seq) {
  tp->bytes_received += static_cast<uint32_t>(seq - tp->rcv_nxt);
  tp->rcv_nxt = seq;
}

// --- Options. ---
// Parses all options of `skb` into `opt`; `estab`: those of SYNs do not count. Notes where SACK
// blocks are in tcp_skb_cb::sacked. `foc` may be null.
void tcp_parse_options(net& net, sk_buff* skb, tcp_options_received* opt, bool estab,
                       tcp_fastopen_cookie* foc);
// The MSS option alone, at most `user_mss` where that is not 0; 0: there is none.
uint16_t tcp_parse_mss_option(const wire::TcpHeader* th, uint16_t user_mss);
void tcp_clear_options(tcp_options_received* rx_opt);

// --- Receive queues. ---
// Appends or merges in-order data; *fragstolen: the head was merged, free it with
// kfree_skb_partial.
void tcp_data_queue(sock* sk, sk_buff* skb);
// True where `from` became part of `to`.
bool tcp_try_coalesce(sock* sk, sk_buff* to, sk_buff* from, bool* fragstolen);
void tcp_data_ready(sock* sk);
// Whether a reader who wants `target` bytes is to be woken.
bool tcp_epollin_ready(const sock* sk, int target);
// The packet is not counted with the reason alone, but with its socket.
void tcp_drop_reason(sock* sk, sk_buff* skb, DropReason reason);
// Forgets the SACK blocks to be sent.
inline void tcp_sack_reset(tcp_options_received* rx_opt) {
  rx_opt->dsack = false;
  rx_opt->num_sacks = 0;
}
bool tcp_prune_ofo_queue(sock* sk, const sk_buff* in_skb);
int tcp_try_rmem_schedule(sock* sk, const sk_buff* skb, uint32_t size);

// --- Window and buffer. ---
void tcp_initialize_rcv_mss(sock* sk);
void tcp_rcv_space_adjust(sock* sk);  // after the user has read
void tcp_init_buffer_space(sock* sk);
void tcp_rcvbuf_grow(sock* sk, uint32_t newval);
inline uint32_t tcp_receive_window(const tcp_sock* tp) {
  const int32_t win = (tp->rcv_wup + tp->rcv_wnd) - tp->rcv_nxt;
  return win < 0 ? 0 : static_cast<uint32_t>(win);
}
inline uint32_t tcp_max_receive_window(const tcp_sock* tp) {
  const int32_t win = tp->rcv_mwnd_seq - tp->rcv_nxt;
  return win < 0 ? 0 : static_cast<uint32_t>(win);
}
inline void tcp_update_max_rcv_wnd_seq(tcp_sock* tp) {
  const SeqNum edge = tp->rcv_wup + tp->rcv_wnd;
  if (edge.After(tp->rcv_mwnd_seq)) tp->rcv_mwnd_seq = edge;
}
// Buffer bytes as window bytes, and back.
inline int64_t tcp_win_from_space(const sock* sk, int64_t space) {
  return space * tcp_sk(sk)->scaling_ratio >> TCP_RMEM_TO_WIN_SCALE;
}
int64_t tcp_space_from_win(const sock* sk, int64_t win);
// Room in the receive buffer, in window bytes / the same of an empty buffer.
inline int64_t tcp_space(const sock* sk) {
  return tcp_win_from_space(sk, int64_t{sk->sk_rcvbuf} - sk->sk_backlog.len - sk->sk_rmem_alloc);
}
inline int64_t tcp_full_space(const sock* sk) { return tcp_win_from_space(sk, sk->sk_rcvbuf); }
void tcp_adjust_rcv_ssthresh(sock* sk);
bool tcp_rmem_pressure(const sock* sk);
inline bool tcp_under_memory_pressure(const sock* sk) { return sock_tcp(sk).memory.pressure; }
// Round trip that the last segment's timestamp echo shows, microseconds; -1: implausible. A
// difference of no tick counts as `min_delta`.
int32_t tcp_rtt_tsopt_us(const tcp_sock* tp, uint32_t min_delta);

// --- Acknowledging. ---
void tcp_enter_quickack_mode(sock* sk, uint32_t max_quickacks);
void tcp_dec_quickack_mode(sock* sk);
// Sends, schedules or puts off the ACK of what has just been received.
void __tcp_ack_snd_check(sock* sk, bool ofo_possible);
void tcp_send_dupack(sock* sk, const sk_buff* skb);
// compressed_ack_timer's function.
void tcp_compressed_ack_kick(HrTimer* timer);
void tcp_sack_compress_send_ack(sock* sk);
void tcp_check_space(sock* sk);     // wakes a writer that waits for memory
void tcp_data_snd_check(sock* sk);  // sends what an ACK has made possible
void tcp_sndbuf_expand(sock* sk);
// Header prediction (Van Jacobson): on where nothing unusual is expected.
void __tcp_fast_path_on(tcp_sock* tp, uint32_t snd_wnd);
void tcp_fast_path_on(tcp_sock* tp);
void tcp_fast_path_check(sock* sk);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_INPUT_H_
