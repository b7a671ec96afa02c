#include "fuzz/script_input.h"

#include <algorithm>
#include <cstddef>
#include <variant>

#include "replay/lab/script_hosts.h"
#include "replay/script/bytes.h"
#include "stack/base/time.h"

namespace tapedeck::fuzz {
namespace {

// Longer inputs only repeat what shorter ones do.
constexpr size_t kStepsMax = 256;
// Beyond every timeout of the layers that exist; later delays are cut.
constexpr Duration kTimeMax = Duration::Seconds(600);

// Cuts what lies beyond kTimeMax.
void CutTime(Script& script) {
  Duration left = kTimeMax;
  for (Step& step : script.steps) {
    if (step.base == TimeBase::kStart) {
      step.delay = std::min(step.delay, kTimeMax);
      left = std::min(left, kTimeMax - step.delay);
    } else {
      step.delay = std::min(step.delay, left);
      left = left - step.delay;
    }
    if (auto* const busy = std::get_if<CpuBusyStep>(&step.what)) {
      busy->duration = std::min(busy->duration, left);
      left = left - busy->duration;
    }
    if (auto* const call = std::get_if<SyscallStep>(&step.what); call && call->returns_after) {
      call->returns_after = std::min(*call->returns_after, left);
    }
  }
}

}  // namespace

std::optional<Script> ScriptOf(std::span<const uint8_t> input) {
  Script script = DecodeScript(input);
  if (script.steps.size() > kStepsMax) return std::nullopt;
  CutTime(script);
  return script;
}

LabHostOptions SmallHost(uint8_t host) {
  LabHostOptions options = ScriptHostOptions(host);
  options.address6 = HostIpv6(host);
  options.driver.rx_ring_entries = 64;
  options.driver.tx_ring_entries = 64;
  return options;
}

LabOptions SmallLab() {
  LabOptions options;
  options.hosts.push_back(SmallHost(0));
  return options;
}

}  // namespace tapedeck::fuzz
