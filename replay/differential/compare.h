// Two runs of a case, side by side.
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_COMPARE_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_COMPARE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "replay/differential/case.h"
#include "replay/differential/run.h"

namespace tapedeck::differential {

struct Difference {
  size_t step = 0;  // the case's number of steps where it is about the end
  // What kind of difference this is, without the numbers that make this one: what the file of known
  // differences names. "reply ip.tos of IP # > #: ICMP echo reply, id #", "call bind: ours 0 kernel
  // -1 EINVAL", "counter Ip.InHdrErrors: ours more".
  std::string signature;
  std::string ours;
  std::string kernel;
};

// `has_counter[i]`: whether the kernel has counter i of CounterNames().
std::vector<Difference> Compare(const Case& played, const Run& ours, const Run& kernel,
                                const std::vector<bool>& has_counter);

// The case with what both did, side by side: one line a step, below it the answers that both gave,
// and those of one marked as such.
std::string Report(const Case& played, const Run& ours, const Run& kernel,
                   const std::vector<Difference>& differences);

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_COMPARE_H_
