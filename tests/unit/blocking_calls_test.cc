// System calls that sleep: what wakes them, what ends them, and calls that a test holds by hand.
#include <gtest/gtest.h>

#include "socket_host.h"  // beside this file

namespace tapedeck {
namespace {

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

class BlockingCallsTest : public ::testing::Test {
 protected:
  SocketHost host;
};

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
