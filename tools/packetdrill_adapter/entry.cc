// The library's surface: the functions of the interface, each a call on the Lab, and those of the C
// library that the program uses on the same descriptors.
//
// Descriptors that the program sees are the Lab's plus kFdBase, so that they are none of its own.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/times.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "tools/packetdrill_adapter/import_slots.h"
#include "tools/packetdrill_adapter/interface.h"
#include "tools/packetdrill_adapter/invocation.h"
#include "tools/packetdrill_adapter/machine.h"

namespace tapedeck::adapter {
namespace {

constexpr int kFdBase = 1 << 20;

// The one machine of this process, which packetdrill_interface_init makes, and what tells the
// functions that replace the C library's about it. The program has room for one anyway.
struct Process {
  std::unique_ptr<Machine> machine;
  int newest_fd = -1;  // of the Lab
};
Process& TheProcess() {
  static Process process;
  return process;
}
Machine& TheMachine() { return *TheProcess().machine; }

bool IsOurs(int fd) { return fd >= kFdBase; }
// A descriptor as the Lab knows it. -1 where it cannot be one of ours.
int Inner(int fd) { return IsOurs(fd) ? fd - kFdBase : -1; }
int Outer(int fd) { return fd + kFdBase; }

// The C library's way of saying it.
int64_t Result(int64_t result) {
  if (result >= 0) return result;
  errno = static_cast<int>(-result);
  return -1;
}
int64_t Call(const Machine::MakeCall& make) { return Result(TheMachine().Call(make)); }
int CallInt(const Machine::MakeCall& make) { return static_cast<int>(Call(make)); }

// A call that returns a descriptor.
int CallFd(const Machine::MakeCall& make) {
  const int64_t fd = Call(make);
  if (fd < 0) return -1;
  TheProcess().newest_fd = static_cast<int>(fd);
  return Outer(static_cast<int>(fd));
}

SockAddr In(const void* address, uint32_t bytes) {
  SockAddr result;
  if (address != nullptr) result.Set(address, bytes);
  return result;
}

// Gives an address back as the kernel does: as much as there is room for, and its full length.
void Out(const SockAddr& from, void* address, uint32_t* bytes) {
  if (address == nullptr || bytes == nullptr) return;
  std::memcpy(address, from.bytes, std::min({*bytes, from.length, SockAddr::kBytes}));
  *bytes = from.length;
}

std::span<uint8_t> Bytes(void* buffer, size_t bytes) {
  return {static_cast<uint8_t*>(buffer), bytes};
}
std::span<const uint8_t> Bytes(const void* buffer, size_t bytes) {
  return {static_cast<const uint8_t*>(buffer), bytes};
}

std::vector<iovec> Iovecs(const HostIovec* iov, size_t count) {
  std::vector<iovec> result;
  for (size_t i = 0; i < count; ++i) {
    result.push_back({static_cast<uint8_t*>(iov[i].base), iov[i].bytes});
  }
  return result;
}

// --- Calls. ---

int Socket(void*, int domain, int type, int protocol) {
  return CallFd([=](Syscalls& sys, Thread& t) { return sys.Socket(t, domain, type, protocol); });
}

int Bind(void*, int fd, const void* address, uint32_t bytes) {
  const SockAddr in = In(address, bytes);
  const auto bind = [&](Syscalls& sys, Thread& t) { return sys.Bind(t, Inner(fd), in); };
  const int result = CallInt(bind);
  const std::optional<Endpoint> endpoint = in.ToEndpoint();
  if (result == 0 || errno != EADDRNOTAVAIL || !endpoint || !endpoint->address.is_v4()) {
    return result;
  }
  TheMachine().AddLocalAddress(endpoint->address.v4());
  return CallInt(bind);
}

int Listen(void*, int fd, int backlog) {
  return CallInt([=](Syscalls& sys, Thread& t) { return sys.Listen(t, Inner(fd), backlog); });
}

int Accept(void*, int fd, void* address, uint32_t* bytes) {
  SockAddr peer;
  const int result =
      CallFd([&](Syscalls& sys, Thread& t) { return sys.Accept4(t, Inner(fd), &peer, 0); });
  if (result >= 0) Out(peer, address, bytes);
  return result;
}

int Connect(void*, int fd, const void* address, uint32_t bytes) {
  const SockAddr in = In(address, bytes);
  return CallInt([&](Syscalls& sys, Thread& t) { return sys.Connect(t, Inner(fd), in); });
}

int64_t Read(void*, int fd, void* buffer, size_t bytes) {
  return Call(
      [=](Syscalls& sys, Thread& t) { return sys.Read(t, Inner(fd), Bytes(buffer, bytes)); });
}

int64_t Recvfrom(void*, int fd, void* buffer, size_t bytes, int flags, void* address,
                 uint32_t* address_bytes) {
  SockAddr from;
  if (address_bytes != nullptr) from.length = *address_bytes;
  const int64_t result = Call([&](Syscalls& sys, Thread& t) {
    return sys.Recvfrom(t, Inner(fd), Bytes(buffer, bytes), static_cast<uint32_t>(flags),
                        address != nullptr ? &from : nullptr);
  });
  if (result >= 0) Out(from, address, address_bytes);
  return result;
}

int64_t Recv(void* me, int fd, void* buffer, size_t bytes, int flags) {
  return Recvfrom(me, fd, buffer, bytes, flags, nullptr, nullptr);
}

int64_t Recvmsg(void*, int fd, HostMsghdr* msg, int flags) {
  const std::vector<iovec> iov = Iovecs(msg->iov, msg->iov_count);
  SockAddr name;
  name.length = msg->name_bytes;
  user_msghdr inner;
  if (msg->name != nullptr) inner.msg_name = &name;
  inner.msg_iov = iov;
  inner.msg_control = static_cast<uint8_t*>(msg->control);
  inner.msg_controllen = msg->control_bytes;
  const int64_t result = Call([&](Syscalls& sys, Thread& t) {
    return sys.Recvmsg(t, Inner(fd), &inner, static_cast<uint32_t>(flags));
  });
  if (result < 0) return result;
  if (msg->name != nullptr) Out(name, msg->name, &msg->name_bytes);
  msg->control_bytes = inner.msg_controllen;
  msg->flags = static_cast<int>(inner.msg_flags);
  return result;
}

int64_t Readv(void*, int fd, const HostIovec* iov, int count) {
  const std::vector<iovec> inner = Iovecs(iov, static_cast<size_t>(count));
  return Call([&](Syscalls& sys, Thread& t) { return sys.Readv(t, Inner(fd), inner); });
}

int64_t Write(void*, int fd, const void* buffer, size_t bytes) {
  return Call(
      [=](Syscalls& sys, Thread& t) { return sys.Write(t, Inner(fd), Bytes(buffer, bytes)); });
}

int64_t Writev(void*, int fd, const HostIovec* iov, int count) {
  const std::vector<iovec> inner = Iovecs(iov, static_cast<size_t>(count));
  return Call([&](Syscalls& sys, Thread& t) { return sys.Writev(t, Inner(fd), inner); });
}

int64_t Sendto(void*, int fd, const void* buffer, size_t bytes, int flags, const void* address,
               uint32_t address_bytes) {
  const SockAddr to = In(address, address_bytes);
  return Call([&](Syscalls& sys, Thread& t) {
    const std::span<const uint8_t> data = Bytes(buffer, bytes);
    if (address == nullptr) return sys.Sendto(t, Inner(fd), data, static_cast<uint32_t>(flags));
    return sys.Sendto(t, Inner(fd), data, static_cast<uint32_t>(flags), to);
  });
}

int64_t Send(void* me, int fd, const void* buffer, size_t bytes, int flags) {
  return Sendto(me, fd, buffer, bytes, flags, nullptr, 0);
}

int64_t Sendmsg(void*, int fd, const HostMsghdr* msg, int flags) {
  const std::vector<iovec> iov = Iovecs(msg->iov, msg->iov_count);
  SockAddr name = In(msg->name, msg->name_bytes);
  user_msghdr inner;
  if (msg->name != nullptr) inner.msg_name = &name;
  inner.msg_iov = iov;
  inner.msg_control = static_cast<uint8_t*>(msg->control);
  inner.msg_controllen = msg->control_bytes;
  return Call([&](Syscalls& sys, Thread& t) {
    return sys.Sendmsg(t, Inner(fd), &inner, static_cast<uint32_t>(flags));
  });
}

int Fcntl(void*, int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  const int argument = va_arg(arguments, int);
  va_end(arguments);
  return CallInt(
      [=](Syscalls& sys, Thread& t) { return sys.Fcntl(t, Inner(fd), command, argument); });
}

int Ioctl(void*, int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  int* const argument = va_arg(arguments, int*);
  va_end(arguments);
  return CallInt([=](Syscalls& sys, Thread& t) {
    return sys.Ioctl(t, Inner(fd), static_cast<uint32_t>(request), argument);
  });
}

int Close(void*, int fd) {
  return CallInt([=](Syscalls& sys, Thread& t) { return sys.Close(t, Inner(fd)); });
}

int Shutdown(void*, int fd, int how) {
  return CallInt([=](Syscalls& sys, Thread& t) { return sys.Shutdown(t, Inner(fd), how); });
}

int Getsockopt(void*, int fd, int level, int name, void* value, uint32_t* bytes) {
  return CallInt([=](Syscalls& sys, Thread& t) {
    return sys.Getsockopt(t, Inner(fd), level, name, value, bytes);
  });
}

int Setsockopt(void*, int fd, int level, int name, const void* value, uint32_t bytes) {
  return CallInt([=](Syscalls& sys, Thread& t) {
    return sys.Setsockopt(t, Inner(fd), level, name, value, bytes);
  });
}

Duration Timeout(int timeout_ms) {
  return timeout_ms < 0 ? Duration::Max() : Duration::Milliseconds(timeout_ms);
}

int Poll(void*, void* fds, unsigned long count, int timeout_ms) {
  auto* const entries = static_cast<pollfd*>(fds);
  std::vector<pollfd> inner(entries, entries + count);
  for (pollfd& entry : inner) entry.fd = Inner(entry.fd);
  const int result = CallInt([&](Syscalls& sys, Thread& t) {
    return sys.Poll(t, std::span<pollfd>(inner), Timeout(timeout_ms));
  });
  for (size_t i = 0; i < count; ++i) entries[i].revents = inner[i].revents;
  return result;
}

int EpollCreate(void*, int size) {
  return CallFd([=](Syscalls& sys, Thread& t) { return sys.EpollCreate(t, size); });
}

// struct epoll_event as x86-64 Linux has it, packed.
struct __attribute__((packed)) HostEpollEvent {
  uint32_t events;
  uint64_t data;
};

int EpollCtl(void*, int epoll_fd, int operation, int fd, void* event) {
  const auto* const host_event = static_cast<const HostEpollEvent*>(event);
  epoll_event inner;
  if (host_event != nullptr) inner = {host_event->events, host_event->data};
  return CallInt([&](Syscalls& sys, Thread& t) {
    return sys.EpollCtl(t, Inner(epoll_fd), operation, Inner(fd),
                        host_event != nullptr ? &inner : nullptr);
  });
}

int EpollWait(void*, int epoll_fd, void* events, int events_max, int timeout_ms) {
  std::vector<epoll_event> inner(static_cast<size_t>(std::max(events_max, 0)));
  const int count = CallInt([&](Syscalls& sys, Thread& t) {
    return sys.EpollWait(t, Inner(epoll_fd), std::span<epoll_event>(inner), Timeout(timeout_ms));
  });
  auto* const host_events = static_cast<HostEpollEvent*>(events);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = inner[static_cast<size_t>(i)];
    host_events[i] = {event.events, event.data};
  }
  return count;
}

int Pipe(void*, int fds[2]) {
  const int result = CallInt([=](Syscalls& sys, Thread& t) { return sys.Pipe2(t, fds, 0); });
  if (result < 0) return result;
  fds[0] = Outer(fds[0]);
  fds[1] = Outer(fds[1]);
  return result;
}

// The program passes offsets that are zero where its script says NULL.
int64_t Splice(void*, int fd_in, int64_t* /*offset_in*/, int fd_out, int64_t* /*offset_out*/,
               size_t bytes, unsigned flags) {
  return Call([=](Syscalls& sys, Thread& t) {
    return sys.Splice(t, Inner(fd_in), nullptr, Inner(fd_out), nullptr, bytes, flags);
  });
}

// --- Packets and time. ---

int NetdevSend(void*, const void* packet, size_t bytes) {
  TheMachine().Inject(Bytes(packet, bytes));
  return 0;
}

int NetdevReceive(void*, void* buffer, size_t* bytes, long long* time_us) {
  const std::optional<SentPacket> packet = TheMachine().Receive();
  if (!packet) {
    *bytes = 0;
    return 0;
  }
  *bytes = std::min(*bytes, packet->bytes.size());
  std::memcpy(buffer, packet->bytes.data(), *bytes);
  *time_us = packet->time.ps / Duration::Microseconds(1).ps;
  return 0;
}

int Usleep(void*, uint32_t us) {
  TheMachine().Sleep(Duration::Microseconds(us));
  return 0;
}

int Gettimeofday(void*, HostTimeval* time, void* /*zone*/) {
  const int64_t us = TheMachine().Now();
  *time = {us / 1'000'000, us % 1'000'000};
  return 0;
}

void Free(void*) { TheProcess().machine.reset(); }

// --- What the program asks its C library for. ---

int LibcGetsockopt(int fd, int level, int name, void* value, socklen_t* bytes) {
  if (TheProcess().machine == nullptr || (fd >= 0 && !IsOurs(fd))) {
    return static_cast<int>(syscall(SYS_getsockopt, fd, level, name, value, bytes));
  }
  // Assertions about a socket that a blocked accept has not returned yet: it is the newest.
  const int ours = fd < 0 ? Outer(TheProcess().newest_fd) : fd;
  return Getsockopt(nullptr, ours, level, name, value, bytes);
}

int LibcClose(int fd) {
  if (IsOurs(fd) && TheProcess().machine != nullptr) return Close(nullptr, fd);
  return static_cast<int>(syscall(SYS_close, fd));
}

// A file that a command of the script has made exists in the Lab only: zeros of its size.
int LibcOpen(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = va_arg(arguments, mode_t);
  va_end(arguments);
  const std::optional<uint64_t> bytes =
      TheProcess().machine != nullptr ? TheMachine().FileBytes(path) : std::nullopt;
  if (!bytes) return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
  const int fd = memfd_create("tapedeck", 0);
  if (fd >= 0 && ftruncate(fd, static_cast<off_t>(*bytes)) != 0) return -1;
  return fd;
}

// From a file of the host to a socket of the Lab.
ssize_t LibcSendfile(int fd_out, int fd_in, off_t* offset, size_t bytes) {
  if (!IsOurs(fd_out)) return syscall(SYS_sendfile, fd_out, fd_in, offset, bytes);
  std::vector<uint8_t> data(bytes);
  const ssize_t got = offset != nullptr ? pread(fd_in, data.data(), bytes, *offset)
                                        : read(fd_in, data.data(), bytes);
  if (got <= 0) return got;
  const int64_t sent = Write(nullptr, fd_out, data.data(), static_cast<size_t>(got));
  if (sent > 0 && offset != nullptr) *offset += sent;
  return sent;
}

// Commands concern the Lab's host; but the program also runs Python, which does its assertions.
int LibcSystem(const char* command) {
  using SystemFunction = int (*)(const char*);
  const std::string line = command == nullptr ? "" : command;
  const bool is_assertion = line.find("python") != std::string::npos || line.rfind("cat ", 0) == 0;
  if (TheProcess().machine == nullptr || is_assertion) {
    const SystemFunction real = &std::system;
    return real(command);
  }
  return TheMachine().RunCommand(line) << 8;  // as wait(2) says it
}

// The program waits for this clock to tick while nothing happens.
clock_t LibcTimes(tms* /*buffer*/) {
  static clock_t ticks = 0;
  return ++ticks;
}

void Replace() {
  const Import imports[] = {
      {"getsockopt", reinterpret_cast<void*>(&LibcGetsockopt)},
      {"close", reinterpret_cast<void*>(&LibcClose)},
      {"open", reinterpret_cast<void*>(&LibcOpen)},
      {"open64", reinterpret_cast<void*>(&LibcOpen)},
      {"sendfile", reinterpret_cast<void*>(&LibcSendfile)},
      {"sendfile64", reinterpret_cast<void*>(&LibcSendfile)},
      {"system", reinterpret_cast<void*>(&LibcSystem)},
      {"times", reinterpret_cast<void*>(&LibcTimes)},
  };
  ReplaceImports(imports);
}

}  // namespace
}  // namespace tapedeck::adapter

