// The device bus: register timing and ordering, what the DMA map lets a device do, and interrupt
// messages.
#include "stack/kernel/bus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "test_host.h"

namespace tapedeck {
namespace {

struct Faults : TraceSink {
  void Emit(const TraceEvent& event) override {
    if (event.kind != TraceKind::kDeviceFault) return;
    devices.push_back(static_cast<int>(event.args[0]));
    faults.push_back(static_cast<DmaFault>(event.args[1]));
    times.push_back(event.time);
  }
  // The only fault since the last call.
  DmaFault Take() {
    EXPECT_EQ(faults.size(), 1U);
    const DmaFault fault = faults.empty() ? DmaFault::kDescriptor : faults.back();
    faults.clear();
    return fault;
  }
  std::vector<DmaFault> faults;
  std::vector<int> devices;
  std::vector<SimTime> times;
};

// A toy device: a write to register 8 n makes it write n + 1 to byte n of the buffer at `target`,
// kWorkTime after the write has reached it. It does so when it is advanced, without an event.
// Register 4 counts what it has done; it can be read.
class ToyDevice : public PciDevice {
 public:
  static constexpr Duration kWorkTime = Duration::Nanoseconds(100);

  explicit ToyDevice(DeviceBus& bus_in) : bus(bus_in), slot(bus_in.Attach(this)) {}

  uint32_t MmioRead32(SimTime at, int bar, uint32_t offset) override {
    EXPECT_EQ(bar, 0);
    EXPECT_EQ(offset, 4U);
    read_times.push_back(at);
    EXPECT_GE(advanced_to, at);
    return done;
  }
  void MmioWrite32(SimTime at, int, uint32_t offset, uint32_t value) override {
    EXPECT_GE(at, last_write);
    last_write = at;
    writes.push_back({at, offset / 8, value});
  }
  uint32_t ConfigRead(uint32_t offset, int bytes) override {
    return offset * 10 + static_cast<uint32_t>(bytes);
  }
  void ConfigWrite(uint32_t, int, uint32_t value) override { config = value; }
  void AdvanceTo(SimTime time) override {
    ++advances;
    advanced_to = Later(advanced_to, time);
    while (!writes.empty() && writes.front().at + kWorkTime <= time) {
      const Work work = writes.front();
      writes.erase(writes.begin());
      if (uint8_t* const p = bus.DeviceWrite(slot, work.at + kWorkTime, target + work.index, 1)) {
        *p = static_cast<uint8_t>(work.index + 1);
      }
      ++done;
    }
  }

  struct Work {
    SimTime at;
    uint32_t index;
    uint32_t value;
  };
  DeviceBus& bus;
  int slot;
  dma_addr_t target = 0;
  uint32_t done = 0;
  uint32_t config = 0;
  int advances = 0;
  SimTime advanced_to;
  SimTime last_write;
  std::vector<Work> writes;
  std::vector<SimTime> read_times;
};

class BusTest : public testing::Test {
 protected:
  PacketBuffer Buffer(uint32_t bytes = 2048) {
    const PacketBuffer buffer = host_.world.packets().Alloc(bytes);
    std::memset(buffer.data, 0, buffer.bytes);
    return buffer;
  }

