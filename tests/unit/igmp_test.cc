// IGMP: reports of what a device listens to, of all three versions; source filters of sockets.
#include "stack/ipv4/igmp.h"

#include <cerrno>
#include <cstring>

#include "ipv4_host.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv4/mcast_sock.h"
#include "stack/wire/igmp.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

constexpr Ipv4Address kGroup(239, 1, 2, 3);
constexpr Ipv4Address kQuerier(10, 0, 0, 254);

struct SentIgmp {
  wire::Ipv4Header ip;
  Bytes body;  // from the IGMP header on
  uint8_t type() const { return body[0]; }
};

class IgmpTest : public Ipv4Test {
 protected:
  in_device* in_dev() { return eth->ip_ptr; }

  // The IGMP messages sent since the last call. Each is marked for routers, with TTL 1.
  std::vector<SentIgmp> Messages() {
    std::vector<SentIgmp> found;
    for (const sk_buff* skb : eth.sent) {
      const Bytes bytes = BytesOf(skb);
      SentIgmp m;
      std::memcpy(&m.ip, bytes.data() + sizeof(wire::EthernetHeader), sizeof(m.ip));
      if (m.ip.protocol != wire::kIpProtoIgmp) continue;
      EXPECT_EQ(m.ip.header_bytes(), 24U);
      EXPECT_EQ(m.ip.ttl, 1);
      EXPECT_EQ(m.ip.tos, 0xc0);
      EXPECT_EQ(m.ip.saddr, kUs);
      m.body.assign(bytes.begin() + sizeof(wire::EthernetHeader) + 24, bytes.end());
      EXPECT_TRUE(wire::IgmpChecksumOk(m.body));
      found.push_back(m);
    }
    eth.FreeSent();
    return found;
  }
  // "TO_EX {}, ...": the records about kGroup since the last call.
  std::string Records() {
    static const char* const kNames[] = {"?", "IS_IN", "IS_EX", "TO_IN", "TO_EX", "ALLOW", "BLOCK"};
    std::string text;
    for (const SentIgmp& m : Messages()) {
      EXPECT_EQ(m.type(), wire::kIgmpV3Report);
      EXPECT_EQ(m.ip.daddr, Ipv4Address(224, 0, 0, 22));
      wire::IgmpRecordCursor cursor(*wire::ParseIgmp(m.body));
      while (const auto record = cursor.Next()) {
        if (record->record->group != kGroup) continue;
        std::string one;
        for (const Ipv4Address& source : record->sources) {
          one += (one.empty() ? "" : " ") + source.ToString();
        }
        text += (text.empty() ? "" : ", ") + std::string(kNames[record->record->type]) + " {" +
                one + "}";
      }
    }
    return text;
  }
  // A query for `group` (0.0.0.0 all) with max response `code`; `v3` what version 3 adds.
  void Query(Ipv4Address group, uint8_t code, const Bytes& v3 = {}) {
    wire::IgmpHeader header;
    header.type = wire::kIgmpQuery;
    header.max_response = code;
    header.group = group;
    Send(group == kIpv4Any ? kIpv4AllHosts : group, header, v3);
  }
  void Send(Ipv4Address daddr, const wire::IgmpHeader& header, const Bytes& more_bytes = {}) {
    wire::Ipv4Header ip;
    ip.saddr = kQuerier;
    ip.daddr = daddr;
    ip.ttl = 1;
    Receive(wire::FrameBuilder(buffer)
                .Ethernet(MacAddress::ForMulticast(daddr), kPeerMac)
                .Ipv4(ip)
                .Igmp(header)
                .Payload(more_bytes)
                .Build());
  }
  void Join() {
    ASSERT_EQ(ip_mc_inc_group(in_dev(), kGroup), 0);
    host.RunFor(Duration::Seconds(5));
    eth.FreeSent();
  }
};

