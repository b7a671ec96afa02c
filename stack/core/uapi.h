// Numbers of Linux's user interface that sockets and protocols share, with Linux's values on
// x86-64. Where <sys/socket.h> makes a name a macro for a number, ours is another.
#ifndef TAPEDECK_STACK_CORE_UAPI_H_
#define TAPEDECK_STACK_CORE_UAPI_H_

#include <cstdint>

namespace tapedeck {

// Address families (AF_*).
inline constexpr uint16_t kAfUnspec = 0;
inline constexpr uint16_t kAfUnix = 1;
inline constexpr uint16_t kAfInet = 2;
inline constexpr uint16_t kAfInet6 = 10;
inline constexpr uint16_t kAfPacket = 17;

// Socket types.
enum : uint16_t {
  SOCK_STREAM = 1,
  SOCK_DGRAM = 2,
  SOCK_RAW = 3,
  SOCK_SEQPACKET = 5,
  SOCK_PACKET = 10,
};
enum : uint32_t { SOCK_CLOEXEC = 02000000, SOCK_NONBLOCK = 00004000 };

// Flags of send and recv.
enum : uint32_t {
  MSG_OOB = 0x1,
  MSG_PEEK = 0x2,
  MSG_DONTROUTE = 0x4,
  MSG_CTRUNC = 0x8,
  MSG_PROBE = 0x10,
  MSG_TRUNC = 0x20,
  MSG_DONTWAIT = 0x40,
  MSG_EOR = 0x80,
  MSG_WAITALL = 0x100,
  MSG_CONFIRM = 0x800,
  MSG_ERRQUEUE = 0x2000,
  MSG_NOSIGNAL = 0x4000,
  MSG_MORE = 0x8000,
  MSG_WAITFORONE = 0x10000,
  MSG_ZEROCOPY = 0x4000000,
  MSG_FASTOPEN = 0x20000000,
  MSG_CMSG_CLOEXEC = 0x40000000,
};

// ioctl commands of files and sockets (sockios.h).
inline constexpr uint32_t kSiocinq = 0x541b;  // FIONREAD
inline constexpr uint32_t kSiocoutq = 0x5411;
inline constexpr uint32_t kSiocoutqnsd = 0x894b;
inline constexpr uint32_t kSiocatmark = 0x8905;
inline constexpr uint32_t kFionbio = 0x5421;

// shutdown(2), and sk_shutdown (which counts from 1).
inline constexpr int kShutRead = 0;
inline constexpr int kShutWrite = 1;
inline constexpr int kShutBoth = 2;
enum : uint8_t { RCV_SHUTDOWN = 1, SEND_SHUTDOWN = 2, SHUTDOWN_MASK = 3 };

// Events of poll and epoll, and of wait queues.
enum : uint32_t {
  EPOLLIN = 0x001,
  EPOLLPRI = 0x002,
  EPOLLOUT = 0x004,
  EPOLLERR = 0x008,
  EPOLLHUP = 0x010,
  EPOLLNVAL = 0x020,
  EPOLLRDNORM = 0x040,
  EPOLLRDBAND = 0x080,
  EPOLLWRNORM = 0x100,
  EPOLLWRBAND = 0x200,
  EPOLLMSG = 0x400,
  EPOLLRDHUP = 0x2000,
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_UAPI_H_
