#include "stack/socket/system_call.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "stack/core/sock.h"
#include "stack/core/zerocopy.h"
#include "stack/socket/syscall_body.h"
#include "stack/socket/syscalls.h"

namespace tapedeck {
namespace {

// The argument that a trace shows beside call and descriptor: how much, or which.
uint64_t TracedArgument(const SyscallArgs& args) {
  switch (args.number) {
    case SyscallNumber::kRead:
    case SyscallNumber::kWrite:
    case SyscallNumber::kSendto:
    case SyscallNumber::kRecvfrom:
    case SyscallNumber::kSplice:
    case SyscallNumber::kSendfile:
      return args.buffer.iov_len;
    case SyscallNumber::kSetsockopt:
    case SyscallNumber::kGetsockopt:
      return static_cast<uint64_t>(args.b);
    case SyscallNumber::kPoll:
    case SyscallNumber::kReadv:
    case SyscallNumber::kWritev:
    case SyscallNumber::kSendmmsg:
    case SyscallNumber::kRecvmmsg:
    case SyscallNumber::kEpollWait:
      return args.length;
    default:
      return static_cast<uint64_t>(args.a);
  }
}

}  // namespace

[[gnu::always_inline]] inline void SystemCall::Enter() {
  CHECK(state_ == State::kNew);
  state_ = State::kEntered;
  sys_.network().Charge(CostPoint::k_syscall);
  if (sys_.network().world.tracing()) Trace(TraceKind::kSyscallEnter, TracedArgument(args_));
  if (sys_.tracer_ != nullptr) sys_.tracer_->Entered(*this, sys_.network().this_cpu().now());
}

[[gnu::always_inline]] inline void SystemCall::End(int64_t result) {
  if (ubuf_ != nullptr) PutNotification();
  Leave();
  state_ = State::kEnded;
  result_ = result;
  if (sys_.network().world.tracing()) {
    Trace(TraceKind::kSyscallExit, static_cast<uint64_t>(result));
  }
  if (sys_.tracer_ != nullptr) {
    sys_.tracer_->Ended(*this, result, sys_.network().this_cpu().now());
  }
  // The last act: it may destroy us.
  if (done_ != nullptr) done_(this, done_context_);
}

[[gnu::always_inline]] inline bool SystemCall::Try(bool last) {
  must_wait_ = false;
  retry_at_ = kNoJiffies;
  const int64_t result = SyscallBody(*this, last).Run();
  if (must_wait_) return false;
  End(result);
  return true;
}

bool SystemCall::await_ready() {
  Enter();
  return Try(false);
}

void SystemCall::await_suspend(std::coroutine_handle<> caller) {
  thread_.set_resume_at(caller);
  Sleep();
}

void SystemCall::Start(Done done, void* context) {
  CHECK(state_ == State::kNew);
  done_ = done;
  done_context_ = context;
  thread_.Sleep(this, nullptr, 0, SimTime::Never());
  thread_.Wake(WakeReason::kDone);
}

int64_t SystemCall::result() const {
  CHECK(ended());
  return result_;
}

int64_t SystemCall::RunNow() {
  Enter();
  CHECK(Try(true));
  return result_;
}

void SystemCall::Trace(TraceKind kind, uint64_t value) {
  sys_.network().this_cpu().Trace(kind, static_cast<uint64_t>(args_.number),
                                  static_cast<uint64_t>(args_.fd), value,
                                  static_cast<uint64_t>(thread_.tid()));
}

void SystemCall::PutNotification() {
  ubuf_info* const uarg = std::exchange(ubuf_, nullptr);
  if (copied_ != 0) {
    net_zcopy_put(uarg);
  } else {
    net_zcopy_put_abort(uarg, true);
  }
}

void SystemCall::Sleep() {
  if (!linked()) {
    sys_.sleeping_.PushBack(this);
    if (file_ != nullptr) get_file(file_);
    if (other_file_ != nullptr) get_file(other_file_);
  }
  if (writer_ != nullptr) ++writer_->sk_write_pending;
  thread_.Sleep(this, queue_, events_, deadline_, exclusive_);
  const Jiffies expires = std::min(expire_, retry_at_);
  if (expires != kNoJiffies) thread_.ScheduleTimeout(expires);
}

// What schedule_timeout leaves of a timeout is counted in jiffies: whatever woke the thread, in the
// last of them, in which the timer has not fired yet, nothing is left.
bool SystemCall::TimedOut(WakeReason reason) const {
  const Kernel& kernel = sys_.network().kernel;
  if (expire_ != kNoJiffies) return kernel.jiffies() >= expire_;
  return reason == WakeReason::kTimeout && kernel.now() >= deadline_;
}

void SystemCall::LeaveWaits() {
  if (poll_waits_ != nullptr) SyscallBody::EndPoll(*this);
  const bool slept = linked();
  if (slept) Unlink();
  if (slept && other_file_ != nullptr) fput(other_file_);
  if (slept && file_ != nullptr) fput(file_);
  if (owns_file_) fput(file_);
  owns_file_ = false;
}

bool SystemCall::Again(Sleeper* sleeper, WakeReason reason) {
  auto* const call = static_cast<SystemCall*>(sleeper);
  if (call->state_ == State::kEnded) return true;  // abandoned
  if (call->state_ == State::kNew) call->Enter();
  if (call->writer_ != nullptr) {
    --call->writer_->sk_write_pending;
    call->writer_ = nullptr;
  }
  if (call->Try(call->TimedOut(reason))) return true;
  if (reason == WakeReason::kInterrupted) {
    call->End(call->if_interrupted_);
    return true;
  }
  call->Sleep();
  return false;
}

void SystemCall::Abandon() {
  state_ = State::kEnded;
  result_ = -EINTR;
  // Off the queue first: letting go of the file may free what the queue lies in.
  thread_.Wake(WakeReason::kInterrupted);
  LetGo();
}

void SystemCall::LetGo() {
  if (writer_ != nullptr) --writer_->sk_write_pending;
  writer_ = nullptr;
  if (ubuf_ != nullptr) PutNotification();
  Leave();
}

}  // namespace tapedeck
