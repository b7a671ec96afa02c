#include <gtest/gtest.h>

#include "stack/wire/describe.h"
#include "stack/wire/frame_builder.h"
#include "stack/wire/tcp_options.h"
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

class FrameBuilderTest : public testing::Test {
 protected:
  FrameBuilder New() { return FrameBuilder(buffer_); }
  std::array<uint8_t, 1514> buffer_{};
};

TEST_F(FrameBuilderTest, UdpOverIpv4IsRightThroughout) {
  const auto frame =
      New().Ethernet(kDest, kSource).Ipv4(kIpv4).Udp(kUdp).CountingPayload(5).PadTo().Build();
  ASSERT_EQ(frame.size(), kEthernetMinBytes);
  EXPECT_EQ(DescribeFrame(frame), "IP 10.0.0.1.1234 > 10.0.0.2.53: UDP, length 5");
  const auto ip = ParseIpv4(ParseEthernet(frame)->payload);
  ASSERT_TRUE(ip);
  EXPECT_EQ(ip->header->tot_len.host(), 33);
  EXPECT_TRUE(Ipv4ChecksumOk(ip->header));
  const auto udp = ParseUdp(ip->payload);
  ASSERT_TRUE(udp);
  EXPECT_EQ(ToBytes(udp->payload), (Bytes{0, 1, 2, 3, 4}));
  EXPECT_TRUE(UdpChecksumOk({ip->header->saddr, ip->header->daddr}, *udp));
  EXPECT_NE(udp->header->check.host(), 0);
  EXPECT_EQ(frame[59], 0);
}

TEST_F(FrameBuilderTest, TcpWithOptionsBehindTwoTags) {
  TcpOptionWriter options;
  options.Mss(1460);
  TcpHeader header{.source = uint16_t{40001}, .dest = uint16_t{80}, .seq = uint32_t{100}};
  header.set_flags(kTcpSyn);
  const auto frame = New()
                         .Ethernet(kDest, kSource)
                         .Vlan(VlanTag::Tci(5, 0, false), kEtherTypeServiceVlan)
                         .Vlan(VlanTag::Tci(6, 0, false))
                         .Ipv4(kIpv4)
                         .Tcp(header, options.bytes())
                         .Build();
  EXPECT_EQ(DescribeFrame(frame),
            "vlan 5, vlan 6, IP 10.0.0.1.40001 > 10.0.0.2.80: Flags [S], seq 100, win 0, "
            "options [mss 1460], length 0");
  const auto ethernet = ParseEthernet(frame);
  EXPECT_EQ(ethernet->header->proto, kEtherTypeServiceVlan);
  const auto ip = ParseIpv4(ethernet->payload);
  EXPECT_TRUE(TcpChecksumOk({ip->header->saddr, ip->header->daddr}, ip->payload));
}

TEST_F(FrameBuilderTest, Ipv6WithExtensionHeaders) {
  const Bytes hop_by_hop = {0, 0, 1, 4, 0, 0, 0, 0};
  Icmpv6Header echo{.type = kIcmpv6EchoRequest};
  echo.set_id(7);
  const auto frame = New()
                         .Ethernet(kDest, kSource)
                         .Ipv6(kIpv6)
                         .Ipv6Extension(kIpProtoHopByHop, hop_by_hop)
                         .Icmpv6(echo)
                         .CountingPayload(11)
                         .Build();
  EXPECT_EQ(DescribeFrame(frame),
            "IP6 2001:db8::1 > 2001:db8::2: ICMP6, echo request, id 7, seq 0, length 19");
  const auto ip = ParseIpv6(ParseEthernet(frame)->payload);
  ASSERT_TRUE(ip);
  EXPECT_EQ(ip->header->nexthdr, kIpProtoHopByHop);
  EXPECT_EQ(ip->header->payload_len.host(), 27);
  EXPECT_TRUE(Icmpv6ChecksumOk({kIpv6.saddr, kIpv6.daddr}, FindUpperLayer(*ip)->payload));
}

TEST_F(FrameBuilderTest, AnIcmpErrorQuotesAPacket) {
  std::array<uint8_t, 100> inner_buffer{};
  const auto inner = FrameBuilder(inner_buffer).Ipv4(kIpv4).Udp(kUdp).Build();
  const auto frame = New()
                         .Ethernet(kDest, kSource)
                         .Ipv4(kIpv4)
                         .Icmp({.type = kIcmpDestUnreachable, .code = kIcmpPortUnreachable})
                         .Payload(inner)
                         .Build();
  EXPECT_EQ(DescribeFrame(frame),
            "IP 10.0.0.1 > 10.0.0.2: ICMP 10.0.0.2 UDP port 53 unreachable, length 36");
  EXPECT_TRUE(IcmpChecksumOk(ParseIpv4(ParseEthernet(frame)->payload)->payload));
}

