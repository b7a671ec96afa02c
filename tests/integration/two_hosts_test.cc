// Two hosts, two NICs and a cable, over both IP versions: neighbours found, datagrams there and
// back, some of them in fragments, through every layer of both.
#include "two_hosts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <span>
#include <string>

#include "stack/ipv6/netns_ipv6.h"
#include "stack/wire/frame_builder.h"
#include "stack/wire/icmpv6.h"

namespace tapedeck {
namespace {

class TwoHostsTest : public testing::TestWithParam<IpAddress> {
 protected:
  TwoHostsTest() : lab_(TwoHosts()) {}
  void Start(int rounds) {
    SpawnEchoServer(lab_, GetParam());
    StartClient(rounds);
  }
  void StartClient(int rounds) {
    result_ = SpawnEchoClient(lab_, GetParam(), rounds, kEchoBytesMax);
  }
  void RunFor(Duration duration) { lab_.world().RunUntil(lab_.world().now() + duration); }

  Lab lab_;
  EchoResult* result_ = nullptr;
};

TEST_P(TwoHostsTest, EveryDatagramComesBackAsItWent) {
  Start(500);
  RunFor(Duration::Seconds(2));
  EXPECT_EQ(result_->sent, 500);
  EXPECT_EQ(result_->echoed, 500);
  EXPECT_EQ(result_->wrong, 0);
  EXPECT_EQ(result_->last_error, 0);
  // All over the version that was meant, about half of them in fragments.
  const net& server = lab_.host(1).network();
  const bool v4 = GetParam().is_v4();
  EXPECT_GE(v4 ? server.ip_mib.Get(IpMib::kInDelivers) : server.ip6_mib.Get(Ip6Mib::kInDelivers),
            500U);
  EXPECT_GT(v4 ? server.ip_mib.Get(IpMib::kReasmOKs) : server.ip6_mib.Get(Ip6Mib::kReasmOKs), 200U);
  EXPECT_EQ(
      v4 ? server.udp6_mib.Get(UdpMib::kInDatagrams) : server.udp_mib.Get(UdpMib::kInDatagrams),
      0U);
  lab_.Shutdown();
  EXPECT_THAT(lab_.Leftovers(), testing::IsEmpty());
}

TEST_P(TwoHostsTest, GoesOnFromASnapshotAsStraightThrough) {
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

TEST_P(TwoHostsTest, ClosedPortAnswersAndTheClientHearsIt) {
  StartClient(1);
  RunFor(Duration::Seconds(1));
  EXPECT_EQ(result_->sent, 1);
  EXPECT_EQ(result_->last_error, -ECONNREFUSED);
}

TEST_P(TwoHostsTest, ShutdownInTheMiddleLeavesNothing) {
  Start(100'000);
  RunFor(Duration::Milliseconds(7));
  EXPECT_GT(result_->echoed, 0);
  lab_.Shutdown();
  EXPECT_THAT(lab_.Leftovers(), testing::IsEmpty());
}

TEST_P(TwoHostsTest, TwoLabsInOneProcessDoNotTouchEachOther) {
  const auto run = [](Lab& lab) {
    SpawnEchoServer(lab, GetParam());
    SpawnEchoClient(lab, GetParam(), /*rounds=*/50, kEchoBytesMax);
  };
  run(lab_);
  RunFor(Duration::Seconds(1));

  Lab a(TwoHosts());
  Lab b(TwoHosts());
  run(a);
  run(b);
  // In turns, a little at a time.
  for (uint64_t ms = 0; ms <= 1000; ++ms) {
    a.world().RunUntil(SimTime::At(Duration::Milliseconds(ms)));
    b.world().RunUntil(SimTime::At(Duration::Milliseconds(ms)));
  }
  EXPECT_EQ(a.recorder().digest().ToString(), lab_.recorder().digest().ToString());
  EXPECT_EQ(b.recorder().digest().ToString(), lab_.recorder().digest().ToString());
}

INSTANTIATE_TEST_SUITE_P(Versions, TwoHostsTest,
                         testing::Values(IpAddress(kServer), IpAddress(kServer6)),
                         [](const auto& test) { return test.param.is_v4() ? "ipv4" : "ipv6"; });

// A host that is asked from a capture: the neighbour who asks answers its solicitation.
class OneNeighbour : public Neighbours {
 public:
  bool Find(const IpAddress& address, MacAddress* mac) const override {
    *mac = kServerMac;
    return address == IpAddress(kServer6);
  }
};

TEST(OneHostIpv6, AnswersAPing) {
  LabOptions options;
  options.hosts.resize(1);
  options.hosts[0].address = kIpv4Any;
  options.hosts[0].address6 = kClient6;
  Lab lab(options);
  const OneNeighbour neighbour;
  lab.port(0).AnswerArp(&neighbour, Duration::Microseconds(50));
  wire::Ipv6Header ip;
  ip.saddr = kServer6;
  ip.daddr = kClient6;
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
