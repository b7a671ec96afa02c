// Experiment A1: frames per second at line rate, each size and speed, exactly.
#include <gtest/gtest.h>

#include "nicmodel/pcie_link.h"
#include "nicmodel/wire_timing.h"

namespace tapedeck::nic {
namespace {

struct LineRate {
  uint32_t frame_bytes;  // with FCS
  uint64_t at_10g;
};
constexpr LineRate kLineRates[] = {{64, 14'880'952}, {128, 8'445'945},  {256, 4'528'985},
                                   {512, 2'349'624}, {1024, 1'197'318}, {1280, 961'538},
                                   {1518, 812'743}};

TEST(WireTiming, LineRateAtTenGigabit) {
  for (const LineRate& rate : kLineRates) {
    EXPECT_EQ(FramesPerSecond(LinkSpeed::k10G, rate.frame_bytes - kFcsBytes), rate.at_10g);
  }
}

// The other speeds are the same slots in other bit times: bits per second over slot bits, rounded
// down.
TEST(WireTiming, LineRateAtEverySpeed) {
  for (const LinkSpeed speed :
       {LinkSpeed::k10M, LinkSpeed::k100M, LinkSpeed::k1G, LinkSpeed::k2500M, LinkSpeed::k10G,
        LinkSpeed::k25G, LinkSpeed::k40G, LinkSpeed::k100G}) {
    for (const LineRate& rate : kLineRates) {
      EXPECT_EQ(FramesPerSecond(speed, rate.frame_bytes - kFcsBytes),
                BitsPerSecond(speed) / ((rate.frame_bytes + 20) * 8));
    }
  }
  EXPECT_EQ(FramesPerSecond(LinkSpeed::k10M, 60), 14'880U);
  EXPECT_EQ(FramesPerSecond(LinkSpeed::k40G, 60), 59'523'809U);
  EXPECT_EQ(FramesPerSecond(LinkSpeed::k100G, 60), 148'809'523U);
}

// Experiment A3, Gen3 x8 at MPS 256, MRRS 512: usable Gb/s by payload, for writes and for reads.
TEST(PcieLink, EfficiencyByPayload) {
  struct Row {
    uint32_t payload;
    double write;
    double read;
  };
  constexpr Row kRows[] = {{64, 42.10, 44.10},
                           {128, 48.75, 50.06},
                           {256, 52.92, 53.69},
                           {257, 48.78, 50.09},
                           {1500, 52.81, 53.60}};
  constexpr double kTlpRate = 57.88;
  const PcieLane lane(57'880'000'000, 256);
  for (const Row& row : kRows) {
    EXPECT_NEAR(kTlpRate * row.payload / lane.WriteBytes(row.payload), row.write, 0.01)
        << row.payload;
    EXPECT_NEAR(kTlpRate * row.payload / lane.CompletionBytes(row.payload), row.read, 0.01)
        << row.payload;
  }
}

// A million back-to-back packets take what one division of the whole says, to the picosecond.
TEST(PcieLink, NoTimeIsLostToRounding) {
  PcieLane lane(28'680'000'000, 256);
  SimTime end;
  for (int i = 0; i < 1'000'000; ++i) end = lane.Send(SimTime::Zero(), 124);
  const double exact = 124.0 * 8 * 1e6 / 28.68e9 * 1e12;
  EXPECT_NEAR(static_cast<double>(end.ps), exact, 10.0);
}

TEST(PcieLink, TagsBoundReadsUnderWay) {
  PcieLink link(28'680'000'000, 256, 2, Duration::Nanoseconds(547), Duration::Nanoseconds(250));
  EXPECT_EQ(link.NextReadAt(), SimTime::Zero());
  const SimTime first = link.Read(SimTime::Zero(), 64);
  EXPECT_EQ(first.ps, 547'000U);
  EXPECT_EQ(link.NextReadAt(), SimTime::Zero());
  link.Read(SimTime::Zero(), 64);
  EXPECT_EQ(link.NextReadAt(), first);
}

}  // namespace
}  // namespace tapedeck::nic