// A host that has joined nothing of its own says nothing, whoever asks: 224.0.0.1 is never told.
TEST_F(IgmpTest, AllHostsIsNeverReported) {
  host.RunFor(Duration::Seconds(5));
  Query(kIpv4Any, 10, {2, 125, 0, 0});
  Query(kIpv4Any, 10);
  host.RunFor(Duration::Seconds(20));
  EXPECT_TRUE(Messages().empty());
}

// RFC 3376 5.1: twice (the robustness variable), the second time within a second.
TEST_F(IgmpTest, JoiningAndLeavingIsToldTwice) {
  ASSERT_EQ(ip_mc_inc_group(in_dev(), kGroup), 0);
  host.RunFor(Duration::Milliseconds(10));
  EXPECT_EQ(Records(), "TO_EX {}");
  host.RunFor(Duration::Seconds(3));
  EXPECT_EQ(Records(), "TO_EX {}");
  host.RunFor(Duration::Seconds(20));
  EXPECT_EQ(Records(), "");
  ASSERT_EQ(ip_mc_dec_group(in_dev(), kGroup), 0);
  host.RunFor(Duration::Seconds(5));
  EXPECT_EQ(Records(), "TO_IN {}, TO_IN {}");
}

TEST_F(IgmpTest, GroupsOfTheLinkAreReportedUnlessASettingSaysNot) {
  ASSERT_EQ(ip_mc_inc_group(in_dev(), Ipv4Address(224, 0, 0, 251)), 0);
  host.RunFor(Duration::Seconds(5));
  EXPECT_EQ(Messages().size(), 2U);
  ASSERT_EQ(ip_mc_dec_group(in_dev(), Ipv4Address(224, 0, 0, 251)), 0);
  host.RunFor(Duration::Seconds(5));
  eth.FreeSent();
  host.kernel.sysctl().Write("net/ipv4/igmp_link_local_mcast_reports", "0");
  ASSERT_EQ(ip_mc_inc_group(in_dev(), Ipv4Address(224, 0, 0, 251)), 0);
  host.RunFor(Duration::Seconds(5));
  EXPECT_TRUE(Messages().empty());
}

TEST_F(IgmpTest, AGeneralQueryIsAnsweredInTime) {
  Join();
  Query(kIpv4Any, 10, {2, 125, 0, 0});  // within a second
  EXPECT_EQ(Records(), "");
  host.RunFor(Duration::Milliseconds(1100));
  EXPECT_EQ(Records(), "IS_EX {}");
}

// RFC 3376 7.2.1: while a querier of version 2 is about, its messages are spoken; a leave goes to
// all routers.
TEST_F(IgmpTest, AVersion2QueryIsAnsweredInItsVersion) {
  Join();
  Query(kGroup, 10);
  host.RunFor(Duration::Seconds(2));
  const auto reports = Messages();
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].type(), wire::kIgmpV2Report);
  EXPECT_EQ(reports[0].ip.daddr, kGroup);
  ASSERT_EQ(ip_mc_dec_group(in_dev(), kGroup), 0);
  const auto leaves = Messages();
  ASSERT_EQ(leaves.size(), 1U);
  EXPECT_EQ(leaves[0].type(), wire::kIgmpV2Leave);
  EXPECT_EQ(leaves[0].ip.daddr, Ipv4Address(224, 0, 0, 2));
}

// RFC 2236 4: version 1 has no response time and no leaves.
TEST_F(IgmpTest, AVersion1QueryIsAnsweredInItsVersion) {
  Join();
  Query(kIpv4Any, 0);
  host.RunFor(Duration::Seconds(11));
  const auto reports = Messages();
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].type(), wire::kIgmpV1Report);
  ASSERT_EQ(ip_mc_dec_group(in_dev(), kGroup), 0);
  host.RunFor(Duration::Seconds(2));
  EXPECT_TRUE(Messages().empty());
}

