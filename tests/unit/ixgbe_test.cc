// The ixgbe driver over the modelled 82599: frames both ways, through registers, DMA and interrupts
// only.
#include "stack/drivers/ixgbe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <optional>
#include <vector>

#include "nicmodel/nic_82599.h"
#include "stack/core/dev.h"
#include "stack/core/eth.h"
#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/kernel/arena.h"
#include "stack/kernel/cost.h"
#include "stack/kernel/kernel.h"
#include "stack/kernel/world.h"
#include "stack/wire/frame_builder.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr MacAddress kOurs{std::array<uint8_t, 6>{0x02, 0, 0, 0, 0, 0x01}};
constexpr MacAddress kTheirs{std::array<uint8_t, 6>{0x02, 0, 0, 0, 0, 0x02}};
constexpr uint16_t kTestProtocol = 0x88b5;  // IEEE's local experimental EtherType

Bytes MakeFrame(const MacAddress& to, size_t payload_bytes) {
  Bytes frame(14 + payload_bytes);
  std::memcpy(frame.data(), to.bytes().data(), 6);
  std::memcpy(frame.data() + 6, kTheirs.bytes().data(), 6);
  frame[12] = kTestProtocol >> 8;
  frame[13] = kTestProtocol & 0xff;
  for (size_t i = 0; i < payload_bytes; ++i) frame[14 + i] = static_cast<uint8_t>(i * 7);
  return frame;
}

// Keeps what the NIC sends.
class Wire : public nic::WireSink {
 public:
  explicit Wire(World& world) : world_(world) {}
  void Transmit(SimTime, SimTime, const nic::WireFrame& frame) override {
    sent.emplace_back(frame.bytes.begin(), frame.bytes.end());
    if (frame.buffer.data != nullptr) world_.packets().Free(frame.buffer);
  }
  std::vector<Bytes> sent;

 private:
  World& world_;
};

struct Receiver : packet_type {
  std::vector<Bytes> payloads;
  SimTime last;  // when the CPU had the last one in hand
};
int Receive(sk_buff* skb, net_device*, packet_type* pt, net_device*) {
  Bytes payload(skb->len);
  EXPECT_EQ(skb_copy_bits(skb, 0, payload.data(), skb->len), 0);
  static_cast<Receiver*>(pt)->payloads.push_back(payload);
  static_cast<Receiver*>(pt)->last = skb->owner->this_cpu().now();
  consume_skb(skb);
  return NET_RX_SUCCESS;
}

class IxgbeTest : public testing::Test {
 protected:
  explicit IxgbeTest(const CostTable& costs = FreeCostTable()) : wire_(*world()) {
    kernel_ = arena_.New<Kernel>(*world_, KernelOptions{}, costs);
    net_ = arena_.New<net>(*kernel_);
    nic::NicConfig config;
    config.mac = kOurs.bytes();
    nic_ = arena_.New<nic::Nic82599>(kernel_->bus(), config);
    nic_->set_sink(&wire_);
    receiver_.type = kTestProtocol;
    receiver_.func = &Receive;
    dev_add_pack(*net_, &receiver_);
  }

  ~IxgbeTest() override {
    dev_remove_pack(&receiver_);
    if (dev_ != nullptr) ixgbe::ixgbe_remove(dev_);
    EXPECT_EQ(net_->skbuff_cache.live_objects(), 0U);
    EXPECT_EQ(world_->packets().live_objects(), 0U);
    EXPECT_EQ(kernel_->bus().live_mappings(), 0U);
    EXPECT_EQ(kernel_->bus().faults(), 0U);
  }

  void Up(const ixgbe::IxgbeOptions& options = {}, uint32_t mtu = 1500) {
    dev_ = ixgbe::ixgbe_probe(*net_, nic_->slot(), "eth%d", options);
    ASSERT_NE(dev_, nullptr);
    ASSERT_EQ(dev_set_mtu(dev_, mtu), 0);
    ASSERT_EQ(dev_open(dev_), 0);
    RunFor(Duration::Milliseconds(50));
    ASSERT_TRUE(netif_carrier_ok(dev_));
  }

  void RunFor(Duration duration) { world_->RunUntil(world_->now() + duration); }

  // A frame arrives so long from now.
  void Arrive(const Bytes& frame, Duration in = Duration::Microseconds(10)) {
    frames_.push_back(std::make_unique<Bytes>(frame));
    nic_->WireRx(world_->now() + in, {.bytes = *frames_.back(),
                                      .buffer = {},
                                      .frame_id = world_->NewFrameId(),
                                      .flags = nic::kWirePad});
  }

