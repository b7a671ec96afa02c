// The transmit path's way back: telling software which descriptors are finished.
#include <optional>

#include "nicmodel/tx_path.h"
#include "stack/base/byteorder.h"

namespace tapedeck::nic {

SimTime TxPath::NextFlush() const {
  SimTime next = SimTime::Never();
  for (uint32_t q = 0; q < chip_.config.tx_queues; ++q) {
    if (rings_[q].finished() == 0) continue;
    const SimTime expiry = chip_.irq.TxCounterExpiry(q);
    if (expiry != SimTime::Never()) next = Earlier(next, Later(expiry, last_act_));
  }
  return next;
}

bool TxPath::WriteBack() {
  if (completions_.empty() || completions_.front().at > next_) {
    Flush();
    return true;
  }
  const Completion done = completions_.front();
  completions_.pop_front();
  TxRing& ring = rings_[done.queue];
  if (done.generation != ring.generation()) return false;  // the ring is not what it was
  const bool waited = ring.finished() != 0;
  if (ring.Finish(done.index) == 0) {
    if (!waited) ++flushing_;
    return false;
  }
  if (waited) --flushing_;
  WriteBackFinished(ring, done.at);
  return true;
}

// The counters of rings with finished descriptors have expired.
void TxPath::Flush() {
  for (uint32_t q = 0; q < chip_.config.tx_queues; ++q) {
    TxRing& ring = rings_[q];
    if (ring.finished() == 0 || chip_.irq.TxCounterExpiry(q) > next_) continue;
    --flushing_;
    WriteBackFinished(ring, next_);
  }
}

void TxPath::CountFlushing() {
  flushing_ = 0;
  for (uint32_t q = 0; q < chip_.config.tx_queues; ++q) {
    if (rings_[q].finished() != 0) ++flushing_;
  }
}

// One write for each descriptor, or one of the head for all of them, and the queue's interrupt
// cause.
[[gnu::noinline]] void TxPath::WriteBackFinished(TxRing& ring, SimTime at) {
  const bool head = ring.writes_head();
  while (ring.finished() != 0) {
    const TxRing::StatusWrite write = ring.TakeFinished();
    if (head && ring.finished() != 0) continue;  // only the newest head matters
    const uint32_t bytes = head ? sizeof(uint32_t) : kDescriptorBytes;
    const SimTime sent_at = chip_.pcie.Write(at, bytes);
    chip_.TellDma(DmaKind::kTxWriteBack, at, sent_at + chip_.pcie.write_latency(), ring.queue(), 0,
                  bytes);
    PostStatus({sent_at + chip_.pcie.write_latency(), write.address, write.value});
  }
  chip_.irq.RaiseTx(ring.queue(), at);
}

// Puts a word on its way. Posted writes stay in order.
void TxPath::PostStatus(StatusWrite write) {
  if (!visible_.empty()) write.visible_at = Later(write.visible_at, visible_.back().visible_at);
  if (!chip_.faults.empty()) return PostFaulty(write);
  visible_.push_back(write);
}

// The same, or what a fault wants.
void TxPath::PostFaulty(StatusWrite write) {
  const std::optional<Fault> fault = chip_.faults.Happens(FaultPoint::kTxWriteBack);
  if (!fault.has_value()) return visible_.push_back(write);
  switch (fault->kind) {
    case FaultKind::kLose:
      return;
    case FaultKind::kDelay:
      write.visible_at = write.visible_at + fault->delay;
      break;
    case FaultKind::kRepeat: {
      LateAct again = {.at = write.visible_at + fault->delay,
                       .address = write.address,
                       .bytes = sizeof(uint32_t)};
      StoreLe32(again.data, write.value);
      chip_.late.Add(again);
      break;
    }
    case FaultKind::kChange:
      write.value ^= fault->flip;
      break;
  }
  visible_.push_back(write);
}

void TxPath::CommitOldest() {
  const StatusWrite& write = visible_.front();
  uint8_t* const word =
      chip_.bus.DeviceWrite(chip_.slot, write.visible_at, write.address, sizeof(uint32_t));
  if (word != nullptr) StoreLe32(word, write.value);
  visible_.pop_front();
}

}  // namespace tapedeck::nic
