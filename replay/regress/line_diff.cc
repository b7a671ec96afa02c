#include "replay/regress/line_diff.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace tapedeck::regress {

namespace {

using Kind = LineEdit::Kind;
using Lines = std::span<const std::string>;

constexpr size_t kCellsMax = size_t{1} << 24;  // 64 MiB of them
constexpr size_t kContext = 3;                 // lines, as of diff -u

// Lengths of the longest common subsequences of all ends of two texts.
class CommonLengths {
 public:
  CommonLengths(Lines a, Lines b) : columns_(b.size() + 1), cells_((a.size() + 1) * columns_) {
    for (size_t i = a.size(); i-- > 0;) {
      for (size_t k = b.size(); k-- > 0;) {
        Cell(i, k) =
            a[i] == b[k] ? Cell(i + 1, k + 1) + 1 : std::max(Cell(i + 1, k), Cell(i, k + 1));
      }
    }
  }
  uint32_t& Cell(size_t i, size_t k) { return cells_[i * columns_ + k]; }

 private:
  size_t columns_;
  std::vector<uint32_t> cells_;
};

// The middle of two texts, which begins `offset` lines into them.
void AlignMiddle(Lines a, Lines b, size_t offset, std::vector<LineEdit>* edits) {
  size_t i = 0;
  size_t k = 0;
  if ((a.size() + 1) * (b.size() + 1) <= kCellsMax) {
    CommonLengths lengths(a, b);
    while (i < a.size() && k < b.size()) {
      if (a[i] == b[k]) {
        edits->push_back({Kind::kSame, offset + i++, offset + k++});
      } else if (lengths.Cell(i + 1, k) >= lengths.Cell(i, k + 1)) {
        edits->push_back({Kind::kRemoved, offset + i++, offset + k});
      } else {
        edits->push_back({Kind::kAdded, offset + i, offset + k++});
      }
    }
  }
  for (; i < a.size(); ++i) edits->push_back({Kind::kRemoved, offset + i, offset + k});
  for (; k < b.size(); ++k) edits->push_back({Kind::kAdded, offset + i, offset + k});
}

char Sign(Kind kind) { return kind == Kind::kSame ? ' ' : kind == Kind::kRemoved ? '-' : '+'; }

// One block of changes that stand near each other: the edits [begin, end).
std::string Hunk(std::span<const LineEdit> edits, Lines before, Lines after) {
  size_t removed = 0;
  size_t added = 0;
  std::string body;
  for (const LineEdit& edit : edits) {
    removed += edit.kind != Kind::kAdded;
    added += edit.kind != Kind::kRemoved;
    absl::StrAppendFormat(&body, "%c%s\n", Sign(edit.kind),
                          edit.kind == Kind::kAdded ? after[edit.after] : before[edit.before]);
  }
  return absl::StrFormat("@@ -%d,%d +%d,%d @@\n%s", edits[0].before + 1, removed,
                         edits[0].after + 1, added, body);
}

}  // namespace

std::vector<LineEdit> AlignLines(Lines before, Lines after) {
  size_t head = 0;
  while (head < before.size() && head < after.size() && before[head] == after[head]) ++head;
  size_t tail = 0;
  const size_t tail_max = std::min(before.size(), after.size()) - head;
  while (tail < tail_max && before[before.size() - 1 - tail] == after[after.size() - 1 - tail]) {
    ++tail;
  }
  std::vector<LineEdit> edits;
  for (size_t i = 0; i < head; ++i) edits.push_back({Kind::kSame, i, i});
  AlignMiddle(before.subspan(head, before.size() - head - tail),
              after.subspan(head, after.size() - head - tail), head, &edits);
  for (size_t i = tail; i > 0; --i) {
    edits.push_back({Kind::kSame, before.size() - i, after.size() - i});
  }
  return edits;
}

std::string UnifiedDiff(Lines before, Lines after) {
  const std::vector<LineEdit> edits = AlignLines(before, after);
  std::string text;
  size_t next = 0;
  while (next < edits.size()) {
    if (edits[next].kind == Kind::kSame) {
      ++next;
      continue;
    }
    const size_t begin = next - std::min(next, kContext);
    size_t last = next;  // change of this hunk
    for (size_t i = next; i < edits.size() && i <= last + 2 * kContext; ++i) {
      if (edits[i].kind != Kind::kSame) last = i;
    }
    const size_t end = std::min(edits.size(), last + 1 + kContext);
    absl::StrAppend(&text, Hunk(std::span(edits).subspan(begin, end - begin), before, after));
    next = end;
  }
  return text;
}

}  // namespace tapedeck::regress
