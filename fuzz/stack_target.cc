// Frames, TCP segments, system calls and passing time against one host with one NIC, a bound UDP
// socket, a ping socket and a TCP listener for both families.
//
// Input: the bytes spelling of a Script. Property: no CHECK fails and the promises of oracles.h
// hold.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/strings/str_cat.h"
#include "fuzz/script_input.h"
#include "fuzz/stage.h"
#include "fuzz/target.h"
#include "replay/lab/lab.h"
#include "replay/script/script.h"
#include "stack/base/check.h"

namespace tapedeck::fuzz {
namespace {

// Descriptor 3 is a UDP socket on the script's port, 4 a ping socket, 5 a TCP listener on that
// port, over IPv6 and IPv4; routes to and from the first peer are cached.
std::string Prelude() {
  constexpr char kPing[] = R"(
    +0   socket(..., SOCK_DGRAM, IPPROTO_ICMP) = 4
)";
  constexpr char kNobodyListens[] = R"(
    +0   frame repair {
      020000000001 020000000101 0800
      4500 0024 0000 4000 4011 0000 c000 0265 c000 0201
      0009 0009 0010 0001 0001 0203 0405 0607
    }
)";
  constexpr char kListen[] = R"(
    +0   socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP) = 5
    +0   bind(5, {sa_family=AF_INET6, sin_port=htons(8080), sin_addr=inet6_addr("::")}, 28) = 0
    +0   listen(5, 8) = 0
    +2   pause
)";
  return absl::StrCat(kBindDatagrams, kPing, kSayHello, kHearHello, kNobodyListens, kReadHello,
                      kListen);
}

void AllowPing(Lab& lab) {
  CHECK_EQ(lab.host(0).kernel().sysctl().Write("net/ipv4/ping_group_range", "0 2147483647"), 0);
}

}  // namespace

RunResult RunInput(std::span<const uint8_t> input) {
  static Stage stage(SmallLab(), AllowPing, Prelude());
  return stage.Run(input);
}

}  // namespace tapedeck::fuzz
