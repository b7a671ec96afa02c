// What TCP's timers do (net/ipv4/tcp_timer.c). A timer that finds its socket owned leaves a note in
// tsq_flags, and release_cb does its work. Who gives up when is in tcp_write_timeout.cc, keepalive
// in tcp_keepalive.cc.
#include "stack/tcp/tcp_timer.h"

#include <algorithm>
#include <bit>
#include <cerrno>

#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_output_internal.h"
#include "stack/tcp/tcp_timer_internal.h"

namespace tapedeck {

namespace {

constexpr uint8_t kThinLinearRetries = 6;  // TCP_THIN_LINEAR_RETRIES

sock* SocketOf(TimerList* timer) { return static_cast<icsk_timer*>(timer)->sk; }

// The socket is owned: `flag` tells its owner what is to be done, with a reference.
void Defer(sock* sk, uint8_t flag) {
  if ((tcp_sk(sk)->tsq_flags & flag) != 0) return;
  tcp_sk(sk)->tsq_flags |= flag;
  sock_hold(sk);
}

void tcp_write_timer(TimerList* timer) {
  sock* const sk = SocketOf(timer);
  TRACE_FUNCTION(sk->sk_net, nullptr, tcp_write_timer, timer);
  if (inet_csk(sk)->icsk_pending != 0) {
    if (!sock_owned_by_user(sk)) {
      tcp_write_timer_handler(sk);
    } else {
      Defer(sk, TCPF_WRITE_TIMER_DEFERRED);
    }
  }
  sock_put(sk);
}

void tcp_delack_timer(TimerList* timer) {
  sock* const sk = SocketOf(timer);
  TRACE_FUNCTION(sk->sk_net, nullptr, tcp_delack_timer, timer);
  const tcp_sock* const tp = tcp_sk(sk);
  if ((tp->icsk_ack.pending & ICSK_ACK_TIMER) != 0 || tp->compressed_ack != 0) {
    if (!sock_owned_by_user(sk)) {
      tcp_delack_timer_handler(sk);
    } else {
      NET_INC_STATS(sk->sk_net, TcpExtMib::kDelayedACKLocked);
      Defer(sk, TCPF_DELACK_TIMER_DEFERRED);
    }
  }
  sock_put(sk);
}

void tcp_update_rto_stats(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->icsk_retransmits == 0) {
    ++tp->total_rto_recoveries;
    tp->rto_stamp_ms = tcp_time_stamp_ms(tp);
  }
  ++tp->icsk_retransmits;
  ++tp->total_rto;
}

// Of a fast open child: its SYN-ACK again. `sk` is the child, not the listener.
void tcp_fastopen_synack_timer(sock* sk, request_sock* req) {
  tcp_sock* const tp = tcp_sk(sk);
  tcp_syn_ack_timeout(req);
  // One more than for other requests.
  const int max_retries =
      tp->icsk_syn_retries != 0 ? tp->icsk_syn_retries : tcp_sysctl(sk).synack_retries + 1;
  if (req->num_timeout >= max_retries) {
    tcp_write_err(sk);
    return;
  }
  // As tcp_init_transfer does after a retransmitted SYN-ACK.
  if (tp->icsk_retransmits == 1) tcp_enter_loss(sk);
  // An error does not count: it may have been accepted already.
  tcp_rtx_synack(sk, req);
  if (req->num_retrans > 1 && req->accecn_ok) req->accecn_fail_mode |= TCP_ACCECN_ACE_FAIL_SEND;
  ++req->num_timeout;
  tcp_update_rto_stats(sk);
  if (tp->retrans_stamp == 0) tp->retrans_stamp = tcp_time_stamp_ts(tp);
  tcp_reset_xmit_timer(sk, ICSK_TIME_RETRANS, uint64_t{req->timeout} << req->num_timeout, false);
}

// What an RTO says about the recovery that it interrupts.
void CountFailedRecovery(sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  const bool sack = tcp_is_sack(tp);
  if (tp->icsk_ca_state == TCP_CA_Recovery) {
    NET_INC_STATS(sk->sk_net,
                  sack ? TcpExtMib::kTCPSackRecoveryFail : TcpExtMib::kTCPRenoRecoveryFail);
  } else if (tp->icsk_ca_state == TCP_CA_Loss) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPLossFailures);
  } else if (tp->icsk_ca_state == TCP_CA_Disorder || tp->sacked_out != 0) {
    NET_INC_STATS(sk->sk_net, sack ? TcpExtMib::kTCPSackFailures : TcpExtMib::kTCPRenoFailures);
  }
}

