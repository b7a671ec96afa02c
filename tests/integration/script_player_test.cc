// Scripts, played: those of the corpus do what they say, and one that does not is told so in its
// own notation.
#include "replay/lab/script_player.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "replay/lab/lab.h"
#include "replay/lab/script_hosts.h"
#include "replay/lab/script_playback.h"
#include "replay/script/text.h"

namespace tapedeck {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// One host and its peers, as a script without addresses expects them.
class ScriptedLab {
 public:
  ScriptedLab() : lab_(Options()) { lab_.port(0).AnswerArp(&peers_, Duration::Microseconds(50)); }

  Verdict Play(std::string_view text) {
    const absl::StatusOr<Script> script = ParseScript(text, "script");
    EXPECT_TRUE(script.ok()) << script.status();
    if (!script.ok()) return {.step = 0, .line = 0, .difference = "no script"};
    Verdict verdict;
    {
      ScriptPlayer player(lab_, *script);
      player.Play();
      verdict = player.verdict();
    }
    lab_.Shutdown();
    EXPECT_THAT(lab_.Leftovers(), IsEmpty());
    return verdict;
  }

  Lab& lab() { return lab_; }

 private:
  static LabOptions Options() {
    LabOptions options;
    options.hosts.push_back(ScriptHostOptions(0));
    return options;
  }

  ScriptPeers peers_;
  Lab lab_;
};

Verdict Play(std::string_view text) { return ScriptedLab().Play(text); }

// Empty where it held.
std::string Difference(std::string_view text) { return Play(text).difference; }

constexpr std::string_view kBound =
    "0 socket(..., SOCK_DGRAM, 0) = 3\n"
    "+0 bind(3, ..., ...) = 0\n";

std::vector<std::filesystem::path> CorpusScripts() {
  std::vector<std::filesystem::path> scripts;
  for (const auto& entry : std::filesystem::recursive_directory_iterator("corpus/scripts")) {
    if (entry.path().extension() == ".pkt") scripts.push_back(entry.path());
  }
  std::sort(scripts.begin(), scripts.end());
  return scripts;
}

class CorpusScript : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(CorpusScript, Holds) {
  std::ifstream file(GetParam());
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const Verdict verdict = Play(text);
  EXPECT_TRUE(verdict.held()) << GetParam().string() << ":" << verdict.line << ": "
                              << verdict.difference;
}

std::string NameOf(const testing::TestParamInfo<std::filesystem::path>& script) {
  return script.param.parent_path().stem().string() + "_" + script.param.stem().string();
}

INSTANTIATE_TEST_SUITE_P(All, CorpusScript, testing::ValuesIn(CorpusScripts()), NameOf);

TEST(ScriptPlayer, EmptyScriptHolds) { EXPECT_EQ(Difference(""), ""); }

TEST(ScriptPlayer, TellsAnotherResult) {
  const Verdict verdict = Play("0 socket(..., SOCK_DGRAM, 0) = 3\n\n+1 close(3) = -1 EBADF\n");
  EXPECT_EQ(verdict.step, 2U);
  EXPECT_EQ(verdict.line, 3U);
  EXPECT_THAT(verdict.difference, HasSubstr("expected +1 close(3) = -1 EBADF"));
  EXPECT_THAT(verdict.difference, HasSubstr("found +1 close(3) = 0"));
}

TEST(ScriptPlayer, TellsTheFirstDifferenceOnly) {
  EXPECT_EQ(Play("0 close(3) = 0\n+0 close(4) = 0\n").step, 1U);
}

TEST(ScriptPlayer, TellsACallThatBlocks) {
  const Verdict verdict =
      Play(std::string(kBound) + "+0 recvfrom(3, ..., 9, 0, ..., ...) = 9\n+1 pause\n");
  EXPECT_EQ(verdict.step, 3U);
  EXPECT_THAT(verdict.difference, HasSubstr("it still waits"));
}

TEST(ScriptPlayer, TellsACallThatReturnsTooEarlyOrLate) {
  const std::string bound(kBound);
  EXPECT_EQ(Difference(bound + "+0...0.1 poll([{fd=3, events=POLLIN, revents=0}], 1, 100) = 0"),
            "");
  const Verdict late =
      Play(bound + "+0...0.09 poll([{fd=3, events=POLLIN, revents=0}], 1, 100) = 0\n+1 pause");
  EXPECT_THAT(late.difference, HasSubstr("found +0...0.1 poll("));
  const Verdict at_once =
      Play(bound + "+0...0.1 poll([{fd=3, events=POLLOUT, revents=POLLOUT}], 1, 100) = 1");
  EXPECT_THAT(at_once.difference, HasSubstr("found +0 poll("));
}

TEST(ScriptPlayer, TellsOtherRevents) {
  const Verdict verdict =
      Play(std::string(kBound) + "+0 poll([{fd=3, events=POLLOUT, revents=POLLIN}], 1, 0) = 1");
  EXPECT_THAT(verdict.difference,
              HasSubstr("found +0 poll([{fd=3, events=POLLOUT, revents=POLLOUT}"));
}

// struct ip_mreq and struct in_pktinfo.
TEST(ScriptPlayer, OptionsAndControlMessagesTakeAddresses) {
  EXPECT_EQ(Difference(std::string(kBound) + R"(
+0 setsockopt(3, SOL_IP, IP_ADD_MEMBERSHIP, [inet_addr("239.1.2.3"), inet_addr("192.0.2.1")], 8) = 0
+0 setsockopt(3, SOL_IP, IP_ADD_MEMBERSHIP, [inet_addr("239.1.2.3"), inet_addr("192.0.2.1")], 8) = -1 EADDRINUSE
+0 setsockopt(3, SOL_IP, IP_DROP_MEMBERSHIP, [inet_addr("239.1.2.4"), inet_addr("192.0.2.1")], 8) = -1 EADDRNOTAVAIL
+0 sendmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 5}], msg_flags=0, msg_control=[
     {cmsg_level=SOL_IP, cmsg_type=IP_PKTINFO, cmsg_data=[0, inet_addr("192.0.2.1"), 0]}]}, 0) = 5
