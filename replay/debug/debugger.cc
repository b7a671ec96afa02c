#include "replay/debug/debugger.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/debug/show.h"
#include "replay/debug/what_if.h"
#include "replay/script/absl_view.h"
#include "replay/trace/event_text.h"

namespace tapedeck {

namespace {

std::string_view Trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n')) text.remove_suffix(1);
  return text;
}

// The first word, and what follows it.
std::pair<std::string_view, std::string_view> FirstWord(std::string_view text) {
  text = Trim(text);
  const size_t end = text.find(' ');
  if (end == std::string_view::npos) return {text, ""};
  return {text.substr(0, end), Trim(text.substr(end))};
}

absl::StatusOr<uint64_t> ParseCount(std::string_view text) {
  uint64_t count = 1;
  if (text.empty() || absl::SimpleAtoi(Absl(text), &count)) return count;
  return Invalid(absl::StrCat(Absl(text), ": expected a number of events"));
}

// Prints every event that it sees from `first` to `last`.
class RangePrinter : public TraceObserver {
 public:
  RangePrinter(uint64_t first, uint64_t last, std::string* out)
      : first_(first), last_(last), out_(out) {}
  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger&) override {
    if (number >= first_ && number <= last_) {
      absl::StrAppend(out_, EventLine(number, event), "\n");
    }
  }

 private:
  uint64_t first_;
  uint64_t last_;
  std::string* out_;
};

}  // namespace

std::string DiffText(const std::map<std::string, FieldValue>& before,
                     const std::map<std::string, FieldValue>& after) {
  std::string text;
  std::string object;
  const FieldValue none;
  const auto add = [&](const std::string& name, const FieldValue& old, const FieldValue& now) {
    if (old == now) return;
    const size_t close = name.find(')', name.starts_with("host(") ? name.find(").") + 2 : 0);
    const std::string its = name.substr(0, close + 1);
    if (its.size() == name.size()) {  // a setting or a counter: it is its own object
      absl::StrAppendFormat(&text, "%-44s %s -> %s\n", name, old.ToString(), now.ToString());
      return;
    }
    if (its != object) absl::StrAppend(&text, its, "\n");
    object = its;
    absl::StrAppendFormat(&text, "  %-42s %s -> %s\n", name.substr(its.size() + 1), old.ToString(),
                          now.ToString());
  };
  auto a = before.begin();
  auto b = after.begin();
  while (a != before.end() || b != after.end()) {
    const bool only_before = b == after.end() || (a != before.end() && a->first < b->first);
    const bool only_after = !only_before && (a == before.end() || b->first < a->first);
    add(only_after ? b->first : a->first, only_after ? none : a->second,
        only_before ? none : b->second);
    if (!only_after) ++a;
    if (!only_before) ++b;
  }
  return text;
}

// Comes back to where the run stood.
class Debugger::Excursion {
 public:
  explicit Excursion(Debugger& debugger)
      : debugger_(debugger),
        event_(debugger.run_->event()),
        at_end_(debugger.run_->done()),
        at_start_(event_ == debugger.travel_->first_event()) {}
  Excursion(const Excursion&) = delete;
  Excursion& operator=(const Excursion&) = delete;
  ~Excursion() {
    if (at_end_) {
      debugger_.run_->RunToEnd();
    } else {
      debugger_.travel_->GoTo(at_start_ ? 0 : event_);
    }
  }

 private:
  Debugger& debugger_;
  uint64_t event_;
  bool at_end_;
  bool at_start_;
};

struct Debugger::Command {
  const char* name;
  const char* shortcut;  // or nullptr
  const char* arguments;
  const char* about;
  absl::Status (Debugger::*run)(std::string_view arguments, std::string* out);
};

