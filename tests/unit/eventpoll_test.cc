// epoll: level, edge, one-shot, exclusive, nested; and select. Results as Linux gives them.
#include <gtest/gtest.h>

#include <vector>

#include "held_call.h"    // beside this file
#include "socket_host.h"  // beside this file

namespace tapedeck {
namespace {

constexpr Duration kForever = Duration::Max();

class EventpollTest : public ::testing::Test {
 protected:
  Syscalls& sys() { return host.sys(); }
  Thread& thread() { return *host.thread; }
  int Epoll() { return static_cast<int>(sys().EpollCreate1(thread(), 0).RunNow()); }
  int64_t Ctl(int ep, int op, int fd, uint32_t events, uint64_t data = 0) {
    const epoll_event event = {events, data};
    return sys().EpollCtl(thread(), ep, op, fd, &event).RunNow();
  }
  int64_t Add(int ep, int fd, uint32_t events) {
    return Ctl(ep, kEpollCtlAdd, fd, events, static_cast<uint64_t>(fd));
  }
  // What is ready now: {data, events} of each.
  std::vector<std::pair<uint64_t, uint32_t>> Ready(int ep, size_t room = 8) {
    std::vector<epoll_event> events(room);
    const int64_t n = sys().EpollWait(thread(), ep, events, Duration{}).RunNow();
    std::vector<std::pair<uint64_t, uint32_t>> ready;
    for (int64_t i = 0; i < n; ++i) {
      ready.emplace_back(events[static_cast<size_t>(i)].data,
                         events[static_cast<size_t>(i)].events);
    }
    return ready;
  }
  using Events = std::vector<std::pair<uint64_t, uint32_t>>;

  // A pair of connected streams.
  void Pair() { ASSERT_EQ(sys().Socketpair(thread(), kAfUnix, SOCK_STREAM, 0, pair).RunNow(), 0); }
  void Write(int fd, const char* text) {
    ASSERT_GT(sys().Write(thread(), fd, BytesFrom(text)).RunNow(), 0);
  }

