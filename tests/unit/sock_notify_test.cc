// What the stack tells a sender through the error queue: zero-copy sends that are done, and times
// at which data passed a place; and the options that ask for it. Connections over loopback and to a
// peer behind a device.
#include <gtest/gtest.h>

#include "held_call.h"    // beside this file
#include "socket_host.h"  // beside this file
#include "stack/core/tx_timestamp.h"
#include "stack/ipv4/ip_recverr.h"

namespace tapedeck {
namespace {

constexpr Ipv4Address kLoopback{127, 0, 0, 1};
constexpr uint16_t kPort = 7000;

// What one recvmsg with MSG_ERRQUEUE says.
struct Notice {
  int64_t result = 0;
  bool has_error = false;
  sock_extended_err ee = {};
  bool has_stamps = false;
  user_scm_timestamping stamps = {};
};

class SockNotifyTest : public ::testing::Test {
 protected:
  Syscalls& sys() { return host.sys(); }
  Thread& thread() { return *host.thread; }
  void Run(uint64_t ms) { host.RunFor(Duration::Milliseconds(ms)); }

  void Connect() {
    const int listener = host.Socket(SOCK_STREAM);
    ASSERT_EQ(host.Bind(listener, At(kLoopback, kPort)), 0);
    ASSERT_EQ(sys().Listen(thread(), listener, 8).RunNow(), 0);
    near = host.Socket(SOCK_STREAM);
    ASSERT_EQ(host.Connect(near, At(kLoopback, kPort)), -EINPROGRESS);
    Run(5);
    far = static_cast<int>(sys().Accept4(thread(), listener, nullptr, 0).RunNow());
    ASSERT_GT(far, 0);
    EXPECT_EQ(host.Connect(near, At(kLoopback, kPort)), 0);
  }
  Notice NextNotice(int fd) {
    uint8_t control[512];
    user_msghdr msg;
    msg.msg_control = control;
    msg.msg_controllen = sizeof(control);
    Notice notice;
    notice.result = sys().Recvmsg(thread(), fd, &msg, MSG_ERRQUEUE).RunNow();
    if (notice.result < 0) return notice;
    EXPECT_NE(msg.msg_flags & MSG_ERRQUEUE, 0U);
    msghdr walk;
    walk.msg_control = control;
    walk.msg_controllen = msg.msg_controllen;
    for (const cmsghdr* c = cmsg_firsthdr(&walk); c != nullptr; c = cmsg_nxthdr(&walk, c)) {
      if (c->cmsg_level == kSolSocket && c->cmsg_type == kScmTimestamping) {
        notice.has_stamps = true;
        std::memcpy(&notice.stamps, cmsg_data(c), sizeof(notice.stamps));
      } else {
        notice.has_error = true;
        std::memcpy(&notice.ee, cmsg_data(c), sizeof(notice.ee));
      }
    }
    return notice;
  }

