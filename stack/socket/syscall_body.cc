// Which function is which call, and what they share: files, waiting, addresses for the user.
#include "stack/socket/syscall_body.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/socket/syscalls.h"

namespace tapedeck {

SyscallBody::SyscallBody(SystemCall& call, bool last)
    : call_(call), sys_(call.sys_), args_(call.args_), last_(last) {}

int64_t SyscallBody::Run() {
  // What applications do most needs no frame for all the rest.
  const SyscallNumber number = args_.number;
  if (number == SyscallNumber::kRead) return Read();
  if (number == SyscallNumber::kWrite) return Write();
  if (number == SyscallNumber::kRecvfrom) return Recvfrom();
  if (number == SyscallNumber::kSendto) return Sendto();
  return RunOther();
}

int64_t SyscallBody::RunOther() {
  const auto flags = static_cast<uint32_t>(args_.b);
  switch (args_.number) {
    case SyscallNumber::kRead:
    case SyscallNumber::kWrite:
    case SyscallNumber::kSendto:
    case SyscallNumber::kRecvfrom:
      break;
    case SyscallNumber::kOpen:
      return Open();
    case SyscallNumber::kClose:
      return Close();
    case SyscallNumber::kPoll:
      return Poll();
    case SyscallNumber::kIoctl:
      return Ioctl();
    case SyscallNumber::kReadv:
      return Readv();
    case SyscallNumber::kWritev:
      return Writev();
    case SyscallNumber::kPipe:
      return Pipe(0);
    case SyscallNumber::kSelect:
      return Select();
    case SyscallNumber::kDup:
      return Dup();
    case SyscallNumber::kDup2:
      return Dup2();
    case SyscallNumber::kSendfile:
      return Sendfile();
    case SyscallNumber::kSocket:
      return Socket();
    case SyscallNumber::kConnect:
      return Connect();
    case SyscallNumber::kAccept:
      return Accept4(0);
    case SyscallNumber::kSendmsg:
      return Sendmsg();
    case SyscallNumber::kRecvmsg:
      return Recvmsg();
    case SyscallNumber::kShutdown:
      return Shutdown();
    case SyscallNumber::kBind:
      return Bind();
    case SyscallNumber::kListen:
      return Listen();
    case SyscallNumber::kGetsockname:
      return Getname(false);
    case SyscallNumber::kGetpeername:
      return Getname(true);
    case SyscallNumber::kSocketpair:
      return Socketpair();
    case SyscallNumber::kSetsockopt:
      return Setsockopt();
    case SyscallNumber::kGetsockopt:
      return Getsockopt();
    case SyscallNumber::kFcntl:
      return Fcntl();
    case SyscallNumber::kEpollCreate:
      return args_.a <= 0 ? -EINVAL : EpollCreate(0);
    case SyscallNumber::kEpollWait:
      return EpollWait();
    case SyscallNumber::kEpollCtl:
      return EpollCtl();
    case SyscallNumber::kSplice:
      return Splice();
    case SyscallNumber::kAccept4:
      return Accept4(flags);
    case SyscallNumber::kEpollCreate1:
      return EpollCreate(flags);
    case SyscallNumber::kDup3:
      return Dup3();
    case SyscallNumber::kPipe2:
      return Pipe(flags);
    case SyscallNumber::kRecvmmsg:
      return Recvmmsg();
    case SyscallNumber::kSendmmsg:
      return Sendmmsg();
  }
  return -ENOSYS;
}

bool SyscallBody::AddressToUser(const SockAddr& address, SockAddr* user) {
  const uint32_t room = user->length;
  if (static_cast<int32_t>(room) < 0) return false;
  if (address.length == sizeof(sockaddr_in) && room >= sizeof(sockaddr_in)) {
    std::memcpy(user->bytes, address.bytes, sizeof(sockaddr_in));
  } else {
    std::memcpy(user->bytes, address.bytes,
                std::min({room, address.length, uint32_t{SockAddr::kBytes}}));
  }
  user->length = address.length;
  return true;
}

file* SyscallBody::File(int64_t* err) {
  file* file = call_.file_;
  if (file == nullptr) call_.file_ = file = sys_.files_.fcheck(args_.fd);
  if (file == nullptr) *err = -EBADF;
  return file;
}

file* SyscallBody::OtherFile(int fd, int64_t* err) {
  if (call_.other_file_ == nullptr) call_.other_file_ = sys_.files_.fcheck(fd);
  if (call_.other_file_ == nullptr) *err = -EBADF;
  return call_.other_file_;
}

socket* SyscallBody::Sock(int64_t* err) {
  file* const file = File(err);
  if (file == nullptr) return nullptr;
  socket* const sock = sock_from_file(file);
  if (sock == nullptr) *err = -ENOTSOCK;
  return sock;
}

int64_t SyscallBody::Install(file* file, bool close_on_exec, int from) {
  const int fd = sys_.files_.fd_install(file, close_on_exec, from);
  if (fd < 0) fput(file);
  return fd;
}

int64_t SyscallBody::InstallPair(file* first, file* second, bool close_on_exec, int* fds) {
  const int64_t fd = Install(first, close_on_exec, files_struct::kFirstFd);
  if (fd < 0) {
    fput(second);
    return fd;
  }
  const int64_t other = Install(second, close_on_exec, files_struct::kFirstFd);
  if (other < 0) {
    fput(sys_.files_.file_close_fd(static_cast<int>(fd)));
    return other;
  }
  fds[0] = static_cast<int>(fd);
  fds[1] = static_cast<int>(other);
  return 0;
}

void SyscallBody::MustWait(WaitQueue* queue, uint32_t events, bool exclusive,
                           int64_t if_interrupted) {
  call_.must_wait_ = true;
  call_.queue_ = queue;
  call_.events_ = events;
  call_.exclusive_ = exclusive;
  call_.if_interrupted_ = if_interrupted;
}

int64_t SyscallBody::WaitFor(WaitQueue* queue, uint32_t events, bool exclusive, Duration timeout,
                             int64_t if_interrupted) {
  if (timeout == Duration{}) return -EAGAIN;
  MustWait(queue, events, exclusive, if_interrupted);
  if (call_.deadline_known_) return -EAGAIN;
  call_.deadline_known_ = true;
  if (timeout != Duration::Max()) {
    const Kernel& kernel = sys_.net_.kernel;
    call_.expire_ = kernel.jiffies() + timeout.ps / kernel.tick().ps;
  }
  return -EAGAIN;
}

int64_t SyscallBody::WaitExactly(WaitQueue* queue, uint32_t events, bool exclusive) {
  MustWait(queue, events, exclusive, -EINTR);
  if (call_.deadline_known_) return -EAGAIN;
  call_.deadline_known_ = true;
  if (args_.timeout != Duration::Max()) call_.deadline_ = sys_.net_.kernel.now() + args_.timeout;
  return -EAGAIN;
}

}  // namespace tapedeck
