// Received IPv6 packets: each check with its reason and counter, delivery, groups, forwarding.
#include <algorithm>
#include <cerrno>

#include "ipv6_host.h"
#include "stack/core/sk_buff_head.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/mcast.h"

namespace tapedeck {
namespace {

constexpr uint8_t kProtocol = 99;
constexpr size_t kQuotedAt = 14 + 40 + 8;  // of the quote in a frame with an ICMPv6 error

class InputTest : public Ipv6Test {
 protected:
  void SetUp() override {
    delivered.clear();
    static constexpr inet6_protocol kTaker = {.handler =
                                                  [](sk_buff* skb) {
                                                    delivered.push_back(BytesOf(skb));
                                                    consume_skb(skb);
                                                    return 0;
                                                  },
                                              .flags = INET6_PROTO_NOPOLICY | INET6_PROTO_FINAL};
    ASSERT_EQ(inet6_add_protocol(host.n, &kTaker, kProtocol), 0);
  }

  static wire::Ipv6Header Header(const Ipv6Address& saddr = kPeer6,
                                 const Ipv6Address& daddr = kUs6) {
    wire::Ipv6Header header;
    header.set_class_and_flow(0, 0);
    header.nexthdr = kProtocol;
    header.hop_limit = 64;
    header.saddr = saddr;
    header.daddr = daddr;
    return header;
  }
  // A frame with 16 bytes for kProtocol.
  std::span<uint8_t> Frame(const wire::Ipv6Header& header,
                           wire::KeepFields keep = wire::kKeepNothing,
                           const MacAddress& dest = kUsMac) {
    return NewFrame(dest)
        .Ipv6(header, static_cast<wire::KeepFields>(keep | wire::kKeepProtocol))
        .Payload(Pattern(16))
        .Build();
  }
  void Take(const wire::Ipv6Header& header, wire::KeepFields keep = wire::kKeepNothing,
            const MacAddress& dest = kUsMac) {
    Receive(Frame(header, keep, dest));
  }
  // Of the ICMPv6 message that was sent; 0 where there was none. Then its other fields.
  uint8_t SentType() {
    if (NextSent().empty()) last_sent.clear();
    last_sent.resize(std::max(last_sent.size(), kQuotedAt));
    return last_sent[kQuotedAt - 8];
  }
  uint8_t SentCode() const { return last_sent[kQuotedAt - 7]; }
  uint32_t SentWord() const { return LoadBe32(&last_sent[kQuotedAt - 4]); }

  static inline std::vector<Bytes> delivered;
};

TEST_F(InputTest, Delivered) {
  wire::Ipv6Header header = Header();
  header.set_class_and_flow(wire::kEcnCe, 5);
  Take(header);
  ASSERT_EQ(delivered.size(), 1U);
  EXPECT_EQ(delivered[0], Pattern(16));
  EXPECT_EQ(Ip6Count(Ip6Mib::kInReceives), 1U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kInOctets), 56U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kInCEPkts), 1U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kInDelivers), 1U);
  EXPECT_EQ(host.AllDrops(), 0U);
}

// What the link layer put behind the packet goes.
TEST_F(InputTest, PaddingIsCut) {
  Receive(NewFrame().Ipv6(Header(), wire::kKeepProtocol).Payload(Pattern(3)).PadTo(60).Build());
  ASSERT_EQ(delivered.size(), 1U);
  EXPECT_EQ(delivered[0], Pattern(3));
}

