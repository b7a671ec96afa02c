// Two hosts, two NICs and a cable, over IPv6: neighbour discovery, echo, datagrams there and back,
// through every layer of both.
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
#include "stack/ipv6/netns_ipv6.h"
#include "stack/wire/frame_builder.h"
#include "stack/wire/icmpv6.h"

namespace tapedeck {
namespace {

const Ipv6Address kClient = *Ipv6Address::Parse("2001:db8::1");
const Ipv6Address kServer = *Ipv6Address::Parse("2001:db8::2");
constexpr MacAddress kServerMac{2, 0, 0, 0, 0, 2};
constexpr uint16_t kPort = 7;

LabOptions TwoHosts() {
  LabOptions options;
  options.back_to_back = true;
  LabHostOptions client;
  client.address = kIpv4Any;
  client.address6 = kClient;
  LabHostOptions server;
  server.address = kIpv4Any;
  server.address6 = kServer;
  server.mac = kServerMac;
  options.hosts = {client, server};
  return options;
}

// What the client saw; plain memory of the Lab.
struct Result {
  int echoed = 0;
  int wrong = 0;
  int64_t last_error = 0;
};

Task<> Echo(Thread& thread, Host& host) {
  Syscalls& sys = host.syscalls();
  const auto fd = static_cast<int>(co_await sys.Socket(thread, kAfInet6, SOCK_DGRAM, 0));
  co_await sys.Bind(thread, fd, Endpoint{IpAddress(kIpv6Any), kPort});
  uint8_t buffer[4096];
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
  const auto fd = static_cast<int>(co_await sys.Socket(thread, kAfInet6, SOCK_DGRAM, 0));
  result->last_error = co_await sys.Connect(thread, fd, Endpoint{IpAddress(kServer), kPort});
  uint8_t question[3000];
  uint8_t answer[4096];
  for (int round = 0; round < rounds; ++round) {
    // Some are cut into fragments.
    const auto bytes = static_cast<size_t>(1 + round * 37 % 3000);
    for (size_t i = 0; i < bytes; ++i) {
      question[i] = static_cast<uint8_t>(i + static_cast<size_t>(round));
    }
    const int64_t sent =
        co_await sys.Sendto(thread, fd, std::span<const uint8_t>(question).first(bytes), 0);
    if (sent < 0) result->last_error = sent;
    const int64_t got = co_await sys.Recvfrom(thread, fd, answer, 0);
    if (got < 0) {
      result->last_error = got;
      break;
    }
    ++result->echoed;
    if (static_cast<size_t>(got) != bytes || !std::equal(question, question + bytes, answer)) {
      ++result->wrong;
    }
  }
  co_await sys.Close(thread, fd);
}

class TwoHostsIpv6Test : public testing::Test {
 protected:
  TwoHostsIpv6Test() : lab_(TwoHosts()) { result_ = lab_.arena().New<Result>(); }
  void SpawnServer() {
    Host& server = lab_.host(1);
    server.kernel().Spawn(0, [&server](Thread& thread) { return Echo(thread, server); });
  }
  void SpawnClient(int rounds) {
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

TEST_F(TwoHostsIpv6Test, EveryDatagramComesBackAsItWent) {
  SpawnServer();
  SpawnClient(300);
  RunFor(Duration::Seconds(2));
  EXPECT_EQ(result_->echoed, 300);
  EXPECT_EQ(result_->wrong, 0);
  EXPECT_EQ(result_->last_error, 0);
  const net& server = lab_.host(1).network();
  EXPECT_GE(server.ip6_mib.Get(Ip6Mib::kInDelivers), 300U);
  EXPECT_GT(server.ip6_mib.Get(Ip6Mib::kReasmOKs), 100U);
  EXPECT_EQ(server.ip_mib.Get(IpMib::kInReceives), 0U);
  lab_.Shutdown();
  EXPECT_THAT(lab_.Leftovers(), testing::IsEmpty());
}

TEST_F(TwoHostsIpv6Test, AClosedPortAnswersAndTheClientHearsIt) {
  SpawnClient(1);
  RunFor(Duration::Seconds(1));
  EXPECT_EQ(result_->last_error, -ECONNREFUSED);
}

TEST_F(TwoHostsIpv6Test, GoesOnFromASnapshotAsStraightThrough) {
  SpawnServer();
  SpawnClient(200);
  RunFor(Duration::Milliseconds(3));
  Lab::Checkpoint checkpoint;
  lab_.Take(&checkpoint);
  RunFor(Duration::Seconds(1));
  const std::string straight = lab_.recorder().digest().ToString();
  lab_.Restore(checkpoint);
  RunFor(Duration::Seconds(1));
  EXPECT_EQ(lab_.recorder().digest().ToString(), straight);
}

// A host that is asked from a capture: the neighbour who asks answers its solicitation.
class OneNeighbour : public Neighbours {
 public:
  bool Find(const IpAddress& address, MacAddress* mac) const override {
    *mac = kServerMac;
    return address == IpAddress(kServer);
  }
};

TEST(OneHostIpv6, AnswersAPing) {
  LabOptions options;
  options.hosts.resize(1);
  options.hosts[0].address = kIpv4Any;
  options.hosts[0].address6 = kClient;
  Lab lab(options);
  const OneNeighbour neighbour;
  lab.port(0).AnswerArp(&neighbour, Duration::Microseconds(50));
  wire::Ipv6Header ip;
  ip.saddr = kServer;
  ip.daddr = kClient;
  ip.hop_limit = 64;
  wire::Icmpv6Header echo;
  echo.type = wire::kIcmpv6EchoRequest;
  echo.set_id(1);
  uint8_t bytes[256];
  const std::span<const uint8_t> frame = wire::FrameBuilder(bytes)
                                             .Ethernet(options.hosts[0].mac, kServerMac)
                                             .Ipv6(ip)
                                             .Icmpv6(echo)
                                             .CountingPayload(56)
                                             .Build();
  lab.port(0).Inject(lab.world().now(), frame, /*stable=*/false, 0);
  lab.world().RunUntil(lab.world().now() + Duration::Seconds(1));
  const net& host = lab.host(0).network();
  EXPECT_EQ(host.icmp6_mib.Get(Icmp6Mib::kInMsgs), 2U);  // with the advertisement
  EXPECT_EQ(net_ipv6(lab.host(0).network()).icmpv6msg_out[wire::kIcmpv6EchoReply], 1U);
  lab.Shutdown();
  EXPECT_THAT(lab.Leftovers(), testing::IsEmpty());
}

TEST(OneHostIpv6, AHostOfIpv4AloneSendsNothingOfIpv6) {
  LabOptions options;
  options.hosts.resize(1);
  Lab lab(options);
  lab.world().RunUntil(lab.world().now() + Duration::Seconds(60));
  EXPECT_EQ(lab.port(0).frames_out(), 0U);
  EXPECT_EQ(lab.host(0).network().ip6_mib.Get(Ip6Mib::kOutRequests), 0U);
}

}  // namespace
}  // namespace tapedeck
