// One transmit queue as the device sees it: its registers, its descriptor cache, its two contexts,
// and which finished descriptors software wants to hear of. Source: Intel 82599
// datasheet 7.2.3, 8.2.3.9.
//
// Fetch (TXDCTL): a batch is read when the cache is empty, or holds fewer than PTHRESH while at
// least HTHRESH wait in host memory; never beyond the tail. A batch's contents are taken when its
// read is requested. Write-back: a finished descriptor with RS is written back at once with WTHRESH
// = 0, and otherwise when WTHRESH of them are finished or the EITR counter of the queue's vector
// expires; or its index goes to the head write-back address.
#ifndef TAPEDECK_NICMODEL_TX_RING_H_
#define TAPEDECK_NICMODEL_TX_RING_H_

#include <cstdint>

#include "nicmodel/chip.h"
#include "nicmodel/descriptors.h"
#include "nicmodel/registers.h"

namespace tapedeck::nic {

class TxRing {
 public:
  static constexpr uint32_t kCacheMax = 40;

  void Init(Chip* chip, uint32_t queue);
  void Reset();

  uint32_t queue() const { return queue_; }
  bool enabled() const { return (txdctl_ & kTxDctlEnable) != 0; }
  // Whether software has handed over descriptors that are not used up.
  bool has_work() const { return enabled() && head_ != tail_; }

  // When the next descriptor can be used, if one is wanted at `at`; Never() where there is none.
  SimTime DescriptorReadyAt(SimTime at) const {
    if (ready_ != 0) return at;
    return landing_ != 0 ? Later(at, landing_at_) : SimTime::Never();
  }
  // REQUIRES: DescriptorReadyAt(at) <= at for both.
  const TxDescriptor& Front(SimTime at) {
    if (ready_ == 0) Land(at);
    return cache_[oldest_];
  }
  // Whether a descriptor is here, behind whatever was used up last.
  bool has_ready() const { return ready_ != 0; }
  // The front without its time having come: what the descriptor under way will say.
  const TxDescriptor& Peek() const { return cache_[oldest_]; }
  // Uses the front up; returns its index in the ring. REQUIRES: Front(at) was called.
  uint32_t Consume(SimTime at) {
    CHECK_GT(ready_, 0U);
    const uint32_t index = head_;
    oldest_ = SlotBehind(oldest_, 1);
    --ready_;
    if (++head_ == entries()) head_ = 0;
    MaybeFetch(at);
    return index;
  }

  TxContext& context(uint32_t index) { return context_[index & 1]; }

  // --- Completion. ---
  // Descriptor `index`, which has RS, is finished. Returns how many finished ones are to be written
  // back now.
  uint32_t Finish(uint32_t index);
  // Finished descriptors that wait for WTHRESH.
  uint32_t finished() const { return finished_count_; }
  // Takes the oldest finished descriptor: where a 32-bit word is to be written, and what.
  struct StatusWrite {
    dma_addr_t address;
    uint32_t value;
  };
  StatusWrite TakeFinished();
  bool writes_head() const { return (tdwbal_ & kTdwbalEnable) != 0; }

  // Changes whenever the queue is switched on or off: what was begun before is void.
  uint16_t generation() const { return generation_; }

  // The registers of this queue's block. `field` is an offset within the block.
  uint32_t Read(uint32_t field) const;
  void Write(SimTime at, uint32_t field, uint32_t value);
  dma_addr_t base() const { return base_; }

 private:
  uint32_t entries() const { return tdlen_ / 16; }
  uint32_t prefetch_threshold() const { return txdctl_ & 0x7f; }
  uint32_t host_threshold() const { return txdctl_ >> 8 & 0x7f; }
  uint32_t write_back_threshold() const { return txdctl_ >> 16 & 0x7f; }
  uint32_t Distance(uint32_t from, uint32_t to) const {
    return to >= from ? to - from : to + entries() - from;
  }
  void Land(SimTime at) {
    if (landing_ == 0 || landing_at_ > at) return;
    ready_ += landing_;
    landing_ = 0;
  }
  // Starts to fetch a batch where there is something to fetch and that is due.
  void MaybeFetch(SimTime at) {
    Land(at);
    if (landing_ == 0 && fetch_ != tail_ && enabled()) FetchBatch(at);
  }
  [[gnu::noinline]] void FetchBatch(SimTime at);
  void Fetch(SimTime at, uint32_t count);
  void WriteTail(SimTime at, uint32_t value);
  void WriteControl(SimTime at, uint32_t value);
  void DropCache();
  // The cache's slot `count` < kCacheMax behind `slot`.
  static uint32_t SlotBehind(uint32_t slot, uint32_t count) {
    const uint32_t behind = slot + count;
    return behind < kCacheMax ? behind : behind - kCacheMax;
  }

  Chip* chip_ = nullptr;
  uint32_t queue_ = 0;
  uint16_t generation_ = 0;
  uint32_t txdctl_ = 0;
  uint64_t base_ = 0;
  uint32_t tdlen_ = 0;
  uint32_t head_ = 0;   // TDH: the next descriptor to use
  uint32_t tail_ = 0;   // TDT
  uint32_t fetch_ = 0;  // the next descriptor to fetch
  uint32_t tdwbal_ = 0;
  uint32_t tdwbah_ = 0;
  uint32_t dca_txctrl_ = 0;
  TxContext context_[2];

  // The cache: a ring, ready_ + landing_ descriptors from oldest_ on.
  uint32_t oldest_ = 0;
  uint32_t ready_ = 0;
  uint32_t landing_ = 0;
  SimTime landing_at_;
  TxDescriptor cache_[kCacheMax];

  // Indices of finished descriptors with RS, oldest first.
  uint32_t finished_first_ = 0;
  uint32_t finished_count_ = 0;
  uint16_t finished_[kCacheMax] = {};
};

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_TX_RING_H_
