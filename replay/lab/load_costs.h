// Cost tables by the name that a user gives.
#ifndef TAPEDECK_REPLAY_LAB_LOAD_COSTS_H_
#define TAPEDECK_REPLAY_LAB_LOAD_COSTS_H_

#include <string>

#include "absl/status/statusor.h"
#include "stack/kernel/cost.h"

namespace tapedeck {

// A preset of stack/kernel/costs, or else a file in the same format. An error names the presets, or
// the file and its line.
absl::StatusOr<CostTable> LoadCostTable(const std::string& name);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_LOAD_COSTS_H_
