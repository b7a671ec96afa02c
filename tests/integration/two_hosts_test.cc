// Two hosts, two NICs and a cable: datagrams there and back, through every layer of both.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "replay/lab/lab.h"

namespace tapedeck {
namespace {

constexpr Ipv4Address kClient{10, 0, 0, 1};
constexpr Ipv4Address kServer{10, 0, 0, 2};
constexpr uint16_t kPort = 7;

LabOptions TwoHosts() {
  LabOptions options;
  options.back_to_back = true;
  LabHostOptions client;
  client.address = kClient;
  LabHostOptions server;
  server.address = kServer;
  server.mac = MacAddress(std::array<uint8_t, 6>{0x02, 0, 0, 0, 0, 2});
  options.hosts = {client, server};
  return options;
}

// What the client saw; plain memory of the Lab, so that a snapshot takes it along.
struct Result {
  int sent = 0;
  int echoed = 0;
  int wrong = 0;
  int64_t last_error = 0;
};

Task<> Echo(Thread& thread, Host& host) {
  Syscalls& sys = host.syscalls();
  const auto fd = static_cast<int>(co_await sys.Socket(thread, kAfInet, SOCK_DGRAM, 0));
  co_await sys.Bind(thread, fd, Endpoint{IpAddress(kIpv4Any), kPort});
  uint8_t buffer[2048];
  while (true) {
    SockAddr from;
    const int64_t bytes = co_await sys.Recvfrom(thread, fd, buffer, 0, &from);
    if (bytes < 0) co_return;
    co_await sys.Sendto(
        thread, fd, std::span<const uint8_t>(buffer).first(static_cast<size_t>(bytes)), 0, from);
  }
}

Task<> AskAndCompare(Thread& thread, Host& host, int rounds, Result* result) {
  Syscalls& sys = host.syscalls();
  const auto fd = static_cast<int>(co_await sys.Socket(thread, kAfInet, SOCK_DGRAM, 0));
  co_await sys.Connect(thread, fd, Endpoint{IpAddress(kServer), kPort});
  uint8_t question[1400];
  uint8_t answer[2048];
  for (int round = 0; round < rounds; ++round) {
    const auto bytes = static_cast<size_t>(1 + round * 37 % 1400);
    for (size_t i = 0; i < bytes; ++i)
      question[i] = static_cast<uint8_t>(i + static_cast<size_t>(round));
    const int64_t sent =
        co_await sys.Sendto(thread, fd, std::span<const uint8_t>(question).first(bytes), 0);
    if (sent < 0) result->last_error = sent;
    ++result->sent;
    const int64_t got = co_await sys.Recvfrom(thread, fd, answer, 0);
    if (got < 0) {
      result->last_error = got;
      co_return;
    }
    ++result->echoed;
    if (static_cast<size_t>(got) != bytes || !std::equal(question, question + bytes, answer))
      ++result->wrong;
  }
  co_await sys.Close(thread, fd);
}

class TwoHostsTest : public testing::Test {
 protected:
  explicit TwoHostsTest(const LabOptions& options = TwoHosts()) : lab_(options) {
    result_ = lab_.arena().New<Result>();
  }
  void Start(int rounds) {
    Host& server = lab_.host(1);
    server.kernel().Spawn(0, [&server](Thread& thread) { return Echo(thread, server); });
    Host& client = lab_.host(0);
    Result* const result = result_;
    client.kernel().Spawn(0, [&client, rounds, result](Thread& thread) {
      return AskAndCompare(thread, client, rounds, result);
    });
  }
  void RunFor(Duration duration) { lab_.world().RunUntil(lab_.world().now() + duration); }

  Lab lab_;
  Result* result_;
};

TEST_F(TwoHostsTest, EveryDatagramComesBackAsItWent) {
  Start(500);
  RunFor(Duration::Seconds(1));
  EXPECT_EQ(result_->sent, 500);
  EXPECT_EQ(result_->echoed, 500);
  EXPECT_EQ(result_->wrong, 0);
  EXPECT_EQ(result_->last_error, 0);
  lab_.Shutdown();
  EXPECT_THAT(lab_.Leftovers(), testing::IsEmpty());
}

TEST_F(TwoHostsTest, GoesOnFromASnapshotAsStraightThrough) {
  Start(200);
  RunFor(Duration::Milliseconds(3));
  Lab::Checkpoint checkpoint;
  lab_.Take(&checkpoint);
  RunFor(Duration::Seconds(1));
  const std::string straight = lab_.recorder().digest().ToString();
  const int echoed = result_->echoed;
  for (int again = 0; again < 3; ++again) {
    lab_.Restore(checkpoint);
    EXPECT_LT(result_->echoed, echoed);
    RunFor(Duration::Seconds(1));
    EXPECT_EQ(lab_.recorder().digest().ToString(), straight);
    EXPECT_EQ(result_->echoed, echoed);
  }
}

TEST_F(TwoHostsTest, ClosedPortAnswersAndTheClientHearsIt) {
  Host& client = lab_.host(0);
  Result* const result = result_;
  client.kernel().Spawn(
      0, [&client, result](Thread& thread) { return AskAndCompare(thread, client, 1, result); });
  RunFor(Duration::Seconds(1));
  EXPECT_EQ(result_->sent, 1);
  EXPECT_EQ(result_->last_error, -ECONNREFUSED);
}

TEST_F(TwoHostsTest, ShutdownInTheMiddleLeavesNothing) {
  Start(100'000);
  RunFor(Duration::Milliseconds(7));
  EXPECT_GT(result_->echoed, 0);
  lab_.Shutdown();
  EXPECT_THAT(lab_.Leftovers(), testing::IsEmpty());
}

TEST(TwoHosts, TwoLabsInOneProcessDoNotTouchEachOther) {
  const auto run = [](Lab& lab) {
    Host& server = lab.host(1);
    server.kernel().Spawn(0, [&server](Thread& thread) { return Echo(thread, server); });
    Host& client = lab.host(0);
    auto* const result = lab.arena().New<Result>();
    client.kernel().Spawn(
        0, [&client, result](Thread& thread) { return AskAndCompare(thread, client, 50, result); });
  };
  Lab alone(TwoHosts());
  run(alone);
  alone.world().RunUntil(SimTime::At(Duration::Seconds(1)));

  Lab a(TwoHosts());
  Lab b(TwoHosts());
  run(a);
  run(b);
  // In turns, a little at a time.
  for (uint64_t ms = 0; ms <= 1000; ++ms) {
    a.world().RunUntil(SimTime::At(Duration::Milliseconds(ms)));
    b.world().RunUntil(SimTime::At(Duration::Milliseconds(ms)));
  }
  EXPECT_EQ(a.recorder().digest().ToString(), alone.recorder().digest().ToString());
  EXPECT_EQ(b.recorder().digest().ToString(), alone.recorder().digest().ToString());
}

}  // namespace
}  // namespace tapedeck
