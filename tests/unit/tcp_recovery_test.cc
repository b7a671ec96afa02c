// Parts of loss recovery by hand: proportional rate reduction, the list of what is in flight by
// time, marks, duplicate ACKs that stand for SACKs, RACK's order.
#include "stack/tcp/tcp_ack_internal.h"
#include "tcp_sender_host.h"

namespace tapedeck {
namespace {

class TcpRecoveryTest : public TcpSenderTest {
 protected:
  // The time-sorted list from both ends.
  std::vector<sk_buff*> Sorted() {
    std::vector<sk_buff*> forward;
    for (sk_buff* skb = tp_->tsorted_sent_queue.first; skb != nullptr; skb = skb->tsorted_next) {
      forward.push_back(skb);
    }
    std::vector<sk_buff*> backward;
    for (sk_buff* skb = tp_->tsorted_sent_queue.last; skb != nullptr; skb = skb->tsorted_prev) {
      backward.insert(backward.begin(), skb);
    }
    EXPECT_EQ(forward, backward);
    return forward;
  }
  using Packets = std::vector<sk_buff*>;
};

TEST_F(TcpRecoveryTest, TimeSortedList) {
  sk_buff* const a = Send();
  sk_buff* const b = Send();
  sk_buff* const c = Send();
  EXPECT_EQ(Sorted(), Packets({a, b, c}));
  tcp_tsorted_move_tail(tp_, a);
  EXPECT_EQ(Sorted(), Packets({b, c, a}));
  tcp_tsorted_del(tp_, c);
  EXPECT_FALSE(tcp_tsorted_linked(tp_, c));
  tcp_tsorted_del(tp_, c);  // twice is once
  EXPECT_EQ(Sorted(), Packets({b, a}));
  tcp_tsorted_insert_after(tp_, a, c);
  EXPECT_EQ(Sorted(), Packets({b, a, c}));
  tcp_tsorted_del(tp_, b);
  tcp_tsorted_insert_after(tp_, a, b);
  EXPECT_EQ(Sorted(), Packets({a, b, c}));
  tcp_tsorted_del(tp_, c);
  tcp_tsorted_del(tp_, b);
  tcp_tsorted_insert_after(tp_, c, b);  // the other half of what is not on it
  EXPECT_EQ(Sorted(), Packets({a}));
  EXPECT_TRUE(tcp_tsorted_linked(tp_, a));
  EXPECT_FALSE(tcp_tsorted_linked(tp_, b));
}

TEST_F(TcpRecoveryTest, QueueIsInOrderOfSequence) {
  Send(2);
  Send(1);
  Send(3);
  uint32_t at = kIsn;
  for (sk_buff* skb = tcp_rtx_queue_head(tp_); skb != nullptr; skb = skb_rb_next(skb)) {
    EXPECT_EQ(TCP_SKB_CB(skb)->seq.value(), at);
    at = TCP_SKB_CB(skb)->end_seq.value();
  }
  EXPECT_EQ(at, kIsn + 6 * kMss);
  EXPECT_EQ(tp_->packets_out, 6U);
}

// RFC 6937 3.1: from 20 to 10, one segment goes out for two that arrive. With the 19th the window
// is down, and each that arrives lets one out.
TEST_F(TcpRecoveryTest, PrrSpreadsTheReductionOverARoundTrip) {
  tp_->prior_cwnd = 20;
  tp_->snd_ssthresh = 10;
  tp_->packets_out = 20;
  std::string sent;
  for (uint32_t arrived = 1; arrived <= 22; ++arrived) {
    --tp_->packets_out;
    tcp_cwnd_reduction(tp_, 1, 0, 0);
    const uint32_t may_send = tp_->snd_cwnd - tp_->packets_out;
    sent += std::to_string(may_send);
    tp_->packets_out += may_send;
    tp_->prr_out += may_send;
  }
  EXPECT_EQ(sent, "1010101010101010100111");
  EXPECT_EQ(tp_->packets_out, 10U);
}

TEST_F(TcpRecoveryTest, PrrBelowTheThreshold) {
  tp_->prior_cwnd = 20;
  tp_->snd_ssthresh = 10;
  tp_->packets_out = 4;
  tp_->prr_out = 3;
  tp_->prr_delivered = 3;
  // Conservation: what was delivered may be sent.
  tcp_cwnd_reduction(tp_, 2, 1, 0);
  EXPECT_EQ(tp_->snd_cwnd, 6U);
  // More losses: still no slow start.
  tcp_cwnd_reduction(tp_, 1, 1, FLAG_SND_UNA_ADVANCED);
  EXPECT_EQ(tp_->snd_cwnd, 4U + 3U);  // delivered 6, sent 3
  tp_->prr_out = 6;
  // Progress without a loss: one more.
  tcp_cwnd_reduction(tp_, 1, 0, FLAG_SND_UNA_ADVANCED);
  EXPECT_EQ(tp_->snd_cwnd, 6U);
  // Never beyond ssthresh.
  tcp_cwnd_reduction(tp_, 100, 0, FLAG_SND_UNA_ADVANCED);
  EXPECT_EQ(tp_->snd_cwnd, 10U);
}

TEST_F(TcpRecoveryTest, PrrSendsTheFirstRetransmissionAtOnce) {
  tp_->prior_cwnd = 20;
  tp_->snd_ssthresh = 10;
  tp_->packets_out = 10;  // at ssthresh: nothing but for the first
  tcp_cwnd_reduction(tp_, 1, 1, 0);
  EXPECT_EQ(tp_->snd_cwnd, 11U);
  tp_->prr_out = 1;
  tcp_cwnd_reduction(tp_, 1, 1, 0);
  EXPECT_EQ(tp_->snd_cwnd, 10U);
  // An ACK that delivers nothing changes nothing.
  tp_->snd_cwnd = 3;
  tcp_cwnd_reduction(tp_, 0, 1, 0);
  EXPECT_EQ(tp_->snd_cwnd, 3U);
}

TEST_F(TcpRecoveryTest, MarksAreCounted) {
  sk_buff* const a = Send(2);
  sk_buff* const b = Send(3);
  tcp_mark_skb_lost(tp_, b);
  EXPECT_EQ(tp_->lost_out, 3U);
  EXPECT_EQ(tp_->lost, 3U);
  EXPECT_EQ(tp_->retransmit_skb_hint, b);
  tcp_mark_skb_lost(tp_, a);
  EXPECT_EQ(tp_->retransmit_skb_hint, a);
  tcp_mark_skb_lost(tp_, a);  // once is enough
  EXPECT_EQ(tp_->lost_out, 5U);
  EXPECT_EQ(tp_->lost, 5U);
  EXPECT_EQ(tcp_packets_in_flight(tp_), 0U);
  // The retransmission of `a` is lost again.
  TCP_SKB_CB(a)->sacked |= TCPCB_RETRANS;
  tp_->retrans_out = 2;
  tcp_mark_skb_lost(tp_, a);
  EXPECT_EQ(tp_->retrans_out, 0U);
  EXPECT_EQ(tp_->lost_out, 5U);
  EXPECT_EQ(tp_->lost, 7U);
  EXPECT_EQ(Count(TcpExtMib::kTCPLostRetransmit), 2U);
}

TEST_F(TcpRecoveryTest, DuplicateAcksStandForSacks) {
  tp_->rx_opt.sack_ok = 0;
  tp_->packets_out = 5;
  tcp_add_reno_sack(tp_, 3, false);
  EXPECT_EQ(tp_->sacked_out, 3U);
  EXPECT_EQ(tp_->delivered, 3U);
  tcp_add_reno_sack(tp_, 2, false);  // one hole there must be
  EXPECT_EQ(tp_->sacked_out, 4U);
  EXPECT_EQ(tp_->delivered, 4U);
  EXPECT_EQ(tp_->reordering, 5U);
  EXPECT_EQ(Count(TcpExtMib::kTCPRenoReorder), 1U);
  // Three segments are acknowledged: the hole, and two of those that were counted.
  tp_->packets_out = 2;
  tcp_remove_reno_sacks(tp_, 3, false);
  EXPECT_EQ(tp_->sacked_out, 1U);
  EXPECT_EQ(tp_->delivered, 5U);
}

TEST_F(TcpRecoveryTest, RackComparesTimesThenSequence) {
  EXPECT_TRUE(tcp_skb_sent_after(2, 1, SeqNum(1), SeqNum(5)));
  EXPECT_FALSE(tcp_skb_sent_after(1, 2, SeqNum(5), SeqNum(1)));
  EXPECT_TRUE(tcp_skb_sent_after(1, 1, SeqNum(0), SeqNum(0xffffffff)));
  EXPECT_FALSE(tcp_skb_sent_after(1, 1, SeqNum(7), SeqNum(7)));
}

// What was sent before the delivered packet is lost when the reordering window has passed.
TEST_F(TcpRecoveryTest, RackMarksWhatWasOvertaken) {
  sk_buff* const a = Send(1, 1000);
  sk_buff* const b = Send(1, 5000);
  sk_buff* const c = Send(1, 6000);
  sk_buff* const d = Send(1, 7000);
  tp_->srtt_us = 8 * 20'000;
  tp_->icsk_rto = 300;
  minmax_reset(&tp_->rtt_min, 0, 20'000);
  tp_->tcp_mstamp_us = 26'000;
  tcp_rack_advance(tp_, 0, TCP_SKB_CB(c)->end_seq, 6000);  // round trip 20 ms, window 5 ms
  EXPECT_EQ(tcp_rack_skb_timeout(tp_, a, 5000), 0);
  EXPECT_EQ(tcp_rack_skb_timeout(tp_, b, 5000), 4000);
  EXPECT_TRUE(tcp_rack_mark_lost(tp_));
  EXPECT_EQ(TCP_SKB_CB(a)->sacked, TCPCB_LOST);
  EXPECT_EQ(TCP_SKB_CB(b)->sacked, 0);
  EXPECT_EQ(Sorted(), Packets({b, c, d}));
  EXPECT_EQ(tp_->icsk_pending, ICSK_TIME_REO_TIMEOUT);
  EXPECT_EQ(tp_->icsk_retransmit_timer.expires, host_.n.jiffies() + 4 + 2);
  EXPECT_FALSE(tcp_rack_mark_lost(tp_));  // no news
  inet_csk_clear_xmit_timers(tp_);
}

TEST_F(TcpRecoveryTest, RackDoesNotBelieveARetransmissionThatIsTooFast) {
  minmax_reset(&tp_->rtt_min, 0, 20'000);
  tp_->tcp_mstamp_us = 26'000;
  tcp_rack_advance(tp_, TCPCB_SACKED_RETRANS | TCPCB_EVER_RETRANS, SeqNum(1), 20'000);
  EXPECT_FALSE(tp_->rack.advanced);
  tcp_rack_advance(tp_, TCPCB_SACKED_RETRANS | TCPCB_EVER_RETRANS, SeqNum(1), 6000);
  EXPECT_TRUE(tp_->rack.advanced);
  EXPECT_EQ(tp_->rack.rtt_us, 20'000U);
}

TEST_F(TcpRecoveryTest, ADsackWidensRacksWindowOncePerRoundTrip) {
  rate_sample rs;
  rs.prior_delivered = 10;
  tp_->delivered = 20;
  tp_->rack.dsack_seen = true;
  tcp_rack_update_reo_wnd(tp_, &rs);
  EXPECT_EQ(tp_->rack.reo_wnd_steps, 2);
  EXPECT_EQ(tp_->rack.reo_wnd_persist, TCP_RACK_RECOVERY_THRESH);
  tp_->rack.dsack_seen = true;
  tcp_rack_update_reo_wnd(tp_, &rs);  // sent before the last change
  EXPECT_EQ(tp_->rack.reo_wnd_steps, 2);
  EXPECT_FALSE(tp_->rack.dsack_seen);
  tp_->rack.reo_wnd_persist = 0;
  tcp_rack_update_reo_wnd(tp_, &rs);
  EXPECT_EQ(tp_->rack.reo_wnd_steps, 1);
}

TEST_F(TcpRecoveryTest, ShiftMovesFragmentsAndTheirPrice) {
  sk_buff* const a = Send(2);
  sk_buff* const b = Send(3);
  const uint32_t truesize = a->truesize + b->truesize;
  sk_buff* const in_flight = skb_clone(b);  // makes the shift copy the fragments' list
  page* const of_b = skb_shinfo(b)->frags[0].page;
  ASSERT_TRUE(tcp_skb_shift(a, b, 1, kMss));
  EXPECT_EQ(a->len, 3 * kMss);
  EXPECT_EQ(b->len, 2 * kMss);
  EXPECT_EQ(a->truesize + b->truesize, truesize);
  ASSERT_EQ(skb_shinfo(a)->nr_frags, 2);
  EXPECT_EQ(skb_shinfo(a)->frags[1].page, of_b);
  EXPECT_EQ(skb_shinfo(a)->frags[1].len, kMss);
  EXPECT_EQ(skb_shinfo(b)->frags[0].offset, kMss);
  EXPECT_EQ(skb_shinfo(in_flight)->frags[0].offset, 0U);
  // The rest continues the last fragment: it grows.
  ASSERT_TRUE(tcp_skb_shift(a, b, 2, 2 * kMss));
  EXPECT_EQ(skb_shinfo(a)->nr_frags, 2);
  EXPECT_EQ(skb_shinfo(a)->frags[1].len, 3 * kMss);
  EXPECT_EQ(b->len, 0U);
  EXPECT_EQ(skb_shinfo(b)->nr_frags, 0);
  consume_skb(in_flight);
}

TEST_F(TcpRecoveryTest, ShiftNeedsRoomForAllFragments) {
  sk_buff* const a = Send();
  for (uint32_t i = 1; i < MAX_SKB_FRAGS; ++i) {
    skb_fill_page_desc(a, i, alloc_page(host_.n, kMss), 0, kMss);
    a->len += kMss;
    a->data_len += kMss;
  }
  sk_buff* const b = Send();
  EXPECT_FALSE(tcp_skb_shift(a, b, 1, kMss));
  EXPECT_EQ(a->len, MAX_SKB_FRAGS * kMss);
  EXPECT_EQ(b->len, kMss);
}

}  // namespace
}  // namespace tapedeck
