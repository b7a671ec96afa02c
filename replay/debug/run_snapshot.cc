#include "replay/debug/run_snapshot.h"

#include <deque>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/case/case_run.h"
#include "replay/debug/debugger.h"
#include "replay/debug/objects.h"
#include "replay/script/absl_view.h"
#include "replay/trace/digest_chain.h"
#include "replay/trace/event_text.h"
#include "stack/kernel/arena.h"

namespace tapedeck {

namespace {

constexpr size_t kLinesBefore = 8;

// Remembers the last few events, and the first that `is_it` says yes to.
class EventWatcher : public TraceObserver {
 public:
  using IsIt = std::function<bool(uint64_t number, const TraceEvent& event)>;
  EventWatcher(IsIt is_it, RunSnapshot* snapshot) : is_it_(std::move(is_it)), snapshot_(snapshot) {}
  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger&) override {
    if (found()) return;
    if (is_it_(number, event)) {
      snapshot_->event = number;
      snapshot_->line = EventLine(number, event);
      return;
    }
    if (last_.size() == kLinesBefore) last_.pop_front();
    Kept& kept = last_.emplace_back();
    kept.number = number;
    kept.event = event;
    kept.bytes.assign(event.bytes.begin(), event.bytes.end());
  }
  bool found() const { return snapshot_->event != 0; }
  void AddLines() const {
    for (const Kept& kept : last_) {
      TraceEvent event = kept.event;
      event.bytes = kept.bytes;
      snapshot_->before.push_back(EventLine(kept.number, event));
    }
  }

 private:
  struct Kept {
    uint64_t number = 0;
    TraceEvent event;
    std::vector<uint8_t> bytes;
  };
  IsIt is_it_;
  RunSnapshot* snapshot_;
  std::deque<Kept> last_;
};

absl::StatusOr<RunSnapshot> SnapshotWhere(const Case& what, const EventWatcher::IsIt& is_it) {
  RunSnapshot snapshot;
  EventWatcher watcher(is_it, &snapshot);
  Arena arena{Arena::Options{}};
  const absl::StatusOr<std::unique_ptr<CaseRun>> run =
      CaseRun::Start(what, &arena, {.observer = &watcher});
  if (!run.ok()) return run.status();
  if (!watcher.found()) {
    (*run)->RunUntil([&](uint64_t, const TraceEvent&) { return watcher.found(); });
  }
  watcher.AddLines();
  snapshot.events = (*run)->event();
  for (const auto& [name, value] : AllFields(**run)) snapshot.fields[name] = value.ToString();
  return snapshot;
}

}  // namespace

absl::StatusOr<RunSnapshot> SnapshotAtDifference(const Case& what,
                                                 std::span<const uint64_t> links) {
  uint64_t link = 0;
  absl::StatusOr<RunSnapshot> snapshot =
      SnapshotWhere(what, [&](uint64_t number, const TraceEvent& event) {
        link = ChainLink(link, event);
        return number > links.size() || link != links[number - 1];
      });
  // A run that ends before the other one differs in the event that it does not have.
  if (snapshot.ok() && snapshot->event == 0 && snapshot->events < links.size()) {
    snapshot->event = snapshot->events + 1;
  }
  return snapshot;
}

absl::StatusOr<RunSnapshot> SnapshotAt(const Case& what, uint64_t event) {
  absl::StatusOr<RunSnapshot> snapshot =
      SnapshotWhere(what, [event](uint64_t number, const TraceEvent&) { return number == event; });
  if (snapshot.ok()) snapshot->event = event;
  return snapshot;
}

absl::StatusOr<std::vector<uint64_t>> ChainOf(const Case& what) {
  DigestChain chain;
  Arena arena{Arena::Options{}};
  const absl::StatusOr<std::unique_ptr<CaseRun>> run =
      CaseRun::Start(what, &arena, {.observer = &chain});
  if (!run.ok()) return run.status();
  (*run)->RunToEnd();
  return chain.links();
}

std::string ToJson(const RunSnapshot& snapshot) {
  nlohmann::ordered_json json;
  json["event"] = snapshot.event;
  json["events"] = snapshot.events;
  json["before"] = snapshot.before;
  json["line"] = snapshot.line;
  json["fields"] = snapshot.fields;
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

absl::StatusOr<RunSnapshot> SnapshotFromJson(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto has = [&](const char* name, nlohmann::json::value_t type) {
    return json.is_object() && json.contains(name) && json[name].type() == type;
  };
  using Type = nlohmann::json::value_t;
  if (!has("event", Type::number_unsigned) || !has("events", Type::number_unsigned) ||
      !has("before", Type::array) || !has("line", Type::string) || !has("fields", Type::object)) {
    return Invalid("no snapshot of a run");
  }
  RunSnapshot snapshot;
  snapshot.event = json["event"].get<uint64_t>();
  snapshot.events = json["events"].get<uint64_t>();
  snapshot.line = json["line"].get<std::string>();
  for (const auto& line : json["before"]) {
    if (line.is_string()) snapshot.before.push_back(line.get<std::string>());
  }
  for (const auto& [name, value] : json["fields"].items()) {
    if (value.is_string()) snapshot.fields[name] = value.get<std::string>();
  }
  return snapshot;
}

std::string CompareSnapshots(const RunSnapshot& a, const RunSnapshot& b, const std::string& name_a,
                             const std::string& name_b) {
  std::string text = absl::StrFormat("first difference: event %d\n", b.event);
  for (const std::string& line : b.before) absl::StrAppend(&text, "  both  ", line, "\n");
  const auto line_of = [](const RunSnapshot& snapshot) {
    return snapshot.line.empty()
               ? absl::StrCat("(the run is over, behind event ", snapshot.events, ")")
               : snapshot.line;
  };
  absl::StrAppend(&text, "  A     ", line_of(a), "\n  B     ", line_of(b), "\n");
  std::map<std::string, FieldValue> of_a;
  std::map<std::string, FieldValue> of_b;
  for (const auto& [name, value] : a.fields) of_a[name] = ValueOf(value);
  for (const auto& [name, value] : b.fields) of_b[name] = ValueOf(value);
  const std::string fields = DiffText(of_a, of_b);
  absl::StrAppend(&text, "state behind it, A -> B:\n",
                  fields.empty() ? "no named field differs\n" : fields, "A: ", name_a,
                  "\nB: ", name_b, "\n");
  return text;
}

}  // namespace tapedeck
