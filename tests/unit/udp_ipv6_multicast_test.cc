// What comes to groups over UDP and IPv6: who hears it, source filters; several datagrams in one
// call; control messages as an option (RFC 2292).
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

#include "socket_host.h"  // beside this file
#include "stack/core/sock_cmsg.h"
#include "stack/ipv4/mcast_uapi.h"
#include "stack/ipv6/in6.h"
#include "stack/udp/udp.h"

namespace tapedeck {
namespace {

constexpr uint16_t kPort = 7000;
constexpr Ipv6Address kGroup{std::array<uint16_t, 8>{0xff0e, 0, 0, 0, 0, 0, 0, 0x1234}};
constexpr Ipv6Address kOther6{std::array<uint16_t, 8>{0x2001, 0xdb8, 0, 0, 0, 0, 0, 3}};

struct Udp6MulticastTest : ::testing::Test {
  int Reader() {
    const int fd = host.Socket6(SOCK_DGRAM | int{SOCK_NONBLOCK});
    EXPECT_EQ(host.SetInt(fd, kSolSocket, kSoReuseaddr, 1), 0);
    EXPECT_EQ(host.Bind(fd, At(kIpv6Any, kPort)), 0);
    return fd;
  }
  int64_t Set(int fd, int level, int name, const Bytes& value) {
    return host.sys()
        .Setsockopt(*host.thread, fd, level, name, value.data(),
                    static_cast<uint32_t>(value.size()))
        .RunNow();
  }
  void Join(int fd) {
    Bytes mreq(kGroup.bytes().begin(), kGroup.bytes().end());
    const int ifindex = host.eth()->ifindex;
    mreq.resize(mreq.size() + sizeof(ifindex));
    std::memcpy(&mreq[16], &ifindex, sizeof(ifindex));
    ASSERT_EQ(Set(fd, kSolIpv6, kIpv6AddMembership, mreq), 0);
  }
  void ReceiveFrom(const Ipv6Address& source, std::string_view text) {
    Bytes buffer(2000);
    wire::FrameBuilder builder(buffer);
    wire::Ipv6Header ip;
    ip.hop_limit = 64;
    ip.saddr = source;
    ip.daddr = kGroup;
    builder.Ethernet(MacAddress::ForMulticast(kGroup), kPeerMac).Ipv6(ip);
    builder.Udp({.source = be16(1000), .dest = be16(kPort)}).Payload(BytesFrom(text));
    const std::span<uint8_t> frame = builder.Build();
    host.Receive({frame.begin(), frame.end()});
  }

