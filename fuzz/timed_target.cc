// Frames, TCP segments, system calls and passing time against one host whose work takes time, with
// jumbo frames: what happens while an interrupt, a poll or a call is under way, which on hosts
// whose work costs nothing is no time at all.
//
// Input: the bytes spelling of a Script. Property: no CHECK fails and the promises of oracles.h
// hold.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "fuzz/readiness_oracle.h"
#include "fuzz/script_input.h"
#include "fuzz/stage.h"
#include "fuzz/target.h"
#include "replay/lab/lab.h"
#include "stack/base/check.h"
#include "stack/core/dev.h"
#include "stack/kernel/cost_preset.h"

namespace tapedeck::fuzz {
namespace {

constexpr uint32_t kJumboMtuBytes = 9000;
// A server as it was measured (stack/kernel/costs/xdp18.cost).
constexpr std::string_view kCosts = "xdp18";

// When the link is up again: descriptor 3 is a UDP socket on the script's port, 5 a TCP listener
// there, as of the target `stack`; routes to and from the first peer are cached.
std::string Prelude() {
  return absl::StrCat("5 pause\n", kBindDatagrams, kSayHello, kHearHello, kReadHello, kOpenListener,
                      "+2 pause\n");
}

LabOptions HostWithCosts() {
  LabOptions options = SmallLab();
  options.costs = *CostPresetNamed(kCosts);
  return options;
}

void TakeJumboFrames(Lab& lab) { CHECK_EQ(dev_set_mtu(lab.device(0), kJumboMtuBytes), 0); }

}  // namespace

RunResult RunInput(std::span<const uint8_t> input) {
  static Stage stage(HostWithCosts(), TakeJumboFrames, Prelude(), CheckReadiness);
  return stage.Run(input);
}

}  // namespace tapedeck::fuzz
