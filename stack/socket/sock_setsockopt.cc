// Setting options of level SOL_SOCKET.
#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string_view>

#include "stack/core/net.h"
#include "stack/core/socket.h"
#include "stack/core/tx_timestamp.h"
#include "stack/socket/sock_options.h"
#include "stack/tcp/tcp_sock.h"

namespace tapedeck {
namespace {

// sock_set_timeout: whole jiffies, rounded up; zero means for ever.
int SetTimeout(const sock* sk, Duration* timeout, const void* value, uint32_t length) {
  user_timeval tv;
  if (length < sizeof(tv)) return -EINVAL;
  std::memcpy(&tv, value, sizeof(tv));
  if (tv.tv_usec < 0 || tv.tv_usec >= kUsecPerSec) return -EDOM;
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

// SO_TIMESTAMP and its kin. Devices go on stamping for a socket that has once asked.
void SetTimestamp(sock* sk, bool on, bool nanoseconds, bool with_new) {
  sock_valbool_flag(sk, SOCK_RCVTSTAMP, on);
  sock_valbool_flag(sk, SOCK_RCVTSTAMPNS, on && nanoseconds);
  if (!on) return;
  sock_valbool_flag(sk, SOCK_TSTAMP_NEW, with_new);
  sock_enable_timestamp(sk, SOCK_TIMESTAMP, true);
}

// From which number SOF_TIMESTAMPING_OPT_ID counts: TCP's are bytes of the stream.
int StartTimestampIds(sock* sk, uint32_t flags) {
  if (!sk_is_tcp(sk)) {
    sk->sk_tskey = 0;
    return 0;
  }
  if (sk->sk_state == TCP_CLOSE || sk->sk_state == TCP_LISTEN) return -EINVAL;
  const tcp_sock* const tp = tcp_sk(sk);
  const bool from_next = (flags & SOF_TIMESTAMPING_OPT_ID_TCP) != 0;
  sk->sk_tskey = (from_next ? tp->write_seq : tp->snd_una).value();
  return 0;
}

int SetTimestamping(sock* sk, const void* value, uint32_t length, bool with_new) {
  user_so_timestamping wanted = {};
  std::memcpy(&wanted, value, length == sizeof(wanted) ? sizeof(wanted) : sizeof(wanted.flags));
  const uint32_t flags = wanted.flags;
  if ((flags & ~SOF_TIMESTAMPING_MASK) != 0) return -EINVAL;
  const bool numbered = (flags & SOF_TIMESTAMPING_OPT_ID) != 0;
  if ((flags & SOF_TIMESTAMPING_OPT_ID_TCP) != 0 && !numbered) return -EINVAL;
  if (numbered && (sk->sk_tsflags & SOF_TIMESTAMPING_OPT_ID) == 0) {
    if (const int err = StartTimestampIds(sk, flags); err != 0) return err;
  }
  if ((flags & SOF_TIMESTAMPING_OPT_STATS) != 0 && (flags & SOF_TIMESTAMPING_OPT_TSONLY) == 0) {
    return -EINVAL;
  }
  // No device has a clock of its own.
  if ((flags & SOF_TIMESTAMPING_BIND_PHC) != 0) {
    return sk->sk_bound_dev_if == 0 ? -EOPNOTSUPP : -EINVAL;
  }
  sk->sk_tsflags = flags;
  sock_valbool_flag(sk, SOCK_TSTAMP_NEW, with_new);
  constexpr uint32_t kAny = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RAW_HARDWARE;
  sock_valbool_flag(sk, SOCK_TIMESTAMPING_ANY, (flags & kAny) != 0);
  sock_enable_timestamp(sk, SOCK_TIMESTAMPING_RX_SOFTWARE,
                        (flags & SOF_TIMESTAMPING_RX_SOFTWARE) != 0);
  return 0;
}

int SetLinger(sock* sk, const void* value, uint32_t length) {
  user_linger linger;
  if (length < sizeof(linger)) return -EINVAL;
  std::memcpy(&linger, value, sizeof(linger));
  sock_valbool_flag(sk, SOCK_LINGER, linger.l_onoff != 0);
  if (linger.l_onoff != 0) sk->sk_lingertime_s = static_cast<uint32_t>(linger.l_linger);
  return 0;
}

int SetMaxPacingRate(sock* sk, const void* value, uint32_t length) {
  uint32_t rate32 = 0;
  uint64_t rate = 0;
  if (length >= sizeof(rate)) {
    std::memcpy(&rate, value, sizeof(rate));
  } else {
    std::memcpy(&rate32, value, sizeof(rate32));
    rate = rate32 == UINT32_MAX ? UINT64_MAX : rate32;
  }
  if (rate != UINT64_MAX && sk->sk_pacing_status == SK_PACING_NONE) {
    sk->sk_pacing_status = SK_PACING_NEEDED;
  }
  sk->sk_max_pacing_rate = rate;
  sk->sk_pacing_rate = std::min(sk->sk_pacing_rate, rate);
  return 0;
}

int SetTxtime(sock* sk, const void* value, uint32_t length) {
  constexpr uint32_t kDeadline = 1;
  constexpr uint32_t kReport = 2;
  constexpr int32_t kClockTai = 11;
  user_sock_txtime txtime;
  if (length != sizeof(txtime)) return -EINVAL;
  std::memcpy(&txtime, value, sizeof(txtime));
  if ((txtime.flags & ~(kDeadline | kReport)) != 0) return -EINVAL;
  // CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_TAI.
  if (txtime.clockid != 0 && txtime.clockid != 1 && txtime.clockid != kClockTai) return -EINVAL;
  sock_set_flag(sk, SOCK_TXTIME);
  sk->sk_clockid = txtime.clockid;
  sk->sk_txtime_deadline_mode = (txtime.flags & kDeadline) != 0;
  sk->sk_txtime_report_errors = (txtime.flags & kReport) != 0;
  return 0;
}

int SetZerocopy(sock* sk, int value) {
  constexpr uint8_t kIpprotoUdp = 17;
  const bool udp = sk->sk_type == SOCK_DGRAM && sk->sk_protocol == kIpprotoUdp;
  if (!sk_is_inet(sk) || (!sk_is_tcp(sk) && !udp)) return -EOPNOTSUPP;
  if (value < 0 || value > 1) return -EINVAL;
  sock_valbool_flag(sk, SOCK_ZEROCOPY, value != 0);
  return 0;
}

int SetRcvlowat(sock* sk, int value) {
  if (value < 0) value = INT_MAX;
  if (sk->sk_prot->set_rcvlowat != nullptr) return sk->sk_prot->set_rcvlowat(sk, value);
  sk->sk_rcvlowat = std::max(value, 1);
  return 0;
}

int SetBusyPoll(sock* sk, int name, int value) {
  switch (name) {
    case kSoBusyPoll:
      if (value < 0) return -EINVAL;
      sk->sk_ll_usec = static_cast<uint32_t>(value);
      return 0;
    case kSoPreferBusyPoll:
      sk->sk_prefer_busy_poll = value != 0;
      return 0;
    default:
      if (value < 0 || value > UINT16_MAX) return -EINVAL;
      sk->sk_busy_poll_budget = static_cast<uint16_t>(value);
      return 0;
  }
}

int SetTxrehash(sock* sk, int value) {
  if (!sk_is_tcp(sk)) return -EOPNOTSUPP;
  if (value < -1 || value > 1) return -EINVAL;
  // -1: as the host does, which is to rehash.
  sk->sk_txrehash = value == -1 ? uint8_t{1} : static_cast<uint8_t>(value);
  return 0;
}

// Options about buffers whose value is one int; -ENOPROTOOPT: another one.
int SetBuffer(sock* sk, int name, int value) {
  switch (name) {
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
    case kSoBufLock:
      if ((static_cast<uint32_t>(value) & ~uint32_t{SOCK_BUF_LOCK_MASK}) != 0) return -EINVAL;
      sk->sk_userlocks = static_cast<uint8_t>((sk->sk_userlocks & ~SOCK_BUF_LOCK_MASK) | value);
      return 0;
    case kSoRcvlowat:
      return SetRcvlowat(sk, value);
    case kSoReserveMem:
      // Needs a memory control group that accounts sockets: the process has none.
      if (value < 0 || value > 1 << 30) return -EINVAL;
      return value == 0 ? 0 : -EOPNOTSUPP;
    default:
      return -ENOPROTOOPT;
  }
}

// The other options whose value is one int.
int SetNumber(sock* sk, int name, int value) {
  sock_flags flag{};
  if (sock_flag_option(name, &flag)) {
    if (name == kSoKeepalive && sk->sk_prot->keepalive != nullptr) {
      sk->sk_prot->keepalive(sk, value != 0);
    }
    sock_valbool_flag(sk, flag, value != 0);
    if (name == kSoDontroute) sk_dst_reset(sk);
    return 0;
  }
  switch (name) {
    case kSoReuseaddr:
      sk->sk_reuse = value != 0 ? SK_CAN_REUSE : SK_NO_REUSE;
      return 0;
    case kSoReuseport:
      if (value != 0 && !sk_is_inet(sk)) return -EOPNOTSUPP;
      sk->sk_reuseport = value != 0;
      return 0;
    case kSoNoCheck:
      sk->sk_no_check_tx = value != 0;
      return 0;
    case kSoPriority:
      sk->sk_priority = static_cast<uint32_t>(value);
      return 0;
    case kSoMark:
      if (sk->sk_mark != static_cast<uint32_t>(value)) sk_dst_reset(sk);
      sk->sk_mark = static_cast<uint32_t>(value);
      return 0;
    case kSoBsdcompat:
      return 0;
    case kSoTimestamp:
    case kSoTimestampNew:
      SetTimestamp(sk, value != 0, false, name == kSoTimestampNew);
      return 0;
    case kSoTimestampns:
    case kSoTimestampnsNew:
      SetTimestamp(sk, value != 0, true, name == kSoTimestampnsNew);
      return 0;
    case kSoPeekOff:
      if (!sk->sk_socket->ops->has_peek_off) return -EOPNOTSUPP;
      sk->sk_peek_off = value;
      return 0;
    case kSoBusyPoll:
    case kSoPreferBusyPoll:
    case kSoBusyPollBudget:
      return SetBusyPoll(sk, name, value);
    case kSoTxrehash:
      return SetTxrehash(sk, value);
    case kSoZerocopy:
      return SetZerocopy(sk, value);
    case kSoLockFilter:
      if (sock_flag(sk, SOCK_FILTER_LOCKED) && value == 0) return -EPERM;
      sock_valbool_flag(sk, SOCK_FILTER_LOCKED, value != 0);
      return 0;
    case kSoIncomingCpu:
      sk->sk_incoming_cpu = value;
      return 0;
    case kSoCnxAdvice:
      if (value == 1) sk_dst_reset(sk);
      return 0;
    case kSoDetachFilter:
      return sock_flag(sk, SOCK_FILTER_LOCKED) ? -EPERM : -ENOENT;
    case kSoPasscred:
    case kSoPasssec:
      return sk->sk_family == kAfUnix ? 0 : -EOPNOTSUPP;
    case kSoBindtoifindex:
      return BindToIndex(sk, value);
    default:
      // Those that can only be asked for among them.
      return -ENOPROTOOPT;
  }
}

}  // namespace

bool sock_flag_option(int name, sock_flags* flag) {
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
    case kSoNofcs:
      *flag = SOCK_NOFCS;
      return true;
    case kSoSelectErrQueue:
      *flag = SOCK_SELECT_ERR_QUEUE;
      return true;
    case kSoRcvmark:
      *flag = SOCK_RCVMARK;
      return true;
    case kSoRcvpriority:
      *flag = SOCK_RCVPRIORITY;
      return true;
    default:
      return false;
  }
}

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
    case kSoRcvtimeoNew:
      return SetTimeout(sk, &sk->sk_rcvtimeo, value, length);
    case kSoSndtimeo:
    case kSoSndtimeoNew:
      return SetTimeout(sk, &sk->sk_sndtimeo, value, length);
    case kSoTimestamping:
    case kSoTimestampingNew:
      return SetTimestamping(sk, value, length, name == kSoTimestampingNew);
    case kSoMaxPacingRate:
      return SetMaxPacingRate(sk, value, length);
    case kSoTxtime:
      return SetTxtime(sk, value, length);
    default:
      break;
  }
  const int err = SetBuffer(sk, name, number);
  return err != -ENOPROTOOPT ? err : SetNumber(sk, name, number);
}

}  // namespace tapedeck
