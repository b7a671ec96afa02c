// One system call of a Script while it is under way: its arguments as the stack wants them, and
// afterwards what it did as the Script would say it.
#ifndef TAPEDECK_REPLAY_LAB_PLAYED_CALL_H_
#define TAPEDECK_REPLAY_LAB_PLAYED_CALL_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "replay/lab/fd_names.h"
#include "replay/script/script.h"
#include "stack/base/time.h"
#include "stack/core/sockaddr.h"
#include "stack/kernel/wait.h"
#include "stack/socket/syscalls.h"

namespace tapedeck {

// Lives in the arena: the stack points to it while it waits. The data of sends and receives do not,
// so that a sanitizer sees their exact size.
class PlayedCall {
 public:
  // Call `number` of a script, made on `thread` of host `host`. `step` must outlive it.
  PlayedCall(const CallStep& step, size_t number, uint8_t host, Thread& thread)
      : step_(step), number_(number), host_(host), thread_(thread) {}
  PlayedCall(const PlayedCall&) = delete;
  PlayedCall& operator=(const PlayedCall&) = delete;
  // REQUIRES: it has ended, or its thread will not run again.
  ~PlayedCall();

  // Issues it at the thread's next turn. To be called once.
  void Start(Syscalls& sys, const FdNames& names, SimTime now);

  const CallStep& step() const { return step_; }
  size_t number() const { return number_; }
  uint8_t host() const { return host_; }
  Thread& thread() { return thread_; }
  bool ended() const { return call_->ended(); }
  int64_t result() const { return call_->result(); }

  // It did not return at once. To be said before it ends.
  void set_blocked() { blocked_ = true; }

  // REQUIRES: ended().
  bool AsExpected() const;
  // The call as it would have to stand in the script. REQUIRES: ended().
  CallStep Actual() const;

 private:
  // For each kind of call: makes call_; whether what it returned beside its result is as expected;
  // and notes that.
  void Make(Syscalls& sys, const FdNames& names, const SocketCall& call);
  void Make(Syscalls& sys, const FdNames& names, const BindCall& call);
  void Make(Syscalls& sys, const FdNames& names, const ConnectCall& call);
  void Make(Syscalls& sys, const FdNames& names, const SendtoCall& call);
  void Make(Syscalls& sys, const FdNames& names, const RecvfromCall& call);
  void Make(Syscalls& sys, const FdNames& names, const PollCall& call);
  void Make(Syscalls& sys, const FdNames& names, const CloseCall& call);
  static void OnDone(SystemCall* call, void* played);
  bool OutputsAsExpected() const;
  bool ResultAsExpected() const;
  bool TimeAsExpected() const;

  std::span<uint8_t> AllocateData(uint32_t bytes);
  // The peer's or the host's own address where the script leaves it open.
  SockAddr ToSockAddr(const AddressArgument& address, const Endpoint& by_default) const;

  const CallStep& step_;
  size_t number_;
  uint8_t host_;
  bool blocked_ = false;
  Thread& thread_;
  SimTime made_at_;
  SimTime ended_at_;
  SystemCall* call_ = nullptr;  // in memory_
  uint8_t* data_ = nullptr;     // on the heap
  SockAddr address_;
  pollfd fds_[kPollEntriesMax];
  alignas(SystemCall) std::byte memory_[sizeof(SystemCall)];
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_PLAYED_CALL_H_
