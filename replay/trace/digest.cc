#include "replay/trace/digest.h"

#include <bit>
#include <cstring>

#include "absl/strings/str_format.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tapedeck {

static_assert(std::endian::native == std::endian::little, "the encoding is copied from memory");

void Digest::Add(const TraceEvent& event) {
  constexpr size_t kHeaderBytes = 8 + 2 + 1 + 1 + 4;
  uint8_t encoded[kHeaderBytes + sizeof(event.args) + 8];
  const auto bytes = static_cast<uint32_t>(event.bytes.size());
  std::memcpy(encoded, &event.time.ps, 8);
  std::memcpy(encoded + 8, &event.kind, 2);
  encoded[10] = event.host;
  encoded[11] = event.cpu;
  std::memcpy(encoded + 12, &bytes, 4);
  std::memcpy(encoded + kHeaderBytes, event.args, sizeof(event.args));
  size_t length = kHeaderBytes + sizeof(event.args);
  if (bytes != 0) {
    const uint64_t content = XXH3_64bits(event.bytes.data(), event.bytes.size());
    std::memcpy(encoded + length, &content, 8);
    length += 8;
  }
  chain_ = XXH3_64bits_withSeed(encoded, length, chain_);
  ++events_;
}

std::string Digest::ToString() const { return absl::StrFormat("%016x", chain_); }

}  // namespace tapedeck
