#include "fuzz/campaign/survival.h"

#include <algorithm>
#include <cstddef>

namespace tapedeck::fuzz {

std::vector<SurvivalPoint> SurvivalCurve(std::vector<Trial> trials) {
  std::sort(trials.begin(), trials.end(),
            [](const Trial& a, const Trial& b) { return a.executions < b.executions; });
  std::vector<SurvivalPoint> curve;
  double surviving = 1;
  for (size_t i = 0; i < trials.size();) {
    const size_t at_risk = trials.size() - i;
    const uint64_t executions = trials[i].executions;
    size_t found = 0;
    for (; i < trials.size() && trials[i].executions == executions; ++i) found += trials[i].found;
    if (found == 0) continue;
    surviving *= 1 - static_cast<double>(found) / static_cast<double>(at_risk);
    curve.push_back({executions, surviving});
  }
  return curve;
}

std::optional<uint64_t> MedianExecutions(const std::vector<Trial>& trials) {
  // Products of shares miss the half by an ulp.
  constexpr double kHalf = 0.5 + 1e-9;
  for (const SurvivalPoint& point : SurvivalCurve(trials)) {
    if (point.surviving <= kHalf) return point.executions;
  }
  return std::nullopt;
}

}  // namespace tapedeck::fuzz
