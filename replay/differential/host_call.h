// A case's system calls, made of our stack.
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_HOST_CALL_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_HOST_CALL_H_

#include <span>

#include "replay/differential/case.h"
#include "replay/differential/run.h"
#include "stack/socket/syscalls.h"

namespace tapedeck::differential {

// Makes `call`. `slots`: the descriptor of each slot, -1 where it is empty.
void HostCall(Syscalls& sys, Thread& thread, std::span<int, CallStep::kSlots> slots,
              const CallStep& call, CallResult* result);
// Closes `fd`; a connection is reset.
void HostAbort(Syscalls& sys, Thread& thread, int fd);

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_HOST_CALL_H_
