// The receive path of the NIC model, driven over the device bus.
#include <memory>

#include "nic_harness.h"

namespace tapedeck::nic {
namespace {

TEST(NicRx, AFrameReachesHostMemoryWithItsDescriptor) {
  NicHarness h;
  const Bytes frame = UdpFrame(18);
  h.Inject(h.now(), frame);
  h.Advance(Duration::Microseconds(3));
  const auto received = h.Poll();
  ASSERT_EQ(received.size(), 1U);
  EXPECT_EQ(received[0].bytes, frame);
  EXPECT_EQ(received[0].status, kRxDd | kRxEop | kRxIpCs | kRxL4Cs | kRxUdpCs);
  EXPECT_EQ(received[0].type >> 4, uint32_t{kPacketIpv4} | kPacketUdp);
  EXPECT_EQ(received[0].frame_id, 1U);
  EXPECT_EQ(h.bus.faults(), 0U);
  EXPECT_TRUE(h.Poll().empty());
}

// Every stage of an isolated frame's way, to the picosecond.
TEST(NicRx, TimesAddUp) {
  NicHarness h;
  const SimTime start = h.now() + Duration::Microseconds(1);
  h.Inject(start, UdpFrame(18));
  // Preamble, frame, FCS at 0.8 ns a byte; MAC and PHY; two writes of 60 + 24 and 16 + 24 bytes
  // at 28.68 Gb/s; PCIe.
  const Duration wire = Duration::Picoseconds((8 + 64) * 800);
  const Duration pcie = Duration::Picoseconds((84 + 40) * 8 * 1000 * 1000 / 28'680 + 1);
  const SimTime visible =
      start + wire + Duration::Nanoseconds(200) + pcie + Duration::Nanoseconds(250);
  h.host.world.RunUntil(SimTime{visible.ps - 1});
  EXPECT_TRUE(h.Poll().empty());
  h.host.world.RunUntil(visible);
  EXPECT_EQ(h.Poll().size(), 1U);
}

TEST(NicRx, LineRateLosesNothingAndKeepsOrder) {
  NicHarness h;
  const Bytes frame = UdpFrame(18);
  const SimTime start = h.now();
  constexpr int kFrames = 5000;
  SimTime last;
  for (int i = 0; i < kFrames; ++i) last = h.Inject(start, frame);
  EXPECT_EQ((last - start).ps, uint64_t{kFrames - 1} * 67'200);
  uint32_t next_id = 1;
  for (int i = 0; i < 400; ++i) {
    h.Advance(Duration::Microseconds(1));
    for (const auto& r : h.Poll()) EXPECT_EQ(r.frame_id, next_id++);
  }
  EXPECT_EQ(next_id, kFrames + 1U);
  EXPECT_EQ(h.Stat("rx_host_frames"), uint64_t{kFrames});
  EXPECT_EQ(h.bus.faults(), 0U);
}

TEST(NicRx, LargeFramesUseSeveralBuffers) {
  NicHarness h;
  h.Write(kHlreg0, h.Read(kHlreg0) | kHlreg0JumboEn);
  h.Write(kMaxFrs, 9018U << 16);
  h.Settle();
  const Bytes frame = UdpFrameOf(9000);
  h.Inject(h.now(), frame);
  h.Advance(Duration::Microseconds(20));
  const auto received = h.Poll();
  ASSERT_EQ(received.size(), 1U);
  EXPECT_EQ(received[0].descriptors, 5U);
  EXPECT_EQ(received[0].bytes, frame);
  EXPECT_EQ(received[0].status & (kRxL4Cs | 0U), uint32_t{kRxL4Cs});
  EXPECT_EQ(received[0].status & kRxErrorL4e, 0U);
}

struct DropCase {
  const char* counter;
  uint8_t flags;
  Bytes frame;
};
TEST(NicRx, EveryWayToBeDroppedIsCounted) {
  Bytes oversize = UdpFrameOf(1519);
  Bytes multicast = UdpFrame(18);
  multicast[0] = 0x01;
  const DropCase cases[] = {
      {"rx_crc_errors", kWireBadFcs, UdpFrame(18)},
      {"rx_symbol_errors", kWireCarrierError, UdpFrame(18)},
      {"rx_runts", 0, UdpFrame(17)},
      {"rx_fragments", kWireBadFcs, UdpFrame(17)},
      {"rx_oversize", 0, oversize},
      {"rx_jabber", kWireBadFcs, oversize},
      {"rx_filtered", 0, UdpFrame(18, kPeerMac)},
      {"rx_filtered", 0, multicast},
  };
  for (const DropCase& c : cases) {
    NicHarness h;
    h.Inject(h.now(), c.frame, c.flags);
    h.Advance(Duration::Microseconds(5));
    EXPECT_TRUE(h.Poll().empty()) << c.counter;
    EXPECT_EQ(h.Stat(c.counter), 1U) << c.counter;
    EXPECT_EQ(h.Stat("rx_frames"), 1U);
    EXPECT_EQ(h.Stat("rx_host_frames"), 0U);
  }
}

TEST(NicRx, ShortCapturedFramesArePaddedOnTheWire) {
  NicHarness h;
  Bytes arp(42, 0);
  std::memset(arp.data(), 0xff, 6);
  StoreBe16(&arp[12], 0x0806);
  h.Inject(h.now(), arp, kWirePad);
  h.Advance(Duration::Microseconds(5));
  const auto received = h.Poll();
  ASSERT_EQ(received.size(), 1U);
  arp.resize(60, 0);
  EXPECT_EQ(received[0].bytes, arp);
}

TEST(NicRx, FiltersByAddress) {
  NicHarness h;
  const auto passes = [&](const Bytes& frame) {
    h.Settle();
    h.Inject(h.now(), frame);
    h.Advance(Duration::Microseconds(5));
    return h.Poll();
  };
  Bytes frame = UdpFrame(18, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
  EXPECT_EQ(passes(frame).size(), 1U);
  h.Write(kFctrl, 0);
  EXPECT_EQ(passes(frame).size(), 0U);

  // 01:00:5e:00:00:01 by the hash of its upper twelve bits: 0x010.
  frame = UdpFrame(18, {0x01, 0x00, 0x5e, 0x00, 0x00, 0x01});
  EXPECT_EQ(passes(frame).size(), 0U);
  h.Write(kMta + 0x010 / 32 * 4, 1U << (0x010 % 32));
  EXPECT_EQ(passes(frame).size(), 0U);
  h.Write(kMcstCtrl, kMcstCtrlMfe);
  auto received = passes(frame);
  ASSERT_EQ(received.size(), 1U);
  EXPECT_NE(received[0].status & kRxPif, 0U);
  h.Write(kMcstCtrl, 0);
  h.Write(kFctrl, kFctrlMpe);
  EXPECT_EQ(passes(frame).size(), 1U);

  frame = UdpFrame(18, kPeerMac);
  EXPECT_EQ(passes(frame).size(), 0U);
  h.Write(kRalAlias + 8, 0x00000002);
  h.Write(kRalAlias + 12, 0x0200 | kRahValid);
  received = passes(frame);
  ASSERT_EQ(received.size(), 1U);
  EXPECT_EQ(received[0].status & kRxPif, 0U);
  EXPECT_EQ(h.Read(kRal + 12), 0x0200 | kRahValid);
  frame[5] = 9;
  EXPECT_EQ(passes(frame).size(), 0U);
  h.Write(kFctrl, kFctrlUpe);
  EXPECT_EQ(passes(frame).size(), 1U);
}

TEST(NicRx, VlanTagsAreFilteredAndStripped) {
  NicHarness h;
  const Bytes untagged = UdpFrame(18);
  Bytes tagged = untagged;
  const uint8_t tag[] = {0x81, 0x00, 0x60, 0x05};
  tagged.insert(tagged.begin() + 12, tag, tag + 4);
  h.Inject(h.now(), tagged);
  h.Advance(Duration::Microseconds(5));
  auto received = h.Poll();
  ASSERT_EQ(received.size(), 1U);
  EXPECT_EQ(received[0].bytes, tagged);
  EXPECT_EQ(received[0].status & kRxVp, 0U);

  h.Write(NicHarness::RxReg(0, kRxDctl), kRxDctlEnable | kRxDctlVme);
  h.Settle();
  h.Inject(h.now(), tagged);
  h.Advance(Duration::Microseconds(5));
  received = h.Poll();
  ASSERT_EQ(received.size(), 1U);
  EXPECT_EQ(received[0].bytes, untagged);
  EXPECT_EQ(received[0].vlan, 0x6005);
  EXPECT_EQ(received[0].status, kRxDd | kRxEop | kRxVp | kRxIpCs | kRxL4Cs | kRxUdpCs);

  h.Write(kVlnCtrl, 0x8100 | kVlnCtrlVfe);
  h.Settle();
  h.Inject(h.now(), tagged);
  h.Advance(Duration::Microseconds(5));
  EXPECT_TRUE(h.Poll().empty());
  h.Write(kVfta, 1U << 5);
  h.Settle();
  h.Inject(h.now(), tagged);
  h.Advance(Duration::Microseconds(5));
  EXPECT_EQ(h.Poll().size(), 1U);
}

TEST(NicRx, ChecksumVerdicts) {
  struct Case {
    const char* what;
    uint32_t expected;
    void (*change)(Bytes&);
  };
  constexpr uint32_t kIp = kRxIpCs;
  const Case cases[] = {
      {"good", kIp | kRxL4Cs | kRxUdpCs, [](Bytes&) {}},
      {"payload flipped", kIp | kRxL4Cs | kRxUdpCs | kRxErrorL4e, [](Bytes& f) { f[50] ^= 1; }},
      {"address flipped", kIp | kRxL4Cs | kRxUdpCs | kRxErrorL4e | kRxErrorIpe,
       [](Bytes& f) { f[26] ^= 1; }},
      {"no UDP checksum", kIp, [](Bytes& f) { f[40] = f[41] = 0; }},
      {"header checksum wrong", kIp | kRxL4Cs | kRxUdpCs | kRxErrorIpe,
       [](Bytes& f) { f[24] ^= 1; }},
      {"first fragment", kIp,
       [](Bytes& f) {
         StoreBe16(&f[20], 0x2000);
         StoreBe16(&f[24], 0);
         StoreBe16(&f[24], ip_fast_csum(&f[14], 5));
       }},
      {"total length beyond the frame", kIp,
       [](Bytes& f) {
         StoreBe16(&f[16], 1000);
         StoreBe16(&f[24], 0);
         StoreBe16(&f[24], ip_fast_csum(&f[14], 5));
       }},
      {"not IP", 0, [](Bytes& f) { StoreBe16(&f[12], 0x88b5); }},
      {"bad version", 0, [](Bytes& f) { f[14] = 0x55; }},
  };
  for (const Case& c : cases) {
    NicHarness h;
    Bytes frame = UdpFrame(30);
    c.change(frame);
    h.Inject(h.now(), frame);
    h.Advance(Duration::Microseconds(5));
    const auto received = h.Poll();
    ASSERT_EQ(received.size(), 1U) << c.what;
    EXPECT_EQ(received[0].status, c.expected | kRxDd | kRxEop) << c.what;
    EXPECT_EQ(received[0].bytes, frame) << c.what;
  }
}

// A16, one queue: DROP_EN drops at once, without it frames wait for descriptors and then for room.
TEST(NicRx, NoDescriptorsWithDropEn) {
  NicHarness h({}, 8);
  h.Write(NicHarness::RxReg(0, kSrrCtl), 2 | 1U << 25 | kSrrCtlDropEn);
  h.Settle();
  for (int i = 0; i < 20; ++i) h.Inject(h.now(), UdpFrame(18));
  h.Advance(Duration::Microseconds(20));
  EXPECT_EQ(h.Stat("rx_no_descriptor"), 13U);
  EXPECT_EQ(h.Read(0x1430), 13U);  // QPRDC[0]
  EXPECT_EQ(h.Read(0x1430), 0U);
  EXPECT_EQ(h.Poll().size(), 7U);
  EXPECT_EQ(h.Stat("rx_queued"), 0U);
}

TEST(NicRx, NoDescriptorsWithoutDropEnWaits) {
  NicHarness h({}, 8);
  for (int i = 0; i < 20; ++i) h.Inject(h.now(), UdpFrame(18));
  h.Advance(Duration::Microseconds(20));
  EXPECT_EQ(h.Stat("rx_queued"), 13U);
  size_t got = 0;
  for (int i = 0; i < 5; ++i) {
    got += h.Poll().size();
    h.Advance(Duration::Microseconds(5));
  }
  EXPECT_EQ(got, 20U);
  EXPECT_EQ(h.Stat("rx_missed"), 0U);
}

TEST(NicRx, FullPacketBufferMisses) {
  NicHarness h({}, 8);
  // 60 bytes take 80 of the buffer: 512 KB hold 6553.
  constexpr int kFit = 512 * 1024 / 80;
  const Bytes frame = UdpFrame(18);
  const WireFrame wire = h.Frame(frame);
  for (int i = 0; i < 7 + kFit + 5; ++i) h.nic.WireRx(h.now(), wire);
  h.Advance(Duration::Milliseconds(1));
  EXPECT_EQ(h.Stat("rx_missed"), 5U);
  EXPECT_EQ(h.Read(0x3fa0), 5U);  // MPC[0]
  EXPECT_EQ(h.Read(kEicr) & kEicrRxMiss, kEicrRxMiss);
  EXPECT_EQ(h.Stat("rx_queued"), uint64_t{kFit});
  EXPECT_EQ(h.Stat("rx_frames"),
            h.Stat("rx_host_frames") + h.Stat("rx_queued") + h.Stat("rx_missed"));
}

// What is visible when does not depend on how often somebody looks.
TEST(NicRx, LookingOftenChangesNothing) {
  std::vector<std::vector<uint64_t>> seen;
  for (const uint64_t step_ns : {7U, 100U, 12'345U}) {
    NicHarness h({}, 16);
    const SimTime start = h.now();
    for (size_t i = 0; i < 60; ++i) {
      h.Inject(start + Duration::Nanoseconds(100) * i, UdpFrameOf(60 + 20 * i));
    }
    std::vector<uint64_t> times;
    size_t got = 0;
    // Look in small steps, but refill at the same times.
    for (uint64_t until_us = 10; until_us <= 100; until_us += 10) {
      const SimTime until = start + Duration::Microseconds(until_us);
      while (h.now() + Duration::Nanoseconds(step_ns) < until) {
        h.host.world.RunUntil(h.now() + Duration::Nanoseconds(step_ns));
        h.bus.SyncDevices();
      }
      h.host.world.RunUntil(until);
      got += h.Poll().size();
      times.push_back(got);
      times.push_back(h.Stat("pcie_up_bytes"));
      times.push_back(h.interrupts.size());
    }
    seen.push_back(times);
  }
  EXPECT_EQ(seen[0], seen[1]);
  EXPECT_EQ(seen[0], seen[2]);
  EXPECT_EQ(seen[0][27], 60U);
}

TEST(NicRx, StrayBufferIsReportedAndDoesNotCrash) {
  NicHarness h;
  // Batches of 32 are fetched ahead, so the last descriptor is fetched late enough to be seen
  // changed.
  StoreLe64(h.rx[0].memory + 200 * 16, 0x123456789);
  for (int i = 0; i < 250; ++i) h.Inject(h.now(), UdpFrame(18));
  h.Advance(Duration::Microseconds(50));
  EXPECT_EQ(h.Stat("rx_host_frames"), 250U);
  EXPECT_EQ(h.bus.faults(), 1U);
}

TEST(NicRx, TailOutsideTheRingIsADriverBug) {
  NicHarness h;
  h.Write(NicHarness::RxReg(0, kRdt), 256);
  EXPECT_EQ(h.Read(NicHarness::RxReg(0, kRdt)), 255U);
  EXPECT_EQ(h.bus.faults(), 1U);
  h.Write(NicHarness::RxReg(0, kRdt), 100);  // backwards
  EXPECT_EQ(h.Read(NicHarness::RxReg(0, kRdt)), 255U);
  EXPECT_EQ(h.bus.faults(), 2U);
}

}  // namespace
}  // namespace tapedeck::nic
