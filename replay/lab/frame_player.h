// Plays frames of a source into a port at their times. Frames that nothing else can come between
// are put on the wire in one go, so that a frame costs no event.
#ifndef TAPEDECK_REPLAY_LAB_FRAME_PLAYER_H_
#define TAPEDECK_REPLAY_LAB_FRAME_PLAYER_H_

#include <cstdint>
#include <functional>
#include <utility>

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
  ~FramePlayer() { world_.device_events().Cancel(event_); }

  // Where it is; its event is the Lab's. What the source gives next is the caller's to put back.
  // REQUIRES of Restore: frames of the source are stable, and the Lab is restored too.
  struct State {
    TimedFrame frame;
    SimTime last_time;
    uint64_t frames = 0;
    uint64_t oversize = 0;
    bool done = false;
  };
  const State& state() const { return state_; }
  void Restore(const State& state) { state_ = state; }

  // Told of each frame as it is put on the wire: its place in the capture, and its id from here on.
  using Played = std::function<void(uint64_t file_index, uint32_t frame_id)>;
  void set_played(Played played) { played_ = std::move(played); }

  // All frames are on the wire.
  bool done() const { return state_.done; }
  // The time of the last frame so far.
  SimTime last_time() const { return state_.last_time; }
  uint64_t frames() const { return state_.frames; }
  // Frames longer than any NIC takes; they were left out.
  uint64_t oversize() const { return state_.oversize; }

 private:
  struct PlayEvent : Event {
    using Event::Event;
    FramePlayer* player = nullptr;
  };
  static void OnTime(Event* event, SimTime now);
  // Reads the next frame into state_; done where there is none.
  void Fetch();
  void Inject();
  // Of a capture that is faster than the wire, frames wait in the capture, however many they are.
  SimTime next_time() const {
    constexpr Duration kWireAhead = Duration::Milliseconds(1);  // frames that wait on the wire
    const SimTime captured = start_ + state_.frame.time.since_start();
    const SimTime free = port_.wire_free();
    if (free <= captured + kWireAhead) [[likely]]
      return captured;
    return SimTime::At(free.since_start() - kWireAhead);
  }
  void Schedule();

  World& world_;
  CapturePort& port_;
  FrameSource& source_;
  SimTime start_;
  uint64_t frames_max_;
  PlayEvent* event_;  // in the arena
  State state_;
  Played played_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_FRAME_PLAYER_H_
