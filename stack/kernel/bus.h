// The device bus: the only way between a host's drivers and its devices. A driver reads and writes
// registers (MMIO), maps memory for DMA and gets interrupt messages; a device sees register
// accesses and bus addresses, never host pointers.
//
// Time: a posted write costs the CPU a few cycles and takes effect at the device `mmio_write`
// later, in order; a read stalls the CPU for `mmio_read` and samples the register in the middle of
// it, behind all earlier writes. Before either, wires and devices are brought up to the CPU's local
// time.
//
// DMA map: a device can only touch what is mapped, in the mapped direction, while the device owns
// it. Anything else is a reported driver bug (TraceKind::kDeviceFault, DmaFaults), reads as all
// ones, and never crashes. Bus addresses are made of a mapping's slot and generation, so a stale
// address is recognised after its slot has a new tenant.
#ifndef TAPEDECK_STACK_KERNEL_BUS_H_
#define TAPEDECK_STACK_KERNEL_BUS_H_

#include <cstdint>
#include <span>

#include "stack/base/check.h"
#include "stack/base/time.h"
#include "stack/kernel/event_queue.h"
#include "stack/kernel/slab.h"

namespace tapedeck {

class Cpu;
class Kernel;
class World;

using dma_addr_t = uint64_t;

enum class DmaDirection : uint8_t { kBidirectional, kToDevice, kFromDevice };

// What a driver or a device did wrong. Names are stable: oracles and reports print them.
enum class DmaFault : uint8_t {
  kNotMapped,       // no mapping there, or one that has been unmapped
  kBeyondMapping,   // starts inside a mapping and runs past its end
  kWrongDirection,  // a write to a kToDevice mapping, or a read from a kFromDevice one
  kOwnedByCpu,      // between dma_sync_single_for_cpu and _for_device
  kDoubleUnmap,     // a driver unmaps what is not mapped so: wrong address, size, device or kind.
                    // Nothing is unmapped
  kDescriptor,      // a device found its descriptors inconsistent (tail outside the ring, ...)
};
const char* DmaFaultName(DmaFault fault);

// Latencies of the PCIe path, all parameters. Defaults have their sources beside them.
struct BusTiming {
  Duration mmio_read =
      Duration::Nanoseconds(800);  // e1000 708-875 ns (mmdio_test), 787-796 ns (pcie-lat)
  Duration mmio_write = Duration::Nanoseconds(250);  // guess: half a DMA read round trip
  Duration dma_read =
      Duration::Nanoseconds(547);  // 64 B round trip, Neugebauer et al., SIGCOMM 2018
  Duration dma_write =
      Duration::Nanoseconds(250);  // guess: half a read; a posted write cannot be measured
  Duration msix = Duration::Nanoseconds(250);  // guess: as a posted write
};

// The device's side of the bus. Objects live in the arena; callbacks never run CPU code.
class PciDevice {
 public:
  virtual ~PciDevice() = default;

  // A register read that reaches the device at `at`. 32-bit registers; `offset` is a multiple of 4.
  virtual uint32_t MmioRead32(SimTime at, int bar, uint32_t offset) = 0;
  // A register write that takes effect at `at`; calls come in order of `at`, possibly before the
  // device has reached it.
  virtual void MmioWrite32(SimTime at, int bar, uint32_t offset, uint32_t value) = 0;
  // PCI configuration space, `bytes` = 1, 2 or 4.
  virtual uint32_t ConfigRead(uint32_t offset, int bytes) = 0;
  virtual void ConfigWrite(uint32_t offset, int bytes, uint32_t value) = 0;
  // Does all that the device does by itself until `time` inclusive: after it, host memory is as a
  // CPU sees it at `time`. Devices act lazily: only what others can see (an interrupt message, a
  // frame on the wire) needs an event.
  virtual void AdvanceTo(SimTime time) = 0;
};

// One host's bus, with up to kDevicesMax devices and their interrupt vectors.
class DeviceBus {
 public:
  static constexpr int kDevicesMax = 8;

  DeviceBus(World& world, Kernel& kernel, const BusTiming& timing);
  DeviceBus(const DeviceBus&) = delete;
  DeviceBus& operator=(const DeviceBus&) = delete;

  World& world() { return world_; }
  const BusTiming& timing() const { return timing_; }

