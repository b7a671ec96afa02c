// iperf3's parameters and results, as a client of iperf 3.12 writes and reads them.
#include "replay/apps/iperf3_protocol.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tapedeck {
namespace {

TEST(Iperf3ProtocolTest, ReadsWhatATcpClientAsksFor) {
  Iperf3Parameters p;
  ASSERT_TRUE(ParseIperf3Parameters(
      R"({"tcp":true,"omit":0,"time":10,"num":0,"blockcount":0,"parallel":3,"reverse":true,)"
      R"("len":131072,"pacing_timer":1000,"client_version":"3.12"})",
      &p));
  EXPECT_FALSE(p.udp);
  EXPECT_TRUE(p.reverse);
  EXPECT_EQ(p.streams, 3);
  EXPECT_EQ(p.block_bytes, 131072U);
  EXPECT_EQ(p.bits_per_second, 0U);
  EXPECT_EQ(p.receiving(), 0);
  EXPECT_EQ(p.sending(), 3);
}

TEST(Iperf3ProtocolTest, ReadsWhatAUdpClientAsksFor) {
  Iperf3Parameters p;
  ASSERT_TRUE(ParseIperf3Parameters(
      R"({"udp":true,"parallel":1,"len":1448,"bandwidth":1048576,"udp_counters_64bit":1})", &p));
  EXPECT_TRUE(p.udp);
  EXPECT_TRUE(p.counters_64bit);
  EXPECT_EQ(p.bits_per_second, 1048576U);
  EXPECT_EQ(p.receiving(), 1);
  EXPECT_EQ(p.sending(), 0);
}

TEST(Iperf3ProtocolTest, BothDirectionsHaveAsManyStreams) {
  Iperf3Parameters p;
  ASSERT_TRUE(ParseIperf3Parameters(R"({"tcp":true,"parallel":2,"bidirectional":1})", &p));
  EXPECT_EQ(p.receiving(), 2);
  EXPECT_EQ(p.sending(), 2);
}

TEST(Iperf3ProtocolTest, RefusesWhatIsNoRequestOrTooMuch) {
  Iperf3Parameters p;
  for (const char* const wrong :
       {"", "{", "[]", "7", R"({"sctp":true})", R"({"tcp":true,"parallel":0})",
        R"({"tcp":true,"parallel":129})", R"({"tcp":true,"parallel":65,"bidirectional":true})",
        R"({"tcp":true,"len":0})", R"({"tcp":true,"len":1048577})", R"({"udp":true,"len":15})",
        R"({"udp":true,"len":65508})"}) {
    EXPECT_FALSE(ParseIperf3Parameters(wrong, &p)) << wrong;
  }
}

TEST(Iperf3ProtocolTest, ResultsAreJsonWithExactFractions) {
  Iperf3StreamResult streams[2];
  streams[0] = {.id = 1, .bytes = 7, .retransmits = 2};
  streams[1] = {.id = 3, .bytes = 9, .jitter_ns = 1'500'001, .packets = 5, .lost = 1};
  const auto json = nlohmann::json::parse(Iperf3ResultsJson(streams, /*sends=*/true, 1'250'000));
  EXPECT_EQ(json["sender_has_retransmits"], 1);
  EXPECT_EQ(json["streams"][0]["id"], 1);
  EXPECT_EQ(json["streams"][0]["bytes"], 7);
  EXPECT_EQ(json["streams"][0]["retransmits"], 2);
  EXPECT_EQ(json["streams"][1]["id"], 3);
  EXPECT_DOUBLE_EQ(json["streams"][1]["jitter"], 0.001500001);
  EXPECT_EQ(json["streams"][1]["errors"], 1);
  EXPECT_EQ(json["streams"][1]["packets"], 5);
  EXPECT_DOUBLE_EQ(json["streams"][1]["end_time"], 1.25);
}

}  // namespace
}  // namespace tapedeck
