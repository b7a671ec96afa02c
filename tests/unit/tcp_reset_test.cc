// Segments without a connection: which are answered with a reset, and what that says. RFC
// 9293 3.10.7.1.
#include <gtest/gtest.h>

#include "socket_host.h"  // beside this file

namespace tapedeck {
namespace {

class TcpResetTest : public ::testing::Test {
 protected:
  static wire::TcpHeader Segment(uint16_t flags, uint32_t seq = 1000, uint32_t ack = 0) {
    wire::TcpHeader th;
    th.source = uint16_t{40001};
    th.dest = uint16_t{80};
    th.seq = seq;
    th.ack_seq = ack;
    th.window = uint16_t{65535};
    th.set_flags(flags);
    return th;
  }
  void Receive(const wire::TcpHeader& th, size_t payload_bytes = 0, Ipv4Address to = kUs,
               MacAddress mac = kOurMac, wire::KeepFields keep = wire::kKeepNothing) {
    wire::Ipv4Header ip;
    ip.saddr = kPeer;
    ip.daddr = to;
    ip.tos = 0x10;
    host.Receive(SocketHost::Frame(
        ip, [&](wire::FrameBuilder& b) { b.Tcp(th, {}, keep).CountingPayload(payload_bytes); },
        mac));
  }
  // The one reset that has gone out.
  wire::TcpHeader TakeReset() {
    const std::vector<Bytes> sent = host.TakeSent();
    EXPECT_EQ(sent.size(), 1U);
    if (sent.empty()) return {};
    const wire::Ipv4View ip = SocketHost::IpOf(sent[0]);
    EXPECT_EQ(ip.header->saddr, kUs);
    EXPECT_EQ(ip.header->daddr, kPeer);
    EXPECT_EQ(ip.header->tos, 0x10) << "the segment's own";
    EXPECT_TRUE(ip.header->dont_fragment());
    EXPECT_EQ(ip.header->id.host(), 0);
    EXPECT_TRUE(wire::TcpChecksumOk(wire::PseudoHeader(kUs, kPeer), ip.payload));
    const auto tcp = wire::ParseTcp(ip.payload);
    EXPECT_TRUE(tcp.ok());
    EXPECT_TRUE(tcp->payload.empty() && tcp->options.empty());
    return *tcp->header;
  }

  SocketHost host;
};

// tcp_v6_send_response; tcp_v4_send_reset counts it all the same.
TEST(TcpResetIpv6Test, AResetThatHasNoWayBackDoesNotCount) {
  SocketHost host(FreeCostTable(), true);
  Bytes buffer(200);
  wire::FrameBuilder builder(buffer);
  wire::Ipv6Header ip;
  ip.hop_limit = 64;
  ip.saddr = *Ipv6Address::Parse("2001:db8:ffff::1");
  ip.daddr = kUs6;
  wire::TcpHeader th;
  th.dest = uint16_t{80};
  th.set_flags(wire::kTcpSyn);
  builder.Ethernet(kOurMac, kPeerMac).Ipv6(ip).Tcp(th);
  const std::span<uint8_t> frame = builder.Build();
  host.Receive({frame.begin(), frame.end()});
  EXPECT_EQ(host.n.tcp_mib.Get(TcpMib::kInSegs), 1U);
  EXPECT_EQ(host.n.tcp_mib.Get(TcpMib::kOutRsts), 0U);
  EXPECT_EQ(host.n.tcp_mib.Get(TcpMib::kOutSegs), 0U);
}

TEST_F(TcpResetTest, ASynIsAnsweredWithRstAck) {
  Receive(Segment(wire::kTcpSyn));
  const wire::TcpHeader reset = TakeReset();
  EXPECT_EQ(reset.source.host(), 80);
  EXPECT_EQ(reset.dest.host(), 40001);
  EXPECT_EQ(reset.flags(), wire::kTcpRst | wire::kTcpAck);
  EXPECT_EQ(reset.seq.host(), 0U);
  EXPECT_EQ(reset.ack_seq.host(), 1001U);
  EXPECT_EQ(host.Tcp(TcpMib::kInSegs), 1U);
  EXPECT_EQ(host.Tcp(TcpMib::kOutSegs), 1U);
  EXPECT_EQ(host.Tcp(TcpMib::kOutRsts), 1U);
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_NO_SOCKET), 1U);
}

TEST_F(TcpResetTest, AnAckIsAnsweredWithItsOwnNumber) {
  Receive(Segment(wire::kTcpAck | wire::kTcpPsh, 1000, 5555), 10);
  const wire::TcpHeader reset = TakeReset();
  EXPECT_EQ(reset.flags(), wire::kTcpRst);
  EXPECT_EQ(reset.seq.host(), 5555U);
  EXPECT_EQ(reset.ack_seq.host(), 0U);
}

