#include "stack/kernel/cost.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tapedeck {

namespace {

constexpr const char* kPointNames[] = {
#define X(name, text) #name,
    TAPEDECK_COST_POINTS(X)
#undef X
};

std::string_view Trim(std::string_view s) {
  const size_t first = s.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return s.substr(first, s.find_last_not_of(" \t\r") - first + 1);
}

bool ParseNumber(std::string_view s, uint64_t max, uint64_t* value) {
  // Digits, which underscores may part.
  if (s.empty() || s.front() == '_' || s.back() == '_') return false;
  *value = 0;
  for (const char c : s) {
    if (c == '_') continue;
    if (c < '0' || c > '9') return false;
    *value = *value * 10 + static_cast<uint64_t>(c - '0');
    if (*value > max) return false;
  }
  return true;
}

// Parses a table line by line.
class CostParser {
 public:
  explicit CostParser(CostTable& table) : table_(table) {}

  // `line` without its comment, trimmed, not empty. False with what is wrong in `error`.
  bool ParseLine(std::string_view line, std::string* error) {
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
      *error = "expected `name = number`, found `" + std::string(line) + "`";
      return false;
    }
    const std::string key(Trim(line.substr(0, equals)));
    const std::string text(Trim(line.substr(equals + 1)));
    if (key == "cpu_hz") return ParseHz(text, error);
    const auto* const name = std::find(std::begin(kPointNames), std::end(kPointNames), key);
    if (name == std::end(kPointNames)) {
      *error = "no cost point is called `" + key + "`";
      return false;
    }
    const auto point = static_cast<size_t>(name - std::begin(kPointNames));
    uint64_t cycles = 0;
    if (!Once(key, &points_given_[point], error)) return false;
    if (!ParseNumber(text, 1'000'000'000, &cycles)) {
      *error = key + ": expected a whole number of cycles up to 10^9, found `" + text + "`";
      return false;
    }
    table_.cycles[point] = static_cast<uint32_t>(cycles);
    if (cycles != 0) table_.free = false;
    return true;
  }

 private:
  bool ParseHz(const std::string& text, std::string* error) {
    if (!Once("cpu_hz", &hz_given_, error)) return false;
    uint64_t hz = 0;
    if (!ParseNumber(text, 1'000'000'000'000, &hz) || hz == 0) {
      *error = "cpu_hz: expected a whole number of hertz from 1 to 10^12, found `" + text + "`";
      return false;
    }
    table_.cpu_hz = hz;
    return true;
  }
  static bool Once(const std::string& key, bool* given, std::string* error) {
    if (*given) *error = "`" + key + "` is given twice";
    return !std::exchange(*given, true);
  }

  CostTable& table_;
  bool hz_given_ = false;
  bool points_given_[CostTable::kPoints] = {};
};

}  // namespace

CostTable FreeCostTable() { return CostTable{}; }

bool ParseCostTable(std::string_view name, std::string_view text, CostTable* table,
                    std::string* error) {
  CostTable parsed;
  std::memset(parsed.name, 0, sizeof(parsed.name));
  std::memcpy(parsed.name, name.data(), std::min(name.size(), sizeof(parsed.name) - 1));
  CostParser parser(parsed);
  for (size_t line_number = 1; !text.empty(); ++line_number) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    line = Trim(line.substr(0, line.find('#')));
    if (!line.empty() && !parser.ParseLine(line, error)) {
      *error = "line " + std::to_string(line_number) + ": " + *error;
      return false;
    }
  }
  *table = parsed;
  return true;
}

}  // namespace tapedeck
