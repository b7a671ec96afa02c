// Captures of odd connections, each made by hand, as a stand-in sees them: what the plan says, and
// how near the run comes. L is the server, 10.0.0.2, unless a test says otherwise.
#ifndef TAPEDECK_TESTS_INTEGRATION_STANDIN_FIXTURE_H_
#define TAPEDECK_TESTS_INTEGRATION_STANDIN_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "../unit/traffic.h"
#include "replay/standin/plan_text.h"
#include "replay/standin/stand_in.h"

namespace tapedeck::standin {

using traffic::Capture;
using traffic::Connection;
using traffic::Datagram;
using traffic::End;
using traffic::kClient;
using traffic::kMs;
using traffic::kSecond;
using traffic::kServer;
using traffic::kUs;
using traffic::Segment;
using traffic::Text;

inline constexpr int64_t kPath = 5 * kMs;     // one way, twice, and a little thinking
inline constexpr int64_t kAtOnce = 20 * kUs;  // how fast a host answers

class StandInCases : public ::testing::Test {
 protected:
  // --- Acts of a story. ---
  void Handshake() {
    capture_.Add(tcp_.Syn()).Add(tcp_.SynAck(), kAtOnce).Add(tcp_.Ack(kClient), kPath);
  }
  // The client asks, the server acknowledges by answering, the client acknowledges.
  void Request(size_t request_bytes = 100, size_t reply_bytes = 300) {
    capture_.Add(tcp_.Data(kClient, Text(request_bytes)), kPath);
    capture_.Add(tcp_.Data(kServer, Text(reply_bytes)), kAtOnce);
    capture_.Add(tcp_.Ack(kClient), kPath);
  }
  // The client closes, then the server.
  void Close() {
    capture_.Add(tcp_.Fin(kClient), kPath);
    capture_.Add(tcp_.Fin(kServer), kAtOnce);
    capture_.Add(tcp_.Ack(kClient), kPath);
  }

  // --- What comes of it. ---
  void Replay() {
    const std::filesystem::path file = std::filesystem::temp_directory_path() /
                                       ("standin_cases." + std::to_string(getpid()) + ".pcap");
    std::ofstream(file, std::ios::binary)
        .write(reinterpret_cast<const char*>(capture_.bytes().data()),
               static_cast<std::streamsize>(capture_.bytes().size()));
    InferOptions infer;
    infer.host = host_;
    auto plan = PlanFromCapture(file, infer, &warnings_);
    std::filesystem::remove(file);
    ASSERT_TRUE(plan.ok()) << plan.status().message();
    plan_ = *std::move(plan);
    const auto parsed = ParsePlan(PrintPlan(plan_), "plan");
    ASSERT_TRUE(parsed.ok()) << parsed.status().message();
    EXPECT_EQ(*parsed, plan_) << "the plan survives its text";
    StandInOptions options;
    LabHostOptions host;
    host.driver.eitr = 0;
    options.lab.hosts = {host};
    auto run = RunPlan(plan_, options, {});
    ASSERT_TRUE(run.ok()) << run.status().message();
    run_ = *std::move(run);
    EXPECT_THAT(run_.violations, testing::IsEmpty());
  }
  // The grade of flow `i`, and why.
  void ExpectGrade(size_t i, Grade at_least) {
    ASSERT_LT(i, run_.comparisons.size());
    const FlowComparison& flow = run_.comparisons[i];
    EXPECT_LE(flow.grade, at_least) << flow.reason << ": " << flow.divergence << "\n"
                                    << PrintPlan(plan_);
    EXPECT_TRUE(flow.bytes_read_same);
    EXPECT_TRUE(flow.bytes_sent_same);
  }

  std::optional<IpAddress> host_ = Ipv4Address(10, 0, 0, 2);
  Connection tcp_;
  Capture capture_;
  Plan plan_;
  StandInResult run_;
  std::vector<std::string> warnings_;
};

}  // namespace tapedeck::standin

#endif  // TAPEDECK_TESTS_INTEGRATION_STANDIN_FIXTURE_H_
