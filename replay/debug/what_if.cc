#include "replay/debug/what_if.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "replay/debug/condition.h"
#include "replay/report/ladder.h"
#include "replay/report/run_log.h"
#include "replay/report/side_by_side.h"
#include "replay/script/absl_view.h"
#include "replay/trace/digest_chain.h"
#include "replay/trace/event_text.h"
#include "replay/trace/stable_sort.h"
#include "stack/kernel/arena.h"

namespace tapedeck {

namespace {

using Words = std::vector<std::string>;

absl::Status WrongChange(const std::string& change) {
  return Invalid(absl::StrCat(change, ": ", BranchHelp()));
}

absl::Status ParseFrameEdit(const std::string& change, const Words& words, Branch* branch) {
  FrameEdit edit;
  const bool delay = words[0] == "delay";
  edit.kind = delay                ? FrameEdit::Kind::kDelay
              : words[0] == "drop" ? FrameEdit::Kind::kDrop
                                   : FrameEdit::Kind::kDuplicate;
  const bool shape = delay ? words.size() == 5 && words[3] == "by" : words.size() == 3;
  if (!shape || words[1] != "frame" || !absl::SimpleAtoi(words[2], &edit.frame_id)) {
    return WrongChange(change);
  }
  if (delay) {
    const absl::StatusOr<SimTime> by = ParseSimTime(words[4]);
    if (!by.ok()) return by.status();
    edit.delay = by->since_start();
  }
  branch->edits.push_back(edit);
  return absl::OkStatus();
}

absl::Status ParseSetting(const std::string& change, const Words& words, const CaseRun& run,
                          Branch* branch) {
  Branch::Setting setting;
  setting.event = run.event();
  const size_t equals = words.size() < 2 ? std::string::npos : words[1].find('=');
  const bool placed = words.size() == 4 && words[2] == "at";
  if (equals == std::string::npos || (words.size() != 2 && !placed) ||
      (placed && !absl::SimpleAtoi(words[3], &setting.event))) {
    return WrongChange(change);
  }
  setting.path = words[1].substr(0, equals);
  setting.value = words[1].substr(equals + 1);
  branch->settings.push_back(std::move(setting));
  return absl::OkStatus();
}

// A run that was played to its end, and what is kept of it.
struct PlayedRun {
  DigestChain chain;
  report::RunLog log;
  PlaybackResult result;
};

// Both ways of looking at a run at once.
class PlayedRunObserver : public TraceObserver {
 public:
  explicit PlayedRunObserver(PlayedRun* played) : played_(played) {}
  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override {
    played_->chain.Observe(number, event, ledger);
    played_->log.Observe(number, event, ledger);
  }

