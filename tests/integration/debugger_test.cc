// The debugger's commands on runs of a capture and of a script: it stands where it was told to,
// forwards and back, and reads what is there.
#include "replay/debug/debugger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "replay/capture/pcap_writer.h"
#include "replay/case/case.h"
#include "replay/debug/objects.h"
#include "replay/trace/digest_chain.h"
#include "stack/wire/repair_checksums.h"

namespace tapedeck {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr char kCapture[] = "corpus/captures/http6-a.pcapng";
constexpr char kScript[] = "tests/conformance/rto/each-timeout-is-twice-the-one-before.pkt";

class DebuggerTest : public testing::Test {
 protected:
  void Open(const std::string& path) {
    CaseOptions options;
    options.capture.rewindable = true;
    what_ = OpenCase(path, options).value();
    debugger_ = Debugger::Start(*what_).value();
  }
  // What a command says; an error as "error: ...".
  std::string Say(const std::string& line) {
    std::string out;
    const absl::Status status = debugger_->Execute(line, &out);
    return status.ok() ? out : "error: " + std::string(status.message());
  }
  uint64_t event() { return debugger_->run().event(); }

  std::unique_ptr<Case> what_;
  std::unique_ptr<Debugger> debugger_;
};

// A capture of `count` datagrams to port 53, one every 10 us.
std::string DatagramCapture(uint32_t count) {
  std::vector<uint8_t> frame = {2,    0, 0,  0,  0, 2, 2,    0,    0,  0,  0, 1,  8,  0,
                                0x45, 0, 0,  46, 0, 0, 0x40, 0,    64, 17, 0, 0,  10, 0,
                                0,    1, 10, 0,  0, 2, 0x12, 0x34, 0,  53, 0, 26, 0,  0};
  frame.resize(60);
  wire::RepairChecksums(frame);
  const std::string path = testing::TempDir() + "datagrams.pcap";
  auto writer = capture::PcapWriter::Create(capture::OutputFile::Create(path).value(), {}).value();
  for (uint32_t i = 0; i < count; ++i) {
    EXPECT_TRUE(writer.Write(int64_t{i} * 10'000, frame, 60).ok());
  }
  EXPECT_TRUE(writer.Close().ok());
  return path;
}

// Lines of events, one after another, are the same whichever way one comes to them.
class BothKinds : public DebuggerTest, public testing::WithParamInterface<const char*> {};

TEST_P(BothKinds, BackStandsWhereItStoodBefore) {
  Open(GetParam());
  std::vector<std::string> there;
  for (int i = 0; i < 20; ++i) there.push_back(Say("step"));
  for (int i = 18; i >= 0; --i) EXPECT_EQ(Say("back"), there[static_cast<size_t>(i)]);
  EXPECT_THAT(Say("back"), StartsWith("the start"));
  EXPECT_EQ(Say("step 20"), there[19]);
  EXPECT_EQ(Say("back 10"), there[9]);
}

TEST_P(BothKinds, StateIsTheSameWhicheverWayOneComes) {
  Open(GetParam());
  Say("step 15");
  const std::map<std::string, FieldValue> there = AllFields(debugger_->run());
  const uint64_t number = event();
  Say("goto end");
  Say("goto " + std::to_string(number));
  EXPECT_EQ(DiffText(there, AllFields(debugger_->run())), "");
}

TEST_P(BothKinds, GoesToATime) {
  Open(GetParam());
  Say("step 17");
  const SimTime time = debugger_->run().time();
  Say("goto end");
  EXPECT_THAT(Say("goto " + std::to_string(time.ps) + "ps"), Not(StartsWith("error")));
  EXPECT_EQ(debugger_->run().time(), time);
}

INSTANTIATE_TEST_SUITE_P(Cases, BothKinds, testing::Values(kCapture, kScript),
                         [](const auto& param) {
                           return param.param == std::string(kCapture) ? "Capture" : "Script";
                         });

TEST_F(DebuggerTest, UntilStopsWhereAConditionBeginsToHold) {
  Open(kScript);
  EXPECT_THAT(Say("until event.kind == TcpRetransmit"), HasSubstr("timeout"));
  EXPECT_EQ(Say("print tcp.icsk_ca_state"), "Loss\n");
}

// The time-out shrinks the window, and it can be found from the end.
TEST_F(DebuggerTest, LastChangeFindsTheEventThatChangedAField) {
  Open(kScript);
  Say("until event.kind == TcpRetransmit");
  EXPECT_THAT(Say("last-change tcp.snd_cwnd"), HasSubstr("tcp.snd_cwnd  10 -> 1\n"));
  const uint64_t change = event();
  EXPECT_EQ(Say("print tcp.snd_cwnd"), "1\n");
  Say("back");
  EXPECT_EQ(Say("print tcp.snd_cwnd"), "10\n");
  Say("goto " + std::to_string(change));
  EXPECT_THAT(Say("last-change sysctl(net.ipv4.tcp_sack)"), HasSubstr("has not changed"));
}

TEST_F(DebuggerTest, ContinueStopsWhereSomethingWatchedChanges) {
  Open(kScript);
  EXPECT_EQ(Say("watch counter(TcpRetransSegs)"), "1: counter(TcpRetransSegs) = 0\n");
  EXPECT_THAT(Say("continue"), StartsWith("1: counter(TcpRetransSegs)  0 -> 1\n"));
  EXPECT_THAT(Say("continue"), StartsWith("1: counter(TcpRetransSegs)  1 -> 2\n"));
  Say("unwatch 1");
  EXPECT_THAT(Say("continue"), StartsWith("the end"));
}

TEST_F(DebuggerTest, DiffNamesWhatHasChangedAndStaysWhereItIs) {
  Open(kScript);
  Say("until event.kind == TcpRetransmit");
  const uint64_t here = event();
  const std::string diff = Say("diff " + std::to_string(here - 4) + " " + std::to_string(here));
  EXPECT_THAT(diff, HasSubstr("icsk_ca_state"));
  EXPECT_THAT(diff, HasSubstr("10 -> 1\n"));
  EXPECT_EQ(event(), here);
}

TEST_F(DebuggerTest, EventsAreThoseOfTheTrace) {
  Open(kCapture);
  const std::string text = Say("events 21..23");
  EXPECT_THAT(text, HasSubstr("\n      22      0.011107370     0 nic      drop NIC_FILTER"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
}

TEST_F(DebuggerTest, WhatIfAFrameWereLost) {
  Open(kCapture);
  const std::string text = Say("whatif drop frame 7");
  EXPECT_THAT(text, HasSubstr("first difference: event 21\n"));
  EXPECT_THAT(text, HasSubstr(" <\n"));  // a row that is on the left only
  EXPECT_THAT(Say("whatif delay frame 7 by 5ms"), HasSubstr("first difference: event 21\n"));
  EXPECT_THAT(Say("whatif duplicate frame 7"), HasSubstr("first difference: event 23\n"));
  EXPECT_THAT(Say("whatif drop frame 4000"), HasSubstr("nothing differs"));
}

TEST_F(DebuggerTest, WhatIfASettingWereAnother) {
  Open(kScript);
  EXPECT_THAT(Say("whatif set net.ipv4.tcp_rto_min_us=400000"),
              HasSubstr("expected 0.408000, found 0.608000"));
  EXPECT_THAT(Say("whatif set net.ipv4.tcp_no_such=0"), StartsWith("error: net.ipv4.tcp_no_such"));
}

// What the host sends may be lost on its way to the script; what the script sends is its own.
TEST_F(DebuggerTest, WhatIfAPacketOfAScriptWereLost) {
  Open(kScript);
  std::string id;
  Say("until event.kind == WireTx");
  id = Say("print event.frame_id");
  EXPECT_THAT(Say("whatif drop frame " + id), HasSubstr("FAILED"));
  Say("goto start");
  Say("until event.kind == WireRx");
  id = Say("print event.frame_id");
  EXPECT_THAT(Say("whatif drop frame " + id), HasSubstr("is changed in the script"));
}

TEST_F(DebuggerTest, ShowsEveryTopic) {
  Open(kScript);
  Say("until event.kind == SyscallExit && tcp.packets_out > 0");
  for (const char* const topic :
       {"tcp", "skb", "ring", "timers", "neigh", "route", "sysctl tcp_sack", "counters", "cpu",
        "udp", "sock", "dev", "proc tcp"}) {
    const std::string text = Say(std::string("show ") + topic);
    EXPECT_THAT(text, Not(StartsWith("error"))) << topic;
    EXPECT_NE(text, "") << topic;
  }
  EXPECT_THAT(Say("show skb"), HasSubstr("tcp_rtx_queue"));
  EXPECT_THAT(Say("show timers"), HasSubstr("icsk_retransmit_timer"));
  EXPECT_THAT(Say("show tcp.snd_cwnd"), StartsWith("tcp.snd_cwnd = "));
}

TEST_F(DebuggerTest, WrongCommandsAreToldAndChangeNothing) {
  Open(kScript);
  Say("step 3");
  const uint64_t here = event();
  for (const char* const wrong :
       {"jump", "s x", "goto nowhere", "until tcp(", "until 3 +", "print tcp.no_such_field",
        "print udp(3x).sk_id", "show nothing", "whatif lose frame 1", "diff 1", "unwatch 7"}) {
    EXPECT_THAT(Say(wrong), StartsWith("error: ")) << wrong;
  }
  EXPECT_EQ(event(), here);
  EXPECT_THAT(Say("goto 1000000"), HasSubstr("the run has"));
}

TEST_F(DebuggerTest, NamesAreCompleted) {
  Open(kScript);
  EXPECT_THAT(debugger_->Complete("unt", 0), testing::ElementsAre("until"));
  EXPECT_THAT(debugger_->Complete("show ti", 5), testing::Contains("timers"));
  EXPECT_THAT(debugger_->Complete("print cpu(0).con", 6), testing::ElementsAre("cpu(0).context"));
}

// The state behind a checkpoint is the state without one.
TEST_F(DebuggerTest, CheckpointsAreTakenAndThinned) {
  Open(DatagramCapture(40'000));
  Say("goto end");
  const uint64_t events = event();
  ASSERT_GT(events, TimeTravel::kCheckpointsMax * TimeTravel::kInterval);
  EXPECT_EQ(debugger_->travel().checkpoints(), TimeTravel::kCheckpointsMax);
  Say("goto " + std::to_string(events / 2));
  const std::map<std::string, FieldValue> there = AllFields(debugger_->run());
  const std::unique_ptr<Debugger> other = Debugger::Start(*what_).value();
  ASSERT_TRUE(other->run().RunToEvent(events / 2));
  EXPECT_EQ(DiffText(there, AllFields(other->run())), "");
}

TEST(DigestChain, FirstDifferenceIsFoundAnywhere) {
  std::vector<uint64_t> a = {1, 2, 3, 4, 5, 6, 7};
  EXPECT_EQ(FirstDifference(a, a), std::nullopt);
  for (size_t i = 0; i < a.size(); ++i) {
    std::vector<uint64_t> b = a;
    for (size_t k = i; k < b.size(); ++k) b[k] += 100;
    EXPECT_EQ(FirstDifference(a, b), i + 1);
    EXPECT_EQ(FirstDifference(a, std::span(a).first(i)), i + 1);
  }
}

TEST(DigestChain, FilesComeBackAndOthersAreRefused) {
  const std::string path = testing::TempDir() + "chain";
  const std::vector<uint64_t> links = {7, 8, 9};
  ASSERT_TRUE(WriteDigestChain(path, links).ok());
  EXPECT_TRUE(IsDigestChain(path));
  EXPECT_EQ(ReadDigestChain(path).value(), links);
  EXPECT_FALSE(IsDigestChain(kCapture));
  EXPECT_FALSE(ReadDigestChain(kCapture).ok());
}

}  // namespace
}  // namespace tapedeck