  // Plugs a device in; the returned slot names it below.
  int Attach(PciDevice* device);
  int devices() const { return device_count_; }
  PciDevice* device(int slot) { return devices_[slot]; }

  // --- The driver's side. Time passes on the CPU that runs. ---

  uint32_t readl(int slot, int bar, uint32_t offset);
  void writel(int slot, int bar, uint32_t offset, uint32_t value);
  uint32_t ReadConfig(int slot, uint32_t offset, int bytes);
  void WriteConfig(int slot, uint32_t offset, int bytes, uint32_t value);

  // Lets the devices act up to the CPU's local time. A driver calls it before it looks at memory
  // that a device writes (descriptors); dma_unmap_single and the dma_sync calls do it for their
  // device themselves.
  void SyncDevices();

  // Maps [memory, memory + bytes) for the device; the device owns it from now on. Only buffers of
  // the packet pool. With `frame_id` it holds that frame (see SetFrameId). REQUIRES: 0 < bytes <=
  // 128 KiB.
  dma_addr_t dma_map_single(int slot, void* memory, uint32_t bytes, DmaDirection direction,
                            uint32_t frame_id = 0) {
    return Map(slot, memory, bytes, direction, /*coherent=*/false, frame_id);
  }
  // Returns FrameId(addr) as it was last. The driver reads the first `read_bytes` next: what the
  // device has not written of them is zeros, whatever an earlier tenant of the memory left there.
  uint32_t dma_unmap_single(int slot, dma_addr_t addr, uint32_t bytes, DmaDirection direction,
                            uint32_t read_bytes = 0);
  // Memory that driver and device share (rings): both may touch it at any time. Lives until
  // dma_free_coherent.
  void* dma_alloc_coherent(int slot, uint32_t bytes, dma_addr_t* addr);
  void dma_free_coherent(int slot, uint32_t bytes, void* memory, dma_addr_t addr);
  // Ownership of a mapped buffer goes to the CPU / back to the device. Coherent memory stays with
  // both.
  void dma_sync_single_for_cpu(dma_addr_t addr, uint32_t bytes, DmaDirection direction);
  void dma_sync_single_for_device(dma_addr_t addr, uint32_t bytes, DmaDirection direction);

  // Which frame a buffer holds (World::NewFrameId), so that a trace can follow a packet through
  // DMA. Set by the side that filled the buffer, read by the other; it decides nothing. 0 where
  // unknown or unmapped.
  void SetFrameId(dma_addr_t addr, uint32_t frame_id);
  uint32_t FrameId(dma_addr_t addr) const;

  // --- The device's side. ---

  // Host memory behind [addr, addr + bytes) for a device that is about to read / write it, or
  // nullptr after reporting the fault at time `at`. The pointer is good for this access only.
  const uint8_t* DeviceRead(int slot, SimTime at, dma_addr_t addr, uint32_t bytes) {
    const Mapping* const mapping = Access(slot, at, addr, bytes, kMayRead);
    return mapping == nullptr ? nullptr : mapping->memory + OffsetOf(addr);
  }
  // And *frame_id is FrameId(addr), which is 0 from then on: a buffer that a device reads once more
  // (its tail was set back) becomes another frame.
  const uint8_t* DeviceRead(int slot, SimTime at, dma_addr_t addr, uint32_t bytes,
                            uint32_t* frame_id) {
    Mapping* const mapping = Access(slot, at, addr, bytes, kMayRead);
    if (mapping == nullptr) [[unlikely]] {
      *frame_id = FrameId(addr);
      SetFrameId(addr, 0);
      return nullptr;
    }
    *frame_id = mapping->frame_id;
    if (mapping->frame_id != 0) Changing(mapping)->frame_id = 0;
    return mapping->memory + OffsetOf(addr);
  }
  // With `frame_id` the buffer holds that frame from now on (see SetFrameId).
  [[gnu::always_inline]] uint8_t* DeviceWrite(int slot, SimTime at, dma_addr_t addr, uint32_t bytes,
                                              uint32_t frame_id = 0) {
    Mapping* const mapping = Access(slot, at, addr, bytes, kMayWrite);
    if (mapping == nullptr) return nullptr;
    if (frame_id != 0) Changing(mapping)->frame_id = frame_id;
    uint8_t* const target = mapping->memory + OffsetOf(addr);
    if (bytes == 0) return target;
    if (mapping->coherent()) {
      arena_.Wrote(target, bytes);
    } else {
      arena_.Touch(target, bytes);
      NoteWritten(mapping, OffsetOf(addr), bytes);
    }
    return target;
  }
  // A fault that the device itself has found.
  [[gnu::noinline]] void ReportFault(int slot, SimTime at, DmaFault fault, dma_addr_t addr,
                                     uint32_t bytes);

