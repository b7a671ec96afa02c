// Every option of level SOL_IPV6 against the answers of Linux 6.18 (a fresh network namespace with
// lo and eth0): what setting it to each of a list of values in each length gives, and what a new
// socket says that it is.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

#include "socket_host.h"  // beside this file
#include "stack/ipv6/datagram.h"
#include "stack/ipv6/in6.h"

namespace tapedeck {
namespace {

struct Argument {
  int32_t value;
  uint32_t length;  // bytes of value, then of zeros, that the call is given
};
constexpr Argument kArguments[] = {{-2, 4}, {-1, 4},  {0, 4},   {1, 4},    {2, 4},    {5, 4},
                                   {6, 4},  {255, 4}, {256, 4}, {1279, 4}, {1280, 4}, {0x101, 4},
                                   {99, 4}, {1, 0},   {1, 1},   {1, 3},    {1, 8}};
constexpr int kArgumentCount = 17;

struct Row {
  int option;
  int set_errno[kArgumentCount];
  int got;  // of a new socket with room for 4 bytes: the value, 1000 + bytes, or -errno
};
constexpr Row kUdpRows[] = {
    {1, {22, 22, 22, 22, 107, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22}, -107},
    {2, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 0}, 0},
    {3, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 0}, 0},
    {4, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 0}, 0},
    {5, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 0}, 0},
    {7, {92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92}, -92},
    {8, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 0}, 0},
    {11, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 0}, 0},
    {16, {22, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 22, 0, 22, 22, 22, 0}, 64},
    {17, {19, 19, 0, 0, 0, 19, 19, 19, 19, 19, 19, 19, 19, 22, 22, 22, 0}, 0},
    {18, {22, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 22, 0, 22, 22, 22, 0}, 1},
    {19, {22, 22, 0, 0, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 0}, 1},
    {20, {22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22}, -92},
    {21, {22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22}, -92},
    {22, {92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 22, 22, 22, 92}, 0},
    {23, {22, 22, 0, 0, 0, 0, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 0}, 1},
    {24, {22, 22, 0, 22, 22, 22, 22, 22, 22, 22, 0, 22, 22, 22, 22, 22, 22}, -107},
    {25, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 0}, 0},
    {26, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 0}, 0},
    {27, {22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22}, -92},
    {28, {22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22}, -92},
    {29, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 0}, 1},
    {30, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 0}, 0},
    {31, {22, 22, 0, 0, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 0}, 0},
    {32, {22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22}, -22},
    {33, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 0}, 0},
    {42, {22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22}, -92},
    {43, {22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22}, -92},
    {44, {22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22}, -92},
    {45, {22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22}, -92},
    {46, {22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22}, -92},
    {47, {22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22}, -92},
    {48, {22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22}, -22},
    {49, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 0}, 0},
    {50, {22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22}, -92},
    {51, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 0}, 0},
    {53, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 0}, 0},
    {54, {22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 0, 22, 22, 0}, 1000},
    {55, {22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 0, 22, 22, 0}, 1000},
    {56, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 0}, 0},
    {57, {22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 0, 22, 22, 22}, 1000},
    {58, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 0}, 0},
    {59, {22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 0, 22, 22, 0}, 1000},
    {60, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 0}, 0},
    {61, {92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92}, -22},
    {62, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0},
    {66, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 0}, 0},
    {67, {22, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 22, 0, 22, 22, 22, 0}, 0},
    {70, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 1},
    {72, {22, 22, 0, 0, 0, 0, 0, 22, 0, 22, 0, 22, 22, 22, 22, 22, 0}, 1280},
    {73, {22, 22, 0, 0, 0, 0, 0, 0, 22, 22, 22, 22, 0, 22, 22, 22, 0}, 0},
    {74, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 0}, 0},
    {75, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 0}, 0},
    {76, {99, 99, 0, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 22, 22, 22, 22}, 0},
    {77, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0},
    {78, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22, 22, 22, 0}, 0},
};

struct SockoptTable : ::testing::Test {
  int Set(int fd, int option, const Argument& argument) {
    uint8_t bytes[8] = {};
    std::memcpy(bytes, &argument.value, sizeof(argument.value));
    return static_cast<int>(
        host.sys().Setsockopt(*host.thread, fd, kSolIpv6, option, bytes, argument.length).RunNow());
  }
  int Get(int fd, int option) {
    int32_t value = 0;
    uint32_t length = sizeof(value);
    const auto result = static_cast<int>(
        host.sys().Getsockopt(*host.thread, fd, kSolIpv6, option, &value, &length).RunNow());
    if (result < 0) return result;
    return length == sizeof(value) ? value : 1000 + static_cast<int>(length);
  }
  void Check(const Row& row, int type) {
    for (int i = 0; i < kArgumentCount; ++i) {
      const int fd = host.Socket6(type);
      EXPECT_EQ(-Set(fd, row.option, kArguments[i]), row.set_errno[i])
          << "option " << row.option << " value " << kArguments[i].value << " length "
          << kArguments[i].length;
      host.Close(fd);
    }
    const int fd = host.Socket6(type);
    EXPECT_EQ(Get(fd, row.option), row.got) << "option " << row.option;
    host.Close(fd);
  }

  SocketHost host{FreeCostTable(), true};
};

TEST_F(SockoptTable, Datagram) {
  for (const Row& row : kUdpRows) Check(row, SOCK_DGRAM);
}

TEST_F(SockoptTable, V6OnlyIsDecidedBeforeTheBind) {
  const int fd = host.Socket6();
  EXPECT_EQ(host.Bind(fd, At(kIpv6Any, 0)), 0);
  EXPECT_EQ(host.SetInt(fd, kSolIpv6, kIpv6V6only, 1), -EINVAL);
}

TEST_F(SockoptTable, StickyHeaderIsReadAsItWasSet) {
  const int fd = host.Socket6();
  const uint8_t header[8] = {0, 0, 1, 4, 0, 0, 0, 0};
  EXPECT_EQ(host.sys()
                .Setsockopt(*host.thread, fd, kSolIpv6, kIpv6Dstopts, header, sizeof(header))
                .RunNow(),
            0);
  uint8_t got[16] = {};
  uint32_t length = sizeof(got);
  EXPECT_EQ(host.sys().Getsockopt(*host.thread, fd, kSolIpv6, kIpv6Dstopts, got, &length).RunNow(),
            0);
  EXPECT_EQ(length, sizeof(header));
  EXPECT_EQ(std::memcmp(got, header, sizeof(header)), 0);
}

TEST_F(SockoptTable, LeasedFlowLabelIsSharedOnlyAsItsOwnerSays) {
  const int fd = host.Socket6();
  in6_flowlabel_req freq;
  freq.flr_dst = kIpv6Loopback;
  freq.flr_label = 0x12345;
  freq.flr_share = IPV6_FL_S_EXCL;
  freq.flr_flags = IPV6_FL_F_CREATE;
  const auto request = [&](int on) {
    return host.sys()
        .Setsockopt(*host.thread, on, kSolIpv6, kIpv6FlowlabelMgr, &freq, sizeof(freq))
        .RunNow();
  };
  EXPECT_EQ(request(fd), 0);
  const int other = host.Socket6();
  EXPECT_EQ(request(other), -EPERM);
  freq.flr_flags = IPV6_FL_F_CREATE | IPV6_FL_F_EXCL;
  EXPECT_EQ(request(other), -EEXIST);
  freq.flr_action = IPV6_FL_A_PUT;
  EXPECT_EQ(request(other), -ESRCH);
  EXPECT_EQ(request(fd), 0);
}

}  // namespace
}  // namespace tapedeck
