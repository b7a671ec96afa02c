#include "stack/socket/system_call.h"

namespace tapedeck {

const char* SyscallNumberName(SyscallNumber number) {
  switch (number) {
    case SyscallNumber::kRead:
      return "read";
    case SyscallNumber::kWrite:
      return "write";
    case SyscallNumber::kOpen:
      return "open";
    case SyscallNumber::kClose:
      return "close";
    case SyscallNumber::kPoll:
      return "poll";
    case SyscallNumber::kIoctl:
      return "ioctl";
    case SyscallNumber::kReadv:
      return "readv";
    case SyscallNumber::kWritev:
      return "writev";
    case SyscallNumber::kPipe:
      return "pipe";
    case SyscallNumber::kSelect:
      return "select";
    case SyscallNumber::kDup:
      return "dup";
    case SyscallNumber::kDup2:
      return "dup2";
    case SyscallNumber::kSendfile:
      return "sendfile";
    case SyscallNumber::kSocket:
      return "socket";
    case SyscallNumber::kConnect:
      return "connect";
    case SyscallNumber::kAccept:
      return "accept";
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
    case SyscallNumber::kSocketpair:
      return "socketpair";
    case SyscallNumber::kSetsockopt:
      return "setsockopt";
    case SyscallNumber::kGetsockopt:
      return "getsockopt";
    case SyscallNumber::kFcntl:
      return "fcntl";
    case SyscallNumber::kEpollCreate:
      return "epoll_create";
    case SyscallNumber::kEpollWait:
      return "epoll_wait";
    case SyscallNumber::kEpollCtl:
      return "epoll_ctl";
    case SyscallNumber::kSplice:
      return "splice";
    case SyscallNumber::kAccept4:
      return "accept4";
    case SyscallNumber::kEpollCreate1:
      return "epoll_create1";
    case SyscallNumber::kDup3:
      return "dup3";
    case SyscallNumber::kPipe2:
      return "pipe2";
    case SyscallNumber::kRecvmmsg:
      return "recvmmsg";
    case SyscallNumber::kSendmmsg:
      return "sendmmsg";
  }
  return "unknown";
}

}  // namespace tapedeck
