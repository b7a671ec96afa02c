// A system call of a Script: its name, its arguments as expressions, and what it must return.
#ifndef TAPEDECK_REPLAY_SCRIPT_SYSCALL_STEP_H_
#define TAPEDECK_REPLAY_SCRIPT_SYSCALL_STEP_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "replay/script/expression.h"
#include "stack/base/time.h"

namespace tapedeck {

// The calls that scripts can make, in the order of their numbers in the bytes spelling: append
// only.
enum class SyscallName : uint8_t {
  kSocket,
  kBind,
  kConnect,
  kSendto,
  kRecvfrom,
  kPoll,
  kClose,
  kListen,
  kAccept,
  kAccept4,
  kRead,
  kReadv,
  kRecv,
  kRecvmsg,
  kWrite,
  kWritev,
  kSend,
  kSendmsg,
  kFcntl,
  kIoctl,
  kShutdown,
  kGetsockopt,
  kSetsockopt,
  kGetsockname,
  kGetpeername,
  kOpen,
  kSendfile,
  kPipe,
  kSplice,
  kEpollCreate,
  kEpollCtl,
  kEpollWait,
  kDup,
  kSelect,
  kSendmmsg,
  kRecvmmsg,
  kSocketpair,
};
inline constexpr size_t kSyscallNames = static_cast<size_t>(SyscallName::kSocketpair) + 1;
// Whether each entry of `table` stands at its number, `id`.
template <typename Entry>
constexpr bool IsByNumber(const std::array<Entry, kSyscallNames>& table) {
  for (size_t i = 0; i < table.size(); ++i) {
    if (static_cast<size_t>(table[i].id) != i) return false;
  }
  return true;
}

// "epoll_ctl"
std::string_view NameOf(SyscallName name);
std::optional<SyscallName> FindSyscall(std::string_view name);
// Its result is a new descriptor, which the script calls by the number that it expects.
bool ReturnsFd(SyscallName name);

// How many arguments the call takes; fewer or more are refused, but that fcntl(fd, F_GETFL) and
// open(path, flags) leave their last one out.
size_t ArgumentCountOf(SyscallName name);
bool TakesArguments(SyscallName name, size_t count);

// Which argument of pipe and socketpair is the list of the two descriptors that the call makes.
std::optional<size_t> FdPairArgumentOf(SyscallName name);

// A descriptor that is none: -1 is passed to the call.
inline constexpr int32_t kFdNone = -1;

// A system call on a host, made by a thread of its own, and what it must do.
//
// Descriptors have the script's own names: what a call really returns is known by `fd` (and the two
// ends of a pipe or a pair by what stands in its list) from then on.
//
// Arguments that the kernel writes are what it must have written: accept's address, getsockopt's
// value and length ("[0], [4]"), what stands in a recvmsg's msghdr, revents, epoll_wait's event.
// "..." there: anything. "..." that is read: the obvious value, namely the host's own address and
// bind port for bind, its peer's and the connect port for connect and sendto, the script's IP
// version as the domain of socket, a buffer of the length that the call names for data.
struct SyscallStep {
  SyscallName name = SyscallName::kClose;
  std::vector<Expression> arguments;

  // What it returns: a length, a descriptor or a count, or -1 with `expected_errno`. None ("= ?" or
  // "= ..."): anything.
  std::optional<int64_t> expected;
  std::string expected_text;   // how it is written where that is not in decimal: "0x2". Not content
  int32_t expected_errno = 0;  // 0 with a result of -1: any error
  // If ReturnsFd(name): how the script calls the descriptor. "= 3": 3. "= 3?": 3, and `expected` is
  // none. Else, and after -1, kFdNone.
  int32_t fd = kFdNone;
  // "...0.2": the call blocks, and returns this long after it was made. None: it returns at once.
  std::optional<Duration> returns_after;

  friend bool operator==(const SyscallStep& a, const SyscallStep& b) {
    return a.name == b.name && a.arguments == b.arguments && a.expected == b.expected &&
           a.expected_errno == b.expected_errno && a.fd == b.fd &&
           a.returns_after == b.returns_after;
  }
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_SYSCALL_STEP_H_
