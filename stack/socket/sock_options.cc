#include "stack/socket/sock_options.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string_view>
#include <utility>

#include "stack/core/net.h"
#include "stack/socket/socket.h"

namespace tapedeck {
namespace {

constexpr int64_t kUsPerSecond = 1'000'000;

// Options that are one bit of sk_flags.
bool FlagOption(int name, sock_flags* flag) {
  switch (name) {
    case kSoDebug:
      *flag = SOCK_DBG;
      return true;
    case kSoDontroute:
      *flag = SOCK_LOCALROUTE;
      return true;
    case kSoBroadcast:
      *flag = SOCK_BROADCAST;
      return true;
    case kSoKeepalive:
      *flag = SOCK_KEEPOPEN;
      return true;
    case kSoOobinline:
      *flag = SOCK_URGINLINE;
      return true;
    case kSoRxqOvfl:
      *flag = SOCK_RXQ_OVFL;
      return true;
    default:
      return false;
  }
}

// sock_set_timeout: whole jiffies, rounded up; zero means for ever.
int SetTimeout(const sock* sk, Duration* timeout, const void* value, uint32_t length) {
  user_timeval tv;
  if (length < sizeof(tv)) return -EINVAL;
  std::memcpy(&tv, value, sizeof(tv));
  if (tv.tv_usec < 0 || tv.tv_usec >= kUsPerSecond) return -EDOM;
  if (tv.tv_sec < 0) {
    *timeout = Duration{};
    return 0;
  }
  *timeout = Duration::Max();
  if (tv.tv_sec == 0 && tv.tv_usec == 0) return 0;
  const Duration exact = Duration::Seconds(static_cast<uint64_t>(tv.tv_sec)) +
                         Duration::Microseconds(static_cast<uint64_t>(tv.tv_usec));
  if (exact == Duration::Max()) return 0;
  const Duration tick = sk->sk_net.kernel.tick();
  *timeout = tick * ((exact.ps + tick.ps - 1) / tick.ps);
  return 0;
}

user_timeval TimeoutValue(Duration timeout) {
  if (timeout == Duration::Max()) return {0, 0};
  return {static_cast<int64_t>(timeout.seconds()),
          static_cast<int64_t>(timeout.us()) % kUsPerSecond};
}

int BindToIndex(sock* sk, int ifindex) {
  if (ifindex < 0) return -EINVAL;
  sk->sk_bound_dev_if = ifindex;
  sk_dst_reset(sk);
  return 0;
}

int SetBindToDevice(sock* sk, const void* value, uint32_t length) {
  length = std::min<uint32_t>(length, kIfNameBytes - 1);
  if (length != 0 && value == nullptr) return -EFAULT;
  const auto* const text = static_cast<const char*>(value);
  const std::string_view name(text, length == 0 ? 0 : strnlen(text, length));
  if (name.empty()) return BindToIndex(sk, 0);
  const net_device* const dev = dev_get_by_name(sk->sk_net, name);
  return dev == nullptr ? -ENODEV : BindToIndex(sk, dev->ifindex);
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

void SetTimestamp(sock* sk, bool on, bool nanoseconds) {
  sock_valbool_flag(sk, SOCK_RCVTSTAMP, on);
  sock_valbool_flag(sk, SOCK_RCVTSTAMPNS, on && nanoseconds);
  sock_set_timestamp(sk, on);
}

int SetLinger(sock* sk, const void* value, uint32_t length) {
  user_linger linger;
  if (length < sizeof(linger)) return -EINVAL;
  std::memcpy(&linger, value, sizeof(linger));
  sock_valbool_flag(sk, SOCK_LINGER, linger.l_onoff != 0);
  if (linger.l_onoff != 0) sk->sk_lingertime_s = static_cast<uint32_t>(linger.l_linger);
  return 0;
}

// Options whose value is one int.
int SetNumber(sock* sk, int name, int value) {
  sock_flags flag{};
  if (FlagOption(name, &flag)) {
    sock_valbool_flag(sk, flag, value != 0);
    return 0;
  }
  switch (name) {
    case kSoReuseaddr:
      sk->sk_reuse = value != 0 ? SK_CAN_REUSE : SK_NO_REUSE;
      return 0;
    case kSoReuseport:
      sk->sk_reuseport = value != 0;
      return 0;
    case kSoSndbuf:
      sock_set_sndbuf(sk, static_cast<uint32_t>(value), false);
      return 0;
    case kSoSndbufforce:
      sock_set_sndbuf(sk, static_cast<uint32_t>(std::max(value, 0)), true);
      return 0;
    case kSoRcvbuf:
      sock_set_rcvbuf(sk, static_cast<uint32_t>(value), false);
      return 0;
    case kSoRcvbufforce:
      sock_set_rcvbuf(sk, static_cast<uint32_t>(std::max(value, 0)), true);
      return 0;
    case kSoNoCheck:
      sk->sk_no_check_tx = value != 0;
      return 0;
    case kSoPriority:
      sk->sk_priority = static_cast<uint32_t>(value);
      return 0;
    case kSoMark:
      sk->sk_mark = static_cast<uint32_t>(value);
      sk_dst_reset(sk);
      return 0;
    case kSoRcvlowat:
      sk->sk_rcvlowat = value < 0 ? INT_MAX : std::max(value, 1);
      return 0;
    case kSoTimestamp:
      SetTimestamp(sk, value != 0, false);
      return 0;
    case kSoTimestampns:
      SetTimestamp(sk, value != 0, true);
      return 0;
    case kSoPeekOff:
      if (!sk->sk_socket->ops->has_peek_off) return -EOPNOTSUPP;
      sk->sk_peek_off = value;
      return 0;
    case kSoBindtoifindex:
      return BindToIndex(sk, value);
    default:
      // Those that can only be asked for among them.
      return -ENOPROTOOPT;
  }
}

int TakeError(sock* sk) {
  const int pending = -sock_error(sk);
  return pending != 0 ? pending : std::exchange(sk->sk_err_soft, 0);
}

// The value of a one-int option; false for others.
bool GetNumber(sock* sk, int name, int* value) {
  sock_flags flag{};
  if (FlagOption(name, &flag)) {
    *value = sock_flag(sk, flag) ? 1 : 0;
    return true;
  }
  switch (name) {
    case kSoType:
      *value = sk->sk_type;
      return true;
    case kSoProtocol:
      *value = sk->sk_protocol;
      return true;
    case kSoDomain:
      *value = sk->sk_family;
      return true;
    case kSoError:
      *value = TakeError(sk);
      return true;
    case kSoReuseaddr:
      *value = sk->sk_reuse;
      return true;
    case kSoReuseport:
      *value = sk->sk_reuseport ? 1 : 0;
      return true;
    case kSoSndbuf:
      *value = static_cast<int>(sk->sk_sndbuf);
      return true;
    case kSoRcvbuf:
      *value = static_cast<int>(sk->sk_rcvbuf);
      return true;
    case kSoNoCheck:
      *value = sk->sk_no_check_tx ? 1 : 0;
      return true;
    case kSoPriority:
      *value = static_cast<int>(sk->sk_priority);
      return true;
    case kSoMark:
      *value = static_cast<int>(sk->sk_mark);
      return true;
    case kSoRcvlowat:
      *value = sk->sk_rcvlowat;
      return true;
    case kSoSndlowat:
      *value = 1;
      return true;
    case kSoTimestamp:
      *value = sock_flag(sk, SOCK_RCVTSTAMP) && !sock_flag(sk, SOCK_RCVTSTAMPNS) ? 1 : 0;
      return true;
    case kSoTimestampns:
      *value = sock_flag(sk, SOCK_RCVTSTAMPNS) ? 1 : 0;
      return true;
    case kSoAcceptconn:
      *value = sk->sk_state == TCP_LISTEN ? 1 : 0;
      return true;
    case kSoPeekOff:
      *value = sk->sk_peek_off;
      return true;
    case kSoBindtoifindex:
      *value = sk->sk_bound_dev_if;
      return true;
    default:
      return false;
  }
}

int CopyOut(const void* from, uint32_t bytes, void* value, uint32_t* length) {
  const uint32_t copied = std::min(*length, bytes);
  if (copied != 0) {
    if (value == nullptr) return -EFAULT;
    std::memcpy(value, from, copied);
  }
  *length = copied;
  return 0;
}

}  // namespace

int sk_setsockopt(sock* sk, int name, const void* value, uint32_t length) {
  if (name == kSoBindtodevice) return SetBindToDevice(sk, value, length);
  int number = 0;
  if (length < sizeof(number)) return -EINVAL;
  if (value == nullptr) return -EFAULT;
  std::memcpy(&number, value, sizeof(number));
  switch (name) {
    case kSoLinger:
      return SetLinger(sk, value, length);
    case kSoRcvtimeo:
      return SetTimeout(sk, &sk->sk_rcvtimeo, value, length);
    case kSoSndtimeo:
      return SetTimeout(sk, &sk->sk_sndtimeo, value, length);
    default:
      return SetNumber(sk, name, number);
  }
}

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
    case kSoSndtimeo: {
      const user_timeval timeout =
          TimeoutValue(name == kSoRcvtimeo ? sk->sk_rcvtimeo : sk->sk_sndtimeo);
      return CopyOut(&timeout, sizeof(timeout), value, length);
    }
    default:
      break;
  }
  int number = 0;
  if (!GetNumber(sk, name, &number)) return -ENOPROTOOPT;
  return CopyOut(&number, sizeof(number), value, length);
}

}  // namespace tapedeck
