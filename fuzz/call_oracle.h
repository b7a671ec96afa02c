// What must hold of system calls, whatever they are about:
//
//   API:errno:<call>          a call ends with a result, or with an error that Linux's can end with
//   TIME:not_before:<call>    a wait for so long that ends for its time being over has lasted so
//                             long
//   TIME:not_after:<call>     ... and no longer, however often it was woken for nothing
#ifndef TAPEDECK_FUZZ_CALL_ORACLE_H_
#define TAPEDECK_FUZZ_CALL_ORACLE_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "replay/lab/lab.h"
#include "stack/base/time.h"
#include "stack/socket/system_call.h"

namespace tapedeck::fuzz {

class CallOracle : public SyscallTracer {
 public:
  // From now on it is told of every call of the hosts. Both must outlive the last call.
  void Attach(Lab& lab);

  // Another input begins. Not `punctual`: CPUs are kept from what is due, or time goes back.
  void Begin(bool punctual) {
    punctual_ = punctual;
    waiting_count_ = 0;
  }
  // Nothing is running at `now`: nobody waits longer than was said.
  void CheckWaiting(SimTime now) const;

  void Entered(const SystemCall& call, SimTime time) override;
  void Ended(const SystemCall& call, int64_t result, SimTime time) override;

 private:
  // Of further ones nobody knows when they began.
  static constexpr size_t kWaitingMax = 128;

  struct Waiting {
    const SystemCall* call = nullptr;
    SimTime entered;
    SimTime deadline;
  };

  bool punctual_ = false;
  size_t waiting_count_ = 0;
  std::array<Waiting, kWaitingMax> waiting_;
};

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CALL_ORACLE_H_
