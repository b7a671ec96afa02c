#include "stack/socket/syscall_body.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/socket/sock_options.h"
#include "stack/socket/syscalls.h"

namespace tapedeck {
namespace {

constexpr uint32_t kSockTypeMask = 0xf;
constexpr uint32_t kSettableFlags =
    kONonblock;  // of those that fcntl may change, all that sockets know

}  // namespace

SyscallBody::SyscallBody(SystemCall& call, bool last)
    : call_(call), sys_(call.sys_), args_(call.args_), last_(last) {}

int64_t SyscallBody::Run() {
  switch (args_.number) {
    case SyscallNumber::kRead:
      return Read();
    case SyscallNumber::kWrite:
      return Write();
    case SyscallNumber::kClose:
      return Close();
    case SyscallNumber::kPoll:
      return Poll();
    case SyscallNumber::kIoctl:
      return Ioctl();
    case SyscallNumber::kDup:
      return Dup();
    case SyscallNumber::kDup2:
      return Dup2();
    case SyscallNumber::kSocket:
      return Socket();
    case SyscallNumber::kConnect:
      return Connect();
    case SyscallNumber::kSendto:
      return Sendto();
    case SyscallNumber::kRecvfrom:
      return Recvfrom();
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
    case SyscallNumber::kSetsockopt:
      return Setsockopt();
    case SyscallNumber::kGetsockopt:
      return Getsockopt();
    case SyscallNumber::kFcntl:
      return Fcntl();
    case SyscallNumber::kAccept4:
      return Accept4();
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
  if (call_.file_ == nullptr) call_.file_ = sys_.files_.fcheck(args_.fd);
  if (call_.file_ == nullptr) *err = -EBADF;
  return call_.file_;
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

int64_t SyscallBody::WaitFor(WaitQueue* queue, uint32_t events, bool exclusive, Duration timeout) {
  if (timeout == Duration{}) return -EAGAIN;
  call_.must_wait_ = true;
  call_.queue_ = queue;
  call_.events_ = events;
  call_.exclusive_ = exclusive;
  if (!call_.deadline_known_) {
    call_.deadline_known_ = true;
    call_.deadline_ =
        timeout == Duration::Max() ? SimTime::Never() : sys_.net_.kernel.now() + timeout;
  }
  return -EAGAIN;
}

// --- Descriptors. ---

int64_t SyscallBody::Close() {
  file* const file = sys_.files_.file_close_fd(args_.fd);
  if (file == nullptr) return -EBADF;
  fput(file);
  return 0;
}

int64_t SyscallBody::Dup() {
  int64_t err = 0;
  file* const file = File(&err);
  if (file == nullptr) return err;
  get_file(file);
  return Install(file, false, files_struct::kFirstFd);
}

int64_t SyscallBody::Dup2() {
  files_struct& files = sys_.files_;
  const int new_fd = args_.a;
  int64_t err = 0;
  file* const file = File(&err);
  if (file == nullptr) return err;
  if (new_fd == args_.fd) return new_fd;
  if (new_fd < 0 || new_fd >= files.rlimit_nofile) return -EBADF;
  get_file(file);
  if (struct file* const closed = files.file_close_fd(new_fd)) fput(closed);
  return Install(file, false, new_fd);
}

int64_t SyscallBody::Fcntl() {
  files_struct& files = sys_.files_;
  int64_t err = 0;
  file* const file = File(&err);
  if (file == nullptr) return err;
  bool* const close_on_exec = &files.table[args_.fd].close_on_exec;
  switch (args_.a) {
    case kFDupfd:
      if (args_.c < 0 || args_.c >= files.rlimit_nofile) return -EINVAL;
      get_file(file);
      return Install(file, false, std::max(args_.c, files_struct::kFirstFd));
    case kFGetfd:
      return *close_on_exec ? kFdCloexec : 0;
    case kFSetfd:
      *close_on_exec = (args_.c & kFdCloexec) != 0;
      return 0;
    case kFGetfl:
      return file->f_flags;
    case kFSetfl:
      file->f_flags =
          (file->f_flags & ~kSettableFlags) | (static_cast<uint32_t>(args_.c) & kSettableFlags);
      return 0;
    default:
      return -EINVAL;
  }
}

int64_t SyscallBody::Ioctl() {
  int64_t err = 0;
  file* const file = File(&err);
  if (file == nullptr) return err;
  auto* const argument = static_cast<int*>(args_.memory);
  if (argument == nullptr) return -EFAULT;
  if (static_cast<uint32_t>(args_.a) == kFionbio) {
    file->f_flags = *argument != 0 ? file->f_flags | kONonblock : file->f_flags & ~kONonblock;
    return 0;
  }
  socket* const sock = sock_from_file(file);
  if (sock == nullptr) return -ENOTTY;
  return sock->ops->ioctl(sock, static_cast<uint32_t>(args_.a), argument);
}

// --- Sockets. ---

int64_t SyscallBody::Socket() {
  const uint32_t flags = static_cast<uint32_t>(args_.b) & ~kSockTypeMask;
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) != 0) return -EINVAL;
  socket* sock = nullptr;
  const int err = sock_create(sys_.net_, sys_.families_, sys_.caches_, args_.a,
                              args_.b & static_cast<int>(kSockTypeMask), args_.c, &sock);
  if (err != 0) return err;
  file* const file = sock_alloc_file(sys_.files_, sock, flags & SOCK_NONBLOCK);
  if (file == nullptr) {
    sock_release(sock);
    return -ENFILE;
  }
  return Install(file, (flags & SOCK_CLOEXEC) != 0, files_struct::kFirstFd);
}

int64_t SyscallBody::Bind() {
  int64_t err = 0;
  socket* const sock = Sock(&err);
  if (sock == nullptr) return err;
  if (args_.address.length > kSockaddrStorageBytes) return -EINVAL;
  return sock->ops->bind(sock, args_.address.bytes, args_.address.length);
}

int64_t SyscallBody::Connect() {
  int64_t err = 0;
  file* const file = File(&err);
  if (file == nullptr) return err;
  if (args_.address.length > kSockaddrStorageBytes) return -EINVAL;
  socket* const sock = sock_from_file(file);
  if (sock == nullptr) return -ENOTSOCK;
  return sock->ops->connect(sock, args_.address.bytes, args_.address.length, file->f_flags);
}

// No kind of socket that there is has connections to wait for.
int64_t SyscallBody::Listen() {
  int64_t err = 0;
  return Sock(&err) == nullptr ? err : -EOPNOTSUPP;
}
int64_t SyscallBody::Accept4() {
  const auto flags = static_cast<uint32_t>(args_.b);
  int64_t err = 0;
  if (File(&err) == nullptr) return err;
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) != 0) return -EINVAL;
  return Sock(&err) == nullptr ? err : -EOPNOTSUPP;
}

