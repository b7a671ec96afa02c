// What each system call answers in each state of a socket. The expected values are those of the
// kernel (6.18, asked by hand).
#include <gtest/gtest.h>

#include "socket_host.h"  // beside this file

namespace tapedeck {
namespace {

class SocketCallsTest : public ::testing::Test {
 protected:
  // An address of `family` cut or stretched to `length` bytes.
  static SockAddr Raw(uint16_t family, Ipv4Address address, uint16_t port,
                      uint32_t length = sizeof(sockaddr_in)) {
    SockAddr raw = At(address, port);
    std::memcpy(raw.bytes, &family, sizeof(family));
    raw.length = length;
    return raw;
  }

  SocketHost host;
};

// --- socket(2). ---

TEST_F(SocketCallsTest, SocketChecksFamilyThenTypeThenProtocol) {
  struct Case {
    int domain;
    int type;
    int protocol;
    int64_t expected;
  };
  const Case cases[] = {
      {kAfInet, SOCK_DGRAM, 0, 3},
      {kAfInet, SOCK_DGRAM, 17, 3},
      {kAfInet, SOCK_DGRAM, 6, -EPROTONOSUPPORT},
      {kAfInet, SOCK_DGRAM, 262, -EPROTONOSUPPORT},
      {kAfInet, SOCK_DGRAM, 263, -EINVAL},
      {kAfInet, SOCK_DGRAM, -1, -EINVAL},
      {kAfInet, SOCK_DGRAM, 1, -EACCES},  // ping_group_range is empty by default
      {kAfInet, SOCK_SEQPACKET, 0, -ESOCKTNOSUPPORT},
      {kAfInet, 4, 0, -ESOCKTNOSUPPORT},
      {kAfInet, 11, 0, -EINVAL},
      {kAfInet, SOCK_DGRAM | 0x10, 0, -EINVAL},
      {45, SOCK_DGRAM, 0, -EAFNOSUPPORT},
      {46, SOCK_DGRAM, 0, -EAFNOSUPPORT},
      {-1, SOCK_DGRAM, 0, -EAFNOSUPPORT},
  };
  for (const Case& c : cases) {
    const int64_t fd = host.sys().Socket(*host.thread, c.domain, c.type, c.protocol).RunNow();
    EXPECT_EQ(fd, c.expected) << c.domain << " " << c.type << " " << c.protocol;
    if (fd >= 0) host.Close(static_cast<int>(fd));
  }
}

TEST_F(SocketCallsTest, DescriptorsAreTheLowestFreeOnesUpToTheLimit) {
  EXPECT_EQ(host.Socket(), 3);
  EXPECT_EQ(host.Socket(), 4);
  EXPECT_EQ(host.Socket(), 5);
  EXPECT_EQ(host.Close(4), 0);
  EXPECT_EQ(host.Socket(), 4);
  EXPECT_EQ(host.Socket(), 6);
  for (int fd = 7; fd < 1024; ++fd) ASSERT_EQ(host.Socket(), fd);
  EXPECT_EQ(host.Socket(), -EMFILE);
  EXPECT_EQ(host.Close(500), 0);
  EXPECT_EQ(host.Socket(), 500);
}

TEST_F(SocketCallsTest, DupSharesTheFile) {
  const int fd = host.BoundUdp(7000);
  EXPECT_EQ(host.sys().Dup(*host.thread, fd).RunNow(), 4);
  EXPECT_EQ(host.sys().Dup2(*host.thread, fd, 9).RunNow(), 9);
  EXPECT_EQ(host.sys().Dup2(*host.thread, fd, fd).RunNow(), fd);
  EXPECT_EQ(host.sys().Dup2(*host.thread, fd, 1024).RunNow(), -EBADF);
  EXPECT_EQ(host.sys().Fcntl(*host.thread, fd, kFDupfd, 7).RunNow(), 7);
  EXPECT_EQ(host.sys().Fcntl(*host.thread, fd, kFDupfd, 1024).RunNow(), -EINVAL);
  EXPECT_EQ(host.sys().Fcntl(*host.thread, fd, kFSetfl, kONonblock).RunNow(), 0);
  EXPECT_EQ(host.sys().Fcntl(*host.thread, 9, kFGetfl, 0).RunNow(), kORdwr | kONonblock);
  EXPECT_EQ(host.sys().Fcntl(*host.thread, fd, 999, 0).RunNow(), -EINVAL);
  EXPECT_EQ(host.Close(fd), 0);
  host.ReceiveUdp(9, 7000, "still there");
  EXPECT_EQ(host.RecvText(9), "still there");
  EXPECT_EQ(host.sys().live_sockets(), 1U);
  for (const int other : {4, 7, 9}) EXPECT_EQ(host.Close(other), 0);
  EXPECT_EQ(host.sys().live_sockets(), 0U);
}

TEST_F(SocketCallsTest, ADescriptorThatIsNoneIsEbadfEverywhere) {
  Syscalls& sys = host.sys();
  Thread& thread = *host.thread;
  Bytes buffer(4);
  SockAddr address;
  uint32_t length = 4;
  user_msghdr msg;
  int value = 0;
  for (const int fd : {-1, 0, 77, 1'000'000}) {
    EXPECT_EQ(sys.Close(thread, fd).RunNow(), -EBADF);
    EXPECT_EQ(sys.Bind(thread, fd, address).RunNow(), -EBADF);
    EXPECT_EQ(sys.Connect(thread, fd, address).RunNow(), -EBADF);
    EXPECT_EQ(sys.Listen(thread, fd, 1).RunNow(), -EBADF);
    EXPECT_EQ(sys.Accept4(thread, fd, nullptr, 0).RunNow(), -EBADF);
    EXPECT_EQ(sys.Shutdown(thread, fd, kShutBoth).RunNow(), -EBADF);
    EXPECT_EQ(sys.Getsockname(thread, fd, &address).RunNow(), -EBADF);
    EXPECT_EQ(sys.Getpeername(thread, fd, &address).RunNow(), -EBADF);
    EXPECT_EQ(sys.Sendto(thread, fd, buffer, 0).RunNow(), -EBADF);
    EXPECT_EQ(sys.Recvfrom(thread, fd, buffer, 0).RunNow(), -EBADF);
    EXPECT_EQ(sys.Sendmsg(thread, fd, &msg, 0).RunNow(), -EBADF);
    EXPECT_EQ(sys.Recvmsg(thread, fd, &msg, 0).RunNow(), -EBADF);
    EXPECT_EQ(sys.Read(thread, fd, buffer).RunNow(), -EBADF);
    EXPECT_EQ(sys.Write(thread, fd, buffer).RunNow(), -EBADF);
    EXPECT_EQ(sys.Setsockopt(thread, fd, 1, 2, &value, 4).RunNow(), -EBADF);
    EXPECT_EQ(sys.Getsockopt(thread, fd, 1, 2, &value, &length).RunNow(), -EBADF);
    EXPECT_EQ(sys.Fcntl(thread, fd, kFGetfl, 0).RunNow(), -EBADF);
    EXPECT_EQ(sys.Ioctl(thread, fd, kSiocinq, &value).RunNow(), -EBADF);
    EXPECT_EQ(sys.Dup(thread, fd).RunNow(), -EBADF);
    EXPECT_EQ(sys.Dup2(thread, fd, 5).RunNow(), -EBADF);
  }
}

// --- bind(2). ---

TEST_F(SocketCallsTest, BindChecksLengthFamilyAddressStateAndPort) {
  const int fd = host.Socket();
  EXPECT_EQ(host.Bind(fd, Raw(kAfInet, kUs, 7000, 15)), -EINVAL);
  EXPECT_EQ(host.Bind(fd, Raw(kAfInet, kUs, 7000, 0)), -EINVAL);
  EXPECT_EQ(host.Bind(fd, Raw(kAfInet, kUs, 7000, 129)), -EINVAL);
  EXPECT_EQ(host.Bind(fd, Raw(kAfUnix, kUs, 7000)), -EAFNOSUPPORT);
  EXPECT_EQ(host.Bind(fd, Raw(kAfInet6, kUs, 7000)), -EAFNOSUPPORT);
  EXPECT_EQ(host.Bind(fd, Raw(kAfUnspec, kUs, 7000)), -EAFNOSUPPORT);
  EXPECT_EQ(host.Bind(fd, At(Ipv4Address(192, 0, 2, 1), 7000)), -EADDRNOTAVAIL);
  EXPECT_EQ(host.NameOf(fd), At(kIpv4Any, 0));
  EXPECT_EQ(host.Bind(fd, Raw(kAfUnspec, kIpv4Any, 7000)), 0);
  EXPECT_EQ(host.NameOf(fd), At(kIpv4Any, 7000));
  EXPECT_EQ(host.Bind(fd, At(kIpv4Any, 7001)), -EINVAL) << "it is bound";
  EXPECT_EQ(host.Bind(host.Socket(), At(kUs, 7000)), -EADDRINUSE);
}

TEST_F(SocketCallsTest, AGroupOrBroadcastAddressCanBeBoundButIsNoSource) {
  const int group = host.Socket();
  EXPECT_EQ(host.Bind(group, At(Ipv4Address(224, 0, 0, 5), 7000)), 0);
  EXPECT_EQ(host.NameOf(group), At(Ipv4Address(224, 0, 0, 5), 7000));
  EXPECT_EQ(host.Sendto(group, BytesFrom("x"), At(kPeer, 9)), 1);
  EXPECT_EQ(SocketHost::IpOf(host.TakeSent().at(0)).header->saddr, kUs);
  const int broadcast = host.Socket();
  EXPECT_EQ(host.Bind(broadcast, At(Ipv4Address(10, 0, 0, 255), 7001)), 0);
}

TEST_F(SocketCallsTest, FreebindAndNonlocalBindTakeAnyAddress) {
  const Ipv4Address foreign(192, 0, 2, 1);
  const int fd = host.Socket();
  EXPECT_EQ(host.SetInt(fd, kSolIp, kIpFreebind, 1), 0);
  EXPECT_EQ(host.Bind(fd, At(foreign, 7000)), 0);
  host.Sysctl("net/ipv4/ip_nonlocal_bind", "1");
  EXPECT_EQ(host.Bind(host.Socket(), At(foreign, 7001)), 0);
}

// --- connect(2). ---

TEST_F(SocketCallsTest, ConnectChecksLengthFamilyAndRoute) {
  const int fd = host.Socket();
  EXPECT_EQ(host.Connect(fd, Raw(kAfInet, kPeer, 9, 1)), -EINVAL);
  EXPECT_EQ(host.Connect(fd, Raw(kAfInet, kPeer, 9, 2)), -EINVAL);
  EXPECT_EQ(host.Connect(fd, Raw(kAfInet, kPeer, 9, 129)), -EINVAL);
  EXPECT_EQ(host.Connect(fd, Raw(kAfUnix, kPeer, 9)), -EAFNOSUPPORT);
  EXPECT_EQ(host.Connect(fd, At(Ipv4Address(192, 0, 2, 1), 9)), -ENETUNREACH);
  EXPECT_EQ(host.Connect(fd, At(Ipv4Address(10, 0, 0, 255), 9)), -EACCES);
  EXPECT_EQ(host.Connect(fd, At(kIpv4Broadcast, 9)), -ENETUNREACH) << "no default route";
  EXPECT_EQ(host.SetInt(fd, kSolSocket, kSoBroadcast, 1), 0);
  EXPECT_EQ(host.Connect(fd, At(Ipv4Address(10, 0, 0, 255), 9)), 0);
}

TEST_F(SocketCallsTest, ConnectChoosesTheSourceAndDisconnectForgetsIt) {
  const int fd = host.Socket();
  SockAddr peer;
  EXPECT_EQ(host.sys().Getpeername(*host.thread, fd, &peer).RunNow(), -ENOTCONN);
  EXPECT_EQ(host.Connect(fd, At(kPeer, 9)), 0);
  const Endpoint name = host.NameOf(fd);
  EXPECT_EQ(name.address, IpAddress(kUs));
  EXPECT_NE(name.port.host(), 0);
  EXPECT_EQ(host.sys().Getpeername(*host.thread, fd, &peer).RunNow(), 0);
  EXPECT_EQ(peer.ToEndpoint(), At(kPeer, 9));
  EXPECT_EQ(host.Connect(fd, At(kIpv4Loopback, 10)), 0) << "a datagram socket changes its peer";
  EXPECT_EQ(host.NameOf(fd).address, IpAddress(kUs)) << "and keeps the source it has";
  EXPECT_EQ(host.Connect(fd, SockAddr::Unspec()), 0);
  EXPECT_EQ(host.NameOf(fd), At(kIpv4Any, 0));
  EXPECT_EQ(host.sys().Getpeername(*host.thread, fd, &peer).RunNow(), -ENOTCONN);
}

TEST_F(SocketCallsTest, DisconnectKeepsWhatWasBound) {
  const int fd = host.Socket();
  EXPECT_EQ(host.Bind(fd, At(kIpv4Any, 7000)), 0);
  EXPECT_EQ(host.Connect(fd, At(kPeer, 9)), 0);
  EXPECT_EQ(host.NameOf(fd), At(kUs, 7000));
  EXPECT_EQ(host.Connect(fd, SockAddr::Unspec()), 0);
  EXPECT_EQ(host.NameOf(fd), At(kIpv4Any, 7000));
  host.ReceiveUdp(77, 7000, "from anybody again");
  EXPECT_EQ(host.RecvText(fd), "from anybody again");
}

TEST_F(SocketCallsTest, APeerWithPortZeroIsNoPeerToAskFor) {
  const int fd = host.Socket();
  SockAddr peer;
  EXPECT_EQ(host.Connect(fd, At(kPeer, 0)), 0);
  EXPECT_EQ(host.sys().Getpeername(*host.thread, fd, &peer).RunNow(), -ENOTCONN);
  EXPECT_EQ(host.Send(fd, BytesFrom("x")), 1);
}

TEST_F(SocketCallsTest, AddressesAreCutToTheRoomThereIs) {
  const int fd = host.BoundUdp(7000, kUs);
  SockAddr name;
  name.length = 4;
  EXPECT_EQ(host.sys().Getsockname(*host.thread, fd, &name).RunNow(), 0);
  EXPECT_EQ(name.length, 16U);
  EXPECT_EQ(LoadBe16(name.bytes + 2), 7000);
  EXPECT_EQ(LoadBe32(name.bytes + 4), 0U) << "beyond the room";
  name.length = std::numeric_limits<uint32_t>::max();
  EXPECT_EQ(host.sys().Getsockname(*host.thread, fd, &name).RunNow(), -EINVAL);
  EXPECT_EQ(host.sys().Getsockname(*host.thread, fd, nullptr).RunNow(), -EFAULT);
}

// --- send, recv. ---

TEST_F(SocketCallsTest, SendtoChecksItsDestination) {
  const int fd = host.Socket();
  const Bytes x = BytesFrom("x");
  EXPECT_EQ(host.Send(fd, x), -EDESTADDRREQ);
  EXPECT_NE(host.NameOf(fd).port.host(), 0) << "even a send that fails binds";
  EXPECT_EQ(host.Sendto(fd, x, Raw(kAfInet, kPeer, 9, 15)), -EINVAL);
  EXPECT_EQ(host.Sendto(fd, x, Raw(kAfInet, kPeer, 9, 0)), -EINVAL);
  EXPECT_EQ(host.Sendto(fd, x, Raw(kAfInet, kPeer, 9, 129)), -EINVAL);
  EXPECT_EQ(host.Sendto(fd, x, Raw(kAfUnix, kPeer, 9)), -EAFNOSUPPORT);
  EXPECT_EQ(host.Sendto(fd, x, Raw(kAfUnspec, kPeer, 9)), 1);
  EXPECT_EQ(host.Sendto(fd, x, At(kPeer, 0)), -EINVAL);
  EXPECT_EQ(host.Sendto(fd, x, At(kPeer, 9), MSG_OOB), -EOPNOTSUPP);
  EXPECT_EQ(host.Sendto(fd, Bytes(65507), At(kIpv4Loopback, 9)), 65507);
  EXPECT_EQ(host.Sendto(fd, Bytes(65508), At(kIpv4Loopback, 9)), -EMSGSIZE);
  EXPECT_EQ(host.Sendto(fd, Bytes(65536), At(kIpv4Loopback, 9)), -EMSGSIZE);
  EXPECT_EQ(host.Sendto(fd, x, At(Ipv4Address(10, 0, 0, 255), 9)), -EACCES);
  EXPECT_EQ(host.Sendto(fd, x, At(Ipv4Address(192, 0, 2, 1), 9)), -ENETUNREACH);
  EXPECT_EQ(host.Sendto(fd, x, At(kIpv4Broadcast, 9)), -ENETUNREACH) << "no default route";
  const int bound = host.BoundUdp(7000, kUs);
  EXPECT_EQ(host.Sendto(bound, x, At(kIpv4Broadcast, 9)), -EACCES) << "its address has a device";
  EXPECT_EQ(host.SetInt(bound, kSolSocket, kSoBroadcast, 1), 0);
  EXPECT_EQ(host.Sendto(bound, x, At(kIpv4Broadcast, 9)), 1);
}

TEST_F(SocketCallsTest, MessageHeadersAreChecked) {
  const int fd = host.ConnectedUdp(7000, 9);
  Bytes data(8);
  const iovec piece{data.data(), data.size()};
  const std::vector<iovec> many(1025, piece);
  user_msghdr msg{.msg_iov = many};
  EXPECT_EQ(host.sys().Sendmsg(*host.thread, fd, &msg, 0).RunNow(), -EMSGSIZE);
  EXPECT_EQ(host.sys().Recvmsg(*host.thread, fd, &msg, 0).RunNow(), -EMSGSIZE);
  const iovec negative{data.data(), ~size_t{0}};
  msg = {.msg_iov = {&negative, 1}};
  EXPECT_EQ(host.sys().Sendmsg(*host.thread, fd, &msg, 0).RunNow(), -EINVAL);
  msg = {.msg_iov = {&piece, 1}, .msg_control = nullptr, .msg_controllen = 16};
  EXPECT_EQ(host.sys().Sendmsg(*host.thread, fd, &msg, 0).RunNow(), -EFAULT);
  msg = {.msg_iov = {&piece, 1}, .msg_control = data.data(), .msg_controllen = 1 << 20};
  EXPECT_EQ(host.sys().Sendmsg(*host.thread, fd, &msg, 0).RunNow(), -ENOBUFS);
  cmsghdr bad = {4, kSolIp, kIpTtl};
  msg = {.msg_iov = {&piece, 1},
         .msg_control = reinterpret_cast<uint8_t*>(&bad),
         .msg_controllen = sizeof(bad)};
  EXPECT_EQ(host.sys().Sendmsg(*host.thread, fd, &msg, 0).RunNow(), -EINVAL);
  EXPECT_EQ(host.sys().Sendmsg(*host.thread, fd, nullptr, 0).RunNow(), -EFAULT);
}

TEST_F(SocketCallsTest, PiecesAreGatheredAndScattered) {
  const int receiver = host.BoundUdp(7000);
  const int sender = host.Socket();
  Bytes one = BytesFrom("one ");
  Bytes two = BytesFrom("two");
  const iovec out[] = {{one.data(), one.size()}, {nullptr, 0}, {two.data(), two.size()}};
  SockAddr to = At(kIpv4Loopback, 7000);
  user_msghdr msg{.msg_name = &to, .msg_iov = out};
  EXPECT_EQ(host.sys().Sendmsg(*host.thread, sender, &msg, 0).RunNow(), 7);
  host.RunFor(Duration::Microseconds(10));
  Bytes a(2);
  Bytes b(10);
  const iovec in[] = {{a.data(), a.size()}, {b.data(), b.size()}};
  SockAddr from;
  user_msghdr got{.msg_name = &from, .msg_iov = in};
  EXPECT_EQ(host.sys().Recvmsg(*host.thread, receiver, &got, 0).RunNow(), 7);
  EXPECT_EQ(TextOf(a), "on");
  EXPECT_EQ(TextOf({b.data(), 5}), "e two");
  EXPECT_EQ(from.ToEndpoint()->address, IpAddress(kIpv4Loopback));
}

TEST_F(SocketCallsTest, ReadAndWriteAreRecvAndSend) {
  const int fd = host.ConnectedUdp(7000, 9);
  EXPECT_EQ(host.sys().Write(*host.thread, fd, BytesFrom("abc")).RunNow(), 3);
  EXPECT_EQ(TextOf(SocketHost::UdpOf(host.TakeSent().at(0)).payload), "abc");
  host.ReceiveUdp(9, 7000, "def");
  Bytes buffer(10);
  EXPECT_EQ(host.sys().Read(*host.thread, fd, {buffer.data(), 0}).RunNow(), 0)
      << "nothing asked for, nothing taken";
  EXPECT_EQ(host.sys().Read(*host.thread, fd, buffer).RunNow(), 3);
}

// --- shutdown, listen, accept. ---

TEST_F(SocketCallsTest, ShutdownOfAnUnconnectedSocketFailsAndWorks) {
  const int fd = host.BoundUdp(7000);
  EXPECT_EQ(host.sys().Shutdown(*host.thread, fd, 3).RunNow(), -EINVAL);
  EXPECT_EQ(host.sys().Shutdown(*host.thread, fd, -1).RunNow(), -EINVAL);
  EXPECT_EQ(host.sys().Shutdown(*host.thread, fd, kShutBoth).RunNow(), -ENOTCONN);
  EXPECT_EQ(host.Send(fd, BytesFrom("x")), -EDESTADDRREQ);
  EXPECT_EQ(host.Sendto(fd, BytesFrom("x"), At(kPeer, 9)), -EPIPE);
  Bytes buffer(10);
  EXPECT_EQ(host.Recv(fd, &buffer, MSG_DONTWAIT), -EAGAIN);
}

TEST_F(SocketCallsTest, ShutdownOfAConnectedSocketEndsOneDirection) {
  const int fd = host.ConnectedUdp(7000, 9);
  EXPECT_EQ(host.sys().Shutdown(*host.thread, fd, kShutWrite).RunNow(), 0);
  EXPECT_EQ(host.Send(fd, BytesFrom("x")), -EPIPE);
  host.ReceiveUdp(9, 7000, "still heard");
  EXPECT_EQ(host.RecvText(fd), "still heard");
}

TEST_F(SocketCallsTest, DatagramSocketsDoNotListen) {
  const int fd = host.BoundUdp(7000);
  EXPECT_EQ(host.sys().Listen(*host.thread, fd, 5).RunNow(), -EOPNOTSUPP);
  EXPECT_EQ(host.sys().Accept4(*host.thread, fd, nullptr, 0).RunNow(), -EOPNOTSUPP);
  EXPECT_EQ(host.sys().Accept4(*host.thread, fd, nullptr, 1).RunNow(), -EINVAL);
}

}  // namespace
}  // namespace tapedeck
