// What a system call has written to its user's memory, against what the script says it must have.
#ifndef TAPEDECK_REPLAY_LAB_CALL_OUTPUTS_H_
#define TAPEDECK_REPLAY_LAB_CALL_OUTPUTS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "replay/lab/call_control.h"
#include "replay/script/syscall_step.h"
#include "stack/core/sockaddr.h"
#include "stack/socket/syscalls.h"

namespace tapedeck {

// The memory; each call has written to some of it.
struct CallOutputs {
  const SockAddr& address;
  std::span<const pollfd> fds;
  const user_msghdr& message;
  std::span<const mmsghdr> messages;
  std::span<const uint8_t> option;
  uint32_t option_length = 0;
  int number = 0;  // of ioctl
  std::span<const epoll_event> events;
  std::vector<int32_t> ready[3];  // of select: the script's names, ascending
  int64_t result = 0;
  ScriptClock clock;
};

// Empty where all is as the arguments of `step` say; else what is not. REQUIRES: the call
// succeeded.
std::string CompareOutputs(const SyscallStep& step, const CallOutputs& outputs);

// Puts what was written into the arguments of `step`, where these named something.
void SetOutputs(const CallOutputs& outputs, SyscallStep* step);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_CALL_OUTPUTS_H_
