// splice and sendfile (fs/splice.c). Data that the kernel moves by reference is copied here into
// pages of the pipe; how much moves, when and with which flags is the kernel's.
#include <algorithm>
#include <cerrno>

#include "stack/core/skb_data.h"
#include "stack/core/socket.h"
#include "stack/socket/pipe.h"
#include "stack/socket/ram_file.h"
#include "stack/socket/syscall_body.h"
#include "stack/socket/syscall_iovec.h"
#include "stack/socket/syscalls.h"

namespace tapedeck {
namespace {

constexpr uint32_t kSpliceMove = 1;
constexpr uint32_t kSpliceNonblock = 2;
constexpr uint32_t kSpliceMore = 4;
constexpr uint32_t kSpliceGift = 8;
constexpr uint32_t kSpliceAll = kSpliceMove | kSpliceNonblock | kSpliceMore | kSpliceGift;

// A splice_actor: `context` is the pipe, which takes pages while it has slots for them.
int PacketToPipe(void* context, sk_buff* skb, uint32_t offset, uint32_t len) {
  auto* const pipe = static_cast<pipe_inode_info*>(context);
  uint32_t done = 0;
  while (done < len && !pipe_full(pipe)) {
    page* const p = alloc_page(*pipe->owner, kPipePageBytes);
    if (p == nullptr) return done != 0 ? static_cast<int>(done) : -ENOMEM;
    const uint32_t bytes = std::min(len - done, kPipePageBytes);
    CHECK_EQ(skb_copy_bits(skb, offset + done, page_address(p), bytes), 0);
    pipe_add_page(pipe, p, bytes);
    done += bytes;
  }
  return static_cast<int>(done);
}

// The same from a socket that only knows messages.
int64_t MessagesToPipe(socket* sock, pipe_inode_info* pipe, size_t bytes) {
  size_t done = 0;
  int64_t result = 0;
  while (done < bytes && !pipe_full(pipe)) {
    page* const p = alloc_page(*pipe->owner, kPipePageBytes);
    if (p == nullptr) return done != 0 ? static_cast<int64_t>(done) : -ENOMEM;
    const iovec piece = {page_address(p), std::min<size_t>(bytes - done, kPipePageBytes)};
    msghdr msg;
    msg.msg_iter = OnePiece(piece);
    result = sock_recvmsg(sock, &msg, piece.iov_len, MSG_DONTWAIT);
    if (result <= 0) {
      put_page(p);
      break;
    }
    pipe_add_page(pipe, p, static_cast<uint32_t>(result));
    done += static_cast<size_t>(result);
    // A short packet ends it where another message begins.
    if (sock->type != SOCK_STREAM) break;
  }
  return done != 0 ? static_cast<int64_t>(done) : result;
}

}  // namespace

int64_t SyscallBody::WaitForPipeData(pipe_inode_info* pipe) {
  return WaitFor(&pipe->rd_wait, EPOLLIN, true, Duration::Max(), Moved(-EINTR));
}
int64_t SyscallBody::WaitForPipeRoom(pipe_inode_info* pipe) {
  return WaitFor(&pipe->wr_wait, EPOLLOUT, true, Duration::Max(), Moved(-EINTR));
}

// splice_file_to_pipe with a socket: what is there, or waits for the first of it.
int64_t SyscallBody::SpliceFromSocket(file* in, pipe_inode_info* pipe, size_t bytes) {
  socket* const sock = sock_from_file(in);
  struct sock* const sk = sock->sk;
  const bool may_wait = (in->f_flags & kONonblock) == 0 && !last_;
  const int64_t result =
      sock->ops->splice_read != nullptr
          ? sock->ops->splice_read(sock, bytes, may_wait ? 0U : uint32_t{MSG_DONTWAIT},
                                   PacketToPipe, pipe)
          : MessagesToPipe(sock, pipe, bytes);
  if (result != -EAGAIN || !may_wait) return result;
  return WaitFor(&sk->sk_wq, ~uint32_t{0}, false, sk->sk_rcvtimeo, -EINTR);
}

int64_t SyscallBody::SpliceFromFile(file* in, pipe_inode_info* pipe, size_t bytes) {
  int64_t* const position = args_.offsets[0] != nullptr ? args_.offsets[0] : &in->f_pos;
  const std::span<const uint8_t> left = ram_file_bytes(in, *position);
  const iovec piece = {const_cast<uint8_t*>(left.data()), std::min(left.size(), bytes)};
  if (piece.iov_len == 0) return 0;
  iov_iter from = OnePiece(piece);
  const int64_t moved = pipe_fill(pipe, &from, piece.iov_len);
  if (moved > 0) *position += moved;
  return moved;
}

// splice_to_socket: all that the pipe holds, and what comes, until `bytes` have gone.
int64_t SyscallBody::SpliceToSocket(pipe_inode_info* pipe, file* out, size_t bytes) {
  socket* const sock = sock_from_file(out);
  const auto flags = static_cast<uint32_t>(args_.c);
  while (call_.copied_ < bytes) {
    if (pipe_empty(pipe)) {
      if (call_.copied_ != 0 || pipe->writers == 0) return Moved(0);
      if ((flags & kSpliceNonblock) != 0 || last_) return -EAGAIN;
      return WaitForPipeData(pipe);
    }
    iovec pieces[kPipeSlots];
    const size_t left = bytes - call_.copied_;
    const uint32_t count = pipe_pieces(pipe, left, pieces);
    msghdr msg;
    msg.msg_iter = iov_iter({pieces, count});
    const size_t offered = iov_iter_count(&msg.msg_iter);
    // All that the pipe holds is offered at once, so nothing else says that more will follow.
    msg.msg_flags = (flags & kSpliceMore) != 0 ? uint32_t{MSG_MORE} : 0;
    const bool nonblock = (out->f_flags & kONonblock) != 0;
    if (nonblock || last_) msg.msg_flags |= MSG_DONTWAIT;
    msg.msg_again = call_.again_;
    const int64_t sent = sock_sendmsg(sock, &msg, offered);
    call_.again_ = true;
    if (sent > 0) {
      pipe_consume(pipe, static_cast<size_t>(sent));
      call_.copied_ += static_cast<size_t>(sent);
      continue;
    }
    if (sent != -EAGAIN || nonblock || last_) return Moved(sent);
    struct sock* const sk = sock->sk;
    call_.writer_ = sk;
    return WaitFor(&sk->sk_wq, ~uint32_t{0}, false, sk->sk_sndtimeo, Moved(-EINTR));
  }
  return Moved(0);
}

int64_t SyscallBody::SplicePipes(pipe_inode_info* in, pipe_inode_info* out, size_t bytes) {
  if (in == out) return -EINVAL;
  const bool nonblock = (static_cast<uint32_t>(args_.c) & kSpliceNonblock) != 0 || last_;
  if (pipe_empty(in)) {
    if (in->writers == 0) return 0;
    return nonblock ? -EAGAIN : WaitForPipeData(in);
  }
  if (out->readers == 0) return -EPIPE;
  if (pipe_full(out)) return nonblock ? -EAGAIN : WaitForPipeRoom(out);
  return pipe_move(in, out, bytes);
}

int64_t SyscallBody::Splice() {
  const size_t bytes = std::min(args_.buffer.iov_len, kRwCountMax);
  const auto flags = static_cast<uint32_t>(args_.c);
  if (bytes == 0) return 0;
  if ((flags & ~kSpliceAll) != 0) return -EINVAL;
  int64_t err = 0;
  file* const in = File(&err);
  if (in == nullptr) return err;
  file* const out = OtherFile(args_.a, &err);
  if (out == nullptr) return err;
  pipe_inode_info* const from = pipe_of_file(in);
  pipe_inode_info* const to = pipe_of_file(out);
  if ((from != nullptr && args_.offsets[0] != nullptr) ||
      (to != nullptr && args_.offsets[1] != nullptr)) {
    return -ESPIPE;
  }
  if (!FileReadable(in) || !FileWritable(out)) return -EBADF;
  if (from != nullptr && to != nullptr) return SplicePipes(from, to, bytes);
  if (from != nullptr) {
    if (args_.offsets[1] != nullptr) return -EINVAL;
    return sock_from_file(out) == nullptr ? -EINVAL : SpliceToSocket(from, out, bytes);
  }
  if (to == nullptr) return -EINVAL;
  const bool from_socket = sock_from_file(in) != nullptr;
  if (from_socket && args_.offsets[0] != nullptr) return -ESPIPE;
  if (!from_socket && !is_ram_file(in)) return -EINVAL;
  if (to->readers == 0) return -EPIPE;
  if (pipe_full(to)) {
    const bool nonblock = (flags & kSpliceNonblock) != 0 || (out->f_flags & kONonblock) != 0;
    return nonblock || last_ ? -EAGAIN : WaitForPipeRoom(to);
  }
  return from_socket ? SpliceFromSocket(in, to, bytes) : SpliceFromFile(in, to, bytes);
}

int64_t SyscallBody::Sendfile() {
  int64_t err = 0;
  // The first argument is where to.
  file* const in = OtherFile(args_.a, &err);
  if (in == nullptr || !FileReadable(in)) return -EBADF;
  file* const out = File(&err);
  if (out == nullptr || !FileWritable(out)) return -EBADF;
  if (!is_ram_file(in)) {
    return sock_from_file(in) != nullptr && args_.offsets[0] != nullptr ? -ESPIPE : -EINVAL;
  }
  if (pipe_inode_info* const pipe = pipe_of_file(out)) {
    const int64_t moved = SpliceFromFile(in, pipe, std::min(args_.buffer.iov_len, kRwCountMax));
    const bool nonblock = (out->f_flags & kONonblock) != 0;
    return moved != -EAGAIN || nonblock || last_ ? moved : WaitForPipeRoom(pipe);
  }
  socket* const sock = sock_from_file(out);
  if (sock == nullptr) return -EINVAL;
  int64_t* const position = args_.offsets[0] != nullptr ? args_.offsets[0] : &in->f_pos;
  if (*position < 0) return -EINVAL;
  const std::span<const uint8_t> content =
      ram_file_bytes(in, *position - static_cast<int64_t>(call_.copied_));
  const iovec piece = {const_cast<uint8_t*>(content.data()),
                       std::min({content.size(), args_.buffer.iov_len, kRwCountMax})};
  const size_t before = call_.copied_;
  msghdr msg;
  msg.msg_iter = OnePiece(piece);
  const int64_t result = piece.iov_len == 0 ? 0 : Send(sock, &msg, 0);
  *position += static_cast<int64_t>(call_.copied_ - before);
  return result;
}

}  // namespace tapedeck
