// Where a native debugger stops: a function that is called at one wanted event, or at every one,
// within the code that tells of it.
#ifndef TAPEDECK_REPLAY_DEBUG_EVENT_HOOK_H_
#define TAPEDECK_REPLAY_DEBUG_EVENT_HOOK_H_

#include <cstdint>
#include <cstdio>

#include "replay/trace/event_text.h"
#include "replay/trace/recorder.h"

// Does nothing but be found by its name. A debugger may write to *next: the event at which to call
// it again.
extern "C" void tapedeck_event_reached(uint64_t number, uint64_t* next);

namespace tapedeck {

class EventHook : public TraceObserver {
 public:
  explicit EventHook(uint64_t wanted) : wanted_(wanted) {}
  void Observe(uint64_t number, const TraceEvent&, const FrameLedger&) override {
    if (number == wanted_) tapedeck_event_reached(number, &wanted_);
  }

 private:
  uint64_t wanted_;
};

// Tells of every event the moment it happens, by one write of its own, and then calls the hook:
// who records the program sees in which of its own moments each event was made.
class EventFollower : public TraceObserver {
 public:
  // `out` must outlive the follower.
  explicit EventFollower(std::FILE* out) : out_(out) {}
  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger&) override {
    std::fputs((EventLine(number, event) + "\n").c_str(), out_);
    std::fflush(out_);
    uint64_t next = number + 1;
    tapedeck_event_reached(number, &next);
  }

 private:
  std::FILE* out_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_DEBUG_EVENT_HOOK_H_
