// Calls on streams that wait: what they have done so far is kept, and is what they return when they
// cannot go on. Connections over loopback.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "held_call.h"    // beside this file
#include "socket_host.h"  // beside this file

namespace tapedeck {
namespace {

constexpr Ipv4Address kLoopback{127, 0, 0, 1};
constexpr uint16_t kPort = 7000;

class SocketStreamTest : public ::testing::Test {
 protected:
  Syscalls& sys() { return host.sys(); }
  Thread& thread() { return *host.thread; }
  void Run(uint64_t ms) { host.RunFor(Duration::Milliseconds(ms)); }

  void Listen() {
    listener = host.Socket(SOCK_STREAM);
    ASSERT_EQ(host.Bind(listener, At(kLoopback, kPort)), 0);
    ASSERT_EQ(sys().Listen(thread(), listener, 8).RunNow(), 0);
  }
  // A connection: `near` has connected, `far` was accepted. Both block.
  void Connect() {
    Listen();
    near = host.Socket(SOCK_STREAM);
    HeldCall connect(host, [&](Thread& t) { return sys().Connect(t, near, At(kLoopback, kPort)); });
    Run(5);
    ASSERT_TRUE(connect.ended());
    ASSERT_EQ(connect.result(), 0);
    far = static_cast<int>(sys().Accept4(thread(), listener, nullptr, 0).RunNow());
    ASSERT_GT(far, 0);
  }
  void SetTimeout(int fd, int name, int64_t ms) {
    const user_timeval tv = {ms / 1000, ms % 1000 * 1000};
    ASSERT_EQ(sys().Setsockopt(thread(), fd, kSolSocket, name, &tv, sizeof(tv)).RunNow(), 0);
  }
  void SetLinger(int fd, int seconds) {
    const user_linger linger = {1, seconds};
    ASSERT_EQ(
        sys().Setsockopt(thread(), fd, kSolSocket, kSoLinger, &linger, sizeof(linger)).RunNow(), 0);
  }
  // All that can be read of `fd` now.
  Bytes Drain(int fd) {
    Bytes all;
    for (;;) {
      Bytes buffer(65536);
      const int64_t n = host.Recv(fd, &buffer);
      if (n <= 0) return all;
      all.insert(all.end(), buffer.begin(), buffer.begin() + n);
      Run(1);
    }
  }
  static Bytes Pattern(size_t bytes) {
    Bytes data(bytes);
    for (size_t i = 0; i < bytes; ++i) data[i] = static_cast<uint8_t>(i * 7 + i / 251);
    return data;
  }

