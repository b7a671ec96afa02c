// Options of levels SOL_IP and SOL_SOCKET: what a Linux of 7.2 answers (do_ip_setsockopt,
// do_ip_getsockopt, sk_setsockopt), and what those do that change more than a value.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

#include "socket_host.h"  // beside this file
#include "stack/core/sock_cmsg.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv6/in6.h"
#include "stack/tcp/tcp_uapi.h"

namespace tapedeck {
namespace {

constexpr uint16_t kPort = 7000;
constexpr Ipv4Address kGroup{239, 1, 2, 3};

struct IpSockoptTest : ::testing::Test {
  int64_t Set(int fd, int level, int name, const Bytes& value) {
    return host.sys()
        .Setsockopt(*host.thread, fd, level, name, value.data(),
                    static_cast<uint32_t>(value.size()))
        .RunNow();
  }
  // A TCP connection through loopback: the end that connected, and the other.
  void Connect(const Endpoint& at, int* client, int* server) {
    const bool v4 = at.address.is_v4();
    const int listener = v4 ? host.Socket(SOCK_STREAM) : host.Socket6(SOCK_STREAM);
    *client = v4 ? host.Socket(SOCK_STREAM | int{SOCK_NONBLOCK})
                 : host.Socket6(SOCK_STREAM | int{SOCK_NONBLOCK});
    ASSERT_EQ(host.Bind(listener, at), 0);
    ASSERT_EQ(host.sys().Listen(*host.thread, listener, 1).RunNow(), 0);
    host.Connect(*client, at);
    host.RunFor(Duration::Milliseconds(1));
    *server = static_cast<int>(host.sys().Accept4(*host.thread, listener, nullptr, 0).RunNow());
    ASSERT_GE(*server, 0);
  }

