// Calls on sockets that move no data (net/socket.c).
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/core/socket.h"
#include "stack/socket/sock_options.h"
#include "stack/socket/syscall_body.h"
#include "stack/socket/syscalls.h"

namespace tapedeck {
namespace {

constexpr uint32_t kSockTypeMask = 0xf;
constexpr uint32_t kCreationFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;

}  // namespace

int64_t SyscallBody::Socket() {
  const uint32_t flags = static_cast<uint32_t>(args_.b) & ~kSockTypeMask;
  if ((flags & ~kCreationFlags) != 0) return -EINVAL;
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

int64_t SyscallBody::Socketpair() {
  const uint32_t flags = static_cast<uint32_t>(args_.b) & ~kSockTypeMask;
  if ((flags & ~kCreationFlags) != 0) return -EINVAL;
  auto* const fds = static_cast<int*>(args_.memory);
  if (fds == nullptr) return -EFAULT;
  socket* pair[2] = {};
  file* files[2] = {};
  int64_t err = 0;
  for (int i = 0; i < 2 && err == 0; ++i) {
    err = sock_create(sys_.net_, sys_.families_, sys_.caches_, args_.a,
                      args_.b & static_cast<int>(kSockTypeMask), args_.c, &pair[i]);
  }
  if (err == 0) {
    err = pair[0]->ops->socketpair == nullptr ? -EOPNOTSUPP
                                              : pair[0]->ops->socketpair(pair[0], pair[1]);
  }
  for (int i = 0; i < 2 && err == 0; ++i) {
    files[i] = sock_alloc_file(sys_.files_, pair[i], flags & SOCK_NONBLOCK);
    if (files[i] == nullptr) err = -ENFILE;
  }
  if (err == 0) return InstallPair(files[0], files[1], (flags & SOCK_CLOEXEC) != 0, fds);
  for (int i = 0; i < 2; ++i) {
    if (files[i] != nullptr) {
      fput(files[i]);
    } else if (pair[i] != nullptr) {
      sock_release(pair[i]);
    }
  }
  return err;
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
  // What it was at first is what it is when the time is over, whatever has come meanwhile.
  if (again() && last_) return call_.given_up_;
  if (again() && sock->sk->sk_disconnects != call_.disconnects_) return -EPIPE;
  const auto attempt = [&](uint32_t flags) {
    return sock->ops->connect(sock, args_.address.bytes, args_.address.length,
                              file->f_flags | flags);
  };
  const int64_t result = attempt(again() ? kConnectAgain : 0);
  const bool under_way = result == -EINPROGRESS || result == -EALREADY;
  if (!under_way) return result;
  if (!again()) call_.given_up_ = result;
  const bool nonblock = (file->f_flags & kONonblock) != 0;
  if (nonblock || last_ || sock->sk->sk_sndtimeo == Duration{}) return call_.given_up_;
  // The answer may have come while the socket was let go.
  if (!Connecting(sock->sk)) return attempt(kConnectAgain);
  call_.again_ = true;
  call_.disconnects_ = sock->sk->sk_disconnects;
  return WaitFor(&sock->sk->sk_wq, ~uint32_t{0}, false, sock->sk->sk_sndtimeo, -EINTR);
}

int64_t SyscallBody::Listen() {
  int64_t err = 0;
  socket* const sock = Sock(&err);
  if (sock == nullptr) return err;
  if (sock->ops->listen == nullptr) return -EOPNOTSUPP;
  // As unsigned: below zero is as many as there may be.
  const auto backlog =
      std::min(static_cast<uint32_t>(args_.a), static_cast<uint32_t>(sys_.net_.core.somaxconn));
  return sock->ops->listen(sock, static_cast<int>(backlog));
}

int64_t SyscallBody::Accept4(uint32_t flags) {
  int64_t err = 0;
  file* const file = File(&err);
  if (file == nullptr) return err;
  if ((flags & ~kCreationFlags) != 0) return -EINVAL;
  if (!sys_.files_.has_free_fd()) return -EMFILE;
  socket* const sock = sock_from_file(file);
  if (sock == nullptr) return -ENOTSOCK;
  if (sock->ops->accept == nullptr) return -EOPNOTSUPP;
  const int64_t result = AcceptFrom(sock, flags, file->f_flags);
  const bool nonblock = (file->f_flags & kONonblock) != 0;
  if (result != -EAGAIN || nonblock || last_) return result;
  struct sock* const sk = sock->sk;
  return WaitFor(&sk->sk_wq, ~uint32_t{0}, true, sk->sk_rcvtimeo, -EINTR);
}

int64_t SyscallBody::AcceptFrom(socket* sock, uint32_t flags, uint32_t file_flags) {
  socket* const accepted = sock_alloc(sys_.caches_, sock->type, sock->ops);
  if (accepted == nullptr) return -ENFILE;
  if (const int err = sock->ops->accept(sock, accepted, file_flags); err != 0) {
    sock_release(accepted);
    return err;
  }
  file* const file = sock_alloc_file(sys_.files_, accepted, flags & SOCK_NONBLOCK);
  if (file == nullptr) {
    sock_release(accepted);
    return -ENFILE;
  }
  if (args_.address_out != nullptr) {
    SockAddr peer;
    const int length = accepted->ops->getname(accepted, peer.bytes, SocketName::kLastPeer);
    peer.length = static_cast<uint32_t>(length);
    const int64_t err =
        length < 0 ? -ECONNABORTED : (AddressToUser(peer, args_.address_out) ? 0 : -EINVAL);
    if (err != 0) {
      fput(file);
      return err;
    }
  }
  return Install(file, (flags & SOCK_CLOEXEC) != 0, files_struct::kFirstFd);
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
  const int length =
      sock->ops->getname(sock, address.bytes, peer ? SocketName::kPeer : SocketName::kOwn);
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
