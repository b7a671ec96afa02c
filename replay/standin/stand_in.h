// Stand-in replay as one call: a capture or a plan in, fidelity out.
#ifndef TAPEDECK_REPLAY_STANDIN_STAND_IN_H_
#define TAPEDECK_REPLAY_STANDIN_STAND_IN_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replay/standin/compare.h"
#include "replay/standin/executor.h"
#include "replay/standin/infer.h"
#include "replay/standin/plan.h"

namespace tapedeck::standin {

struct StandInResult {
  std::vector<FlowResult> flows;
  std::vector<FlowComparison> comparisons;
  Duration virtual_time;  // from the first record to the end of the run
  uint64_t frames_in = 0;
  uint64_t frames_out = 0;
  uint64_t delivered = 0;
  std::map<std::string, uint64_t> dropped;  // by reason
  uint64_t queued = 0;
  uint64_t events = 0;
  std::string digest;
  // Frames unaccounted for, something left in a ledger, driver bugs. Empty: the run held.
  std::vector<std::string> violations;
  bool interrupted = false;  // StandInOptions::stop said so

  // The worst of all flows; A where there is none.
  Grade WorstGrade() const;
};

struct StandInHooks {
  // Before anything has happened.
  std::function<absl::Status(StandIn& run)> started;
};

// Executes `plan` and compares.
absl::StatusOr<StandInResult> RunPlan(const Plan& plan, const StandInOptions& options,
                                      const TimeTolerance& tolerance,
                                      const StandInHooks& hooks = {});

// Whether `plan` has anything to stand in for: a flow that packets of P can drive.
bool HasUsableFlows(const Plan& plan);

// The plan that the file `file` holds as text. Errors: "x.plan:12: expected a time, found 'soon'".
absl::StatusOr<Plan> ReadPlan(const std::string& file);

// Reads the capture `file` ("-": standard input) and infers. Damage behind usable records is a
// warning.
absl::StatusOr<Plan> PlanFromCapture(const std::string& file, const InferOptions& options,
                                     std::vector<std::string>* warnings);

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_STAND_IN_H_
