// When TCP gives up (RFC 1122 4.2.3.5, RFC 5482): after so many timeouts, after the user's timeout,
// or, without a user, when others need the memory.
#include <algorithm>
#include <bit>
#include <cerrno>

#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_fastopen.h"
#include "stack/tcp/tcp_output_internal.h"
#include "stack/tcp/tcp_timer.h"
#include "stack/tcp/tcp_timer_internal.h"

namespace tapedeck {

namespace {

constexpr int kOrphanRetriesAlive = 8;  // more than 100 s at the smallest RTO

// An orphan that has to make room (tcp_out_of_resources): with a reset where `do_reset`, or where
// the peer is still there. True: it is closed.
bool tcp_out_of_resources(sock* sk, bool do_reset) {
  const tcp_sock* const tp = tcp_sk(sk);
  const auto idle = static_cast<int32_t>(tcp_jiffies32(sk) - tp->lsndtime);
  // Those that have waited long, or of whom an ICMP message told, go first.
  int shift = 0;
  if (idle > static_cast<int32_t>(2 * tcp_rto_max(sk)) || !do_reset) ++shift;
  if (sk->sk_err_soft != 0) ++shift;
  if (!tcp_check_oom(sk, shift)) return false;
  if (idle <= static_cast<int32_t>(tcp_ticks_of(sk).timewait_len) ||
      (tp->snd_wnd == 0 && tp->packets_out == 0)) {
    do_reset = true;
  }
  if (do_reset) tcp_send_active_reset(sk);
  net& net = sk->sk_net;
  tcp_done(sk);
  NET_INC_STATS(net, TcpExtMib::kTCPAbortOnMemory);
  return true;
}

int tcp_orphan_retries(const sock* sk, bool alive) {
  int retries = tcp_sysctl(sk).orphan_retries;
  if (sk->sk_err_soft != 0 && !alive) retries = 0;
  return retries == 0 && alive ? kOrphanRetriesAlive : retries;
}

// Timeouts without an answer may be a black hole for large segments: smaller ones are tried
// (RFC 4821 7.7).
void tcp_mtu_probing(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  const tcp_settings& settings = tcp_sysctl(sk);
  if (settings.mtu_probing == 0) return;
  if (!tp->icsk_mtup.enabled) {
    tp->icsk_mtup.enabled = true;
    tp->icsk_mtup.probe_timestamp = tcp_jiffies32(sk);
  } else {
    int mss = tcp_mtu_to_mss(sk, tp->icsk_mtup.search_low) >> 1;
    mss = std::min(settings.base_mss, mss);
    mss = std::max({mss, settings.mtu_probe_floor, settings.min_snd_mss});
    tp->icsk_mtup.search_low = tcp_mss_to_mtu(sk, mss);
  }
  tcp_sync_mss(sk, tp->icsk_pmtu_cookie);
}

// Milliseconds that `boundary` retransmissions take, from an RTO of `rto_base` jiffies on.
uint32_t tcp_model_timeout(const sock* sk, uint32_t boundary, uint32_t rto_base) {
  const uint32_t rto_max = tcp_rto_max(sk);
  const auto thresh = static_cast<uint32_t>(std::bit_width(rto_max / rto_base)) - 1;
  const uint32_t timeout = boundary <= thresh
                               ? ((2U << boundary) - 1) * rto_base
                               : ((2U << thresh) - 1) * rto_base + (boundary - thresh) * rto_max;
  return static_cast<uint32_t>(jiffies_to_msecs(sk, timeout));
}

// The handshake: how many SYNs at most. *expired: no more.
int HandshakeRetries(sock* sk, bool* expired) {
  const tcp_sock* const tp = tcp_sk(sk);
  const tcp_settings& settings = tcp_sysctl(sk);
  if (tp->icsk_retransmits != 0) __dst_negative_advice(sk);
  const int retry_until = tp->icsk_syn_retries != 0 ? tp->icsk_syn_retries : settings.syn_retries;
  int max_retransmits = retry_until;
  if (sk->sk_state == TCP_SYN_SENT) max_retransmits += settings.syn_linear_timeouts;
  *expired = tp->icsk_retransmits >= max_retransmits;
  return retry_until;
}

// A connection: how many retransmissions. *closed: an orphan had to go.
int ConnectionRetries(sock* sk, bool* closed) {
  const tcp_settings& settings = tcp_sysctl(sk);
  if (retransmits_timed_out(sk, static_cast<uint32_t>(settings.retries1), 0)) {
    tcp_mtu_probing(sk);
    __dst_negative_advice(sk);
  }
  if (!sock_flag(sk, SOCK_DEAD)) return settings.retries2;
  const bool alive = inet_csk(sk)->icsk_rto < tcp_rto_max(sk);
  const int retries = tcp_orphan_retries(sk, alive);
  const bool do_reset = alive || !retransmits_timed_out(sk, static_cast<uint32_t>(retries), 0);
  *closed = tcp_out_of_resources(sk, do_reset);
  return retries;
}

}  // namespace

void tcp_write_err(sock* sk) {
  net& net = sk->sk_net;
  tcp_done_with_error(sk, sk->sk_err_soft != 0 ? sk->sk_err_soft : ETIMEDOUT);
  NET_INC_STATS(net, TcpExtMib::kTCPAbortOnTimeout);
}

uint32_t tcp_clamp_rto_to_user_timeout(const sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  const uint32_t user_timeout_ms = tp->icsk_user_timeout_ms;
  if (user_timeout_ms == 0) return tp->icsk_rto;
  uint32_t elapsed_ms = tcp_time_stamp_ts(tp) - tp->retrans_stamp;
  if (tp->tcp_usec_ts) elapsed_ms /= 1000;
  const auto remaining_ms = static_cast<int32_t>(user_timeout_ms - elapsed_ms);
  if (remaining_ms <= 0) return 1;
  return std::min(tp->icsk_rto, msecs_to_jiffies(sk, static_cast<uint32_t>(remaining_ms)));
}

uint32_t tcp_clamp_probe0_to_user_timeout(const sock* sk, uint32_t when_jiffies) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (tp->icsk_user_timeout_ms == 0 || tp->icsk_probes_tstamp == 0) return when_jiffies;
  const int32_t elapsed =
      std::max(static_cast<int32_t>(tcp_jiffies32(sk) - tp->icsk_probes_tstamp), 0);
  const int64_t remaining = int64_t{msecs_to_jiffies(sk, tp->icsk_user_timeout_ms)} - elapsed;
  const auto bounded = static_cast<uint32_t>(std::max<int64_t>(remaining, TCP_TIMEOUT_MIN));
  return std::min(bounded, when_jiffies);
}

