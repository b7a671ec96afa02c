// Causes, masks, moderation and MSI-X: from "something happened" to "a message leaves". Source:
// Intel 82599 datasheet 7.3; the order of automatic clearing, masking and moderation as in the
// 82575/82598 datasheets.
//
//   cause -> EICR bit -> (EIMS) -> request of its vector -> (EITR counter is 0) -> (MSI-X mask) ->
//   message
//
// The EITR counter reloads when a message is sent and runs whether or not anybody clears the cause:
// an isolated cause interrupts at once, a stream of them once an interval. A cause that comes
// between the message and the handler's look makes a spurious interrupt later. A request is one
// event, not a level: without a new cause nothing fires again.
//
// Left out: low latency interrupts, the TCP timer, INTx and MSI (with GPIE.Multiple_MSIX = 0 every
// cause uses vector 0).
#ifndef TAPEDECK_NICMODEL_INTERRUPT_H_
#define TAPEDECK_NICMODEL_INTERRUPT_H_

#include <cstdint>

#include "nicmodel/registers.h"
#include "stack/base/time.h"
#include "stack/kernel/arena.h"

namespace tapedeck::nic {

class InterruptUnit {
 public:
  static constexpr int kVectorsMax = 64;

  // `eitr_unit` is the counter's period: 2.048 us at 1 and 10 Gb/s, 20.48 us at 100 Mb/s.
  InterruptUnit(Arena& arena, int vectors, Duration eitr_unit);
  InterruptUnit(const InterruptUnit&) = delete;
  InterruptUnit& operator=(const InterruptUnit&) = delete;

  // Power-on state of everything but the MSI-X table, which belongs to the bus.
  void Reset();

  // --- Causes. Calls come in order of `at`. ---
  void RaiseRx(uint32_t queue, SimTime at) { RaiseQueue(queue, 0, at); }
  void RaiseTx(uint32_t queue, SimTime at) { RaiseQueue(queue, 8, at); }
  // `cause` is one of the EICR bits 30:16.
  void RaiseOther(uint32_t cause, SimTime at);

  // --- Messages. ---
  // When the next message is due; Never() where none is.
  SimTime next_fire() const { return next_fire_; }
  // Sends the message that is due first: applies automatic clearing and masking, reloads its
  // counter, and returns the vector. REQUIRES: next_fire() != Never().
  int Fire();

  // The earliest time at which a new receive or transmit cause could make a message leave; Never()
  // where all are masked.
  SimTime EarliestQueueMessage() const;
  bool OtherEnabled(uint32_t cause) const { return (other_mask_ & cause) != 0; }
  // When the EITR counter of the transmit queue's vector is 0 again; Never() where it does not
  // count at all.
  SimTime TxCounterExpiry(uint32_t queue) const {
    const int bit = QueueBit(queue, 8);
    if (bit < 0 || VectorOfBit(bit) >= vectors_) return SimTime::Never();
    const Vector& vector = vector_[VectorOfBit(bit)];
    return (vector.eitr & kEitrInterval) == 0 ? SimTime::Never() : vector.counter_zero;
  }

  // --- Registers. False where `offset` is not one of ours. ---
  bool Read(SimTime at, uint32_t offset, uint32_t* value);
  bool Write(SimTime at, uint32_t offset, uint32_t value);
  // BAR3.
  uint32_t ReadMsix(SimTime at, uint32_t offset) const;
  void WriteMsix(SimTime at, uint32_t offset, uint32_t value);
  // The MSI-X capability's Enable and Function Mask bits.
  void SetMsixControl(SimTime at, bool enabled, bool function_masked);

  int vectors() const { return vectors_; }
  uint64_t messages() const { return messages_; }

 private:
  struct Vector {
    SimTime counter_zero;  // when the EITR counter reaches 0
    SimTime fire_at;       // when requested: the message is due
    uint32_t eitr = 0;
    uint32_t table[4] = {0, 0, 0, kMsixVectorMasked};
  };

  // The cause bit (0..63) that IVAR gives a queue; -1 where its entry is not valid. `shift`: 0
  // receive, 8 transmit.
  int QueueBit(uint32_t queue, uint32_t shift) const {
    const uint32_t entry = ivar_[queue / 2] >> ((queue & 1) * 16 + shift);
    return (entry & kIvarValid) == 0 ? -1 : static_cast<int>(entry & 0x3f);
  }
  void RaiseQueue(uint32_t queue, uint32_t shift, SimTime at) {
    const int bit = QueueBit(queue, shift);
    if (bit < 0) return;
    const uint64_t mask = uint64_t{1} << bit;
    queue_cause_ |= mask;
    if ((queue_mask_ & mask) != 0) Request(VectorOfBit(bit), at);
  }
  int VectorOfBit(int bit) const { return (gpie_ & kGpieMultipleMsix) != 0 ? bit : 0; }
  // The vector of the EICR bits `other`, -1 where IVAR_MISC has none.
  int VectorOfOther() const;
  void Request(int vector, SimTime at) {
    if (vector >= vectors_ || (requests_ >> vector & 1) != 0) return;
    RequestNew(vector, at);
  }
  [[gnu::noinline]] void RequestNew(int vector, SimTime at);
  // Requests every vector that has an unmasked cause among the given ones; withdraws those that
  // have none left.
  void RequestPending(uint64_t queue_bits, uint32_t other_bits, SimTime at);
  void WithdrawIdle();
  bool VectorHasCause(int vector) const;
  void UpdateNextFire();
  static constexpr int kEitrIntervalShift = 3;
  static constexpr uint32_t kEitrInterval = 0x1ff << kEitrIntervalShift;  // in units of the counter
  Duration IntervalOf(const Vector& vector) const {
    return eitr_unit_ * ((vector.eitr & kEitrInterval) >> kEitrIntervalShift);
  }

  // EICR bits 30:0 as they are.
  uint32_t Causes() const;
  uint32_t ReadEicr();
  void ClearCauses(uint32_t low_bits);
  void SetCauses(uint64_t queue_bits, uint32_t other_bits, SimTime at);
  void Unmask(uint64_t queue_bits, uint32_t other_bits, SimTime at);
  void Mask(uint64_t queue_bits, uint32_t other_bits);
  bool WriteExtended(SimTime at, uint32_t offset, uint32_t value);
  void WriteEitr(SimTime at, int vector, uint32_t value);
  uint32_t ReadEitr(SimTime at, int vector) const;
  int EitrIndex(uint32_t offset) const;

  int vectors_;
  Duration eitr_unit_;
  Vector* vector_;  // [vectors_]

  uint64_t queue_cause_ = 0;  // EICR's queue bits; 0..15 are in the register
  uint64_t queue_mask_ = 0;
  uint64_t queue_auto_mask_ = 0;
  uint32_t other_cause_ = 0;  // EICR 30:16
  uint32_t other_mask_ = 0;
  uint32_t other_auto_mask_ = 0;
  uint32_t eiac_ = 0;
  uint32_t gpie_ = 0;
  uint32_t ivar_misc_ = 0;
  uint32_t ivar_[64] = {};

  uint64_t requests_ = 0;  // vectors that want to send
  uint64_t table_masked_;  // MSI-X vector control
  bool msix_enabled_ = false;
  bool function_masked_ = false;
  SimTime next_fire_ = SimTime::Never();
  uint64_t messages_ = 0;
};

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_INTERRUPT_H_
