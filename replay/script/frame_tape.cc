#include "replay/script/frame_tape.h"

namespace tapedeck {

bool FrameTape::Next(TimedFrame* frame) {
  if (position_ == frames_.size()) {
    TimedFrame next;
    if (!source_.Next(&next)) return false;
    if (!next.stable) next.bytes = copies_.emplace_back(next.bytes.begin(), next.bytes.end());
    next.stable = true;
    frames_.push_back(next);
  }
  *frame = frames_[position_++];
  return true;
}

}  // namespace tapedeck
