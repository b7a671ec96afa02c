// Runs of cases of every kind: stopped at events, taken back, started again, and the same in the
// end as those that went straight through.
#include "replay/case/case_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "replay/case/case.h"
#include "replay/case/fiber.h"
#include "replay/lab/raw_replay.h"
#include "replay/script/bytes.h"
#include "replay/script/text.h"
#include "replay/standin/stand_in.h"

namespace tapedeck {
namespace {

constexpr char kCapture[] = "corpus/captures/http6-a.pcapng";
constexpr char kPlan[] = "corpus/plans/tcp-odd-b.plan";
constexpr char kScript[] =
    "tests/conformance/delayed_ack/a-lone-segment-is-acknowledged-after-40-ms.pkt";

TEST(Fiber, ComesBackWhereItYielded) {
  std::string order;
  Fiber* self = nullptr;
  Fiber fiber([&] {
    order += "b";
    self->Yield();
    order += "d";
  });
  self = &fiber;
  order += "a";
  fiber.Resume();
  order += "c";
  EXPECT_FALSE(fiber.returned());
  fiber.Resume();
  EXPECT_TRUE(fiber.returned());
  EXPECT_EQ(order, "abcd");
}

// A case as a command would make it.
std::unique_ptr<Case> Opened(const std::string& path, CaseOptions options = {}) {
  options.capture.rewindable = true;
  absl::StatusOr<std::unique_ptr<Case>> opened = OpenCase(path, options);
  EXPECT_TRUE(opened.ok()) << opened.status();
  return opened.ok() ? *std::move(opened) : nullptr;
}

std::unique_ptr<CaseRun> Started(const Case& what, Arena* arena,
                                 TraceObserver* observer = nullptr) {
  absl::StatusOr<std::unique_ptr<CaseRun>> started =
      CaseRun::Start(what, arena, {.observer = observer});
  EXPECT_TRUE(started.ok()) << started.status();
  return started.ok() ? *std::move(started) : nullptr;
}

PlaybackResult StraightThrough(const Case& what) {
  Arena arena{Arena::Options{}};
  const std::unique_ptr<CaseRun> run = Started(what, &arena);
  run->RunToEnd();
  return run->Finish();
}

// Keeps the number and the time of each event.
class EventList : public TraceObserver {
 public:
  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger&) override {
    events.emplace_back(number, event.time.ps);
  }
  std::vector<std::pair<uint64_t, uint64_t>> events;
};

// A fuzzer's input: the conformance script's like in bytes.
std::string BytesFile() {
  const absl::StatusOr<Script> script = ParseScript(R"(
    0    socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3
    +0   bind(3, ..., ...) = 0
    +0   sendto(3, ..., 8, 0, ..., ...) = 8
    +1ms frame repair {
      020000000001 020000000101 0800
      4500 0024 0000 4000 4011 0000 c000 0265 c000 0201
      1f90 1f90 0010 0001 0001 0203 0405 0607
    }
    +1ms recvfrom(3, ..., 100, 0, ..., ...) = 8
)",
                                                    "bytes", {});
  EXPECT_TRUE(script.ok()) << script.status();
  const std::string path = testing::TempDir() + "case_run_input";
  const std::vector<uint8_t> bytes = EncodeScript(*script).value();
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  return path;
}

class EveryKindOfCase : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<Case> what_ =
      Opened(std::string(GetParam()) == "bytes" ? BytesFile() : GetParam());
  Arena arena_{Arena::Options{}};
};

TEST_P(EveryKindOfCase, IsTheSameRunWhenItIsStoppedAtEveryEvent) {
  const PlaybackResult straight = StraightThrough(*what_);
  EXPECT_EQ(straight.outcome, PlaybackResult::Outcome::kHeld);
  const std::unique_ptr<CaseRun> run = Started(*what_, &arena_);
  while (run->RunToEvent(run->event() + 1)) {
  }
  EXPECT_EQ(run->event(), straight.events);
  EXPECT_EQ(run->Finish().digest, straight.digest);
}

