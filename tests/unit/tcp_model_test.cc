// The reference model of a TCP connection that fuzzing runs beside the stack: what RFC 9293 says of
// a few segments, without a stack.
#include "fuzz/tcp_model.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <vector>

namespace tapedeck::fuzz {
namespace {

using State = TcpModel::State;

constexpr uint8_t kSyn = SegmentView::kSyn;
constexpr uint8_t kAck = SegmentView::kAck;
constexpr uint8_t kFin = SegmentView::kFin;
constexpr uint8_t kRst = SegmentView::kRst;

constexpr uint32_t kPeer = 1000;  // the peer's initial number
constexpr uint32_t kHost = 5000;

// A connection, and segments with numbers from the initial ones.
class TcpModelTest : public ::testing::Test {
 protected:
  void Peer(uint8_t flags, uint32_t seq, uint32_t bytes = 0, uint32_t ack = 1) {
    model_.Receive(Segment(flags, kPeer + seq, kHost + ack, bytes));
  }
  void Host(uint8_t flags, uint32_t seq, uint32_t ack, uint32_t bytes = 0) {
    model_.Send(Segment(flags, kHost + seq, kPeer + ack, bytes));
  }
  void Establish() {
    Peer(kSyn, 0);
    Host(kSyn | kAck, 0, 1);
    Peer(kAck, 1);
  }
  uint32_t next() const { return model_.rcv_nxt() - kPeer; }

  TcpModel model_;

 private:
  SegmentView Segment(uint8_t flags, uint32_t seq, uint32_t ack, uint32_t bytes) {
    SegmentView segment;
    segment.flags = flags;
    segment.seq = seq;
    segment.ack = ack;
    segment.window = 10'000;
    segment.data = std::span(bytes_).first(bytes);
    return segment;
  }

  std::vector<uint8_t> bytes_ = std::vector<uint8_t>(2000);
};

TEST_F(TcpModelTest, AHandshakeEstablishes) {
  Peer(kSyn | kFin, 0);
  EXPECT_EQ(model_.state(), State::kListen);
  Peer(kSyn, 0);
  EXPECT_EQ(model_.state(), State::kSynReceived);
  Host(kSyn | kAck, 0, 1);
  Peer(kAck, 1, 0, /*ack=*/2);
  EXPECT_EQ(model_.state(), State::kSynReceived) << "it acknowledges what was never sent";
  Peer(kRst, 2);
  EXPECT_EQ(model_.state(), State::kSynReceived) << "RFC 5961: not at the next number";
  Peer(kAck, 1);
  EXPECT_EQ(model_.state(), State::kEstablished);
  EXPECT_TRUE(model_.sure());
}

TEST_F(TcpModelTest, DataAheadOfItsTurnWaits) {
  Establish();
  Peer(kAck, 101, 100);
  EXPECT_EQ(next(), 1U);
  EXPECT_EQ(model_.readable_bytes(), 0U);
  EXPECT_FALSE(model_.MayRead(1));
  EXPECT_TRUE(model_.MayRead(-EAGAIN));
  Peer(kAck, 51, 60);
  Peer(kAck, 1, 60);
  EXPECT_EQ(next(), 201U);
  EXPECT_FALSE(model_.MayRead(201));
  EXPECT_TRUE(model_.MayRead(150));
  EXPECT_EQ(model_.readable_bytes(), 50U);
}

TEST_F(TcpModelTest, AFinWaitsForWhatLiesBeforeIt) {
  Establish();
  Peer(kFin | kAck, 11, 10);
  EXPECT_EQ(model_.state(), State::kEstablished);
  Peer(kAck, 1, 10);
  EXPECT_EQ(model_.state(), State::kCloseWait);
  EXPECT_EQ(next(), 22U);
  EXPECT_FALSE(model_.MayRead(0));
  EXPECT_TRUE(model_.MayRead(20));
  EXPECT_TRUE(model_.MayRead(0));
}

TEST_F(TcpModelTest, BothEndsClose) {
  Establish();
  model_.Shutdown();
  Host(kFin | kAck, 1, 1);
  EXPECT_EQ(model_.state(), State::kFinWait1);
  Peer(kFin | kAck, 1);
  EXPECT_EQ(model_.state(), State::kClosing);
  Peer(kAck, 2, 0, /*ack=*/2);
  EXPECT_EQ(model_.state(), State::kTimeWait);
}

TEST_F(TcpModelTest, AnAcknowledgedFinWaitsForThePeers) {
  Establish();
  model_.Shutdown();
  Host(kFin | kAck, 1, 1);
  Peer(kFin | kAck, 1, 5, /*ack=*/2);
  EXPECT_EQ(model_.state(), State::kTimeWait);
  EXPECT_TRUE(model_.MayRead(5));
}

TEST_F(TcpModelTest, AResetCountsAtTheNextNumberOnly) {
  Establish();
  Peer(kRst, 2);
  EXPECT_EQ(model_.state(), State::kEstablished);
  Peer(kRst, 1);
  EXPECT_EQ(model_.state(), State::kClosed);
  EXPECT_TRUE(model_.MayRead(-ECONNRESET));
  EXPECT_FALSE(model_.MayRead(-ECONNRESET)) << "once";
  EXPECT_TRUE(model_.MayRead(0));
}

TEST_F(TcpModelTest, ASegmentThatAcknowledgesWhatWasNotSentIsDropped) {
  Establish();
  Peer(kAck, 1, 10, /*ack=*/2);
  EXPECT_EQ(next(), 1U);
  Peer(kSyn | kAck, 1, 10);
  Peer(0, 1, 10);
  EXPECT_EQ(next(), 1U);
  EXPECT_TRUE(model_.sure());
}

TEST_F(TcpModelTest, ItIsNotSureOfWhatDependsOnRoomOrHalfOfTheNumbers) {
  Establish();
  Peer(kAck, 9'900, 1000);  // over the edge of the window
  EXPECT_FALSE(model_.sure());
  model_ = TcpModel();
  Establish();
  Peer(kAck, 0x8000'0000, 10);
  EXPECT_FALSE(model_.sure());
}

}  // namespace
}  // namespace tapedeck::fuzz
