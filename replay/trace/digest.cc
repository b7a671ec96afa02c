#include "replay/trace/digest.h"

#include <bit>

#include "absl/strings/str_format.h"
#include "replay/trace/digest_chain.h"
#include "replay/trace/wide_hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tapedeck {

static_assert(std::endian::native == std::endian::little, "the encoding is copied from memory");

namespace {

// Below it the hash has no loop for vectors to speed up.
constexpr size_t kWideBytesMin = 241;

uint64_t Xxh3(const void* bytes, size_t n) {
  return n >= kWideBytesMin && CanHashWide() ? HashWide(bytes, n) : XXH3_64bits(bytes, n);
}

}  // namespace

Digest& Digest::operator=(const Digest& other) {
  if (this == &other) return *this;
  events_ = other.events_;
  used_words_ = other.used_words_;
  std::memcpy(block_, other.block_, used_words_ * sizeof(block_[0]));
  return *this;
}

uint64_t Digest::HashOf(std::span<const uint8_t> bytes) { return Xxh3(bytes.data(), bytes.size()); }

void Digest::CloseBlock() {
  block_[0] = value();
  used_words_ = 1;
}

uint64_t Digest::value() const { return Xxh3(block_, used_words_ * sizeof(block_[0])); }

std::string Digest::ToString() const { return absl::StrFormat("%016x", value()); }

uint64_t ChainLink(uint64_t before, const TraceEvent& event) {
  uint64_t words[8] = {before, event.time.ps,
                       TraceHeadWord(event.kind, event.host, event.cpu, event.bytes.size())};
  std::memcpy(words + 3, event.args, sizeof(event.args));
  if (!event.bytes.empty()) words[7] = Xxh3(event.bytes.data(), event.bytes.size());
  return Xxh3(words, sizeof(words));
}

}  // namespace tapedeck
