#include "nicmodel/tx_ring.h"

#include <algorithm>
#include <optional>

namespace tapedeck::nic {

namespace {

constexpr uint32_t kStatusOffset = 12;  // of the word with DD in a descriptor

}  // namespace

void TxRing::Init(Chip* chip, uint32_t queue) {
  chip_ = chip;
  queue_ = queue;
  CHECK(chip->config.tx_descriptor_cache >= 1 && chip->config.tx_descriptor_cache <= kCacheMax);
  Reset();
}

void TxRing::Reset() {
  txdctl_ = 0;
  base_ = 0;
  tdlen_ = head_ = tail_ = 0;
  tdwbal_ = tdwbah_ = dca_txctrl_ = 0;
  context_[0] = context_[1] = TxContext{};
  DropCache();
}

void TxRing::DropCache() {
  fetch_ = head_;
  oldest_ = ready_ = landing_ = 0;
  finished_first_ = finished_count_ = 0;
  ++generation_;
}

void TxRing::FetchBatch(SimTime at) {
  const uint32_t waiting = Distance(fetch_, tail_);
  const bool prefetch = ready_ < prefetch_threshold() && waiting >= host_threshold();
  if (ready_ != 0 && !prefetch) return;
  const uint32_t batch = chip_->config.max_read_request_bytes / kDescriptorBytes;
  const uint32_t free_slots = chip_->config.tx_descriptor_cache - ready_;
  const uint32_t count = std::min({waiting, batch, free_slots, entries() - fetch_});
  if (count != 0) Fetch(at, count);
}

void TxRing::Fetch(SimTime at, uint32_t count) {
  const uint32_t bytes = count * kDescriptorBytes;
  const dma_addr_t from = base_ + uint64_t{fetch_} * kDescriptorBytes;
  landing_at_ = chip_->pcie.ReadDescriptors(at, bytes);
  landing_ = count;
  const uint8_t* const memory = chip_->bus.DeviceRead(chip_->slot, at, from, bytes);
  for (uint32_t i = 0; i < count; ++i) {
    TxDescriptor& descriptor = cache_[SlotBehind(oldest_, ready_ + i)];
    if (memory == nullptr) {
      descriptor = {~uint64_t{0}, ~uint64_t{0}};  // a stray read returns all ones
    } else {
      descriptor = {LoadLe64(memory + size_t{i} * kDescriptorBytes),
                    LoadLe64(memory + size_t{i} * kDescriptorBytes + 8)};
    }
    if (chip_->faults.empty()) continue;
    const std::optional<Fault> fault = chip_->faults.Happens(FaultPoint::kTxFetch);
    if (!fault.has_value()) continue;
    if (fault->kind == FaultKind::kLose) descriptor = {~uint64_t{0}, ~uint64_t{0}};
    if (fault->kind == FaultKind::kDelay) landing_at_ = landing_at_ + fault->delay;
    if (fault->kind == FaultKind::kChange) {
      const uint32_t word = fault->word % kDescriptorWords;
      (word < 2 ? descriptor.low : descriptor.high) ^= uint64_t{fault->flip} << 32 * (word % 2);
    }
  }
  chip_->TellDma(DmaKind::kTxFetch, at, landing_at_, queue_, 0, bytes);
  fetch_ += count;
  if (fetch_ == entries()) fetch_ = 0;
}

uint32_t TxRing::Finish(uint32_t index) {
  if (finished_count_ == kCacheMax) TakeFinished();  // cannot be: the threshold below comes first
  finished_[SlotBehind(finished_first_, finished_count_++)] = static_cast<uint16_t>(index);
  const uint32_t threshold = std::clamp(write_back_threshold(), 1U, kCacheMax - 1);
  return finished_count_ >= threshold || writes_head() ? finished_count_ : 0;
}

TxRing::StatusWrite TxRing::TakeFinished() {
  CHECK_GT(finished_count_, 0U);
  const uint32_t index = finished_[finished_first_];
  finished_first_ = SlotBehind(finished_first_, 1);
  --finished_count_;
  if (!writes_head()) return {base_ + uint64_t{index} * kDescriptorBytes + kStatusOffset, 1};
  const uint32_t next = index + 1 == entries() ? 0 : index + 1;
  return {static_cast<dma_addr_t>(tdwbah_) << 32 | (tdwbal_ & ~3U), next};
}

uint32_t TxRing::Read(uint32_t field) const {
  switch (field) {
    case kTdbal:
      return static_cast<uint32_t>(base_);
    case kTdbah:
      return static_cast<uint32_t>(base_ >> 32);
    case kTdlen:
      return tdlen_;
    case kDcaTxCtrl:
      return dca_txctrl_;
    case kTdh:
      return head_;
    case kTdt:
      return tail_;
    case kTxDctl:
      return txdctl_;
    case kTdwbal:
      return tdwbal_;
    case kTdwbah:
      return tdwbah_;
    default:
      return 0;
  }
}

void TxRing::Write(SimTime at, uint32_t field, uint32_t value) {
  switch (field) {
    case kTdt:
      return WriteTail(at, value);
    case kTxDctl:
      return WriteControl(at, value);
    case kDcaTxCtrl:
      dca_txctrl_ = value;
      return;
    case kTdwbal:
      tdwbal_ = value;
      return;
    case kTdwbah:
      tdwbah_ = value;
      return;
    default:
      break;
  }
  // A queue's place and length may only change while it is off.
  if (enabled()) chip_->ReportDescriptorFault(at, base_, field);
  switch (field) {
    case kTdbal:
      base_ = (base_ & ~uint64_t{0xffffffff}) | (value & ~0x7fU);
      break;
    case kTdbah:
      base_ = (base_ & 0xffffffff) | static_cast<uint64_t>(value) << 32;
      break;
    case kTdlen:
      tdlen_ = value & 0xfff80;
      break;
    case kTdh:
      head_ = value & 0xffff;
      break;
    default:
      return;
  }
  if (!enabled()) DropCache();
}

void TxRing::WriteTail(SimTime at, uint32_t value) {
  const uint32_t tail = value & 0xffff;
  // Outside the ring, or backwards over descriptors that the device owns: a driver bug. Ignored.
  if (enabled() && (tail >= entries() || Distance(head_, tail) < Distance(head_, tail_))) {
    chip_->ReportDescriptorFault(at, base_, tail);
    return;
  }
  tail_ = tail;
  MaybeFetch(at);
}

void TxRing::WriteControl(SimTime at, uint32_t value) {
  const bool was_enabled = enabled();
  if ((value & kTxDctlEnable) != 0 && !was_enabled &&
      (entries() == 0 || head_ >= entries() || tail_ >= entries())) {
    chip_->ReportDescriptorFault(at, base_, tdlen_);
    return;
  }
  txdctl_ = value & ~kTxDctlSwFlsh;  // clears itself
  if (enabled() != was_enabled) DropCache();
  MaybeFetch(at);
}

}  // namespace tapedeck::nic
