// Segments without data that acknowledge: at once, or after a delay (RFC 9293 3.8.6.3).
#include <algorithm>

#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_output_internal.h"
#include "stack/tcp/tcp_timer.h"

namespace tapedeck {

namespace {

// The delay in jiffies: the time between segments, within the round trip and the limits.
uint32_t AckTimeout(const sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  const tcp_ticks& ticks = tcp_ticks_of(sk);
  uint32_t ato = tp->icsk_ack.ato;
  if (ato > ticks.delack_min) {
    const bool interactive =
        inet_csk_in_pingpong_mode(sk) || (tp->icsk_ack.pending & ICSK_ACK_PUSHED) != 0;
    uint32_t max_ato = interactive ? ticks.delack_max : ticks.hz / 2;
    if (tp->srtt_us != 0) {
      max_ato =
          std::min(max_ato, std::max(usecs_to_jiffies(sk, tp->srtt_us >> 3), ticks.delack_min));
    }
    ato = std::min(ato, max_ato);
  }
  return std::min(ato, tcp_delack_max(sk));
}

// There is no memory for an ACK: tried again later, and later still (exponentially).
void PutAckOff(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  const tcp_ticks& ticks = tcp_ticks_of(sk);
  const uint64_t delay = uint64_t{ticks.delack_max} << tp->icsk_ack.retry;
  if (delay < tcp_rto_max(sk)) ++tp->icsk_ack.retry;
  inet_csk_schedule_ack(sk);
  tp->icsk_ack.ato = ticks.ato_min;
  tcp_reset_xmit_timer(sk, ICSK_TIME_DACK, delay, false);
}

}  // namespace

SeqNum tcp_acceptable_seq(const sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  const SeqNum end = tcp_wnd_end(tp);
  if (!end.Before(tp->snd_nxt)) return tp->snd_nxt;
  // Scaling may have cut the window a little.
  const bool rounding = tp->rx_opt.wscale_ok && tp->snd_nxt - end < 1 << tp->rx_opt.rcv_wscale;
  return rounding ? tp->snd_nxt : end;
}

void tcp_send_delayed_ack(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  const Jiffies now = sk->sk_net.jiffies();
  const uint32_t ato = AckTimeout(sk);
  Jiffies timeout = now + ato;
  // A timer that runs already stays where it is, if it is earlier.
  if ((tp->icsk_ack.pending & ICSK_ACK_TIMER) != 0) {
    if (tp->icsk_delack_timer.expires <= now + (ato >> 2)) {
      tcp_send_ack(sk);
      return;
    }
    timeout = std::min(timeout, tp->icsk_delack_timer.expires);
  }
  tp->icsk_ack.pending |= ICSK_ACK_SCHED | ICSK_ACK_TIMER;
  sk_reset_timer(&tp->icsk_delack_timer, timeout);
}

void __tcp_send_ack(sock* sk, SeqNum rcv_nxt, uint16_t flags) {
  if (sk->sk_state == TCP_CLOSE) return;
  sk_buff* const buff =
      tcp_alloc_nondata_skb(sk, tcp_acceptable_seq(sk), static_cast<uint16_t>(TCPHDR_ACK | flags));
  if (buff == nullptr) {
    PutAckOff(sk);
    return;
  }
  // ACKs are not to count in small queues and pacing.
  buff->truesize = kPureAckTruesize;
  __tcp_transmit_skb(sk, buff, false, rcv_nxt);
}

void tcp_send_ack(sock* sk) {
  TRACE_FUNCTION(sk->sk_net, nullptr, tcp_send_ack, sk);
  __tcp_send_ack(sk, tcp_sk(sk)->rcv_nxt, 0);
}

}  // namespace tapedeck
