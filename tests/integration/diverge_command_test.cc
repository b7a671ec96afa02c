// tapedeck diverge and debug --gdb as a user runs them: the difference is named at the right event.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
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
  const ChildResult result = Tapedeck({"debug", "--gdb", "22", "-c", "up", "-c", "bt 12", "-c",
                                       "info pretty-printer", "corpus/captures/http6-a.pcapng"});
  if (result.err.find("ptrace") != std::string::npos) GTEST_SKIP() << "gdb may not trace here";
  EXPECT_THAT(result.out, HasSubstr("tapedeck_event_reached ("));
  EXPECT_THAT(result.out,
              AnyOf(HasSubstr("RxPath::Drop"), HasSubstr("Drop () at nicmodel/rx_path.cc")))
      << "what event 22 is";
  EXPECT_THAT(result.out, HasSubstr("sk_buff_head"));
}

}  // namespace
}  // namespace tapedeck
