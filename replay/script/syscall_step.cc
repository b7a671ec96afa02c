#include "replay/script/syscall_step.h"

#include <array>

namespace tapedeck {
namespace {

struct Entry {
  SyscallName id;
  std::string_view name;
  uint8_t arguments;
  bool returns_fd;
};

using enum SyscallName;

// By number.
constexpr std::array<Entry, kSyscallNames> kEntries = {{
    {kSocket, "socket", 3, true},
    {kBind, "bind", 3, false},
    {kConnect, "connect", 3, false},
    {kSendto, "sendto", 6, false},
    {kRecvfrom, "recvfrom", 6, false},
    {kPoll, "poll", 3, false},
    {kClose, "close", 1, false},
    {kListen, "listen", 2, false},
    {kAccept, "accept", 3, true},
    {kAccept4, "accept4", 4, true},
    {kRead, "read", 3, false},
    {kReadv, "readv", 3, false},
    {kRecv, "recv", 4, false},
    {kRecvmsg, "recvmsg", 3, false},
    {kWrite, "write", 3, false},
    {kWritev, "writev", 3, false},
    {kSend, "send", 4, false},
    {kSendmsg, "sendmsg", 3, false},
    {kFcntl, "fcntl", 3, false},
    {kIoctl, "ioctl", 3, false},
    {kShutdown, "shutdown", 2, false},
    {kGetsockopt, "getsockopt", 5, false},
    {kSetsockopt, "setsockopt", 5, false},
    {kGetsockname, "getsockname", 3, false},
    {kGetpeername, "getpeername", 3, false},
    {kOpen, "open", 3, true},
    {kSendfile, "sendfile", 4, false},
    {kPipe, "pipe", 1, false},
    {kSplice, "splice", 6, false},
    {kEpollCreate, "epoll_create", 1, true},
    {kEpollCtl, "epoll_ctl", 4, false},
    {kEpollWait, "epoll_wait", 4, false},
    {kDup, "dup", 1, true},
}};

constexpr bool InOrder() {
  for (size_t i = 0; i < kEntries.size(); ++i) {
    if (static_cast<size_t>(kEntries[i].id) != i) return false;
  }
  return true;
}
static_assert(InOrder());

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

size_t ArgumentCountOf(SyscallName name) { return EntryOf(name).arguments; }

bool TakesArguments(SyscallName name, size_t count) {
  const bool last_is_optional = name == kFcntl || name == kOpen;
  return count == ArgumentCountOf(name) || (last_is_optional && count + 1 == ArgumentCountOf(name));
}

}  // namespace tapedeck
