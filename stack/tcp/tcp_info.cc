// What a connection tells of itself: TCP_INFO, and the statistics that go with a transmit time
// stamp (SOF_TIMESTAMPING_OPT_STATS).
#include <algorithm>
#include <cstring>

#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_ecn.h"
#include "stack/tcp/tcp_segment.h"
#include "stack/tcp/tcp_timer.h"
#include "stack/tcp/tcp_uapi.h"

namespace tapedeck {
namespace {

constexpr uint64_t kUsPerSecond = 1'000'000;

// Bytes a second, as the last rate sample has it; 0: none yet.
uint64_t tcp_compute_delivery_rate(const tcp_sock* tp) {
  if (tp->rate_delivered == 0 || tp->rate_interval_us == 0) return 0;
  return uint64_t{tp->rate_delivered} * tp->mss_cache * kUsPerSecond / tp->rate_interval_us;
}

uint32_t NotsentBytes(const tcp_sock* tp) {
  return static_cast<uint32_t>(std::max(0, tp->write_seq - tp->snd_nxt));
}

// Microseconds in which there was something to send, and in which it could not go.
struct ChronoStats {
  uint64_t busy_us;
  uint64_t rwnd_limited_us;
  uint64_t sndbuf_limited_us;
};
ChronoStats GetChronoStats(const tcp_sock* tp) {
  uint64_t us[TCP_CHRONO_SNDBUF_LIMITED + 1] = {};
  for (int type = TCP_CHRONO_BUSY; type <= TCP_CHRONO_SNDBUF_LIMITED; ++type) {
    uint64_t jiffies = tp->chrono_stat[type - 1];
    if (type == tp->chrono_type) jiffies += tcp_jiffies32(tp) - tp->chrono_start;
    us[type] = jiffies * (kUsPerSecond / tcp_ticks_of(tp).hz);
  }
  return {us[TCP_CHRONO_BUSY] + us[TCP_CHRONO_RWND_LIMITED] + us[TCP_CHRONO_SNDBUF_LIMITED],
          us[TCP_CHRONO_RWND_LIMITED], us[TCP_CHRONO_SNDBUF_LIMITED]};
}

void FillOptions(const tcp_sock* tp, tcp_info* info) {
  uint32_t options = 0;
  if (tp->rx_opt.tstamp_ok) options |= kTcpiOptTimestamps;
  if (tcp_is_sack(tp)) options |= kTcpiOptSack;
  if (tp->rx_opt.wscale_ok) {
    options |= kTcpiOptWscale;
    info->tcpi_snd_wscale = tp->rx_opt.snd_wscale & 0xf;
    info->tcpi_rcv_wscale = tp->rx_opt.rcv_wscale & 0xf;
  }
  if (tcp_ecn_mode_any(tp)) options |= kTcpiOptEcn;
  if ((tp->ecn_flags & TCP_ECN_SEEN) != 0) options |= kTcpiOptEcnSeen;
  if (tp->syn_data_acked) options |= kTcpiOptSynData;
  if (tp->tcp_usec_ts) options |= kTcpiOptUsecTs;
  if (tp->syn_fastopen_child) options |= kTcpiOptTfoChild;
  info->tcpi_options = static_cast<uint8_t>(options);
}

uint32_t MillisecondsSince(const tcp_sock* tp, uint32_t jiffies32) {
  return static_cast<uint32_t>(jiffies_to_msecs(tp, tcp_jiffies32(tp) - jiffies32));
}

void FillTimes(const tcp_sock* tp, tcp_info* info) {
  info->tcpi_rto = static_cast<uint32_t>(jiffies_to_usecs(tp, tp->icsk_rto));
  info->tcpi_ato =
      static_cast<uint32_t>(jiffies_to_usecs(tp, std::min(tp->icsk_ack.ato, tcp_delack_max(tp))));
  info->tcpi_last_data_sent = MillisecondsSince(tp, tp->lsndtime);
  info->tcpi_last_data_recv = MillisecondsSince(tp, tp->icsk_ack.lrcvtime);
  info->tcpi_last_ack_recv = MillisecondsSince(tp, tp->rcv_tstamp);
  info->tcpi_rtt = tp->srtt_us >> 3;
  info->tcpi_rttvar = tp->mdev_us >> 2;
  info->tcpi_min_rtt = tcp_min_rtt(tp);
  info->tcpi_rcv_rtt = tp->rcv_rtt_est.rtt_us >> 3;
  const ChronoStats chrono = GetChronoStats(tp);
  info->tcpi_busy_time = chrono.busy_us;
  info->tcpi_rwnd_limited = chrono.rwnd_limited_us;
  info->tcpi_sndbuf_limited = chrono.sndbuf_limited_us;
}

void FillWindows(const tcp_sock* tp, tcp_info* info) {
  info->tcpi_snd_mss = tp->mss_cache;
  info->tcpi_rcv_mss = tp->icsk_ack.rcv_mss;
  info->tcpi_advmss = tp->advmss;
  info->tcpi_pmtu = tp->icsk_pmtu_cookie;
  info->tcpi_rcv_ssthresh = tp->rcv_ssthresh;
  info->tcpi_snd_ssthresh = tp->snd_ssthresh;
  info->tcpi_rcv_space = tp->rcvq_space.space;
  info->tcpi_snd_wnd = tp->snd_wnd;
  info->tcpi_rcv_wnd = tp->rcv_wnd;
}

void FillFlight(const tcp_sock* tp, tcp_info* info) {
  info->tcpi_ca_state = tp->icsk_ca_state;
  info->tcpi_retransmits = tp->icsk_retransmits;
  info->tcpi_probes = tp->icsk_probes_out;
  info->tcpi_backoff = tp->icsk_backoff;
  info->tcpi_unacked = tp->packets_out;
  info->tcpi_sacked = tp->sacked_out;
  info->tcpi_lost = tp->lost_out;
  info->tcpi_retrans = tp->retrans_out;
  info->tcpi_notsent_bytes = NotsentBytes(tp);
  info->tcpi_delivery_rate_app_limited = tp->rate_app_limited ? 1 : 0;
  info->tcpi_delivery_rate = tcp_compute_delivery_rate(tp);
  info->tcpi_delivered = tp->delivered;
  info->tcpi_delivered_ce = tp->delivered_ce;
}

void FillCounts(const tcp_sock* tp, tcp_info* info) {
  info->tcpi_total_retrans = tp->total_retrans;
  info->tcpi_bytes_acked = tp->bytes_acked;
  info->tcpi_bytes_received = tp->bytes_received;
  info->tcpi_bytes_sent = tp->bytes_sent;
  info->tcpi_bytes_retrans = tp->bytes_retrans;
  info->tcpi_segs_out = tp->segs_out;
  info->tcpi_segs_in = tp->segs_in;
  info->tcpi_data_segs_in = tp->data_segs_in;
  info->tcpi_data_segs_out = tp->data_segs_out;
  info->tcpi_dsack_dups = tp->dsack_dups;
  info->tcpi_reord_seen = tp->reord_seen;
  info->tcpi_rcv_ooopack = tp->rcv_ooopack;
  info->tcpi_rehash = tp->timeout_rehash;
  info->tcpi_fastopen_client_fail = tp->fastopen_client_fail & 3;
  info->tcpi_total_rto = tp->total_rto;
  info->tcpi_total_rto_recoveries = tp->total_rto_recoveries;
  info->tcpi_total_rto_time = tp->total_rto_time_ms;
  if (tp->rto_stamp_ms != 0) {
    // One is under way.
    const auto now_ms = static_cast<uint32_t>(tcp_clock_ms(tp->sk_net));
    info->tcpi_total_rto_time += now_ms - tp->rto_stamp_ms;
  }
}

uint32_t EcnMode(const tcp_sock* tp) {
  if (tcp_ecn_disabled(tp)) return kTcpiEcnModeDisabled;
  if (tcp_ecn_mode_rfc3168(tp)) return kTcpiEcnModeRfc3168;
  return tcp_ecn_mode_accecn(tp) ? kTcpiEcnModeAccecn : kTcpiEcnModePending;
}

void FillEcn(const tcp_sock* tp, tcp_info* info) {
  constexpr int kEct1 = INET_ECN_ECT_1 - 1;
  constexpr int kEct0 = INET_ECN_ECT_0 - 1;
  constexpr int kCe = INET_ECN_CE - 1;
  info->tcpi_ecn_mode = EcnMode(tp) & 3;
  info->tcpi_accecn_fail_mode = tp->accecn_fail_mode & 0xf;
  info->tcpi_accecn_opt_seen = tp->saw_accecn_opt & 3;
  info->tcpi_received_ce = tp->received_ce;
  info->tcpi_delivered_e1_bytes = tp->delivered_ecn_bytes[kEct1];
  info->tcpi_delivered_e0_bytes = tp->delivered_ecn_bytes[kEct0];
  info->tcpi_delivered_ce_bytes = tp->delivered_ecn_bytes[kCe];
  info->tcpi_received_e1_bytes = tp->received_ecn_bytes[kEct1];
  info->tcpi_received_e0_bytes = tp->received_ecn_bytes[kEct0];
  info->tcpi_received_ce_bytes = tp->received_ecn_bytes[kCe];
}

// --- Netlink attributes: 16 bits of length with the head, 16 bits of type, the value, padding to
// four bytes. ---

constexpr uint32_t kAttributeHeadBytes = 4;
constexpr uint32_t AttributeBytes(uint32_t value_bytes) {
  return (kAttributeHeadBytes + value_bytes + 3) & ~3U;
}

template <typename T>
void PutAttribute(sk_buff* skb, uint16_t type, T value) {
  uint8_t* const at = skb_put_zero(skb, AttributeBytes(sizeof(value)));
  const auto length = static_cast<uint16_t>(kAttributeHeadBytes + sizeof(value));
  std::memcpy(at, &length, sizeof(length));
  std::memcpy(at + sizeof(length), &type, sizeof(type));
  std::memcpy(at + kAttributeHeadBytes, &value, sizeof(value));
}

// Room for all of them (tcp_opt_stats_get_size).
constexpr uint32_t kOptStatsBytes = 10 * AttributeBytes(sizeof(uint64_t)) +
                                    12 * AttributeBytes(sizeof(uint32_t)) +
                                    5 * AttributeBytes(sizeof(uint16_t));

void PutRates(sk_buff* stats, const tcp_sock* tp) {
  const ChronoStats chrono = GetChronoStats(tp);
  PutAttribute<uint64_t>(stats, TCP_NLA_BUSY, chrono.busy_us);
  PutAttribute<uint64_t>(stats, TCP_NLA_RWND_LIMITED, chrono.rwnd_limited_us);
  PutAttribute<uint64_t>(stats, TCP_NLA_SNDBUF_LIMITED, chrono.sndbuf_limited_us);
  PutAttribute<uint64_t>(stats, TCP_NLA_DATA_SEGS_OUT, tp->data_segs_out);
  PutAttribute<uint64_t>(stats, TCP_NLA_TOTAL_RETRANS, tp->total_retrans);
  PutAttribute<uint64_t>(stats, TCP_NLA_PACING_RATE, tp->sk_pacing_rate);
  PutAttribute<uint64_t>(stats, TCP_NLA_DELIVERY_RATE, tcp_compute_delivery_rate(tp));
  PutAttribute<uint32_t>(stats, TCP_NLA_SND_CWND, tp->snd_cwnd);
  PutAttribute<uint32_t>(stats, TCP_NLA_REORDERING, tp->reordering);
  PutAttribute<uint32_t>(stats, TCP_NLA_MIN_RTT, tcp_min_rtt(tp));
  PutAttribute<uint8_t>(stats, TCP_NLA_RECUR_RETRANS, tp->icsk_retransmits);
  PutAttribute<uint8_t>(stats, TCP_NLA_DELIVERY_RATE_APP_LMT, tp->rate_app_limited ? 1 : 0);
}

void PutCounts(sk_buff* stats, const tcp_sock* tp) {
  PutAttribute<uint32_t>(stats, TCP_NLA_SND_SSTHRESH, tp->snd_ssthresh);
  PutAttribute<uint32_t>(stats, TCP_NLA_DELIVERED, tp->delivered);
  PutAttribute<uint32_t>(stats, TCP_NLA_DELIVERED_CE, tp->delivered_ce);
  const int32_t queued = std::max(0, tp->write_seq - tp->snd_una);
  PutAttribute<uint32_t>(stats, TCP_NLA_SNDQ_SIZE, static_cast<uint32_t>(queued));
  PutAttribute<uint8_t>(stats, TCP_NLA_CA_STATE, tp->icsk_ca_state);
  PutAttribute<uint64_t>(stats, TCP_NLA_BYTES_SENT, tp->bytes_sent);
  PutAttribute<uint64_t>(stats, TCP_NLA_BYTES_RETRANS, tp->bytes_retrans);
  PutAttribute<uint32_t>(stats, TCP_NLA_DSACK_DUPS, tp->dsack_dups);
  PutAttribute<uint32_t>(stats, TCP_NLA_REORD_SEEN, tp->reord_seen);
  PutAttribute<uint32_t>(stats, TCP_NLA_SRTT, tp->srtt_us >> 3);
  PutAttribute<uint16_t>(stats, TCP_NLA_TIMEOUT_REHASH, tp->timeout_rehash);
  PutAttribute<uint32_t>(stats, TCP_NLA_BYTES_NOTSENT, NotsentBytes(tp));
}

}  // namespace

void tcp_get_info(sock* sk, tcp_info* info) {
  const tcp_sock* const tp = tcp_sk(sk);
  std::memset(info, 0, sizeof(*info));
  info->tcpi_state = sk->sk_state;
  info->tcpi_pacing_rate = sk->sk_pacing_rate;
  info->tcpi_max_pacing_rate = sk->sk_max_pacing_rate;
  info->tcpi_reordering = tp->reordering;
  info->tcpi_snd_cwnd = tcp_snd_cwnd(tp);
  if (sk->sk_state == TCP_LISTEN) {
    info->tcpi_unacked = sk->sk_ack_backlog;
    info->tcpi_sacked = sk->sk_max_ack_backlog;
    return;
  }
  FillFlight(tp, info);
  FillOptions(tp, info);
  FillTimes(tp, info);
  FillWindows(tp, info);
  FillCounts(tp, info);
  FillEcn(tp, info);
}

sk_buff* tcp_get_timestamping_opt_stats(const sock* sk, const sk_buff* orig_skb,
                                        const sk_buff* ack_skb) {
  const tcp_sock* const tp = tcp_sk(sk);
  sk_buff* const stats = alloc_skb(sk->sk_net, kOptStatsBytes);
  if (stats == nullptr) return nullptr;
  PutRates(stats, tp);
  PutCounts(stats, tp);
  PutAttribute<uint64_t>(stats, TCP_NLA_EDT, static_cast<uint64_t>(orig_skb->tstamp));
  if (ack_skb != nullptr) PutAttribute<uint8_t>(stats, TCP_NLA_TTL, tcp_ttl(ack_skb));
  PutAttribute<uint32_t>(stats, TCP_NLA_REHASH, tp->timeout_rehash);
  return stats;
}

}  // namespace tapedeck
