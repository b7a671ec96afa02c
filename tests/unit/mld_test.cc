// Multicast listener discovery: reports of what a device listens to, of both versions; source
// filters.
#include "nd_host.h"
#include "stack/ipv6/mld_internal.h"

namespace tapedeck {
namespace {

const Ipv6Address kGroup = Ip6("ff05::1234");
const Ipv6Address kQuerier = Ip6("fe80::10");

class MldTest : public NdTest {
 protected:
  MldTest() {
    EXPECT_EQ(AddAddress(eth.dev(), Ip6("fe80::1"), 64), 0);
    Settle();
  }
  // "TO_EX ff05::1234 {}": the records about kGroup in the reports since the last call.
  std::string Records() {
    std::string text;
    for (const SentMessage& m : Messages(eth, wire::kIcmpv6ListenerReport2)) {
      EXPECT_EQ(m.ip.daddr, kIpv6MldV2Routers);
      EXPECT_EQ(m.ip.hop_limit, 1);
      size_t at = 8;
      for (int left = LoadBe16(&m.body[6]); left > 0; --left) {
        const auto record = m.As<wire::Mld2Record>(at);
        at += sizeof(record);
        std::string one = NameOf(record.type) + " {";
        for (int i = 0; i < record.source_count.host(); ++i, at += 16) {
          one += (i == 0 ? "" : " ") + m.As<Ipv6Address>(at).ToString();
        }
        if (record.group == kGroup) text += (text.empty() ? "" : ", ") + one + "}";
      }
    }
    eth.FreeSent();
    return text;
  }
  static std::string NameOf(uint8_t type) {
    static const char* const kNames[] = {"?", "IS_IN", "IS_EX", "TO_IN", "TO_EX", "ALLOW", "BLOCK"};
    return kNames[type];
  }
  // A query for `group` (:: all), of `bytes` of version 2 behind the first 24.
  void Query(const Ipv6Address& group, uint16_t code, Bytes version2) {
    wire::MldMessage message;
    message.header.type = wire::kIcmpv6ListenerQuery;
    StoreBe16(message.header.rest.data(), code);
    message.group = group;
    Bytes bytes = BytesOfMessage(message);
    Append(&bytes, version2);
    Deliver(eth, kQuerier, ipv6_addr_any(group) ? kIpv6AllNodes : group, bytes, 1);
  }
  inet6_dev* idev() { return eth->ip6_ptr; }
};

// RFC 3810 6.1: told twice (the robustness variable), the second time within a second.
TEST_F(MldTest, JoiningAndLeavingIsToldTwice) {
  EXPECT_EQ(ipv6_dev_mc_inc(eth.dev(), kGroup), 0);
  host.RunFor(Duration::Milliseconds(10));
  EXPECT_EQ(Records(), "TO_EX {}");
  host.RunFor(Duration::Seconds(2));
  EXPECT_EQ(Records(), "TO_EX {}");
  host.RunFor(Duration::Seconds(20));
  EXPECT_EQ(Records(), "");
  EXPECT_EQ(ipv6_dev_mc_dec(eth.dev(), kGroup), 0);
  host.RunFor(Duration::Seconds(5));
  EXPECT_EQ(Records(), "TO_IN {}, TO_IN {}");
  EXPECT_EQ(ipv6_dev_mc_dec(eth.dev(), kGroup), -ENOENT);
}

// The device's own filter follows, counted.
TEST_F(MldTest, TheDeviceHearsTheGroupsFrames) {
  const auto hears = [this] {
    for (const netdev_hw_addr& addr : eth->mc) {
      if (addr.addr == MacAddress::ForMulticast(kGroup)) return true;
    }
    return false;
  };
  EXPECT_EQ(ipv6_dev_mc_inc(eth.dev(), kGroup), 0);
  EXPECT_EQ(ipv6_dev_mc_inc(eth.dev(), kGroup), 0);
  EXPECT_TRUE(hears());
  EXPECT_TRUE(ipv6_chk_mcast_addr(eth.dev(), kGroup, &kPeer6));
  ipv6_dev_mc_dec(eth.dev(), kGroup);
  EXPECT_TRUE(hears());
  ipv6_dev_mc_dec(eth.dev(), kGroup);
  EXPECT_FALSE(hears());
  EXPECT_FALSE(ipv6_chk_mcast_addr(eth.dev(), kGroup, &kPeer6));
}

// RFC 3810 6.2: the answer comes within the maximum response delay; all nodes is never reported.
TEST_F(MldTest, AGeneralQueryIsAnsweredInTime) {
  EXPECT_EQ(ipv6_dev_mc_inc(eth.dev(), kGroup), 0);
  Settle();
  Query(kIpv6Any, 1000, {2, 125, 0, 0});
  EXPECT_EQ(Records(), "");
  host.RunFor(Duration::Milliseconds(1100));
  EXPECT_EQ(Records(), "IS_EX {}");
}

TEST_F(MldTest, AQueryForOneGroupIsAnsweredForIt) {
  EXPECT_EQ(ipv6_dev_mc_inc(eth.dev(), kGroup), 0);
  Settle();
  Query(kGroup, 1000, {2, 125, 0, 0});
  host.RunFor(Duration::Seconds(2));
  const auto reports = Messages(eth, wire::kIcmpv6ListenerReport2);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(LoadBe16(&reports[0].body[6]), 1);
  EXPECT_EQ(Records(), "IS_EX {}");
}

// RFC 3810 6.2: a query must come from the link, not forwarded, marked for routers.
TEST_F(MldTest, AQueryFromElsewhereIsIgnored) {
  EXPECT_EQ(ipv6_dev_mc_inc(eth.dev(), kGroup), 0);
  Settle();
  wire::MldMessage message;
  message.header.type = wire::kIcmpv6ListenerQuery;
  Deliver(eth, kPeer6, kIpv6AllNodes, BytesOfMessage(message), 1);
  Deliver(eth, kQuerier, kIpv6AllNodes, BytesOfMessage(message), 255);
  host.RunFor(Duration::Seconds(15));
  EXPECT_TRUE(Messages(eth).empty());
}

// RFC 3810 8: while a router of version 1 is about, its messages are spoken.
TEST_F(MldTest, AVersion1QueryIsAnsweredInItsVersion) {
  EXPECT_EQ(ipv6_dev_mc_inc(eth.dev(), kGroup), 0);
  Settle();
  Query(kGroup, 1000, {});
  host.RunFor(Duration::Seconds(2));
  const auto reports = Messages(eth, wire::kIcmpv6ListenerReport);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].ip.daddr, kGroup);
  EXPECT_EQ(reports[0].As<wire::MldMessage>().group, kGroup);
  EXPECT_TRUE(Messages(eth, wire::kIcmpv6ListenerReport2).empty());
  ipv6_dev_mc_dec(eth.dev(), kGroup);
  const auto done = Messages(eth, wire::kIcmpv6ListenerDone);
  ASSERT_EQ(done.size(), 1U);
  EXPECT_EQ(done[0].ip.daddr, kIpv6AllRouters);
}

