// The digest of a run: a chain of 64-bit hashes, one link an event, over the events' canonical
// bytes. Equal digests mean equal runs, on every compiler, optimisation level, sanitizer, address
// layout and machine.
#ifndef TAPEDECK_REPLAY_TRACE_DIGEST_H_
#define TAPEDECK_REPLAY_TRACE_DIGEST_H_

#include <cstdint>
#include <string>

#include "stack/base/trace_event.h"

namespace tapedeck {

class Digest {
 public:
  // link = XXH3_64(encoding, seed = previous link). The encoding is little-endian: time 8, kind 2,
  // host 1, cpu 1, byte count 4, four arguments of 8; an event with bytes is followed by
  // XXH3_64(bytes).
  void Add(const TraceEvent& event);

  uint64_t value() const { return chain_; }
  uint64_t events() const { return events_; }
  // 16 hexadecimal digits.
  std::string ToString() const;

 private:
  uint64_t chain_ = 0;
  uint64_t events_ = 0;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_TRACE_DIGEST_H_
