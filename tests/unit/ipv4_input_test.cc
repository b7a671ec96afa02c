// ip_rcv to the protocols, and ip_forward.
#include <cerrno>
#include <functional>

#include "ipv4_host.h"
#include "stack/wire/ipv4_options.h"

namespace tapedeck {
namespace {

using wire::FrameBuilder;
using wire::Ipv4Header;

class InputTest : public Ipv4Test {
 protected:
  // A UDP datagram from the peer, `header` as given but for what is filled in.
  std::span<const uint8_t> Udp(const Ipv4Header& header, wire::KeepFields keep = wire::kKeepNothing,
                               std::span<const uint8_t> options = {}, size_t payload = 32) {
    return NewFrame()
        .Ipv4(header, options, keep)
        .Udp({.source = uint16_t{1000}, .dest = uint16_t{2000}, .len = {}, .check = {}})
        .CountingPayload(payload)
        .Build();
  }
  static Ipv4Header Header(Ipv4Address saddr = kPeer, Ipv4Address daddr = kUs) {
    Ipv4Header header;
    header.set_ihl(5);
    header.ttl = 64;
    header.protocol = wire::kIpProtoUdp;
    header.saddr = saddr;
    header.daddr = daddr;
    return header;
  }
  // Registers a protocol that takes and counts datagrams.
  void AddUdp() {
    static constexpr net_protocol kTaker = {.handler = [](sk_buff* skb) {
      ++taken_count;
      last_len = skb->len;
      consume_skb(skb);
      return 0;
    }};
    ASSERT_EQ(inet_add_protocol(host.n, &kTaker, wire::kIpProtoUdp), 0);
    EXPECT_EQ(inet_add_protocol(host.n, &kTaker, wire::kIpProtoUdp), -1);
  }
  void SetUp() override { taken_count = 0; }

