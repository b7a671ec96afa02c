// Datagrams that one poll finds reach a socket that asked for it as one read, and others as they
// came (UDP_GRO; net/ipv4/udp_offload.c).
#include "stack/udp/udp_gro.h"

#include <gtest/gtest.h>

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gro_queue.h"
#include "socket_host.h"
#include "stack/core/gso.h"

namespace tapedeck {
namespace {

constexpr uint16_t kPort = 7000;
constexpr uint16_t kFirstId = 0xffff;  // IDs cross zero

// A datagram in the plain form of which tests change a thing.
struct Datagram {
  uint32_t len = 100;
  uint16_t id = 0;  // beside kFirstId
  uint16_t source = 9;
  uint16_t dest = kPort;
  uint8_t tos = 0;
  uint8_t ttl = 64;
  size_t pad_to = 0;
  bool no_checksum = false;
  bool broken = false;  // a byte is wrong
};

std::vector<Datagram> Row(uint32_t count) {
  std::vector<Datagram> row(count);
  for (uint32_t i = 0; i < count; ++i) row[i].id = static_cast<uint16_t>(i);
  return row;
}

// Of IPv4 and of IPv6 (the parameter).
class UdpGroTest : public ::testing::TestWithParam<bool> {
 protected:
  struct Seen {
    uint16_t gso_segs;
    uint16_t gso_size;
    uint32_t gso_type;
  };

  UdpGroTest() : queue_(host.eth()) {
    tap_.test = this;
    tap_.type = kProtocolAll;
    tap_.func = [](sk_buff* skb, net_device*, packet_type* pt, net_device*) {
      const skb_shared_info* const info = skb_shinfo(skb);
      if (skb->pkt_type != PACKET_OUTGOING) {
        static_cast<Tap*>(pt)->test->seen_.push_back(
            {info->gso_segs, info->gso_size, info->gso_type});
      }
      consume_skb(skb);
      return 0;
    };
    dev_add_pack(host.n, &tap_);
  }
  ~UdpGroTest() override { dev_remove_pack(&tap_); }

  int Bound() {
    const int fd = GetParam() ? host.Socket6() : host.Socket();
    const IpAddress any = GetParam() ? IpAddress(kIpv6Any) : IpAddress(kIpv4Any);
    EXPECT_EQ(host.Bind(fd, At(any, kPort)), 0);
    return fd;
  }
  int BoundWithGro() {
    const int fd = Bound();
    EXPECT_EQ(host.SetInt(fd, kSolUdp, kUdpGro, 1), 0);
    return fd;
  }

  // The payloads of a row count on.
  Bytes Frame(const Datagram& datagram, uint8_t first) {
    Bytes buffer(4000);
    wire::FrameBuilder builder(buffer);
    builder.Ethernet(kOurMac, kPeerMac);
    if (GetParam()) {
      wire::Ipv6Header hdr;
      hdr.set_class_and_flow(datagram.tos, 0x12345);
      hdr.hop_limit = datagram.ttl;
      hdr.saddr = kPeer6;
      hdr.daddr = kUs6;
      builder.Ipv6(hdr);
    } else {
      builder.Ipv4({.tos = datagram.tos,
                    .id = static_cast<uint16_t>(kFirstId + datagram.id),
                    .ttl = datagram.ttl,
                    .saddr = kPeer,
                    .daddr = kUs});
    }
    builder.Udp({.source = datagram.source, .dest = datagram.dest})
        .Payload(Pattern(datagram.len, first));
    if (datagram.pad_to != 0) builder.PadTo(datagram.pad_to);
    const std::span<uint8_t> frame = builder.Build();
    const size_t udp = kEthHeaderBytes + (GetParam() ? wire::kIpv6HeaderBytes : size_t{20});
    if (datagram.no_checksum) frame[udp + 6] = frame[udp + 7] = 0;
    if (datagram.broken) frame[udp + wire::kUdpHeaderBytes] ^= 1;
    return {frame.begin(), frame.end()};
  }

