// Two hosts that speak to each other over a hostile wire: system calls on both, frames that get
// lost, late, twice or spoiled, and a third party's frames between. Host 1 merges what a poll finds
// of a connection (GRO).
//
// Input: the bytes spelling of a Script, whose NIC faults at `wire` are those of the link that
// leads away from the step's host. Property: no CHECK fails and the promises of oracles.h hold.
#include <cstdint>
#include <span>
#include <string_view>

#include "fuzz/script_input.h"
#include "fuzz/stage.h"
#include "fuzz/target.h"
#include "stack/core/net_device.h"

namespace tapedeck::fuzz {
namespace {

// Descriptor 3 of host 0 is connected to 4 of host 1, which listens at 3; 5 of both are UDP sockets
// on the script's port.
constexpr std::string_view kPrelude = R"(
    0    host 1: socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
    +0   host 1: bind(3, ..., ...) = 0
    +0   host 1: listen(3, 8) = 0
    +0   socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
    +0   connect(3, ..., ...) = -1 EINPROGRESS
    +1ms host 1: accept(3, ..., ...) = 4
    +0   socket(..., SOCK_DGRAM, IPPROTO_UDP) = 5
    +0   bind(5, ..., ...) = 0
    +0   host 1: socket(..., SOCK_DGRAM, IPPROTO_UDP) = 5
    +0   host 1: bind(5, ..., ...) = 0
    +1   pause
)";

LabOptions Pair() {
  LabOptions options;
  options.hosts = {SmallHost(0), SmallHost(1)};
  options.back_to_back = true;
  for (LinkOptions& link : options.links) {
    link.delay = Duration::Microseconds(100);
    link.plantable = true;
  }
  return options;
}

void MergeOnHost1(Lab& lab) {
  net_device* const dev = lab.device(1);
  netdev_set_features(dev, dev->features | NETIF_F_GRO);
}

}  // namespace

RunResult RunInput(std::span<const uint8_t> input) {
  static Stage stage(Pair(), MergeOnHost1, kPrelude);
  return stage.Run(input);
}

}  // namespace tapedeck::fuzz
