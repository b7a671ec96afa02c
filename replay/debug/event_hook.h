// Where a native debugger stops: a function that is called at one wanted event, within the code
// that tells of it.
#ifndef TAPEDECK_REPLAY_DEBUG_EVENT_HOOK_H_
#define TAPEDECK_REPLAY_DEBUG_EVENT_HOOK_H_

#include <cstdint>

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

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_DEBUG_EVENT_HOOK_H_