+0 sendmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 5}], msg_flags=0, msg_control=[
     {cmsg_level=SOL_IP, cmsg_type=IP_PKTINFO, cmsg_data=[0, inet_addr("192.0.2.9"), 0]}]}, 0) = -1 ENETUNREACH
)"),
            "");
}

TEST(ScriptPlayer, DescriptorsHaveTheScriptsNames) {
  EXPECT_EQ(Difference("0 socket(..., SOCK_DGRAM, 0) = 70\n"
                       "+0 socket(..., SOCK_DGRAM, 0) = 7\n"
                       "+0 close(70) = 0\n"
                       "+0 socket(..., SOCK_DGRAM, 0) = 8\n"  // really the number that 70 had
                       "+0 close(70) = -1 EBADF\n"
                       "+0 close(8) = 0\n"
                       "+0 close(7) = 0\n"),
            "");
}

TEST(ScriptPlayer, SeveralThreadsWaitAtOnce) {
  EXPECT_EQ(Difference(std::string(kBound) +
                       "+0...0.3 poll([{fd=3, events=POLLIN, revents=0}], 1, 300) = 0\n"
                       "+0.1...0.2 poll([{fd=3, events=POLLIN, revents=0}], 1, 100) = 0\n"
                       "+0.1 close(3) = 0\n"),
            "");
}

TEST(ScriptPlayer, StepsOfAbsentHostsOnlyTakeTime) {
  ScriptedLab scripted;
  const SimTime start = scripted.lab().world().now();
  const absl::StatusOr<Script> script = ParseScript("+1 host 5: close(3) = 0\n", "script");
  ASSERT_TRUE(script.ok());
  ScriptPlayer player(scripted.lab(), *script);
  player.Play();
  EXPECT_TRUE(player.verdict().held());
  EXPECT_EQ(scripted.lab().world().now() - start, Duration::Seconds(1));
}

TEST(ScriptPlayer, CallsThatStillWaitEndWithThePlayer) {
  ScriptedLab scripted;
  EXPECT_FALSE(scripted
                   .Play(std::string(kBound) + "+0 recvfrom(3, ..., 9, 0, ..., ...) = 9\n"
                                               "+0 poll([{fd=3, events=POLLIN}], 1, -1) = 1\n")
                   .held());
}

// --- Work without end: interrupts whose cause a script keeps from being cleared. ---

constexpr char kEndless[] =
    "+0 socket(..., SOCK_DGRAM, 0) = 3\n"
    "+0 bind(3, ..., ...) = 0\n"
    "+0 nic write EIAC 0x80\n"
    "+0.1 sendto(3, ..., 4, 0, ..., ...) = 4\n"
    "+360000 close(3) = 0\n";

PlaybackResult PlayedToEnd(bool judged) {
  ScriptPlaybackOptions options;
  options.name = "endless.pkt";
  options.judged = judged;
  options.work_max = 10'000;
  Arena arena{Arena::Options{}};
  absl::StatusOr<Script> script = ParseScript(kEndless, "script");
  EXPECT_TRUE(script.ok()) << script.status();
  if (!script.ok()) return {};
  const auto run = OpenScriptPlayback(*std::move(script), options, &arena);
  EXPECT_TRUE(run.ok()) << run.status();
  if (!run.ok()) return {};
  while ((*run)->Advance()) {
  }
  return (*run)->Finish();
}

TEST(ScriptPlayback, WorkWithoutEndIsCutShortAndToldByItsLine) {
  const PlaybackResult result = PlayedToEnd(/*judged=*/true);
  EXPECT_EQ(result.outcome, PlaybackResult::Outcome::kFailed);
  EXPECT_THAT(result.problems,
              testing::ElementsAre("endless.pkt:5: WORK:ends: cut short after 10000 steps of the "
                                   "main loop: what is asked for has no end"));
}

// Inputs of fuzzers promise nothing: where one is cut short is a fact of its run.
TEST(ScriptPlayback, WorkWithoutEndOfAnInputIsCutShort) {
  const PlaybackResult result = PlayedToEnd(/*judged=*/false);
  EXPECT_EQ(result.outcome, PlaybackResult::Outcome::kHeld);
  EXPECT_THAT(result.summary,
              testing::ElementsAre("cut short in step 5 of 5 after 10000 steps of the main loop"));
}

}  // namespace
}  // namespace tapedeck
