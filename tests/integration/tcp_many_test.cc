// Many connections in one host at once: 10,000 open ones, and 100,000 in TIME-WAIT.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <span>

#include "stack/tcp/inet_hashtables.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_constants.h"
#include "tcp_lab.h"

namespace tapedeck {
namespace {

constexpr int kFdsMax = 200'000;
constexpr uint16_t kFirstPort = 8000;
constexpr uint16_t kFirstLocalPort = 32'768;
constexpr uint16_t kLastLocalPort = 60'999;

// In the arena.
struct Tally {
  uint32_t opened = 0;
  uint32_t answered = 0;
  uint32_t closed = 0;
  uint32_t wrong = 0;
  int64_t error = 0;
};

struct Opening {
  Host* host;
  Tally* tally;
  uint16_t port;
  int connections;
};

Endpoint Server(uint16_t port) { return Endpoint{IpAddress(kTcpLabAddress[1]), port}; }

// Accepts, reads one byte, sends it back, and goes on to the next; each connection stays open until
// its peer closes.
Task<> EchoOneByte(Thread& thread, Host* host, int fd) {
  Syscalls& sys = host->syscalls();
  uint8_t byte = 0;
  while (co_await sys.Read(thread, fd, std::span<uint8_t>(&byte, 1)) == 1) {
    co_await sys.Write(thread, fd, std::span<const uint8_t>(&byte, 1));
  }
  co_await sys.Close(thread, fd);
}

Task<> Listen(Thread& thread, Host* host, uint16_t port) {
  Syscalls& sys = host->syscalls();
  const auto fd = static_cast<int>(co_await sys.Socket(thread, kAfInet, SOCK_STREAM, 0));
  co_await sys.Bind(thread, fd, Endpoint{IpAddress(kIpv4Any), port});
  co_await sys.Listen(thread, fd, 4096);
  while (true) {
    const auto child = static_cast<int>(co_await sys.Accept(thread, fd, nullptr));
    if (child < 0) co_return;
    host->kernel().Spawn(0, [host, child](Thread& its) { return EchoOneByte(its, host, child); });
  }
}

Task<int> Open(Thread& thread, const Opening& what) {
  Syscalls& sys = what.host->syscalls();
  const auto fd = static_cast<int>(co_await sys.Socket(thread, kAfInet, SOCK_STREAM, 0));
  if (fd < 0) co_return fd;
  const int64_t result = co_await sys.Connect(thread, fd, Server(what.port));
  co_return result < 0 ? static_cast<int>(result) : fd;
}

// One byte to `fd`, which names the connection, and the same back.
Task<> Ask(Thread& thread, const Opening& what, int fd) {
  Syscalls& sys = what.host->syscalls();
  const auto question = static_cast<uint8_t>(fd);
  uint8_t answer = 0;
  co_await sys.Write(thread, fd, std::span<const uint8_t>(&question, 1));
  const int64_t got = co_await sys.Read(thread, fd, std::span<uint8_t>(&answer, 1));
  if (got == 1) ++what.tally->answered;
  if (got != 1 || answer != question) ++what.tally->wrong;
}

// Opens all, and only then asks on each: that many are open at once. Descriptors are those from 3
// on, as nobody else takes any.
Task<> OpenAllThenAsk(Thread& thread, Opening what) {
  for (int i = 0; i < what.connections; ++i) {
    const int fd = co_await Open(thread, what);
    if (fd != files_struct::kFirstFd + i) what.tally->error = fd;
    ++what.tally->opened;
  }
  for (int i = 0; i < what.connections; ++i) {
    co_await Ask(thread, what, files_struct::kFirstFd + i);
  }
}

// Opens and closes one after another: this end goes into TIME-WAIT.
Task<> OpenAndClose(Thread& thread, Opening what) {
  for (int i = 0; i < what.connections; ++i) {
    const int fd = co_await Open(thread, what);
    if (fd < 0) {
      what.tally->error = fd;
      co_return;
    }
    ++what.tally->opened;
    co_await what.host->syscalls().Close(thread, fd);
    ++what.tally->closed;
  }
}

class TcpMany : public ::testing::Test {
 protected:
  static LabOptions Options() {
    LabOptions options = TcpLabOptions();
    options.trace = false;
    options.arena.hot_reserve_bytes = size_t{2} << 30;
    return options;
  }
  TcpMany() : tally_(lab_.lab().arena().New<Tally>()) {
    for (int i = 0; i < 2; ++i) lab_.lab().host(i).syscalls().files().rlimit_nofile = kFdsMax;
  }
  Host* host(int i) { return &lab_.lab().host(i); }
  netns_tcp& tcp(int i) { return net_tcp(lab_.network(i)); }