  int Send(size_t payload_bytes) {
    sk_buff* const skb = alloc_skb(*net_, static_cast<uint32_t>(payload_bytes) + 64);
    skb_reserve(skb, 64);
    uint8_t* const data = skb_put(skb, static_cast<uint32_t>(payload_bytes));
    for (size_t i = 0; i < payload_bytes; ++i) data[i] = static_cast<uint8_t>(i * 7);
    skb->dev = dev_;
    skb->protocol = kTestProtocol;
    dev_hard_header(skb, dev_, kTestProtocol, kTheirs.bytes().data(), nullptr, skb->len);
    return dev_queue_xmit(skb);
  }

  World* world() {
    world_ = arena_.New<World>(arena_, uint64_t{1}, nullptr);
    return world_;
  }

  Arena arena_;
  World* world_ = nullptr;
  Wire wire_;
  Kernel* kernel_ = nullptr;
  net* net_ = nullptr;
  nic::Nic82599* nic_ = nullptr;
  net_device* dev_ = nullptr;
  Receiver receiver_;
  std::vector<std::unique_ptr<Bytes>> frames_;
};

TEST_F(IxgbeTest, TakesTheDevicesMacAddressAndComesUp) {
  Up();
  EXPECT_EQ(dev_->dev_addr, kOurs);
  EXPECT_STREQ(dev_->name, "eth0");
}

TEST_F(IxgbeTest, ReceivesFramesOfEverySizeInOrder) {
  Up();
  std::vector<Bytes> expected;
  for (size_t bytes = 46; bytes <= 1500; bytes += 13) {
    const Bytes frame = MakeFrame(kOurs, bytes);
    expected.emplace_back(frame.begin() + 14, frame.end());
    Arrive(frame, Duration::Microseconds(2 * expected.size()));
  }
  RunFor(Duration::Milliseconds(5));
  EXPECT_EQ(receiver_.payloads, expected);
}

// A host where one thing costs a microsecond and all else nothing.
class HostWithOneCost : public IxgbeTest {
 public:
  explicit HostWithOneCost(std::optional<CostPoint> point) : IxgbeTest(TableOf(point)) {}
  void TestBody() override {}

  // From the end of a frame on the wire until its protocol has it.
  Duration TimeToReceive() {
    Up();
    const SimTime end = world_->now() + Duration::Microseconds(10);
    Arrive(MakeFrame(kOurs, 46));
    RunFor(Duration::Milliseconds(1));
    EXPECT_EQ(receiver_.payloads.size(), 1U);
    return receiver_.last - end;
  }

 private:
  static CostTable TableOf(std::optional<CostPoint> point) {
    CostTable table;
    table.cpu_hz = 1'000'000'000;
    table.free = false;
    if (point.has_value()) table.cycles[static_cast<size_t>(*point)] = 1000;
    return table;
  }
};

TEST(IxgbeCostTest, EachThingOnAFramesWayCostsOnce) {
  const Duration free = HostWithOneCost(std::nullopt).TimeToReceive();
  for (const CostPoint point :
       {CostPoint::k_hardirq, CostPoint::k_napi_schedule, CostPoint::k_softirq,
        CostPoint::k_napi_poll, CostPoint::k_driver_rx_packet, CostPoint::k_build_skb,
        CostPoint::k_gro_receive, CostPoint::k_netif_receive}) {
    EXPECT_EQ(HostWithOneCost(point).TimeToReceive() - free, Duration::Microseconds(1))
        << static_cast<int>(point);
  }
}

TEST_F(IxgbeTest, RefillsTheRingManyTimesOver) {
  Up({.rx_ring_entries = 64});
  for (int round = 0; round < 20; ++round) {
    for (uint64_t i = 0; i < 50; ++i) Arrive(MakeFrame(kOurs, 46), Duration::Microseconds(1 + i));
    RunFor(Duration::Milliseconds(1));
  }
  EXPECT_EQ(receiver_.payloads.size(), 1000U);
}

TEST_F(IxgbeTest, LeavesOtherHostsFramesToThem) {
  Up();
  Arrive(MakeFrame(kTheirs, 100));
  RunFor(Duration::Milliseconds(1));
  EXPECT_TRUE(receiver_.payloads.empty());
}

