#include "replay/trace/digest.h"

#include <bit>

#include "absl/strings/str_format.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tapedeck {

static_assert(std::endian::native == std::endian::little, "the encoding is copied from memory");

Digest& Digest::operator=(const Digest& other) {
  if (this == &other) return *this;
  events_ = other.events_;
  used_words_ = other.used_words_;
  std::memcpy(block_, other.block_, used_words_ * sizeof(block_[0]));
  return *this;
}

uint64_t Digest::HashOf(std::span<const uint8_t> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

void Digest::CloseBlock() {
  block_[0] = value();
  used_words_ = 1;
}

uint64_t Digest::value() const { return XXH3_64bits(block_, used_words_ * sizeof(block_[0])); }

std::string Digest::ToString() const { return absl::StrFormat("%016x", value()); }

}  // namespace tapedeck