  // An MSI-X message for `vector` of the device leaves at `at`; its handler runs on the CPU that
  // the vector is bound to.
  void SendMsix(int slot, SimTime at, int vector);

  // --- Ledgers. ---
  uint32_t live_mappings() const { return live_mappings_; }
  uint64_t faults() const { return faults_; }

 private:
  // What a device may do with a mapping; nothing while the CPU owns it.
  static constexpr uint8_t kMayRead = 1;
  static constexpr uint8_t kMayWrite = 2;
  // A mapping's generation, 1 to 65535, device, kind and direction as one number to compare:
  // generation << 16 | slot << 8 | kCoherent | direction.
  static constexpr uint32_t kFirstTenant = 1 << 16;
  static constexpr uint32_t kCoherent = 4;
  static constexpr uint32_t TenantOf(dma_addr_t addr, int slot, DmaDirection direction,
                                     bool coherent) {
    return static_cast<uint32_t>(addr >> 48) << 16 | static_cast<uint32_t>(slot) << 8 |
           (coherent ? kCoherent : 0) | static_cast<uint32_t>(direction);
  }
  struct Mapping {
    uint8_t* memory = nullptr;  // nullptr: free
    union {
      Slab* coherent_slab = nullptr;  // of the packet buffer that dma_alloc_coherent took
      uint32_t written_bytes;         // of one that is not coherent: from its start, by the device
      uint32_t next_free;
    };
    uint32_t bytes = 0;  // 0: free
    uint32_t frame_id = 0;
    uint32_t tenant = kFirstTenant;
    uint8_t allowed = 0;
    int slot() const { return static_cast<int>(tenant >> 8 & 0xff); }
    bool coherent() const { return (tenant & kCoherent) != 0; }
    DmaDirection direction() const { return static_cast<DmaDirection>(tenant & 3); }
  };
  static_assert(sizeof(Mapping) == 32);  // none crosses an Arena::kTrackBytes
  // A bus address: generation << 48 | mapping << 20 | offset; offsets below 1 MiB, so addresses
  // carry no host pointer.
  static constexpr int kOffsetBits = 20;
  static constexpr int kIndexBits = 28;
  static constexpr uint32_t kNoMapping = ~uint32_t{0};
  static constexpr uint32_t kMappingBytesMax = 128 * 1024;
  static constexpr uint32_t OffsetOf(dma_addr_t addr) {
    return static_cast<uint32_t>(addr & ((uint32_t{1} << kOffsetBits) - 1));
  }
  static constexpr uint32_t IndexOf(dma_addr_t addr) {
    return static_cast<uint32_t>(addr >> kOffsetBits & ((uint32_t{1} << kIndexBits) - 1));
  }
  static constexpr uint8_t AllowedBy(DmaDirection direction) {
    constexpr uint32_t kAllowed = (kMayRead | kMayWrite) |
                                  kMayRead << 2 * static_cast<int>(DmaDirection::kToDevice) |
                                  kMayWrite << 2 * static_cast<int>(DmaDirection::kFromDevice);
    static_assert(static_cast<int>(DmaDirection::kBidirectional) == 0);
    return kAllowed >> 2 * static_cast<int>(direction) & 3;
  }

