#include "replay/case/case_run.h"

#include <algorithm>
#include <utility>

#include "stack/base/check.h"

namespace tapedeck {

CaseRun::CaseRun(const Case& what, Arena* arena, const FrameEdits* edits)
    : case_(what), arena_(arena), edits_(edits) {}

absl::StatusOr<std::unique_ptr<CaseRun>> CaseRun::Start(const Case& what, Arena* arena,
                                                        const PlayHooks& hooks) {
  std::unique_ptr<CaseRun> run(new CaseRun(what, arena, hooks.edits));
  if (hooks.observer != nullptr) run->AddObserver(hooks.observer);
  const absl::Status opened = run->Open();
  if (!opened.ok()) return opened;
  return run;
}

absl::Status CaseRun::Open() {
  event_ = 0;
  time_ = SimTime();
  over_ = false;
  at_seam_ = true;
  absl::StatusOr<std::unique_ptr<Playback>> playback =
      case_.Play({.observer = this, .edits = edits_}, arena_);
  if (!playback.ok()) return playback.status();
  playback_ = *std::move(playback);
  return absl::OkStatus();
}

CaseRun::~CaseRun() {
  Abandon();
  if (fiber_ == nullptr) return;
  leaving_ = true;
  fiber_->Resume();
}

void CaseRun::RemoveObserver(const TraceObserver* observer) {
  observers_.erase(std::remove(observers_.begin(), observers_.end(), observer), observers_.end());
}

// --- On the run's own stack. ---

void CaseRun::Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) {
  if (silent_) return;
  event_ = number;
  time_ = event.time;
  for (TraceObserver* const observer : observers_) observer->Observe(number, event, ledger);
  if (fiber_ == nullptr || !fiber_->running()) return;  // being built
  if (number != stop_event_ && (stop_ == nullptr || !(*stop_)(number, event))) return;
  stopped_ = true;
  current_ = &event;
  fiber_->Yield();
  current_ = nullptr;
}

void CaseRun::Body() {
  while (!leaving_) {
    if (!over_) {
      at_seam_ = false;
      over_ = !playback_->Advance();
      at_seam_ = true;
      if (seam_hook_ && !silent_) seam_hook_();
      if (!over_ && !seam_wanted_) continue;
    }
    fiber_->Yield();
  }
}

// --- On its owner's. ---

void CaseRun::Go() {
  stopped_ = false;
  if (over_) return;
  if (fiber_ == nullptr) fiber_ = std::make_unique<Fiber>([this] { Body(); });
  fiber_->Resume();
}

bool CaseRun::RunUntil(const Stop& stop) {
  stop_ = &stop;
  Go();
  stop_ = nullptr;
  return stopped_;
}

bool CaseRun::RunToEvent(uint64_t number) {
  CHECK_GE(number, event_);
  if (number == event_) return true;
  stop_event_ = number;
  Go();
  stop_event_ = 0;
  return stopped_;
}

bool CaseRun::RunToTime(SimTime time) {
  return RunUntil([time](uint64_t, const TraceEvent& event) { return event.time >= time; });
}

bool CaseRun::RunToSeam() {
  if (at_seam_) return true;
  seam_wanted_ = true;
  Go();
  seam_wanted_ = false;
  return !over_;
}

void CaseRun::RunToEnd() { Go(); }

void CaseRun::Abandon() {
  silent_ = true;
  RunToSeam();
  silent_ = false;
}

std::unique_ptr<CaseRun::Checkpoint> CaseRun::Take() {
  CHECK(at_seam_);
  std::unique_ptr<Playback::State> state = playback_->Take();
  if (state == nullptr) return nullptr;
  auto checkpoint = std::make_unique<Checkpoint>();
  *checkpoint = {std::move(state), event_, time_, over_};
  return checkpoint;
}

void CaseRun::Restore(const Checkpoint& checkpoint) {
  Abandon();
  playback_->Restore(*checkpoint.state);
  event_ = checkpoint.event;
  time_ = checkpoint.time;
  over_ = checkpoint.over;
}

absl::Status CaseRun::Restart() {
  Abandon();
  playback_.reset();
  return Open();
}

PlaybackResult CaseRun::Finish() {
  CHECK(over_ && at_seam_);
  return playback_->Finish();
}

}  // namespace tapedeck
