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
  // the link before it, 0 in the first. An event is its six words (kTraceEventWords); one with
  // bytes is followed by XXH3_64(bytes).
  void Add(const TraceEvent& event) { Commit(Write(event, next()), 1); }

  // For who writes events in place: the first goes to next(), another behind it as long as it would
  // begin before limit(). Commit tells where they end and how many they are.
  uint64_t* next() { return block_ + used_words_; }
  uint64_t* limit() { return block_ + (kBlockWords - kTraceEventWords); }
  void Commit(const uint64_t* end, uint64_t events) {
    used_words_ = static_cast<size_t>(end - block_);
    events_ += events;
    if (end >= limit()) CloseBlock();
  }
  // Writes `event` to `word`; returns where it ends.
  static uint64_t* Write(const TraceEvent& event, uint64_t* word) {
    word[0] = event.time.ps;
    word[1] = TraceHeadWord(event.kind, event.host, event.cpu, event.bytes.size());
    std::memcpy(word + 2, event.args, sizeof(event.args));
    word += kTraceEventWords;
    if (!event.bytes.empty()) *word++ = HashOf(event.bytes);
    return word;
  }

  // Of all events so far: the hash of the block that is open, as if it ended here.
  uint64_t value() const;
  uint64_t events() const { return events_; }
  // value() as 16 hexadecimal digits.
  std::string ToString() const;

 private:
  static constexpr size_t kBlockWords = 128;

  static uint64_t HashOf(std::span<const uint8_t> bytes);
  void CloseBlock();

  uint64_t events_ = 0;
  size_t used_words_ = 1;
  uint64_t block_[kBlockWords] = {0};
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_TRACE_DIGEST_H_
