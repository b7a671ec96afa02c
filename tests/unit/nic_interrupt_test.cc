// Interrupt causes, masks and moderation of the NIC model, driven over the device bus (experiment
// A2 of the timing model).
#include "nic_harness.h"

namespace tapedeck::nic {
namespace {

class NicInterrupt : public testing::Test {
 protected:
  void Unmask() {
    h.Write(kEims, 1U << NicHarness::kQueueVector);
    h.Settle();
  }
  NicHarness h;
  Bytes frame = UdpFrame(18);
};

TEST_F(NicInterrupt, MaskedVectorSendsNothingUntilItIsUnmasked) {
  h.Inject(h.now(), frame);
  h.Advance(Duration::Microseconds(10));
  EXPECT_TRUE(h.interrupts.empty());
  const SimTime unmasked = h.now();
  h.Write(kEims, 1);
  h.Settle();
  ASSERT_EQ(h.interrupts.size(), 1U);
  // The write, the message of 28 bytes, its latency.
  EXPECT_EQ((h.interrupts[0] - unmasked).ps,
            250'000 + 28 * 8 * 1000 * 1000 / 28'680 + 1 + 250'000U);
}

TEST_F(NicInterrupt, MessageComesBehindItsDescriptor) {
  Unmask();
  h.Inject(h.now(), frame);
  while (h.interrupts.empty()) ASSERT_TRUE(h.host.world.Step(h.now() + Duration::Microseconds(5)));
  EXPECT_EQ(h.Poll().size(), 1U);
}

struct EitrCase {
  uint32_t eitr;
  uint64_t interval_ps;
};
constexpr EitrCase kEitrCases[] = {
    {0x8, 2'048'000},     {0x28, 10'240'000},   {0xc8, 51'200'000},    {0x190, 102'400'000},
    {0x320, 204'800'000}, {0x7d0, 512'000'000}, {0xff8, 1'046'528'000}};

// 10^12 / 10,240,000 = 97,656.25 interrupts a second: exactly 1,000 in 10.24 ms.
TEST_F(NicInterrupt, SaturatedRateIsExactlyTheReciprocalOfEitr) {
  for (const EitrCase& c : kEitrCases) {
    NicHarness s({}, 512);
    s.Write(kEitr, c.eitr);
    s.Write(kEims, 1);
    s.Settle();
    const WireFrame wire = s.Frame(frame);
    constexpr uint64_t kIntervals = 20;
    // Line rate; the ring is refilled now and then without ever looking at interrupts.
    const SimTime start = s.now();
    const SimTime end = start + Duration{c.interval_ps * kIntervals} + Duration::Microseconds(3);
    SimTime handed = start;
    while (s.now() < end) {
      while (handed < s.now() + Duration::Microseconds(20)) handed = s.nic.WireRx(handed, wire);
      s.Advance(Duration::Microseconds(10));
      s.Poll();
    }
    ASSERT_GE(s.interrupts.size(), kIntervals) << c.eitr;
    for (size_t i = 1; i < kIntervals; ++i) {
      // Messages wait for their turn on the PCIe link behind at most one frame's writes: up to 42.4
      // ns of jitter.
      const uint64_t ideal = c.interval_ps * i;
      const uint64_t since_first = (s.interrupts[i] - s.interrupts[0]).ps;
      EXPECT_LE(since_first, ideal + 42'400) << c.eitr << " " << i;
      EXPECT_GE(since_first + 42'400, ideal) << c.eitr << " " << i;
    }
  }
}

// Over a whole number of periods the count is exact: EITR 0x28 for 0.0256 s gives 2,500.
TEST_F(NicInterrupt, NinetySevenThousandSixHundredFiftySixAndAQuarterASecond) {
  NicHarness s({}, 512);
  s.Write(kEitr, 0x28);
  s.Write(kEims, 1);
  s.Settle();
  const WireFrame wire = s.Frame(frame);
  SimTime handed = s.now();
  const SimTime start = s.now();
  while (s.now() < start + Duration::Microseconds(25'600 + 20)) {
    while (handed < s.now() + Duration::Microseconds(20)) handed = s.nic.WireRx(handed, wire);
    s.Advance(Duration::Microseconds(10));
    s.Poll();
  }
  const SimTime first = s.interrupts.front();
  uint64_t count = 0;
  for (const SimTime t : s.interrupts) {
    // Half a period of slack at either end keeps the PCIe jitter out of the count.
    if (t <= first + Duration::Nanoseconds(25'600'000 - 5'120)) ++count;
  }
  EXPECT_EQ(count, 2'500U);
  EXPECT_EQ(s.Stat("rx_missed") + s.Stat("rx_no_descriptor"), 0U);
}

TEST_F(NicInterrupt, IsolatedPacketDoesNotWaitForEitr) {
  std::vector<uint64_t> latency;
  for (const uint32_t eitr : {0U, 0x28U, 0xff8U}) {
    NicHarness s;
    s.Write(kEitr, eitr);
    s.Write(kEims, 1);
    s.Advance(Duration::Milliseconds(5));
    const SimTime start = s.now();
    s.Inject(start, frame);
    s.Advance(Duration::Milliseconds(5));
    ASSERT_EQ(s.interrupts.size(), 1U);
    latency.push_back((s.interrupts[0] - start).ps);
  }
  EXPECT_EQ(latency[0], latency[1]);
  EXPECT_EQ(latency[0], latency[2]);
}

TEST_F(NicInterrupt, SecondOfAPairWaitsForTheInterval) {
  h.Write(kEitr, 0x28);
  Unmask();
  const SimTime start = h.now();
  h.Inject(start, frame);
  h.Inject(start + Duration::Microseconds(3), frame);
  h.Advance(Duration::Microseconds(100));
  ASSERT_EQ(h.interrupts.size(), 2U);
  // The first message waited on the PCIe link behind its frame's writes, the second did not.
  const uint64_t apart = (h.interrupts[1] - h.interrupts[0]).ps;
  EXPECT_LE(apart, 10'240'000U);
  EXPECT_GE(apart, 10'240'000U - 42'400U);
}

// A cause that comes between the message and the handler's look makes an interrupt for which
// nothing is left to do.
TEST_F(NicInterrupt, SpuriousInterruptAfterALatePacket) {
  h.Write(kEitr, 0x28);
  Unmask();
  h.Inject(h.now(), frame);
  h.Inject(h.now(), frame);
  h.Advance(Duration::Microseconds(5));
  EXPECT_EQ(h.interrupts.size(), 1U);
  EXPECT_EQ(h.Poll().size(), 2U);
  h.Advance(Duration::Microseconds(20));
  EXPECT_EQ(h.interrupts.size(), 2U);
  EXPECT_TRUE(h.Poll().empty());
}

TEST_F(NicInterrupt, AutoMaskStopsTheVectorUntilItIsUnmasked) {
  h.Write(kGpie, kGpieMultipleMsix | kGpieEiame);
  h.Write(kEiamEx, 1);
  h.Write(kEimsEx, 1);
  h.Settle();
  for (int i = 0; i < 3; ++i) {
    h.Inject(h.now(), frame);
    h.Advance(Duration::Microseconds(20));
  }
  EXPECT_EQ(h.interrupts.size(), 1U);
  EXPECT_EQ(h.Read(kEims), 0U);
  h.Write(kEimsEx, 1);
  h.Advance(Duration::Microseconds(20));
  EXPECT_EQ(h.interrupts.size(), 2U);
}

TEST_F(NicInterrupt, EicrClearsOnReadOnOneWritesAndAlone) {
  h.Write(kEiac, 0);
  h.Settle();
  h.Inject(h.now(), frame);
  h.Settle();
  EXPECT_EQ(h.Read(kEicr), 1U);
  EXPECT_EQ(h.Read(kEicr), 0U);
  h.Write(kEics, 1);
  h.Write(kEicr, 1);
  EXPECT_EQ(h.Read(kEicr), 0U);
  // GPIE.OCD: a read clears only the other causes.
  h.Write(kGpie, kGpieMultipleMsix | kGpieOcd);
  h.Write(kEics, 1 | kEicrLsc);
  EXPECT_EQ(h.Read(kEicr), 1 | kEicrLsc);
  EXPECT_EQ(h.Read(kEicr), 1U);
}

TEST_F(NicInterrupt, EicsTellsTheCausesAndChangesNothing) {
  h.Write(kEims, 0);
  h.Write(kEimc, 1);
  h.Settle();
  h.Inject(h.now(), frame);
  h.Settle();
  h.Write(kEiam, 1);
  h.Write(kEims, 1 << 1);
  EXPECT_EQ(h.Read(kEics), 1U);
  EXPECT_EQ(h.Read(kEics), 1U);
  EXPECT_EQ(h.Read(kEims), 2U);
  EXPECT_EQ(h.Read(kEicr), 1U);
}

TEST_F(NicInterrupt, EimsIgnoresZeros) {
  h.Write(kEims, 1);
  h.Write(kEims, 0);
  EXPECT_EQ(h.Read(kEims), 1U);
  h.Write(kEimc, 1);
  EXPECT_EQ(h.Read(kEims), 0U);
}

TEST_F(NicInterrupt, MaskedTableEntryLeavesThePendingBit) {
  Unmask();
  h.bus.writel(h.slot, 3, 12, kMsixVectorMasked);
  h.Settle();
  h.Inject(h.now(), frame);
  h.Advance(Duration::Microseconds(10));
  EXPECT_TRUE(h.interrupts.empty());
  EXPECT_EQ(h.bus.readl(h.slot, 3, kMsixPba), 1U);
  h.bus.writel(h.slot, 3, 12, 0);
  h.Settle();
  EXPECT_EQ(h.interrupts.size(), 1U);
  EXPECT_EQ(h.bus.readl(h.slot, 3, kMsixPba), 0U);
}

TEST_F(NicInterrupt, LinkChangesInterrupt) {
  std::vector<SimTime> other;
  h.host.kernel.request_irq(
      h.slot, NicHarness::kOtherVector, 0,
      [](Cpu& cpu, void* context) {
        static_cast<std::vector<SimTime>*>(context)->push_back(cpu.now());
      },
      &other);
  h.Write(kEims, kEicrLsc);
  h.Settle();
  h.nic.SetCable(h.now(), false);
  h.Advance(Duration::Microseconds(10));
  EXPECT_EQ(other.size(), 1U);
  EXPECT_EQ(h.Read(kLinks), 0U);
  EXPECT_EQ(h.Read(kEicr), kEicrLsc);
  h.nic.SetCable(h.now(), true);
  h.Advance(Duration::Milliseconds(2));
  EXPECT_EQ(other.size(), 2U);
  EXPECT_EQ(h.Read(kLinks), kLinksUp | 3U << 28);
}

}  // namespace
}  // namespace tapedeck::nic
