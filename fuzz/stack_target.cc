// Frames, system calls and passing time against one host with one NIC, a bound UDP socket and a
// ping socket.
//
// Input: the bytes spelling of a Script. Property: no CHECK fails, no device touches what is not
// its own, every frame is delivered or dropped for one reason, work is bounded, and when the host
// goes down nothing is left of it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "fuzz/oracles.h"
#include "fuzz/target.h"
#include "replay/lab/fd_names.h"
#include "replay/lab/lab.h"
#include "replay/lab/script_hosts.h"
#include "replay/lab/script_player.h"
#include "replay/script/bytes.h"
#include "replay/script/script.h"
#include "replay/script/text.h"
#include "stack/base/check.h"
#include "stack/base/time.h"

namespace tapedeck::fuzz {
namespace {

// Longer inputs only repeat what shorter ones do.
constexpr size_t kStepsMax = 256;
// Beyond every timeout of the layers that exist; later delays are cut.
constexpr Duration kTimeMax = Duration::Seconds(600);
// How long the run goes on behind the last step: kStepsMax of the longest frames take 4 ms on the wire. Devices that go down
// forget what is in their queues, and the ledger would miss it.
constexpr Duration kSettle = Duration::Milliseconds(10);

// What every input finds: descriptor 3 is a UDP socket on the script's port, 4 a ping socket.
constexpr std::string_view kPrelude = R"(
    0  socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3
    +0 bind(3, ..., ...) = 0
    +0 socket(..., SOCK_DGRAM, IPPROTO_ICMP) = 4
)";

LabOptions SmallLab() {
  LabHostOptions host = ScriptHostOptions(0);
  // The smallest that the driver has, so that rings wrap and run dry, and a reset has little to
  // copy.
  host.driver.rx_ring_entries = 64;
  host.driver.tx_ring_entries = 64;
  LabOptions options;
  options.hosts.push_back(host);
  return options;
}

// Cuts what lies beyond kTimeMax.
void CutTime(Script& script) {
  Duration left = kTimeMax;
  for (Step& step : script.steps) {
    step.delay = std::min(step.delay, left);
    left = left - step.delay;
    if (auto* const call = std::get_if<CallStep>(&step.what); call && call->returns_after) {
      call->returns_after = std::min(*call->returns_after, left);
    }
  }
}

// All state is in the Lab, and a run begins with putting it back.
class StackTarget {
 public:
  StackTarget() : lab_(SmallLab()) {
    CHECK_EQ(lab_.host(0).kernel().sysctl().Write("net/ipv4/ping_group_range", "0 2147483647"), 0);
    lab_.port(0).AnswerArp(&peers_, Duration::Microseconds(50));
    const absl::StatusOr<Script> prelude = ParseScript(kPrelude, "prelude");
    CHECK(prelude.ok());
    {
      ScriptPlayer player(lab_, *prelude);
      player.Play();
      CHECK(player.verdict().held());
      names_ = player.names();
    }
    lab_.Take(&start_);
  }

  // Returns the digest.
  uint64_t Run(const Script& script) {
    lab_.Restore(start_);
    const uint64_t steps_before = lab_.world().steps();
    const uint64_t frames = Play(script);
    lab_.Shutdown();
    CheckWorkBounded(lab_.world().steps() - steps_before, kStepsOfWorkMax);
    CheckDmaAllowed(lab_.recorder());
    CheckFramesAccounted(lab_.recorder(), frames);
    CheckNothingLeft(lab_);
    return lab_.recorder().digest().value();
  }

 private:
  static constexpr uint64_t kStepsOfWorkMax = 100'000;

  // Returns how many frames it sent.
  uint64_t Play(const Script& script) {
    ScriptPlayer player(lab_, script, names_);
    player.Play();
    lab_.world().RunUntil(lab_.world().now() + kSettle);
    return player.frames();
  }

  ScriptPeers peers_;
  Lab lab_;
  FdNames names_;
  Lab::Checkpoint start_;
};

}  // namespace

std::optional<uint64_t> RunInput(std::span<const uint8_t> input) {
  static StackTarget target;
  Script script = DecodeScript(input);
  if (script.steps.size() > kStepsMax) return std::nullopt;
  CutTime(script);
  return target.Run(script);
}

}  // namespace tapedeck::fuzz
