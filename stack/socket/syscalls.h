// The system calls of a host's one process: descriptors, sockets, and every call as something that
// can be awaited, held and driven by hand (see system_call.h).
//
// Results are Linux's: >= 0 or -errno, checked in Linux's order. Descriptors are the lowest free
// number from 3 on: 0 to 2 are taken by a terminal that does not exist. User memory is given as
// pointers; a null pointer with a length stands for memory that the process may not touch
// (-EFAULT).
#ifndef TAPEDECK_STACK_SOCKET_SYSCALLS_H_
#define TAPEDECK_STACK_SOCKET_SYSCALLS_H_

#include <cstdint>
#include <span>

#include "stack/base/list.h"
#include "stack/base/time.h"
#include "stack/core/net.h"
#include "stack/core/sockaddr.h"
#include "stack/core/uapi.h"
#include "stack/kernel/slab.h"
#include "stack/kernel/wait.h"
#include "stack/socket/eventpoll.h"
#include "stack/socket/file.h"
#include "stack/socket/pipe.h"
#include "stack/socket/ram_file.h"
#include "stack/socket/socket.h"
#include "stack/socket/system_call.h"

namespace tapedeck {

// fcntl commands and the flag they set (fcntl.h), where each name is a macro.
inline constexpr int kFDupfd = 0;
inline constexpr int kFDupfdCloexec = 1030;
inline constexpr int kFGetpipeSz = 1032;
inline constexpr int kFGetfd = 1;
inline constexpr int kFSetfd = 2;
inline constexpr int kFGetfl = 3;
inline constexpr int kFSetfl = 4;
inline constexpr int kFdCloexec = 1;

class Syscalls {
 public:
  // To be made in the arena, once per host, after ipv4_init, udp_init and tcp_init. Registers the
  // internet family.
  explicit Syscalls(net& host_net);
  Syscalls(const Syscalls&) = delete;
  Syscalls& operator=(const Syscalls&) = delete;

  // --- The calls. Await them, Start them, or RunNow. ---

  // Result: a descriptor. -EINVAL, -EAFNOSUPPORT, -ESOCKTNOSUPPORT, -EPROTONOSUPPORT, -EACCES (ping
  // sockets: sysctl net/ipv4/ping_group_range), -EMFILE, -ENOBUFS. `type` may carry SOCK_NONBLOCK
  // and SOCK_CLOEXEC.
  SystemCall Socket(Thread& thread, int domain, int type, int protocol);
  // Two connected ones of AF_UNIX; fds[2] is set.
  SystemCall Socketpair(Thread& thread, int domain, int type, int protocol, int* fds);
  // Waits where SO_LINGER says so.
  SystemCall Close(Thread& thread, int fd);
  SystemCall Bind(Thread& thread, int fd, const SockAddr& address);
  // SockAddr::Unspec() takes a datagram socket's peer away, and ends a stream's connection.
  SystemCall Connect(Thread& thread, int fd, const SockAddr& address);
  SystemCall Listen(Thread& thread, int fd, int backlog);
  // Result: a descriptor. `peer` may be null. `flags`: SOCK_NONBLOCK, SOCK_CLOEXEC.
  SystemCall Accept(Thread& thread, int fd, SockAddr* peer);
  SystemCall Accept4(Thread& thread, int fd, SockAddr* peer, int flags);
  // One of kShutRead, kShutWrite, kShutBoth.
  SystemCall Shutdown(Thread& thread, int fd, int how);
  SystemCall Getsockname(Thread& thread, int fd, SockAddr* address);
  SystemCall Getpeername(Thread& thread, int fd, SockAddr* address);

  // Result: bytes. `flags` are MSG_*. A stream's send that waits goes on until all is sent.
  SystemCall Sendto(Thread& thread, int fd, std::span<const uint8_t> data, uint32_t flags);
  SystemCall Sendto(Thread& thread, int fd, std::span<const uint8_t> data, uint32_t flags,
                    const SockAddr& to);
  SystemCall Sendmsg(Thread& thread, int fd, user_msghdr* msg, uint32_t flags);
  SystemCall Recvfrom(Thread& thread, int fd, std::span<uint8_t> buffer, uint32_t flags,
                      SockAddr* from = nullptr);
  SystemCall Recvmsg(Thread& thread, int fd, user_msghdr* msg, uint32_t flags);
  // Result: messages; msg_len of each is set. `timeout` is looked at between messages only.
  SystemCall Sendmmsg(Thread& thread, int fd, std::span<mmsghdr> messages, uint32_t flags);
  SystemCall Recvmmsg(Thread& thread, int fd, std::span<mmsghdr> messages, uint32_t flags,
                      Duration timeout = Duration::Max());
  SystemCall Read(Thread& thread, int fd, std::span<uint8_t> buffer);
  SystemCall Write(Thread& thread, int fd, std::span<const uint8_t> data);
  SystemCall Readv(Thread& thread, int fd, std::span<const iovec> pieces);
  SystemCall Writev(Thread& thread, int fd, std::span<const iovec> pieces);
  // One of the two is a pipe. Offsets are read and moved on; null: the file's own position (and
  // what has none wants null). `flags`: SPLICE_F_* (1 move, 2 nonblock, 4 more).
  SystemCall Splice(Thread& thread, int fd_in, int64_t* offset_in, int fd_out, int64_t* offset_out,
                    size_t bytes, uint32_t flags);
  // From a file (Open) to a socket.
  SystemCall Sendfile(Thread& thread, int fd_out, int fd_in, int64_t* offset, size_t bytes);

