#include "stack/socket/syscalls.h"

#include "stack/socket/af_inet.h"
#include "stack/socket/af_inet6.h"
#include "stack/socket/af_unix.h"
#include "stack/socket/ping.h"
#include "stack/socket/raw.h"

namespace tapedeck {
namespace {

iovec Piece(std::span<const uint8_t> data) {
  // Calls that send read it only.
  return {const_cast<uint8_t*>(data.data()), data.size()};
}

}  // namespace

Syscalls::Syscalls(net& host_net)
    : net_(host_net),
      files_(host_net.kernel),
      caches_(host_net.world.arena()),
      epolls_(host_net.world.arena()),
      pipes_(host_net.world.arena(), "pipe"),
      ram_files_(host_net.kernel) {
  CHECK_EQ(sock_register(families_, &inet_family_ops), 0);
  CHECK_EQ(sock_register(families_, &inet6_family_ops), 0);
  CHECK_EQ(sock_register(families_, &unix_family_ops), 0);
  ping_init(host_net);
  raw_init(host_net);
  unix_init(host_net);
}

SystemCall Syscalls::Socket(Thread& thread, int domain, int type, int protocol) {
  return Call(thread, {.number = SyscallNumber::kSocket, .a = domain, .b = type, .c = protocol});
}
SystemCall Syscalls::Socketpair(Thread& thread, int domain, int type, int protocol, int* fds) {
  return Call(
      thread,
      {.number = SyscallNumber::kSocketpair, .a = domain, .b = type, .c = protocol, .memory = fds});
}
SystemCall Syscalls::Close(Thread& thread, int fd) {
  return Call(thread, {.number = SyscallNumber::kClose, .fd = fd});
}
SystemCall Syscalls::Bind(Thread& thread, int fd, const SockAddr& address) {
  return Call(thread, {.number = SyscallNumber::kBind, .fd = fd, .address = address});
}
SystemCall Syscalls::Connect(Thread& thread, int fd, const SockAddr& address) {
  return Call(thread, {.number = SyscallNumber::kConnect, .fd = fd, .address = address});
}
SystemCall Syscalls::Listen(Thread& thread, int fd, int backlog) {
  return Call(thread, {.number = SyscallNumber::kListen, .fd = fd, .a = backlog});
}
SystemCall Syscalls::Accept(Thread& thread, int fd, SockAddr* peer) {
  return Call(thread, {.number = SyscallNumber::kAccept, .fd = fd, .address_out = peer});
}
SystemCall Syscalls::Accept4(Thread& thread, int fd, SockAddr* peer, int flags) {
  return Call(thread,
              {.number = SyscallNumber::kAccept4, .fd = fd, .b = flags, .address_out = peer});
}
SystemCall Syscalls::Shutdown(Thread& thread, int fd, int how) {
  return Call(thread, {.number = SyscallNumber::kShutdown, .fd = fd, .a = how});
}
SystemCall Syscalls::Getsockname(Thread& thread, int fd, SockAddr* address) {
  return Call(thread, {.number = SyscallNumber::kGetsockname, .fd = fd, .address_out = address});
}
SystemCall Syscalls::Getpeername(Thread& thread, int fd, SockAddr* address) {
  return Call(thread, {.number = SyscallNumber::kGetpeername, .fd = fd, .address_out = address});
}

SystemCall Syscalls::Sendto(Thread& thread, int fd, std::span<const uint8_t> data, uint32_t flags) {
  return Call(thread, {.number = SyscallNumber::kSendto,
                       .fd = fd,
                       .b = static_cast<int>(flags),
                       .buffer = Piece(data)});
}
SystemCall Syscalls::Sendto(Thread& thread, int fd, std::span<const uint8_t> data, uint32_t flags,
                            const SockAddr& to) {
  return Call(thread, {.number = SyscallNumber::kSendto,
                       .has_address = true,
                       .fd = fd,
                       .b = static_cast<int>(flags),
                       .buffer = Piece(data),
                       .address = to});
}
SystemCall Syscalls::Sendmsg(Thread& thread, int fd, user_msghdr* msg, uint32_t flags) {
  return Call(
      thread,
      {.number = SyscallNumber::kSendmsg, .fd = fd, .b = static_cast<int>(flags), .memory = msg});
}
SystemCall Syscalls::Recvfrom(Thread& thread, int fd, std::span<uint8_t> buffer, uint32_t flags,
                              SockAddr* from) {
  return SystemCall(*this, thread, [&] {
    return SyscallArgs{.number = SyscallNumber::kRecvfrom,
                       .fd = fd,
                       .b = static_cast<int>(flags),
                       .buffer = {buffer.data(), buffer.size()},
                       .address_out = from};
  });
}
SystemCall Syscalls::Recvmsg(Thread& thread, int fd, user_msghdr* msg, uint32_t flags) {
  return Call(
      thread,
      {.number = SyscallNumber::kRecvmsg, .fd = fd, .b = static_cast<int>(flags), .memory = msg});
}
SystemCall Syscalls::Read(Thread& thread, int fd, std::span<uint8_t> buffer) {
  return SystemCall(*this, thread, [&] {
    return SyscallArgs{
        .number = SyscallNumber::kRead, .fd = fd, .buffer = {buffer.data(), buffer.size()}};
  });
}
SystemCall Syscalls::Write(Thread& thread, int fd, std::span<const uint8_t> data) {
  return SystemCall(*this, thread, [&] {
    return SyscallArgs{.number = SyscallNumber::kWrite, .fd = fd, .buffer = Piece(data)};
  });
}

SystemCall Syscalls::Readv(Thread& thread, int fd, std::span<const iovec> pieces) {
  return Call(thread, {.number = SyscallNumber::kReadv,
                       .fd = fd,
                       .length = static_cast<uint32_t>(pieces.size()),
                       .memory = const_cast<iovec*>(pieces.data())});
}
SystemCall Syscalls::Writev(Thread& thread, int fd, std::span<const iovec> pieces) {
  return Call(thread, {.number = SyscallNumber::kWritev,
                       .fd = fd,
                       .length = static_cast<uint32_t>(pieces.size()),
                       .memory = const_cast<iovec*>(pieces.data())});
}
SystemCall Syscalls::Sendmmsg(Thread& thread, int fd, std::span<mmsghdr> messages, uint32_t flags) {
  return Call(thread, {.number = SyscallNumber::kSendmmsg,
                       .fd = fd,
                       .b = static_cast<int>(flags),
                       .length = static_cast<uint32_t>(messages.size()),
                       .memory = messages.data()});
}
SystemCall Syscalls::Recvmmsg(Thread& thread, int fd, std::span<mmsghdr> messages, uint32_t flags,
                              Duration timeout) {
  return Call(thread, {.number = SyscallNumber::kRecvmmsg,
                       .fd = fd,
                       .b = static_cast<int>(flags),
                       .length = static_cast<uint32_t>(messages.size()),
                       .memory = messages.data(),
                       .timeout = timeout});
}
SystemCall Syscalls::Splice(Thread& thread, int fd_in, int64_t* offset_in, int fd_out,
                            int64_t* offset_out, size_t bytes, uint32_t flags) {
  return Call(thread, {.number = SyscallNumber::kSplice,
                       .fd = fd_in,
                       .a = fd_out,
                       .c = static_cast<int>(flags),
                       .buffer = {nullptr, bytes},
                       .offsets = {offset_in, offset_out}});
}
SystemCall Syscalls::Sendfile(Thread& thread, int fd_out, int fd_in, int64_t* offset,
                              size_t bytes) {
  return Call(thread, {.number = SyscallNumber::kSendfile,
                       .fd = fd_out,
                       .a = fd_in,
                       .buffer = {nullptr, bytes},
                       .offsets = {offset, nullptr}});
}

SystemCall Syscalls::Setsockopt(Thread& thread, int fd, int level, int name, const void* value,
                                uint32_t length) {
  return Call(thread, {.number = SyscallNumber::kSetsockopt,
                       .fd = fd,
                       .a = level,
                       .b = name,
                       .length = length,
                       .memory = const_cast<void*>(value)});
}
SystemCall Syscalls::Getsockopt(Thread& thread, int fd, int level, int name, void* value,
                                uint32_t* length) {
  return Call(thread, {.number = SyscallNumber::kGetsockopt,
                       .fd = fd,
                       .a = level,
                       .b = name,
                       .length_out = length,
                       .memory = value});
}

SystemCall Syscalls::Poll(Thread& thread, std::span<pollfd> fds, Duration timeout) {
  return Call(thread, {.number = SyscallNumber::kPoll,
                       .length = static_cast<uint32_t>(fds.size()),
                       .memory = fds.data(),
                       .timeout = timeout});
}

SystemCall Syscalls::Select(Thread& thread, int nfds, fd_set_bits* read, fd_set_bits* write,
                            fd_set_bits* except, Duration timeout) {
  return Call(thread, {.number = SyscallNumber::kSelect,
                       .a = nfds,
                       .timeout = timeout,
                       .sets = {read, write, except}});
}
SystemCall Syscalls::EpollCreate(Thread& thread, int size) {
  return Call(thread, {.number = SyscallNumber::kEpollCreate, .a = size});
}
SystemCall Syscalls::EpollCreate1(Thread& thread, uint32_t flags) {
  return Call(thread, {.number = SyscallNumber::kEpollCreate1, .b = static_cast<int>(flags)});
}
SystemCall Syscalls::EpollCtl(Thread& thread, int ep_fd, int op, int fd, const epoll_event* event) {
  return Call(thread, {.number = SyscallNumber::kEpollCtl,
                       .fd = ep_fd,
                       .a = op,
                       .c = fd,
                       .memory = const_cast<epoll_event*>(event)});
}
SystemCall Syscalls::EpollWait(Thread& thread, int ep_fd, std::span<epoll_event> events,
                               Duration timeout) {
  return Call(thread, {.number = SyscallNumber::kEpollWait,
                       .fd = ep_fd,
                       .length = static_cast<uint32_t>(events.size()),
                       .memory = events.data(),
                       .timeout = timeout});
}

SystemCall Syscalls::Fcntl(Thread& thread, int fd, int command, int argument) {
  return Call(thread, {.number = SyscallNumber::kFcntl, .fd = fd, .a = command, .c = argument});
}
SystemCall Syscalls::Ioctl(Thread& thread, int fd, uint32_t command, int* argument) {
  return Call(thread, {.number = SyscallNumber::kIoctl,
                       .fd = fd,
                       .a = static_cast<int>(command),
                       .memory = argument});
}
SystemCall Syscalls::Dup(Thread& thread, int fd) {
  return Call(thread, {.number = SyscallNumber::kDup, .fd = fd});
}
SystemCall Syscalls::Dup2(Thread& thread, int fd, int new_fd) {
  return Call(thread, {.number = SyscallNumber::kDup2, .fd = fd, .a = new_fd});
}

SystemCall Syscalls::Dup3(Thread& thread, int fd, int new_fd, uint32_t flags) {
  return Call(
      thread,
      {.number = SyscallNumber::kDup3, .fd = fd, .a = new_fd, .b = static_cast<int>(flags)});
}
SystemCall Syscalls::Pipe(Thread& thread, int* fds) {
  return Call(thread, {.number = SyscallNumber::kPipe, .memory = fds});
}
SystemCall Syscalls::Pipe2(Thread& thread, int* fds, uint32_t flags) {
  return Call(thread,
              {.number = SyscallNumber::kPipe2, .b = static_cast<int>(flags), .memory = fds});
}
SystemCall Syscalls::Open(Thread& thread, const char* path, uint32_t flags) {
  return Call(thread, {.number = SyscallNumber::kOpen,
                       .b = static_cast<int>(flags),
                       .memory = const_cast<char*>(path)});
}

void Syscalls::FailWith(uint64_t* nth) {
  files_.files.cache().FailWith(nth);
  caches_.sockets.cache().FailWith(nth);
  epolls_.eps.cache().FailWith(nth);
  epolls_.items.cache().FailWith(nth);
  pipes_.cache().FailWith(nth);
}

void Syscalls::CloseAll() {
  while (SystemCall* const call = sleeping_.front()) call->Abandon();
  files_.close_all();
  ram_files_.Clear();
}

}  // namespace tapedeck
