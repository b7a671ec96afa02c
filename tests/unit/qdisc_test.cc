// Sending: pfifo_fast's bands, requeueing, stopped queues, devices without a queue, what is done in
// software, the watchdog.
#include "stack/core/qdisc.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "core_host.h"

namespace tapedeck {
namespace {

class QdiscTest : public testing::Test {
 protected:
  QdiscTest() : device_(host_) {}
  ~QdiscTest() override {
    device_.FreeSent();
    if (device_->reg_state == RegState::kRegistered) dev_close(device_.dev());
    EXPECT_EQ(host_.n.skbuff_cache.live_objects(), 0U);
  }
  sk_buff* Packet(uint32_t priority = 0, uint8_t mark = 0) {
    sk_buff* const skb = MakePacket(host_.n, EthernetFrame(kMacBroadcast, 0x0800, {mark}));
    skb->dev = device_.dev();
    skb->protocol = 0x0800;
    skb->priority = priority;
    skb->mark = mark;
    return skb;
  }
  int Send(uint32_t priority = 0, uint8_t mark = 0) {
    return dev_queue_xmit(Packet(priority, mark));
  }
  std::vector<uint32_t> SentMarks() const {
    std::vector<uint32_t> marks;
    for (const sk_buff* skb : device_.sent) marks.push_back(skb->mark);
    return marks;
  }
  void Settle() { host_.RunFor(Duration::Milliseconds(1)); }

