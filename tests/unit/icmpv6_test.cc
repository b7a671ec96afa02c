// ICMPv6: what is answered, what is told to the sender of a packet, and when nothing is.
#include "stack/ipv6/icmpv6.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

#include "socket_host.h"  // beside this file
#include "stack/ipv6/in6.h"
#include "stack/wire/icmpv6.h"

namespace tapedeck {
namespace {

constexpr size_t kIpAt = 14;
constexpr size_t kIcmpAt = kIpAt + 40;
constexpr Ipv6Address kGroup = kIpv6AllNodes;

struct Icmpv6Test : ::testing::Test {
  Icmpv6Test() {
    // Reports of the groups that the device has joined.
    host.RunFor(Duration::Seconds(20));
    host.TakeSent();
  }
  // An ICMPv6 message from the peer with `body` behind its header.
  Bytes Message(uint8_t type, const Bytes& body, const Ipv6Address& to = kUs6) {
    Bytes buffer(2000);
    wire::FrameBuilder builder(buffer);
    wire::Ipv6Header ip;
    ip.hop_limit = 64;
    ip.saddr = kPeer6;
    ip.daddr = to;
    wire::Icmpv6Header icmp;
    icmp.type = type;
    icmp.set_id(7);
    builder.Ethernet(kOurMac, kPeerMac).Ipv6(ip).Icmpv6(icmp).Payload(body);
    const std::span<uint8_t> frame = builder.Build();
    return {frame.begin(), frame.end()};
  }
  // A UDP datagram to a port that nobody has.
  Bytes ToClosedPort() {
    Bytes buffer(2000);
    wire::FrameBuilder builder(buffer);
    wire::Ipv6Header ip;
    ip.hop_limit = 64;
    ip.saddr = kPeer6;
    ip.daddr = kUs6;
    const wire::UdpHeader udp{.source = be16(1000), .dest = be16(9)};
    builder.Ethernet(kOurMac, kPeerMac).Ipv6(ip).Udp(udp).Payload(Bytes(100));
    const std::span<uint8_t> frame = builder.Build();
    return {frame.begin(), frame.end()};
  }
  uint64_t Count(Icmp6Mib item) const { return host.n.icmp6_mib.Get(item); }

  SocketHost host{FreeCostTable(), true};
};

TEST_F(Icmpv6Test, EchoIsAnsweredWithItsData) {
  const uint64_t sent_before = Count(Icmp6Mib::kOutMsgs);
  host.Receive(Message(wire::kIcmpv6EchoRequest, BytesFrom("data")));
  const std::vector<Bytes> sent = host.TakeSent();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0][kIcmpAt], wire::kIcmpv6EchoReply);
  EXPECT_EQ(LoadBe16(&sent[0][kIcmpAt + 4]), 7);
  EXPECT_EQ(TextOf(std::span(sent[0]).subspan(kIcmpAt + 8, 4)), "data");
  const wire::PseudoHeader pseudo(kUs6, kPeer6);
  EXPECT_TRUE(wire::Icmpv6ChecksumOk(pseudo, std::span(sent[0]).subspan(kIcmpAt, 12)));
  EXPECT_EQ(Count(Icmp6Mib::kInMsgs), 1U);
  EXPECT_EQ(Count(Icmp6Mib::kOutMsgs), sent_before + 1);
}

TEST_F(Icmpv6Test, EchoIsIgnoredWhereTheHostSaysSo) {
  host.Sysctl("net/ipv6/icmp/echo_ignore_all", "1");
  host.Receive(Message(wire::kIcmpv6EchoRequest, BytesFrom("data")));
  host.Sysctl("net/ipv6/icmp/echo_ignore_all", "0");
  host.Sysctl("net/ipv6/icmp/echo_ignore_multicast", "1");
  host.Receive(Message(wire::kIcmpv6EchoRequest, BytesFrom("data"), kGroup));
  EXPECT_TRUE(host.TakeSent().empty());
}

