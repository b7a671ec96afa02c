#include "stack/wire/text.h"

namespace tapedeck::wire {
namespace {

constexpr char kDigits[] = "0123456789abcdef";

}  // namespace

std::string Hex(uint64_t value) {
  std::string out = "0x";
  int shift = 60;
  while (shift > 0 && value >> shift == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) out += kDigits[value >> shift & 0xf];
  return out;
}

std::string HexBytes(std::span<const uint8_t> bytes) {
  std::string out;
  for (const uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 0xf];
  }
  return out;
}

}  // namespace tapedeck::wire
