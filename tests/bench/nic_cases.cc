// The NIC model behind the smallest driver there is: frames from the wire into a receive ring that
// is polled and refilled.
#include "nic_harness.h"
#include "tests/bench/cases.h"
#include "tests/bench/traffic.h"

namespace tapedeck::bench {

namespace {

class NicReceive : public Case {
 public:
  explicit NicReceive(size_t frame_bytes) : frame_(UdpFrame(frame_bytes, kSinkPort)) {
    // What the interrupt handler of the harness keeps is not wanted here.
    harness_.Write(nic::kEimc, ~0U);
    harness_.Settle();
    Run();
  }

  uint64_t Run() override {
    constexpr uint64_t kBatches = 64;
    for (uint64_t i = 0; i < kBatches; ++i) ReceiveBatch();
    return kBatches * kBatch;
  }

 private:
  static constexpr uint64_t kBatch = 64;

  void ReceiveBatch() {
    const SimTime start = harness_.now();
    for (uint64_t i = 0; i < kBatch; ++i) {
      nic::WireFrame frame;
      frame.bytes = frame_;
      frame.frame_id = harness_.host.world.NewFrameId();
      harness_.nic.WireRx(start + Duration::Microseconds(2 * i), frame);
    }
    harness_.Advance(Duration::Microseconds(2 * kBatch + 8));
    Poll();
  }

  void Poll() {
    harness_.bus.SyncDevices();
    nic::NicHarness::Ring& ring = harness_.rx[0];
    for (uint64_t i = 0; i < kBatch; ++i) {
      uint8_t* const descriptor = ring.memory + ring.next * 16;
      CHECK_EQ(LoadLe16(descriptor + 12), frame_.size());
      StoreLe64(descriptor, ring.addresses[ring.next]);
      StoreLe64(descriptor + 8, 0);
      ring.next = (ring.next + 1) % ring.entries;
    }
    harness_.Write(nic::NicHarness::RxReg(0, nic::kRdt),
                   (ring.next + ring.entries - 1) % ring.entries);
  }

  std::vector<uint8_t> frame_;
  nic::NicHarness harness_;
};

}  // namespace

void AddNicCases(Suite& suite) {
  suite.Add("nic/receive_64", "frames",
            [] { return std::make_unique<NicReceive>(kSmallFrameBytes); });
  suite.Add("nic/receive_1514", "frames",
            [] { return std::make_unique<NicReceive>(kLargeFrameBytes); });
}

}  // namespace tapedeck::bench
