// Faults that somebody outside plants into a device: the n-th next time that something happens, it
// happens wrongly. The model says what is wrong on the bus or the wire; whoever is at the other end
// has to live with it.
#ifndef TAPEDECK_NICMODEL_FAULT_H_
#define TAPEDECK_NICMODEL_FAULT_H_

#include <cstdint>
#include <optional>

#include "stack/base/time.h"
#include "stack/kernel/bus.h"

namespace tapedeck::nic {

// What goes wrong.
enum class FaultPoint : uint8_t {
  kRxWriteBack,  // a receive descriptor is written back
  kTxWriteBack,  // the status of a transmit descriptor is
  kRxFetch,      // a receive descriptor is read
  kTxFetch,      // a transmit descriptor is
  kMessage,      // an MSI-X message is sent
  kWire,         // a frame leaves for the wire (a Link's, not the chip's)
};
inline constexpr size_t kFaultPoints = static_cast<size_t>(FaultPoint::kWire) + 1;

// And how.
enum class FaultKind : uint8_t {
  kLose,    // it does not happen; a read gets all ones, as of a completion that never came
  kDelay,   // later, and with it what the bus keeps in order behind it
  kRepeat,  // again, the same, after the delay
  kChange,  // with bits of one word turned
};
inline constexpr size_t kFaultKinds = static_cast<size_t>(FaultKind::kChange) + 1;

// Whether there is such a fault: a message holds nothing that could change, a read has no second
// time.
constexpr bool IsFault(FaultPoint point, FaultKind kind) {
  if (kind == FaultKind::kChange) return point != FaultPoint::kMessage;
  const bool is_fetch = point == FaultPoint::kRxFetch || point == FaultPoint::kTxFetch;
  return kind != FaultKind::kRepeat || !is_fetch;
}

struct Fault {
  FaultPoint point = FaultPoint::kRxWriteBack;
  FaultKind kind = FaultKind::kLose;
  uint16_t word = 0;  // of kChange: which 32 bits of the descriptor or of the frame
  uint32_t nth = 1;   // 1: the next time; 0 never comes
  uint32_t flip = 0;  // of kChange: which bits are turned
  Duration delay;     // of kDelay and kRepeat

  friend bool operator==(const Fault&, const Fault&) = default;
};

// The faults that one device has yet to come. State of the arena.
class FaultPlan {
 public:
  // Of more than fit the last one gives way.
  static constexpr uint32_t kFaultsMax = 8;

  void Plant(const Fault& fault) {
    if (count_ == kFaultsMax) --count_;
    planted_[count_++] = fault;
  }
  // Whether none is planted, which is the usual thing.
  bool empty() const { return count_ == 0; }

  // `point` happens: how wrongly; nullopt where it goes well. Of several the first planted counts,
  // the others are over, too.
  std::optional<Fault> Happens(FaultPoint point) {
    if (count_ == 0) return std::nullopt;
    std::optional<Fault> found;
    uint32_t left = 0;
    for (uint32_t i = 0; i < count_; ++i) {
      Fault& fault = planted_[i];
      if (fault.point == point && --fault.nth == 0) {
        if (!found.has_value()) found = fault;
        continue;
      }
      planted_[left++] = fault;
    }
    count_ = left;
    return found;
  }

 private:
  Fault planted_[kFaultsMax];
  uint32_t count_ = 0;
};

// What a fault makes a device do a second time, or late: a write to host memory, or a message.
struct LateAct {
  static constexpr uint32_t kBytesMax = 16;
  static constexpr int kNoVector = -1;

  SimTime at = SimTime::Never();
  int vector = kNoVector;  // a message's; of a write none
  dma_addr_t address = 0;
  uint32_t bytes = 0;
  uint8_t data[kBytesMax] = {};
};

// Late acts by time; equal times in the order in which they were put off.
class LateActs {
 public:
  // Of more than fit the newest is forgotten.
  void Add(const LateAct& act) {
    if (count_ == kActsMax) return;
    uint32_t i = count_++;
    for (; i != 0 && acts_[i - 1].at > act.at; --i) acts_[i] = acts_[i - 1];
    acts_[i] = act;
  }
  // Never() where there is none.
  SimTime next() const { return count_ == 0 ? SimTime::Never() : acts_[0].at; }
  // REQUIRES: there is one.
  LateAct Take() {
    const LateAct act = acts_[0];
    --count_;
    for (uint32_t i = 0; i < count_; ++i) acts_[i] = acts_[i + 1];
    return act;
  }
  void Clear() { count_ = 0; }

 private:
  static constexpr uint32_t kActsMax = 8;

  LateAct acts_[kActsMax];
  uint32_t count_ = 0;
};

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_FAULT_H_
