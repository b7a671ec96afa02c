// The smallest driver that a NIC model can be driven with: rings, buffers, MSI-X, and nothing but
// the device bus. For unit tests; the real driver has its own tests.
#ifndef TAPEDECK_TESTS_UNIT_NIC_HARNESS_H_
#define TAPEDECK_TESTS_UNIT_NIC_HARNESS_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "nicmodel/descriptors.h"
#include "nicmodel/nic_82599.h"
#include "nicmodel/registers.h"
#include "stack/base/byteorder.h"
#include "stack/base/checksum.h"
#include "test_host.h"

namespace tapedeck::nic {

using Bytes = std::vector<uint8_t>;

inline constexpr MacAddress kPeerMac = {0x02, 0x00, 0x00, 0x00, 0x00, 0x02};

// An Ethernet frame, without FCS, with a UDP datagram 10.0.0.2:1000 > 10.0.0.1:2000 of
// `udp_payload` bytes, checksums right.
inline Bytes UdpFrame(size_t udp_payload, const MacAddress& dst = NicConfig{}.mac) {
  Bytes frame(14 + 20 + 8 + udp_payload);
  std::memcpy(&frame[0], dst.data(), 6);
  std::memcpy(&frame[6], kPeerMac.data(), 6);
  StoreBe16(&frame[12], 0x0800);
  uint8_t* const ip = &frame[14];
  ip[0] = 0x45;
  StoreBe16(ip + 2, static_cast<uint16_t>(28 + udp_payload));
  ip[8] = 64;
  ip[9] = 17;
  StoreBe32(ip + 12, 0x0a000002);
  StoreBe32(ip + 16, 0x0a000001);
  StoreBe16(ip + 10, ip_fast_csum(ip, 5));
  uint8_t* const udp = ip + 20;
  StoreBe16(udp, 1000);
  StoreBe16(udp + 2, 2000);
  StoreBe16(udp + 4, static_cast<uint16_t>(8 + udp_payload));
  for (size_t i = 0; i < udp_payload; ++i) udp[8 + i] = static_cast<uint8_t>(i);
  StoreBe16(udp + 6, csum_tcpudp_magic(be32(0x0a000002), be32(0x0a000001),
                                       static_cast<uint32_t>(8 + udp_payload), 17,
                                       csum_partial({udp, 8 + udp_payload}, 0)));
  return frame;
}

// A frame of `bytes` bytes without FCS.
inline Bytes UdpFrameOf(size_t bytes) { return UdpFrame(bytes - 42); }

struct NicHarness : WireSink {
  static constexpr uint32_t kBufferBytes = 2048;
  static constexpr int kQueueVector = 0;
  static constexpr int kOtherVector = 1;

  struct Received {
    SimTime seen_at;
    uint32_t type = 0;
    uint32_t hash = 0;
    uint32_t status = 0;
    uint16_t vlan = 0;
    uint32_t descriptors = 0;
    uint32_t frame_id = 0;
    Bytes bytes;
  };
  struct Sent {
    SimTime first_bit;
    SimTime last_bit;
    Bytes bytes;
    uint32_t frame_id;
  };
  struct Ring {
    dma_addr_t dma = 0;
    uint8_t* memory = nullptr;
    uint32_t entries = 0;
    uint32_t next = 0;  // to look at / to fill
    std::vector<uint8_t*> buffers;
    std::vector<dma_addr_t> addresses;
    std::vector<PacketBuffer> owned;
  };

  explicit NicHarness(const NicConfig& config = {}, uint32_t ring_entries = 256,
                      TraceSink* sink = nullptr)
      : host({}, FreeCostTable(), sink),
        bus(host.kernel.bus()),
        nic(*host.arena.New<Nic82599>(bus, config)),
        slot(nic.slot()) {
    nic.set_sink(this);
    bus.WriteConfig(slot, 0x04, 2, 0x6);     // memory, bus master
    bus.WriteConfig(slot, 0x72, 2, 0x8000);  // MSI-X on
    for (uint32_t v = 0; v < config.vectors; ++v) bus.writel(slot, 3, v * 16 + 12, 0);
    Write(kGpie, kGpieMultipleMsix);
    Write(kIvar, 0x80 | 0x80 << 8);  // queue 0: vector 0 for both
    Write(kIvarMisc, (0x80U | kOtherVector) << 8);
    Write(kEiac, 1U << kQueueVector);
    Write(kFctrl, kFctrlBam);
    Write(kRxCsum, kRxCsumPcsd);
    SetUpRx(0, ring_entries);
    SetUpTx(0, ring_entries);
    Write(kRxCtrl, kRxCtrlRxEn);
    Write(kDmaTxCtl, kDmaTxCtlTe | 0x8100U << 16);
    host.kernel.request_irq(slot, kQueueVector, 0, &NicHarness::OnIrq, this);
    Advance(config.link_up_delay + Duration::Microseconds(1));
    EXPECT_EQ(Read(kLinks) >> 30 & 1, 1U);
    Write(kEicr, ~0U);
    Settle();
  }

