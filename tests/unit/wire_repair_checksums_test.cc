#include <gtest/gtest.h>

#include "stack/wire/describe.h"
#include "stack/wire/frame_builder.h"
#include "stack/wire/repair_checksums.h"
#include "wire_test_util.h"

namespace tapedeck::wire {
namespace {

constexpr MacAddress kDest{2, 0, 0, 0, 0, 2};
constexpr MacAddress kSource{2, 0, 0, 0, 0, 1};
const Ipv4Header kIpv4{.ttl = 64, .saddr = {10, 0, 0, 1}, .daddr = {10, 0, 0, 2}};
const Ipv6Header kIpv6{.hop_limit = 64,
                       .saddr = *Ipv6Address::Parse("2001:db8::1"),
                       .daddr = *Ipv6Address::Parse("2001:db8::2")};
const UdpHeader kUdp{.source = uint16_t{1234}, .dest = uint16_t{53}};

// One frame of each kind that carries checksums, all right.
std::vector<Bytes> GoodFrames() {
  std::vector<Bytes> frames;
  std::array<uint8_t, 300> buffer{};
  const auto add = [&](auto&& build) {
    FrameBuilder builder(buffer);
    builder.Ethernet(kDest, kSource);
    frames.push_back(ToBytes(build(builder).CountingPayload(23, 1).PadTo(130).Build()));
    EXPECT_FALSE(frames.back().empty());
  };
  TcpHeader tcp{.source = uint16_t{1}, .dest = uint16_t{2}};
  tcp.set_flags(kTcpAck);
  const Bytes destination_options = {0, 0, 1, 4, 0, 0, 0, 0};
  const Bytes atomic_fragment(8);
  Bytes source_route(24, 0x5a);
  StoreBe32(source_route.data(), 0x00020001);  // one address, one segment left
  add([&](FrameBuilder& b) -> FrameBuilder& { return b.Ipv4(kIpv4).Udp(kUdp); });
  add([&](FrameBuilder& b) -> FrameBuilder& { return b.Ipv4(kIpv4, Bytes(5, 1)).Tcp(tcp); });
  add([&](FrameBuilder& b) -> FrameBuilder& { return b.Vlan(1).Ipv4(kIpv4).Icmp({.type = 8}); });
  add([&](FrameBuilder& b) -> FrameBuilder& { return b.Ipv4(kIpv4).Igmp({.type = kIgmpV2Leave}); });
  add([&](FrameBuilder& b) -> FrameBuilder& { return b.Ipv6(kIpv6).Udp(kUdp); });
  add([&](FrameBuilder& b) -> FrameBuilder& { return b.Ipv6(kIpv6).Icmpv6({.type = 128}); });
  add([&](FrameBuilder& b) -> FrameBuilder& {
    return b.Ipv6(kIpv6)
        .Ipv6Extension(kIpProtoDestOptions, destination_options)
        .Ipv6Extension(kIpProtoFragment, atomic_fragment)
        .Tcp(tcp);
  });
  add([&](FrameBuilder& b) -> FrameBuilder& {
    return b.Ipv6(kIpv6).Ipv6Extension(kIpProtoRouting, source_route).Udp(kUdp);
  });
  add([&](FrameBuilder& b) -> FrameBuilder& { return b.Ipv4(kIpv4).Ipv4(kIpv4).Udp(kUdp); });
  add([&](FrameBuilder& b) -> FrameBuilder& { return b.Ipv6(kIpv6).Ipv6(kIpv6).Tcp(tcp); });
  return frames;
}

TEST(WireRepairChecksums, ARightFrameStays) {
  for (const Bytes& good : GoodFrames()) {
    Bytes frame = good;
    RepairChecksums(frame);
    EXPECT_EQ(frame, good) << DescribeFrame(good);
  }
}

// Spoiling any checksum byte, then repairing, gives back the frame the builder made: two
// computations that agree.
TEST(WireRepairChecksums, EveryChecksumIsFoundAgain) {
  for (const Bytes& good : GoodFrames()) {
    int repaired = 0;
    for (size_t at = 14; at < good.size(); ++at) {
      Bytes frame = good;
      frame[at] ^= 0x55;
      const Bytes spoiled = frame;
      RepairChecksums(frame);
      if (frame == good) ++repaired;
    }
    // Two bytes for each checksum of the frame.
    const bool has_ipv4 = good[12] == 0x08 || good[16] == 0x08;
    const bool nested = good[23] == kIpProtoIpip && has_ipv4;
    EXPECT_EQ(repaired, 2 + 2 * has_ipv4 + 2 * nested) << DescribeFrame(good);
  }
}

// The point of it: change anything that is no length or type, repair, and a receiver finds all
// checksums right.
TEST(WireRepairChecksums, AChangedPayloadBecomesRight) {
  std::array<uint8_t, 200> buffer{};
  const auto frame = FrameBuilder(buffer)
                         .Ethernet(kDest, kSource)
                         .Ipv4(kIpv4)
                         .Udp(kUdp)
                         .CountingPayload(9)
                         .Build();
  frame[22] = 1;    // ttl
  frame[36] ^= 9;   // port
  frame[50] ^= 99;  // payload
  RepairChecksums(frame);
  const auto ip = ParseIpv4(ParseEthernet(frame)->payload);
  EXPECT_TRUE(Ipv4ChecksumOk(ip->header));
  EXPECT_TRUE(UdpChecksumOk({ip->header->saddr, ip->header->daddr}, *ParseUdp(ip->payload)));
}

TEST(WireRepairChecksums, WhatIsLeftAlone) {
  std::array<uint8_t, 200> buffer{};
  const auto build = [&](const Ipv4Header& ip, const UdpHeader& udp) {
    return ToBytes(FrameBuilder(buffer)
                       .Ethernet(kDest, kSource)
                       .Ipv4(ip)
                       .Udp(udp, kKeepChecksum | kKeepLength)
                       .CountingPayload(9)
                       .Build());
  };
  const auto unchanged = [](const Bytes& frame) {
    Bytes repaired = frame;
    RepairChecksums(repaired);
    return repaired == frame;
  };
  const auto udp_with = [](uint16_t len, uint16_t check) {
    return UdpHeader{.source = uint16_t{1}, .dest = uint16_t{2}, .len = len, .check = check};
  };
  Ipv4Header fragment = kIpv4;
  fragment.frag_off = kIpv4MoreFragments;
  EXPECT_FALSE(unchanged(build(kIpv4, udp_with(17, 1))));
  EXPECT_TRUE(unchanged(build(kIpv4, udp_with(17, 0)))) << "no checksum";
  EXPECT_TRUE(unchanged(build(kIpv4, udp_with(18, 1)))) << "length beyond the packet";
  EXPECT_TRUE(unchanged(build(kIpv4, udp_with(7, 1)))) << "length below the header";
  EXPECT_TRUE(unchanged(build(fragment, udp_with(17, 1)))) << "fragment";
}

// tcp_v4_rcv() drops a segment that is shorter than its header says before it sums it.
TEST(WireRepairChecksums, ATcpHeaderBeyondItsSegmentIsLeftAlone) {
  std::array<uint8_t, 200> buffer{};
  const TcpHeader tcp{.source = uint16_t{1}, .dest = uint16_t{2}, .check = uint16_t{1}};
  const auto frame = FrameBuilder(buffer)
                         .Ethernet(kDest, kSource)
                         .Ipv4(kIpv4)
                         .Tcp(tcp, {}, kKeepChecksum)
                         .CountingPayload(12)
                         .Build();
  constexpr size_t kDataOffset = 14 + 20 + 12;
  for (const int words : {4, 9}) {
    frame[kDataOffset] = static_cast<uint8_t>(words << 4);
    const Bytes before = ToBytes(frame);
    RepairChecksums(frame);
    EXPECT_EQ(ToBytes(frame), before) << words;
  }
  frame[kDataOffset] = 8 << 4;
  RepairChecksums(frame);
  const auto ip = ParseIpv4(ParseEthernet(frame)->payload);
  EXPECT_TRUE(TcpChecksumOk({ip->header->saddr, ip->header->daddr}, ip->payload));
}

// ip_rcv() looks at the header checksum before the total length, so that must be right to reach the
// length check.
TEST(WireRepairChecksums, TheHeaderChecksumIsRepairedUnderAWrongLength) {
  std::array<uint8_t, 200> buffer{};
  Ipv4Header ip = kIpv4;
  ip.tot_len = 5;
  ip.check = 1;
  const auto frame = FrameBuilder(buffer)
                         .Ethernet(kDest, kSource)
                         .Ipv4(ip, {}, kKeepLength | kKeepChecksum)
                         .Udp(kUdp)
                         .Build();
  RepairChecksums(frame);
  EXPECT_TRUE(Ipv4ChecksumOk(Overlay<Ipv4Header>(frame.subspan(14))));
}

TEST(WireRepairChecksums, TotalAndIdempotentOnAnyBytes) {
  const std::vector<Bytes> good = GoodFrames();
  for (size_t i = 0; i < good.size(); ++i) {
    const Bytes start(good[i].begin(), good[i].begin() + 24);
    ForRandomBytes(i, 5000, 120, start, [](std::span<uint8_t> bytes) {
      RepairChecksums(bytes);
      const Bytes once = ToBytes(bytes);
      RepairChecksums(bytes);
      EXPECT_EQ(ToBytes(bytes), once);
      EXPECT_FALSE(DescribeFrame(bytes).empty());
      RepairPacketChecksums(bytes);
      EXPECT_FALSE(DescribePacket(bytes).empty());
    });
    ForEveryPrefix(good[i], [](std::span<const uint8_t> prefix) {
      Bytes frame = ToBytes(prefix);
      RepairChecksums(frame);
      EXPECT_FALSE(DescribeFrame(prefix).empty());
    });
  }
}

}  // namespace
}  // namespace tapedeck::wire
