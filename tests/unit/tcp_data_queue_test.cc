// Data in and out of order: what the user gets, what the SACK blocks say, what it costs.
#include <gtest/gtest.h>

#include <vector>

#include "stack/base/prng.h"
#include "tcp_receiver_host.h"

namespace tapedeck {
namespace {

class TcpDataQueueTest : public TcpReceiverTest {
 protected:
  using Blocks = std::vector<std::pair<uint32_t, uint32_t>>;

  // The SACK blocks as offsets into the stream.
  Blocks Sacks() const {
    Blocks blocks;
    for (int i = 0; i < tp_->rx_opt.num_sacks; ++i)
      blocks.push_back(AsOffsets(tp_->selective_acks[i]));
    return blocks;
  }
  static std::pair<uint32_t, uint32_t> AsOffsets(const tcp_sack_block& block) {
    return {static_cast<uint32_t>(block.start_seq - kStart),
            static_cast<uint32_t>(block.end_seq - kStart)};
  }
  // The D-SACK, or (0, 0).
  std::pair<uint32_t, uint32_t> Dsack() const {
    return tp_->rx_opt.dsack ? AsOffsets(tp_->duplicate_sack[0]) : std::pair<uint32_t, uint32_t>();
  }
  uint32_t Received() const { return static_cast<uint32_t>(tp_->rcv_nxt - kStart); }
  void ExpectStream(uint32_t bytes) const {
    const std::vector<uint8_t> stream = Stream();
    ASSERT_EQ(stream.size(), bytes);
    for (uint32_t i = 0; i < bytes; ++i) ASSERT_EQ(stream[i], StreamByte(i)) << i;
  }
};

TEST_F(TcpDataQueueTest, InOrder) {
  for (uint32_t i = 0; i < 10; ++i) Receive(i * 100, i * 100 + 100);
  EXPECT_EQ(Received(), 1000U);
  EXPECT_EQ(tp_->bytes_received, 1000U);
  ExpectStream(1000);
  EXPECT_TRUE(Sacks().empty());
}

TEST_F(TcpDataQueueTest, ChangedBlockComesFirst) {
  Receive(1000, 2000);
  EXPECT_EQ(Sacks(), (Blocks{{1000, 2000}}));
  Receive(3000, 4000);
  EXPECT_EQ(Sacks(), (Blocks{{3000, 4000}, {1000, 2000}}));
  Receive(5000, 6000);
  EXPECT_EQ(Sacks(), (Blocks{{5000, 6000}, {3000, 4000}, {1000, 2000}}));
  Receive(4000, 4500);
  EXPECT_EQ(Sacks(), (Blocks{{3000, 4500}, {5000, 6000}, {1000, 2000}}));
  Receive(4500, 5000);  // joins two
  EXPECT_EQ(Sacks(), (Blocks{{3000, 6000}, {1000, 2000}}));
  Receive(0, 1000);
  EXPECT_EQ(Received(), 2000U);
  EXPECT_EQ(Sacks(), (Blocks{{3000, 6000}}));
  Receive(2000, 3000);
  EXPECT_EQ(Received(), 6000U);
  EXPECT_TRUE(Sacks().empty());
  EXPECT_NE(tp_->icsk_ack.pending & ICSK_ACK_NOW, 0);  // a gap was filled
  ExpectStream(6000);
}

TEST_F(TcpDataQueueTest, FourBlocksAtMost) {
  for (uint32_t i = 1; i <= 5; ++i) Receive(i * 1000, i * 1000 + 100);
  EXPECT_EQ(Sacks(), (Blocks{{5000, 5100}, {4000, 4100}, {3000, 3100}, {2000, 2100}}));
}

TEST_F(TcpDataQueueTest, DsackNamesWhatCameTwice) {
  Receive(0, 1000);
  EXPECT_EQ(Dsack(), (std::pair<uint32_t, uint32_t>()));
  Receive(0, 1000);
  EXPECT_EQ(Dsack(), (std::pair<uint32_t, uint32_t>(0, 1000)));
  EXPECT_EQ(Count(TcpExtMib::kTCPDSACKOldSent), 1U);
  Receive(500, 1500);  // half old
  EXPECT_EQ(Dsack(), (std::pair<uint32_t, uint32_t>(500, 1000)));
  EXPECT_EQ(Received(), 1500U);
  Receive(2000, 3000);
  Receive(2200, 2400);  // within what waits
  EXPECT_EQ(Dsack(), (std::pair<uint32_t, uint32_t>(2200, 2400)));
  EXPECT_EQ(Count(TcpExtMib::kTCPDSACKOfoSent), 1U);
  Receive(2800, 3200);  // overlaps its end
  EXPECT_EQ(Dsack(), (std::pair<uint32_t, uint32_t>(2800, 3000)));
  EXPECT_EQ(Sacks(), (Blocks{{2000, 3200}}));
  Receive(1900, 3300);  // has all of it
  EXPECT_EQ(Dsack(), (std::pair<uint32_t, uint32_t>(2000, 3200)));
  EXPECT_EQ(Sacks(), (Blocks{{1900, 3300}}));
  Receive(1500, 1900);
  EXPECT_EQ(Received(), 3300U);
  ExpectStream(3300);
}

TEST_F(TcpDataQueueTest, WithoutSackNothingIsSaid) {
  tp_->rx_opt.sack_ok = 0;
  Receive(1000, 2000);
  Receive(1000, 2000);
  EXPECT_TRUE(Sacks().empty());
  EXPECT_FALSE(tp_->rx_opt.dsack);
  Receive(0, 1000);
  ExpectStream(2000);
}

TEST_F(TcpDataQueueTest, OutsideOfTheWindow) {
  const uint32_t edge = tp_->rcv_wnd;
  Receive(edge, edge + 10);
  EXPECT_EQ(Count(TcpExtMib::kBeyondWindow), 1U);
  EXPECT_EQ(host_.Drops(SKB_DROP_REASON_TCP_OVERWINDOW), 1U);
  Receive(edge - 1, edge + 10);  // its first byte is inside
  EXPECT_EQ(Sacks(), (Blocks{{edge - 1, edge + 10}}));
}

TEST_F(TcpDataQueueTest, ClosedWindowTakesABareFinAlone) {
  tp_->rcv_wnd = 0;
  Receive(0, 1);
  EXPECT_EQ(Count(TcpExtMib::kTCPZeroWindowDrop), 1U);
  EXPECT_EQ(Received(), 0U);
  tcp_data_queue(tp_, Segment(kStart, {}, wire::kTcpAck | wire::kTcpFin));
  EXPECT_EQ(Received(), 1U);
  EXPECT_EQ(tp_->sk_shutdown, RCV_SHUTDOWN);
}

// The FIN counts when its turn comes; what lies behind it is forgotten.
TEST_F(TcpDataQueueTest, FinBehindAGap) {
  const std::vector<uint8_t> payload = {StreamByte(100)};
  tcp_data_queue(tp_, Segment(kStart + 100U, payload, wire::kTcpAck | wire::kTcpFin));
  Receive(200, 300);
  EXPECT_EQ(tp_->sk_shutdown, 0);
  Receive(0, 100);
  EXPECT_EQ(Received(), 102U);
  EXPECT_EQ(tp_->sk_shutdown, RCV_SHUTDOWN);
  EXPECT_TRUE(tp_->out_of_order_queue.empty());
  ExpectStream(101);
}

// Segments of any place and length, in buffers that merge and that do not: the user gets the
// stream, no block says what is not there, and every byte of memory comes back.
TEST_F(TcpDataQueueTest, AnyOrder) {
  constexpr uint32_t kBytes = 20'000;
  Prng prng(1, 2);
  for (int round = 0; round < 8; ++round) {
    const uint32_t base = Received();
    while (Received() < base + kBytes) {
      const uint32_t from = prng.Below(8) == 0 ? Received() : base + prng.Below(kBytes);
      const uint32_t to = std::min(from + 1 + prng.Below(1400), base + kBytes);
      Receive(from, to, prng.Below(2) == 0);
      ASSERT_TRUE(rb_valid(&tp_->out_of_order_queue));
      for (const auto& [left, right] : Sacks()) {
        ASSERT_GT(left, Received());
        ASSERT_LT(left, right);
        ASSERT_LE(right, base + kBytes);
      }
      sk_buff* previous = nullptr;
      for (sk_buff* skb = skb_rb_first(&tp_->out_of_order_queue); skb != nullptr;
           skb = skb_rb_next(skb)) {
        if (previous != nullptr) {
          ASSERT_TRUE(TCP_SKB_CB(previous)->seq.Before(TCP_SKB_CB(skb)->seq));
        }
        previous = skb;
      }
      if (previous != nullptr) {
        ASSERT_EQ(previous, tp_->ooo_last_skb);
      }
    }
    EXPECT_EQ(tp_->rx_opt.num_sacks, 0);
    ExpectStream(base + kBytes);
    tp_->rcv_wup = tp_->rcv_nxt;
  }
}

// A segment that becomes part of the one before it does not look at those behind, which it may
// cover: they are dropped when their turn comes.
TEST_F(TcpDataQueueTest, WhatCoalescesMayCoverTheNext) {
  Receive(2000, 3000, /*linear=*/false);
  Receive(3500, 4000, /*linear=*/false);
  Receive(3000, 4400, /*linear=*/false);
  EXPECT_EQ(Count(TcpExtMib::kTCPRcvCoalesce), 1U);
  const sk_buff* const first = skb_rb_first(&tp_->out_of_order_queue);
  EXPECT_EQ(TCP_SKB_CB(first)->end_seq, kStart + 4400);
  EXPECT_NE(skb_rb_next(const_cast<sk_buff*>(first)), nullptr);
  Receive(0, 1000, /*linear=*/false);
  Receive(1000, 2000, /*linear=*/false);
  EXPECT_EQ(tp_->rcv_nxt, kStart + 4400);
  EXPECT_TRUE(tp_->out_of_order_queue.empty());
  std::vector<uint8_t> expected;
  for (uint32_t i = 0; i < 4400; ++i) expected.push_back(StreamByte(i));
  EXPECT_EQ(Stream(), expected);
}

// Small segments in large buffers: copied together before anything is dropped.
TEST_F(TcpDataQueueTest, CollapsesBeforeItDrops) {
  tp_->sk_userlocks = SOCK_RCVBUF_LOCK;
  tp_->sk_rcvbuf = 60'000;
  for (uint32_t i = 0; i < 200; ++i) Receive(i * 100, i * 100 + 100, false);
  EXPECT_GT(Count(TcpExtMib::kTCPRcvCoalesce) + Count(TcpExtMib::kTCPRcvCollapsed), 0U);
  EXPECT_EQ(Count(TcpExtMib::kTCPRcvQDrop), 0U);
  ExpectStream(20'000);
}

TEST_F(TcpDataQueueTest, PrunesWhatIsFarthestAway) {
  tp_->sk_userlocks = SOCK_RCVBUF_LOCK;
  tp_->sk_rcvbuf = 40'000;
  // Full segments that cannot be merged: one byte is missing between any two.
  for (uint32_t i = 1; i < 60; ++i) Receive(i * 1000, i * 1000 + 999);
  EXPECT_GT(Count(TcpExtMib::kPruneCalled), 0U);
  EXPECT_LE(tp_->sk_rmem_alloc, tp_->sk_rcvbuf + 4352);
  // The hole at the front can still be filled.
  Receive(0, 1000);
  EXPECT_GE(Received(), 1000U);
  EXPECT_GT(Count(TcpExtMib::kOfoPruned), 0U);
}

}  // namespace
}  // namespace tapedeck
