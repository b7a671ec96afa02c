#include "ipv4_host.h"
#include "stack/ipv4/arp.h"
#include "stack/wire/arp.h"

namespace tapedeck {
namespace {

constexpr Ipv4Address kStranger{10, 0, 0, 33};
constexpr MacAddress kStrangerMac{2, 0, 0, 0, 0, 0x33};

class ArpTest : public Ipv4Test {
 protected:
  struct Packet {
    uint16_t op = wire::kArpRequest;
    Ipv4Address sip = kStranger;
    Ipv4Address tip = kUs;
    MacAddress dest = kMacBroadcast;
    MacAddress sha = kStrangerMac;
    MacAddress tha{};
  };
  static wire::ArpPacket Arp(const Packet& packet) {
    wire::ArpPacket arp;
    arp.ar_op = packet.op;
    arp.ar_sha = packet.sha;
    arp.ar_sip = packet.sip;
    arp.ar_tha = packet.tha;
    arp.ar_tip = packet.tip;
    return arp;
  }
  void ReceiveArp(const Packet& packet) { ReceiveArp(eth, packet); }
  void ReceiveArp(TestDevice& device, const Packet& packet) {
    Receive(device, NewFrame(packet.dest).Arp(Arp(packet)).PadTo().Build());
  }
  // "STALE 02:00:00:00:00:33", or "none".
  std::string Entry(Ipv4Address addr, net_device* dev = nullptr) {
    const neighbour* const neigh =
        __neigh_lookup_noref(host.n.arp_tbl, addr.bytes().data(), dev != nullptr ? dev : eth.dev());
    if (neigh == nullptr) return "none";
    const char* state = neigh->nud_state == NUD_STALE        ? "STALE"
                        : neigh->nud_state == NUD_REACHABLE  ? "REACHABLE"
                        : neigh->nud_state == NUD_PERMANENT  ? "PERMANENT"
                        : neigh->nud_state == NUD_INCOMPLETE ? "INCOMPLETE"
                        : neigh->nud_state == NUD_FAILED     ? "FAILED"
                        : neigh->nud_state == NUD_NOARP      ? "NOARP"
                        : neigh->nud_state == NUD_DELAY      ? "DELAY"
                                                             : "other";
    return std::string(state) + " " +
           MacAddress(std::span<const uint8_t, 6>(neigh->ha, 6)).ToString();
  }
  // Sends `bytes` of protocol 99 to `daddr`.
  void SendTo(Ipv4Address daddr, Ipv4Address saddr = kIpv4Any) {
    OnCpu([&] {
      sk_buff* const skb = MakePacket(host.n, Pattern(8), 128);
      int err = 0;
      flowi4 flow;
      flow.daddr = daddr;
      flow.saddr = saddr;
      skb_dst_set(skb, ip_route_output_key(host.n, &flow, &err));
      auto* const iph = reinterpret_cast<wire::Ipv4Header*>(skb_push(skb, 20));
      skb_reset_network_header(skb);
      *iph = {};
      iph->set_ihl(5);
      iph->ttl = 64;
      iph->protocol = 99;
      iph->saddr = flow.saddr;
      iph->daddr = daddr;
      ip_local_out(host.n, nullptr, skb);
    });
  }
};

TEST_F(ArpTest, RequestForUsIsAnsweredAndTheAskerLearnt) {
  ReceiveArp({});
  EXPECT_EQ(NextSent(), "ARP, Reply 10.0.0.1 is-at 02:00:00:00:00:01, length 28");
  EXPECT_EQ(MacAddress(std::span<const uint8_t, 6>(last_sent.data(), 6)), kStrangerMac);
  EXPECT_EQ(Entry(kStranger), "STALE 02:00:00:00:00:33");
  EXPECT_EQ(Delivered(), 1U);
}

TEST_F(ArpTest, RequestForOthersIsNot) {
  ReceiveArp({.tip = Ipv4Address(10, 0, 0, 99)});
  EXPECT_EQ(NextSent(), "");
  EXPECT_EQ(Entry(kStranger), "none");
  EXPECT_EQ(Drops(SKB_DROP_REASON_ARP_NOT_FOR_US), 1U);
}

TEST_F(ArpTest, InvalidPackets) {
  const auto spoil = [&](auto change) {
    wire::ArpPacket arp = Arp({});
    change(arp);
    Receive(NewFrame(kMacBroadcast).Arp(arp).Build());
  };
  spoil([](wire::ArpPacket& a) { a.ar_hrd = uint16_t{7}; });
  spoil([](wire::ArpPacket& a) { a.ar_pro = uint16_t{0x86dd}; });
  spoil([](wire::ArpPacket& a) { a.ar_hln = 8; });
  spoil([](wire::ArpPacket& a) { a.ar_pln = 16; });
  spoil([](wire::ArpPacket& a) { a.ar_op = uint16_t{3}; });
  spoil([](wire::ArpPacket& a) { a.ar_tip = kIpv4AllHosts; });
  spoil([](wire::ArpPacket& a) { a.ar_tip = kIpv4Loopback; });
  EXPECT_EQ(Drops(SKB_DROP_REASON_ARP_INVALID), 7U);
  const auto whole = NewFrame(kMacBroadcast).Arp(Arp({})).Build();
  Receive(whole.first(14 + 27));
  EXPECT_EQ(Drops(SKB_DROP_REASON_HDR_TRUNC), 1U);
  ReceiveArp({.dest = MacAddress(2, 9, 9, 9, 9, 9)});
  EXPECT_EQ(Drops(SKB_DROP_REASON_OTHERHOST), 1U);
  EXPECT_EQ(NextSent(), "");
  // IEEE 802 hardware is Ethernet too.
  spoil([](wire::ArpPacket& a) { a.ar_hrd = uint16_t{6}; });
  EXPECT_NE(NextSent(), "");
}

// RFC 5227 2.1.1, 2.4: a probe for our address is answered, to the prober alone.
TEST_F(ArpTest, ProbeForOurAddressIsDefended) {
  ReceiveArp({.sip = kIpv4Any});
  EXPECT_EQ(NextSent(), "ARP, Reply 10.0.0.1 is-at 02:00:00:00:00:01, length 28");
  EXPECT_EQ(Entry(kIpv4Any), "none");
  ReceiveArp({.sip = kIpv4Any, .tip = kStranger});
  EXPECT_EQ(NextSent(), "");
}

// Resolution: a packet waits for its neighbour, which answers or does not.
TEST_F(ArpTest, PacketWaitsForTheAnswer) {
  SendTo(kStranger);
  EXPECT_EQ(NextSent(), "ARP, Request who-has 10.0.0.33 tell 10.0.0.1, length 28");
  EXPECT_EQ(NextSent(), "");
  EXPECT_EQ(Entry(kStranger).substr(0, 10), "INCOMPLETE");
  ReceiveArp({.op = wire::kArpReply, .dest = kUsMac, .tha = kUsMac});
  EXPECT_EQ(Entry(kStranger), "REACHABLE 02:00:00:00:00:33");
  EXPECT_NE(NextSent().find("10.0.0.1 > 10.0.0.33"), std::string::npos);
  EXPECT_EQ(MacAddress(std::span<const uint8_t, 6>(last_sent.data(), 6)), kStrangerMac);
  SendTo(kStranger);
  EXPECT_NE(NextSent(), "");
}

// Three questions, a second apart; then the sender of the packet is told.
TEST_F(ArpTest, NoAnswer) {
  TestDevice& eth1 = AddDevice("eth1", Ipv4Address(10, 1, 0, 1), 24);
  ASSERT_EQ(Sysctl("net/ipv4/ip_forward", 1), 0);
  wire::Ipv4Header header;
  header.ttl = 9;
  header.protocol = 99;
  header.saddr = kPeer;
  header.daddr = Ipv4Address(10, 1, 0, 77);
  Receive(NewFrame().Ipv4(header, {}, wire::kKeepProtocol).CountingPayload(30).Build());
  host.RunFor(Duration::Seconds(5));
  EXPECT_EQ(eth1.sent.size(), 3U);
  EXPECT_EQ(NextSent(eth1), "ARP, Request who-has 10.1.0.77 tell 10.1.0.1, length 28");
  EXPECT_EQ(Drops(SKB_DROP_REASON_NEIGH_FAILED), 1U);
  EXPECT_NE(NextSent().find("host 10.1.0.77 unreachable"), std::string::npos)
      << wire::DescribeFrame(last_sent);
}

TEST_F(ArpTest, UnsolicitedPacketsMakeNoEntry) {
  ReceiveArp({.op = wire::kArpReply, .dest = kUsMac});
  ReceiveArp({.sip = kStranger, .tip = kStranger});
  EXPECT_EQ(Entry(kStranger), "none");
  ASSERT_EQ(Sysctl("net/ipv4/conf/eth0/arp_accept", 1), 0);
  ReceiveArp({.sip = kStranger, .tip = kStranger});
  EXPECT_EQ(Entry(kStranger), "STALE 02:00:00:00:00:33");
  ASSERT_EQ(Sysctl("net/ipv4/conf/eth0/arp_accept", 2), 0);
  ReceiveArp({.sip = kFar, .tip = kFar});  // of no subnet of ours
  EXPECT_EQ(Entry(kFar), "none");
  ReceiveArp({.sip = Ipv4Address(10, 0, 0, 34), .tip = Ipv4Address(10, 0, 0, 34)});
  EXPECT_EQ(Entry(Ipv4Address(10, 0, 0, 34)), "STALE 02:00:00:00:00:33");
  ASSERT_EQ(Sysctl("net/ipv4/conf/eth0/drop_gratuitous_arp", 1), 0);
  ReceiveArp({.sip = Ipv4Address(10, 0, 0, 35), .tip = Ipv4Address(10, 0, 0, 35)});
  EXPECT_EQ(Entry(Ipv4Address(10, 0, 0, 35)), "none");
}

// A new address is believed after locktime (1 s), at once where its owner announces it.
TEST_F(ArpTest, ChangeOfAddress) {
  ReceiveArp({});
  const MacAddress other(2, 0, 0, 0, 0, 0x44);
  ReceiveArp({.op = wire::kArpReply, .dest = kUsMac, .sha = other, .tha = kUsMac});
  EXPECT_EQ(Entry(kStranger), "STALE 02:00:00:00:00:33");
  host.RunFor(Duration::Milliseconds(1500));
  ReceiveArp({.op = wire::kArpReply, .dest = kUsMac, .sha = other, .tha = kUsMac});
  EXPECT_EQ(Entry(kStranger), "REACHABLE 02:00:00:00:00:44");
  ReceiveArp({.sip = kStranger, .tip = kStranger});
  EXPECT_EQ(Entry(kStranger), "STALE 02:00:00:00:00:33");
}

TEST_F(ArpTest, Ignore) {
  AddDevice("eth1", Ipv4Address(10, 1, 0, 1), 24);
  const Ipv4Address on_eth1(10, 1, 0, 1);
  // 0: any address of ours, on any device.
  ReceiveArp({.tip = on_eth1});
  EXPECT_NE(NextSent(), "");
  // 1: of this device only.
  ASSERT_EQ(Sysctl("net/ipv4/conf/eth0/arp_ignore", 1), 0);
  ReceiveArp({.tip = on_eth1});
  EXPECT_EQ(NextSent(), "");
  ReceiveArp({});
  EXPECT_NE(NextSent(), "");
  // 2: and to senders of its subnet.
  ASSERT_EQ(Sysctl("net/ipv4/conf/eth0/arp_ignore", 2), 0);
  ReceiveArp({.sip = kFar});
  EXPECT_EQ(NextSent(), "");
  ReceiveArp({});
  EXPECT_NE(NextSent(), "");
  // 8: not at all.
  ASSERT_EQ(Sysctl("net/ipv4/conf/eth0/arp_ignore", 8), 0);
  ReceiveArp({});
  EXPECT_EQ(NextSent(), "");
}

// Which address a question shows.
TEST_F(ArpTest, Announce) {
  AddDevice("eth1", Ipv4Address(10, 1, 0, 1), 24);
  const auto asked = [&](int level, uint8_t host_part) {
    EXPECT_EQ(Sysctl("net/ipv4/conf/eth0/arp_announce", level), 0);
    SendTo(Ipv4Address(10, 0, 0, host_part), Ipv4Address(10, 1, 0, 1));
    const std::string text = NextSent();
    return text.substr(text.find("tell"));
  };
  // The packet's source is ours, if on another device: level 0 shows it.
  EXPECT_EQ(asked(0, 100), "tell 10.1.0.1, length 28");
  EXPECT_EQ(asked(1, 101), "tell 10.0.0.1, length 28");
  EXPECT_EQ(asked(2, 102), "tell 10.0.0.1, length 28");
  ASSERT_EQ(AddAddress(eth.dev(), Ipv4Address(172, 16, 0, 1), 16), 0);
  const auto asked_as = [&](int level, uint8_t host_part) {
    EXPECT_EQ(Sysctl("net/ipv4/conf/eth0/arp_announce", level), 0);
    SendTo(Ipv4Address(10, 0, 0, host_part), Ipv4Address(172, 16, 0, 1));
    const std::string text = NextSent();
    return text.substr(text.find("tell"));
  };
  EXPECT_EQ(asked_as(0, 110), "tell 172.16.0.1, length 28");
  EXPECT_EQ(asked_as(1, 111), "tell 10.0.0.1, length 28");
  EXPECT_EQ(asked_as(2, 112), "tell 10.0.0.1, length 28");
}

TEST_F(ArpTest, Filter) {
  TestDevice& eth1 = AddDevice("eth1", Ipv4Address(10, 1, 0, 1), 24);
  ASSERT_EQ(Sysctl("net/ipv4/conf/eth1/arp_filter", 1), 0);
  ReceiveArp(eth1, {});  // the way back to 10.0.0.33 is eth0
  EXPECT_EQ(NextSent(eth1), "");
  EXPECT_EQ(host.n.tcp_ext_mib.Get(TcpExtMib::kArpFilter), 1U);
  ReceiveArp(eth1, {.sip = Ipv4Address(10, 1, 0, 5), .tip = Ipv4Address(10, 1, 0, 1)});
  EXPECT_NE(NextSent(eth1), "");
}

// RFC 1027: for hosts behind another device, after a random part of 0.8 s where the question was
// broadcast.
TEST_F(ArpTest, Proxy) {
  AddDevice("eth1", Ipv4Address(10, 1, 0, 1), 24);
  ASSERT_EQ(Sysctl("net/ipv4/ip_forward", 1), 0);
  const Ipv4Address behind(10, 1, 0, 9);
  ReceiveArp({.tip = behind});
  host.RunFor(Duration::Seconds(1));
  EXPECT_EQ(NextSent(), "");
  ASSERT_EQ(Sysctl("net/ipv4/conf/eth0/proxy_arp", 1), 0);
  ReceiveArp({.tip = behind, .dest = kUsMac});
  EXPECT_EQ(NextSent(), "ARP, Reply 10.1.0.9 is-at 02:00:00:00:00:01, length 28");
  ReceiveArp({.tip = behind});
  EXPECT_EQ(NextSent(), "");
  host.RunFor(Duration::Seconds(1));
  EXPECT_EQ(NextSent(), "ARP, Reply 10.1.0.9 is-at 02:00:00:00:00:01, length 28");
  // `ip neigh add proxy`: for that host alone.
  ASSERT_EQ(Sysctl("net/ipv4/conf/eth0/proxy_arp", 0), 0);
  std::string none;
  ASSERT_EQ(neigh_command(host.n, "add proxy 10.1.0.9 dev eth0", &none), 0);
  ReceiveArp({.tip = behind, .dest = kUsMac});
  EXPECT_EQ(NextSent(), "ARP, Reply 10.1.0.9 is-at 02:00:00:00:00:01, length 28");
  ReceiveArp({.tip = Ipv4Address(10, 1, 0, 10), .dest = kUsMac});
  EXPECT_EQ(NextSent(), "");
  ASSERT_EQ(neigh_command(host.n, "del proxy 10.1.0.9 dev eth0", &none), 0);
  EXPECT_EQ(neigh_command(host.n, "del proxy 10.1.0.9 dev eth0", &none), -ENOENT);
  // Not for those behind the same device.
  ReceiveArp({.tip = Ipv4Address(10, 0, 0, 44), .dest = kUsMac});
  EXPECT_EQ(NextSent(), "");
}

TEST_F(ArpTest, MulticastAndBroadcastNeedNoQuestion) {
  SendTo(Ipv4Address(10, 0, 0, 255));
  ASSERT_NE(NextSent(), "");
  EXPECT_EQ(MacAddress(std::span<const uint8_t, 6>(last_sent.data(), 6)), kMacBroadcast);
  ASSERT_EQ(AddRoute("224.0.0.0/4", eth.dev()), 0);
  SendTo(Ipv4Address(239, 129, 2, 3));
  ASSERT_NE(NextSent(), "");
  EXPECT_EQ(MacAddress(std::span<const uint8_t, 6>(last_sent.data(), 6)),
            MacAddress(1, 0, 0x5e, 1, 2, 3));
}

// sysctl arp_notify: when the device goes up, all its addresses; a new address alone is not told.
TEST_F(ArpTest, AnnouncesItsAddressesOnRequest) {
  ASSERT_EQ(Sysctl("net/ipv4/conf/all/arp_notify", 1), 0);
  ASSERT_EQ(AddAddress(eth.dev(), Ipv4Address(10, 0, 0, 5), 24), 0);
  EXPECT_EQ(NextSent(), "");
  dev_close(eth.dev());
  ASSERT_EQ(dev_open(eth.dev()), 0);
  EXPECT_EQ(NextSent(), "ARP, Request who-has 10.0.0.1 tell 10.0.0.1, length 28");
  EXPECT_EQ(NextSent(), "ARP, Request who-has 10.0.0.5 tell 10.0.0.5, length 28");
}

}  // namespace
}  // namespace tapedeck
