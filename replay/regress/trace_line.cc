#include "replay/regress/trace_line.h"

#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace tapedeck::regress {

namespace {

constexpr uint64_t kNsPerSecond = 1'000'000'000;

// The column of times ends where the first word does.
std::pair<size_t, size_t> TimeColumn(std::string_view line) {
  const size_t begin = line.find_first_not_of(' ');
  if (begin == std::string_view::npos) return {line.size(), line.size()};
  const size_t end = line.find(' ', begin);
  return {begin, end == std::string_view::npos ? line.size() : end};
}

uint64_t Nanoseconds(std::string_view time) {
  const std::string text(time.substr(time.starts_with('+') ? 1 : 0));
  const std::vector<std::string> parts = absl::StrSplit(text, '.');
  uint64_t seconds = 0;
  uint64_t ns = 0;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &seconds) ||
      !absl::SimpleAtoi(parts[1], &ns)) {
    return 0;
  }
  return seconds * kNsPerSecond + ns;
}

}  // namespace

std::string SecondsText(uint64_t ns) {
  return absl::StrFormat("%d.%09d", ns / kNsPerSecond, ns % kNsPerSecond);
}

std::string_view WithoutTime(std::string_view line) {
  const size_t end = TimeColumn(line).second;
  return line.substr(end < line.size() ? end + 1 : end);
}

std::string_view TimeOf(std::string_view line) {
  const auto [begin, end] = TimeColumn(line);
  return line.substr(begin, end - begin);
}

std::string_view KindOf(std::string_view line) {
  const std::string_view text = WithoutTime(line);
  if (text.starts_with('<') || text.starts_with('>')) return text.substr(0, 1);
  return text.substr(0, text.find(' '));
}

LinePlace PlaceOf(std::span<const std::string> lines, size_t index) {
  LinePlace place;
  uint64_t ns = Nanoseconds(TimeOf(lines[index]));
  bool anchored = !TimeOf(lines[index]).starts_with('+');
  for (size_t i = index + 1; i-- > 0;) {
    const std::string_view text = WithoutTime(lines[i]);
    if (!text.starts_with('<')) continue;
    if (!std::exchange(anchored, true)) ns += Nanoseconds(TimeOf(lines[i]));
    const std::string number(text.substr(1, text.find(' ') - 1));
    if (absl::SimpleAtoi(number, &place.frame)) break;
  }
  place.time = SecondsText(ns);
  return place;
}

}  // namespace tapedeck::regress
