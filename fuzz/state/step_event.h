// What a step of a Script is to a connection: one of a few dozen kinds of events.
#ifndef TAPEDECK_FUZZ_STATE_STEP_EVENT_H_
#define TAPEDECK_FUZZ_STATE_STEP_EVENT_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "replay/script/script.h"
#include "replay/script/syscall_step.h"

namespace tapedeck::fuzz {

// Numbers of events: first those of segments, then frames, then calls by their names, then all
// other kinds of steps by their place in Step::what.
inline constexpr size_t kStepEvents = 80;

// Below kStepEvents.
size_t StepEventOf(const Step& step);
// "segment syn", "frame arp", "accept", "pause"; "step 7" of kinds that have no name here. Empty
// where there is no such event.
std::string_view StepEventName(size_t event);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_STATE_STEP_EVENT_H_
