// Frames of another source, kept as they are read, so that they can be played again from any of
// them. Keeps some 40 bytes a frame, and the bytes of those that their source does not keep.
#ifndef TAPEDECK_REPLAY_SCRIPT_FRAME_TAPE_H_
#define TAPEDECK_REPLAY_SCRIPT_FRAME_TAPE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "replay/script/frame_source.h"

namespace tapedeck {

class FrameTape final : public FrameSource {
 public:
  // `source` must outlive the tape.
  explicit FrameTape(FrameSource& source) : source_(source) {}

  // All frames are stable.
  bool Next(TimedFrame* frame) override;

  // How many frames lie before the one that Next gives.
  size_t position() const { return position_; }
  // REQUIRES: `position` was one of position()'s.
  void Seek(size_t position) { position_ = position; }

 private:
  FrameSource& source_;
  std::vector<TimedFrame> frames_;
  std::deque<std::vector<uint8_t>> copies_;
  size_t position_ = 0;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_FRAME_TAPE_H_
