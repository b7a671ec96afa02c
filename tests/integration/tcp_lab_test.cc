// TCP applications on two hosts: over a plain cable and over every fault of a link, all bytes
// arrive as they were sent, nothing stalls, and nothing is left behind.
#include "tcp_lab.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace tapedeck {
namespace {

struct NamedPlan {
  const char* name;
  AppPlan plan;
};

// Names of parameters in the names of tests.
void PrintTo(const NamedPlan& plan, std::ostream* out) { *out << plan.name; }

const NamedPlan kPlans[] = {
    {"Echo", {.requests_per_connection = 100, .request_bytes = 700, .response_bytes = 700}},
    {"BulkUp", {.request_bytes = 3'000'000, .response_bytes = 1}},
    {"BulkDown", {.request_bytes = 1, .response_bytes = 3'000'000}},
    {"BothWays",
     {.requests_per_connection = 4, .request_bytes = 200'000, .response_bytes = 300'000}},
    {"RequestResponse", {.requests_per_connection = 300, .request_bytes = 1, .response_bytes = 1}},
    {"ConnectRequestResponse",
     {.connections = 60,
      .requests_per_connection = 1,
      .request_bytes = 100,
      .response_bytes = 5000}},
    {"SmallCalls",
     {.request_bytes = 60'000, .response_bytes = 60'000, .write_bytes = 7, .read_bytes = 11}},
    {"SmallBuffers",
     {.request_bytes = 200'000,
      .response_bytes = 200'000,
      .send_buffer_bytes = 4096,
      .receive_buffer_bytes = 2048}},
};

class TcpApps : public ::testing::TestWithParam<NamedPlan> {};

TEST_P(TcpApps, EveryByteArrivesAndNothingIsLeft) {
  TcpLab lab(TcpLabOptions());
  lab.Serve(1);
  lab.Ask(0, GetParam().plan, 1);
  ASSERT_TRUE(lab.RunClients());
  EXPECT_TRUE(lab.AllIsRight());
  const AppPlan& plan = GetParam().plan;
  const uint64_t requests = uint64_t{plan.connections} * plan.requests_per_connection;
  EXPECT_EQ(lab.client(0).requests, requests);
  EXPECT_EQ(lab.server(1).bytes_received, requests * plan.request_bytes);
  EXPECT_EQ(lab.client(0).bytes_received, requests * plan.response_bytes);
  EXPECT_TRUE(lab.Shutdown());
}

TEST_P(TcpApps, RunsEquallyTwiceAndFromASnapshotInTheMiddle) {
  const auto start = [](TcpLab& lab) {
    lab.Serve(1);
    lab.Ask(0, GetParam().plan, 1);
    lab.RunFor(Duration::Microseconds(300));
  };
  TcpLab once(TcpLabOptions());
  start(once);
  Lab::Checkpoint middle;
  once.lab().Take(&middle);
  ASSERT_TRUE(once.RunClients());
  const std::string digest = once.Digest();
  once.lab().Restore(middle);
  ASSERT_NE(once.Digest(), digest);
  ASSERT_TRUE(once.RunClients());
  EXPECT_EQ(once.Digest(), digest);

  TcpLab again(TcpLabOptions());
  start(again);
  ASSERT_TRUE(again.RunClients());
  EXPECT_EQ(again.Digest(), digest);
}

// With merging of what one poll finds (`ethtool -K eth0 gro on`), on both hosts.
void MergeSegments(TcpLab& lab) {
  for (int host = 0; host < 2; ++host) {
    net_device* const dev = dev_get_by_name(lab.network(host), "eth0");
    netdev_set_features(dev, dev->features | NETIF_F_GRO);
    ASSERT_NE(dev->features & NETIF_F_GRO, 0U);
  }
}

TEST_P(TcpApps, MergedSegmentsAreTheSameStream) {
  TcpLab lab(TcpLabOptions());
  MergeSegments(lab);
  lab.Serve(1);
  lab.Ask(0, GetParam().plan, 1);
  ASSERT_TRUE(lab.RunClients());
  EXPECT_TRUE(lab.AllIsRight());
  EXPECT_TRUE(lab.Shutdown());
}

// What merging is for: the same bytes in fewer packets, and fewer acknowledgements.
TEST(TcpMerging, MakesFewerPacketsOfBulkData) {
  uint64_t segments[2] = {};
  uint64_t acknowledgements[2] = {};
  for (const bool merge : {false, true}) {
    TcpLab lab(TcpLabOptions());
    if (merge) MergeSegments(lab);
    lab.Serve(1);
    lab.Ask(0, {.request_bytes = 3'000'000, .response_bytes = 1}, 1);
    ASSERT_TRUE(lab.RunClients());
    segments[merge] = lab.network(1).tcp_mib.Get(TcpMib::kInSegs);
    acknowledgements[merge] = lab.network(1).tcp_mib.Get(TcpMib::kOutSegs);
    EXPECT_TRUE(lab.Shutdown());
  }
  EXPECT_LT(segments[1] * 4, segments[0]);
  EXPECT_LT(acknowledgements[1], acknowledgements[0]);
}

INSTANTIATE_TEST_SUITE_P(Cable, TcpApps, ::testing::ValuesIn(kPlans),
                         [](const auto& plan) { return std::string(plan.param.name); });

TEST(TcpAppsShutdown, InTheMiddleLeavesNothing) {
  for (const NamedPlan& each : kPlans) {
    SCOPED_TRACE(each.name);
    TcpLab lab(TcpLabOptions());
    lab.Serve(1);
    for (uint64_t seed = 1; seed <= 3; ++seed) lab.Ask(0, each.plan, seed);
    lab.RunFor(Duration::Microseconds(400));
    EXPECT_NE(lab.client(0).running, 0U);
    EXPECT_TRUE(lab.Shutdown());
  }
}

constexpr uint64_t kEveryFourth = 0x8888'8888'8888'8888;

struct NamedLink {
  const char* name;
  LinkOptions link;
};
void PrintTo(const NamedLink& link, std::ostream* out) { *out << link.name; }

const NamedLink kLinks[] = {
    {"Delay", {.delay = Duration::Milliseconds(50)}},
    {"Rate",
     {.delay = Duration::Milliseconds(2), .rate_bits_per_second = 5'000'000, .queue_frames = 20}},
    {"LittleLoss", {.delay = Duration::Milliseconds(5), .loss_ppm = 10'000}},
    {"HeavyLoss", {.delay = Duration::Milliseconds(5), .loss_ppm = 150'000}},
    {"EveryFourthLost", {.delay = Duration::Milliseconds(1), .loss_pattern = kEveryFourth}},
    {"Bursts", {.delay = Duration::Milliseconds(1), .loss_pattern = 0x0000'0000'ff00'0000}},
    {"Duplicates", {.delay = Duration::Milliseconds(1), .duplicate_ppm = 300'000}},
    {"Reordering",
     {.delay = Duration::Milliseconds(1),
      .reorder_ppm = 200'000,
      .reorder_delay = Duration::Milliseconds(3)}},
    {"Corruption", {.delay = Duration::Milliseconds(1), .corrupt_ppm = 50'000}},
    {"Everything",
     {.delay = Duration::Milliseconds(3),
      .rate_bits_per_second = 10'000'000,
      .queue_frames = 30,
      .loss_ppm = 30'000,
      .duplicate_ppm = 30'000,
      .reorder_ppm = 30'000,
      .reorder_delay = Duration::Milliseconds(7),
      .corrupt_ppm = 30'000}},
};

class TcpFaults : public ::testing::TestWithParam<NamedLink> {};

// Clients on both hosts at once, each kind of application.
void AskEverything(TcpLab& lab) {
  for (int i = 0; i < 2; ++i) {
    lab.Serve(i);
    lab.Ask(i, {.requests_per_connection = 50, .request_bytes = 300, .response_bytes = 4000}, 1);
    lab.Ask(i, {.connections = 20, .request_bytes = 100, .response_bytes = 20'000}, 2);
    lab.Ask(i, {.request_bytes = 300'000, .response_bytes = 300'000}, 3);
  }
  ASSERT_TRUE(lab.RunClients());
  EXPECT_TRUE(lab.AllIsRight());
  EXPECT_EQ(lab.client(0).requests, 71U);
  EXPECT_TRUE(lab.Shutdown());
}

TEST_P(TcpFaults, EveryByteArrivesAndNothingStalls) {
  TcpLab lab(TcpLabOptions(GetParam().link));
  AskEverything(lab);
}

TEST_P(TcpFaults, SoItIsWithMergedSegments) {
  if (GetParam().link.loss_pattern == kEveryFourth) {
    GTEST_SKIP() << "skipped: both hosts come to send four frames a retransmission (segment, "
                    "acknowledgement, ARP request and reply), always losing the acknowledgement";
  }
  TcpLab lab(TcpLabOptions(GetParam().link));
  MergeSegments(lab);
  AskEverything(lab);
}

INSTANTIATE_TEST_SUITE_P(Link, TcpFaults, ::testing::ValuesIn(kLinks),
                         [](const auto& link) { return std::string(link.param.name); });

}  // namespace
}  // namespace tapedeck
