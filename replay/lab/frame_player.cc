#include "replay/lab/frame_player.h"

namespace tapedeck {

FramePlayer::FramePlayer(World& world, CapturePort& port, FrameSource& source, SimTime start,
                         uint64_t frames_max)
    : world_(world),
      port_(port),
      source_(source),
      start_(start),
      frames_max_(frames_max),
      event_(world.arena().New<PlayEvent>(EventKind::kWire, world.NewEventSource(),
                                          &FramePlayer::OnTime)) {
  state_.last_time = start;
  event_->player = this;
  Fetch();
  Schedule();
}

void FramePlayer::Schedule() {
  if (!state_.done) world_.device_events().Schedule(event_, next_time());
}

void FramePlayer::Fetch() {
  if (state_.frames == frames_max_ || !source_.Next(&state_.frame)) state_.done = true;
}

void FramePlayer::Inject() {
  state_.last_time = next_time();
  const TimedFrame& frame = state_.frame;
  if (frame.bytes.size() > PacketPool::kMaxBytes) {
    ++state_.oversize;
  } else {
    const uint32_t id = port_.Inject(state_.last_time, frame.bytes, frame.stable, 0);
    if (played_) played_(frame.file_index, id);
    ++state_.frames;
  }
  Fetch();
}

// Once a frame: in one piece.
[[gnu::flatten]] void FramePlayer::OnTime(Event* event, SimTime now) {
  FramePlayer* const player = static_cast<PlayEvent*>(event)->player;
  World& world = player->world_;
  player->Inject();
  // Frames before anything else can happen go onto the wire at once; what they cause lies behind
  // them. No CPU hears of a frame by its being put there.
  const bool idle = world.idle();
  while (idle && !player->state_.done) {
    const SimTime next = player->next_time();
    const bool first = next < world.device_events().next_time() &&
                       next < world.cpu_events().next_time() &&
                       next - now < Duration::Milliseconds(1);
    if (!first) break;
    player->Inject();
  }
  player->Schedule();
}

}  // namespace tapedeck
