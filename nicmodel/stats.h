// What the NIC counts. The model keeps totals that are never cleared; the chip's clear-on-read
// registers (datasheet 8.2.3.23) are views of them: a register shows what was added since it was
// last read.
#ifndef TAPEDECK_NICMODEL_STATS_H_
#define TAPEDECK_NICMODEL_STATS_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tapedeck::nic {

// X(name, what). Octets are with FCS, as the chip counts them. Every frame that ends on the
// receiver's wire is counted in rx_frames and in exactly one of the other rx_ rows down to
// rx_reset, unless it still waits in the packet buffer.
#define TAPEDECK_NIC_COUNTERS(X)                                                     \
  X(rx_frames, "frames whose last bit has arrived")                                  \
  X(rx_frame_octets, "their octets")                                                 \
  X(rx_host_frames, "written to host memory with their descriptors")                 \
  X(rx_disabled, "dropped: receiver or queue off, or link down")                     \
  X(rx_symbol_errors, "dropped: symbol error within the frame")                      \
  X(rx_crc_errors, "dropped: wrong FCS")                                             \
  X(rx_runts, "dropped: shorter than 64 bytes, FCS right")                           \
  X(rx_fragments, "dropped: shorter than 64 bytes, FCS wrong")                       \
  X(rx_oversize, "dropped: longer than allowed, FCS right")                          \
  X(rx_jabber, "dropped: longer than allowed, FCS wrong")                            \
  X(rx_filtered, "dropped: no address or VLAN filter accepts it")                    \
  X(rx_missed, "dropped: packet buffer full")                                        \
  X(rx_no_descriptor, "dropped: no descriptor and DROP_EN set")                      \
  X(rx_dma_faults, "lost: descriptor could not be written")                          \
  X(rx_reset, "lost: in the packet buffer at a reset")                               \
  X(rx_host_octets, "octets of rx_host_frames")                                      \
  X(rx_no_filter_frames, "good frames, before any filter")                           \
  X(rx_no_filter_octets, "their octets")                                             \
  X(rx_good_octets, "octets of frames that passed the filters")                      \
  X(rx_broadcast, "broadcast frames that passed")                                    \
  X(rx_multicast, "multicast frames that passed")                                    \
  X(rx_checksum_errors, "frames to the host with a wrong IPv4, TCP or UDP checksum") \
  X(tx_frames, "frames whose first bit has left")                                    \
  X(tx_octets, "their octets")                                                       \
  X(tx_broadcast, "broadcast frames sent")                                           \
  X(tx_multicast, "multicast frames sent")                                           \
  X(tx_aborted, "frames given up: link down, reset, or descriptors inconsistent")    \
  X(tx_loopback, "frames looped back to the receiver")                               \
  X(tx_segmented_packets, "packets cut up by TSO")                                   \
  X(link_changes, "times the link came up or went down")                             \
  X(unknown_register_reads, "reads of offsets without a register")                   \
  X(unknown_register_writes, "writes to offsets without a register")

inline constexpr int kStatQueues = 16;  // statistics queues: RQSMR and TQSM map real ones to them
inline constexpr int kSizeBins = 6;

struct Counters {
#define X(name, what) uint64_t name = 0;
  TAPEDECK_NIC_COUNTERS(X)
#undef X
  uint64_t rx_size[kSizeBins] = {};  // frames that passed the filters, by SizeBin
  uint64_t tx_size[kSizeBins] = {};

  struct Queue {
    uint64_t rx_frames = 0;
    uint64_t rx_octets = 0;
    uint64_t rx_dropped = 0;
    uint64_t tx_frames = 0;
    uint64_t tx_octets = 0;
  };
  Queue queue[kStatQueues];

  // 64, 65-127, 128-255, 256-511, 512-1023, 1024 and up; octets with FCS.
  static constexpr int SizeBin(uint32_t octets) {
    if (octets <= 64) return 0;
    const int bin = static_cast<int>(std::bit_width(octets)) - 6;
    return bin < kSizeBins ? bin : kSizeBins - 1;
  }
  uint64_t rx_good_frames() const { return Sum(rx_size); }
  uint64_t tx_good_frames() const { return Sum(tx_size); }

  // By the names above. False where there is no such counter.
  bool Get(std::string_view name, uint64_t* value) const;

 private:
  static constexpr uint64_t Sum(const uint64_t (&bins)[kSizeBins]) {
    uint64_t sum = 0;
    for (const uint64_t bin : bins) sum += bin;
    return sum;
  }
};

// The statistics registers over a Counters.
class StatRegisters {
 public:
  explicit StatRegisters(const Counters& counters) : counters_(counters) {}

  // False where `offset` is not a statistics register. Reading clears it; of a 36-bit pair the low
  // half is read first and latches the high half.
  bool Read(uint32_t offset, uint32_t* value);
  // Writes are ignored. True where `offset` is one of ours.
  static bool IsRegister(uint32_t offset);

 private:
  // One view: what had been counted when it was last read, and the high half of an octet pair.
  struct View {
    uint64_t base = 0;
    uint32_t high = 0;
  };
  static constexpr int kScalarsMax = 64;

  static uint32_t ReadCount(View& view, uint64_t total);
  static uint32_t ReadOctets(View& view, uint64_t total, bool high);
  bool ReadQueue(uint32_t offset, uint32_t* value);

  const Counters& counters_;
  View scalar_[kScalarsMax];
  struct QueueViews {
    View rx_frames, rx_octets, rx_dropped, tx_frames, tx_octets;
  };
  QueueViews queue_[kStatQueues];
};

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_STATS_H_
