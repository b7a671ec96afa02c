// What a "what if" does to frames on their way, by the numbers that they have in traces. A frame
// keeps its number whatever becomes of it, so that runs with and without can be laid side by side.
#ifndef TAPEDECK_REPLAY_LAB_FRAME_EDITS_H_
#define TAPEDECK_REPLAY_LAB_FRAME_EDITS_H_

#include <cstdint>
#include <vector>

#include "stack/base/time.h"

namespace tapedeck {

struct FrameEdit {
  enum class Kind : uint8_t {
    kDrop,       // it is never on the wire (of a host's own frame: its far end does not get it)
    kDuplicate,  // it comes a second time, right behind itself
    kDelay,      // it comes later; those behind it do not wait
  };
  Kind kind = Kind::kDrop;
  uint32_t frame_id = 0;
  Duration delay;
};
using FrameEdits = std::vector<FrameEdit>;

// The edit of a frame; nullptr where there is none. `edits` may be null.
inline const FrameEdit* FindEdit(const FrameEdits* edits, uint32_t frame_id) {
  if (edits == nullptr) return nullptr;
  for (const FrameEdit& edit : *edits) {
    if (edit.frame_id == frame_id) return &edit;
  }
  return nullptr;
}

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_FRAME_EDITS_H_
