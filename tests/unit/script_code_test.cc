// Code between %{ and }%: what it means, and what is said where it does not hold.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/script/text.h"

namespace tapedeck {
namespace {

const std::map<std::string, int64_t, std::less<>> kNames = {
    {"tcpi_snd_cwnd", 10}, {"tcpi_rtt", 100'123}, {"tcpi_options", 0x25}, {"tcpi_ca_state", 3}};

std::optional<int64_t> Lookup(std::string_view name) {
  const auto found = kNames.find(name);
  return found != kNames.end() ? std::optional(found->second) : CodeConstant(name);
}

absl::StatusOr<CodeStep> Parse(std::string_view code) {
  const absl::StatusOr<Script> script =
      ParseScript(absl::StrCat("0 %{", std::string(code), "}%"), "test");
  if (!script.ok()) return script.status();
  return std::get<CodeStep>(script->steps.at(0).what);
}

// What running `code` says; empty if it holds.
std::string RunCode(std::string_view code, CodeRunner* runner = nullptr) {
  const absl::StatusOr<CodeStep> step = Parse(code);
  if (!step.ok()) return std::string(step.status().message());
  CodeRunner fresh;
  return std::string((runner == nullptr ? fresh : *runner).Run(*step, Lookup).message());
}

TEST(ScriptCode, WhatHolds) {
  for (const char* code : {
           " assert tcpi_snd_cwnd == 10 ",
           "assert (tcpi_options & TCPI_OPT_SYN_DATA) != 0, tcpi_options",
           "assert 99000 <= tcpi_rtt <= 101000, 'rtt=%d us' % tcpi_rtt",
           "\n  assert tcpi_ca_state == TCP_CA_Recovery  # a comment\n  assert 1\n",
           "assert 1; assert 2;",
           "assert 7 // 2 == 3 and -7 // 2 == -4 and -7 % 3 == 2 and 8 / 2 == 4",
           "assert 1 + 2 * 3 == 7 and (1 + 2) * 3 == 9 and 1 | 2 ^ 3 & 1 == 3",
           "assert ~5 == -6 and -(-3) == 3 and not 0 and not (1 and 0)",
           "assert 0x10 == 16 and 1 << 4 == 16 and 256 >> 4 == 16",
           "assert (1, 'a') == (1, 'a') and 'a' < 'b' and 1 < 2 < 3 and not 1 < 3 < 2",
           "assert '%d %x %s%%' % (16, 16, 'x') == '16 10 x%'",
           "assert 5 or missing",
           "pass",
           "assert \\\n 1",
       }) {
    EXPECT_EQ(RunCode(code), "") << code;
  }
}

TEST(ScriptCode, WhatDoesNotHoldSaysTheValues) {
  EXPECT_EQ(RunCode("assert tcpi_snd_cwnd == 9, tcpi_rtt"),
            "line 1: assertion failed: tcpi_snd_cwnd == 9 (tcpi_snd_cwnd is 10): 100123");
  EXPECT_EQ(RunCode("\nassert (tcpi_options & TCPI_OPT_SACK) != 0, 'opt=%d' % tcpi_options"),
            "line 2: assertion failed: (tcpi_options & TCPI_OPT_SACK) != 0 (tcpi_options is 37): "
            "opt=37");
  EXPECT_EQ(RunCode("assert 0"), "line 1: assertion failed: 0");
}

TEST(ScriptCode, NamesStayFromStepToStep) {
  CodeRunner runner;
  EXPECT_EQ(RunCode("cwnd = 8\nlimit = 0x7fffffff", &runner), "");
  EXPECT_EQ(RunCode("cwnd += 2; assert tcpi_snd_cwnd == cwnd, tcpi_snd_cwnd", &runner), "");
  EXPECT_EQ(RunCode("print(cwnd, 'of', limit, (1,))", &runner), "");
  EXPECT_EQ(runner.output(), "10 of 2147483647 (1,)\n");
}

TEST(ScriptCode, WhatIsReadIsKnown) {
  const absl::StatusOr<CodeStep> code = Parse("assert (1 + tcpi_rtt, 2), bbr_bw");
  ASSERT_TRUE(code.ok());
  EXPECT_TRUE(code->Reads("tcpi_rtt"));
  EXPECT_TRUE(code->Reads("bbr_bw"));
  EXPECT_FALSE(code->Reads("tcpi_lost"));
}

TEST(ScriptCode, PrintsWhatReadsTheSame) {
  for (const char* text : {
           "+0 %{ assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd }%\n",
           "+0 %{ assert 1 <= a <= 2, 'x=%d' % a\n   b -= ~(a + 1)\n   print(a, (b,)) }%\n",
           "+0 %{ assert not (a and (b or None)) }%\n",
       }) {
    const absl::StatusOr<Script> script = ParseScript(text, "test");
    ASSERT_TRUE(script.ok()) << script.status();
    EXPECT_EQ(PrintScript(*script), text);
  }
}

// What is printed has parentheses around each operand, and must parse all the same.
TEST(ScriptCode, AsMuchAsParsesCanBePrinted) {
  std::string sum = "a";
  for (int terms = 1; terms < 65; ++terms) absl::StrAppend(&sum, " + a");
  const std::string signs(64, '-');
  for (const std::string& code : {sum, signs + "a", "not " + signs.substr(1) + "a"}) {
    const absl::StatusOr<Script> script = ParseScript(absl::StrCat("0 %{", code, "}%"), "test");
    ASSERT_TRUE(script.ok()) << script.status();
    const absl::StatusOr<Script> again = ParseScript(PrintScript(*script), "printed");
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(*again, *script);
  }
  EXPECT_EQ(Parse(sum + " + a").status().message(),
            "test:1:5: expected fewer operators within each other");
}

TEST(ScriptCode, Mistakes) {
  const std::pair<const char*, const char*> mistakes[] = {
      {"assert", "test:1:11: expected an expression, found the end of the code"},
      {"assert 1 +\n 2", "test:1:15: expected an expression, found the end of the line"},
      {"assert (1", "test:1:14: expected ',' or ')', found the end of the code"},
      {"assert 1 1", "test:1:14: expected the end of the statement, found '1'"},
      {"import os", "test:1:12: expected the end of the statement, found 'os'"},
      {"len(x)", "test:1:8: expected no call: only print() is known, found '('"},
      {"assert 99999999999999999999",
       "test:1:12: expected a number of 64 bits, found '99999999999999999999'"},
      {"assert 'a", "test:1:12: expected an expression, found ''a'"},
      {"assert x", "line 1: no name 'x' here"},
      {"x += 1", "line 1: no name 'x' here"},
      {"x = 'a'", "line 1: 'a' is no number"},
      {"assert 1 // 0", "line 1: division by zero"},
      {"assert 7 / 2", "line 1: 7 / 2 is no whole number; // rounds down"},
      {"assert 1 << 64", "line 1: a shift by 64"},
      {"assert 9223372036854775807 + 1", "line 1: a number beyond 64 bits"},
      {"assert 1 + 'a'", "line 1: '+' of 1 and a"},
      {"assert (1, 2) < 3", "line 1: '<' of (1, 2) and 3"},
      {"assert '%d' % 'a'", "line 1: a is no number"},
      {"assert '%d %d' % 1", "line 1: more conversions than values in a format"},
      {"assert '%q' % 1", "line 1: no conversion '%q': %d, %u, %x and %s are known"},
  };
  for (const auto& [code, message] : mistakes) EXPECT_EQ(RunCode(code), message) << code;
}

}  // namespace
}  // namespace tapedeck
