// Neighbour solicitations and advertisements: what is answered, what is learnt, what is refused and
// why; asking for an address, and answering for others.
#include "nd_host.h"
#include "stack/core/neighbour.h"

namespace tapedeck {
namespace {

class NdiscTest : public NdTest {
 protected:
  NdiscTest() : solicited_(addrconf_addr_solict_mult(kUs6)) {}
  void Solicit(const Ipv6Address& target, const Ipv6Address& daddr, uint8_t hop_limit = 255) {
    Bytes message = Solicitation(target);
    Append(&message, LinkAddressOption(wire::kNdOptSourceLinkAddress, kPeerMac));
    Deliver(eth, kAsker, daddr, message, hop_limit);
  }
  // Asks for the address of `addr`, as a packet to it would.
  void Ask(const Ipv6Address& addr) {
    OnCpu([&] {
      neighbour* const n = neigh_create(host.n.nd_tbl, addr.bytes().data(), eth.dev());
      neigh_event_send(n, nullptr);
      neigh_release(n);
    });
  }
  const Ipv6Address kAsker = Ip6("2001:db8::77");
  const Ipv6Address solicited_;
};

// RFC 4861 7.2.4.
TEST_F(NdiscTest, AQuestionForOurAddressIsAnswered) {
  Solicit(kUs6, solicited_);
  const auto answers = Messages(eth, wire::kIcmpv6NeighbourAdvertisement);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].dest, kPeerMac);
  EXPECT_EQ(answers[0].ip.saddr, kUs6);
  EXPECT_EQ(answers[0].ip.daddr, kAsker);
  const auto na = answers[0].As<wire::NdMessage>();
  EXPECT_TRUE(na.solicited());
  EXPECT_TRUE(na.override());
  EXPECT_FALSE(na.router());
  EXPECT_EQ(na.target, kUs6);
  ASSERT_EQ(answers[0].body.size(), 32U);
  EXPECT_EQ(answers[0].body[24], wire::kNdOptTargetLinkAddress);
  EXPECT_EQ(StateOf(eth, kAsker), NUD_DELAY);  // learnt from the question, used by the answer
}

// A question to us alone: who asks knows our link-layer address.
TEST_F(NdiscTest, AUnicastQuestionIsAnsweredWithoutOption) {
  Solicit(kUs6, kUs6);
  const auto answers = Messages(eth, wire::kIcmpv6NeighbourAdvertisement);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].body.size(), 24U);
  EXPECT_FALSE(answers[0].As<wire::NdMessage>().override());
}

// Somebody wants to take our address: all hear that it is ours.
TEST_F(NdiscTest, OurAddressIsDefended) {
  Deliver(eth, kIpv6Any, solicited_, Solicitation(kUs6));
  const auto answers = Messages(eth, wire::kIcmpv6NeighbourAdvertisement);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].ip.daddr, kIpv6AllNodes);
  EXPECT_FALSE(answers[0].As<wire::NdMessage>().solicited());
}

TEST_F(NdiscTest, WhatIsWrongHasItsReason) {
  Solicit(kUs6, solicited_, 254);
  EXPECT_EQ(Drops(SKB_DROP_REASON_IPV6_NDISC_HOP_LIMIT), 1U);
  Bytes code = Solicitation(kUs6);
  code[1] = 1;
  Deliver(eth, kAsker, solicited_, code);
  EXPECT_EQ(Drops(SKB_DROP_REASON_IPV6_NDISC_BAD_CODE), 1U);
  Bytes empty_option = Solicitation(kUs6);
  Append(&empty_option, {1, 0, 0, 0, 0, 0, 0, 0});
  Deliver(eth, kAsker, solicited_, empty_option);
  EXPECT_EQ(Drops(SKB_DROP_REASON_IPV6_NDISC_BAD_OPTIONS), 1U);
  Bytes cut_option = Solicitation(kUs6);
  Append(&cut_option, {1, 2, 0, 0, 0, 0, 0, 0});
  Deliver(eth, kAsker, solicited_, cut_option);
  EXPECT_EQ(Drops(SKB_DROP_REASON_IPV6_NDISC_BAD_OPTIONS), 2U);
  Bytes shorter = Solicitation(kUs6);
  shorter.resize(20);
  Deliver(eth, kAsker, solicited_, shorter);
  EXPECT_EQ(Drops(SKB_DROP_REASON_PKT_TOO_SMALL), 1U);
  Solicit(Ip6("2001:db8::ff00:1"), addrconf_addr_solict_mult(kUs6));
  EXPECT_EQ(Drops(SKB_DROP_REASON_IPV6_NDISC_NS_OTHERHOST), 1U);
  EXPECT_TRUE(Messages(eth, wire::kIcmpv6NeighbourAdvertisement).empty());
}

