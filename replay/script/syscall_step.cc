#include "replay/script/syscall_step.h"

#include "replay/script/syscall_signature.h"

namespace tapedeck {
namespace {

struct Entry {
  SyscallName id;
  std::string_view name;
  bool returns_fd;
};

using enum SyscallName;

// By number.
constexpr std::array<Entry, kSyscallNames> kEntries = {{
    {kSocket, "socket", true},
    {kBind, "bind", false},
    {kConnect, "connect", false},
    {kSendto, "sendto", false},
    {kRecvfrom, "recvfrom", false},
    {kPoll, "poll", false},
    {kClose, "close", false},
    {kListen, "listen", false},
    {kAccept, "accept", true},
    {kAccept4, "accept4", true},
    {kRead, "read", false},
    {kReadv, "readv", false},
    {kRecv, "recv", false},
    {kRecvmsg, "recvmsg", false},
    {kWrite, "write", false},
    {kWritev, "writev", false},
    {kSend, "send", false},
    {kSendmsg, "sendmsg", false},
    {kFcntl, "fcntl", false},
    {kIoctl, "ioctl", false},
    {kShutdown, "shutdown", false},
    {kGetsockopt, "getsockopt", false},
    {kSetsockopt, "setsockopt", false},
    {kGetsockname, "getsockname", false},
    {kGetpeername, "getpeername", false},
    {kOpen, "open", true},
    {kSendfile, "sendfile", false},
    {kPipe, "pipe", false},
    {kSplice, "splice", false},
    {kEpollCreate, "epoll_create", true},
    {kEpollCtl, "epoll_ctl", false},
    {kEpollWait, "epoll_wait", false},
    {kDup, "dup", true},
    {kSelect, "select", false},
    {kSendmmsg, "sendmmsg", false},
    {kRecvmmsg, "recvmmsg", false},
    {kSocketpair, "socketpair", false},
}};

static_assert(IsByNumber(kEntries));

const Entry& EntryOf(SyscallName name) { return kEntries[static_cast<size_t>(name)]; }

}  // namespace

std::string_view NameOf(SyscallName name) { return EntryOf(name).name; }

std::optional<SyscallName> FindSyscall(std::string_view name) {
  for (const Entry& entry : kEntries) {
    if (entry.name == name) return entry.id;
  }
  return std::nullopt;
}

bool ReturnsFd(SyscallName name) { return EntryOf(name).returns_fd; }

size_t ArgumentCountOf(SyscallName name) { return SignatureOf(name).size(); }

bool TakesArguments(SyscallName name, size_t count) {
  const bool last_is_optional = name == kFcntl || name == kOpen;
  return count == ArgumentCountOf(name) || (last_is_optional && count + 1 == ArgumentCountOf(name));
}

std::optional<size_t> FdPairArgumentOf(SyscallName name) {
  if (name == kPipe) return 0;
  if (name == kSocketpair) return 3;
  return std::nullopt;
}

}  // namespace tapedeck
