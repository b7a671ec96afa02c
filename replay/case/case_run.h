// One run of a Case that can be stopped right behind any event, looked at there, gone on with,
// taken back and started again.
//
// Events are numbered from 1 as the recorder counts them: the same numbers as in `-v` output and in
// the packet ids of captures written. Those of the building of the Lab come first; a run cannot be
// stopped there.
//
// The run has a stack of its own (Fiber), so "stopped at event 17" means within the code that has
// just made event 17 known: fields read then are as they were at that moment. A state can be copied
// only between two pieces (Playback::Advance), where nothing is under way: at a seam.
#ifndef TAPEDECK_REPLAY_CASE_CASE_RUN_H_
#define TAPEDECK_REPLAY_CASE_CASE_RUN_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "replay/case/case.h"
#include "replay/case/fiber.h"
#include "replay/lab/playback.h"
#include "replay/trace/recorder.h"
#include "stack/base/time.h"
#include "stack/kernel/arena.h"

namespace tapedeck {

class CaseRun final : private TraceObserver {
 public:
  // Built, and nothing played. `what`, `arena` (reset and used) and the hooks (the observer as with
  // AddObserver) must outlive it. Errors: Case::Play's.
  static absl::StatusOr<std::unique_ptr<CaseRun>> Start(const Case& what, Arena* arena,
                                                        const PlayHooks& hooks = {});
  ~CaseRun() override;
  CaseRun(const CaseRun&) = delete;
  CaseRun& operator=(const CaseRun&) = delete;

  // --- Where it is. ---
  // The number of the last event that has happened, and that event's time.
  uint64_t event() const { return event_; }
  SimTime time() const { return time_; }
  // All is played.
  bool done() const { return over_; }
  bool at_seam() const { return at_seam_; }
  // The event behind which it is stopped, its bytes included, until it goes on; null at a seam.
  const TraceEvent* current() const { return current_; }
  World& world() { return playback_->world(); }
  Recorder& recorder() { return playback_->recorder(); }
  int hosts() const { return playback_->hosts(); }
  Host& host(int i) { return playback_->host(i); }
  Playback& playback() { return *playback_; }

  // --- Going on. Each is true where it stopped as asked, false at the end of the run. ---
  // `stop` is asked right behind each event from here on.
  using Stop = std::function<bool(uint64_t number, const TraceEvent& event)>;
  bool RunUntil(const Stop& stop);
  // Right behind event `number`. REQUIRES: number >= event().
  bool RunToEvent(uint64_t number);
  // Right behind the first event from here on whose time is not before `time`.
  bool RunToTime(SimTime time);
  // To the next seam: not at all where it is at one.
  bool RunToSeam();
  // To the end of what is played.
  void RunToEnd();
  // Called at every seam while the run goes on, to take checkpoints; null: never.
  void set_seam_hook(std::function<void()> hook) { seam_hook_ = std::move(hook); }

  // Sees events from now on, and again those that are played again. For observers that may not see
  // what a stopped run still does before it is taken back: that is no part of any run.
  void AddObserver(TraceObserver* observer) { observers_.push_back(observer); }
  void RemoveObserver(const TraceObserver* observer);

  // --- Going back. ---
  struct Checkpoint {
    std::unique_ptr<Playback::State> state;
    uint64_t event = 0;
    SimTime time;
    bool over = false;
  };
  // nullptr where this kind of case cannot copy its state: then Restart leads back. REQUIRES:
  // at_seam().
  std::unique_ptr<Checkpoint> Take();
  // From anywhere. The checkpoint is of this run, since its last Restart.
  void Restore(const Checkpoint& checkpoint);
  // Builds everything anew; checkpoints are void, and so is all that was read out of hosts.
  absl::Status Restart();

  // REQUIRES: done(). The run is judged and cannot go on, but be started again.
  PlaybackResult Finish();

 private:
  CaseRun(const Case& what, Arena* arena, const FrameEdits* edits);
  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override;
  absl::Status Open();
  void Body();
  // Resumes the body until something has stopped it.
  void Go();
  // Goes on to the next seam with nobody looking.
  void Abandon();

  const Case& case_;
  Arena* arena_;
  const FrameEdits* edits_;
  std::vector<TraceObserver*> observers_;
  std::unique_ptr<Playback> playback_;
  std::unique_ptr<Fiber> fiber_;
  uint64_t event_ = 0;
  SimTime time_;
  const TraceEvent* current_ = nullptr;
  bool over_ = false;
  bool at_seam_ = true;
  bool silent_ = false;   // being abandoned
  bool leaving_ = false;  // the body is to return
  bool stopped_ = false;  // as asked, by the last Go
  bool seam_wanted_ = false;
  uint64_t stop_event_ = 0;  // 0: none
  const Stop* stop_ = nullptr;
  std::function<void()> seam_hook_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_CASE_CASE_RUN_H_
