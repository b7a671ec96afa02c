// Who gets a received packet: taps, VLAN devices, rx_handlers, protocols; alone, in lists and by
// way of the backlog.
#include <gtest/gtest.h>

#include <cerrno>

#include "core_host.h"

namespace tapedeck {
namespace {

constexpr MacAddress kOurs(2, 0, 0, 0, 0, 1);

// A protocol or tap that keeps copies of what it gets.
struct Taker : packet_type {
  explicit Taker(uint16_t type_in, net_device* dev_in = nullptr) {
    type = type_in;
    dev = dev_in;
    func = [](sk_buff* skb, net_device* dev_at, packet_type* pt, net_device* orig_dev) {
      auto* const self = static_cast<Taker*>(pt);
      self->got.push_back(BytesOf(skb));
      self->at = dev_at;
      self->orig = orig_dev;
      self->pkt_type = skb->pkt_type;
      self->shared = skb_shared(skb);
      self->tstamp = skb->tstamp;
      consume_skb(skb);
      return int{NET_RX_SUCCESS};
    };
  }
  std::vector<Bytes> got;
  std::vector<size_t> batches;
  net_device* at = nullptr;
  net_device* orig = nullptr;
  uint8_t pkt_type = 0xff;
  bool shared = false;
  int64_t tstamp = 0;
};

class DevRxTest : public testing::Test {
 protected:
  DevRxTest() : device_(host_), ip_(0x0800) {
    device_.Up();
    dev_add_pack(host_.n, &ip_);
  }
  ~DevRxTest() override {
    ip_.Unlink();
    EXPECT_EQ(host_.n.skbuff_cache.live_objects(), 0U);
  }
  void Receive(const Bytes& frame) { netif_receive_skb(ReceivedFrame(device_.dev(), frame)); }

