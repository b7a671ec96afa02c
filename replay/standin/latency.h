// How long our host takes from an application's call to the first bit on the wire. A captured think
// time ends on the wire, so that much less is slept: what our host did, captured and replayed,
// leaves at the same times again.
#ifndef TAPEDECK_REPLAY_STANDIN_LATENCY_H_
#define TAPEDECK_REPLAY_STANDIN_LATENCY_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "replay/lab/lab.h"
#include "stack/base/time.h"

namespace tapedeck::standin {

class SendLatency {
 public:
  // By sending datagrams of several lengths on a host of `options`, which is built for that alone.
  static SendLatency Measure(const LabOptions& options);

  // For a frame of so many bytes, without FCS: measured, or between two that were.
  Duration Of(size_t frame_bytes) const;

 private:
  struct Point {
    size_t frame_bytes = 0;
    uint64_t ns = 0;
  };
  std::vector<Point> points_;  // by length
};

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_LATENCY_H_
