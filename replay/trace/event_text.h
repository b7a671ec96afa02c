// Events and frames in words: the one notation of printed traces, comments in capture files and error messages.
#ifndef TAPEDECK_REPLAY_TRACE_EVENT_TEXT_H_
#define TAPEDECK_REPLAY_TRACE_EVENT_TEXT_H_

#include <cstdint>
#include <span>
#include <string>

#include "stack/base/trace_event.h"

namespace tapedeck {

// One line, as tcpdump would say it, down to the transport header: "10.0.0.1.53 > 10.0.0.2.4711: UDP, length 30".
// What cannot be parsed is named by the layer and the reason.
std::string FrameText(std::span<const uint8_t> ethernet_frame);

// What happened, without time and place: "NO_SOCKET: no socket was found for it (frame 17, 60 B)".
std::string EventText(const TraceEvent& event);

// Virtual time with nanoseconds: "     0.000360000".
std::string TimeText(SimTime time);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_TRACE_EVENT_TEXT_H_
