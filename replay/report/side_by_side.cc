#include "replay/report/side_by_side.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_format.h"

namespace tapedeck::report {

namespace {

constexpr size_t kSideRowsMax = 1000;
constexpr int kSideWidth = 62;

// A line: indexes into the two lists, -1 for none.
struct PairedRow {
  int left = -1;
  int right = -1;
};

// A longest common subsequence of the texts, with the others between.
std::vector<PairedRow> Pair(const std::vector<SideRow>& left, const std::vector<SideRow>& right) {
  const size_t n = std::min(left.size(), kSideRowsMax);
  const size_t m = std::min(right.size(), kSideRowsMax);
  std::vector<uint16_t> length((n + 1) * (m + 1), 0);  // of what is common from (i, j) on
  const auto at = [&](size_t i, size_t j) -> uint16_t& { return length[i * (m + 1) + j]; };
  for (size_t i = n; i-- > 0;) {
    for (size_t j = m; j-- > 0;) {
      at(i, j) = left[i].text == right[j].text ? static_cast<uint16_t>(at(i + 1, j + 1) + 1)
                                               : std::max(at(i + 1, j), at(i, j + 1));
    }
  }
  std::vector<PairedRow> pairs;
  size_t i = 0;
  size_t j = 0;
  while (i < n || j < m) {
    if (i < n && j < m && left[i].text == right[j].text) {
      pairs.push_back({static_cast<int>(i++), static_cast<int>(j++)});
    } else if (j == m || (i < n && at(i + 1, j) >= at(i, j + 1))) {
      pairs.push_back({static_cast<int>(i++), -1});
    } else {
      pairs.push_back({-1, static_cast<int>(j++)});
    }
  }
  return pairs;
}

char MarkOf(const PairedRow& pair, const std::vector<SideRow>& left,
            const std::vector<SideRow>& right) {
  if (pair.right < 0) return '<';
  if (pair.left < 0) return '>';
  const bool in_time =
      left[static_cast<size_t>(pair.left)].time == right[static_cast<size_t>(pair.right)].time;
  return in_time ? '=' : '~';
}

std::string Cell(const std::vector<SideRow>& rows, int index) {
  if (index < 0) return "";
  const SideRow& row = rows[static_cast<size_t>(index)];
  std::string cell = row.time + " " + row.text;
  if (cell.size() > kSideWidth) cell = cell.substr(0, kSideWidth - 1) + "+";
  return cell;
}

std::string Line(const PairedRow& pair, const std::vector<SideRow>& left,
                 const std::vector<SideRow>& right) {
  std::string line = absl::StrFormat("  %-*s %c %s", kSideWidth, Cell(left, pair.left),
                                     MarkOf(pair, left, right), Cell(right, pair.right));
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

}  // namespace

std::string SideBySide(const std::vector<SideRow>& left, const std::vector<SideRow>& right,
                       size_t context, size_t rows_max) {
  const std::vector<PairedRow> pairs = Pair(left, right);
  // Rows that differ, and those near one.
  std::vector<bool> shown(pairs.size());
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (MarkOf(pairs[i], left, right) == '=') continue;
    const size_t first = i > context ? i - context : 0;
    std::fill(shown.begin() + static_cast<ptrdiff_t>(first),
              shown.begin() + static_cast<ptrdiff_t>(std::min(i + context + 1, pairs.size())),
              true);
  }
  std::string text;
  size_t equal = 0;
  size_t rows = 0;
  for (size_t i = 0; i <= pairs.size(); ++i) {
    if (i < pairs.size() && !shown[i]) {
      ++equal;
      continue;
    }
    if (equal != 0) text += absl::StrFormat("  (%d equal)\n", equal);
    equal = 0;
    if (i == pairs.size()) break;
    if (rows++ == rows_max) return text + absl::StrFormat("  (%d more)\n", pairs.size() - i);
    text += Line(pairs[i], left, right);
  }
  return text;
}

}  // namespace tapedeck::report
