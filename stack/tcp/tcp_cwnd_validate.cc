// Congestion window validation (RFC 2861, RFC 7661): a window that was not used says nothing about
// the path. And what holds the sender up, measured (tcp_chrono).
#include <algorithm>

#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_output_internal.h"

namespace tapedeck {

namespace {

// The window was not full for an RTO: halfway down to what was used. Not while the writer waits for
// buffer space, which the window would give it.
void tcp_cwnd_application_limited(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->icsk_ca_state == TCP_CA_Open && sk->sk_socket != nullptr && !sk->sk_nospace) {
    const uint32_t init_win = tcp_init_cwnd(tp, __sk_dst_get(sk));
    const uint32_t win_used = std::max(tp->snd_cwnd_used, init_win);
    if (win_used < tcp_snd_cwnd(tp)) {
      tp->snd_ssthresh = tcp_current_ssthresh(sk);
      tcp_snd_cwnd_set(tp, (tcp_snd_cwnd(tp) + win_used) >> 1);
    }
    tp->snd_cwnd_used = 0;
  }
  tp->snd_cwnd_stamp = tcp_jiffies32(sk);
}

void tcp_chrono_set(sock* sk, tcp_chrono type) {
  tcp_sock* const tp = tcp_sk(sk);
  const uint32_t now = tcp_jiffies32(sk);
  if (tp->chrono_type > TCP_CHRONO_UNSPEC) {
    tp->chrono_stat[tp->chrono_type - 1] += now - tp->chrono_start;
  }
  tp->chrono_start = now;
  tp->chrono_type = type;
}

}  // namespace

void tcp_cwnd_restart(sock* sk, int32_t delta) {
  tcp_sock* const tp = tcp_sk(sk);
  uint32_t cwnd = tcp_snd_cwnd(tp);
  const uint32_t restart_cwnd = std::min(tcp_init_cwnd(tp, __sk_dst_get(sk)), cwnd);
  tcp_ca_event_notify(sk, CA_EVENT_CWND_RESTART);
  tp->snd_ssthresh = tcp_current_ssthresh(sk);
  const auto rto = static_cast<int32_t>(tp->icsk_rto);
  for (delta -= rto; delta > 0 && cwnd > restart_cwnd; delta -= rto) cwnd >>= 1;
  tcp_snd_cwnd_set(tp, std::max(cwnd, restart_cwnd));
  tp->snd_cwnd_stamp = tcp_jiffies32(sk);
  tp->snd_cwnd_used = 0;
}

void tcp_slow_start_after_idle_check(sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (tcp_sysctl(sk).slow_start_after_idle == 0 || tp->packets_out != 0 ||
      tp->icsk_ca_ops->cong_control != nullptr) {
    return;
  }
  const auto delta = static_cast<int32_t>(tcp_jiffies32(sk) - tp->lsndtime);
  if (delta > static_cast<int32_t>(tp->icsk_rto)) tcp_cwnd_restart(sk, delta);
}

void tcp_cwnd_validate(sock* sk, bool is_cwnd_limited) {
  tcp_sock* const tp = tcp_sk(sk);
  // The strongest sign in this window of how far it is used: full, else the most packets.
  if (!tp->snd_una.Before(tp->cwnd_usage_seq) || is_cwnd_limited ||
      (!tp->is_cwnd_limited && tp->packets_out > tp->max_packets_out)) {
    tp->is_cwnd_limited = is_cwnd_limited;
    tp->max_packets_out = tp->packets_out;
    tp->cwnd_usage_seq = tp->snd_nxt;
  }
  if (tcp_is_cwnd_limited(sk)) {
    tp->snd_cwnd_used = 0;
    tp->snd_cwnd_stamp = tcp_jiffies32(sk);
    return;
  }
  tp->snd_cwnd_used = std::max(tp->snd_cwnd_used, tp->packets_out);
  const auto idle = static_cast<int32_t>(tcp_jiffies32(sk) - tp->snd_cwnd_stamp);
  if (tcp_sysctl(sk).slow_start_after_idle != 0 && idle >= static_cast<int32_t>(tp->icsk_rto) &&
      tp->icsk_ca_ops->cong_control == nullptr) {
    tcp_cwnd_application_limited(sk);
  }
  // All is sent, the window is not full, and the writer waits: the send buffer is too small.
  if (tcp_write_queue_empty(sk) && sk->sk_socket != nullptr && sk->sk_nospace &&
      tcp_state_is(sk, TCP_ESTABLISHED, TCP_CLOSE_WAIT)) {
    tcp_chrono_start(sk, TCP_CHRONO_SNDBUF_LIMITED);
  }
}

// The condition of the highest number is the one that counts.
void tcp_chrono_start(sock* sk, tcp_chrono type) {
  if (type > tcp_sk(sk)->chrono_type) tcp_chrono_set(sk, type);
}

void tcp_chrono_stop(sock* sk, tcp_chrono type) {
  if (tcp_rtx_and_write_queues_empty(sk)) {
    tcp_chrono_set(sk, TCP_CHRONO_UNSPEC);
  } else if (type == tcp_sk(sk)->chrono_type) {
    tcp_chrono_set(sk, TCP_CHRONO_BUSY);
  }
}

}  // namespace tapedeck
