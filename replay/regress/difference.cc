#include "replay/regress/difference.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "replay/regress/fold.h"
#include "replay/regress/line_diff.h"
#include "replay/regress/trace_line.h"

namespace tapedeck::regress {

namespace {

using Lines = std::span<const std::string>;

constexpr size_t kContextBefore = 3;
constexpr size_t kRowsAfter = 8;
constexpr size_t kLinesAligned =
    32;  // of either side, so that the rows shown stand beside their own
constexpr size_t kColumnWidth = 76;
constexpr size_t kLookAhead = 64;  // lines in which a line that is missing is looked for

// Where a trace and a golden's trace part: from these lines on.
struct Parting {
  size_t golden = 0;
  size_t now = 0;
  std::optional<Range> folded;  // of the run's lines: it is one of these
};

std::optional<Parting> FindParting(Lines golden, Lines now) {
  size_t n = 0;
  for (size_t g = 0; g < golden.size(); ++g) {
    if (const std::optional<FoldedRun> run = ParseFold(golden[g])) {
      if (const std::optional<Range> range = FindChange(*run, now.subspan(n))) {
        return Parting{g, n + range->begin, Range{n + range->begin, n + range->end}};
      }
      n += run->lines;
      continue;
    }
    if (n == now.size() || golden[g] != now[n]) return Parting{g, n, std::nullopt};
    ++n;
  }
  if (n < now.size()) return Parting{golden.size(), n, std::nullopt};
  return std::nullopt;
}

// "after frame 3, at 0.011057745 s"
std::string PlaceText(Lines lines, size_t index) {
  if (lines.empty()) return "at the start";
  const LinePlace place = PlaceOf(lines, std::min(index, lines.size() - 1));
  const bool at_frame = index < lines.size() && WithoutTime(lines[index]).starts_with('<');
  const std::string when = index < lines.size() ? "at " : "after ";
  if (place.frame == 0) return absl::StrCat(when, place.time, " s");
  return absl::StrCat(at_frame ? "at frame " : "after frame ", place.frame, ", ", when, place.time,
                      " s");
}

std::vector<std::string> Words(std::string_view text) {
  return absl::StrSplit(std::string(text), ' ', absl::SkipEmpty());
}

// "`ack 101` is now `ack 201`": the words that differ, each with the one before it, which names it.
std::string ChangedWords(const std::string& before, const std::string& after) {
  const std::vector<std::string> a = Words(before);
  const std::vector<std::string> b = Words(after);
  std::vector<std::string> gone;
  std::vector<std::string> come;
  size_t last_named = SIZE_MAX;
  for (const LineEdit& edit : AlignLines(a, b)) {
    if (edit.kind == LineEdit::Kind::kSame) continue;
    const bool removed = edit.kind == LineEdit::Kind::kRemoved;
    const std::vector<std::string>& words = removed ? a : b;
    const size_t at = removed ? edit.before : edit.after;
    std::vector<std::string>& list = removed ? gone : come;
    const bool named = at > 0 && list.empty() && at - 1 != last_named;
    list.push_back(named ? absl::StrCat(words[at - 1], " ", words[at]) : words[at]);
    last_named = at;
  }
  if (gone.empty()) return absl::StrCat("`", absl::StrJoin(come, " "), "` is new");
  if (come.empty()) return absl::StrCat("`", absl::StrJoin(gone, " "), "` is gone");
  return absl::StrCat("`", absl::StrJoin(gone, " "), "` is now `", absl::StrJoin(come, " "), "`");
}

// How many lines ahead what happens in `line` happens as well; kLookAhead where it does not.
size_t Ahead(const std::string& line, Lines lines) {
  const Lines near = lines.first(std::min(lines.size(), kLookAhead));
  const auto found = std::find_if(near.begin(), near.end(), [&](const std::string& candidate) {
    return WithoutTime(candidate) == WithoutTime(line);
  });
  return found == near.end() ? kLookAhead : static_cast<size_t>(found - near.begin());
}

// What one line of the golden is and what stands in its place now.
std::string ChangeText(Lines golden, Lines now) {
  const std::string before(WithoutTime(golden[0]));
  const std::string after(WithoutTime(now[0]));
  if (before == after) {
    return absl::StrCat("`", before, "` comes at ", std::string(TimeOf(now[0])), " s instead of ",
                        std::string(TimeOf(golden[0])), " s");
  }
  const size_t missing = Ahead(now[0], golden.subspan(1));
  const size_t added = Ahead(golden[0], now.subspan(1));
  if (missing < added) return absl::StrCat("missing: ", before);
  if (added < kLookAhead) return absl::StrCat("new: ", after);
  if (KindOf(golden[0]) != KindOf(now[0])) {
    return absl::StrCat("`", before, "` is now `", after, "`");
  }
  return absl::StrCat(ChangedWords(before, after), " in `", after, "`");
}

std::string FirstText(const Parting& parting, Lines golden, Lines now) {
  if (parting.now >= now.size()) {
    return absl::StrCat("missing, and all behind it: ",
                        parting.folded.has_value()
                            ? std::string(absl::StripAsciiWhitespace(golden[parting.golden]))
                            : std::string(WithoutTime(golden[parting.golden])));
  }
  if (parting.folded.has_value()) {
    const Range range = *parting.folded;
    if (range.end - range.begin == 1) {
      return absl::StrCat("not as it was: ", std::string(WithoutTime(now[range.begin])));
    }
    return absl::StrCat("one of ", range.end - range.begin,
                        " lines that the golden folds is not as it was, or one is new or missing; ",
                        "the first now: ", std::string(WithoutTime(now[range.begin])));
  }
  if (parting.golden >= golden.size()) {
    return absl::StrCat("the run goes on: ", std::string(WithoutTime(now[parting.now])));
  }
  return ChangeText(golden.subspan(parting.golden), now.subspan(parting.now));
}

std::string Cut(const std::string& line) {
  const std::string text(absl::StripLeadingAsciiWhitespace(line));
  return text.size() <= kColumnWidth ? text : text.substr(0, kColumnWidth - 1) + "~";
}

void AppendRow(const std::string& before, char sign, const std::string& after, std::string* text) {
  std::string row = absl::StrFormat("  %-76s %c %s", Cut(before), sign, Cut(after));
  absl::StrAppend(text, std::string(absl::StripTrailingAsciiWhitespace(row)), "\n");
}

// The first kRowsAfter rows. Removed and added lines that stand in each other's place share one.
void AppendChanges(Lines golden, Lines now, std::string* text) {
  const std::vector<LineEdit> edits = AlignLines(golden, now);
  size_t rows = 0;
  for (size_t i = 0; i < edits.size() && rows < kRowsAfter;) {
    if (edits[i].kind == LineEdit::Kind::kSame) {
      AppendRow(golden[edits[i].before], ' ', now[edits[i].after], text);
      ++i;
      ++rows;
      continue;
    }
    std::vector<size_t> removed;
    std::vector<size_t> added;
    for (; i < edits.size() && edits[i].kind != LineEdit::Kind::kSame; ++i) {
      if (edits[i].kind == LineEdit::Kind::kRemoved) removed.push_back(edits[i].before);
      if (edits[i].kind == LineEdit::Kind::kAdded) added.push_back(edits[i].after);
    }
    const size_t pairs = std::max(removed.size(), added.size());
    for (size_t row = 0; row < pairs && rows < kRowsAfter; ++row, ++rows) {
      const bool left = row < removed.size();
      const bool right = row < added.size();
      AppendRow(left ? golden[removed[row]] : "",
                left && right ? '|'
                : left        ? '<'
                              : '>',
                right ? now[added[row]] : "", text);
    }
  }
}

std::string Columns(const Parting& parting, Lines golden, Lines now) {
  std::string text;
  AppendRow("golden", ' ', "now", &text);
  const size_t before = std::min({parting.golden, parting.now, kContextBefore});
  for (size_t i = before; i > 0; --i) {
    AppendRow(golden[parting.golden - i], ' ', now[parting.now - i], &text);
  }
  const Lines old = golden.subspan(std::min(parting.golden, golden.size()));
  const Lines here = now.subspan(std::min(parting.now, now.size()));
  AppendChanges(old.first(std::min(old.size(), kLinesAligned)),
                here.first(std::min(here.size(), kLinesAligned)), &text);
  return text;
}

std::string FirstWord(const std::string& line) { return line.substr(0, line.find(' ')); }

std::optional<Difference> CounterDifference(Lines golden, Lines now) {
  for (const LineEdit& edit : AlignLines(golden, now)) {
    if (edit.kind == LineEdit::Kind::kSame) continue;
    const bool pair = edit.before < golden.size() && edit.after < now.size() &&
                      FirstWord(golden[edit.before]) == FirstWord(now[edit.after]);
    const std::string what = pair ? ChangedWords(golden[edit.before], now[edit.after])
                             : edit.kind == LineEdit::Kind::kRemoved
                                 ? absl::StrCat("missing: ", golden[edit.before])
                                 : absl::StrCat("new: ", now[edit.after]);
    const std::string group = pair ? absl::StrCat(" of ", FirstWord(now[edit.after])) : "";
    return Difference{absl::StrCat("counters at the end", group, ": ", what), ""};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Difference> FindDifference(const Golden& golden, const RunText& run) {
  if (golden.play != run.play) {
    return Difference{absl::StrCat("played otherwise: ", ChangedWords(golden.play, run.play)), ""};
  }
  if (const std::optional<Parting> parting = FindParting(golden.trace, run.trace)) {
    Difference difference;
    difference.first = absl::StrCat(PlaceText(run.trace, parting->now), ": ",
                                    FirstText(*parting, golden.trace, run.trace));
    difference.columns = Columns(*parting, golden.trace, run.trace);
    if (golden.input != run.input) {
      absl::StrAppend(&difference.columns, "  the case itself has changed since: it was ",
                      golden.input, " and is ", run.input, "\n");
    }
    return difference;
  }
  if (auto counters = CounterDifference(golden.counters, run.counters)) return counters;
  if (golden.hash == RunHash(run)) return std::nullopt;
  return Difference{"inside the lines that the golden folds, where its short hashes agree", ""};
}

}  // namespace tapedeck::regress
