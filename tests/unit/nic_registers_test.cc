// Registers, reset, EEPROM, configuration space and statistics of the NIC model, read and written
// over the bus.
#include "nic_harness.h"

namespace tapedeck::nic {
namespace {

class NicRegisters : public testing::Test {
 protected:
  NicHarness h;
};

TEST_F(NicRegisters, ConfigurationSpaceIdentifiesAnEightyTwoFiveNineNine) {
  EXPECT_EQ(h.bus.ReadConfig(h.slot, 0, 4), 0x10f78086U);
  EXPECT_EQ(h.bus.ReadConfig(h.slot, 0x0b, 1), 2U);  // network controller
  h.bus.WriteConfig(h.slot, 0x10, 4, ~0U);
  EXPECT_EQ(h.bus.ReadConfig(h.slot, 0x10, 4), ~(128U * 1024 - 1));
  h.bus.WriteConfig(h.slot, 0x1c, 4, ~0U);
  EXPECT_EQ(h.bus.ReadConfig(h.slot, 0x1c, 4), ~(16U * 1024 - 1));
  // The capabilities' chain ends, and MSI-X says how many vectors there are.
  uint32_t at = h.bus.ReadConfig(h.slot, 0x34, 1);
  uint32_t found = 0;
  for (int hops = 0; at != 0; ++hops) {
    ASSERT_LT(hops, 10);
    if (h.bus.ReadConfig(h.slot, at, 1) == 0x11) {
      found = at;
      EXPECT_EQ(h.bus.ReadConfig(h.slot, at + 2, 2) & 0x7ff, 1U);
      EXPECT_EQ(h.bus.ReadConfig(h.slot, at + 4, 4), 3U);
    }
    at = h.bus.ReadConfig(h.slot, at + 1, 1);
  }
  EXPECT_EQ(found, 0x70U);
}

TEST_F(NicRegisters, EepromSumsToBaba) {
  EXPECT_EQ(h.Read(kEec) & (kEecPresent | kEecAutoReadDone), kEecPresent | kEecAutoReadDone);
  uint16_t sum = 0;
  for (uint32_t word = 0; word < 0x40; ++word) {
    h.Write(kEerd, word << 2 | kEerdStart);
    const uint32_t value = h.Read(kEerd);
    ASSERT_NE(value & kEerdDone, 0U);
    sum = static_cast<uint16_t>(sum + (value >> 16));
  }
  EXPECT_EQ(sum, 0xbaba);
}

TEST_F(NicRegisters, SoftwareSemaphore) {
  EXPECT_EQ(h.Read(kSwsm) & kSwsmSmbi, 0U);
  EXPECT_EQ(h.Read(kSwsm) & kSwsmSmbi, kSwsmSmbi);
  h.Write(kSwsm, 0);
  EXPECT_EQ(h.Read(kSwsm) & kSwsmSmbi, 0U);
}

TEST_F(NicRegisters, ResetClearsEverythingAndTheLinkComesBack) {
  h.Write(kFctrl, kFctrlUpe);
  h.Write(kEims, 1);
  h.Write(kCtrl, kCtrlRst);
  h.Advance(Duration::Nanoseconds(300));
  EXPECT_EQ(h.Read(kCtrl) & kCtrlRst, kCtrlRst);
  EXPECT_EQ(h.Read(kFctrl), 0U);
  EXPECT_EQ(h.Read(kEims), 0U);
  EXPECT_EQ(h.Read(NicHarness::RxReg(0, kRxDctl)), 0U);
  EXPECT_EQ(h.Read(kLinks), 0U);
  EXPECT_EQ(h.Read(kRal), 0x00000002U);
  EXPECT_EQ(h.Read(kRalAlias + 4), 0x0100U | kRahValid);
  h.Advance(Duration::Milliseconds(2));
  EXPECT_EQ(h.Read(kCtrl) & kCtrlRst, 0U);
  EXPECT_EQ(h.Read(kLinks), kLinksUp | 3U << 28);
  EXPECT_EQ(h.Read(kRdRxCtl) & kRdRxCtlDmaIdone, kRdRxCtlDmaIdone);
}

// In the middle of traffic in both directions, with nothing lost from the ledgers.
TEST_F(NicRegisters, ResetInFlight) {
  const uint64_t buffers = h.host.world.packets().live_objects();
  for (int i = 0; i < 100; ++i) h.Inject(h.now(), UdpFrame(18));
  for (int i = 0; i < 50; ++i) h.QueueTx(UdpFrameOf(1000));
  h.RingDoorbell();
  h.Advance(Duration::Microseconds(4));
  h.Write(kCtrl, kCtrlRst);
  h.Advance(Duration::Milliseconds(2));
  EXPECT_EQ(h.Stat("rx_queued"), 0U);
  EXPECT_EQ(h.Stat("tx_queued"), 0U);
  EXPECT_EQ(h.Stat("rx_frames"), 100U);
  EXPECT_EQ(h.Stat("rx_frames"),
            h.Stat("rx_host_frames") + h.Stat("rx_reset") + h.Stat("rx_disabled"));
  EXPECT_GT(h.Stat("tx_aborted"), 0U);
  EXPECT_EQ(h.host.world.packets().live_objects(), buffers + 50);
}

TEST_F(NicRegisters, GioMasterDisable) {
  EXPECT_NE(h.Read(kStatus) & kStatusGioMasterEnable, 0U);
  h.Write(kCtrl, kCtrlGioMasterDisable);
  EXPECT_EQ(h.Read(kStatus) & kStatusGioMasterEnable, 0U);
}

TEST_F(NicRegisters, ReceiveSecurityQuiesces) {
  EXPECT_EQ(h.Read(kSecRxStat), 0U);
  h.Write(kSecRxCtrl, kSecRxCtrlRxDis);
  EXPECT_EQ(h.Read(kSecRxStat), kSecRxStatRdy);
}

TEST_F(NicRegisters, Aliases) {
  h.Write(kSrrCtlAlias, 3 | 1U << 25);
  EXPECT_EQ(h.Read(NicHarness::RxReg(0, kSrrCtl)), 3 | 1U << 25);
  h.Write(NicHarness::RxReg(0, kDcaRxCtrl), 0x20);
  EXPECT_EQ(h.Read(kDcaRxCtrlAlias), 0x20U);
  h.Write(kMrqcAlias, 1);
  EXPECT_EQ(h.Read(kMrqc), 1U);
}

TEST_F(NicRegisters, UnknownRegistersReadZeroAndAreCounted) {
  EXPECT_EQ(h.Read(0x1fff0), 0U);
  h.Write(0x1fff0, 5);
  EXPECT_EQ(h.Read(0x1fff0), 0U);
  EXPECT_EQ(h.Stat("unknown_register_reads"), 2U);
  EXPECT_EQ(h.Stat("unknown_register_writes"), 1U);
  // Queue 1 is not there.
  EXPECT_EQ(h.Read(NicHarness::RxReg(1, kRdt)), 0U);
  EXPECT_EQ(h.Stat("unknown_register_reads"), 3U);
}

TEST_F(NicRegisters, StatisticsClearOnRead) {
  for (const size_t bytes : {60U, 61U, 124U, 300U, 1514U}) h.Inject(h.now(), UdpFrameOf(bytes));
  h.Advance(Duration::Microseconds(10));
  h.Poll();
  EXPECT_EQ(h.Read(0x405c), 1U);  // PRC64
  EXPECT_EQ(h.Read(0x4060), 1U);  // PRC127
  EXPECT_EQ(h.Read(0x4064), 1U);  // PRC255
  EXPECT_EQ(h.Read(0x4070), 1U);  // PRC1522
  EXPECT_EQ(h.Read(0x4074), 5U);  // GPRC
  EXPECT_EQ(h.Read(0x4074), 0U);
  EXPECT_EQ(h.Read(0x4088), 60U + 61 + 124 + 300 + 1514 + 5 * 4);  // GORCL
  EXPECT_EQ(h.Read(0x408c), 0U);
  EXPECT_EQ(h.Read(0x1030), 5U);  // QPRC[0]
  EXPECT_EQ(h.Read(0x1030), 0U);
  EXPECT_EQ(h.Read(0x40d0), 5U);  // TPR
  EXPECT_EQ(h.Stat("rx_frames"), 5U);
}

TEST_F(NicRegisters, QueueStatisticsFollowTheirMap) {
  h.Write(kRqsmr, 7);
  h.Write(kTqsm, 5);
  h.Settle();
  h.Inject(h.now(), UdpFrame(18));
  h.QueueTx(UdpFrame(18));
  h.RingDoorbell();
  h.Advance(Duration::Microseconds(10));
  h.Poll();
  EXPECT_EQ(h.Read(0x1030 + 0x40 * 7), 1U);  // QPRC[7]
  EXPECT_EQ(h.Read(0x1034 + 0x40 * 7), 64U);
  EXPECT_EQ(h.Read(0x8680 + 4 * 5), 1U);  // QPTC[5]
  EXPECT_EQ(h.Read(0x8700 + 8 * 5), 64U);
}

TEST(StatRegisters, OctetPairsHoldThirtySixBits) {
  Counters counters;
  StatRegisters registers(counters);
  counters.rx_good_octets = 0x9'1234'5678;
  uint32_t low = 0;
  uint32_t high = 0;
  EXPECT_TRUE(registers.Read(0x4088, &low));
  EXPECT_TRUE(registers.Read(0x408c, &high));
  EXPECT_EQ(low, 0x12345678U);
  EXPECT_EQ(high, 9U);
  EXPECT_TRUE(registers.Read(0x408c, &high));
  EXPECT_EQ(high, 0U);
}

// The chip's state with one queue pair: the Lab is to stay within a cache.
TEST(NicMemory, OneQueuePairStaysSmall) {
  if (kAsanBuild) GTEST_SKIP() << "red zones make objects larger";
  TestHost host;
  const size_t before = host.arena.hot_used_bytes();
  host.arena.New<Nic82599>(host.kernel.bus(), NicConfig{});
  EXPECT_LT(host.arena.hot_used_bytes() - before, 32U * 1024);
}

}  // namespace
}  // namespace tapedeck::nic
