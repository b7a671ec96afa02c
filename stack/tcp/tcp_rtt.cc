// Round trip times and what is made of them: RTO (RFC 6298 with Linux's variance), minimum, pacing.
#include <algorithm>

#include "stack/core/dst.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_timer.h"

namespace tapedeck {
namespace {

constexpr uint64_t kUsecPerSec = 1'000'000;

// First measurement: RTO becomes three times the round trip (RFC 6298 2.2).
void StartEstimate(tcp_sock* tp, uint32_t m_us) {
  tp->srtt_us = m_us << 3;
  tp->mdev_us = m_us << 1;
  tp->rttvar_us = std::max(tp->mdev_us, tcp_rto_min_us(tp));
  tp->mdev_max_us = tp->rttvar_us;
  tp->rtt_seq = tp->snd_nxt;
}

// Mean deviation, as 4 * mdev, moves a quarter towards |error|; where the round trip becomes
// shorter only a 32nd, for a quick answer must not raise the RTO.
void UpdateDeviation(tcp_sock* tp, int64_t error_us) {
  int64_t change = (error_us < 0 ? -error_us : error_us) - (tp->mdev_us >> 2);
  if (error_us < 0 && change > 0) change >>= 3;
  tp->mdev_us = static_cast<uint32_t>(tp->mdev_us + change);
  if (tp->mdev_us <= tp->mdev_max_us) return;
  tp->mdev_max_us = tp->mdev_us;
  tp->rttvar_us = std::max(tp->rttvar_us, tp->mdev_max_us);
}

// rttvar is the largest deviation of the last round trip; it decays once per round trip.
void EndOfRoundTrip(tcp_sock* tp) {
  if (tp->mdev_max_us < tp->rttvar_us) tp->rttvar_us -= (tp->rttvar_us - tp->mdev_max_us) >> 2;
  tp->rtt_seq = tp->snd_nxt;
  tp->mdev_max_us = tcp_rto_min_us(tp);
}

bool dst_metric_locked(const dst_entry* dst, uint32_t metric) {
  return (dst_metric_raw(dst, RTAX_LOCK) & 1U << metric) != 0;
}

}  // namespace

void tcp_rtt_estimator(sock* sk, int64_t mrtt_us) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->srtt_us == 0) {
    StartEstimate(tp, static_cast<uint32_t>(mrtt_us));
  } else {
    const int64_t error_us = mrtt_us - (tp->srtt_us >> 3);
    tp->srtt_us = static_cast<uint32_t>(tp->srtt_us + error_us);  // 7/8 old + 1/8 new
    UpdateDeviation(tp, error_us);
    if (tp->snd_una.After(tp->rtt_seq)) EndOfRoundTrip(tp);
  }
  tp->srtt_us = std::max(tp->srtt_us, 1U);
}

uint32_t __tcp_set_rto(const tcp_sock* tp) {
  return usecs_to_jiffies(tp, uint64_t{(tp->srtt_us >> 3) + tp->rttvar_us});
}

void tcp_bound_rto(sock* sk) {
  inet_connection_sock* const icsk = inet_csk(sk);
  icsk->icsk_rto = std::min(icsk->icsk_rto, tcp_rto_max(sk));
}

// rttvar is never below the smallest RTO, so that needs no bound.
void tcp_set_rto(sock* sk) {
  inet_csk(sk)->icsk_rto = __tcp_set_rto(tcp_sk(sk));
  tcp_bound_rto(sk);
}

uint32_t tcp_rto_min(const sock* sk) {
  const dst_entry* const dst = __sk_dst_get(sk);
  if (dst != nullptr && dst_metric_locked(dst, RTAX_RTO_MIN)) {
    return msecs_to_jiffies(sk, dst_metric_raw(dst, RTAX_RTO_MIN));
  }
  return inet_csk(sk)->icsk_rto_min;
}

uint32_t tcp_rto_min_us(const sock* sk) {
  return static_cast<uint32_t>(jiffies_to_usecs(sk, tcp_rto_min(sk)));
}

uint32_t tcp_rto_max(const sock* sk) { return inet_csk(sk)->icsk_rto_max; }

int64_t tcp_rto_delta_us(const sock* sk) {
  const auto rto_us = static_cast<int64_t>(jiffies_to_usecs(sk, inet_csk(sk)->icsk_rto));
  const sk_buff* const head = tcp_rtx_queue_head(sk);
  if (head == nullptr) return rto_us;
  const auto sent_us = static_cast<int64_t>(tcp_skb_timestamp_us(head));
  return sent_us + rto_us - static_cast<int64_t>(tcp_sk(sk)->tcp_mstamp_us);
}

