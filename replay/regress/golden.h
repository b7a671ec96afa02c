// A golden: what the stack did with a case last time, as text that is kept beside the case and
// reviewed as a diff.
//
//   tapedeck golden 1
//   input 50196 bytes 1f2e3d4c5b6a7988
//   play raw  host 192.0.2.2  seed 5eed0001  hz 1000 ...
//   reason made from the first run
//   fold 8
//   trace
//        0.011056160 <1 ...                         trace_lines.h, fold.h
//   counters
//   frames in 41 = delivered 20 + dropped 21 ...
//   Ip InReceives 20 InDelivers 20
//   end 411 lines hash 9f3a6c0b8d1e2f47
//
// `input` is the size and hash of the case; it explains differences and makes none. Reasons pile
// up, one for each time that the golden was changed. The hash is that of all lines before they are
// folded, and of the counters.
#ifndef TAPEDECK_REPLAY_REGRESS_GOLDEN_H_
#define TAPEDECK_REPLAY_REGRESS_GOLDEN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace tapedeck::regress {

// What a run was and did.
struct RunText {
  std::string input;               // "50196 bytes 1f2e3d4c5b6a7988"
  std::string play;                // how it was played: mode and settings
  std::vector<std::string> trace;  // one line an event, none folded
  std::vector<std::string> counters;
};

struct Golden {
  std::string input;
  std::string play;
  std::vector<std::string> reasons;
  unsigned fold = 0;               // how many lines of a shape are shown; 0: all
  std::vector<std::string> trace;  // folded
  std::vector<std::string> counters;
  size_t lines = 0;  // of the trace before it was folded
  uint64_t hash = 0;
};

// The golden of a run. `before`: what it replaces, whose reasons and folding are kept, or null.
// `reason` is added; it must be one line.
Golden MakeGolden(const RunText& run, const Golden* before, std::string_view reason);

std::string GoldenText(const Golden& golden);
// The inverse. InvalidArgument names `file` and the line that is none.
absl::StatusOr<Golden> ParseGolden(std::string_view text, const std::string& file);

// What `end` says of a run.
uint64_t RunHash(const RunText& run);

}  // namespace tapedeck::regress

#endif  // TAPEDECK_REPLAY_REGRESS_GOLDEN_H_