  // One poll that finds these; how many packets went up.
  size_t Receive(const std::vector<Datagram>& row) {
    std::vector<GroQueue::Frame> frames;
    for (const Datagram& datagram : row) {
      frames.push_back({Frame(datagram, static_cast<uint8_t>(frames.size()))});
    }
    queue_.Lay(std::move(frames));
    seen_.clear();
    napi_schedule(host.kernel.cpu(0), &queue_);
    host.RunFor(Duration::Microseconds(10));
    EXPECT_TRUE(queue_.empty());
    return seen_.size();
  }
  // The row's payloads from `first` on.
  static Bytes Together(const std::vector<Datagram>& row, size_t first, size_t count) {
    Bytes all;
    for (size_t i = first; i < first + count; ++i) {
      const Bytes payload = Pattern(row[i].len, static_cast<uint8_t>(i));
      all.insert(all.end(), payload.begin(), payload.end());
    }
    return all;
  }
  // One read: its bytes, and the size of datagrams that came with it.
  std::pair<Bytes, int> Read(int fd) {
    Bytes data(65'536);
    int gso_size = 0;
    const int64_t got = host.RecvGro(fd, &data, &gso_size);
    data.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return {std::move(data), gso_size};
  }

  struct Tap : packet_type {
    UdpGroTest* test;
  };
  SocketHost host{FreeCostTable(), true};
  GroQueue queue_;
  Tap tap_;
  std::vector<Seen> seen_;
};
INSTANTIATE_TEST_SUITE_P(Ip, UdpGroTest, ::testing::Bool(),
                         [](const auto& v6) { return std::string(v6.param ? "6" : "4"); });

TEST_P(UdpGroTest, OnePollIsOneRead) {
  const int fd = BoundWithGro();
  for (const uint32_t count : {2U, 3U, 18U, 40U}) {
    const std::vector<Datagram> row = Row(count);
    ASSERT_EQ(Receive(row), 1U);
    EXPECT_EQ(seen_[0].gso_segs, count);
    EXPECT_EQ(seen_[0].gso_size, 100U);
    EXPECT_EQ(seen_[0].gso_type, +SKB_GSO_UDP_L4);
    const auto [data, gso_size] = Read(fd);
    EXPECT_EQ(data, Together(row, 0, count));
    EXPECT_EQ(gso_size, 100);
  }
  EXPECT_EQ(Receive(Row(1)), 1U);
  EXPECT_EQ(seen_[0].gso_size, 0U);
  EXPECT_EQ(Read(fd), std::pair(Pattern(100), 0));
}

TEST_P(UdpGroTest, WhoDidNotAskReadsEach) {
  const int fd = Bound();
  const std::vector<Datagram> row = Row(3);
  EXPECT_EQ(Receive(row), 3U);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(Read(fd).first, Together(row, i, 1));
}

// The question is each socket's own, also where another has asked.
TEST_P(UdpGroTest, AnotherSocketsWishIsNotOurs) {
  const int ours = Bound();
  const int other = GetParam() ? host.Socket6() : host.Socket();
  EXPECT_EQ(host.SetInt(other, kSolUdp, kUdpGro, 1), 0);
  const std::vector<Datagram> row = Row(3);
  EXPECT_EQ(Receive(row), 3U);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(Read(ours).first, Together(row, i, 1));
}

TEST_P(UdpGroTest, AShorterOneIsTheLastAndALongerOneTheNext) {
  const int fd = BoundWithGro();
  std::vector<Datagram> row = Row(6);
  row[2].len = 40;
  row[4].len = 120;
  row[5].len = 120;
  ASSERT_EQ(Receive(row), 3U);
  EXPECT_EQ(Read(fd), std::pair(Together(row, 0, 3), 100));
  EXPECT_EQ(Read(fd), std::pair(Together(row, 3, 1), 0));
  EXPECT_EQ(Read(fd), std::pair(Together(row, 4, 2), 120));
}

TEST_P(UdpGroTest, SixtyFourAreAPacket) {
  const int fd = BoundWithGro();
  const std::vector<Datagram> row = Row(70);
  ASSERT_EQ(Receive(row), 2U);
  EXPECT_EQ(Read(fd), std::pair(Together(row, 0, 64), 100));
  EXPECT_EQ(Read(fd), std::pair(Together(row, 64, 6), 100));
}

TEST_P(UdpGroTest, WhatSaysSomethingElseGoesUpAlone) {
  BoundWithGro();
  ASSERT_EQ(Receive(Row(2)), 1U);
  struct Case {
    const char* name;
    std::function<void(Datagram&)> change;
    bool also_first = true;  // what comes behind it is no part of its packet
  };
  for (const Case& each : std::initializer_list<Case>{
           {"another sender", [](Datagram& d) { ++d.source; }},
           {"another receiver", [](Datagram& d) { ++d.dest; }},
           {"a longer one", [](Datagram& d) { ++d.len; }, false},
           {"no data", [](Datagram& d) { d.len = 0; }},
           {"no data, padded", [](Datagram& d) { d.len = 0, d.pad_to = 80; }},
           {"padding behind it", [](Datagram& d) { d.len = 10, d.pad_to = 120; }},
           {"no checksum", [](Datagram& d) { d.no_checksum = true; }},
           {"a wrong checksum", [](Datagram& d) { d.broken = true; }},
           {"a CE mark", [](Datagram& d) { d.tos |= wire::kEcnCe; }},
           {"another TTL", [](Datagram& d) { --d.ttl; }},
       }) {
    std::vector<Datagram> row = Row(2);
    each.change(row[1]);
    EXPECT_EQ(Receive(row), 2U) << each.name;
    if (!each.also_first) continue;
    row = Row(2);
    each.change(row[0]);
    EXPECT_EQ(Receive(row), 2U) << each.name << " first";
  }
}

// Two empty datagrams of a flow, padded to the shortest frame (CVE-2019-11683).
TEST_P(UdpGroTest, EmptyDatagramsStayEmpty) {
  const int fd = BoundWithGro();
  std::vector<Datagram> row = Row(2);
  for (Datagram& datagram : row) datagram.len = 0, datagram.pad_to = 60;
  EXPECT_EQ(Receive(row), 2U);
  Bytes data(10);
  int gso_size = 0;
  EXPECT_EQ(host.RecvGro(fd, &data, &gso_size), 0);
  EXPECT_EQ(host.RecvGro(fd, &data, &gso_size), 0);
  EXPECT_EQ(host.RecvGro(fd, &data, &gso_size), -EAGAIN);
}

// What no socket here waits for is merged where the device is told to, for who is behind us.
TEST_P(UdpGroTest, ForwardingIsTheDevicesToSay) {
  EXPECT_EQ(Receive(Row(3)), 3U);
  host.eth()->features |= NETIF_F_GRO_UDP_FWD;
  EXPECT_EQ(Receive(Row(3)), 1U);
  EXPECT_EQ(seen_[0].gso_segs, 3U);
  // Not in front of a socket that reads them one by one.
  const int fd = Bound();
  host.SetInt(host.Socket(), kSolUdp, kUdpGro, 1);
  const std::vector<Datagram> row = Row(3);
  EXPECT_EQ(Receive(row), 3U);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(Read(fd).first, Together(row, i, 1));
}

}  // namespace
}  // namespace tapedeck