std::span<const Debugger::Command> Debugger::Commands() {
  static constexpr Command kCommands[] = {
      {"step", "s", "[N]", "one event forward, or N", &Debugger::Step},
      {"back", "b", "[N]", "one event back, or N", &Debugger::Back},
      {"goto", "g", "EVENT|TIME|start|end", "to right behind an event, or the first one at a time",
       &Debugger::GoTo},
      {"continue", "c", "", "on until something watched changes, or the end", &Debugger::Continue},
      {"until", "u", "EXPR", "on until a condition holds: tcp(3).snd_cwnd < 10", &Debugger::Until},
      {"watch", "w", "[EXPR]", "stop `continue` where this changes; without: what is watched",
       &Debugger::AddWatch},
      {"unwatch", nullptr, "[N]", "watch it no longer; without: nothing", &Debugger::RemoveWatch},
      {"last-change", "l", "EXPR", "back to where this changed last: tcp(3).snd_cwnd",
       &Debugger::LastChange},
      {"print", "p", "EXPR", "the value of a field, or of fields computed with", &Debugger::Print},
      {"show", nullptr, "WHAT", "tcp, udp, skb, ring, timers, neigh, route, ...; see `help show`",
       &Debugger::ShowState},
      {"diff", "d", "A B", "what is different in the state behind two events", &Debugger::Diff},
      {"whatif", nullptr, "CHANGE",
       "the same run with a change, compared: drop frame 17; see `help whatif`", &Debugger::WhatIf},
      {"where", nullptr, "", "the event it stands behind, and where that is in the run",
       &Debugger::Where},
      {"events", "e", "[N|A..B]", "the events round here (N of them), or from A to B",
       &Debugger::Events},
      {"verdict", nullptr, "", "plays a run of its own to the end and judges it",
       &Debugger::Verdict},
      {"help", "h", "[COMMAND|show|whatif|names]", "this", &Debugger::Help},
      {"quit", "q", "", "the end", &Debugger::Quit},
  };
  return kCommands;
}

absl::StatusOr<std::unique_ptr<Debugger>> Debugger::Start(const Case& what) {
  std::unique_ptr<Debugger> debugger(new Debugger(what));
  absl::StatusOr<std::unique_ptr<CaseRun>> run = CaseRun::Start(what, &debugger->arena_);
  if (!run.ok()) return run.status();
  debugger->run_ = *std::move(run);
  debugger->travel_ = std::make_unique<TimeTravel>(*debugger->run_);
  return debugger;
}

std::string Debugger::Greeting() {
  return absl::StrFormat("%s: a %s, %d host%s; it begins behind event %d. `help` tells more.\n",
                         case_.name(), CaseKindName(case_.kind()), run_->hosts(),
                         run_->hosts() == 1 ? "" : "s", travel_->first_event());
}

absl::StatusOr<const Debugger::Command*> Debugger::FindCommand(std::string_view name) const {
  const Command* found = nullptr;
  for (const Command& command : Commands()) {
    if (name == command.name || (command.shortcut != nullptr && name == command.shortcut)) {
      return &command;
    }
    if (!std::string_view(command.name).starts_with(name)) continue;
    if (found != nullptr) {
      return Invalid(absl::StrCat(Absl(name), ": ", found->name, " or ", command.name, "?"));
    }
    found = &command;
  }
  if (found == nullptr) {
    return Invalid(absl::StrCat(Absl(name), ": no such command; `help` tells what there is"));
  }
  return found;
}

absl::Status Debugger::Execute(std::string_view line, std::string* out) {
  const auto [name, arguments] = FirstWord(line);
  if (name.empty() || name[0] == '#') return absl::OkStatus();
  const absl::StatusOr<const Command*> command = FindCommand(name);
  if (!command.ok()) return command.status();
  return (this->*(*command)->run)(arguments, out);
}

// --- Moving. ---

std::string Debugger::PlaceLine() {
  if (run_->current() != nullptr) {
    return absl::StrCat(EventLine(run_->event(), *run_->current()), "\n");
  }
  if (run_->done()) {
    return absl::StrFormat("the end, behind event %d at %s\n", run_->event(),
                           ValueOf(run_->world().now()).ToString());
  }
  return absl::StrFormat("the start, behind event %d\n", run_->event());
}