TEST_P(EveryKindOfCase, StopsRightBehindTheEvent) {
  EventList seen;
  const std::unique_ptr<CaseRun> run = Started(*what_, &arena_, &seen);
  const uint64_t wanted = run->event() + 7;
  ASSERT_TRUE(run->RunToEvent(wanted));
  EXPECT_EQ(run->event(), wanted);
  EXPECT_EQ(run->recorder().digest().events(), wanted);
  EXPECT_EQ(seen.events.back().first, wanted);
  EXPECT_EQ(seen.events.front().first, 1U);  // of the building
  EXPECT_EQ(seen.events.back().second, run->time().ps);
}

TEST_P(EveryKindOfCase, StopsAtTheFirstEventThatIsNotBeforeATime) {
  EventList seen;
  const std::unique_ptr<CaseRun> run = Started(*what_, &arena_, &seen);
  ASSERT_TRUE(run->RunToEvent(run->event() + 5));
  const SimTime wanted = run->time() + Duration::Microseconds(1);
  ASSERT_TRUE(run->RunToTime(wanted));
  EXPECT_GE(run->time(), wanted);
  EXPECT_LT(seen.events[seen.events.size() - 2].second, wanted.ps);
}

TEST_P(EveryKindOfCase, CanBeStartedAgainFromTheMiddle) {
  const PlaybackResult straight = StraightThrough(*what_);
  const std::unique_ptr<CaseRun> run = Started(*what_, &arena_);
  ASSERT_TRUE(run->RunToEvent(straight.events / 2));
  ASSERT_TRUE(run->Restart().ok());
  EXPECT_LT(run->event(), straight.events / 2);
  run->RunToEnd();
  EXPECT_EQ(run->Finish().digest, straight.digest);
}

TEST_P(EveryKindOfCase, ObserversDoNotSeeWhatAStoppedRunStillDoes) {
  const std::unique_ptr<CaseRun> run = Started(*what_, &arena_);
  EventList seen;
  run->AddObserver(&seen);
  ASSERT_TRUE(run->RunToEvent(run->event() + 9));
  const size_t before = seen.events.size();
  const uint64_t last = run->event();
  ASSERT_TRUE(run->Restart().ok());
  ASSERT_TRUE(run->RunToEvent(run->event() + 1));
  EXPECT_EQ(seen.events[before].first, 1U);
  EXPECT_EQ(seen.events[before - 1].first, last);
}

INSTANTIATE_TEST_SUITE_P(Cases, EveryKindOfCase, testing::Values(kCapture, kScript, kPlan, "bytes"),
                         [](const testing::TestParamInfo<const char*>& param) {
                           const std::string name = param.param;
                           return std::string(name == kCapture  ? "Capture"
                                              : name == kScript ? "Script"
                                              : name == kPlan   ? "Plan"
                                                                : "Bytes");
                         });

class CasesWithCheckpoints : public testing::TestWithParam<const char*> {};

TEST_P(CasesWithCheckpoints, AreTheSameRunAfterTheyWereTakenBack) {
  const std::unique_ptr<Case> what = Opened(GetParam());
  Arena arena{Arena::Options{}};
  const PlaybackResult straight = StraightThrough(*what);
  const std::unique_ptr<CaseRun> run = Started(*what, &arena);
  ASSERT_TRUE(run->RunToEvent(straight.events / 2));
  run->RunToSeam();
  const uint64_t event = run->event();
  const std::unique_ptr<CaseRun::Checkpoint> checkpoint = run->Take();
  ASSERT_NE(checkpoint, nullptr);
  for (int i = 0; i < 2; ++i) {
    run->RunToEnd();
    run->Restore(*checkpoint);
    EXPECT_EQ(run->event(), event);
  }
  ASSERT_TRUE(run->RunToEvent(event + 3));  // within a piece
  run->Restore(*checkpoint);
  run->RunToEnd();
  EXPECT_EQ(run->Finish().digest, straight.digest);
}