  SocketHost host;
  int pair[2] = {};
  epoll_event events_;
};

TEST_F(EventpollTest, LevelTriggeredEventsComeAgainWhileTheyHold) {
  Pair();
  const int ep = Epoll();
  EXPECT_EQ(Add(ep, pair[0], EPOLLIN), 0);
  EXPECT_EQ(Ready(ep), Events{});
  Write(pair[1], "ab");
  const Events readable = {{static_cast<uint64_t>(pair[0]), EPOLLIN}};
  EXPECT_EQ(Ready(ep), readable);
  EXPECT_EQ(Ready(ep), readable);
  EXPECT_EQ(host.RecvText(pair[0]), "ab");
  EXPECT_EQ(Ready(ep), Events{});
}

TEST_F(EventpollTest, EdgeTriggeredEventsComeOnceForEachChange) {
  Pair();
  const int ep = Epoll();
  EXPECT_EQ(Add(ep, pair[0], EPOLLIN | EPOLLET), 0);
  Write(pair[1], "a");
  EXPECT_EQ(Ready(ep).size(), 1U);
  EXPECT_EQ(Ready(ep).size(), 0U);
  Write(pair[1], "b");
  EXPECT_EQ(Ready(ep).size(), 1U);
  EXPECT_EQ(Ready(ep).size(), 0U);
}

TEST_F(EventpollTest, OneShotEventsComeOnceUntilTheyAreAskedForAgain) {
  Pair();
  const int ep = Epoll();
  EXPECT_EQ(Add(ep, pair[0], EPOLLIN | EPOLLONESHOT), 0);
  Write(pair[1], "a");
  EXPECT_EQ(Ready(ep).size(), 1U);
  Write(pair[1], "b");
  EXPECT_EQ(Ready(ep).size(), 0U);
  EXPECT_EQ(Ctl(ep, kEpollCtlMod, pair[0], EPOLLIN | EPOLLONESHOT), 0);
  EXPECT_EQ(Ready(ep).size(), 1U);
}

TEST_F(EventpollTest, ModifyingAsksAnew) {
  Pair();
  const int ep = Epoll();
  EXPECT_EQ(Add(ep, pair[0], EPOLLIN), 0);
  EXPECT_EQ(Ready(ep), Events{});
  EXPECT_EQ(Ctl(ep, kEpollCtlMod, pair[0], EPOLLOUT, 7), 0);
  EXPECT_EQ(Ready(ep), (Events{{7, EPOLLOUT}}));
}

TEST_F(EventpollTest, ReadyOnesTakeTurns) {
  Pair();
  const int ep = Epoll();
  EXPECT_EQ(Ctl(ep, kEpollCtlAdd, pair[0], EPOLLOUT, 1), 0);
  EXPECT_EQ(Ctl(ep, kEpollCtlAdd, pair[1], EPOLLOUT, 2), 0);
  EXPECT_EQ(Ready(ep, 1), (Events{{1, EPOLLOUT}}));
  EXPECT_EQ(Ready(ep, 1), (Events{{2, EPOLLOUT}}));
  EXPECT_EQ(Ready(ep, 1), (Events{{1, EPOLLOUT}}));
}

TEST_F(EventpollTest, TheEndOfAStreamIsTold) {
  Pair();
  const int ep = Epoll();
  EXPECT_EQ(Ctl(ep, kEpollCtlAdd, pair[0], EPOLLIN | EPOLLRDHUP, 1), 0);
  EXPECT_EQ(host.Close(pair[1]), 0);
  EXPECT_EQ(Ready(ep), (Events{{1, EPOLLIN | EPOLLRDHUP | EPOLLHUP}}));
}

TEST_F(EventpollTest, AClosedFileIsWatchedNoMore) {
  Pair();
  const int ep = Epoll();
  EXPECT_EQ(Add(ep, pair[0], EPOLLIN), 0);
  Write(pair[1], "a");
  const auto copy = static_cast<int>(sys().Dup(thread(), pair[0]).RunNow());
  EXPECT_EQ(host.Close(pair[0]), 0);
  EXPECT_EQ(Ready(ep).size(), 1U) << "the file is still open";
  EXPECT_EQ(host.Close(copy), 0);
  EXPECT_EQ(Ready(ep).size(), 0U);
  EXPECT_EQ(sys().live_epoll_items(), 0U);
}

TEST_F(EventpollTest, ErrorsOfEpollCtl) {
  Pair();
  const int ep = Epoll();
  EXPECT_EQ(sys().ram_files().Put("/file", BytesFrom("x")), 0);
  const auto file = static_cast<int>(sys().Open(thread(), "/file", kORdonly).RunNow());
  EXPECT_EQ(Add(ep, 99, EPOLLIN), -EBADF);
  EXPECT_EQ(Add(99, pair[0], EPOLLIN), -EBADF);
  EXPECT_EQ(Add(ep, file, EPOLLIN), -EPERM);
  EXPECT_EQ(Add(ep, ep, EPOLLIN), -EINVAL);
  EXPECT_EQ(Add(pair[0], pair[1], EPOLLIN), -EINVAL);
  EXPECT_EQ(Ctl(ep, 9, pair[0], EPOLLIN), -EINVAL);
  EXPECT_EQ(Ctl(ep, kEpollCtlMod, pair[0], EPOLLIN), -ENOENT);
  EXPECT_EQ(Ctl(ep, kEpollCtlDel, pair[0], 0), -ENOENT);
  EXPECT_EQ(Add(ep, pair[0], EPOLLIN), 0);
  EXPECT_EQ(Add(ep, pair[0], EPOLLIN), -EEXIST);
  EXPECT_EQ(sys().EpollCtl(thread(), ep, kEpollCtlAdd, pair[1], nullptr).RunNow(), -EFAULT);
  EXPECT_EQ(sys().EpollCtl(thread(), ep, kEpollCtlDel, pair[0], nullptr).RunNow(), 0);
  EXPECT_EQ(Add(ep, pair[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT), -EINVAL);
  EXPECT_EQ(Add(ep, pair[0], EPOLLIN | EPOLLEXCLUSIVE), 0);
  EXPECT_EQ(Ctl(ep, kEpollCtlMod, pair[0], EPOLLOUT), -EINVAL);
  std::vector<epoll_event> none;
  EXPECT_EQ(sys().EpollWait(thread(), ep, none, Duration{}).RunNow(), -EINVAL);
  EXPECT_EQ(sys().EpollCreate(thread(), 0).RunNow(), -EINVAL);
  EXPECT_EQ(sys().EpollCreate1(thread(), 1).RunNow(), -EINVAL);
}

TEST_F(EventpollTest, AnEpollMayWatchAnotherButNotInACircle) {
  Pair();
  const int inner = Epoll();
  const int outer = Epoll();
  EXPECT_EQ(Add(outer, inner, EPOLLIN), 0);
  EXPECT_EQ(Add(inner, outer, EPOLLIN), -ELOOP);
  EXPECT_EQ(Add(inner, pair[0], EPOLLIN), 0);
  EXPECT_EQ(Ready(outer).size(), 0U);
  HeldCall wait(host,
                [&](Thread& t) { return sys().EpollWait(t, outer, {&events_, 1}, kForever); });
  EXPECT_FALSE(wait.ended());
  Write(pair[1], "a");
  host.RunFor(Duration::Microseconds(1));
  ASSERT_TRUE(wait.ended());
  EXPECT_EQ(wait.result(), 1);
  EXPECT_EQ(host.PollNow(inner), EPOLLIN | EPOLLRDNORM);
  host.RecvText(pair[0]);
  EXPECT_EQ(Ready(outer).size(), 0U);
}

TEST_F(EventpollTest, NestingHasALimit) {
  int below = Epoll();
  int depth = 0;
  for (; depth < 10; ++depth) {
    const int above = Epoll();
    if (Add(above, below, EPOLLIN) != 0) break;
    below = above;
  }
  EXPECT_EQ(depth, 4);
}

TEST_F(EventpollTest, AWaitIsWokenByAnEventAndTimesOut) {
  Pair();
  const int ep = Epoll();
  EXPECT_EQ(Add(ep, pair[0], EPOLLIN), 0);
  HeldCall wait(host, [&](Thread& t) {
    return sys().EpollWait(t, ep, {&events_, 1}, Duration::Milliseconds(20));
  });
  host.RunFor(Duration::Milliseconds(10));
  EXPECT_FALSE(wait.ended());
  host.RunFor(Duration::Milliseconds(11));
  ASSERT_TRUE(wait.ended());
  EXPECT_EQ(wait.result(), 0);
  HeldCall cut(host, [&](Thread& t) { return sys().EpollWait(t, ep, {&events_, 1}, kForever); });
  cut.Interrupt();
  host.RunFor(Duration::Milliseconds(1));
  EXPECT_EQ(cut.result(), -EINTR);
}

// One event wakes one thread; with EPOLLEXCLUSIVE, of one epoll.
TEST_F(EventpollTest, AnExclusiveEventWakesOneEpoll) {
  Pair();
  const int first = Epoll();
  const int second = Epoll();
  EXPECT_EQ(Add(first, pair[0], EPOLLIN | EPOLLEXCLUSIVE), 0);
  EXPECT_EQ(Add(second, pair[0], EPOLLIN | EPOLLEXCLUSIVE), 0);
  epoll_event other;
  HeldCall one(host, [&](Thread& t) { return sys().EpollWait(t, first, {&events_, 1}, kForever); });
  HeldCall two(host, [&](Thread& t) { return sys().EpollWait(t, second, {&other, 1}, kForever); });
  Write(pair[1], "a");
  host.RunFor(Duration::Microseconds(5));
  EXPECT_EQ(one.ended() + two.ended(), 1);
}

// --- select. ---

TEST_F(EventpollTest, SelectSaysWhichAreReady) {
  Pair();
  fd_set_bits read;
  fd_set_bits write;
  read.Set(pair[0]);
  write.Set(pair[0]);
  write.Set(pair[1]);
  EXPECT_EQ(sys().Select(thread(), 64, &read, &write, nullptr, Duration{}).RunNow(), 2);
  EXPECT_FALSE(read.IsSet(pair[0]));
  EXPECT_TRUE(write.IsSet(pair[0]));
  fd_set_bits bad;
  bad.Set(50);
  EXPECT_EQ(sys().Select(thread(), 64, &bad, nullptr, nullptr, Duration{}).RunNow(), -EBADF);
  EXPECT_EQ(sys().Select(thread(), 50, &bad, nullptr, nullptr, Duration{}).RunNow(), 0);
  EXPECT_EQ(sys().Select(thread(), -1, nullptr, nullptr, nullptr, Duration{}).RunNow(), -EINVAL);
}

TEST_F(EventpollTest, SelectWaits) {
  Pair();
  fd_set_bits read;
  read.Set(pair[0]);
  HeldCall select(host, [&](Thread& t) {
    return sys().Select(t, pair[0] + 1, &read, nullptr, nullptr, kForever);
  });
  EXPECT_FALSE(select.ended());
  Write(pair[1], "a");
  host.RunFor(Duration::Microseconds(1));
  ASSERT_TRUE(select.ended());
  EXPECT_EQ(select.result(), 1);
  EXPECT_TRUE(read.IsSet(pair[0]));
  host.RecvText(pair[0]);
  HeldCall late(host, [&](Thread& t) {
    return sys().Select(t, pair[0] + 1, &read, nullptr, nullptr, Duration::Milliseconds(5));
  });
  host.RunFor(Duration::Milliseconds(6));
  ASSERT_TRUE(late.ended());
  EXPECT_EQ(late.result(), 0);
  EXPECT_FALSE(read.IsSet(pair[0]));
}

}  // namespace
}  // namespace tapedeck
