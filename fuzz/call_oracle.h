// What must hold of system calls, whatever they are about:
//
//   API:errno:<call>          a call ends with a result, or with an error that Linux's can end with
//   TIME:not_before:<call>    a wait for so long that ends for its time being over has lasted so
//                             long
//   TIME:not_after:<call>     ... and no longer, however often it was woken for nothing
//
// How long is said by the call (poll and its kin), or by its socket's SO_RCVTIMEO or SO_SNDTIMEO
// when it is made.
#ifndef TAPEDECK_FUZZ_CALL_ORACLE_H_
#define TAPEDECK_FUZZ_CALL_ORACLE_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "replay/lab/lab.h"
#include "replay/script/script.h"
#include "stack/base/time.h"
#include "stack/socket/system_call.h"

namespace tapedeck::fuzz {

class CallOracle {
 public:
  // From now on it is told of every call of the hosts. Both must outlive the last call.
  void Attach(Lab& lab);

  // Another input begins. Not `punctual`: CPUs are kept from what is due, or time goes back.
  void Begin(bool punctual) {
    punctual_ = punctual;
    waiting_count_ = 0;
  }
  // Nothing is running at `now`: who has not come back sleeps, and nobody longer than was said.
  void CheckWaiting(SimTime now);

 private:
  // Hears of one host's calls.
  class Ear : public SyscallTracer {
   public:
    void Listen(CallOracle* oracle, Host* host);
    void Entered(const SystemCall& call, SimTime time) override;
    void Ended(const SystemCall& call, int64_t result, SimTime time) override;

   private:
    CallOracle* oracle_ = nullptr;
    Host* host_ = nullptr;
  };
  // Of further ones nobody knows when they began.
  static constexpr size_t kWaitingMax = 128;

  struct Waiting {
    const SystemCall* call = nullptr;
    SimTime deadline;
    Duration early_max;  // how much earlier it may be back with nothing
    Duration late_max;   // ... and later in any case
    bool slept = false;
  };

  void Entered(Host& host, const SystemCall& call, SimTime time);
  void Ended(const SystemCall& call, int64_t result, SimTime time);

  std::array<Ear, kHostsMax> ears_;
  bool punctual_ = false;
  size_t waiting_count_ = 0;
  std::array<Waiting, kWaitingMax> waiting_;
};

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CALL_ORACLE_H_
