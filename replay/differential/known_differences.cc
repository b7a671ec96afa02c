#include "replay/differential/known_differences.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace tapedeck::differential {

absl::StatusOr<KnownDifferences> KnownDifferences::Read(const std::string& path,
                                                        absl::string_view release) {
  std::ifstream file(path);
  if (!file) return absl::InvalidArgumentError(absl::StrCat(path, ": cannot be read"));
  KnownDifferences known;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.empty() || line[0] == '#') continue;
    const std::vector<std::string> columns = absl::StrSplit(line, '\t');
    if (columns.size() != 4 || columns[3].empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", number, ": expected kind, signature, kernel and reason, found ",
                       columns.size(), " columns"));
    }
    if (columns[2] != "*" && !absl::StartsWith(release, columns[2])) continue;
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(columns[1], absl::MaxSplits(" if ", 1));
    known.lines_.push_back({columns[0], parts.first, parts.second});
  }
  return known;
}

bool KnownDifferences::Explains(absl::string_view kind, absl::string_view signature,
                                const std::vector<std::string>& all) const {
  return std::any_of(lines_.begin(), lines_.end(), [&](const Line& line) {
    return Matches(line.kind, kind) && Matches(line.signature, signature) &&
           (line.cause.empty() ||
            std::any_of(all.begin(), all.end(), [&](const std::string& other) {
              return other != signature && Matches(line.cause, other);
            }));
  });
}

bool Matches(absl::string_view pattern, absl::string_view text) {
  const std::vector<absl::string_view> pieces = absl::StrSplit(pattern, '*');
  if (pieces.size() == 1) return pattern == text;
  if (!absl::ConsumePrefix(&text, pieces.front())) return false;
  if (!absl::ConsumeSuffix(&text, pieces.back())) return false;
  for (size_t i = 1; i + 1 < pieces.size(); ++i) {
    const size_t at = text.find(pieces[i]);
    if (at == absl::string_view::npos) return false;
    text.remove_prefix(at + pieces[i].size());
  }
  return true;
}

}  // namespace tapedeck::differential