// RFC 2236 3: another host's report is enough.
TEST_F(IgmpTest, AnotherHostsReportSuppressesOurs) {
  Join();
  Query(kGroup, 100);
  wire::IgmpHeader report;
  report.type = wire::kIgmpV2Report;
  report.group = kGroup;
  Send(kGroup, report);
  host.RunFor(Duration::Seconds(15));
  EXPECT_TRUE(Messages().empty());
}

TEST_F(IgmpTest, WhatIsMalformedIsDropped) {
  Query(kIpv4Any, 10, {2, 125});  // neither 8 nor 12 bytes
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_IGMP_INVALID), 1U);
  Query(kIpv4Any, 10, {2, 125, 0, 3});  // three sources that are not there
  EXPECT_EQ(host.Drops(SKB_DROP_REASON_IGMP_INVALID), 2U);
}

TEST_F(IgmpTest, ProcShowsTheGroups) {
  Join();
  std::string shown;
  igmp_proc_show(host.n, &shown);
  EXPECT_NE(shown.find("\teth0      :     2      V3\n"), std::string::npos) << shown;
  EXPECT_NE(shown.find("\t\t\t\t030201EF     1 0:00000000\t\t0\n"), std::string::npos) << shown;
  EXPECT_NE(shown.find("\t\t\t\t010000E0     1 0:00000000\t\t0\n"), std::string::npos) << shown;
}

// --- Sockets: RFC 3678. ---

class IgmpSocketTest : public IgmpTest {
 protected:
  IgmpSocketTest() : sk_(inet_ctl_sock_create(host.n, wire::kIpProtoUdp)) {}
  void TearDown() override {
    ip_mc_drop_socket(sk_);
    EXPECT_EQ(sk_->sk_omem_alloc, 0U);
    inet_ctl_sock_destroy(sk_);
    IgmpTest::TearDown();
  }
  int Source(int optname, Ipv4Address source) {
    uint8_t mreq[12];
    std::memcpy(mreq, &kGroup, 4);
    std::memcpy(mreq + 4, &kUs, 4);
    std::memcpy(mreq + 8, &source, 4);
    return ip_set_mcast_option(sk_, optname, mreq, sizeof(mreq));
  }
  bool Wants(Ipv4Address source) {
    return ip_mc_sf_allow(sk_, kGroup, source, eth->ifindex) &&
           ip_check_mc(in_dev(), kGroup, source, wire::kIpProtoUdp);
  }
  const Ipv4Address kA{10, 0, 0, 7};
  const Ipv4Address kB{10, 0, 0, 8};
  inet_sock* sk_;
};

TEST_F(IgmpSocketTest, SourcesThatAreWantedAreTold) {
  EXPECT_EQ(Source(kIpAddSourceMembership, kA), 0);
  host.RunFor(Duration::Seconds(5));
  EXPECT_EQ(Records(), "ALLOW {10.0.0.7}, ALLOW {10.0.0.7}");
  EXPECT_TRUE(Wants(kA));
  EXPECT_FALSE(Wants(kB));
  EXPECT_EQ(Source(kIpAddSourceMembership, kA), -EADDRNOTAVAIL);
  EXPECT_EQ(Source(kIpBlockSource, kA), -EINVAL);  // the other mode
  EXPECT_EQ(Source(kIpAddSourceMembership, kB), 0);
  EXPECT_EQ(Source(kIpDropSourceMembership, kA), 0);
  EXPECT_TRUE(Wants(kB));
  host.RunFor(Duration::Seconds(5));
  EXPECT_EQ(Records(), "ALLOW {10.0.0.8}, BLOCK {10.0.0.7}, ALLOW {10.0.0.8}, BLOCK {10.0.0.7}");
  // Without its last source the membership ends.
  EXPECT_EQ(Source(kIpDropSourceMembership, kB), 0);
  EXPECT_EQ(sk_->mc_list, nullptr);
  host.RunFor(Duration::Seconds(5));
  EXPECT_EQ(Records(), "BLOCK {10.0.0.8}, BLOCK {10.0.0.8}");
}

