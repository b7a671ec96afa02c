// RACK (RFC 8985): a packet is lost when one that was sent later has arrived and a reordering
// window has passed since. It takes retransmissions and originals alike, and needs no count of
// duplicate ACKs. And NewReno's rule (RFC 6582) for connections without SACK.
#include <algorithm>

#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_ack_internal.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_output.h"

namespace tapedeck {
namespace {

// How long a packet may be overtaken, microseconds. Without reordering ever seen: not at all in
// recovery, or where so many SACKs speak of a loss. Else a quarter of the smallest round trip, more
// after D-SACKs, at most the smoothed round trip.
uint32_t tcp_rack_reo_wnd(const sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (tp->reord_seen == 0) {
    if (tp->icsk_ca_state >= TCP_CA_Recovery) return 0;
    const bool by_count = (tcp_sysctl(sk).recovery & TCP_RACK_NO_DUPTHRESH) == 0;
    if (by_count && tp->sacked_out >= tp->reordering) return 0;
  }
  return std::min((tcp_min_rtt(tp) >> 2) * tp->rack.reo_wnd_steps, tp->srtt_us >> 3);
}

// Marks what is lost. Returns after how many microseconds the last of those is due that are only
// late so far; 0: there are none.
uint32_t tcp_rack_detect_loss(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  const uint32_t reo_wnd_us = tcp_rack_reo_wnd(sk);
  uint32_t reo_timeout_us = 0;
  sk_buff* next = nullptr;
  for (sk_buff* skb = tp->tsorted_sent_queue.first; skb != nullptr; skb = next) {
    next = skb->tsorted_next;
    const tcp_skb_cb* const scb = TCP_SKB_CB(skb);
    // Lost already, and not sent again yet.
    if ((scb->sacked & TCPCB_LOST) != 0 && (scb->sacked & TCPCB_SACKED_RETRANS) == 0) continue;
    // The list is in the order of sending: from here on nothing has been overtaken.
    if (!tcp_skb_sent_after(tp->rack.mstamp_us, tcp_skb_timestamp_us(skb), tp->rack.end_seq,
                            scb->end_seq)) {
      break;
    }
    const int32_t remaining_us = tcp_rack_skb_timeout(tp, skb, reo_wnd_us);
    if (remaining_us <= 0) {
      tcp_mark_skb_lost(sk, skb);
      tcp_tsorted_del(tp, skb);
    } else {
      reo_timeout_us = std::max(reo_timeout_us, static_cast<uint32_t>(remaining_us));
    }
  }
  return reo_timeout_us;
}

}  // namespace

int32_t tcp_rack_skb_timeout(tcp_sock* tp, sk_buff* skb, uint32_t reo_wnd_us) {
  const uint32_t age_us = tcp_stamp_us_delta(tp->tcp_mstamp_us, tcp_skb_timestamp_us(skb));
  return static_cast<int32_t>(tp->rack.rtt_us + reo_wnd_us - age_us);
}

bool tcp_rack_mark_lost(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (!tp->rack.advanced) return false;
  tp->rack.advanced = false;  // no second walk for the same news
  const uint32_t timeout_us = tcp_rack_detect_loss(sk);
  if (timeout_us == 0) return false;
  inet_csk_reset_xmit_timer(sk, ICSK_TIME_REO_TIMEOUT,
                            usecs_to_jiffies(sk, uint64_t{timeout_us} + TCP_TIMEOUT_MIN_US),
                            tp->icsk_rto);
  return true;
}

// The reordering window has passed.
void tcp_rack_reo_timeout(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  const uint32_t lost = tp->lost;
  const uint32_t prior_inflight = tcp_packets_in_flight(tp);
  tcp_rack_detect_loss(sk);
  if (prior_inflight != tcp_packets_in_flight(tp)) {
    if (tp->icsk_ca_state != TCP_CA_Recovery) {
      tcp_enter_recovery(sk, false);
      if (tp->icsk_ca_ops->cong_control == nullptr) tcp_cwnd_reduction(sk, 1, tp->lost - lost, 0);
    }
    tcp_xmit_retransmit_queue(sk);
  }
  if (tp->icsk_pending != ICSK_TIME_RETRANS) tcp_rearm_rto(sk);
}

void tcp_rack_advance(tcp_sock* tp, uint8_t sacked, SeqNum end_seq, uint64_t xmit_time_us) {
  const uint32_t rtt_us = tcp_stamp_us_delta(tp->tcp_mstamp_us, xmit_time_us);
  // Too early for the retransmission: it was an earlier transmission that arrived.
  if (rtt_us < tcp_min_rtt(tp) && (sacked & TCPCB_RETRANS) != 0) return;
  tp->rack.advanced = true;
  tp->rack.rtt_us = rtt_us;
  if (tcp_skb_sent_after(xmit_time_us, tp->rack.mstamp_us, end_seq, tp->rack.end_seq)) {
    tp->rack.mstamp_us = xmit_time_us;
    tp->rack.end_seq = end_seq;
  }
}

// RFC 8985 6.2 step 4: a D-SACK widens the window by a step, once per round trip; after 16
// recoveries without one it goes back to the first.
void tcp_rack_update_reo_wnd(sock* sk, const rate_sample* rs) {
  tcp_sock* const tp = tcp_sk(sk);
  const bool fixed = (tcp_sysctl(sk).recovery & TCP_RACK_STATIC_REO_WND) != 0;
  if (fixed || rs->prior_delivered == 0) return;
  const bool round_trip_over =
      static_cast<int32_t>(rs->prior_delivered - tp->rack.last_delivered) >= 0;
  if (!round_trip_over) tp->rack.dsack_seen = false;

  if (tp->rack.dsack_seen) {
    if (tp->rack.reo_wnd_steps < UINT8_MAX) ++tp->rack.reo_wnd_steps;
    tp->rack.dsack_seen = false;
    tp->rack.last_delivered = tp->delivered;
    tp->rack.reo_wnd_persist = TCP_RACK_RECOVERY_THRESH;
  } else if (tp->rack.reo_wnd_persist == 0) {
    tp->rack.reo_wnd_steps = 1;
  }
}

// The head is lost after the third duplicate ACK, and again with each partial ACK of the recovery.
void tcp_newreno_mark_lost(sock* sk, bool snd_una_advanced) {
  tcp_sock* const tp = tcp_sk(sk);
  const bool by_dupacks = tp->icsk_ca_state < TCP_CA_Recovery && tp->sacked_out >= tp->reordering;
  const bool by_partial_ack = tp->icsk_ca_state == TCP_CA_Recovery && snd_una_advanced;
  if (!by_dupacks && !by_partial_ack) return;

  sk_buff* const skb = tcp_rtx_queue_head(sk);
  if ((TCP_SKB_CB(skb)->sacked & TCPCB_LOST) != 0) return;
  // One segment; where splitting fails for want of memory, the whole packet, of which some may have
  // been counted as arrived.
  const uint32_t mss = tcp_skb_mss(skb);
  if (tcp_skb_pcount(skb) > 1 && skb->len > mss) {
    static_cast<void>(tcp_fragment(sk, tcp_queue::kRtx, skb, mss, mss));
  }
  tcp_mark_skb_lost(sk, skb);
  tcp_limit_reno_sacked(tp);
}

}  // namespace tapedeck