TEST_F(TcpResetTest, SynFinAndPayloadAllCount) {
  Receive(Segment(wire::kTcpSyn | wire::kTcpFin, 0xffffffff), 10);
  EXPECT_EQ(TakeReset().ack_seq.host(), 11U) << "across the wrap";
}

TEST_F(TcpResetTest, ANullSegmentIsAnsweredToo) {
  Receive(Segment(0));
  EXPECT_EQ(TakeReset().ack_seq.host(), 1000U);
}

TEST_F(TcpResetTest, AResetIsNeverAnswered) {
  Receive(Segment(wire::kTcpRst));
  Receive(Segment(wire::kTcpRst | wire::kTcpAck | wire::kTcpSyn));
  EXPECT_TRUE(host.TakeSent().empty());
  EXPECT_EQ(host.Tcp(TcpMib::kInSegs), 2U);
  EXPECT_EQ(host.Tcp(TcpMib::kOutRsts), 0U);
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_NO_SOCKET), 2U);
}

TEST_F(TcpResetTest, AWrongChecksumIsDroppedInSilence) {
  wire::TcpHeader th = Segment(wire::kTcpSyn);
  th.check = uint16_t{0x1234};
  Receive(th, 0, kUs, kOurMac, wire::kKeepChecksum);
  EXPECT_TRUE(host.TakeSent().empty());
  EXPECT_EQ(host.Tcp(TcpMib::kInCsumErrors), 1U);
  EXPECT_EQ(host.Tcp(TcpMib::kInErrs), 1U);
  EXPECT_EQ(host.Tcp(TcpMib::kInSegs), 1U) << "counted even if bad";
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_TCP_CSUM), 1U);
}

TEST_F(TcpResetTest, MalformedHeadersAreDropped) {
  wire::TcpHeader th = Segment(wire::kTcpSyn);
  th.set_doff(4);
  Receive(th, 0, kUs, kOurMac, wire::kKeepHeaderLength);
  EXPECT_EQ(host.Tcp(TcpMib::kInErrs), 1U);
  th.set_doff(15);
  Receive(th, 0, kUs, kOurMac, wire::kKeepHeaderLength);
  EXPECT_EQ(host.Tcp(TcpMib::kInErrs), 1U) << "cut short is not an error of the header";
  wire::Ipv4Header ip;
  ip.saddr = kPeer;
  ip.daddr = kUs;
  ip.protocol = 6;
  host.Receive(SocketHost::Frame(ip, [](wire::FrameBuilder& b) { b.CountingPayload(19); }));
  EXPECT_TRUE(host.TakeSent().empty());
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_PKT_TOO_SMALL), 3U);
  EXPECT_EQ(host.Tcp(TcpMib::kInSegs), 3U);
}

TEST_F(TcpResetTest, WhatIsNotForUsAloneIsNeitherCountedNorAnswered) {
  const Ipv4Address group(224, 0, 0, 1);
  Receive(Segment(wire::kTcpSyn), 0, group, MacAddress::ForMulticast(group));
  Receive(Segment(wire::kTcpSyn), 0, kIpv4Broadcast, kMacBroadcast);
  Receive(Segment(wire::kTcpSyn), 0, kUs, kMacBroadcast);
  EXPECT_TRUE(host.TakeSent().empty());
  EXPECT_EQ(host.Tcp(TcpMib::kInSegs), 0U);
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_IP_INVALID_DEST), 2U);
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_UNICAST_IN_L2_MULTICAST), 1U);
}

TEST_F(TcpResetTest, AnIcmpErrorAboutNoConnectionIsCounted) {
  wire::Ipv4Header quoted;
  quoted.saddr = kUs;
  quoted.daddr = kPeer;
  const Bytes inner =
      SocketHost::Frame(quoted, [](wire::FrameBuilder& b) { b.Tcp(Segment(wire::kTcpSyn)); });
  wire::IcmpHeader icmp;
  icmp.type = wire::kIcmpDestUnreachable;
  icmp.code = wire::kIcmpPortUnreachable;
  wire::Ipv4Header ip;
  ip.saddr = kPeer;
  ip.daddr = kUs;
  host.Receive(SocketHost::Frame(
      ip, [&](wire::FrameBuilder& b) { b.Icmp(icmp).Payload(std::span(inner).subspan(14)); }));
  EXPECT_EQ(host.n.icmp_mib.Get(IcmpMib::kInErrors), 1U);
}

TEST_F(TcpResetTest, TheConstantsThatEveryHostReports) {
  EXPECT_EQ(host.Tcp(TcpMib::kRtoAlgorithm), 1U);
  EXPECT_EQ(host.Tcp(TcpMib::kRtoMin), 200U);
  EXPECT_EQ(host.Tcp(TcpMib::kRtoMax), 120000U);
  EXPECT_EQ(static_cast<int64_t>(host.Tcp(TcpMib::kMaxConn)), -1);
}

}  // namespace
}  // namespace tapedeck
