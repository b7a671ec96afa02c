// Scripts in packetdrill's language, played: what holds, and how it is told what does not.
#include "replay/lab/tun_player.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "replay/lab/play_settings.h"
#include "replay/lab/tun_lab.h"
#include "replay/script/text.h"

namespace tapedeck {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

Verdict Play(std::string_view text, TolerancePolicy policy = TolerancePolicy::kExact) {
  const absl::StatusOr<Script> script = ParseScript(text, "script");
  EXPECT_TRUE(script.ok()) << script.status();
  if (!script.ok()) return {.step = 0, .line = 0, .difference = "no script"};
  const absl::StatusOr<PlaySettings> settings = MakePlaySettings(script->options, policy);
  EXPECT_TRUE(settings.ok()) << settings.status();
  TunLab lab(*settings, {});
  Verdict verdict;
  {
    TunPlayer player(lab, *script, *settings);
    verdict = player.Play();
  }
  lab.Shutdown();
  EXPECT_THAT(lab.Leftovers(), IsEmpty());
  return verdict;
}

constexpr std::string_view kConnected =
    "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
    "+0 bind(3, ..., ...) = 0\n"
    "+0 listen(3, 1) = 0\n"
    "+0 < S 0:0(0) win 32792 <mss 1000>\n"
    "+0 > S. 0:0(0) ack 1 <mss 1460>\n"
    "+.1 < . 1:1(0) ack 1 win 32792\n"
    "+0 accept(3, ..., ...) = 4\n";

std::string Connected(std::string_view rest) { return std::string(kConnected).append(rest); }

TEST(TunPlayerTest, AConnectionIsServed) {
  EXPECT_EQ(Play(Connected("+0 write(4, ..., 500) = 500\n"
                           "+0 > P. 1:501(500) ack 1\n"
                           "+.1 < . 1:1(0) ack 501 win 32792\n"
                           "+0 %{ assert tcpi_unacked == 0 }%\n"))
                .difference,
            "");
}

TEST(TunPlayerTest, SegmentsMakeUpTheOneThatIsExpected) {
  EXPECT_EQ(Play(Connected("+0 write(4, ..., 3000) = 3000\n"
                           "+0 > P. 1:3001(3000) ack 1\n"))
                .difference,
            "");
}

TEST(TunPlayerTest, AFieldThatDiffersIsShownWithBothPackets) {
  const Verdict verdict =
      Play(Connected("+0 write(4, ..., 500) = 500\n"
                     "+0 > . 1:501(500) ack 1\n"));
  EXPECT_EQ(verdict.line, 9U);
  EXPECT_EQ(verdict.difference,
            "outbound packet: tcp_psh: expected 0 (0x0), found 1 (0x1)\n"
            "  expected 0.100000 > . 1:501(500) ack 1\n"
            "     found 0.100000 > P. 1:501(500) ack 1");
}

TEST(TunPlayerTest, TimesAreExactUnlessTheScriptOrTheCallerIsLenient) {
  constexpr std::string_view kLate =
      "+0 write(4, ..., 500) = 500\n"
      "+.003 > P. 1:501(500) ack 1\n";
  EXPECT_THAT(Play(Connected(kLate)).difference,
              HasSubstr("its time: expected 0.103000, found 0.100000 (tolerance 0 us)"));
  EXPECT_EQ(Play(Connected(kLate), TolerancePolicy::kKernel).difference, "");
  EXPECT_EQ(Play("--tolerance_usecs=3000\n" + Connected(kLate)).difference, "");
}

TEST(TunPlayerTest, APacketThatNeverComesIsMissed) {
  EXPECT_THAT(Play(Connected("+.5 > . 1:1(0) ack 1\n")).difference,
              HasSubstr("no packet until 2.600000\n  expected 0.600000 > . 1:1(0) ack 1"));
}

TEST(TunPlayerTest, ACallThatReturnsSomethingElseIsShownAsItWas) {
  const Verdict verdict = Play(Connected("+0 read(4, ..., 10) = -1 EAGAIN\n"));
  EXPECT_THAT(verdict.difference, HasSubstr("it still waits"));
  EXPECT_THAT(Play(Connected("+0 close(4) = 1\n")).difference,
              HasSubstr("system call: the result differs\n  expected +0 close(4) = 1\n"
                        "     found +0 close(4) = 0"));
}

TEST(TunPlayerTest, ABlockedCallHasToReturnWhenTheScriptSays) {
  EXPECT_EQ(Play(Connected("+0...0.1 read(4, ..., 10) = 10\n"
                           "+.1 < P. 1:11(10) ack 1 win 100\n"
                           "+0 > . 1:1(0) ack 11\n"))
                .difference,
            "");
  const Verdict late =
      Play(Connected("+0...0.3 read(4, ..., 10) = 10\n"
                     "+.1 < P. 1:11(10) ack 1 win 100\n"));
  EXPECT_EQ(late.line, 8U);
  EXPECT_THAT(late.difference,
              HasSubstr("system call return: expected at 0.400000, happened at 0.200000"));
}

TEST(TunPlayerTest, AnAssertionThatFailsSaysWhatItFound) {
  EXPECT_THAT(Play(Connected("+0 %{ assert tcpi_snd_mss == 999 }%\n")).difference,
              HasSubstr("tcpi_snd_mss is 1000"));
}

TEST(TunPlayerTest, ACommandThatFailsIsNamed) {
  EXPECT_THAT(Play("0 `sysctl -q net.ipv4.no_such_thing=1`\n").difference,
              HasSubstr("net/ipv4/no_such_thing=1: No such file or directory"));
}

TEST(TunPlayerTest, TwoRunsAreOne) {
  const std::string text = Connected("+0 write(4, ..., 3000) = 3000\n* > P. 1:3001(3000) ack 1\n");
  const absl::StatusOr<Script> script = ParseScript(text, "script");
  ASSERT_TRUE(script.ok()) << script.status();
  const absl::StatusOr<PlaySettings> settings =
      MakePlaySettings(script->options, TolerancePolicy::kExact);
  ASSERT_TRUE(settings.ok());
  std::string digests[2];
  Arena arena;
  for (std::string& digest : digests) {
    TunLab lab(*settings, {.seed = 7, .arena = {}, .trace = true}, &arena);
    TunPlayer(lab, *script, *settings).Play();
    digest = lab.recorder().digest().ToString();
  }
  EXPECT_EQ(digests[0], digests[1]);
}

}  // namespace
}  // namespace tapedeck
