#include "fuzz/campaign/to_test.h"

#include <algorithm>
#include <cstdint>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/script/bytes.h"
#include "replay/script/text.h"
#include "stack/base/byteorder.h"

namespace tapedeck::fuzz {
namespace {

constexpr char kWhatIsTested[] = "no promise of the target is broken";

std::string Title(const CrashInput& input, const ObservedRun& run) {
  return absl::StrCat("An input of the fuzz target `", input.target, "`",
                      run.held() ? ": it holds" : absl::StrCat(" that broke ", run.signature));
}

std::vector<std::string> TextLines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> DescribePieces(const CrashInput& input) {
  const Pieces pieces = SplitInput(input.kind(), input.bytes);
  std::vector<std::string> lines;
  for (size_t i = 0; i < pieces.list.size(); ++i) {
    const char* const what = i < pieces.fixed ? "header" : "packet";
    lines.push_back(absl::StrFormat("%s of %d bytes", what, pieces.list[i].size()));
  }
  return lines;
}

// "RES:empty:sk" to "ResEmptySk": what a test may be called.
std::string CamelCase(const std::string& text) {
  std::string name;
  bool upper = true;
  for (const char c : text) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) {
      upper = true;
      continue;
    }
    name += upper ? absl::ascii_toupper(static_cast<unsigned char>(c)) : c;
    upper = false;
  }
  return name.empty() ? "Input" : name;
}

// Rows of a C++ initialiser.
std::string ByteRows(const Bytes& bytes) {
  constexpr size_t kBytesARow = 15;
  std::string rows;
  for (size_t i = 0; i < bytes.size(); ++i) {
    absl::StrAppendFormat(&rows, "%s0x%02x,", i % kBytesARow == 0 ? "\n      " : " ", bytes[i]);
  }
  return rows;
}

}  // namespace

std::vector<std::string> DescribeInput(const CrashInput& input) {
  switch (input.kind()) {
    case InputKind::kScript: {
      std::vector<std::string> lines;
      for (const Step& step : DecodeScript(input.bytes).steps) {
        std::string line = PrintStep(step);
        std::replace(line.begin(), line.end(), '\n', ' ');
        lines.push_back(std::move(line));
      }
      return lines;
    }
    case InputKind::kText:
      return TextLines(std::string(input.bytes.begin(), input.bytes.end()));
    case InputKind::kCapture:
      return DescribePieces(input);
  }
  return {};
}

std::string ScriptText(const CrashInput& input, const ObservedRun& run) {
  return absl::StrCat("// ", Title(input, run), ".\n// Run: tapedeck repro --target ", input.target,
                      " FILE.pkt; what the target has set up before is in fuzz/", input.target,
                      "_target.cc.\n",
                      PrintScript(DecodeScript(input.bytes), {.describe_frames = true}));
}

std::string GtestText(const CrashInput& input, const ObservedRun& run, const std::string& name) {
  std::string text = absl::StrCat(
      "// ", Title(input, run), ".\n",
      "#include <gtest/gtest.h>\n\n#include <cstdint>\n#include <memory>\n#include <vector>\n\n"
      "#include \"fuzz/target.h\"\n\nnamespace tapedeck::fuzz {\nnamespace {\n\n");
  for (const std::string& line : DescribeInput(input)) absl::StrAppend(&text, "// ", line, "\n");
  absl::StrAppend(&text, "TEST(", CamelCase(input.target), "Input, ",
                  CamelCase(name.empty() ? run.signature : name), ") {\n",
                  "  const std::vector<uint8_t> input = {", ByteRows(input.bytes), "\n  };\n",
                  "  // A run that breaks a promise aborts: ", kWhatIsTested, ".\n",
                  "  EXPECT_TRUE(RunInput(input).ran());\n}\n\n",
                  "}  // namespace\n}  // namespace tapedeck::fuzz\n");
  return text;
}

}  // namespace tapedeck::fuzz