  CoreHost host_;
  TestDevice device_;
  Taker ip_;
};

TEST_F(DevRxTest, AProtocolGetsItsPacketsAlone) {
  Receive(EthernetFrame(kOurs, 0x0800, {1, 2, 3}));
  ASSERT_EQ(ip_.got.size(), 1U);
  EXPECT_EQ(ip_.got[0], (Bytes{1, 2, 3}));
  EXPECT_EQ(ip_.pkt_type, PACKET_HOST);
  EXPECT_FALSE(ip_.shared);
  EXPECT_EQ(ip_.tstamp, 0);
  EXPECT_EQ(host_.n.softnet[0]->processed, 1U);
  EXPECT_EQ(host_.AllDrops(), 0U);
}

TEST_F(DevRxTest, EthernetTypesSayWhoseItIs) {
  const struct {
    MacAddress dest;
    uint8_t pkt_type;
  } kCases[] = {{kOurs, PACKET_HOST},
                {kMacBroadcast, PACKET_BROADCAST},
                {MacAddress(1, 0, 0x5e, 0, 0, 1), PACKET_MULTICAST},
                {MacAddress(2, 0, 0, 0, 0, 9), PACKET_OTHERHOST}};
  for (const auto& c : kCases) {
    Receive(EthernetFrame(c.dest, 0x0800, {1}));
    EXPECT_EQ(ip_.pkt_type, c.pkt_type);
  }
  Taker llc(kProtocol8022);
  Taker novell(0x0001);
  dev_add_pack(host_.n, &llc);
  dev_add_pack(host_.n, &novell);
  Receive(EthernetFrame(kOurs, 38, Bytes(38, 0xaa)));
  Receive(EthernetFrame(kOurs, 38, Bytes(38, 0xff)));
  EXPECT_EQ(llc.got.size(), 1U);
  EXPECT_EQ(novell.got.size(), 1U);
  llc.Unlink();
  novell.Unlink();
}

TEST_F(DevRxTest, AnUnknownProtocolIsADropOfTheDevice) {
  Receive(EthernetFrame(kOurs, 0x88cc, {1, 2, 3}));
  EXPECT_EQ(host_.Drops(SKB_DROP_REASON_UNHANDLED_PROTO), 1U);
  EXPECT_EQ(device_->stats.rx_dropped, 1U);
}

TEST_F(DevRxTest, TapsSeeAllAndDoNotTake) {
  Taker all(kProtocolAll);
  Taker on_device(kProtocolAll, device_.dev());
  TestDevice other_device(host_);
  Taker elsewhere(kProtocolAll, other_device.dev());
  for (Taker* tap : {&all, &on_device, &elsewhere}) dev_add_pack(host_.n, tap);
  ++host_.n.netstamp_needed;
  host_.RunFor(Duration::Microseconds(3));
  Receive(EthernetFrame(kOurs, 0x0800, {1, 2, 3}));
  Receive(EthernetFrame(kOurs, 0x1234, {4}));
  EXPECT_EQ(all.got.size(), 2U);
  EXPECT_EQ(on_device.got.size(), 2U);
  EXPECT_EQ(elsewhere.got.size(), 0U);
  EXPECT_EQ(ip_.got.size(), 1U);
  EXPECT_GE(ip_.tstamp, 0);
  // What nobody but taps wanted is no drop: the last tap had the packet itself.
  EXPECT_EQ(host_.AllDrops(), 0U);
  for (Taker* tap : {&all, &on_device, &elsewhere}) dev_remove_pack(tap);
}

TEST_F(DevRxTest, ATagFindsItsVlanDevice) {
  TestDevice vlan(host_, "vlan%d");
  vlan.Up();
  vlan->real_dev = device_.dev();
  vlan->vlan_proto = 0x8100;
  vlan->vlan_id = 5;
  device_->vlan_list = vlan.dev();
  const Bytes tagged = {0x60, 0x05, 0x08, 0x00, 9, 9};
  Receive(EthernetFrame(kOurs, 0x8100, tagged));
  ASSERT_EQ(ip_.got.size(), 1U);
  EXPECT_EQ(ip_.got[0], (Bytes{9, 9}));
  EXPECT_EQ(ip_.at, vlan.dev());
  EXPECT_EQ(ip_.orig, device_.dev());
  EXPECT_EQ(vlan->stats.rx_packets, 1U);

  // A tag nobody has: for another host. A priority tag: as if it were not there.
  Receive(EthernetFrame(kOurs, 0x8100, {0x60, 0x06, 0x08, 0x00, 9, 9}));
  EXPECT_EQ(ip_.pkt_type, PACKET_OTHERHOST);
  Receive(EthernetFrame(kOurs, 0x8100, {0x60, 0x00, 0x08, 0x00, 7}));
  EXPECT_EQ(ip_.pkt_type, PACKET_HOST);
  EXPECT_EQ(ip_.got.back(), Bytes{7});

  dev_close(vlan.dev());
  Receive(EthernetFrame(kOurs, 0x8100, tagged));
  EXPECT_EQ(host_.Drops(SKB_DROP_REASON_DEV_READY), 1U);
  device_->vlan_list = nullptr;
}

TEST_F(DevRxTest, AnRxHandlerDiverts) {
  static net_device* master;
  TestDevice bond(host_, "bond%d");
  bond.Up();
  master = bond.dev();
  const auto to_master = [](sk_buff** pskb) {
    (*pskb)->dev = master;
    return RX_HANDLER_ANOTHER;
  };
  ASSERT_EQ(netdev_rx_handler_register(device_.dev(), to_master, nullptr), 0);
  EXPECT_EQ(netdev_rx_handler_register(device_.dev(), to_master, nullptr), -EBUSY);
  Receive(EthernetFrame(kOurs, 0x0800, {1}));
  EXPECT_EQ(ip_.at, master);
  EXPECT_EQ(ip_.orig, device_.dev());
  netdev_rx_handler_unregister(device_.dev());

  // EXACT: only who is bound to the device.
  Taker bound(0x0800, device_.dev());
  dev_add_pack(host_.n, &bound);
  netdev_rx_handler_register(device_.dev(), [](sk_buff**) { return RX_HANDLER_EXACT; }, nullptr);
  Receive(EthernetFrame(kOurs, 0x0800, {1}));
  EXPECT_EQ(bound.got.size(), 1U);
  EXPECT_EQ(ip_.got.size(), 1U);
  Receive(EthernetFrame(kOurs, 0x0801, {1}));
  EXPECT_EQ(device_->stats.rx_nohandler, 1U);
  netdev_rx_handler_unregister(device_.dev());
  dev_remove_pack(&bound);

  netdev_rx_handler_register(
      device_.dev(),
      [](sk_buff** pskb) {
        consume_skb(*pskb);
        return RX_HANDLER_CONSUMED;
      },
      nullptr);
  Receive(EthernetFrame(kOurs, 0x0800, {1}));
  EXPECT_EQ(ip_.got.size(), 1U);
  netdev_rx_handler_unregister(device_.dev());
}

TEST_F(DevRxTest, AListGoesUpInRunsOfOneProtocol) {
  Taker listed(0x86dd);
  listed.list_func = [](sk_buff_head* list, packet_type* pt, net_device*) {
    auto* const self = static_cast<Taker*>(pt);
    self->batches.push_back(skb_queue_len(list));
    skb_queue_purge(list);
  };
  dev_add_pack(host_.n, &listed);
  sk_buff_head list;
  const uint16_t types[] = {0x86dd, 0x86dd, 0x0800, 0x1234, 0x86dd, 0x86dd, 0x86dd};
  for (const uint16_t type : types) {
    __skb_queue_tail(&list, ReceivedFrame(device_.dev(), EthernetFrame(kOurs, type, {1})));
  }
  netif_receive_skb_list_internal(host_.n, &list);
  EXPECT_EQ(listed.batches, (std::vector<size_t>{2, 3}));
  EXPECT_EQ(ip_.got.size(), 1U);
  EXPECT_EQ(host_.AllDrops(), 1U);
  EXPECT_TRUE(skb_queue_empty(&list));
  dev_remove_pack(&listed);
}

// A priority tag makes a packet take the long way; its place in the run stays its own.
TEST_F(DevRxTest, ARunGoesOnBehindATaggedPacket) {
  Taker listed(0x86dd);
  listed.list_func = [](sk_buff_head* list, packet_type* pt, net_device*) {
    auto* const self = static_cast<Taker*>(pt);
    self->batches.push_back(skb_queue_len(list));
    for (const sk_buff* skb = skb_peek(list); skb != nullptr; skb = skb_peek_next(skb, list)) {
      self->got.push_back(BytesOf(skb));
    }
    skb_queue_purge(list);
  };
  dev_add_pack(host_.n, &listed);
  sk_buff_head list;
  const Bytes tagged = {0x60, 0x00, 0x86, 0xdd, 2};
  for (const Bytes& frame :
       {EthernetFrame(kOurs, 0x86dd, {1}), EthernetFrame(kOurs, 0x8100, tagged),
        EthernetFrame(kOurs, 0x86dd, {3}), EthernetFrame(kOurs, 0x0800, {4}),
        EthernetFrame(kOurs, 0x8100, tagged), EthernetFrame(kOurs, 0x86dd, {5})}) {
    __skb_queue_tail(&list, ReceivedFrame(device_.dev(), frame));
  }
  netif_receive_skb_list_internal(host_.n, &list);
  EXPECT_EQ(listed.batches, (std::vector<size_t>{3, 2}));
  EXPECT_EQ(listed.got, (std::vector<Bytes>{{1}, {2}, {3}, {2}, {5}}));
  EXPECT_EQ(ip_.got, (std::vector<Bytes>{{4}}));
  dev_remove_pack(&listed);
}

// What a tap keeps goes up by itself, behind what came before it.
TEST_F(DevRxTest, ATapsPacketsGoUpAlone) {
  struct Keeper : packet_type {
    std::vector<sk_buff*> kept;
  } keeper;
  keeper.type = kProtocolAll;
  keeper.func = [](sk_buff* skb, net_device*, packet_type* pt, net_device*) {
    static_cast<Keeper*>(pt)->kept.push_back(skb);
    return int{NET_RX_SUCCESS};
  };
  ip_.list_func = [](sk_buff_head* list, packet_type* pt, net_device*) {
    static_cast<Taker*>(pt)->batches.push_back(skb_queue_len(list));
    skb_queue_purge(list);
  };
  dev_add_pack(host_.n, &keeper);
  sk_buff_head list;
  for (const uint8_t number : {uint8_t{1}, uint8_t{2}}) {
    __skb_queue_tail(&list, ReceivedFrame(device_.dev(), EthernetFrame(kOurs, 0x0800, {number})));
  }
  netif_receive_skb_list_internal(host_.n, &list);
  EXPECT_EQ(ip_.got, (std::vector<Bytes>{{1}, {2}}));
  EXPECT_TRUE(ip_.shared);
  EXPECT_TRUE(ip_.batches.empty());
  for (sk_buff* const skb : keeper.kept) consume_skb(skb);
  dev_remove_pack(&keeper);
}

TEST_F(DevRxTest, NetifRxGoesThroughTheBacklog) {
  EXPECT_EQ(netif_rx(ReceivedFrame(device_.dev(), EthernetFrame(kOurs, 0x0800, {1}))),
            NET_RX_SUCCESS);
  EXPECT_EQ(ip_.got.size(), 0U);  // not yet: the softirq does it
  EXPECT_TRUE(host_.world.RunUntilIdle(AtMs(1)));
  EXPECT_EQ(ip_.got.size(), 1U);
}

TEST_F(DevRxTest, TheBacklogIsLimited) {
  ASSERT_EQ(host_.kernel.sysctl().Write("net/core/netdev_max_backlog", "10"), 0);
  int dropped = 0;
  for (int i = 0; i < 15; ++i) {
    dropped += netif_rx(ReceivedFrame(device_.dev(), EthernetFrame(kOurs, 0x0800, {1})));
  }
  EXPECT_EQ(dropped, 4);  // Linux compares with <=: eleven fit
  EXPECT_EQ(host_.n.softnet[0]->dropped, 4U);
  EXPECT_EQ(host_.Drops(SKB_DROP_REASON_CPU_BACKLOG), 4U);
  EXPECT_EQ(device_->stats.rx_dropped, 4U);
  EXPECT_TRUE(host_.world.RunUntilIdle(AtMs(1)));
  EXPECT_EQ(ip_.got.size(), 11U);

  dev_close(device_.dev());
  EXPECT_EQ(netif_rx(ReceivedFrame(device_.dev(), EthernetFrame(kOurs, 0x0800, {1}))), NET_RX_DROP);
  EXPECT_EQ(host_.Drops(SKB_DROP_REASON_DEV_READY), 1U);
}

TEST_F(DevRxTest, TheBacklogIsPolledInPiecesOfItsWeight) {
  for (int i = 0; i < 200; ++i) {
    netif_rx(ReceivedFrame(device_.dev(), EthernetFrame(kOurs, 0x0800, {1})));
  }
  EXPECT_TRUE(host_.world.RunUntilIdle(AtMs(1)));
  std::vector<uint64_t> work;
  for (const TraceEvent& event : host_.sink.Of(TraceKind::kNapiPoll)) work.push_back(event.args[1]);
  EXPECT_EQ(work, (std::vector<uint64_t>{64, 64, 64, 8}));
  EXPECT_EQ(ip_.got.size(), 200U);
}

}  // namespace
}  // namespace tapedeck