  void StartServer(uint16_t port) {
    Host* const server = host(1);
    server->kernel().Spawn(0, [server, port](Thread& its) { return Listen(its, server, port); });
  }
  void StartOpenAndClose(uint16_t port, int connections) {
    StartServer(port);
    const Opening what{host(0), tally_, port, connections};
    host(0)->kernel().Spawn(0, [what](Thread& its) { return OpenAndClose(its, what); });
  }
  // Of the connections that could lead from host 0 to `port`, how many are found as in TIME-WAIT.
  uint32_t FoundInTimeWait(uint16_t port) {
    uint32_t found = 0;
    for (uint32_t local = kFirstLocalPort; local <= kLastLocalPort; ++local) {
      const inet_ehash_node* const node = __inet_lookup_established(
          lab_.network(0), IpAddress(kTcpLabAddress[1]), be16(port), IpAddress(kTcpLabAddress[0]),
          be16(static_cast<uint16_t>(local)), lab_.lab().device(0)->ifindex);
      if (node == nullptr) continue;
      EXPECT_EQ(node->state, TCP_TIME_WAIT);
      EXPECT_EQ(node->num, local);
      EXPECT_EQ(node->dport.host(), port);
      ++found;
    }
    return found;
  }

  TcpLab lab_{Options()};
  Tally* tally_;
};

TEST_F(TcpMany, TenThousandOpenConnectionsAndEachIsItself) {
  constexpr int kConnections = 10'000;
  StartServer(kFirstPort);
  const Opening what{host(0), tally_, kFirstPort, kConnections};
  host(0)->kernel().Spawn(0, [what](Thread& its) { return OpenAllThenAsk(its, what); });
  lab_.RunFor(Duration::Seconds(10));
  EXPECT_EQ(tally_->error, 0);
  EXPECT_EQ(tally_->opened, uint32_t{kConnections});
  EXPECT_EQ(tally_->answered, uint32_t{kConnections});
  EXPECT_EQ(tally_->wrong, 0U);
  EXPECT_GE(tcp(0).socks.cache().live_objects(), uint64_t{kConnections});
  EXPECT_GE(tcp(1).socks.cache().live_objects(), uint64_t{kConnections});
  EXPECT_TRUE(lab_.Shutdown());
}

TEST_F(TcpMany, AHundredThousandInTimeWaitAreFoundAndEndAfterAMinute) {
  // To one server port no more than half of the local ports: when a client has used up its even
  // ones, each connect() looks at all of them again before it takes an odd one, as in Linux.
  constexpr int kPorts = 10;
  constexpr int kPerPort = kAsanBuild ? 2'000 : 10'000;
  constexpr uint32_t kAll = kPorts * kPerPort;
  for (uint16_t i = 0; i < kPorts; ++i) {
    StartOpenAndClose(static_cast<uint16_t>(kFirstPort + i), kPerPort);
  }
  const SimTime began = lab_.now();
  while (tally_->closed < kAll && lab_.now() - began < Duration::Seconds(50)) {
    lab_.RunFor(Duration::Milliseconds(100));
  }
  EXPECT_EQ(tally_->error, 0);
  ASSERT_EQ(tally_->closed, kAll);
  lab_.RunFor(Duration::Milliseconds(500));  // the last FINs
  EXPECT_EQ(tcp(0).tw_count, kAll);
  EXPECT_EQ(tcp(0).twsks.cache().live_objects(), kAll);
  EXPECT_EQ(tcp(0).socks.cache().live_objects(), 0U);
  for (uint16_t i = 0; i < kPorts; ++i) {
    EXPECT_EQ(FoundInTimeWait(static_cast<uint16_t>(kFirstPort + i)), uint32_t{kPerPort});
  }
  EXPECT_EQ(FoundInTimeWait(kFirstPort + kPorts), 0U);

  // The timer wheel is 4.1 s coarse at a minute.
  lab_.RunFor(Duration::Seconds(65));
  EXPECT_EQ(tcp(0).tw_count, 0U);
  EXPECT_EQ(FoundInTimeWait(kFirstPort), 0U);
  EXPECT_TRUE(lab_.Shutdown());
}

// net/ipv4/tcp_max_tw_buckets: those beyond it end at once, and are counted.
TEST_F(TcpMany, TimeWaitIsBounded) {
  lab_.Set(0, "net/ipv4/tcp_max_tw_buckets", "100");
  StartOpenAndClose(kFirstPort, 250);
  lab_.RunFor(Duration::Seconds(1));
  EXPECT_EQ(tally_->closed, 250U);
  EXPECT_EQ(tcp(0).tw_count, 100U);
  EXPECT_EQ(FoundInTimeWait(kFirstPort), 100U);
  EXPECT_EQ(lab_.network(0).tcp_ext_mib.Get(TcpExtMib::kTCPTimeWaitOverflow), 150U);
  EXPECT_TRUE(lab_.Shutdown());
}

}  // namespace
}  // namespace tapedeck
