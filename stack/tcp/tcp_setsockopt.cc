// setsockopt of level SOL_TCP: ranges, errors and effects of Linux 7.2 for a process without
// CAP_NET_ADMIN over repair mode.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "stack/ipv4/ip.h"
#include "stack/ipv6/in6.h"
#include "stack/ipv6/ipv6_sock.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_fastopen.h"
#include "stack/tcp/tcp_md5.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_timer.h"
#include "stack/tcp/tcp_uapi.h"

namespace tapedeck {
namespace {

constexpr int kMsPerSecond = 1000;
constexpr int kTxDelayMaxUs = 1 << (31 - 3);  // srtt_us holds eight times as much
constexpr uint32_t kUlpNameMax = 16;          // TCP_ULP_NAME_MAX

bool ClosedOrListening(const sock* sk) {
  return sk->sk_state == TCP_CLOSE || sk->sk_state == TCP_LISTEN;
}
bool Within(int val, int min, int max) { return val >= min && val <= max; }

// --- Values that are no int. ---

// A name of at most `max` - 1 bytes, cut at its NUL. -EINVAL, -EFAULT.
int TakeName(const void* optval, uint32_t optlen, uint32_t max, std::string_view* name) {
  if (optlen < 1) return -EINVAL;
  if (optval == nullptr) return -EFAULT;
  const auto* const text = static_cast<const char*>(optval);
  *name = {text, strnlen(text, std::min(optlen, max - 1))};
  return 0;
}

int SetCongestion(sock* sk, const void* optval, uint32_t optlen) {
  std::string_view name;
  if (const int err = TakeName(optval, optlen, TCP_CA_NAME_MAX, &name); err != 0) return err;
  lock_sock(sk);
  const int err = tcp_set_congestion_control(sk, name, true);
  release_sock(sk);
  return err;
}

// No upper layer protocol is there.
int SetUlp(const void* optval, uint32_t optlen) {
  std::string_view name;
  const int err = TakeName(optval, optlen, kUlpNameMax, &name);
  return err != 0 ? err : -ENOENT;
}

int SetFastopenKey(sock* sk, const void* optval, uint32_t optlen) {
  if (optlen != TCP_FASTOPEN_KEY_LENGTH && optlen != TCP_FASTOPEN_KEY_MAX * TCP_FASTOPEN_KEY_LENGTH)
    return -EINVAL;
  if (optval == nullptr) return -EFAULT;
  return tcp_fastopen_reset_cipher(sk->sk_net, sk, {static_cast<const uint8_t*>(optval), optlen});
}

// --- One int, without the socket's lock. ---

// How many times a SYN-ACK is sent again in so many seconds.
uint8_t secs_to_retrans(int seconds, int timeout_s, int rto_max_s) {
  if (seconds <= 0) return 0;
  uint8_t retrans = 1;
  for (int period = timeout_s; seconds > period && retrans < UINT8_MAX; period += timeout_s) {
    ++retrans;
    timeout_s = std::min(timeout_s << 1, rto_max_s);
  }
  return retrans;
}

int SetDeferAccept(tcp_sock* tp, int seconds) {
  const tcp_ticks& ticks = tcp_ticks_of(tp);
  tp->icsk_accept_queue.rskq_defer_accept =
      secs_to_retrans(seconds, static_cast<int>(ticks.timeout_init / ticks.hz),
                      static_cast<int>(ticks.rto_max / ticks.hz));
  return 0;
}

int SetLinger2(tcp_sock* tp, int seconds) {
  const tcp_ticks& ticks = tcp_ticks_of(tp);
  const auto max_s = static_cast<int>(ticks.fin_timeout_max / ticks.hz);
  tp->linger2 = seconds < 0 ? -1 : std::min(seconds, max_s) * static_cast<int>(ticks.hz);
  return 0;
}

// A time in microseconds that may be at most `max` jiffies.
int SetMicroseconds(const tcp_sock* tp, uint32_t* jiffies, int us, uint32_t max) {
  const uint32_t value = usecs_to_jiffies(tp, static_cast<uint32_t>(us));
  if (value > max || value < TCP_TIMEOUT_MIN) return -EINVAL;
  *jiffies = value;
  return 0;
}

int SetRtoMaxMs(tcp_sock* tp, int ms) {
  if (!Within(ms, kMsPerSecond, static_cast<int>(TCP_RTO_MAX_SEC) * kMsPerSecond)) return -EINVAL;
  tp->icsk_rto_max = msecs_to_jiffies(tp, static_cast<uint32_t>(ms));
  return 0;
}

// False: not one of these.
bool SetUnlocked(tcp_sock* tp, int optname, int val, int* err) {
  const tcp_ticks& ticks = tcp_ticks_of(tp);
  switch (optname) {
    case kTcpSyncnt:
      *err = Within(val, 1, MAX_TCP_SYNCNT) ? 0 : -EINVAL;
      if (*err == 0) tp->icsk_syn_retries = static_cast<uint8_t>(val);
      return true;
    case kTcpUserTimeout:
      *err = val >= 0 ? 0 : -EINVAL;
      if (*err == 0) tp->icsk_user_timeout_ms = static_cast<uint32_t>(val);
      return true;
    case kTcpKeepintvl:
      *err = Within(val, 1, MAX_TCP_KEEPINTVL) ? 0 : -EINVAL;
      if (*err == 0) tp->keepalive_intvl = static_cast<uint32_t>(val) * ticks.hz;
      return true;
    case kTcpKeepcnt:
      *err = Within(val, 1, MAX_TCP_KEEPCNT) ? 0 : -EINVAL;
      if (*err == 0) tp->keepalive_probes = static_cast<uint8_t>(val);
      return true;
    case kTcpLinger2:
      *err = SetLinger2(tp, val);
      return true;
    case kTcpDeferAccept:
      *err = SetDeferAccept(tp, val);
      return true;
    case kTcpRtoMaxMs:
      *err = SetRtoMaxMs(tp, val);
      return true;
    case kTcpRtoMinUs:
      *err = SetMicroseconds(tp, &tp->icsk_rto_min, val, ticks.rto_min);
      return true;
    case kTcpDelackMaxUs:
      *err = SetMicroseconds(tp, &tp->icsk_delack_max, val, ticks.delack_max);
      return true;
    case kTcpMaxseg:
      *err = val == 0 || Within(val, TCP_MIN_MSS, MAX_TCP_WINDOW) ? 0 : -EINVAL;
      if (*err == 0) tp->rx_opt.user_mss = static_cast<uint16_t>(val);
      return true;
    default:
      return false;
  }
}

// --- One int, with the socket's lock. ---

// Non-full segments wait while it is on; off, they go. Stronger than TCP_NODELAY.
void SetCork(sock* sk, bool on) {
  tcp_sock* const tp = tcp_sk(sk);
  if (on) {
    tp->nonagle |= TCP_NAGLE_CORK;
    return;
  }
  tp->nonagle = static_cast<uint8_t>(tp->nonagle & ~TCP_NAGLE_CORK);
  if ((tp->nonagle & TCP_NAGLE_OFF) != 0) tp->nonagle |= TCP_NAGLE_PUSH;
  tcp_push_pending_frames(sk);
}

// On, what is queued goes at once, even from a corked socket.
void SetNodelay(sock* sk, bool on) {
  tcp_sock* const tp = tcp_sk(sk);
  if (on) {
    tp->nonagle |= TCP_NAGLE_OFF | TCP_NAGLE_PUSH;
    tcp_push_pending_frames(sk);
  } else {
    tp->nonagle = static_cast<uint8_t>(tp->nonagle & ~TCP_NAGLE_OFF);
  }
}

void SetQuickack(sock* sk, int val) {
  if (val == 0) {
    inet_csk_enter_pingpong_mode(sk);
    return;
  }
  inet_csk_exit_pingpong_mode(sk);
  const bool open = sk->sk_state == TCP_ESTABLISHED || sk->sk_state == TCP_CLOSE_WAIT;
  if (!open || !inet_csk_ack_scheduled(sk)) return;
  inet_csk(sk)->icsk_ack.pending |= ICSK_ACK_PUSHED;
  tcp_cleanup_rbuf(sk, 1);
  if ((val & 1) == 0) inet_csk_enter_pingpong_mode(sk);
}

int SetKeepidle(sock* sk, int seconds) {
  tcp_sock* const tp = tcp_sk(sk);
  if (!Within(seconds, 1, MAX_TCP_KEEPIDLE)) return -EINVAL;
  tp->keepalive_time = static_cast<uint32_t>(seconds) * tcp_ticks_of(sk).hz;
  if (sock_flag(sk, SOCK_KEEPOPEN) && !ClosedOrListening(sk)) {
    const uint32_t elapsed = keepalive_time_elapsed(tp);
    tcp_reset_keepalive_timer(sk, tp->keepalive_time > elapsed ? tp->keepalive_time - elapsed : 0);
  }
  return 0;
}

int SetFastopen(sock* sk, int val) {
  if (val < 0 || !ClosedOrListening(sk)) return -EINVAL;
  tcp_fastopen_init_key_once(sk->sk_net);
  fastopen_queue_tune(sk, val);
  return 0;
}

int SetFastopenConnect(sock* sk, int val) {
  if (!Within(val, 0, 1)) return -EINVAL;
  const auto setting = static_cast<uint32_t>(tcp_sysctl(sk).fastopen);
  if ((setting & TFO_CLIENT_ENABLE) == 0) return -EOPNOTSUPP;
  if (sk->sk_state != TCP_CLOSE) return -EINVAL;
  tcp_sk(sk)->fastopen_connect = val != 0;
  return 0;
}

// On a live connection the estimates take the change over as well as they can.
int SetTxDelay(sock* sk, int us) {
  tcp_sock* const tp = tcp_sk(sk);
  if (us < 0 || us >= kTxDelayMaxUs) return -EINVAL;
  const int64_t delta = (int64_t{us} - tp->tcp_tx_delay_us) * 8;
  if (delta != 0 && sk->sk_state == TCP_ESTABLISHED) {
    const int64_t srtt = int64_t{tp->srtt_us} + delta;
    tp->srtt_us = static_cast<uint32_t>(std::clamp<int64_t>(srtt, 1, UINT32_MAX));
    tcp_set_rto(sk);
    minmax_reset(&tp->rtt_min, tcp_jiffies32(sk), UINT32_MAX);
    tcp_update_pacing_rate(sk);
  }
  tp->tcp_tx_delay_us = static_cast<uint32_t>(us);
  return 0;
}

// A flag, 0 or 1.
int SetFlag(bool* flag, int val) {
  if (!Within(val, 0, 1)) return -EINVAL;
  *flag = val != 0;
  return 0;
}

// What needs repair mode, which needs CAP_NET_ADMIN.
int SetRepair(const sock* sk, int optname) {
  if (optname == kTcpRepairOptions) return -EINVAL;
  if (optname == kTcpQueueSeq && sk->sk_state == TCP_CLOSE) return -EINVAL;
  return -EPERM;
}

int SetLocked(sock* sk, int optname, int val, const void* optval, uint32_t optlen) {
  tcp_sock* const tp = tcp_sk(sk);
  bool ignored = false;
  switch (optname) {
    case kTcpNodelay:
      SetNodelay(sk, val != 0);
      return 0;
    case kTcpCork:
      SetCork(sk, val != 0);
      return 0;
    case kTcpQuickack:
      SetQuickack(sk, val);
      return 0;
    case kTcpThinLinearTimeouts:
      return SetFlag(&tp->thin_lto, val);
    case kTcpThinDupack:
      return SetFlag(&ignored, val);
    case kTcpKeepidle:
      return SetKeepidle(sk, val);
    case kTcpSaveSyn:
      if (!Within(val, 0, 2)) return -EINVAL;
      tp->save_syn = static_cast<uint8_t>(val);
      return 0;
    case kTcpWindowClamp:
      return tcp_set_window_clamp(sk, val);
    case kTcpMd5sig:
    case kTcpMd5sigExt:
      return tcp_md5_parse(sk, optname, optval, optlen);
    case kTcpFastopen:
      return SetFastopen(sk, val);
    case kTcpFastopenConnect:
      return SetFastopenConnect(sk, val);
    case kTcpFastopenNoCookie:
      return ClosedOrListening(sk) ? SetFlag(&tp->fastopen_no_cookie, val) : -EINVAL;
    case kTcpNotsentLowat:
      tp->notsent_lowat = static_cast<uint32_t>(val);
      sk->sk_write_space(sk);
      return 0;
    case kTcpInq:
      return SetFlag(&tp->recvmsg_inq, val);
    case kTcpTxDelay:
      return SetTxDelay(sk, val);
    case kTcpRepair:
    case kTcpRepairQueue:
    case kTcpQueueSeq:
    case kTcpRepairOptions:
    case kTcpRepairWindow:
    case kTcpTimestamp:
    case kTcpAoRepair:
      return SetRepair(sk, optname);
    default:
      return -ENOPROTOOPT;
  }
}

int do_tcp_setsockopt(sock* sk, int optname, const void* optval, uint32_t optlen) {
  switch (optname) {
    case kTcpCongestion:
      return SetCongestion(sk, optval, optlen);
    case kTcpUlp:
      return SetUlp(optval, optlen);
    case kTcpFastopenKey:
      return SetFastopenKey(sk, optval, optlen);
    default:
      break;
  }
  int val = 0;
  if (optlen < sizeof(val)) return -EINVAL;
  if (optval == nullptr) return -EFAULT;
  std::memcpy(&val, optval, sizeof(val));
  int err = 0;
  if (SetUnlocked(tcp_sk(sk), optname, val, &err)) return err;
  lock_sock(sk);
  err = SetLocked(sk, optname, val, optval, optlen);
  release_sock(sk);
  return err;
}

uint16_t OptionBytes(const inet_sock* inet) {
  return inet->has_opt ? inet->inet_opt.opt.optlen : uint16_t{0};
}

// Whether headers that a socket of IPv6 is given change its segments at once. Accepted connections
// are left as they are: Linux takes the address that stands for theirs to mean "not connected".
bool FollowsHeaders(const inet_connection_sock* icsk) {
  const bool connected = icsk->sk_state != TCP_LISTEN && icsk->sk_state != TCP_CLOSE;
  return connected && !icsk->icsk_accepted_ipv6;
}

// An option of the network layer. IP options (do_ip_setsockopt) and extension headers
// (ipv6_update_options) leave less room for data; headers that are taken back leave it at that.
int SetNetworkOption(sock* sk, int level, int optname, const void* optval, uint32_t optlen) {
  inet_connection_sock* const icsk = inet_csk(sk);
  const uint16_t option_bytes = OptionBytes(icsk);
  const ipv6_txoptions* const headers = icsk->pinet6 != nullptr ? inet6_sk(icsk)->opt : nullptr;
  const int err = icsk->icsk_af_ops->setsockopt(sk, level, optname, optval, optlen);
  if (err != 0) return err;
  if (level == kSolIp && optname == kIpOptions) {
    if (sk->sk_family == kAfInet6 && !FollowsHeaders(icsk)) return 0;
    const int grown = OptionBytes(icsk) - option_bytes;
    icsk->icsk_ext_hdr_len = static_cast<uint16_t>(icsk->icsk_ext_hdr_len + grown);
    tcp_sync_mss(sk, icsk->icsk_pmtu_cookie);
    return 0;
  }
  // IPV6_ADDRFORM may have taken all of it.
  if (icsk->pinet6 == nullptr) return 0;
  const ipv6_txoptions* const now = inet6_sk(icsk)->opt;
  if (now == headers || now == nullptr || !FollowsHeaders(icsk)) return 0;
  icsk->icsk_ext_hdr_len = static_cast<uint16_t>(now->opt_flen + now->opt_nflen);
  tcp_sync_mss(sk, icsk->icsk_pmtu_cookie);
  return 0;
}

}  // namespace

int tcp_setsockopt(sock* sk, int level, int optname, const void* optval, uint32_t optlen) {
  if (level != kSolTcp) return SetNetworkOption(sk, level, optname, optval, optlen);
  return do_tcp_setsockopt(sk, optname, optval, optlen);
}

}  // namespace tapedeck
