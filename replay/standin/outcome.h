// How a connection ended, from what both sides sent.
#ifndef TAPEDECK_REPLAY_STANDIN_OUTCOME_H_
#define TAPEDECK_REPLAY_STANDIN_OUTCOME_H_

#include <cstdint>
#include <string>

#include "replay/standin/plan.h"

namespace tapedeck::standin {

struct Outcome {
  bool opened = false;      // the handshake is behind: L sent something that is none of it, or P
                            // acknowledged L's SYN
  bool local_fin = false;   // L closed its direction
  bool remote_fin = false;  // P did, and L acknowledged it
  bool local_reset = false;
  bool remote_reset = false;
  friend bool operator==(const Outcome&, const Outcome&) = default;
  // "closed by both", "reset by L", ...
  std::string ToString() const;
};

// Told of both sides' segments in order of time.
class OutcomeTracker {
 public:
  void Sent(const SegmentFacts& facts);      // by L
  void Received(const SegmentFacts& facts);  // by L
  const Outcome& outcome() const { return outcome_; }
  // ACKs without data by which L answered what has no place in the connection: a SYN or a reset
  // that did not end it, an acknowledgement of what L never sent (RFC 5961).
  uint64_t challenge_acks() const { return challenge_acks_; }

 private:
  Outcome outcome_;
  int64_t remote_fin_end_ = -1;
  int64_t sent_end_ = 0;
  uint64_t challenge_acks_ = 0;
  bool challenged_ = false;  // by the segment received last
};

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_OUTCOME_H_
