// Round trip and retransmission time-out against RFC 6298 by hand: SRTT' = 7/8 SRTT + 1/8 R,
// RTTVAR' = 3/4 RTTVAR + 1/4 |SRTT - R|, RTO = SRTT + 4 RTTVAR. tcp_sock keeps 8 SRTT and 4 RTTVAR.
#include "tcp_sender_host.h"

namespace tapedeck {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr uint32_t kTwoSecondsUs = 2'000'000;

class TcpRttTest : public TcpSenderTest {
 protected:
  // The next measurement ends a round trip.
  void EndRoundTrip() {
    tp_->snd_una += kMss;
    tp_->snd_nxt = tp_->snd_una + 10 * kMss;
  }
  uint32_t RtoMs() {
    tcp_set_rto(tp_);
    return tp_->icsk_rto;  // HZ is 1000
  }
};

TEST_F(TcpRttTest, FirstMeasurementGivesThreeTimesTheRoundTrip) {
  tcp_rtt_estimator(tp_, kSecond);
  EXPECT_EQ(tp_->srtt_us, 8'000'000U);
  EXPECT_EQ(tp_->mdev_us, kTwoSecondsUs);
  EXPECT_EQ(tp_->rttvar_us, kTwoSecondsUs);
  EXPECT_EQ(RtoMs(), 3000U);
}

// Linux bounds the variance, not the RTO: at least 200 ms on top of the round trip.
TEST_F(TcpRttTest, ShortRoundTripGetsTheSmallestVariance) {
  tcp_rtt_estimator(tp_, 10'000);
  EXPECT_EQ(RtoMs(), 210U);
  tp_->icsk_rto_min = 5;
  tp_->srtt_us = 0;
  tcp_rtt_estimator(tp_, 10'000);
  EXPECT_EQ(RtoMs(), 30U);
}

TEST_F(TcpRttTest, LongerRoundTrip) {
  tcp_rtt_estimator(tp_, kSecond);
  EndRoundTrip();
  tcp_rtt_estimator(tp_, kSecond + 200'000);
  EXPECT_EQ(tp_->srtt_us, 8U * 1'025'000U);  // 7/8 + 1.2/8
  EXPECT_EQ(tp_->mdev_us, 4U * 425'000U);    // 3/4 * 0.5 + 1/4 * 0.2
  // The variance is the largest of the last round trip: still the first's.
  EXPECT_EQ(tp_->rttvar_us, kTwoSecondsUs);
  EXPECT_EQ(RtoMs(), 3025U);
}

// Once a round trip rttvar goes a quarter of the way to the largest deviation since.
TEST_F(TcpRttTest, VarianceDecaysOncePerRoundTrip) {
  tcp_rtt_estimator(tp_, kSecond);
  EndRoundTrip();
  tcp_rtt_estimator(tp_, kSecond + 200'000);  // mdev 1'700'000; a new maximum starts at 200 ms
  tcp_rtt_estimator(tp_, 1'025'000);          // no error: mdev 3/4 of it
  EXPECT_EQ(tp_->mdev_us, 1'275'000U);
  EXPECT_EQ(tp_->rttvar_us, kTwoSecondsUs);
  EndRoundTrip();
  tp_->snd_una = tp_->snd_nxt;
  tcp_rtt_estimator(tp_, 1'025'000);
  EXPECT_EQ(tp_->mdev_us, 956'250U);
  EXPECT_EQ(tp_->rttvar_us, kTwoSecondsUs - (kTwoSecondsUs - 1'275'000U) / 4);
}

// A round trip that suddenly is short must not raise the RTO: the deviation takes an eighth of its
// share.
TEST_F(TcpRttTest, ShorterRoundTripRaisesTheDeviationSlowly) {
  tcp_rtt_estimator(tp_, kSecond);
  tcp_rtt_estimator(tp_, 100'000);
  EXPECT_EQ(tp_->srtt_us, 7'100'000U);
  EXPECT_EQ(tp_->mdev_us, kTwoSecondsUs + (900'000U - 500'000U) / 8);
  // A deviation within the expected one goes down as ever.
  tp_->srtt_us = 8'000'000;
  tp_->mdev_us = kTwoSecondsUs;
  tcp_rtt_estimator(tp_, 900'000);
  EXPECT_EQ(tp_->mdev_us, kTwoSecondsUs - 400'000U);
}

TEST_F(TcpRttTest, EstimateIsNeverZero) {
  tcp_rtt_estimator(tp_, 0);
  EXPECT_EQ(tp_->srtt_us, 1U);
  tcp_rtt_estimator(tp_, 0);
  EXPECT_EQ(tp_->srtt_us, 1U);
}

TEST_F(TcpRttTest, RtoHasAnUpperBound) {
  tcp_rtt_estimator(tp_, 100 * kSecond);
  EXPECT_EQ(__tcp_set_rto(tp_), 300'000U);
  EXPECT_EQ(RtoMs(), 120'000U);
}

// Karn: without a measurement of its own an ACK changes nothing, unless timestamps tell.
TEST_F(TcpRttTest, RetransmittedDataIsNoSample) {
  rate_sample rs;
  tp_->icsk_backoff = 2;
  EXPECT_FALSE(tcp_ack_update_rtt(tp_, FLAG_DATA_ACKED, -1, -1, -1, &rs));
  EXPECT_EQ(tp_->srtt_us, 0U);
  EXPECT_EQ(tp_->icsk_backoff, 2);
  EXPECT_EQ(rs.rtt_us, -1);

  tp_->rx_opt.saw_tstamp = true;
  tp_->tcp_mstamp_us = 5'000'000;
  tp_->rx_opt.rcv_tsecr = 4'970;
  EXPECT_FALSE(tcp_ack_update_rtt(tp_, 0, -1, -1, -1, &rs));  // no new data: RFC 7323 4.1
  EXPECT_TRUE(tcp_ack_update_rtt(tp_, FLAG_DATA_ACKED, -1, -1, -1, &rs));
  EXPECT_EQ(tp_->srtt_us, 8U * 30'000U);
  EXPECT_EQ(rs.rtt_us, 30'000);
  EXPECT_EQ(tp_->icsk_backoff, 0);
}

TEST_F(TcpRttTest, SmallestRoundTripLeavesDelayedAcksOut) {
  tcp_update_rtt_min(tp_, 20'000, 0);
  tcp_update_rtt_min(tp_, 60'000, FLAG_ACK_MAYBE_DELAYED);
  EXPECT_EQ(tcp_min_rtt(tp_), 20'000U);
  tcp_update_rtt_min(tp_, 15'000, FLAG_ACK_MAYBE_DELAYED);
  EXPECT_EQ(tcp_min_rtt(tp_), 15'000U);
  tcp_update_rtt_min(tp_, 0, 0);
  EXPECT_EQ(tcp_min_rtt(tp_), 1000U);  // a jiffy
}

TEST_F(TcpRttTest, PacingFollowsWindowAndRoundTrip) {
  tp_->srtt_us = 8 * 100'000;
  tcp_update_pacing_rate(tp_);
  EXPECT_EQ(tp_->sk_pacing_rate, 200'000U);  // twice 10 * 1000 bytes in 100 ms
  tp_->snd_ssthresh = 19;
  tcp_update_pacing_rate(tp_);
  EXPECT_EQ(tp_->sk_pacing_rate, 120'000U);
  tp_->sk_max_pacing_rate = 5000;
  tcp_update_pacing_rate(tp_);
  EXPECT_EQ(tp_->sk_pacing_rate, 5000U);
}

}  // namespace
}  // namespace tapedeck
