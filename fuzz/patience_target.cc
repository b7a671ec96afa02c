// Months of virtual time against one host with a TCP listener: what wraps, expires and is given up.
//
// Input: the bytes spelling of a Script of few steps. Property: no CHECK fails and the promises of
// oracles.h hold.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/strings/str_cat.h"
#include "fuzz/script_input.h"
#include "fuzz/stage.h"
#include "fuzz/target.h"
#include "replay/lab/lab.h"
#include "replay/lab/script_hosts.h"
#include "replay/script/bytes.h"
#include "replay/script/script.h"

namespace tapedeck::fuzz {
namespace {

// A day costs as much as many steps.
constexpr size_t kStepsMax = 24;

// Descriptor 5 is a TCP listener on the script's port, as it is of the target `stack`.
std::string Prelude() { return absl::StrCat(kOpenListener, "+2 pause\n"); }

LabOptions OneHost() {
  LabOptions options;
  options.hosts.push_back(ScriptHostOptions(0));
  options.hosts[0].driver.rx_ring_entries = 64;
  options.hosts[0].driver.tx_ring_entries = 64;
  return options;
}

}  // namespace

RunResult RunInput(std::span<const uint8_t> input) {
  static Stage stage(OneHost(), [](Lab&) {}, Prelude());
  const Script script = DecodeScript(input);
  if (script.steps.size() > kStepsMax) return {};
  return stage.Run(script);
}

}  // namespace tapedeck::fuzz
