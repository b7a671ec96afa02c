#include "replay/regress/fold.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "replay/regress/text_hash.h"
#include "replay/regress/trace_line.h"

namespace tapedeck::regress {

namespace {

constexpr size_t kLinksMax = 24;  // that a line has room for
constexpr size_t kFoldMin = 3;    // fewer lines are shown
constexpr unsigned kLimits[] = {64, 32, 16, 12, 8, 6, 4, 3, 2, 1};
constexpr std::string_view kFoldMark = "... ";
constexpr size_t kHashDigits = 8;

bool IsHash(std::string_view text) {
  return text.size() >= kHashDigits &&
         std::all_of(text.begin(), text.begin() + kHashDigits,
                     [](char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); });
}

// Counts what kinds of lines are folded, in the order in which they appear first.
class KindCounts {
 public:
  void Add(std::string_view line) {
    const std::string kind(KindOf(line));
    for (auto& [name, count] : counts_) {
      if (name == kind) {
        ++count;
        return;
      }
    }
    counts_.emplace_back(kind, 1);
  }
  std::string ToString() const {
    return absl::StrJoin(counts_, ", ", [](std::string* out, const auto& entry) {
      absl::StrAppend(out, entry.second, " ", entry.first);
    });
  }

 private:
  std::vector<std::pair<std::string, size_t>> counts_;
};

std::vector<uint16_t> Links(std::span<const std::string> lines, size_t step) {
  std::vector<uint16_t> links;
  uint64_t chain = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    chain = ChainHash(chain, lines[i]);
    if ((i + 1) % step == 0 || i + 1 == lines.size()) links.push_back(static_cast<uint16_t>(chain));
  }
  return links;
}

std::string FoldedLine(std::span<const std::string> lines) {
  const size_t step = (lines.size() + kLinksMax - 1) / kLinksMax;
  KindCounts kinds;
  for (const std::string& line : lines) kinds.Add(line);
  std::string text = absl::StrFormat("%17s %s%d lines: %s; every %d:", "", kFoldMark, lines.size(),
                                     kinds.ToString(), step);
  for (const uint16_t link : Links(lines, step)) absl::StrAppendFormat(&text, " %04x", link);
  return text;
}

// Appends the lines that were kept back, folded where that is shorter.
void Flush(std::vector<std::string>* back, std::vector<std::string>* out) {
  if (back->size() < kFoldMin) {
    std::move(back->begin(), back->end(), std::back_inserter(*out));
  } else {
    out->push_back(FoldedLine(*back));
  }
  back->clear();
}

}  // namespace

std::string Shape(std::string_view line) {
  const std::string_view text = WithoutTime(line);
  std::string shape;
  for (size_t i = 0; i < text.size();) {
    const bool digit = absl::ascii_isdigit(static_cast<unsigned char>(text[i]));
    if (text[i] == '#' && IsHash(text.substr(i + 1))) {
      shape += '#';
      i += 1 + kHashDigits;
    } else if (digit) {
      size_t end = i;
      while (end < text.size() && absl::ascii_isdigit(static_cast<unsigned char>(text[end]))) ++end;
      shape += text.substr(i, end - i) == "0" ? '0' : '1';
      i = end;
    } else {
      shape += text[i++];
    }
  }
  return shape;
}

std::vector<std::string> Fold(std::span<const std::string> lines, unsigned limit) {
  std::vector<std::string> out;
  if (limit == 0) {
    out.assign(lines.begin(), lines.end());
    return out;
  }
  std::map<std::string, unsigned> shown;
  std::vector<std::string> back;
  for (const std::string& line : lines) {
    if (++shown[Shape(line)] > limit) {
      back.push_back(line);
      continue;
    }
    Flush(&back, &out);
    out.push_back(line);
  }
  Flush(&back, &out);
  return out;
}

unsigned ChooseLimit(std::span<const std::string> lines, size_t lines_max) {
  if (lines.size() <= lines_max) return 0;
  for (const unsigned limit : kLimits) {
    if (Fold(lines, limit).size() <= lines_max) return limit;
  }
  return 1;
}

std::optional<FoldedRun> ParseFold(std::string_view line) {
  std::string text(line);
  absl::StripAsciiWhitespace(&text);
  if (!text.starts_with(kFoldMark)) return std::nullopt;
  const std::vector<std::string> halves = absl::StrSplit(text, absl::MaxSplits("; every ", 1));
  const std::vector<std::string> first = absl::StrSplit(halves[0], ' ');
  if (halves.size() != 2 || first.size() < 3) return std::nullopt;
  const std::vector<std::string> words =
      absl::StrSplit(halves[1], absl::ByAnyChar(": "), absl::SkipEmpty());
  FoldedRun run;
  if (words.size() < 2 || !absl::SimpleAtoi(first[1], &run.lines) ||
      !absl::SimpleAtoi(words[0], &run.step) || run.step == 0) {
    return std::nullopt;
  }
  for (size_t i = 1; i < words.size(); ++i) {
    uint32_t link = 0;
    if (!absl::SimpleHexAtoi(words[i], &link)) return std::nullopt;
    run.links.push_back(static_cast<uint16_t>(link));
  }
  if (run.links.size() != (run.lines + run.step - 1) / run.step) return std::nullopt;
  return run;
}

std::optional<Range> FindChange(const FoldedRun& run, std::span<const std::string> lines) {
  const std::span<const std::string> here = lines.first(std::min(run.lines, lines.size()));
  const std::vector<uint16_t> links = Links(here, run.step);
  for (size_t i = 0; i < run.links.size(); ++i) {
    const Range range{i * run.step, std::min((i + 1) * run.step, run.lines)};
    if (range.end > here.size() || links[i] != run.links[i]) return range;
  }
  return std::nullopt;
}

}  // namespace tapedeck::regress
