// Every frame has one fate: the ledger's rules where several are told of one frame.
#include "replay/trace/frame_ledger.h"

#include <gtest/gtest.h>

namespace tapedeck {
namespace {

TraceEvent Event(TraceKind kind, uint32_t frame_id, uint64_t second = 0) {
  TraceEvent event;
  event.kind = kind;
  event.args[0] = frame_id;
  event.args[1] = second;
  return event;
}

class FrameLedgerTest : public ::testing::Test {
 protected:
  FrameLedgerTest() { ledger_.Add(Event(TraceKind::kWireRx, 1)); }
  void Deliver() { ledger_.Add(Event(TraceKind::kDeliver, 1)); }
  void Forward() { ledger_.Add(Event(TraceKind::kForward, 1)); }
  void Drop(DropReason reason) {
    ledger_.Add(Event(TraceKind::kDrop, 1, static_cast<uint64_t>(reason)));
  }

  FrameLedger ledger_;
};

TEST_F(FrameLedgerTest, FrameIsQueuedUntilToldOf) {
  EXPECT_EQ(ledger_.queued(), 1U);
  Deliver();
  EXPECT_EQ(ledger_.queued(), 0U);
  EXPECT_EQ(ledger_.delivered(), 1U);
}

TEST_F(FrameLedgerTest, DropOfACopyDoesNotUndoADelivery) {
  Deliver();
  Drop(SKB_DROP_REASON_NO_SOCKET);
  EXPECT_EQ(ledger_.delivered(), 1U);
  EXPECT_EQ(ledger_.dropped(), 0U);
}

TEST_F(FrameLedgerTest, DeliveryBehindADropCounts) {
  Drop(SKB_DROP_REASON_NO_SOCKET);
  Deliver();
  EXPECT_EQ(ledger_.delivered(), 1U);
  EXPECT_EQ(ledger_.dropped(), 0U);
  EXPECT_EQ(ledger_.dropped(SKB_DROP_REASON_NO_SOCKET), 0U);
}

TEST_F(FrameLedgerTest, FirstOfSeveralDropsIsTheReason) {
  Drop(SKB_DROP_REASON_NO_SOCKET);
  Drop(SKB_DROP_REASON_NOMEM);
  EXPECT_EQ(ledger_.dropped(), 1U);
  EXPECT_EQ(ledger_.dropped(SKB_DROP_REASON_NO_SOCKET), 1U);
}

TEST_F(FrameLedgerTest, ForwardedFrameIsDelivered) {
  Forward();
  EXPECT_EQ(ledger_.delivered(), 1U);
  EXPECT_EQ(ledger_.queued(), 0U);
}

TEST_F(FrameLedgerTest, DropBehindForwardingCounts) {
  Forward();
  Drop(SKB_DROP_REASON_NEIGH_FAILED);
  EXPECT_EQ(ledger_.delivered(), 0U);
  EXPECT_EQ(ledger_.dropped(SKB_DROP_REASON_NEIGH_FAILED), 1U);
}

TEST_F(FrameLedgerTest, DropOfAPacketThatNeverEnteredIsTheHostsOwn) {
  ledger_.Add(Event(TraceKind::kDrop, 99, static_cast<uint64_t>(SKB_DROP_REASON_NOMEM)));
  EXPECT_EQ(ledger_.dropped_own(), 1U);
  EXPECT_EQ(ledger_.dropped(), 0U);
}

}  // namespace
}  // namespace tapedeck
