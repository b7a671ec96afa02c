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
    DropReason reason = SKB_DROP_REASON_CONSUMED;
    Fate fate = Fate::kQueued;
    bool passed_on = false;  // delivered in that it was forwarded; a drop behind that counts
  };
  static_assert(sizeof(Frame) == 8);

  // Hears kWireRx, kDeliver, kForward, kDrop and kNicDrop; others are nothing to it.
  void Add(const TraceEvent& event) { Add(event.kind, event.args); }
  // `args`: the event's four.
  void Add(TraceKind kind, const uint64_t* args) {
    const auto id = static_cast<uint32_t>(args[0]);
    if (kind == TraceKind::kWireRx) {
      if ((args[3] & kWireFlagAnswer) == 0) Enter(id);
    } else if (kind == TraceKind::kDeliver) {
      Settle({.id = id, .fate = Fate::kDelivered});
    } else if ((kRare >> static_cast<uint32_t>(kind) & 1) != 0) {
      HearRare(kind, args);
    }
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
    const Frame& frame = SlotOf(id);
    return frame.id == id && id != 0 ? &frame : nullptr;
  }

 private:
  // What HearRare is for.
  static constexpr uint64_t kRare = [] {
    uint64_t kinds = 0;
    for (const TraceKind kind : {TraceKind::kForward, TraceKind::kDrop, TraceKind::kNicDrop}) {
      kinds |= uint64_t{1} << static_cast<uint32_t>(kind);
    }
    return kinds;
  }();
  static_assert(static_cast<uint32_t>(TraceKind::kCount) <= 64);

  const Frame& SlotOf(uint32_t id) const { return ring_[id & (ring_.size() - 1)]; }
  Frame& SlotOf(uint32_t id) { return ring_[id & (ring_.size() - 1)]; }
  [[gnu::noinline]] void HearRare(TraceKind kind, const uint64_t* args);
  void Enter(uint32_t id) {
    ++frames_in_;
    Frame* slot = &SlotOf(id);
    if (slot->id != 0 && slot->fate == Fate::kQueued) [[unlikely]]
      slot = &MakeRoom(id);
    *slot = {.id = id};
  }
  // `as` is the frame's fate.
  void Settle(const Frame& as) {
    Frame& slot = SlotOf(as.id);
    if (slot.id != as.id || as.id == 0 || slot.fate != Fate::kQueued) [[unlikely]]
      return SettleAgain(as);
    slot = as;
    Count(as, 1);
  }
  // Of a frame that has a fate already, or is not known.
  [[gnu::noinline]] void SettleAgain(const Frame& as);
  // The slot of a frame where another waits, once the ring is large enough for both.
  [[gnu::noinline]] Frame& MakeRoom(uint32_t id);
  void Count(const Frame& frame, uint64_t by) {
    if (frame.fate == Fate::kDelivered) delivered_ += by;
    if (frame.fate != Fate::kDropped) return;
    dropped_ += by;
    by_reason_[static_cast<size_t>(frame.reason)] += by;
  }

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