// Each check has its reason and its counter.
TEST_F(InputTest, EachCheckHasItsReason) {
  struct Case {
    const char* name;
    wire::Ipv6Header header;
    wire::KeepFields keep;
    DropReason reason;
    Ip6Mib counter;
  };
  wire::Ipv6Header version = Header();
  version.ver_tc_flow = uint32_t{5} << 28;
  wire::Ipv6Header too_long = Header();
  too_long.payload_len = uint16_t{17};
  const Case cases[] = {
      {"length", too_long, wire::kKeepLength, SKB_DROP_REASON_PKT_TOO_SMALL,
       Ip6Mib::kInTruncatedPkts},
      {"from loopback", Header(kIpv6Loopback), 0, SKB_DROP_REASON_IP_INHDR, Ip6Mib::kInHdrErrors},
      {"to loopback", Header(kPeer6, kIpv6Loopback), 0, SKB_DROP_REASON_IP_INHDR,
       Ip6Mib::kInHdrErrors},
      {"interface-local", Header(kPeer6, Ip6("ff01::1")), 0, SKB_DROP_REASON_IP_INHDR,
       Ip6Mib::kInHdrErrors},
      {"reserved scope", Header(kPeer6, Ip6("ff00::1")), 0, SKB_DROP_REASON_IP_INHDR,
       Ip6Mib::kInHdrErrors},
      {"from a group", Header(Ip6("ff02::1")), 0, SKB_DROP_REASON_IP_INHDR, Ip6Mib::kInHdrErrors},
  };
  for (const Case& c : cases) {
    const uint64_t drops = Drops(c.reason);
    const uint64_t counted = Ip6Count(c.counter);
    Take(c.header, c.keep);
    EXPECT_EQ(Drops(c.reason), drops + 1) << c.name;
    EXPECT_EQ(Ip6Count(c.counter), counted + 1) << c.name;
  }
  Bytes frame(Frame(Header()).begin(), Frame(Header()).end());
  frame[14] = 0x50;
  Receive(frame);
  EXPECT_EQ(Drops(SKB_DROP_REASON_UNHANDLED_PROTO), 1U);
  frame.resize(14 + 39);
  const uint64_t drops = Drops(SKB_DROP_REASON_IP_INHDR);
  Receive(frame);
  EXPECT_EQ(Drops(SKB_DROP_REASON_IP_INHDR), drops + 1);
  EXPECT_TRUE(delivered.empty());
  EXPECT_EQ(NextSent(), "");
}

TEST_F(InputTest, FramesForOthersAreNotLookedAt) {
  Take(Header(), wire::kKeepNothing, MacAddress(2, 0, 0, 0, 0, 9));
  EXPECT_EQ(Drops(SKB_DROP_REASON_OTHERHOST), 1U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kInReceives), 0U);
}

TEST_F(InputTest, DisabledDevice) {
  ASSERT_EQ(Sysctl("net/ipv6/conf/eth0/disable_ipv6", 1), 0);
  Settle();
  const uint64_t before = Ip6Count(Ip6Mib::kInDiscards);
  Take(Header());
  EXPECT_EQ(Drops(SKB_DROP_REASON_IPV6_DISABLED), 1U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kInDiscards), before + 1);
}

TEST_F(InputTest, UnicastInLinkLayerMulticast) {
  const MacAddress group(0x33, 0x33, 0, 0, 0, 1);
  Take(Header(), wire::kKeepNothing, group);
  EXPECT_EQ(delivered.size(), 1U);
  ASSERT_EQ(Sysctl("net/ipv6/conf/eth0/drop_unicast_in_l2_multicast", 1), 0);
  Take(Header(), wire::kKeepNothing, group);
  EXPECT_EQ(delivered.size(), 1U);
  EXPECT_EQ(Drops(SKB_DROP_REASON_UNICAST_IN_L2_MULTICAST), 1U);
}

// RFC 4443 3.4: the pointer names the byte that says what nobody knows.
TEST_F(InputTest, UnknownProtocol) {
  wire::Ipv6Header header = Header();
  header.nexthdr = 200;
  Take(header);
  EXPECT_EQ(Drops(SKB_DROP_REASON_IP_NOPROTO), 1U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kInUnknownProtos), 1U);
  EXPECT_EQ(SentType(), wire::kIcmpv6ParameterProblem);
  EXPECT_EQ(SentCode(), 1);
  EXPECT_EQ(SentWord(), 6U);
}

TEST_F(InputTest, GroupsAreForMembers) {
  const Ipv6Address group = Ip6("ff02::1234");
  Take(Header(kPeer6, group));
  EXPECT_TRUE(delivered.empty());
  OnCpu([&] { EXPECT_EQ(ipv6_dev_mc_inc(eth.dev(), group), 0); });
  Take(Header(kPeer6, group));
  EXPECT_EQ(delivered.size(), 1U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kInMcastPkts), 2U);
  OnCpu([&] { EXPECT_EQ(ipv6_dev_mc_dec(eth.dev(), group), 0); });
}

TEST_F(InputTest, ListIsTakenOneByOne) {
  sk_buff_head list;
  OnCpu([&] {
    for (int i = 0; i < 3; ++i) {
      const std::span<uint8_t> frame = Frame(Header());
      sk_buff* const skb = ReceivedFrame(eth.dev(), Bytes(frame.begin(), frame.end()));
      skb_reset_network_header(skb);
      __skb_queue_tail(&list, skb);
    }
    ipv6_list_rcv(&list, &ns.ipv6_packet_type, eth.dev());
  });
  EXPECT_EQ(delivered.size(), 3U);
}

