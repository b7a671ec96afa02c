// Events in words: the one notation of printed traces, comments in capture files and error
// messages.
#ifndef TAPEDECK_REPLAY_TRACE_EVENT_TEXT_H_
#define TAPEDECK_REPLAY_TRACE_EVENT_TEXT_H_

#include <string>

#include "stack/base/trace_event.h"

namespace tapedeck {

// What happened, without time and place: "NO_SOCKET: no socket was found for it (frame 17, 60 B)".
std::string EventText(const TraceEvent& event);

// A neighbour's state as `ip neigh` prints it: "REACHABLE".
const char* NudStateName(uint64_t state);

// A socket's state: "ESTABLISHED" of TCP_ESTABLISHED.
const char* SockStateName(uint64_t state);

// A whole line: number, time, host, place and words, in TracePrinter's columns.
std::string EventLine(uint64_t number, const TraceEvent& event);

// Virtual time with nanoseconds: "     0.000360000".
std::string TimeText(SimTime time);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_TRACE_EVENT_TEXT_H_
