// Goes to any event of a run, forwards and back.
//
// Checkpoints are taken at seams, one every kInterval events, and thinned so that their distance
// grows with their age: so one is always near, and few are kept. Going back restores the nearest
// one before the event and plays on from there. They are no more than a cache: a case whose state
// cannot be copied is played again from its start, which is the same thing, slower.
#ifndef TAPEDECK_REPLAY_DEBUG_TIME_TRAVEL_H_
#define TAPEDECK_REPLAY_DEBUG_TIME_TRAVEL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "replay/case/case_run.h"
#include "replay/debug/field_value.h"
#include "stack/base/time.h"

namespace tapedeck {

class TimeTravel {
 public:
  // REQUIRES: nothing of `run` has been played. It must outlive this.
  explicit TimeTravel(CaseRun& run);
  ~TimeTravel();
  TimeTravel(const TimeTravel&) = delete;
  TimeTravel& operator=(const TimeTravel&) = delete;

  CaseRun& run() { return run_; }
  // Where the run begins: behind the last event of the building of the Lab.
  uint64_t first_event() const { return first_event_; }

  // Right behind `event`. False where the run ends before it; then it stands at its end. Events
  // before first_event() are taken for that.
  bool GoTo(uint64_t event);
  // Right behind the first event that is not before `time`. False where there is none.
  bool GoToTime(SimTime time);
  // Right behind the next event for which `stop` is true; false at the end.
  bool GoUntil(const CaseRun::Stop& stop) { return run_.RunUntil(stop); }

  struct Change {
    uint64_t event = 0;  // right behind which the value was first seen
    FieldValue before;
    FieldValue after;
  };
  // The last change of what `read` gives, up to where the run stands. Nothing where it was so from
  // the start. The run then stands at the change, or at its start.
  using Read = std::function<FieldValue(CaseRun& run)>;
  std::optional<Change> LastChange(const Read& read);

  size_t checkpoints() const { return checkpoints_.size(); }
  size_t checkpoint_bytes() const { return bytes_; }

  // Spacing of new checkpoints, and how many are kept at most.
  static constexpr uint64_t kInterval = 1000;
  static constexpr size_t kCheckpointsMax = 96;

 private:
  using Checkpoints = std::map<uint64_t, std::unique_ptr<CaseRun::Checkpoint>>;
  void OnSeam();
  void Thin();
  // To the last checkpoint before `event`, or to the start.
  void Rewind(uint64_t event);
  // The last change within (where the run stands, `end`].
  std::optional<Change> LastChangeUpTo(uint64_t end, const Read& read, FieldValue* last);

  CaseRun& run_;
  uint64_t first_event_;
  Checkpoints checkpoints_;  // by event; the first is the start, unless none can be taken
  size_t bytes_ = 0;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_DEBUG_TIME_TRAVEL_H_
