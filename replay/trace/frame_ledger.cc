#include "replay/trace/frame_ledger.h"

#include "stack/base/check.h"

namespace tapedeck {

void FrameLedger::HearRare(TraceKind kind, const uint64_t* args) {
  const auto id = static_cast<uint32_t>(args[0]);
  if (kind == TraceKind::kForward) {
    return Settle({.id = id, .fate = Fate::kDelivered, .passed_on = true});
  }
  Settle({.id = id, .reason = static_cast<DropReason>(args[1]), .fate = Fate::kDropped});
}

FrameLedger::Frame& FrameLedger::MakeRoom(uint32_t id) {
  while (true) {
    Frame& slot = SlotOf(id);
    if (slot.id == 0 || slot.fate != Fate::kQueued) return slot;
    CHECK_NE(slot.id, id);  // ids are never given twice, and no ring would hold both
    std::vector<Frame> larger(ring_.size() * 2);
    for (const Frame& frame : ring_) larger[frame.id & (larger.size() - 1)] = frame;
    ring_.swap(larger);
  }
}

void FrameLedger::SettleAgain(const Frame& as) {
  auto* const frame = const_cast<Frame*>(Find(as.id));
  if (frame == nullptr) {
    if (as.fate == Fate::kDropped) ++dropped_own_;
    return;
  }
  // A frame that several listeners got is delivered once, and a copy that one of them dropped does
  // not undo that. Of several drops the first counts.
  const bool drops = as.fate == Fate::kDropped;
  if (frame->fate == Fate::kDelivered && !(frame->passed_on && drops)) return;
  if (frame->fate == Fate::kDropped && drops) return;
  Count(*frame, ~uint64_t{0});  // takes one away
  *frame = as;
  Count(*frame, 1);
}

}  // namespace tapedeck
