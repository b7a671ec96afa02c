// The fuzz target without a fuzzing engine: what one input costs, with the full reset before it and
// every oracle behind it.
#include "fuzz/target.h"
#include "replay/script/addresses.h"
#include "replay/script/bytes.h"
#include "stack/base/check.h"
#include "stack/wire/frame_builder.h"
#include "tests/bench/cases.h"
#include "tests/bench/traffic.h"

namespace tapedeck::bench {

namespace {

// A datagram for the socket that the target has open.
FrameStep Datagram() {
  FrameStep step;
  step.bytes.resize(kSmallFrameBytes);
  wire::FrameBuilder builder(step.bytes);
  const std::span<uint8_t> frame =
      builder.Ethernet(HostMac(0), PeerMac(0))
          .Ipv4({.ttl = 64, .saddr = PeerIpv4(0), .daddr = HostIpv4(0)})
          .Udp({.source = kScriptPort, .dest = kScriptPort})
          .CountingPayload(18)
          .Build();
  CHECK_EQ(frame.size(), kSmallFrameBytes);
  return step;
}

// Runs one input again and again: so many datagrams, a millisecond apart.
class FuzzInput : public Case {
 public:
  explicit FuzzInput(int datagrams) {
    Script script;
    for (int i = 0; i < datagrams; ++i) {
      script.steps.push_back({.delay = Duration::Milliseconds(1), .what = Datagram()});
    }
    const absl::StatusOr<std::vector<uint8_t>> bytes = EncodeScript(script);
    CHECK(bytes.ok());
    input_ = *bytes;
    result_ = fuzz::RunInput(input_);
    CHECK(result_.keeps());
  }

  uint64_t Run() override {
    constexpr uint64_t kInputs = 200;
    for (uint64_t i = 0; i < kInputs; ++i) CHECK(fuzz::RunInput(input_) == result_);
    return kInputs;
  }

 private:
  std::vector<uint8_t> input_;
  fuzz::RunResult result_;
};

}  // namespace

void AddFuzzCases(Suite& suite) {
  suite.Add("fuzz/one_frame", "inputs", [] { return std::make_unique<FuzzInput>(1); });
  suite.Add("fuzz/three_frames", "inputs", [] { return std::make_unique<FuzzInput>(3); });
}

}  // namespace tapedeck::bench
