#include "stack/kernel/cost.h"

#include <algorithm>
#include <cstring>

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

bool Fail(size_t line, const std::string& what, std::string* error) {
  *error = "line " + std::to_string(line) + ": " + what;
  return false;
}

}  // namespace

CostTable FreeCostTable() { return CostTable{}; }

bool ParseCostTable(std::string_view name, std::string_view text, CostTable* table,
                    std::string* error) {
  CostTable parsed;
  const size_t name_bytes = std::min(name.size(), sizeof(parsed.name) - 1);
  std::memset(parsed.name, 0, sizeof(parsed.name));
  std::memcpy(parsed.name, name.data(), name_bytes);
  bool hz_given = false;
  bool points_given[CostTable::kPoints] = {};
  size_t line_number = 0;
  while (!text.empty()) {
    ++line_number;
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    line = Trim(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
      return Fail(line_number, "expected `name = number`, found `" + std::string(line) + "`", error);
    }
    const std::string_view key = Trim(line.substr(0, equals));
    const std::string_view value_text = Trim(line.substr(equals + 1));
    const bool is_hz = key == "cpu_hz";
    const auto* const point = std::find(std::begin(kPointNames), std::end(kPointNames), key);
    if (!is_hz && point == std::end(kPointNames)) {
      return Fail(line_number, "no cost point is called `" + std::string(key) + "`", error);
    }
    bool& given = is_hz ? hz_given : points_given[point - std::begin(kPointNames)];
    if (given) return Fail(line_number, "`" + std::string(key) + "` is given twice", error);
    given = true;
    uint64_t value = 0;
    if (!ParseNumber(value_text, is_hz ? 1'000'000'000'000 : 1'000'000'000, &value) ||
        (is_hz && value == 0)) {
      return Fail(line_number,
                  std::string(key) + ": expected a whole number" +
                      (is_hz ? " of hertz from 1 to 10^12" : " of cycles up to 10^9") +
                      ", found `" + std::string(value_text) + "`",
                  error);
    }
    if (is_hz) {
      parsed.cpu_hz = value;
      continue;
    }
    parsed.cycles[point - std::begin(kPointNames)] = static_cast<uint32_t>(value);
    if (value != 0) parsed.free = false;
  }
  *table = parsed;
  return true;
}

}  // namespace tapedeck