// RFC 2710 4: another listener's report is enough.
TEST_F(MldTest, AnotherListenersReportSuppressesOurs) {
  EXPECT_EQ(ipv6_dev_mc_inc(eth.dev(), kGroup), 0);
  Settle();
  Query(kGroup, 10000, {});
  wire::MldMessage message;
  message.header.type = wire::kIcmpv6ListenerReport;
  message.group = kGroup;
  Deliver(eth, kQuerier, kGroup, BytesOfMessage(message), 1);
  host.RunFor(Duration::Seconds(15));
  EXPECT_TRUE(Messages(eth, wire::kIcmpv6ListenerReport).empty());
}

TEST_F(MldTest, TheVersionCanBeForced) {
  EXPECT_EQ(Sysctl("net/ipv6/conf/eth0/force_mld_version", 1), 0);
  EXPECT_EQ(ipv6_dev_mc_inc(eth.dev(), kGroup), 0);
  EXPECT_EQ(Messages(eth, wire::kIcmpv6ListenerReport).size(), 1U);
  host.RunFor(Duration::Seconds(15));
  EXPECT_EQ(Messages(eth, wire::kIcmpv6ListenerReport).size(), 2U);
}

// RFC 3810 4.2: what users want of sources is merged, and only the change is told.
TEST_F(MldTest, SourceFiltersAreMerged) {
  using mld_internal::__ipv6_dev_mc_inc;
  using mld_internal::ip6_mc_add_src;
  using mld_internal::ip6_mc_del_src;
  const Ipv6Address a = Ip6("2001:db8::a");
  const Ipv6Address b = Ip6("2001:db8::b");
  EXPECT_EQ(__ipv6_dev_mc_inc(eth.dev(), kGroup, kMcastInclude), 0);
  EXPECT_EQ(ip6_mc_add_src(idev(), kGroup, kMcastInclude, std::span(&a, 1), true), 0);
  host.RunFor(Duration::Seconds(5));
  EXPECT_EQ(Records(), "ALLOW {2001:db8::a}, ALLOW {2001:db8::a}");
  EXPECT_TRUE(ipv6_chk_mcast_addr(eth.dev(), kGroup, &a));
  EXPECT_FALSE(ipv6_chk_mcast_addr(eth.dev(), kGroup, &b));
  // A second user excludes b: the device excludes what he does, but for what the first wants.
  EXPECT_EQ(ip6_mc_add_src(idev(), kGroup, kMcastExclude, std::span(&b, 1), false), 0);
  host.RunFor(Duration::Seconds(5));
  EXPECT_EQ(Records(), "TO_EX {2001:db8::b}, TO_EX {2001:db8::b}");
  EXPECT_FALSE(ipv6_chk_mcast_addr(eth.dev(), kGroup, &b));
  EXPECT_TRUE(ipv6_chk_mcast_addr(eth.dev(), kGroup, &kPeer6));
  // He goes again.
  EXPECT_EQ(ip6_mc_del_src(idev(), kGroup, kMcastExclude, std::span(&b, 1), false), 0);
  host.RunFor(Duration::Seconds(5));
  EXPECT_EQ(Records(), "TO_IN {2001:db8::a}, TO_IN {2001:db8::a}");
  EXPECT_EQ(ip6_mc_del_src(idev(), kGroup, kMcastInclude, std::span(&a, 1), true), 0);
  host.RunFor(Duration::Seconds(5));
  EXPECT_EQ(Records(), "BLOCK {2001:db8::a}, BLOCK {2001:db8::a}");
}

}  // namespace
}  // namespace tapedeck