void Debugger::RefreshWatches() {
  for (Watch& watch : watches_) {
    watch.value = watch.condition.Value(*run_, run_->event(), run_->current());
  }
}

absl::Status Debugger::Step(std::string_view arguments, std::string* out) {
  const absl::StatusOr<uint64_t> count = ParseCount(arguments);
  if (!count.ok()) return count.status();
  if (!run_->done()) travel_->GoTo(run_->event() + *count);
  *out += PlaceLine();
  return absl::OkStatus();
}

absl::Status Debugger::Back(std::string_view arguments, std::string* out) {
  const absl::StatusOr<uint64_t> count = ParseCount(arguments);
  if (!count.ok()) return count.status();
  const uint64_t event = run_->event();
  // At the end the last event is one back.
  const uint64_t by = run_->done() && *count > 0 ? *count - 1 : *count;
  travel_->GoTo(event > by ? event - by : 0);
  *out += PlaceLine();
  return absl::OkStatus();
}

absl::Status Debugger::GoToPlace(std::string_view place) {
  uint64_t event = 0;
  if (place == "start") {
    travel_->GoTo(0);
    return absl::OkStatus();
  }
  if (place == "end") {
    run_->RunToEnd();
    return absl::OkStatus();
  }
  if (absl::SimpleAtoi(Absl(place), &event)) {
    if (travel_->GoTo(event)) return absl::OkStatus();
    return absl::OutOfRangeError(
        absl::StrCat(Absl(place), ": the run has ", run_->event(), " events"));
  }
  const absl::StatusOr<SimTime> time = ParseSimTime(place);
  if (!time.ok()) return Invalid("expected an event's number, a time (1.5s), start or end");
  if (travel_->GoToTime(*time)) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat(Absl(place), ": no event is so late"));
}

absl::Status Debugger::GoTo(std::string_view arguments, std::string* out) {
  absl::Status went = GoToPlace(arguments);
  if (absl::IsInvalidArgument(went)) return went;
  if (!went.ok()) absl::StrAppend(out, went.message(), "\n");
  *out += PlaceLine();
  return absl::OkStatus();
}

absl::Status Debugger::Continue(std::string_view, std::string* out) {
  RefreshWatches();
  travel_->GoUntil([&](uint64_t number, const TraceEvent& event) {
    bool changed = false;
    for (size_t i = 0; i < watches_.size(); ++i) {
      Watch& watch = watches_[i];
      FieldValue now = watch.condition.Value(*run_, number, &event);
      if (now == watch.value) continue;
      absl::StrAppendFormat(out, "%d: %s  %s -> %s\n", i + 1, watch.condition.text(),
                            watch.value.ToString(), now.ToString());
      watch.value = std::move(now);
      changed = true;
    }
    return changed;
  });
  *out += PlaceLine();
  return absl::OkStatus();
}

absl::Status Debugger::Until(std::string_view arguments, std::string* out) {
  const absl::StatusOr<Condition> condition = Condition::Parse(arguments, *run_);
  if (!condition.ok()) return condition.status();
  travel_->GoUntil([&](uint64_t number, const TraceEvent& event) {
    return condition->Holds(*run_, number, &event);
  });
  *out += PlaceLine();
  return absl::OkStatus();
}

absl::Status Debugger::LastChange(std::string_view arguments, std::string* out) {
  const absl::StatusOr<Condition> what = Condition::Parse(arguments, *run_);
  if (!what.ok()) return what.status();
  const std::optional<TimeTravel::Change> change =
      travel_->LastChange([&](CaseRun& run) { return what->Value(run, run.event(), nullptr); });
  if (!change.has_value()) {
    absl::StrAppend(out, what->text(), " has not changed since the start\n");
  } else {
    absl::StrAppend(out, what->text(), "  ", change->before.ToString(), " -> ",
                    change->after.ToString(), "\n");
  }
  *out += PlaceLine();
  return absl::OkStatus();
}

// --- Looking. ---

