// One system call of a script while it is under way: its arguments as the stack wants them, made of
// the script's expressions, and afterwards whether it did what the script expects.
#ifndef TAPEDECK_REPLAY_LAB_SCRIPT_CALL_H_
#define TAPEDECK_REPLAY_LAB_SCRIPT_CALL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "replay/lab/call_control.h"
#include "replay/lab/call_outputs.h"
#include "replay/lab/fd_names.h"
#include "replay/script/syscall_step.h"
#include "stack/base/time.h"
#include "stack/core/sockaddr.h"
#include "stack/kernel/wait.h"
#include "stack/socket/syscalls.h"

namespace tapedeck {

// What "..." stands for, and the clock.
struct CallDefaults {
  int domain = kAfInet;
  Endpoint own;       // of bind
  Endpoint peer;      // of connect and sendto
  bool ping = false;  // what is sent is an ICMP message, so it begins as an echo request does
  ScriptClock clock;
};

class ScriptCall {
 public:
  // Call `number` of a script, made on `thread` of host `host`. `step` must outlive it.
  ScriptCall(const SyscallStep& step, size_t number, uint8_t host, Thread& thread,
             const CallDefaults& defaults)
      : step_(step), number_(number), host_(host), thread_(thread), defaults_(defaults) {}
  ScriptCall(const ScriptCall&) = delete;
  ScriptCall& operator=(const ScriptCall&) = delete;
  // REQUIRES: it has ended, or its thread will not run again.
  ~ScriptCall() = default;

  // Issues it at the thread's next turn. To be called once. InvalidArgument, and nothing is done,
  // where an argument makes no sense for the call: "argument 3 of read: expected a number".
  absl::Status Start(Syscalls& sys, const FdNames& names, SimTime now);

  const SyscallStep& step() const { return step_; }
  size_t number() const { return number_; }
  uint8_t host() const { return host_; }
  Thread& thread() { return thread_; }
  bool ended() const { return call_->ended(); }
  int64_t result() const { return call_->result(); }
  SimTime made_at() const { return made_at_; }
  // REQUIRES: ended().
  SimTime ended_at() const { return ended_at_; }

  // Where it differs from what the script expects, but for times; empty where it does not.
  // REQUIRES: ended().
  std::string Difference() const;
  // The call with the result and the outputs that it had. REQUIRES: ended().
  SyscallStep Actual() const;

  // The stack's descriptor that it is about, where its first argument is one.
  int32_t fd() const { return call_->args().fd; }
  // What it was given or gave as a socket address, of several messages in the first; without a
  // family where that was none.
  Endpoint address() const;
  bool has_address() const {
    return call_->args().has_address || first_message().msg_name != nullptr;
  }
  // Of socket: IPPROTO_*, as its type implies where it names none.
  uint8_t socket_protocol() const;
  // The descriptors of pipe and socketpair, as the stack has them.
  const int* fd_pair() const { return fd_pair_; }

 private:
  class Arguments;  // makes call_ out of step_.arguments
  CallOutputs View() const;
  const user_msghdr& first_message() const {
    return messages_.empty() ? message_ : messages_[0].msg_hdr;
  }

  static void OnDone(SystemCall* call, void* script_call);

  // Memory of the call, for as long as this lives.
  uint8_t* NewBuffer(size_t bytes, bool zero);

  const SyscallStep& step_;
  size_t number_;
  uint8_t host_;
  Thread& thread_;
  CallDefaults defaults_;
  SimTime made_at_;
  SimTime ended_at_;
  std::unique_ptr<SystemCall> call_;

  std::vector<std::unique_ptr<uint8_t[]>> buffers_;
  // What a msghdr points to.
  struct MessageMemory {
    SockAddr address;
    std::vector<iovec> pieces;
    std::vector<uint8_t> control;
  };
  MessageMemory memory_;  // also the address and the pieces of calls without a msghdr
  user_msghdr message_;
  // Of sendmmsg and recvmmsg.
  std::vector<mmsghdr> messages_;
  std::vector<MessageMemory> memories_;
  std::vector<pollfd> fds_;
  std::vector<uint8_t> option_;
  uint32_t option_length_ = 0;
  int number_out_ = 0;  // of ioctl
  std::vector<epoll_event> events_;
  // Of select: what it looks at, and what the script calls each.
  fd_set_bits sets_[3];
  struct SetMember {
    int32_t name;
    int real;
  };
  std::vector<SetMember> set_members_[3];
  int fd_pair_[2] = {-1, -1};
  int64_t offsets_[2] = {0, 0};
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_SCRIPT_CALL_H_
