// What an acknowledgment takes off the retransmission queue, and what follows from it: round trip
// samples, delivery counts, reordering, the end of an MTU probe.
#include <algorithm>

#include "stack/core/tx_timestamp.h"
#include "stack/tcp/tcp_ack_internal.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_output.h"

namespace tapedeck {
namespace {

// What one ACK has found in the queue.
struct CleanResult {
  uint32_t flag = 0;
  uint64_t first_ackt_us = 0;  // when the first and last of those were sent that were sent once
  uint64_t last_ackt_us = 0;
  SeqNum reord;  // lowest acknowledged data that was neither retransmitted nor SACKed
  uint32_t pkts_acked = 0;
  bool fully_acked = true;   // no packet was acknowledged in part
  sk_buff* first = nullptr;  // of the packets that remain
};

// So much of a packet with several segments is acknowledged; it loses them. Segments; 0 also where
// memory failed.
uint32_t tcp_tso_acked(sock* sk, sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  CHECK(TCP_SKB_CB(skb)->end_seq.After(tp->snd_una));
  const uint32_t before = tcp_skb_pcount(skb);
  const auto acked_bytes = static_cast<uint32_t>(tp->snd_una - TCP_SKB_CB(skb)->seq);
  if (tcp_trim_head(sk, skb, acked_bytes) != 0) return 0;
  CHECK_GT(tcp_skb_pcount(skb), 0U);
  return before - tcp_skb_pcount(skb);
}

// Tells a user who has asked when this packet was acknowledged (SCM_TSTAMP_ACK).
void tcp_ack_tstamp(sock* sk, sk_buff* skb, const sk_buff* ack_skb, SeqNum prior_snd_una) {
  if (!TCP_SKB_CB(skb)->txstamp_ack) return;
  const SeqNum tskey(skb_shinfo(skb)->tskey);
  if (tskey.AtOrAfter(prior_snd_una) && tskey.Before(tcp_sk(sk)->snd_una)) {
    __skb_tstamp_tx(skb, ack_skb, sk, SCM_TSTAMP_ACK);
  }
}

// Segments of the queue's next packet that are acknowledged; 0: the queue is clean.
uint32_t AckedSegments(sock* sk, sk_buff* skb, bool* fully_acked) {
  const tcp_sock* const tp = tcp_sk(sk);
  const tcp_skb_cb* const scb = TCP_SKB_CB(skb);
  if (scb->end_seq.AtOrBefore(tp->snd_una)) return tcp_skb_pcount(skb);
  if (tcp_skb_pcount(skb) == 1 || tp->snd_una.AtOrBefore(scb->seq)) return 0;
  const uint32_t acked = tcp_tso_acked(sk, skb);
  if (acked != 0) *fully_acked = false;
  return acked;
}

// Counters and samples for `acked_pcount` segments of `skb`, which started at `start_seq`.
void AccountAcked(sock* sk, sk_buff* skb, SeqNum start_seq, uint32_t acked_pcount,
                  tcp_sacktag_state* sack, bool ece_ack, CleanResult* result) {
  tcp_sock* const tp = tcp_sk(sk);
  const tcp_skb_cb* const scb = TCP_SKB_CB(skb);
  const uint8_t sacked = scb->sacked;
  const bool was_sacked = (sacked & TCPCB_SACKED_ACKED) != 0;
  if ((sacked & TCPCB_RETRANS) != 0) {
    if ((sacked & TCPCB_SACKED_RETRANS) != 0) tp->retrans_out -= acked_pcount;
    result->flag |= FLAG_RETRANS_DATA_ACKED;
  } else if (!was_sacked) {
    result->last_ackt_us = tcp_skb_timestamp_us(skb);
    if (result->first_ackt_us == 0) result->first_ackt_us = result->last_ackt_us;
    result->reord = SeqMin(result->reord, start_seq);
    if (scb->end_seq.AtOrBefore(tp->high_seq)) result->flag |= FLAG_ORIG_SACK_ACKED;
  }

  if (was_sacked) {
    tp->sacked_out -= acked_pcount;
    sack->delivered_bytes -= skb->len;
  } else if (tcp_is_sack(tp)) {
    tcp_count_delivered(tp, acked_pcount, ece_ack);
    if (!tcp_skb_spurious_retrans(tp, skb)) {
      tcp_rack_advance(tp, sacked, scb->end_seq, tcp_skb_timestamp_us(skb));
    }
  }
  if ((sacked & TCPCB_LOST) != 0) tp->lost_out -= acked_pcount;
  tp->packets_out -= acked_pcount;
  result->pkts_acked += acked_pcount;
  tcp_rate_skb_delivered(sk, skb, sack->rate);

  // A SYN is no data: counting it would let slow start begin a packet too early.
  if ((scb->tcp_flags & TCPHDR_SYN) == 0) {
    result->flag |= FLAG_DATA_ACKED;
  } else {
    result->flag |= FLAG_SYN_ACKED;
    tp->retrans_stamp = 0;
  }
}

CleanResult FreeAcked(sock* sk, const sk_buff* ack_skb, SeqNum prior_snd_una,
                      tcp_sacktag_state* sack, bool ece_ack) {
  tcp_sock* const tp = tcp_sk(sk);
  CleanResult result;
  result.reord = tp->snd_nxt;
  sk_buff* skb = tcp_rtx_queue_head(sk);
  while (skb != nullptr) {
    const SeqNum start_seq = TCP_SKB_CB(skb)->seq;
    const uint32_t acked_pcount = AckedSegments(sk, skb, &result.fully_acked);
    if (acked_pcount == 0) break;
    AccountAcked(sk, skb, start_seq, acked_pcount, sack, ece_ack, &result);
    if (!result.fully_acked) break;

    tcp_ack_tstamp(sk, skb, ack_skb, prior_snd_una);
    sk_buff* const next = skb_rb_next(skb);
    if (skb == tp->retransmit_skb_hint) tp->retransmit_skb_hint = nullptr;
    tcp_highest_sack_replace(sk, skb, next);
    tcp_rtx_queue_unlink_and_free(skb, sk);
    skb = next;
  }
  result.first = skb;
  return result;
}

// A single small segment, nothing unusual about it, and nothing else was in flight: its ACK may
// have been held back by a delayed-ACK timer.
bool MaybeDelayed(const tcp_sock* tp, const CleanResult& result, SeqNum prior_snd_una,
                  uint32_t prior_sacked, const rate_sample& rs) {
  return result.pkts_acked == 1 && result.fully_acked && prior_sacked == 0 &&
         static_cast<uint32_t>(tp->snd_una - prior_snd_una) < tp->mss_cache &&
         rs.prior_delivered + 1 == tp->delivered &&
         (result.flag & (FLAG_CA_ALERT | FLAG_SYN_ACKED)) == 0;
}

// What an ACK of new data brings beside its round trip.
void AfterProgress(sock* sk, SeqNum prior_fack, bool ece_ack, CleanResult* result) {
  tcp_sock* const tp = tcp_sk(sk);
  result->flag |= FLAG_SET_XMIT_TIMER;
  if (tp->icsk_mtup.probe_size != 0 && tp->mtu_probe.probe_seq_end.AtOrBefore(tp->snd_una)) {
    tcp_mtup_probe_success(sk);
  }
  if (tcp_is_reno(tp)) {
    tcp_remove_reno_sacks(sk, result->pkts_acked, ece_ack);
    // Without SACK nobody knows which of them the original transmissions brought.
    if ((result->flag & FLAG_RETRANS_DATA_ACKED) != 0) result->flag &= ~FLAG_ORIG_SACK_ACKED;
  } else if (result->reord.Before(prior_fack)) {
    tcp_check_sack_reordering(sk, result->reord, false);  // a hole filled itself
  }
}

void NotifyPktsAcked(sock* sk, uint32_t pkts_acked, const rate_sample& rs) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (tp->icsk_ca_ops->pkts_acked == nullptr) return;
  const ack_sample sample = {
      .pkts_acked = pkts_acked,
      .rtt_us = static_cast<int32_t>(rs.rtt_us),
      .in_flight = tp->mss_cache * (tp->delivered - rs.prior_delivered),
  };
  tp->icsk_ca_ops->pkts_acked(sk, &sample);
}

}  // namespace

