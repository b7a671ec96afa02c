// Sending and receiving on sockets: one message, or a stream's bytes, with the wait. What the
// kernel does in sk_stream_wait_memory, sk_stream_wait_connect, sk_wait_data and their like is
// here; the head of system_call.h says what protocols do of it.
#include <algorithm>
#include <cerrno>

#include "stack/core/msghdr.h"
#include "stack/core/socket.h"
#include "stack/core/stream.h"
#include "stack/socket/socket.h"
#include "stack/socket/syscall_body.h"
#include "stack/socket/syscall_iovec.h"
#include "stack/socket/syscalls.h"

namespace tapedeck {
namespace {

constexpr uint32_t kMsgCmsgCompat = 0x80000000;
// Of the kernel's own making (MSG_INTERNAL_SENDMSG_FLAGS): a user's are ignored.
constexpr uint32_t kMsgInternal = 0x8000000 | 0x100000 | 0x10000;
// How many bytes a receive of `len` waits for.
size_t sock_rcvlowat(const sock* sk, bool waitall, size_t len) {
  const auto lowat = static_cast<size_t>(sk->sk_rcvlowat);
  const size_t target = waitall ? len : std::min(lowat, len);
  return std::max<size_t>(target, 1);
}

// Whether nothing can follow what a receive already has.
bool ReceiveIsOver(const sock* sk) {
  return sk->sk_err != 0 || sk->sk_state == TCP_CLOSE || (sk->sk_shutdown & RCV_SHUTDOWN) != 0;
}

}  // namespace

int64_t SyscallBody::Moved(int64_t result) const {
  return call_.copied_ != 0 ? static_cast<int64_t>(call_.copied_) : result;
}

void SyscallBody::NextMessage() {
  if (call_.ubuf_ != nullptr) call_.PutNotification();
  call_.again_ = false;
  call_.copied_ = 0;
  call_.control_used_ = 0;
  call_.out_flags_ = 0;
  call_.deadline_known_ = false;
  call_.expire_ = SystemCall::kNoJiffies;
}

// --- Sending. ---

int64_t SyscallBody::Send(socket* sock, msghdr* msg, uint32_t flags) {
  struct sock* const sk = sock->sk;
  flags &= ~kMsgInternal;
  if (sock->type == SOCK_SEQPACKET) flags |= MSG_EOR;
  const bool nonblock = (sock->file->f_flags & kONonblock) != 0 || (flags & MSG_DONTWAIT) != 0;
  msg->msg_flags = nonblock || last_ ? flags | MSG_DONTWAIT : flags;
  if (sock->type == SOCK_STREAM) return SendStream(sock, msg, nonblock);
  sk->sk_nospace = false;
  msg->msg_again = call_.again_;
  msg->msg_ubuf = call_.ubuf_;
  const int64_t result = sock_sendmsg(sock, msg, iov_iter_count(&msg->msg_iter));
  call_.ubuf_ = msg->msg_ubuf;
  if (result >= 0) call_.copied_ = std::max<size_t>(static_cast<size_t>(result), 1);
  // Only a full send buffer empties by itself.
  if (result != -EAGAIN || nonblock || last_ || !sk->sk_nospace) return result;
  call_.again_ = true;
  return WaitFor(&sk->sk_wq, EPOLLOUT | EPOLLERR, false, sk->sk_sndtimeo, -EINTR);
}

int64_t SyscallBody::SendStream(socket* sock, msghdr* msg, bool nonblock) {
  struct sock* const sk = sock->sk;
  const iov_iter whole = msg->msg_iter;
  const uint32_t flags = msg->msg_flags;
  if (call_.again_ && sk->sk_disconnects != call_.disconnects_) return Moved(-EPIPE);
  for (;;) {
    const bool broken = sk->sk_err != 0 || (sk->sk_shutdown & SEND_SHUTDOWN) != 0;
    if (call_.copied_ != 0 && broken) return Moved(0);  // the next call is told
    if (call_.copied_ != 0) {
      msg->msg_iter = whole;
      iov_iter_advance(&msg->msg_iter, call_.copied_);
    }
    msg->msg_flags = flags;
    msg->msg_again = call_.again_;
    msg->msg_copied = call_.copied_;
    msg->msg_ubuf = call_.ubuf_;
    const size_t left = iov_iter_count(&msg->msg_iter);
    const int64_t result = sock_sendmsg(sock, msg, left);
    call_.again_ = true;
    call_.ubuf_ = msg->msg_ubuf;
    if (result < 0 && result != -EAGAIN) return Moved(result);
    // Data that went with a SYN has been taken although the call has to wait.
    const size_t taken =
        result >= 0 ? static_cast<size_t>(result) : left - iov_iter_count(&msg->msg_iter);
    call_.copied_ += taken;
    if (taken == left && result >= 0) return static_cast<int64_t>(call_.copied_);
    if (nonblock || last_ || sk->sk_sndtimeo == Duration{} || result == 0) return Moved(result);
    // A short attempt: the next says whether for want of room or for an error behind it.
    if (result == -EAGAIN) break;
  }
  call_.disconnects_ = sk->sk_disconnects;
  // Who waits for a SYN that took all of the data has nothing more to send.
  if (sk->sk_nospace || !Connecting(sk)) call_.writer_ = sk;
  if (!sk->sk_nospace && !Connecting(sk)) {
    // Memory failed although there is room: nobody will call, so it is tried again a little later
    // (the vm_wait of sk_stream_wait_memory).
    Kernel& kernel = sys_.net_.kernel;
    call_.retry_at_ = kernel.jiffies() + kernel.prng().Below(kernel.hz() / 5) + 2;
  }
  return WaitFor(&sk->sk_wq, kAnyEvent, false, sk->sk_sndtimeo, Moved(-EINTR));
}

// --- Receiving. ---

int64_t SyscallBody::Receive(socket* sock, msghdr* msg, uint32_t flags) {
  struct sock* const sk = sock->sk;
  constexpr uint32_t kNeverWait = MSG_DONTWAIT | MSG_ERRQUEUE;
  const bool nonblock = (sock->file->f_flags & kONonblock) != 0 || (flags & kNeverWait) != 0;
  if (nonblock || last_) flags |= MSG_DONTWAIT;
  if (sock->type == SOCK_STREAM) return ReceiveStream(sock, msg, flags, nonblock);
  const int64_t result = sock_recvmsg(sock, msg, iov_iter_count(&msg->msg_iter), flags);
  if (result != -EAGAIN || nonblock || last_) return result;
  return WaitFor(&sk->sk_wq, EPOLLIN | EPOLLERR, true, sk->sk_rcvtimeo, -EINTR);
}

int64_t SyscallBody::ReceiveStream(socket* sock, msghdr* msg, uint32_t flags, bool nonblock) {
  struct sock* const sk = sock->sk;
  // What an attempt changes of it.
  const iov_iter whole = msg->msg_iter;
  uint8_t* const control = msg->msg_control;
  const size_t controllen = msg->msg_controllen;
  const uint32_t msg_flags = msg->msg_flags;
  const uint32_t namelen = msg->msg_namelen;
  const bool peek = (flags & MSG_PEEK) != 0;
  // Urgent data is there or not; nobody waits for it.
  const bool may_wait = !nonblock && !last_ && (flags & MSG_OOB) == 0;
  const size_t target =
      sock_rcvlowat(sk, (flags & MSG_WAITALL) != 0, iov_iter_count(&msg->msg_iter));
  if (call_.again_ && sk->sk_disconnects != call_.disconnects_) return Moved(-EPIPE);
  size_t have = 0;
  for (;;) {
    msg->msg_copied = call_.copied_;
    msg->msg_again = call_.again_;
    if (call_.copied_ != 0) iov_iter_advance(&msg->msg_iter, call_.copied_);
    const size_t left = iov_iter_count(&msg->msg_iter);
    const int64_t result = sock_recvmsg(sock, msg, left, flags);
    if (result > 0) {
      if (!peek) call_.copied_ += static_cast<size_t>(result);
      call_.control_used_ = controllen - msg->msg_controllen;
      call_.out_flags_ = msg->msg_flags;
    } else if (call_.copied_ != 0) {
      // What the last bytes came with is what the call reports.
      msg->msg_controllen = controllen - call_.control_used_;
      msg->msg_flags = call_.out_flags_;
    }
    have = peek && result > 0 ? static_cast<size_t>(result) : call_.copied_;
    if (result == 0 || (result < 0 && result != -EAGAIN)) return Moved(result);
    const auto so_far = have != 0 ? static_cast<int64_t>(have) : result;
    if (have >= target || !may_wait || sk->sk_rcvtimeo == Duration{}) return so_far;
    if (have != 0 && ReceiveIsOver(sk)) return so_far;
    if (result == -EAGAIN || peek) break;
    msg->msg_iter = whole;
    msg->msg_control = control;
    msg->msg_controllen = controllen;
    msg->msg_flags = msg_flags;
    msg->msg_namelen = namelen;
  }
  call_.again_ = true;
  call_.disconnects_ = sk->sk_disconnects;
  const int64_t if_interrupted = have != 0 ? static_cast<int64_t>(have) : -EINTR;
  return WaitFor(&sk->sk_wq, kAnyEvent, false, sk->sk_rcvtimeo, if_interrupted);
}

// --- The calls. ---

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
  msg.msg_iter = OnePiece(args_.buffer);
  return Send(sock, &msg, static_cast<uint32_t>(args_.b));
}