  void Transmit(SimTime first_bit, SimTime last_bit, const WireFrame& frame) override {
    sent.push_back(
        {first_bit, last_bit, Bytes(frame.bytes.begin(), frame.bytes.end()), frame.frame_id});
    if (frame.buffer.data != nullptr) host.world.packets().Free(frame.buffer);
  }
  static void OnIrq(Cpu& cpu, void* context) {
    static_cast<NicHarness*>(context)->interrupts.push_back(cpu.now());
  }

  SimTime now() const { return host.kernel.now(); }
  void Advance(Duration d) { host.world.RunUntil(now() + d); }
  // Lets the posted writes arrive.
  void Settle() { Advance(Duration::Microseconds(2)); }
  uint32_t Read(uint32_t offset) { return bus.readl(slot, 0, offset); }
  void Write(uint32_t offset, uint32_t value) { bus.writel(slot, 0, offset, value); }
  uint64_t Stat(const std::string& name) {
    bus.SyncDevices();
    uint64_t value = 0;
    EXPECT_TRUE(nic.Stat(name, &value)) << name;
    return value;
  }

  static uint32_t RxReg(uint32_t queue, uint32_t field) {
    return kRxRing + queue * kRxRingStride + field;
  }
  static uint32_t TxReg(uint32_t queue, uint32_t field) {
    return kTxRing + queue * kTxRingStride + field;
  }

  void MakeRing(Ring& ring, uint32_t entries) {
    ring.entries = entries;
    ring.memory = static_cast<uint8_t*>(bus.dma_alloc_coherent(slot, entries * 16, &ring.dma));
    ring.buffers.resize(entries);
    ring.addresses.resize(entries);
    ring.owned.resize(entries);
  }
  void SetUpRx(uint32_t queue, uint32_t entries) {
    if (rx.size() <= queue) rx.resize(queue + 1);
    Ring& ring = rx[queue];
    MakeRing(ring, entries);
    for (uint32_t i = 0; i < entries; ++i) {
      ring.owned[i] = host.world.packets().Alloc(kBufferBytes);
      ring.buffers[i] = ring.owned[i].data;
      ring.addresses[i] =
          bus.dma_map_single(slot, ring.buffers[i], kBufferBytes, DmaDirection::kFromDevice);
      StoreLe64(ring.memory + i * 16, ring.addresses[i]);
      StoreLe64(ring.memory + i * 16 + 8, 0);
    }
    Write(RxReg(queue, kRdbal), static_cast<uint32_t>(ring.dma));
    Write(RxReg(queue, kRdbah), static_cast<uint32_t>(ring.dma >> 32));
    Write(RxReg(queue, kRdlen), entries * 16);
    Write(RxReg(queue, kSrrCtl), 2 | 1U << 25);
    Write(RxReg(queue, kRdh), 0);
    Write(RxReg(queue, kRdt), 0);
    Write(RxReg(queue, kRxDctl), kRxDctlEnable);
    Write(RxReg(queue, kRdt), entries - 1);
  }
  void SetUpTx(uint32_t queue, uint32_t entries) {
    if (tx.size() <= queue) tx.resize(queue + 1);
    Ring& ring = tx[queue];
    MakeRing(ring, entries);
    Write(TxReg(queue, kTdbal), static_cast<uint32_t>(ring.dma));
    Write(TxReg(queue, kTdbah), static_cast<uint32_t>(ring.dma >> 32));
    Write(TxReg(queue, kTdlen), entries * 16);
    Write(TxReg(queue, kTxDctl), 32 | 1U << 8 | kTxDctlEnable);
  }

  // A frame from `bytes`, which stay here.
  WireFrame Frame(const Bytes& bytes, uint8_t flags = 0) {
    kept.push_back(std::make_unique<Bytes>(bytes));
    WireFrame frame;
    frame.bytes = *kept.back();
    frame.frame_id = host.world.NewFrameId();
    frame.flags = flags;
    return frame;
  }
  SimTime Inject(SimTime first_bit, const Bytes& bytes, uint8_t flags = 0) {
    return nic.WireRx(first_bit, Frame(bytes, flags));
  }