TEST_F(IxgbeTest, SendsFramesPaddedToTheMinimum) {
  Up();
  EXPECT_EQ(Send(10), NET_XMIT_SUCCESS);
  EXPECT_EQ(Send(1500), NET_XMIT_SUCCESS);
  RunFor(Duration::Milliseconds(1));
  ASSERT_EQ(wire_.sent.size(), 2U);
  EXPECT_EQ(wire_.sent[0].size(), 60U);
  EXPECT_EQ(wire_.sent[0][14 + 9], 9 * 7);
  EXPECT_EQ(wire_.sent[1].size(), 1514U);
}

TEST_F(IxgbeTest, SendsMoreThanTheRingHolds) {
  Up({.tx_ring_entries = 64});
  for (int i = 0; i < 500; ++i) EXPECT_EQ(Send(200), NET_XMIT_SUCCESS);
  RunFor(Duration::Milliseconds(50));
  EXPECT_EQ(wire_.sent.size(), 500U);
}

// TSO: the device cuts a packet of one large fragment, which takes several descriptors, and every
// segment is right.
TEST_F(IxgbeTest, CutsTcpPackets) {
  constexpr Ipv4Address kFrom{10, 0, 0, 1};
  constexpr Ipv4Address kTo{10, 0, 0, 2};
  constexpr uint32_t kPayload = 30'000;
  constexpr uint16_t kMss = 1460;
  Up();
  ASSERT_NE(dev_->features & NETIF_F_TSO, 0U);
  wire::TcpHeader th;
  th.seq = 1000;
  th.set_flags(wire::kTcpAck | wire::kTcpPsh);
  uint8_t buffer[64];
  const std::span<uint8_t> headers = wire::FrameBuilder(buffer)
                                         .Ethernet(kTheirs, kOurs)
                                         .Ipv4({.id = 7, .ttl = 64, .saddr = kFrom, .daddr = kTo})
                                         .Tcp(th)
                                         .Build();
  sk_buff* const skb = alloc_skb(*net_, 128);
  skb_reserve(skb, 64);
  skb_put_data(skb, headers.data(), static_cast<uint32_t>(headers.size()));
  page* const data = alloc_page(*net_, kPayload);
  for (uint32_t i = 0; i < kPayload; ++i) page_address(data)[i] = static_cast<uint8_t>(i * 7);
  skb_add_rx_frag(skb, 0, data, 0, kPayload, kPayload);
  skb->dev = dev_;
  skb->protocol = wire::kEtherTypeIpv4;
  skb_set_network_header(skb, 14);
  skb_set_transport_header(skb, 34);
  reinterpret_cast<wire::TcpHeader*>(skb->data + 34)->check = static_cast<uint16_t>(
      csum_tcpudp_nofold(kFrom.wire(), kTo.wire(), 20 + kPayload, wire::kIpProtoTcp, 0));
  skb->ip_summed = CHECKSUM_PARTIAL;
  skb->csum_start = skb->transport_header;
  skb->csum_offset = offsetof(wire::TcpHeader, check);
  skb_shinfo(skb)->gso_size = kMss;
  skb_shinfo(skb)->gso_segs = (kPayload + kMss - 1) / kMss;
  skb_shinfo(skb)->gso_type = SKB_GSO_TCPV4;
  EXPECT_EQ(dev_queue_xmit(skb), NET_XMIT_SUCCESS);
  RunFor(Duration::Milliseconds(1));

  ASSERT_EQ(wire_.sent.size(), 21U);
  uint32_t sent = 0;
  for (const Bytes& frame : wire_.sent) {
    const auto ip = wire::ParseIpv4(std::span<const uint8_t>(frame).subspan(14));
    ASSERT_TRUE(ip.ok());
    EXPECT_EQ(ip_fast_csum(frame.data() + 14, 5), 0);
    EXPECT_EQ(ip->header->id.host(), 7 + sent / kMss);
    EXPECT_TRUE(wire::TcpChecksumOk(wire::PseudoHeader(kFrom, kTo), ip->payload));
    const auto tcp = wire::ParseTcp(ip->payload);
    ASSERT_TRUE(tcp.ok());
    EXPECT_EQ(tcp->header->seq.host(), 1000 + sent);
    EXPECT_EQ(tcp->payload[0], static_cast<uint8_t>(sent * 7));
    sent += static_cast<uint32_t>(tcp->payload.size());
    EXPECT_EQ(tcp->header->psh(), sent == kPayload);
  }
  EXPECT_EQ(sent, kPayload);
}

