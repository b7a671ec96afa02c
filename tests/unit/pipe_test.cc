// Pipes, splice, sendfile, socketpair, and many messages with one call.
#include <gtest/gtest.h>

#include "held_call.h"    // beside this file
#include "socket_host.h"  // beside this file

namespace tapedeck {
namespace {

class PipeTest : public ::testing::Test {
 protected:
  PipeTest() {
    EXPECT_EQ(sys().Pipe(thread(), pipe).RunNow(), 0);
    EXPECT_EQ(sys().Socketpair(thread(), kAfUnix, SOCK_STREAM, 0, pair).RunNow(), 0);
  }
  Syscalls& sys() { return host.sys(); }
  Thread& thread() { return *host.thread; }
  int64_t Write(int fd, const Bytes& data) { return sys().Write(thread(), fd, data).RunNow(); }
  std::string Read(int fd, size_t bytes = 200'000) {
    Bytes buffer(bytes);
    const int64_t n = sys().Read(thread(), fd, buffer).RunNow();
    return n <= 0 ? "" : TextOf(std::span(buffer).first(static_cast<size_t>(n)));
  }
  int64_t Splice(int in, int out, size_t bytes, uint32_t flags = 0) {
    return sys().Splice(thread(), in, nullptr, out, nullptr, bytes, flags).RunNow();
  }

