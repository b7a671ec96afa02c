// Frames, TCP segments, system calls and passing time against one host whose work takes time, with
// jumbo frames: what happens while an interrupt, a poll or a call is under way, which on hosts
// whose work costs nothing is no time at all.
//
// Input: the bytes spelling of a Script. Property: no CHECK fails and the promises of oracles.h
// hold.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "fuzz/readiness_oracle.h"
#include "fuzz/script_input.h"
#include "fuzz/stage.h"
#include "fuzz/target.h"
#include "replay/lab/lab.h"
#include "stack/base/check.h"
#include "stack/core/dev.h"
#include "stack/kernel/cost.h"

namespace tapedeck::fuzz {
namespace {

constexpr uint32_t kJumboMtuBytes = 9000;
// A server as it was measured (stack/kernel/costs/xdp18.cost).
constexpr std::string_view kCosts = "xdp18";

// When the link is up again: descriptor 3 is a UDP socket on the script's port, 5 a TCP listener
// there, as of the target `stack`; routes to and from the first peer are cached.
constexpr std::string_view kPrelude = R"(
    5    socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3
    +0   bind(3, ..., ...) = 0
    +0   sendto(3, ..., 8, 0, ..., ...) = 8
    +1ms frame repair {
      020000000001 020000000101 0800
      4500 0024 0000 4000 4011 0000 c000 0265 c000 0201
      1f90 1f90 0010 0001 0001 0203 0405 0607
    }
    +1ms recvfrom(3, ..., 100, 0, ..., ...) = 8
    +0   socket(..., SOCK_STREAM, IPPROTO_TCP) = 5
    +0   bind(5, ..., ...) = 0
    +0   listen(5, 8) = 0
    +2   pause
)";

CostTable Costs() {
  for (const CostPreset& preset : CostPresets()) {
    if (preset.name != kCosts) continue;
    CostTable table;
    std::string error;
    CHECK(ParseCostTable(preset.name, preset.text, &table, &error));
    return table;
  }
  CHECK(false);
}

LabOptions HostWithCosts() {
  LabOptions options = SmallLab();
  options.costs = Costs();
  return options;
}

void TakeJumboFrames(Lab& lab) { CHECK_EQ(dev_set_mtu(lab.device(0), kJumboMtuBytes), 0); }

}  // namespace

std::optional<uint64_t> RunInput(std::span<const uint8_t> input) {
  static Stage stage(HostWithCosts(), TakeJumboFrames, kPrelude, CheckReadiness);
  const std::optional<Script> script = ScriptOf(input);
  return script.has_value() ? std::optional(stage.Run(*script)) : std::nullopt;
}

}  // namespace tapedeck::fuzz