  // What the host finds in the receive ring at now(); buffers go back to the device unless `refill`
  // is false.
  std::vector<Received> Poll(uint32_t queue = 0, bool refill = true) {
    bus.SyncDevices();
    Ring& ring = rx[queue];
    std::vector<Received> found;
    bool in_frame = false;
    uint32_t looked = 0;
    while (looked < ring.entries) {
      uint8_t* const d = ring.memory + ring.next * 16;
      const uint32_t status = LoadLe32(d + 8);
      if ((status & kRxDd) == 0) break;
      if (!in_frame) found.emplace_back();
      Received& r = found.back();
      ++r.descriptors;
      const uint32_t length = LoadLe16(d + 12);
      r.bytes.insert(r.bytes.end(), ring.buffers[ring.next], ring.buffers[ring.next] + length);
      r.frame_id = bus.FrameId(ring.addresses[ring.next]);
      in_frame = (status & kRxEop) == 0;
      if (!in_frame) {
        r.seen_at = now();
        r.type = LoadLe32(d);
        r.hash = LoadLe32(d + 4);
        r.status = status;
        r.vlan = LoadLe16(d + 14);
      }
      StoreLe64(d, ring.addresses[ring.next]);
      StoreLe64(d + 8, 0);
      ring.next = (ring.next + 1) % ring.entries;
      ++looked;
    }
    if (refill && looked != 0) {
      Write(RxReg(queue, kRdt), (ring.next + ring.entries - 1) % ring.entries);
    }
    return found;
  }

  // Puts one data descriptor for `bytes` into the ring; `options` and `command` are the
  // descriptor's upper fields.
  uint32_t QueueTx(const Bytes& bytes, uint32_t command = kTxEop | kTxIfcs | kTxRs,
                   uint32_t popts = 0, uint32_t paylen = ~0U, uint32_t queue = 0) {
    Ring& ring = tx[queue];
    const uint32_t i = ring.next;
    if (ring.owned[i].data != nullptr) {
      bus.dma_unmap_single(slot, ring.addresses[i], ring.owned[i].bytes, DmaDirection::kToDevice);
      host.world.packets().Free(ring.owned[i]);
    }
    ring.owned[i] = host.world.packets().Alloc(static_cast<uint32_t>(bytes.size()));
    std::memcpy(ring.owned[i].data, bytes.data(), bytes.size());
    ring.addresses[i] =
        bus.dma_map_single(slot, ring.owned[i].data, ring.owned[i].bytes, DmaDirection::kToDevice);
    if (paylen == ~0U) paylen = static_cast<uint32_t>(bytes.size());
    StoreLe64(ring.memory + i * 16, ring.addresses[i]);
    StoreLe64(ring.memory + i * 16 + 8, bytes.size() | uint64_t{kTxDtypData} << 20 |
                                            uint64_t{command | kTxDext} << 24 |
                                            uint64_t{popts} << 40 | uint64_t{paylen} << 46);
    ring.next = (ring.next + 1) % ring.entries;
    return i;
  }
  void QueueContext(uint64_t low, uint64_t high_fields, uint32_t queue = 0) {
    Ring& ring = tx[queue];
    StoreLe64(ring.memory + ring.next * 16, low);
    StoreLe64(ring.memory + ring.next * 16 + 8,
              high_fields | uint64_t{kTxDtypContext} << 20 | uint64_t{kTxDext} << 24);
    ring.next = (ring.next + 1) % ring.entries;
  }
  void RingDoorbell(uint32_t queue = 0) { Write(TxReg(queue, kTdt), tx[queue].next); }
  bool TxDone(uint32_t index, uint32_t queue = 0) {
    bus.SyncDevices();
    return (LoadLe32(tx[queue].memory + index * 16 + 12) & 1) != 0;
  }

  TestHost host;
  DeviceBus& bus;
  Nic82599& nic;
  int slot;
  std::vector<Ring> rx;
  std::vector<Ring> tx;
  std::vector<SimTime> interrupts;
  std::vector<Sent> sent;
  std::vector<std::unique_ptr<Bytes>> kept;
};

}  // namespace tapedeck::nic

#endif  // TAPEDECK_TESTS_UNIT_NIC_HARNESS_H_
