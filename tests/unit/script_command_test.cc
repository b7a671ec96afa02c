// Command lines of scripts: what they become, and what is refused.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "replay/script/text.h"

namespace tapedeck {
namespace {

// The commands of one command line; files are "<path>": their content.
absl::StatusOr<std::vector<Command>> Parse(const std::string& line) {
  ParseOptions options;
  options.read_file = [](const std::string& path) -> absl::StatusOr<std::string> {
    if (path == "dir/../common/defaults.sh") {
      return std::string("#!/bin/bash\n# Says much.\nsysctl -q net.ipv4.tcp_sack=1\n./more.sh\n");
    }
    if (path == "dir/./more.sh") return std::string("ip tcp_metrics flush all > /dev/null 2>&1\n");
    if (path == "dir/bad.sh") return std::string("true\n  modprobe x\n");
    if (path == "dir/loop.sh") return std::string("./loop.sh");
    if (path == "dir/./loop.sh") return std::string("./loop.sh");
    return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  };
  absl::StatusOr<Script> script =
      ParseScript(absl::StrCat("`", line, "`\n"), "dir/test.pkt", options);
  if (!script.ok()) return script.status();
  return std::move(script->init->commands);
}

std::string ErrorOf(const std::string& line) {
  const auto commands = Parse(line);
  return commands.ok() ? "no error" : std::string(commands.status().message());
}

// The only command of a line, which must be an `Action`.
template <typename Action>
Action Only(const std::string& line) {
  const auto commands = Parse(line);
  EXPECT_TRUE(commands.ok()) << commands.status();
  if (!commands.ok() || commands->size() != 1) return Action();
  const Action* const action = std::get_if<Action>(&(*commands)[0].action);
  EXPECT_NE(action, nullptr) << line;
  return action == nullptr ? Action() : *action;
}

using Settings = std::vector<SysctlSetting>;

TEST(ScriptCommand, Sysctls) {
  EXPECT_EQ(Only<SetSysctls>("sysctl -q net.ipv4.tcp_ecn=2 -w net/ipv4/tcp_sack=0").settings,
            (Settings{{"net/ipv4/tcp_ecn", "2"}, {"net/ipv4/tcp_sack", "0"}}));
  EXPECT_EQ(
      Only<SetSysctls>("sysctl -q net.ipv4.tcp_rmem=\"4096 131072 $((32*1024*(2+2)))\"").settings,
      (Settings{{"net/ipv4/tcp_rmem", "4096 131072 131072"}}));
  EXPECT_TRUE(Only<SetSysctls>("sysctl -e -q net.ipv4.x=2").ignore_unknown);
  EXPECT_EQ(Only<SetSysctls>("echo 1 2 > /proc/sys/net/ipv4/tcp_wmem").settings,
            (Settings{{"net/ipv4/tcp_wmem", "1 2"}}));
  EXPECT_EQ(Only<SetSysctls>("sysctl net.ipv4.conf.eth0/1.forwarding=1").settings,
            (Settings{{"net/ipv4/conf/eth0.1/forwarding", "1"}}));
  EXPECT_EQ(Only<SaveAndSetSysctls>(
                "../common/set_sysctls.py \\\n\t/proc/sys/net/ipv4/tcp_wmem=\"1 2\" \\\n"
                " /proc/sys/net/ipv4/tcp_ecn=1\\\n")
                .settings,
            (Settings{{"net/ipv4/tcp_wmem", "1 2"}, {"net/ipv4/tcp_ecn", "1"}}));
  Only<RestoreSysctls>("/tmp/sysctl_restore_${PPID}.sh");
}

TEST(ScriptCommand, DevicesAndRoutes) {
  EXPECT_EQ(Only<ChangeQdisc>("tc qdisc replace dev tun0 root pfifo limit 0"),
            (ChangeQdisc{ChangeQdisc::Action::kReplace, "tun0", "pfifo", 0}));
  EXPECT_EQ(Only<ChangeQdisc>("tc qdisc delete dev tun0 root 2>/dev/null"),
            (ChangeQdisc{ChangeQdisc::Action::kDelete, "tun0", "", std::nullopt}));
  EXPECT_EQ(Only<ChangeLink>("ip link set dev tun0 mtu 9000").mtu_bytes, 9000U);
  const auto offloads = Only<ChangeOffloads>("/usr/sbin/ethtool -K tun0 tso off gso on");
  EXPECT_EQ(offloads.tso, false);
  EXPECT_EQ(offloads.gso, true);
  EXPECT_EQ(offloads.gro, std::nullopt);
  const auto route = Only<ChangeRoute>(
      "ip route change 192.0.2.1 via 192.168.0.2 dev tun0 advmss 600 mtu lock 640 initcwnd 11");
  EXPECT_EQ(route.dest.ToString(), "192.0.2.1");
  EXPECT_EQ(route.prefix_bits, 32);
  EXPECT_EQ(route.gateway->ToString(), "192.168.0.2");
  EXPECT_EQ(route.advmss, 600U);
  EXPECT_TRUE(route.mtu_locked);
  EXPECT_EQ(route.mtu, 640U);
  EXPECT_EQ(route.initcwnd, 11U);
  EXPECT_EQ(Only<ChangeRoute>("ip -6 route add 2001:db8::/32 dev tun0").prefix_bits, 32);
  Only<FlushTcpMetrics>("ip tcp_metrics flush all > /dev/null 2>&1");
}

TEST(ScriptCommand, CountersFilesAndTheRest) {
  Only<NoteCounters>("nstat > /dev/null");
  Only<NoteCounters>("nstat -n");
  EXPECT_EQ(Only<ExpectCounter>("nstat | grep TcpExtOutOfWindowIcmps > /dev/null"),
            (ExpectCounter{"TcpExtOutOfWindowIcmps", std::nullopt, true}));
  EXPECT_EQ(Only<ExpectCounter>("nstat -s | grep TcpExtTCPRcvQDrop| grep -q \" 12 \""),
            (ExpectCounter{"TcpExtTCPRcvQDrop", 12, false}));
  EXPECT_EQ(
      Only<ExpectListener>("grep \" 0A \" /proc/net/tcp /proc/net/tcp6 | grep \":1F90\"").port,
      8080);
  EXPECT_EQ(Only<CreateFile>("/bin/dd bs=2 count=5 if=/dev/zero of=/tmp/f status=none"),
            (CreateFile{"/tmp/f", 10}));
  EXPECT_EQ(Only<RemoveFile>("/bin/rm -f /tmp/f").path, "/tmp/f");
  EXPECT_EQ(Only<Sleep>("sleep 0.25").duration, Duration::Milliseconds(250));
  EXPECT_EQ(Only<SetModuleParameter>("echo 3 > /sys/module/tcp_cubic/parameters/hystart_detect"),
            (SetModuleParameter{"tcp_cubic", "hystart_detect", "3"}));
}

TEST(ScriptCommand, Lists) {
  const auto commands = Parse("true # nothing\n\n sleep 1 && sleep 2 || sleep 3 ; sleep 4");
  ASSERT_TRUE(commands.ok()) << commands.status();
  ASSERT_EQ(commands->size(), 5U);
  EXPECT_EQ((*commands)[1].condition, Command::Condition::kAlways);
  EXPECT_EQ((*commands)[2].condition, Command::Condition::kIfHeld);
  EXPECT_EQ((*commands)[3].condition, Command::Condition::kIfFailed);
  EXPECT_EQ((*commands)[4].condition, Command::Condition::kAlways);
  EXPECT_EQ((*commands)[3].text, "sleep 3");
}

TEST(ScriptCommand, FilesAreReadFromBesideTheScript) {
  const auto commands = Parse("../common/defaults.sh\nsysctl -q net.ipv4.tcp_ecn=1");
  ASSERT_TRUE(commands.ok()) << commands.status();
  ASSERT_EQ(commands->size(), 3U);
  EXPECT_TRUE(std::holds_alternative<SetSysctls>((*commands)[0].action));
  EXPECT_TRUE(std::holds_alternative<FlushTcpMetrics>((*commands)[1].action));
}

TEST(ScriptCommand, FirstAndLastHaveNoTime) {
  const absl::StatusOr<Script> script = ParseScript("`true`\n0 `sleep 1`\n`true`\n", "test");
  ASSERT_TRUE(script.ok()) << script.status();
  EXPECT_TRUE(script->init.has_value());
  EXPECT_EQ(script->steps.size(), 1U);
  EXPECT_TRUE(script->cleanup.has_value());
  EXPECT_EQ(PrintScript(*script), "`true`\n+0 `sleep 1`\n`true`\n");
  EXPECT_EQ(ParseScript("`true`\n`true`\n0 pause", "test").status().message(),
            "test:3:1: expected the end: a command line without a time is the last one, found '0'");
}

TEST(ScriptCommand, WhatIsNotKnownIsRefusedByName) {
  const std::pair<const char*, const char*> mistakes[] = {
      {"iptables -F", "dir/test.pkt:1:2: iptables: no such command here"},
      {"true\n  modprobe x", "dir/test.pkt:2:3: modprobe: no such command here"},
      {"sysctl -q", "dir/test.pkt:1:2: sysctl: expected name=value"},
      {"sysctl -a x", "dir/test.pkt:1:2: sysctl: expected name=value, found '-a'"},
      {"tc filter add", "dir/test.pkt:1:2: tc: expected 'qdisc', found 'filter'"},
      {"tc qdisc add dev tun0 root", "dir/test.pkt:1:2: tc: expected a kind of queue"},
      {"tc qdisc add dev tun0 parent 1: fq",
       "dir/test.pkt:1:2: tc: expected 'root', found 'parent'"},
      {"ip addr add 1.2.3.4",
       "dir/test.pkt:1:2: ip: expected route, link or tcp_metrics, found "
       "'addr'"},
      {"ip route change nowhere", "dir/test.pkt:1:2: ip: expected a prefix, found 'nowhere'"},
      {"ip route change 10.0.0.0/8 weight 3", "dir/test.pkt:1:2: ip: no 'weight' of a route here"},
      {"ethtool -K tun0 lro off", "dir/test.pkt:1:2: ethtool: no offload 'lro' here"},
      {"ethtool -K tun0 tso maybe", "dir/test.pkt:1:2: ethtool: expected on or off, found 'maybe'"},
      {"echo 1 > /etc/passwd",
       "dir/test.pkt:1:2: echo: cannot write to '/etc/passwd': only to /proc/sys/ and "
       "/sys/module/"},
      {"sleep 1 > /tmp/x", "dir/test.pkt:1:2: sleep: cannot write to '/tmp/x'"},
      {"sleep x", "dir/test.pkt:1:2: sleep: expected seconds up to a day, found 'x'"},
      {"nstat | sort", "dir/test.pkt:1:2: sort: expected grep behind the pipe"},
      {"true | cat", "dir/test.pkt:1:2: cat: no such pipeline here"},
      {"echo $HOME",
       "dir/test.pkt:1:7: expected $((a number)) or $PPID: there are no other "
       "variables here"},
      {"echo $((2*x))", "dir/test.pkt:1:7: expected numbers with + - * /, found '2*x'"},
      {"echo \"a", "dir/test.pkt:1:7: expected the end of a string"},
      {"true &", "dir/test.pkt:1:7: expected the end of the command, found '&'"},
      {"true &&", "dir/test.pkt:1:9: expected a command, found the end of the command line"},
      {"./none.sh", "dir/test.pkt:1:2: dir/./none.sh: cannot be read"},
      {"true; bash bad.sh", "dir/test.pkt:1:8: bad.sh:2:3: modprobe: no such command here"},
      {"true && ./more.sh",
       "dir/test.pkt:1:10: ./more.sh: a script behind && or || is not known here"},
  };
  for (const auto& [line, message] : mistakes) EXPECT_EQ(ErrorOf(line), message) << line;
  EXPECT_NE(ErrorOf("./loop.sh").find("scripts run each other too deep"), std::string::npos);
  EXPECT_EQ(ParseScript("`./defaults.sh`", "test").status().message(),
            "test:1:2: ./defaults.sh: no files are read here");
}

}  // namespace
}  // namespace tapedeck
