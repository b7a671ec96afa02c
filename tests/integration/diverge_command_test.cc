// tapedeck diverge and debug --gdb as a user runs them: the difference is named at the right event.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "replay/outside/child_process.h"

namespace tapedeck {
namespace {

namespace fs = std::filesystem;
using testing::AnyOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr char kCapture[] = "corpus/captures/ping4-b.pcap";
constexpr char kScript[] = "tests/conformance/rto/each-timeout-is-twice-the-one-before.pkt";

std::string Program(const std::string& name) {
  return fs::read_symlink("/proc/self/exe").parent_path() / "../../bin" / name;
}

ChildResult Tapedeck(std::vector<std::string> arguments,
                     const std::vector<std::string>& environment = {}) {
  arguments.insert(arguments.begin(), Program("tapedeck"));
  const absl::StatusOr<ChildResult> result = RunChild(arguments, environment, 120);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *result : ChildResult{};
}

TEST(Diverge, ARunDoesNotDifferFromItself) {
  for (const char* const file : {kCapture, kScript}) {
    const ChildResult result = Tapedeck({"diverge", file});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.out, StartsWith("no difference in "));
  }
}

// The canary that tells of things in the order of pointers, once the Lab is built: events that the
// other build does not have.
TEST(Diverge, TheCanaryIsFoundAtItsFirstEvent) {
  const std::string canary = Program("tapedeck_canary");
  if (!fs::exists(canary)) GTEST_SKIP() << "tapedeck_canary is not built";
  const ChildResult result =
      Tapedeck({"diverge", "--with", canary, kCapture}, {"TAPEDECK_CANARY=pointers"});
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_THAT(result.out, HasSubstr("first difference: event "));
  EXPECT_THAT(result.out, testing::ContainsRegex("  B [^\n]*state    digest hash="));
  EXPECT_THAT(result.out, Not(testing::ContainsRegex("  both [^\n]*state    digest hash=")));
}

TEST(Diverge, AnotherSeedShowsInTheFirstNumberDrawn) {
  const ChildResult result = Tapedeck({"diverge", "--flags-b", "--seed 2", kScript});
  EXPECT_EQ(result.exit_code, 1) << result.err;
  // The initial sequence number, in the SYN-ACK and in the connection's state.
  EXPECT_THAT(result.out, testing::ContainsRegex("  A .*Flags \\[S.\\], seq "));
  EXPECT_THAT(result.out, testing::ContainsRegex("  B .*Flags \\[S.\\], seq "));
}

TEST(Diverge, ChainsAreComparedWithoutTheirRuns) {
  const std::string a = testing::TempDir() + "a.chain";
  const std::string b = testing::TempDir() + "b.chain";
  ASSERT_EQ(Tapedeck({"diverge", "--chain", a, kScript}).exit_code, 0);
  ASSERT_EQ(Tapedeck({"diverge", "--chain", b, "--seed", "2", kScript}).exit_code, 0);
  EXPECT_EQ(Tapedeck({"diverge", a, a}).exit_code, 0);
  const ChildResult result = Tapedeck({"diverge", a, b});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, StartsWith("first difference: event "));
}

// A repository whose program is this one with another seed stands for one whose commit does
// something else.
TEST(Diverge, ACommitIsBuiltOnceAndCompared) {
  if (!RunChild({"git", "--version"}).ok()) GTEST_SKIP() << "git is not installed";
  const fs::path repository = fs::path(testing::TempDir()) / "diverge-commit";
  fs::remove_all(repository);
  fs::create_directories(repository);
  std::ofstream(repository / "CMakeLists.txt")
      << "cmake_minimum_required(VERSION 3.20)\nproject(fake NONE)\n"
      << "add_custom_target(tapedeck COMMAND ${CMAKE_COMMAND} -E copy ${CMAKE_SOURCE_DIR}/program "
         "bin/tapedeck)\n";
  const std::string tapedeck = fs::canonical(Program("tapedeck"));
  std::ofstream(repository / "program") << "#!/bin/sh\nexec " << tapedeck << " \"$@\" --seed 2\n";
  fs::permissions(repository / "program", fs::perms::owner_all);
  const std::string script = fs::absolute(kScript);
  const auto in_repository = [&](const std::string& line) {
    const auto result =
        RunChild({"sh", "-c", "cd '" + repository.string() + "' && " + line}, {}, 120);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *result : ChildResult{};
  };
  ASSERT_EQ(
      in_repository(
          "git init -q . && git add . && git -c user.name=a -c user.email=a@b commit -q -m one")
          .exit_code,
      0);
  const ChildResult first = in_repository(tapedeck + " diverge --commit HEAD " + script);
  EXPECT_EQ(first.exit_code, 1) << first.out << first.err;
  EXPECT_THAT(first.out, HasSubstr("first difference: event "));
  EXPECT_THAT(first.out, testing::ContainsRegex("  B .*Flags \\[S.\\], seq "));
  EXPECT_THAT(first.err, HasSubstr("building "));
  const ChildResult again = in_repository(tapedeck + " diverge --commit HEAD " + script);
  EXPECT_EQ(again.out, first.out);
  EXPECT_THAT(again.err, Not(HasSubstr("building ")));
  const ChildResult none = in_repository(tapedeck + " diverge --commit 0123456 " + script);
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.err, HasSubstr("no such commit"));
  fs::remove_all(repository);
}

