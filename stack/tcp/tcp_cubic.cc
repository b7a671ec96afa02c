// CUBIC (RFC 9438) with HyStart, in integers, as Linux computes it (net/ipv4/tcp_cubic.c): after a
// loss the window follows a cubic function of time whose plateau is where the loss was, and never
// grows slower than Reno would.
//
// Departure: K is the exact integer cube root; Linux's is off by up to 0.2 %.
#include <cstddef>

#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_cong.h"

namespace tapedeck {
namespace {

constexpr uint32_t kBetaScale = 1024;
constexpr uint32_t kBeta = 717;       // of 1024, as the module is loaded: see cubic_beta
constexpr uint32_t kCubicScale = 41;  // C = 41/1024 = 0.04 at an assumed round trip of 100 ms
constexpr uint32_t kCubicHz = 10;     // CUBIC's time is in 1/1024 s
constexpr uint32_t kRttScale = kCubicScale * 10;
constexpr uint64_t kCubeFactor = (uint64_t{1} << (10 + 3 * kCubicHz)) / kRttScale;
// 8 * (1 + beta) / 3 / (1 - beta): packets for one packet of Reno's growth, times 8 over the
// window.
constexpr uint32_t kRenoScale = 8 * (kBetaScale + kBeta) / 3 / (kBetaScale - kBeta);

constexpr uint32_t kHystartMinSamples = 8;
constexpr uint32_t kHystartDelayMinUs = 4000;
constexpr uint32_t kHystartDelayMaxUs = 16'000;
constexpr int32_t kHystartDetectTrain = 1;  // bits of cubic_hystart_detect
constexpr int32_t kHystartDetectDelay = 2;

struct bictcp {
  // Forgotten by a timeout.
  uint32_t cnt;            // packets acknowledged per packet of growth
  uint32_t last_max_cwnd;  // where the last loss was
  uint32_t last_cwnd;
  uint32_t last_time;  // tcp_jiffies32 when cnt was computed
  uint32_t bic_origin_point;
  uint32_t bic_K;  // 1/1024 s from the start of the epoch to the plateau
  uint32_t delay_min_us;
  uint32_t epoch_start;  // tcp_jiffies32; 0: none
  uint32_t ack_cnt;
  uint32_t tcp_cwnd;  // what Reno's window would be
  // HyStart.
  uint8_t sample_cnt;
  bool found;  // slow start's end has been found
  uint32_t round_start_us;
  SeqNum end_seq;  // of the round
  uint32_t last_ack_us;
  uint32_t curr_rtt_us;  // smallest of the round
};

const tcp_settings& Parameters(const sock* sk) { return sock_tcp(sk).settings; }

bictcp* Cubic(sock* sk) { return inet_csk_ca<bictcp>(sk); }

uint32_t ClockUs(const sock* sk) { return static_cast<uint32_t>(tcp_sk(sk)->tcp_mstamp_us); }

void Reset(bictcp* ca) {
  const bictcp hystart = *ca;
  *ca = bictcp{};
  ca->sample_cnt = hystart.sample_cnt;
  ca->round_start_us = hystart.round_start_us;
  ca->end_seq = hystart.end_seq;
  ca->last_ack_us = hystart.last_ack_us;
  ca->curr_rtt_us = hystart.curr_rtt_us;
}

void HystartReset(sock* sk) {
  bictcp* const ca = Cubic(sk);
  ca->round_start_us = ca->last_ack_us = ClockUs(sk);
  ca->end_seq = tcp_sk(sk)->snd_nxt;
  ca->curr_rtt_us = UINT32_MAX;
  ca->sample_cnt = 0;
}

void cubictcp_init(sock* sk) {
  Reset(Cubic(sk));
  const auto ssthresh = static_cast<uint32_t>(Parameters(sk).cubic_initial_ssthresh);
  if (Parameters(sk).cubic_hystart != 0) {
    HystartReset(sk);
  } else if (ssthresh != 0) {
    tcp_sk(sk)->snd_ssthresh = ssthresh;
  }
}

// Time that the application was silent does not count on the cubic curve.
void cubictcp_cwnd_event_tx_start(sock* sk) {
  bictcp* const ca = Cubic(sk);
  const uint32_t now = tcp_jiffies32(sk);
  const auto idle = static_cast<int32_t>(now - tcp_sk(sk)->lsndtime);
  if (ca->epoch_start == 0 || idle <= 0) return;
  ca->epoch_start += static_cast<uint32_t>(idle);
  if (static_cast<int32_t>(ca->epoch_start - now) > 0) ca->epoch_start = now;
}

// The largest x with x^3 <= a.
uint32_t CubeRoot(uint64_t a) {
  uint64_t x = 0;
  for (uint64_t bit = uint64_t{1} << 21; bit != 0; bit >>= 1) {
    const uint64_t next = x | bit;
    // next < 2^22: its cube is below 2^66, so compare without it overflowing.
    if (next * next <= a / next) x = next;
  }
  return static_cast<uint32_t>(x);
}

void StartEpoch(bictcp* ca, uint32_t now, uint32_t cwnd, uint32_t acked) {
  ca->epoch_start = now;
  ca->ack_cnt = acked;
  ca->tcp_cwnd = cwnd;
  if (ca->last_max_cwnd <= cwnd) {
    ca->bic_K = 0;
    ca->bic_origin_point = cwnd;
  } else {
    ca->bic_K = CubeRoot(kCubeFactor * (ca->last_max_cwnd - cwnd));
    ca->bic_origin_point = ca->last_max_cwnd;
  }
}

// The window that the curve reaches one (smallest) round trip from now.
uint32_t CubicTarget(const sock* sk, const bictcp* ca, uint32_t now) {
  const auto since = static_cast<int32_t>(now - ca->epoch_start);
  uint64_t t = static_cast<uint64_t>(int64_t{since}) + usecs_to_jiffies(sk, ca->delay_min_us);
  t = (t << kCubicHz) / tcp_ticks_of(sk).hz;
  const bool below = t < ca->bic_K;
  const uint64_t distance = below ? ca->bic_K - t : t - ca->bic_K;
  const auto delta =
      static_cast<uint32_t>((kRttScale * distance * distance * distance) >> (10 + 3 * kCubicHz));
  return below ? ca->bic_origin_point - delta : ca->bic_origin_point + delta;
}

// Reno's window over the same ACKs; the curve may not stay below it.
void KeepUpWithReno(bictcp* ca, uint32_t cwnd) {
  const uint32_t per_packet = cwnd * kRenoScale >> 3;
  while (ca->ack_cnt > per_packet) {
    ca->ack_cnt -= per_packet;
    ++ca->tcp_cwnd;
  }
  if (ca->tcp_cwnd > cwnd) ca->cnt = std::min(ca->cnt, cwnd / (ca->tcp_cwnd - cwnd));
}

void bictcp_update(const sock* sk, bictcp* ca, uint32_t cwnd, uint32_t acked) {
  const uint32_t now = tcp_jiffies32(sk);
  ca->ack_cnt += acked;
  const auto age = static_cast<int32_t>(now - ca->last_time);
  if (ca->last_cwnd == cwnd && age <= static_cast<int32_t>(tcp_ticks_of(sk).hz / 32)) return;
  // At most once a jiffy within an epoch.
  if (ca->epoch_start == 0 || now != ca->last_time) {
    ca->last_cwnd = cwnd;
    ca->last_time = now;
    if (ca->epoch_start == 0) StartEpoch(ca, now, cwnd, acked);
    const uint32_t target = CubicTarget(sk, ca, now);
    ca->cnt = target > cwnd ? cwnd / (target - cwnd) : 100 * cwnd;
    // Before the first loss nothing is known of the path: at least 5 % a round trip.
    if (ca->last_max_cwnd == 0) ca->cnt = std::min(ca->cnt, 20U);
  }
  if (Parameters(sk).cubic_tcp_friendliness != 0) KeepUpWithReno(ca, cwnd);
  ca->cnt = std::max(ca->cnt, 2U);  // at most 1.5 times a round trip
}

void cubictcp_cong_avoid(sock* sk, uint32_t /*ack*/, uint32_t acked) {
  tcp_sock* const tp = tcp_sk(sk);
  if (!tcp_is_cwnd_limited(sk)) return;
  if (tcp_in_slow_start(tp)) {
    acked = tcp_slow_start(tp, acked);
    if (acked == 0) return;
  }
  bictcp* const ca = Cubic(sk);
  bictcp_update(sk, ca, tp->snd_cwnd, acked);
  tcp_cong_avoid_ai(tp, ca->cnt, acked);
}

uint32_t cubictcp_recalc_ssthresh(sock* sk) {
  bictcp* const ca = Cubic(sk);
  const uint32_t cwnd = tcp_sk(sk)->snd_cwnd;
  ca->epoch_start = 0;
  const auto beta = static_cast<uint32_t>(Parameters(sk).cubic_beta);
  // Fast convergence: one that lost before it got back leaves room for others.
  const bool make_room = cwnd < ca->last_max_cwnd && Parameters(sk).cubic_fast_convergence != 0;
  ca->last_max_cwnd = make_room ? cwnd * (kBetaScale + beta) / (2 * kBetaScale) : cwnd;
  return std::max(cwnd * beta / kBetaScale, 2U);
}

void cubictcp_state(sock* sk, uint8_t new_state) {
  if (new_state != TCP_CA_Loss) return;
  Reset(Cubic(sk));
  HystartReset(sk);
}

// What aggregation into big packets adds to a round trip at the present rate, at most 1 ms.
uint32_t HystartAckDelayUs(const sock* sk) {
  if (sk->sk_pacing_rate == 0) return 0;
  const uint64_t us = uint64_t{sk->sk_gso_max_size} * 4 * 1'000'000 / sk->sk_pacing_rate;
  return static_cast<uint32_t>(std::min<uint64_t>(1000, us));
}

void LeaveSlowStart(sock* sk, TcpExtMib detect, TcpExtMib cwnd) {
  tcp_sock* const tp = tcp_sk(sk);
  Cubic(sk)->found = true;
  NET_INC_STATS(sk->sk_net, detect);
  NET_ADD_STATS(sk->sk_net, cwnd, tp->snd_cwnd);
  tp->snd_ssthresh = tp->snd_cwnd;
}

// A train of ACKs that is as long as half a round trip: the path is full.
void HystartAckTrain(sock* sk) {
  bictcp* const ca = Cubic(sk);
  const uint32_t now = ClockUs(sk);
  if (static_cast<int32_t>(now - ca->last_ack_us) > Parameters(sk).cubic_hystart_ack_delta_us) {
    return;
  }
  ca->last_ack_us = now;
  uint32_t threshold = ca->delay_min_us + HystartAckDelayUs(sk);
  // Pacing may have stretched the train to half a round trip by itself.
  if (sk->sk_pacing_status == SK_PACING_NONE) threshold >>= 1;
  if (static_cast<int32_t>(now - ca->round_start_us) > static_cast<int32_t>(threshold)) {
    LeaveSlowStart(sk, TcpExtMib::kTCPHystartTrainDetect, TcpExtMib::kTCPHystartTrainCwnd);
  }
}

// The round's smallest delay has grown by an eighth (4 to 16 ms): a queue builds up.
void HystartDelay(sock* sk, uint32_t delay_us) {
  bictcp* const ca = Cubic(sk);
  ca->curr_rtt_us = std::min(ca->curr_rtt_us, delay_us);
  if (ca->sample_cnt < kHystartMinSamples) {
    ++ca->sample_cnt;
    return;
  }
  const uint32_t growth = std::clamp(ca->delay_min_us >> 3, kHystartDelayMinUs, kHystartDelayMaxUs);
  if (ca->curr_rtt_us > ca->delay_min_us + growth) {
    LeaveSlowStart(sk, TcpExtMib::kTCPHystartDelayDetect, TcpExtMib::kTCPHystartDelayCwnd);
  }
}

void HystartUpdate(sock* sk, uint32_t delay_us) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (tp->snd_una.After(Cubic(sk)->end_seq)) HystartReset(sk);
  if (tp->snd_cwnd < static_cast<uint32_t>(Parameters(sk).cubic_hystart_low_window)) return;
  const int32_t detect = Parameters(sk).cubic_hystart_detect;
  if ((detect & kHystartDetectTrain) != 0) HystartAckTrain(sk);
  if ((detect & kHystartDetectDelay) != 0) HystartDelay(sk, delay_us);
}

void cubictcp_acked(sock* sk, const ack_sample* sample) {
  bictcp* const ca = Cubic(sk);
  if (sample->rtt_us < 0) return;
  // Samples of the first second of an epoch are those of recovery.
  const auto age = static_cast<int32_t>(tcp_jiffies32(sk) - ca->epoch_start);
  if (ca->epoch_start != 0 && age < static_cast<int32_t>(tcp_ticks_of(sk).hz)) return;
  const uint32_t delay_us = std::max(static_cast<uint32_t>(sample->rtt_us), 1U);
  if (ca->delay_min_us == 0 || ca->delay_min_us > delay_us) ca->delay_min_us = delay_us;
  if (!ca->found && tcp_in_slow_start(tcp_sk(sk)) && Parameters(sk).cubic_hystart != 0) {
    HystartUpdate(sk, delay_us);
  }
}

}  // namespace

const tcp_congestion_ops cubictcp = {
    .name = "cubic",
    .flags = 0,
    .init = cubictcp_init,
    .ssthresh = cubictcp_recalc_ssthresh,
    .undo_cwnd = tcp_reno_undo_cwnd,
    .cong_avoid = cubictcp_cong_avoid,
    .set_state = cubictcp_state,
    .cwnd_event_tx_start = cubictcp_cwnd_event_tx_start,
    .pkts_acked = cubictcp_acked,
};

}  // namespace tapedeck
