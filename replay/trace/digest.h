// The digest of a run: a chain of 64-bit hashes over the events' canonical bytes. Equal digests
// mean equal runs, on every compiler, optimisation level, sanitizer, address layout and machine.
#ifndef TAPEDECK_REPLAY_TRACE_DIGEST_H_
#define TAPEDECK_REPLAY_TRACE_DIGEST_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "stack/base/trace_event.h"

namespace tapedeck {

class Digest {
 public:
  Digest() = default;
  Digest(const Digest& other) { *this = other; }
  // Copies what is in use.
  Digest& operator=(const Digest& other);

  // Events are gathered in blocks of at most kBlockWords 64-bit little-endian words, and a block
  // that may not hold another event is hashed: link = XXH3_64(block). The first word of a block is
  // the link before it, 0 in the first. An event is six words: its time; kind (16 bits), host (8),
  // cpu (8) and byte count (32), from the low end; four arguments. One with bytes is followed by
  // XXH3_64(bytes).
  void Add(const TraceEvent& event) {
    uint64_t* word = block_ + used_words_;
    word[0] = event.time.ps;
    word[1] = static_cast<uint64_t>(event.kind) | uint64_t{event.host} << 16 |
              uint64_t{event.cpu} << 24 | uint64_t{event.bytes.size()} << 32;
    std::memcpy(word + 2, event.args, sizeof(event.args));
    used_words_ += kEventWords;
    if (!event.bytes.empty()) block_[used_words_++] = HashOf(event.bytes);
    if (used_words_ > kBlockWords - kEventWords - 1) CloseBlock();
    ++events_;
  }

  // Of all events so far: the hash of the block that is open, as if it ended here.
  uint64_t value() const;
  uint64_t events() const { return events_; }
  // value() as 16 hexadecimal digits.
  std::string ToString() const;

 private:
  static constexpr size_t kEventWords = 6;
  static constexpr size_t kBlockWords = 128;

  static uint64_t HashOf(std::span<const uint8_t> bytes);
  void CloseBlock();

  uint64_t events_ = 0;
  size_t used_words_ = 1;
  uint64_t block_[kBlockWords] = {0};
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_TRACE_DIGEST_H_
