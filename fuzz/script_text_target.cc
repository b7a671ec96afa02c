// The text spelling of scripts.
//
// Input: a script's text. Property: the parser says no with a place, or what it read prints to a
// text that reads the same and prints the same; and in bytes it is the same script again.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/target.h"
#include "replay/script/bytes.h"
#include "replay/script/script.h"
#include "replay/script/text.h"
#include "stack/base/check.h"
#include "stack/base/hash.h"

namespace tapedeck::fuzz {
namespace {

constexpr size_t kTextBytesMax = size_t{1} << 14;

}  // namespace

RunResult RunInput(std::span<const uint8_t> input) {
  if (input.size() > kTextBytesMax) return {};
  const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
  const absl::StatusOr<Script> script = ParseScript(text, "input");
  if (!script.ok()) {
    CHECK(script.status().message().substr(0, 6) == "input:");
    return RunResult::Whole(0);
  }
  CHECK(ValidateScript(*script).ok());
  const std::string printed = PrintScript(*script);
  const absl::StatusOr<Script> again = ParseScript(printed, "printed");
  CHECK(again.ok());
  CHECK(*again == *script);
  CHECK(PrintScript(*again) == printed);
  const absl::StatusOr<std::vector<uint8_t>> bytes = EncodeScript(*script);
  if (bytes.ok()) CHECK(DecodeScript(*bytes) == *script);
  const std::span<const uint8_t> view(reinterpret_cast<const uint8_t*>(printed.data()),
                                      printed.size());
  return RunResult::Whole(SipHash24(view, {}));
}

}  // namespace tapedeck::fuzz
