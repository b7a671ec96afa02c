// Stand-in replay of the project's own captures: from the file to the grades.
#include "replay/standin/stand_in.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "replay/standin/plan_text.h"

namespace tapedeck::standin {
namespace {

std::string CaptureFile(const std::string& name) { return "corpus/captures/" + name; }

Plan PlanOf(const std::string& name, const char* host = nullptr) {
  InferOptions options;
  if (host != nullptr) options.host = IpAddress::Parse(host);
  std::vector<std::string> warnings;
  absl::StatusOr<Plan> plan = PlanFromCapture(CaptureFile(name), options, &warnings);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  return plan.ok() ? *std::move(plan) : Plan();
}

StandInOptions Options() {
  StandInOptions options;
  LabHostOptions host;
  host.driver.eitr = 0;
  options.lab.hosts = {host};
  return options;
}

StandInResult Play(const Plan& plan) {
  absl::StatusOr<StandInResult> run = RunPlan(plan, Options(), {});
  EXPECT_TRUE(run.ok());
  EXPECT_THAT(run->violations, testing::IsEmpty());
  return *std::move(run);
}

// Every flow has its bytes, its segments and its end as captured.
void ExpectFaithful(const Plan& plan, const StandInResult& run) {
  ASSERT_EQ(run.comparisons.size(), plan.flows.size());
  for (size_t i = 0; i < plan.flows.size(); ++i) {
    SCOPED_TRACE(plan.flows[i].local.ToString() + " " + plan.flows[i].remote.ToString());
    const FlowComparison& comparison = run.comparisons[i];
    EXPECT_TRUE(comparison.bytes_read_same);
    EXPECT_TRUE(comparison.bytes_sent_same);
    EXPECT_EQ(comparison.segments_same, comparison.segments_captured);
    EXPECT_EQ(comparison.captured.ToString(), comparison.replayed.ToString());
    EXPECT_EQ(comparison.resets_more, 0U);
    EXPECT_EQ(comparison.retransmissions_more, 0U);
    EXPECT_LE(comparison.grade, Grade::kB) << comparison.reason << ": " << comparison.divergence;
  }
}

TEST(StandIn, ServesWhatTheCapturedServerServed) {
  const Plan plan = PlanOf("http-b.pcap", "192.0.2.2");
  ASSERT_EQ(plan.flows.size(), 3U);
  EXPECT_EQ(plan.flows[0].role, Role::kPassive);
  ExpectFaithful(plan, Play(plan));
}

TEST(StandIn, ConnectsAndAsksAsTheCapturedClientDid) {
  const Plan plan = PlanOf("http-a.pcapng", "192.0.2.1");
  ASSERT_EQ(plan.flows.size(), 3U);
  EXPECT_EQ(plan.flows[0].role, Role::kActive);
  const StandInResult run = Play(plan);
  ExpectFaithful(plan, run);
  EXPECT_EQ(run.flows[1].read_bytes, 40203U);
}

TEST(StandIn, RunsOverIpv6) {
  const Plan plan = PlanOf("http6-a.pcapng", "2001:db8::2");
  ASSERT_EQ(plan.flows.size(), 2U);
  ExpectFaithful(plan, Play(plan));
}

TEST(StandIn, AnswersDatagramsAsCaptured) {
  const Plan plan = PlanOf("udp-b.pcap", "192.0.2.2");
  const StandInResult run = Play(plan);
  for (const FlowComparison& comparison : run.comparisons) {
    EXPECT_LE(comparison.grade, Grade::kAMinus) << comparison.divergence;
  }
}

TEST(StandIn, SplitsWhatSegmentationOffloadLeftWhole) {
  const Plan plan = PlanOf("http-gso-b.pcapng", "192.0.2.2");
  ExpectFaithful(plan, Play(plan));
}

TEST(StandIn, SendsAgainWhatThePathLost) {
  const Plan plan = PlanOf("loss-b.pcap", "192.0.2.2");
  const StandInResult run = Play(plan);
  ExpectFaithful(plan, run);
}

// A kernel of 100 ticks a second: one of 1000 would have marked segments lost that were only late.
TEST(StandIn, FindsHowFastTheClockTicks) {
  const Plan plan = PlanOf("reorder-b.pcap", "192.0.2.2");
  EXPECT_EQ(plan.hz, 100U);
  const StandInResult run = Play(plan);
  ExpectFaithful(plan, run);
  InferOptions usual;
  usual.fit = false;
  std::vector<std::string> warnings;
  const auto other = PlanFromCapture(CaptureFile("reorder-b.pcap"), usual, &warnings);
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(other->hz, 0U);
  EXPECT_GT(Play(*other).comparisons[0].retransmissions_more, 0U);
}

TEST(StandIn, ResetsHalfClosesAndOpensFastAsCaptured) {
  for (const char* const name : {"tcp-odd-a.pcapng", "tcp-odd-b.pcap"}) {
    SCOPED_TRACE(name);
    const Plan plan = PlanOf(name);
    ASSERT_EQ(plan.flows.size(), 9U);
    ExpectFaithful(plan, Play(plan));
  }
}

TEST(StandIn, IsTheSameRunTwice) {
  const Plan plan = PlanOf("ssh-b.pcap");
  EXPECT_EQ(Play(plan).digest, Play(plan).digest);
}

TEST(StandIn, APlanThatWasPrintedAndParsedIsTheSameRun) {
  const Plan plan = PlanOf("loss-a.pcapng");
  const std::string text = PrintPlan(plan);
  const absl::StatusOr<Plan> parsed = ParsePlan(text, "loss-a.plan");
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(PrintPlan(*parsed), text);
  EXPECT_EQ(*parsed, plan);
  EXPECT_EQ(Play(*parsed).digest, Play(plan).digest);
}

TEST(StandIn, FindsNothingToStandInForInPings) {
  EXPECT_FALSE(HasUsableFlows(PlanOf("ping4-b.pcap")));
}

}  // namespace
}  // namespace tapedeck::standin
