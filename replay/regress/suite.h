// The verdict on one case: its run beside its golden.
#ifndef TAPEDECK_REPLAY_REGRESS_SUITE_H_
#define TAPEDECK_REPLAY_REGRESS_SUITE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "replay/regress/case_files.h"
#include "replay/regress/play_case.h"

namespace tapedeck::regress {

enum class Verdict : uint8_t {
  kPassed,  // it held, and did what its golden says
  kFailed,
  kNew,  // it held, and has no golden
  kSkipped,
};
inline constexpr int kVerdicts = 4;
// "passed", "failed", "new", "skipped".
const char* VerdictName(Verdict verdict);

struct JudgeOptions {
  bool update = false;  // goldens of cases that are new or have another golden are made
  std::string reason;   // what new goldens say; REQUIRES: one line that is not empty, with `update`
  bool diff = false;    // whole differences are wanted
};

struct CaseReport {
  Verdict verdict = Verdict::kPassed;
  std::string message;     // of what failed or was skipped: why, the first difference first
  std::string columns;     // golden and now around the first difference
  std::string diff;        // as `diff -u` has it; with JudgeOptions::diff or where it is updated
  std::string new_golden;  // with JudgeOptions::update: what CaseFile::golden must become, or empty
  std::string digest;
  uint64_t virtual_ns = 0;
};

// Plays the case and judges it.
CaseReport RunCase(const CaseFile& one, const JudgeOptions& options, uint64_t events_max);

// The verdict on a run. `golden`: what CaseFile::golden holds; NotFound where there is none.
CaseReport Judge(const CaseFile& one, const PlayedCase& run,
                 const absl::StatusOr<std::string>& golden, const JudgeOptions& options);

// Writes a golden, and the folders it needs. Nobody ever sees half of it.
absl::Status WriteGolden(const std::string& path, std::string_view text);

}  // namespace tapedeck::regress

#endif  // TAPEDECK_REPLAY_REGRESS_SUITE_H_