  // `value` is `length` bytes. See sock_options.h and stack/ipv4/ip_sockopt.h for levels and names.
  SystemCall Setsockopt(Thread& thread, int fd, int level, int name, const void* value,
                        uint32_t length);
  // *length: the room on entry, the value's bytes on return.
  SystemCall Getsockopt(Thread& thread, int fd, int level, int name, void* value, uint32_t* length);

  // Result: how many of `fds` have revents. `timeout`: Duration::Max() waits for ever, zero not at
  // all.
  SystemCall Poll(Thread& thread, std::span<pollfd> fds, Duration timeout);
  // Result: how many bits are left set. Looks at descriptors below `nfds`; each set may be null.
  SystemCall Select(Thread& thread, int nfds, fd_set_bits* read, fd_set_bits* write,
                    fd_set_bits* except, Duration timeout);
  // Result: a descriptor. `size` counts only where it is not above zero.
  SystemCall EpollCreate(Thread& thread, int size);
  SystemCall EpollCreate1(Thread& thread, uint32_t flags);
  // `op`: kEpollCtlAdd, ... (eventpoll.h). `event` may be null for kEpollCtlDel.
  SystemCall EpollCtl(Thread& thread, int ep_fd, int op, int fd, const epoll_event* event);
  // Result: how many of `events` are filled in.
  SystemCall EpollWait(Thread& thread, int ep_fd, std::span<epoll_event> events, Duration timeout);

  SystemCall Fcntl(Thread& thread, int fd, int command, int argument);
  // `argument` is the int that the command reads or writes.
  SystemCall Ioctl(Thread& thread, int fd, uint32_t command, int* argument);
  SystemCall Dup(Thread& thread, int fd);
  SystemCall Dup2(Thread& thread, int fd, int new_fd);
  SystemCall Dup3(Thread& thread, int fd, int new_fd, uint32_t flags);
  // fds[0] is read from, fds[1] written to.
  SystemCall Pipe(Thread& thread, int* fds);
  SystemCall Pipe2(Thread& thread, int* fds, uint32_t flags);
  // A file that ram_files() has, for reading. `path` must live until the call ends.
  SystemCall Open(Thread& thread, const char* path, uint32_t flags);

  // A call from its arguments, however they were found.
  SystemCall Call(Thread& thread, const SyscallArgs& args) {
    return SystemCall(*this, thread, args);
  }

  // --- Host. ---

  // The end of the process: calls that still wait end with -EINTR (nobody is told), all descriptors
  // are closed, without lingering.
  void CloseAll();

  net& network() { return net_; }
  files_struct& files() { return files_; }
  net_families& families() { return families_; }
  socket_caches& caches() { return caches_; }
  RamFiles& ram_files() { return ram_files_; }
  // Objects of the calls are among those that KmemCache::FailWith(nth) lets fail.
  void FailWith(uint64_t* nth);

  // Live objects, for the ledgers.
  uint64_t live_files() const { return files_.live_files(); }
  uint64_t live_sockets() const { return caches_.sockets.cache().live_objects(); }
  uint64_t live_pipes() const { return pipes_.cache().live_objects(); }
  uint64_t live_epoll_items() const { return epolls_.items.cache().live_objects(); }

  // `tracer` (null: nobody) must outlive the last call.
  void set_tracer(SyscallTracer* tracer) { tracer_ = tracer; }

 private:
  SyscallTracer* tracer_ = nullptr;
  friend class SystemCall;
  friend class SyscallBody;

  net& net_;
  files_struct files_;
  socket_caches caches_;
  net_families families_;
  EpollCaches epolls_;
  SlabCache<pipe_inode_info> pipes_;
  RamFiles ram_files_;
  List<SystemCall> sleeping_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_SYSCALLS_H_
