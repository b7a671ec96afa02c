// What a replayer that judges inputs (--judge) and who asks it say to each other: little-endian
// structures over its standard input and output.
//
//   asks      JudgeRequest, then the input
//   answers   JudgeAnswer, then what the run wrote to standard error
//
// Every input runs in a process of its own, forked off one that has set its target up: none sees
// what another left behind, and one that aborts ends alone.
#ifndef TAPEDECK_FUZZ_JUDGE_PROTOCOL_H_
#define TAPEDECK_FUZZ_JUDGE_PROTOCOL_H_

#include <cstdint>

namespace tapedeck::fuzz {

struct JudgeRequest {
  uint32_t input_bytes = 0;
  uint32_t seconds_max = 0;  // then it is killed by SIGALRM; 0: no limit
};

struct JudgeAnswer {
  uint64_t digest = 0;
  uint32_t end = 0;        // RunResult::End of a run that held; unless it is 0, `digest` counts
  uint32_t signal = 0;     // that ended it, else 0
  uint32_t exit_code = 0;  // of a run that did not hold: sanitizers end with one
  uint32_t error_bytes = 0;
};
// A run with neither `end` nor signal nor exit code: the input is out of the target's bounds.

// Of `error_bytes`.
inline constexpr uint32_t kJudgeErrorBytesMax = 1U << 20;

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_JUDGE_PROTOCOL_H_
