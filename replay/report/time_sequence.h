// One direction of a TCP flow as a time-sequence graph: what every drawing of it is made from.
#ifndef TAPEDECK_REPLAY_REPORT_TIME_SEQUENCE_H_
#define TAPEDECK_REPLAY_REPORT_TIME_SEQUENCE_H_

#include <cstdint>
#include <vector>

#include "replay/report/run_log.h"
#include "stack/base/time.h"

namespace tapedeck::report {

// Sequence numbers are relative to the sender's first one and do not wrap.
struct TimeSequence {
  struct Segment {
    SimTime time;
    uint64_t event = 0;
    int64_t first = 0;
    int64_t end = 0;
    bool resent = false;  // all of it has been on the wire before
    bool lost = false;    // the host dropped it
    uint16_t flags = 0;
  };
  struct Step {  // holds until the next
    SimTime time;
    int64_t value = 0;
  };
  struct Sack {
    SimTime time;
    int64_t first = 0;
    int64_t end = 0;
  };
  std::vector<Segment> segments;
  std::vector<Step> acks;          // what the receiver has acknowledged
  std::vector<Step> window_edges;  // what it allows: ack + window
  std::vector<Sack> sacks;
};

// What `side` (0 the host, 1 the other) sent; and what the other said to it.
TimeSequence MakeTimeSequence(const RunLog& log, const Flow& flow, int side);

}  // namespace tapedeck::report

#endif  // TAPEDECK_REPLAY_REPORT_TIME_SEQUENCE_H_
