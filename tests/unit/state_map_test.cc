// The state map: each cell is one fact with a name of its own, and what a run sets depends on the
// run alone.
#include "fuzz/state/state_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>
#include <vector>

#include "fuzz/state/state_observer.h"
#include "fuzz/state/step_event.h"
#include "replay/lab/script_hosts.h"
#include "replay/lab/script_player.h"
#include "replay/script/text.h"
#include "stack/base/drop_reason.h"
#include "stack/core/sock.h"
#include "stack/socket/system_call.h"

namespace tapedeck::fuzz {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Not;

std::string_view EventOf(decltype(Step::what) what) {
  Step step;
  step.what = std::move(what);
  return StepEventName(StepEventOf(step));
}

struct Cells {
  std::array<uint8_t, kStateCells> bytes = {};
  StateMap map{bytes};
};

std::set<std::string> NamesOf(const StateMap& map) {
  std::set<std::string> names;
  for (size_t i = 0; i < kStateCells; ++i) {
    if (map.cells()[i] != 0) names.insert(StateMap::Describe(i));
  }
  return names;
}

// The facts about a run of `text` on one host.
std::set<std::string> FactsOf(std::string_view text) {
  const absl::StatusOr<Script> script = ParseScript(text, "test");
  EXPECT_TRUE(script.ok()) << script.status();
  if (!script.ok()) return {};
  LabOptions options;
  options.hosts.push_back(ScriptHostOptions(0));
  Lab lab(options);
  const ScriptPeers peers;
  lab.port(0).AnswerArp(&peers, Duration::Microseconds(50));
  Cells cells;
  StateObserver observer(lab, cells.map);
  lab.recorder().AddObserver(&observer);
  {
    ScriptPlayer player(lab, *script);
    observer.Begin();
    for (const Step& step : script->steps) {
      player.PlayNext();
      observer.AfterStep(step);
    }
    player.PlayNext();
    observer.End();
  }
  return NamesOf(cells.map);
}

constexpr std::string_view kAccepted = R"(
    0    socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
    +0   bind(3, ..., ...) = 0
    +0   listen(3, 8) = 0
    +1ms segment 0 SYN
    +1ms segment 0 ACK
    +1ms accept(3, ..., ...) = 4
    +1ms segment 0 PSH|ACK len 100
    +1ms segment 0 FIN|ACK
    +1ms close(4) = 0
    +1ms segment 0 ACK
)";

TEST(StateMap, EveryCellHasItsOwnName) {
  std::set<std::string> names;
  size_t named = 0;
  for (size_t i = 0; i < kStateCells; ++i) {
    const std::string name = StateMap::Describe(i);
    if (name.empty() || name.find('?') != std::string::npos || name.back() == ' ') continue;
    ++named;
    EXPECT_TRUE(names.insert(name).second) << name;
  }
  EXPECT_GT(named, kStateCells / 2);
}

TEST(StateMap, FeaturesLieSideBySide) {
  size_t next = 0;
  for (size_t i = 0; i < kStateFeatures; ++i) {
    const auto feature = static_cast<StateFeature>(i);
    EXPECT_EQ(StateMap::FirstCell(feature), next);
    next += StateMap::Cells(feature);
  }
  EXPECT_LE(next, kStateCells);
}

TEST(StateMap, HitSetsTheCellThatBearsItsName) {
  Cells cells;
  cells.map.Hit(StateFeature::kDrop, static_cast<size_t>(SKB_DROP_REASON_NO_SOCKET));
  cells.map.Hit(StateFeature::kTcpPath, TCP_SYN_SENT, TCP_ESTABLISHED, TCP_FIN_WAIT1);
  cells.map.Hit(StateFeature::kCall, CallIndex(static_cast<uint64_t>(SyscallNumber::kConnect)),
                CallOutcome(-ECONNREFUSED));
  EXPECT_EQ(NamesOf(cells.map),
            (std::set<std::string>{"drop NO_SOCKET", "tcp-path SYN_SENT ESTABLISHED FIN_WAIT1",
                                   "call connect ECONNREFUSED"}));
  cells.map.Clear();
  EXPECT_TRUE(NamesOf(cells.map).empty());
}

TEST(StateMap, CoordinatesBeyondTheirSizesAreTheLast) {
  EXPECT_EQ(StateMap::Index(StateFeature::kMaximum, 0, 33),
            StateMap::Index(StateFeature::kMaximum, 0, 32));
  EXPECT_LT(StateMap::Index(StateFeature::kDeviceFault, 1 << 20, 1 << 20, 1 << 20), kStateCells);
}

TEST(StateMap, KindsOfStepsHaveNames) {
  EXPECT_EQ(EventOf(PauseStep()), "pause");
  SegmentStep segment;
  segment.flags = wire::kTcpSyn;
  EXPECT_EQ(EventOf(segment), "segment syn");
  segment.wrong = SegmentStep::kWrongTcpChecksum;
  EXPECT_EQ(EventOf(segment), "segment wrong");
  SyscallStep call;
  call.name = SyscallName::kAccept;
  EXPECT_EQ(EventOf(call), "accept");
}

TEST(StateObserver, TellsWhatStatesAConnectionWentThrough) {
  const std::set<std::string> facts = FactsOf(kAccepted);
  EXPECT_THAT(
      facts,
      AllOf(Contains("tcp-event LISTEN segment syn"), Contains("tcp-event SYN_RECV segment ack"),
            Contains("tcp-event ESTABLISHED segment data"), Contains("tcp-event CLOSE_WAIT close"),
            Not(Contains("tcp-event CLOSE close")),
            Contains("tcp-path SYN_RECV ESTABLISHED CLOSE_WAIT")));
  EXPECT_THAT(facts,
              AllOf(Contains("tcp-timers ESTABLISHED none -"), Contains("maximum accept 1"),
                    Contains("maximum receive-bytes 64+"), Contains("call accept positive")));
  EXPECT_THAT(facts, Not(Contains("tcp-event SYN_SENT segment syn")));
}

TEST(StateObserver, TellsWhatWasDroppedAndSentAgain) {
  const std::set<std::string> facts = FactsOf(std::string(kAccepted) + R"(
    +0   socket(..., SOCK_STREAM, IPPROTO_TCP) = 5
    +0   connect(5, ..., ...) = ?
    +3s  segment 3 SYN|ACK wrong tcp_checksum
    +1s  pause
  )");
  EXPECT_THAT(facts, Contains("drop TCP_CSUM"));
  EXPECT_THAT(facts, Contains("tcp-timers SYN_SENT retransmit -"));
  EXPECT_THAT(facts, Contains("tcp-retransmit SYN_SENT timeout"));
}

TEST(StateObserver, DependsOnTheRunAlone) {
  const std::set<std::string> first = FactsOf(kAccepted);
  FactsOf("+0 segment 5 SYN\n+1s segment 5 RST\n");
  EXPECT_EQ(FactsOf(kAccepted), first);
}

TEST(StateObserver, BeginForgetsTheLastRun) {
  const std::set<std::string> facts = FactsOf("+0 pause\n");
  EXPECT_THAT(facts, Not(Contains("call accept positive")));
}

}  // namespace
}  // namespace tapedeck::fuzz
