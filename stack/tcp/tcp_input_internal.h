// What the files of the receive path share among themselves (see tcp_input.h). Not for others.
#ifndef TAPEDECK_STACK_TCP_TCP_INPUT_INTERNAL_H_
#define TAPEDECK_STACK_TCP_TCP_INPUT_INTERNAL_H_

#include <algorithm>
#include <cstdint>

#include "stack/base/drop_reason.h"
#include "stack/core/dst.h"
#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

// --- Segment header. ---

// Bytes 12..15: data offset, flags and window, as tcp_sock::pred_flags.
inline uint32_t tcp_flag_word(const wire::TcpHeader* th) {
  return uint32_t{th->doff_flags.host()} << 16 | th->window.host();
}
inline constexpr uint32_t kTcpFlagWordShift = 16;

// --- Checks and options. ---

// PAWS, sequence number, RST and SYN (RFC 9293 3.10.7.4 first to fourth check, RFC 5961). False:
// the segment has been dealt with. `syn_inerr`: a SYN counts as an error.
bool tcp_validate_incoming(sock* sk, sk_buff* skb, const wire::TcpHeader* th, bool syn_inerr);
// Options of an established connection's segment. False where it has none.
bool tcp_fast_parse_options(tcp_sock* tp, sk_buff* skb, const wire::TcpHeader* th);
// The timestamp, where it is the only option and lies as everybody writes it.
bool tcp_parse_aligned_timestamp(tcp_sock* tp, const wire::TcpHeader* th);
// Why a segment that fails PAWS is to be dropped. CONSUMED: it may pass, being a reordered ACK that
// changes nothing.
DropReason tcp_disordered_ack_check(const sock* sk, const sk_buff* skb);
// A SYN or SYN-ACK that timed out needlessly: forgets that it did.
void tcp_try_undo_spurious_syn(tcp_sock* tp);
// A segment for a connection in SYN-SENT.
enum class SynSentOutcome : uint8_t {
  kConsumed,
  kContinue,  // established; its urgent data and our pending data are still to do
  kReset,     // the caller's, who answers with a reset
};
SynSentOutcome tcp_rcv_synsent_state_process(sock* sk, sk_buff* skb, const wire::TcpHeader* th,
                                             DropReason* reason);

// --- Queues. ---

// The trace's word that the segment's data is queued, or that it did what it came for.
void tcp_trace_deliver(const sock* sk, const sk_buff* skb);
// Frees a segment that did: an acknowledgement, a SYN, a valid RST.
void tcp_consume_segment(const sock* sk, sk_buff* skb);
// A queued packet needs its route no more.
inline void tcp_cleanup_skb(sk_buff* skb) { skb_dst_drop(skb); }
// Puts in-order data at the end of the receive queue. True where it was merged with the last packet
// there: the caller frees `skb` with kfree_skb_partial.
bool tcp_queue_rcv(sock* sk, sk_buff* skb, bool* fragstolen);
void tcp_data_queue_ofo(sock* sk, sk_buff* skb);
// Moves what has become in-order from the out-of-order queue.
void tcp_ofo_queue(sock* sk);
inline bool tcp_can_ingest(const sock* sk) { return sk->sk_rmem_alloc <= sk->sk_rcvbuf; }
// Brings the queues within sk_rcvbuf. Below zero: in vain, drop what comes.
int tcp_prune_queue(sock* sk, const sk_buff* in_skb);
// Urgent data of a segment with `th` at skb->data.
void tcp_urg(sock* sk, sk_buff* skb, const wire::TcpHeader* th);

// --- SACK blocks to send (RFC 2018, RFC 2883). ---
void tcp_dsack_set(sock* sk, SeqNum seq, SeqNum end_seq);
void tcp_dsack_extend(sock* sk, SeqNum seq, SeqNum end_seq);
void tcp_sack_new_ofo_skb(sock* sk, SeqNum seq, SeqNum end_seq);
void tcp_sack_remove(tcp_sock* tp);
// Remembers by which flow label data came. IPv6.
void tcp_save_lrcv_flowlabel(sock* sk, const sk_buff* skb);
// Data that was received before has come again. Where it has come by another flow label, the peer
// seems not to hear the ACKs: they take another path.
void tcp_rcv_spurious_retrans(sock* sk, const sk_buff* skb);

// --- Window and buffer. ---
void tcp_event_data_recv(sock* sk, sk_buff* skb);
void tcp_measure_rcv_mss(sock* sk, const sk_buff* skb);
// `adjust`: the packet's buffer may be given up by merging.
void tcp_grow_window(sock* sk, const sk_buff* skb, bool adjust);
void tcp_clamp_window(sock* sk);
void tcp_rcv_rtt_measure(tcp_sock* tp);
void tcp_rcv_rtt_measure_ts(sock* sk, const sk_buff* skb);
// What SO_RESERVE_MEM has set aside and nothing uses yet, bytes.
inline int32_t sk_unused_reserved_mem(const sock* sk) {
  if (sk->sk_reserved_mem == 0) return 0;
  const int64_t unused = int64_t{sk->sk_reserved_mem} - sk->sk_wmem_queued - sk_rmem_alloc_get(sk);
  return static_cast<int32_t>(std::max<int64_t>(unused, 0));
}

// --- Acknowledging. ---
void tcp_incr_quickack(sock* sk, uint32_t max_quickacks);
void tcp_ack_snd_check(sock* sk);
void tcp_send_ack_reflect_ect(sock* sk, bool accecn_reflector);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_INPUT_INTERNAL_H_
