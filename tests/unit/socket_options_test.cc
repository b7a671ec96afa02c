// Options and ioctls of a datagram socket: which there are, what they take, and what is refused.
// The expected values are those of the kernel (6.18, asked by hand).
#include <gtest/gtest.h>

#include <limits>

#include "socket_host.h"  // beside this file

namespace tapedeck {
namespace {

class SocketOptionsTest : public ::testing::Test {
 protected:
  int64_t SetBytes(int fd, int level, int name, const Bytes& value) {
    return host.sys()
        .Setsockopt(*host.thread, fd, level, name, value.data(),
                    static_cast<uint32_t>(value.size()))
        .RunNow();
  }

  SocketHost host;
};

TEST_F(SocketOptionsTest, OptionsThatAreRefused) {
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

TEST_F(SocketOptionsTest, OptionLengthsMatter) {
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

TEST_F(SocketOptionsTest, OptionsThatAreAskedFor) {
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

TEST_F(SocketOptionsTest, BufferSizesAreDoubledAndClamped) {
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

TEST_F(SocketOptionsTest, TimeoutsAreWholeJiffies) {
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

TEST_F(SocketOptionsTest, BindToDeviceGoesByName) {
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

TEST_F(SocketOptionsTest, GroupsAreJoinedAndLeft) {
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

TEST_F(SocketOptionsTest, IoctlsOfADatagramSocket) {
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

}  // namespace
}  // namespace tapedeck
