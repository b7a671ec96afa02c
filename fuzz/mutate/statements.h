// Steps that this library spells as text.
#ifndef TAPEDECK_FUZZ_MUTATE_STATEMENTS_H_
#define TAPEDECK_FUZZ_MUTATE_STATEMENTS_H_

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "replay/script/script.h"
#include "replay/script/text.h"
#include "stack/base/check.h"

namespace tapedeck::fuzz {

// REQUIRES: `text` is a script.
inline std::vector<Step> ParseStatements(std::string_view text) {
  absl::StatusOr<Script> script = ParseScript(text, "statements");
  CHECK(script.ok());
  for (Step& step : script->steps) step.line = 0;
  return std::move(script->steps);
}

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_MUTATE_STATEMENTS_H_
