// Options at the top of scripts: what they set, what a command line says over them, and defines.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

#include "replay/script/text.h"

namespace tapedeck {
namespace {

Script Parse(std::string_view text, const ParseOptions& options = {}) {
  absl::StatusOr<Script> script = ParseScript(text, "test", options);
  EXPECT_TRUE(script.ok()) << script.status();
  return script.ok() ? *std::move(script) : Script();
}

TEST(ScriptOptions, AreReadAndPrinted) {
  const std::string text =
      "--ip_version=ipv4-mapped-ipv6\n--local_ip=192.168.0.1\n--remote_ip=192.0.2.1\n"
      "--bind_port=80\n--mss=1000\n--mtu=1520\n--tolerance_usecs=10000\n"
      "--tolerance_percent=12.5\n--tcp_ts_tick_usecs=1000\n--tcp_ts_ecr_scaled\n"
      "--strict_segments\n--send_omit_free\n--non_fatal=packet\n+0 pause\n";
  const Script script = Parse(text);
  EXPECT_EQ(script.options.ip_version, IpVersion::kIpv4MappedIpv6);
  EXPECT_EQ(script.options.local_ip->ToString(), "192.168.0.1");
  EXPECT_EQ(script.options.mss, 1000U);
  EXPECT_EQ(script.options.tolerance, Duration::Milliseconds(10));
  EXPECT_EQ(script.options.tcp_ts_tick, Duration::Milliseconds(1));
  EXPECT_TRUE(script.options.strict_segments);
  EXPECT_TRUE(script.options.non_fatal_packet);
  EXPECT_FALSE(script.options.non_fatal_syscall);
  EXPECT_EQ(PrintScript(script), text);
}

TEST(ScriptOptions, PrefixLengthsAreDropped) {
  EXPECT_EQ(Parse("--remote_ip=2001:db8::1/32 --mss=5").options.remote_ip->ToString(),
            "2001:db8::1");
}

TEST(ScriptOptions, TheCommandLineIsTakenOverThem) {
  ParseOptions over;
  over.options.mss = 500;
  const Script script = Parse("--mss=1000\n--mtu=1520\n", over);
  EXPECT_EQ(script.options.mss, 500U);
  EXPECT_EQ(script.options.mtu_bytes, 1520U);
}

TEST(ScriptOptions, DefinesStandForWhatTheyAre) {
  ParseOptions over;
  over.options.defines = {{"COOKIE", "a1b2c3d4"}, {"LEVEL", "SOL_IP"}};
  EXPECT_EQ(PrintScript(Parse("--define=BACKLOG=0x10\n--define=CC=\"reno\"\n"
                              "--define=INIT=`sleep 1`\nINIT\n"
                              "0 listen(3, BACKLOG) = 0\n"
                              "0 setsockopt(3, LEVEL, TCP_CONGESTION, CC, 4) = 0\n"
                              "0 > S 0:0(0) <mss 1460,FO COOKIE,nop,nop>\n",
                              over)),
            "`sleep 1`\n"
            "+0 listen(3, 0x10) = 0\n"
            "+0 setsockopt(3, SOL_IP, TCP_CONGESTION, \"reno\", 4) = 0\n"
            "+0 > S 0:0(0) <mss 1460,FO a1b2c3d4,nop,nop>\n");
}

TEST(ScriptOptions, Mistakes) {
  const std::pair<const char*, const char*> mistakes[] = {
      {"--nothing", "test:1:1: no option '--nothing'"},
      {"--mss", "test:1:1: --mss: expected a number in 1..65535, found nothing"},
      {"--mss=x", "test:1:1: --mss: expected a number in 1..65535, found 'x'"},
      {"--mss=0", "test:1:1: --mss: expected a number in 1..65535, found '0'"},
      {"--strict_segments=1", "test:1:1: --strict_segments: expected no value, found '1'"},
      {"\n --local_ip=here", "test:2:2: --local_ip: expected an IP address, found 'here'"},
      {"--ip_version=5",
       "test:1:1: --ip_version: expected ipv4, ipv4-mapped-ipv6 or ipv6, found '5'"},
      {"--tolerance_percent=101",
       "test:1:1: --tolerance_percent: expected a number in 0..100, found '101'"},
      {"--non_fatal=all", "test:1:1: --non_fatal: expected packet, syscall or both, found 'all'"},
      {"--define=A", "test:1:1: --define: expected NAME=value, found 'A'"},
      {"-mss=5", "test:1:1: expected an option or a step, found '-mss=5'"},
      {"0 pause --mss=5", "test:1:9: expected a time, found '-'"},
  };
  for (const auto& [text, message] : mistakes) {
    EXPECT_EQ(ParseScript(text, "test").status().message(), message) << text;
  }
}

}  // namespace
}  // namespace tapedeck
