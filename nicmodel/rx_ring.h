// One receive queue as the device sees it. Software moves the tail (RDT), the device moves the head
// (RDH); when they meet the device has no buffer left. Source: Intel 82599
// datasheet 7.1.9, 8.2.3.8.
//
// Descriptors are fetched ahead in batches into a small cache and used in order. A batch's contents
// are taken when its read is requested. Invariant: head <= fetch <= tail, going round; the device
// never reads at or behind the tail. Left out: header split, legacy descriptors (every queue works
// as with SRRCTL.DESCTYPE = 1), RSC.
#ifndef TAPEDECK_NICMODEL_RX_RING_H_
#define TAPEDECK_NICMODEL_RX_RING_H_

#include <cstdint>

#include "nicmodel/chip.h"
#include "nicmodel/descriptors.h"
#include "nicmodel/registers.h"

namespace tapedeck::nic {

class RxRing {
 public:
  static constexpr uint32_t kCacheMax = 64;

  void Init(Chip* chip, uint32_t queue);
  void Reset();

  bool enabled() const { return (rxdctl_ & kRxDctlEnable) != 0; }
  bool strips_vlan() const { return (rxdctl_ & kRxDctlVme) != 0; }
  bool drops_when_empty() const { return (srrctl_ & kSrrCtlDropEn) != 0; }
  // A buffer's size: SRRCTL.BSIZEPKT KB.
  uint32_t buffer_bytes() const { return buffer_bytes_; }
  uint32_t queue() const { return queue_; }

  // When a descriptor can be used, if one is needed at `at`: then, or when the batch under way
  // lands; Never() where there is none.
  SimTime DescriptorReadyAt(SimTime at) const {
    if (ready_ != 0) return at;
    return landing_ != 0 ? Later(at, landing_at_) : SimTime::Never();
  }
  struct Slot {
    dma_addr_t descriptor;  // where it lies in host memory
    dma_addr_t buffer;
  };
  // Uses the next descriptor at `at`. REQUIRES: DescriptorReadyAt(at) <= at.
  Slot Use(SimTime at) {
    Land(at);
    CHECK_GT(ready_, 0U);
    const Slot slot = {base_ + uint64_t{head_} * kDescriptorBytes, cache_[oldest_]};
    oldest_ = (oldest_ + 1) % kCacheMax;
    --ready_;
    if (++head_ == entries()) head_ = 0;
    MaybeFetch(at);
    return slot;
  }

  // The registers of this queue's block. `field` is an offset within the block.
  uint32_t Read(uint32_t field) const;
  void Write(SimTime at, uint32_t field, uint32_t value);

 private:
  uint32_t entries() const { return rdlen_ / 16; }
  // Descriptors from `from` to `to`, going round.
  uint32_t Distance(uint32_t from, uint32_t to) const {
    return to >= from ? to - from : to + entries() - from;
  }
  void Land(SimTime at) {
    if (landing_ == 0 || landing_at_ > at) return;
    ready_ += landing_;
    landing_ = 0;
  }
  // Starts to fetch a batch where that is due: when half of the cache is empty, which is enough for
  // a batch, and the rest hides the read's latency.
  void MaybeFetch(SimTime at) {
    Land(at);
    if (landing_ == 0 && ready_ <= chip_->config.rx_descriptor_cache / 2 && enabled()) {
      FetchBatch(at);
    }
  }
  [[gnu::noinline]] void FetchBatch(SimTime at);
  void Fetch(SimTime at, uint32_t count);
  void WriteTail(SimTime at, uint32_t value);
  void WriteControl(SimTime at, uint32_t value);
  void DropCache();
  void CheckDisabled(SimTime at, uint32_t field);

  Chip* chip_ = nullptr;
  uint32_t queue_ = 0;
  uint32_t rxdctl_ = 0;
  uint32_t srrctl_ = 0;
  uint32_t buffer_bytes_ = 0;
  uint64_t base_ = 0;
  uint32_t rdlen_ = 0;
  uint32_t head_ = 0;   // RDH: the next descriptor to use
  uint32_t tail_ = 0;   // RDT
  uint32_t fetch_ = 0;  // the next descriptor to fetch

  // The cache: a ring of buffer addresses, ready_ + landing_ of them from oldest_ on.
  uint32_t oldest_ = 0;
  uint32_t ready_ = 0;
  uint32_t landing_ = 0;
  SimTime landing_at_;
  uint32_t dca_rxctrl_ = 0;
  uint32_t rscctl_ = 0;
  dma_addr_t cache_[kCacheMax] = {};
};

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_RX_RING_H_
