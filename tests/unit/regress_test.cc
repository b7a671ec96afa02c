// Goldens: how a run becomes text, how long texts are folded, and how a difference is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/regress/case_files.h"
#include "replay/regress/case_settings.h"
#include "replay/regress/difference.h"
#include "replay/regress/fold.h"
#include "replay/regress/golden.h"
#include "replay/regress/junit.h"
#include "replay/regress/line_diff.h"
#include "replay/regress/suite.h"
#include "replay/regress/trace_line.h"

namespace tapedeck::regress {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using Lines = std::vector<std::string>;

// A frame every 10 ms, each answered 2 us later.
Lines Exchanges(int count) {
  Lines lines;
  for (int i = 1; i <= count; ++i) {
    lines.push_back(
        absl::StrFormat("%17s <%d 10.0.0.1.9 > 10.0.0.2.80: P. %d:%d(100) ack 1 win 502",
                        absl::StrFormat("0.%02d0000000", i), i, i * 100, i * 100 + 100));
    lines.push_back(absl::StrFormat("%17s > 10.0.0.2.80 > 10.0.0.1.9: . 1:1(0) ack %d win 509",
                                    "+0.000002000", i * 100 + 100));
  }
  return lines;
}

RunText SomeRun(int exchanges) {
  return {"100 bytes 0123456789abcdef",
          "raw  host 10.0.0.2  seed 5eed0001",
          Exchanges(exchanges),
          {"frames in 3 = delivered 3 + dropped 0 + queued 0", "Tcp InSegs 3 OutSegs 3"}};
}

std::string FirstDifference(const Golden& golden, const RunText& run) {
  const auto difference = FindDifference(golden, run);
  return difference.has_value() ? difference->first : "";
}

// --- trace_line ---

TEST(TraceLine, HasATimeAKindAndWords) {
  const std::string line = "     +0.000002000 sock 1 LISTEN -> CLOSE";
  EXPECT_EQ(TimeOf(line), "+0.000002000");
  EXPECT_EQ(KindOf(line), "sock");
  EXPECT_EQ(WithoutTime(line), "sock 1 LISTEN -> CLOSE");
  EXPECT_EQ(KindOf("      0.010000000 <17 ARP"), "<");
}

TEST(TraceLine, PlaceOfAnAnswerCountsFromTheFrameBeforeIt) {
  const Lines lines = Exchanges(3);
  const LinePlace place = PlaceOf(lines, 5);
  EXPECT_EQ(place.frame, 3U);
  EXPECT_EQ(place.time, "0.030002000");
  EXPECT_EQ(PlaceOf(lines, 2).time, "0.020000000");
}

TEST(TraceLine, AnswersOfTheLabAreNoFramesOfTheInput) {
  const Lines lines = {"      0.010000000 <1 ARP", "      0.020000000 <* ARP",
                       "     +0.000000001 > x"};
  const LinePlace place = PlaceOf(lines, 2);
  EXPECT_EQ(place.frame, 1U);
  EXPECT_EQ(place.time, "0.020000001");
}

// --- fold ---

TEST(Fold, LinesThatDifferInNumbersAloneAreAlike) {
  EXPECT_EQ(Shape("0.1 > a: . 1:1(0) ack 201 #0a1b2c3d"),
            Shape("+7 > a: . 5:5(0) ack 3 #ffffffff"));
}

TEST(Fold, ZeroIsLikeNoOtherNumber) {
  EXPECT_NE(Shape("0.1 > a: . 1:1(0)"), Shape("0.1 > a: . 1:2(1)"));
}

TEST(Fold, ShowsSoManyOfAShapeAndCountsTheRest) {
  const Lines folded = Fold(Exchanges(10), 2);
  ASSERT_EQ(folded.size(), 5U);
  EXPECT_THAT(folded[4], HasSubstr("... 16 lines: 8 <, 8 >; every 1: "));
}

TEST(Fold, WithoutLimitNothingIsFolded) { EXPECT_EQ(Fold(Exchanges(50), 0), Exchanges(50)); }

TEST(Fold, FewerThanThreeLinesAreNotWorthFolding) {
  EXPECT_EQ(Fold(Exchanges(3), 2), Exchanges(3));
}

TEST(Fold, ChoosesTheLargestLimitThatFits) {
  const Lines lines = Exchanges(40);
  EXPECT_EQ(ChooseLimit(lines, 80), 0U);
  const unsigned limit = ChooseLimit(lines, 30);
  EXPECT_LE(Fold(lines, limit).size(), 30U);
  EXPECT_EQ(limit, 12U);
}

TEST(Fold, AFoldedLineIsReadBack) {
  const Lines folded = Fold(Exchanges(100), 1);
  const auto run = ParseFold(folded[2]);
  ASSERT_TRUE(run.has_value());
  EXPECT_EQ(run->lines, 198U);
  EXPECT_EQ(run->step, 9U);
  EXPECT_EQ(run->links.size(), 22U);
  EXPECT_FALSE(ParseFold(folded[1]).has_value());
  EXPECT_FALSE(ParseFold("... 5 lines: 5 <; every 2: 0001").has_value());
}

TEST(Fold, AChangeInsideIsLocated) {
  Lines lines = Exchanges(100);
  const auto run = ParseFold(Fold(lines, 1)[2]);
  ASSERT_TRUE(run.has_value());
  lines.erase(lines.begin(), lines.begin() + 2);
  EXPECT_FALSE(FindChange(*run, lines).has_value());
  lines[40] += " bad checksum";
  const auto change = FindChange(*run, lines);
  ASSERT_TRUE(change.has_value());
  EXPECT_LE(change->begin, 40U);
  EXPECT_GT(change->end, 40U);
  EXPECT_EQ(change->end - change->begin, 9U);
}

TEST(Fold, LinesThatAreMissingAreAChange) {
  Lines lines = Exchanges(10);
  const auto run = ParseFold(Fold(lines, 1)[2]);
  lines.resize(15);
  lines.erase(lines.begin(), lines.begin() + 2);
  const auto change = FindChange(*run, lines);
  ASSERT_TRUE(change.has_value());
  EXPECT_EQ(change->begin, 13U);
}

// --- golden ---

TEST(Golden, IsReadBackAsItWasWritten) {
  const Golden golden = MakeGolden(SomeRun(200), nullptr, "first run");
  const std::string text = GoldenText(golden);
  const auto read = ParseGolden(text, "x.golden");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(GoldenText(*read), text);
  EXPECT_LT(read->trace.size(), 101U);
  EXPECT_EQ(read->lines, 400U);
}

TEST(Golden, ReasonsPileUp) {
  const Golden first = MakeGolden(SomeRun(3), nullptr, "first run");
  const Golden second = MakeGolden(SomeRun(4), &first, "one more exchange");
  EXPECT_THAT(second.reasons, ElementsAre("first run", "one more exchange"));
}

TEST(Golden, KeepsItsFoldingWhileThatIsEnough) {
  const Golden first = MakeGolden(SomeRun(60), nullptr, "first run");
  EXPECT_NE(first.fold, 0U);
  EXPECT_EQ(MakeGolden(SomeRun(10), &first, "shorter").fold, first.fold);
  const Golden plain = MakeGolden(SomeRun(3), nullptr, "first run");
  EXPECT_NE(MakeGolden(SomeRun(300), &plain, "much longer").fold, 0U);
}

TEST(Golden, DamageIsToldWithItsLine) {
  const std::string text = GoldenText(MakeGolden(SomeRun(1), nullptr, "first run"));
  const auto message = [](const std::string& damaged) {
    return std::string(ParseGolden(damaged, "x.golden").status().message());
  };
  EXPECT_EQ(message(""), "x.golden:1: expected `tapedeck golden 1` of a golden, found its end");
  EXPECT_THAT(message(text.substr(0, text.find("fold"))),
              StartsWith("x.golden:5: expected `fold N`"));
  EXPECT_THAT(message(text.substr(0, text.find("counters"))),
              StartsWith("x.golden:9: expected `counters`"));
  EXPECT_THAT(message(text.substr(0, text.find("end "))), HasSubstr("found its end"));
  EXPECT_THAT(message(text + "more\n"), HasSubstr("found `more`"));
}

// --- difference ---

TEST(Difference, EqualRunsHaveNone) {
  EXPECT_EQ(FirstDifference(MakeGolden(SomeRun(3), nullptr, "r"), SomeRun(3)), "");
  EXPECT_EQ(FirstDifference(MakeGolden(SomeRun(300), nullptr, "r"), SomeRun(300)), "");
}

TEST(Difference, IsNamedInTheWordsOfTheProtocol) {
  RunText run = SomeRun(3);
  run.trace[3] = "     +0.000002000 > 10.0.0.2.80 > 10.0.0.1.9: . 1:1(0) ack 201 win 509";
  EXPECT_EQ(FirstDifference(MakeGolden(SomeRun(3), nullptr, "r"), run),
            "after frame 2, at 0.020002000 s: `ack 300` is now `ack 201` in "
            "`> 10.0.0.2.80 > 10.0.0.1.9: . 1:1(0) ack 201 win 509`");
}

TEST(Difference, SaysWhatIsLate) {
  RunText run = SomeRun(3);
  run.trace[3].replace(5, 12, "+0.040000000");
  EXPECT_THAT(FirstDifference(MakeGolden(SomeRun(3), nullptr, "r"), run),
              HasSubstr("comes at +0.040000000 s instead of +0.000002000 s"));
}

TEST(Difference, SaysWhatIsMissingAndWhatIsNew) {
  const Golden golden = MakeGolden(SomeRun(3), nullptr, "r");
  RunText run = SomeRun(3);
  run.trace.erase(run.trace.begin() + 1);
  EXPECT_EQ(FirstDifference(golden, run),
            "at frame 2, at 0.020000000 s: missing: > 10.0.0.2.80 > 10.0.0.1.9: . 1:1(0) ack 200 "
            "win 509");
  run = SomeRun(3);
  run.trace.insert(run.trace.begin() + 1,
                   "     +0.000001000 drop NO_SOCKET of an own packet, 40 B");
  EXPECT_EQ(FirstDifference(golden, run),
            "after frame 1, at 0.010001000 s: new: drop NO_SOCKET of an own packet, 40 B");
}

TEST(Difference, WhatHappensAgainLaterIsNotTakenForWhatWasThere) {
  const std::string probe = "     +0.000001000 neigh 10.0.0.1 DELAY -> PROBE";
  RunText before = SomeRun(3);
  before.trace.push_back(probe);
  RunText run = before;
  run.trace.insert(run.trace.begin() + 2, probe);
  EXPECT_EQ(FirstDifference(MakeGolden(before, nullptr, "r"), run),
            "after frame 1, at 0.010001000 s: new: neigh 10.0.0.1 DELAY -> PROBE");
}

TEST(Difference, SaysThatARunEndsEarlyOrGoesOn) {
  EXPECT_EQ(FirstDifference(MakeGolden(SomeRun(3), nullptr, "r"), SomeRun(2)),
            "after frame 2, after 0.020002000 s: missing, and all behind it: "
            "<3 10.0.0.1.9 > 10.0.0.2.80: P. 300:400(100) ack 1 win 502");
  EXPECT_THAT(FirstDifference(MakeGolden(SomeRun(2), nullptr, "r"), SomeRun(3)),
              StartsWith("at frame 3, at 0.030000000 s: the run goes on: <3 "));
}

TEST(Difference, InsideFoldedLinesIsLocated) {
  const Golden golden = MakeGolden(SomeRun(60), nullptr, "r");
  RunText run = SomeRun(60);
  run.trace[101] += " bad checksum";
  const auto difference = FindDifference(golden, run);
  ASSERT_TRUE(difference.has_value());
  EXPECT_THAT(difference->first, testing::ContainsRegex("at (after )?frame (49|50|51)"));
  EXPECT_THAT(difference->first, HasSubstr("the golden folds"));
}

TEST(Difference, OfCountersNamesTheCounter) {
  RunText run = SomeRun(3);
  run.counters[1] = "Tcp InSegs 3 OutSegs 4";
  EXPECT_EQ(FirstDifference(MakeGolden(SomeRun(3), nullptr, "r"), run),
            "counters at the end of Tcp: `OutSegs 3` is now `OutSegs 4`");
  run.counters[1] = "Udp InDatagrams 1";
  EXPECT_EQ(FirstDifference(MakeGolden(SomeRun(3), nullptr, "r"), run),
            "counters at the end: missing: Tcp InSegs 3 OutSegs 3");
}

TEST(Difference, OfSettingsComesFirst) {
  RunText run = SomeRun(2);
  run.play = "raw  host 10.0.0.9  seed 5eed0001";
  EXPECT_EQ(FirstDifference(MakeGolden(SomeRun(3), nullptr, "r"), run),
            "played otherwise: `host 10.0.0.2` is now `host 10.0.0.9`");
}

TEST(Difference, ColumnsShowBothSidesAroundIt) {
  RunText run = SomeRun(3);
  run.trace.erase(run.trace.begin() + 3);
  const auto difference = FindDifference(MakeGolden(SomeRun(3), nullptr, "r"), run);
  ASSERT_TRUE(difference.has_value());
  EXPECT_THAT(difference->columns, HasSubstr("ack 300 win 509            <\n"));
  EXPECT_THAT(difference->columns, StartsWith("  golden"));
}

TEST(Difference, SaysThatTheCaseItselfHasChanged) {
  RunText run = SomeRun(2);
  run.input = "99 bytes fedcba9876543210";
  EXPECT_THAT(FindDifference(MakeGolden(SomeRun(3), nullptr, "r"), run)->columns,
              HasSubstr("the case itself has changed since: it was 100 bytes"));
}

// --- line_diff ---

TEST(LineDiff, IsThatOfDiffU) {
  const Lines before = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
  const Lines after = {"a", "b", "c", "d", "E", "f", "g", "h", "i", "j"};
  EXPECT_EQ(UnifiedDiff(before, after),
            "@@ -2,8 +2,9 @@\n b\n c\n d\n-e\n+E\n f\n g\n h\n i\n+j\n");
}

TEST(LineDiff, ChangesFarApartAreHunksOfTheirOwn) {
  Lines before(30, "x");
  for (size_t i = 0; i < before.size(); ++i) before[i] = absl::StrCat(i);
  Lines after = before;
  after[2] = "two";
  after[25] = "later";
  const std::string diff = UnifiedDiff(before, after);
  EXPECT_THAT(diff, HasSubstr("@@ -1,6 +1,6 @@\n"));
  EXPECT_THAT(diff, HasSubstr("@@ -23,7 +23,7 @@\n"));
}

TEST(LineDiff, OfEqualTextsIsEmpty) { EXPECT_EQ(UnifiedDiff(Lines{"a"}, Lines{"a"}), ""); }

TEST(LineDiff, OfTextsWithoutACommonLine) {
  EXPECT_EQ(UnifiedDiff(Lines{"a"}, Lines{"b"}), "@@ -1,1 +1,1 @@\n-a\n+b\n");
}

// --- suite ---

PlayedCase HeldRun(int exchanges) {
  PlayedCase run;
  run.text = SomeRun(exchanges);
  run.digest = "0123456789abcdef";
  return run;
}

const CaseFile kCase{CaseFile::Kind::kCapture, "x.pcap", "x.pcap", "x.pcap.golden"};

TEST(Judge, ARunWithoutAGoldenIsNew) {
  const CaseReport report = Judge(kCase, HeldRun(3), absl::NotFoundError(""), {});
  EXPECT_EQ(report.verdict, Verdict::kNew);
  EXPECT_EQ(report.new_golden, "");
}

TEST(Judge, ARunAsItsGoldenPasses) {
  const std::string golden = GoldenText(MakeGolden(SomeRun(3), nullptr, "r"));
  EXPECT_EQ(Judge(kCase, HeldRun(3), golden, {}).verdict, Verdict::kPassed);
}

TEST(Judge, ARunThatDidNotHoldFailsWhateverItsGoldenAndMakesNone) {
  PlayedCase run = HeldRun(3);
  run.outcome = PlayedCase::Outcome::kFailed;
  run.message = "violated: sk_buff 2";
  const CaseReport report =
      Judge(kCase, run, absl::NotFoundError(""), {.update = true, .reason = "r", .diff = false});
  EXPECT_EQ(report.verdict, Verdict::kFailed);
  EXPECT_EQ(report.message, "violated: sk_buff 2");
  EXPECT_EQ(report.new_golden, "");
}

TEST(Judge, UpdateMakesAGoldenThatTheSameRunPasses) {
  const std::string before = GoldenText(MakeGolden(SomeRun(3), nullptr, "first run"));
  const CaseReport report = Judge(kCase, HeldRun(4), before,
                                  {.update = true, .reason = "one more exchange", .diff = false});
  EXPECT_EQ(report.verdict, Verdict::kFailed);
  EXPECT_THAT(report.diff, HasSubstr("+reason one more exchange\n"));
  EXPECT_EQ(Judge(kCase, HeldRun(4), report.new_golden, {}).verdict, Verdict::kPassed);
}

TEST(Judge, TheDiffIsThatOfAnUpdateWithoutAReason) {
  const std::string before = GoldenText(MakeGolden(SomeRun(3), nullptr, "first run"));
  const CaseReport report =
      Judge(kCase, HeldRun(4), before, {.update = false, .reason = "", .diff = true});
  EXPECT_THAT(report.diff, StartsWith("--- x.pcap.golden\n+++ x.pcap.golden\n@@ "));
  EXPECT_THAT(report.diff, Not(HasSubstr("+reason")));
}

// --- case_files ---

class CaseFolder : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "regress_cases";
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void Make(const std::string& name, const std::string& text = "x") {
    const std::filesystem::path path = std::filesystem::path(folder_) / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  Lines Names() {
    const auto cases = FindCases({folder_}, "");
    if (!cases.ok()) return {std::string(cases.status().message())};
    Lines names;
    for (const CaseFile& one : *cases) names.push_back(one.name);
    return names;
  }
  std::string folder_;
};

TEST_F(CaseFolder, CasesAreSortedAndOtherFilesAreNone) {
  for (const char* name :
       {"b.pcapng", "a/z.pcap.gz", "README.md", "b.pcapng.golden", "c.pkt", "d.txt", "Makefile",
        ".hidden/x.pcap", "crash-1234", "e.cap", "fuzz/capture/crash-5", "fuzz/stack/f"}) {
    Make(name);
  }
  EXPECT_THAT(Names(), ElementsAre("a/z.pcap.gz", "b.pcapng", "c.pkt", "crash-1234", "e.cap",
                                   "fuzz/stack/f"));
}

TEST_F(CaseFolder, InputsAreNamedByFuzzersOrLieInTheirFolders) {
  Make("0380e5d239d6a4b94e17d536d8b1e417c50d4006");
  Make("0380e5d239d6");
  Make("regress/stack/empty_frame");
  Make("regress/stack/empty_frame.txt");
  EXPECT_THAT(Names(),
              ElementsAre("0380e5d239d6a4b94e17d536d8b1e417c50d4006", "regress/stack/empty_frame"));
}

TEST_F(CaseFolder, WithoutACaseIsAnError) {
  Make("README.md");
  EXPECT_THAT(Names(), ElementsAre(folder_ + ": no capture, script or fuzz input in this folder"));
}

TEST_F(CaseFolder, GoldensAreBesideOrInTheNearestFolderOfGoldens) {
  Make("a/x.pcap");
  EXPECT_EQ((*FindCases({folder_}, ""))[0].golden, folder_ + "/a/x.pcap.golden");
  std::filesystem::create_directories(folder_ + "/goldens");
  EXPECT_EQ((*FindCases({folder_}, ""))[0].golden, folder_ + "/goldens/a/x.pcap.golden");
  EXPECT_EQ((*FindCases({folder_ + "/a/x.pcap"}, ""))[0].golden,
            folder_ + "/goldens/a/x.pcap.golden");
  Make("a/x.pcap.golden");
  EXPECT_EQ((*FindCases({folder_}, ""))[0].golden, folder_ + "/a/x.pcap.golden");
  EXPECT_EQ((*FindCases({folder_}, "else"))[0].golden, "else/a/x.pcap.golden");
}

TEST_F(CaseFolder, EachCaseIsInOneShardWhateverElseThereIs) {
  for (int i = 0; i < 20; ++i) Make(absl::StrCat("case", i, ".pcap"));
  const auto cases = *FindCases({folder_}, "");
  size_t first = 0;
  for (const CaseFile& one : cases) {
    int shards = 0;
    for (unsigned i = 1; i <= 3; ++i) shards += InShard(one, i, 3);
    EXPECT_EQ(shards, 1);
    first += InShard(one, 1, 3);
  }
  EXPECT_GT(first, 0U);
  EXPECT_LT(first, cases.size());
}

// --- case_settings ---

std::string SettingsError(const std::string& text) {
  CaseSettings settings;
  return std::string(ParseSettings(text, "x.toml", &settings).message());
}

TEST(CaseSettings, AreRead) {
  CaseSettings settings;
  ASSERT_TRUE(ParseSettings("host = '192.0.2.2'\nseed = 'abc'\nhz = 250\ngolden = false\n"
                            "frames = 7\nsettle = 60\ntolerance = true\n",
                            "x.toml", &settings)
                  .ok());
  EXPECT_EQ(settings.host->ToString(), "192.0.2.2");
  EXPECT_EQ(settings.seed, 0xabcU);
  EXPECT_EQ(settings.hz, 250U);
  EXPECT_EQ(settings.frames_max, 7U);
  EXPECT_EQ(settings.settle_s, 60U);
  EXPECT_FALSE(settings.golden);
  EXPECT_TRUE(settings.tolerance);
}

TEST(CaseSettings, MistakesAreToldWithTheirLine) {
  EXPECT_THAT(SettingsError("\nskipp = 'x'"), StartsWith("x.toml:2: there is no key `skipp`"));
  EXPECT_EQ(SettingsError("hz = 300"), "x.toml:1: `hz` is 100, 250 or 1000");
  EXPECT_EQ(SettingsError("seed = 'xyz'"), "x.toml:1: `xyz` is not up to 16 hexadecimal digits");
  EXPECT_EQ(SettingsError("host = '1.2.3'"), "x.toml:1: `1.2.3` is no IPv4 or IPv6 address");
  EXPECT_EQ(SettingsError("golden = 'no'"), "x.toml:1: `golden` is true or false");
  EXPECT_EQ(SettingsError("skip = ''"),
            "x.toml:1: `skip` is a text in quotes, and not an empty one");
  EXPECT_THAT(SettingsError("hz = \n"), StartsWith("x.toml:1: "));
}

TEST(CaseSettings, SkipForTheirReasonOrForWhatABuildLacks) {
  CaseSettings settings;
  ASSERT_TRUE(ParseSettings("requires = ['ipv6', 'teleport']", "x.toml", &settings).ok());
  EXPECT_EQ(ReasonToSkip(settings), "requires teleport, which this build does not have");
  ASSERT_TRUE(ParseSettings("skip = 'too long'", "x.toml", &settings).ok());
  EXPECT_EQ(ReasonToSkip(settings), "too long");
  EXPECT_EQ(ReasonToSkip({}), "");
}

TEST_F(CaseFolder, SettingsOfACaseWinOverThoseOfItsFolder) {
  Make("a/b/x.pcap");
  Make("a/regress.toml", "hz = 250\nseed = '1'\n");
  Make("a/b/x.pcap.toml", "seed = '2'\n");
  const auto settings = ReadSettings((*FindCases({folder_}, ""))[0]);
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->hz, 250U);
  EXPECT_EQ(settings->seed, 2U);
}

// --- junit ---

TEST(Junit, CountsAndEscapes) {
  CaseReport failed;
  failed.verdict = Verdict::kFailed;
  failed.message = "`win <1>` & \"more\"\x01";
  failed.columns = "  golden   now\n";
  CaseReport skipped;
  skipped.verdict = Verdict::kSkipped;
  skipped.message = "why";
  const NamedReport reports[] = {{"a/x.pcap", failed}, {"y.pkt", skipped}, {"z.pkt", {}}};
  const std::string text = JunitText(reports);
  EXPECT_THAT(text, HasSubstr("<testsuites tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\""));
  EXPECT_THAT(text, HasSubstr("classname=\"a\" name=\"x.pcap\""));
  EXPECT_THAT(text, HasSubstr("`win &lt;1&gt;` &amp; &quot;more&quot;?"));
  EXPECT_THAT(text, HasSubstr("<skipped message=\"why\"/>"));
  EXPECT_THAT(text, HasSubstr("classname=\"regress\" name=\"z.pkt\" time=\"0.000000000\"/>"));
}

}  // namespace
}  // namespace tapedeck::regress
