// One run of an input, looked at: its events up to where it ended, however it ended.
#ifndef TAPEDECK_FUZZ_CAMPAIGN_OBSERVED_RUN_H_
#define TAPEDECK_FUZZ_CAMPAIGN_OBSERVED_RUN_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tapedeck::fuzz {

struct ObservedRun {
  std::vector<std::string> events;  // a line each; none for a target that runs no Lab
  std::string trace_digest;         // of these lines: the same in every build
  std::string signature;            // empty where it held
  std::string errors;
  bool cut_short = false;  // it held as far as it came (RunResult)

  bool held() const { return signature.empty(); }
};

// Whether two runs are the same, as all of an input are: in any build, any number of times.
bool SameRun(const ObservedRun& a, const ObservedRun& b);
// The same but for what one build has a sanitizer for: it ended the run, and all events until then
// are the other's first ones.
bool SameUntilSanitizer(const ObservedRun& a, const ObservedRun& b);

absl::StatusOr<ObservedRun> ObserveInput(const std::string& replayer,
                                         std::span<const uint8_t> input);
// Writes what was on the wires up to the last event of `run` as pcapng. FailedPrecondition where
// there was no event.
absl::Status WriteCaptureOfRun(const std::string& replayer, std::span<const uint8_t> input,
                               const ObservedRun& run, const std::string& path);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_OBSERVED_RUN_H_
