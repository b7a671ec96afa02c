// What an acknowledgment does (the sender's half of net/ipv4/tcp_input.c): SACK tagging, round trip
// estimates, loss detection and recovery, undo, F-RTO, PRR, and the congestion window.
// Files: tcp_ack.cc (tcp_ack, windows), tcp_clean_rtx.cc (what is acknowledged leaves the queue),
// tcp_sacktag.cc, tcp_sack_shift.cc, tcp_dsack.cc, tcp_rtt.cc, tcp_recovery.cc (RACK,
// net/ipv4/tcp_recovery.c), tcp_fastretrans.cc (the state machine), tcp_undo.cc, tcp_loss.cc
// (marks, Loss state), tcp_reno_sack.cc, tcp_cwnd_reduction.cc (PRR, CWR, MTU probes), tcp_rate.cc.
// What these share among themselves: tcp_ack_internal.h.
#ifndef TAPEDECK_STACK_TCP_TCP_ACK_H_
#define TAPEDECK_STACK_TCP_TCP_ACK_H_

#include <cstdint>

#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

// What tcp_ack has found out about a segment.
enum : uint32_t {
  FLAG_DATA = 0x01,
  FLAG_WIN_UPDATE = 0x02,
  FLAG_DATA_ACKED = 0x04,
  FLAG_RETRANS_DATA_ACKED = 0x08,
  FLAG_SYN_ACKED = 0x10,
  FLAG_DATA_SACKED = 0x20,
  FLAG_ECE = 0x40,
  FLAG_LOST_RETRANS = 0x80,
  FLAG_SLOWPATH = 0x100,
  FLAG_ORIG_SACK_ACKED = 0x200,
  FLAG_SND_UNA_ADVANCED = 0x400,
  FLAG_DSACKING_ACK = 0x800,
  FLAG_SET_XMIT_TIMER = 0x1000,
  FLAG_SACK_RENEGING = 0x2000,
  FLAG_UPDATE_TS_RECENT = 0x4000,
  FLAG_NO_CHALLENGE_ACK = 0x8000,
  FLAG_ACK_MAYBE_DELAYED = 0x10000,
  FLAG_DSACK_TLP = 0x20000,
  FLAG_TS_PROGRESS = 0x40000,
  FLAG_ACKED = FLAG_DATA_ACKED | FLAG_SYN_ACKED,
  FLAG_NOT_DUP = FLAG_DATA | FLAG_WIN_UPDATE | FLAG_ACKED,
  FLAG_CA_ALERT = FLAG_DATA_SACKED | FLAG_ECE | FLAG_DSACKING_ACK,
  FLAG_FORWARD_PROGRESS = FLAG_ACKED | FLAG_DATA_SACKED,
};

// Processes the ACK of a segment. 1: in order; 0: old or duplicate; below zero: minus a DropReason,
// the segment is to be dropped (tcp_ack).
int tcp_ack(sock* sk, const sk_buff* skb, uint32_t flag);

// --- Round trip (RFC 6298; tcp_rtt.cc). ---
// Takes a measurement in: SYN-ACK's, and whatever the ACK path finds. microseconds, -1: none.
void tcp_rtt_estimator(sock* sk, int64_t mrtt_us);
void tcp_set_rto(sock* sk);
uint32_t __tcp_set_rto(const tcp_sock* tp);  // jiffies, not bounded
void tcp_bound_rto(sock* sk);
uint32_t tcp_rto_min(const sock* sk);  // jiffies
uint32_t tcp_rto_min_us(const sock* sk);
uint32_t tcp_rto_max(const sock* sk);  // jiffies
// Microseconds from now until the retransmission timer of the queue's head is due; may be negative.
int64_t tcp_rto_delta_us(const sock* sk);
void tcp_synack_rtt_meas(sock* sk, request_sock* req);
void tcp_update_rtt_min(sock* sk, uint32_t rtt_us, uint32_t flag);
bool tcp_ack_update_rtt(sock* sk, uint32_t flag, int64_t seq_rtt_us, int64_t sack_rtt_us,
                        int64_t ca_rtt_us, rate_sample* rs);
void tcp_update_pacing_rate(sock* sk);

// --- Recovery (tcp_fastretrans.cc). ---
void tcp_enter_loss(sock* sk);
void tcp_enter_recovery(sock* sk, bool ece_ack);
void tcp_enter_cwr(sock* sk);
void tcp_init_cwnd_reduction(sock* sk);
void tcp_cwnd_reduction(sock* sk, uint32_t newly_acked_sacked, uint32_t newly_lost, uint32_t flag);
void tcp_simple_retransmit(sock* sk);
// Retransmits what is marked lost for another reason than congestion (path MTU, a fast open SYN
// without its data): the window stays.
void tcp_non_congestion_loss_retransmit(sock* sk);
// All of the recovery's data is acknowledged: undoes the reduction where it was for nothing, and
// ends it. True where (without SACK) the state has to be kept until more is acknowledged.
bool tcp_try_undo_recovery(sock* sk);
// Forgets when the first retransmission was where none is outstanding.
void tcp_retrans_stamp_cleanup(sock* sk);
// Ends the count of time spent in timeouts (TCP_INFO).
void tcp_update_rto_time(tcp_sock* tp);
void tcp_clear_retrans(tcp_sock* tp);
void tcp_mark_skb_lost(sock* sk, sk_buff* skb);
void tcp_check_sack_reordering(sock* sk, SeqNum low_seq, bool ts);
// Re-arms the retransmission timer after an ACK (RFC 6298 5.3).
void tcp_rearm_rto(sock* sk);
uint32_t tcp_init_cwnd(const tcp_sock* tp, const dst_entry* dst);

// --- RACK (RFC 8985; tcp_recovery.cc). ---
// sysctl net/ipv4/tcp_recovery.
enum : int32_t {
  TCP_RACK_LOSS_DETECTION = 1,
  TCP_RACK_STATIC_REO_WND = 2,
  TCP_RACK_NO_DUPTHRESH = 4,
};
// Recoveries for which a reordering window grown by a D-SACK is kept.
inline constexpr uint8_t TCP_RACK_RECOVERY_THRESH = 16;
bool tcp_rack_mark_lost(sock* sk);
void tcp_rack_reo_timeout(sock* sk);
void tcp_newreno_mark_lost(sock* sk, bool snd_una_advanced);
void tcp_rack_advance(tcp_sock* tp, uint8_t sacked, SeqNum end_seq, uint64_t xmit_time_us);
void tcp_rack_update_reo_wnd(sock* sk, const rate_sample* rs);
int32_t tcp_rack_skb_timeout(tcp_sock* tp, sk_buff* skb, uint32_t reo_wnd_us);
// Whether (t1, seq1) was sent after (t2, seq2).
inline bool tcp_skb_sent_after(uint64_t t1_us, uint64_t t2_us, SeqNum seq1, SeqNum seq2) {
  return t1_us > t2_us || (t1_us == t2_us && seq1.After(seq2));
}

// --- Delivery rates (tcp_rate.cc). ---
void tcp_rate_skb_sent(sock* sk, sk_buff* skb);
void tcp_rate_skb_delivered(sock* sk, sk_buff* skb, rate_sample* rs);
void tcp_rate_gen(sock* sk, uint32_t delivered, uint32_t lost, bool is_sack_reneg, rate_sample* rs);
void tcp_rate_check_app_limited(sock* sk);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_ACK_H_
