// One direction of a PCIe link: TLPs follow each other at the link's rate, first come, first
// served. And the read tags that bound how many requests are under way.
#ifndef TAPEDECK_NICMODEL_PCIE_LINK_H_
#define TAPEDECK_NICMODEL_PCIE_LINK_H_

#include <bit>
#include <cstdint>

#include "stack/base/check.h"
#include "stack/base/time.h"

namespace tapedeck::nic {

// Bytes of TLPs with 64-bit addresses and no ECRC (PCIe 2.0 chapter 2: 2 framing, 6 data link
// layer, 16 or 12 header).
inline constexpr uint32_t kMemoryRequestBytes = 24;
inline constexpr uint32_t kCompletionBytes = 20;
inline constexpr uint32_t kMsixMessageBytes = kMemoryRequestBytes + 4;

class PcieLane {
 public:
  // The rate is rounded once, to 2^-24 ps a byte; from then on nothing is lost. REQUIRES: at least
  // 1 Mb/s.
  PcieLane(uint64_t bits_per_second, uint32_t max_payload_bytes)
      : byte_time_(static_cast<uint64_t>(
            ((static_cast<uint128>(8'000'000'000'000) << kFractionBits) + bits_per_second / 2) /
            bits_per_second)),
        payload_shift_(std::countr_zero(max_payload_bytes)) {
    CHECK(std::has_single_bit(max_payload_bytes));
  }

  // Puts `bytes` of TLPs on the link as soon as it is free at or after `ready`; returns when the
  // last has left. Calls come in order of `ready`.
  SimTime Send(SimTime ready, uint32_t bytes) {
    if (ready.ps > free_ps_) {
      free_ps_ = ready.ps;
      free_fraction_ = 0;
    }
    const uint64_t end = free_fraction_ + bytes * byte_time_;
    free_ps_ += end >> kFractionBits;
    free_fraction_ = end & ((uint64_t{1} << kFractionBits) - 1);
    sent_bytes_ += bytes;
    return SimTime{free_ps_ + (free_fraction_ != 0 ? 1 : 0)};
  }
  // When a TLP that is ready at `ready` would begin.
  SimTime StartOf(SimTime ready) const { return Later(ready, SimTime{free_ps_}); }
  // The time of `bytes` on an idle link, rounded up.
  Duration TimeOf(uint32_t bytes) const {
    return Duration{(bytes * byte_time_ + ((uint64_t{1} << kFractionBits) - 1)) >> kFractionBits};
  }

  // TLP bytes of a write, or of the completions of a read, of `bytes` > 0.
  uint32_t WriteBytes(uint32_t bytes) const { return bytes + Packets(bytes) * kMemoryRequestBytes; }
  uint32_t CompletionBytes(uint32_t bytes) const {
    return bytes + Packets(bytes) * kCompletionBytes;
  }

  uint64_t sent_bytes() const { return sent_bytes_; }

 private:
  static constexpr int kFractionBits = 24;

  // Packets of at most MPS bytes.
  uint32_t Packets(uint32_t bytes) const {
    return (bytes + (1U << payload_shift_) - 1) >> payload_shift_;
  }

  uint64_t byte_time_;  // in 2^-24 ps
  int payload_shift_;
  uint64_t free_ps_ = 0;
  uint64_t free_fraction_ = 0;
  uint64_t sent_bytes_ = 0;
};

// Both directions and the tags: what a device's DMA engine sees of the bus.
class PcieLink {
 public:
  static constexpr uint32_t kTagsMax = 64;

  // `read_latency` is the round trip of a 64-byte read on an idle link, `write_latency` that of a
  // write until it is visible. REQUIRES: 1 <= tags <= kTagsMax.
  PcieLink(uint64_t bits_per_second, uint32_t max_payload_bytes, uint32_t tags,
           Duration read_latency, Duration write_latency)
      : up_(bits_per_second, max_payload_bytes),
        down_(bits_per_second, max_payload_bytes),
        tags_(tags),
        read_latency_(read_latency - down_.TimeOf(down_.CompletionBytes(64))),
        write_latency_(write_latency) {
    CHECK(tags >= 1 && tags <= kTagsMax);
  }

  // A posted write handed over at `at`: when its last byte has left the device. It is visible
  // write_latency() later.
  SimTime Write(SimTime at, uint32_t bytes) { return up_.Send(at, up_.WriteBytes(bytes)); }
  // Two writes, one behind the other.
  SimTime WriteTwo(SimTime at, uint32_t bytes, uint32_t more_bytes) {
    return up_.Send(at, up_.WriteBytes(bytes) + up_.WriteBytes(more_bytes));
  }
  SimTime WriteMessage(SimTime at) { return up_.Send(at, kMsixMessageBytes); }
  Duration write_latency() const { return write_latency_; }

  // When the next read may be requested: a tag is free.
  SimTime NextReadAt() const { return tag_free_[next_tag_]; }
  // A read of `bytes` requested at `at`; returns when its last byte has arrived. REQUIRES:
  // NextReadAt() <= at.
  SimTime Read(SimTime at, uint32_t bytes) {
    const SimTime done = ReadDescriptors(at, bytes);
    tag_free_[next_tag_] = done;
    next_tag_ = next_tag_ + 1 == tags_ ? 0 : next_tag_ + 1;
    return done;
  }

  // A read of descriptors. They have tags of their own and never wait for data reads.
  SimTime ReadDescriptors(SimTime at, uint32_t bytes) {
    const SimTime start = up_.StartOf(at);
    up_.Send(at, kMemoryRequestBytes);
    return down_.Send(start + read_latency_, down_.CompletionBytes(bytes));
  }

  uint64_t up_bytes() const { return up_.sent_bytes(); }
  uint64_t down_bytes() const { return down_.sent_bytes(); }

 private:
  PcieLane up_;
  PcieLane down_;
  uint32_t tags_;
  uint32_t next_tag_ = 0;
  Duration read_latency_;
  Duration write_latency_;
  SimTime tag_free_[kTagsMax] = {};
};

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_PCIE_LINK_H_