// Three questions to the group, a second apart; then the entry has failed.
TEST_F(NdiscTest, AnAddressIsAskedForThreeTimes) {
  const Ipv6Address target = Ip6("2001:db8::5");
  Ask(target);
  EXPECT_EQ(StateOf(eth, target), NUD_INCOMPLETE);
  host.RunFor(Duration::Seconds(6));
  const auto questions = Messages(eth, wire::kIcmpv6NeighbourSolicitation);
  ASSERT_EQ(questions.size(), 0U);  // no link-local address to ask from
  EXPECT_EQ(StateOf(eth, target), NUD_FAILED);
  EXPECT_EQ(AddAddress(eth.dev(), Ip6("fe80::1"), 64), 0);
  Ask(target);
  host.RunFor(Duration::Seconds(6));
  const auto asked = Messages(eth, wire::kIcmpv6NeighbourSolicitation);
  ASSERT_EQ(asked.size(), 3U);
  EXPECT_EQ(asked[0].ip.daddr, addrconf_addr_solict_mult(target));
  EXPECT_EQ(asked[0].As<wire::NdMessage>().target, target);
  EXPECT_EQ(asked[0].body[24], wire::kNdOptSourceLinkAddress);
}

// RFC 4861 7.2.5.
TEST_F(NdiscTest, TheAnswerToOurQuestionMakesItReachable) {
  EXPECT_EQ(AddAddress(eth.dev(), Ip6("fe80::1"), 64), 0);
  const Ipv6Address target = Ip6("2001:db8::5");
  Ask(target);
  Bytes na = Advertisement(target, true, true, true);
  Append(&na, LinkAddressOption(wire::kNdOptTargetLinkAddress, MacAddress(2, 0, 0, 0, 0, 5)));
  Deliver(eth, target, kUs6, na);
  EXPECT_EQ(StateOf(eth, target), NUD_REACHABLE);
  std::string shown;
  EXPECT_EQ(neigh_command(host.n, "show", &shown), 0);
  EXPECT_NE(shown.find("2001:db8::5 dev eth0 lladdr 02:00:00:00:00:05 router REACHABLE"),
            std::string::npos)
      << shown;
}

TEST_F(NdiscTest, AnAdvertisementNobodyAskedForMakesNoEntry) {
  const Ipv6Address target = Ip6("2001:db8::5");
  Bytes na = Advertisement(target, false, false, true);
  Append(&na, LinkAddressOption(wire::kNdOptTargetLinkAddress, MacAddress(2, 0, 0, 0, 0, 5)));
  Deliver(eth, target, kIpv6AllNodes, na);
  EXPECT_EQ(StateOf(eth, target), NUD_NONE);
  // RFC 9131, on routers.
  EXPECT_EQ(Sysctl("net/ipv6/conf/eth0/forwarding", 1), 0);
  EXPECT_EQ(Sysctl("net/ipv6/conf/eth0/accept_untracked_na", 1), 0);
  Deliver(eth, target, kIpv6AllNodes, na);
  EXPECT_EQ(StateOf(eth, target), NUD_STALE);
}

