#include "replay/trace/frame_ledger.h"

#include "stack/base/check.h"

namespace tapedeck {

void FrameLedger::Hear(TraceKind kind, const uint64_t* args) {
  const auto id = static_cast<uint32_t>(args[0]);
  switch (kind) {
    case TraceKind::kWireRx:
      if ((args[3] & kWireFlagAnswer) == 0) Enter(id);
      return;
    case TraceKind::kDeliver:
      return Settle(id, Fate::kDelivered, SKB_DROP_REASON_CONSUMED);
    case TraceKind::kForward:
      return Settle(id, Fate::kDelivered, SKB_DROP_REASON_CONSUMED, /*passed_on=*/true);
    case TraceKind::kDrop:
    case TraceKind::kNicDrop:
      return Settle(id, Fate::kDropped, static_cast<DropReason>(args[1]));
    default:
      return;
  }
}

void FrameLedger::Enter(uint32_t id) {
  ++frames_in_;
  while (true) {
    Frame& slot = ring_[id & (ring_.size() - 1)];
    if (slot.id == 0 || slot.fate != Fate::kQueued) {
      slot = {.id = id};
      return;
    }
    CHECK_NE(slot.id, id);  // ids are never given twice, and no ring would hold both
    Grow();
  }
}

void FrameLedger::Grow() {
  std::vector<Frame> larger(ring_.size() * 2);
  for (const Frame& frame : ring_) larger[frame.id & (larger.size() - 1)] = frame;
  ring_.swap(larger);
}

void FrameLedger::Count(const Frame& frame, uint64_t by) {
  if (frame.fate == Fate::kDelivered) delivered_ += by;
  if (frame.fate != Fate::kDropped) return;
  dropped_ += by;
  by_reason_[static_cast<size_t>(frame.reason)] += by;
}

void FrameLedger::Settle(uint32_t id, Fate fate, DropReason reason, bool passed_on) {
  Frame& slot = ring_[id & (ring_.size() - 1)];
  if (slot.id != id || id == 0 || slot.fate != Fate::kQueued) [[unlikely]] {
    return SettleAgain(id, fate, reason, passed_on);
  }
  slot = {.id = id, .fate = fate, .reason = reason, .passed_on = passed_on};
  Count(slot, 1);
}

void FrameLedger::SettleAgain(uint32_t id, Fate fate, DropReason reason, bool passed_on) {
  auto* const frame = const_cast<Frame*>(Find(id));
  if (frame == nullptr) {
    if (fate == Fate::kDropped) ++dropped_own_;
    return;
  }
  // A frame that several listeners got is delivered once, and a copy that one of them dropped does
  // not undo that. Of several drops the first counts.
  if (frame->fate == Fate::kDelivered && !(frame->passed_on && fate == Fate::kDropped)) return;
  if (frame->fate == Fate::kDropped && fate == Fate::kDropped) return;
  Count(*frame, ~uint64_t{0});  // takes one away
  *frame = {.id = id, .fate = fate, .reason = reason, .passed_on = passed_on};
  Count(*frame, 1);
}

}  // namespace tapedeck
