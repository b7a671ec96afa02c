#include <cerrno>
#include <functional>

#include "ipv4_host.h"
#include "stack/ipv4/icmp.h"
#include "stack/wire/ipv4_options.h"

namespace tapedeck {
namespace {

using wire::IcmpHeader;
using wire::Ipv4Header;

class IcmpTest : public Ipv4Test {
 protected:
  static Ipv4Header Header(Ipv4Address daddr = kUs) {
    Ipv4Header header;
    header.tos = 0x48;
    header.id = uint16_t{77};
    header.ttl = 64;
    header.saddr = kPeer;
    header.daddr = daddr;
    return header;
  }
  void ReceiveIcmp(const IcmpHeader& icmp, std::span<const uint8_t> payload = {},
                   Ipv4Address daddr = kUs, wire::KeepFields keep = wire::kKeepNothing) {
    Receive(NewFrame().Ipv4(Header(daddr)).Icmp(icmp, keep).Payload(payload).Build());
  }
  // An error about a datagram from us to `daddr`.
  void ReceiveError(IcmpHeader icmp, uint8_t protocol = wire::kIpProtoUdp,
                    Ipv4Address daddr = kFar) {
    Ipv4Header quoted = Header(daddr);
    quoted.saddr = kUs;
    quoted.protocol = protocol;
    uint8_t bytes[64];
    const auto packet =
        wire::FrameBuilder(bytes).Ipv4(quoted, {}, wire::kKeepProtocol).CountingPayload(8).Build();
    ReceiveIcmp(icmp, packet);
  }
  // A datagram of protocol 200, which nobody handles: reason for an error.
  void ReceiveUnknown(Ipv4Header header, size_t payload = 64, const MacAddress& dest = kUsMac) {
    header.protocol = 200;
    Receive(NewFrame(dest).Ipv4(header, {}, wire::kKeepProtocol).CountingPayload(payload).Build());
  }
  uint32_t next_host = 0;
  wire::IcmpView LastSentIcmp() const {
    EXPECT_TRUE(wire::IcmpChecksumOk(LastSentIp().payload));
    return *wire::ParseIcmp(LastSentIp().payload);
  }
};

TEST_F(IcmpTest, EchoIsAnswered) {
  IcmpHeader echo{.type = wire::kIcmpEcho};
  echo.set_id(0x1234);
  echo.set_sequence(5);
  const Bytes payload = Pattern(57);
  ReceiveIcmp(echo, payload);
  ASSERT_EQ(NextSent(), "IP 10.0.0.1 > 10.0.0.2: ICMP echo reply, id 4660, seq 5, length 65");
  const auto reply = LastSentIcmp();
  EXPECT_EQ(Bytes(reply.body.begin(), reply.body.end()), payload);
  EXPECT_EQ(LastSentIp().header->tos, 0x48);
  EXPECT_EQ(LastSentIp().header->ttl, 64);
  EXPECT_EQ(Icmp(IcmpMib::kInMsgs), 1U);
  EXPECT_EQ(Icmp(IcmpMib::kInEchos), 1U);
  EXPECT_EQ(Icmp(IcmpMib::kOutMsgs), 1U);
  EXPECT_EQ(Icmp(IcmpMib::kOutEchoReps), 1U);
  EXPECT_EQ(ns.icmpmsg_in[8], 1U);
  EXPECT_EQ(ns.icmpmsg_out[0], 1U);
  EXPECT_EQ(Ip(IpMib::kOutRequests), 1U);
  EXPECT_EQ(Delivered(), 1U);
  EXPECT_EQ(host.AllDrops(), 0U);
}

// Answers larger than the MTU are cut, and are the same when put together.
TEST_F(IcmpTest, LargeEcho) {
  const Bytes payload = Pattern(1472);
  ReceiveIcmp({.type = wire::kIcmpEcho}, payload);
  ASSERT_EQ(eth.sent.size(), 1U);
  NextSent();
  ASSERT_EQ(dev_set_mtu(eth.dev(), 576), 0);
  ReceiveIcmp({.type = wire::kIcmpEcho}, payload);
  ASSERT_EQ(eth.sent.size(), 3U);
  Bytes whole;
  while (!eth.sent.empty()) {
    NextSent();
    const auto ip = LastSentIp();
    EXPECT_EQ(ip.header->offset_bytes(), whole.size());
    EXPECT_EQ(ip.header->more_fragments(), !eth.sent.empty());
    EXPECT_TRUE(wire::Ipv4ChecksumOk(ip.header));
    whole.insert(whole.end(), ip.payload.begin(), ip.payload.end());
  }
  EXPECT_TRUE(wire::IcmpChecksumOk(whole));
  EXPECT_EQ(Bytes(whole.begin() + 8, whole.end()), payload);
}

TEST_F(IcmpTest, EchoWithRecordRoute) {
  wire::Ipv4OptionWriter options;
  options.RecordRoute(3);
  Receive(NewFrame()
              .Ipv4(Header(), options.bytes())
              .Icmp({.type = wire::kIcmpEcho})
              .CountingPayload(8)
              .Build());
  ASSERT_NE(NextSent(), "");
  EXPECT_EQ(wire::Ipv4OptionsToString(LastSentIp().options).substr(0, 28),
            "RR 10.0.0.1 10.0.0.1 0.0.0.0");
}

TEST_F(IcmpTest, TimestampIsAnswered) {
  host.RunFor(Duration::Milliseconds(4321));
  Bytes body(12);
  StoreBe32(body.data(), 99);
  ReceiveIcmp({.type = wire::kIcmpTimestamp}, body);
  ASSERT_NE(NextSent(), "");
  const auto reply = LastSentIcmp();
  ASSERT_NE(reply.timestamps(), nullptr);
  EXPECT_EQ(reply.timestamps()->originate_ms.host(), 99U);
  EXPECT_EQ(reply.timestamps()->receive_ms.host(), 4321U);
  EXPECT_EQ(reply.timestamps()->transmit_ms.host(), 4321U);
  // As Linux counts all its answers.
  EXPECT_EQ(Icmp(IcmpMib::kOutEchoReps), 1U);
  EXPECT_EQ(Icmp(IcmpMib::kOutTimestampReps), 0U);
  ReceiveIcmp({.type = wire::kIcmpTimestamp}, Bytes(3));
  EXPECT_EQ(NextSent(), "");
  EXPECT_EQ(Icmp(IcmpMib::kInErrors), 1U);
}

// What is dropped, and counted how.
TEST_F(IcmpTest, BadMessages) {
  ReceiveIcmp({.type = wire::kIcmpEcho, .code = 0, .checksum = uint16_t{1}, .rest = {}}, {}, kUs,
              wire::kKeepChecksum);
  EXPECT_EQ(Drops(SKB_DROP_REASON_ICMP_CSUM), 1U);
  EXPECT_EQ(Icmp(IcmpMib::kInCsumErrors), 1U);
  EXPECT_EQ(Icmp(IcmpMib::kInErrors), 1U);
  ReceiveIcmp({.type = 40});
  EXPECT_EQ(Drops(SKB_DROP_REASON_ICMP_INVALID), 1U);
  EXPECT_EQ(Icmp(IcmpMib::kInErrors), 2U);
  Ipv4Header cut = Header();
  cut.protocol = wire::kIpProtoIcmp;
  const uint8_t seven[7] = {0, 0, 0xff, 0xff, 0, 0, 0};
  Receive(NewFrame().Ipv4(cut, {}, wire::kKeepProtocol).Payload(seven).Build());
  EXPECT_EQ(Drops(SKB_DROP_REASON_PKT_TOO_SMALL), 1U);
  EXPECT_EQ(Icmp(IcmpMib::kInErrors), 3U);
  // Known types that ask for nothing are taken and forgotten (RFC 1122 3.2.2).
  for (const uint8_t type : std::initializer_list<uint8_t>{9, 10, 14, 15, 16, 17, 18, 1, 2, 6, 7}) {
    ReceiveIcmp({.type = type});
  }
  EXPECT_EQ(Icmp(IcmpMib::kInErrors), 3U);
  // An echo reply that nobody waits for.
  ReceiveIcmp({.type = wire::kIcmpEchoReply});
  EXPECT_EQ(Drops(SKB_DROP_REASON_PING_NO_SOCKET), 1U);
  EXPECT_EQ(NextSent(), "");
}

// RFC 1122 3.2.2.6: an echo to a broadcast address is ignored, by default.
TEST_F(IcmpTest, AnExtendedEchoIsNoError) {
  ReceiveIcmp({.type = 42}, Bytes(8));  // RFC 8335, off by default
  EXPECT_EQ(NextSent(), "");
  EXPECT_EQ(Icmp(IcmpMib::kInMsgs), 1U);
  EXPECT_EQ(Icmp(IcmpMib::kInErrors), 0U);
}

TEST_F(IcmpTest, BroadcastEcho) {
  const Ipv4Address broadcast(10, 0, 0, 255);
  ReceiveIcmp({.type = wire::kIcmpEcho}, {}, broadcast);
  EXPECT_EQ(NextSent(), "");
  EXPECT_EQ(Drops(SKB_DROP_REASON_INVALID_PROTO), 1U);
  ASSERT_EQ(Sysctl("net/ipv4/icmp_echo_ignore_broadcasts", 0), 0);
  ReceiveIcmp({.type = wire::kIcmpEcho}, {}, broadcast);
  EXPECT_EQ(NextSent().substr(0, 22), "IP 10.0.0.1 > 10.0.0.2");
  ASSERT_EQ(Sysctl("net/ipv4/icmp_echo_ignore_all", 1), 0);
  ReceiveIcmp({.type = wire::kIcmpEcho});
  EXPECT_EQ(NextSent(), "");
}

TEST_F(IcmpTest, ErrorsQuoteUpTo576Bytes) {
  ReceiveUnknown(Header(), 20);
  ASSERT_NE(NextSent(), "");
  EXPECT_EQ(LastSentIcmp().body.size(), 40U);
  EXPECT_EQ(LastSentIp().header->tos,
            0xc8);  // precedence internetwork control, with the datagram's TOS
  EXPECT_EQ(LastSentIp().header->saddr, kUs);
  ReceiveUnknown(Header(), 1000);
  ASSERT_NE(NextSent(), "");
  EXPECT_EQ(LastSentIp().header->tot_len.host(), 576U);
  const auto quote = wire::ParseIcmpQuote(LastSentIcmp());
  ASSERT_TRUE(quote.ok());
  EXPECT_EQ(quote->header->tot_len.host(), 1020U);
  EXPECT_EQ(quote->header->id.host(), 77U);
}

// RFC 1122 3.2.2: what is never answered with an error.
TEST_F(IcmpTest, NoErrorAbout) {
  Ipv4Header later = Header();
  later.frag_off = uint16_t{5};
  struct Case {
    const char* name;
    std::function<void()> receive;
  };
  const Case cases[] = {
      {"a broadcast", [&] { ReceiveUnknown(Header(Ipv4Address(10, 0, 0, 255))); }},
      {"a multicast", [&] { ReceiveUnknown(Header(kIpv4AllHosts)); }},
      {"a unicast in a link-layer broadcast", [&] { ReceiveUnknown(Header(), 64, kMacBroadcast); }},
      {"a sender that is nobody",
       [&] {
         Ipv4Header header = Header(kIpv4Broadcast);
         header.saddr = kIpv4Any;
         ReceiveUnknown(header);
       }},
  };
  for (const Case& c : cases) {
    c.receive();
    EXPECT_EQ(NextSent(), "") << c.name;
  }
  // Errors about ICMP: about an error never, about an echo yes.
  TestDevice& eth1 = AddDevice("eth1", Ipv4Address(10, 1, 0, 1), 24);
  (void)eth1;
  ASSERT_EQ(Sysctl("net/ipv4/ip_forward", 1), 0);
  Ipv4Header dying = Header(Ipv4Address(10, 1, 0, 2));
  dying.ttl = 1;
  for (const uint8_t type : std::initializer_list<uint8_t>{3, 4, 5, 11, 12, 30}) {
    Receive(NewFrame().Ipv4(dying).Icmp({.type = type}).CountingPayload(28).Build());
    EXPECT_EQ(NextSent(), "") << int{type};
  }
  Receive(NewFrame().Ipv4(dying).Icmp({.type = wire::kIcmpEcho}).Build());
  EXPECT_NE(NextSent(), "");
  // A later fragment, never; the first, yes.
  dying.protocol = wire::kIpProtoUdp;
  dying.frag_off = uint16_t{5};
  Receive(NewFrame().Ipv4(dying, {}, wire::kKeepProtocol).CountingPayload(28).Build());
  EXPECT_EQ(NextSent(), "");
  dying.frag_off = wire::kIpv4MoreFragments;
  Receive(NewFrame().Ipv4(dying, {}, wire::kKeepProtocol).CountingPayload(32).Build());
  EXPECT_NE(NextSent(), "");
}

// A host is told of six errors at once, then of one a second (icmp_ratelimit 1000,
// XRLIM_BURST_FACTOR 6).
TEST_F(IcmpTest, OneHostIsLimited) {
  for (int i = 0; i < 20; ++i) ReceiveUnknown(Header());
  EXPECT_EQ(eth.sent.size(), 6U);
  EXPECT_EQ(Icmp(IcmpMib::kOutRateLimitHost), 14U);
  host.RunFor(Duration::Milliseconds(3000));
  for (int i = 0; i < 20; ++i) ReceiveUnknown(Header());
  EXPECT_EQ(eth.sent.size(), 9U);
  // Echo replies are not among the limited types.
  for (int i = 0; i < 20; ++i) ReceiveIcmp({.type = wire::kIcmpEcho});
  EXPECT_EQ(eth.sent.size(), 29U);
}

// All hosts together: a burst of 50 tokens, each message takes 0, 1 or 2 of them; then 1000 a
// second.
TEST_F(IcmpTest, AllHostsAreLimited) {
  ASSERT_EQ(AddRoute("0.0.0.0/0", eth.dev(), kPeer), 0);
  host.RunFor(Duration::Seconds(1));
  const auto flood = [&] {
    const size_t before = eth.sent.size();
    for (uint32_t i = 0; i < 500; ++i) {
      Ipv4Header header = Header();
      header.saddr = Ipv4Address(0xc6336400 + (next_host++));
      ReceiveUnknown(header);
    }
    return eth.sent.size() - before;
  };
  const size_t first = flood();
  EXPECT_GE(first, 30U);
  EXPECT_LE(first, 80U);
  EXPECT_EQ(Icmp(IcmpMib::kOutRateLimitGlobal), 500 - first);
  EXPECT_EQ(flood(), 0U);
  host.RunFor(Duration::Milliseconds(10));
  EXPECT_EQ(flood(), 0U);  // the bucket is filled in steps of 20 ms at least
  host.RunFor(Duration::Milliseconds(10));
  const size_t second = flood();
  EXPECT_GE(second, 8U);
  EXPECT_LE(second, 40U);
}

// Errors go to the protocol whose datagram is quoted, with what they have to say.
TEST_F(IcmpTest, ErrorsReachTheirProtocol) {
  struct Heard {
    uint8_t type;
    uint8_t code;
    uint32_t info;
  };
  static std::vector<Heard> heard;
  heard.clear();
  static constexpr net_protocol kListener = {
      .handler =
          [](sk_buff* skb) {
            consume_skb(skb);
            return 0;
          },
      .err_handler =
          [](sk_buff* skb, uint32_t info) {
            EXPECT_EQ(reinterpret_cast<const Ipv4Header*>(skb->data)->daddr, kFar);
            EXPECT_GE(skb_headlen(skb), 28U);
            heard.push_back({icmp_hdr(skb)->type, icmp_hdr(skb)->code, info});
            return 0;
          }};
  ASSERT_EQ(inet_add_protocol(host.n, &kListener, wire::kIpProtoUdp), 0);
  ReceiveError({.type = wire::kIcmpDestUnreachable, .code = wire::kIcmpPortUnreachable});
  IcmpHeader too_big{.type = wire::kIcmpDestUnreachable, .code = wire::kIcmpFragmentationNeeded};
  too_big.set_next_hop_mtu(1280);
  ReceiveError(too_big);
  IcmpHeader problem{.type = wire::kIcmpParameterProblem};
  problem.set_pointer(20);
  ReceiveError(problem);
  ReceiveError({.type = wire::kIcmpTimeExceeded});
  ReceiveError({.type = wire::kIcmpSourceQuench});
  IcmpHeader redirect{.type = wire::kIcmpRedirect, .code = wire::kIcmpRedirectHost};
  redirect.set_gateway(Ipv4Address(10, 0, 0, 9));
  ReceiveError(redirect);
  ASSERT_EQ(heard.size(), 6U);
  EXPECT_EQ(heard[0].code, wire::kIcmpPortUnreachable);
  EXPECT_EQ(heard[1].info, 1280U);
  EXPECT_EQ(heard[2].info, 20U);
  EXPECT_EQ(heard[5].info, 0x0a000009U);
  // Not for protocols: fragments that never came, codes nobody knows, quotes too short.
  ReceiveError({.type = wire::kIcmpTimeExceeded, .code = wire::kIcmpReassemblyTimeExceeded});
  ReceiveError({.type = wire::kIcmpDestUnreachable, .code = 40});
  ReceiveIcmp({.type = wire::kIcmpDestUnreachable}, Pattern(12));
  EXPECT_EQ(heard.size(), 6U);
  EXPECT_EQ(Icmp(IcmpMib::kInDestUnreachs), 4U);
  EXPECT_EQ(Icmp(IcmpMib::kInErrors), 1U);
  EXPECT_EQ(NextSent(), "");
}

TEST_F(IcmpTest, PathMtuIsLearntForOneDestination) {
  ASSERT_EQ(AddRoute("192.0.2.0/24", eth.dev(), kPeer), 0);
  const auto mtu_to = [&](Ipv4Address daddr) {
    uint32_t mtu = 0;
    OnCpu([&] {
      int err = 0;
      rtable* const rt = ip_route_output(host.n, daddr, kIpv4Any, 0, 0, RT_SCOPE_UNIVERSE, &err);
      mtu = dst_mtu(rt);
      dst_release(rt);
    });
    return mtu;
  };
  EXPECT_EQ(mtu_to(kFar), 1500U);
  IcmpHeader too_big{.type = wire::kIcmpDestUnreachable, .code = wire::kIcmpFragmentationNeeded};
  too_big.set_next_hop_mtu(1280);
  // ICMP's own error handler believes it, as for an echo reply of ours.
  ReceiveError(too_big, wire::kIpProtoIcmp);
  EXPECT_EQ(mtu_to(kFar), 1280U);
  EXPECT_EQ(mtu_to(Ipv4Address(192, 0, 2, 10)), 1500U);
  EXPECT_EQ(mtu_to(kPeer), 1500U);
  // Larger is no news; below min_pmtu is not believed in full.
  too_big.set_next_hop_mtu(1400);
  ReceiveError(too_big, wire::kIpProtoIcmp);
  EXPECT_EQ(mtu_to(kFar), 1280U);
  too_big.set_next_hop_mtu(100);
  ReceiveError(too_big, wire::kIpProtoIcmp);
  EXPECT_EQ(mtu_to(kFar), 552U);
  host.RunFor(Duration::Seconds(601));
  EXPECT_EQ(mtu_to(kFar), 1500U);
}

TEST_F(IcmpTest, RedirectChangesTheGatewayOfOneDestination) {
  ASSERT_EQ(AddRoute("192.0.2.0/24", eth.dev(), kPeer), 0);
  AddNeighbour(eth.dev(), Ipv4Address(10, 0, 0, 9), MacAddress(2, 0, 0, 0, 0, 9));
  const auto hop_to = [&](Ipv4Address daddr) {
    int err = 0;
    rtable* const rt = ip_route_output(host.n, daddr, kIpv4Any, 0, 0, RT_SCOPE_UNIVERSE, &err);
    const Ipv4Address hop = rt_nexthop(rt, daddr);
    dst_release(rt);
    return hop.ToString();
  };
  EXPECT_EQ(hop_to(kFar), "10.0.0.2");
  IcmpHeader redirect{.type = wire::kIcmpRedirect, .code = wire::kIcmpRedirectHost};
  redirect.set_gateway(Ipv4Address(10, 0, 0, 9));
  ASSERT_EQ(Sysctl("net/ipv4/conf/eth0/accept_redirects", 0), 0);
  ASSERT_EQ(Sysctl("net/ipv4/conf/all/accept_redirects", 0), 0);
  ReceiveError(redirect, wire::kIpProtoIcmp);
  EXPECT_EQ(hop_to(kFar), "10.0.0.2");
  ASSERT_EQ(Sysctl("net/ipv4/conf/eth0/accept_redirects", 1), 0);
  ReceiveError(redirect, wire::kIpProtoIcmp);
  EXPECT_EQ(hop_to(kFar), "10.0.0.9");
  EXPECT_EQ(hop_to(Ipv4Address(192, 0, 2, 10)), "10.0.0.2");
}

// What is remembered about destinations is bounded.
TEST_F(IcmpTest, ExceptionsAreLimited) {
  ASSERT_EQ(AddRoute("192.0.0.0/8", eth.dev(), kPeer), 0);
  IcmpHeader too_big{.type = wire::kIcmpDestUnreachable, .code = wire::kIcmpFragmentationNeeded};
  too_big.set_next_hop_mtu(1280);
  for (uint32_t i = 0; i < 3000; ++i) {
    ReceiveError(too_big, wire::kIpProtoIcmp, Ipv4Address(0xc0000000 + i));
  }
  EXPECT_LE(ns.fib.exceptions.cache().live_objects(), kExceptionBuckets * 11U);
}

}  // namespace
}  // namespace tapedeck