  Faults faults_;
  TestHost host_{KernelOptions{}, FreeCostTable(), &faults_};
  Kernel& kernel_ = host_.kernel;
  DeviceBus& bus_ = host_.kernel.bus();
  ToyDevice device_{bus_};
  ToyDevice other_{bus_};
  const int slot_ = device_.slot;
};

// A posted write takes effect mmio_write later and costs the CPU no waiting.
TEST_F(BusTest, WritesArePosted) {
  const SimTime before = kernel_.now();
  bus_.writel(slot_, 0, 0, 1);
  bus_.writel(slot_, 0, 8, 1);
  EXPECT_EQ(kernel_.now(), before);
  ASSERT_EQ(device_.writes.size(), 2U);
  EXPECT_EQ(device_.writes[0].at, before + bus_.timing().mmio_write);
  EXPECT_EQ(device_.writes[0].index, 0U);
  EXPECT_EQ(device_.writes[1].index, 1U);
}

// A read stalls the CPU for the round trip and samples half-way, behind the writes before it.
TEST_F(BusTest, ReadsStallAndPushWritesAheadOfThem) {
  const SimTime start = kernel_.now();
  EXPECT_EQ(bus_.readl(slot_, 0, 4), 0U);
  EXPECT_EQ(kernel_.now(), start + bus_.timing().mmio_read);
  EXPECT_EQ(device_.read_times[0], start + Duration::Nanoseconds(400));
  // On a bus where writes are slower than half a read, the read waits for them.
  BusTiming slow;
  slow.mmio_write = Duration::Nanoseconds(5000);
  TestHost host(KernelOptions{.bus_timing = slow});
  ToyDevice device(host.kernel.bus());
  host.kernel.bus().writel(0, 0, 0, 1);
  host.kernel.bus().readl(0, 0, 4);
  EXPECT_EQ(device.read_times[0], AtNs(5000));
  EXPECT_EQ(host.kernel.now(), AtNs(5400));
}

// A device that acts lazily has done all of its past when the CPU looks.
TEST_F(BusTest, SyncBringsALazyDeviceUpToTheCpu) {
  const PacketBuffer buffer = Buffer();
  device_.target = bus_.dma_map_single(slot_, buffer.data, 2048, DmaDirection::kFromDevice);
  bus_.writel(slot_, 0, 0, 1);
  Cpu& cpu = kernel_.this_cpu();
  cpu.Stall(bus_.timing().mmio_write);
  cpu.Stall(Duration::Nanoseconds(99));
  bus_.SyncDevices();
  EXPECT_EQ(buffer.data[0], 0);
  cpu.Stall(Duration::Nanoseconds(1));
  EXPECT_EQ(buffer.data[0], 0) << "lazy";
  bus_.SyncDevices();
  EXPECT_EQ(buffer.data[0], 1);
  // A register read is a synchronisation too.
  bus_.writel(slot_, 0, 8, 1);
  cpu.Stall(Duration::Microseconds(1));
  EXPECT_EQ(bus_.readl(slot_, 0, 4), 2U);
  EXPECT_EQ(buffer.data[1], 2);
  EXPECT_EQ(bus_.faults(), 0U);
}

// The device has its say before a buffer changes hands, under the owner of that time: neither a
// false report nor a stray write that nobody sees.
TEST_F(BusTest, ChangingHandsBringsTheDeviceUpFirst) {
  const PacketBuffer buffer = Buffer();
  const dma_addr_t addr = bus_.dma_map_single(slot_, buffer.data, 2048, DmaDirection::kFromDevice);
  device_.target = addr;
  Cpu& cpu = kernel_.this_cpu();
  bus_.writel(slot_, 0, 0, 1);
  cpu.Stall(Duration::Microseconds(1));
  bus_.dma_sync_single_for_cpu(addr, 2048, DmaDirection::kFromDevice);
  EXPECT_EQ(buffer.data[0], 1) << "done in time: no fault";
  EXPECT_EQ(bus_.faults(), 0U);
  bus_.writel(slot_, 0, 8, 1);
  cpu.Stall(Duration::Microseconds(1));
  bus_.dma_sync_single_for_device(addr, 2048, DmaDirection::kFromDevice);
  EXPECT_EQ(faults_.Take(), DmaFault::kOwnedByCpu) << "while the CPU had it";
  EXPECT_EQ(buffer.data[1], 0);
  bus_.writel(slot_, 0, 16, 1);
  cpu.Stall(Duration::Microseconds(1));
  bus_.dma_unmap_single(slot_, addr, 2048, DmaDirection::kFromDevice);
  EXPECT_EQ(buffer.data[2], 3) << "before the mapping went";
  bus_.writel(slot_, 0, 24, 1);
  cpu.Stall(Duration::Microseconds(1));
  bus_.SyncDevices();
  EXPECT_EQ(faults_.Take(), DmaFault::kNotMapped);
  EXPECT_EQ(buffer.data[3], 0);
}

TEST_F(BusTest, TheMapLetsADeviceDoWhatItMay) {
  const PacketBuffer buffer = Buffer();
  const dma_addr_t both =
      bus_.dma_map_single(slot_, buffer.data, 100, DmaDirection::kBidirectional);
  EXPECT_EQ(bus_.DeviceRead(slot_, AtNs(1), both, 100), buffer.data);
  EXPECT_EQ(bus_.DeviceWrite(slot_, AtNs(1), both + 60, 40), buffer.data + 60);
  EXPECT_EQ(bus_.DeviceWrite(slot_, AtNs(1), both + 100, 0), buffer.data + 100)
      << "nothing, at the end";
  const dma_addr_t to = bus_.dma_map_single(slot_, buffer.data + 512, 64, DmaDirection::kToDevice);
  EXPECT_EQ(bus_.DeviceRead(slot_, AtNs(1), to + 63, 1), buffer.data + 575);
  const dma_addr_t from =
      bus_.dma_map_single(slot_, buffer.data + 1024, 64, DmaDirection::kFromDevice);
  EXPECT_EQ(bus_.DeviceWrite(slot_, AtNs(1), from, 64), buffer.data + 1024);
  EXPECT_EQ(bus_.faults(), 0U);
  EXPECT_EQ(bus_.live_mappings(), 3U);
}

TEST_F(BusTest, EveryStrayAccessIsReportedAndDenied) {
  const PacketBuffer buffer = Buffer();
  const dma_addr_t to = bus_.dma_map_single(slot_, buffer.data, 64, DmaDirection::kToDevice);
  const dma_addr_t from =
      bus_.dma_map_single(slot_, buffer.data + 1024, 64, DmaDirection::kFromDevice);
  struct Case {
    dma_addr_t addr;
    uint32_t bytes;
    bool write;
    DmaFault fault;
  };
  for (const Case& c : {Case{0, 1, false, DmaFault::kNotMapped},
                        {~dma_addr_t{0}, 1, true, DmaFault::kNotMapped},
                        {to + (uint64_t{5} << 20), 1, false, DmaFault::kNotMapped},
                        {to, 65, false, DmaFault::kBeyondMapping},
                        {to + 64, 1, false, DmaFault::kBeyondMapping},
                        {to + 63, 2, false, DmaFault::kBeyondMapping},
                        {to + 1, ~uint32_t{0}, false, DmaFault::kBeyondMapping},
                        {to + 0xFFFFF, 1, false, DmaFault::kBeyondMapping},
                        {to, 1, true, DmaFault::kWrongDirection},
                        {from, 1, false, DmaFault::kWrongDirection}}) {
    if (c.write) {
      EXPECT_EQ(bus_.DeviceWrite(slot_, AtNs(7), c.addr, c.bytes), nullptr);
    } else {
      EXPECT_EQ(bus_.DeviceRead(slot_, AtNs(7), c.addr, c.bytes), nullptr);
    }
    EXPECT_EQ(faults_.Take(), c.fault) << DmaFaultName(c.fault) << " at " << c.addr;
    EXPECT_EQ(faults_.times.back(), AtNs(7));
    EXPECT_EQ(faults_.devices.back(), slot_);
  }
  // Another device's mapping is not there.
  EXPECT_EQ(bus_.DeviceRead(other_.slot, AtNs(8), to, 1), nullptr);
  EXPECT_EQ(faults_.Take(), DmaFault::kNotMapped);
  EXPECT_EQ(faults_.devices.back(), other_.slot);
  bus_.ReportFault(slot_, AtNs(9), DmaFault::kDescriptor, to, 16);
  EXPECT_EQ(faults_.Take(), DmaFault::kDescriptor);
  EXPECT_EQ(bus_.faults(), 12U);
}

// An address is never valid again, however often its slot has a new tenant (short of 65,535 times).
TEST_F(BusTest, StaleAddressesAreKnown) {
  const PacketBuffer buffer = Buffer();
  std::vector<dma_addr_t> stale;
  for (int i = 0; i < 1000; ++i) {
    const dma_addr_t addr = bus_.dma_map_single(slot_, buffer.data, 64, DmaDirection::kFromDevice);
    for (const dma_addr_t old : stale) ASSERT_NE(addr, old);
    stale.push_back(addr);
    bus_.dma_unmap_single(slot_, addr, 64, DmaDirection::kFromDevice);
  }
  const dma_addr_t live = bus_.dma_map_single(slot_, buffer.data, 64, DmaDirection::kFromDevice);
  EXPECT_EQ(live & 0xFFFF'FFFFFFFF, stale[0] & 0xFFFF'FFFFFFFF) << "the same slot";
  for (const dma_addr_t old : stale) ASSERT_EQ(bus_.DeviceWrite(slot_, AtNs(1), old, 1), nullptr);
  EXPECT_EQ(bus_.faults(), stale.size());
  EXPECT_NE(bus_.DeviceWrite(slot_, AtNs(1), live, 1), nullptr);
}

TEST_F(BusTest, WrongUnmapsAreReportedAndRefused) {
  const PacketBuffer buffer = Buffer();
  const dma_addr_t addr = bus_.dma_map_single(slot_, buffer.data, 64, DmaDirection::kFromDevice);
  bus_.dma_unmap_single(slot_, addr, 63, DmaDirection::kFromDevice);
  EXPECT_EQ(faults_.Take(), DmaFault::kDoubleUnmap);
  bus_.dma_unmap_single(slot_, addr + 1, 64, DmaDirection::kFromDevice);
  EXPECT_EQ(faults_.Take(), DmaFault::kDoubleUnmap);
  bus_.dma_unmap_single(other_.slot, addr, 64, DmaDirection::kFromDevice);
  EXPECT_EQ(faults_.Take(), DmaFault::kDoubleUnmap);
  bus_.dma_unmap_single(slot_, addr, 64, DmaDirection::kToDevice);
  EXPECT_EQ(faults_.Take(), DmaFault::kWrongDirection);
  EXPECT_EQ(bus_.live_mappings(), 1U);
  bus_.dma_unmap_single(slot_, addr, 64, DmaDirection::kFromDevice);
  EXPECT_EQ(bus_.live_mappings(), 0U);
  EXPECT_TRUE(faults_.faults.empty());
  bus_.dma_unmap_single(slot_, addr, 64, DmaDirection::kFromDevice);
  EXPECT_EQ(faults_.Take(), DmaFault::kDoubleUnmap);
  bus_.dma_sync_single_for_cpu(addr, 64, DmaDirection::kFromDevice);
  EXPECT_EQ(faults_.Take(), DmaFault::kNotMapped);
  // A ring is no streaming buffer, nor the other way round.
  dma_addr_t ring = 0;
  void* const memory = bus_.dma_alloc_coherent(slot_, 4096, &ring);
  bus_.dma_unmap_single(slot_, ring, 4096, DmaDirection::kBidirectional);
  EXPECT_EQ(faults_.Take(), DmaFault::kDoubleUnmap);
  bus_.dma_free_coherent(slot_, 4000, memory, ring);
  EXPECT_EQ(faults_.Take(), DmaFault::kDoubleUnmap);
  EXPECT_EQ(bus_.live_mappings(), 1U);
}

TEST_F(BusTest, CoherentMemoryIsZeroedSharedAndGivenBack) {
  const uint64_t buffers = host_.world.packets().live_objects();
  dma_addr_t ring = 0;
  auto* const memory = static_cast<uint8_t*>(bus_.dma_alloc_coherent(slot_, 4096, &ring));
  for (int i = 0; i < 4096; ++i) ASSERT_EQ(memory[i], 0);
  // Both may touch it at any time.
  bus_.dma_sync_single_for_cpu(ring, 4096, DmaDirection::kBidirectional);
  EXPECT_EQ(bus_.DeviceRead(slot_, AtNs(1), ring, 4096), memory);
  EXPECT_EQ(bus_.DeviceWrite(slot_, AtNs(1), ring + 16, 16), memory + 16);
  EXPECT_EQ(host_.world.packets().live_objects(), buffers + 1);
  bus_.dma_free_coherent(slot_, 4096, memory, ring);
  EXPECT_EQ(host_.world.packets().live_objects(), buffers);
  EXPECT_EQ(bus_.DeviceRead(slot_, AtNs(1), ring, 1), nullptr);
  EXPECT_EQ(bus_.faults(), 1U);
}

// The map grows and finds every mapping.
TEST_F(BusTest, HoldsManyMappings) {
  const PacketBuffer buffer = Buffer(131072);
  std::vector<dma_addr_t> addrs;
  for (uint32_t i = 0; i < 10'000; ++i) {
    addrs.push_back(
        bus_.dma_map_single(slot_, buffer.data + i, 1 + i % 7, DmaDirection::kToDevice));
  }
  EXPECT_EQ(bus_.live_mappings(), 10'000U);
  for (uint32_t i = 0; i < 10'000; ++i) {
    ASSERT_EQ(bus_.DeviceRead(slot_, AtNs(1), addrs[i], 1 + i % 7), buffer.data + i);
    bus_.dma_unmap_single(slot_, addrs[i], 1 + i % 7, DmaDirection::kToDevice);
  }
  EXPECT_EQ(bus_.faults(), 0U);
  EXPECT_EQ(bus_.live_mappings(), 0U);
}

// What a device writes into a buffer that nobody has touched is part of the next snapshot.
TEST_F(BusTest, DmaMarksThePagesItWrites) {
  const PacketBuffer buffer = host_.world.packets().Alloc(2048, /*touch=*/false);
  const dma_addr_t addr = bus_.dma_map_single(slot_, buffer.data, 2048, DmaDirection::kFromDevice);
  *bus_.DeviceWrite(slot_, AtNs(1), addr + 100, 1) = 77;
  Snapshot snapshot;
  host_.arena.Take(&snapshot);
  *bus_.DeviceWrite(slot_, AtNs(1), addr + 100, 1) = 78;
  host_.arena.Restore(snapshot);
  EXPECT_EQ(buffer.data[100], 77);
}

// What a device has been told to write and has not must not depend on who had the memory before.
TEST_F(BusTest, WhatADeviceHasNotWrittenReadsAsZeros) {
  const PacketBuffer buffer = Buffer();
  const auto map = [&] {
    std::memset(buffer.data, 0xee, 512);
    return bus_.dma_map_single(slot_, buffer.data, 512, DmaDirection::kFromDevice);
  };
  const auto unmap = [&](dma_addr_t addr, uint32_t read_bytes) {
    bus_.dma_unmap_single(slot_, addr, 512, DmaDirection::kFromDevice, read_bytes);
    return std::vector<uint8_t>(buffer.data, buffer.data + 8);
  };
  EXPECT_THAT(unmap(map(), 4), testing::ElementsAre(0, 0, 0, 0, 0xee, 0xee, 0xee, 0xee));
  dma_addr_t addr = map();
  *bus_.DeviceWrite(slot_, AtNs(1), addr + 2, 1) = 7;
  *bus_.DeviceWrite(slot_, AtNs(2), addr, 1) = 5;
  EXPECT_THAT(unmap(addr, 6), testing::ElementsAre(5, 0, 7, 0, 0, 0, 0xee, 0xee));
  addr = map();
  std::memset(bus_.DeviceWrite(slot_, AtNs(1), addr, 8), 9, 8);
  EXPECT_THAT(unmap(addr, 8), testing::Each(9));
  EXPECT_THAT(unmap(map(), 4096), testing::Each(0)) << "beyond the mapping, too, is cut";
  EXPECT_EQ(bus_.faults(), 0U);
}

TEST_F(BusTest, FrameIdsFollowABuffer) {
  const PacketBuffer buffer = Buffer();
  const dma_addr_t addr = bus_.dma_map_single(slot_, buffer.data, 64, DmaDirection::kFromDevice);
  EXPECT_EQ(bus_.FrameId(addr), 0U);
  const uint32_t id = host_.world.NewFrameId();
  EXPECT_NE(id, 0U);
  bus_.SetFrameId(addr, id);
  EXPECT_EQ(bus_.FrameId(addr), id);
  bus_.dma_unmap_single(slot_, addr, 64, DmaDirection::kFromDevice);
  EXPECT_EQ(bus_.FrameId(addr), 0U);
  bus_.SetFrameId(addr, id);  // nothing there: nothing happens
  const dma_addr_t again = bus_.dma_map_single(slot_, buffer.data, 64, DmaDirection::kFromDevice);
  EXPECT_EQ(bus_.FrameId(again), 0U) << "a new tenant has no frame yet";
}

// A device whose tail was set back sends what it has sent: that is another frame on the wire.
TEST_F(BusTest, ADeviceTakesTheFrameIdAtItsFirstReading) {
  const PacketBuffer buffer = Buffer();
  const uint32_t id = host_.world.NewFrameId();
  const dma_addr_t addr = bus_.dma_map_single(slot_, buffer.data, 64, DmaDirection::kToDevice, id);
  uint32_t read = 0;
  EXPECT_EQ(bus_.DeviceRead(slot_, AtNs(1), addr, 64, &read), buffer.data);
  EXPECT_EQ(read, id);
  EXPECT_EQ(bus_.DeviceRead(slot_, AtNs(2), addr, 64, &read), buffer.data);
  EXPECT_EQ(read, 0U);
}

// Nor is what a faulty descriptor names twice one frame.
TEST_F(BusTest, ADeviceTakesTheFrameIdOfWhatItCannotRead) {
  const PacketBuffer buffer = Buffer();
  const uint32_t id = host_.world.NewFrameId();
  const dma_addr_t addr = bus_.dma_map_single(slot_, buffer.data, 64, DmaDirection::kToDevice, id);
  uint32_t read = 0;
  EXPECT_EQ(bus_.DeviceRead(slot_, AtNs(1), addr, 65, &read), nullptr);
  EXPECT_EQ(read, id);
  EXPECT_EQ(bus_.DeviceRead(slot_, AtNs(2), addr, 65, &read), nullptr);
  EXPECT_EQ(read, 0U);
}

struct Interrupts {
  std::vector<uint64_t> at_ns;
  static void Handle(Cpu& cpu, void* context) {
    static_cast<Interrupts*>(context)->at_ns.push_back(cpu.now().ns());
  }
};

// Of those that are on their way together the first interrupts and the last, which may tell of what
// the first one's handler has not seen yet.
TEST_F(BusTest, MessagesArriveLaterAndCoalesceOnTheirWay) {
  Interrupts a;
  Interrupts b;
  kernel_.request_irq(slot_, 0, 0, &Interrupts::Handle, &a);
  kernel_.request_irq(slot_, 1, 0, &Interrupts::Handle, &b);
  bus_.SendMsix(slot_, AtNs(1000), 0);
  bus_.SendMsix(slot_, AtNs(1000), 0);  // at once with the first: one interrupt
  bus_.SendMsix(slot_, AtNs(1003), 0);
  bus_.SendMsix(slot_, AtNs(1005), 0);
  bus_.SendMsix(slot_, AtNs(900), 1);
  bus_.SendMsix(slot_, AtNs(500), 7);  // nobody listens
  bus_.SendMsix(other_.slot, AtNs(500), 0);
  host_.world.RunUntil(AtNs(1260));
  bus_.SendMsix(slot_, AtNs(1260), 0);  // after the first has arrived: another
  bus_.SendMsix(slot_, AtNs(1200),
                1);  // sent at a time that has passed in the world: still delivered
  EXPECT_TRUE(host_.world.RunUntilIdle(SimTime::Never()));
  EXPECT_EQ(a.at_ns, (std::vector<uint64_t>{1250, 1255, 1510}));
  EXPECT_EQ(b.at_ns, (std::vector<uint64_t>{1150, 1450}));
}

// A device that has run ahead of the world may send a message before one that is on its way
// already.
TEST_F(BusTest, AnEarlierMessageIsNotHeldUpByALaterOne) {
  Interrupts a;
  kernel_.request_irq(slot_, 0, 0, &Interrupts::Handle, &a);
  bus_.SendMsix(slot_, AtNs(5000), 0);
  bus_.SendMsix(slot_, AtNs(1000), 0);
  EXPECT_TRUE(host_.world.RunUntilIdle(SimTime::Never()));
  EXPECT_EQ(a.at_ns, (std::vector<uint64_t>{1250, 5250}));
}

TEST_F(BusTest, ConfigurationSpaceIsTheDevices) {
  EXPECT_EQ(bus_.ReadConfig(slot_, 4, 2), 42U);
  bus_.WriteConfig(slot_, 4, 2, 7);
  EXPECT_EQ(device_.config, 7U);
  EXPECT_EQ(other_.config, 0U);
}

using BusDeathTest = BusTest;

TEST_F(BusDeathTest, OnlyPacketMemoryCanBeMapped) {
  int on_the_stack = 0;
  EXPECT_DEATH(bus_.dma_map_single(slot_, &on_the_stack, 4, DmaDirection::kToDevice), "InPool");
  const PacketBuffer buffer = Buffer();
  EXPECT_DEATH(bus_.dma_map_single(slot_, buffer.data, 0, DmaDirection::kToDevice), "CHECK failed");
  EXPECT_DEATH(bus_.dma_map_single(7, buffer.data, 1, DmaDirection::kToDevice), "CHECK failed");
}

}  // namespace
}  // namespace tapedeck
