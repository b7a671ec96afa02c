#include "replay/lab/tcp_info_names.h"

#include <cstddef>

#include "stack/tcp/tcp_uapi.h"

namespace tapedeck {

namespace {

// Fields of struct tcp_info that are whole integers.
// clang-format off
#define TAPEDECK_TCP_INFO_FIELDS(X) \
  X(tcpi_state) X(tcpi_ca_state) X(tcpi_retransmits) X(tcpi_probes) X(tcpi_backoff) \
  X(tcpi_options) X(tcpi_rto) X(tcpi_ato) X(tcpi_snd_mss) X(tcpi_rcv_mss) X(tcpi_unacked) \
  X(tcpi_sacked) X(tcpi_lost) X(tcpi_retrans) X(tcpi_fackets) X(tcpi_last_data_sent) \
  X(tcpi_last_ack_sent) X(tcpi_last_data_recv) X(tcpi_last_ack_recv) X(tcpi_pmtu) \
  X(tcpi_rcv_ssthresh) X(tcpi_rtt) X(tcpi_rttvar) X(tcpi_snd_ssthresh) X(tcpi_snd_cwnd) \
  X(tcpi_advmss) X(tcpi_reordering) X(tcpi_rcv_rtt) X(tcpi_rcv_space) X(tcpi_total_retrans) \
  X(tcpi_pacing_rate) X(tcpi_max_pacing_rate) X(tcpi_bytes_acked) X(tcpi_bytes_received) \
  X(tcpi_segs_out) X(tcpi_segs_in) X(tcpi_notsent_bytes) X(tcpi_min_rtt) \
  X(tcpi_data_segs_in) X(tcpi_data_segs_out) X(tcpi_delivery_rate) X(tcpi_busy_time) \
  X(tcpi_rwnd_limited) X(tcpi_sndbuf_limited) X(tcpi_delivered) X(tcpi_delivered_ce) \
  X(tcpi_bytes_sent) X(tcpi_bytes_retrans) X(tcpi_dsack_dups) X(tcpi_reord_seen) \
  X(tcpi_rcv_ooopack) X(tcpi_snd_wnd) X(tcpi_rcv_wnd) X(tcpi_rehash) X(tcpi_total_rto) \
  X(tcpi_total_rto_recoveries) X(tcpi_total_rto_time) X(tcpi_received_ce) \
  X(tcpi_delivered_e1_bytes) X(tcpi_delivered_e0_bytes) X(tcpi_delivered_ce_bytes) \
  X(tcpi_received_e1_bytes) X(tcpi_received_e0_bytes) X(tcpi_received_ce_bytes)
// clang-format on

constexpr uint16_t kWscaleOffset = offsetof(tcp_info, tcpi_options) + 1;
constexpr uint16_t kAppLimitedOffset = kWscaleOffset + 1;
// The word of bit fields at the end.
constexpr uint16_t kEcnOffset = offsetof(tcp_info, tcpi_received_ce_bytes) + 4;

constexpr InfoField Info(const char* name, size_t offset, uint8_t shift, uint8_t bits) {
  return {name, InfoSource::kTcpInfo, static_cast<uint16_t>(offset), shift, bits};
}
constexpr InfoField Cc(const char* name, uint16_t offset, uint8_t bits) {
  return {name, InfoSource::kTcpCcInfo, offset, 0, bits};
}
constexpr InfoField Mem(const char* name, uint16_t index) {
  return {name, InfoSource::kMemInfo, static_cast<uint16_t>(index * 4), 0, 32};
}

constexpr InfoField kFields[] = {
#define X(field) Info(#field, offsetof(tcp_info, field), 0, sizeof(tcp_info::field) * 8),
    TAPEDECK_TCP_INFO_FIELDS(X)
#undef X
        Info("tcpi_snd_wscale", kWscaleOffset, 0, 4),
    Info("tcpi_rcv_wscale", kWscaleOffset, 4, 4),
    Info("tcpi_delivery_rate_app_limited", kAppLimitedOffset, 0, 1),
    Info("tcpi_fastopen_client_fail", kAppLimitedOffset, 1, 2),
    Info("tcpi_ecn_mode", kEcnOffset, 0, 2),
    Info("tcpi_accecn_opt_seen", kEcnOffset, 2, 2),
    Info("tcpi_accecn_fail_mode", kEcnOffset, 4, 4),
    Info("tcpi_options2", kEcnOffset, 8, 24),
    // Congestion controls of their own (linux/inet_diag.h). They share their place.
    Cc("bbr_bw_lo", 0, 32),
    Cc("bbr_bw_hi", 4, 32),
    Cc("bbr_bw", 0, 64),
    Cc("bbr_min_rtt", 8, 32),
    Cc("bbr_pacing_gain", 12, 32),
    Cc("bbr_cwnd_gain", 16, 32),
    Cc("dctcp_enabled", 0, 16),
    Cc("dctcp_ce_state", 2, 16),
    Cc("dctcp_alpha", 4, 32),
    Cc("dctcp_ab_ecn", 8, 32),
    Cc("dctcp_ab_tot", 12, 32),
    Cc("tcpv_enabled", 0, 32),
    Cc("tcpv_rttcnt", 4, 32),
    Cc("tcp_rtt", 8, 32),
    Cc("tcp_minrtt", 12, 32),
    // linux/sock_diag.h.
    Mem("SK_MEMINFO_RMEM_ALLOC", 0),
    Mem("SK_MEMINFO_RCVBUF", 1),
    Mem("SK_MEMINFO_WMEM_ALLOC", 2),
    Mem("SK_MEMINFO_SNDBUF", 3),
    Mem("SK_MEMINFO_FWD_ALLOC", 4),
    Mem("SK_MEMINFO_WMEM_QUEUED", 5),
    Mem("SK_MEMINFO_OPTMEM", 6),
    Mem("SK_MEMINFO_BACKLOG", 7),
    Mem("SK_MEMINFO_DROPS", 8),
};

}  // namespace

const InfoField* FindInfoField(std::string_view name) {
  for (const InfoField& field : kFields) {
    if (name == field.name) return &field;
  }
  return nullptr;
}

int64_t ReadInfoField(const InfoField& field, std::span<const uint8_t> bytes) {
  const size_t size = (field.shift_bits + field.bits + 7U) / 8U;
  if (field.offset_bytes + size > bytes.size()) return 0;
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) {
    value |= uint64_t{bytes[field.offset_bytes + i]} << (8 * i);
  }
  value >>= field.shift_bits;
  if (field.bits < 64) value &= (uint64_t{1} << field.bits) - 1;
  return static_cast<int64_t>(value);
}

}  // namespace tapedeck