  SocketHost host{FreeCostTable(), true};
};

TEST_F(IpSockoptTest, OptionsOfRawSocketsAreRefusedByOthers) {
  const int udp = host.Socket();
  EXPECT_EQ(host.SetInt(udp, kSolIp, kIpRouterAlert, 1), -EINVAL);
  EXPECT_EQ(host.SetInt(udp, kSolIp, kIpNodefrag, 1), -ENOPROTOOPT);
  EXPECT_EQ(host.SetInt(udp, kSolIp, kIpHdrincl, 1), -ENOPROTOOPT);
  for (const int name : {kIpRouterAlert, kIpNodefrag, kIpHdrincl}) {
    EXPECT_EQ(host.GetInt(udp, kSolIp, name), 0) << name;
  }
}

TEST_F(IpSockoptTest, SwitchesAreKept) {
  const int udp = host.Socket();
  for (const int name : {kIpPasssec, kIpChecksum}) {
    EXPECT_EQ(host.GetInt(udp, kSolIp, name), 0) << name;
    EXPECT_EQ(host.SetInt(udp, kSolIp, name, 5), 0) << name;
    EXPECT_EQ(host.GetInt(udp, kSolIp, name), 1) << name;
  }
  EXPECT_EQ(host.SetInt(host.Socket(SOCK_STREAM), kSolIp, kIpRecvfragsize, 1), -EINVAL);
}

TEST_F(IpSockoptTest, UnicastIfWantsAWholeInt) {
  const int udp = host.Socket();
  EXPECT_EQ(Set(udp, kSolIp, kIpUnicastIf, {0, 0, 0, 2}), 0);
  EXPECT_EQ(Set(udp, kSolIp, kIpUnicastIf, {0}), -EINVAL);
  EXPECT_EQ(Set(udp, kSolIp, kIpUnicastIf, Bytes(8)), -EINVAL);
}

TEST_F(IpSockoptTest, MulticastAllIsOffForSocketsOfIpv6) {
  EXPECT_EQ(host.GetInt(host.Socket(), kSolIp, kIpMulticastAll), 1);
  EXPECT_EQ(host.GetInt(host.Socket6(), kSolIp, kIpMulticastAll), 0);
}

TEST_F(IpSockoptTest, ProtocolIsTheLocalPort) {
  EXPECT_EQ(host.GetInt(host.BoundUdp(kPort), kSolIp, kIpProtocolOption), kPort);
}

TEST_F(IpSockoptTest, MtuIsThatOfTheCachedRoute) {
  const int fd = host.Socket6();
  EXPECT_EQ(host.GetInt(fd, kSolIp, kIpMtu), -ENOTCONN);
  EXPECT_EQ(host.Connect(fd, At(kPeer6, kPort)), 0);
  EXPECT_EQ(host.GetInt(fd, kSolIp, kIpMtu), 1500);
}

TEST_F(IpSockoptTest, NoFilterIsThereToTakeAway) {
  const int udp = host.Socket();
  EXPECT_EQ(host.SetInt(udp, kSolSocket, kSoDetachFilter, 0), -ENOENT);
  EXPECT_EQ(host.SetInt(udp, kSolSocket, kSoLockFilter, 1), 0);
  EXPECT_EQ(host.SetInt(udp, kSolSocket, kSoDetachFilter, 0), -EPERM);
  uint32_t length = 4;
  int none = 0;
  EXPECT_EQ(
      host.sys().Getsockopt(*host.thread, udp, kSolSocket, kSoGetFilter, &none, &length).RunNow(),
      0);
  EXPECT_EQ(length, 0U);
  EXPECT_EQ(host.SetInt(udp, kSolSocket, kSoPasssec, 1), -EOPNOTSUPP);
  EXPECT_EQ(host.GetInt(udp, kSolSocket, kSoPasssec), -EOPNOTSUPP);
}

TEST_F(IpSockoptTest, PktoptionsOfAStreamAreWhatItAskedFor) {
  const int udp = host.Socket();
  EXPECT_EQ(host.GetInt(udp, kSolIp, kIpPktoptions), -ENOPROTOOPT);
  const int tcp = host.Socket(SOCK_STREAM);
  EXPECT_EQ(host.SetInt(tcp, kSolIp, kIpRecvtos, 1), 0);
  EXPECT_EQ(host.SetInt(tcp, kSolIp, kIpRecvttl, 1), 0);
  alignas(8) uint8_t control[200];
  uint32_t length = sizeof(control);
  EXPECT_EQ(
      host.sys().Getsockopt(*host.thread, tcp, kSolIp, kIpPktoptions, control, &length).RunNow(),
      0);
  EXPECT_EQ(length, 2 * CmsgSpace(sizeof(int32_t)));
  cmsghdr first;
  std::memcpy(&first, control, sizeof(first));
  EXPECT_EQ(first.cmsg_type, kIpTtl);
}

// ip_cmsg_recv_checksum: the sum of the payload, as it lies in memory.
TEST_F(IpSockoptTest, ChecksumTellsTheSumOfThePayload) {
  const int fd = host.BoundUdp(kPort);
  EXPECT_EQ(host.SetInt(fd, kSolIp, kIpChecksum, 1), 0);
  host.ReceiveUdp(1000, kPort, "abcd");
  uint8_t data[8];
  const iovec piece{data, sizeof(data)};
  alignas(8) uint8_t control[64] = {};
  user_msghdr msg{
      .msg_iov = {&piece, 1}, .msg_control = control, .msg_controllen = sizeof(control)};
  ASSERT_EQ(host.sys().Recvmsg(*host.thread, fd, &msg, 0).RunNow(), 4);
  cmsghdr cmsg;
  std::memcpy(&cmsg, control, sizeof(cmsg));
  ASSERT_EQ(cmsg.cmsg_type, kIpChecksum);
  EXPECT_EQ(LoadBe16(control + sizeof(cmsg)), 0x6162 + 0x6364);
}

TEST_F(IpSockoptTest, AConnectThatFailsHasBoundThePort) {
  const int fd = host.Socket();
  SockAddr too_short = At(kPeer, kPort);
  too_short.length = 12;
  EXPECT_EQ(host.Connect(fd, too_short), -EINVAL);
  EXPECT_NE(host.NameOf(fd).port, be16(0));
  EXPECT_EQ(host.Bind(fd, At(kUs, kPort)), -EINVAL);
}

// sk_mc_loop: what a socket of IPv6 says of its groups holds for IPv4's, too.
TEST_F(IpSockoptTest, MulticastLoopOfASocketOfIpv6) {
  const int reader = host.BoundUdp(kPort, kGroup);
  Bytes mreq(8);
  StoreBe32(mreq.data(), kGroup.host());
  StoreBe32(mreq.data() + 4, kUs.host());
  ASSERT_EQ(Set(reader, kSolIp, kIpAddMembership, mreq), 0);
  const int writer = host.Socket6();
  const Endpoint group = At(Ipv6Address::Mapped(kGroup), kPort);
  // Where it goes: by the device whose address it has.
  ASSERT_EQ(host.Bind(writer, At(Ipv6Address::Mapped(kUs), 0)), 0);
  ASSERT_EQ(host.SetInt(writer, kSolIpv6, kIpv6MulticastLoop, 0), 0);
  EXPECT_EQ(host.Sendto(writer, BytesFrom("no"), group), 2);
  host.RunFor(Duration::Milliseconds(1));
  EXPECT_EQ(host.RecvText(reader, MSG_DONTWAIT), "");
  ASSERT_EQ(host.SetInt(writer, kSolIpv6, kIpv6MulticastLoop, 1), 0);
  EXPECT_EQ(host.Sendto(writer, BytesFrom("yes"), group), 3);
  host.RunFor(Duration::Milliseconds(1));
  EXPECT_EQ(host.RecvText(reader, MSG_DONTWAIT), "yes");
}

// The figures are those of Linux 6.18, through a loopback device of the same MTU.
TEST_F(IpSockoptTest, HeadersOfAConnectionTakeRoomFromItsSegments) {
  ASSERT_EQ(dev_set_mtu(host.n.loopback_dev, 1500), 0);
  int client = -1;
  int server = -1;
  Connect(At(kIpv6Loopback, kPort), &client, &server);
  EXPECT_EQ(host.GetInt(client, kSolTcp, kTcpMaxseg), 1428);
  const Bytes padding = {0, 0, 1, 4, 0, 0, 0, 0};
  EXPECT_EQ(Set(client, kSolIpv6, kIpv6Dstopts, padding), 0);
  EXPECT_EQ(host.GetInt(client, kSolTcp, kTcpMaxseg), 1420);
  EXPECT_EQ(Set(client, kSolIpv6, kIpv6Dstopts, {}), 0);
  EXPECT_EQ(host.GetInt(client, kSolTcp, kTcpMaxseg), 1420) << "it stays";
  EXPECT_EQ(Set(server, kSolIpv6, kIpv6Dstopts, padding), 0);
  EXPECT_EQ(host.GetInt(server, kSolTcp, kTcpMaxseg), 1428) << "an accepted one";

  Connect(At(kIpv4Loopback, kPort + 1), &client, &server);
  EXPECT_EQ(host.GetInt(client, kSolTcp, kTcpMaxseg), 1448);
  EXPECT_EQ(Set(client, kSolIp, kIpOptions, {1, 1, 1, 1}), 0);
  EXPECT_EQ(host.GetInt(client, kSolTcp, kTcpMaxseg), 1444);
  EXPECT_EQ(Set(client, kSolIp, kIpOptions, {}), 0);
  EXPECT_EQ(host.GetInt(client, kSolTcp, kTcpMaxseg), 1448);
}

// sk_clone: a listener that was shut down before it listened has children that send nothing.
TEST_F(IpSockoptTest, ChildrenOfAListenerThatWasShutDownEndAtOnce) {
  const int listener = host.Socket(SOCK_STREAM);
  const int client = host.Socket(SOCK_STREAM | int{SOCK_NONBLOCK});
  ASSERT_EQ(host.Bind(listener, At(kUs, kPort)), 0);
  EXPECT_EQ(host.sys().Shutdown(*host.thread, listener, 1).RunNow(), -ENOTCONN);
  ASSERT_EQ(host.sys().Listen(*host.thread, listener, 1).RunNow(), 0);
  host.Connect(client, At(kUs, kPort));
  host.RunFor(Duration::Milliseconds(1));
  Bytes data(10);
  EXPECT_EQ(host.Recv(client, &data), 0) << "its end";
}

}  // namespace
}  // namespace tapedeck