  static inline int taken_count = 0;
  static inline uint32_t last_len = 0;
};

TEST_F(InputTest, ADatagramForUsReachesItsProtocol) {
  AddUdp();
  Receive(Udp(Header()));
  EXPECT_EQ(taken_count, 1);
  EXPECT_EQ(last_len, 40U);
  EXPECT_EQ(Ip(IpMib::kInReceives), 1U);
  EXPECT_EQ(Ip(IpMib::kInDelivers), 1U);
  EXPECT_EQ(IpExt(IpExtMib::kInOctets), 60U);
  EXPECT_EQ(IpExt(IpExtMib::kInNoECTPkts), 1U);
  EXPECT_EQ(host.AllDrops(), 0U);
}

// The device padded a short frame: IP's length counts.
TEST_F(InputTest, PaddingIsCutOff) {
  AddUdp();
  Receive(NewFrame()
              .Ipv4(Header())
              .Udp({.source = uint16_t{1}, .dest = uint16_t{2}, .len = {}, .check = {}})
              .PadTo(60)
              .Build());
  EXPECT_EQ(taken_count, 1);
  EXPECT_EQ(last_len, 8U);
}

// Every way in which a header can be wrong, its reason and its counter; all other counters stay.
TEST_F(InputTest, MalformedHeaders) {
  struct Case {
    const char* name;
    std::function<void(Bytes&)> spoil;  // the whole frame; IP begins at 14
    DropReason reason;
    IpMib counter;
  };
  const Case cases[] = {
      {"cut inside the header", [](Bytes& f) { f.resize(14 + 19); }, SKB_DROP_REASON_IP_INHDR,
       IpMib::kInHdrErrors},
      {"empty", [](Bytes& f) { f.resize(14); }, SKB_DROP_REASON_IP_INHDR, IpMib::kInHdrErrors},
      {"version 5", [](Bytes& f) { f[14] = 0x55; }, SKB_DROP_REASON_IP_INHDR, IpMib::kInHdrErrors},
      {"ihl 4", [](Bytes& f) { f[14] = 0x44; }, SKB_DROP_REASON_IP_INHDR, IpMib::kInHdrErrors},
      {"ihl beyond the frame",
       [](Bytes& f) {
         f[14] = 0x4f;
         f.resize(14 + 40);
       },
       SKB_DROP_REASON_IP_INHDR, IpMib::kInHdrErrors},
      {"checksum", [](Bytes& f) { f[24] ^= 1; }, SKB_DROP_REASON_IP_CSUM, IpMib::kInHdrErrors},
      {"total length beyond the frame",
       [](Bytes& f) {
         StoreBe16(&f[16], 61);
         wire::FillIpv4Checksum(reinterpret_cast<Ipv4Header*>(&f[14]));
       },
       SKB_DROP_REASON_PKT_TOO_SMALL, IpMib::kInTruncatedPkts},
      {"total length inside the header",
       [](Bytes& f) {
         StoreBe16(&f[16], 19);
         wire::FillIpv4Checksum(reinterpret_cast<Ipv4Header*>(&f[14]));
       },
       SKB_DROP_REASON_IP_INHDR, IpMib::kInHdrErrors},
  };
  uint64_t received = 0;
  for (const Case& c : cases) {
    const std::span<const uint8_t> good = Udp(Header());
    Bytes frame(good.begin(), good.end());
    c.spoil(frame);
    const uint64_t reason_before = Drops(c.reason);
    const uint64_t counter_before = Ip(c.counter);
    const uint64_t drops_before = host.AllDrops();
    Receive(frame);
    EXPECT_EQ(Drops(c.reason), reason_before + 1) << c.name;
    EXPECT_EQ(Ip(c.counter), counter_before + 1) << c.name;
    EXPECT_EQ(host.AllDrops(), drops_before + 1) << c.name;
    EXPECT_EQ(Ip(IpMib::kInReceives), ++received) << c.name;
    EXPECT_EQ(NextSent(), "") << c.name;
  }
  EXPECT_EQ(IpExt(IpExtMib::kInCsumErrors), 1U);
  EXPECT_EQ(Ip(IpMib::kInDelivers), 0U);
}

TEST_F(InputTest, FramesForOthersAreNotLookedAt) {
  Receive(NewFrame(MacAddress(2, 9, 9, 9, 9, 9)).Ipv4(Header()).Build());
  EXPECT_EQ(Drops(SKB_DROP_REASON_OTHERHOST), 1U);
  EXPECT_EQ(Ip(IpMib::kInReceives), 0U);
}

// RFC 1122 3.2.2.1: nobody handles the protocol, the sender is told.
TEST_F(InputTest, UnknownProtocol) {
  Ipv4Header header = Header();
  header.protocol = 200;
  Receive(NewFrame().Ipv4(header, {}, wire::kKeepProtocol).CountingPayload(16).Build());
  EXPECT_EQ(Drops(SKB_DROP_REASON_IP_NOPROTO), 1U);
  EXPECT_EQ(Ip(IpMib::kInUnknownProtos), 1U);
  EXPECT_EQ(Ip(IpMib::kInDelivers), 0U);
  EXPECT_NE(NextSent().find("protocol 200 unreachable"), std::string::npos)
      << wire::DescribeFrame(last_sent);
}

// Addresses that no packet on a wire may have.
TEST_F(InputTest, Martians) {
  AddUdp();
  struct Case {
    Ipv4Address saddr;
    Ipv4Address daddr;
    DropReason reason;
  };
  const Case cases[] = {
      {kIpv4AllHosts, kUs, SKB_DROP_REASON_IP_INVALID_SOURCE},
      {kIpv4Broadcast, kUs, SKB_DROP_REASON_IP_INVALID_SOURCE},
      {kIpv4Any, kUs, SKB_DROP_REASON_IP_INVALID_SOURCE},
      {kPeer, kIpv4Any, SKB_DROP_REASON_IP_INVALID_DEST},
      {kIpv4Loopback, kUs, SKB_DROP_REASON_IP_LOCALNET},
      {kPeer, kIpv4Loopback, SKB_DROP_REASON_IP_LOCALNET},
      {kUs, kUs, SKB_DROP_REASON_IP_LOCAL_SOURCE},
      {kPeer, Ipv4Address(224, 9, 9, 9), SKB_DROP_REASON_IP_INVALID_DEST},  // not joined
      {kPeer, Ipv4Address(240, 0, 0, 1), SKB_DROP_REASON_IP_INADDRERRORS},
      {kPeer, kFar, SKB_DROP_REASON_IP_INADDRERRORS},  // not ours, and we do not forward
  };
  for (const Case& c : cases) {
    const uint64_t before = Drops(c.reason);
    Receive(Udp(Header(c.saddr, c.daddr)));
    EXPECT_EQ(Drops(c.reason), before + 1) << c.saddr.ToString() << " > " << c.daddr.ToString();
  }
  EXPECT_EQ(taken_count, 0);
  EXPECT_EQ(Ip(IpMib::kInAddrErrors), 2U);
  EXPECT_EQ(NextSent(), "");
}

TEST_F(InputTest, BroadcastAndMulticastForUs) {
  AddUdp();
  Receive(Udp(Header(kPeer, Ipv4Address(10, 0, 0, 255))));
  Receive(Udp(Header(kPeer, kIpv4Broadcast)));
  Receive(Udp(Header(kIpv4Any, kIpv4Broadcast)));  // DHCP
  EXPECT_EQ(taken_count, 3);
  EXPECT_EQ(IpExt(IpExtMib::kInBcastPkts), 3U);
  const Ipv4Address group(239, 1, 2, 3);
  ASSERT_EQ(ip_mc_inc_group(eth->ip_ptr, group), 0);
  Receive(Udp(Header(kPeer, group)));
  EXPECT_EQ(taken_count, 4);
  EXPECT_EQ(IpExt(IpExtMib::kInMcastPkts), 1U);
  EXPECT_EQ(IpExt(IpExtMib::kInMcastOctets), 60U);
  ASSERT_EQ(ip_mc_dec_group(eth->ip_ptr, group), 0);
  EXPECT_EQ(ip_mc_dec_group(eth->ip_ptr, group), -EADDRNOTAVAIL);
  Receive(Udp(Header(kPeer, group)));
  EXPECT_EQ(taken_count, 4);
}

TEST_F(InputTest, UnicastInLinkLayerBroadcast) {
  AddUdp();
  const auto frame = [&] {
    return NewFrame(kMacBroadcast)
        .Ipv4(Header())
        .Udp({.source = uint16_t{1}, .dest = uint16_t{2}, .len = {}, .check = {}})
        .Build();
  };
  Receive(frame());
  EXPECT_EQ(taken_count, 1);
  ASSERT_EQ(Sysctl("net/ipv4/conf/all/drop_unicast_in_l2_multicast", 1), 0);
  Receive(frame());
  EXPECT_EQ(taken_count, 1);
  EXPECT_EQ(Drops(SKB_DROP_REASON_UNICAST_IN_L2_MULTICAST), 1U);
}

// RFC 3704: strict (1) wants the way back to be the way it came, loose (2) any way back.
TEST_F(InputTest, ReversePathFilter) {
  AddUdp();
  AddDevice("eth1", Ipv4Address(10, 1, 0, 1), 24);
  const Ipv4Address behind_eth1(10, 1, 0, 9);
  Receive(Udp(Header(behind_eth1)));
  EXPECT_EQ(taken_count, 1);
  ASSERT_EQ(Sysctl("net/ipv4/conf/eth0/rp_filter", 1), 0);
  Receive(Udp(Header(behind_eth1)));
  Receive(Udp(Header(kFar)));
  EXPECT_EQ(taken_count, 1);
  EXPECT_EQ(Drops(SKB_DROP_REASON_IP_RPFILTER), 2U);
  Receive(Udp(Header(kPeer)));
  EXPECT_EQ(taken_count, 2);
  ASSERT_EQ(Sysctl("net/ipv4/conf/eth0/rp_filter", 2), 0);
  Receive(Udp(Header(behind_eth1)));
  EXPECT_EQ(taken_count, 3);
  Receive(Udp(Header(kFar)));
  EXPECT_EQ(Drops(SKB_DROP_REASON_IP_RPFILTER), 3U);
  EXPECT_EQ(host.n.tcp_ext_mib.Get(TcpExtMib::kIPReversePathFilter), 3U);
}

TEST_F(InputTest, EarlyDemuxSeesWholeDatagramsOnly) {
  static int asked;
  asked = 0;
  static constexpr net_protocol kProtocol = {.handler =
                                                 [](sk_buff* skb) {
                                                   consume_skb(skb);
                                                   return 0;
                                                 },
                                             .early_demux =
                                                 [](sk_buff*, DropReason*) {
                                                   ++asked;
                                                   return 0;
                                                 }};
  ASSERT_EQ(inet_add_protocol(host.n, &kProtocol, wire::kIpProtoUdp), 0);
  Receive(Udp(Header()));
  EXPECT_EQ(asked, 1);
  Ipv4Header fragment = Header();
  fragment.frag_off = wire::kIpv4MoreFragments;
  Receive(Udp(fragment));
  EXPECT_EQ(asked, 1);
  ASSERT_EQ(Sysctl("net/ipv4/ip_early_demux", 0), 0);
  Receive(Udp(Header()));
  EXPECT_EQ(asked, 1);
}

// --- Options. ---

TEST_F(InputTest, RecordRouteAndTimestampAreFilledIn) {
  static Bytes seen;
  static constexpr net_protocol kKeeper = {.handler = [](sk_buff* skb) {
    const uint8_t* const header = skb_network_header(skb);
    seen.assign(header, header + ip_hdrlen(skb));
    EXPECT_TRUE(IPCB(skb)->opt.rr_needaddr);
    EXPECT_TRUE(IPCB(skb)->opt.ts_needtime);
    consume_skb(skb);
    return 0;
  }};
  ASSERT_EQ(inet_add_protocol(host.n, &kKeeper, wire::kIpProtoUdp), 0);
  wire::Ipv4OptionWriter options;
  options.RecordRoute(2);
  options.Timestamp(wire::kIpv4TimestampAndAddress, 2);
  host.RunFor(Duration::Milliseconds(1234));
  Receive(Udp(Header(), wire::kKeepNothing, options.bytes()));
  EXPECT_EQ(Ipv4Address(LoadBe32(&seen[23])), kUs);
  const uint8_t* const ts = &seen[20 + 11];
  EXPECT_EQ(ts[2], 13);
  EXPECT_EQ(Ipv4Address(LoadBe32(ts + 4)), kUs);
  EXPECT_EQ(LoadBe32(ts + 8), 1234U);
}

// What is wrong with an option is told to its sender with a pointer to it (RFC 792).
TEST_F(InputTest, MalformedOptions) {
  struct Case {
    const char* name;
    std::vector<uint8_t> options;
    uint8_t pointer;
  };
  const Case cases[] = {
      {"length 1", {7, 1, 0, 0}, 20},
      {"length beyond the header", {7, 9, 4, 0}, 20},
      {"type at the very end", {1, 1, 1, 7}, 23},
      {"record route too short for a pointer", {7, 2, 0, 0}, 21},
      {"record route's pointer below 4", {7, 7, 3, 0, 0, 0, 0, 0}, 22},
      {"record route's pointer with less than a slot", {7, 7, 5, 0, 0, 0, 0, 0}, 22},
      {"two record routes", {7, 7, 4, 0, 0, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0, 0}, 27},
      {"timestamp too short", {68, 3, 5, 0}, 21},
      {"timestamp's pointer", {68, 8, 4, 0, 0, 0, 0, 0}, 22},
      {"timestamp overflows at 15", {68, 8, 9, 0xf0, 0, 0, 0, 0}, 23},
      {"CIPSO without room for a tag", {134, 6, 0, 0, 0, 1, 0, 0}, 21},
      {"CIPSO of a domain that nobody knows", {134, 8, 0, 0, 0, 1, 1, 2}, 22},
      {"two source routes", {131, 3, 4, 131, 3, 4, 0, 0}, 23},
      {"router alert too short", {148, 3, 0, 0}, 21},
  };
  ASSERT_EQ(Sysctl("net/ipv4/icmp_ratemask", 0), 0);
  uint64_t errors = 0;
  for (const Case& c : cases) {
    Receive(Udp(Header(), wire::kKeepNothing, c.options));
    EXPECT_EQ(Ip(IpMib::kInHdrErrors), ++errors) << c.name;
    EXPECT_EQ(Drops(SKB_DROP_REASON_IP_INHDR), errors) << c.name;
    ASSERT_NE(NextSent(), "") << c.name;
    const auto icmp = wire::ParseIcmp(LastSentIp().payload);
    ASSERT_TRUE(icmp.ok()) << c.name;
    EXPECT_EQ(icmp->header->type, wire::kIcmpParameterProblem) << c.name;
    EXPECT_EQ(icmp->header->pointer(), c.pointer) << c.name;
  }
}

TEST_F(InputTest, SourceRoutesAreRefusedByDefault) {
  AddUdp();
  wire::Ipv4OptionWriter options;
  const Ipv4Address hops[] = {kFar};
  options.SourceRoute(/*strict=*/false, hops);
  Receive(Udp(Header(), wire::kKeepNothing, options.bytes()));
  EXPECT_EQ(host.AllDrops(), 1U);
  EXPECT_EQ(taken_count, 0);
}

// RFC 791: at each hop the route's next address becomes the destination, and ours takes its place.
TEST_F(InputTest, SourceRouteIsFollowedWhereAllowed) {
  TestDevice& eth1 = AddDevice("eth1", Ipv4Address(10, 1, 0, 1), 24);
  ASSERT_EQ(Sysctl("net/ipv4/conf/all/accept_source_route", 1), 0);
  ASSERT_EQ(Sysctl("net/ipv4/ip_forward", 1), 0);
  wire::Ipv4OptionWriter options;
  const Ipv4Address hops[] = {Ipv4Address(10, 1, 0, 2)};
  options.SourceRoute(/*strict=*/false, hops);
  Receive(Udp(Header(), wire::kKeepNothing, options.bytes()));
  ASSERT_NE(NextSent(eth1), "");
  EXPECT_EQ(LastSentIp().header->daddr, Ipv4Address(10, 1, 0, 2));
  EXPECT_EQ(LastSentIp().header->ttl, 63);
  EXPECT_TRUE(wire::Ipv4ChecksumOk(LastSentIp().header));
  EXPECT_EQ(wire::Ipv4OptionsToString(LastSentIp().options), "LSRR 10.1.0.1,EOL");
}

// Options are written into the packet: a shared one is copied first.
TEST_F(InputTest, NoMemoryForACopyWithOptions) {
  constexpr uint8_t kRecordRoute[] = {7, 7, 4, 0, 0, 0, 0, 0};
  const std::span<const uint8_t> frame = Udp(Header(kPeer, kUs), wire::kKeepNothing, kRecordRoute);
  sk_buff* const skb = ReceivedFrame(eth.dev(), {frame.begin(), frame.end()});
  sk_buff* const other = skb_clone(skb);
  for (int size = 0; size < 3; ++size) host.world.packets().cache(size).FailNth(1);
  netif_receive_skb(skb);
  host.RunFor(Duration::Microseconds(10));
  for (int size = 0; size < 3; ++size) host.world.packets().cache(size).FailNth(0);
  consume_skb(other);
  EXPECT_EQ(Drops(SKB_DROP_REASON_NOMEM), 1U);
  EXPECT_EQ(Ip(IpMib::kInDiscards), 1U);
}

// --- Forwarding. ---

class ForwardTest : public InputTest {
 protected:
  void SetUp() override {
    InputTest::SetUp();
    eth1 = &AddDevice("eth1", Ipv4Address(10, 1, 0, 1), 24);
    ASSERT_EQ(AddRoute("192.0.2.0/24", eth1->dev(), Ipv4Address(10, 1, 0, 2)), 0);
    ASSERT_EQ(Sysctl("net/ipv4/ip_forward", 1), 0);
  }
  TestDevice* eth1 = nullptr;
};

TEST_F(ForwardTest, SendsOnWithOneLessTtl) {
  Ipv4Header header = Header(kPeer, kFar);
  header.tos = 0x10;
  Receive(Udp(header));
  ASSERT_EQ(NextSent(*eth1), "IP 10.0.0.2.1000 > 192.0.2.9.2000: UDP, length 32");
  EXPECT_EQ(LastSentIp().header->ttl, 63);
  EXPECT_TRUE(wire::Ipv4ChecksumOk(LastSentIp().header));
  EXPECT_EQ(Ip(IpMib::kOutForwDatagrams), 1U);
  EXPECT_EQ(Ip(IpMib::kInDelivers), 0U);
  EXPECT_EQ(Ip(IpMib::kOutRequests), 0U);
  EXPECT_EQ(IpExt(IpExtMib::kOutTransmits), 1U);
}

TEST_F(ForwardTest, TtlRunsOut) {
  Ipv4Header header = Header(kPeer, kFar);
  header.ttl = 1;
  Receive(Udp(header));
  EXPECT_EQ(Drops(SKB_DROP_REASON_IP_INHDR), 1U);
  EXPECT_EQ(Ip(IpMib::kInHdrErrors), 1U);
  EXPECT_NE(NextSent().find("time exceeded"), std::string::npos);
  EXPECT_EQ(LastSentIp().header->saddr, kUs);
  EXPECT_EQ(NextSent(*eth1), "");
}

TEST_F(ForwardTest, NoRouteIsReported) {
  Receive(Udp(Header(kPeer, Ipv4Address(203, 0, 113, 1))));
  EXPECT_NE(NextSent().find("203.0.113.1 unreachable"), std::string::npos)
      << wire::DescribeFrame(last_sent);
  EXPECT_EQ(Drops(SKB_DROP_REASON_IP_INNOROUTES), 1U);
  EXPECT_EQ(Ip(IpMib::kInNoRoutes), 1U);
}

TEST_F(ForwardTest, TooBigWithDfIsReportedWithTheMtu) {
  ASSERT_EQ(dev_set_mtu(eth1->dev(), 600), 0);
  Ipv4Header header = Header(kPeer, kFar);
  header.frag_off = wire::kIpv4DontFragment;
  Receive(Udp(header, wire::kKeepNothing, {}, 700));
  EXPECT_EQ(Drops(SKB_DROP_REASON_PKT_TOO_BIG), 1U);
  EXPECT_EQ(Ip(IpMib::kFragFails), 1U);
  EXPECT_EQ(Ip(IpMib::kOutForwDatagrams), 1U);
  ASSERT_NE(NextSent(), "");
  const auto icmp = wire::ParseIcmp(LastSentIp().payload);
  EXPECT_EQ(icmp->header->code, wire::kIcmpFragmentationNeeded);
  EXPECT_EQ(icmp->header->next_hop_mtu(), 600);
}

// ip_exceeds_mtu: what is measured of a packet of many segments is each of them.
TEST_F(ForwardTest, SegmentsThatAreTooBigAreReportedToo) {
  ASSERT_EQ(dev_set_mtu(eth1->dev(), 600), 0);
  Ipv4Header header = Header(kPeer, kFar);
  header.frag_off = wire::kIpv4DontFragment;
  const std::span<const uint8_t> frame = Udp(header, wire::kKeepNothing, {}, 1400);
  sk_buff* const skb = ReceivedFrame(eth.dev(), {frame.begin(), frame.end()});
  skb_shinfo(skb)->gso_size = 700;
  skb_shinfo(skb)->gso_type = SKB_GSO_UDP_L4;
  skb_shinfo(skb)->gso_segs = 2;
  netif_receive_skb(skb);
  host.RunFor(Duration::Microseconds(10));
  EXPECT_EQ(Drops(SKB_DROP_REASON_PKT_TOO_BIG), 1U);
  EXPECT_EQ(IpExt(IpExtMib::kInNoECTPkts), 2U) << "each counts as a packet of its codepoint";
}

TEST_F(ForwardTest, TooBigWithoutDfIsCut) {
  ASSERT_EQ(dev_set_mtu(eth1->dev(), 600), 0);
  Receive(Udp(Header(kPeer, kFar), wire::kKeepNothing, {}, 700));
  ASSERT_EQ(eth1->sent.size(), 2U);
  NextSent(*eth1);
  EXPECT_EQ(LastSentIp().payload.size(), 576U);
  EXPECT_TRUE(LastSentIp().header->more_fragments());
  NextSent(*eth1);
  EXPECT_EQ(LastSentIp().payload.size(), 708U - 576U);
  EXPECT_EQ(LastSentIp().header->offset_bytes(), 576U);
  EXPECT_FALSE(LastSentIp().header->more_fragments());
  EXPECT_EQ(Ip(IpMib::kFragOKs), 1U);
  EXPECT_EQ(Ip(IpMib::kFragCreates), 2U);
}

// A packet that leaves by the device it came in by: the sender is told of the better hop, less and
// less often.
TEST_F(ForwardTest, RedirectsAreSentAndLimited) {
  ASSERT_EQ(AddRoute("198.51.100.0/24", eth.dev(), Ipv4Address(10, 0, 0, 3)), 0);
  AddNeighbour(eth.dev(), Ipv4Address(10, 0, 0, 3), MacAddress(2, 0, 0, 0, 0, 3));
  int redirects = 0;
  for (int i = 0; i < 50; ++i) {
    Receive(Udp(Header(kPeer, Ipv4Address(198, 51, 100, 1))));
    while (!eth.sent.empty()) {
      if (NextSent().find("redirect") != std::string::npos) {
        ++redirects;
        EXPECT_EQ(wire::ParseIcmp(LastSentIp().payload)->header->gateway(),
                  Ipv4Address(10, 0, 0, 3));
      }
    }
    host.RunFor(Duration::Milliseconds(10));
  }
  EXPECT_EQ(redirects,
            4);  // at 0, 50, 140 and 310 ms: each wait is more than 20 ms << (redirects so far)
  ASSERT_EQ(Sysctl("net/ipv4/conf/all/send_redirects", 0), 0);
  ASSERT_EQ(Sysctl("net/ipv4/conf/eth0/send_redirects", 0), 0);
  host.RunFor(Duration::Seconds(60));
  Receive(Udp(Header(kPeer, Ipv4Address(198, 51, 100, 1))));
  EXPECT_EQ(eth.sent.size(), 1U);
}

TEST_F(ForwardTest, PerDeviceSettingRules) {
  ASSERT_EQ(Sysctl("net/ipv4/conf/eth0/forwarding", 0), 0);
  Receive(Udp(Header(kPeer, kFar)));
  EXPECT_EQ(Drops(SKB_DROP_REASON_IP_INADDRERRORS), 1U);
  EXPECT_EQ(NextSent(*eth1), "");
}

}  // namespace
}  // namespace tapedeck
