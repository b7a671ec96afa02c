#include "tools/counts.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace tapedeck::tools {

uint64_t Total(const std::map<std::string, uint64_t>& counts) {
  uint64_t total = 0;
  for (const auto& [name, count] : counts) total += count;
  return total;
}

std::string CountsText(const std::map<std::string, uint64_t>& counts) {
  if (counts.empty()) return "";
  return absl::StrCat(" (",
                      absl::StrJoin(counts, ", ",
                                    [](std::string* out, const auto& entry) {
                                      absl::StrAppend(out, entry.first, " ", entry.second);
                                    }),
                      ")");
}

const char* VerdictWord(const std::vector<std::string>& violations, bool interrupted) {
  if (!violations.empty()) return "FAILED";
  return interrupted ? "INTERRUPTED" : "HELD";
}

}  // namespace tapedeck::tools
