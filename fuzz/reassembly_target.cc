// Fragments of both families, against a host that has little room for them.
//
// Input: the bytes spelling of a Script. Property: no CHECK fails and the promises of oracles.h
// hold.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "fuzz/script_input.h"
#include "fuzz/stage.h"
#include "fuzz/target.h"
#include "stack/base/check.h"

namespace tapedeck::fuzz {
namespace {

// Descriptors 3 and 4 are UDP sockets on the script's port, for IPv4 and IPv6.
constexpr std::string_view kPrelude = R"(
    0    socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP) = 3
    +0   bind(3, ..., ...) = 0
    +0   socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP) = 4
    +0   setsockopt(4, IPPROTO_IPV6, IPV6_V6ONLY, [1], 4) = 0
    +0   bind(4, {sa_family=AF_INET6, sin_port=htons(8080), sin_addr=inet6_addr("::")}, 28) = 0
    +0   sendto(3, ..., 8, 0, ..., ...) = 8
    +1   pause
)";

// So little that a few queues of an input fill it.
void Tighten(Lab& lab) {
  SysctlTree& sysctl = lab.host(0).kernel().sysctl();
  for (const char* const family : {"ipv4/ipfrag", "ipv6/ip6frag"}) {
    const std::string files = std::string("net/") + family;
    CHECK_EQ(sysctl.Write(files + "_low_thresh", "12000"), 0);
    CHECK_EQ(sysctl.Write(files + "_high_thresh", "16000"), 0);
  }
}

}  // namespace

RunResult RunInput(std::span<const uint8_t> input) {
  static Stage stage(SmallLab(), Tighten, kPrelude);
  return stage.Run(input);
}

}  // namespace tapedeck::fuzz
