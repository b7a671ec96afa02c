// Options of level SOL_TCP: which values Linux takes, with which errno it refuses the others, and
// what it answers. The tables were asked of Linux 6.18 (HZ=250; its repair mode as a process
// without CAP_NET_ADMIN sees it); times that are rounded to ticks are of HZ=1000.
#include <gtest/gtest.h>

#include <cerrno>
#include <climits>
#include <string>

#include "socket_host.h"  // beside this file
#include "stack/tcp/tcp_uapi.h"

namespace tapedeck {
namespace {

class TcpSockoptTest : public testing::Test {
 protected:
  int TcpSocket() { return host_.Socket(SOCK_STREAM); }
  int Listener() {
    const int fd = TcpSocket();
    EXPECT_EQ(host_.Bind(fd, At(kIpv4Any, 0)), 0);
    EXPECT_EQ(host_.sys().Listen(*host_.thread, fd, 5).RunNow(), 0);
    return fd;
  }
  int64_t Set(int fd, int name, int value) { return host_.SetInt(fd, kSolTcp, name, value); }
  int64_t Get(int fd, int name) { return host_.GetInt(fd, kSolTcp, name); }
  int64_t SetBytes(int fd, int name, const void* value, uint32_t length) {
    return host_.sys().Setsockopt(*host_.thread, fd, kSolTcp, name, value, length).RunNow();
  }
  int64_t GetBytes(int fd, int name, void* value, uint32_t* length) {
    return host_.sys().Getsockopt(*host_.thread, fd, kSolTcp, name, value, length).RunNow();
  }