  SocketHost host;
  int listener = -1;
  int near = -1;
  int far = -1;
};

// --- Sending. ---

TEST_F(SocketStreamTest, ASendGoesOnUntilAllIsSent) {
  Connect();
  const Bytes data = Pattern(20'000'000);
  HeldCall send(host, [&](Thread& t) { return sys().Sendto(t, near, data, 0); });
  Run(50);
  EXPECT_FALSE(send.ended());
  Bytes received;
  for (int round = 0; round < 1000 && !send.ended(); ++round) {
    const Bytes more = Drain(far);
    received.insert(received.end(), more.begin(), more.end());
    Run(5);
  }
  ASSERT_TRUE(send.ended());
  EXPECT_EQ(send.result(), 20'000'000);
  for (int round = 0; round < 100 && received.size() < data.size(); ++round) {
    const Bytes more = Drain(far);
    received.insert(received.end(), more.begin(), more.end());
    Run(5);
  }
  EXPECT_TRUE(received == data);
}

TEST_F(SocketStreamTest, ASendThatTimesOutReturnsWhatItSent) {
  Connect();
  SetTimeout(near, kSoSndtimeo, 100);
  const Bytes data = Pattern(20'000'000);
  const SimTime start = host.kernel.now();
  HeldCall send(host, [&](Thread& t) { return sys().Sendto(t, near, data, 0); });
  Run(90);
  EXPECT_FALSE(send.ended());
  Run(20);
  ASSERT_TRUE(send.ended());
  EXPECT_GT(send.result(), 0);
  EXPECT_LT(send.result(), 20'000'000);
  EXPECT_GE(send.ended_at() - start, Duration::Milliseconds(100));
  // Nothing more fits: the next one has nothing to show.
  HeldCall next(host, [&](Thread& t) { return sys().Sendto(t, near, data, 0); });
  Run(110);
  ASSERT_TRUE(next.ended());
  EXPECT_EQ(next.result(), -EAGAIN);
}

TEST_F(SocketStreamTest, ASignalEndsASendWithWhatItSent) {
  Connect();
  const Bytes data = Pattern(20'000'000);
  HeldCall send(host, [&](Thread& t) { return sys().Sendto(t, near, data, 0); });
  Run(50);
  send.Interrupt();
  Run(1);
  ASSERT_TRUE(send.ended());
  EXPECT_GT(send.result(), 0);
  HeldCall next(host, [&](Thread& t) { return sys().Sendto(t, near, data, 0); });
  Run(50);
  next.Interrupt();
  Run(1);
  ASSERT_TRUE(next.ended());
  EXPECT_EQ(next.result(), -EINTR);
}

// The error itself is for the next call.
TEST_F(SocketStreamTest, AResetEndsASendWithWhatItSent) {
  Connect();
  const Bytes data = Pattern(20'000'000);
  HeldCall send(host, [&](Thread& t) { return sys().Sendto(t, near, data, 0); });
  Run(50);
  SetLinger(far, 0);
  EXPECT_EQ(host.Close(far), 0);
  Run(5);
  ASSERT_TRUE(send.ended());
  EXPECT_GT(send.result(), 0);
  EXPECT_EQ(host.Send(near, BytesFrom("x")), -ECONNRESET);
  EXPECT_EQ(host.Send(near, BytesFrom("x")), -EPIPE);
}

TEST_F(SocketStreamTest, AShutdownEndsASendWithWhatItSent) {
  Connect();
  const Bytes data = Pattern(20'000'000);
  HeldCall send(host, [&](Thread& t) { return sys().Sendto(t, near, data, 0); });
  Run(50);
  EXPECT_EQ(sys().Shutdown(thread(), near, kShutWrite).RunNow(), 0);
  Run(5);
  ASSERT_TRUE(send.ended());
  EXPECT_GT(send.result(), 0);
}

TEST_F(SocketStreamTest, WritevSendsItsPiecesInOrder) {
  Connect();
  Bytes first = BytesFrom("one ");
  Bytes second = BytesFrom("stream");
  const iovec pieces[3] = {{first.data(), 4}, {nullptr, 0}, {second.data(), 6}};
  EXPECT_EQ(sys().Writev(thread(), near, pieces).RunNow(), 10);
  Run(5);
  Bytes to(16);
  const iovec into[2] = {{to.data(), 3}, {to.data() + 3, 13}};
  EXPECT_EQ(sys().Readv(thread(), far, into).RunNow(), 10);
  EXPECT_EQ(TextOf(std::span(to).first(10)), "one stream");
}

// --- Receiving. ---

TEST_F(SocketStreamTest, AReceiveReturnsTheFirstThatComes) {
  Connect();
  Bytes buffer(100);
  HeldCall read(host, [&](Thread& t) { return sys().Read(t, far, buffer); });
  Run(50);
  EXPECT_FALSE(read.ended());
  EXPECT_EQ(host.Send(near, BytesFrom("abc")), 3);
  Run(5);
  ASSERT_TRUE(read.ended());
  EXPECT_EQ(read.result(), 3);
  EXPECT_EQ(TextOf(std::span(buffer).first(3)), "abc");
}

TEST_F(SocketStreamTest, WaitallWaitsForAll) {
  Connect();
  Bytes buffer(10);
  HeldCall recv(host, [&](Thread& t) { return sys().Recvfrom(t, far, buffer, MSG_WAITALL); });
  for (const char* piece : {"abc", "defg"}) {
    host.Send(near, BytesFrom(piece));
    Run(10);
    EXPECT_FALSE(recv.ended());
  }
  host.Send(near, BytesFrom("hijkl"));
  Run(10);
  ASSERT_TRUE(recv.ended());
  EXPECT_EQ(recv.result(), 10);
  EXPECT_EQ(TextOf(buffer), "abcdefghij");
  EXPECT_EQ(host.RecvText(far), "kl");
}

TEST_F(SocketStreamTest, WaitallEndsWithTheStream) {
  Connect();
  Bytes buffer(10);
  HeldCall recv(host, [&](Thread& t) { return sys().Recvfrom(t, far, buffer, MSG_WAITALL); });
  host.Send(near, BytesFrom("abc"));
  Run(10);
  EXPECT_EQ(sys().Shutdown(thread(), near, kShutWrite).RunNow(), 0);
  Run(10);
  ASSERT_TRUE(recv.ended());
  EXPECT_EQ(recv.result(), 3);
  EXPECT_EQ(host.RecvText(far), "");
}

TEST_F(SocketStreamTest, WaitallPeeksAtAllAndLeavesIt) {
  Connect();
  Bytes buffer(6);
  HeldCall recv(host,
                [&](Thread& t) { return sys().Recvfrom(t, far, buffer, MSG_WAITALL | MSG_PEEK); });
  host.Send(near, BytesFrom("abc"));
  Run(10);
  EXPECT_FALSE(recv.ended());
  host.Send(near, BytesFrom("def"));
  Run(10);
  ASSERT_TRUE(recv.ended());
  EXPECT_EQ(recv.result(), 6);
  EXPECT_EQ(TextOf(buffer), "abcdef");
  EXPECT_EQ(host.RecvText(far), "abcdef");
}

TEST_F(SocketStreamTest, ATimeoutOrSignalEndsWaitallWithWhatCame) {
  Connect();
  SetTimeout(far, kSoRcvtimeo, 50);
  Bytes buffer(10);
  HeldCall late(host, [&](Thread& t) { return sys().Recvfrom(t, far, buffer, MSG_WAITALL); });
  host.Send(near, BytesFrom("abc"));
  Run(60);
  ASSERT_TRUE(late.ended());
  EXPECT_EQ(late.result(), 3);
  HeldCall cut(host, [&](Thread& t) { return sys().Recvfrom(t, far, buffer, MSG_WAITALL); });
  host.Send(near, BytesFrom("de"));
  Run(10);
  cut.Interrupt();
  Run(1);
  ASSERT_TRUE(cut.ended());
  EXPECT_EQ(cut.result(), 2);
}

TEST_F(SocketStreamTest, RcvlowatIsHowMuchAReceiveWaitsFor) {
  Connect();
  EXPECT_EQ(host.SetInt(far, kSolSocket, kSoRcvlowat, 6), 0);
  Bytes buffer(100);
  HeldCall read(host, [&](Thread& t) { return sys().Read(t, far, buffer); });
  host.Send(near, BytesFrom("abc"));
  Run(10);
  EXPECT_FALSE(read.ended());
  EXPECT_EQ(host.PollNow(far, EPOLLIN), 0);
  host.Send(near, BytesFrom("def"));
  Run(10);
  ASSERT_TRUE(read.ended());
  EXPECT_EQ(read.result(), 6);
}

TEST_F(SocketStreamTest, AResetEndsAReceive) {
  Connect();
  Bytes buffer(10);
  HeldCall read(host, [&](Thread& t) { return sys().Read(t, near, buffer); });
  SetLinger(far, 0);
  EXPECT_EQ(host.Close(far), 0);
  Run(5);
  ASSERT_TRUE(read.ended());
  EXPECT_EQ(read.result(), -ECONNRESET);
  EXPECT_EQ(host.RecvText(near), "");
}

// --- Connecting and accepting. ---

TEST_F(SocketStreamTest, AConnectWaitsForTheAnswer) {
  host.Sysctl("net/ipv4/tcp_syn_retries", "1");
  host.Sysctl("net/ipv4/tcp_syn_linear_timeouts", "0");
  const int fd = host.Socket(SOCK_STREAM);
  HeldCall connect(host, [&](Thread& t) { return sys().Connect(t, fd, At(kPeer, 80)); });
  size_t syns = 0;
  for (int i = 0; i < 29; ++i) {
    Run(100);
    syns += host.TakeSent().size();
  }
  EXPECT_FALSE(connect.ended());
  EXPECT_EQ(syns, 2U);
  Run(200);
  ASSERT_TRUE(connect.ended());
  EXPECT_EQ(connect.result(), -ETIMEDOUT);
}

TEST_F(SocketStreamTest, AConnectIsRefused) {
  const int fd = host.Socket(SOCK_STREAM);
  HeldCall connect(host, [&](Thread& t) { return sys().Connect(t, fd, At(kLoopback, 9)); });
  Run(5);
  ASSERT_TRUE(connect.ended());
  EXPECT_EQ(connect.result(), -ECONNREFUSED);
  // The error has been told.
  EXPECT_EQ(host.GetInt(fd, kSolSocket, kSoError), 0);
}

TEST_F(SocketStreamTest, AConnectThatWaitsNoLongerGoesOnWithoutItsCall) {
  const int fd = host.Socket(SOCK_STREAM);
  SetTimeout(fd, kSoSndtimeo, 100);
  HeldCall connect(host, [&](Thread& t) { return sys().Connect(t, fd, At(kPeer, 80)); });
  Run(110);
  ASSERT_TRUE(connect.ended());
  EXPECT_EQ(connect.result(), -EINPROGRESS);
  HeldCall again(host, [&](Thread& t) { return sys().Connect(t, fd, At(kPeer, 80)); });
  Run(110);
  ASSERT_TRUE(again.ended());
  EXPECT_EQ(again.result(), -EALREADY);
  HeldCall cut(host, [&](Thread& t) { return sys().Connect(t, fd, At(kPeer, 80)); });
  Run(10);
  cut.Interrupt();
  Run(1);
  ASSERT_TRUE(cut.ended());
  EXPECT_EQ(cut.result(), -EINTR);
}

TEST_F(SocketStreamTest, AnAcceptWaitsForAConnection) {
  Listen();
  SockAddr peer;
  HeldCall accept(host, [&](Thread& t) { return sys().Accept(t, listener, &peer); });
  Run(10);
  EXPECT_FALSE(accept.ended());
  near = host.Socket(SOCK_STREAM);
  host.Connect(near, At(kLoopback, kPort));
  Run(5);
  ASSERT_TRUE(accept.ended());
  EXPECT_GT(accept.result(), 0);
  EXPECT_EQ(peer.ToEndpoint()->address.v4(), kLoopback);
}

TEST_F(SocketStreamTest, AnAcceptTimesOutAndEndsWithItsListener) {
  Listen();
  SetTimeout(listener, kSoRcvtimeo, 30);
  HeldCall late(host, [&](Thread& t) { return sys().Accept(t, listener, nullptr); });
  Run(40);
  ASSERT_TRUE(late.ended());
  EXPECT_EQ(late.result(), -EAGAIN);
  SetTimeout(listener, kSoRcvtimeo, 0);
  HeldCall accept(host, [&](Thread& t) { return sys().Accept(t, listener, nullptr); });
  Run(10);
  EXPECT_EQ(sys().Shutdown(thread(), listener, kShutRead).RunNow(), 0);
  Run(1);
  ASSERT_TRUE(accept.ended());
  EXPECT_EQ(accept.result(), -EINVAL);
}

// One connection wakes one of them.
TEST_F(SocketStreamTest, ConnectionsGoToTheirWaitersInOrder) {
  Listen();
  HeldCall first(host, [&](Thread& t) { return sys().Accept(t, listener, nullptr); });
  HeldCall second(host, [&](Thread& t) { return sys().Accept(t, listener, nullptr); });
  host.Connect(host.Socket(SOCK_STREAM), At(kLoopback, kPort));
  Run(5);
  EXPECT_TRUE(first.ended());
  EXPECT_FALSE(second.ended());
  host.Connect(host.Socket(SOCK_STREAM), At(kLoopback, kPort));
  Run(5);
  EXPECT_TRUE(second.ended());
}

// --- Closing. ---

TEST_F(SocketStreamTest, ACloseLingersUntilThePeerHasAnswered) {
  Connect();
  SetLinger(near, 10);
  HeldCall close(host, [&](Thread& t) { return sys().Close(t, near); });
  EXPECT_FALSE(close.ended());
  // The descriptor is gone at once.
  EXPECT_EQ(host.Close(near), -EBADF);
  Run(100);
  ASSERT_TRUE(close.ended());
  EXPECT_EQ(close.result(), 0);
}

TEST_F(SocketStreamTest, ACloseLingersNoLongerThanItWasTold) {
  Connect();
  SetLinger(near, 2);
  // The peer reads nothing, so its window closes and the FIN waits behind what does not fit.
  const Bytes data = Pattern(20'000'000);
  EXPECT_GT(host.Send(near, data, MSG_DONTWAIT), 0);
  Run(20);
  EXPECT_GT(host.Send(near, data, MSG_DONTWAIT), 0);
  const SimTime start = host.kernel.now();
  HeldCall close(host, [&](Thread& t) { return sys().Close(t, near); });
  Run(1900);
  EXPECT_FALSE(close.ended());
  Run(200);
  ASSERT_TRUE(close.ended());
  EXPECT_EQ(close.result(), 0);
  EXPECT_GE(close.ended_at() - start, Duration::Seconds(2));
  // Let the rest of it go, so that nothing is left.
  SetLinger(far, 0);
  EXPECT_EQ(host.Close(far), 0);
  Run(10);
}

TEST_F(SocketStreamTest, OnlyTheLastDescriptorLingers) {
  Connect();
  SetLinger(near, 10);
  EXPECT_GT(sys().Dup(thread(), near).RunNow(), 0);
  HeldCall close(host, [&](Thread& t) { return sys().Close(t, near); });
  EXPECT_TRUE(close.ended());
}

}  // namespace
}  // namespace tapedeck
