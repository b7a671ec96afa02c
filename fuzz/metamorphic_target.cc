// One input on two hosts that differ in something that no application may notice: who verifies
// checksums, who takes VLAN tags off, where sockets are looked up, how much is polled at once.
//
// Input: the bytes spelling of a Script; how many steps it has chooses the difference. Property:
// every call ends with the same result on both, and every socket goes through the same states, at
// the same times where the difference leaves them; and what holds for `stack`.
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fuzz/oracles.h"
#include "fuzz/script_input.h"
#include "fuzz/stage.h"
#include "fuzz/target.h"
#include "replay/lab/fault_steps.h"
#include "stack/base/check.h"
#include "stack/core/dev.h"

namespace tapedeck::fuzz {
namespace {

// Descriptor 3 is a UDP socket on the script's port, 5 a TCP listener there, 6 a connection from
// the first peer.
std::string Prelude() {
  constexpr char kAccepted[] = R"(
    +1   segment 0 SYN mss 1460 sackok ts 0 0 wscale 7
    +1ms segment 0 ACK ts 0 0
    +1ms accept(5, ..., ...) = 6
    +1   pause
)";
  return absl::StrCat(kBindDatagrams, kSayHello, kOpenListener, kAccepted);
}

void Sysctl(Lab& lab, const char* path, const char* value) {
  CHECK_EQ(lab.host(0).kernel().sysctl().Write(path, value), 0);
}

void WithoutFeature(Lab& lab, netdev_features_t feature) {
  net_device* const dev = lab.device(0);
  netdev_set_features(dev, dev->features & ~feature);
}

struct Difference {
  void (*configure)(Lab& lab);
  // Applications see the same at the same time. Not where a NIC writes four bytes less, as it has
  // taken a tag off, and is done a little earlier.
  bool same_times = true;
};
constexpr Difference kDifferences[] = {
    {[](Lab& lab) { WithoutFeature(lab, NETIF_F_RXCSUM); }},
    {[](Lab& lab) { WithoutFeature(lab, NETIF_F_RXHASH); }},
    {[](Lab& lab) { WithoutFeature(lab, NETIF_F_HW_VLAN_CTAG_RX); }, /*same_times=*/false},
    {[](Lab& lab) { Sysctl(lab, "net/ipv4/ip_early_demux", "0"); }},
    {[](Lab& lab) { Sysctl(lab, "net/core/netdev_budget", "1"); }},
};
constexpr size_t kPairs = std::size(kDifferences);

// What applications have seen while a script ran: results of calls and states of sockets, in their
// order.
class ApplicationLog : public TraceObserver {
 public:
  ApplicationLog() { events_.reserve(kEventsReserved); }

  void Begin() {
    events_.clear();
    running_ = true;
  }
  void End() { running_ = false; }
  std::span<const TraceEvent> events() const { return events_; }

  void Observe(uint64_t, const TraceEvent& event, const FrameLedger&) override {
    if (!running_) return;
    if (event.kind != TraceKind::kSyscallExit && event.kind != TraceKind::kSockState) return;
    events_.push_back(event);
    events_.back().bytes = {};  // the sender's
  }

 private:
  static constexpr size_t kEventsReserved = 4096;

  bool running_ = false;
  std::vector<TraceEvent> events_;
};

struct Side {
  explicit Side(const std::function<void(Lab&)>& configure)
      : stage(SmallLab(), configure, Prelude(), [this](Lab&) { log.End(); }) {
    stage.lab().recorder().AddObserver(&log);
  }
  RunResult Run(const Script& script) {
    log.Begin();
    return stage.Run(script);
  }

  ApplicationLog log;
  Stage stage;
};

struct Sides {
  Sides() {
    for (size_t i = 0; i < kPairs; ++i) {
      changed[i] = std::make_unique<Side>(kDifferences[i].configure);
    }
  }
  Side plain{[](Lab&) {}};
  std::array<std::unique_ptr<Side>, kPairs> changed;
};

// Failures count allocations, of which the two may need different ones; and a NIC that lies about a
// checksum is only believed where it is asked.
bool IsComparable(const Script& script) {
  for (const Step& step : script.steps) {
    if (std::holds_alternative<AllocationFailureStep>(step.what)) return false;
  }
  return !HasLyingNic(script);
}

}  // namespace

RunResult RunInput(std::span<const uint8_t> input) {
  static Sides sides;
  const std::optional<Script> script = ScriptOf(input);
  if (!script.has_value()) return {};
  const RunResult result = sides.plain.Run(*script);
  if (!result.keeps() || !IsComparable(*script)) return result;
  const size_t pair = script->steps.size() % kPairs;
  Side& changed = *sides.changed[pair];
  changed.Run(*script);
  CheckSameForApplications(sides.plain.log.events(), changed.log.events(),
                           kDifferences[pair].same_times);
  return result;
}

}  // namespace tapedeck::fuzz
