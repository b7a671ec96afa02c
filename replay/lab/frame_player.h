// Plays frames of a source into a port at their times. Frames that nothing else can come between
// are put on the wire in one go, so that a frame costs no event.
#ifndef TAPEDECK_REPLAY_LAB_FRAME_PLAYER_H_
#define TAPEDECK_REPLAY_LAB_FRAME_PLAYER_H_

#include <cstdint>
#include <vector>

#include "replay/lab/cable.h"
#include "replay/script/frame_source.h"
#include "stack/base/time.h"
#include "stack/kernel/event_queue.h"
#include "stack/kernel/world.h"

namespace tapedeck {

class FramePlayer {
 public:
  // Frame times count from `start`. Both must outlive the player; at most `frames_max` frames are
  // played.
  FramePlayer(World& world, CapturePort& port, FrameSource& source, SimTime start,
              uint64_t frames_max);
  FramePlayer(const FramePlayer&) = delete;
  FramePlayer& operator=(const FramePlayer&) = delete;
  ~FramePlayer() { world_.device_events().Cancel(&event_); }

  // For a checkpoint of the Lab, which must not hold the player's event: between Pause and Resume
  // nothing is played. From Mark on the frames are kept, and Rewind (paused) goes back to the first
  // of them.
  void Pause() { world_.device_events().Cancel(&event_); }
  void Resume();
  void Mark();
  void Rewind();

  // All frames are on the wire.
  bool done() const { return done_; }
  // The time of the last frame so far.
  SimTime last_time() const { return last_time_; }
  uint64_t frames() const { return frames_; }
  // Frames longer than any NIC takes; they were left out.
  uint64_t oversize() const { return oversize_; }

 private:
  struct PlayEvent : Event {
    using Event::Event;
    FramePlayer* player = nullptr;
  };
  struct Kept {
    TimedFrame frame;
    std::vector<uint8_t> bytes;
  };
  static void OnTime(Event* event, SimTime now);
  // Reads the next frame into frame_; done_ where there is none.
  void Fetch();
  void Inject();

  World& world_;
  CapturePort& port_;
  FrameSource& source_;
  SimTime start_;
  uint64_t frames_max_;
  PlayEvent event_;
  TimedFrame frame_;
  SimTime last_time_;
  uint64_t frames_ = 0;
  uint64_t oversize_ = 0;
  bool done_ = false;
  bool keeping_ = false;
  std::vector<Kept> kept_;
  size_t next_kept_ = 0;  // below kept_.size(): frames that are played again
  uint64_t frames_at_mark_ = 0;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_FRAME_PLAYER_H_
