// Addresses: how a device gets them, when they may be used, how long they live, and which one a
// packet shows.
#include <cerrno>

#include "nd_host.h"

namespace tapedeck {
namespace {

constexpr uint32_t kPermanent = IFA_F_PERMANENT;

class AddrconfTest : public NdTest {
 protected:
  // The device after DAD, with nothing in `sent`.
  TestDevice& Configured() {
    TestDevice& device = AddAutoDevice();
    host.RunFor(Duration::Seconds(5));
    device.FreeSent();
    return device;
  }
  std::string SourceFor(TestDevice& device, const char* daddr, uint32_t prefs = 0) {
    Ipv6Address saddr;
    const int err = ipv6_dev_get_saddr(host.n, device.dev(), Ip6(daddr), prefs, &saddr);
    return err == 0 ? saddr.ToString() : std::to_string(err);
  }
  uint32_t Temporary(TestDevice& device) {
    uint32_t count = 0;
    for (const inet6_ifaddr& ifa : device->ip6_ptr->addr_list) {
      if ((ifa.flags & IFA_F_TEMPORARY) != 0) ++count;
    }
    return count;
  }
};

// A device that was not told to speak IPv6 is silent; told so, it begins.
TEST_F(AddrconfTest, ADeviceIsSilentUntilItIsEnabled) {
  ns.devconf_dflt.disable_ipv6 = 1;
  TestDevice& device = AddAutoDevice();
  host.RunFor(Duration::Seconds(30));
  EXPECT_TRUE(device.sent.empty());
  for (const netdev_hw_addr& heard : device->mc) {
    EXPECT_NE(heard.addr.bytes()[0], 0x33) << heard.addr.ToString();
  }
  EXPECT_EQ(AddAddress(device.dev(), Ip6("2001:db8:7::1"), 64), -EACCES);
  EXPECT_EQ(Sysctl("net/ipv6/conf/eth1/disable_ipv6", 0), 0);
  host.RunFor(Duration::Seconds(5));
  EXPECT_EQ(FlagsOf(device, kLinkLocal), IFA_F_PERMANENT);
  EXPECT_FALSE(Messages(device, wire::kIcmpv6RouterSolicitation).empty());
  EXPECT_EQ(Sysctl("net/ipv6/conf/eth1/disable_ipv6", 1), 0);
  EXPECT_EQ(FlagsOf(device, kLinkLocal), kGone);
}

// RFC 4862 5.4: a question from :: to the solicited-node group, with a nonce (RFC 7527); a second
// later the address is ours and routers are asked for.
TEST_F(AddrconfTest, TheLinkLocalAddressIsProbedBeforeItIsUsed) {
  TestDevice& device = AddAutoDevice();
  EXPECT_EQ(FlagsOf(device, kLinkLocal), kPermanent | IFA_F_TENTATIVE);
  EXPECT_FALSE(ipv6_chk_addr(host.n, kLinkLocal, device.dev(), false));
  host.RunFor(Duration::Seconds(5));
  const auto probes = Messages(device, wire::kIcmpv6NeighbourSolicitation);
  ASSERT_EQ(probes.size(), 1U);
  EXPECT_EQ(probes[0].ip.saddr, kIpv6Any);
  EXPECT_EQ(probes[0].ip.daddr, Ip6("ff02::1:ff00:101"));
  EXPECT_EQ(probes[0].ip.hop_limit, 255);
  EXPECT_EQ(probes[0].dest, MacAddress(0x33, 0x33, 0xff, 0, 1, 1));
  EXPECT_EQ(probes[0].As<wire::NdMessage>().target, kLinkLocal);
  ASSERT_EQ(probes[0].body.size(), 32U);
  EXPECT_EQ(probes[0].body[24], wire::kNdOptNonce);
  EXPECT_EQ(FlagsOf(device, kLinkLocal), IFA_F_PERMANENT);
  EXPECT_TRUE(ipv6_chk_addr(host.n, kLinkLocal, device.dev(), false));
  const auto asked = Messages(device, wire::kIcmpv6RouterSolicitation);
  ASSERT_GE(asked.size(), 1U);
  EXPECT_EQ(asked[0].ip.saddr, kLinkLocal);
  EXPECT_EQ(asked[0].ip.daddr, kIpv6AllRouters);
  EXPECT_EQ(asked[0].body.size(), 16U);  // with the source's link-layer address
}

// RFC 7559: the intervals between questions about double.
TEST_F(AddrconfTest, RouterSolicitationsBackOff) {
  TestDevice& device = AddAutoDevice();
  host.RunFor(Duration::Seconds(70));
  const size_t count = Messages(device, wire::kIcmpv6RouterSolicitation).size();
  EXPECT_GE(count, 4U);
  EXPECT_LE(count, 6U);
}

TEST_F(AddrconfTest, AnotherHostThatProbesTheSameAddressTakesIt) {
  TestDevice& device = AddAutoDevice();
  Deliver(device, kIpv6Any, Ip6("ff02::1:ff00:101"), Solicitation(kLinkLocal));
  host.RunFor(Duration::Seconds(5));
  EXPECT_EQ(FlagsOf(device, kLinkLocal), kPermanent | IFA_F_TENTATIVE | IFA_F_DADFAILED);
  EXPECT_TRUE(Messages(device, wire::kIcmpv6RouterSolicitation).empty());
}

// RFC 7527: our own probe, looped back by the link, is known by its nonce.
TEST_F(AddrconfTest, OurOwnProbeIsNoCollision) {
  TestDevice& device = AddAutoDevice();
  for (int i = 0; i < 30 && Messages(device, wire::kIcmpv6NeighbourSolicitation).empty(); ++i) {
    host.RunFor(Duration::Milliseconds(50));
  }
  const auto probes = Messages(device, wire::kIcmpv6NeighbourSolicitation);
  ASSERT_EQ(probes.size(), 1U);
  Deliver(device, kIpv6Any, probes[0].ip.daddr, probes[0].body);
  host.RunFor(Duration::Seconds(5));
  EXPECT_EQ(FlagsOf(device, kLinkLocal), IFA_F_PERMANENT);
}

TEST_F(AddrconfTest, AnAdvertisementForATentativeAddressTakesIt) {
  TestDevice& device = AddAutoDevice();
  Deliver(device, kRouter6, kIpv6AllNodes, Advertisement(kLinkLocal, false, false, true));
  host.RunFor(Duration::Seconds(5));
  EXPECT_EQ(FlagsOf(device, kLinkLocal) & IFA_F_DADFAILED, IFA_F_DADFAILED);
}

// With accept_dad 2 a collision of the address made of the MAC ends IPv6 there.
TEST_F(AddrconfTest, ACollisionOfTheMacMayEndIpv6) {
  ns.devconf_dflt.accept_dad = 2;
  TestDevice& device = AddAutoDevice();
  Deliver(device, kIpv6Any, Ip6("ff02::1:ff00:101"), Solicitation(kLinkLocal));
  EXPECT_EQ(device->ip6_ptr->cnf->disable_ipv6, 1);
  EXPECT_EQ(FlagsOf(device, kLinkLocal), kGone);
}

// RFC 4862 5.5.3, RFC 4861 6.3.4.
TEST_F(AddrconfTest, ARouterAdvertisementConfiguresTheDevice) {
  TestDevice& device = Configured();
  Bytes ra = RouterAdvertisement(1800, 61);
  Append(&ra, LinkAddressOption(wire::kNdOptSourceLinkAddress, kPeerMac));
  Append(&ra, PrefixOption("2001:db8:5::", 3600, 600));
  Append(&ra, {wire::kNdOptMtu, 1, 0, 0, 0, 0, 0x05, 0x14});  // 1300
  Deliver(device, kRouter6, kIpv6AllNodes, ra);
  host.RunFor(Duration::Seconds(5));
  const Ipv6Address addr = Ip6("2001:db8:5::ff:fe00:101");
  EXPECT_EQ(FlagsOf(device, addr), IFA_F_MANAGETEMPADDR);
  EXPECT_EQ(device->ip6_ptr->cnf->hop_limit, 61);
  EXPECT_EQ(device->ip6_ptr->cnf->mtu6, 1300);
  EXPECT_EQ(StateOf(device, kRouter6), NUD_STALE);
  fib6_info* const router = rt6_get_dflt_router(host.n, kRouter6, device.dev());
  ASSERT_NE(router, nullptr);
  fib6_info_release(ns, router);
  // Nobody asks for routers any more.
  device.FreeSent();
  host.RunFor(Duration::Seconds(60));
  EXPECT_TRUE(Messages(device, wire::kIcmpv6RouterSolicitation).empty());
  // Deprecated after ten minutes, gone after an hour.
  host.RunFor(Duration::Seconds(600));
  EXPECT_EQ(FlagsOf(device, addr), IFA_F_MANAGETEMPADDR | IFA_F_DEPRECATED);
  host.RunFor(Duration::Seconds(3600));
  EXPECT_EQ(FlagsOf(device, addr), kGone);
}

// RFC 4862 5.5.3 e 2: what is left of a life is not cut below two hours.
TEST_F(AddrconfTest, AnAdvertisementCannotEndALongLifeAtOnce) {
  TestDevice& device = Configured();
  Bytes ra = RouterAdvertisement(0);
  Append(&ra, PrefixOption("2001:db8:5::", 86400, 86400));
  Deliver(device, kRouter6, kIpv6AllNodes, ra);
  Bytes shorter = RouterAdvertisement(0);
  Append(&shorter, PrefixOption("2001:db8:5::", 60, 0));
  Deliver(device, kRouter6, kIpv6AllNodes, shorter);
  host.RunFor(Duration::Seconds(7000));
  const Ipv6Address addr = Ip6("2001:db8:5::ff:fe00:101");
  EXPECT_EQ(FlagsOf(device, addr), IFA_F_MANAGETEMPADDR | IFA_F_DEPRECATED);
  host.RunFor(Duration::Seconds(400));
  EXPECT_EQ(FlagsOf(device, addr), kGone);
}

TEST_F(AddrconfTest, AForwardingDeviceTakesNoAdvertisements) {
  TestDevice& device = Configured();
  EXPECT_EQ(Sysctl("net/ipv6/conf/all/forwarding", 1), 0);
  EXPECT_TRUE(ipv6_chk_mcast_addr(device.dev(), kIpv6AllRouters, nullptr));
  EXPECT_TRUE(ipv6_chk_acast_addr(host.n, eth.dev(), Ip6("2001:db8::")));
  Bytes ra = RouterAdvertisement(1800);
  Append(&ra, PrefixOption("2001:db8:5::", 3600, 600));
  Deliver(device, kRouter6, kIpv6AllNodes, ra);
  EXPECT_EQ(FlagsOf(device, Ip6("2001:db8:5::ff:fe00:101")), kGone);
  EXPECT_EQ(Sysctl("net/ipv6/conf/all/forwarding", 0), 0);
  EXPECT_FALSE(ipv6_chk_mcast_addr(device.dev(), kIpv6AllRouters, nullptr));
  EXPECT_FALSE(ipv6_chk_acast_addr(host.n, eth.dev(), Ip6("2001:db8::")));
}

// RFC 8981: a second, random address, preferred with use_tempaddr 2, and its successor in time.
TEST_F(AddrconfTest, TemporaryAddressesFollowEachOther) {
  ns.devconf_dflt.use_tempaddr = 2;
  ns.devconf_dflt.temp_prefered_lft = 600;
  ns.devconf_dflt.max_desync_factor = 10;
  TestDevice& device = Configured();
  Bytes ra = RouterAdvertisement(1800);
  Append(&ra, PrefixOption("2001:db8:5::", 86400, 86400));
  Deliver(device, kRouter6, kIpv6AllNodes, ra);
  host.RunFor(Duration::Seconds(5));
  EXPECT_EQ(Temporary(device), 1U);
  const std::string chosen = SourceFor(device, "2001:db8:5::99");
  EXPECT_NE(chosen, "2001:db8:5:0:0:ff:fe00:101");
  EXPECT_EQ(chosen.substr(0, 12), "2001:db8:5:0");
  EXPECT_EQ(SourceFor(device, "2001:db8:5::99", IPV6_PREFER_SRC_PUBLIC),
            Ip6("2001:db8:5::ff:fe00:101").ToString());
  host.RunFor(Duration::Seconds(610));
  EXPECT_EQ(Temporary(device), 2U);
  EXPECT_NE(SourceFor(device, "2001:db8:5::99"), chosen);
}

// RFC 7217: the same secret gives the same identifier on a prefix, another on another.
TEST_F(AddrconfTest, StableIdentifiersNeedASecret) {
  TestDevice& device = AddAutoDevice();
  SysctlTree& tree = host.kernel.sysctl();
  EXPECT_EQ(tree.Write("net/ipv6/conf/eth1/addr_gen_mode", "2"), -EINVAL);
  EXPECT_EQ(tree.Write("net/ipv6/conf/eth1/stable_secret", "2001:db8::42"), 0);
  std::string mode;
  EXPECT_EQ(tree.Read("net/ipv6/conf/eth1/addr_gen_mode", &mode), 0);
  EXPECT_EQ(mode, "2\n");
  host.RunFor(Duration::Seconds(5));
  Bytes ra = RouterAdvertisement(0);
  Append(&ra, PrefixOption("2001:db8:5::", 3600, 600));
  Append(&ra, PrefixOption("2001:db8:6::", 3600, 600));
  Deliver(device, kRouter6, kIpv6AllNodes, ra);
  std::vector<Ipv6Address> made;
  for (const inet6_ifaddr& ifa : device->ip6_ptr->addr_list) {
    if ((ifa.flags & IFA_F_STABLE_PRIVACY) != 0) made.push_back(ifa.addr);
  }
  ASSERT_EQ(made.size(), 2U);
  EXPECT_NE(made[0].word(3), made[1].word(3));
}

// RFC 6724 5, rule by rule.
TEST_F(AddrconfTest, TheSourceFitsTheDestination) {
  TestDevice& device = Configured();
  for (const char* addr : {"2001:db8:a::1", "2001:db8:b::1", "fd00::1"}) {
    EXPECT_EQ(AddAddress(device.dev(), Ip6(addr), 64), 0);
  }
  EXPECT_EQ(SourceFor(device, "2001:db8:a::1"), "2001:db8:a::1");  // itself
  EXPECT_EQ(SourceFor(device, "fe80::9"), kLinkLocal.ToString());  // scope
  EXPECT_EQ(SourceFor(device, "ff02::9"), kLinkLocal.ToString());
  EXPECT_EQ(SourceFor(device, "fd99::9"), "fd00::1");                // label
  EXPECT_EQ(SourceFor(device, "2001:db8:b:1::9"), "2001:db8:b::1");  // longest prefix
  EXPECT_EQ(SourceFor(eth, "2001:db8:a::9"), "2001:db8::1");         // the device it leaves by
  EXPECT_EQ(ipv6_addr_label(Ip6("2002::1"), 0), 2U);
  EXPECT_EQ(ipv6_addr_label(Ip6("::ffff:1.2.3.4"), 0), 4U);
}

TEST_F(AddrconfTest, WhatCannotBeAnAddressIsRefused) {
  EXPECT_EQ(AddAddress(eth.dev(), kUs6, 64), -EEXIST);
  EXPECT_EQ(AddAddress(eth.dev(), kIpv6Any, 64), -EADDRNOTAVAIL);
  EXPECT_EQ(AddAddress(eth.dev(), Ip6("ff02::5"), 64), -EADDRNOTAVAIL);
  EXPECT_EQ(AddAddress(eth.dev(), kIpv6Loopback, 128), -EADDRNOTAVAIL);
  EXPECT_EQ(AddAddress(eth.dev(), Ip6("2001:db8::5"), 129), -EINVAL);
  EXPECT_EQ(inet6_addr_del(eth.dev(), Ip6("2001:db8::5"), 64), -EADDRNOTAVAIL);
  EXPECT_EQ(inet6_addr_del(eth.dev(), kUs6, 64), 0);
  EXPECT_FALSE(ipv6_chk_addr(host.n, kUs6, nullptr, false));
}

// Optimistic DAD (RFC 4429): packets to it are taken at once.
TEST_F(AddrconfTest, AnOptimisticAddressMayBeUsedAtOnce) {
  ns.devconf_dflt.optimistic_dad = ns.devconf_dflt.use_optimistic = 1;
  TestDevice& device = AddAutoDevice();
  EXPECT_EQ(FlagsOf(device, kLinkLocal), kPermanent | IFA_F_TENTATIVE | IFA_F_OPTIMISTIC);
  EXPECT_EQ(SourceFor(device, "fe80::9"), kLinkLocal.ToString());
  host.RunFor(Duration::Seconds(5));
  EXPECT_EQ(FlagsOf(device, kLinkLocal), IFA_F_PERMANENT);
}

TEST_F(AddrconfTest, KeptAddressesComeBackWithTheDevice) {
  TestDevice& device = Configured();
  EXPECT_EQ(AddAddress(device.dev(), Ip6("2001:db8:a::1"), 64), 0);
  EXPECT_EQ(Sysctl("net/ipv6/conf/eth1/keep_addr_on_down", 1), 0);
  dev_close(device.dev());
  EXPECT_EQ(FlagsOf(device, kLinkLocal), kGone);
  EXPECT_EQ(dev_open(device.dev()), 0);
  host.RunFor(Duration::Seconds(5));
  EXPECT_EQ(FlagsOf(device, kLinkLocal), IFA_F_PERMANENT);
  EXPECT_TRUE(ipv6_chk_addr(host.n, Ip6("2001:db8:a::1"), device.dev(), false));
}

TEST_F(AddrconfTest, SettingsHaveTheirRanges) {
  EXPECT_EQ(Sysctl("net/ipv6/conf/eth0/hop_limit", 256), -EINVAL);
  EXPECT_EQ(Sysctl("net/ipv6/conf/eth0/mtu", 1279), -EINVAL);
  EXPECT_EQ(Sysctl("net/ipv6/conf/eth0/mtu", 1501), -EINVAL);
  EXPECT_EQ(Sysctl("net/ipv6/conf/eth0/mtu", 1400), 0);
  EXPECT_EQ(Sysctl("net/ipv6/conf/eth0/addr_gen_mode", 4), -EINVAL);
  EXPECT_EQ(Sysctl("net/ipv6/conf/all/accept_untracked_na", 3), -EINVAL);
}

}  // namespace
}  // namespace tapedeck