int64_t SyscallBody::Shutdown() {
  int64_t err = 0;
  socket* const sock = Sock(&err);
  return sock == nullptr ? err : sock->ops->shutdown(sock, args_.a);
}

int64_t SyscallBody::Getname(bool peer) {
  int64_t err = 0;
  socket* const sock = Sock(&err);
  if (sock == nullptr) return err;
  SockAddr address;
  const int length = sock->ops->getname(sock, address.bytes, peer);
  if (length < 0) return length;
  address.length = static_cast<uint32_t>(length);
  if (args_.address_out == nullptr) return -EFAULT;
  return AddressToUser(address, args_.address_out) ? 0 : -EINVAL;
}

int64_t SyscallBody::Setsockopt() {
  if (static_cast<int32_t>(args_.length) < 0) return -EINVAL;
  int64_t err = 0;
  socket* const sock = Sock(&err);
  if (sock == nullptr) return err;
  if (args_.a == kSolSocket) return sk_setsockopt(sock->sk, args_.b, args_.memory, args_.length);
  return sock->ops->setsockopt(sock, args_.a, args_.b, args_.memory, args_.length);
}

int64_t SyscallBody::Getsockopt() {
  int64_t err = 0;
  socket* const sock = Sock(&err);
  if (sock == nullptr) return err;
  if (args_.length_out == nullptr) return -EFAULT;
  if (args_.a == kSolSocket) {
    return sk_getsockopt(sock->sk, args_.b, args_.memory, args_.length_out);
  }
  return sock->ops->getsockopt(sock, args_.a, args_.b, args_.memory, args_.length_out);
}

}  // namespace tapedeck