TEST_F(FrameBuilderTest, ArpIgmpAndTunnels) {
  ArpPacket arp;
  arp.ar_op = kArpRequest;
  EXPECT_EQ(DescribeFrame(New().Ethernet(kMacBroadcast, kSource).Arp(arp).PadTo().Build()),
            "ARP, Request who-has 0.0.0.0 tell 0.0.0.0, length 28");
  EXPECT_EQ(DescribeFrame(New()
                              .Ethernet(kDest, kSource)
                              .Ipv4(kIpv4)
                              .Igmp({.type = kIgmpV2Report, .group = {239, 1, 2, 3}})
                              .Build()),
            "IP 10.0.0.1 > 10.0.0.2: igmp v2 report 239.1.2.3");
  const auto tunnel = New().Ethernet(kDest, kSource).Ipv4(kIpv4).Ipv6(kIpv6).Udp(kUdp).Build();
  EXPECT_EQ(DescribeFrame(tunnel), "IP 10.0.0.1 > 10.0.0.2: IPv6, length 48");
  const auto outer = ParseIpv4(ParseEthernet(tunnel)->payload);
  EXPECT_EQ(DescribePacket(outer->payload), "IP6 2001:db8::1.1234 > 2001:db8::2.53: UDP, length 0");
}

TEST_F(FrameBuilderTest, KeptFieldsStayWrong) {
  Ipv4Header ip = kIpv4;
  ip.version_ihl = 0x4f;
  ip.tot_len = 9999;
  ip.protocol = 99;
  ip.check = 0x1234;
  UdpHeader udp = kUdp;
  udp.len = 7;
  udp.check = 0;
  const auto frame =
      New()
          .Ethernet({kDest, kSource, uint16_t{0x1234}}, kKeepProtocol)
          .Ipv4(ip, {}, kKeepProtocol | kKeepLength | kKeepChecksum | kKeepHeaderLength)
          .Udp(udp, kKeepLength | kKeepChecksum)
          .Build();
  EXPECT_EQ(ParseEthernet(frame)->proto, 0x1234);
  const auto* built_ip = Overlay<Ipv4Header>(frame.subspan(14));
  EXPECT_EQ(built_ip->version_ihl, 0x4f);
  EXPECT_EQ(built_ip->tot_len, 9999);
  EXPECT_EQ(built_ip->protocol, 99);
  EXPECT_EQ(built_ip->check, 0x1234);
  const auto* built_udp = Overlay<UdpHeader>(frame.subspan(34));
  EXPECT_EQ(built_udp->len, 7);
  EXPECT_EQ(built_udp->check, 0);

  TcpHeader tcp;
  tcp.set_doff(3);
  const auto short_doff =
      New().Ethernet(kDest, kSource).Ipv4(kIpv4).Tcp(tcp, {}, kKeepHeaderLength).Build();
  EXPECT_EQ(DescribeFrame(short_doff), "IP 10.0.0.1 > 10.0.0.2: TCP [header length below minimum]");
}

// Nothing is written past the buffer and no half frame comes out.
TEST_F(FrameBuilderTest, TooSmallABufferGivesNoFrame) {
  for (size_t n = 0; n < 60; ++n) {
    Bytes exact(n);
    const auto build = [&exact](bool pad) {
      FrameBuilder builder(exact);
      builder.Ethernet(kDest, kSource).Ipv4(kIpv4).Udp(kUdp).CountingPayload(3);
      if (pad) builder.PadTo();
      return builder.Build().size();
    };
    EXPECT_EQ(build(false), n < 45 ? 0U : 45U) << n;
    EXPECT_EQ(build(true), 0U) << n;
  }
}

TEST_F(FrameBuilderTest, TooManyLayersGiveNoFrame) {
  FrameBuilder builder = New();
  builder.Ethernet(kDest, kSource);
  for (size_t i = 1; i < FrameBuilder::kLayersMax; ++i) builder.Vlan(1);
  EXPECT_EQ(builder.Build().size(), 14 + 4 * (FrameBuilder::kLayersMax - 1));
  EXPECT_TRUE(builder.Vlan(1).Build().empty());
}

TEST_F(FrameBuilderTest, BuildingAgainAfterMoreLayers) {
  FrameBuilder builder = New();
  builder.Ethernet(kDest, kSource).Ipv4(kIpv4).Udp(kUdp).PadTo();
  EXPECT_EQ(builder.Build().size(), 60U);
  const auto frame = builder.CountingPayload(30).Build();
  EXPECT_EQ(frame.size(), 72U);
  EXPECT_EQ(DescribeFrame(frame), "IP 10.0.0.1.1234 > 10.0.0.2.53: UDP, length 30");
}

}  // namespace
}  // namespace tapedeck::wire
