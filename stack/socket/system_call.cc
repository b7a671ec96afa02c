#include "stack/socket/system_call.h"

#include <cerrno>

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
      return args.buffer.iov_len;
    case SyscallNumber::kSetsockopt:
    case SyscallNumber::kGetsockopt:
      return static_cast<uint64_t>(args.b);
    case SyscallNumber::kPoll:
      return args.length;
    default:
      return static_cast<uint64_t>(args.a);
  }
}

}  // namespace

const char* SyscallName(SyscallNumber number) {
  switch (number) {
    case SyscallNumber::kRead:
      return "read";
    case SyscallNumber::kWrite:
      return "write";
    case SyscallNumber::kClose:
      return "close";
    case SyscallNumber::kPoll:
      return "poll";
    case SyscallNumber::kIoctl:
      return "ioctl";
    case SyscallNumber::kDup:
      return "dup";
    case SyscallNumber::kDup2:
      return "dup2";
    case SyscallNumber::kSocket:
      return "socket";
    case SyscallNumber::kConnect:
      return "connect";
    case SyscallNumber::kSendto:
      return "sendto";
    case SyscallNumber::kRecvfrom:
      return "recvfrom";
    case SyscallNumber::kSendmsg:
      return "sendmsg";
    case SyscallNumber::kRecvmsg:
      return "recvmsg";
    case SyscallNumber::kShutdown:
      return "shutdown";
    case SyscallNumber::kBind:
      return "bind";
    case SyscallNumber::kListen:
      return "listen";
    case SyscallNumber::kGetsockname:
      return "getsockname";
    case SyscallNumber::kGetpeername:
      return "getpeername";
    case SyscallNumber::kSetsockopt:
      return "setsockopt";
    case SyscallNumber::kGetsockopt:
      return "getsockopt";
    case SyscallNumber::kFcntl:
      return "fcntl";
    case SyscallNumber::kAccept4:
      return "accept4";
  }
  return "unknown";
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

void SystemCall::Enter() {
  CHECK(state_ == State::kNew);
  state_ = State::kEntered;
  sys_.network().this_cpu().Charge(CostPoint::k_syscall);
  if (sys_.network().world.tracing()) Trace(TraceKind::kSyscallEnter, TracedArgument(args_));
}

void SystemCall::Trace(TraceKind kind, uint64_t value) {
  sys_.network().this_cpu().Trace(kind, static_cast<uint64_t>(args_.number),
                                  static_cast<uint64_t>(args_.fd), value,
                                  static_cast<uint64_t>(thread_.tid()));
}

bool SystemCall::Try(bool last) {
  must_wait_ = false;
  const int64_t result = SyscallBody(*this, last).Run();
  if (must_wait_) return false;
  End(result);
  return true;
}

void SystemCall::End(int64_t result) {
  Leave();
  state_ = State::kEnded;
  result_ = result;
  if (sys_.network().world.tracing()) {
    Trace(TraceKind::kSyscallExit, static_cast<uint64_t>(result));
  }
  // The last act: it may destroy us.
  if (done_ != nullptr) done_(this, done_context_);
}

void SystemCall::Sleep() {
  if (!linked()) {
    sys_.sleeping_.PushBack(this);
    if (file_ != nullptr) get_file(file_);
  }
  thread_.Sleep(this, queue_, events_, deadline_, exclusive_);
}

void SystemCall::Leave() {
  if (poll_waits_ != nullptr) SyscallBody::EndPoll(*this);
  if (!linked()) return;
  Unlink();
  if (file_ != nullptr) fput(file_);
  file_ = nullptr;
}

bool SystemCall::Again(Sleeper* sleeper, WakeReason reason) {
  auto* const call = static_cast<SystemCall*>(sleeper);
  if (call->state_ == State::kEnded) return true;  // abandoned
  if (call->state_ == State::kNew) call->Enter();
  if (call->Try(reason == WakeReason::kTimeout)) return true;
  if (reason == WakeReason::kInterrupted) {
    call->End(-EINTR);
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
  Leave();
}

}  // namespace tapedeck
