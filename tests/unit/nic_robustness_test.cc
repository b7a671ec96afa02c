// Whatever a driver writes and a wire carries, the NIC model neither crashes nor loses count.
#include "nic_harness.h"
#include "stack/base/prng.h"

namespace tapedeck::nic {
namespace {

constexpr uint32_t kOffsets[] = {kCtrl,
                                 kEicr,
                                 kEics,
                                 kEiac,
                                 kEims,
                                 kEimc,
                                 kEiam,
                                 kGpie,
                                 kEimsEx,
                                 kEimcEx,
                                 kEicsEx,
                                 kEiamEx,
                                 kIvar,
                                 kIvarMisc,
                                 kEitr,
                                 kEitr + 4,
                                 kRxCsum,
                                 kFctrl,
                                 kVlnCtrl,
                                 kMcstCtrl,
                                 kMta,
                                 kRal,
                                 kRal + 4,
                                 kVfta,
                                 kMrqc,
                                 kRssrk,
                                 kReta,
                                 kRxCtrl,
                                 kRxPbSize,
                                 kSecRxCtrl,
                                 kDmaTxCtl,
                                 kDtxTcpFlgL,
                                 kTxPbSize,
                                 kHlreg0,
                                 kMaxFrs,
                                 kAutoc,
                                 kRqsmr,
                                 kTqsm,
                                 0x4074,
                                 0x4088,
                                 0x408c,
                                 kRxRing + kRdbal,
                                 kRxRing + kRdbah,
                                 kRxRing + kRdlen,
                                 kRxRing + kRdh,
                                 kRxRing + kSrrCtl,
                                 kRxRing + kRdt,
                                 kRxRing + kRxDctl,
                                 kTxRing + kTdbal,
                                 kTxRing + kTdbah,
                                 kTxRing + kTdlen,
                                 kTxRing + kTdh,
                                 kTxRing + kTdt,
                                 kTxRing + kTxDctl,
                                 kTxRing + kTdwbal,
                                 kTxRing + kTdwbah};

Bytes RandomFrame(Prng& prng) {
  Bytes frame = UdpFrame(prng.Below(8) == 0 ? prng.Below(9000) : prng.Below(100));
  if (prng.Below(2) == 0) {
    for (uint32_t i = prng.Below(6); i > 0; --i) {
      frame[prng.Below(static_cast<uint32_t>(frame.size()))] = static_cast<uint8_t>(prng.Next32());
    }
  }
  if (prng.Below(8) == 0) frame.resize(prng.Below(static_cast<uint32_t>(frame.size())) + 1);
  return frame;
}

// Draws are made one by one: the order in which arguments are evaluated is the compiler's.
void QueueSomething(NicHarness& h, Prng& prng) {
  const Bytes frame = RandomFrame(prng);
  const uint32_t command = prng.Below(4) == 0 ? prng.Next32() & 0xdf : kTxEop | kTxIfcs | kTxRs;
  const uint32_t popts = prng.Below(4);
  const uint32_t paylen = prng.Below(4) == 0 ? prng.Below(1 << 18) : ~0U;
  if (frame.size() <= 2048) h.QueueTx(frame, command, popts, paylen);
}

void InjectSomething(NicHarness& h, Prng& prng) {
  const Bytes frame = RandomFrame(prng);
  const auto flags = static_cast<uint8_t>(prng.Below(8) == 0 ? prng.Below(8) : 0);
  h.Inject(h.now() + Duration::Nanoseconds(prng.Below(3000)), frame, flags);
}

void DoSomething(NicHarness& h, Prng& prng) {
  const uint32_t offset = kOffsets[prng.Below(std::size(kOffsets))];
  switch (prng.Below(10)) {
    case 0: {
      const uint32_t bit = 1U << prng.Below(32);
      h.Write(offset, prng.Below(2) == 0 ? prng.Next32() : bit);
      break;
    }
    case 1:
      h.Read(offset);
      break;
    case 2:
    case 3:
      InjectSomething(h, prng);
      break;
    case 4:
      QueueSomething(h, prng);
      break;
    case 5: {
      const uint64_t low = prng.Next64();
      h.QueueContext(low, prng.Next64() & 0xffff'ff00'0000'fe00);
      break;
    }
    case 6:
      h.RingDoorbell();
      break;
    case 7:
      h.Write(NicHarness::RxReg(0, kRdt), prng.Below(64));
      break;
    case 8:
      h.bus.SyncDevices();
      break;
    case 9:
      h.Advance(Duration::Nanoseconds(prng.Below(20'000)));
      break;
  }
}

class NicRobustness : public testing::TestWithParam<uint64_t> {};

TEST_P(NicRobustness, NothingIsLostWhateverIsWritten) {
  Prng prng(GetParam(), 1);
  NicHarness h({}, 64);
  for (int i = 0; i < 3000; ++i) DoSomething(h, prng);
  // Back to a state in which everything comes to an end.
  h.Write(kCtrl, kCtrlRst);
  h.Advance(Duration::Milliseconds(50));
  EXPECT_EQ(h.Stat("rx_queued"), 0U);
  EXPECT_EQ(h.Stat("tx_queued"), 0U);
  uint64_t ended = 0;
  for (const char* name : {"rx_host_frames", "rx_disabled", "rx_symbol_errors", "rx_crc_errors",
                           "rx_runts", "rx_fragments", "rx_oversize", "rx_jabber", "rx_filtered",
                           "rx_missed", "rx_no_descriptor", "rx_dma_faults", "rx_reset"}) {
    ended += h.Stat(name);
  }
  EXPECT_EQ(h.Stat("rx_frames"), ended);
  EXPECT_EQ(h.Stat("rx_frames"), h.kept.size() + h.Stat("tx_loopback"));
  // All that is alive: the harness's own buffers and rings.
  uint64_t own = 2 + 64;
  for (const PacketBuffer& buffer : h.tx[0].owned) own += buffer.data != nullptr ? 1 : 0;
  EXPECT_EQ(h.host.world.packets().live_objects(), own);
}
INSTANTIATE_TEST_SUITE_P(Seeds, NicRobustness, testing::Range<uint64_t>(0, 60));

// A snapshot in the middle of traffic, restored, goes on as if nothing had been.
TEST(NicSnapshot, GoesOnAfterARestore) {
  NicHarness h;
  h.Write(kEitr, 0x28);
  h.Write(kEims, 1);
  h.Settle();
  const WireFrame wire = h.Frame(UdpFrame(18));
  for (int i = 0; i < 200; ++i) h.nic.WireRx(h.now(), wire);
  h.Advance(Duration::Microseconds(5));
  Snapshot snapshot;
  h.host.arena.Take(&snapshot);
  std::vector<std::vector<uint64_t>> runs;
  for (int run = 0; run < 2; ++run) {
    h.interrupts.clear();
    h.Advance(Duration::Microseconds(50));
    std::vector<uint64_t> outcome = {h.Stat("rx_host_frames"), h.Stat("pcie_up_bytes"),
                                     h.Poll().size()};
    for (const SimTime t : h.interrupts) outcome.push_back(t.ps);
    runs.push_back(outcome);
    h.host.arena.Restore(snapshot);
    h.rx[0].next = 0;
  }
  EXPECT_EQ(runs[0], runs[1]);
  EXPECT_EQ(runs[0][0], 200U);
}

}  // namespace
}  // namespace tapedeck::nic