INSTANTIATE_TEST_SUITE_P(Cases, CasesWithCheckpoints, testing::Values(kCapture, kPlan),
                         [](const testing::TestParamInfo<const char*>& param) {
                           return std::string(param.param == kPlan ? "Plan" : "Capture");
                         });

TEST(ScriptCase, CanOnlyBePlayedAgain) {
  const std::unique_ptr<Case> what = Opened(kScript);
  Arena arena{Arena::Options{}};
  EXPECT_EQ(Started(*what, &arena)->Take(), nullptr);
}

TEST(CaptureCase, HasTheDigestOfItsReplay) {
  const absl::StatusOr<RawReplayResult> replay = RawReplay(kCapture, {});
  ASSERT_TRUE(replay.ok()) << replay.status();
  EXPECT_EQ(StraightThrough(*Opened(kCapture)).digest, replay->digest);
}

// A plan, and the capture that it was inferred of.
TEST(StandInCase, HasTheDigestOfItsReplay) {
  const absl::StatusOr<standin::Plan> plan = standin::ReadPlan(kPlan);
  ASSERT_TRUE(plan.ok()) << plan.status();
  standin::StandInOptions options;
  options.settle = Duration::Seconds(5);
  options.lab.hosts.emplace_back().driver.eitr = 0;
  const absl::StatusOr<standin::StandInResult> replay = standin::RunPlan(*plan, options, {});
  ASSERT_TRUE(replay.ok()) << replay.status();
  const PlaybackResult played = StraightThrough(*Opened(kPlan));
  EXPECT_EQ(played.digest, replay->digest);
  ASSERT_EQ(played.summary.size(), plan->flows.size());
  EXPECT_THAT(played.summary[0], testing::HasSubstr("grade "));
  CaseOptions as_stand_in;
  as_stand_in.kind = CaseKind::kStandIn;
  EXPECT_EQ(Opened("corpus/captures/tcp-odd-b.pcap", as_stand_in)->kind(), CaseKind::kStandIn);
}

TEST(StandInCase, NeedsAFlowThatDrivesAHost) {
  CaseOptions options;
  options.kind = CaseKind::kStandIn;
  const auto opened = OpenCase("corpus/captures/ping4-b.pcap", options);
  EXPECT_THAT(std::string(opened.status().message()), testing::HasSubstr("no flow of TCP or UDP"));
  EXPECT_FALSE(OpenCase("no/such.plan", {}).ok());
}

TEST(CaseByName, KindsAreTold) {
  EXPECT_EQ(Opened(kPlan)->kind(), CaseKind::kStandIn);
  EXPECT_EQ(Opened(kCapture)->kind(), CaseKind::kCapture);
  EXPECT_EQ(Opened(kScript)->kind(), CaseKind::kScript);
  EXPECT_EQ(Opened(BytesFile())->kind(), CaseKind::kBytes);
}

TEST(CaseByName, MayBeSaidOtherwise) {
  CaseOptions options;
  options.kind = CaseKind::kBytes;
  EXPECT_EQ(Opened(kScript, options)->kind(), CaseKind::kBytes);
}

TEST(CaseByName, ErrorsNameTheFile) {
  EXPECT_THAT(std::string(OpenCase("no/such.pkt", {}).status().message()),
              testing::StartsWith("no/such.pkt"));
  const absl::StatusOr<std::unique_ptr<Case>> capture = OpenCase("no/such.pcap", {});
  ASSERT_TRUE(capture.ok());
  Arena arena{Arena::Options{}};
  EXPECT_THAT(std::string((*capture)->Play({}, &arena).status().message()),
              testing::StartsWith("no/such.pcap"));
  EXPECT_FALSE(ParseCaseKind("film").ok());
}

}  // namespace
}  // namespace tapedeck