TEST_F(Icmpv6Test, WrongChecksumIsCountedAndDropped) {
  Bytes frame = Message(wire::kIcmpv6EchoRequest, BytesFrom("data"));
  frame[kIcmpAt + 2] ^= 1;
  host.Receive(frame);
  EXPECT_TRUE(host.TakeSent().empty());
  EXPECT_EQ(Count(Icmp6Mib::kInCsumErrors), 1U);
  EXPECT_EQ(Count(Icmp6Mib::kInErrors), 1U);
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_ICMPV6_CSUM), 1U);
}

TEST_F(Icmpv6Test, OneHostGetsSixErrorsAtOnce) {
  for (int i = 0; i < 10; ++i) host.Receive(ToClosedPort());
  EXPECT_EQ(host.TakeSent().size(), 6U);
  EXPECT_EQ(Count(Icmp6Mib::kOutRateLimitHost), 4U);
  host.RunFor(Duration::Seconds(1));
  host.Receive(ToClosedPort());
  EXPECT_EQ(host.TakeSent().size(), 1U);
}

TEST_F(Icmpv6Test, RatemaskSaysWhatIsLimited) {
  std::string text;
  EXPECT_EQ(host.kernel.sysctl().Read("net/ipv6/icmp/ratemask", &text), 0);
  EXPECT_EQ(text, "0-1,3-127\n");
  host.Sysctl("net/ipv6/icmp/ratemask", "3,5-7");
  text.clear();
  EXPECT_EQ(host.kernel.sysctl().Read("net/ipv6/icmp/ratemask", &text), 0);
  EXPECT_EQ(text, "3,5-7\n");
  EXPECT_EQ(host.kernel.sysctl().Write("net/ipv6/icmp/ratemask", "256"), -EINVAL);
  for (int i = 0; i < 10; ++i) host.Receive(ToClosedPort());
  EXPECT_EQ(host.TakeSent().size(), 10U);
}

TEST_F(Icmpv6Test, NoErrorAboutAGroup) {
  Bytes frame = ToClosedPort();
  std::memcpy(&frame[kIpAt + 24], kGroup.bytes().data(), 16);
  host.Receive(frame);
  EXPECT_TRUE(host.TakeSent().empty());
}

TEST_F(Icmpv6Test, ErrorQuotesNoMoreThanTheSmallestMtuHolds) {
  host.Receive(ToClosedPort());
  const std::vector<Bytes> sent = host.TakeSent();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].size(), kIcmpAt + 8 + 40 + 8 + 100);
}

TEST_F(Icmpv6Test, MessagesOfTwoTypesAreTwoFlows) {
  const auto label = [](const Bytes& frame) { return LoadBe32(&frame[kIpAt]) & 0xfffff; };
  host.Receive(ToClosedPort());
  host.Receive(ToClosedPort());
  host.Receive(Message(wire::kIcmpv6EchoRequest, BytesFrom("data")));
  const std::vector<Bytes> sent = host.TakeSent();
  ASSERT_EQ(sent.size(), 3U);
  EXPECT_EQ(label(sent[0]), label(sent[1]));
  EXPECT_NE(label(sent[0]), label(sent[2]));
}

TEST_F(Icmpv6Test, CodesMeanErrnos) {
  int err = 0;
  EXPECT_FALSE(icmpv6_err_convert(wire::kIcmpv6DestUnreachable, 0, &err));
  EXPECT_EQ(err, ENETUNREACH);
  EXPECT_TRUE(icmpv6_err_convert(wire::kIcmpv6DestUnreachable, 4, &err));
  EXPECT_EQ(err, ECONNREFUSED);
  EXPECT_TRUE(icmpv6_err_convert(wire::kIcmpv6DestUnreachable, 7, &err));
  EXPECT_EQ(err, EPROTO);
  EXPECT_FALSE(icmpv6_err_convert(wire::kIcmpv6PacketTooBig, 0, &err));
  EXPECT_EQ(err, EMSGSIZE);
  EXPECT_FALSE(icmpv6_err_convert(wire::kIcmpv6TimeExceeded, 0, &err));
  EXPECT_EQ(err, EHOSTUNREACH);
}

}  // namespace
}  // namespace tapedeck
