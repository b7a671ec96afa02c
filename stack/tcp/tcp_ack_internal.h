// What the files of the ACK path share among themselves. Not for others: see tcp_ack.h.
#ifndef TAPEDECK_STACK_TCP_TCP_ACK_INTERNAL_H_
#define TAPEDECK_STACK_TCP_TCP_ACK_INTERNAL_H_

#include <cstdint>

#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_ecn.h"

namespace tapedeck {

// What one ACK's SACK blocks have told.
struct tcp_sacktag_state {
  explicit tcp_sacktag_state(rate_sample* its_rate) : rate(its_rate) {}

  // When the earliest and the latest of the newly SACKed, never retransmitted segments were sent;
  // 0: there was none. The RTO takes the earlier, being careful, congestion control the later.
  uint64_t first_sackt_us = 0;
  uint64_t last_sackt_us = 0;
  SeqNum reord;  // lowest newly SACKed, never retransmitted data below what was SACKed before
  uint32_t sack_delivered = 0;   // packets
  uint32_t delivered_bytes = 0;  // modulo 2^32 until tcp_clean_rtx_queue is through
  uint32_t flag = 0;             // FLAG_*
  rate_sample* rate;
};

// A SACK option's blocks, oldest information last, as they lie in the segment.
struct tcp_sack_list {
  tcp_sack_block block[kTcpNumSacks];
  int count = 0;
};

// What tcp_ack does about losses once the window is known (tcp_xmit_recovery).
enum class tcp_rexmit : uint8_t {
  kNone,
  kLost,  // sends what is marked lost
  kNew,   // F-RTO: sends new data
};

// Promise of the counters (RFC 6675's pipe cannot be negative).
inline void tcp_verify_left_out(const tcp_sock* tp) { CHECK_LE(tcp_left_out(tp), tp->packets_out); }

// Bytes of one segment of the packet; where it is only one, tcp_gso_size may be 0.
inline uint32_t tcp_skb_seglen(const sk_buff* skb) {
  return tcp_skb_pcount(skb) == 1 ? skb->len : tcp_skb_mss(skb);
}

// `delivered` packets more are known to have arrived; with RFC 3168's ECE, each of them marked.
inline void tcp_count_delivered(tcp_sock* tp, uint32_t delivered, bool ece_ack) {
  tp->delivered += delivered;
  if (ece_ack && tcp_ecn_mode_rfc3168(tp)) tp->delivered_ce += delivered;
}

// --- tcp_sacktag.cc, tcp_dsack.cc, tcp_sack_shift.cc. ---

// Tags the retransmission queue by the SACK option of `ack_skb`; FLAG_*.
uint32_t tcp_sacktag_write_queue(sock* sk, const sk_buff* ack_skb, SeqNum prior_snd_una,
                                 tcp_sacktag_state* state);
// Whether the first block reports a duplicate (RFC 2883), which is counted then.
bool tcp_check_dsack(sock* sk, const sk_buff* ack_skb, const tcp_sack_list& sacks,
                     SeqNum prior_snd_una, tcp_sacktag_state* state);
// Whether a block lies where it can; of D-SACKs, where it can still matter.
bool tcp_is_sackblock_valid(const tcp_sock* tp, bool is_dsack, const tcp_sack_block& block);
// `pcount` segments [start_seq, end_seq) of a packet tagged `sacked` are SACKed: adjusts the
// counters and returns the packet's tags.
uint8_t tcp_sacktag_one(sock* sk, tcp_sacktag_state* state, uint8_t sacked, SeqNum start_seq,
                        SeqNum end_seq, bool dup_sack, uint32_t pcount, uint32_t plen,
                        uint64_t xmit_time_us);
// Merges what `block` SACKs of `skb` into the SACKed packet before it. The packet to go on behind:
// the one before, or `skb` where the block does not touch it; nullptr: it could not be merged.
sk_buff* tcp_shift_skb_data(sock* sk, sk_buff* skb, tcp_sacktag_state* state,
                            const tcp_sack_block& block, bool dup_sack);

// --- tcp_clean_rtx.cc. ---

// Takes off the queue what snd_una has passed, with all that follows from it; FLAG_*.
uint32_t tcp_clean_rtx_queue(sock* sk, const sk_buff* ack_skb, SeqNum prior_fack,
                             SeqNum prior_snd_una, tcp_sacktag_state* sack, bool ece_ack);

// --- tcp_reno_sack.cc: duplicate ACKs stand for SACKs. ---

void tcp_add_reno_sack(sock* sk, uint32_t num_dupack, bool ece_ack);
void tcp_remove_reno_sacks(sock* sk, uint32_t acked, bool ece_ack);
// Keeps sacked_out and lost_out together within packets_out; whether that had to be done.
bool tcp_limit_reno_sacked(tcp_sock* tp);
inline void tcp_reset_reno_sack(tcp_sock* tp) { tp->sacked_out = 0; }

// --- tcp_fastretrans.cc, tcp_undo.cc. ---

void tcp_fastretrans_alert(sock* sk, SeqNum prior_snd_una, uint32_t num_dupack, uint32_t* ack_flag,
                           tcp_rexmit* rexmit);
void tcp_try_keep_open(sock* sk);
void tcp_init_undo(tcp_sock* tp);
// Whether anything in the queue has ever been retransmitted, as far as its head shows.
bool tcp_any_retrans_done(const sock* sk);
// Whether `skb`'s retransmission was needless, by the echoed timestamp.
bool tcp_skb_spurious_retrans(const tcp_sock* tp, const sk_buff* skb);
// Each returns whether it undid something.
bool tcp_try_undo_dsack(sock* sk);
bool tcp_try_undo_loss(sock* sk, bool frto_undo);
// After a partial ACK in Recovery. True: nothing more may be marked lost or sent again for now.
bool tcp_try_undo_partial(sock* sk, SeqNum prior_snd_una);

// --- tcp_cwnd_reduction.cc. ---

void tcp_end_cwnd_reduction(sock* sk);
void tcp_mtup_probe_failed(sock* sk);
void tcp_mtup_probe_success(sock* sk);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_ACK_INTERNAL_H_
