// How long until a bug is found, when some trials end before it is: Kaplan and Meier,
// "Nonparametric estimation from incomplete observations", 1958.
#ifndef TAPEDECK_FUZZ_CAMPAIGN_SURVIVAL_H_
#define TAPEDECK_FUZZ_CAMPAIGN_SURVIVAL_H_

#include <cstdint>
#include <optional>
#include <vector>

namespace tapedeck::fuzz {

// One trial: the bug was found after so many executions, or had not been when it ended (censored).
struct Trial {
  uint64_t executions = 0;
  bool found = false;
};

// Of the estimate of the share of trials that have not found it: its value from `executions` on.
struct SurvivalPoint {
  uint64_t executions = 0;
  double surviving = 1;
};
// A point for each number of executions at which a trial found it, ascending. Trials that end at a
// number at which others find it count as still at risk there.
std::vector<SurvivalPoint> SurvivalCurve(std::vector<Trial> trials);

// The least number of executions by which half of the trials have found it; nothing where the
// estimate does not come down to a half.
std::optional<uint64_t> MedianExecutions(const std::vector<Trial>& trials);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_SURVIVAL_H_
