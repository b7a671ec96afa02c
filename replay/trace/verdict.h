// Whether a run did what its Script expects.
#ifndef TAPEDECK_REPLAY_TRACE_VERDICT_H_
#define TAPEDECK_REPLAY_TRACE_VERDICT_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace tapedeck {

struct Verdict {
  bool held() const { return difference.empty(); }

  // Of the first difference: the step's number from 1, the line where it stands (0: nowhere), and
  // in the notation of the Script what was expected and what happened instead.
  size_t step = 0;
  uint32_t line = 0;
  std::string difference;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_TRACE_VERDICT_H_
