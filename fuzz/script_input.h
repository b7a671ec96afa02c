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

// Host `host` of a script, over IPv6 too, with the smallest rings that the driver has: they wrap
// and run dry soon, and a reset has little to copy.
LabHostOptions SmallHost(uint8_t host);

// A Lab of host 0 alone.
LabOptions SmallLab();

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_SCRIPT_INPUT_H_