  // Once a packet: a ring is filled in one loop.
  [[gnu::always_inline]] dma_addr_t Map(int slot, void* memory, uint32_t bytes,
                                        DmaDirection direction, bool coherent,
                                        uint32_t frame_id = 0) {
    CHECK_LT(bytes - 1, kMappingBytesMax);
    CHECK_LT(slot, device_count_);
    CHECK(arena_.InPool(memory));
    const uint32_t index = TakeMapping();
    Mapping& mapping = *Changing(At(index));
    mapping.memory = static_cast<uint8_t*>(memory);
    mapping.coherent_slab = nullptr;
    mapping.bytes = bytes;
    mapping.frame_id = frame_id;
    mapping.allowed = AllowedBy(direction);
    const dma_addr_t generation = static_cast<dma_addr_t>(mapping.tenant >> 16) << 48;
    mapping.tenant = TenantOf(generation, slot, direction, coherent);
    ++live_mappings_;
    return generation | static_cast<dma_addr_t>(index) << kOffsetBits;
  }
  // False where there is no such mapping, which is then reported. *frame_id is what it last held.
  bool Unmap(int slot, dma_addr_t addr, uint32_t bytes, DmaDirection direction, bool coherent,
             uint32_t read_bytes, uint32_t* frame_id);
  // What a device leaves out becomes zeros as soon as it writes behind it.
  void NoteWritten(Mapping* mapping, uint32_t offset, uint32_t bytes) {
    if (offset > mapping->written_bytes) [[unlikely]]
      ClearUnwritten(mapping, offset);
    if (offset + bytes > mapping->written_bytes) Changing(mapping)->written_bytes = offset + bytes;
  }
  [[gnu::noinline]] void ClearUnwritten(const Mapping* mapping, uint32_t end);
  void SyncDevice(int slot);
  void SetOwner(dma_addr_t addr, uint32_t bytes, bool cpu_owns);
  // Mappings are tracked memory: what changes one, says so here.
  Mapping* Changing(Mapping* mapping) {
    arena_.WroteOne(mapping);
    return mapping;
  }
  Mapping* At(uint32_t index) const { return &chunks_[index / kPerChunk][index % kPerChunk]; }
  // nullptr where nothing is mapped at `addr`.
  Mapping* Find(dma_addr_t addr) const {
    const uint32_t index = IndexOf(addr);
    if (index >= mapping_count_) return nullptr;
    Mapping* const mapping = At(index);
    return mapping->tenant >> 16 == addr >> 48 && mapping->bytes != 0 ? mapping : nullptr;
  }
  // The mapping that a device may use so; else nullptr, after reporting. Every word that crosses
  // the bus comes through here. A free mapping allows nothing.
  Mapping* Access(int slot, SimTime at, dma_addr_t addr, uint32_t bytes, uint8_t use) {
    const uint32_t index = IndexOf(addr);
    if (__builtin_expect(index < mapping_count_, 1)) {
      Mapping* const mapping = At(index);
      const uint32_t wanted = TenantOf(addr, slot, DmaDirection::kBidirectional, false);
      if (__builtin_expect((mapping->tenant ^ wanted) >> 8 == 0 && (mapping->allowed & use) != 0 &&
                               uint64_t{OffsetOf(addr)} + bytes <= mapping->bytes,
                           1)) {
        return mapping;
      }
    }
    ReportAccess(slot, at, addr, bytes, use);
    return nullptr;
  }
  // Says what is wrong with an Unmap, and returns false.
  [[gnu::noinline]] bool ReportUnmap(int slot, dma_addr_t addr, uint32_t bytes,
                                     DmaDirection direction, bool coherent);
  // Says what is wrong with an access.
  [[gnu::noinline]] void ReportAccess(int slot, SimTime at, dma_addr_t addr, uint32_t bytes,
                                      uint8_t use);
  // The one that was freed last, or else the next that was never used.
  uint32_t TakeMapping() {
    const uint32_t index = free_head_;
    if (index != kNoMapping) {
      free_head_ = At(index)->next_free;
      return index;
    }
    if (mapping_count_ == mapping_room_) GrowMappings();
    return mapping_count_++;
  }
  [[gnu::noinline]] void GrowMappings();

  World& world_;
  Kernel& kernel_;
  Arena& arena_;
  BusTiming timing_;
  int device_count_ = 0;
  PciDevice* devices_[kDevicesMax] = {};
  SimTime last_write_[kDevicesMax] = {};  // when the newest posted write arrives
  // Mappings in chunks that never move. The table of chunks grows; nine of them hold a receive ring
  // of 512 buffers and the rings themselves.
  static constexpr uint32_t kPerChunk = 64;
  static constexpr uint32_t kFirstChunks = 16;
  Mapping** chunks_ = nullptr;
  uint32_t chunks_max_ = 0;
  uint32_t mapping_room_ = 0;   // in the chunks that there are
  uint32_t mapping_count_ = 0;  // of them, those that have ever been used
  uint32_t free_head_ = kNoMapping;
  uint32_t live_mappings_ = 0;
  uint64_t faults_ = 0;
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_KERNEL_BUS_H_