  CoreHost host_;
  TestDevice device_;
};

// All 16 values of the type of service: RFC 1349's four bits, in order.
TEST_F(QdiscTest, TosToPriorityToBand) {
  const struct {
    uint8_t tos;
    uint32_t priority;
    int band;
  } kTable[16] = {
      {0x00, 0, 1}, {0x02, 0, 1}, {0x04, 0, 1}, {0x06, 0, 1}, {0x08, 2, 2}, {0x0a, 2, 2},
      {0x0c, 2, 2}, {0x0e, 2, 2}, {0x10, 6, 0}, {0x12, 6, 0}, {0x14, 6, 0}, {0x16, 6, 0},
      {0x18, 4, 1}, {0x1a, 4, 1}, {0x1c, 4, 1}, {0x1e, 4, 1},
  };
  for (const auto& row : kTable) {
    EXPECT_EQ(rt_tos2priority(row.tos), row.priority) << int{row.tos};
    EXPECT_EQ(rt_tos2priority(static_cast<uint8_t>(row.tos | 0xe1)), row.priority);  // other bits
    EXPECT_EQ(pfifo_fast_band(row.priority), row.band) << int{row.tos};
  }
  const int kBands[16] = {1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1};
  for (uint32_t priority = 0; priority < 16; ++priority) {
    EXPECT_EQ(pfifo_fast_band(priority), kBands[priority]);
    EXPECT_EQ(pfifo_fast_band(priority + 16), kBands[priority]);
  }
}

TEST_F(QdiscTest, AnEmptyQueueIsJumped) {
  device_.Up();
  EXPECT_EQ(Send(), NET_XMIT_SUCCESS);
  ASSERT_EQ(device_.sent.size(), 1U);
  EXPECT_EQ(skb_mac_offset(device_.sent[0]), 0);
  EXPECT_EQ(device_->tx[0].qdisc->packets, 1U);
  EXPECT_STREQ(device_->tx[0].qdisc->ops->id, "pfifo_fast");
}

TEST_F(QdiscTest, LowerBandsGoFirst) {
  device_.Up();
  netif_stop_queue(device_.dev());
  uint8_t mark = 0;
  for (const uint32_t priority : {TC_PRIO_BULK, TC_PRIO_BESTEFFORT, TC_PRIO_INTERACTIVE,
                                  TC_PRIO_BULK, TC_PRIO_BESTEFFORT, TC_PRIO_INTERACTIVE}) {
    EXPECT_EQ(Send(priority, ++mark), NET_XMIT_SUCCESS);
  }
  Settle();
  EXPECT_TRUE(device_.sent.empty());
  netif_wake_queue(device_.dev());
  Settle();
  // The first found the queue empty and jumped it, up to the stopped driver: what was given back
  // goes first.
  EXPECT_EQ(SentMarks(), (std::vector<uint32_t>{1, 3, 6, 2, 5, 4}));
  EXPECT_EQ(device_->tx[0].qdisc->requeues, 1U);
}

// A band holds tx_queue_len packets of its own.
TEST_F(QdiscTest, AFullBandDrops) {
  device_->tx_queue_len = 10;
  device_.Up();
  netif_stop_queue(device_.dev());
  Send();  // requeued
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Send(TC_PRIO_BULK), NET_XMIT_SUCCESS);
  EXPECT_EQ(Send(TC_PRIO_BULK), NET_XMIT_DROP);
  EXPECT_EQ(Send(TC_PRIO_INTERACTIVE), NET_XMIT_SUCCESS);
  EXPECT_EQ(host_.Drops(SKB_DROP_REASON_QDISC_DROP), 1U);
  EXPECT_EQ(device_->tx[0].qdisc->drops, 1U);
  EXPECT_EQ(device_->tx[0].qdisc->qlen, 12U);
  netif_wake_queue(device_.dev());
  Settle();
  EXPECT_EQ(device_.sent.size(), 12U);
  EXPECT_EQ(device_->tx[0].qdisc->qlen, 0U);
  EXPECT_EQ(device_->tx[0].qdisc->backlog, 0U);
}

TEST_F(QdiscTest, ABusyDriverGetsThePacketAgain) {
  device_.Up();
  device_.answer_busy = true;
  EXPECT_EQ(Send(0, 1), NET_XMIT_SUCCESS);
  EXPECT_EQ(device_.busy_answers, 1U);
  device_.answer_busy = false;
  EXPECT_EQ(Send(0, 2), NET_XMIT_SUCCESS);
  Settle();
  EXPECT_EQ(SentMarks(), (std::vector<uint32_t>{1, 2}));
}

TEST_F(QdiscTest, AFullRingStopsTheQueueUntilItIsWoken) {
  device_.Up();
  device_.room = 3;
  for (uint8_t mark = 1; mark <= 5; ++mark) Send(0, mark);
  Settle();
  EXPECT_EQ(device_.sent.size(), 3U);
  EXPECT_EQ(device_.busy_answers, 0U);
  device_.room = ~0U;
  netif_wake_queue(device_.dev());
  Settle();
  EXPECT_EQ(SentMarks(), (std::vector<uint32_t>{1, 2, 3, 4, 5}));
}

// A run of the queue ends after dev_weight packets; NET_TX goes on.
TEST_F(QdiscTest, ARunHasAQuota) {
  device_.Up();
  netif_stop_queue(device_.dev());
  for (int i = 0; i < 150; ++i) Send();
  netif_start_queue(device_.dev());
  Send();  // runs the queue
  EXPECT_EQ(device_.sent.size(), 64U);
  Settle();
  EXPECT_EQ(device_.sent.size(), 151U);
}

TEST_F(QdiscTest, ADeviceThatIsDownDrops) {
  device_.Up();
  dev_close(device_.dev());
  EXPECT_EQ(Send(), NET_XMIT_CN);
  EXPECT_EQ(host_.Drops(SKB_DROP_REASON_QDISC_DROP), 1U);
}

TEST_F(QdiscTest, WithoutACarrierPacketsAreDroppedAndTheQueueIsPurged) {
  device_.Up();
  netif_stop_queue(device_.dev());
  for (int i = 0; i < 3; ++i) Send();
  netif_carrier_off(device_.dev());
  EXPECT_EQ(host_.Drops(SKB_DROP_REASON_TX_QUEUE_STOPPED), 3U);
  Send();
  EXPECT_EQ(host_.Drops(SKB_DROP_REASON_QDISC_DROP), 1U);
  netif_carrier_on(device_.dev());
  netif_wake_queue(device_.dev());
  Send();
  Settle();
  EXPECT_EQ(device_.sent.size(), 1U);
  EXPECT_EQ(host_.sink.Of(TraceKind::kLink).size(), 2U);
}

TEST_F(QdiscTest, WithoutAQueueTheDriverIsCalledAtOnce) {
  device_->priv_flags |= IFF_NO_QUEUE;
  device_.Up();
  EXPECT_STREQ(device_->tx[0].qdisc->ops->id, "noqueue");
  EXPECT_EQ(Send(), NET_XMIT_SUCCESS);
  EXPECT_EQ(device_.sent.size(), 1U);
  netif_stop_queue(device_.dev());
  EXPECT_EQ(Send(), -ENETDOWN);
  EXPECT_EQ(host_.Drops(SKB_DROP_REASON_DEV_READY), 1U);
  EXPECT_EQ(device_->stats.tx_dropped, 1U);
  netif_start_queue(device_.dev());
  EXPECT_EQ(dev_direct_xmit(Packet(), 0), NETDEV_TX_OK);
}

// A device that sends through itself ends in an error, not in the stack's end.
TEST_F(QdiscTest, RecursionIsLimited) {
  static int depth;
  depth = 0;
  device_->priv_flags |= IFF_NO_QUEUE;
  device_.ops().ndo_start_xmit = [](sk_buff* skb, net_device*) {
    ++depth;
    dev_queue_xmit(skb);
    return NETDEV_TX_OK;
  };
  device_.Up();
  Send();
  EXPECT_EQ(depth, 8);
  EXPECT_EQ(host_.AllDrops(), 1U);
}

TEST_F(QdiscTest, WhatTheDeviceCannotIsDoneInSoftware) {
  device_.Up();
  sk_buff* const skb = Packet();
  AddFrag(skb, Pattern(30));
  skb->ip_summed = CHECKSUM_PARTIAL;
  skb->csum_start = static_cast<uint16_t>(skb_headroom(skb) + 14);
  skb->csum_offset = 6;
  __vlan_hwaccel_put_tag(skb, 0x8100, 5);
  dev_queue_xmit(skb);
  ASSERT_EQ(device_.sent.size(), 1U);
  EXPECT_FALSE(skb_is_nonlinear(device_.sent[0]));
  EXPECT_EQ(device_.sent[0]->ip_summed, CHECKSUM_NONE);
  const Bytes frame = BytesOf(device_.sent[0]);
  ASSERT_EQ(frame.size(), 14U + 4 + 1 + 30);
  EXPECT_EQ(LoadBe16(frame.data() + 12), 0x8100);
  EXPECT_EQ(LoadBe16(frame.data() + 14), 5);
  EXPECT_EQ(LoadBe16(frame.data() + 16), 0x0800);
  // What stood in the field before is the pseudo-header's sum.
  const std::span<const uint8_t> summed(frame.data() + 18, frame.size() - 18);
  const wsum pseudo = LoadBe16(Pattern(30).data() + 5);
  EXPECT_EQ(csum_fold(csum_partial_scalar(summed, pseudo)), 0);
}

TEST_F(QdiscTest, WhatTheDeviceCanIsLeftToIt) {
  device_->features = NETIF_F_SG | NETIF_F_IP_CSUM | NETIF_F_HW_VLAN_CTAG_TX;
  device_->vlan_features = NETIF_F_SG | NETIF_F_IP_CSUM;
  device_.Up();
  sk_buff* const skb = Packet();
  AddFrag(skb, Pattern(30));
  skb->ip_summed = CHECKSUM_PARTIAL;
  skb->csum_start = static_cast<uint16_t>(skb_headroom(skb) + 14);
  skb->csum_offset = 6;
  __vlan_hwaccel_put_tag(skb, 0x8100, 5);
  dev_queue_xmit(skb);
  ASSERT_EQ(device_.sent.size(), 1U);
  EXPECT_TRUE(skb_is_nonlinear(device_.sent[0]));
  EXPECT_EQ(device_.sent[0]->ip_summed, CHECKSUM_PARTIAL);
  EXPECT_TRUE(skb_vlan_tag_present(device_.sent[0]));
}

TEST_F(QdiscTest, TapsSeeWhatIsSentButTheSenderDoesNot) {
  struct Tap : packet_type {
    Tap() {
      type = kProtocolAll;
      func = [](sk_buff* skb, net_device*, packet_type* pt, net_device*) {
        auto* const self = static_cast<Tap*>(pt);
        ++self->packets;
        self->pkt_type = skb->pkt_type;
        consume_skb(skb);
        return int{NET_RX_SUCCESS};
      };
    }
    int packets = 0;
    uint8_t pkt_type = 0;
  };
  Tap other;
  Tap own;
  own.af_packet_sk = reinterpret_cast<sock*>(8);
  dev_add_pack(host_.n, &other);
  dev_add_pack(host_.n, &own);
  device_.Up();
  sk_buff* const skb = Packet();
  skb->sk = reinterpret_cast<sock*>(8);
  skb->destructor = [](sk_buff*) {};
  dev_queue_xmit(skb);
  EXPECT_EQ(other.packets, 1);
  EXPECT_EQ(other.pkt_type, PACKET_OUTGOING);
  EXPECT_EQ(own.packets, 0);
  dev_remove_pack(&other);
  dev_remove_pack(&own);
}

TEST_F(QdiscTest, FlowsAreSpreadOverQueues) {
  TestDevice wide(host_, "wide%d", /*tx_queues=*/4);
  wide.Up();
  for (const uint32_t hash : {0x10000000U, 0x50000000U, 0x90000000U, 0xd0000000U}) {
    sk_buff* const skb = MakePacket(host_.n, EthernetFrame(kMacBroadcast, 0x0800, {1}));
    skb->dev = wide.dev();
    skb->hash = hash;
    dev_queue_xmit(skb);
  }
  std::vector<uint16_t> queues;
  for (const sk_buff* skb : wide.sent) queues.push_back(skb->queue_mapping);
  EXPECT_EQ(queues, (std::vector<uint16_t>{0, 1, 2, 3}));
}

// A queue that has been stopped for watchdog_timeo is reported, again and again; an idle one costs
// no timer.
TEST_F(QdiscTest, TheWatchdogReportsAQueueThatIsStuck) {
  device_->watchdog_timeo = Duration::Seconds(2);
  device_.Up();
  Send();
  EXPECT_EQ(host_.kernel.cpu(0).timers().pending(), 0U);
  netif_stop_queue(device_.dev());
  host_.RunFor(Duration::Milliseconds(1900));
  EXPECT_EQ(device_.timeouts, 0U);
  host_.RunFor(Duration::Milliseconds(200));
  EXPECT_EQ(device_.timeouts, 1U);
  host_.RunFor(Duration::Milliseconds(2200));
  EXPECT_EQ(device_.timeouts, 2U);
  netif_wake_queue(device_.dev());
  host_.RunFor(Duration::Seconds(10));
  EXPECT_EQ(device_.timeouts, 2U);
  EXPECT_EQ(host_.kernel.cpu(0).timers().pending(), 0U);
}

}  // namespace
}  // namespace tapedeck
