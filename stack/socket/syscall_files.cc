// Calls on descriptors of any kind (fs/file.c, fs/fcntl.c, fs/read_write.c).
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "stack/core/sock.h"
#include "stack/core/socket.h"
#include "stack/socket/pipe.h"
#include "stack/socket/ram_file.h"
#include "stack/socket/syscall_body.h"
#include "stack/socket/syscall_iovec.h"
#include "stack/socket/syscalls.h"

namespace tapedeck {
namespace {

// Of the flags that fcntl may change, those that files here know.
constexpr uint32_t kSettableFlags = kONonblock | kOAppend;

}  // namespace

// Whether the close of `file`'s descriptor is the last and has to wait for the peer (SO_LINGER).
bool SyscallBody::Lingers(const file* file) const {
  const uint32_t references_of_call = call_.linked() ? 2 : 1;
  if (last_ || file->f_count != references_of_call) return false;
  socket* const sock = sock_from_file(file);
  if (sock == nullptr || sock->ops->linger == nullptr) return false;
  if (!sock_flag(sock->sk, SOCK_LINGER) || sock->sk->sk_lingertime_s == 0) return false;
  return sock->ops->linger(sock);
}

int64_t SyscallBody::Close() {
  if (call_.file_ == nullptr) {
    call_.file_ = sys_.files_.file_close_fd(args_.fd);
    if (call_.file_ == nullptr) return -EBADF;
    // SystemCall::Leave drops the descriptor's reference.
    call_.owns_file_ = true;
  }
  if (!Lingers(call_.file_)) return 0;
  sock* const sk = sock_from_file(call_.file_)->sk;
  WaitFor(&sk->sk_wq, ~uint32_t{0}, false, Duration::Seconds(sk->sk_lingertime_s), 0);
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
  if (args_.a == args_.fd) {
    int64_t err = 0;
    return File(&err) == nullptr ? err : args_.a;
  }
  return Dup3();
}

int64_t SyscallBody::Dup3() {
  files_struct& files = sys_.files_;
  const int new_fd = args_.a;
  const auto flags = static_cast<uint32_t>(args_.b);
  if ((flags & ~kOCloexec) != 0 || new_fd == args_.fd) return -EINVAL;
  if (new_fd < 0 || new_fd >= files.rlimit_nofile) return -EBADF;
  int64_t err = 0;
  file* const file = File(&err);
  if (file == nullptr) return err;
  get_file(file);
  if (struct file* const closed = files.file_close_fd(new_fd)) fput(closed);
  return Install(file, (flags & kOCloexec) != 0, new_fd);
}

int64_t SyscallBody::Fcntl() {
  files_struct& files = sys_.files_;
  int64_t err = 0;
  file* const file = File(&err);
  if (file == nullptr) return err;
  bool* const close_on_exec = &files.table[args_.fd].close_on_exec;
  switch (args_.a) {
    case kFDupfd:
    case kFDupfdCloexec:
      if (args_.c < 0 || args_.c >= files.rlimit_nofile) return -EINVAL;
      get_file(file);
      return Install(file, args_.a == kFDupfdCloexec, std::max(args_.c, files_struct::kFirstFd));
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
    case kFGetpipeSz:
      return pipe_of_file(file) == nullptr ? -EBADF : int64_t{kPipeBytes};
    default:
      return -EINVAL;
  }
}

int64_t SyscallBody::Ioctl() {
  int64_t err = 0;
  file* const file = File(&err);
  if (file == nullptr) return err;
  auto* const argument = static_cast<int*>(args_.memory);
  const auto command = static_cast<uint32_t>(args_.a);
  if (argument == nullptr) return -EFAULT;
  if (command == kFionbio) {
    file->f_flags = *argument != 0 ? file->f_flags | kONonblock : file->f_flags & ~kONonblock;
    return 0;
  }
  if (socket* const sock = sock_from_file(file)) return sock->ops->ioctl(sock, command, argument);
  if (file->f_op->ioctl == nullptr) return -ENOTTY;
  return file->f_op->ioctl(file, command, argument);
}

int64_t SyscallBody::Open() {
  const auto* const path = static_cast<const char*>(args_.memory);
  if (path == nullptr) return -EFAULT;
  const auto flags = static_cast<uint32_t>(args_.b);
  int64_t err = 0;
  file* const file = ram_file_open(sys_.files_, sys_.ram_files_, path, flags, &err);
  if (file == nullptr) return err;
  return Install(file, (flags & kOCloexec) != 0, files_struct::kFirstFd);
}

int64_t SyscallBody::Pipe(uint32_t flags) {
  if ((flags & ~(kOCloexec | kONonblock | kODirect)) != 0) return -EINVAL;
  file* ends[2] = {};
  if (const int err = create_pipe_files(sys_.net_, sys_.files_, sys_.pipes_,
                                        flags & (kONonblock | kODirect), ends);
      err != 0) {
    return err;
  }
  int fds[2] = {};
  const int64_t err = InstallPair(ends[0], ends[1], (flags & kOCloexec) != 0, fds);
  if (err != 0) return err;
  auto* const user = static_cast<int*>(args_.memory);
  if (user == nullptr) {
    for (const int fd : fds) fput(sys_.files_.file_close_fd(fd));
    return -EFAULT;
  }
  std::copy(fds, fds + 2, user);
  return 0;
}

// --- Reading and writing. ---

int64_t SyscallBody::ReadFile(file* file, iov_iter iter) {
  if (!FileReadable(file)) return -EBADF;
  if (file->f_op->read_iter == nullptr) return -EINVAL;
  const int64_t result = file->f_op->read_iter(file, &iter);
  const bool nonblock = (file->f_flags & kONonblock) != 0;
  if (result != -EAGAIN || nonblock || last_) return result;
  return WaitFor(file->f_op->wait_queue(file), EPOLLIN, true, Duration::Max(), -EINTR);
}

int64_t SyscallBody::WriteFile(file* file, iov_iter iter) {
  if (!FileWritable(file)) return -EBADF;
  if (file->f_op->write_iter == nullptr) return -EINVAL;
  iov_iter_advance(&iter, call_.copied_);
  const int64_t result = file->f_op->write_iter(file, &iter);
  if (result > 0) call_.copied_ += static_cast<size_t>(result);
  const bool full = result == -EAGAIN || (result > 0 && iov_iter_count(&iter) > 0);
  const bool nonblock = (file->f_flags & kONonblock) != 0;
  if (!full || nonblock || last_) return Moved(result);
  return WaitFor(file->f_op->wait_queue(file), EPOLLOUT, true, Duration::Max(), Moved(-EINTR));
}

int64_t SyscallBody::Read() {
  int64_t err = 0;
  file* const file = File(&err);
  if (file == nullptr) return err;
  socket* const sock = sock_from_file(file);
  if (sock == nullptr) return ReadFile(file, OnePiece(args_.buffer));
  if (args_.buffer.iov_len == 0) return 0;
  msghdr msg;
  msg.msg_iter = OnePiece(args_.buffer);
  return Receive(sock, &msg, 0);
}

int64_t SyscallBody::Write() {
  int64_t err = 0;
  file* const file = File(&err);
  if (file == nullptr) return err;
  socket* const sock = sock_from_file(file);
  if (sock == nullptr) return WriteFile(file, OnePiece(args_.buffer));
  msghdr msg;
  msg.msg_iter = OnePiece(args_.buffer);
  return Send(sock, &msg, 0);
}

int64_t SyscallBody::Readv() {
  int64_t err = 0;
  file* const file = File(&err);
  if (file == nullptr) return err;
  if (!FileReadable(file)) return -EBADF;
  socket* const sock = sock_from_file(file);
  if (sock == nullptr && file->f_op->read_iter == nullptr) return -EINVAL;
  const std::span<const iovec> pieces(static_cast<const iovec*>(args_.memory), args_.length);
  if (const int bad = CheckVector(pieces); bad != 0) return bad;
  const iov_iter iter = Pieces(pieces);
  if (iov_iter_count(&iter) == 0) return 0;
  if (sock == nullptr) return ReadFile(file, iter);
  msghdr msg;
  msg.msg_iter = iter;
  return Receive(sock, &msg, 0);
}

int64_t SyscallBody::Writev() {
  int64_t err = 0;
  file* const file = File(&err);
  if (file == nullptr) return err;
  if (!FileWritable(file)) return -EBADF;
  socket* const sock = sock_from_file(file);
  if (sock == nullptr && file->f_op->write_iter == nullptr) return -EINVAL;
  const std::span<const iovec> pieces(static_cast<const iovec*>(args_.memory), args_.length);
  if (const int bad = CheckVector(pieces); bad != 0) return bad;
  const iov_iter iter = Pieces(pieces);
  if (iov_iter_count(&iter) == 0) return 0;
  if (sock == nullptr) return WriteFile(file, iter);
  msghdr msg;
  msg.msg_iter = iter;
  return Send(sock, &msg, 0);
}

}  // namespace tapedeck
