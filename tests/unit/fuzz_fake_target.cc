// A fuzz target for the tests of what is done with targets: it breaks promises on demand.
//
// Input: records that end with 7e. It aborts with RES:fake:pair where a record begins with 'A' and
// a later one with 'B', and with a CHECK of ours where one begins with 'C'; it does not end where
// one begins with 'L', and is cut short where one begins with 'W'; an input of more than 4096 bytes
// is out of bounds.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "fuzz/target.h"
#include "stack/base/check.h"
#include "stack/base/hash.h"

namespace tapedeck::fuzz {

RunResult RunInput(std::span<const uint8_t> input) {
  if (input.size() > 4096) return {};
  bool seen_a = false;
  bool is_cut = false;
  bool at_start = true;
  for (const uint8_t byte : input) {
    if (at_start) {
      CHECK(byte != 'C');
      while (byte == 'L') std::fflush(nullptr);
      if (byte == 'B' && seen_a) {
        std::fprintf(stderr, "ASSERTION FAILED: RES:fake:pair\n%zu bytes\n", input.size());
        std::abort();
      }
      seen_a |= byte == 'A';
      is_cut |= byte == 'W';
    }
    at_start = byte == 0x7e;
  }
  return {is_cut ? RunResult::End::kCutShort : RunResult::End::kWhole, SipHash24(input, {})};
}

}  // namespace tapedeck::fuzz
