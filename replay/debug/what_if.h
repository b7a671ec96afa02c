// What would have happened: the same run with frames lost, doubled or late, or with other settings
// from some event on, compared with the run as it was.
#ifndef TAPEDECK_REPLAY_DEBUG_WHAT_IF_H_
#define TAPEDECK_REPLAY_DEBUG_WHAT_IF_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "replay/case/case.h"
#include "replay/case/case_run.h"
#include "replay/lab/frame_edits.h"

namespace tapedeck {

struct Branch {
  struct Setting {
    uint64_t event = 0;  // right behind which it is written
    int host = 0;
    std::string path;  // "net.ipv4.tcp_sack"
    std::string value;
  };
  FrameEdits edits;
  std::vector<Setting> settings;  // by event
  std::string text;               // as it was asked for
};

// "drop frame 17", "duplicate frame 17", "delay frame 17 by 3ms", "set net.ipv4.tcp_sack=0 [at
// 120]", several with commas between. Frames have the numbers of the trace ("frame 17"); settings
// are written behind the event where `run` stands unless one is named. InvalidArgument.
absl::StatusOr<Branch> ParseBranch(std::string_view text, const CaseRun& run);
std::string BranchHelp();

// Plays the case as it is and with the branch, each from its start, and tells both digests and
// verdicts, the first event that differs, and the frames of both from there on, side by side.
// InvalidArgument where a setting cannot be written.
absl::StatusOr<std::string> CompareBranch(const Case& what, const Branch& branch);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_DEBUG_WHAT_IF_H_
