// getsockopt of level SOL_TCP.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_fastopen.h"
#include "stack/tcp/tcp_timer.h"
#include "stack/tcp/tcp_uapi.h"

namespace tapedeck {
namespace {

// As much of `from` as there is room for.
int CopyOut(const void* from, size_t bytes, void* optval, uint32_t* optlen) {
  const auto copied = static_cast<uint32_t>(std::min<size_t>(*optlen, bytes));
  *optlen = copied;
  if (copied == 0) return 0;
  if (optval == nullptr) return -EFAULT;
  std::memcpy(optval, from, copied);
  return 0;
}

// For how many seconds a SYN-ACK is sent `retrans` times again.
int retrans_to_secs(uint8_t retrans, int timeout_s, int rto_max_s) {
  if (retrans == 0) return 0;
  int period = timeout_s;
  while (--retrans != 0) {
    timeout_s = std::min(timeout_s << 1, rto_max_s);
    period += timeout_s;
  }
  return period;
}

int DeferAccept(const tcp_sock* tp) {
  const tcp_ticks& ticks = tcp_ticks_of(tp);
  return retrans_to_secs(tp->icsk_accept_queue.rskq_defer_accept,
                         static_cast<int>(ticks.timeout_init / ticks.hz),
                         static_cast<int>(ticks.rto_max / ticks.hz));
}

int Linger2(const tcp_sock* tp) {
  if (tp->linger2 < 0) return tp->linger2;
  const int32_t jiffies = tp->linger2 != 0 ? tp->linger2 : tcp_sysctl(tp).fin_timeout;
  return jiffies / static_cast<int>(tcp_ticks_of(tp).hz);
}

int Maxseg(const tcp_sock* tp) {
  const bool wish = tp->sk_state == TCP_CLOSE || tp->sk_state == TCP_LISTEN;
  return static_cast<int>(wish && tp->rx_opt.user_mss != 0 ? tp->rx_opt.user_mss : tp->mss_cache);
}

// The low bit says in which unit it counts.
int Timestamp(const tcp_sock* tp) {
  const uint32_t now = tcp_clock_ts(tp->sk_net, tp->tcp_usec_ts) + tp->tsoffset;
  return static_cast<int>(tp->tcp_usec_ts ? now | 1U : now & ~1U);
}

// The value of an option about timers; false: not one of these.
bool GetTimer(const tcp_sock* tp, int optname, int* val) {
  const auto hz = static_cast<int>(tcp_ticks_of(tp).hz);
  switch (optname) {
    case kTcpKeepidle:
      *val = static_cast<int>(keepalive_time_when(tp)) / hz;
      return true;
    case kTcpKeepintvl:
      *val = static_cast<int>(keepalive_intvl_when(tp)) / hz;
      return true;
    case kTcpKeepcnt:
      *val = static_cast<int>(keepalive_probes(tp));
      return true;
    case kTcpSyncnt:
      *val = tp->icsk_syn_retries != 0 ? tp->icsk_syn_retries : tcp_sysctl(tp).syn_retries;
      return true;
    case kTcpLinger2:
      *val = Linger2(tp);
      return true;
    case kTcpDeferAccept:
      *val = DeferAccept(tp);
      return true;
    case kTcpUserTimeout:
      *val = static_cast<int>(tp->icsk_user_timeout_ms);
      return true;
    case kTcpThinLinearTimeouts:
      *val = tp->thin_lto ? 1 : 0;
      return true;
    case kTcpRtoMaxMs:
      *val = static_cast<int>(jiffies_to_msecs(tp, tcp_rto_max(tp)));
      return true;
    case kTcpRtoMinUs:
      *val = static_cast<int>(jiffies_to_usecs(tp, tp->icsk_rto_min));
      return true;
    case kTcpDelackMaxUs:
      *val = static_cast<int>(jiffies_to_usecs(tp, tp->icsk_delack_max));
      return true;
    default:
      return false;
  }
}

// The value of another option that is an int. 0, -EINVAL, -ENOPROTOOPT.
int GetNumber(const tcp_sock* tp, int optname, int* val) {
  switch (optname) {
    case kTcpMaxseg:
      *val = Maxseg(tp);
      return 0;
    case kTcpNodelay:
      *val = (tp->nonagle & TCP_NAGLE_OFF) != 0 ? 1 : 0;
      return 0;
    case kTcpCork:
      *val = (tp->nonagle & TCP_NAGLE_CORK) != 0 ? 1 : 0;
      return 0;
    case kTcpWindowClamp:
      *val = static_cast<int>(tp->window_clamp);
      return 0;
    case kTcpQuickack:
      *val = inet_csk_in_pingpong_mode(tp) ? 0 : 1;
      return 0;
    case kTcpThinDupack:
    case kTcpRepair:
    case kTcpIsMptcp:
      *val = 0;
      return 0;
    // Only in repair mode.
    case kTcpRepairQueue:
    case kTcpQueueSeq:
      return -EINVAL;
    case kTcpFastopen:
      *val = static_cast<int>(tp->icsk_accept_queue.fastopenq.max_qlen);
      return 0;
    case kTcpFastopenConnect:
      *val = tp->fastopen_connect ? 1 : 0;
      return 0;
    case kTcpFastopenNoCookie:
      *val = tp->fastopen_no_cookie ? 1 : 0;
      return 0;
    case kTcpTxDelay:
      *val = static_cast<int>(tp->tcp_tx_delay_us);
      return 0;
    case kTcpTimestamp:
      *val = Timestamp(tp);
      return 0;
    case kTcpNotsentLowat:
      *val = static_cast<int>(tp->notsent_lowat);
      return 0;
    case kTcpInq:
      *val = tp->recvmsg_inq ? 1 : 0;
      return 0;
    case kTcpSaveSyn:
      *val = tp->save_syn;
      return 0;
    default:
      return GetTimer(tp, optname, val) ? 0 : -ENOPROTOOPT;
  }
}

int GetInfo(sock* sk, void* optval, uint32_t* optlen) {
  tcp_info info;
  tcp_get_info(sk, &info);
  return CopyOut(&info, sizeof(info), optval, optlen);
}

int GetCcInfo(sock* sk, void* optval, uint32_t* optlen) {
  tcp_cc_info info{};
  const tcp_congestion_ops* const ops = inet_csk(sk)->icsk_ca_ops;
  const uint32_t bytes = ops != nullptr && ops->get_info != nullptr ? ops->get_info(sk, &info) : 0;
  return CopyOut(&info, bytes, optval, optlen);
}

int GetFastopenKey(const sock* sk, void* optval, uint32_t* optlen) {
  uint8_t keys[TCP_FASTOPEN_KEY_MAX * TCP_FASTOPEN_KEY_LENGTH];
  const int bytes = tcp_fastopen_get_cipher(sk->sk_net, sk, keys);
  return CopyOut(keys, static_cast<size_t>(bytes), optval, optlen);
}

// The headers of the SYN, once. Too little room: -EINVAL, and how much it takes.
int GetSavedSyn(sock* sk, void* optval, uint32_t* optlen) {
  lock_sock(sk);
  tcp_sock* const tp = tcp_sk(sk);
  const saved_syn* const syn = tp->saved_syn;
  const uint32_t bytes =
      syn != nullptr ? syn->mac_hdrlen + syn->network_hdrlen + syn->tcp_hdrlen : 0;
  int err = 0;
  if (*optlen < bytes) {
    *optlen = bytes;
    err = -EINVAL;
  } else if (syn != nullptr) {
    err = CopyOut(syn->data, bytes, optval, optlen);
    if (err == 0) tcp_saved_syn_free(tp);
  } else {
    *optlen = 0;
  }
  release_sock(sk);
  return err;
}

int do_tcp_getsockopt(sock* sk, int optname, void* optval, uint32_t* optlen) {
  if (static_cast<int32_t>(*optlen) < 0) return -EINVAL;
  switch (optname) {
    case kTcpInfo:
      return GetInfo(sk, optval, optlen);
    case kTcpCcInfo:
      return GetCcInfo(sk, optval, optlen);
    case kTcpCongestion:
      return CopyOut(inet_csk(sk)->icsk_ca_ops->name, TCP_CA_NAME_MAX, optval, optlen);
    case kTcpUlp:
      *optlen = 0;
      return 0;
    case kTcpFastopenKey:
      return GetFastopenKey(sk, optval, optlen);
    case kTcpSavedSyn:
      return GetSavedSyn(sk, optval, optlen);
    case kTcpRepairWindow:
      return *optlen == sizeof(tcp_repair_window) ? -EPERM : -EINVAL;
    case kTcpAoRepair:
      return -EPERM;
    default:
      break;
  }
  int val = 0;
  if (const int err = GetNumber(tcp_sk(sk), optname, &val); err != 0) return err;
  return CopyOut(&val, sizeof(val), optval, optlen);
}

}  // namespace

int tcp_getsockopt(sock* sk, int level, int optname, void* optval, uint32_t* optlen) {
  if (level != kSolTcp) {
    return inet_csk(sk)->icsk_af_ops->getsockopt(sk, level, optname, optval, optlen);
  }
  return do_tcp_getsockopt(sk, optname, optval, optlen);
}

}  // namespace tapedeck