  SocketHost host;
  int pipe[2] = {};
  int pair[2] = {};
};

TEST_F(PipeTest, AReadGetsWhatIsThereAndTheEndAtTheEnd) {
  EXPECT_EQ(Write(pipe[1], BytesFrom("hello ")), 6);
  EXPECT_EQ(Write(pipe[1], BytesFrom("world")), 5);
  EXPECT_EQ(Read(pipe[0], 8), "hello wo");
  EXPECT_EQ(Read(pipe[0]), "rld");
  EXPECT_EQ(host.Close(pipe[1]), 0);
  Bytes buffer(4);
  EXPECT_EQ(sys().Read(thread(), pipe[0], buffer).RunNow(), 0);
}

TEST_F(PipeTest, ItHoldsSixteenPages) {
  // 3000 bytes fit no page beside one another: a slot each.
  int writes = 0;
  while (Write(pipe[1], Bytes(3000)) == 3000) ++writes;
  EXPECT_EQ(writes, 16);
  while (!Read(pipe[0]).empty()) {
  }
  EXPECT_EQ(Write(pipe[1], Bytes(100'000)), 65536);
}

TEST_F(PipeTest, AWriteWaitsForRoomAndGoesOn) {
  const Bytes data(150'000, 'x');
  HeldCall write(host, [&](Thread& t) { return sys().Write(t, pipe[1], data); });
  size_t read = 0;
  for (int i = 0; i < 10 && !write.ended(); ++i) {
    read += Read(pipe[0], 40'000).size();
    host.RunFor(Duration::Microseconds(5));
  }
  ASSERT_TRUE(write.ended());
  EXPECT_EQ(write.result(), 150'000);
  read += Read(pipe[0]).size();
  EXPECT_EQ(read, 150'000U);
}

TEST_F(PipeTest, AReaderIsWokenByDataAndByTheEnd) {
  Bytes buffer(10);
  HeldCall read(host, [&](Thread& t) { return sys().Read(t, pipe[0], buffer); });
  EXPECT_FALSE(read.ended());
  Write(pipe[1], BytesFrom("abc"));
  host.RunFor(Duration::Microseconds(1));
  ASSERT_TRUE(read.ended());
  EXPECT_EQ(read.result(), 3);
  HeldCall last(host, [&](Thread& t) { return sys().Read(t, pipe[0], buffer); });
  EXPECT_EQ(host.Close(pipe[1]), 0);
  host.RunFor(Duration::Microseconds(1));
  ASSERT_TRUE(last.ended());
  EXPECT_EQ(last.result(), 0);
}

TEST_F(PipeTest, PipesEndWithTheirLastDescriptor) {
  EXPECT_EQ(sys().live_pipes(), 1U);
  Write(pipe[1], BytesFrom("left"));
  EXPECT_EQ(host.Close(pipe[0]), 0);
  EXPECT_EQ(Write(pipe[1], BytesFrom("x")), -EPIPE);
  EXPECT_EQ(host.Close(pipe[1]), 0);
  EXPECT_EQ(sys().live_pipes(), 0U);
  EXPECT_EQ(host.LivePackets(), 0U);
}

TEST_F(PipeTest, FlagsOfPipe2AndDup3) {
  int fds[2] = {};
  EXPECT_EQ(sys().Pipe2(thread(), fds, 1).RunNow(), -EINVAL);
  EXPECT_EQ(sys().Pipe2(thread(), fds, kONonblock | kOCloexec).RunNow(), 0);
  EXPECT_EQ(sys().Fcntl(thread(), fds[0], kFGetfd, 0).RunNow(), kFdCloexec);
  EXPECT_EQ(sys().Fcntl(thread(), fds[1], kFGetfl, 0).RunNow(), kOWronly | kONonblock);
  EXPECT_EQ(sys().Dup3(thread(), fds[0], fds[0], 0).RunNow(), -EINVAL);
  EXPECT_EQ(sys().Dup3(thread(), fds[0], 90, kOCloexec).RunNow(), 90);
  EXPECT_EQ(sys().Fcntl(thread(), 90, kFGetfd, 0).RunNow(), kFdCloexec);
  EXPECT_EQ(sys().Pipe2(thread(), nullptr, 0).RunNow(), -EFAULT);
  EXPECT_EQ(sys().Fcntl(thread(), fds[0], kFGetpipeSz, 0).RunNow(), 65536);
}

// --- splice and sendfile. ---

TEST_F(PipeTest, SpliceMovesFromSocketToPipeToSocket) {
  Write(pair[1], BytesFrom("through the pipe"));
  EXPECT_EQ(Splice(pair[0], pipe[1], 7), 7);
  EXPECT_EQ(Splice(pair[0], pipe[1], 100), 9);
  EXPECT_EQ(Splice(pair[0], pipe[1], 100), -EAGAIN);
  EXPECT_EQ(Splice(pipe[0], pair[0], 100), 16);
  EXPECT_EQ(Read(pair[1]), "through the pipe");
  EXPECT_EQ(Splice(pipe[0], pair[0], 100, 2), -EAGAIN);
}

TEST_F(PipeTest, SpliceWaitsForData) {
  HeldCall splice(
      host, [&](Thread& t) { return sys().Splice(t, pair[0], nullptr, pipe[1], nullptr, 100, 0); });
  EXPECT_FALSE(splice.ended());
  Write(pair[1], BytesFrom("abc"));
  host.RunFor(Duration::Microseconds(1));
  ASSERT_TRUE(splice.ended());
  EXPECT_EQ(splice.result(), 3);
  EXPECT_EQ(Read(pipe[0]), "abc");
}

TEST_F(PipeTest, SpliceBetweenPipes) {
  int other[2] = {};
  EXPECT_EQ(sys().Pipe(thread(), other).RunNow(), 0);
  Write(pipe[1], BytesFrom("abcdef"));
  EXPECT_EQ(Splice(pipe[0], other[1], 4), 4);
  EXPECT_EQ(Read(other[0]), "abcd");
  EXPECT_EQ(Read(pipe[0]), "ef");
  EXPECT_EQ(Splice(pipe[0], pipe[1], 4), -EINVAL);
}

TEST_F(PipeTest, ErrorsOfSplice) {
  int64_t offset = 0;
  EXPECT_EQ(Splice(pair[0], pair[1], 10), -EINVAL);
  EXPECT_EQ(Splice(pair[0], pipe[1], 10, 0x10), -EINVAL);
  EXPECT_EQ(Splice(pair[0], 99, 10), -EBADF);
  EXPECT_EQ(Splice(pair[0], pipe[0], 10), -EBADF);
  EXPECT_EQ(Splice(99, pipe[1], 0), 0);
  EXPECT_EQ(sys().Splice(thread(), pipe[0], &offset, pair[0], nullptr, 1, 0).RunNow(), -ESPIPE);
  EXPECT_EQ(host.Close(pair[1]), 0);
  EXPECT_EQ(Splice(pair[0], pipe[1], 10), 0);
}

TEST_F(PipeTest, SendfileSendsFromAFile) {
  EXPECT_EQ(sys().ram_files().Put("/data", BytesFrom("0123456789")), 0);
  EXPECT_EQ(sys().Open(thread(), "/none", kORdonly).RunNow(), -ENOENT);
  EXPECT_EQ(sys().Open(thread(), "/data", kORdwr).RunNow(), -EROFS);
  const auto file = static_cast<int>(sys().Open(thread(), "/data", kORdonly).RunNow());
  EXPECT_EQ(sys().Sendfile(thread(), pair[0], file, nullptr, 4).RunNow(), 4);
  int64_t offset = 8;
  EXPECT_EQ(sys().Sendfile(thread(), pair[0], file, &offset, 100).RunNow(), 2);
  EXPECT_EQ(offset, 10);
  EXPECT_EQ(sys().Sendfile(thread(), pair[0], file, nullptr, 3).RunNow(), 3);
  EXPECT_EQ(Read(pair[1]), "012389456");
  EXPECT_EQ(Read(file), "789");
  EXPECT_EQ(sys().Sendfile(thread(), pair[0], pair[1], nullptr, 3).RunNow(), -EINVAL);
}

// --- Pairs. ---

TEST_F(PipeTest, APairOfDatagramSocketsKeepsMessages) {
  int fds[2] = {};
  EXPECT_EQ(sys().Socketpair(thread(), kAfUnix, SOCK_DGRAM, 0, fds).RunNow(), 0);
  Write(fds[0], BytesFrom("one"));
  Write(fds[0], BytesFrom("three"));
  EXPECT_EQ(Read(fds[1]), "one");
  EXPECT_EQ(Read(fds[1], 2), "th");
  EXPECT_EQ(Read(fds[1]), "");
  EXPECT_EQ(sys().Socketpair(thread(), kAfInet, SOCK_STREAM, 0, fds).RunNow(), -EOPNOTSUPP);
  EXPECT_EQ(sys().Socketpair(thread(), kAfUnix, SOCK_STREAM, 0, nullptr).RunNow(), -EFAULT);
}

// What nobody will read: its sender hears of a reset.
TEST_F(PipeTest, APairThatIsClosedWithDataResets) {
  Write(pair[0], BytesFrom("unread"));
  EXPECT_EQ(host.Close(pair[1]), 0);
  Bytes buffer(4);
  EXPECT_EQ(sys().Read(thread(), pair[0], buffer).RunNow(), -ECONNRESET);
  EXPECT_EQ(sys().Read(thread(), pair[0], buffer).RunNow(), 0);
}

TEST_F(PipeTest, ASendToAFullPairWaits) {
  const Bytes data(1'000'000, 'x');
  HeldCall send(host, [&](Thread& t) { return sys().Write(t, pair[0], data); });
  EXPECT_FALSE(send.ended());
  size_t read = 0;
  for (int i = 0; i < 100 && !send.ended(); ++i) {
    read += Read(pair[1]).size();
    host.RunFor(Duration::Microseconds(5));
  }
  ASSERT_TRUE(send.ended());
  EXPECT_EQ(send.result(), 1'000'000);
  while (read < 1'000'000) read += Read(pair[1]).size();
}

// --- sendmmsg, recvmmsg. ---

class MmsgTest : public PipeTest {
 protected:
  MmsgTest() {
    for (size_t i = 0; i < 3; ++i) {
      pieces[i] = {buffers[i], 4};
      messages[i].msg_hdr.msg_iov = {&pieces[i], 1};
    }
  }
  uint8_t buffers[3][4] = {{'a', 'a', 'a', 'a'}, {'b', 'b', 'b', 'b'}, {'c', 'c', 'c', 'c'}};
  iovec pieces[3];
  mmsghdr messages[3];
};

TEST_F(MmsgTest, ManyMessagesGoAndCome) {
  const int to = host.BoundUdp(7000);
  const int from = host.BoundUdp(7001);
  EXPECT_EQ(host.Connect(from, At(kUs, 7000)), 0);
  EXPECT_EQ(sys().Sendmmsg(thread(), from, messages, 0).RunNow(), 3);
  EXPECT_EQ(messages[2].msg_len, 4U);
  host.RunFor(Duration::Milliseconds(1));
  HeldCall four(host, [&](Thread& t) { return sys().Recvmmsg(t, to, messages, MSG_WAITFORONE); });
  ASSERT_TRUE(four.ended());
  EXPECT_EQ(four.result(), 3);
  EXPECT_EQ(TextOf(buffers[2]), "cccc");
}

TEST_F(MmsgTest, AReceiveOfManyWaitsForAll) {
  const int to = host.BoundUdp(7000);
  HeldCall all(host, [&](Thread& t) { return sys().Recvmmsg(t, to, messages, 0); });
  host.ReceiveUdp(9, 7000, "one");
  host.ReceiveUdp(9, 7000, "two");
  EXPECT_FALSE(all.ended());
  host.ReceiveUdp(9, 7000, "3");
  ASSERT_TRUE(all.ended());
  EXPECT_EQ(all.result(), 3);
  EXPECT_EQ(messages[2].msg_len, 1U);
  HeldCall cut(host, [&](Thread& t) { return sys().Recvmmsg(t, to, messages, 0); });
  host.ReceiveUdp(9, 7000, "one");
  cut.Interrupt();
  host.RunFor(Duration::Microseconds(10));
  ASSERT_TRUE(cut.ended());
  EXPECT_EQ(cut.result(), 1);
}

TEST_F(MmsgTest, AReceiveOfManyEndsBetweenMessagesWhenItsTimeIsOver) {
  const int to = host.BoundUdp(7000);
  HeldCall some(host, [&](Thread& t) {
    return sys().Recvmmsg(t, to, messages, 0, Duration::Milliseconds(5));
  });
  host.RunFor(Duration::Milliseconds(20));
  EXPECT_FALSE(some.ended()) << "the limit is looked at when a message has come";
  host.ReceiveUdp(9, 7000, "one");
  ASSERT_TRUE(some.ended());
  EXPECT_EQ(some.result(), 1);
}

}  // namespace
}  // namespace tapedeck
