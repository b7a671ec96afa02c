// One of the two stacks, as the player sees it. Ports are devices of topology.h.
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_SIDE_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_SIDE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "replay/differential/case.h"
#include "replay/differential/run.h"

namespace tapedeck::differential {

class Side {
 public:
  virtual ~Side() = default;

  // Forgets the case before. Afterwards no frame waits.
  virtual void Begin(const Case& played) = 0;
  // True where the value was taken.
  virtual bool Set(const Setting& setting) = 0;
  // A frame reaches the device of `port`. What the stack answers at once can be drained when this
  // returns.
  virtual void Write(int port, std::span<const uint8_t> frame) = 0;
  virtual void Call(const CallStep& call, CallResult* result) = 0;
  virtual void Wait(int milliseconds) = 0;
  // Appends the frames that were sent since the last time, port by port.
  virtual void Drain(std::vector<Reply>* replies) = 0;
  // Closes all descriptors; connections are aborted.
  virtual void CloseAll() = 0;
  // By how much each counter has risen since Begin().
  virtual void CountersSinceBegin(std::vector<int64_t>* counters) = 0;
};

// Plays a case.
Run Play(const Case& played, Side* side);

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_SIDE_H_
