#include "stack/socket/syscalls.h"

#include "stack/socket/af_inet.h"
#include "stack/socket/ping.h"

namespace tapedeck {
namespace {

iovec Piece(std::span<const uint8_t> data) {
  // Calls that send read it only.
  return {const_cast<uint8_t*>(data.data()), data.size()};
}

}  // namespace

Syscalls::Syscalls(net& host_net)
    : net_(host_net), files_(host_net.kernel), caches_(host_net.world.arena()) {
  CHECK_EQ(sock_register(families_, &inet_family_ops), 0);
  ping_init(host_net);
}

SystemCall Syscalls::Socket(Thread& thread, int domain, int type, int protocol) {
  return Call(thread, {.number = SyscallNumber::kSocket, .a = domain, .b = type, .c = protocol});
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
  return Call(thread, {.number = SyscallNumber::kRecvfrom,
                       .fd = fd,
                       .b = static_cast<int>(flags),
                       .buffer = {buffer.data(), buffer.size()},
                       .address_out = from});
}
SystemCall Syscalls::Recvmsg(Thread& thread, int fd, user_msghdr* msg, uint32_t flags) {
  return Call(
      thread,
      {.number = SyscallNumber::kRecvmsg, .fd = fd, .b = static_cast<int>(flags), .memory = msg});
}
SystemCall Syscalls::Read(Thread& thread, int fd, std::span<uint8_t> buffer) {
  return Call(thread,
              {.number = SyscallNumber::kRead, .fd = fd, .buffer = {buffer.data(), buffer.size()}});
}
SystemCall Syscalls::Write(Thread& thread, int fd, std::span<const uint8_t> data) {
  return Call(thread, {.number = SyscallNumber::kWrite, .fd = fd, .buffer = Piece(data)});
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

void Syscalls::CloseAll() {
  while (SystemCall* const call = sleeping_.front()) call->Abandon();
  files_.close_all();
}

}  // namespace tapedeck
