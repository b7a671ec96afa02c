// Many messages with one call: sendmmsg, recvmmsg (net/socket.c). A call that slept goes on with
// the message it slept in; those before it are done.
#include <algorithm>
#include <cerrno>

#include "stack/core/socket.h"
#include "stack/socket/syscall_body.h"
#include "stack/socket/syscall_iovec.h"
#include "stack/socket/syscalls.h"

namespace tapedeck {

int64_t SyscallBody::Sendmmsg() {
  int64_t err = 0;
  socket* const sock = Sock(&err);
  if (sock == nullptr) return err;
  auto* const messages = static_cast<mmsghdr*>(args_.memory);
  const auto count = static_cast<uint32_t>(std::min<size_t>(args_.length, kUioMaxiov));
  if (messages == nullptr && count != 0) return -EFAULT;
  for (uint32_t& done = call_.messages_; done < count; ++done) {
    mmsghdr& message = messages[done];
    const int64_t result = SendUserMessage(sock, &message.msg_hdr, static_cast<uint32_t>(args_.b));
    if (call_.must_wait_) {
      if (done != 0 && call_.if_interrupted_ == -EINTR) call_.if_interrupted_ = done;
      return result;
    }
    NextMessage();
    // An error behind messages that were sent is lost.
    if (result < 0) return done != 0 ? int64_t{done} : result;
    message.msg_len = static_cast<uint32_t>(result);
    size_t wanted = 0;
    for (const iovec& piece : message.msg_hdr.msg_iov) wanted += piece.iov_len;
    if (message.msg_len < wanted) return int64_t{done} + 1;
  }
  return call_.messages_;
}

int64_t SyscallBody::Recvmmsg() {
  int64_t err = 0;
  socket* const sock = Sock(&err);
  if (sock == nullptr) return err;
  auto* const messages = static_cast<mmsghdr*>(args_.memory);
  const auto count = static_cast<uint32_t>(std::min<size_t>(args_.length, kUioMaxiov));
  if (messages == nullptr && count != 0) return -EFAULT;
  const auto flags = static_cast<uint32_t>(args_.b);
  if (!call_.mmsg_started_) {
    call_.mmsg_started_ = true;
    // Only looked at between messages.
    if (args_.timeout != Duration::Max()) call_.mmsg_end_ = sys_.net_.kernel.now() + args_.timeout;
    if ((flags & MSG_ERRQUEUE) == 0) {
      if (const int pending = sock_error(sock->sk); pending != 0) return pending;
    }
  }
  uint32_t& done = call_.messages_;
  while (done < count) {
    const bool in_first = done == 0;
    const uint32_t message_flags =
        !in_first && (flags & MSG_WAITFORONE) != 0 ? flags | MSG_DONTWAIT : flags;
    mmsghdr& message = messages[done];
    const int64_t result =
        ReceiveUserMessage(sock, &message.msg_hdr, message_flags & ~uint32_t{MSG_WAITFORONE});
    if (call_.must_wait_) {
      if (!in_first) call_.if_interrupted_ = done;
      return result;
    }
    NextMessage();
    if (result < 0) {
      if (in_first) return result;
      // The next call, or SO_ERROR, tells.
      if (result != -EAGAIN) sock->sk->sk_err = static_cast<int32_t>(-result);
      return done;
    }
    message.msg_len = static_cast<uint32_t>(result);
    ++done;
    if (sys_.net_.kernel.now() >= call_.mmsg_end_) break;
    if ((message.msg_hdr.msg_flags & MSG_OOB) != 0) break;
  }
  return done;
}

}  // namespace tapedeck
