// A flow as a ladder: time, the host on the left, the other side on the right, an arrow a frame.
//
//        seconds  event  10.0.0.2:80                                              10.0.0.1:40000
//    0.000000000     12  | <------------------- S 0:0(0) win 64240 <mss 1460,sackOK> ---------- |
//    0.000031000     17  | ----------- S. 0:0(0) ack 1 win 65160 <mss 1460> ------------------> |
#ifndef TAPEDECK_REPLAY_REPORT_LADDER_H_
#define TAPEDECK_REPLAY_REPORT_LADDER_H_

#include <cstddef>
#include <string>

#include "replay/report/run_log.h"

namespace tapedeck::report {

// A segment in packetdrill's notation with relative numbers: "P. 1:101(100) ack 1 win 502 <...>".
// Other frames: tcpdump's words without the endpoints.
std::string SegmentText(const Flow& flow, const LoggedFrame& frame);

// The frames [first, last) of the flow, counted within it.
std::string LadderText(const RunLog& log, const Flow& flow, size_t first, size_t last);
// All flows one after another, each at most `frames_max` frames long; what is left out is said.
std::string LadderText(const RunLog& log, size_t frames_max);

}  // namespace tapedeck::report

#endif  // TAPEDECK_REPLAY_REPORT_LADDER_H_
