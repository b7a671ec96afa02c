#include "stack/kernel/bus.h"

#include <algorithm>
#include <cstring>

#include "stack/kernel/kernel.h"

namespace tapedeck {

namespace {

// A fault that concerns no mapping, and so no device.
constexpr int kNoDevice = DeviceBus::kDevicesMax;

}  // namespace

const char* DmaFaultName(DmaFault fault) {
  switch (fault) {
    case DmaFault::kNotMapped:
      return "not mapped";
    case DmaFault::kBeyondMapping:
      return "beyond mapping";
    case DmaFault::kWrongDirection:
      return "wrong direction";
    case DmaFault::kOwnedByCpu:
      return "owned by the CPU";
    case DmaFault::kDoubleUnmap:
      return "unmapped twice";
    case DmaFault::kDescriptor:
      return "inconsistent descriptor";
  }
  CheckFailed(__FILE__, __LINE__, "a member of DmaFault");
}

DeviceBus::DeviceBus(World& world, Kernel& kernel, const BusTiming& timing)
    : world_(world), kernel_(kernel), arena_(world.arena()), timing_(timing) {}

int DeviceBus::Attach(PciDevice* device) {
  CHECK_LT(device_count_, kDevicesMax);
  devices_[device_count_] = device;
  return device_count_++;
}

void DeviceBus::SyncDevices() {
  const SimTime now = kernel_.now();
  world_.BringDevicesTo(now);
  for (int slot = 0; slot < device_count_; ++slot) devices_[slot]->AdvanceTo(now);
}

void DeviceBus::SyncDevice(int slot) {
  const SimTime now = kernel_.now();
  world_.BringDevicesTo(now);
  devices_[slot]->AdvanceTo(now);
}

uint32_t DeviceBus::readl(int slot, int bar, uint32_t offset) {
  Cpu& cpu = kernel_.this_cpu();
  const Duration there = {timing_.mmio_read.ps / 2};
  // A non-posted read pushes earlier posted writes ahead of it (PCIe ordering).
  const SimTime at = Later(kernel_.now() + there, last_write_[slot]);
  world_.BringDevicesTo(at);
  devices_[slot]->AdvanceTo(at);
  const uint32_t value = devices_[slot]->MmioRead32(at, bar, offset);
  cpu.Stall(at + (timing_.mmio_read - there) - cpu.now());
  return value;
}

void DeviceBus::writel(int slot, int bar, uint32_t offset, uint32_t value) {
  Cpu& cpu = kernel_.this_cpu();
  cpu.Charge(CostPoint::k_mmio_write);
  const SimTime now = kernel_.now();
  world_.BringDevicesTo(now);
  const SimTime at = Later(now + timing_.mmio_write, last_write_[slot]);
  last_write_[slot] = at;
  devices_[slot]->MmioWrite32(at, bar, offset, value);
}

uint32_t DeviceBus::ReadConfig(int slot, uint32_t offset, int bytes) {
  return devices_[slot]->ConfigRead(offset, bytes);
}

void DeviceBus::WriteConfig(int slot, uint32_t offset, int bytes, uint32_t value) {
  devices_[slot]->ConfigWrite(offset, bytes, value);
}

void DeviceBus::GrowMappings() {
  const uint32_t chunks = mapping_room_ / kPerChunk;
  if (chunks == chunks_max_) {
    chunks_max_ = chunks_max_ == 0 ? kFirstChunks : chunks_max_ * 2;
    CHECK_LE(uint64_t{chunks_max_} * kPerChunk, uint64_t{1} << kIndexBits);
    Mapping** const larger = arena_.NewArray<Mapping*>(chunks_max_);
    std::copy(chunks_, chunks_ + chunks, larger);
    chunks_ = larger;
  }
  constexpr size_t kChunkBytes = kPerChunk * sizeof(Mapping);
  static_assert(kChunkBytes % Arena::kTrackBytes == 0);
  void* const chunk = arena_.Allocate(kChunkBytes, Arena::kTrackBytes);
  arena_.Track(chunk, kChunkBytes);
  chunks_[chunks] = new (chunk) Mapping[kPerChunk];
  mapping_room_ += kPerChunk;
}

bool DeviceBus::Unmap(int slot, dma_addr_t addr, uint32_t bytes, DmaDirection direction,
                      bool coherent, uint32_t read_bytes, uint32_t* frame_id) {
  const uint32_t index = IndexOf(addr);
  const uint32_t tenant = TenantOf(addr, slot, direction, coherent);
  if (index >= mapping_count_ || OffsetOf(addr) != 0 || bytes == 0) [[unlikely]]
    return ReportUnmap(slot, addr, bytes, direction, coherent);
  Mapping* const mapping = At(index);
  if (mapping->tenant != tenant || mapping->bytes != bytes) [[unlikely]]
    return ReportUnmap(slot, addr, bytes, direction, coherent);
  if (!coherent && read_bytes > mapping->written_bytes) [[unlikely]]
    ClearUnwritten(mapping, std::min(read_bytes, bytes));
  *frame_id = mapping->frame_id;
  Changing(mapping)->memory = nullptr;
  mapping->bytes = 0;
  mapping->allowed = 0;
  // Generation 0 is never used, so bus address 0 is never valid.
  const uint32_t next = tenant + (1 << 16);
  mapping->tenant = next >> 16 == 0 ? kFirstTenant : next;
  mapping->next_free = free_head_;
  free_head_ = index;
  --live_mappings_;
  return true;
}

bool DeviceBus::ReportUnmap(int slot, dma_addr_t addr, uint32_t bytes, DmaDirection direction,
                            bool coherent) {
  const Mapping* const mapping = Find(addr);
  const bool other_direction = mapping != nullptr && OffsetOf(addr) == 0 &&
                               mapping->slot() == slot && mapping->bytes == bytes &&
                               mapping->coherent() == coherent && mapping->direction() != direction;
  const DmaFault fault = other_direction ? DmaFault::kWrongDirection : DmaFault::kDoubleUnmap;
  ReportFault(slot, kernel_.now(), fault, addr, bytes);
  return false;
}

// Once a packet: in one piece.
[[gnu::flatten]] uint32_t DeviceBus::dma_unmap_single(int slot, dma_addr_t addr, uint32_t bytes,
                                                      DmaDirection direction, uint32_t read_bytes) {
  SyncDevice(slot);
  uint32_t frame_id = 0;
  Unmap(slot, addr, bytes, direction, /*coherent=*/false, read_bytes, &frame_id);
  return frame_id;
}

void DeviceBus::ClearUnwritten(const Mapping* mapping, uint32_t end) {
  uint8_t* const unwritten = mapping->memory + mapping->written_bytes;
  const uint32_t bytes = end - mapping->written_bytes;
  arena_.Touch(unwritten, bytes);
  std::memset(unwritten, 0, bytes);
}

void* DeviceBus::dma_alloc_coherent(int slot, uint32_t bytes, dma_addr_t* addr) {
  CHECK(bytes > 0 && bytes <= kMappingBytesMax);
  const PacketBuffer buffer = world_.packets().Alloc(bytes);
  CHECK(buffer.data != nullptr);
  std::memset(buffer.data, 0, bytes);
  *addr = Map(slot, buffer.data, bytes, DmaDirection::kBidirectional, /*coherent=*/true);
  Changing(Find(*addr))->coherent_slab = buffer.slab;
  return buffer.data;
}

void DeviceBus::dma_free_coherent(int slot, uint32_t bytes, void* memory, dma_addr_t addr) {
  SyncDevice(slot);
  const Mapping* const mapping = Find(addr);
  Slab* const slab = mapping == nullptr ? nullptr : mapping->coherent_slab;
  uint32_t frame_id = 0;
  if (!Unmap(slot, addr, bytes, DmaDirection::kBidirectional, /*coherent=*/true, 0, &frame_id))
    return;
  world_.packets().Free({static_cast<uint8_t*>(memory), bytes, slab});
}

// The device first does what it does before the hand-over, under the old owner.
void DeviceBus::SetOwner(dma_addr_t addr, uint32_t bytes, bool cpu_owns) {
  Mapping* const mapping = Find(addr);
  if (mapping == nullptr) {
    return ReportFault(kNoDevice, kernel_.now(), DmaFault::kNotMapped, addr, bytes);
  }
  SyncDevice(mapping->slot());
  if (mapping->coherent()) return;
  Changing(mapping)->allowed = cpu_owns ? 0 : AllowedBy(mapping->direction());
}

void DeviceBus::dma_sync_single_for_cpu(dma_addr_t addr, uint32_t bytes, DmaDirection) {
  SetOwner(addr, bytes, /*cpu_owns=*/true);
}

void DeviceBus::dma_sync_single_for_device(dma_addr_t addr, uint32_t bytes, DmaDirection) {
  SetOwner(addr, bytes, /*cpu_owns=*/false);
}

void DeviceBus::SetFrameId(dma_addr_t addr, uint32_t frame_id) {
  if (Mapping* const mapping = Find(addr)) Changing(mapping)->frame_id = frame_id;
}

uint32_t DeviceBus::FrameId(dma_addr_t addr) const {
  const Mapping* const mapping = Find(addr);
  return mapping == nullptr ? 0 : mapping->frame_id;
}

void DeviceBus::ReportAccess(int slot, SimTime at, dma_addr_t addr, uint32_t bytes, uint8_t use) {
  const Mapping* const mapping = Find(addr);
  DmaFault fault = DmaFault::kNotMapped;
  if (mapping != nullptr && mapping->slot() == slot) {
    if (uint64_t{OffsetOf(addr)} + bytes > mapping->bytes) {
      fault = DmaFault::kBeyondMapping;
    } else if ((AllowedBy(mapping->direction()) & use) == 0) {
      fault = DmaFault::kWrongDirection;
    } else {
      fault = DmaFault::kOwnedByCpu;
    }
  }
  ReportFault(slot, at, fault, addr, bytes);
}

void DeviceBus::ReportFault(int slot, SimTime at, DmaFault fault, dma_addr_t addr, uint32_t bytes) {
  ++faults_;
  world_.Trace({.time = at,
                .kind = TraceKind::kDeviceFault,
                .host = static_cast<uint8_t>(kernel_.host()),
                .args = {static_cast<uint64_t>(slot), static_cast<uint64_t>(fault), addr, bytes}});
}

void DeviceBus::SendMsix(int slot, SimTime at, int vector) {
  kernel_.DeliverMsix(slot, vector, at + timing_.msix);
}

}  // namespace tapedeck