// `ip neigh add proxy`: a router answers for a host elsewhere, after a random part of 0.8 s.
TEST_F(NdiscTest, AProxyAnswersForOthersLater) {
  const Ipv6Address proxied = Ip6("2001:db8::99");
  EXPECT_EQ(Sysctl("net/ipv6/conf/eth0/forwarding", 1), 0);
  EXPECT_EQ(Sysctl("net/ipv6/conf/eth0/proxy_ndp", 1), 0);
  std::string none;
  EXPECT_EQ(neigh_command(host.n, "add proxy 2001:db8::99 dev eth0", &none), 0);
  EXPECT_TRUE(ipv6_chk_mcast_addr(eth.dev(), addrconf_addr_solict_mult(proxied), nullptr));
  Settle();
  Solicit(proxied, addrconf_addr_solict_mult(proxied));
  EXPECT_TRUE(Messages(eth, wire::kIcmpv6NeighbourAdvertisement).empty());
  host.RunFor(Duration::Seconds(1));
  const auto answers = Messages(eth, wire::kIcmpv6NeighbourAdvertisement);
  ASSERT_EQ(answers.size(), 1U);
  const auto na = answers[0].As<wire::NdMessage>();
  EXPECT_EQ(na.target, proxied);
  EXPECT_FALSE(na.override());
  EXPECT_EQ(neigh_command(host.n, "del proxy 2001:db8::99 dev eth0", &none), 0);
  EXPECT_FALSE(ipv6_chk_mcast_addr(eth.dev(), addrconf_addr_solict_mult(proxied), nullptr));
}

// A new link-layer address is announced where ndisc_notify says so.
TEST_F(NdiscTest, ANewLinkAddressIsAnnounced) {
  EXPECT_EQ(Sysctl("net/ipv6/conf/eth0/ndisc_notify", 1), 0);
  eth->priv_flags |= IFF_LIVE_ADDR_CHANGE;
  EXPECT_EQ(dev_set_mac_address(eth.dev(), MacAddress(2, 0, 0, 0, 0, 0x33)), 0);
  const auto told = Messages(eth, wire::kIcmpv6NeighbourAdvertisement);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].ip.daddr, kIpv6AllNodes);
  EXPECT_TRUE(told[0].As<wire::NdMessage>().override());
}

// Routers of a lower preference and a change of router to host (RFC 4191, RFC 4861 7.2.5).
TEST_F(NdiscTest, ARouterThatBecomesAHostLosesItsRoute) {
  ns.devconf_dflt.accept_ra = 1;
  EXPECT_EQ(Sysctl("net/ipv6/conf/eth0/accept_ra", 1), 0);
  EXPECT_EQ(AddAddress(eth.dev(), Ip6("fe80::1"), 64), 0);
  Bytes ra = RouterAdvertisement(1800);
  Append(&ra, LinkAddressOption(wire::kNdOptSourceLinkAddress, kPeerMac));
  Deliver(eth, kRouter6, kIpv6AllNodes, ra);
  fib6_info* const router = rt6_get_dflt_router(host.n, kRouter6, eth.dev());
  ASSERT_NE(router, nullptr);
  fib6_info_release(ns, router);
  Deliver(eth, kRouter6, Ip6("fe80::1"), Advertisement(kRouter6, false, true, false));
  EXPECT_EQ(rt6_get_dflt_router(host.n, kRouter6, eth.dev()), nullptr);
}

TEST_F(NdiscTest, AnAdvertisementOfARouterMustComeFromTheLink) {
  EXPECT_EQ(Sysctl("net/ipv6/conf/eth0/accept_ra", 1), 0);
  Deliver(eth, Ip6("2001:db8::10"), kIpv6AllNodes, RouterAdvertisement(1800));
  EXPECT_EQ(rt6_get_dflt_router(host.n, Ip6("2001:db8::10"), eth.dev()), nullptr);
  EXPECT_EQ(StateOf(eth, Ip6("2001:db8::10")), NUD_NONE);
}

}  // namespace
}  // namespace tapedeck
