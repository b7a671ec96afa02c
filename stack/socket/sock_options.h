// Socket options of level SOL_SOCKET (sk_setsockopt and sk_getsockopt of net/core/sock.c).
//
// Left out (ENOPROTOOPT): filters (SO_ATTACH_*), security labels, groups and process descriptors of
// the peer, device memory.
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
  kSoBsdcompat = 14,
  kSoReuseport = 15,
  kSoPasscred = 16,
  kSoPeercred = 17,
  kSoRcvlowat = 18,
  kSoSndlowat = 19,
  kSoRcvtimeo = 20,
  kSoSndtimeo = 21,
  kSoBindtodevice = 25,
  kSoGetFilter = 26,
  kSoDetachFilter = 27,
  kSoPeername = 28,
  kSoTimestamp = 29,
  kSoAcceptconn = 30,
  kSoSndbufforce = 32,
  kSoRcvbufforce = 33,
  kSoPasssec = 34,
  kSoTimestampns = 35,
  kSoMark = 36,
  kSoTimestamping = 37,
  kSoProtocol = 38,
  kSoDomain = 39,
  // kSoRxqOvfl = 40: sock_cmsg.h
  kSoPeekOff = 42,
  kSoNofcs = 43,
  kSoLockFilter = 44,
  kSoSelectErrQueue = 45,
  kSoBusyPoll = 46,
  kSoMaxPacingRate = 47,
  kSoIncomingCpu = 49,
  kSoCnxAdvice = 53,
  kSoMeminfo = 55,
  kSoIncomingNapiId = 56,
  kSoCookie = 57,
  kSoZerocopy = 60,
  kSoTxtime = 61,
  kSoBindtoifindex = 62,
  kSoTimestampNew = 63,
  kSoTimestampnsNew = 64,
  kSoTimestampingNew = 65,
  kSoRcvtimeoNew = 66,
  kSoSndtimeoNew = 67,
  kSoPreferBusyPoll = 69,
  kSoBusyPollBudget = 70,
  kSoNetnsCookie = 71,
  kSoBufLock = 72,
  kSoReserveMem = 73,
  kSoTxrehash = 74,
  kSoRcvmark = 75,
  kSoRcvpriority = 82,
};

// What a struct timeval counts.
inline constexpr int64_t kUsecPerSec = 1'000'000;

struct user_linger {
  int32_t l_onoff;
  int32_t l_linger;  // seconds
};
// struct so_timestamping.
struct user_so_timestamping {
  uint32_t flags;  // SOF_TIMESTAMPING_*
  int32_t bind_phc;
};
// struct sock_txtime.
struct user_sock_txtime {
  int32_t clockid;
  uint32_t flags;  // 1: deadline mode, 2: report errors
};
// struct ucred.
struct user_ucred {
  uint32_t pid;
  uint32_t uid;
  uint32_t gid;
};

// `value` is `length` bytes of user memory, null where the process may not touch it. 0, -EINVAL,
// -EFAULT, -EDOM, -ENODEV, -EPERM, -EOPNOTSUPP, -ENOPROTOOPT. The process is privileged.
int sk_setsockopt(sock* sk, int name, const void* value, uint32_t length);
// *length: the room on entry, the bytes written on return.
int sk_getsockopt(sock* sk, int name, void* value, uint32_t* length);

// Options that are one bit of sk_flags, both ways: true and *flag.
bool sock_flag_option(int name, sock_flags* flag);

inline bool sk_is_tcp(const sock* sk) {
  constexpr uint8_t kIpprotoTcp = 6;
  return sk->sk_type == SOCK_STREAM && sk->sk_protocol == kIpprotoTcp;
}
inline bool sk_is_inet(const sock* sk) {
  return sk->sk_family == kAfInet || sk->sk_family == kAfInet6;
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_SOCK_OPTIONS_H_