  SocketHost host_;
};

struct Case {
  int name;
  int value;
  int result;
  int64_t after;  // what getsockopt answers then
};

constexpr Case kNewSocket[] = {
    {kTcpNodelay, -1, 0, 1},
    {kTcpNodelay, 0, 0, 0},
    {kTcpNodelay, 2, 0, 1},
    {kTcpMaxseg, -1, -EINVAL, 536},
    {kTcpMaxseg, 0, 0, 536},
    {kTcpMaxseg, 87, -EINVAL, 536},
    {kTcpMaxseg, 88, 0, 88},
    {kTcpMaxseg, 32767, 0, 32767},
    {kTcpMaxseg, 32768, -EINVAL, 536},
    {kTcpCork, 1, 0, 1},
    {kTcpCork, 0, 0, 0},
    {kTcpKeepidle, 0, -EINVAL, 7200},
    {kTcpKeepidle, 1, 0, 1},
    {kTcpKeepidle, 32767, 0, 32767},
    {kTcpKeepidle, 32768, -EINVAL, 7200},
    {kTcpKeepintvl, 0, -EINVAL, 75},
    {kTcpKeepintvl, 32767, 0, 32767},
    {kTcpKeepintvl, 32768, -EINVAL, 75},
    {kTcpKeepcnt, 0, -EINVAL, 9},
    {kTcpKeepcnt, 127, 0, 127},
    {kTcpKeepcnt, 128, -EINVAL, 9},
    {kTcpSyncnt, 0, -EINVAL, 6},
    {kTcpSyncnt, 127, 0, 127},
    {kTcpSyncnt, 128, -EINVAL, 6},
    {kTcpLinger2, INT_MIN, 0, -1},
    {kTcpLinger2, -1, 0, -1},
    {kTcpLinger2, 0, 0, 60},
    {kTcpLinger2, 100, 0, 100},
    {kTcpLinger2, 121, 0, 120},
    {kTcpLinger2, INT_MAX, 0, 120},
    {kTcpDeferAccept, -1, 0, 0},
    {kTcpDeferAccept, 0, 0, 0},
    {kTcpDeferAccept, 1, 0, 1},
    {kTcpDeferAccept, 2, 0, 3},
    {kTcpDeferAccept, 12, 0, 15},
    {kTcpDeferAccept, 100, 0, 127},
    {kTcpDeferAccept, 128, 0, 247},
    {kTcpDeferAccept, 999, 0, 1087},
    {kTcpDeferAccept, 32767, 0, 29887},
    {kTcpDeferAccept, INT_MAX, 0, 29887},
    {kTcpWindowClamp, INT_MIN, 0, 1152},
    {kTcpWindowClamp, 0, 0, 0},
    {kTcpWindowClamp, 1, 0, 1152},
    {kTcpWindowClamp, 4000, 0, 4000},
    {kTcpWindowClamp, INT_MAX, 0, INT_MAX},
    {kTcpQuickack, 0, 0, 0},
    {kTcpQuickack, 2, 0, 1},
    {kTcpThinLinearTimeouts, -1, -EINVAL, 0},
    {kTcpThinLinearTimeouts, 1, 0, 1},
    {kTcpThinLinearTimeouts, 2, -EINVAL, 0},
    {kTcpThinDupack, 1, 0, 0},
    {kTcpThinDupack, 2, -EINVAL, 0},
    {kTcpUserTimeout, -1, -EINVAL, 0},
    {kTcpUserTimeout, INT_MAX, 0, INT_MAX},
    {kTcpRepair, 1, -EPERM, 0},
    {kTcpRepairQueue, 1, -EPERM, -EINVAL},
    {kTcpQueueSeq, 1, -EINVAL, -EINVAL},
    {kTcpRepairOptions, 1, -EINVAL, -ENOPROTOOPT},
    {kTcpFastopen, -1, -EINVAL, 0},
    {kTcpFastopen, 4000, 0, 4000},
    {kTcpFastopen, 32767, 0, 4096},
    {kTcpNotsentLowat, -1, 0, -1},
    {kTcpNotsentLowat, 127, 0, 127},
    {kTcpSaveSyn, -1, -EINVAL, 0},
    {kTcpSaveSyn, 2, 0, 2},
    {kTcpSaveSyn, 3, -EINVAL, 0},
    {kTcpFastopenConnect, -1, -EINVAL, 0},
    {kTcpFastopenConnect, 1, 0, 1},
    {kTcpFastopenConnect, 2, -EINVAL, 0},
    {kTcpFastopenNoCookie, 1, 0, 1},
    {kTcpFastopenNoCookie, 2, -EINVAL, 0},
    {kTcpInq, 1, 0, 1},
    {kTcpInq, 2, -EINVAL, 0},
    {kTcpTxDelay, -1, -EINVAL, 0},
    {kTcpTxDelay, (1 << 28) - 1, 0, (1 << 28) - 1},
    {kTcpTxDelay, 1 << 28, -EINVAL, 0},
    {kTcpIsMptcp, 1, -ENOPROTOOPT, 0},
    {kTcpRtoMaxMs, 999, -EINVAL, 120000},
    {kTcpRtoMaxMs, 1000, 0, 1000},
    {kTcpRtoMaxMs, 120000, 0, 120000},
    {kTcpRtoMaxMs, 120001, -EINVAL, 120000},
    {kTcpRtoMinUs, -1, -EINVAL, 200000},
    {kTcpRtoMinUs, 1000, -EINVAL, 200000},
    {kTcpRtoMinUs, 1001, 0, 2000},
    {kTcpRtoMinUs, 200000, 0, 200000},
    {kTcpRtoMinUs, 200001, -EINVAL, 200000},
    {kTcpDelackMaxUs, 1000, -EINVAL, 200000},
    {kTcpDelackMaxUs, 32767, 0, 33000},
    {kTcpDelackMaxUs, 200001, -EINVAL, 200000},
    {15, 1, -ENOPROTOOPT, -ENOPROTOOPT},
    {47, 1, -ENOPROTOOPT, -ENOPROTOOPT},
};

TEST_F(TcpSockoptTest, RangesOfANewSocket) {
  for (const Case& c : kNewSocket) {
    const int fd = TcpSocket();
    EXPECT_EQ(Set(fd, c.name, c.value), c.result) << "option " << c.name << " to " << c.value;
    EXPECT_EQ(Get(fd, c.name), c.after) << "option " << c.name << " after " << c.value;
    host_.Close(fd);
  }
}

TEST_F(TcpSockoptTest, AListenerRefusesMore) {
  const int fd = Listener();
  EXPECT_EQ(Set(fd, kTcpWindowClamp, 0), -EINVAL);
  EXPECT_EQ(Set(fd, kTcpWindowClamp, 4000), 0);
  EXPECT_EQ(Set(fd, kTcpFastopenConnect, 1), -EINVAL);
  EXPECT_EQ(Set(fd, kTcpQueueSeq, 1), -EPERM);
  EXPECT_EQ(Set(fd, kTcpFastopen, 5), 0);
  EXPECT_EQ(Get(fd, kTcpFastopen), 5);
  EXPECT_EQ(Set(fd, kTcpMaxseg, 1000), 0);
  EXPECT_EQ(Get(fd, kTcpMaxseg), 1000);
  host_.Close(fd);
}

TEST_F(TcpSockoptTest, AValueNeedsFourBytesOfMemory) {
  const int fd = TcpSocket();
  const uint8_t one[5] = {1};
  EXPECT_EQ(SetBytes(fd, kTcpNodelay, one, 3), -EINVAL);
  EXPECT_EQ(SetBytes(fd, kTcpNodelay, one, 5), 0);
  EXPECT_EQ(SetBytes(fd, kTcpNodelay, nullptr, 4), -EFAULT);
  EXPECT_EQ(SetBytes(fd, kTcpCongestion, one, 0), -EINVAL);
  EXPECT_EQ(SetBytes(fd, kTcpCongestion, nullptr, 4), -EFAULT);
  EXPECT_EQ(SetBytes(fd, kTcpUlp, "tls", 3), -ENOENT);
  EXPECT_EQ(SetBytes(fd, kTcpFastopenKey, one, 5), -EINVAL);
  host_.Close(fd);
}

TEST_F(TcpSockoptTest, AnAnswerIsCutToTheRoom) {
  const int fd = TcpSocket();
  EXPECT_EQ(Set(fd, kTcpUserTimeout, 0x01020304), 0);
  uint8_t bytes[400] = {};
  uint32_t length = 2;
  EXPECT_EQ(GetBytes(fd, kTcpUserTimeout, bytes, &length), 0);
  EXPECT_EQ(length, 2U);
  EXPECT_EQ(bytes[0], 4);
  EXPECT_EQ(bytes[1], 3);
  EXPECT_EQ(bytes[2], 0);
  length = 100;
  EXPECT_EQ(GetBytes(fd, kTcpUserTimeout, bytes, &length), 0);
  EXPECT_EQ(length, 4U);
  length = UINT32_MAX;
  EXPECT_EQ(GetBytes(fd, kTcpUserTimeout, bytes, &length), -EINVAL);
  length = sizeof(bytes);
  EXPECT_EQ(GetBytes(fd, kTcpInfo, bytes, &length), 0);
  EXPECT_EQ(length, sizeof(tcp_info));
  EXPECT_EQ(bytes[0], TCP_CLOSE);
  length = sizeof(bytes);
  EXPECT_EQ(GetBytes(fd, kTcpSavedSyn, bytes, &length), 0);
  EXPECT_EQ(length, 0U);
  host_.Close(fd);
}

TEST_F(TcpSockoptTest, TheCongestionControlIsChosenByName) {
  const int fd = TcpSocket();
  char name[16] = {};
  uint32_t length = sizeof(name);
  EXPECT_EQ(GetBytes(fd, kTcpCongestion, name, &length), 0);
  EXPECT_STREQ(name, "cubic");
  EXPECT_EQ(SetBytes(fd, kTcpCongestion, "reno", 4), 0);
  EXPECT_EQ(SetBytes(fd, kTcpCongestion, "nosuch", 6), -ENOENT);
  length = sizeof(name);
  EXPECT_EQ(GetBytes(fd, kTcpCongestion, name, &length), 0);
  EXPECT_EQ(length, 16U);
  EXPECT_STREQ(name, "reno");
  host_.Close(fd);
}

TEST_F(TcpSockoptTest, SettingsReadAsLinuxShowsThem) {
  struct Text {
    const char* path;
    const char* text;
  };
  for (const Text& c : {Text{"net/ipv4/tcp_congestion_control", "cubic\n"},
                        Text{"net/ipv4/tcp_allowed_congestion_control", "reno cubic\n"},
                        Text{"net/ipv4/tcp_keepalive_time", "7200\n"},
                        Text{"net/ipv4/tcp_invalid_ratelimit", "500\n"},
                        Text{"net/ipv4/tcp_rmem", "4096\t131072\t33554432\n"},
                        Text{"net/ipv4/tcp_notsent_lowat", "4294967295\n"},
                        Text{"net/ipv4/tcp_available_ulp", "\n"}}) {
    std::string text;
    EXPECT_EQ(host_.kernel.sysctl().Read(c.path, &text), 0) << c.path;
    EXPECT_EQ(text, c.text) << c.path;
  }
}

TEST_F(TcpSockoptTest, SettingsRefuseWhatLinuxRefuses) {
  SysctlTree& tree = host_.kernel.sysctl();
  EXPECT_EQ(tree.Write("net/ipv4/tcp_sack", "256"), -EINVAL);
  EXPECT_EQ(tree.Write("net/ipv4/tcp_sack", "-1"), -EINVAL);
  EXPECT_EQ(tree.Write("net/ipv4/tcp_ecn", "6"), -EINVAL);
  EXPECT_EQ(tree.Write("net/ipv4/tcp_rmem", "4095"), -EINVAL);
  EXPECT_EQ(tree.Write("net/ipv4/tcp_congestion_control", "nosuch"), -ENOENT);
  EXPECT_EQ(tree.Write("net/ipv4/tcp_available_congestion_control", "reno"), -EACCES);
  // The upper bound of one is the value of another.
  EXPECT_EQ(tree.Write("net/ipv4/tcp_reordering", "301"), -EINVAL);
  EXPECT_EQ(tree.Write("net/ipv4/tcp_max_reordering", "400"), 0);
  EXPECT_EQ(tree.Write("net/ipv4/tcp_reordering", "301"), 0);
}

}  // namespace
}  // namespace tapedeck