// Few packets are in flight, and there has been a loss before.
bool tcp_stream_is_thin(const tcp_sock* tp) {
  return tp->packets_out < 4 && !tcp_in_initial_slowstart(tp);
}

// The RTO doubles (RFC 6298 5.5), but stays for thin streams for a while, and for the first SYNs.
void BackOff(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  const tcp_settings& settings = tcp_sysctl(sk);
  if (sk->sk_state == TCP_ESTABLISHED && (tp->thin_lto || settings.thin_linear_timeouts != 0) &&
      tcp_stream_is_thin(tp) && tp->icsk_retransmits <= kThinLinearRetries) {
    tp->icsk_backoff = 0;
    tp->icsk_rto = std::min(std::max(__tcp_set_rto(tp), tcp_rto_min(sk)), tcp_rto_max(sk));
  } else if (sk->sk_state != TCP_SYN_SENT ||
             tp->total_rto > static_cast<uint32_t>(settings.syn_linear_timeouts)) {
    ++tp->icsk_backoff;
    tp->icsk_rto = std::min(tp->icsk_rto << 1, tcp_rto_max(sk));
  }
}

// The next timeout, and the end of a route that does not work.
void ResetRetransmitTimer(sock* sk) {
  BackOff(sk);
  tcp_reset_xmit_timer(sk, ICSK_TIME_RETRANS, tcp_clamp_rto_to_user_timeout(sk), false);
  const auto retries1 = static_cast<uint32_t>(tcp_sysctl(sk).retries1);
  if (retransmits_timed_out(sk, retries1 + 1, 0)) sk_dst_reset(sk);
}

// The peer has closed its window over data in flight: what is sent again is a probe, and the
// connection lives as long as there are answers.
void ProbeClosedWindow(sock* sk, sk_buff* skb) {
  const tcp_sock* const tp = tcp_sk(sk);
  const uint32_t since =
      tp->retrans_stamp != 0 ? tp->retrans_stamp : tcp_skb_timestamp_ts(tp->tcp_usec_ts, skb);
  uint32_t rtx_delta_ms = tcp_time_stamp_ts(tp) - since;
  if (tp->tcp_usec_ts) rtx_delta_ms /= 1000;
  if (tcp_rtx_probe0_timed_out(sk, rtx_delta_ms)) {
    tcp_write_err(sk);
    return;
  }
  tcp_enter_loss(sk);
  if (tcp_retransmit_skb(sk, skb, 1) == 0) {
    TraceRetransmit(sk, skb, TcpRetransmitWhy::kWindowProbe);
  }
  sk_dst_reset(sk);
  ResetRetransmitTimer(sk);
}

}  // namespace

void tcp_retransmit_timer(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->fastopen_rsk != nullptr) {
    // Nothing else is sent before the SYN-ACK has been acknowledged.
    tcp_fastopen_synack_timer(sk, tp->fastopen_rsk);
    return;
  }
  if (tp->packets_out == 0) return;
  sk_buff* const skb = tcp_rtx_queue_head(sk);
  CHECK(skb != nullptr);
  if (tp->snd_wnd == 0 && !sock_flag(sk, SOCK_DEAD) &&
      !tcp_state_is(sk, TCP_SYN_SENT, TCP_SYN_RECV)) {
    ProbeClosedWindow(sk, skb);
    return;
  }
  NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPTimeouts);
  if (tcp_write_timeout(sk)) return;
  if (tp->icsk_retransmits == 0) CountFailedRecovery(sk);
  tcp_enter_loss(sk);
  tcp_update_rto_stats(sk);
  sk_buff* const head = tcp_rtx_queue_head(sk);
  const int err = tcp_retransmit_skb(sk, head, 1);
  if (err == 0) TraceRetransmit(sk, head, TcpRetransmitWhy::kTimeout);
  if (err > 0) {
    // A queue of this host was full: tried again soon, without backing off.
    tcp_reset_xmit_timer(sk, ICSK_TIME_RETRANS, tcp_ticks_of(sk).resource_probe_interval, false);
    return;
  }
  ResetRetransmitTimer(sk);
}

