// The table of functions through which the packetdrill program drives a stack that is not its
// kernel's (--so_filename). Its layout is that program's; the declarations are ours. Results and
// errno are those of the calls of the same names; structures are x86-64 Linux's.
#ifndef TAPEDECK_TOOLS_PACKETDRILL_ADAPTER_INTERFACE_H_
#define TAPEDECK_TOOLS_PACKETDRILL_ADAPTER_INTERFACE_H_

#include <cstddef>
#include <cstdint>

namespace tapedeck::adapter {

// What the host's headers call timeval, iovec and msghdr; with names of our own, since these meet
// the stack's.
struct HostTimeval {
  int64_t seconds;
  int64_t microseconds;
};
struct HostIovec {
  void* base;
  size_t bytes;
};
struct HostMsghdr {
  void* name;
  uint32_t name_bytes;
  HostIovec* iov;
  size_t iov_count;
  void* control;
  size_t control_bytes;
  int flags;
};

struct PacketdrillInterface {
  void* userdata;  // the first argument of every function
  void (*free)(void*);
  int (*socket)(void*, int domain, int type, int protocol);
  int (*bind)(void*, int fd, const void* address, uint32_t address_bytes);
  int (*listen)(void*, int fd, int backlog);
  int (*accept)(void*, int fd, void* address, uint32_t* address_bytes);
  int (*connect)(void*, int fd, const void* address, uint32_t address_bytes);
  int64_t (*read)(void*, int fd, void* buffer, size_t bytes);
  int64_t (*readv)(void*, int fd, const HostIovec* iov, int iov_count);
  int64_t (*recv)(void*, int fd, void* buffer, size_t bytes, int flags);
  int64_t (*recvfrom)(void*, int fd, void* buffer, size_t bytes, int flags, void* address,
                      uint32_t* address_bytes);
  int64_t (*recvmsg)(void*, int fd, HostMsghdr* msg, int flags);
  int64_t (*write)(void*, int fd, const void* buffer, size_t bytes);
  int64_t (*writev)(void*, int fd, const HostIovec* iov, int iov_count);
  int64_t (*send)(void*, int fd, const void* buffer, size_t bytes, int flags);
  int64_t (*sendto)(void*, int fd, const void* buffer, size_t bytes, int flags, const void* address,
                    uint32_t address_bytes);
  int64_t (*sendmsg)(void*, int fd, const HostMsghdr* msg, int flags);
  int (*fcntl)(void*, int fd, int command, ...);
  int (*ioctl)(void*, int fd, unsigned long request, ...);
  int (*close)(void*, int fd);
  int (*shutdown)(void*, int fd, int how);
  int (*getsockopt)(void*, int fd, int level, int name, void* value, uint32_t* bytes);
  int (*setsockopt)(void*, int fd, int level, int name, const void* value, uint32_t bytes);
  int (*poll)(void*, void* fds, unsigned long count, int timeout_ms);
  // A packet from its IP header on enters the stack. 0.
  int (*netdev_send)(void*, const void* packet, size_t bytes);
  // The next packet that leaves the stack and when it did; *bytes: the buffer's room, then the
  // packet's bytes, 0 where none will ever come. 0.
  int (*netdev_receive)(void*, void* buffer, size_t* bytes, long long* time_us);
  int (*usleep)(void*, uint32_t us);
  int (*gettimeofday)(void*, HostTimeval* time, void* zone);
  int (*epoll_create)(void*, int size);
  int (*epoll_ctl)(void*, int epoll_fd, int operation, int fd, void* event);
  int (*epoll_wait)(void*, int epoll_fd, void* events, int events_max, int timeout_ms);
  int (*pipe)(void*, int fds[2]);
  int64_t (*splice)(void*, int fd_in, int64_t* offset_in, int fd_out, int64_t* offset_out,
                    size_t bytes, unsigned flags);
};

}  // namespace tapedeck::adapter

#endif  // TAPEDECK_TOOLS_PACKETDRILL_ADAPTER_INTERFACE_H_
