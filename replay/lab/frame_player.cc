#include "replay/lab/frame_player.h"

namespace tapedeck {

FramePlayer::FramePlayer(World& world, CapturePort& port, FrameSource& source, SimTime start,
                         uint64_t frames_max)
    : world_(world),
      port_(port),
      source_(source),
      start_(start),
      frames_max_(frames_max),
      event_(EventKind::kWire, world.NewEventSource(), &FramePlayer::OnTime),
      last_time_(start) {
  event_.player = this;
  Fetch();
  Resume();
}

void FramePlayer::Resume() {
  if (!done_) world_.device_events().Schedule(&event_, start_ + frame_.time.since_start());
}

void FramePlayer::Fetch() {
  if (next_kept_ < kept_.size()) {
    frame_ = kept_[next_kept_].frame;
    frame_.bytes = kept_[next_kept_].bytes;
    ++next_kept_;
    return;
  }
  if (frames_ == frames_max_ || !source_.Next(&frame_)) {
    done_ = true;
    return;
  }
  if (!keeping_) return;
  kept_.push_back({frame_, {frame_.bytes.begin(), frame_.bytes.end()}});
  next_kept_ = kept_.size();
}

void FramePlayer::Mark() {
  keeping_ = true;
  kept_.clear();
  if (!done_) kept_.push_back({frame_, {frame_.bytes.begin(), frame_.bytes.end()}});
  next_kept_ = kept_.size();
  frames_at_mark_ = frames_;
}

void FramePlayer::Rewind() {
  keeping_ = false;
  next_kept_ = 0;
  frames_ = frames_at_mark_;
  done_ = false;
  Fetch();
}

void FramePlayer::Inject() {
  last_time_ = start_ + frame_.time.since_start();
  if (frame_.bytes.size() > PacketPool::kMaxBytes) {
    ++oversize_;
  } else {
    port_.Inject(last_time_, frame_.bytes, frame_.stable, 0);
    ++frames_;
  }
  Fetch();
}

void FramePlayer::OnTime(Event* event, SimTime now) {
  FramePlayer* const player = static_cast<PlayEvent*>(event)->player;
  player->Inject();
  // Frames before anything else can happen go onto the wire at once; what they cause lies behind
  // them.
  while (!player->done_) {
    const SimTime next = player->start_ + player->frame_.time.since_start();
    const bool first = next < player->world_.device_events().next_time() &&
                       next < player->world_.cpu_events().next_time() &&
                       next - now < Duration::Milliseconds(1);
    if (!first || !player->world_.idle()) break;
    player->Inject();
  }
  player->Resume();
}

}  // namespace tapedeck
