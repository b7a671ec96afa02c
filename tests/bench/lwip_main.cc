// Debian's lwIP, fed with the same frames as ours.
#include <memory>
#include <vector>

#include "stack/base/check.h"
#include "tests/bench/lwip_peer.h"
#include "tests/bench/suite.h"
#include "tests/bench/tcp_peer.h"
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
    CHECK_EQ(lwip_peer_start_tcp(kTcpSinkPort, kTcpSourcePort, kTcpReplyPort), 0);
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

// TCP with the far end that ours is measured with, too. lwIP takes what it is offered of MSS and
// window scaling alone.
class LwipTcp : public Case {
 public:
  explicit LwipTcp(TcpPeer::Plan plan)
      : plan_(plan),
        peer_(plan, TcpPeer::Offer::kPlain, TcpConnections(plan),
              [](std::span<const uint8_t> frame) {
                CHECK_EQ(lwip_peer_receive(frame.data(), frame.size()), 0);
              }) {
    StartLwip();
    Run();
  }

  uint64_t Run() override {
    lwip_peer_on_transmit(&LwipTcp::OnTransmit, this);
    const uint64_t before = peer_.operations();
    while (peer_.operations() - before < TcpOperationsPerPortion(plan_)) peer_.Respond();
    CHECK_EQ(peer_.surprises(), 0U);
    lwip_peer_on_transmit(nullptr, nullptr);
    return peer_.operations() - before;
  }

 private:
  static void OnTransmit(void* context, const uint8_t* frame, size_t frame_bytes) {
    static_cast<LwipTcp*>(context)->peer_.OnFrame({frame, frame_bytes});
  }

  TcpPeer::Plan plan_;
  TcpPeer peer_;
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
  using Plan = TcpPeer::Plan;
  suite.Add("lwip/tcp_receive", "frames", [] { return std::make_unique<LwipTcp>(Plan::kSend); });
  suite.Add("lwip/tcp_receive_data", "segments",
            [] { return std::make_unique<LwipTcp>(Plan::kSendData); });
  suite.Add("lwip/tcp_send", "frames", [] { return std::make_unique<LwipTcp>(Plan::kFetch); });
  suite.Add("lwip/tcp_request", "transactions",
            [] { return std::make_unique<LwipTcp>(Plan::kRequest); });
  suite.Add("lwip/tcp_connect", "connections",
            [] { return std::make_unique<LwipTcp>(Plan::kConnect); });
  return suite.Main(argc, argv);
}
