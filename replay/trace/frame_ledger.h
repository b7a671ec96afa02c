// What became of every frame of the input that entered a host: delivered (to a user of the host, or
// to another host), dropped for one reason, or still on its way. Each frame is counted once,
// whatever the stack made of it: frames in == delivered + dropped + queued, always.
#ifndef TAPEDECK_REPLAY_TRACE_FRAME_LEDGER_H_
#define TAPEDECK_REPLAY_TRACE_FRAME_LEDGER_H_

#include <cstdint>
#include <vector>

#include "stack/base/drop_reason.h"
#include "stack/base/trace_event.h"

namespace tapedeck {

class FrameLedger {
 public:
  enum class Fate : uint8_t { kQueued, kDelivered, kDropped };
  struct Frame {
    uint32_t id = 0;
    Fate fate = Fate::kQueued;
    DropReason reason = SKB_DROP_REASON_CONSUMED;
    bool passed_on = false;  // delivered in that it was forwarded; a drop behind that counts
  };

  // Hears kWireRx, kDeliver, kForward, kDrop and kNicDrop; others are nothing to it.
  void Add(const TraceEvent& event) { Add(event.kind, event.args); }
  // `args`: the event's four.
  void Add(TraceKind kind, const uint64_t* args) {
    if ((kHeard >> static_cast<uint32_t>(kind) & 1) != 0) Hear(kind, args);
  }

  uint64_t frames_in() const { return frames_in_; }
  uint64_t delivered() const { return delivered_; }
  uint64_t dropped() const { return dropped_; }
  uint64_t dropped(DropReason reason) const { return by_reason_[static_cast<size_t>(reason)]; }
  uint64_t queued() const { return frames_in_ - delivered_ - dropped_; }
  // Drops of packets that the host made itself.
  uint64_t dropped_own() const { return dropped_own_; }

  // The frame with this id, or null where it never entered or was settled so long ago that it was
  // forgotten.
  const Frame* Find(uint32_t id) const {
    const Frame& frame = ring_[id & (ring_.size() - 1)];
    return frame.id == id && id != 0 ? &frame : nullptr;
  }

 private:
  static constexpr uint64_t kHeard = [] {
    uint64_t kinds = 0;
    for (const TraceKind kind : {TraceKind::kWireRx, TraceKind::kDeliver, TraceKind::kForward,
                                 TraceKind::kDrop, TraceKind::kNicDrop}) {
      kinds |= uint64_t{1} << static_cast<uint32_t>(kind);
    }
    return kinds;
  }();
  static_assert(static_cast<uint32_t>(TraceKind::kCount) <= 64);

  void Hear(TraceKind kind, const uint64_t* args);
  void Enter(uint32_t id);
  void Settle(uint32_t id, Fate fate, DropReason reason, bool passed_on = false);
  // Of a frame that has a fate already, or is not known.
  [[gnu::noinline]] void SettleAgain(uint32_t id, Fate fate, DropReason reason, bool passed_on);
  void Count(const Frame& frame, uint64_t by);
  [[gnu::noinline]] void Grow();

  // Frames by the low bits of their id. A settled frame may be overwritten; the ring grows rather
  // than lose another.
  std::vector<Frame> ring_ = std::vector<Frame>(1024);
  uint64_t frames_in_ = 0;
  uint64_t delivered_ = 0;
  uint64_t dropped_ = 0;
  uint64_t dropped_own_ = 0;
  uint64_t by_reason_[kDropReasons] = {};
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_TRACE_FRAME_LEDGER_H_
