// The calls that move data, and what they share: the user's message header, and waiting for data or
// room.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "stack/core/msghdr.h"
#include "stack/socket/syscall_body.h"
#include "stack/socket/syscalls.h"

namespace tapedeck {
namespace {

constexpr size_t kIovMax = 1024;  // UIO_MAXIOV
constexpr size_t kRwCountMax =
    static_cast<size_t>(std::numeric_limits<int32_t>::max()) & ~size_t{4095};

// The pieces of a message header. 0, -EMSGSIZE (too many), -EINVAL (one that is longer than
// anything can be).
int CheckPieces(std::span<const iovec> pieces) {
  if (pieces.size() > kIovMax) return -EMSGSIZE;
  const auto negative = [](const iovec& piece) { return static_cast<int64_t>(piece.iov_len) < 0; };
  return std::any_of(pieces.begin(), pieces.end(), negative) ? -EINVAL : 0;
}

iov_iter Iterator(std::span<const iovec> pieces) {
  iov_iter iterator(pieces);
  iov_iter_truncate(&iterator, kRwCountMax);
  return iterator;
}
iov_iter Iterator(const iovec& piece) {
  iov_iter iterator;
  iterator.iov = {&piece, 1};
  iterator.count = std::min(piece.iov_len, kRwCountMax);
  return iterator;
}

}  // namespace

int64_t SyscallBody::Send(socket* sock, msghdr* msg, uint32_t flags) {
  struct sock* const sk = sock->sk;
  const bool nonblock = (sock->file->f_flags & kONonblock) != 0 || (flags & MSG_DONTWAIT) != 0;
  msg->msg_flags = nonblock || last_ ? flags | MSG_DONTWAIT : flags;
  sk->sk_nospace = false;
  const int64_t result = sock->ops->sendmsg(sock, msg, iov_iter_count(&msg->msg_iter));
  // Only a full send buffer empties by itself.
  if (result != -EAGAIN || nonblock || last_ || !sk->sk_nospace) return result;
  return WaitFor(&sk->sk_wq, EPOLLOUT | EPOLLERR, false, sk->sk_sndtimeo);
}

int64_t SyscallBody::Receive(socket* sock, msghdr* msg, uint32_t flags) {
  struct sock* const sk = sock->sk;
  const bool nonblock =
      (sock->file->f_flags & kONonblock) != 0 || (flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) != 0;
  const int64_t result = sock->ops->recvmsg(sock, msg, iov_iter_count(&msg->msg_iter),
                                            nonblock || last_ ? flags | MSG_DONTWAIT : flags);
  if (result != -EAGAIN || nonblock || last_) return result;
  return WaitFor(&sk->sk_wq, EPOLLIN | EPOLLERR, true, sk->sk_rcvtimeo);
}

int64_t SyscallBody::Sendto() {
  int64_t err = 0;
  socket* const sock = Sock(&err);
  if (sock == nullptr) return err;
  SockAddr name;
  msghdr msg;
  if (args_.has_address) {
    if (args_.address.length > kSockaddrStorageBytes) return -EINVAL;
    name = args_.address;
    msg.msg_name = name.bytes;
    msg.msg_namelen = name.length;
  }
  msg.msg_iter = Iterator(args_.buffer);
  return Send(sock, &msg, static_cast<uint32_t>(args_.b));
}

int64_t SyscallBody::Recvfrom() {
  int64_t err = 0;
  socket* const sock = Sock(&err);
  if (sock == nullptr) return err;
  SockAddr* const user = args_.address_out;
  msghdr msg;
  msg.msg_iter = Iterator(args_.buffer);
  if (user == nullptr) return Receive(sock, &msg, static_cast<uint32_t>(args_.b));
  if (user->length >= SockAddr::kBytes && user->length <= kSockaddrStorageBytes) {
    // Room for any address: no copy.
    msg.msg_name = user->bytes;
    const int64_t result = Receive(sock, &msg, static_cast<uint32_t>(args_.b));
    if (result >= 0) user->length = msg.msg_namelen;
    return result;
  }
  SockAddr name;
  msg.msg_name = name.bytes;
  const int64_t result = Receive(sock, &msg, static_cast<uint32_t>(args_.b));
  if (result < 0) return result;
  name.length = msg.msg_namelen;
  return AddressToUser(name, user) ? result : -EINVAL;
}

int64_t SyscallBody::Read() {
  int64_t err = 0;
  socket* const sock = Sock(&err);
  if (sock == nullptr) return err;
  if (args_.buffer.iov_len == 0) return 0;
  msghdr msg;
  msg.msg_iter = Iterator(args_.buffer);
  return Receive(sock, &msg, 0);
}

int64_t SyscallBody::Write() {
  int64_t err = 0;
  socket* const sock = Sock(&err);
  if (sock == nullptr) return err;
  msghdr msg;
  msg.msg_iter = Iterator(args_.buffer);
  return Send(sock, &msg, 0);
}

int64_t SyscallBody::Sendmsg() {
  int64_t err = 0;
  socket* const sock = Sock(&err);
  if (sock == nullptr) return err;
  const auto* const user = static_cast<const user_msghdr*>(args_.memory);
  if (user == nullptr) return -EFAULT;
  if (const int bad = CheckPieces(user->msg_iov); bad != 0) return bad;
  SockAddr name;
  msghdr msg;
  if (user->msg_name != nullptr && user->msg_name->length != 0) {
    name = *user->msg_name;
    if (static_cast<int32_t>(name.length) < 0) return -EINVAL;
    msg.msg_name = name.bytes;
    msg.msg_namelen = std::min(name.length, kSockaddrStorageBytes);
  }
  if (user->msg_controllen > static_cast<size_t>(sys_.net_.core.optmem_max)) return -ENOBUFS;
  if (user->msg_controllen != 0 && user->msg_control == nullptr) return -EFAULT;
  msg.msg_control = user->msg_control;
  msg.msg_controllen = user->msg_controllen;
  msg.msg_iter = Iterator(user->msg_iov);
  return Send(sock, &msg, static_cast<uint32_t>(args_.b));
}

int64_t SyscallBody::Recvmsg() {
  int64_t err = 0;
  socket* const sock = Sock(&err);
  if (sock == nullptr) return err;
  auto* const user = static_cast<user_msghdr*>(args_.memory);
  if (user == nullptr) return -EFAULT;
  if (const int bad = CheckPieces(user->msg_iov); bad != 0) return bad;
  SockAddr name;
  msghdr msg;
  if (user->msg_name != nullptr) msg.msg_name = name.bytes;
  msg.msg_flags = static_cast<uint32_t>(args_.b) & MSG_CMSG_CLOEXEC;
  msg.msg_control = user->msg_control;
  msg.msg_controllen = user->msg_controllen;
  msg.msg_iter = Iterator(user->msg_iov);
  const int64_t result = Receive(sock, &msg, static_cast<uint32_t>(args_.b));
  if (result < 0) return result;
  if (user->msg_name != nullptr) {
    name.length = msg.msg_namelen;
    if (!AddressToUser(name, user->msg_name)) return -EINVAL;
  }
  user->msg_flags = msg.msg_flags;
  user->msg_controllen -= msg.msg_controllen;
  return result;
}

}  // namespace tapedeck
