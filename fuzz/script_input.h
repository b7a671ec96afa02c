// What the targets whose inputs are Scripts share: the bounds of an input, and the hosts that play
// it.
#ifndef TAPEDECK_FUZZ_SCRIPT_INPUT_H_
#define TAPEDECK_FUZZ_SCRIPT_INPUT_H_

#include <cstdint>
#include <optional>
#include <span>

#include "replay/lab/lab.h"
#include "replay/script/script.h"

namespace tapedeck::fuzz {

// The script that `input` spells, its times cut where they are beyond a target's bounds; none where
// it has more steps than those.
std::optional<Script> ScriptOf(std::span<const uint8_t> input);

// --- What preludes of targets have in common (text spelling) ---

// Descriptor 3 is a UDP socket on the script's port; ...
inline constexpr char kBindDatagrams[] = R"(
    +0   socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3
    +0   bind(3, ..., ...) = 0
)";
// ... the first peer, which is a neighbour from then on, has been sent something; ...
inline constexpr char kSayHello[] = R"(
    +0   sendto(3, ..., 8, 0, ..., ...) = 8
)";
// ... and has answered: routes to and from it are cached.
inline constexpr char kHearHello[] = R"(
    +1ms frame repair {
      020000000001 020000000101 0800
      4500 0024 0000 4000 4011 0000 c000 0265 c000 0201
      1f90 1f90 0010 0001 0001 0203 0405 0607
    }
)";
inline constexpr char kReadHello[] = R"(
    +1ms recvfrom(3, ..., 100, 0, ..., ...) = 8
)";
// Descriptor 5 is a TCP listener on the script's port.
inline constexpr char kOpenListener[] = R"(
    +0   socket(..., SOCK_STREAM, IPPROTO_TCP) = 5
    +0   bind(5, ..., ...) = 0
    +0   listen(5, 8) = 0
)";

// --- Hosts ---

// Host `host` of a script, over IPv6 too, with the smallest rings that the driver has: they wrap
// and run dry soon, and a reset has little to copy.
LabHostOptions SmallHost(uint8_t host);

// A Lab of host 0 alone.
LabOptions SmallLab();

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_SCRIPT_INPUT_H_
