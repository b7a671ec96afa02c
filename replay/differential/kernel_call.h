// A case's system calls, made of this machine's kernel.
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_KERNEL_CALL_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_KERNEL_CALL_H_

#include <span>

#include "replay/differential/case.h"
#include "replay/differential/run.h"

namespace tapedeck::differential {

// Makes `call`. `slots`: the descriptor of each slot, -1 where it is empty.
void KernelCall(std::span<int, CallStep::kSlots> slots, const CallStep& call, CallResult* result);
// Closes `fd`; a connection is reset.
void KernelAbort(int fd);

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_KERNEL_CALL_H_
