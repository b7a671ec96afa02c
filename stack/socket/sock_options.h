// Socket options of level SOL_SOCKET (sk_setsockopt and sk_getsockopt of net/core/sock.c).
#ifndef TAPEDECK_STACK_SOCKET_SOCK_OPTIONS_H_
#define TAPEDECK_STACK_SOCKET_SOCK_OPTIONS_H_

#include <cstdint>

#include "stack/core/sock.h"
#include "stack/core/sock_cmsg.h"

namespace tapedeck {

// Values of the user interface (asm-generic/socket.h), where each name is a macro: SO_REUSEADDR is
// kSoReuseaddr.
enum : int {
  kSoDebug = 1,
  kSoReuseaddr = 2,
  kSoType = 3,
  kSoError = 4,
  kSoDontroute = 5,
  kSoBroadcast = 6,
  kSoSndbuf = 7,
  kSoRcvbuf = 8,
  kSoKeepalive = 9,
  kSoOobinline = 10,
  kSoNoCheck = 11,
  kSoPriority = 12,
  kSoLinger = 13,
  kSoReuseport = 15,
  kSoRcvlowat = 18,
  kSoSndlowat = 19,
  kSoRcvtimeo = 20,
  kSoSndtimeo = 21,
  kSoBindtodevice = 25,
  kSoTimestamp = 29,
  kSoAcceptconn = 30,
  kSoSndbufforce = 32,
  kSoRcvbufforce = 33,
  kSoTimestampns = 35,
  kSoMark = 36,
  kSoProtocol = 38,
  kSoDomain = 39,
  // kSoRxqOvfl = 40: sock_cmsg.h
  kSoPeekOff = 42,
  kSoBindtoifindex = 62,
};

struct user_linger {
  int32_t l_onoff;
  int32_t l_linger;  // seconds
};

// `value` is `length` bytes of user memory, null where the process may not touch it. 0, -EINVAL,
// -EFAULT, -EDOM, -ENODEV, -EOPNOTSUPP, -ENOPROTOOPT. The process is privileged.
int sk_setsockopt(sock* sk, int name, const void* value, uint32_t length);
// *length: the room on entry, the bytes written on return.
int sk_getsockopt(sock* sk, int name, void* value, uint32_t* length);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_SOCK_OPTIONS_H_
