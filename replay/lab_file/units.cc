#include "replay/lab_file/units.h"

#include <iterator>
#include <limits>

namespace tapedeck {

namespace {

struct Unit {
  absl::string_view name;
  uint64_t factor;
};

constexpr int kDecimalsMax = 9;

// "1.25" with a unit of the list, as a whole number of the unit that counts 1.
template <size_t N>
std::optional<uint64_t> ParseWithUnit(absl::string_view text, const Unit (&units)[N]) {
  uint64_t digits = 0;
  uint64_t divisor = 1;
  size_t at = 0;
  bool point = false;
  int decimals = 0;
  for (; at < text.size(); ++at) {
    if (text[at] == '.' && !point && at != 0) {
      point = true;
      continue;
    }
    if (text[at] < '0' || text[at] > '9') break;
    if (digits > (std::numeric_limits<uint64_t>::max() - 9) / 10) return std::nullopt;
    digits = digits * 10 + static_cast<uint64_t>(text[at] - '0');
    if (!point) continue;
    divisor *= 10;
    if (++decimals > kDecimalsMax) return std::nullopt;
  }
  if (at == 0 || text[at - 1] == '.') return std::nullopt;
  for (const Unit& unit : units) {
    if (text.substr(at) != unit.name) continue;
    uint64_t product = 0;
    if (__builtin_mul_overflow(digits, unit.factor, &product)) return std::nullopt;
    if (product % divisor != 0) return std::nullopt;
    return product / divisor;
  }
  return std::nullopt;
}

constexpr Unit kTimeUnits[] = {
    {"ps", 1}, {"ns", 1'000}, {"us", 1'000'000}, {"ms", 1'000'000'000}, {"s", 1'000'000'000'000}};
constexpr Unit kRateUnits[] = {
    {"bit", 1}, {"kbit", 1'000}, {"Mbit", 1'000'000}, {"Gbit", 1'000'000'000}};
constexpr Unit kShareUnits[] = {{"ppm", 1}, {"%", 10'000}};
constexpr Unit kByteUnits[] = {
    {"", 1}, {"k", uint64_t{1} << 10}, {"M", uint64_t{1} << 20}, {"G", uint64_t{1} << 30}};
constexpr uint64_t kAllPpm = 1'000'000;

}  // namespace

std::optional<Duration> ParseLabDuration(absl::string_view text) {
  const std::optional<uint64_t> ps = ParseWithUnit(text, kTimeUnits);
  if (!ps.has_value()) return std::nullopt;
  return Duration::Picoseconds(*ps);
}

std::optional<uint64_t> ParseLabRate(absl::string_view text) {
  return ParseWithUnit(text, kRateUnits);
}

std::optional<uint32_t> ParseLabShare(absl::string_view text) {
  const std::optional<uint64_t> ppm = ParseWithUnit(text, kShareUnits);
  if (!ppm.has_value() || *ppm > kAllPpm) return std::nullopt;
  return static_cast<uint32_t>(*ppm);
}

std::optional<uint64_t> ParseLabBytes(absl::string_view text) {
  return ParseWithUnit(text, kByteUnits);
}

}  // namespace tapedeck