absl::Status Debugger::AddWatch(std::string_view arguments, std::string* out) {
  if (arguments.empty()) {
    for (size_t i = 0; i < watches_.size(); ++i) {
      absl::StrAppendFormat(
          out, "%d: %s = %s\n", i + 1, watches_[i].condition.text(),
          watches_[i].condition.Value(*run_, run_->event(), run_->current()).ToString());
    }
    return absl::OkStatus();
  }
  absl::StatusOr<Condition> what = Condition::Parse(arguments, *run_);
  if (!what.ok()) return what.status();
  FieldValue value = what->Value(*run_, run_->event(), run_->current());
  absl::StrAppendFormat(out, "%d: %s = %s\n", watches_.size() + 1, what->text(), value.ToString());
  watches_.push_back({*std::move(what), std::move(value)});
  return absl::OkStatus();
}

absl::Status Debugger::RemoveWatch(std::string_view arguments, std::string*) {
  if (arguments.empty()) {
    watches_.clear();
    return absl::OkStatus();
  }
  size_t number = 0;
  if (!absl::SimpleAtoi(Absl(arguments), &number) || number == 0 || number > watches_.size()) {
    return Invalid(absl::StrCat(Absl(arguments), ": `watch` tells the numbers there are"));
  }
  watches_.erase(watches_.begin() + static_cast<ptrdiff_t>(number) - 1);
  return absl::OkStatus();
}

absl::Status Debugger::Print(std::string_view arguments, std::string* out) {
  const absl::StatusOr<Condition> what = Condition::Parse(arguments, *run_);
  if (!what.ok()) return what.status();
  absl::StrAppend(out, what->Value(*run_, run_->event(), run_->current()).ToString(), "\n");
  return absl::OkStatus();
}

absl::Status Debugger::ShowState(std::string_view arguments, std::string* out) {
  if (arguments.empty()) return Help("show", out);
  const absl::StatusOr<std::string> text = Show(*run_, arguments);
  if (!text.ok()) return text.status();
  *out += *text;
  return absl::OkStatus();
}

absl::Status Debugger::Diff(std::string_view arguments, std::string* out) {
  const auto [first, second] = FirstWord(arguments);
  if (second.empty()) return Invalid("expected two events or times: diff 120 180");
  const Excursion excursion(*this);
  if (const absl::Status went = GoToPlace(first); !went.ok()) return went;
  const std::map<std::string, FieldValue> before = AllFields(*run_);
  if (const absl::Status went = GoToPlace(second); !went.ok()) return went;
  const std::string text = DiffText(before, AllFields(*run_));
  *out += text.empty() ? "no named field differs\n" : text;
  return absl::OkStatus();
}

absl::Status Debugger::Where(std::string_view, std::string* out) {
  *out += PlaceLine();
  absl::StrAppendFormat(out, "the run begins behind event %d; %d checkpoints, %d KiB\n",
                        travel_->first_event(), travel_->checkpoints(),
                        travel_->checkpoint_bytes() >> 10);
  return absl::OkStatus();
}

absl::Status Debugger::Events(std::string_view arguments, std::string* out) {
  uint64_t first = 0;
  uint64_t last = 0;
  const size_t dots = arguments.find("..");
  if (dots == std::string_view::npos) {
    uint64_t count = 11;
    if (!arguments.empty() && !absl::SimpleAtoi(Absl(arguments), &count)) {
      return Invalid("expected how many events, or a range: events 120..140");
    }
    const uint64_t before = count / 2;
    first = run_->event() > before ? run_->event() - before : 1;
    last = first + count - 1;
  } else if (!absl::SimpleAtoi(Absl(arguments.substr(0, dots)), &first) ||
             !absl::SimpleAtoi(Absl(arguments.substr(dots + 2)), &last) || last < first) {
    return Invalid("expected a range of events: events 120..140");
  }
  if (last <= travel_->first_event()) return Invalid("those happened before the run began");
  const Excursion excursion(*this);
  travel_->GoTo(first > 0 ? first - 1 : 0);
  RangePrinter printer(first, last, out);
  run_->AddObserver(&printer);
  travel_->GoTo(last);
  run_->RemoveObserver(&printer);
  return absl::OkStatus();
}

