// How fast the network delivers (draft-cheng-iccrg-delivery-rate-estimation): each packet remembers
// what had been delivered when it was sent; its ACK makes a sample of the difference. The sample's
// interval is the longer of the times that sending and acknowledging took, so that ACKs which come
// compressed do not overestimate it.
#include <algorithm>

#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"

namespace tapedeck {
namespace {

constexpr uint32_t kDeliveredCeMask = (1U << 20) - 1;  // TCPCB_DELIVERED_CE_MASK: tx.delivered_ce

// Keeps the last sample that the application did not limit, or the best one that it did.
void RecordRate(tcp_sock* tp, const rate_sample& rs) {
  const auto delivered = static_cast<uint64_t>(rs.delivered);
  const auto interval_us = static_cast<uint64_t>(rs.interval_us);
  if (rs.is_app_limited &&
      delivered * tp->rate_interval_us < uint64_t{tp->rate_delivered} * interval_us) {
    return;
  }
  tp->rate_delivered = static_cast<uint32_t>(delivered);
  tp->rate_interval_us = static_cast<uint32_t>(interval_us);
  tp->rate_app_limited = rs.is_app_limited;
}

}  // namespace

void tcp_rate_skb_sent(sock* sk, sk_buff* skb) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->packets_out == 0) {
    // Nothing is in flight: what is acknowledged from now on was delivered from now on. packets_out
    // and not packets in flight, which a needless timeout makes 0.
    tp->first_tx_mstamp_us = tp->delivered_mstamp_us = tcp_skb_timestamp_us(skb);
  }
  auto& tx = TCP_SKB_CB(skb)->tx;
  tx.first_tx_mstamp_us = tp->first_tx_mstamp_us;
  tx.delivered_mstamp_us = tp->delivered_mstamp_us;
  tx.delivered = tp->delivered;
  tx.delivered_ce = tp->delivered_ce & kDeliveredCeMask;
  tx.is_app_limited = tp->app_limited != 0;
}

void tcp_rate_skb_delivered(sock* sk, sk_buff* skb, rate_sample* rs) {
  tcp_sock* const tp = tcp_sk(sk);
  tcp_skb_cb* const scb = TCP_SKB_CB(skb);
  if (scb->tx.delivered_mstamp_us == 0) return;
  const uint64_t tx_tstamp_us = tcp_skb_timestamp_us(skb);
  // Of all that one ACK acknowledges, what was sent last makes the sample.
  if (rs->prior_delivered == 0 ||
      tcp_skb_sent_after(tx_tstamp_us, tp->first_tx_mstamp_us, scb->end_seq, rs->last_end_seq)) {
    rs->prior_delivered_ce = scb->tx.delivered_ce;
    rs->prior_delivered = scb->tx.delivered;
    rs->prior_mstamp_us = scb->tx.delivered_mstamp_us;
    rs->is_app_limited = scb->tx.is_app_limited;
    rs->is_retrans = (scb->sacked & TCPCB_RETRANS) != 0;
    rs->last_end_seq = scb->end_seq;
    tp->first_tx_mstamp_us = tx_tstamp_us;
    rs->interval_us = tcp_stamp_us_delta(tx_tstamp_us, scb->tx.first_tx_mstamp_us);
  }
  // A SACKed packet must not make another sample when it is acknowledged.
  if ((scb->sacked & TCPCB_SACKED_ACKED) != 0) scb->tx.delivered_mstamp_us = 0;
}

void tcp_rate_gen(sock* sk, uint32_t delivered, uint32_t lost, bool is_sack_reneg,
                  rate_sample* rs) {
  tcp_sock* const tp = tcp_sk(sk);
  const bool bubble_is_gone = static_cast<int32_t>(tp->app_limited - tp->delivered) < 0;
  if (tp->app_limited != 0 && bubble_is_gone) tp->app_limited = 0;
  if (delivered != 0) tp->delivered_mstamp_us = tp->tcp_mstamp_us;

  rs->acked_sacked = delivered;
  rs->losses = static_cast<int32_t>(lost);
  // After reneging, packets would count that were SACKed long before.
  if (rs->prior_mstamp_us == 0 || is_sack_reneg) {
    rs->delivered = -1;
    rs->interval_us = -1;
    return;
  }
  rs->delivered = static_cast<int32_t>(tp->delivered - rs->prior_delivered);
  rs->delivered_ce =
      static_cast<int32_t>((tp->delivered_ce - rs->prior_delivered_ce) & kDeliveredCeMask);

  const auto snd_us = static_cast<uint32_t>(rs->interval_us);
  const uint32_t ack_us = tcp_stamp_us_delta(tp->tcp_mstamp_us, rs->prior_mstamp_us);
  rs->interval_us = std::max(snd_us, ack_us);
  rs->snd_interval_us = snd_us;
  rs->rcv_interval_us = ack_us;
  // Shorter than any round trip: a needless retransmission was acknowledged by its original.
  if (rs->interval_us < int64_t{tcp_min_rtt(tp)}) {
    rs->interval_us = -1;
    return;
  }
  RecordRate(tp, *rs);
}

void tcp_rate_check_app_limited(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  const bool less_than_a_packet =
      static_cast<uint32_t>(tp->write_seq - tp->snd_nxt) < tp->mss_cache;
  const bool host_queues_empty = sk_wmem_alloc_get(sk) < SKB_TRUESIZE(1);
  const bool window_open = tcp_packets_in_flight(tp) < tcp_snd_cwnd(tp);
  const bool losses_repaired = tp->lost_out <= tp->retrans_out;
  if (!less_than_a_packet || !host_queues_empty || !window_open || !losses_repaired) return;
  tp->app_limited = std::max(tp->delivered + tcp_packets_in_flight(tp), 1U);
}

}  // namespace tapedeck