  SocketHost host;
  int near = -1;
  int far = -1;
};

// --- MSG_ZEROCOPY. ---

TEST_F(SockNotifyTest, AZeroCopySendIsToldOfWhenItIsDone) {
  Connect();
  EXPECT_EQ(host.SetInt(near, kSolSocket, kSoZerocopy, 1), 0);
  EXPECT_EQ(host.Send(near, Bytes(4000), MSG_ZEROCOPY), 4000);
  Run(50);
  EXPECT_EQ(host.PollNow(near, EPOLLOUT), EPOLLOUT | EPOLLERR);
  const Notice notice = NextNotice(near);
  EXPECT_EQ(notice.result, 0);
  EXPECT_TRUE(notice.has_error);
  EXPECT_EQ(notice.ee.ee_errno, 0U);
  EXPECT_EQ(notice.ee.ee_origin, kSoEeOriginZerocopy);
  // Loopback copies: the receiver must not see what the sender changes.
  EXPECT_EQ(notice.ee.ee_code, kSoEeCodeZerocopyCopied);
  EXPECT_EQ(notice.ee.ee_info, 0U);
  EXPECT_EQ(notice.ee.ee_data, 0U);
  EXPECT_EQ(NextNotice(near).result, -EAGAIN);
  EXPECT_EQ(host.PollNow(near, EPOLLOUT), EPOLLOUT);
}

TEST_F(SockNotifyTest, NoticesOfSendsInARowBecomeOne) {
  Connect();
  EXPECT_EQ(host.SetInt(near, kSolSocket, kSoZerocopy, 1), 0);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(host.Send(near, Bytes(1000), MSG_ZEROCOPY), 1000);
  Run(50);
  const Notice notice = NextNotice(near);
  EXPECT_EQ(notice.ee.ee_info, 0U);
  EXPECT_EQ(notice.ee.ee_data, 4U);
  EXPECT_EQ(host.Send(near, Bytes(1000), MSG_ZEROCOPY), 1000);
  Run(50);
  EXPECT_EQ(NextNotice(near).ee.ee_info, 5U);
}

TEST_F(SockNotifyTest, ASendThatWaitsIsOneSend) {
  Connect();
  EXPECT_EQ(host.SetInt(near, kSolSocket, kSoZerocopy, 1), 0);
  const Bytes data(12'000'000);
  HeldCall send(host, [&](Thread& t) { return sys().Sendto(t, near, data, MSG_ZEROCOPY); });
  Bytes buffer(1'000'000);
  for (int i = 0; i < 1000 && !send.ended(); ++i) {
    Run(1);
    while (host.Recv(far, &buffer) > 0) {
    }
  }
  ASSERT_TRUE(send.ended());
  EXPECT_EQ(send.result(), 12'000'000);
  for (int i = 0; i < 50; ++i) {
    Run(1);
    while (host.Recv(far, &buffer) > 0) {
    }
  }
  const Notice notice = NextNotice(near);
  EXPECT_EQ(notice.result, 0);
  EXPECT_EQ(notice.ee.ee_info, 0U);
  EXPECT_EQ(notice.ee.ee_data, 0U);
  EXPECT_EQ(NextNotice(near).result, -EAGAIN);
}

TEST_F(SockNotifyTest, WithoutTheOptionTheFlagDoesNothing) {
  Connect();
  EXPECT_EQ(host.Send(near, Bytes(100), MSG_ZEROCOPY), 100);
  Run(50);
  EXPECT_EQ(NextNotice(near).result, -EAGAIN);
}

// --- Time stamps. ---

TEST_F(SockNotifyTest, AStreamHearsWhenItsBytesWereSentAndAcknowledged) {
  Connect();
  constexpr uint32_t kFlags = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE |
                              SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_ACK |
                              SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY;
  EXPECT_EQ(host.SetInt(near, kSolSocket, kSoTimestamping, static_cast<int>(kFlags)), 0);
  const auto sent_ns = static_cast<int64_t>(host.kernel.now().ns());
  EXPECT_EQ(host.Send(near, Bytes(100)), 100);
  Run(100);
  uint32_t seen = 0;
  for (;;) {
    const Notice notice = NextNotice(near);
    if (notice.result < 0) break;
    EXPECT_EQ(notice.ee.ee_errno, static_cast<uint32_t>(ENOMSG));
    EXPECT_EQ(notice.ee.ee_origin, kSoEeOriginTimestamping);
    EXPECT_EQ(notice.ee.ee_data, 99U) << "the last byte";
    EXPECT_TRUE(notice.has_stamps);
    const user_timespec& stamp = notice.stamps.ts[0];
    EXPECT_GE(stamp.tv_sec * 1'000'000'000 + stamp.tv_nsec, sent_ns);
    seen |= 1U << notice.ee.ee_info;
  }
  EXPECT_EQ(seen, 1U << SCM_TSTAMP_SND | 1U << SCM_TSTAMP_SCHED | 1U << SCM_TSTAMP_ACK);
}

TEST_F(SockNotifyTest, OptionsOfTimestampingAreChecked) {
  const int fd = host.Socket(SOCK_STREAM);
  const auto set = [&](uint32_t flags) {
    return host.SetInt(fd, kSolSocket, kSoTimestamping, static_cast<int>(flags));
  };
  EXPECT_EQ(set(1U << 19), -EINVAL);
  EXPECT_EQ(set(SOF_TIMESTAMPING_OPT_ID_TCP), -EINVAL);
  EXPECT_EQ(set(SOF_TIMESTAMPING_OPT_ID), -EINVAL) << "a stream that is not connected";
  EXPECT_EQ(set(SOF_TIMESTAMPING_OPT_STATS), -EINVAL);
  EXPECT_EQ(set(SOF_TIMESTAMPING_BIND_PHC), -EOPNOTSUPP);
  EXPECT_EQ(set(SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE), 0);
  EXPECT_EQ(host.GetInt(fd, kSolSocket, kSoTimestamping),
            int64_t{SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE});
  EXPECT_EQ(host.GetInt(fd, kSolSocket, kSoTimestampingNew), 0);
  EXPECT_EQ(host.n.netstamp_needed, 1U);
  EXPECT_EQ(host.Close(fd), 0);
  EXPECT_EQ(host.n.netstamp_needed, 0U);
}

TEST_F(SockNotifyTest, ADatagramTellsWhenItCame) {
  const int fd = host.BoundUdp(7000);
  EXPECT_EQ(host.SetInt(fd, kSolSocket, kSoTimestamping,
                        static_cast<int>(SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE)),
            0);
  host.Sendto(host.Socket(), BytesFrom("x"), At(kLoopback, 7000));
  Run(1);
  uint8_t control[128];
  uint8_t byte = 0;
  const iovec piece = {&byte, 1};
  user_msghdr msg;
  msg.msg_iov = {&piece, 1};
  msg.msg_control = control;
  msg.msg_controllen = sizeof(control);
  EXPECT_EQ(sys().Recvmsg(thread(), fd, &msg, 0).RunNow(), 1);
  const auto* const head = reinterpret_cast<const cmsghdr*>(control);
  EXPECT_EQ(head->cmsg_type, kScmTimestamping);
  EXPECT_EQ(head->cmsg_len, CmsgLen(sizeof(user_scm_timestamping)));
}

// --- The other options, as 6.18 answers. ---

TEST_F(SockNotifyTest, OptionsThatStreamsHaveAndDatagramsHaveNot) {
  const int tcp = host.Socket(SOCK_STREAM);
  const int udp = host.Socket(SOCK_DGRAM);
  EXPECT_EQ(host.SetInt(tcp, kSolSocket, kSoTxrehash, 0), 0);
  EXPECT_EQ(host.GetInt(tcp, kSolSocket, kSoTxrehash), 0);
  EXPECT_EQ(host.SetInt(tcp, kSolSocket, kSoTxrehash, 2), -EINVAL);
  EXPECT_EQ(host.SetInt(udp, kSolSocket, kSoTxrehash, 0), -EOPNOTSUPP);
  EXPECT_EQ(host.GetInt(udp, kSolSocket, kSoTxrehash), -EOPNOTSUPP);
  EXPECT_EQ(host.SetInt(tcp, kSolSocket, kSoZerocopy, 2), -EINVAL);
  EXPECT_EQ(host.SetInt(udp, kSolSocket, kSoZerocopy, 1), 0);
  EXPECT_EQ(host.SetInt(tcp, kSolSocket, kSoBufLock, 4), -EINVAL);
  EXPECT_EQ(host.SetInt(tcp, kSolSocket, kSoBufLock, 3), 0);
  EXPECT_EQ(host.GetInt(tcp, kSolSocket, kSoBufLock), 3);
  EXPECT_EQ(host.GetInt(tcp, kSolSocket, kSoIncomingCpu), -1);
  EXPECT_EQ(host.SetInt(tcp, kSolSocket, kSoBusyPoll, -1), -EINVAL);
  EXPECT_EQ(host.SetInt(tcp, kSolSocket, kSoSndlowat, 1), -ENOPROTOOPT);
  EXPECT_EQ(host.SetInt(tcp, kSolSocket, kSoError, 1), -ENOPROTOOPT);
  EXPECT_EQ(host.SetInt(tcp, kSolSocket, kSoReserveMem, 1), -EOPNOTSUPP);
  EXPECT_EQ(host.GetInt(tcp, kSolSocket, kSoCookie), -EINVAL) << "eight bytes";
}

TEST_F(SockNotifyTest, PacingRatesHaveTwoSizes) {
  const int tcp = host.Socket(SOCK_STREAM);
  uint64_t rate = 0;
  uint32_t length = sizeof(rate);
  EXPECT_EQ(sys().Getsockopt(thread(), tcp, kSolSocket, kSoMaxPacingRate, &rate, &length).RunNow(),
            0);
  EXPECT_EQ(rate, UINT64_MAX);
  rate = uint64_t{1} << 40;
  EXPECT_EQ(
      sys().Setsockopt(thread(), tcp, kSolSocket, kSoMaxPacingRate, &rate, sizeof(rate)).RunNow(),
      0);
  EXPECT_EQ(host.GetInt(tcp, kSolSocket, kSoMaxPacingRate), -1) << "too large for 32 bits";
  EXPECT_EQ(host.SetInt(tcp, kSolSocket, kSoMaxPacingRate, 1000), 0);
  EXPECT_EQ(host.GetInt(tcp, kSolSocket, kSoMaxPacingRate), 1000);
}

TEST_F(SockNotifyTest, TxtimeIsCheckedAndTold) {
  const int udp = host.Socket(SOCK_DGRAM);
  user_sock_txtime txtime = {1, 4};
  const auto set = [&] {
    return sys().Setsockopt(thread(), udp, kSolSocket, kSoTxtime, &txtime, sizeof(txtime)).RunNow();
  };
  EXPECT_EQ(set(), -EINVAL);
  txtime = {5, 0};
  EXPECT_EQ(set(), -EINVAL);
  txtime = {11, 3};
  EXPECT_EQ(set(), 0);
  user_sock_txtime told = {};
  uint32_t length = sizeof(told);
  EXPECT_EQ(sys().Getsockopt(thread(), udp, kSolSocket, kSoTxtime, &told, &length).RunNow(), 0);
  EXPECT_EQ(told.clockid, 11);
  EXPECT_EQ(told.flags, 3U);
}

TEST_F(SockNotifyTest, MeminfoCountsWhatIsHeld) {
  const int fd = host.BoundUdp(7000);
  host.ReceiveUdp(9, 7000, "x");
  uint32_t meminfo[9] = {};
  uint32_t length = sizeof(meminfo);
  EXPECT_EQ(sys().Getsockopt(thread(), fd, kSolSocket, kSoMeminfo, meminfo, &length).RunNow(), 0);
  EXPECT_EQ(length, sizeof(meminfo));
  EXPECT_GT(meminfo[0], 0U);
  EXPECT_EQ(meminfo[1], 212992U);
}

}  // namespace
}  // namespace tapedeck
