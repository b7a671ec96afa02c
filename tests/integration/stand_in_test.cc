// Stand-in replay of the project's own captures: from the file to the grades.
#include "replay/standin/stand_in.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "replay/capture/capture_reader.h"
#include "replay/capture/output_file.h"
#include "replay/capture/pcapng_writer.h"
#include "replay/standin/comment_orders.h"
#include "replay/standin/compare.h"
#include "replay/standin/packet.h"
#include "replay/standin/plan_text.h"
#include "replay/trace/capture_output.h"
#include "stack/wire/ip_protocol.h"

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

// One thing that L's segment says, made another, and what a comparison should then call it.
struct Mutation {
  const char* words;
  void (*mutate)(SegmentFacts* facts);
};
constexpr Mutation kMutations[] = {
    {"another window", [](SegmentFacts* facts) { ++facts->window; }},
    {"acknowledges another place", [](SegmentFacts* facts) { ++facts->ack; }},
    {"other flags", [](SegmentFacts* facts) { facts->flags ^= wire::kTcpPsh; }},
    {"other flags", [](SegmentFacts* facts) { facts->flags ^= wire::kTcpFin; }},
    {"other bytes", [](SegmentFacts* facts) { ++facts->length; }},
    {"other bytes", [](SegmentFacts* facts) { ++facts->seq; }},
    {"another MSS", [](SegmentFacts* facts) { facts->mss = 777; }},
    {"another window scale", [](SegmentFacts* facts) { facts->window_scale = 13; }},
    {"timestamps on one side only",
     [](SegmentFacts* facts) { facts->timestamps = !facts->timestamps; }},
};

