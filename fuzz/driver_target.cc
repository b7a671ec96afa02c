// A driver whose NIC fails it: registers that somebody else writes, descriptors that are wrong,
// lost, late or written twice, messages that do not come or come for nothing, cables, memory.
//
// Input: the bytes spelling of a Script. Property: no CHECK fails, the promises of oracles.h hold,
// and a host whose administrator takes the device down and up again is heard of as before.
#include <cstdint>
#include <span>
#include <string>

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

// Descriptor 3 is a UDP socket on the script's port, 5 a TCP listener there; the first peer is
// known.
std::string Prelude() {
  return absl::StrCat(kBindDatagrams, kSayHello, kOpenListener, "+1 pause\n");
}

// Down and up, as `ip link set` does it, once all is well again: the cable plugged in, memory to be
// had, the CPU back.
void CheckRecovers(Lab& lab) {
  net_device* const dev = lab.device(0);
  World& world = lab.world();
  EndFaults(lab);
  lab.nic(0).SetCable(world.now(), /*plugged=*/true);
  world.RunUntil(Later(world.now(), lab.host(0).kernel().now()) + Duration::Seconds(1));
  dev_close(dev);
  world.RunUntil(Later(world.now(), lab.host(0).kernel().now()) + Duration::Seconds(1));
  CheckDriverRecovers(dev_open(dev) == 0, "open");
  world.RunUntil(Later(world.now(), lab.host(0).kernel().now()) + Duration::Seconds(10));
  CheckDriverRecovers(netif_carrier_ok(dev), "carrier");
}

}  // namespace

RunResult RunInput(std::span<const uint8_t> input) {
  static Stage stage(SmallLab(), [](Lab&) {}, Prelude(), CheckRecovers);
  return stage.Run(input);
}

}  // namespace tapedeck::fuzz
