// poll(2) over sockets: what is true when, and waiting for several at once.
#include <gtest/gtest.h>

#include "socket_host.h"  // beside this file

namespace tapedeck {
namespace {

constexpr int16_t kWritable = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
constexpr int64_t kStillWaiting = -1000;

class PollTest : public ::testing::Test {
 protected:
  struct Poller {
    pollfd fds[3];
    uint32_t count = 0;
    int64_t result = kStillWaiting;
    SimTime at;
  };
  Thread* SpawnPoll(Poller* poller, Duration timeout) {
    Syscalls* const sys = &host.sys();
    return host.kernel.Spawn(0, [sys, poller, timeout](Thread& thread) -> Task<> {
      poller->result = co_await sys->Poll(thread, {poller->fds, poller->count}, timeout);
      poller->at = thread.kernel().now();
    });
  }

  SocketHost host;
};

// Masks as the kernel gives them (6.18, asked).
TEST_F(PollTest, TheMaskOfAUdpSocketInItsStates) {
  const int fd = host.BoundUdp(7000);
  EXPECT_EQ(host.PollNow(fd), kWritable);
  host.ReceiveUdp(9, 7000, "x");
  EXPECT_EQ(host.PollNow(fd), EPOLLIN | EPOLLRDNORM | kWritable);
  host.RecvText(fd);
  EXPECT_EQ(host.Connect(fd, At(kPeer, 9)), 0);
  EXPECT_EQ(host.sys().Shutdown(*host.thread, fd, kShutRead).RunNow(), 0);
  EXPECT_EQ(host.PollNow(fd), EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | kWritable);
  EXPECT_EQ(host.sys().Shutdown(*host.thread, fd, kShutWrite).RunNow(), 0);
  EXPECT_EQ(host.PollNow(fd), EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLHUP | kWritable);
  EXPECT_EQ(host.PollNow(fd, 0), EPOLLHUP) << "reported though not asked for";
}

TEST_F(PollTest, DescriptorsThatAreNone) {
  EXPECT_EQ(host.PollNow(77, EPOLLIN), EPOLLNVAL);
  EXPECT_EQ(host.PollNow(-1, EPOLLIN), 0);
  std::vector<pollfd> many(1025);
  EXPECT_EQ(host.sys().Poll(*host.thread, many, Duration{}).RunNow(), -EINVAL);
  EXPECT_EQ(host.sys()
                .Poll(*host.thread, std::span<pollfd>(static_cast<pollfd*>(nullptr), 1), Duration{})
                .RunNow(),
            -EFAULT);
}

TEST_F(PollTest, WakesWithTheOneThatIsReady) {
  Poller poller;
  poller.fds[0] = {.fd = host.BoundUdp(7000), .events = EPOLLIN};
  poller.fds[1] = {.fd = -1, .events = EPOLLIN};
  poller.fds[2] = {.fd = host.BoundUdp(7001), .events = EPOLLIN};
  poller.count = 3;
  SpawnPoll(&poller, Duration::Max());
  host.RunFor(Duration::Seconds(10));
  EXPECT_EQ(poller.result, kStillWaiting);
  host.ReceiveUdp(9, 7001, "x");
  EXPECT_EQ(poller.result, 1);
  EXPECT_EQ(poller.fds[0].revents, 0);
  EXPECT_EQ(poller.fds[1].revents, 0);
  EXPECT_EQ(poller.fds[2].revents, EPOLLIN);
}

TEST_F(PollTest, AnEventThatIsNotAskedForDoesNotWake) {
  Poller poller;
  poller.fds[0] = {.fd = host.BoundUdp(7000), .events = EPOLLPRI};
  poller.count = 1;
  SpawnPoll(&poller, Duration::Max());
  host.RunFor(Duration::Milliseconds(1));
  host.ReceiveUdp(9, 7000, "x");
  EXPECT_EQ(poller.result, kStillWaiting);
}

TEST_F(PollTest, TimesOutExactly) {
  Poller poller;
  poller.fds[0] = {.fd = host.BoundUdp(7000), .events = EPOLLIN};
  poller.count = 1;
  const SimTime start = host.world.now();
  SpawnPoll(&poller, Duration::Milliseconds(30));
  host.RunFor(Duration::Milliseconds(100));
  EXPECT_EQ(poller.result, 0);
  EXPECT_EQ(poller.at - start, Duration::Milliseconds(30));
}

// A wake-up that comes to nothing (the datagram is gone, its checksum wrong) goes on waiting, up to
// the first deadline.
TEST_F(PollTest, AFalseWakeUpDoesNotExtendTheWait) {
  const int fd = host.BoundUdp(7000);
  Poller poller;
  poller.fds[0] = {.fd = fd, .events = EPOLLIN};
  poller.count = 1;
  const SimTime start = host.world.now();
  SpawnPoll(&poller, Duration::Milliseconds(30));
  host.RunFor(Duration::Milliseconds(20));
  Bytes frame = SocketHost::UdpFrame(At(kPeer, 9), At(kUs, 7000), Pattern(400));
  frame.back() ^= 0x01;
  host.Receive(frame);
  EXPECT_EQ(poller.result, kStillWaiting);
  host.RunFor(Duration::Milliseconds(100));
  EXPECT_EQ(poller.result, 0);
  EXPECT_EQ(poller.at - start, Duration::Milliseconds(30));
}

TEST_F(PollTest, ASignalEndsIt) {
  Poller poller;
  poller.fds[0] = {.fd = host.BoundUdp(7000), .events = EPOLLIN};
  poller.count = 1;
  Thread* const thread = SpawnPoll(&poller, Duration::Max());
  host.RunFor(Duration::Milliseconds(1));
  thread->Interrupt();
  host.RunFor(Duration::Milliseconds(1));
  EXPECT_EQ(poller.result, -EINTR);
}

TEST_F(PollTest, NoDescriptorsIsASleep) {
  Poller poller;
  const SimTime start = host.world.now();
  SpawnPoll(&poller, Duration::Milliseconds(5));
  host.RunFor(Duration::Milliseconds(10));
  EXPECT_EQ(poller.result, 0);
  EXPECT_EQ(poller.at - start, Duration::Milliseconds(5));
}

TEST_F(PollTest, AClosedDescriptorStaysPolledUntilTheEnd) {
  const int fd = host.BoundUdp(7000);
  Poller poller;
  poller.fds[0] = {.fd = fd, .events = EPOLLIN};
  poller.count = 1;
  SpawnPoll(&poller, Duration::Max());
  host.RunFor(Duration::Milliseconds(1));
  EXPECT_EQ(host.Close(fd), 0);
  host.ReceiveUdp(9, 7000, "x");
  EXPECT_EQ(poller.result, 1);
  EXPECT_EQ(host.sys().live_sockets(), 0U);
}

TEST_F(PollTest, APollIsNoExclusiveSleeper) {
  const int fd = host.BoundUdp(7000);
  Poller pollers[2];
  for (Poller& poller : pollers) {
    poller.fds[0] = {.fd = fd, .events = EPOLLIN};
    poller.count = 1;
    SpawnPoll(&poller, Duration::Max());
  }
  host.RunFor(Duration::Milliseconds(1));
  host.ReceiveUdp(9, 7000, "x");
  for (const Poller& poller : pollers) EXPECT_EQ(poller.result, 1);
}

TEST_F(PollTest, TheEndOfTheProcessTakesItOffEveryQueue) {
  Poller poller;
  poller.fds[0] = {.fd = host.BoundUdp(7000), .events = EPOLLIN};
  poller.fds[1] = {.fd = host.BoundUdp(7001), .events = EPOLLIN};
  poller.count = 2;
  SpawnPoll(&poller, Duration::Max());
  host.RunFor(Duration::Milliseconds(1));
  host.sys().CloseAll();
  EXPECT_EQ(host.sys().live_sockets(), 0U);
}

}  // namespace
}  // namespace tapedeck
