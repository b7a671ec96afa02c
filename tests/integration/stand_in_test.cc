// Stand-in replay of the project's own captures: from the file to the grades.
#include "replay/standin/stand_in.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "replay/standin/plan_text.h"
#include "replay/trace/capture_output.h"

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

// --- Captures of our own replays: here it is known what was done. ---

// Runs `plan`, and writes what was on the wire to the capture `path`.
void Record(const Plan& plan, const std::string& path) {
  std::optional<CaptureOutput> output;
  StandInHooks hooks;
  hooks.started = [&](StandIn& run) {
    CaptureOutput::Options options;
    options.epoch_ns = plan.start_ns - static_cast<int64_t>(run.start().ns());
    absl::StatusOr<CaptureOutput> created = CaptureOutput::Create(path, options);
    if (!created.ok()) return created.status();
    output.emplace(*std::move(created));
    run.lab().recorder().AddObserver(&*output);
    return absl::OkStatus();
  };
  ASSERT_TRUE(RunPlan(plan, Options(), {}, hooks).ok());
  ASSERT_TRUE(output->Close().ok());
}

// Where the writes of `flow` end in its stream.
std::set<size_t> WriteEnds(const PlanFlow& flow) {
  std::set<size_t> ends;
  size_t at = 0;
  for (const Action& action : flow.actions) {
    at += action.data.size();
    if (action.kind == ActionKind::kWrite) ends.insert(at);
  }
  return ends;
}

// What else the application did: half closes, closes, resets, and after how many bytes.
std::vector<std::pair<ActionKind, int64_t>> Endings(const PlanFlow& flow) {
  std::vector<std::pair<ActionKind, int64_t>> endings;
  for (const Action& action : flow.actions) {
    if (action.kind != ActionKind::kWrite) endings.emplace_back(action.kind, action.after);
  }
  return endings;
}

class CapturedReplays : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    auto plan = ReadPlan(std::string("corpus/plans/") + GetParam() + ".plan");
    ASSERT_TRUE(plan.ok()) << plan.status();
    truth_ = *std::move(plan);
    const std::string path =
        testing::TempDir() + "/captured_replay." + std::to_string(getpid()) + ".pcapng";
    Record(truth_, path);
    std::vector<std::string> warnings;
    InferOptions options;
    options.host = truth_.addresses[0];
    auto inferred = PlanFromCapture(path, options, &warnings);
    std::filesystem::remove(path);
    ASSERT_TRUE(inferred.ok()) << inferred.status();
    inferred_ = *std::move(inferred);
    for (uint32_t i = 0; i < truth_.flows.size(); ++i) {
      if (WasOnTheWire(i)) flows_.push_back(truth_.flows[i]);
    }
    ASSERT_EQ(inferred_.flows.size(), flows_.size());
  }
  // A SYN that the captured host left without answer does not enter.
  bool WasOnTheWire(uint32_t flow) const {
    if (truth_.flows[flow].role == Role::kActive) return true;
    return std::any_of(truth_.stimuli.begin(), truth_.stimuli.end(),
                       [flow](const Stimulus& stimulus) {
                         return stimulus.flow == flow && stimulus.skip == SkipCause::kNone;
                       });
  }

  Plan truth_;
  std::vector<PlanFlow> flows_;  // of `truth_`, that a capture of it shows
  Plan inferred_;
};

TEST_P(CapturedReplays, ArePlannedAsTheyWere) {
  size_t done = 0;
  size_t found = 0;
  size_t right = 0;
  for (size_t i = 0; i < flows_.size(); ++i) {
    SCOPED_TRACE(FlowName(flows_[i]));
    const PlanFlow& was = flows_[i];
    const PlanFlow& is = inferred_.flows[i];
    EXPECT_EQ(is.role, was.role);
    EXPECT_EQ(is.read_bytes, was.read_bytes);
    EXPECT_EQ(is.read_hash, was.read_hash);
    EXPECT_EQ(Endings(is), Endings(was));
    const std::set<size_t> was_ends = WriteEnds(was);
    const std::set<size_t> is_ends = WriteEnds(is);
    done += was_ends.size();
    found += is_ends.size();
    for (const size_t end : is_ends) right += was_ends.count(end);
  }
  // Of the places where writes end: so many are found, and so many of those found are right.
  EXPECT_GE(right * 100, done * 95) << right << " of " << done;
  EXPECT_GE(right * 100, found * 95) << right << " of " << found;
}

TEST_P(CapturedReplays, AreGradeAThroughout) {
  const StandInResult run = Play(inferred_);
  for (size_t i = 0; i < run.comparisons.size(); ++i) {
    const FlowComparison& comparison = run.comparisons[i];
    EXPECT_EQ(comparison.grade, Grade::kA)
        << FlowName(inferred_.flows[i]) << ": " << GradeName(comparison.grade) << " "
        << comparison.reason << ", off by " << comparison.time_off_max_ns << " ns, "
        << comparison.divergence;
  }
}

INSTANTIATE_TEST_SUITE_P(Plans, CapturedReplays,
                         testing::Values("http-a", "http6-a", "ssh-b", "loss-b", "reorder-b",
                                         "udp-b", "dns-a", "frag4-b", "frag6-a", "tcp-odd-a",
                                         "tcp-odd-b", "tunnel-inner-a"),
                         [](const testing::TestParamInfo<const char*>& param) {
                           std::string name = param.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(StandIn, FindsNothingToStandInForInPings) {
  EXPECT_FALSE(HasUsableFlows(PlanOf("ping4-b.pcap")));
}

}  // namespace
}  // namespace tapedeck::standin