 private:
  PlayedRun* played_;
};

absl::Status WriteSetting(CaseRun& run, const Branch::Setting& setting) {
  run.RunToEvent(std::max(setting.event, run.event()));
  const int error = run.host(setting.host).kernel().sysctl().Write(setting.path, setting.value);
  if (error == 0) return absl::OkStatus();
  return Invalid(absl::StrCat(setting.path, "=", setting.value, ": ",
                              error == -ENOENT ? "no such setting" : "it does not take this"));
}

absl::Status PlayToEnd(const Case& what, const Branch& branch, PlayedRun* played) {
  Arena arena{Arena::Options{}};
  PlayedRunObserver observer(played);
  const absl::StatusOr<std::unique_ptr<CaseRun>> run =
      CaseRun::Start(what, &arena, {.observer = &observer, .edits = &branch.edits});
  if (!run.ok()) return run.status();
  for (const Branch::Setting& setting : branch.settings) {
    if (const absl::Status written = WriteSetting(**run, setting); !written.ok()) return written;
  }
  (*run)->RunToEnd();
  played->log.Finish();
  played->result = (*run)->Finish();
  return absl::OkStatus();
}

// The event's line, from a run of its own; empty where there is no such event.
std::string LineOfEvent(const Case& what, const Branch& branch, uint64_t number) {
  class OneLine : public TraceObserver {
   public:
    explicit OneLine(uint64_t wanted) : wanted_(wanted) {}
    void Observe(uint64_t seen, const TraceEvent& event, const FrameLedger&) override {
      if (seen == wanted_) line = EventLine(seen, event);
    }
    std::string line;

   private:
    uint64_t wanted_;
  };
  Arena arena{Arena::Options{}};
  OneLine one(number);
  const absl::StatusOr<std::unique_ptr<CaseRun>> run =
      CaseRun::Start(what, &arena, {.observer = &one, .edits = &branch.edits});
  if (!run.ok()) return "";
  for (const Branch::Setting& setting : branch.settings) {
    if (setting.event >= number || !WriteSetting(**run, setting).ok()) break;
  }
  if ((*run)->event() < number) (*run)->RunToEvent(number);
  return one.line;
}

std::vector<report::SideRow> RowsOf(const report::RunLog& log) {
  std::vector<report::SideRow> rows;
  for (const report::LoggedFrame& frame : log.frames()) {
    std::string text = frame.text;
    if (frame.flow >= 0 && frame.tcp.has_value()) {
      text = report::SegmentText(log.flows()[static_cast<size_t>(frame.flow)], frame);
    }
    rows.push_back({std::string(absl::StripLeadingAsciiWhitespace(TimeText(frame.time))),
                    absl::StrCat(frame.received ? "< " : "> ", text)});
  }
  return rows;
}

std::string VerdictText(const PlaybackResult& result) {
  return absl::StrFormat(
      "digest %s  %d events  %s", result.digest, result.events,
      result.outcome == PlaybackResult::Outcome::kHeld
          ? std::string("HELD")
          : absl::StrCat("FAILED: ", result.problems.empty() ? "" : result.problems.front()));
}

}  // namespace

std::string BranchHelp() {
  return "expected `drop frame 17`, `duplicate frame 17`, `delay frame 17 by 3ms` or\n"
         "`set net.ipv4.tcp_sack=0 [at EVENT]`, several with commas between\n";
}

absl::StatusOr<Branch> ParseBranch(std::string_view text, const CaseRun& run) {
  Branch branch;
  branch.text = std::string(text);
  for (const absl::string_view part : absl::StrSplit(Absl(text), ',')) {
    const std::string change(part);
    const Words words = absl::StrSplit(change, ' ', absl::SkipEmpty());
    if (words.empty()) return WrongChange(change);
    const bool frame = words[0] == "drop" || words[0] == "duplicate" || words[0] == "delay";
    if (!frame && words[0] != "set") return WrongChange(change);
    absl::Status parsed =
        frame ? ParseFrameEdit(change, words, &branch) : ParseSetting(change, words, run, &branch);
    if (!parsed.ok()) return parsed;
  }
  StableSort(&branch.settings,
             [](const Branch::Setting& a, const Branch::Setting& b) { return a.event < b.event; });
  return branch;
}

absl::StatusOr<std::string> CompareBranch(const Case& what, const Branch& branch) {
  PlayedRun as_it_was;
  PlayedRun changed;
  if (absl::Status played = PlayToEnd(what, Branch{}, &as_it_was); !played.ok()) return played;
  if (what.kind() == CaseKind::kScript) {
    for (const report::LoggedFrame& frame : as_it_was.log.frames()) {
      if (!frame.received || FindEdit(&branch.edits, frame.frame_id) == nullptr) continue;
      return Invalid(
          absl::StrCat("frame ", frame.frame_id, ": what a script sends is changed in the script"));
    }
  }
  if (absl::Status played = PlayToEnd(what, branch, &changed); !played.ok()) return played;
  std::string text = absl::StrCat("as it was  ", VerdictText(as_it_was.result), "\nwhat if    ",
                                  VerdictText(changed.result), "  (", branch.text, ")\n");
  const std::optional<uint64_t> first =
      FirstDifference(as_it_was.chain.links(), changed.chain.links());
  if (!first.has_value()) return absl::StrCat(text, "nothing differs\n");
  const std::string before = LineOfEvent(what, Branch{}, *first);
  const std::string after = LineOfEvent(what, branch, *first);
  absl::StrAppend(&text, "first difference: event ", *first, "\n  as it was  ",
                  before.empty() ? "(the run is over)" : before, "\n  what if    ",
                  after.empty() ? "(the run is over)" : after,
                  "\nframes as they were, and what if:\n");
  constexpr size_t kContextRows = 3;
  constexpr size_t kRowsMax = 40;
  return absl::StrCat(
      text, report::SideBySide(RowsOf(as_it_was.log), RowsOf(changed.log), kContextRows, kRowsMax));
}

}  // namespace tapedeck
