// Asking for options of level SOL_SOCKET.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "stack/core/net.h"
#include "stack/core/sockaddr.h"
#include "stack/core/socket.h"
#include "stack/socket/sock_options.h"

namespace tapedeck {
namespace {

user_timeval TimeoutValue(Duration timeout) {
  if (timeout == Duration::Max()) return {0, 0};
  return {static_cast<int64_t>(timeout.seconds()),
          static_cast<int64_t>(timeout.us()) % kUsecPerSec};
}

// As much of a value as there is room for.
int CopyOut(const void* from, uint32_t bytes, void* value, uint32_t* length) {
  const uint32_t copied = std::min(*length, bytes);
  if (copied != 0) {
    if (value == nullptr) return -EFAULT;
    std::memcpy(value, from, copied);
  }
  *length = copied;
  return 0;
}

int GetBindToDevice(const sock* sk, void* value, uint32_t* length) {
  if (sk->sk_bound_dev_if == 0) {
    *length = 0;
    return 0;
  }
  if (*length < kIfNameBytes) return -EINVAL;
  const net_device* const dev = dev_get_by_index(sk->sk_net, sk->sk_bound_dev_if);
  if (dev == nullptr) return -ENODEV;
  const auto bytes = static_cast<uint32_t>(std::strlen(dev->name) + 1);
  if (value == nullptr) return -EFAULT;
  std::memcpy(value, dev->name, bytes);
  *length = bytes;
  return 0;
}

// Linux does not say how long the name is: asking for more than there is fails.
int GetPeername(sock* sk, void* value, const uint32_t* length) {
  alignas(8) uint8_t address[SockAddr::kBytes] = {};
  const int bytes = sk->sk_socket->ops->getname(sk->sk_socket, address, SocketName::kLastPeer);
  if (bytes < 0) return -ENOTCONN;
  if (static_cast<uint32_t>(bytes) < *length) return -EINVAL;
  if (*length != 0 && value == nullptr) return -EFAULT;
  if (*length != 0) std::memcpy(value, address, *length);
  return 0;
}

int GetMeminfo(const sock* sk, void* value, uint32_t* length) {
  // SK_MEMINFO_RMEM_ALLOC, RCVBUF, WMEM_ALLOC, SNDBUF, FWD_ALLOC, WMEM_QUEUED, OPTMEM, BACKLOG,
  // DROPS.
  const uint32_t meminfo[] = {sk->sk_rmem_alloc,
                              sk->sk_rcvbuf,
                              sk_wmem_alloc_get(sk),
                              sk->sk_sndbuf,
                              static_cast<uint32_t>(sk->sk_forward_alloc),
                              static_cast<uint32_t>(sk->sk_wmem_queued),
                              sk->sk_omem_alloc,
                              sk->sk_backlog.len,
                              sk->sk_drops};
  return CopyOut(meminfo, sizeof(meminfo), value, length);
}

int GetCookie(sock* sk, void* value, uint32_t* length) {
  if (*length < sizeof(sk->sk_cookie)) return -EINVAL;
  // The socket's number is as good as any: unique, and never 0.
  if (sk->sk_cookie == 0) sk->sk_cookie = sk->sk_id;
  return CopyOut(&sk->sk_cookie, sizeof(sk->sk_cookie), value, length);
}

int GetMaxPacingRate(const sock* sk, void* value, uint32_t* length) {
  const uint64_t rate = sk->sk_max_pacing_rate;
  if (*length >= sizeof(rate)) return CopyOut(&rate, sizeof(rate), value, length);
  const auto rate32 = static_cast<uint32_t>(std::min<uint64_t>(rate, UINT32_MAX));
  return CopyOut(&rate32, sizeof(rate32), value, length);
}

int GetTxtime(const sock* sk, void* value, uint32_t* length) {
  const user_sock_txtime txtime = {sk->sk_clockid, (sk->sk_txtime_deadline_mode ? 1U : 0U) |
                                                       (sk->sk_txtime_report_errors ? 2U : 0U)};
  return CopyOut(&txtime, sizeof(txtime), value, length);
}

int GetPeercred(const sock* sk, void* value, uint32_t* length) {
  // Of a pair that the process has made for itself; of others nobody.
  constexpr user_ucred kNobody = {0, UINT32_MAX, UINT32_MAX};
  constexpr user_ucred kSelf = {1, 0, 0};
  return CopyOut(sk->sk_family == kAfUnix ? &kSelf : &kNobody, sizeof(kSelf), value, length);
}

int TakeError(sock* sk) {
  const int pending = -sock_error(sk);
  return pending != 0 ? pending : std::exchange(sk->sk_err_soft, 0);
}

int TimestampOption(const sock* sk, int name) {
  const bool with_new = sock_flag(sk, SOCK_TSTAMP_NEW);
  const bool nanoseconds = sock_flag(sk, SOCK_RCVTSTAMPNS);
  switch (name) {
    case kSoTimestamp:
      return sock_flag(sk, SOCK_RCVTSTAMP) && !with_new && !nanoseconds ? 1 : 0;
    case kSoTimestampns:
      return nanoseconds && !with_new ? 1 : 0;
    case kSoTimestampNew:
      return sock_flag(sk, SOCK_RCVTSTAMP) && with_new ? 1 : 0;
    default:
      return nanoseconds && with_new ? 1 : 0;
  }
}

// The value of a one-int option. 0, -EOPNOTSUPP, -ENOPROTOOPT.
int GetNumber(sock* sk, int name, int* value) {
  sock_flags flag{};
  if (sock_flag_option(name, &flag)) {
    *value = sock_flag(sk, flag) ? 1 : 0;
    return 0;
  }
  switch (name) {
    case kSoType:
      *value = sk->sk_type;
      return 0;
    case kSoProtocol:
      *value = sk->sk_protocol;
      return 0;
    case kSoDomain:
      *value = sk->sk_family;
      return 0;
    case kSoError:
      *value = TakeError(sk);
      return 0;
    case kSoReuseaddr:
      *value = sk->sk_reuse;
      return 0;
    case kSoReuseport:
      *value = sk->sk_reuseport ? 1 : 0;
      return 0;
    case kSoSndbuf:
      *value = static_cast<int>(sk->sk_sndbuf);
      return 0;
    case kSoRcvbuf:
      *value = static_cast<int>(sk->sk_rcvbuf);
      return 0;
    case kSoNoCheck:
      *value = sk->sk_no_check_tx ? 1 : 0;
      return 0;
    case kSoPriority:
      *value = static_cast<int>(sk->sk_priority);
      return 0;
    case kSoMark:
      *value = static_cast<int>(sk->sk_mark);
      return 0;
    case kSoBsdcompat:
      *value = 0;
      return 0;
    case kSoRcvlowat:
      *value = sk->sk_rcvlowat;
      return 0;
    case kSoSndlowat:
      *value = 1;
      return 0;
    case kSoTimestamp:
    case kSoTimestampns:
    case kSoTimestampNew:
    case kSoTimestampnsNew:
      *value = TimestampOption(sk, name);
      return 0;
    case kSoAcceptconn:
      *value = sk->sk_state == TCP_LISTEN ? 1 : 0;
      return 0;
    case kSoPeekOff:
      if (!sk->sk_socket->ops->has_peek_off) return -EOPNOTSUPP;
      *value = sk->sk_peek_off;
      return 0;
    case kSoPasscred:
    case kSoPasssec:
      *value = 0;
      return sk->sk_family == kAfUnix ? 0 : -EOPNOTSUPP;
    case kSoLockFilter:
      *value = sock_flag(sk, SOCK_FILTER_LOCKED) ? 1 : 0;
      return 0;
    case kSoBusyPoll:
      *value = static_cast<int>(sk->sk_ll_usec);
      return 0;
    case kSoPreferBusyPoll:
      *value = sk->sk_prefer_busy_poll ? 1 : 0;
      return 0;
    case kSoIncomingCpu:
      *value = sk->sk_incoming_cpu;
      return 0;
    case kSoIncomingNapiId:
      *value = static_cast<int>(sk->sk_napi_id);
      return 0;
    case kSoZerocopy:
      *value = sock_flag(sk, SOCK_ZEROCOPY) ? 1 : 0;
      return 0;
    case kSoBindtoifindex:
      *value = sk->sk_bound_dev_if;
      return 0;
    case kSoBufLock:
      *value = sk->sk_userlocks & SOCK_BUF_LOCK_MASK;
      return 0;
    case kSoReserveMem:
      *value = sk->sk_reserved_mem;
      return 0;
    case kSoTxrehash:
      *value = sk->sk_txrehash;
      return sk_is_tcp(sk) ? 0 : -EOPNOTSUPP;
    default:
      return -ENOPROTOOPT;
  }
}

}  // namespace

int sk_getsockopt(sock* sk, int name, void* value, uint32_t* length) {
  if (static_cast<int32_t>(*length) < 0) return -EINVAL;
  switch (name) {
    case kSoBindtodevice:
      return GetBindToDevice(sk, value, length);
    case kSoLinger: {
      const user_linger linger = {sock_flag(sk, SOCK_LINGER) ? 1 : 0,
                                  static_cast<int32_t>(sk->sk_lingertime_s)};
      return CopyOut(&linger, sizeof(linger), value, length);
    }
    case kSoRcvtimeo:
    case kSoRcvtimeoNew:
    case kSoSndtimeo:
    case kSoSndtimeoNew: {
      const bool receive = name == kSoRcvtimeo || name == kSoRcvtimeoNew;
      const user_timeval timeout = TimeoutValue(receive ? sk->sk_rcvtimeo : sk->sk_sndtimeo);
      return CopyOut(&timeout, sizeof(timeout), value, length);
    }
    case kSoTimestamping:
    case kSoTimestampingNew: {
      const bool shown = name == kSoTimestamping || sock_flag(sk, SOCK_TSTAMP_NEW);
      const user_so_timestamping timestamping = {shown ? sk->sk_tsflags : 0, 0};
      return CopyOut(&timestamping, sizeof(timestamping), value, length);
    }
    case kSoGetFilter:  // the number of its instructions: there is none
      *length = 0;
      return 0;
    case kSoPeername:
      return GetPeername(sk, value, length);
    case kSoPeercred:
      return GetPeercred(sk, value, length);
    case kSoMeminfo:
      return GetMeminfo(sk, value, length);
    case kSoCookie:
      return GetCookie(sk, value, length);
    case kSoMaxPacingRate:
      return GetMaxPacingRate(sk, value, length);
    case kSoTxtime:
      return GetTxtime(sk, value, length);
    case kSoNetnsCookie: {
      constexpr uint64_t kFirstNet = 1;  // net_cookie of init_net
      if (*length != sizeof(kFirstNet)) return -EINVAL;
      return CopyOut(&kFirstNet, sizeof(kFirstNet), value, length);
    }
    default:
      break;
  }
  int number = 0;
  if (const int err = GetNumber(sk, name, &number); err != 0) return err;
  return CopyOut(&number, sizeof(number), value, length);
}

}  // namespace tapedeck
