// The tun device: what a user writes is received, what the host sends is read, with checksums made.
#include "stack/drivers/tun.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <vector>

#include "stack/base/checksum.h"
#include "stack/host.h"
#include "stack/wire/arp.h"
#include "stack/wire/frame_builder.h"
#include "stack/wire/icmp.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/ipv4.h"

namespace tapedeck {
namespace {

constexpr Ipv4Address kLocal{192, 168, 0, 1};
constexpr Ipv4Address kRemote{192, 0, 2, 1};

class TunHost : public TunReader {
 public:
  TunHost()
      : world(*arena.New<World>(arena, 1U, nullptr)),
        host(*arena.New<Host>(world, KernelOptions{}, FreeCostTable())),
        tun(host.AddTun("tun0", 1500)) {
    tun_set_reader(tun, this);
    EXPECT_EQ(host.AddAddress(tun, kLocal, 16), 0);
    EXPECT_EQ(host.AddRoute(tun, Ipv4Prefix(kRemote, 24), kLocal), 0);
  }
  ~TunHost() override {
    host.Shutdown();
    world.RunUntilIdle(world.now() + Duration::Seconds(600));
    EXPECT_EQ(world.packets().live_objects(), 0U);
  }
  void Read(const TunPacket& packet) override {
    sent.emplace_back(packet.bytes.begin(), packet.bytes.end());
    times.push_back(packet.time);
  }

  Arena arena;
  World& world;
  Host& host;
  net_device* tun;
  std::vector<std::vector<uint8_t>> sent;
  std::vector<SimTime> times;
};

std::span<uint8_t> EchoRequest(std::span<uint8_t> buffer) {
  wire::IcmpHeader icmp{};
  icmp.type = wire::kIcmpEcho;
  return wire::FrameBuilder(buffer)
      .Ipv4({.ttl = 64, .saddr = kRemote, .daddr = kLocal})
      .Icmp(icmp)
      .CountingPayload(20)
      .Build();
}

TEST(TunTest, PingIsAnsweredAtOnce) {
  TunHost h;
  uint8_t buffer[100];
  const SimTime at = SimTime::Zero() + Duration::Milliseconds(5);
  h.world.RunUntil(at);
  ASSERT_EQ(tun_write(h.tun, EchoRequest(buffer)), 0);
  h.world.RunUntil(at);
  ASSERT_EQ(h.sent.size(), 1U);
  EXPECT_EQ(h.times[0], at);
  const auto reply = wire::ParseIpv4(h.sent[0]);
  ASSERT_TRUE(static_cast<bool>(reply));
  EXPECT_EQ(reply->header->saddr, kLocal);
  EXPECT_EQ(reply->header->daddr, kRemote);
  EXPECT_EQ(csum_fold(csum_partial(reply->payload, 0)), 0);
}

TEST(TunTest, WritesThatAreNoPacketAreRefused) {
  TunHost h;
  EXPECT_EQ(tun_write(h.tun, {}), -EINVAL);
  const uint8_t garbage[] = {0x50, 0, 0, 0};
  EXPECT_EQ(tun_write(h.tun, garbage), -EINVAL);
  EXPECT_EQ(h.tun->stats.rx_frame_errors, 2U);
  dev_close(h.tun);
  uint8_t buffer[100];
  EXPECT_EQ(tun_write(h.tun, EchoRequest(buffer)), -EIO);
}

TEST(TunTest, WithoutReaderPacketsAreDropped) {
  TunHost h;
  tun_set_reader(h.tun, nullptr);
  uint8_t buffer[100];
  EXPECT_EQ(tun_write(h.tun, EchoRequest(buffer)), 0);
  h.world.RunUntil(h.world.now() + Duration::Milliseconds(1));
  EXPECT_TRUE(h.sent.empty());
  EXPECT_EQ(h.tun->stats.tx_dropped, 1U);
}

TEST(TunTest, AnArpRequestToATapIsAnswered) {
  TunHost h;
  const MacAddress ours(2, 0, 0, 0, 1, 1);
  const MacAddress theirs(2, 0, 0, 0, 1, 2);
  net_device* const tap = h.host.AddTap("tap0", ours, 1500);
  ASSERT_NE(tap, nullptr);
  tun_set_reader(tap, &h);
  ASSERT_EQ(h.host.AddAddress(tap, Ipv4Address(10, 1, 0, 1), 24), 0);
  wire::ArpPacket request;
  request.ar_op = wire::kArpRequest;
  request.ar_sha = theirs;
  request.ar_sip = Ipv4Address(10, 1, 0, 2);
  request.ar_tip = Ipv4Address(10, 1, 0, 1);
  uint8_t buffer[100];
  wire::FrameBuilder builder(buffer);
  ASSERT_EQ(tun_write(tap, builder.Ethernet(kMacBroadcast, theirs).Arp(request).Build()), 0);
  h.world.RunUntil(h.world.now() + Duration::Milliseconds(1));
  ASSERT_EQ(h.sent.size(), 1U);
  const auto reply = wire::ParseArp(std::span<const uint8_t>(h.sent[0]).subspan(14));
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ((*reply)->ar_op, wire::kArpReply);
  EXPECT_EQ((*reply)->ar_sha, ours);
  EXPECT_EQ((*reply)->ar_tha, theirs);
}

TEST(TunTest, AFrameShorterThanItsHeaderIsRefused) {
  TunHost h;
  net_device* const tap = h.host.AddTap("tap0", MacAddress(2, 0, 0, 0, 1, 1), 1500);
  ASSERT_NE(tap, nullptr);
  const uint8_t bytes[13] = {};
  EXPECT_EQ(tun_write(tap, bytes), -EINVAL);
}

}  // namespace
}  // namespace tapedeck
