#include "replay/standin/flow_stimuli.h"

#include <algorithm>

namespace tapedeck::standin {

// Counted, then put in their places.
FlowStimuli::FlowStimuli(const Plan& plan) {
  const size_t flows = plan.flows.size();
  ends_.assign(flows + 1, 0);
  for (const Stimulus& stimulus : plan.stimuli) {
    if (stimulus.flow != kNoFlow) ++ends_[stimulus.flow + 1];
    last_ns_ = std::max(last_ns_, stimulus.time_ns);
  }
  for (size_t i = 0; i < flows; ++i) ends_[i + 1] += ends_[i];
  places_.resize(plan.stimuli.size());
  std::vector<size_t> next = ends_;
  for (uint32_t i = 0; i < plan.stimuli.size(); ++i) {
    const uint32_t flow = plan.stimuli[i].flow;
    places_[next[flow == kNoFlow ? flows : flow]++] = i;
  }
}

}  // namespace tapedeck::standin