bool retransmits_timed_out(const sock* sk, uint32_t boundary, uint32_t timeout_ms) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (tp->icsk_retransmits == 0) return false;
  if (timeout_ms == 0) {
    const tcp_ticks& ticks = tcp_ticks_of(sk);
    const bool handshake = tcp_state_is(sk, TCP_SYN_SENT, TCP_SYN_RECV);
    timeout_ms = tcp_model_timeout(sk, boundary, handshake ? ticks.timeout_init : ticks.rto_min);
  }
  if (tp->tcp_usec_ts) {
    // Timers are up to a jiffy off.
    const auto now_us = static_cast<uint32_t>(tp->tcp_mstamp_us + jiffies_to_usecs(sk, 1));
    return static_cast<int32_t>(now_us - tp->retrans_stamp - timeout_ms * 1000) >= 0;
  }
  return static_cast<int32_t>(tcp_time_stamp_ts(tp) - tp->retrans_stamp - timeout_ms) >= 0;
}

bool tcp_write_timeout(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  bool expired = false;
  bool closed = false;
  const int retry_until = tcp_state_is(sk, TCP_SYN_SENT, TCP_SYN_RECV)
                              ? HandshakeRetries(sk, &expired)
                              : ConnectionRetries(sk, &closed);
  if (closed) return true;
  if (!expired) {
    expired =
        retransmits_timed_out(sk, static_cast<uint32_t>(retry_until), tp->icsk_user_timeout_ms);
  }
  tcp_fastopen_active_detect_blackhole(sk, expired);
  if (expired) {
    tcp_write_err(sk);
    return true;
  }
  if (__sk_rethink_txhash_reset_dst(sk)) {
    ++tp->timeout_rehash;
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTcpTimeoutRehash);
  }
  return false;
}

bool tcp_rtx_probe0_timed_out(const sock* sk, uint32_t rtx_delta_ms) {
  const tcp_sock* const tp = tcp_sk(sk);
  uint32_t timeout = tcp_rto_max(sk) * 2;
  if (tp->icsk_user_timeout_ms != 0) {
    // Answers with a zero window do not count as progress against the user's timeout.
    if (rtx_delta_ms > tp->icsk_user_timeout_ms) return true;
    timeout = std::min(timeout, msecs_to_jiffies(sk, tp->icsk_user_timeout_ms));
  }
  // The timer may be late, so an ACK may have come after it was due.
  const auto expires = static_cast<uint32_t>(tp->icsk_retransmit_timer.expires);
  const auto rcv_delta = static_cast<int32_t>(expires - tp->rcv_tstamp);
  if (rcv_delta <= static_cast<int32_t>(timeout)) return false;
  return msecs_to_jiffies(sk, rtx_delta_ms) > timeout;
}

void tcp_probe_timer(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->packets_out != 0 || tcp_send_head(sk) == nullptr) {
    tp->icsk_probes_out = 0;
    tp->icsk_probes_tstamp = 0;
    return;
  }
  // RFC 1122 4.2.2.17: with a user, and as long as there are answers, for ever.
  const uint32_t now = tcp_jiffies32(sk);
  if (tp->icsk_probes_tstamp == 0) {
    tp->icsk_probes_tstamp = now;
  } else if (tp->icsk_user_timeout_ms != 0 && static_cast<uint32_t>(now - tp->icsk_probes_tstamp) >=
                                                  msecs_to_jiffies(sk, tp->icsk_user_timeout_ms)) {
    tcp_write_err(sk);
    return;
  }
  int max_probes = tcp_sysctl(sk).retries2;
  if (sock_flag(sk, SOCK_DEAD)) {
    const uint32_t rto_max = tcp_rto_max(sk);
    const bool alive = inet_csk_rto_backoff(tp, rto_max) < rto_max;
    max_probes = tcp_orphan_retries(sk, alive);
    if (!alive && tp->icsk_backoff >= max_probes) {
      tcp_write_err(sk);
      return;
    }
    if (tcp_out_of_resources(sk, true)) return;
  }
  if (tp->icsk_probes_out >= max_probes) {
    tcp_write_err(sk);
  } else {
    tcp_send_probe0(sk);
  }
}

}  // namespace tapedeck
