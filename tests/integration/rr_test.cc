// rr in three layers: commands and verdicts against a stand-in for rr that plays each way of
// failing and a success; the probe for real, which must end in one of its verdicts; a real
// recording where the probe says that one can be made.
#include "replay/outside/rr.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "replay/outside/child_process.h"

namespace tapedeck {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<std::string> kSelfTest = {"/bin/echo", "self", "test"};

// A shell script that answers as rr does in one situation.
std::string FakeRr(const std::string& name, const std::string& record, const std::string& replay) {
  const std::string path = testing::TempDir() + name;
  std::ofstream(path) << "#!/bin/sh\n"
                      << "[ \"$1\" = -M ] && shift\n"
                      << "case $1 in\n"
                      << "--version) echo 'rr version 5.6.0' ;;\n"
                      << "record) shift; while [ \"$1\" != -o ]; do shift; done; dir=$2\n"
                      << record << "\n;;\n"
                      << "replay) " << replay << "\n;;\nesac\n";
  fs::permissions(path, fs::perms::owner_all);
  return path;
}

// The command, which the build puts elsewhere than the tests.
std::string Tapedeck() {
  return fs::read_symlink("/proc/self/exe").parent_path() / "../../bin/tapedeck";
}

constexpr char kGoodRecord[] = "mkdir \"$dir\"; : >\"$dir/version\"; echo self test";

TEST(Rr, ASuccessIsOne) {
  const std::string rr = FakeRr("rr-good", kGoodRecord, "echo '[rr 7 120] self test'");
  const RrProbe probe = ProbeRr(rr, kSelfTest);
  EXPECT_TRUE(probe.available()) << probe.ToString();
  EXPECT_EQ(probe.ToString(), "rr: available (rr version 5.6.0)");
}

TEST(Rr, AReplayThatPrintsSomethingElseIsNone) {
  const std::string rr = FakeRr("rr-other", kGoodRecord, "echo '[rr 7 120] other test'");
  EXPECT_EQ(ProbeRr(rr, kSelfTest).verdict, RrVerdict::kSelfTestFailed);
}

TEST(Rr, NotInstalledIsSaid) {
  const RrProbe probe = ProbeRr("/no/such/rr", kSelfTest);
  EXPECT_EQ(probe.verdict, RrVerdict::kNotInstalled);
  EXPECT_EQ(probe.ToString(), "rr: unavailable (not installed: no program `/no/such/rr`)");
}

struct Failure {
  const char* name;
  const char* err;
  RrVerdict verdict;
};
class RrFailure : public testing::TestWithParam<Failure> {};

TEST_P(RrFailure, IsNamed) {
  const std::string rr = FakeRr(std::string("rr-") + GetParam().name,
                                std::string("cat >&2 <<'END'\n") + GetParam().err +
                                    "\nEND\nmkdir \"$dir\"; : >\"$dir/incomplete\"; exit 1",
                                "exit 1");
  const RrProbe probe = ProbeRr(rr, kSelfTest);
  EXPECT_EQ(probe.verdict, GetParam().verdict) << probe.ToString();
  EXPECT_EQ(probe.ToString().find('\n'), std::string::npos);
  EXPECT_THAT(probe.ToString(), HasSubstr(RrVerdictText(GetParam().verdict)));
}

INSTANTIATE_TEST_SUITE_P(
    Messages, RrFailure,
    testing::Values(
        Failure{"old",
                "[FATAL ./src/PerfCounters_x86.h:117:compute_cpu_microarch()] Intel CPU type "
                "0xc06f0 unknown",
                RrVerdict::kTooOldForProcessor},
        Failure{"paranoid",
                "[FATAL ./src/PerfCounters.cc:256:start_counter()] Permission denied to use "
                "'perf_event_open'; are hardware perf events available? See "
                "/proc/sys/kernel/perf_event_paranoid",
                RrVerdict::kPerfForbidden},
        Failure{"enoent",
                "[FATAL ./src/PerfCounters.cc:224:start_counter() errno: ENOENT] Unable to open "
                "performance counter with 'perf_event_open'; are hardware perf events available?",
                RrVerdict::kNoCounters},
        Failure{"zero",
                "[FATAL ./src/PerfCounters.cc:346:check_working_counters()]\nGot 0 branch events, "
                "expected at least 500.\nThe hardware performance counter seems to not be working.",
                RrVerdict::kCountersReadZero},
        Failure{"ptrace", "rr: ptrace(PTRACE_SEIZE) failed: EPERM", RrVerdict::kPtraceForbidden},
        Failure{"zen",
                "[ERROR src/PerfCounters.cc] On Zen CPUs, rr will not work reliably unless you "
                "disable the hardware SpecLockMap optimization.",
                RrVerdict::kZenLockMap},
        Failure{"odd", "something new went wrong", RrVerdict::kSelfTestFailed}),
    [](const auto& param) { return std::string(param.param.name); });

// The exit status of `rr record` is the program's: the directory decides.
TEST(Rr, TheDirectoryDecidesNotTheStatus) {
  RrAttempt attempt;
  attempt.exit_code = 1;
  attempt.has_version = true;
  EXPECT_TRUE(JudgeRrAttempt(attempt).available());
  attempt.exit_code = 0;
  attempt.has_incomplete = true;
  EXPECT_FALSE(JudgeRrAttempt(attempt).available());
}

TEST(Rr, CommandsAreRight) {
  EXPECT_THAT(RrRecordCommand("rr", "DIR", {"tapedeck", "replay", "x.pcap"}),
              ElementsAre("rr", "record", "-n", "-o", "DIR", "--disable-avx-512", "-v",
                          "ASAN_OPTIONS=detect_leaks=0", "tapedeck", "replay", "x.pcap"));
  EXPECT_THAT(RrPlayCommand("rr", "DIR"), ElementsAre("rr", "-M", "replay", "-a", "DIR"));
  // A script of gdb commands must come behind a first `continue`.
  EXPECT_EQ(ShellLine(RrDebugCommand("rr", "DIR", "cmds.gdb")),
            "rr -M replay DIR -- -batch -ex continue -x cmds.gdb");
  EXPECT_THAT(RrPackCommand("rr", "DIR"), ElementsAre("rr", "pack", "DIR"));
}

TEST(Rr, MarkedLinesMapItsEventsOntoOurs) {
  RrMarkedLine marked;
  ASSERT_TRUE(ParseRrMarkedLine("[rr 4711 982]      83      0.031 0 wire  < ARP", &marked));
  EXPECT_EQ(marked.rr_event, 982U);
  EXPECT_THAT(marked.text, HasSubstr("    83      0.031"));
  EXPECT_FALSE(ParseRrMarkedLine("      83      0.031 0 wire  < ARP", &marked));
}

TEST(RrForReal, TheProbeEndsInAVerdict) {
  const auto start = std::chrono::steady_clock::now();
  const RrProbe probe = ProbeRr("rr", kSelfTest);
  const auto took = std::chrono::steady_clock::now() - start;
  std::printf("%s\n", probe.ToString().c_str());
  EXPECT_NE(probe.ToString(), "");
  EXPECT_LT(took, std::chrono::seconds(20));
}

// A recording as `tapedeck rr record` makes it, of a connection that loses its congestion window:
// replayed it says the same, and going back in it leads to where our own time travel says that the
// window was lost.
TEST(RrForReal, ARecordingLeadsBackToWhereTimeTravelLeads) {
  const RrProbe probe = ProbeRr("rr", kSelfTest);
  if (!probe.available()) GTEST_SKIP() << probe.ToString();
  const std::string script = "tests/conformance/rto/each-timeout-is-twice-the-one-before.pkt";
  const absl::StatusOr<ChildResult> travelled =
      RunChild({Tapedeck(), "debug", "-c", "goto end", "-c", "last-change tcp.snd_cwnd", script});
  ASSERT_TRUE(travelled.ok()) << travelled.status();
  // "tcp.snd_cwnd  10 -> 1", and the event in the line behind.
  const size_t change = travelled->out.find(" -> 1\n");
  ASSERT_NE(change, std::string::npos) << travelled->out;
  const uint64_t event = std::stoull(travelled->out.substr(travelled->out.find('\n', change)));

  const std::string directory = testing::TempDir() + "rr-real";
  fs::remove_all(directory);
  const absl::StatusOr<ChildResult> recorded =
      RunChild(RrRecordCommand("rr", directory, {Tapedeck(), "debug", "--follow", script}));
  ASSERT_TRUE(recorded.ok()) << recorded.status();
  EXPECT_TRUE(LookAtRecording(directory).has_version);

  const absl::StatusOr<ChildResult> replayed = RunChild(RrPlayCommand("rr", directory));
  ASSERT_TRUE(replayed.ok()) << replayed.status();
  std::string said;
  std::vector<uint64_t> rr_events;  // of our events, the first at 0
  std::istringstream lines(replayed->out);
  for (std::string line; std::getline(lines, line);) {
    RrMarkedLine marked;
    ASSERT_TRUE(ParseRrMarkedLine(line, &marked)) << line;
    said += marked.text + "\n";
    rr_events.push_back(marked.rr_event);
  }
  EXPECT_EQ(said, recorded->out);
  ASSERT_GT(rr_events.size(), event);

  const std::string commands = testing::TempDir() + "rr-real.gdb";
  // It stands at the program's end, and stops there once more on its way back.
  std::ofstream(commands) << "break tapedeck_event_reached if $rdi == " << event
                          << "\nreverse-continue\nreverse-continue\nprint (long)$rdi\nwhen\n";
  const absl::StatusOr<ChildResult> back = RunChild(RrDebugCommand("rr", directory, commands));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_THAT(back->out, HasSubstr("= " + std::to_string(event) + "\n"));
  // It is told of in one of rr's events, and the next one of ours in a later one.
  const size_t when = back->out.find("Current event: ");
  ASSERT_NE(when, std::string::npos) << back->out;
  const uint64_t rr_event = std::stoull(back->out.substr(when + 15));
  EXPECT_GE(rr_event, rr_events[event - 1]);
  EXPECT_LE(rr_event, rr_events[event]);
}

TEST(ChildProcess, OutputAndStatusComeBack) {
  const absl::StatusOr<ChildResult> result =
      RunChild({"sh", "-c", "echo out; echo err >&2; echo $X; exit 3"}, {"X=y"});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->exit_code, 3);
  EXPECT_EQ(result->out, "out\ny\n");
  EXPECT_EQ(result->err, "err\n");
  EXPECT_EQ(RunChild({"sh", "-c", "kill -9 $$"})->exit_code, 137);
  EXPECT_TRUE(absl::IsNotFound(RunChild({"/no/such/program"}).status()));
  EXPECT_TRUE(absl::IsDeadlineExceeded(RunChild({"sleep", "60"}, {}, 1).status()));
}

}  // namespace
}  // namespace tapedeck
