// Data over paths that lose, duplicate, reorder and corrupt: with every congestion control, with
// and without SACK and timestamps, all bytes arrive, the connection ends, and nothing is left
// behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include "replay/lab/lab.h"
#include "replay/lab/tcp_apps.h"
#include "stack/tcp/netns_tcp.h"

namespace tapedeck {
namespace {

constexpr Ipv4Address kClient{10, 0, 0, 1};
constexpr Ipv4Address kServer{10, 0, 0, 2};
constexpr uint16_t kPort = 80;
constexpr uint64_t kBytes = 300'000;  // each way

struct Scenario {
  const char* name;
  LinkOptions link;  // both ways
  const char* congestion_control = "";
  bool sack = true;
  bool timestamps = true;
  uint64_t seed = 1;
};

LinkOptions Path() {
  return {
      .delay = Duration::Milliseconds(5), .rate_bits_per_second = 50'000'000, .queue_frames = 60};
}

class TcpBadPathTest : public ::testing::Test {
 protected:
  // Plays the scenario and leaves the sender's counters in `mib_`.
  void Play(const Scenario& scenario) {
    SCOPED_TRACE(std::string(scenario.name) + " " + scenario.congestion_control +
                 (scenario.sack ? " sack" : "") + (scenario.timestamps ? " timestamps" : "") +
                 " seed " + std::to_string(scenario.seed));
    LabOptions options;
    options.seed = scenario.seed;
    options.back_to_back = true;
    options.trace = false;
    options.hosts.resize(2);
    options.hosts[0].address = kClient;
    options.hosts[1].address = kServer;
    options.hosts[1].mac = MacAddress(2, 0, 0, 0, 0, 2);
    options.links[0] = options.links[1] = scenario.link;
    Lab lab(options);
    for (int i = 0; i < 2; ++i) {
      tcp_settings& settings = lab.host(i).network().tcp->settings;
      settings.sack = scenario.sack ? 1 : 0;
      settings.timestamps = scenario.timestamps ? 1 : 0;
    }
    auto* const counts = lab.arena().New<AppCounts>();
    auto* const server_counts = lab.arena().New<AppCounts>();
    AppPlan plan;
    plan.request_bytes = kBytes;
    plan.response_bytes = kBytes;
    plan.requests_per_connection = 2;
    std::snprintf(plan.congestion_control, sizeof(plan.congestion_control), "%s",
                  scenario.congestion_control);
    StartTcpServer(lab.host(1), kPort, server_counts);
    StartTcpClient(lab.host(0), Endpoint{IpAddress(kServer), kPort}, plan, scenario.seed, counts);
    const SimTime limit = lab.world().now() + Duration::Seconds(600);
    while (counts->running > 0 && lab.world().now() < limit) {
      lab.world().RunUntil(lab.world().now() + Duration::Milliseconds(100));
    }
    EXPECT_EQ(counts->requests, 2U);
    EXPECT_EQ(counts->bytes_received, 2 * kBytes);
    EXPECT_EQ(counts->wrong_bytes, 0U);
    EXPECT_EQ(counts->failed_calls, 0U);
    EXPECT_EQ(server_counts->bytes_received, 2 * kBytes);
    EXPECT_EQ(server_counts->wrong_bytes, 0U);
    for (int i = 0; i < static_cast<int>(TcpExtMib::kCount); ++i) {
      const auto item = static_cast<TcpExtMib>(i);
      mib_[i] = lab.host(0).network().tcp_ext_mib.Get(item);
    }
    lab.Shutdown();
    EXPECT_THAT(lab.Leftovers(), testing::IsEmpty());
  }
  uint64_t Count(TcpExtMib item) const { return mib_[static_cast<int>(item)]; }

  // With each congestion control, SACK and timestamps on and off, some seeds.
  void PlayAll(Scenario scenario) {
    for (const char* const name : {"reno", "cubic", "bbr", "dctcp"}) {
      for (const bool sack : {true, false}) {
        for (const bool timestamps : {true, false}) {
          for (uint64_t seed = 1; seed <= 2; ++seed) {
            scenario.congestion_control = name;
            scenario.sack = sack;
            scenario.timestamps = timestamps;
            scenario.seed = seed;
            Play(scenario);
            if (HasFailure()) return;
          }
        }
      }
    }
  }

  uint64_t mib_[static_cast<int>(TcpExtMib::kCount)] = {};
};

TEST_F(TcpBadPathTest, NothingIsLost) {
  LinkOptions link = Path();
  link.queue_frames = 1000;
  Play({.name = "clean", .link = link});
  EXPECT_EQ(Count(TcpExtMib::kTCPSackRecovery), 0U);
  EXPECT_EQ(Count(TcpExtMib::kTCPTimeouts), 0U);
  EXPECT_EQ(Count(TcpExtMib::kTCPLostRetransmit), 0U);
}

TEST_F(TcpBadPathTest, LossIsRepairedByFastRecovery) {
  LinkOptions link = Path();
  link.loss_ppm = 10'000;
  Play({.name = "loss", .link = link});
  EXPECT_GT(Count(TcpExtMib::kTCPSackRecovery), 0U);
  EXPECT_GT(Count(TcpExtMib::kTCPFastRetrans), 0U);
  Play({.name = "loss", .link = link, .sack = false});
  EXPECT_GT(Count(TcpExtMib::kTCPRenoRecovery), 0U);
  EXPECT_EQ(Count(TcpExtMib::kTCPSackRecovery), 0U);
}

TEST_F(TcpBadPathTest, ReorderingIsLearnt) {
  LinkOptions link = Path();
  link.reorder_ppm = 20'000;
  link.reorder_delay = Duration::Milliseconds(3);
  link.queue_frames = 1000;
  Play({.name = "reordering", .link = link});
  EXPECT_GT(Count(TcpExtMib::kTCPSACKReorder) + Count(TcpExtMib::kTCPTSReorder), 0U);
}

TEST_F(TcpBadPathTest, Loss) {
  LinkOptions link = Path();
  link.loss_ppm = 30'000;
  PlayAll({.name = "loss", .link = link});
}

TEST_F(TcpBadPathTest, Reordering) {
  LinkOptions link = Path();
  link.reorder_ppm = 100'000;
  link.reorder_delay = Duration::Milliseconds(4);
  PlayAll({.name = "reordering", .link = link});
}

TEST_F(TcpBadPathTest, EverythingAtOnce) {
  LinkOptions link = Path();
  link.queue_frames = 20;
  link.loss_ppm = 20'000;
  link.duplicate_ppm = 30'000;
  link.reorder_ppm = 50'000;
  link.reorder_delay = Duration::Milliseconds(8);
  link.corrupt_ppm = 10'000;
  PlayAll({.name = "everything", .link = link});
}

}  // namespace
}  // namespace tapedeck
