// What each system call answers in each state of a socket. The expected values are those of the
// kernel (6.18, asked by hand).
#include <gtest/gtest.h>

#include <limits>

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
  int64_t SetBytes(int fd, int level, int name, const Bytes& value) {
    return host.sys()
        .Setsockopt(*host.thread, fd, level, name, value.data(),
                    static_cast<uint32_t>(value.size()))
        .RunNow();
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

// --- Options. ---

TEST_F(SocketCallsTest, OptionsThatAreRefused) {
  struct Case {
    int level;
    int name;
    int value;
    int expected;
  };
  const Case cases[] = {
      {1, 9999, 1, -ENOPROTOOPT},
      {0, 9999, 1, -ENOPROTOOPT},
      {17, 9999, 1, -ENOPROTOOPT},
      {41, 1, 1, -ENOPROTOOPT},
      {6, 1, 1, -ENOPROTOOPT},
      {kSolIp, kIpTtl, 0, -EINVAL},
      {kSolIp, kIpTtl, 256, -EINVAL},
      {kSolIp, kIpTtl, -1, 0},
      {kSolIp, kIpMtuDiscover, 6, -EINVAL},
      {kSolIp, kIpMulticastTtl, 256, -EINVAL},
      {kSolIp, kIpMulticastTtl, -1, 0},
      {kSolIp, kIpMulticastAll, 2, -EINVAL},
      {kSolIp, kIpMinttl, 256, -EINVAL},
      {kSolIp, kIpTos, 300, 0},
      {kSolIp, kIpHdrincl, 1, -ENOPROTOOPT},
      {kSolUdp, kUdpCork, 0, 0},
      {kSolSocket, kSoType, 1, -ENOPROTOOPT},
      {kSolSocket, kSoError, 1, -ENOPROTOOPT},
      {kSolSocket, kSoAcceptconn, 1, -ENOPROTOOPT},
      {kSolSocket, kSoPriority, 7, 0},
      {kSolSocket, kSoPeekOff, 5, 0},
      {kSolSocket, kSoBindtodevice, 0, 0},
      {kSolSocket, kSoBindtoifindex, -1, -EINVAL},
  };
  const int fd = host.Socket();
  for (const Case& c : cases) {
    EXPECT_EQ(host.SetInt(fd, c.level, c.name, c.value), c.expected) << c.level << " " << c.name;
  }
}

TEST_F(SocketCallsTest, OptionLengthsMatter) {
  const int fd = host.Socket();
  EXPECT_EQ(SetBytes(fd, kSolSocket, kSoReuseaddr, {1}), -EINVAL);
  EXPECT_EQ(SetBytes(fd, kSolIp, kIpTos, {0x10}), 0) << "a byte will do";
  EXPECT_EQ(host.GetInt(fd, kSolIp, kIpTos), 0x10);
  EXPECT_EQ(SetBytes(fd, kSolIp, kIpTtl, {}), -EINVAL);
  EXPECT_EQ(SetBytes(fd, kSolUdp, kUdpCork, {1}), -EINVAL);
  const auto negative = static_cast<uint32_t>(-1);
  int value = 0;
  EXPECT_EQ(host.sys().Setsockopt(*host.thread, fd, 1, 2, &value, negative).RunNow(), -EINVAL);
  EXPECT_EQ(host.sys().Setsockopt(*host.thread, fd, 1, 2, nullptr, 4).RunNow(), -EFAULT);
  uint32_t length = negative;
  EXPECT_EQ(host.sys().Getsockopt(*host.thread, fd, 1, 2, &value, &length).RunNow(), -EINVAL);
  EXPECT_EQ(host.sys().Getsockopt(*host.thread, fd, 1, 2, &value, nullptr).RunNow(), -EFAULT);
  length = 1;
  uint8_t byte = 0;
  EXPECT_EQ(host.sys().Getsockopt(*host.thread, fd, kSolIp, kIpTtl, &byte, &length).RunNow(), 0);
  EXPECT_EQ(byte, 64);
  EXPECT_EQ(length, 1U);
}

TEST_F(SocketCallsTest, OptionsThatAreAskedFor) {
  const int fd = host.Socket();
  EXPECT_EQ(host.GetInt(fd, kSolSocket, kSoType), SOCK_DGRAM);
  EXPECT_EQ(host.GetInt(fd, kSolSocket, kSoProtocol), 17);
  EXPECT_EQ(host.GetInt(fd, kSolSocket, kSoDomain), kAfInet);
  EXPECT_EQ(host.GetInt(fd, kSolSocket, kSoSndbuf), 212992);
  EXPECT_EQ(host.GetInt(fd, kSolSocket, kSoRcvbuf), 212992);
  EXPECT_EQ(host.GetInt(fd, kSolIp, kIpTtl), 64);
  EXPECT_EQ(host.GetInt(fd, kSolIp, kIpMtu), -ENOTCONN);
  EXPECT_EQ(host.GetInt(fd, kSolUdp, kUdpCork), 0);
  EXPECT_EQ(host.GetInt(fd, 6, 1), -EOPNOTSUPP);
  EXPECT_EQ(host.GetInt(fd, 41, 1), -EOPNOTSUPP);
  EXPECT_EQ(host.GetInt(fd, kSolSocket, 9999), -ENOPROTOOPT);
  EXPECT_EQ(host.GetInt(fd, kSolIp, 9999), -ENOPROTOOPT);
  EXPECT_EQ(host.GetInt(fd, kSolUdp, 9999), -ENOPROTOOPT);
  EXPECT_EQ(host.GetInt(fd, kSolSocket, kSoSndlowat), 1);
}

TEST_F(SocketCallsTest, BufferSizesAreDoubledAndClamped) {
  const int fd = host.Socket();
  const auto after = [&](int option, int value) {
    EXPECT_EQ(host.SetInt(fd, kSolSocket, option, value), 0);
    return host.GetInt(fd, kSolSocket, option == kSoRcvbufforce ? int{kSoRcvbuf} : option);
  };
  EXPECT_EQ(after(kSoRcvbuf, 1), 2304);
  EXPECT_EQ(after(kSoRcvbuf, 10000), 20000);
  EXPECT_EQ(after(kSoRcvbuf, 1 << 30), 8 << 20) << "twice rmem_max";
  EXPECT_EQ(after(kSoRcvbuf, -1), 8 << 20);
  EXPECT_EQ(after(kSoRcvbufforce, 1 << 20), 1 << 21);
  EXPECT_EQ(after(kSoSndbuf, 1), 4608);
  EXPECT_EQ(after(kSoSndbuf, 1 << 30), 8 << 20);
}

TEST_F(SocketCallsTest, TimeoutsAreWholeJiffies) {
  const int fd = host.Socket();
  const auto set = [&](int64_t sec, int64_t usec, uint32_t length = 16) {
    const user_timeval tv{sec, usec};
    return host.sys().Setsockopt(*host.thread, fd, 1, kSoRcvtimeo, &tv, length).RunNow();
  };
  EXPECT_EQ(set(1, 1'000'000), -EDOM);
  EXPECT_EQ(set(1, -1), -EDOM);
  EXPECT_EQ(set(0, 0, 8), -EINVAL);
  EXPECT_EQ(set(-1, 0), 0);
  EXPECT_EQ(set(1, 1234), 0);
  user_timeval tv{};
  uint32_t length = sizeof(tv);
  EXPECT_EQ(host.sys().Getsockopt(*host.thread, fd, 1, kSoRcvtimeo, &tv, &length).RunNow(), 0);
  EXPECT_EQ(tv.tv_sec, 1);
  EXPECT_EQ(tv.tv_usec, 2000) << "at 1000 Hz";
}

TEST_F(SocketCallsTest, BindToDeviceGoesByName) {
  const int fd = host.Socket();
  EXPECT_EQ(SetBytes(fd, kSolSocket, kSoBindtodevice, BytesFrom("nodev")), -ENODEV);
  EXPECT_EQ(SetBytes(fd, kSolSocket, kSoBindtodevice, BytesFrom("lo")), 0);
  char name[16] = {};
  uint32_t length = sizeof(name);
  EXPECT_EQ(host.sys().Getsockopt(*host.thread, fd, 1, kSoBindtodevice, name, &length).RunNow(), 0);
  EXPECT_EQ(length, 3U);
  EXPECT_STREQ(name, "lo");
  length = 8;
  EXPECT_EQ(host.sys().Getsockopt(*host.thread, fd, 1, kSoBindtodevice, name, &length).RunNow(),
            -EINVAL);
}

TEST_F(SocketCallsTest, GroupsAreJoinedAndLeft) {
  const int fd = host.Socket();
  const auto mreq = [](Ipv4Address group, Ipv4Address device) {
    Bytes bytes(8);
    std::memcpy(bytes.data(), group.bytes().data(), 4);
    std::memcpy(bytes.data() + 4, device.bytes().data(), 4);
    return bytes;
  };
  const Ipv4Address group(224, 1, 1, 1);
  EXPECT_EQ(SetBytes(fd, 0, kIpAddMembership, mreq(kUs, kIpv4Any)), -EINVAL);
  EXPECT_EQ(SetBytes(fd, 0, kIpAddMembership, Bytes(4)), -EINVAL);
  EXPECT_EQ(SetBytes(fd, 0, kIpDropMembership, mreq(group, kUs)), -EADDRNOTAVAIL);
  EXPECT_EQ(SetBytes(fd, 0, kIpAddMembership, mreq(group, Ipv4Address(192, 0, 2, 9))), -ENODEV);
  EXPECT_EQ(SetBytes(fd, 0, kIpAddMembership, mreq(group, kIpv4Any)), -ENODEV) << "no route to it";
  EXPECT_EQ(SetBytes(fd, 0, kIpAddMembership, mreq(group, kUs)), 0);
  EXPECT_EQ(SetBytes(fd, 0, kIpAddMembership, mreq(group, kUs)), -EADDRINUSE);
  EXPECT_EQ(SetBytes(fd, 0, kIpDropMembership, mreq(group, kUs)), 0);
  for (uint8_t i = 0; i < 20; ++i) {
    EXPECT_EQ(SetBytes(fd, 0, kIpAddMembership, mreq(Ipv4Address(224, 1, 2, i), kUs)), 0);
  }
  EXPECT_EQ(SetBytes(fd, 0, kIpAddMembership, mreq(Ipv4Address(224, 1, 3, 0), kUs)), -ENOBUFS);
}

TEST_F(SocketCallsTest, IoctlsOfADatagramSocket) {
  const int fd = host.BoundUdp(7000);
  int value = -1;
  EXPECT_EQ(host.sys().Ioctl(*host.thread, fd, kSiocinq, &value).RunNow(), 0);
  EXPECT_EQ(value, 0);
  EXPECT_EQ(host.Sendto(fd, Bytes(100), At(kPeer, 9)), 100);
  EXPECT_EQ(host.sys().Ioctl(*host.thread, fd, kSiocoutq, &value).RunNow(), 0);
  EXPECT_GT(value, 100) << "its packet is still with the device";
  EXPECT_EQ(host.sys().Ioctl(*host.thread, fd, 0x1234, &value).RunNow(), -ENOTTY);
  EXPECT_EQ(host.sys().Ioctl(*host.thread, fd, kSiocinq, nullptr).RunNow(), -EFAULT);
  value = 1;
  EXPECT_EQ(host.sys().Ioctl(*host.thread, fd, kFionbio, &value).RunNow(), 0);
  EXPECT_EQ(host.sys().Fcntl(*host.thread, fd, kFGetfl, 0).RunNow(), kORdwr | kONonblock);
}

// --- Waiting. ---

// A thread that awaits one receive; what became of it.
struct Reader {
  int64_t result = 1;
  SimTime at;
  uint8_t buffer[16];
};
Thread* SpawnReader(SocketHost& host, int fd, Reader* reader, uint32_t flags = 0) {
  Syscalls* const sys = &host.sys();
  return host.kernel.Spawn(0, [sys, fd, reader, flags](Thread& thread) -> Task<> {
    reader->result = co_await sys->Recvfrom(thread, fd, reader->buffer, flags);
    reader->at = thread.kernel().now();
  });
}
constexpr int64_t kStillWaiting = 1;

class BlockingCallsTest : public SocketCallsTest {};

TEST_F(BlockingCallsTest, AReceiveSleepsUntilADatagramComes) {
  const int fd = host.BoundUdp(7000);
  Reader reader;
  SpawnReader(host, fd, &reader);
  host.RunFor(Duration::Seconds(5));
  EXPECT_EQ(reader.result, kStillWaiting);
  host.ReceiveUdp(9, 7000, "hello");
  EXPECT_EQ(reader.result, 5);
}

TEST_F(BlockingCallsTest, AReceiveOfWhatIsThereDoesNotSleep) {
  const int fd = host.BoundUdp(7000);
  host.ReceiveUdp(9, 7000, "hello");
  Reader reader;
  SpawnReader(host, fd, &reader);
  const SimTime now = host.world.now();
  host.RunFor(Duration{});
  EXPECT_EQ(reader.result, 5);
  EXPECT_EQ(reader.at, now);
}

TEST_F(BlockingCallsTest, NonBlockingDescriptorsAndCallsDoNotSleep) {
  const int fd = host.BoundUdp(7000);
  Reader by_call;
  SpawnReader(host, fd, &by_call, MSG_DONTWAIT);
  host.RunFor(Duration{});
  EXPECT_EQ(by_call.result, -EAGAIN);
  EXPECT_EQ(host.sys().Fcntl(*host.thread, fd, kFSetfl, kONonblock).RunNow(), 0);
  Reader by_descriptor;
  SpawnReader(host, fd, &by_descriptor);
  host.RunFor(Duration{});
  EXPECT_EQ(by_descriptor.result, -EAGAIN);
}

TEST_F(BlockingCallsTest, AReceiveTimesOut) {
  const int fd = host.BoundUdp(7000);
  const user_timeval timeout{0, 250'000};
  host.sys().Setsockopt(*host.thread, fd, 1, kSoRcvtimeo, &timeout, sizeof(timeout)).RunNow();
  const SimTime start = host.world.now();
  Reader reader;
  SpawnReader(host, fd, &reader);
  host.RunFor(Duration::Seconds(1));
  EXPECT_EQ(reader.result, -EAGAIN);
  // The timer wheel expires in steps of 8 jiffies at that distance: 10 + 250 of them at the 264th.
  EXPECT_EQ(reader.at - start, Duration::Milliseconds(254));
}

TEST_F(BlockingCallsTest, ASignalEndsAReceive) {
  const int fd = host.BoundUdp(7000);
  Reader reader;
  Thread* const thread = SpawnReader(host, fd, &reader);
  host.RunFor(Duration::Milliseconds(1));
  thread->Interrupt();
  host.RunFor(Duration::Milliseconds(1));
  EXPECT_EQ(reader.result, -EINTR);
}

TEST_F(BlockingCallsTest, ShutdownEndsAReceiveWithZero) {
  const int fd = host.ConnectedUdp(7000, 9);
  Reader reader;
  SpawnReader(host, fd, &reader);
  host.RunFor(Duration::Milliseconds(1));
  EXPECT_EQ(host.sys().Shutdown(*host.thread, fd, kShutRead).RunNow(), 0);
  host.RunFor(Duration::Milliseconds(1));
  EXPECT_EQ(reader.result, 0);
}

TEST_F(BlockingCallsTest, AnIcmpErrorEndsAReceive) {
  const int fd = host.ConnectedUdp(7000, 9);
  Reader reader;
  SpawnReader(host, fd, &reader);
  host.RunFor(Duration::Milliseconds(1));
  EXPECT_EQ(host.Send(fd, BytesFrom("x")), 1);
  const Bytes sent = host.TakeSent().at(0);
  wire::Ipv4Header ip;
  ip.saddr = kPeer;
  ip.daddr = kUs;
  wire::IcmpHeader icmp;
  icmp.type = wire::kIcmpDestUnreachable;
  icmp.code = wire::kIcmpPortUnreachable;
  host.Receive(SocketHost::Frame(
      ip, [&](wire::FrameBuilder& b) { b.Icmp(icmp).Payload(std::span(sent).subspan(14)); }));
  EXPECT_EQ(reader.result, -ECONNREFUSED);
}

// Each datagram wakes one of several readers, the one that has waited longest.
TEST_F(BlockingCallsTest, ReadersAreWokenOneByOneInOrder) {
  const int fd = host.BoundUdp(7000);
  Reader readers[3];
  for (Reader& reader : readers) SpawnReader(host, fd, &reader);
  host.RunFor(Duration::Milliseconds(1));
  for (int i = 0; i < 3; ++i) {
    host.ReceiveUdp(9, 7000, "xx");
    for (int j = 0; j < 3; ++j) EXPECT_EQ(readers[j].result, j <= i ? 2 : kStillWaiting);
  }
}

TEST_F(BlockingCallsTest, ACloseDoesNotEndACallOnTheSameDescriptor) {
  const int fd = host.BoundUdp(7000);
  Reader reader;
  SpawnReader(host, fd, &reader);
  host.RunFor(Duration::Milliseconds(1));
  EXPECT_EQ(host.Close(fd), 0);
  EXPECT_EQ(host.sys().live_sockets(), 1U) << "the call holds it";
  host.ReceiveUdp(9, 7000, "late");
  EXPECT_EQ(reader.result, 4);
  EXPECT_EQ(host.sys().live_sockets(), 0U);
}

TEST_F(BlockingCallsTest, TheEndOfTheProcessEndsEveryCall) {
  const int fd = host.BoundUdp(7000);
  Reader reader;
  SpawnReader(host, fd, &reader);
  host.RunFor(Duration::Milliseconds(1));
  host.sys().CloseAll();
  EXPECT_EQ(host.sys().live_sockets(), 0U);
  EXPECT_EQ(host.sys().live_files(), 0U);
}

TEST_F(BlockingCallsTest, AThreadThatIsDeletedLetsGoOfAClosedSocket) {
  const int fd = host.BoundUdp(7000);
  Reader reader;
  Thread* const thread = SpawnReader(host, fd, &reader);
  host.RunFor(Duration::Milliseconds(1));
  EXPECT_EQ(host.Close(fd), 0);
  host.kernel.DeleteThread(thread);
  EXPECT_EQ(host.sys().live_sockets(), 0U);
}

// A full send buffer: the call waits for packets to leave.
TEST_F(BlockingCallsTest, ASendWaitsForRoom) {
  const int fd = host.ConnectedUdp(7000, 9);
  EXPECT_EQ(host.SetInt(fd, kSolSocket, kSoSndbuf, 1), 0);  // the least: 4608
  const Bytes data(1000);
  int sent = 0;
  while (host.Send(fd, data) == 1000) ++sent;
  EXPECT_EQ(host.Send(fd, data, MSG_DONTWAIT), -EAGAIN);
  EXPECT_GT(host.Udp(UdpMib::kSndbufErrors), 0U);
  EXPECT_EQ(host.PollNow(fd, EPOLLOUT), 0);

  int64_t result = kStillWaiting;
  Syscalls* const sys = &host.sys();
  const Bytes* const payload = &data;
  int64_t* const out = &result;
  host.kernel.Spawn(0, [sys, fd, payload, out](Thread& thread) -> Task<> {
    *out = co_await sys->Sendto(thread, fd, *payload, 0);
  });
  host.RunFor(Duration::Milliseconds(1));
  EXPECT_EQ(result, kStillWaiting);
  EXPECT_EQ(host.TakeSent().size(), static_cast<size_t>(sent));
  host.RunFor(Duration::Milliseconds(1));
  EXPECT_EQ(result, 1000);
}

// All of it is plain memory of the arena: a sleeping call goes on from a snapshot as from where it
// was.
TEST_F(BlockingCallsTest, ASnapshotHoldsASleepingCall) {
  const int fd = host.BoundUdp(7000);
  Reader reader;
  SpawnReader(host, fd, &reader);
  host.RunFor(Duration::Milliseconds(1));
  Snapshot snapshot;
  host.arena.Take(&snapshot);
  for (const std::string_view text : {"first", "another one"}) {
    host.ReceiveUdp(9, 7000, text);
    EXPECT_EQ(reader.result, static_cast<int64_t>(text.size()));
    EXPECT_EQ(host.Close(fd), 0);
    host.arena.Restore(snapshot);
    reader.result = kStillWaiting;
  }
}

// --- Calls driven by hand. ---

struct Held {
  int ended = 0;
  int64_t result = kStillWaiting;
  static void Done(SystemCall* call, void* context) {
    auto* const held = static_cast<Held*>(context);
    ++held->ended;
    held->result = call->result();
  }
};

TEST_F(BlockingCallsTest, AHeldCallRunsOnItsThreadAndTellsItsEnd) {
  const int fd = host.BoundUdp(7000);
  Bytes buffer(16);
  Held held;
  SystemCall call(host.sys().Recvfrom(*host.thread, fd, buffer, 0));
  call.Start(Held::Done, &held);
  EXPECT_FALSE(call.ended());
  host.RunFor(Duration::Milliseconds(1));
  EXPECT_EQ(held.ended, 0);
  EXPECT_EQ(host.sink.Of(TraceKind::kSyscallEnter).back().args[0], 45U);
  host.ReceiveUdp(9, 7000, "hello");
  EXPECT_EQ(held.ended, 1);
  EXPECT_EQ(held.result, 5);
  const TraceEvent exit = host.sink.Of(TraceKind::kSyscallExit).back();
  EXPECT_EQ(exit.args[0], 45U);
  EXPECT_EQ(exit.args[1], static_cast<uint64_t>(fd));
  EXPECT_EQ(exit.args[2], 5U);
  EXPECT_EQ(exit.args[3], static_cast<uint64_t>(host.thread->tid()));
}

TEST_F(BlockingCallsTest, AHeldCallCanBeInterruptedAndItsThreadUsedAgain) {
  const int fd = host.BoundUdp(7000);
  Bytes buffer(16);
  Held first;
  SystemCall receive(host.sys().Recvfrom(*host.thread, fd, buffer, 0));
  receive.Start(Held::Done, &first);
  host.RunFor(Duration::Milliseconds(1));
  host.thread->Interrupt();
  host.RunFor(Duration::Milliseconds(1));
  EXPECT_EQ(first.result, -EINTR);
  Held second;
  SystemCall close(host.sys().Close(*host.thread, fd));
  close.Start(Held::Done, &second);
  host.RunFor(Duration::Milliseconds(1));
  EXPECT_EQ(second.result, 0);
}

TEST_F(BlockingCallsTest, CallsAndCopiesCostCpuTime) {
  CostTable costs = OneCost(CostPoint::k_syscall, 500, 1'000'000'000);
  costs.cycles[static_cast<size_t>(CostPoint::k_copy_per_byte)] = 256;
  SocketHost slow(costs);
  const int fd = slow.BoundUdp(7000);
  slow.ReceiveUdp(9, 7000, "0123456789");
  Reader reader;
  const SimTime start = slow.world.now();
  SpawnReader(slow, fd, &reader);
  slow.RunFor(Duration::Milliseconds(1));
  EXPECT_EQ(reader.result, 10);
  EXPECT_EQ((reader.at - start).ns(), 510U);
}

}  // namespace
}  // namespace tapedeck
