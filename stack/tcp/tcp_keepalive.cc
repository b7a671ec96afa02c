// The keepalive timer (RFC 1122 4.2.3.6), which also ends FIN-WAIT-2 of sockets without a user.
#include <algorithm>

#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_minisocks.h"
#include "stack/tcp/tcp_output_internal.h"
#include "stack/tcp/tcp_timer.h"
#include "stack/tcp/tcp_timer_internal.h"

namespace tapedeck {

namespace {

// The first part of FIN-WAIT-2, as a full socket, is over.
void EndFinWait2(sock* sk) {
  if (tcp_sk(sk)->linger2 >= 0) {
    const auto rest = static_cast<int32_t>(tcp_fin_time(sk) - tcp_ticks_of(sk).timewait_len);
    if (rest > 0) {
      tcp_time_wait(sk, TCP_FIN_WAIT2, static_cast<uint32_t>(rest));
      return;
    }
  }
  tcp_send_active_reset(sk);
  tcp_done(sk);
}

// The peer has not answered `icsk_probes_out` probes: enough.
bool GaveUp(const sock* sk, uint32_t elapsed) {
  const tcp_sock* const tp = tcp_sk(sk);
  const uint32_t user_timeout_ms = tp->icsk_user_timeout_ms;
  if (user_timeout_ms == 0) return tp->icsk_probes_out >= keepalive_probes(tp);
  return elapsed >= msecs_to_jiffies(sk, user_timeout_ms) && tp->icsk_probes_out > 0;
}

// An idle connection: probes it where it is time. Jiffies until the next look; 0: it is closed.
uint32_t ProbeIdle(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  const uint32_t elapsed = keepalive_time_elapsed(tp);
  if (elapsed < keepalive_time_when(tp)) return keepalive_time_when(tp) - elapsed;
  if (GaveUp(sk, elapsed)) {
    tcp_send_active_reset(sk);
    tcp_write_err(sk);
    return 0;
  }
  // Above 0: a queue of this host was full, which is not the peer's silence.
  if (tcp_write_wakeup(sk, TcpExtMib::kTCPKeepAlive) > 0) {
    return tcp_ticks_of(sk).resource_probe_interval;
  }
  ++tp->icsk_probes_out;
  return keepalive_intvl_when(tp);
}

void Expire(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (sk->sk_state == TCP_LISTEN) return;
  tcp_mstamp_refresh(tp);
  if (sk->sk_state == TCP_FIN_WAIT2 && sock_flag(sk, SOCK_DEAD)) {
    EndFinWait2(sk);
    return;
  }
  if (!sock_flag(sk, SOCK_KEEPOPEN) || tcp_state_is(sk, TCP_CLOSE, TCP_SYN_SENT)) return;
  const bool busy = tp->packets_out != 0 || !tcp_write_queue_empty(sk);
  const uint32_t next = busy ? keepalive_time_when(tp) : ProbeIdle(sk);
  if (next != 0) tcp_reset_keepalive_timer(sk, next);
}

}  // namespace

void tcp_keepalive_timer(TimerList* timer) {
  sock* const sk = static_cast<icsk_timer*>(timer)->sk;
  TRACE_FUNCTION(sk->sk_net, nullptr, tcp_keepalive_timer, timer);
  if (sock_owned_by_user(sk)) {
    tcp_reset_keepalive_timer(sk, tcp_ticks_of(sk).hz / 20);
  } else {
    Expire(sk);
  }
  sock_put(sk);
}

void tcp_reset_keepalive_timer(sock* sk, uint64_t jiffies) {
  sk_reset_timer(&inet_csk(sk)->icsk_keepalive_timer, sk->sk_net.jiffies() + jiffies);
}

void tcp_set_keepalive(sock* sk, bool on) {
  if (tcp_state_is(sk, TCP_CLOSE, TCP_LISTEN)) return;
  if (!on) {
    sk_stop_timer(&inet_csk(sk)->icsk_keepalive_timer);
  } else if (!sock_flag(sk, SOCK_KEEPOPEN)) {
    tcp_reset_keepalive_timer(sk, keepalive_time_when(tcp_sk(sk)));
  }
}

uint32_t keepalive_intvl_when(const tcp_sock* tp) {
  return tp->keepalive_intvl != 0 ? tp->keepalive_intvl
                                  : static_cast<uint32_t>(tcp_sysctl(tp).keepalive_intvl);
}

uint32_t keepalive_time_when(const tcp_sock* tp) {
  return tp->keepalive_time != 0 ? tp->keepalive_time
                                 : static_cast<uint32_t>(tcp_sysctl(tp).keepalive_time);
}

uint32_t keepalive_probes(const tcp_sock* tp) {
  return tp->keepalive_probes != 0 ? tp->keepalive_probes
                                   : static_cast<uint32_t>(tcp_sysctl(tp).keepalive_probes);
}

uint32_t keepalive_time_elapsed(const tcp_sock* tp) {
  const uint32_t now = tcp_jiffies32(tp);
  return std::min(now - tp->icsk_ack.lrcvtime, now - tp->rcv_tstamp);
}

uint32_t tcp_fin_time(const sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  const int32_t timeout = tp->linger2 != 0 ? tp->linger2 : tcp_sysctl(sk).fin_timeout;
  const auto rto = static_cast<int32_t>(tp->icsk_rto);
  return static_cast<uint32_t>(std::max(timeout, (rto << 2) - (rto >> 1)));
}

}  // namespace tapedeck
