// Frames, TCP segments, system calls and passing time against one host with one NIC, a bound UDP
// socket, a ping socket and a TCP listener.
//
// Input: the bytes spelling of a Script. Property: no CHECK fails and the promises of oracles.h
// hold.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "fuzz/stage.h"
#include "fuzz/target.h"
#include "replay/lab/lab.h"
#include "replay/lab/script_hosts.h"
#include "replay/script/bytes.h"
#include "replay/script/script.h"
#include "stack/base/check.h"
#include "stack/base/time.h"

namespace tapedeck::fuzz {
namespace {

// Longer inputs only repeat what shorter ones do.
constexpr size_t kStepsMax = 256;
// Beyond every timeout of the layers that exist; later delays are cut.
constexpr Duration kTimeMax = Duration::Seconds(600);

// Descriptor 3 is a UDP socket on the script's port, 4 a ping socket, 5 a TCP listener on that
// port; routes to and from the first peer are cached.
constexpr std::string_view kPrelude = R"(
    0    socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3
    +0   bind(3, ..., ...) = 0
    +0   socket(..., SOCK_DGRAM, IPPROTO_ICMP) = 4
    +0   sendto(3, ..., 8, 0, ..., ...) = 8
    +1ms frame repair {
      020000000001 020000000101 0800
      4500 0024 0000 4000 4011 0000 c000 0265 c000 0201
      1f90 1f90 0010 0001 0001 0203 0405 0607
    }
    +0   frame repair {
      020000000001 020000000101 0800
      4500 0024 0000 4000 4011 0000 c000 0265 c000 0201
      0009 0009 0010 0001 0001 0203 0405 0607
    }
    +1ms recvfrom(3, ..., 100, 0, ..., ...) = 8
    +0   socket(..., SOCK_STREAM, IPPROTO_TCP) = 5
    +0   bind(5, ..., ...) = 0
    +0   listen(5, 8) = 0
    +2   pause
)";

LabOptions SmallLab() {
  LabHostOptions host = ScriptHostOptions(0);
  host.address6 = HostIpv6(0);
  // The smallest that the driver has, so that rings wrap and run dry, and a reset has little to
  // copy.
  host.driver.rx_ring_entries = 64;
  host.driver.tx_ring_entries = 64;
  LabOptions options;
  options.hosts.push_back(host);
  return options;
}

void AllowPing(Lab& lab) {
  CHECK_EQ(lab.host(0).kernel().sysctl().Write("net/ipv4/ping_group_range", "0 2147483647"), 0);
}

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
    if (auto* const call = std::get_if<SyscallStep>(&step.what); call && call->returns_after) {
      call->returns_after = std::min(*call->returns_after, left);
    }
  }
}

}  // namespace

std::optional<uint64_t> RunInput(std::span<const uint8_t> input) {
  static Stage stage(SmallLab(), AllowPing, kPrelude);
  Script script = DecodeScript(input);
  if (script.steps.size() > kStepsMax) return std::nullopt;
  CutTime(script);
  return stage.Run(script);
}

}  // namespace tapedeck::fuzz