TEST(Diverge, WrongInputIsRefused) {
  EXPECT_EQ(Tapedeck({"diverge", "no/such.pkt"}).exit_code, 2);
  const ChildResult result = Tapedeck({"diverge", "--with", "/bin/echo", kScript});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("does not know `diverge`"));
}

TEST(Debug, CommandsComeFromFlagsAndWrongOnesFail) {
  const ChildResult result = Tapedeck({"debug", "-c", "step", "-c", "where", kScript});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("the run begins behind event 0"));
  EXPECT_EQ(Tapedeck({"debug", "-c", "leap", kScript}).exit_code, 2);
}

TEST(Debug, GdbStopsInTheCodeThatMakesTheEvent) {
  if (!RunChild({"gdb", "--version"}).ok()) GTEST_SKIP() << "gdb is not installed";
  const ChildResult result = Tapedeck(
      {"debug", "--gdb", "22", "-c", "up", "-c", "bt 12", "corpus/captures/http6-a.pcapng"});
  if (result.err.find("ptrace") != std::string::npos) GTEST_SKIP() << "gdb may not trace here";
  EXPECT_THAT(result.out, HasSubstr("tapedeck_event_reached ("));
  EXPECT_THAT(result.out,
              AnyOf(HasSubstr("RxPath::Drop"), HasSubstr("Drop () at nicmodel/rx_path.cc")))
      << "what event 22 is";
}

constexpr char kUnread[] = R"(
 0    socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
 +0   bind(3, ..., ...) = 0
 +0   listen(3, 1) = 0
 +0   < S 0:0(0) win 65535 <mss 1000>
 +0   > S. 0:0(0) ack 1 <mss 1460>
 +.1  < . 1:1(0) ack 1 win 257
 +0   accept(3, ..., ...) = 4
 +0   < P. 1:701(700) ack 1 win 257
 +.2  > . 1:1(0) ack 701
)";

// In the build that users have: it has types for what there are printers for.
TEST(Debug, GdbShowsSocketsPacketsAndRings) {
  if (!RunChild({"gdb", "--version"}).ok()) GTEST_SKIP() << "gdb is not installed";
  const std::string script = testing::TempDir() + "unread.pkt";
  std::ofstream(script) << kUnread;
  const ChildResult events = Tapedeck({"debug", "--follow", script});
  const size_t ack = events.out.rfind(" wire ");
  ASSERT_NE(ack, std::string::npos) << events.out << events.err;
  const std::string event =
      std::to_string(std::stoi(events.out.substr(events.out.rfind('\n', ack) + 1)));
  const ChildResult socket =
      Tapedeck({"debug", "--gdb", event, "-c", "print *$object(\"tcp(4)\")", "-c",
                "print $object(\"tcp(4)\")->sk_receive_queue", "-c",
                "tapedeck-skb $object(\"tcp(4)\")->sk_receive_queue.next", "-c",
                "tapedeck-tcp $object(\"tcp(4)\")", "-c", "print $object(\"tcp(5)\")", script});
  if (socket.err.find("ptrace") != std::string::npos) GTEST_SKIP() << "gdb may not trace here";
  EXPECT_THAT(socket.out, testing::ContainsRegex("= tcp_sock\\(#[0-9]+ ESTABLISHED rmem [1-9]"));
  EXPECT_THAT(socket.out, HasSubstr("sk_buff_head(1 packets)"));
  EXPECT_THAT(socket.out, testing::ContainsRegex("sk_buff\\(frame [0-9]+, 700 B, "));
  EXPECT_THAT(socket.out, HasSubstr("transport_header"));
  EXPECT_THAT(socket.out, HasSubstr("rcv_nxt 701 "));
  EXPECT_THAT(socket.err + socket.out, HasSubstr("there is no tcp(5) now"));
  const ChildResult ring =
      Tapedeck({"debug", "--gdb", "22", "-c", "print *$object(\"rx_ring(eth0)\")", "-c",
                "print *$object(\"tx_ring(eth0)\")", "corpus/captures/http6-a.pcapng"});
  EXPECT_THAT(ring.out, HasSubstr("= RxRing(512 entries, use "));
  EXPECT_THAT(ring.out, HasSubstr("= TxRing(512 entries, use "));
}

// What rr puts its own event number before is a write: so each must be one event, and come when it
// happens.
TEST(Debug, FollowTellsOfEachEventByAWriteOfItsOwn) {
  int ends[2] = {};
  // Each write to it is a message of its own.
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
  const std::string program = Program("tapedeck");
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    execl(program.c_str(), program.c_str(), "debug", "--follow", kCapture, nullptr);
    _exit(127);
  }
  close(ends[1]);
  uint64_t events = 0;
  std::string message(8'192, '\0');
  for (ssize_t bytes = 0; (bytes = read(ends[0], message.data(), message.size())) > 0;) {
    const std::string line = message.substr(0, static_cast<size_t>(bytes));
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
    EXPECT_EQ(line.back(), '\n');
    EXPECT_EQ(std::stoull(line), ++events) << line;
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_GT(events, 40U);
}

}  // namespace
}  // namespace tapedeck