  SocketHost host{FreeCostTable(), true};
};

TEST_F(Udp6MulticastTest, EveryMemberHearsIt) {
  const int first = Reader();
  const int second = Reader();
  const int stranger = Reader();
  ASSERT_EQ(host.SetInt(stranger, kSolIpv6, kIpv6MulticastAll, 0), 0);
  Join(first);
  Join(second);
  ReceiveFrom(kPeer6, "news");
  EXPECT_EQ(host.RecvText(first), "news");
  EXPECT_EQ(host.RecvText(second), "news");
  EXPECT_EQ(host.RecvText(stranger), "");
  EXPECT_EQ(host.n.udp6_mib.Get(UdpMib::kInDatagrams), 2U);
}

TEST_F(Udp6MulticastTest, NobodyIsAMember) {
  const int fd = Reader();
  ASSERT_EQ(host.SetInt(fd, kSolIpv6, kIpv6MulticastAll, 0), 0);
  const int member = Reader();
  Join(member);
  ASSERT_EQ(host.Close(member), 0);
  ReceiveFrom(kPeer6, "news");
  EXPECT_EQ(host.RecvText(fd), "");
}

// MCAST_MSFILTER (RFC 3678 5.2.2): sources that are let in.
TEST_F(Udp6MulticastTest, FilterLetsSourcesIn) {
  const int fd = Reader();
  Join(fd);
  constexpr size_t kStorage = 128;
  constexpr uint32_t kInclude = 1;
  constexpr uint32_t kOne = 1;
  const auto ifindex = static_cast<uint32_t>(host.eth()->ifindex);
  sockaddr_in6 group;
  group.sin6_addr = kGroup;
  sockaddr_in6 source;
  source.sin6_addr = kPeer6;
  // struct group_filter: interface, group, mode, count, sources.
  Bytes filter(8 + kStorage + 8 + kStorage);
  std::memcpy(filter.data(), &ifindex, sizeof(ifindex));
  std::memcpy(&filter[8], &group, sizeof(group));
  std::memcpy(&filter[8 + kStorage], &kInclude, sizeof(kInclude));
  std::memcpy(&filter[12 + kStorage], &kOne, sizeof(kOne));
  std::memcpy(&filter[16 + kStorage], &source, sizeof(source));
  ASSERT_EQ(Set(fd, kSolIpv6, kMcastMsfilter, filter), 0);
  ReceiveFrom(kOther6, "noise");
  ReceiveFrom(kPeer6, "news");
  EXPECT_EQ(host.RecvText(fd), "news");
  EXPECT_EQ(host.RecvText(fd), "");

  Bytes told = filter;
  std::fill(told.begin() + 8 + kStorage, told.end(), uint8_t{0});
  std::memcpy(&told[12 + kStorage], &kOne, sizeof(kOne));  // room for so many
  auto length = static_cast<uint32_t>(told.size());
  ASSERT_EQ(host.sys()
                .Getsockopt(*host.thread, fd, kSolIpv6, kMcastMsfilter, told.data(), &length)
                .RunNow(),
            0);
  EXPECT_EQ(std::memcmp(&told[8 + kStorage], &kInclude, sizeof(kInclude)), 0);
  EXPECT_EQ(std::memcmp(&told[16 + kStorage + 8], kPeer6.bytes().data(), 16), 0);
}

// UDP_SEGMENT: one call, datagrams of that size, each with headers of its own.
TEST_F(Udp6MulticastTest, OneCallSendsDatagramsOfOneSize) {
  const int fd = host.Socket6();
  ASSERT_EQ(host.SetInt(fd, kSolUdp, kUdpSegment, 5), 0);
  EXPECT_EQ(host.Sendto(fd, BytesFrom("aaaaabbbbbcc"), At(kPeer6, kPort)), 12);
  const std::vector<Bytes> sent = host.TakeSent();
  ASSERT_EQ(sent.size(), 3U);
  constexpr size_t kUdpAt = 14 + 40;
  const size_t lengths[] = {5, 5, 2};
  for (size_t i = 0; i < sent.size(); ++i) {
    EXPECT_EQ(LoadBe16(&sent[i][14 + 4]), 8 + lengths[i]);
    EXPECT_EQ(LoadBe16(&sent[i][kUdpAt + 4]), 8 + lengths[i]);
    const auto datagram = std::span(sent[i]).subspan(kUdpAt, 8 + lengths[i]);
    EXPECT_EQ(wire::PseudoHeader(kUs6, kPeer6).Checksum(wire::kIpProtoUdp, datagram), 0);
  }
}

TEST_F(Udp6MulticastTest, PktoptionsOfAStreamAreWhatItAskedFor) {
  const int fd = host.Socket6(SOCK_STREAM);
  ASSERT_EQ(host.SetInt(fd, kSolIpv6, kIpv62292Hoplimit, 1), 0);
  alignas(8) uint8_t control[100];
  uint32_t length = sizeof(control);
  ASSERT_EQ(host.sys()
                .Getsockopt(*host.thread, fd, kSolIpv6, kIpv62292Pktoptions, control, &length)
                .RunNow(),
            0);
  ASSERT_EQ(length, CmsgSpace(sizeof(int32_t)));
  cmsghdr cmsg;
  std::memcpy(&cmsg, control, sizeof(cmsg));
  EXPECT_EQ(cmsg.cmsg_level, kSolIpv6);
  EXPECT_EQ(cmsg.cmsg_type, kIpv62292Hoplimit);
}

}  // namespace
}  // namespace tapedeck