int64_t SyscallBody::Recvfrom() {
  int64_t err = 0;
  socket* const sock = Sock(&err);
  if (sock == nullptr) return err;
  SockAddr* const user = args_.address_out;
  msghdr msg;
  msg.msg_iter = OnePiece(args_.buffer);
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

int64_t SyscallBody::SendUserMessage(socket* sock, const user_msghdr* user, uint32_t flags) {
  if ((flags & kMsgCmsgCompat) != 0) return -EINVAL;
  if (const int bad = CheckMessagePieces(user->msg_iov); bad != 0) return bad;
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
  msg.msg_iter = Pieces(user->msg_iov);
  return Send(sock, &msg, flags);
}

int64_t SyscallBody::ReceiveUserMessage(socket* sock, user_msghdr* user, uint32_t flags) {
  if ((flags & kMsgCmsgCompat) != 0) return -EINVAL;
  if (const int bad = CheckMessagePieces(user->msg_iov); bad != 0) return bad;
  SockAddr name;
  msghdr msg;
  if (user->msg_name != nullptr) {
    if (static_cast<int32_t>(user->msg_name->length) < 0) return -EINVAL;
    msg.msg_name = name.bytes;
  }
  msg.msg_flags = flags & MSG_CMSG_CLOEXEC;
  msg.msg_control = user->msg_control;
  msg.msg_controllen = user->msg_controllen;
  msg.msg_iter = Pieces(user->msg_iov);
  const int64_t result = Receive(sock, &msg, flags);
  if (result < 0) return result;
  if (user->msg_name != nullptr) {
    name.length = msg.msg_namelen;
    if (!AddressToUser(name, user->msg_name)) return -EINVAL;
  }
  user->msg_flags = msg.msg_flags;
  user->msg_controllen -= msg.msg_controllen;
  return result;
}

int64_t SyscallBody::Sendmsg() {
  int64_t err = 0;
  socket* const sock = Sock(&err);
  if (sock == nullptr) return err;
  const auto* const user = static_cast<const user_msghdr*>(args_.memory);
  if (user == nullptr) return -EFAULT;
  return SendUserMessage(sock, user, static_cast<uint32_t>(args_.b));
}

int64_t SyscallBody::Recvmsg() {
  int64_t err = 0;
  socket* const sock = Sock(&err);
  if (sock == nullptr) return err;
  auto* const user = static_cast<user_msghdr*>(args_.memory);
  if (user == nullptr) return -EFAULT;
  return ReceiveUserMessage(sock, user, static_cast<uint32_t>(args_.b));
}

}  // namespace tapedeck