uint32_t tcp_clean_rtx_queue(sock* sk, const sk_buff* ack_skb, SeqNum prior_fack,
                             SeqNum prior_snd_una, tcp_sacktag_state* sack, bool ece_ack) {
  tcp_sock* const tp = tcp_sk(sk);
  const uint32_t prior_sacked = tp->sacked_out;
  const auto since_us = [tp](uint64_t stamp_us) {
    return int64_t{tcp_stamp_us_delta(tp->tcp_mstamp_us, stamp_us)};
  };
  CleanResult result = FreeAcked(sk, ack_skb, prior_snd_una, sack, ece_ack);
  sk_buff* const first = result.first;
  if (first == nullptr) tcp_chrono_stop(sk, TCP_CHRONO_BUSY);
  if (tp->snd_up.Between(prior_snd_una, tp->snd_una)) tp->snd_up = tp->snd_una;
  if (first != nullptr) {
    tcp_ack_tstamp(sk, first, ack_skb, prior_snd_una);
    if ((TCP_SKB_CB(first)->sacked & TCPCB_SACKED_ACKED) != 0) result.flag |= FLAG_SACK_RENEGING;
  }

  int64_t seq_rtt_us = -1;
  int64_t sack_rtt_us = -1;
  int64_t ca_rtt_us = -1;
  if (result.first_ackt_us != 0 && (result.flag & FLAG_RETRANS_DATA_ACKED) == 0) {
    seq_rtt_us = since_us(result.first_ackt_us);
    ca_rtt_us = since_us(result.last_ackt_us);
    if (MaybeDelayed(tp, result, prior_snd_una, prior_sacked, *sack->rate)) {
      result.flag |= FLAG_ACK_MAYBE_DELAYED;
    }
  }
  if (sack->first_sackt_us != 0) {
    sack_rtt_us = since_us(sack->first_sackt_us);
    ca_rtt_us = since_us(sack->last_sackt_us);
  }
  const bool rtt_update =
      tcp_ack_update_rtt(sk, result.flag, seq_rtt_us, sack_rtt_us, ca_rtt_us, sack->rate);

  if ((result.flag & FLAG_ACKED) != 0) {
    AfterProgress(sk, prior_fack, ece_ack, &result);
    const SeqNum left_edge = first != nullptr ? TCP_SKB_CB(first)->seq : tp->snd_una;
    sack->delivered_bytes = static_cast<uint32_t>(left_edge - prior_snd_una);
  } else if (first != nullptr && rtt_update && sack_rtt_us >= 0 &&
             sack_rtt_us > since_us(tcp_skb_timestamp_us(first))) {
    // SACKs of what was sent before the head was sent again. SACKs of later data must not keep
    // putting the timeout off.
    result.flag |= FLAG_SET_XMIT_TIMER;
  }
  NotifyPktsAcked(sk, result.pkts_acked, *sack->rate);
  return result.flag;
}

}  // namespace tapedeck
