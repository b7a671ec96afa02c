// Debian's lwIP, fed with the same frames as ours.
#include <memory>
#include <vector>

#include "stack/base/check.h"
#include "tests/bench/lwip_peer.h"
#include "tests/bench/suite.h"
#include "tests/bench/traffic.h"

namespace tapedeck::bench {

namespace {

constexpr uint64_t kFramesPerPortion = 10'000;

// lwIP, which a process has one of. It has learned the peer's MAC address.
void StartLwip() {
  static const bool started = [] {
    CHECK_EQ(
        lwip_peer_start(kHostMac.bytes().data(), kHostAddress.bytes().data(), kSinkPort, kEchoPort),
        0);
    const uint64_t before = lwip_peer_counted()->frames_out;
    const std::vector<uint8_t> request = ArpRequest();
    CHECK_EQ(lwip_peer_receive(request.data(), request.size()), 0);
    CHECK_EQ(lwip_peer_counted()->frames_out - before, 1U);
    return true;
  }();
  CHECK(started);
}

// UDP datagrams in, to an application that reads them or to one that sends them back.
class LwipUdp : public Case {
 public:
  LwipUdp(size_t frame_bytes, uint16_t port)
      : frame_(UdpFrame(frame_bytes, port)), echo_(port == kEchoPort) {
    StartLwip();
    Run();
  }

  // Counts frames in and out.
  uint64_t Run() override {
    const lwip_peer_counts before = *lwip_peer_counted();
    for (uint64_t i = 0; i < kFramesPerPortion; ++i)
      lwip_peer_receive(frame_.data(), frame_.size());
    CHECK_EQ(lwip_peer_counted()->datagrams - before.datagrams, kFramesPerPortion);
    const uint64_t out = lwip_peer_counted()->frames_out - before.frames_out;
    CHECK_EQ(out, echo_ ? kFramesPerPortion : 0);
    return kFramesPerPortion + out;
  }

 private:
  std::vector<uint8_t> frame_;
  bool echo_;
};

}  // namespace

}  // namespace tapedeck::bench

int main(int argc, char** argv) {
  using namespace tapedeck::bench;
  Suite suite;
  suite.Add("lwip/udp_receive_64", "frames",
            [] { return std::make_unique<LwipUdp>(kSmallFrameBytes, kSinkPort); });
  suite.Add("lwip/udp_receive_1514", "frames",
            [] { return std::make_unique<LwipUdp>(kLargeFrameBytes, kSinkPort); });
  suite.Add("lwip/udp_echo_64", "frames",
            [] { return std::make_unique<LwipUdp>(kSmallFrameBytes, kEchoPort); });
  return suite.Main(argc, argv);
}
