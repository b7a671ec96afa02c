#include "fuzz/call_oracle.h"

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

#include "fuzz/oracles.h"
#include "stack/core/sock.h"
#include "stack/core/socket.h"
#include "stack/host.h"
#include "stack/socket/file.h"
#include "stack/socket/socket.h"

namespace tapedeck::fuzz {

namespace {

// What a CPU has to do first, and a tick.
constexpr Duration kLateMax = Duration::Milliseconds(20);

// A set of errors.
class Errors {
 public:
  constexpr Errors() = default;
  constexpr Errors(std::initializer_list<int> errors) {
    for (const int error : errors) Add(error);
  }
  constexpr bool Has(int64_t error) const {
    return error > 0 && error < kErrorsMax &&
           (words_[static_cast<size_t>(error) / 64] >> (error % 64) & 1) != 0;
  }
  friend constexpr Errors operator|(Errors a, const Errors& b) {
    for (size_t i = 0; i < kWords; ++i) a.words_[i] |= b.words_[i];
    return a;
  }

 private:
  static constexpr size_t kWords = 3;
  static constexpr int64_t kErrorsMax = kWords * 64;  // EHWPOISON is 133
  constexpr void Add(int error) {
    words_[static_cast<size_t>(error) / 64] |= uint64_t{1} << (error % 64);
  }
  uint64_t words_[kWords] = {};
};

// What stands in sk_err and comes with the next call: what peers, routers and timers say
// (icmp_err_convert, tcp_reset, tcp_write_err).
constexpr Errors kPending = {ECONNREFUSED, ECONNRESET,  ECONNABORTED, ETIMEDOUT,
                             EHOSTUNREACH, ENETUNREACH, EHOSTDOWN,    ENONET,
                             EPROTO,       ENOPROTOOPT, EOPNOTSUPP,   EMSGSIZE,
                             EACCES,       EPIPE,       ENETDOWN,     ENODEV};
constexpr Errors kDescriptor = {EBADF, EINVAL, EFAULT, ENOMEM, ENOBUFS};
constexpr Errors kSocket = kDescriptor | Errors{ENOTSOCK, EOPNOTSUPP};
constexpr Errors kWaits = {EAGAIN, EINTR};
// What looking for a way to the peer, and for a port, can end with.
constexpr Errors kRoute = {EAFNOSUPPORT, EADDRNOTAVAIL, EADDRINUSE, EPERM, ENODEV, ENXIO};
constexpr Errors kReceive = kDescriptor | kWaits | kPending | Errors{ENOTCONN};
constexpr Errors kSend = kReceive | kRoute | Errors{EDESTADDRREQ, EISCONN, EINPROGRESS, EALREADY};
constexpr Errors kNewFile = {EMFILE, ENFILE, ENOMEM, EINVAL, EFAULT};

// The manual pages' sections ERRORS, and what the functions behind them return in Linux.
constexpr Errors ErrorsOf(SyscallNumber number) {
  switch (number) {
    case SyscallNumber::kRead:
    case SyscallNumber::kReadv:
      return kReceive | Errors{EISDIR};
    case SyscallNumber::kRecvfrom:
    case SyscallNumber::kRecvmsg:
    case SyscallNumber::kRecvmmsg:
      return kReceive | kSocket;
    case SyscallNumber::kWrite:
    case SyscallNumber::kWritev:
      return kSend;
    case SyscallNumber::kSendto:
    case SyscallNumber::kSendmsg:
    case SyscallNumber::kSendmmsg:
      return kSend | kSocket;
    case SyscallNumber::kSplice:
    case SyscallNumber::kSendfile:
      return kSend | Errors{ESPIPE, EOVERFLOW};
    case SyscallNumber::kOpen:
      return kNewFile | Errors{ENOENT, EACCES, EEXIST, EISDIR, ENOTDIR, EROFS};
    case SyscallNumber::kClose:
      return {EBADF};
    case SyscallNumber::kPoll:
      return {EINVAL, EFAULT, EINTR, ENOMEM};
    case SyscallNumber::kSelect:
      return {EINVAL, EFAULT, EINTR, ENOMEM, EBADF};
    case SyscallNumber::kEpollWait:
      return {EINVAL, EFAULT, EINTR, EBADF};
    case SyscallNumber::kEpollCtl:
      return kDescriptor | Errors{EEXIST, ENOENT, ENOSPC, EPERM, ELOOP};
    case SyscallNumber::kEpollCreate:
    case SyscallNumber::kEpollCreate1:
    case SyscallNumber::kPipe:
    case SyscallNumber::kPipe2:
      return kNewFile;
    case SyscallNumber::kIoctl:
      return kDescriptor | Errors{ENOTTY, EOPNOTSUPP, ENOENT, ENODEV, EPERM};
    case SyscallNumber::kDup:
    case SyscallNumber::kDup2:
    case SyscallNumber::kDup3:
      return {EBADF, EBUSY, EMFILE, EINVAL, ENOMEM};
    case SyscallNumber::kFcntl:
      return {EBADF, EBUSY, EMFILE, EINVAL, ENOMEM, EPERM};
    case SyscallNumber::kSocket:
    case SyscallNumber::kSocketpair:
      return kNewFile | Errors{EAFNOSUPPORT, EPROTONOSUPPORT, ESOCKTNOSUPPORT, EOPNOTSUPP,
                               EACCES,       EPERM,           ENOBUFS};
    case SyscallNumber::kConnect:
      return kSocket | kWaits | kPending | kRoute |
             Errors{EISCONN, EINPROGRESS, EALREADY, EDESTADDRREQ, ENOTCONN};
    case SyscallNumber::kAccept:
    case SyscallNumber::kAccept4:
      return kSocket | kWaits | kNewFile | Errors{ECONNABORTED, EPERM};
    case SyscallNumber::kShutdown:
      return {EBADF, EINVAL, ENOTSOCK, ENOTCONN, EOPNOTSUPP};
    case SyscallNumber::kBind:
      return kSocket | kRoute | Errors{EACCES, EISCONN};
    case SyscallNumber::kListen:
      return kSocket | kRoute | Errors{EACCES};
    case SyscallNumber::kGetsockname:
    case SyscallNumber::kGetpeername:
      return kSocket | Errors{ENOTCONN};
    case SyscallNumber::kSetsockopt:
      return kSocket | kRoute | Errors{ENOPROTOOPT, EDOM,    EACCES,   EBUSY,  ENOENT,
                                       EEXIST,      EISCONN, ENOTCONN, EAGAIN, EALREADY,
                                       ERANGE,      ESRCH,   E2BIG,    EPROTO};
    case SyscallNumber::kGetsockopt:
      return kSocket |
             Errors{ENOPROTOOPT, EDOM, ENOTCONN, EADDRNOTAVAIL, ENODEV, EPERM, EIO, EAGAIN, ENOENT};
  }
  return {};
}

// --- Verdict. Not inline, and by their names: how engines and reports tell them apart. ---

[[noreturn, gnu::noinline]] void ErrnoFailed(const SystemCall& call, int64_t result) {
  ReportBroken("API", "errno", SyscallNumberName(call.args().number));
  std::fprintf(stderr, "descriptor %d: %" PRId64 "\n", call.args().fd, result);
  std::abort();
}
[[noreturn, gnu::noinline]] void WaitTooShort(const SystemCall& call, Duration by) {
  ReportBroken("TIME", "not_before", SyscallNumberName(call.args().number));
  std::fprintf(stderr, "%" PRIu64 " ps too early\n", by.ps);
  std::abort();
}
[[noreturn, gnu::noinline]] void WaitTooLong(const SystemCall& call, Duration by) {
  ReportBroken("TIME", "not_after", SyscallNumberName(call.args().number));
  std::fprintf(stderr, "%" PRIu64 " ps too late\n", by.ps);
  std::abort();
}

// The call has a time of its own.
bool Polls(SyscallNumber number) {
  return number == SyscallNumber::kPoll || number == SyscallNumber::kSelect ||
         number == SyscallNumber::kEpollWait;
}

// Of calls that wait once, on one socket, what bounds the wait. Not of those that move many
// messages, or between two descriptors, which may wait for each.
Duration TimeoutOfSocket(SyscallNumber number, const sock& sk) {
  switch (number) {
    case SyscallNumber::kRead:
    case SyscallNumber::kReadv:
    case SyscallNumber::kRecvfrom:
    case SyscallNumber::kRecvmsg:
    case SyscallNumber::kAccept:
    case SyscallNumber::kAccept4:
      return sk.sk_rcvtimeo;
    case SyscallNumber::kWrite:
    case SyscallNumber::kWritev:
    case SyscallNumber::kSendto:
    case SyscallNumber::kSendmsg:
    case SyscallNumber::kConnect:
      return sk.sk_sndtimeo;
    default:
      return Duration::Max();
  }
}

// How long a call may wait at most; Duration::Max(): for ever, or nobody knows.
Duration TimeoutOf(Host& host, const SyscallArgs& args) {
  if (Polls(args.number)) return args.timeout;
  const file* const its = host.syscalls().files().fcheck(args.fd);
  const socket* const sock = its == nullptr ? nullptr : sock_from_file(its);
  if (sock == nullptr || sock->sk == nullptr) return Duration::Max();
  return TimeoutOfSocket(args.number, *sock->sk);
}

}  // namespace

void CallOracle::Ear::Listen(CallOracle* oracle, Host* host) {
  oracle_ = oracle;
  host_ = host;
  host->syscalls().set_tracer(this);
}
void CallOracle::Ear::Entered(const SystemCall& call, SimTime time) {
  oracle_->Entered(*host_, call, time);
}
void CallOracle::Ear::Ended(const SystemCall& call, int64_t result, SimTime time) {
  oracle_->Ended(call, result, time);
}

void CallOracle::Attach(Lab& lab) {
  for (int i = 0; i < lab.hosts(); ++i) ears_[static_cast<size_t>(i)].Listen(this, &lab.host(i));
}

void CallOracle::CheckWaiting(SimTime now) {
  for (size_t i = 0; i < waiting_count_; ++i) {
    Waiting& waiting = waiting_[i];
    waiting.slept = true;
    if (now > waiting.deadline + waiting.late_max) {
      WaitTooLong(*waiting.call, now - waiting.deadline);
    }
  }
}

void CallOracle::Entered(Host& host, const SystemCall& call, SimTime time) {
  if (!punctual_ || waiting_count_ == kWaitingMax) return;
  const Duration timeout = TimeoutOf(host, call.args());
  if (timeout == Duration::Max()) return;
  Waiting waiting;
  waiting.call = &call;
  waiting.deadline = time + timeout;
  waiting.late_max = kLateMax;
  if (!Polls(call.args().number)) {
    // Timeouts of sockets are counted in ticks, and the timer wheel is late by an eighth at most
    // (Linux's kernel/time/timer.c).
    waiting.early_max = host.kernel().tick();
    waiting.late_max += Duration{timeout.ps / 8};
  }
  waiting_[waiting_count_++] = waiting;
}

void CallOracle::Ended(const SystemCall& call, int64_t result, SimTime time) {
  if (result < 0 && !ErrorsOf(call.args().number).Has(-result)) ErrnoFailed(call, result);
  for (size_t i = 0; i < waiting_count_; ++i) {
    const Waiting waiting = waiting_[i];
    if (waiting.call != &call) continue;
    waiting_[i] = waiting_[--waiting_count_];
    // What was asleep, and comes back with nothing.
    const bool timed_out =
        Polls(call.args().number) ? result == 0 : result == -EAGAIN && waiting.slept;
    if (timed_out && time + waiting.early_max < waiting.deadline) {
      WaitTooShort(call, waiting.deadline - time);
    }
    if (time > waiting.deadline + waiting.late_max) WaitTooLong(call, time - waiting.deadline);
    return;
  }
}

}  // namespace tapedeck::fuzz
