// The transmit path of the NIC model, driven over the device bus.
#include "nic_harness.h"

namespace tapedeck::nic {
namespace {

TEST(NicTx, AFrameLeavesAndItsDescriptorIsDone) {
  NicHarness h;
  const Bytes frame = UdpFrame(100);
  const uint32_t index = h.QueueTx(frame);
  h.bus.SetFrameId(h.tx[0].addresses[index], 77);
  EXPECT_FALSE(h.TxDone(index));
  const SimTime start = h.now();
  h.RingDoorbell();
  h.Advance(Duration::Microseconds(5));
  ASSERT_EQ(h.sent.size(), 1U);
  EXPECT_EQ(h.sent[0].bytes, frame);
  EXPECT_EQ(h.sent[0].frame_id, 77U);
  EXPECT_TRUE(h.TxDone(index));
  EXPECT_EQ(h.Read(NicHarness::TxReg(0, kTdh)), 1U);
  EXPECT_EQ(h.Stat("tx_frames"), 1U);
  EXPECT_EQ(h.bus.faults(), 0U);
  // Doorbell, descriptor (16 bytes), 142 bytes of data, MAC and PHY. A read of 64 bytes takes 547
  // ns; others differ by the time of their completions on the link.
  const auto completion = [](uint64_t bytes) { return (bytes + 20) * 8'000'000 / 28'680; };
  const uint64_t read = 547'000 - completion(64);
  const uint64_t expected = 250'000 + read + completion(16) + read + completion(142) + 200'000;
  EXPECT_NEAR(static_cast<double>((h.sent[0].first_bit - start).ps), static_cast<double>(expected),
              4.0);
  EXPECT_EQ((h.sent[0].last_bit - h.sent[0].first_bit).ps, (8 + 142 + 4) * 800U);
}

TEST(NicTx, ShortFramesArePaddedWithZeros) {
  NicHarness h;
  Bytes frame = UdpFrame(1);
  h.QueueTx(frame);
  h.RingDoorbell();
  h.Advance(Duration::Microseconds(5));
  frame.resize(60, 0);
  ASSERT_EQ(h.sent.size(), 1U);
  EXPECT_EQ(h.sent[0].bytes, frame);
}

// Line rate through the whole transmit path (experiment A1): frames are exactly a slot apart.
TEST(NicTx, SaturatedTransmitterFillsEverySlot) {
  for (const LinkSpeed speed : {LinkSpeed::k1G, LinkSpeed::k10G}) {
    for (const uint32_t bytes : {64U, 128U, 256U, 512U, 1024U, 1280U, 1518U}) {
      NicConfig config;
      config.speed = speed;
      NicHarness h(config, 512);
      const Bytes frame = UdpFrameOf(bytes - 4);
      for (int i = 0; i < 300; ++i)
        h.QueueTx(frame, kTxEop | kTxIfcs | (i % 32 == 31 ? uint32_t{kTxRs} : 0U));
      h.RingDoorbell();
      h.Advance(Duration::Milliseconds(5));
      ASSERT_EQ(h.sent.size(), 300U);
      const uint64_t slot = (8 + bytes + 12) * (speed == LinkSpeed::k10G ? 800U : 8'000U);
      // The first few leave while the pipeline of reads fills.
      for (size_t i = 8; i < 300; ++i) {
        ASSERT_EQ((h.sent[i].first_bit - h.sent[i - 1].first_bit).ps, slot) << bytes << " " << i;
      }
      EXPECT_EQ(1'000'000'000'000 / slot, FramesPerSecond(speed, bytes - 4));
      EXPECT_EQ(h.bus.faults(), 0U);
    }
  }
}

// When the data of each packet were asked for.
class ReadTimes : public DmaListener {
 public:
  void OnDma(const DmaTransfer& transfer) override {
    if (transfer.kind == DmaKind::kTxRead) times.push_back(transfer.from.ps);
  }
  std::vector<uint64_t> times;
};

// A doorbell makes the NIC look again at what it does next; frames that it waited for lie in the
// packet buffer as before.
TEST(NicTx, ADoorbellDoesNotMakeRoomInThePacketBuffer) {
  constexpr size_t kFrames = 12;
  constexpr size_t kReads = 3;  // of 512 bytes, for each
  std::vector<uint64_t> undisturbed;
  for (const int doorbells : {0, 5}) {
    NicConfig config;
    config.speed = LinkSpeed::k1G;
    NicHarness h(config, 512);
    ReadTimes reads;
    h.nic.set_dma_listener(&reads);
    h.Write(kTxPbSize, 4U << 10);  // KB: two frames
    for (size_t i = 0; i < kFrames; ++i) h.QueueTx(UdpFrameOf(1514));
    h.RingDoorbell();
    for (int i = 0; i < doorbells; ++i) {
      h.Advance(Duration::Microseconds(7));
      h.RingDoorbell();
    }
    h.Advance(Duration::Milliseconds(1));
    ASSERT_EQ(h.sent.size(), kFrames);
    ASSERT_EQ(reads.times.size(), kFrames * kReads);
    if (doorbells == 0) undisturbed = reads.times;
    EXPECT_EQ(reads.times, undisturbed);
    // The tenth is asked for when the eighth has left.
    EXPECT_GT(reads.times[9 * kReads], h.sent[7].first_bit.ps);
  }
}

// With few tags the rate is tags / round trip, not the wire's (Little's law, experiment A19).
TEST(NicTx, FewTagsLimitTheRate) {
  NicConfig config;
  config.outstanding_reads = 4;
  NicHarness h(config, 512);
  const Bytes frame = UdpFrame(18);
  for (int i = 0; i < 400; ++i) h.QueueTx(frame, kTxEop | kTxIfcs);
  h.RingDoorbell();
  h.Advance(Duration::Milliseconds(1));
  ASSERT_EQ(h.sent.size(), 400U);
  const double seconds =
      static_cast<double>((h.sent[399].first_bit - h.sent[40].first_bit).ps) * 1e-12;
  EXPECT_NEAR(359 / seconds, 4 / 547e-9, 4 / 547e-9 * 0.01);
}

TEST(NicTx, ChecksumsAreInserted) {
  for (const size_t payload : {0U, 1U, 18U, 100U, 1000U}) {
    NicHarness h;
    const Bytes good = UdpFrame(payload);
    Bytes frame = good;
    StoreBe16(&frame[24], 0);
    // The pseudo-header's sum, as software leaves it.
    StoreBe16(&frame[40],
              static_cast<uint16_t>(csum_from64to16(csum_tcpudp_nofold(
                  be32(0x0a000002), be32(0x0a000001), static_cast<uint32_t>(8 + payload), 17, 0))));
    h.QueueContext(20 | 14U << 9, 1U << 10 | 0U << 11);  // IPv4, UDP
    h.QueueTx(frame, kTxEop | kTxIfcs | kTxRs, 3);
    h.RingDoorbell();
    h.Advance(Duration::Microseconds(10));
    ASSERT_EQ(h.sent.size(), 1U);
    Bytes expected = good;
    expected.resize(std::max<size_t>(expected.size(), 60), 0);
    EXPECT_EQ(h.sent[0].bytes, expected) << payload;
  }
}

TEST(NicTx, VlanTagIsInserted) {
  NicHarness h;
  const Bytes frame = UdpFrame(100);
  h.QueueContext(uint64_t{0x2007} << 16 | 14U << 9 | 20, 1U << 10);
  h.QueueTx(frame, kTxEop | kTxIfcs | kTxRs | kTxVle);
  h.RingDoorbell();
  h.Advance(Duration::Microseconds(10));
  Bytes expected = frame;
  const uint8_t tag[] = {0x81, 0x00, 0x20, 0x07};
  expected.insert(expected.begin() + 12, tag, tag + 4);
  ASSERT_EQ(h.sent.size(), 1U);
  EXPECT_EQ(h.sent[0].bytes, expected);
}

TEST(NicTx, GathersDescriptors) {
  NicHarness h;
  const Bytes frame = UdpFrame(1000);
  const size_t cuts[] = {0, 14, 34, 500, 501, frame.size()};
  uint32_t last = 0;
  for (size_t i = 0; i + 1 < std::size(cuts); ++i) {
    const Bytes piece(frame.begin() + static_cast<ptrdiff_t>(cuts[i]),
                      frame.begin() + static_cast<ptrdiff_t>(cuts[i + 1]));
    const bool eop = i + 2 == std::size(cuts);
    last = h.QueueTx(piece, eop ? kTxEop | kTxIfcs | kTxRs : uint32_t{kTxIfcs}, 0,
                     static_cast<uint32_t>(frame.size()));
  }
  h.RingDoorbell();
  h.Advance(Duration::Microseconds(10));
  ASSERT_EQ(h.sent.size(), 1U);
  EXPECT_EQ(h.sent[0].bytes, frame);
  EXPECT_TRUE(h.TxDone(last));
}

TEST(NicTx, WriteBackThresholdWaitsForEnoughDescriptors) {
  NicHarness h;
  h.Write(NicHarness::TxReg(0, kTxDctl), 32 | 1U << 8 | 4U << 16 | kTxDctlEnable);
  h.Settle();
  for (int i = 0; i < 6; ++i) h.QueueTx(UdpFrame(18));
  h.RingDoorbell();
  h.Advance(Duration::Microseconds(20));
  EXPECT_TRUE(h.TxDone(0));
  EXPECT_TRUE(h.TxDone(3));
  EXPECT_FALSE(h.TxDone(4));
  EXPECT_FALSE(h.TxDone(5));
}

TEST(NicTx, WriteBackThresholdIsFlushedByEitr) {
  NicHarness h;
  h.Write(NicHarness::TxReg(0, kTxDctl), 32 | 1U << 8 | 4U << 16 | kTxDctlEnable);
  h.Write(kEitr, 0x28);
  h.Settle();
  h.QueueTx(UdpFrame(18));
  h.RingDoorbell();
  h.Advance(Duration::Microseconds(20));
  EXPECT_TRUE(h.TxDone(0));
}

TEST(NicTx, HeadWriteBack) {
  NicHarness h;
  dma_addr_t dma = 0;
  auto* const head = static_cast<uint8_t*>(h.bus.dma_alloc_coherent(h.slot, 64, &dma));
  h.Write(NicHarness::TxReg(0, kTdwbah), static_cast<uint32_t>(dma >> 32));
  h.Write(NicHarness::TxReg(0, kTdwbal), static_cast<uint32_t>(dma) | kTdwbalEnable);
  for (int i = 0; i < 5; ++i) h.QueueTx(UdpFrame(18));
  h.RingDoorbell();
  h.Advance(Duration::Microseconds(20));
  EXPECT_FALSE(h.TxDone(0));
  EXPECT_EQ(LoadLe32(head), 5U);
}

TEST(NicTx, CompletionInterrupts) {
  NicHarness h;
  h.Write(kEims, 1);
  h.Settle();
  h.QueueTx(UdpFrame(18));
  h.RingDoorbell();
  h.Advance(Duration::Microseconds(20));
  EXPECT_EQ(h.interrupts.size(), 1U);
}

TEST(NicTx, LoopbackComesBack) {
  NicHarness h;
  h.Write(kHlreg0, h.Read(kHlreg0) | kHlreg0Lpbk);
  const Bytes frame = UdpFrame(100);
  h.QueueTx(frame);
  h.RingDoorbell();
  h.Advance(Duration::Microseconds(20));
  const auto received = h.Poll();
  ASSERT_EQ(received.size(), 1U);
  EXPECT_EQ(received[0].bytes, frame);
  EXPECT_TRUE(h.sent.empty());
}

TEST(NicTx, InconsistentDescriptorsAreReported) {
  NicHarness h;
  h.QueueTx(UdpFrame(18), kTxEop | kTxIfcs | kTxRs, 0, 61);    // PAYLEN disagrees
  h.QueueTx(UdpFrame(18), kTxEop | kTxIfcs | kTxRs | kTxVle);  // no context was ever given
  const uint32_t good = h.QueueTx(UdpFrame(30));
  h.RingDoorbell();
  h.Advance(Duration::Microseconds(20));
  EXPECT_EQ(h.sent.size(), 1U);
  EXPECT_TRUE(h.TxDone(good));
  EXPECT_EQ(h.Stat("tx_aborted"), 2U);
  EXPECT_EQ(h.bus.faults(), 2U);
}

TEST(NicTx, StrayDataReadsAllOnes) {
  NicHarness h;
  const uint32_t index = h.QueueTx(UdpFrame(18));
  StoreLe64(h.tx[0].memory + index * 16, 0x4711);
  h.RingDoorbell();
  h.Advance(Duration::Microseconds(20));
  ASSERT_EQ(h.sent.size(), 1U);
  EXPECT_EQ(h.sent[0].bytes, Bytes(60, 0xff));
  EXPECT_EQ(h.bus.faults(), 1U);
  EXPECT_EQ(h.Read(kEicr) & kEicrPciException, kEicrPciException);
}

TEST(NicTx, LinkDownAbortsFrames) {
  NicHarness h;
  h.nic.SetCable(h.now(), false);
  h.QueueTx(UdpFrame(18));
  h.RingDoorbell();
  h.Advance(Duration::Microseconds(20));
  EXPECT_TRUE(h.sent.empty());
  EXPECT_EQ(h.Stat("tx_aborted"), 1U);
  EXPECT_TRUE(h.TxDone(0));
}

}  // namespace
}  // namespace tapedeck::nic
