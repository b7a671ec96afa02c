// Pieces of text for the codecs' ToString(): numbers without a locale.
#ifndef TAPEDECK_STACK_WIRE_TEXT_H_
#define TAPEDECK_STACK_WIRE_TEXT_H_

#include <cstdint>
#include <span>
#include <string>

namespace tapedeck::wire {

// Hexadecimal without leading zeros, "0x1f".
std::string Hex(uint64_t value);
// Two digits a byte, "00ff".
std::string HexBytes(std::span<const uint8_t> bytes);

}  // namespace tapedeck::wire

#endif  // TAPEDECK_STACK_WIRE_TEXT_H_