// These replays do what the capture says. So where the capture said something else of one segment,
// that segment is the first that differs, whichever it is, and in what it is made to say.
TEST_P(CapturedReplays, TheFirstDifferenceIsTheOneThatThereIs) {
  const StandInResult run = Play(inferred_);
  for (uint32_t i = 0; i < inferred_.flows.size(); ++i) {
    if (inferred_.flows[i].protocol != wire::kIpProtoTcp) continue;
    for (size_t at = 0; at < inferred_.flows[i].expected.size(); ++at) {
      for (const Mutation& mutation : kMutations) {
        Plan other = inferred_;
        Expectation& expected = other.flows[i].expected[at];
        mutation.mutate(&expected.facts);
        const FlowComparison comparison =
            CompareFlow(other, FlowStimuli(other), i, run.flows[i], TimeTolerance());
        const std::string frame = "frame " + std::to_string(expected.from.record) + ": ";
        ASSERT_TRUE(comparison.diverged);
        ASSERT_EQ(comparison.first_captured, at);
        ASSERT_THAT(comparison.divergence, testing::StartsWith(frame + mutation.words));
        ASSERT_GT(comparison.grade, Grade::kAMinus);
        const auto lines = SideBySide(other.flows[i], run.flows[i], comparison, 2);
        ASSERT_THAT(lines, testing::Contains(testing::StartsWith(">")).Times(1));
      }
      // One that the capture lacks: ours sends it, where the capture goes on with the next. Behind
      // the last there is no more capture to compare with.
      Plan other = inferred_;
      std::vector<Expectation>& expected = other.flows[i].expected;
      if (at + 1 == expected.size()) continue;
      expected.erase(expected.begin() + static_cast<ptrdiff_t>(at));
      const FlowComparison comparison =
          CompareFlow(other, FlowStimuli(other), i, run.flows[i], TimeTolerance());
      ASSERT_TRUE(comparison.diverged);
      // A twin of the one that is missing cannot be told from it.
      const bool twin = expected[at].facts == inferred_.flows[i].expected[at].facts;
      ASSERT_TRUE(twin ? comparison.first_captured > at : comparison.first_captured == at);
    }
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

// --- Comments that order something. ---

// http-a with comments on some of its records, as a plan.
Plan PlanWithComments(const std::map<uint64_t, std::string>& comments) {
  const std::string path = testing::TempDir() + "/comments." + std::to_string(getpid()) + ".pcapng";
  auto reader = capture::CaptureReader::Open(CaptureFile("http-a.pcapng"));
  auto file = capture::OutputFile::Create(path);
  EXPECT_TRUE(reader.ok() && file.ok());
  auto writer = capture::PcapngWriter::Create(*std::move(file), {});
  EXPECT_TRUE(writer.ok());
  EXPECT_TRUE(writer->AddInterface({}).ok());
  for (capture::Record record; reader->Next(record) == capture::ReadResult::kRecord;) {
    capture::OutputPacket packet;
    packet.time_ns = record.time_ns;
    packet.data = record.data;
    packet.original_length_bytes = record.original_length_bytes;
    const auto comment = comments.find(record.index);
    std::string_view text;
    if (comment != comments.end()) text = comment->second;
    if (!text.empty()) packet.comments = std::span(&text, 1);
    EXPECT_TRUE(writer->Write(packet).ok());
  }
  EXPECT_TRUE(writer->Close().ok());
  std::vector<std::string> warnings;
  InferOptions options;
  options.host = IpAddress::Parse("192.0.2.1");
  absl::StatusOr<Plan> plan = PlanFromCapture(path, options, &warnings);
  std::filesystem::remove(path);
  EXPECT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(warnings, testing::IsEmpty());
  EXPECT_EQ(*ParsePlan(PrintPlan(*plan), "plan"), *plan);
  return *std::move(plan);
}

// P's packets that come from `record`, and enter.
std::vector<const Stimulus*> Entering(const Plan& plan, uint64_t record) {
  std::vector<const Stimulus*> found;
  for (const Stimulus& stimulus : plan.stimuli) {
    const bool enters = stimulus.skip == SkipCause::kNone;
    if (stimulus.from.record == record && enters) found.push_back(&stimulus);
  }
  return found;
}

TEST(CommentOrders, AreParsed) {
  using Kind = CommentOrder::Kind;
  EXPECT_EQ(ParseCommentOrder(3, " drop\n"), (CommentOrder{3, Kind::kDrop, 0}));
  EXPECT_EQ(ParseCommentOrder(3, "keep"), (CommentOrder{3, Kind::kKeep, 0}));
  EXPECT_EQ(ParseCommentOrder(3, "dup"), (CommentOrder{3, Kind::kDup, 0}));
  EXPECT_EQ(ParseCommentOrder(3, "delay 20ms"), (CommentOrder{3, Kind::kDelay, 20'000'000}));
  EXPECT_EQ(ParseCommentOrder(3, "delay  7 us"), (CommentOrder{3, Kind::kDelay, 7'000}));
  EXPECT_EQ(ParseCommentOrder(3, "delay 86400s").delay_ns, 86'400'000'000'000);
  for (const char* const text : {"", "drops", "delay", "delay 5", "delay -1ms", "delay 86401s",
                                 "delay 99999999999999999999s", "delay ms"}) {
    EXPECT_EQ(ParseCommentOrder(3, text).kind, Kind::kNotUnderstood) << text;
  }
}

TEST(CommentOrders, DropDupAndDelayChangeThePlanAndTheRun) {
  const Plan plain = PlanWithComments({});
  // Segments with data of the first connection's answer, and one of L.
  std::vector<uint64_t> data;
  for (const Stimulus& stimulus : plain.stimuli) {
    const auto ip = ParseIpPacket(stimulus.packet);
    const auto tcp = ParseTcpSegment(*ip);
    if (stimulus.flow == 0 && !tcp->payload.empty()) data.push_back(stimulus.from.record);
  }
  ASSERT_GE(data.size(), 1U);
  const uint64_t record = data.front();
  const uint64_t of_l = plain.flows[0].expected[1].from.record;
  EXPECT_EQ(Play(plain).comparisons[0].replayed, Play(plain).comparisons[0].captured);

  const Plan dropped = PlanWithComments({{record, "replay: drop"}});
  EXPECT_THAT(Entering(dropped, record), testing::IsEmpty());
  EXPECT_THAT(dropped.guesses, testing::Contains("cap#" + std::to_string(record) +
                                                 " is lost, as its comment orders"));
  EXPECT_EQ(Play(dropped).comparisons[0].grade, Grade::kD) << "nobody sends it again";

  const Plan twice = PlanWithComments({{record, "replay: dup"}});
  EXPECT_THAT(Entering(twice, record), testing::SizeIs(2));
  const StandInResult repeated = Play(twice);
  EXPECT_EQ(repeated.flows[0].sent.size(), Play(plain).flows[0].sent.size() + 1)
      << "the copy is acknowledged at once";
  EXPECT_TRUE(repeated.comparisons[0].bytes_read_same);

  const Plan late = PlanWithComments({{record, "replay: delay 3ms"}});
  ASSERT_THAT(Entering(late, record), testing::SizeIs(1));
  EXPECT_EQ(Entering(late, record)[0]->time_ns, Entering(plain, record)[0]->time_ns + 3'000'000);
  // The first byte of the answer, which is overtaken.
  const auto first = [](const auto& segment) {
    return segment.facts.seq == 1 && segment.facts.length != 0;
  };
  const auto in_time = Play(plain).flows[0].entered;
  const auto too_late = Play(late).flows[0].entered;
  ASSERT_TRUE(std::ranges::any_of(too_late, first));
  EXPECT_EQ(std::ranges::find_if(too_late, first)->time_ns,
            std::ranges::find_if(in_time, first)->time_ns + 3'000'000);

  const Plan other = PlanWithComments({{of_l, "replay: drop"}, {record, "replay: explode"}});
  EXPECT_THAT(other.guesses,
              testing::IsSupersetOf(
                  {"cap#" + std::to_string(of_l) + " is no packet to L: its comment orders nothing",
                   "cap#" + std::to_string(record) +
                       ": its comment orders none of drop, keep, dup, delay TIME"}));
  EXPECT_EQ(other.stimuli, plain.stimuli);
}

// Whatever made a packet count as lost: a comment brings it back, to where it was.
TEST(CommentOrders, KeepLetsEnterWhatSeemedLost) {
  const Plan plain = PlanOf("http-a.pcapng", "192.0.2.1");
  for (const Stimulus& stimulus : plain.stimuli) {
    const uint64_t record = stimulus.from.record;
    Plan plan = plain;
    ApplyCommentOrders({{record, CommentOrder::Kind::kDrop, 0}}, &plan);
    ASSERT_THAT(Entering(plan, record), testing::IsEmpty());
    ASSERT_EQ(*ParsePlan(PrintPlan(plan), "plan"), plan);
    ApplyCommentOrders({{record, CommentOrder::Kind::kKeep, 0}}, &plan);
    ASSERT_EQ(plan.stimuli, plain.stimuli);
  }
}

// What is said of "frame N" is said of the N-th record of the file.
TEST(StandIn, FramesAreNamedByTheirRecords) {
  for (const char* const name : {"http-a.pcapng", "loss-b.pcap", "ssh-b.pcap"}) {
    SCOPED_TRACE(name);
    std::map<uint64_t, TcpSegment> records;
    auto reader = capture::CaptureReader::Open(CaptureFile(name));
    ASSERT_TRUE(reader.ok()) << reader.status();
    std::vector<std::vector<uint8_t>> frames;  // what the segments are views of
    for (capture::Record record; reader->Next(record) == capture::ReadResult::kRecord;) {
      frames.emplace_back(record.data.begin() + 14, record.data.end());  // behind Ethernet's header
      const auto ip = ParseIpPacket(frames.back());
      const auto tcp = ip.has_value() ? ParseTcpSegment(*ip) : std::nullopt;
      if (tcp.has_value()) records.emplace(record.index, *tcp);
    }
    size_t segments = 0;
    for (const PlanFlow& flow : PlanOf(name).flows) {
      for (const Expectation& expected : flow.expected) {
        const auto found = records.find(expected.from.record);
        ASSERT_NE(found, records.end()) << expected.from.record;
        const TcpSegment& tcp = found->second;
        EXPECT_EQ(tcp.source, flow.local);
        EXPECT_EQ(tcp.dest, flow.remote);
        EXPECT_EQ(tcp.flags, expected.facts.flags);
        EXPECT_EQ(tcp.window, expected.facts.window);
        EXPECT_EQ(tcp.payload.size(), expected.facts.length);
        EXPECT_EQ(tcp.seq, static_cast<uint32_t>(flow.local_initial + expected.facts.seq));
        ++segments;
      }
    }
    EXPECT_GT(segments, 10U);
  }
}

TEST(StandIn, FindsNothingToStandInForInPings) {
  EXPECT_FALSE(HasUsableFlows(PlanOf("ping4-b.pcap")));
}

}  // namespace
}  // namespace tapedeck::standin
