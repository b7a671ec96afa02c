// Raw sockets of both families, and ping sockets of IPv6, over loopback.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

#include "socket_host.h"  // beside this file
#include "stack/ipv6/in6.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

constexpr int kExperimental = 253;  // RFC 3692: no protocol of anybody's
constexpr int kFilter = 1;          // ICMP_FILTER, ICMPV6_FILTER

struct RawTest : ::testing::Test {
  Bytes Next(int fd) {
    host.RunFor(Duration::Milliseconds(1));
    Bytes data(200);
    const int64_t got = host.Recv(fd, &data);
    data.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return data;
  }
  static Bytes Echo(uint8_t type, uint16_t id) {
    Bytes message(12);
    message[0] = type;
    StoreBe16(&message[4], id);
    return message;
  }

  SocketHost host{FreeCostTable(), true};
};

TEST_F(RawTest, ProtocolZeroHasNoRawSocket) {
  EXPECT_EQ(host.Socket(SOCK_RAW, 0), -EPROTONOSUPPORT);
  EXPECT_EQ(host.Socket6(SOCK_RAW, 0), -EPROTONOSUPPORT);
}

TEST_F(RawTest, Ipv4SocketSeesTheHeader) {
  const int fd = host.Socket(SOCK_RAW, kExperimental);
  EXPECT_EQ(host.Sendto(fd, BytesFrom("data"), At(kIpv4Loopback, 0)), 4);
  const Bytes got = Next(fd);
  ASSERT_EQ(got.size(), 24U);
  EXPECT_EQ(got[0], 0x45);
  EXPECT_EQ(got[9], kExperimental);
  EXPECT_EQ(TextOf(std::span(got).subspan(20)), "data");
}

TEST_F(RawTest, Ipv6SocketSeesThePayload) {
  const int fd = host.Socket6(SOCK_RAW, kExperimental);
  EXPECT_EQ(host.Sendto(fd, BytesFrom("data"), At(kIpv6Loopback, 0)), 4);
  EXPECT_EQ(TextOf(Next(fd)), "data");
}

TEST_F(RawTest, HeaderOfTheUsersOwnIsCompleted) {
  const int sender = host.Socket(SOCK_RAW, wire::kIpProtoRaw);
  const int fd = host.Socket(SOCK_RAW, kExperimental);
  Bytes packet(24);
  packet[0] = 0x45;
  packet[8] = 7;
  packet[9] = kExperimental;
  std::memcpy(&packet[16], kIpv4Loopback.bytes().data(), 4);
  EXPECT_EQ(host.Sendto(sender, packet, At(kIpv4Loopback, 0)), 24);
  const Bytes got = Next(fd);
  ASSERT_EQ(got.size(), 24U);
  EXPECT_EQ(got[8], 7);
  EXPECT_EQ(LoadBe16(&got[2]), 24);
  packet[0] = 0x4f;  // a header that is longer than the packet
  EXPECT_EQ(host.Sendto(sender, packet, At(kIpv4Loopback, 0)), -EINVAL);
}

TEST_F(RawTest, Icmpv6ChecksumIsFilledInAndFilterKeepsTypesAway) {
  const int fd = host.Socket6(SOCK_RAW, wire::kIpProtoIcmpv6);
  EXPECT_EQ(host.Sendto(fd, Echo(wire::kIcmpv6EchoRequest, 5), At(kIpv6Loopback, 0)), 12);
  EXPECT_EQ(Next(fd)[0], wire::kIcmpv6EchoRequest);  // our own, over loopback
  EXPECT_EQ(Next(fd)[0], wire::kIcmpv6EchoReply);
  uint32_t filter[8] = {};
  filter[wire::kIcmpv6EchoRequest / 32] = 1U << wire::kIcmpv6EchoRequest % 32;
  EXPECT_EQ(
      host.sys().Setsockopt(*host.thread, fd, kSolIcmpv6, kFilter, filter, sizeof(filter)).RunNow(),
      0);
  EXPECT_EQ(host.Sendto(fd, Echo(wire::kIcmpv6EchoRequest, 5), At(kIpv6Loopback, 0)), 12);
  EXPECT_EQ(Next(fd)[0], wire::kIcmpv6EchoReply);
  EXPECT_TRUE(Next(fd).empty());
}

TEST_F(RawTest, ChecksumOptionHasRules) {
  const int fd = host.Socket6(SOCK_RAW, kExperimental);
  EXPECT_EQ(host.GetInt(fd, kSolIpv6, kIpv6Checksum), -1);
  EXPECT_EQ(host.SetInt(fd, kSolIpv6, kIpv6Checksum, 3), -EINVAL);
  EXPECT_EQ(host.SetInt(fd, kSolIpv6, kIpv6Checksum, 2), 0);
  EXPECT_EQ(host.GetInt(fd, kSolIpv6, kIpv6Checksum), 2);
  EXPECT_EQ(host.Sendto(fd, BytesFrom("abc"), At(kIpv6Loopback, 0)), -EINVAL);  // no room for it
  const int icmp = host.Socket6(SOCK_RAW, wire::kIpProtoIcmpv6);
  EXPECT_EQ(host.SetInt(icmp, kSolIpv6, kIpv6Checksum, 2), -EINVAL);
}

TEST_F(RawTest, RouterAlertIsForTheRawProtocol) {
  const int other = host.Socket6(SOCK_RAW, kExperimental);
  EXPECT_EQ(host.SetInt(other, kSolIpv6, kIpv6RouterAlert, 0), -ENOPROTOOPT);
  const int fd = host.Socket6(SOCK_RAW, wire::kIpProtoRaw);
  EXPECT_EQ(host.SetInt(fd, kSolIpv6, kIpv6RouterAlert, 5), 0);
  EXPECT_EQ(host.SetInt(fd, kSolIpv6, kIpv6RouterAlert, 5), -EADDRINUSE);
  EXPECT_EQ(host.SetInt(fd, kSolIpv6, kIpv6RouterAlert, -1), 0);
  EXPECT_EQ(host.SetInt(fd, kSolIpv6, kIpv6RouterAlert, -1), -ENOBUFS);
}

TEST_F(RawTest, PingOverIpv6) {
  host.Sysctl("net/ipv4/ping_group_range", "0 0");
  const int fd = host.Socket6(SOCK_DGRAM, wire::kIpProtoIcmpv6);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(host.Sendto(fd, Echo(wire::kIcmpv6EchoReply, 0), At(kIpv6Loopback, 0)), -EINVAL);
  EXPECT_EQ(host.Sendto(fd, Echo(wire::kIcmpv6EchoRequest, 0), At(kIpv6Loopback, 0)), 12);
  const Bytes got = Next(fd);
  ASSERT_EQ(got.size(), 12U);
  EXPECT_EQ(got[0], wire::kIcmpv6EchoReply);
  EXPECT_EQ(LoadBe16(&got[4]), host.NameOf(fd).port.host());
}

}  // namespace
}  // namespace tapedeck
