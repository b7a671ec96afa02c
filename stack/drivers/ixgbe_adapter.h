// The driver's private state: rings and adapter. Shared by the driver's own files only.
#ifndef TAPEDECK_STACK_DRIVERS_IXGBE_ADAPTER_H_
#define TAPEDECK_STACK_DRIVERS_IXGBE_ADAPTER_H_

#include <cstdint>

#include "stack/core/dev.h"
#include "stack/core/net.h"
#include "stack/core/net_device.h"
#include "stack/core/skbuff.h"
#include "stack/drivers/ixgbe.h"
#include "stack/drivers/ixgbe_hw.h"
#include "stack/kernel/bus.h"

namespace tapedeck::ixgbe {

// A receive buffer that the device owns: 2 KiB for frames of the usual size, 4 KiB for larger MTUs.
// In front of the data is headroom for headers, behind it the packet's shared info.
inline constexpr uint32_t kRxBufferBytes = 2048;
inline constexpr uint32_t kRxBufferJumboBytes = 4096;
inline constexpr uint32_t kRxPacketBytes = 2048 - NET_SKB_PAD - kSharedInfoLogicalBytes;
inline constexpr uint32_t kRxPacketJumboBytes = 3072;
// Buffers are given back to the device so many at a time (IXGBE_RX_BUFFER_WRITE).
inline constexpr uint16_t kRxBufferWrite = 16;
// Descriptors that one packet may need: its linear part, its fragments, a context, and one never
// filled.
inline constexpr uint16_t kTxDescsNeeded = MAX_SKB_FRAGS + 4;
inline constexpr uint16_t kTxWakeThreshold = kTxDescsNeeded * 2;

// A packet buffer of Adapter::rx_buffer_bytes.
struct RxBuffer {
  uint8_t* data = nullptr;
  Slab* slab = nullptr;
  dma_addr_t dma = 0;
  PacketBuffer buffer(uint32_t bytes) const { return {data, bytes, slab}; }
};

// One piece of a packet on its way out. The last one of a packet holds the packet.
struct TxBuffer {
  sk_buff* skb = nullptr;
  dma_addr_t dma = 0;
  uint32_t bytes = 0;
  uint16_t packet_end = 0;  // in a packet's first descriptor: the index of its last
  bool first = false;
};

// head == tail means an empty ring. The device owns [next_to_clean, next_to_use) of a receive
// ring's descriptors, and what lies between them on a transmit ring until it has written DD into a
// packet's last.
template <typename Desc, typename Buffer>
struct Ring {
  Desc* desc = nullptr;
  dma_addr_t dma = 0;
  Buffer* buffers = nullptr;
  uint16_t entries = 0;
  uint16_t next_to_use = 0;
  uint16_t next_to_clean = 0;
  uint16_t queue = 0;
  uint64_t packets = 0;
  uint64_t bytes = 0;

  uint16_t Next(uint16_t i) const { return static_cast<uint16_t>(i + 1 == entries ? 0 : i + 1); }
  // Descriptors that may be filled; one always stays free.
  uint16_t unused() const {
    const int free = next_to_clean - next_to_use - 1;
    return static_cast<uint16_t>(free < 0 ? free + entries : free);
  }
  // Descriptors from `from` to `to`, going round.
  uint32_t Distance(uint16_t from, uint16_t to) const {
    return to >= from ? uint32_t{to} - from : uint32_t{to} + entries - from;
  }
  // `count` descriptors from `first` on, going round, and their buffers were written
  // (Arena::Wrote): they are tracked memory.
  void Wrote(Arena& arena, uint16_t first, uint32_t count) const {
    const uint32_t behind = count < entries - uint32_t{first} ? count : entries - uint32_t{first};
    WroteRun(arena, first, behind);
    if (count != behind) WroteRun(arena, 0, count - behind);
  }

 private:
  void WroteRun(Arena& arena, uint32_t first, uint32_t count) const {
    if (count == 0) return;
    arena.Wrote(desc + first, count * sizeof(Desc));
    arena.Wrote(buffers + first, count * sizeof(Buffer));
  }
};

struct RxRing : Ring<RxDesc, RxBuffer> {
  sk_buff* partial = nullptr;  // a frame whose last buffer has not come yet
  bool skipping = false;       // what comes up to the next frame's first buffer is of no use
  uint64_t csum_err = 0;
  uint64_t alloc_failed = 0;
  uint64_t non_eop = 0;
};

struct TxRing : Ring<TxDesc, TxBuffer> {
  uint64_t restart_queue = 0;
  uint64_t tx_busy = 0;
};

struct Adapter {
  net* host_net = nullptr;
  DeviceBus* bus = nullptr;
  net_device* netdev = nullptr;
  int slot = 0;
  IxgbeOptions options;
  bool up = false;
  bool link_up = false;
  int queue_irq = -1;
  int other_irq = -1;
  uint32_t rx_buffer_bytes = kRxBufferBytes;
  uint32_t rx_packet_bytes = kRxPacketBytes;
  uint64_t tx_timeouts = 0;
  uint32_t mta_shadow[128] = {};
  uint32_t rar_used = 1;
  uint32_t rss_key[10] = {};
  // What the device's clear-on-read counters have told so far.
  uint64_t crc_errors = 0;
  uint64_t missed = 0;
  uint64_t no_descriptor = 0;
  uint64_t length_errors = 0;
  uint64_t multicast = 0;
  napi_struct napi;
  RxRing rx;
  TxRing tx;

  uint32_t Read(uint32_t reg) { return bus->readl(slot, 0, reg); }
  void Write(uint32_t reg, uint32_t value) { bus->writel(slot, 0, reg, value); }
};

// The driver's state of `dev`, for those who look at it; nullptr where it is another driver's.
const Adapter* ixgbe_adapter_of(const net_device* dev);

inline constexpr uint32_t kRarEntries = 16;
inline constexpr uint32_t kQueueVector = 0;
inline constexpr uint32_t kOtherVector = 1;

// ixgbe_rx.cc. Gives the device up to `count` fresh buffers; fewer where memory fails.
void ixgbe_alloc_rx_buffers(Adapter& adapter, uint16_t count);
// Receives up to `budget` frames; returns how many.
int ixgbe_clean_rx_irq(Adapter& adapter, int budget);
void ixgbe_clean_rx_ring(Adapter& adapter);

// ixgbe_tx.cc.
netdev_tx_t ixgbe_xmit_frame(sk_buff* skb, net_device* dev);
// Without what a context descriptor cannot describe: headers that are longer than its fields say.
netdev_features_t ixgbe_features_check(sk_buff* skb, net_device* dev, netdev_features_t features);
// Frees what has been sent; true where nothing sent is left behind.
bool ixgbe_clean_tx_irq(Adapter& adapter, int budget);
void ixgbe_clean_tx_ring(Adapter& adapter);

}  // namespace tapedeck::ixgbe

#endif  // TAPEDECK_STACK_DRIVERS_IXGBE_ADAPTER_H_