TEST_F(IgmpSocketTest, SourcesThatAreRefusedAreTold) {
  EXPECT_EQ(Source(kIpBlockSource, kA), -EINVAL);  // not joined
  ip_mreqn mreq;
  mreq.imr_multiaddr = kGroup;
  mreq.imr_ifindex = eth->ifindex;
  ASSERT_EQ(ip_mc_join_group(sk_, mreq), 0);
  EXPECT_EQ(ip_mc_join_group(sk_, mreq), -EADDRINUSE);
  host.RunFor(Duration::Seconds(5));
  EXPECT_EQ(Records(), "TO_EX {}, TO_EX {}");
  EXPECT_EQ(Source(kIpBlockSource, kA), 0);
  EXPECT_FALSE(Wants(kA));
  EXPECT_TRUE(Wants(kB));
  host.RunFor(Duration::Seconds(5));
  EXPECT_EQ(Records(), "BLOCK {10.0.0.7}, BLOCK {10.0.0.7}");
  EXPECT_EQ(Source(kIpUnblockSource, kA), 0);
  EXPECT_EQ(Source(kIpUnblockSource, kA), -EADDRNOTAVAIL);
  host.RunFor(Duration::Seconds(5));
  EXPECT_EQ(Records(), "ALLOW {10.0.0.7}, ALLOW {10.0.0.7}");
}

TEST_F(IgmpSocketTest, AFilterIsReplacedAsAWhole) {
  ip_mreqn mreq;
  mreq.imr_multiaddr = kGroup;
  mreq.imr_ifindex = eth->ifindex;
  ASSERT_EQ(ip_mc_join_group(sk_, mreq), 0);
  uint8_t filter[16 + 8];
  std::memcpy(filter, &kGroup, 4);
  std::memcpy(filter + 4, &kUs, 4);
  const uint32_t mode = kMcastInclude;
  uint32_t count = 2;
  std::memcpy(filter + 8, &mode, 4);
  std::memcpy(filter + 12, &count, 4);
  std::memcpy(filter + 16, &kA, 4);
  std::memcpy(filter + 20, &kB, 4);
  EXPECT_EQ(ip_set_mcast_option(sk_, kIpMsfilter, filter, sizeof(filter) - 1), -EINVAL);
  EXPECT_EQ(ip_set_mcast_option(sk_, kIpMsfilter, filter, sizeof(filter)), 0);
  EXPECT_TRUE(Wants(kA));
  EXPECT_FALSE(Wants(kPeer));
  uint8_t read[16 + 4];
  std::memcpy(read, filter, sizeof(read));
  uint32_t bytes = sizeof(read);
  EXPECT_EQ(ip_get_mcast_option(sk_, kIpMsfilter, read, &bytes), 0);
  EXPECT_EQ(bytes, 20U);  // one source fits
  std::memcpy(&count, read + 12, 4);
  EXPECT_EQ(count, 2U);
  EXPECT_EQ(std::memcmp(read + 16, &kA, 4), 0);
}

TEST_F(IgmpSocketTest, MembershipsAndSourcesAreLimited) {
  host.kernel.sysctl().Write("net/ipv4/igmp_max_msf", "1");
  host.kernel.sysctl().Write("net/ipv4/igmp_max_memberships", "1");
  EXPECT_EQ(Source(kIpAddSourceMembership, kA), 0);
  EXPECT_EQ(Source(kIpAddSourceMembership, kB), -ENOBUFS);
  ip_mreqn mreq;
  mreq.imr_multiaddr = Ipv4Address(239, 9, 9, 9);
  mreq.imr_ifindex = eth->ifindex;
  EXPECT_EQ(ip_mc_join_group(sk_, mreq), -ENOBUFS);
  mreq.imr_multiaddr = kPeer;
  EXPECT_EQ(ip_mc_join_group(sk_, mreq), -EINVAL);
}

}  // namespace
}  // namespace tapedeck
