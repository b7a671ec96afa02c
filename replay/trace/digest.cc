#include "replay/trace/digest.h"

#include <bit>

#include "absl/strings/str_format.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tapedeck {

static_assert(std::endian::native == std::endian::little, "the encoding is copied from memory");

void Digest::Add(const TraceEvent& event) {
  // In words, so that the hash reads with the width of the stores: narrower ones would stall it.
  constexpr size_t kBytes = 48;
  uint64_t encoded[kBytes / 8 + 1] = {event.time.ps,
                                      static_cast<uint64_t>(event.kind) |
                                          uint64_t{event.host} << 16 | uint64_t{event.cpu} << 24 |
                                          uint64_t{event.bytes.size()} << 32,
                                      event.args[0],
                                      event.args[1],
                                      event.args[2],
                                      event.args[3],
                                      0};
  // Constant lengths: the hash is then a few straight lines.
  if (event.bytes.empty()) {
    chain_ = XXH3_64bits_withSeed(encoded, kBytes, chain_);
  } else {
    encoded[kBytes / 8] = XXH3_64bits(event.bytes.data(), event.bytes.size());
    chain_ = XXH3_64bits_withSeed(encoded, kBytes + 8, chain_);
  }
  ++events_;
}

std::string Digest::ToString() const { return absl::StrFormat("%016x", chain_); }

}  // namespace tapedeck
