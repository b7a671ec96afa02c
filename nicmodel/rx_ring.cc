#include "nicmodel/rx_ring.h"

#include <algorithm>
#include <optional>

namespace tapedeck::nic {

namespace {

constexpr uint32_t kSrrCtlReset = 2;  // 2 KB buffers (datasheet 8.2.3.8.7)

}  // namespace

void RxRing::Init(Chip* chip, uint32_t queue) {
  chip_ = chip;
  queue_ = queue;
  CHECK(chip->config.rx_descriptor_cache >= 1 && chip->config.rx_descriptor_cache <= kCacheMax);
  Reset();
}

void RxRing::Reset() {
  rxdctl_ = 0;
  srrctl_ = kSrrCtlReset;
  buffer_bytes_ = 2048;
  base_ = 0;
  rdlen_ = head_ = tail_ = 0;
  dca_rxctrl_ = rscctl_ = 0;
  DropCache();
}

// Forgets what was fetched; head_ stays at the next descriptor to use.
void RxRing::DropCache() {
  fetch_ = head_;
  oldest_ = ready_ = landing_ = 0;
}

void RxRing::FetchBatch(SimTime at) {
  const uint32_t free_slots = chip_->config.rx_descriptor_cache - ready_;
  const uint32_t count = std::min({Distance(fetch_, tail_), chip_->config.rx_fetch_descriptors,
                                   free_slots, entries() - fetch_});
  if (count != 0) Fetch(at, count);
}

void RxRing::Fetch(SimTime at, uint32_t count) {
  const uint32_t bytes = count * kDescriptorBytes;
  const dma_addr_t from = base_ + uint64_t{fetch_} * kDescriptorBytes;
  landing_at_ = chip_->pcie.ReadDescriptors(at, bytes);
  landing_ = count;
  const uint8_t* const memory = chip_->bus.DeviceRead(chip_->slot, at, from, bytes);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t slot = (oldest_ + ready_ + i) % kCacheMax;
    // A stray read returns all ones.
    cache_[slot] =
        memory == nullptr ? ~dma_addr_t{0} : LoadLe64(memory + size_t{i} * kDescriptorBytes);
    if (chip_->faults.empty()) continue;
    const std::optional<Fault> fault = chip_->faults.Happens(FaultPoint::kRxFetch);
    if (!fault.has_value()) continue;
    if (fault->kind == FaultKind::kLose) cache_[slot] = ~dma_addr_t{0};
    if (fault->kind == FaultKind::kDelay) landing_at_ = landing_at_ + fault->delay;
    // With one buffer a descriptor the device looks at the first two words only.
    const uint32_t word = fault->word % kDescriptorWords;
    if (fault->kind == FaultKind::kChange && word < 2) {
      cache_[slot] ^= uint64_t{fault->flip} << 32 * word;
    }
  }
  chip_->TellDma(DmaKind::kRxFetch, at, landing_at_, queue_, 0, bytes);
  fetch_ += count;
  if (fetch_ == entries()) fetch_ = 0;
}

uint32_t RxRing::Read(uint32_t field) const {
  switch (field) {
    case kRdbal:
      return static_cast<uint32_t>(base_);
    case kRdbah:
      return static_cast<uint32_t>(base_ >> 32);
    case kRdlen:
      return rdlen_;
    case kDcaRxCtrl:
      return dca_rxctrl_;
    case kRdh:
      return head_;
    case kSrrCtl:
      return srrctl_;
    case kRdt:
      return tail_;
    case kRxDctl:
      return rxdctl_;
    case kRscCtl:
      return rscctl_;
    default:
      return 0;
  }
}

void RxRing::Write(SimTime at, uint32_t field, uint32_t value) {
  switch (field) {
    case kRdt:
      return WriteTail(at, value);
    case kRxDctl:
      return WriteControl(at, value);
    case kSrrCtl:
      srrctl_ = value;
      // 0 means nothing the datasheet allows; a buffer of 1 KB keeps the device going.
      buffer_bytes_ = std::max(value & 0x1f, 1U) * 1024;
      return;
    case kDcaRxCtrl:
      dca_rxctrl_ = value;
      return;
    case kRscCtl:
      rscctl_ = value;
      return;
    default:
      break;
  }
  CheckDisabled(at, field);
  switch (field) {
    case kRdbal:
      base_ = (base_ & ~uint64_t{0xffffffff}) | (value & ~0x7fU);
      break;
    case kRdbah:
      base_ = (base_ & 0xffffffff) | static_cast<uint64_t>(value) << 32;
      break;
    case kRdlen:
      rdlen_ = value & 0xfff80;
      break;
    case kRdh:
      head_ = value & 0xffff;
      break;
    default:
      return;
  }
  if (!enabled()) DropCache();
}

// A queue's place and length may only change while it is off.
void RxRing::CheckDisabled(SimTime at, uint32_t field) {
  if (enabled()) chip_->ReportDescriptorFault(at, base_, field);
}

void RxRing::WriteTail(SimTime at, uint32_t value) {
  const uint32_t tail = value & 0xffff;
  // While the queue is off its length may yet be written.
  if (enabled()) {
    // Outside the ring, or backwards over descriptors that the device owns: a driver bug. Ignored.
    if (tail >= entries() || Distance(head_, tail) < Distance(head_, tail_)) {
      chip_->ReportDescriptorFault(at, base_, tail);
      return;
    }
  }
  tail_ = tail;
  MaybeFetch(at);
}

void RxRing::WriteControl(SimTime at, uint32_t value) {
  const bool was_enabled = enabled();
  if ((value & kRxDctlEnable) != 0 && !was_enabled) {
    if (entries() == 0 || head_ >= entries() || tail_ >= entries()) {
      chip_->ReportDescriptorFault(at, base_, rdlen_);
      return;
    }
    rxdctl_ = value;
    DropCache();
    MaybeFetch(at);
    return;
  }
  rxdctl_ = value;
  if (was_enabled && !enabled()) DropCache();
}

}  // namespace tapedeck::nic