// Called by the program when it has loaded the library. `flags` is its --so_flags, which we have no
// use for.
extern "C" __attribute__((visibility("default"))) void packetdrill_interface_init(
    const char* /*flags*/, tapedeck::adapter::PacketdrillInterface* table) {
  using namespace tapedeck::adapter;  // NOLINT(google-build-using-namespace)
  const absl::StatusOr<tapedeck::PlaySettings> settings = ReadInvocation(ProcessArguments());
  if (!settings.ok()) {
    std::fprintf(stderr, "libtapedeck_packetdrill: %s\n",
                 std::string(settings.status().message()).c_str());
    std::exit(2);
  }
  TheProcess().machine = std::make_unique<Machine>(*settings);
  Replace();
  *table = {.userdata = nullptr,
            .free = Free,
            .socket = Socket,
            .bind = Bind,
            .listen = Listen,
            .accept = Accept,
            .connect = Connect,
            .read = Read,
            .readv = Readv,
            .recv = Recv,
            .recvfrom = Recvfrom,
            .recvmsg = Recvmsg,
            .write = Write,
            .writev = Writev,
            .send = Send,
            .sendto = Sendto,
            .sendmsg = Sendmsg,
            .fcntl = Fcntl,
            .ioctl = Ioctl,
            .close = Close,
            .shutdown = Shutdown,
            .getsockopt = Getsockopt,
            .setsockopt = Setsockopt,
            .poll = Poll,
            .netdev_send = NetdevSend,
            .netdev_receive = NetdevReceive,
            .usleep = Usleep,
            .gettimeofday = Gettimeofday,
            .epoll_create = EpollCreate,
            .epoll_ctl = EpollCtl,
            .epoll_wait = EpollWait,
            .pipe = Pipe,
            .splice = Splice};
}
