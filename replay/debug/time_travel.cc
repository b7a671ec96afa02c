#include "replay/debug/time_travel.h"

#include <iterator>
#include <utility>

#include "stack/base/check.h"

namespace tapedeck {

TimeTravel::TimeTravel(CaseRun& run) : run_(run), first_event_(run.event()) {
  std::unique_ptr<CaseRun::Checkpoint> start = run_.Take();
  if (start == nullptr) return;
  bytes_ += start->state->bytes();
  checkpoints_.emplace(first_event_, std::move(start));
  run_.set_seam_hook([this] { OnSeam(); });
}

TimeTravel::~TimeTravel() { run_.set_seam_hook(nullptr); }

void TimeTravel::OnSeam() {
  const auto after = checkpoints_.upper_bound(run_.event());
  if (run_.event() < std::prev(after)->first + kInterval) return;
  std::unique_ptr<CaseRun::Checkpoint> checkpoint = run_.Take();
  bytes_ += checkpoint->state->bytes();
  checkpoints_.emplace_hint(after, run_.event(), std::move(checkpoint));
  if (checkpoints_.size() > kCheckpointsMax) Thin();
}

// Forgets the one whose absence costs least: the gap that it leaves, measured by how far it is from
// where the run stands. The start and the newest stay.
void TimeTravel::Thin() {
  const uint64_t now = run_.event();
  auto victim = checkpoints_.end();
  uint64_t victim_gap = 0;
  uint64_t victim_distance = 1;
  for (auto it = std::next(checkpoints_.begin()); std::next(it) != checkpoints_.end(); ++it) {
    const uint64_t gap = std::next(it)->first - std::prev(it)->first;
    const uint64_t distance = (it->first < now ? now - it->first : it->first - now) + 1;
    // gap / distance < victim_gap / victim_distance, without division.
    if (victim == checkpoints_.end() || gap * victim_distance < victim_gap * distance) {
      victim = it;
      victim_gap = gap;
      victim_distance = distance;
    }
  }
  if (victim == checkpoints_.end()) return;
  bytes_ -= victim->second->state->bytes();
  checkpoints_.erase(victim);
}

void TimeTravel::Rewind(uint64_t event) {
  if (checkpoints_.empty()) {
    CHECK(run_.Restart().ok());  // it was good the first time
    return;
  }
  // A checkpoint at `event` itself lies behind what the piece did after it.
  auto found = checkpoints_.lower_bound(event);
  if (found != checkpoints_.begin()) --found;
  run_.Restore(*found->second);
}

bool TimeTravel::GoTo(uint64_t event) {
  if (event <= first_event_) {
    Rewind(first_event_);
    return true;
  }
  if (event == run_.event() && run_.current() != nullptr) return true;
  if (event <= run_.event()) Rewind(event);
  return run_.RunToEvent(event);
}

bool TimeTravel::GoToTime(SimTime time) {
  // Times of events decrease at times, a little; so the first is found from the start of its
  // interval on.
  if (run_.time() >= time) {
    uint64_t from = first_event_;
    for (const auto& [event, checkpoint] : checkpoints_) {
      if (checkpoint->time >= time) break;
      from = event;
    }
    Rewind(from + 1);
  }
  return run_.RunToTime(time);
}

std::optional<TimeTravel::Change> TimeTravel::LastChangeUpTo(uint64_t end, const Read& read,
                                                             FieldValue* last) {
  std::optional<Change> change;
  FieldValue value = read(run_);
  run_.RunUntil([&](uint64_t number, const TraceEvent&) {
    FieldValue now = read(run_);
    if (!(now == value)) {
      change = {number, value, now};
      value = std::move(now);
    }
    return number == end;
  });
  *last = std::move(value);
  return change;
}

std::optional<TimeTravel::Change> TimeTravel::LastChange(const Read& read) {
  uint64_t end = run_.event();
  std::optional<FieldValue> next;  // right behind the checkpoint at `end`, where one is there
  std::optional<Change> change;
  while (end > first_event_ && !change.has_value()) {
    Rewind(end);
    const uint64_t start = run_.event();
    FieldValue initial = read(run_);
    FieldValue last;
    change = LastChangeUpTo(end, read, &last);
    // What a piece does behind its last event shows with the event that follows.
    if (next.has_value() && !(*next == last)) change = {end + 1, last, *next};
    next = std::move(initial);
    end = start;
  }
  GoTo(change.has_value() ? change->event : first_event_);
  return change;
}

}  // namespace tapedeck
