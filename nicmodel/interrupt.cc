#include "nicmodel/interrupt.h"

#include <bit>

#include "stack/base/check.h"

namespace tapedeck::nic {

namespace {

constexpr uint64_t kAllBits = ~uint64_t{0};

// Bits of a 64-bit set, lowest first: `body(bit)`.
template <typename Body>
void ForEachBit(uint64_t bits, Body body) {
  for (; bits != 0; bits &= bits - 1) body(std::countr_zero(bits));
}

}  // namespace

InterruptUnit::InterruptUnit(Arena& arena, int vectors, Duration eitr_unit)
    : vectors_(vectors),
      eitr_unit_(eitr_unit),
      vector_(arena.NewArray<Vector>(static_cast<size_t>(vectors))),
      table_masked_(kAllBits) {
  CHECK(vectors >= 1 && vectors <= kVectorsMax);
}

void InterruptUnit::Reset() {
  queue_cause_ = queue_mask_ = queue_auto_mask_ = 0;
  other_cause_ = other_mask_ = other_auto_mask_ = 0;
  eiac_ = gpie_ = ivar_misc_ = 0;
  for (uint32_t& ivar : ivar_) ivar = 0;
  requests_ = 0;
  for (int v = 0; v < vectors_; ++v) {
    vector_[v].eitr = 0;
    vector_[v].counter_zero = SimTime::Zero();
  }
  UpdateNextFire();
}

int InterruptUnit::VectorOfOther() const {
  if ((gpie_ & kGpieMultipleMsix) == 0) return 0;
  const uint32_t entry = ivar_misc_ >> 8;
  return (entry & kIvarValid) == 0 ? -1 : static_cast<int>(entry & 0x3f);
}

void InterruptUnit::RaiseOther(uint32_t cause, SimTime at) { SetCauses(0, cause, at); }

void InterruptUnit::SetCauses(uint64_t queue_bits, uint32_t other_bits, SimTime at) {
  queue_cause_ |= queue_bits;
  other_cause_ |= other_bits;
  RequestPending(queue_bits, other_bits, at);
}

void InterruptUnit::RequestPending(uint64_t queue_bits, uint32_t other_bits, SimTime at) {
  ForEachBit(queue_bits & queue_cause_ & queue_mask_,
             [&](int bit) { Request(VectorOfBit(bit), at); });
  if ((other_bits & other_cause_ & other_mask_) != 0) {
    const int vector = VectorOfOther();
    if (vector >= 0) Request(vector, at);
  }
}

void InterruptUnit::RequestNew(int vector, SimTime at) {
  requests_ |= uint64_t{1} << vector;
  vector_[vector].fire_at = Later(at, vector_[vector].counter_zero);
  UpdateNextFire();
}

bool InterruptUnit::VectorHasCause(int vector) const {
  if (vector == VectorOfOther() && (other_cause_ & other_mask_) != 0) return true;
  const uint64_t bits = (gpie_ & kGpieMultipleMsix) != 0 ? uint64_t{1} << vector : kAllBits;
  return (queue_cause_ & queue_mask_ & bits) != 0;
}

void InterruptUnit::WithdrawIdle() {
  ForEachBit(requests_, [&](int vector) {
    if (!VectorHasCause(vector)) requests_ &= ~(uint64_t{1} << vector);
  });
  UpdateNextFire();
}

void InterruptUnit::UpdateNextFire() {
  next_fire_ = SimTime::Never();
  if (!msix_enabled_ || function_masked_) return;
  ForEachBit(requests_ & ~table_masked_,
             [&](int vector) { next_fire_ = Earlier(next_fire_, vector_[vector].fire_at); });
}

int InterruptUnit::Fire() {
  const uint64_t ready = requests_ & ~table_masked_;
  int due = -1;
  ForEachBit(ready, [&](int vector) {
    if (due < 0 || vector_[vector].fire_at < vector_[due].fire_at) due = vector;
  });
  CHECK(due >= 0);
  Vector& vector = vector_[due];
  ++messages_;
  requests_ &= ~(uint64_t{1} << due);
  vector.counter_zero = vector.fire_at + IntervalOf(vector);

  const bool multiple = (gpie_ & kGpieMultipleMsix) != 0;
  const uint64_t queue_bits = multiple ? uint64_t{1} << due : kAllBits;
  const bool sends_other = due == VectorOfOther();
  // EIAC has bits for the register's causes only; those of vectors 16 and up are always cleared
  // (datasheet 7.3.1.4).
  queue_cause_ &= ~(queue_bits & ((kAllBits & ~uint64_t{kEicrRtxQueue}) | (eiac_ & kEicrRtxQueue)));
  if (sends_other) other_cause_ &= ~(eiac_ & kEicrOther);
  if ((gpie_ & kGpieEiame) != 0) {
    queue_mask_ &= ~(queue_bits & queue_auto_mask_);
    if (sends_other) other_mask_ &= ~other_auto_mask_;
  }
  UpdateNextFire();
  return due;
}

SimTime InterruptUnit::EarliestQueueMessage() const {
  if (!msix_enabled_ || function_masked_) return SimTime::Never();
  SimTime earliest = SimTime::Never();
  if ((gpie_ & kGpieMultipleMsix) == 0) {
    return queue_mask_ == 0 || (table_masked_ & 1) != 0 ? earliest : vector_[0].counter_zero;
  }
  ForEachBit(queue_mask_ & ~table_masked_, [&](int vector) {
    if (vector < vectors_) earliest = Earlier(earliest, vector_[vector].counter_zero);
  });
  return earliest;
}

uint32_t InterruptUnit::Causes() const {
  return static_cast<uint32_t>(queue_cause_ & kEicrRtxQueue) | other_cause_;
}

uint32_t InterruptUnit::ReadEicr() {
  const uint32_t value = Causes();
  ClearCauses((gpie_ & kGpieOcd) != 0 ? kEicrOther : ~0U);
  // A read also masks what EIAM says (datasheet 7.3.1.5).
  if (value != 0) Mask(value & queue_auto_mask_ & kEicrRtxQueue, value & other_auto_mask_);
  return value;
}

void InterruptUnit::ClearCauses(uint32_t low_bits) {
  queue_cause_ &= ~uint64_t{low_bits & kEicrRtxQueue};
  other_cause_ &= ~(low_bits & kEicrOther);
  WithdrawIdle();
}

void InterruptUnit::Unmask(uint64_t queue_bits, uint32_t other_bits, SimTime at) {
  queue_mask_ |= queue_bits;
  other_mask_ |= other_bits;
  RequestPending(queue_bits, other_bits, at);
}

void InterruptUnit::Mask(uint64_t queue_bits, uint32_t other_bits) {
  queue_mask_ &= ~queue_bits;
  other_mask_ &= ~other_bits;
  WithdrawIdle();
}

int InterruptUnit::EitrIndex(uint32_t offset) const {
  if (offset >= kEitr && offset < kEitr + 24 * 4) return static_cast<int>((offset - kEitr) / 4);
  if (offset >= kEitrHigh && offset < kEitrHigh + (kVectorsMax - 24) * 4) {
    return static_cast<int>((offset - kEitrHigh) / 4) + 24;
  }
  return -1;
}

uint32_t InterruptUnit::ReadEitr(SimTime at, int vector) const {
  if (vector >= vectors_) return 0;
  const Vector& v = vector_[vector];
  const uint64_t units = ((v.counter_zero - at).ps + eitr_unit_.ps - 1) / eitr_unit_.ps;
  return v.eitr | static_cast<uint32_t>(units >> 2 & 0x7f) << 21;
}

void InterruptUnit::WriteEitr(SimTime at, int vector, uint32_t value) {
  if (vector >= vectors_) return;
  Vector& v = vector_[vector];
  v.eitr = value & 0x001ffff8;
  if ((value & kEitrCounterWriteDisable) != 0) return;
  // The field holds the counter's seven upper bits.
  v.counter_zero = at + eitr_unit_ * ((value >> 21 & 0x7f) << 2);
  if ((requests_ >> vector & 1) != 0) {
    v.fire_at = v.counter_zero;
    UpdateNextFire();
  }
}

bool InterruptUnit::Read(SimTime at, uint32_t offset, uint32_t* value) {
  switch (offset) {
    case kEicr:
      *value = ReadEicr();
      return true;
    case kEics:  // as EICR, and nothing is cleared: what ixgbe_msix_other relies on
      *value = Causes();
      return true;
    case kEimc:
      *value = 0;
      return true;  // write only
    case kEiac:
      *value = eiac_;
      return true;
    case kEims:
      *value = static_cast<uint32_t>(queue_mask_ & kEicrRtxQueue) | other_mask_;
      return true;
    case kEiam:
      *value = static_cast<uint32_t>(queue_auto_mask_ & kEicrRtxQueue) | other_auto_mask_;
      return true;
    case kGpie:
      *value = gpie_;
      return true;
    case kIvarMisc:
      *value = ivar_misc_;
      return true;
    case kEimsEx:
      *value = static_cast<uint32_t>(queue_mask_);
      return true;
    case kEimsEx + 4:
      *value = static_cast<uint32_t>(queue_mask_ >> 32);
      return true;
    case kEiamEx:
      *value = static_cast<uint32_t>(queue_auto_mask_);
      return true;
    case kEiamEx + 4:
      *value = static_cast<uint32_t>(queue_auto_mask_ >> 32);
      return true;
    case kEicsEx:
    case kEicsEx + 4:
    case kEimcEx:
    case kEimcEx + 4:
      *value = 0;
      return true;
    default:
      break;
  }
  if (offset >= kIvar && offset < kIvar + sizeof(ivar_)) {
    *value = ivar_[(offset - kIvar) / 4];
    return true;
  }
  const int vector = EitrIndex(offset);
  if (vector < 0) return false;
  *value = ReadEitr(at, vector);
  return true;
}

bool InterruptUnit::Write(SimTime at, uint32_t offset, uint32_t value) {
  const uint32_t other_bits = value & kEicrOther;
  const uint64_t queue_bits = value & kEicrRtxQueue;
  switch (offset) {
    case kEicr:
      ClearCauses(value);
      Mask(queue_bits & queue_auto_mask_, other_bits & other_auto_mask_);
      return true;
    case kEics:
      if ((gpie_ & kGpieEimen) != 0) {
        ForEachBit(queue_bits, [&](int bit) {
          if (VectorOfBit(bit) < vectors_) vector_[VectorOfBit(bit)].counter_zero = at;
        });
      }
      SetCauses(queue_bits, other_bits, at);
      return true;
    case kEiac:
      eiac_ = value & ~(1U << 31);
      return true;
    case kEims:
      Unmask(queue_bits, other_bits, at);
      return true;  // writing 0 does nothing
    case kEimc:
      Mask(queue_bits, other_bits);
      return true;
    case kEiam:
      queue_auto_mask_ = (queue_auto_mask_ & ~uint64_t{kEicrRtxQueue}) | queue_bits;
      other_auto_mask_ = other_bits;
      return true;
    case kGpie:
      gpie_ = value;
      return true;
    case kIvarMisc:
      ivar_misc_ = value & 0xbfbf;
      return true;
    default:
      break;
  }
  if (WriteExtended(at, offset, value)) return true;
  if (offset >= kIvar && offset < kIvar + sizeof(ivar_)) {
    ivar_[(offset - kIvar) / 4] = value & 0xbfbfbfbf;
    return true;
  }
  const int vector = EitrIndex(offset);
  if (vector < 0) return false;
  WriteEitr(at, vector, value);
  return true;
}

// EICS_EX, EIMS_EX, EIMC_EX, EIAM_EX: 64 vectors in two registers each.
bool InterruptUnit::WriteExtended(SimTime at, uint32_t offset, uint32_t value) {
  const bool high = (offset & 4) != 0;
  const uint64_t bits = high ? uint64_t{value} << 32 : value;
  switch (offset & ~4U) {
    case kEicsEx:
      SetCauses(bits, 0, at);
      return true;
    case kEimsEx:
      Unmask(bits, 0, at);
      return true;
    case kEimcEx:
      Mask(bits, 0);
      return true;
    case kEiamEx:
      queue_auto_mask_ = high ? (queue_auto_mask_ & 0xffffffff) | bits
                              : (queue_auto_mask_ & ~uint64_t{0xffffffff}) | bits;
      return true;
    default:
      return false;
  }
}

uint32_t InterruptUnit::ReadMsix(SimTime at, uint32_t offset) const {
  if (offset < kMsixTable + static_cast<uint32_t>(vectors_) * 16) {
    return vector_[offset / 16].table[offset % 16 / 4];
  }
  if (offset != kMsixPba && offset != kMsixPba + 4) return 0;
  // Pending: due, but masked.
  uint64_t pending = 0;
  ForEachBit(requests_, [&](int v) {
    const bool masked = (table_masked_ >> v & 1) != 0 || function_masked_ || !msix_enabled_;
    if (masked && vector_[v].fire_at <= at) pending |= uint64_t{1} << v;
  });
  return static_cast<uint32_t>(offset == kMsixPba ? pending : pending >> 32);
}

void InterruptUnit::WriteMsix(SimTime at, uint32_t offset, uint32_t value) {
  if (offset >= kMsixTable + static_cast<uint32_t>(vectors_) * 16) return;
  const uint32_t v = offset / 16;
  vector_[v].table[offset % 16 / 4] = value;
  if (offset % 16 != 12) return;
  const uint64_t bit = uint64_t{1} << v;
  table_masked_ = (value & kMsixVectorMasked) != 0 ? table_masked_ | bit : table_masked_ & ~bit;
  if ((requests_ & bit) != 0) vector_[v].fire_at = Later(vector_[v].fire_at, at);
  UpdateNextFire();
}

void InterruptUnit::SetMsixControl(SimTime at, bool enabled, bool function_masked) {
  msix_enabled_ = enabled;
  function_masked_ = function_masked;
  ForEachBit(requests_, [&](int v) { vector_[v].fire_at = Later(vector_[v].fire_at, at); });
  UpdateNextFire();
}

}  // namespace tapedeck::nic
