#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "fuzz/campaign/bisect.h"
#include "fuzz/campaign/bug_trials.h"
#include "fuzz/campaign/ddmin.h"
#include "fuzz/campaign/engine_job.h"
#include "fuzz/campaign/files.h"
#include "fuzz/campaign/judge.h"
#include "fuzz/campaign/minimise.h"
#include "fuzz/campaign/observed_run.h"
#include "fuzz/campaign/packet_seeds.h"
#include "fuzz/campaign/pieces.h"
#include "fuzz/campaign/report.h"
#include "fuzz/campaign/signature.h"
#include "fuzz/campaign/survival.h"
#include "fuzz/campaign/triage.h"
#include "fuzz/campaign/workspace.h"
#include "fuzz/input_ring.h"
#include "replay/script/bytes.h"
#include "replay/script/script_targets.h"
#include "replay/script/text.h"

namespace tapedeck::fuzz {
namespace {

Bytes ToInput(std::string_view text) { return {text.begin(), text.end()}; }

// --- Seeds ---

TEST(FuzzSeeds, PacketsBecomeSegmentsRelativeToWhatTheStackHasSaid) {
  const absl::StatusOr<Script> script = ParseScript(R"(
`sysctl -q net.ipv4.tcp_sack=1`
0    socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0   bind(3, ..., ...) = 0
+0   listen(3, 1) = 0
+0   < S 0:0(0) win 65535 <mss 1000,sackOK,nop,nop,nop,wscale 8>
+0   > S. 0:0(0) ack 1 <...>
+.1  < . 1:1(0) ack 1 win 257
+0   accept(3, ..., ...) = 4
+0   write(4, ..., 3000) = 3000
+.2  > P. 1:3001(3000) ack 1
+.1  < P. 1:101(100) ack 1 win 257 <nop,nop,sack 1001:3001>
+0   %{ assert tcpi_sacked == 2 }%
*    > . 3001:3001(0) ack 101
+.1  < F. 101:101(0) ack 3001 win 257 <kind 76 0102>
)",
                                                    "script");
  ASSERT_TRUE(script.ok()) << script.status();
  EXPECT_EQ(PrintScript(WithRelativeSegments(*script)), R"(+0 close(5) = ?
+0 sysctl "net/ipv4/tcp_sack=1"
+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 segment 0 SYN mss 1000 wscale 8 sackok
+0.1 segment 0 ACK win 257
+0 accept(3, ..., ...) = 4
+0 write(4, ..., 3000) = 3000
+0.3 segment 0 PSH|ACK ack -3000 win 257 len 100 sack 1000 3000
+0.1 segment 0 FIN|ACK win 257 options { 4c040102 }
)");
  const std::string ipv6 = PrintScript(WithRelativeSegments(*script, /*ipv6=*/true));
  for (const char* expected :
       {"socket(AF_INET6, ", "bind(3, {sa_family=AF_INET6, ", "segment 0 SYN v6 mss 1000 "}) {
    EXPECT_THAT(ipv6, testing::HasSubstr(expected));
  }
}

// --- Signatures ---

constexpr RunEnd kAborted = {.signal = SIGABRT};

TEST(FuzzSignature, AnOraclesLineIsIt) {
  EXPECT_EQ(SignatureOf("noise\nASSERTION FAILED: RES:empty:sk\n17 left\n", kAborted),
            "RES:empty:sk");
}

TEST(FuzzSignature, ACheckIsItsFileAndConditionWithoutLineAndFigures) {
  const std::string first = "fuzz/stage.cc:79: CHECK failed: a == b (1 against 2)\n";
  const std::string second = "fuzz/stage.cc:81: CHECK failed: a == b (3 against -4)\n";
  EXPECT_EQ(SignatureOf(first, kAborted), "CHECK:a == b:fuzz/stage.cc");
  EXPECT_EQ(SignatureOf(first, kAborted), SignatureOf(second, kAborted));
}

TEST(FuzzSignature, AddressSanitizerIsKindAndFirstFunctionOfOurs) {
  const std::string report =
      "==12==ERROR: AddressSanitizer: heap-use-after-free on address 0x602 at pc 0x55\n"
      "READ of size 8 at 0x602 thread T0\n"
      "    #0 0x55aa in memcpy (/lib/libc.so+0x1)\n"
      "    #1 0x55bb in tapedeck::tcp_rcv(tapedeck::sk_buff*) /src/stack/tcp/tcp_rcv.cc:12:3\n"
      "SUMMARY: AddressSanitizer: heap-use-after-free\n";
  EXPECT_EQ(SignatureOf(report, {.exit_code = 1}), "ASAN:heap-use-after-free:tcp_rcv");
}

TEST(FuzzSignature, UndefinedBehaviourIsFileAndMessageWithoutFigures) {
  const std::string report =
      "/any/stack/tcp/cubic.cc:70:9: runtime error: shift exponent 64 is too large\n";
  EXPECT_EQ(SignatureOf(report, {.exit_code = 1}),
            "UBSAN:shift exponent N is too large:stack/tcp/cubic.cc");
  EXPECT_EQ(SignatureOf(report + "SUMMARY: UndefinedBehaviorSanitizer: shift-exponent "
                                 "../../stack/tcp/cubic.cc:70:9 in f\n",
                        {.exit_code = 1}),
            "UBSAN:shift-exponent:stack/tcp/cubic.cc");
}

TEST(FuzzSignature, WhatPrintsNothingHasItsEnd) {
  EXPECT_EQ(SignatureOf("", {.signal = SIGSEGV}), "SIGNAL:Segmentation fault");
  EXPECT_EQ(SignatureOf("", {.signal = SIGALRM}), "TIMEOUT");
  EXPECT_EQ(SignatureOf("", {.exit_code = 3}), "EXIT:3");
  EXPECT_EQ(SignatureOf("ASSERTION FAILED: only printed\n", {}), "");
}

TEST(FuzzSignature, SlugsOfDifferentSignaturesDiffer) {
  EXPECT_EQ(SignatureSlug("RES:empty:sk"), "RES-empty-sk");
  const std::string a = SignatureSlug("CHECK:a == b:fuzz/stage.cc");
  const std::string b = SignatureSlug("CHECK:a != b:fuzz/stage.cc");
  EXPECT_NE(a, b);
  EXPECT_LE(SignatureSlug(std::string(500, 'x')).size(), 80U);
  EXPECT_EQ(a.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"),
            std::string::npos)
      << a;
}

// --- Inputs ---

TEST(FuzzFiles, AnInputsNameIsItsSha1) {
  EXPECT_EQ(InputName({}), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(InputName(ToInput("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(InputName(ToInput(std::string(1000, 'a'))), "291e9a6c66994949b57ba5e650361e98fc36b1ba");
}

TEST(FuzzPieces, JoiningGivesTheInputBack) {
  const std::string pcap =
      std::string("\xd4\xc3\xb2\xa1", 4) + std::string(20, '\0') +
      std::string("\0\0\0\0\0\0\0\0\3\0\0\0\3\0\0\0abc\0\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0d", 36);
  const struct {
    InputKind kind;
    std::string input;
    size_t pieces;
    size_t fixed;
  } cases[] = {
      {InputKind::kScript,
       "a\x7e"
       "b\x7e"
       "c",
       3, 0},
      {InputKind::kScript, "", 0, 0},
      {InputKind::kText, "one\ntwo\n", 2, 0},
      {InputKind::kCapture, pcap, 3, 1},
      {InputKind::kCapture, pcap.substr(0, 50), 3, 1},  // cut in its second packet
      {InputKind::kCapture, "no capture", 1, 0},
  };
  for (const auto& one : cases) {
    const Pieces pieces = SplitInput(one.kind, ToInput(one.input));
    EXPECT_EQ(JoinPieces(pieces.list), ToInput(one.input));
    EXPECT_EQ(pieces.list.size(), one.pieces) << one.input;
    EXPECT_EQ(pieces.fixed, one.fixed);
  }
}

// --- Minimising ---

TEST(FuzzDdmin, WhatIsLeftCannotLoseAnyElement) {
  std::vector<int> list(100);
  std::iota(list.begin(), list.end(), 0);
  const auto keeps = [](const std::vector<int>& part) {
    const auto has = [&](int value) {
      return std::find(part.begin(), part.end(), value) != part.end();
    };
    return has(3) && has(50) && has(99);
  };
  EXPECT_EQ(Ddmin<int>(list, keeps), (std::vector<int>{3, 50, 99}));
}

TEST(FuzzDdmin, FixedElementsStay) {
  const auto always = [](const std::vector<int>&) { return true; };
  EXPECT_EQ(Ddmin<int>({1, 2, 3, 4, 5}, always, 2), (std::vector<int>{1, 2}));
  EXPECT_EQ(Ddmin<int>({1, 2, 3}, always), std::vector<int>());
  EXPECT_EQ(Ddmin<int>({}, always), std::vector<int>());
}

// Judges in this process.
class FakeJudge : public Judge {
 public:
  explicit FakeJudge(std::function<std::string(std::span<const uint8_t>)> signature)
      : signature_(std::move(signature)) {}
  absl::StatusOr<Judgement> Run(std::span<const uint8_t> input) override {
    ++runs;
    Judgement judgement;
    judgement.signature = signature_(input);
    if (judgement.held()) judgement.digest = 1;
    return judgement;
  }
  uint64_t runs = 0;

 private:
  std::function<std::string(std::span<const uint8_t>)> signature_;
};

// Breaks with one call to `close` behind two pauses, at 30 s or later.
std::string CloseAfterHalfAMinute(std::span<const uint8_t> input) {
  Duration now;
  for (const Step& step : DecodeScript(input).steps) {
    now += step.delay;
    const auto* const call = std::get_if<SyscallStep>(&step.what);
    if (call == nullptr || call->name != SyscallName::kClose) continue;
    return now >= Duration::Seconds(30) ? "LATE:close:fd" : "EARLY:close:fd";
  }
  return "";
}

TEST(FuzzMinimise, AScriptLosesStepsButKeepsItsTimeAndSignature) {
  const absl::StatusOr<Script> script = ParseScript(R"(
    0      socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3
    +1.234 bind(3, ..., ...) = 0
    +17.77 sendto(3, ..., 8, 0, ..., ...) = 8
    +13.45 close(3) = 0
    +2     pause
  )",
                                                    "test");
  ASSERT_TRUE(script.ok());
  const absl::StatusOr<Bytes> input = EncodeScript(*script);
  ASSERT_TRUE(input.ok());
  FakeJudge judge(CloseAfterHalfAMinute);
  const absl::StatusOr<Minimised> result = Minimise(judge, *input, {});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->signature, "LATE:close:fd");
  const Script small = DecodeScript(result->input);
  ASSERT_EQ(small.steps.size(), 1U) << PrintScript(small);
  EXPECT_EQ(small.steps[0].delay, Duration::Seconds(30)) << PrintScript(small);
  EXPECT_EQ(result->pieces_before, 5U);
  EXPECT_EQ(result->pieces, 1U);
}

// A zero in a string is four characters, which are no plainer as four zeros.
TEST(FuzzMinimise, AStatementInTextGetsNoLonger) {
  constexpr char kStatement[] =
      "0 setsockopt(3, SOL_IP, IP_OPTIONS, \"\\x07\\x07\\x04\\x00\", 4) = ?\n";
  const absl::StatusOr<Script> script = ParseScript(kStatement, "test");
  ASSERT_TRUE(script.ok());
  const absl::StatusOr<Bytes> input = EncodeScript(*script);
  ASSERT_TRUE(input.ok());
  FakeJudge judge([](std::span<const uint8_t> bytes) {
    const Script played = DecodeScript(bytes);
    if (played.steps.empty()) return "";
    const auto* const call = std::get_if<SyscallStep>(&played.steps[0].what);
    return call != nullptr && call->name == SyscallName::kSetsockopt ? "API:option:fd" : "";
  });
  const absl::StatusOr<Minimised> result = Minimise(judge, *input, {});
  ASSERT_TRUE(result.ok());
  EXPECT_LE(result->input.size(), input->size());
}

TEST(FuzzMinimise, NothingToKeepIsAnError) {
  FakeJudge judge([](std::span<const uint8_t>) { return ""; });
  EXPECT_EQ(Minimise(judge, ToInput("x"), {}).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(FuzzMinimise, TheNumberOfRunsIsBounded) {
  FakeJudge judge(
      [](std::span<const uint8_t> input) { return input.size() % 2 == 0 ? "EVEN" : "ODD"; });
  MinimiseOptions options;
  options.kind = InputKind::kText;
  options.runs_max = 10;
  const absl::StatusOr<Minimised> result = Minimise(judge, Bytes(1000, 'x'), options);
  ASSERT_TRUE(result.ok());
  EXPECT_LE(judge.runs, 11U);
}

// --- A replayer as the judge ---

TEST(FuzzReplayerJudge, EveryRunIsJudgedByItself) {
  auto judge = ReplayerJudge::Start(TAPEDECK_FAKE_REPLAYER, 1);
  ASSERT_TRUE(judge.ok()) << judge.status();
  const auto run = [&](const std::string& input) { return *(*judge)->Run(ToInput(input)); };
  const Judgement held = run("A1\x7e");
  EXPECT_TRUE(held.held());
  EXPECT_TRUE(held.digest.has_value());
  EXPECT_EQ(run("A1\x7e"
                "B2\x7e")
                .signature,
            "RES:fake:pair");
  EXPECT_EQ(run("A1\x7e"
                "B2\x7e")
                .errors,
            "ASSERTION FAILED: RES:fake:pair\n6 bytes\n");
  EXPECT_EQ(run("A1\x7e").digest, held.digest);
  EXPECT_EQ(run("C").signature, "CHECK:byte != 'C':tests/unit/fuzz_fake_target.cc");
  EXPECT_TRUE(run(std::string(5000, 'x')).out_of_bounds());
  EXPECT_EQ(run("L").signature, "TIMEOUT");
  EXPECT_FALSE(held.cut_short);
  EXPECT_TRUE(run("W").cut_short);
  EXPECT_TRUE(run("W").held());
  EXPECT_EQ(run("A1\x7e").digest, held.digest);
}

TEST(FuzzReplayerJudge, WhatIsNoReplayerIsAnError) {
  EXPECT_FALSE(ReplayerJudge::Start("/nonexistent/replayer").ok());
  auto judge = ReplayerJudge::Start("/bin/true");
  ASSERT_TRUE(judge.ok());
  EXPECT_FALSE((*judge)->Run({}).ok());
}

TEST(FuzzMinimise, ThroughAReplayerTwoRecordsAreLeft) {
  auto judge = ReplayerJudge::Start(TAPEDECK_FAKE_REPLAYER, 1);
  ASSERT_TRUE(judge.ok());
  std::string input;
  for (int i = 0; i < 60; ++i) {
    input += i == 20 ? "Aabc\x7e" : i == 45 ? "Bdefg\x7e" : "xxxxxxxxxx\x7e";
  }
  MinimiseOptions options;
  options.kind = InputKind::kText;  // of bytes: fake records are no steps of a Script
  const absl::StatusOr<Minimised> result = Minimise(**judge, ToInput(input), options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->input, ToInput("A\x7e"
                                   "B"));
}

// --- Many inputs ---

// A folder of this test, gone afterwards.
class Folder {
 public:
  Folder() : path_(testing::TempDir() + "fuzz_campaign_" + std::to_string(getpid())) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string Write(const std::string& name, std::string_view text) const {
    EXPECT_TRUE(WriteText(path_ + "/" + name, text).ok());
    return path_ + "/" + name;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string FirstLetter(std::span<const uint8_t> input) {
  return input.empty() || input[0] == '.' ? "" : std::string("BAD:") + static_cast<char>(input[0]);
}

TEST(FuzzTriage, CrashesAreSortedBySignatureTheSmallestFirst) {
  const Folder folder;
  const std::vector<std::string> files = {folder.Write("1", "axx"), folder.Write("2", "ax"),
                                          folder.Write("3", ".holds"), folder.Write("4", "b")};
  FakeJudge judge(FirstLetter);
  const absl::StatusOr<std::vector<Bug>> bugs = SortBugs(judge, files);
  ASSERT_TRUE(bugs.ok());
  ASSERT_EQ(bugs->size(), 2U);
  EXPECT_EQ((*bugs)[0].signature, "BAD:a");
  EXPECT_EQ((*bugs)[0].files, (std::vector<std::string>{files[1], files[0]}));
  EXPECT_EQ((*bugs)[1].files, std::vector<std::string>{files[3]});
  ASSERT_TRUE(WriteBugs(folder.path() + "/bugs", *bugs).ok());
  EXPECT_EQ(*ReadText(folder.path() + "/bugs/BAD-a/input"), "ax");
  EXPECT_EQ(*ReadText(folder.path() + "/bugs/BAD-a/signature.txt"), "BAD:a\n");
  EXPECT_EQ(ListInputs(folder.path() + "/bugs/BAD-a/others").size(), 1U);
}

TEST(FuzzTriage, WorkersThatDisagreeRaiseAnAlarm) {
  const DigestTable a = {{"1", "aaaa"}, {"2", "bbbb"}};
  const DigestTable b = {{"2", "cccc"}, {"3", "dddd"}};
  EXPECT_EQ(DigestAlarms({a, b}, {"a", "b"}), std::vector<std::string>{"2: bbbb in a, cccc in b"});
  EXPECT_TRUE(DigestAlarms({a, a}, {"a", "b"}).empty());
  const absl::StatusOr<DigestTable> again = ParseDigests(DigestText(a), "file");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, a);
  EXPECT_EQ(ParseDigests("1 aaaa\n2\n", "file").status().message(),
            "file:2: expected `INPUT DIGEST`, found `2`");
}

TEST(FuzzInputRing, TheLastInputsOutliveTheirProcess) {
  const Folder folder;
  const std::string path = folder.path() + "/ring";
  {
    InputRing ring(path.c_str());
    for (int i = 0; i < 20; ++i) ring.Add(ToInput("input " + std::to_string(i)));
  }
  const std::vector<std::vector<uint8_t>> kept = InputRing::Read(path);
  ASSERT_EQ(kept.size(), size_t{InputRing::kInputsMax});
  EXPECT_EQ(kept.front(), ToInput("input 4"));
  EXPECT_EQ(kept.back(), ToInput("input 19"));
  const InputRing next(path.c_str());
  EXPECT_TRUE(InputRing::Read(path).empty());
  EXPECT_EQ(InputRing::Read(path + ".0"), kept);
  EXPECT_TRUE(InputRing::Read(folder.Write("other", "text")).empty());
}

TEST(FuzzInputRing, RunsThatWereCutShortAreCountedOverAllProcesses) {
  const Folder folder;
  const std::string path = folder.path() + "/ring";
  EXPECT_EQ(InputRing::ReadCutShort(path), 0U);
  for (int i = 0; i < 2; ++i) {
    InputRing ring(path.c_str());
    ring.CountCutShort();
  }
  EXPECT_EQ(InputRing::ReadCutShort(path), 2U);
}

TEST(FuzzCampaign, TheLineOfACampaignTellsOfRunsThatWereCutShort) {
  CampaignSample sample;
  EXPECT_EQ(SampleText(sample).find("cut short"), std::string::npos);
  sample.cut_short = 3;
  EXPECT_NE(SampleText(sample).find("3 cut short"), std::string::npos);
  EXPECT_EQ(ParseProgress(SampleJson(sample) + "\n").at(0).cut_short, 3U);
}

// --- Engines ---

TEST(FuzzEngines, LibFuzzersLastLineWithFiguresCounts) {
  const auto progress = ParseLibFuzzerLog(
      "INFO: seed corpus\n#2\tINITED cov: 10 ft: 11 corp: 1/2b exec/s: 0 rss: 30Mb\n"
      "#65536\tpulse  cov: 2374 ft: 6898 corp: 759/283Kb lim: 983 exec/s: 2093 rss: 426Mb\n"
      "==1== ERROR: something\n");
  ASSERT_TRUE(progress.has_value());
  EXPECT_EQ(progress->executions, 65536U);
  EXPECT_EQ(progress->per_second, 2093);
  EXPECT_EQ(progress->edges, 2374U);
  EXPECT_EQ(progress->features, 6898U);
  EXPECT_EQ(progress->corpus, 759U);
  EXPECT_FALSE(ParseLibFuzzerLog("INFO: nothing yet\n").has_value());
}

TEST(FuzzEngines, AflsPlotIsReadByTheNamesOfItsColumns) {
  const auto progress = ParseAflPlot(
      "# relative_time, cycles_done, corpus_count, saved_crashes, saved_hangs, execs_per_sec, "
      "total_execs, edges_found\n5, 0, 20, 0, 0, 1000.5, 5000, 300\n"
      "10, 0, 21, 2, 1, 1001.5, 10000, 310\n");
  ASSERT_TRUE(progress.has_value());
  EXPECT_EQ(progress->executions, 10000U);
  EXPECT_EQ(progress->per_second, 1001.5);
  EXPECT_EQ(progress->edges, 310U);
  EXPECT_EQ(progress->corpus, 21U);
  EXPECT_EQ(progress->crashes, 3U);
  EXPECT_FALSE(ParseAflPlot("# relative_time, cycles_done\n").has_value());
}

// --- Bisection ---

TEST(FuzzBisect, TheFirstBadCommitIsFoundInLogarithmicTime) {
  for (size_t first_bad = 0; first_bad < 100; ++first_bad) {
    int asked = 0;
    const auto found = FindFirstBad(100, [&](size_t i) -> absl::StatusOr<CommitState> {
      ++asked;
      return i < first_bad ? CommitState::kGood : CommitState::kBad;
    });
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(found->first, first_bad);
    EXPECT_EQ(found->last, first_bad);
    EXPECT_LE(asked, 8);
  }
}

TEST(FuzzBisect, CommitsThatCannotBeToldApartAreAllNamed) {
  const auto found = FindFirstBad(10, [](size_t i) -> absl::StatusOr<CommitState> {
    if (i >= 4 && i <= 6) return CommitState::kUnknown;
    return i < 4 ? CommitState::kGood : CommitState::kBad;
  });
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->first, 4U);
  EXPECT_EQ(found->last, 7U);
  EXPECT_FALSE(FindFirstBad(3, [](size_t) -> absl::StatusOr<CommitState> {
                 return absl::UnavailableError("no git");
               }).ok());
}

// --- Survival ---

// Without censoring the median is that of the numbers.
TEST(FuzzSurvival, TheMedianOfTrialsThatAllFindIt) {
  EXPECT_EQ(MedianExecutions({{30, true}, {10, true}, {20, true}}), 20U);
  EXPECT_EQ(MedianExecutions({{10, true}, {20, true}}), 10U);
}

// Kaplan and Meier by hand: 5 at risk at 10, 3 at 30, 1 at 50.
TEST(FuzzSurvival, TrialsThatEndBeforeCountAsLongAsTheyRan) {
  const std::vector<Trial> trials = {{10, true}, {20, false}, {30, true}, {40, false}, {50, true}};
  const std::vector<SurvivalPoint> curve = SurvivalCurve(trials);
  ASSERT_EQ(curve.size(), 3U);
  EXPECT_DOUBLE_EQ(curve[0].surviving, 0.8);
  EXPECT_DOUBLE_EQ(curve[1].surviving, 0.8 * 2 / 3);
  EXPECT_DOUBLE_EQ(curve[2].surviving, 0);
  EXPECT_EQ(MedianExecutions(trials), 50U);
}

TEST(FuzzSurvival, WhatTooFewFindHasNoMedian) {
  EXPECT_EQ(MedianExecutions({{10, true}, {100, false}, {100, false}}), std::nullopt);
  EXPECT_EQ(MedianExecutions({}), std::nullopt);
  EXPECT_TRUE(SurvivalCurve({{100, false}}).empty());
}

// --- Runs of several builds ---

// What a sanitizer ends early is the other build's run up to there; what an oracle ends is not, nor
// is a run that took another way before.
TEST(FuzzObservedRun, ASanitizerEndsARunThatIsOtherwiseTheSame) {
  const auto run = [](std::vector<std::string> events, std::string signature) {
    ObservedRun made;
    made.events = std::move(events);
    made.signature = std::move(signature);
    return made;
  };
  const ObservedRun held = run({"a", "b", "c"}, "");
  EXPECT_TRUE(SameUntilSanitizer(run({"a", "b"}, "ASAN:use-after-poison:f"), held));
  EXPECT_TRUE(SameUntilSanitizer(held, run({"a"}, "UBSAN:shift:f.cc")));
  EXPECT_FALSE(SameUntilSanitizer(run({"a", "x"}, "ASAN:use-after-poison:f"), held));
  EXPECT_FALSE(SameUntilSanitizer(run({"a", "b"}, "RES:empty:sk"), held));
  EXPECT_FALSE(SameUntilSanitizer(held, held));
}

// --- Planted bugs ---

TEST(FuzzBugs, TheTableIsReadAndItsMistakesNamed) {
  const auto bugs = ParseBugTable("id\tlayer\ttarget\toracle\na\ttcp\tstack\tRES:x:y\n", "t");
  ASSERT_TRUE(bugs.ok());
  ASSERT_EQ(bugs->size(), 1U);
  EXPECT_EQ((*bugs)[0].oracle, "RES:x:y");
  EXPECT_EQ(ParseBugTable("id\tlayer\ttarget\toracle\na\ttcp\n", "t").status().message(),
            "t:2: expected id, layer, target, oracle, found 2 columns");
}

TEST(FuzzBugs, TrialsAreReadBackAndMarksAreTheFirstOnes) {
  BugTrial trial{"a", "afl", 3, 500, {}, {}, "RES:x:y", true};
  ParseMarks("reached 12\ntriggered 345\nreached 7\nother 1\n", &trial);
  const std::vector<BugTrial> again = ParseTrials(TrialJson(trial) + "\n{\"bug\": \"half");
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].reached, 7U);
  EXPECT_EQ(again[0].triggered, 345U);
  EXPECT_EQ(TrialJson(again[0]), TrialJson(trial));
}

// Of bug a one trial of two is found at 100, and one at 1000 by another promise that the build
// without it keeps; b, which nobody has found, comes first: what breaks without the bug, too, is
// not its doing.
TEST(FuzzBugs, WhatNobodyFoundComesFirst) {
  const std::vector<PlantedBug> bugs = {{"a", "tcp", "stack", "RES:x:y"},
                                        {"b", "udp", "stack", "RES:b:b"}};
  const std::vector<BugTrial> trials = {{"a", "afl", 1, 100, 10, 90, "RES:x:y", true},
                                        {"a", "afl", 2, 1000, 20, {}, "LIVE:x:y", true},
                                        {"b", "afl", 1, 1000, {}, {}, "RES:x:y", false}};
  EXPECT_EQ(
      BugTable(bugs, trials),
      "bug                    engine     reached         triggered       found           "
      "detected       \n"
      "b                      afl         0/1         -   0/1         -   0/1         -   0/1  "
      "       -   also RES:x:y\n"
      "a                      afl         2/2        10   1/2        90   2/2       100   1/2  "
      "     100   also LIVE:x:y\n"
      "2 bugs tried: 1 reached, 1 triggered, 1 found by an engine, 1 by the promise that is "
      "named\n");
}

// --- The page ---

TEST(FuzzReport, ItShowsSpeedCoverageAndBugs) {
  ReportTarget target;
  target.name = "stack";
  target.workers = {ParseProgress(
      "{\"seconds\":5,\"executions\":1000,\"per_second\":200,\"edges\":300}\n"
      "{\"seconds\":10,\"executions\":2500,\"per_second\":300,\"edges\":310}\nhalf a li")};
  target.bugs = {{"RES:empty:<sk>", 3, "abc", {"+0 close(3) = 0"}, {"wire"}, "tapedeck repro x"}};
  const std::string page = ReportPage({target});
  for (const char* expected : {"RES:empty:&lt;sk&gt;", "tapedeck repro x", "+0 close(3) = 0",
                               "edges: 310 after 10 s", "<polyline", "2500"}) {
    EXPECT_NE(page.find(expected), std::string::npos) << expected;
  }
  EXPECT_EQ(page.find("http"), std::string::npos);
  EXPECT_EQ(page, ReportPage({target}));
}

TEST(FuzzReport, ACampaignThatWasResumedGoesOnInTime) {
  const std::vector<CampaignSample> samples =
      ParseProgress("{\"seconds\":5}\n{\"seconds\":10}\n{\"seconds\":5}\n{\"seconds\":9}\n");
  ASSERT_EQ(samples.size(), 4U);
  EXPECT_EQ(samples[2].seconds, 15);
  EXPECT_EQ(samples[3].seconds, 19);
}

// --- Where things are ---

// What libFuzzer's build takes for bytes is no script to anybody else, either.
TEST(FuzzWorkspace, TheBuildAndTheToolsAgreeOnWhatInputsAre) {
  const absl::StatusOr<Workspace> workspace = Workspace::Find("");
  ASSERT_TRUE(workspace.ok()) << workspace.status();
  const absl::StatusOr<std::string> build = ReadText(workspace->root() + "/fuzz/CMakeLists.txt");
  ASSERT_TRUE(build.ok()) << build.status();
  for (const std::string& target : workspace->targets()) {
    const std::string line = "tapedeck_fuzz_target(" + target + " BYTES";
    EXPECT_EQ(!PlaysScripts(target), build->find(line) != std::string::npos) << target;
    EXPECT_TRUE(PlaysScripts(target) || !TakesFaults(target)) << target;
  }
}

TEST(FuzzWorkspace, WhatPlaysScriptsBeginsWithTheSeedsOfStackToo) {
  const absl::StatusOr<Workspace> workspace = Workspace::Find("");
  ASSERT_TRUE(workspace.ok()) << workspace.status();
  const std::string stack = workspace->root() + "/corpus/fuzz/stack";
  EXPECT_THAT(workspace->SeedFolders("stack"),
              testing::ElementsAreArray(workspace->CorpusFolders("stack")));
  EXPECT_THAT(workspace->SeedFolders("sockets"),
              testing::IsSupersetOf({workspace->root() + "/corpus/fuzz/sockets", stack}));
  EXPECT_THAT(workspace->SeedFolders("capture"), testing::Not(testing::Contains(stack)));
}

TEST(FuzzWorkspace, TheSourcesHaveTargetsWithTheirKindsOfInput) {
  const absl::StatusOr<Workspace> workspace = Workspace::Find("");
  ASSERT_TRUE(workspace.ok()) << workspace.status();
  EXPECT_TRUE(workspace->CheckTarget("stack").ok());
  EXPECT_FALSE(workspace->CheckTarget("stak").ok());
  const Bytes pcap = ToInput("\xd4\xc3\xb2\xa1 and so on");
  EXPECT_EQ(Workspace::KindOf("stack", pcap), InputKind::kScript);
  EXPECT_EQ(Workspace::KindOf("plan", pcap), InputKind::kCapture);
  EXPECT_EQ(Workspace::KindOf("plan", ToInput("plan")), InputKind::kText);
  EXPECT_EQ(Workspace::KindOf("script_text", {}), InputKind::kText);
  EXPECT_EQ(workspace->CorpusFolders("stack").size(), 2U);
  EXPECT_FALSE(Workspace::Find("/nonexistent").ok());
}

}  // namespace
}  // namespace tapedeck::fuzz
