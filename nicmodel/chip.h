// What the units of one NIC share.
#ifndef TAPEDECK_NICMODEL_CHIP_H_
#define TAPEDECK_NICMODEL_CHIP_H_

#include "nicmodel/config.h"
#include "nicmodel/fault.h"
#include "nicmodel/interrupt.h"
#include "nicmodel/pcie_link.h"
#include "nicmodel/stats.h"
#include "stack/base/drop_reason.h"
#include "stack/base/trace_event.h"
#include "stack/kernel/bus.h"
#include "stack/kernel/dma_listener.h"
#include "stack/kernel/world.h"

namespace tapedeck::nic {

struct Chip {
  Chip(DeviceBus& bus_in, const NicConfig& config_in, Duration eitr_unit)
      : world(bus_in.world()),
        bus(bus_in),
        config(config_in),
        pcie(config_in.pcie_bits_per_second, config_in.max_payload_bytes,
             config_in.outstanding_reads, bus_in.timing().dma_read, bus_in.timing().dma_write),
        irq(world.arena(), config_in.vectors, eitr_unit) {}
  Chip(const Chip&) = delete;
  Chip& operator=(const Chip&) = delete;

  void TraceFrame(TraceKind kind, SimTime time, uint32_t frame_id, SimTime first_bit, uint8_t flags,
                  std::span<const uint8_t> bytes) {
    if (!world.tracing()) return;
    world.Trace({.time = time,
                 .kind = kind,
                 .host = config.host,
                 .args = {frame_id, bytes.size(), first_bit.ps, flags},
                 .bytes = bytes});
  }
  void TraceDrop(SimTime time, uint32_t frame_id, DropReason reason, size_t bytes) {
    if (!world.tracing()) return;
    world.Trace({.time = time,
                 .kind = TraceKind::kNicDrop,
                 .host = config.host,
                 .args = {frame_id, static_cast<uint64_t>(reason), bytes}});
  }
  void TellDma(DmaKind kind, SimTime from, SimTime to, uint32_t queue, uint32_t frame_id,
               uint32_t bytes) {
    if (dma_listener == nullptr) [[likely]]
      return;
    dma_listener->OnDma(
        {from, to, kind, config.host, static_cast<uint16_t>(queue), frame_id, bytes});
  }
  void ReportDescriptorFault(SimTime at, dma_addr_t addr, uint32_t bytes) {
    bus.ReportFault(slot, at, DmaFault::kDescriptor, addr, bytes);
  }

  World& world;
  DeviceBus& bus;
  const NicConfig config;
  int slot = -1;
  PcieLink pcie;
  InterruptUnit irq;
  Counters counters;
  // Faults that were planted, and what they have put off.
  FaultPlan faults;
  LateActs late;
  DmaListener* dma_listener = nullptr;  // who draws what the DMA engine does; usually nobody
  // The statistics queue of each real queue (RQSMR, TQSM).
  uint8_t rx_stat_queue[128] = {};
  uint8_t tx_stat_queue[128] = {};
};

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_CHIP_H_
