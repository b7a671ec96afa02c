// What one stack did in a case.
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_RUN_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_RUN_H_

#include <cstdint>
#include <vector>

namespace tapedeck::differential {

// A frame that the stack sent out of port `port`.
struct Reply {
  int port = 0;
  std::vector<uint8_t> bytes;
};

// What a call gave back.
struct CallResult {
  int64_t value = 0;             // >= 0 or -errno
  std::vector<uint8_t> data;     // received bytes, an option's value, control messages
  std::vector<uint8_t> address;  // a name or a sender, as struct sockaddr*
  uint32_t length = 0;           // that the call set
};

struct StepResult {
  std::vector<Reply> replies;
  CallResult call;
};

struct Run {
  // One for each step, and one for the end, when all descriptors are closed.
  std::vector<StepResult> steps;
  // By how much each counter of AllCounters() rose.
  std::vector<int64_t> counters;
};

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_RUN_H_
