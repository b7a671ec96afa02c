#include "replay/regress/golden.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "replay/regress/fold.h"
#include "replay/regress/text_hash.h"

namespace tapedeck::regress {

namespace {

constexpr std::string_view kFirstLine = "tapedeck golden 1";
constexpr size_t kTraceLinesMax = 100;       // of a new golden, where folding can reach it
constexpr size_t kTraceLinesOutgrown = 200;  // of one that is changed, before it is folded anew

// A golden whose folding changed with every change of its run could not be reviewed.
unsigned ChooseFold(const RunText& run, const Golden* before) {
  if (before != nullptr && Fold(run.trace, before->fold).size() <= kTraceLinesOutgrown) {
    return before->fold;
  }
  return ChooseLimit(run.trace, kTraceLinesMax);
}

// Reads a golden line by line.
class GoldenReader {
 public:
  GoldenReader(std::string_view text, const std::string& file)
      : file_(file), lines_(absl::StrSplit(std::string(text), '\n')) {
    if (!lines_.empty() && lines_.back().empty()) lines_.pop_back();
  }

  absl::StatusOr<Golden> Read() {
    if (absl::Status status = ReadHeader(); !status.ok()) return status;
    while (at_ < lines_.size() && lines_[at_] != "counters") golden_.trace.push_back(lines_[at_++]);
    if (at_ == lines_.size()) return Wrong("counters");
    ++at_;
    while (at_ < lines_.size() && !lines_[at_].starts_with("end ")) {
      golden_.counters.push_back(lines_[at_++]);
    }
    return ReadEnd();
  }

 private:
  absl::Status Wrong(std::string_view expected) const {
    const std::string found =
        at_ < lines_.size() ? absl::StrCat("`", lines_[at_], "`") : std::string("its end");
    return absl::InvalidArgumentError(absl::StrCat(file_, ":", at_ + 1, ": expected `",
                                                   std::string(expected), "` of a golden, found ",
                                                   found));
  }

  // What follows `name` on the present line.
  bool Take(std::string_view name, std::string* value) {
    if (at_ == lines_.size() || !lines_[at_].starts_with(absl::StrCat(std::string(name), " "))) {
      return false;
    }
    *value = lines_[at_++].substr(name.size() + 1);
    return true;
  }

  absl::Status ReadHeader() {
    if (lines_.empty() || lines_[0] != kFirstLine) return Wrong(kFirstLine);
    ++at_;
    if (!Take("input", &golden_.input)) return Wrong("input ...");
    if (!Take("play", &golden_.play)) return Wrong("play ...");
    std::string value;
    while (Take("reason", &value)) golden_.reasons.push_back(value);
    if (!Take("fold", &value) || !absl::SimpleAtoi(value, &golden_.fold)) return Wrong("fold N");
    if (at_ == lines_.size() || lines_[at_] != "trace") return Wrong("trace");
    ++at_;
    return absl::OkStatus();
  }

  absl::StatusOr<Golden> ReadEnd() {
    std::string value;
    const size_t here = at_;
    if (!Take("end", &value)) return Wrong("end N lines hash H");
    const std::vector<std::string> words = absl::StrSplit(value, ' ');
    if (words.size() != 4 || !absl::SimpleAtoi(words[0], &golden_.lines) ||
        !absl::SimpleHexAtoi(words[3], &golden_.hash)) {
      at_ = here;
      return Wrong("end N lines hash H");
    }
    if (at_ != lines_.size()) return Wrong("nothing behind `end`");
    return golden_;
  }

  const std::string& file_;
  std::vector<std::string> lines_;
  size_t at_ = 0;
  Golden golden_;
};

}  // namespace

uint64_t RunHash(const RunText& run) {
  uint64_t chain = 0;
  for (const std::string& line : run.trace) chain = ChainHash(chain, line);
  for (const std::string& line : run.counters) chain = ChainHash(chain, line);
  return chain;
}

Golden MakeGolden(const RunText& run, const Golden* before, std::string_view reason) {
  Golden golden;
  golden.input = run.input;
  golden.play = run.play;
  if (before != nullptr) golden.reasons = before->reasons;
  golden.reasons.emplace_back(reason);
  golden.fold = ChooseFold(run, before);
  golden.trace = Fold(run.trace, golden.fold);
  golden.counters = run.counters;
  golden.lines = run.trace.size();
  golden.hash = RunHash(run);
  return golden;
}

std::string GoldenText(const Golden& golden) {
  std::string text =
      absl::StrCat(std::string(kFirstLine), "\ninput ", golden.input, "\nplay ", golden.play, "\n");
  for (const std::string& reason : golden.reasons) absl::StrAppend(&text, "reason ", reason, "\n");
  absl::StrAppend(&text, "fold ", golden.fold, "\ntrace\n");
  for (const std::string& line : golden.trace) absl::StrAppend(&text, line, "\n");
  text += "counters\n";
  for (const std::string& line : golden.counters) absl::StrAppend(&text, line, "\n");
  absl::StrAppendFormat(&text, "end %d lines hash %016x\n", golden.lines, golden.hash);
  return text;
}

absl::StatusOr<Golden> ParseGolden(std::string_view text, const std::string& file) {
  return GoldenReader(text, file).Read();
}

}  // namespace tapedeck::regress
