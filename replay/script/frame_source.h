// Frames with times, one after another: what the player of a capture needs, without holding the
// capture.
#ifndef TAPEDECK_REPLAY_SCRIPT_FRAME_SOURCE_H_
#define TAPEDECK_REPLAY_SCRIPT_FRAME_SOURCE_H_

#include <cstdint>
#include <span>

#include "stack/base/time.h"

namespace tapedeck {

struct TimedFrame {
  SimTime time;  // when its first bit is on the wire; never before the frame ahead of it
  // Without preamble and FCS, never empty. Valid until the next call of Next().
  std::span<const uint8_t> bytes;
  bool stable = false;      // the bytes live as long as the source: nobody needs to copy them
  uint64_t file_index = 0;  // which record of the capture it was, from 1
};

class FrameSource {
 public:
  virtual ~FrameSource() = default;
  // The next frame into `frame`. False at the end, whatever ended it; `frame` is then unspecified.
  virtual bool Next(TimedFrame* frame) = 0;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_FRAME_SOURCE_H_