void tcp_write_timer_handler(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tcp_state_is(sk, TCP_CLOSE, TCP_LISTEN) || tp->icsk_pending == 0) return;
  if (tp->icsk_retransmit_timer.expires > sk->sk_net.jiffies()) {
    sk_reset_timer(&tp->icsk_retransmit_timer, tp->icsk_retransmit_timer.expires);
    return;
  }
  tcp_mstamp_refresh(tp);
  switch (tp->icsk_pending) {
    case ICSK_TIME_REO_TIMEOUT:
      tcp_rack_reo_timeout(sk);
      break;
    case ICSK_TIME_LOSS_PROBE:
      tcp_send_loss_probe(sk);
      break;
    case ICSK_TIME_RETRANS:
      tp->icsk_pending = 0;
      tcp_retransmit_timer(sk);
      break;
    case ICSK_TIME_PROBE0:
      tp->icsk_pending = 0;
      tcp_probe_timer(sk);
      break;
    default:
      break;
  }
}

void tcp_delack_timer_handler(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  const tcp_ticks& ticks = tcp_ticks_of(sk);
  if (tcp_state_is(sk, TCP_CLOSE, TCP_LISTEN)) return;
  if (tp->compressed_ack != 0) {
    tcp_mstamp_refresh(tp);
    tcp_sack_compress_send_ack(sk);
    return;
  }
  if ((tp->icsk_ack.pending & ICSK_ACK_TIMER) == 0) return;
  if (tp->icsk_delack_timer.expires > sk->sk_net.jiffies()) {
    sk_reset_timer(&tp->icsk_delack_timer, tp->icsk_delack_timer.expires);
    return;
  }
  tp->icsk_ack.pending = static_cast<uint8_t>(tp->icsk_ack.pending & ~ICSK_ACK_TIMER);
  if (!inet_csk_ack_scheduled(sk)) return;
  if (!inet_csk_in_pingpong_mode(sk)) {
    // Nothing came to go with the ACK: the next one waits longer.
    tp->icsk_ack.ato = std::min({tp->icsk_ack.ato << 1, tp->icsk_rto, ticks.delack_max});
  } else {
    // No answer came: it is no conversation.
    inet_csk_exit_pingpong_mode(sk);
    tp->icsk_ack.ato = ticks.ato_min;
  }
  tcp_mstamp_refresh(tp);
  tcp_send_ack(sk);
  NET_INC_STATS(sk->sk_net, TcpExtMib::kDelayedACKs);
}

void tcp_syn_ack_timeout(const request_sock* req) {
  NET_INC_STATS(req->rsk_net, TcpExtMib::kTCPTimeouts);
}

uint32_t tcp_delack_max(const sock* sk) {
  return std::min(inet_csk(sk)->icsk_delack_max, std::max(tcp_rto_min(sk), 2U) - 1);
}

void tcp_init_xmit_timers(sock* sk) {
  inet_csk_init_xmit_timers(sk, tcp_write_timer, tcp_delack_timer, tcp_keepalive_timer);
  tcp_sk(sk)->pacing_timer.soft = true;
  tcp_sk(sk)->compressed_ack_timer.soft = true;
}

void tcp_clear_xmit_timers(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->pacing_timer.Cancel()) sock_put(sk);
  if (tp->compressed_ack_timer.Cancel()) sock_put(sk);
  inet_csk_clear_xmit_timers(sk);
}

// --- When. ---

void tcp_reset_xmit_timer(sock* sk, uint8_t what, uint64_t when, bool pace_delay) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (pace_delay && tp->tcp_wstamp_ns > tp->tcp_clock_cache_ns) {
    constexpr uint64_t kNsPerSecond = 1'000'000'000;
    const uint64_t delay_ns = tp->tcp_wstamp_ns - tp->tcp_clock_cache_ns;
    when += delay_ns * tcp_ticks_of(sk).hz / kNsPerSecond;
  }
  inet_csk_reset_xmit_timer(sk, what, when, tcp_rto_max(sk));
}

uint32_t tcp_probe0_base(const sock* sk) {
  return std::max(inet_csk(sk)->icsk_rto, tcp_ticks_of(sk).rto_min);
}

uint32_t tcp_probe0_when(const sock* sk, uint32_t max_when) {
  const tcp_ticks& ticks = tcp_ticks_of(sk);
  const auto backoff_max = static_cast<uint8_t>(std::bit_width(ticks.rto_max / ticks.rto_min));
  const uint8_t backoff = std::min(backoff_max, inet_csk(sk)->icsk_backoff);
  const uint64_t when = uint64_t{tcp_probe0_base(sk)} << backoff;
  return static_cast<uint32_t>(std::min<uint64_t>(when, max_when));
}

void tcp_check_probe_timer(sock* sk) {
  if (tcp_sk(sk)->packets_out != 0 || inet_csk(sk)->icsk_pending != 0) return;
  tcp_reset_xmit_timer(sk, ICSK_TIME_PROBE0, tcp_probe0_base(sk), true);
}

}  // namespace tapedeck