void tcp_update_rtt_min(sock* sk, uint32_t rtt_us, uint32_t flag) {
  tcp_sock* const tp = tcp_sk(sk);
  // A receiver that always delays its ACKs would end up as the path's delay when the filter's
  // window ends.
  if ((flag & FLAG_ACK_MAYBE_DELAYED) != 0 && rtt_us > tcp_min_rtt(tp)) return;
  const auto wlen_s = static_cast<uint32_t>(tcp_sysctl(sk).min_rtt_wlen_s);
  const auto jiffy_us = static_cast<uint32_t>(jiffies_to_usecs(sk, 1));
  minmax_running_min(&tp->rtt_min, wlen_s * tcp_ticks_of(sk).hz, tcp_jiffies32(sk),
                     rtt_us != 0 ? rtt_us : jiffy_us);
}

bool tcp_ack_update_rtt(sock* sk, uint32_t flag, int64_t seq_rtt_us, int64_t sack_rtt_us,
                        int64_t ca_rtt_us, rate_sample* rs) {
  const tcp_sock* const tp = tcp_sk(sk);
  // What our own clock tells comes before an echo, which others may have garbled. It tells nothing
  // where retransmitted data was acknowledged (Karn; RFC 6298 3).
  if (seq_rtt_us < 0) seq_rtt_us = sack_rtt_us;
  // RFC 7323 4.1: an echo counts only where new data is acknowledged.
  if (seq_rtt_us < 0 && tp->rx_opt.saw_tstamp && tp->rx_opt.rcv_tsecr != 0 &&
      (flag & FLAG_ACKED) != 0) {
    seq_rtt_us = ca_rtt_us = tcp_rtt_tsopt_us(tp, 1);
  }
  rs->rtt_us = ca_rtt_us;
  if (seq_rtt_us < 0) return false;

  // Here ca_rtt_us is not negative either: both come from the same source.
  tcp_update_rtt_min(sk, static_cast<uint32_t>(ca_rtt_us), flag);
  tcp_rtt_estimator(sk, seq_rtt_us);
  tcp_set_rto(sk);
  inet_csk(sk)->icsk_backoff = 0;  // RFC 6298 5.7: only by a measurement
  return true;
}

void tcp_synack_rtt_meas(sock* sk, request_sock* req) {
  rate_sample rs;
  int64_t rtt_us = -1;
  if (req != nullptr && req->num_retrans == 0 && req->snt_synack_us != 0) {
    rtt_us = tcp_stamp_us_delta(tcp_clock_us(sk->sk_net), req->snt_synack_us);
  }
  tcp_ack_update_rtt(sk, FLAG_SYN_ACKED, rtt_us, -1, rtt_us, &rs);
}

// Twice the current rate (mss * cwnd / srtt) early in slow start, 1.2 times after (by the sysctls'
// defaults).
void tcp_update_pacing_rate(sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  const tcp_settings& settings = tcp_sysctl(sk);
  const bool early = tcp_snd_cwnd(tp) < tp->snd_ssthresh / 2;
  const auto percent =
      static_cast<uint64_t>(early ? settings.pacing_ss_ratio : settings.pacing_ca_ratio);
  uint64_t rate = uint64_t{tp->mss_cache} * ((kUsecPerSec / 100) << 3);  // as srtt_us is
  rate *= percent;
  rate *= std::max(tcp_snd_cwnd(tp), tp->packets_out);
  if (tp->srtt_us != 0) rate /= tp->srtt_us;
  sk->sk_pacing_rate = std::min(rate, sk->sk_max_pacing_rate);
}

// RFC 6298 5.3. A timer that runs as loss probe or reordering timer becomes the RTO that was due
// anyway, counted from when the head was sent.
void tcp_rearm_rto(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  // The timer is the SYN-ACK's.
  if (tp->fastopen_rsk != nullptr) return;
  if (tp->packets_out == 0) {
    inet_csk_clear_xmit_timer(sk, ICSK_TIME_RETRANS);
    return;
  }
  uint32_t rto = tp->icsk_rto;
  if (tp->icsk_pending == ICSK_TIME_REO_TIMEOUT || tp->icsk_pending == ICSK_TIME_LOSS_PROBE) {
    // Not positive where the timer fired while the socket was owned, and was put off.
    const auto delta_us = static_cast<int32_t>(tcp_rto_delta_us(sk));
    rto = usecs_to_jiffies(sk, static_cast<uint64_t>(std::max(delta_us, 1)));
  }
  tcp_reset_xmit_timer(sk, ICSK_TIME_RETRANS, rto, true);
}

}  // namespace tapedeck
