// The commit since which an input breaks a promise. Every run is exact, so one run tells.
#ifndef TAPEDECK_FUZZ_CAMPAIGN_BISECT_H_
#define TAPEDECK_FUZZ_CAMPAIGN_BISECT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fuzz/campaign/crash_input.h"

namespace tapedeck::fuzz {

enum class CommitState : uint8_t {
  kGood,
  kBad,
  kUnknown,  // it cannot be built, or breaks something else
};

// Of `commits` steps behind a good one, of which the last is bad: those of which one must be the
// first bad one, as indices from `first` to `last`. It is one where no unknown is in the way.
struct FirstBad {
  size_t first = 0;
  size_t last = 0;
};
// Asks about O(log n) of them, and about neighbours of unknown ones. An error of `test` ends it.
// REQUIRES: commits > 0.
absl::StatusOr<FirstBad> FindFirstBad(
    size_t commits, const std::function<absl::StatusOr<CommitState>(size_t)>& test);

struct BisectOptions {
  std::string good;          // a revision that holds
  std::string bad = "HEAD";  // one that does not
  std::string preset;        // that builds the replayer
  std::string folder;        // gets a work tree and its builds, and keeps them
  std::function<void(const std::string& line)> tell;
};
// The commits that FindFirstBad() leaves, "HASH SUBJECT", oldest first.
absl::StatusOr<std::vector<std::string>> Bisect(const Workspace& workspace, const CrashInput& input,
                                                const std::string& signature,
                                                const BisectOptions& options);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_BISECT_H_
