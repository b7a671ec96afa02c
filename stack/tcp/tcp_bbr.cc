// BBR, version 1 (Cardwell et al., "BBR: Congestion-Based Congestion Control", ACM Queue 14, 2016;
// draft-cardwell-iccrg-bbr-congestion-control-00; Linux: net/ipv4/tcp_bbr.c). It keeps a model of
// the path, the largest delivery rate and the smallest round trip of late, and sends at that rate
// with about twice their product in flight. Loss is no signal by itself.
//
//   STARTUP -> DRAIN -> PROBE_BW <-> PROBE_RTT
//
// Rates are packets per microsecond << 24, gains are of 256.
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_cong.h"

namespace tapedeck {
namespace {

constexpr int kBwScale = 24;
constexpr uint64_t kBwUnit = uint64_t{1} << kBwScale;
constexpr int kGainScale = 8;
constexpr uint32_t kGainUnit = 1U << kGainScale;

constexpr uint32_t kCycleLength = 8;
constexpr uint32_t kBwRounds = kCycleLength + 2;  // window of the rate filter
constexpr uint32_t kMinRttWindowSeconds = 10;
constexpr uint32_t kProbeRttMs = 200;
constexpr uint32_t kMinTsoRateBits = 1'200'000;  // slower: single segments
constexpr uint64_t kPacingMarginPercent = 1;     // below the estimate, so that queues drain
constexpr uint32_t kHighGain = kGainUnit * 2885 / 1000 + 1;  // 2/ln(2): doubles every round trip
constexpr uint32_t kDrainGain = kGainUnit * 1000 / 2885;
constexpr uint32_t kCwndGain = kGainUnit * 2;
constexpr uint32_t kPacingGain[kCycleLength] = {kGainUnit * 5 / 4, kGainUnit * 3 / 4, kGainUnit,
                                                kGainUnit,         kGainUnit,         kGainUnit,
                                                kGainUnit,         kGainUnit};
constexpr uint32_t kCycleRandom = 7;
constexpr uint32_t kCwndMin = 4;
constexpr uint32_t kFullBwThreshold = kGainUnit * 5 / 4;
constexpr uint32_t kFullBwRounds = 3;

// The long-term estimator: a path whose rate a policer limits.
constexpr uint32_t kLtMinRounds = 4;
constexpr uint32_t kLtLossThreshold = 50;  // of 256: lost / delivered
constexpr uint32_t kLtBwRatio = kGainUnit / 8;
constexpr uint64_t kLtBwDiffBytes = 4000 / 8;
constexpr uint32_t kLtMaxRounds = 48;

// Acknowledgments that come in bursts.
constexpr uint32_t kExtraAckedRounds = 5;
constexpr uint32_t kExtraAckedResetThreshold = 1U << 20;
constexpr uint64_t kExtraAckedMaxUs = 100'000;

enum Mode : uint8_t { kStartup, kDrain, kProbeBw, kProbeRtt };

struct bbr {
  uint32_t min_rtt_us;
  uint32_t min_rtt_stamp;         // tcp_jiffies32
  uint32_t probe_rtt_done_stamp;  // 0: not yet
  minmax bw;
  uint32_t rtt_cnt;
  uint32_t next_rtt_delivered;
  uint64_t cycle_mstamp_us;
  uint64_t ack_epoch_mstamp_us;
  uint32_t lt_bw;
  uint32_t lt_last_delivered;
  uint32_t lt_last_stamp_ms;
  uint32_t lt_last_lost;
  uint32_t prior_cwnd;
  uint32_t full_bw;
  uint32_t ack_epoch_acked;
  uint16_t extra_acked[2];
  uint16_t pacing_gain;
  uint16_t cwnd_gain;
  uint8_t mode : 2;
  uint8_t prev_ca_state : 3;
  uint8_t cycle_idx : 3;
  uint8_t full_bw_cnt : 2;
  uint8_t extra_acked_win_rtts : 5;
  uint8_t extra_acked_win_idx : 1;
  uint8_t lt_rtt_cnt : 7;
  bool lt_use_bw : 1;
  bool packet_conservation : 1;
  bool round_start : 1;
  bool idle_restart : 1;
  bool probe_rtt_round_done : 1;
  bool lt_is_sampling : 1;
  bool full_bw_reached : 1;
  bool has_seen_rtt : 1;
};

bbr* Bbr(sock* sk) { return inet_csk_ca<bbr>(sk); }

uint32_t MaxBw(const bbr* b) { return minmax_get(&b->bw); }
uint32_t Bw(const bbr* b) { return b->lt_use_bw ? b->lt_bw : MaxBw(b); }

// Bytes a second. The order keeps 2.9 Tbit/s at the highest gain within 64 bits.
uint64_t BytesPerSecond(const sock* sk, uint64_t rate, uint32_t gain) {
  rate *= tcp_sk(sk)->mss_cache;
  rate *= gain;
  rate >>= kGainScale;
  rate *= 1'000'000 / 100 * (100 - kPacingMarginPercent);
  return rate >> kBwScale;
}

uint64_t PacingRate(const sock* sk, uint32_t bw, uint32_t gain) {
  return std::min(BytesPerSecond(sk, bw, gain), sk->sk_max_pacing_rate);
}

// The first rate: the initial window in a round trip, or in 1 ms where none is known.
void InitPacingRateFromRtt(sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  uint32_t rtt_us = 1000;
  if (tp->srtt_us != 0) {
    rtt_us = std::max(tp->srtt_us >> 3, 1U);
    Bbr(sk)->has_seen_rtt = true;
  }
  const uint64_t bw = uint64_t{tp->snd_cwnd} * kBwUnit / rtt_us;
  sk->sk_pacing_rate = PacingRate(sk, static_cast<uint32_t>(bw), kHighGain);
}

void SetPacingRate(sock* sk, uint32_t bw, uint32_t gain) {
  bbr* const b = Bbr(sk);
  const uint64_t rate = PacingRate(sk, bw, gain);
  if (!b->has_seen_rtt && tcp_sk(sk)->srtt_us != 0) InitPacingRateFromRtt(sk);
  if (b->full_bw_reached || rate > sk->sk_pacing_rate) sk->sk_pacing_rate = rate;
}

uint32_t bbr_min_tso_segs(sock* sk) { return sk->sk_pacing_rate < kMinTsoRateBits >> 3 ? 1 : 2; }

// Segments of one big packet, as tcp_tso_autosize but without the device's limit.
uint32_t TsoSegsGoal(sock* sk) {
  const uint64_t bytes = std::min<uint64_t>(sk->sk_pacing_rate >> sk->sk_pacing_shift,
                                            GSO_LEGACY_MAX_SIZE - 1 - MAX_TCP_HEADER);
  const auto segs = static_cast<uint32_t>(bytes / tcp_sk(sk)->mss_cache);
  return std::min(std::max(segs, bbr_min_tso_segs(sk)), 0x7fU);
}

void SaveCwnd(sock* sk) {
  bbr* const b = Bbr(sk);
  const uint32_t cwnd = tcp_sk(sk)->snd_cwnd;
  const bool good = b->prev_ca_state < TCP_CA_Recovery && b->mode != kProbeRtt;
  b->prior_cwnd = good ? cwnd : std::max(b->prior_cwnd, cwnd);
}

// --- How much should be in flight. ---

// ceil(bw * min_rtt * gain), in packets.
uint32_t Bdp(const bbr* b, uint32_t bw, uint32_t gain) {
  if (b->min_rtt_us == UINT32_MAX) return TCP_INIT_CWND;
  const uint64_t w = uint64_t{bw} * b->min_rtt_us;
  return static_cast<uint32_t>(((w * gain >> kGainScale) + kBwUnit - 1) / kBwUnit);
}

// Room for big packets in both hosts, delayed ACKs, and the probing phase of a small window.
uint32_t QuantizationBudget(sock* sk, uint32_t cwnd) {
  const bbr* const b = Bbr(sk);
  cwnd += 3 * TsoSegsGoal(sk);
  cwnd = (cwnd + 1) & ~1U;
  if (b->mode == kProbeBw && b->cycle_idx == 0) cwnd += 2;
  return cwnd;
}

uint32_t Inflight(sock* sk, uint32_t bw, uint32_t gain) {
  return QuantizationBudget(sk, Bdp(Bbr(sk), bw, gain));
}

// Packets that will be in the network when the next one departs, which pacing has put off.
uint32_t PacketsInNetAtEdt(sock* sk, uint32_t inflight_now) {
  const tcp_sock* const tp = tcp_sk(sk);
  const bbr* const b = Bbr(sk);
  const uint64_t edt_ns = std::max(tp->tcp_wstamp_ns, tp->tcp_clock_cache_ns);
  const uint64_t interval_us = (edt_ns - tp->tcp_clock_cache_ns) / 1000;
  const auto delivered = static_cast<uint32_t>(Bw(b) * interval_us >> kBwScale);
  uint32_t inflight = inflight_now;
  if (b->pacing_gain > kGainUnit) inflight += TsoSegsGoal(sk);
  return delivered >= inflight ? 0 : inflight - delivered;
}

uint32_t AckAggregationCwnd(const bbr* b) {
  if (!b->full_bw_reached) return 0;
  const auto most = static_cast<uint32_t>(Bw(b) * kExtraAckedMaxUs / kBwUnit);
  return std::min<uint32_t>(std::max(b->extra_acked[0], b->extra_acked[1]), most);
}

// In the first round of recovery one packet goes out for each that has arrived. Whether so.
bool SetCwndToRecoverOrRestore(sock* sk, const rate_sample* rs, uint32_t acked,
                               uint32_t* new_cwnd) {
  const tcp_sock* const tp = tcp_sk(sk);
  bbr* const b = Bbr(sk);
  const uint8_t prev_state = b->prev_ca_state;
  const uint8_t state = tp->icsk_ca_state;
  uint32_t cwnd = tp->snd_cwnd;
  if (rs->losses > 0) {
    cwnd = static_cast<uint32_t>(std::max(static_cast<int32_t>(cwnd) - rs->losses, 1));
  }
  if (state == TCP_CA_Recovery && prev_state != TCP_CA_Recovery) {
    b->packet_conservation = true;
    b->next_rtt_delivered = tp->delivered;
    cwnd = tcp_packets_in_flight(tp) + acked;
  } else if (prev_state >= TCP_CA_Recovery && state < TCP_CA_Recovery) {
    cwnd = std::max(cwnd, b->prior_cwnd);
    b->packet_conservation = false;
  }
  b->prev_ca_state = state & 7;
  *new_cwnd = b->packet_conservation ? std::max(cwnd, tcp_packets_in_flight(tp) + acked) : cwnd;
  return b->packet_conservation;
}

uint32_t GrowTowardsTarget(sock* sk, uint32_t cwnd, uint32_t acked, uint32_t bw, uint32_t gain) {
  const bbr* const b = Bbr(sk);
  const uint32_t target = QuantizationBudget(sk, Bdp(b, bw, gain) + AckAggregationCwnd(b));
  if (b->full_bw_reached) {
    cwnd = std::min(cwnd + acked, target);
  } else if (cwnd < target || tcp_sk(sk)->delivered < TCP_INIT_CWND) {
    cwnd += acked;
  }
  return std::max(cwnd, kCwndMin);
}

void SetCwnd(sock* sk, const rate_sample* rs, uint32_t acked, uint32_t bw, uint32_t gain) {
  tcp_sock* const tp = tcp_sk(sk);
  uint32_t cwnd = tp->snd_cwnd;
  if (acked != 0 && !SetCwndToRecoverOrRestore(sk, rs, acked, &cwnd)) {
    cwnd = GrowTowardsTarget(sk, cwnd, acked, bw, gain);
  }
  cwnd = std::min(cwnd, tp->snd_cwnd_clamp);
  if (Bbr(sk)->mode == kProbeRtt) cwnd = std::min(cwnd, kCwndMin);
  tcp_snd_cwnd_set(tp, cwnd);
}

// --- The gain cycle of PROBE_BW. ---

bool IsNextCyclePhase(sock* sk, const rate_sample* rs) {
  const bbr* const b = Bbr(sk);
  const bool full_length =
      tcp_stamp_us_delta(tcp_sk(sk)->delivered_mstamp_us, b->cycle_mstamp_us) > b->min_rtt_us;
  if (b->pacing_gain == kGainUnit) return full_length;
  const uint32_t inflight = PacketsInNetAtEdt(sk, rs->prior_in_flight);
  const uint32_t bw = MaxBw(b);
  if (b->pacing_gain > kGainUnit) {
    // Probe until the extra packets are in flight, or do not fit.
    return full_length && (rs->losses != 0 || inflight >= Inflight(sk, bw, b->pacing_gain));
  }
  return full_length || inflight <= Inflight(sk, bw, kGainUnit);
}

void AdvanceCyclePhase(sock* sk) {
  bbr* const b = Bbr(sk);
  b->cycle_idx = (b->cycle_idx + 1) & (kCycleLength - 1);
  b->cycle_mstamp_us = tcp_sk(sk)->delivered_mstamp_us;
}

void ResetProbeBwMode(sock* sk) {
  bbr* const b = Bbr(sk);
  b->mode = kProbeBw;
  const auto random = static_cast<uint32_t>(sk->sk_net.kernel.prng().Below(kCycleRandom));
  b->cycle_idx = (kCycleLength - 1 - random) & (kCycleLength - 1);
  AdvanceCyclePhase(sk);
}

void ResetMode(sock* sk) {
  if (Bbr(sk)->full_bw_reached) {
    ResetProbeBwMode(sk);
  } else {
    Bbr(sk)->mode = kStartup;
  }
}

// --- Long-term rate: two lossy intervals with the same rate are a policer's. ---

void ResetLtInterval(sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  bbr* const b = Bbr(sk);
  b->lt_last_stamp_ms = static_cast<uint32_t>(tp->delivered_mstamp_us / 1000);
  b->lt_last_delivered = tp->delivered;
  b->lt_last_lost = tp->lost;
  b->lt_rtt_cnt = 0;
}

void ResetLtSampling(sock* sk) {
  bbr* const b = Bbr(sk);
  b->lt_bw = 0;
  b->lt_use_bw = false;
  b->lt_is_sampling = false;
  ResetLtInterval(sk);
}

void LtIntervalDone(sock* sk, uint32_t bw) {
  bbr* const b = Bbr(sk);
  if (b->lt_bw != 0) {
    const uint32_t diff = bw > b->lt_bw ? bw - b->lt_bw : b->lt_bw - bw;
    if (uint64_t{diff} * kGainUnit <= uint64_t{kLtBwRatio} * b->lt_bw ||
        BytesPerSecond(sk, diff, kGainUnit) <= kLtBwDiffBytes) {
      b->lt_bw = static_cast<uint32_t>((uint64_t{bw} + b->lt_bw) >> 1);
      b->lt_use_bw = true;
      b->pacing_gain = kGainUnit;
      b->lt_rtt_cnt = 0;
      return;
    }
  }
  b->lt_bw = bw;
  ResetLtInterval(sk);
}

void EndLtInterval(sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  const bbr* const b = Bbr(sk);
  const uint32_t lost = tp->lost - b->lt_last_lost;
  const uint32_t delivered = tp->delivered - b->lt_last_delivered;
  if (delivered == 0 || lost << kGainScale < kLtLossThreshold * delivered) return;
  const uint32_t ms = static_cast<uint32_t>(tp->delivered_mstamp_us / 1000) - b->lt_last_stamp_ms;
  if (static_cast<int32_t>(ms) < 1) return;
  if (ms >= UINT32_MAX / 1000) {
    ResetLtSampling(sk);
    return;
  }
  LtIntervalDone(sk, static_cast<uint32_t>(uint64_t{delivered} * kBwUnit / (ms * 1000)));
}

void LtSampling(sock* sk, const rate_sample* rs) {
  bbr* const b = Bbr(sk);
  if (b->lt_use_bw) {
    if (b->mode != kProbeBw || !b->round_start) return;
    b->lt_rtt_cnt = (b->lt_rtt_cnt + 1) & 0x7f;
    if (b->lt_rtt_cnt < kLtMaxRounds) return;
    ResetLtSampling(sk);
    ResetProbeBwMode(sk);
    return;
  }
  // The first loss says that the policer's tokens are used up.
  if (!b->lt_is_sampling) {
    if (rs->losses == 0) return;
    ResetLtInterval(sk);
    b->lt_is_sampling = true;
  }
  if (rs->is_app_limited) {
    ResetLtSampling(sk);
    return;
  }
  if (b->round_start) b->lt_rtt_cnt = (b->lt_rtt_cnt + 1) & 0x7f;
  if (b->lt_rtt_cnt < kLtMinRounds) return;
  if (b->lt_rtt_cnt > 4 * kLtMinRounds) {
    ResetLtSampling(sk);
    return;
  }
  if (rs->losses != 0) EndLtInterval(sk);
}

// --- The model. ---

void UpdateBw(sock* sk, const rate_sample* rs) {
  const tcp_sock* const tp = tcp_sk(sk);
  bbr* const b = Bbr(sk);
  b->round_start = false;
  if (rs->delivered < 0 || rs->interval_us <= 0) return;
  if (static_cast<int32_t>(rs->prior_delivered - b->next_rtt_delivered) >= 0) {
    b->next_rtt_delivered = tp->delivered;
    ++b->rtt_cnt;
    b->round_start = true;
    b->packet_conservation = false;
  }
  LtSampling(sk, rs);
  const uint64_t bw =
      static_cast<uint64_t>(rs->delivered) * kBwUnit / static_cast<uint64_t>(rs->interval_us);
  // A sample that the application limited says nothing of the path, unless it is a new maximum.
  if (!rs->is_app_limited || bw >= MaxBw(b)) {
    minmax_running_max(&b->bw, kBwRounds, b->rtt_cnt, static_cast<uint32_t>(bw));
  }
}

// How many packets more than the rate explains are acknowledged in a burst.
void UpdateAckAggregation(sock* sk, const rate_sample* rs) {
  const tcp_sock* const tp = tcp_sk(sk);
  bbr* const b = Bbr(sk);
  if (rs->acked_sacked == 0 || rs->delivered < 0 || rs->interval_us <= 0) return;
  if (b->round_start) {
    b->extra_acked_win_rtts = std::min(0x1f, b->extra_acked_win_rtts + 1) & 0x1f;
    if (b->extra_acked_win_rtts >= kExtraAckedRounds) {
      b->extra_acked_win_rtts = 0;
      b->extra_acked_win_idx = b->extra_acked_win_idx != 0 ? 0 : 1;
      b->extra_acked[b->extra_acked_win_idx] = 0;
    }
  }
  const uint32_t epoch_us = tcp_stamp_us_delta(tp->delivered_mstamp_us, b->ack_epoch_mstamp_us);
  auto expected = static_cast<uint32_t>(uint64_t{Bw(b)} * epoch_us / kBwUnit);
  if (b->ack_epoch_acked <= expected ||
      b->ack_epoch_acked + rs->acked_sacked >= kExtraAckedResetThreshold) {
    b->ack_epoch_acked = 0;
    b->ack_epoch_mstamp_us = tp->delivered_mstamp_us;
    expected = 0;
  }
  b->ack_epoch_acked = std::min(0xfffffU, b->ack_epoch_acked + rs->acked_sacked);
  const uint32_t extra = std::min(b->ack_epoch_acked - expected, tp->snd_cwnd);
  uint16_t& most = b->extra_acked[b->extra_acked_win_idx];
  if (extra > most) most = static_cast<uint16_t>(extra);
}

// The pipe is full when the rate has not grown by a quarter in three rounds.
void CheckFullBwReached(bbr* b, const rate_sample* rs) {
  if (b->full_bw_reached || !b->round_start || rs->is_app_limited) return;
  const auto threshold =
      static_cast<uint32_t>(uint64_t{b->full_bw} * kFullBwThreshold >> kGainScale);
  if (MaxBw(b) >= threshold) {
    b->full_bw = MaxBw(b);
    b->full_bw_cnt = 0;
    return;
  }
  b->full_bw_cnt = (b->full_bw_cnt + 1) & 3;
  b->full_bw_reached = b->full_bw_cnt >= kFullBwRounds;
}

void CheckDrain(sock* sk) {
  bbr* const b = Bbr(sk);
  tcp_sock* const tp = tcp_sk(sk);
  if (b->mode == kStartup && b->full_bw_reached) {
    b->mode = kDrain;
    tp->snd_ssthresh = Inflight(sk, MaxBw(b), kGainUnit);
  }
  if (b->mode == kDrain &&
      PacketsInNetAtEdt(sk, tcp_packets_in_flight(tp)) <= Inflight(sk, MaxBw(b), kGainUnit)) {
    ResetProbeBwMode(sk);
  }
}

bool AfterJiffies(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) > 0; }

void CheckProbeRttDone(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  bbr* const b = Bbr(sk);
  const uint32_t now = tcp_jiffies32(sk);
  if (b->probe_rtt_done_stamp == 0 || !AfterJiffies(now, b->probe_rtt_done_stamp)) return;
  b->min_rtt_stamp = now;
  tcp_snd_cwnd_set(tp, std::max(tp->snd_cwnd, b->prior_cwnd));
  ResetMode(sk);
}

// With four packets in flight the queue drains, and the round trip is the path's own.
void ProbeRtt(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  bbr* const b = Bbr(sk);
  tp->app_limited = std::max(tp->delivered + tcp_packets_in_flight(tp), 1U);
  if (b->probe_rtt_done_stamp != 0) {
    if (b->round_start) b->probe_rtt_round_done = true;
    if (b->probe_rtt_round_done) CheckProbeRttDone(sk);
  } else if (tcp_packets_in_flight(tp) <= kCwndMin) {
    b->probe_rtt_done_stamp = tcp_jiffies32(sk) + msecs_to_jiffies(sk, kProbeRttMs);
    b->probe_rtt_round_done = false;
    b->next_rtt_delivered = tp->delivered;
  }
}

void UpdateMinRtt(sock* sk, const rate_sample* rs) {
  bbr* const b = Bbr(sk);
  const uint32_t now = tcp_jiffies32(sk);
  const bool expired =
      AfterJiffies(now, b->min_rtt_stamp + kMinRttWindowSeconds * tcp_ticks_of(sk).hz);
  if (rs->rtt_us >= 0 &&
      (rs->rtt_us < int64_t{b->min_rtt_us} || (expired && !rs->is_ack_delayed))) {
    b->min_rtt_us = static_cast<uint32_t>(rs->rtt_us);
    b->min_rtt_stamp = now;
  }
  if (expired && !b->idle_restart && b->mode != kProbeRtt) {
    b->mode = kProbeRtt;
    SaveCwnd(sk);
    b->probe_rtt_done_stamp = 0;
  }
  if (b->mode == kProbeRtt) ProbeRtt(sk);
  if (rs->delivered > 0) b->idle_restart = false;
}

void UpdateGains(bbr* b) {
  const auto set = [b](uint32_t pacing, uint32_t cwnd) {
    b->pacing_gain = static_cast<uint16_t>(pacing);
    b->cwnd_gain = static_cast<uint16_t>(cwnd);
  };
  switch (static_cast<Mode>(b->mode)) {
    case kStartup:
      set(kHighGain, kHighGain);
      break;
    case kDrain:
      set(kDrainGain, kHighGain);
      break;
    case kProbeBw:
      set(b->lt_use_bw ? kGainUnit : kPacingGain[b->cycle_idx], kCwndGain);
      break;
    case kProbeRtt:
      set(kGainUnit, kGainUnit);
      break;
  }
}

void bbr_main(sock* sk, uint32_t /*ack*/, uint32_t /*flag*/, const rate_sample* rs) {
  bbr* const b = Bbr(sk);
  UpdateBw(sk, rs);
  UpdateAckAggregation(sk, rs);
  if (b->mode == kProbeBw && IsNextCyclePhase(sk, rs)) AdvanceCyclePhase(sk);
  CheckFullBwReached(b, rs);
  CheckDrain(sk);
  UpdateMinRtt(sk, rs);
  UpdateGains(b);

  const uint32_t bw = Bw(b);
  SetPacingRate(sk, bw, b->pacing_gain);
  SetCwnd(sk, rs, rs->acked_sacked, bw, b->cwnd_gain);
}

void bbr_init(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  bbr* const b = Bbr(sk);
  *b = bbr{};
  tp->snd_ssthresh = TCP_INFINITE_SSTHRESH;
  b->next_rtt_delivered = tp->delivered;
  b->prev_ca_state = TCP_CA_Open;
  b->min_rtt_us = tcp_min_rtt(tp);
  b->min_rtt_stamp = tcp_jiffies32(sk);
  minmax_reset(&b->bw, b->rtt_cnt, 0);
  InitPacingRateFromRtt(sk);
  ResetLtSampling(sk);
  b->mode = kStartup;
  b->ack_epoch_mstamp_us = tp->tcp_mstamp_us;
  if (sk->sk_pacing_status == SK_PACING_NONE) sk->sk_pacing_status = SK_PACING_NEEDED;
}

// The application was silent: start again at the known rate, without a burst.
void bbr_cwnd_event_tx_start(sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  bbr* const b = Bbr(sk);
  if (tp->app_limited == 0) return;
  b->idle_restart = true;
  b->ack_epoch_mstamp_us = tp->tcp_mstamp_us;
  b->ack_epoch_acked = 0;
  if (b->mode == kProbeBw) {
    SetPacingRate(sk, Bw(b), kGainUnit);
  } else if (b->mode == kProbeRtt) {
    CheckProbeRttDone(sk);
  }
}

uint32_t bbr_sndbuf_expand(sock* /*sk*/) { return 3; }

uint32_t bbr_undo_cwnd(sock* sk) {
  bbr* const b = Bbr(sk);
  b->full_bw = 0;
  b->full_bw_cnt = 0;
  ResetLtSampling(sk);
  return tcp_sk(sk)->snd_cwnd;
}

uint32_t bbr_ssthresh(sock* sk) {
  SaveCwnd(sk);
  return tcp_sk(sk)->snd_ssthresh;
}

void bbr_set_state(sock* sk, uint8_t new_state) {
  if (new_state != TCP_CA_Loss) return;
  bbr* const b = Bbr(sk);
  rate_sample rs;
  rs.losses = 1;
  b->prev_ca_state = TCP_CA_Loss;
  b->full_bw = 0;
  b->round_start = true;  // a timeout ends the round
  LtSampling(sk, &rs);
}

uint32_t bbr_get_info(sock* sk, tcp_cc_info* info) {
  const bbr* const b = Bbr(sk);
  const uint64_t bw = uint64_t{Bw(b)} * tcp_sk(sk)->mss_cache * 1'000'000 >> kBwScale;
  info->bbr = {.bbr_bw_lo = static_cast<uint32_t>(bw),
               .bbr_bw_hi = static_cast<uint32_t>(bw >> 32),
               .bbr_min_rtt = b->min_rtt_us,
               .bbr_pacing_gain = b->pacing_gain,
               .bbr_cwnd_gain = b->cwnd_gain};
  return sizeof(info->bbr);
}

}  // namespace

const tcp_congestion_ops tcp_bbr_cong_ops = {
    .name = "bbr",
    .flags = TCP_CONG_NON_RESTRICTED,
    .init = bbr_init,
    .ssthresh = bbr_ssthresh,
    .undo_cwnd = bbr_undo_cwnd,
    .cong_control = bbr_main,
    .set_state = bbr_set_state,
    .cwnd_event_tx_start = bbr_cwnd_event_tx_start,
    .min_tso_segs = bbr_min_tso_segs,
    .sndbuf_expand = bbr_sndbuf_expand,
    .get_info = bbr_get_info,
};

}  // namespace tapedeck
