// Segments relative to what the host has said: they open, feed, acknowledge and close its
// connections, whatever its numbers are.
#include "replay/lab/peer_flows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "replay/lab/lab.h"
#include "replay/lab/script_hosts.h"
#include "replay/lab/script_player.h"
#include "replay/script/text.h"

namespace tapedeck {
namespace {

class PeerFlowsTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  // Plays `text` on host 0; the verdict in words, empty where it held.
  std::string Play(std::string_view text) {
    LabOptions options;
    options.seed = GetParam();
    LabHostOptions host = ScriptHostOptions(0);
    host.address6 = HostIpv6(0);
    options.hosts.push_back(host);
    Lab lab(options);
    lab.port(0).AnswerArp(&peers_, Duration::Microseconds(50));
    const absl::StatusOr<Script> script = ParseScript(text, "test");
    EXPECT_TRUE(script.ok()) << script.status();
    ScriptPlayer player(lab, *script);
    player.Play();
    return player.verdict().held() ? "" : player.verdict().difference;
  }

  ScriptPeers peers_;
};

constexpr std::string_view kListener = R"(
    0    socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 3
    +0   bind(3, ..., ...) = 0
    +0   listen(3, 5) = 0
)";

TEST_P(PeerFlowsTest, PassiveOpenDataBothWaysAndClose) {
  EXPECT_EQ(Play(std::string(kListener) + R"(
    +1ms segment 0 SYN mss 1460 sackok ts 0 0 wscale 7
    +1ms segment 0 ACK ts 0 0
    +1ms accept(3, ..., ...) = 4
    +1ms segment 0 PSH|ACK len 100 ts 0 0
    +1ms read(4, ..., 200) = 100
    +0   write(4, ..., 500) = 500
    +1ms segment 0 ACK ts 0 0
    +1ms ioctl(4, SIOCOUTQ, [0]) = 0
    +1ms segment 0 FIN|ACK ts 0 0
    +1ms read(4, ..., 200) = 0
    +0   close(4) = 0
    +1ms segment 0 ACK ts 0 0
  )"),
            "");
}

TEST_P(PeerFlowsTest, ActiveOpenIsAnsweredOnTheHostsPort) {
  EXPECT_EQ(Play(R"(
    0    socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 3
    +0   fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
    +0   connect(3, ..., ...) = -1 EINPROGRESS
    +20ms segment 0 SYN|ACK mss 1000
    +1ms segment 0 PSH|ACK len 10
    +1ms read(3, ..., 200) = 10
    +0   segment 0 RST|ACK
    +1ms read(3, ..., 200) = -1 ECONNRESET
  )"),
            "");
}

TEST_P(PeerFlowsTest, FlowsAndVersionsAreApart) {
  EXPECT_EQ(Play(R"(
    0    socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP) = 3
    +0   bind(3, {sa_family=AF_INET6, sin_port=htons(8080), sin_addr=inet_addr("::")}, 28) = 0
    +0   listen(3, 5) = 0
    +1ms segment 1 SYN v6
    +0   segment 1 SYN
    +0   segment 2 SYN
    +1ms segment 1 ACK v6 len 1
    +0   segment 2 ACK len 2
    +1ms accept(3, ..., ...) = 4
    +0   accept(3, ..., ...) = 5
    +0   read(4, ..., 10) = 1
    +0   read(5, ..., 10) = 2
  )"),
            "");
}

TEST_P(PeerFlowsTest, WhatIsWrongIsDropped) {
  for (const char* wrong : {"tcp_checksum", "ip_checksum", "data_offset", "length"}) {
    EXPECT_EQ(Play(std::string(kListener) + R"(
      +1ms segment 0 SYN
      +1ms segment 0 ACK
      +1ms accept(3, ..., ...) = 4
      +1ms segment 0 PSH|ACK len 9 wrong )" +
                   wrong + R"(
      +1ms recv(4, ..., 100, MSG_DONTWAIT) = -1 EAGAIN
    )"),
              "")
        << wrong;
  }
}

TEST_P(PeerFlowsTest, DistancesMoveTheNumbers) {
  EXPECT_EQ(Play(std::string(kListener) + R"(
    +1ms segment 0 SYN sackok
    +1ms segment 0 ACK
    +1ms accept(3, ..., ...) = 4
    +0   segment 0 ACK seq 10 len 10
    +1ms recv(4, ..., 100, MSG_DONTWAIT) = -1 EAGAIN
    +0   segment 0 ACK len 10
    +1ms read(4, ..., 100) = 20
    +0   segment 0 ACK seq -20 len 25
    +1ms read(4, ..., 100) = 5
    +0   segment 0 RST seq 100000
    +1ms recv(4, ..., 100, MSG_DONTWAIT) = -1 EAGAIN
    +0   segment 0 RST
    +1ms read(4, ..., 100) = -1 ECONNRESET
  )"),
            "");
}

INSTANTIATE_TEST_SUITE_P(Seeds, PeerFlowsTest, ::testing::Values(1, 2, 0xfeed));

TEST(PeerStreamByte, TellsItsPlace) {
  // The bytes at two places are equal no more often than chance has it.
  int equal = 0;
  for (uint32_t i = 0; i < 10'000; ++i) equal += PeerStreamByte(i) == PeerStreamByte(i + 10);
  EXPECT_NEAR(equal, 39, 30);
}

}  // namespace
}  // namespace tapedeck
