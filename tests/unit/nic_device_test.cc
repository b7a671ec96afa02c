// The NIC model as a whole: both directions at once, several queues, what it traces.
#include <algorithm>

#include "nic_harness.h"

namespace tapedeck::nic {
namespace {

// What happens, and when, does not depend on how often somebody looks: both directions, moderation,
// a full ring.
TEST(NicDevice, LookingOftenChangesNothing) {
  std::vector<std::vector<uint64_t>> outcomes;
  for (const uint64_t step_ns : {3U, 41U, 1'000U, 1'000'000U}) {
    NicHarness h({}, 64);
    h.Write(kEitr, 0x8);
    h.Write(kEims, 1);
    h.Settle();
    const SimTime start = h.now();
    for (size_t i = 0; i < 300; ++i) h.Inject(start, UdpFrameOf(60 + (i * 37) % 1400));
    std::vector<uint64_t> outcome;
    for (uint64_t round = 1; round <= 10; ++round) {
      for (size_t i = 0; i < 6; ++i) h.QueueTx(UdpFrameOf(60 + (i * round * 91) % 1400));
      h.RingDoorbell();
      const SimTime until = start + Duration::Microseconds(20) * round;
      while (h.now() + Duration::Nanoseconds(step_ns) < until) {
        h.Advance(Duration::Nanoseconds(step_ns));
        h.bus.SyncDevices();
      }
      h.host.world.RunUntil(until);
      outcome.push_back(h.Poll().size());
      outcome.push_back(h.Stat("pcie_up_bytes"));
      outcome.push_back(h.Stat("pcie_down_bytes"));
    }
    for (const SimTime t : h.interrupts) outcome.push_back(t.ps);
    for (const auto& sent : h.sent) outcome.push_back(sent.first_bit.ps);
    EXPECT_EQ(h.sent.size(), 60U);
    EXPECT_EQ(h.bus.faults(), 0U);
    outcomes.push_back(outcome);
  }
  for (size_t i = 1; i < outcomes.size(); ++i) EXPECT_EQ(outcomes[i], outcomes[0]);
}

// A16: queue 0 has no descriptors left, queue 1 is drained.
class NicHeadOfLine : public testing::Test {
 protected:
  // Sends `frames` to each of two queues in turn, without ever giving queue 0 descriptors; returns
  // what queue 1 got.
  size_t Run(NicHarness& h, int frames) {
    h.SetUpRx(1, 64);
    h.Write(kMrqc, 1 | 1U << 22);
    for (uint32_t i = 0; i < 10; ++i) h.Write(kRssrk + 4 * i, 0x9e3779b9 * (i + 1));
    for (uint32_t i = 0; i < 32; ++i) h.Write(kReta + 4 * i, 0);
    h.Settle();
    // Two flows whose hashes differ; the table sends the second one's to queue 1.
    Bytes flows[2] = {UdpFrame(18), UdpFrame(18)};
    flows[1][29] = 99;
    h.Inject(h.now(), flows[0]);
    h.Inject(h.now(), flows[1]);
    h.Advance(Duration::Microseconds(10));
    const auto probes = h.Poll(0, /*refill=*/false);
    EXPECT_EQ(probes.size(), 2U);
    const uint32_t entry = probes[1].hash & 0x7f;
    EXPECT_NE(probes[0].hash & 0x7f, entry);
    h.Write(kReta + (entry & ~3U), 1U << (entry % 4 * 8));
    h.Settle();
    const WireFrame wires[2] = {h.Frame(flows[0]), h.Frame(flows[1])};
    size_t got = 0;
    for (int i = 0; i < frames; ++i) {
      h.nic.WireRx(h.now(), wires[0]);
      h.nic.WireRx(h.now(), wires[1]);
      if (i % 16 == 15) {
        h.Advance(Duration::Microseconds(4));
        got += h.Poll(1).size();
      }
    }
    h.Advance(Duration::Milliseconds(2));
    return got + h.Poll(1).size();
  }
  NicConfig config{.rx_queues = 2};
};

TEST_F(NicHeadOfLine, WithDropEnTheOtherQueueGetsEverything) {
  NicHarness h(config, 8);
  h.Write(NicHarness::RxReg(0, kSrrCtl), 2 | 1U << 25 | kSrrCtlDropEn);
  EXPECT_EQ(Run(h, 8000), 8000U);
  EXPECT_EQ(h.Stat("rx_no_descriptor"), 8000U - 5);
  EXPECT_EQ(h.Stat("rx_missed"), 0U);
}

TEST_F(NicHeadOfLine, WithoutItTheOtherQueueStops) {
  NicHarness h(config, 8);
  EXPECT_EQ(Run(h, 8000), 5U);
  EXPECT_EQ(h.Stat("rx_no_descriptor"), 0U);
  EXPECT_EQ(h.Stat("rx_missed"), 16'000U - 10 - 512 * 1024 / 80);
}

struct Recorder : TraceSink {
  void Emit(const TraceEvent& event) override {
    kinds.push_back(event.kind);
    events.push_back(event);
    bytes.emplace_back(event.bytes.begin(), event.bytes.end());
  }
  std::vector<TraceKind> kinds;
  std::vector<TraceEvent> events;
  std::vector<Bytes> bytes;
};

TEST(NicDevice, TracesWhatIsOnItsWiresAndWhatItDrops) {
  Recorder recorder;
  NicHarness h({.host = 3}, 64, &recorder);
  const Bytes in = UdpFrame(18);
  const Bytes strange = UdpFrame(18, kPeerMac);
  const Bytes out = UdpFrame(40);
  const SimTime start = h.now();
  h.Inject(start, in);
  h.Inject(start, strange);
  h.Advance(Duration::Microseconds(2));
  h.Poll();
  const SimTime sent = h.now();
  h.QueueTx(out);
  h.RingDoorbell();
  h.Advance(Duration::Microseconds(5));
  ASSERT_EQ(recorder.kinds, (std::vector{TraceKind::kWireRx, TraceKind::kWireRx,
                                         TraceKind::kNicDrop, TraceKind::kWireTx}));
  EXPECT_EQ(recorder.bytes[0], in);
  EXPECT_EQ(recorder.events[0].host, 3);
  EXPECT_EQ(recorder.events[0].time.ps, start.ps + 72 * 800);
  EXPECT_EQ(recorder.events[0].args[0], 1U);
  EXPECT_EQ(recorder.events[0].args[2], start.ps);
  EXPECT_EQ(recorder.events[1].time.ps, start.ps + (84 + 72) * 800);
  EXPECT_EQ(recorder.events[2].args[1], static_cast<uint64_t>(SKB_DROP_REASON_NIC_FILTER));
  EXPECT_EQ(recorder.bytes[3], out);
  EXPECT_EQ(recorder.events[3].time, h.sent[0].last_bit);
  EXPECT_GT(recorder.events[3].time, sent);
}

// Four transmit queues share the wire packet by packet, once their descriptors have come.
TEST(NicDevice, TransmitQueuesTakeTurns) {
  NicHarness h({.tx_queues = 4}, 64);
  for (uint32_t q = 1; q < 4; ++q) h.SetUpTx(q, 64);
  h.Settle();
  for (uint32_t q = 0; q < 4; ++q) {
    for (int i = 0; i < 60; ++i) h.QueueTx(UdpFrame(18 + q), kTxEop | kTxIfcs, 0, ~0U, q);
    h.RingDoorbell(q);
  }
  h.Advance(Duration::Microseconds(50));
  ASSERT_EQ(h.sent.size(), 240U);
  size_t by_queue[4] = {};
  for (size_t i = 80; i < 160; ++i) ++by_queue[h.sent[i].bytes.size() - 60];
  for (const size_t sent : by_queue) EXPECT_NEAR(static_cast<double>(sent), 20.0, 3.0);
}

}  // namespace
}  // namespace tapedeck::nic