// A capture with broken checksums is dropped frame by frame, each for its own reason.
TEST_F(InputTest, BrokenChecksumsAreDroppedFrameByFrame) {
  wire::Icmpv6Header echo;
  echo.type = wire::kIcmpv6EchoRequest;
  for (uint16_t i = 0; i < 20; ++i) {
    echo.set_sequence(i);
    wire::Ipv6Header header = Header();
    header.nexthdr = wire::kIpProtoIcmpv6;
    std::span<uint8_t> frame = NewFrame().Ipv6(header).Icmpv6(echo).CountingPayload(8 + i).Build();
    frame[14 + 40 + 2 + i % 6] ^= 0x10;  // the checksum or what it covers
    Receive(frame);
  }
  EXPECT_EQ(host.n.icmp6_mib.Get(Icmp6Mib::kInCsumErrors), 20U);
  EXPECT_EQ(Drops(SKB_DROP_REASON_ICMP_CSUM) + Drops(SKB_DROP_REASON_ICMPV6_CSUM), 20U);
  EXPECT_EQ(NextSent(), "");
}

// --- Forwarding. ---

class ForwardTest : public InputTest {
 protected:
  void SetUp() override {
    InputTest::SetUp();
    out = &AddDevice("eth1", Ip6("2001:db8:1::1"), 64);
    AddNeighbour(out->dev(), kFar, kPeerMac);
    ASSERT_EQ(Sysctl("net/ipv6/conf/all/forwarding", 1), 0);
    Settle();
  }
  const Ipv6Address kFar = Ip6("2001:db8:1::9");
  TestDevice* out = nullptr;
};

TEST_F(ForwardTest, OneHopLess) {
  Take(Header(kPeer6, kFar));
  ASSERT_NE(NextSent(*out), "");
  EXPECT_EQ(last_sent[14 + 7], 63);
  EXPECT_EQ(Ip6Count(Ip6Mib::kOutForwDatagrams), 1U);
  EXPECT_EQ(NextSent(), "");
  EXPECT_TRUE(delivered.empty());
}

TEST_F(ForwardTest, OffIsAnAddressError) {
  ASSERT_EQ(Sysctl("net/ipv6/conf/all/forwarding", 0), 0);
  Take(Header(kPeer6, kFar));
  EXPECT_EQ(Ip6Count(Ip6Mib::kInAddrErrors), 1U);
  EXPECT_EQ(Drops(SKB_DROP_REASON_IP_INADDRERRORS), 1U);
  EXPECT_EQ(NextSent(), "");
  EXPECT_EQ(NextSent(*out), "");
}

TEST_F(ForwardTest, HopLimit) {
  wire::Ipv6Header header = Header(kPeer6, kFar);
  header.hop_limit = 1;
  Take(header);
  EXPECT_EQ(SentType(), wire::kIcmpv6TimeExceeded);
  EXPECT_EQ(SentCode(), 0);
  EXPECT_EQ(Ip6Count(Ip6Mib::kInHdrErrors), 1U);
  EXPECT_EQ(NextSent(*out), "");
}

TEST_F(ForwardTest, TooBigForTheNextLink) {
  ASSERT_EQ(dev_set_mtu(out->dev(), 1400), 0);
  const wire::Ipv6Header header = Header(kPeer6, kFar);
  Receive(NewFrame().Ipv6(header, wire::kKeepProtocol).Payload(Pattern(1360)).Build());
  EXPECT_NE(NextSent(*out), "");
  Receive(NewFrame().Ipv6(header, wire::kKeepProtocol).Payload(Pattern(1361)).Build());
  EXPECT_EQ(NextSent(*out), "");
  EXPECT_EQ(SentType(), wire::kIcmpv6PacketTooBig);
  EXPECT_EQ(SentWord(), 1400U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kInTooBigErrors), 1U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kFragFails), 1U);
  EXPECT_EQ(Drops(SKB_DROP_REASON_PKT_TOO_BIG), 1U);
}

// A link-local source means nothing on another link.
TEST_F(ForwardTest, SourceBeyondItsScope) {
  EXPECT_EQ(AddAddress(eth.dev(), Ip6("fe80::1"), 64), 0);
  AddNeighbour(eth.dev(), Ip6("fe80::2"), kPeerMac);
  Settle();
  Take(Header(Ip6("fe80::2"), kFar));
  EXPECT_EQ(NextSent(*out), "");
  EXPECT_EQ(SentType(), wire::kIcmpv6DestUnreachable);
  EXPECT_EQ(SentCode(), wire::kIcmpv6NotNeighbour);
  EXPECT_EQ(Ip6Count(Ip6Mib::kInAddrErrors), 1U);
  // And :: is none.
  Take(Header(kIpv6Any, kFar));
  EXPECT_EQ(Ip6Count(Ip6Mib::kInAddrErrors), 2U);
  EXPECT_EQ(NextSent(*out), "");
}