absl::Status Debugger::Verdict(std::string_view, std::string* out) {
  Arena arena{Arena::Options{}};
  const absl::StatusOr<std::unique_ptr<CaseRun>> run = CaseRun::Start(case_, &arena);
  if (!run.ok()) return run.status();
  (*run)->RunToEnd();
  const PlaybackResult result = (*run)->Finish();
  const bool held = result.outcome == PlaybackResult::Outcome::kHeld;
  for (const std::string& problem : result.problems) absl::StrAppend(out, problem, "\n");
  absl::StrAppend(out, held ? "HELD" : "FAILED", "  digest ", result.digest, "  events ",
                  result.events, "\n");
  return absl::OkStatus();
}

absl::Status Debugger::WhatIf(std::string_view arguments, std::string* out) {
  const absl::StatusOr<Branch> branch = ParseBranch(arguments, *run_);
  if (!branch.ok()) return branch.status();
  const absl::StatusOr<std::string> text = CompareBranch(case_, *branch);
  if (!text.ok()) return text.status();
  *out += *text;
  return absl::OkStatus();
}

// --- Help. ---

absl::Status Debugger::Help(std::string_view arguments, std::string* out) {
  if (arguments == "show") {
    *out += "show WHAT: an object or field by its name (`help names`), or\n";
    for (const ShowTopic& topic : ShowTopics()) {
      absl::StrAppendFormat(out, "  %-10s %s\n", topic.name, topic.about);
    }
    return absl::OkStatus();
  }
  if (arguments == "whatif") {
    *out += BranchHelp();
    return absl::OkStatus();
  }
  if (arguments == "names") {
    *out +=
        "tcp(3).snd_cwnd, tcp(#5).snd_cwnd, tcp(10.0.0.1:80-10.0.0.2:4000).srtt_us: a socket by "
        "its\n"
        "descriptor, its number in the trace, or its ends; tcp.snd_cwnd: the only connection.\n"
        "udp and sock likewise; neigh(10.0.0.2).nud_state, dev(eth0).mtu, rx_ring(eth0).unused,\n"
        "tx_ring(eth0).packets, cpu(0).context, sysctl(net.ipv4.tcp_sack), counter(TcpOutSegs);\n"
        "host(1).tcp(3).snd_una on another host. Of the present event in conditions: "
        "event.number,\n"
        "event.time, event.kind (Drop, WireRx, TcpRetransmit ...), event.frame_id, event.reason "
        "...\n";
    return absl::OkStatus();
  }
  if (!arguments.empty()) {
    const absl::StatusOr<const Command*> command = FindCommand(arguments);
    if (!command.ok()) return command.status();
    absl::StrAppend(out, (*command)->name, " ", (*command)->arguments, ": ", (*command)->about,
                    "\n");
    return absl::OkStatus();
  }
  for (const Command& command : Commands()) {
    absl::StrAppendFormat(out, "  %-2s %-34s %s\n",
                          command.shortcut == nullptr ? "" : command.shortcut,
                          absl::StrCat(command.name, " ", command.arguments), command.about);
  }
  *out += "`help names` tells how fields are named.\n";
  return absl::OkStatus();
}

absl::Status Debugger::Quit(std::string_view, std::string*) {
  quit_ = true;
  return absl::OkStatus();
}

std::vector<std::string> Debugger::Complete(std::string_view line, size_t start) {
  const std::string_view word = line.substr(start);
  std::vector<std::string> words;
  if (Trim(line.substr(0, start)).empty()) {
    for (const Command& command : Commands()) {
      if (std::string_view(command.name).starts_with(word)) words.emplace_back(command.name);
    }
    return words;
  }
  if (line.starts_with("show ")) {
    for (const ShowTopic& topic : ShowTopics()) {
      if (std::string_view(topic.name).starts_with(word)) words.emplace_back(topic.name);
    }
  }
  for (std::string& name : CompleteFieldName(word, *run_)) words.push_back(std::move(name));
  return words;
}

}  // namespace tapedeck
