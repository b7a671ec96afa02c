// Fidelity: how near our host came to the captured one, flow by flow (replay.md 4.4, grades).
//
//   A   the same segments with the same fields (IP identification, TTL, checksums and the values of
//       numbers and timestamps excepted), at the same times: as good as our host can tell
//   A-  the same segments and fields, times within the tolerance
//   B   the same bytes and milestones; cut into other segments, acknowledged at other places
//   C   the same bytes; more recovery than in the capture, or P had to be modelled
//   D   it took another course; the reason says which
#ifndef TAPEDECK_REPLAY_STANDIN_COMPARE_H_
#define TAPEDECK_REPLAY_STANDIN_COMPARE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "replay/standin/executor.h"
#include "replay/standin/outcome.h"
#include "replay/standin/plan.h"

namespace tapedeck::standin {

enum class Grade : uint8_t { kA, kAMinus, kB, kC, kD };
const char* GradeName(Grade grade);  // "A", "A-", ...
std::optional<Grade> ParseGrade(const std::string& name);

struct TimeTolerance {
  // Below this, times are the same: a file's resolution. A run raises it to what our host takes to
  // send a full frame, for a captured time is between the call and the wire.
  int64_t same_ns = 1'000;
  // A segment may be off by the larger of the two: absolutely, and as a share of the time since
  // L's segment before it.
  int64_t absolute_ns = 4'000'000;
  int64_t percent = 13;
};

struct FlowComparison {
  Grade grade = Grade::kA;
  std::string reason;  // of a grade below A-: "ack_thinning", "reset", ...
  Outcome captured;
  Outcome replayed;
  bool bytes_read_same = true;
  bool bytes_sent_same = true;     // positions that L's stream reached, as captured
  uint64_t segments_captured = 0;  // of L, with data
  uint64_t segments_same = 0;      // that our host sent with the same sequence and length
  uint64_t retransmissions_more = 0;
  uint64_t resets_more = 0;
  uint64_t challenge_acks_more = 0;
  int64_t time_off_max_ns = 0;  // of segments that are alike, up to the first difference
  // The first segment of L that differs: indexes into both lists, and what differs in words.
  bool diverged = false;
  size_t first_captured = 0;
  size_t first_replayed = 0;
  std::string divergence;
  std::string difference;  // its kind, a word: "window", "acknowledgement", ...
};

// Of flow `index` of `plan`, whose packets are `stimuli`.
FlowComparison CompareFlow(const Plan& plan, const FlowStimuli& stimuli, uint32_t index,
                           const FlowResult& result, const TimeTolerance& tolerance);

// "1:1449(1448) ack 91 win 501": a segment in packetdrill's notation.
std::string SegmentText(const SegmentFacts& facts);

// The columns of both sides around the first difference, one line each.
std::vector<std::string> SideBySide(const PlanFlow& flow, const FlowResult& result,
                                    const FlowComparison& comparison, size_t around);

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_COMPARE_H_