// The device sums a segment behind an IPv6 extension header, if a descriptor has room for the
// headers' length; else the stack does.
TEST_F(IxgbeTest, SumsSegmentsBehindExtensionHeaders) {
  const Ipv6Address from(std::array<uint16_t, 8>{0x2001, 0xdb8, 0, 0, 0, 0, 0, 1});
  const Ipv6Address to(std::array<uint16_t, 8>{0x2001, 0xdb8, 0, 0, 0, 0, 0, 2});
  Up();
  for (const size_t option_bytes : {size_t{8}, size_t{1024}}) {
    std::vector<uint8_t> options(option_bytes);  // of zeros: Pad1
    options[1] = static_cast<uint8_t>(option_bytes / 8 - 1);
    wire::TcpHeader th;
    th.seq = 1000;
    th.set_flags(wire::kTcpAck);
    uint8_t buffer[1200];
    const std::span<uint8_t> packet = wire::FrameBuilder(buffer)
                                          .Ethernet(kTheirs, kOurs)
                                          .Ipv6({.hop_limit = 64, .saddr = from, .daddr = to})
                                          .Ipv6Extension(wire::kIpProtoHopByHop, options)
                                          .Tcp(th)
                                          .Build();
    sk_buff* const skb = alloc_skb(*net_, 1200);
    skb_put_data(skb, packet.data(), static_cast<uint32_t>(packet.size()));
    skb->dev = dev_;
    skb->protocol = wire::kEtherTypeIpv6;
    skb_set_network_header(skb, 14);
    skb_set_transport_header(skb, static_cast<int>(54 + option_bytes));
    auto* const header = reinterpret_cast<wire::TcpHeader*>(skb->data + 54 + option_bytes);
    header->check =
        static_cast<uint16_t>(~csum_ipv6_magic(from.bytes(), to.bytes(), 20, wire::kIpProtoTcp, 0));
    skb->ip_summed = CHECKSUM_PARTIAL;
    skb->csum_start = skb->transport_header;
    skb->csum_offset = offsetof(wire::TcpHeader, check);
    EXPECT_EQ(dev_queue_xmit(skb), NET_XMIT_SUCCESS);
    RunFor(Duration::Milliseconds(1));
    ASSERT_FALSE(wire_.sent.empty());
    const std::span<const uint8_t> segment =
        std::span<const uint8_t>(wire_.sent.back()).subspan(54 + option_bytes, 20);
    EXPECT_TRUE(wire::TcpChecksumOk(wire::PseudoHeader(from, to), segment)) << option_bytes;
  }
}

TEST_F(IxgbeTest, JumboFramesSpanBuffers) {
  Up({}, 9000);
  const Bytes frame = MakeFrame(kOurs, 9000);
  Arrive(frame);
  RunFor(Duration::Milliseconds(1));
  ASSERT_EQ(receiver_.payloads.size(), 1U);
  EXPECT_EQ(receiver_.payloads[0], Bytes(frame.begin() + 14, frame.end()));
}

TEST_F(IxgbeTest, ClosesWithFramesInFlightAndOpensAgain) {
  Up();
  for (uint64_t i = 0; i < 20; ++i) Arrive(MakeFrame(kOurs, 200), Duration::Microseconds(i + 1));
  RunFor(Duration::Microseconds(8));
  Send(300);
  dev_close(dev_);
  RunFor(Duration::Milliseconds(50));
  ASSERT_EQ(dev_open(dev_), 0);
  RunFor(Duration::Milliseconds(50));
  receiver_.payloads.clear();
  Arrive(MakeFrame(kOurs, 77));
  RunFor(Duration::Milliseconds(1));
  EXPECT_EQ(receiver_.payloads.size(), 1U);
}

TEST_F(IxgbeTest, CountsWhatTheDeviceCounted) {
  Up();
  Arrive(MakeFrame(kOurs, 100));
  frames_.push_back(std::make_unique<Bytes>(MakeFrame(kOurs, 100)));
  nic_->WireRx(world_->now() + Duration::Microseconds(20), {.bytes = *frames_.back(),
                                                            .buffer = {},
                                                            .frame_id = world_->NewFrameId(),
                                                            .flags = nic::kWireBadFcs});
  RunFor(Duration::Milliseconds(1));
  rtnl_link_stats64 stats;
  dev_get_stats(dev_, &stats);
  EXPECT_EQ(stats.rx_packets, 1U);
  EXPECT_EQ(stats.rx_crc_errors, 1U);
}

}  // namespace
}  // namespace tapedeck
