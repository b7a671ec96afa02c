// Where a run is not what its golden says, in the words of the protocol.
#ifndef TAPEDECK_REPLAY_REGRESS_DIFFERENCE_H_
#define TAPEDECK_REPLAY_REGRESS_DIFFERENCE_H_

#include <optional>
#include <string>

#include "replay/regress/golden.h"

namespace tapedeck::regress {

struct Difference {
  // One line: "after frame 3, at 0.011057745 s: `ack 101` is now `ack 201`".
  std::string first;
  // What is around it, golden and now in two columns; empty where the first line says it all.
  std::string columns;
};

// The first difference; none where the run is the golden's.
std::optional<Difference> FindDifference(const Golden& golden, const RunText& run);

}  // namespace tapedeck::regress

#endif  // TAPEDECK_REPLAY_REGRESS_DIFFERENCE_H_