TEST_F(ForwardTest, LinkLayerMulticastIsNotForwarded) {
  Take(Header(kPeer6, kFar), wire::kKeepNothing, MacAddress(0x33, 0x33, 0, 0, 0, 1));
  EXPECT_EQ(NextSent(*out), "");
  EXPECT_EQ(Drops(SKB_DROP_REASON_NOT_SPECIFIED), 1U);
}

// Raw sockets that asked for it take packets with a router alert.
TEST_F(ForwardTest, RouterAlert) {
  static int value;
  value = -1;
  inet6_set_raw_hooks(host.n, {.router_alert = [](sk_buff* skb, int alert) {
                        value = alert;
                        if (alert != 5) return false;
                        consume_skb(skb);
                        return true;
                      }});
  for (const uint8_t wanted : std::initializer_list<uint8_t>{5, 6}) {
    const uint8_t options[8] = {kProtocol, 0, wire::kIpv6OptRouterAlert, 2, 0, wanted, 1, 0};
    Receive(NewFrame()
                .Ipv6(Header(kPeer6, kFar))
                .Ipv6Extension(wire::kIpProtoHopByHop, options, wire::kKeepProtocol)
                .Payload(Pattern(8))
                .Build());
    EXPECT_EQ(value, wanted);
    EXPECT_EQ(NextSent(*out).empty(), wanted == 5);
  }
}

// Fragments are forwarded as they are.
TEST_F(ForwardTest, FragmentsPass) {
  const uint8_t fragment[8] = {kProtocol, 0, 0, 1, 0, 0, 0, 7};
  Receive(NewFrame()
              .Ipv6(Header(kPeer6, kFar))
              .Ipv6Extension(wire::kIpProtoFragment, fragment, wire::kKeepProtocol)
              .Payload(Pattern(16))
              .Build());
  ASSERT_NE(NextSent(*out), "");
  EXPECT_EQ(last_sent[14 + 6], wire::kIpProtoFragment);
  EXPECT_EQ(Ip6Count(Ip6Mib::kReasmReqds), 0U);
}

// A packet that leaves by the link it came in on: its sender hears of the better way, not too
// often.
TEST_F(ForwardTest, Redirect) {
  EXPECT_EQ(AddAddress(eth.dev(), Ip6("fe80::1"), 64), 0);
  AddNeighbour(eth.dev(), Ip6("2001:db8::9"), kPeerMac);
  Settle();
  int redirects = 0;
  int forwarded = 0;
  for (int i = 0; i < 20; ++i) {
    Take(Header(kPeer6, Ip6("2001:db8::9")));
    while (!NextSent().empty()) {
      const bool redirect = last_sent[14 + 6] == wire::kIpProtoIcmpv6 &&
                            last_sent[kQuotedAt - 8] == wire::kIcmpv6Redirect;
      ++(redirect ? redirects : forwarded);
    }
  }
  EXPECT_EQ(forwarded, 20);
  EXPECT_GT(redirects, 0);
  EXPECT_LT(redirects, 20);
}

// Neighbour discovery with an address that we answer for is for us, all else is forwarded.
TEST_F(ForwardTest, ProxiedAddress) {
  ASSERT_EQ(Sysctl("net/ipv6/conf/all/proxy_ndp", 1), 0);
  ASSERT_EQ(pneigh_create(host.n.nd_tbl, kFar.bytes().data(), eth.dev(), 0, false), 0);
  const auto take = [&](uint8_t type) {
    wire::Ipv6Header header = Header(kPeer6, kFar);
    header.hop_limit = 255;
    wire::Icmpv6Header icmp;
    icmp.type = type;
    Receive(NewFrame().Ipv6(header).Icmpv6(icmp).Payload(Pattern(24)).Build());
  };
  take(wire::kIcmpv6EchoRequest);
  EXPECT_NE(NextSent(*out), "");
  take(wire::kIcmpv6NeighbourSolicitation);
  EXPECT_EQ(NextSent(*out), "");
  EXPECT_EQ(host.n.icmp6_mib.Get(Icmp6Mib::kInMsgs), 1U);
  ASSERT_EQ(pneigh_delete(host.n.nd_tbl, kFar.bytes().data(), eth.dev()), 0);
}

}  // namespace
}  // namespace tapedeck
