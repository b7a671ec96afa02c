// A router with two NICs, between networks whose hosts exist only as frames, over both families.
//
// Input: the bytes spelling of a Script; a step's NIC is the network that its frame comes from.
// Property: no CHECK fails and the promises of oracles.h hold.
#include <cstdint>
#include <span>
#include <string>

#include "absl/strings/str_cat.h"
#include "fuzz/script_input.h"
#include "fuzz/stage.h"
#include "fuzz/target.h"
#include "replay/script/addresses.h"
#include "stack/base/check.h"

namespace tapedeck::fuzz {
namespace {

// The first peers of both networks are neighbours that it knows, and have been sent something.
std::string Prelude() {
  constexpr char kSayHelloBeyond[] = R"(
    +0   sendto(3, ..., 8, 0, {sa_family=AF_INET, sin_port=htons(53),
                               sin_addr=inet_addr("198.51.100.101")}, 16) = 8
    +2   pause
)";
  return absl::StrCat(kBindDatagrams, kSayHello, kSayHelloBeyond);
}

LabOptions Router() {
  LabOptions options = SmallLab();
  options.hosts[0].more_nics.push_back({.mac = SecondMac(0),
                                        .address = SecondHostIpv4(0),
                                        .prefix_length_bits = 24,
                                        .address6 = SecondHostIpv6(0),
                                        .prefix6_length_bits = 64});
  return options;
}

void Forward(Lab& lab) {
  SysctlTree& sysctl = lab.host(0).kernel().sysctl();
  CHECK_EQ(sysctl.Write("net/ipv4/ip_forward", "1"), 0);
  CHECK_EQ(sysctl.Write("net/ipv6/conf/all/forwarding", "1"), 0);
}

}  // namespace

RunResult RunInput(std::span<const uint8_t> input) {
  static Stage stage(Router(), Forward, Prelude());
  return stage.Run(input);
}

}  // namespace tapedeck::fuzz
