// Which packets of a plan are whose: by flow, in order, without a vector for each of many flows.
#ifndef TAPEDECK_REPLAY_STANDIN_FLOW_STIMULI_H_
#define TAPEDECK_REPLAY_STANDIN_FLOW_STIMULI_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "replay/standin/plan.h"

namespace tapedeck::standin {

class FlowStimuli {
 public:
  FlowStimuli() = default;
  explicit FlowStimuli(const Plan& plan);

  // Indexes into Plan::stimuli: of one flow, and of none.
  std::span<const uint32_t> Of(size_t flow) const {
    return std::span(places_).subspan(ends_[flow], ends_[flow + 1] - ends_[flow]);
  }
  std::span<const uint32_t> Others() const { return std::span(places_).subspan(ends_.back()); }
  // The latest of all times of packets, nanoseconds; 0 without any.
  int64_t last_ns() const { return last_ns_; }

 private:
  std::vector<uint32_t> places_;    // flow by flow, then those of none
  std::vector<size_t> ends_ = {0};  // of flow i: [i], [i + 1]
  int64_t last_ns_ = 0;
};

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_FLOW_STIMULI_H_
