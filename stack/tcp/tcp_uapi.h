// TCP's part of the user interface (uapi linux/tcp.h): option numbers, struct
// tcp_info, control messages. Names that are macros in the system's headers are ours in another
// spelling: TCP_NODELAY is kTcpNodelay.
#ifndef TAPEDECK_STACK_TCP_TCP_UAPI_H_
#define TAPEDECK_STACK_TCP_TCP_UAPI_H_

#include <cstddef>
#include <cstdint>

namespace tapedeck {

inline constexpr int kSolTcp = 6;

// Options of level SOL_TCP.
enum : int {
  kTcpNodelay = 1,
  kTcpMaxseg = 2,
  kTcpCork = 3,
  kTcpKeepidle = 4,   // seconds
  kTcpKeepintvl = 5,  // seconds
  kTcpKeepcnt = 6,
  kTcpSyncnt = 7,
  kTcpLinger2 = 8,       // seconds
  kTcpDeferAccept = 9,   // seconds
  kTcpWindowClamp = 10,  // bytes
  kTcpInfo = 11,
  kTcpQuickack = 12,
  kTcpCongestion = 13,
  kTcpMd5sig = 14,
  kTcpThinLinearTimeouts = 16,
  kTcpThinDupack = 17,
  kTcpUserTimeout = 18,  // ms
  kTcpRepair = 19,
  kTcpRepairQueue = 20,
  kTcpQueueSeq = 21,
  kTcpRepairOptions = 22,
  kTcpFastopen = 23,
  kTcpTimestamp = 24,
  kTcpNotsentLowat = 25,  // bytes
  kTcpCcInfo = 26,
  kTcpSaveSyn = 27,
  kTcpSavedSyn = 28,
  kTcpRepairWindow = 29,
  kTcpFastopenConnect = 30,
  kTcpUlp = 31,
  kTcpMd5sigExt = 32,
  kTcpFastopenKey = 33,
  kTcpFastopenNoCookie = 34,
  kTcpZerocopyReceive = 35,
  kTcpInq = 36,      // also the type of the control message
  kTcpTxDelay = 37,  // us
  kTcpAoAddKey = 38,
  kTcpAoDelKey = 39,
  kTcpAoInfo = 40,
  kTcpAoGetKeys = 41,
  kTcpAoRepair = 42,
  kTcpIsMptcp = 43,
  kTcpRtoMaxMs = 44,
  kTcpRtoMinUs = 45,
  kTcpDelackMaxUs = 46,
};

// Values of TCP_REPAIR and TCP_REPAIR_QUEUE.
inline constexpr int kTcpRepairOn = 1;
inline constexpr int kTcpRepairOff = 0;
inline constexpr int kTcpRepairOffNoWp = -1;
enum : uint8_t { TCP_NO_QUEUE, TCP_RECV_QUEUE, TCP_SEND_QUEUE, TCP_QUEUES_NR };

struct tcp_repair_opt {
  uint32_t opt_code;
  uint32_t opt_val;
};
struct tcp_repair_window {
  uint32_t snd_wl1;
  uint32_t snd_wnd;
  uint32_t max_window;
  uint32_t rcv_wnd;
  uint32_t rcv_wup;
};

// tcp_info::tcpi_options.
enum : uint8_t {
  kTcpiOptTimestamps = 1,
  kTcpiOptSack = 2,
  kTcpiOptWscale = 4,
  kTcpiOptEcn = 8,
  kTcpiOptEcnSeen = 16,
  kTcpiOptSynData = 32,
  kTcpiOptUsecTs = 64,
  kTcpiOptTfoChild = 128,
};
// tcp_info::tcpi_ecn_mode.
enum : uint32_t {
  kTcpiEcnModeDisabled,
  kTcpiEcnModeRfc3168,
  kTcpiEcnModeAccecn,
  kTcpiEcnModePending,
};

// TCP_INFO. Times in microseconds unless said otherwise; tcpi_last_* in milliseconds ago.
struct tcp_info {
  uint8_t tcpi_state;
  uint8_t tcpi_ca_state;
  uint8_t tcpi_retransmits;
  uint8_t tcpi_probes;
  uint8_t tcpi_backoff;
  uint8_t tcpi_options;
  uint8_t tcpi_snd_wscale : 4, tcpi_rcv_wscale : 4;
  uint8_t tcpi_delivery_rate_app_limited : 1, tcpi_fastopen_client_fail : 2, tcpi_unused : 5;

  uint32_t tcpi_rto;
  uint32_t tcpi_ato;
  uint32_t tcpi_snd_mss;
  uint32_t tcpi_rcv_mss;

  uint32_t tcpi_unacked;  // of a listener: children to accept
  uint32_t tcpi_sacked;   // of a listener: its backlog
  uint32_t tcpi_lost;
  uint32_t tcpi_retrans;
  uint32_t tcpi_fackets;

  uint32_t tcpi_last_data_sent;
  uint32_t tcpi_last_ack_sent;  // always 0
  uint32_t tcpi_last_data_recv;
  uint32_t tcpi_last_ack_recv;

  uint32_t tcpi_pmtu;
  uint32_t tcpi_rcv_ssthresh;
  uint32_t tcpi_rtt;
  uint32_t tcpi_rttvar;
  uint32_t tcpi_snd_ssthresh;
  uint32_t tcpi_snd_cwnd;
  uint32_t tcpi_advmss;
  uint32_t tcpi_reordering;

  uint32_t tcpi_rcv_rtt;
  uint32_t tcpi_rcv_space;

  uint32_t tcpi_total_retrans;

  uint64_t tcpi_pacing_rate;  // bytes a second
  uint64_t tcpi_max_pacing_rate;
  uint64_t tcpi_bytes_acked;
  uint64_t tcpi_bytes_received;
  uint32_t tcpi_segs_out;
  uint32_t tcpi_segs_in;

  uint32_t tcpi_notsent_bytes;
  uint32_t tcpi_min_rtt;
  uint32_t tcpi_data_segs_in;
  uint32_t tcpi_data_segs_out;

  uint64_t tcpi_delivery_rate;  // bytes a second

  uint64_t tcpi_busy_time;
  uint64_t tcpi_rwnd_limited;
  uint64_t tcpi_sndbuf_limited;

  uint32_t tcpi_delivered;
  uint32_t tcpi_delivered_ce;

  uint64_t tcpi_bytes_sent;
  uint64_t tcpi_bytes_retrans;
  uint32_t tcpi_dsack_dups;
  uint32_t tcpi_reord_seen;

  uint32_t tcpi_rcv_ooopack;

  uint32_t tcpi_snd_wnd;
  uint32_t tcpi_rcv_wnd;

  uint32_t tcpi_rehash;

  uint16_t tcpi_total_rto;
  uint16_t tcpi_total_rto_recoveries;
  uint32_t tcpi_total_rto_time;  // ms

  uint32_t tcpi_received_ce;
  uint32_t tcpi_delivered_e1_bytes;
  uint32_t tcpi_delivered_e0_bytes;
  uint32_t tcpi_delivered_ce_bytes;
  uint32_t tcpi_received_e1_bytes;
  uint32_t tcpi_received_e0_bytes;
  uint32_t tcpi_received_ce_bytes;
  uint32_t tcpi_ecn_mode : 2, tcpi_accecn_opt_seen : 2, tcpi_accecn_fail_mode : 4,
      tcpi_options2 : 24;
};
static_assert(sizeof(tcp_info) == 280);
static_assert(offsetof(tcp_info, tcpi_pacing_rate) == 104);
static_assert(offsetof(tcp_info, tcpi_total_rto) == 240);
static_assert(offsetof(tcp_info, tcpi_received_ce) == 248);

// Attributes of SCM_TIMESTAMPING_OPT_STATS.
enum : uint16_t {
  TCP_NLA_PAD,
  TCP_NLA_BUSY,
  TCP_NLA_RWND_LIMITED,
  TCP_NLA_SNDBUF_LIMITED,
  TCP_NLA_DATA_SEGS_OUT,
  TCP_NLA_TOTAL_RETRANS,
  TCP_NLA_PACING_RATE,
  TCP_NLA_DELIVERY_RATE,
  TCP_NLA_SND_CWND,
  TCP_NLA_REORDERING,
  TCP_NLA_MIN_RTT,
  TCP_NLA_RECUR_RETRANS,
  TCP_NLA_DELIVERY_RATE_APP_LMT,
  TCP_NLA_SNDQ_SIZE,
  TCP_NLA_CA_STATE,
  TCP_NLA_SND_SSTHRESH,
  TCP_NLA_DELIVERED,
  TCP_NLA_DELIVERED_CE,
  TCP_NLA_BYTES_SENT,
  TCP_NLA_BYTES_RETRANS,
  TCP_NLA_DSACK_DUPS,
  TCP_NLA_REORD_SEEN,
  TCP_NLA_SRTT,
  TCP_NLA_TIMEOUT_REHASH,
  TCP_NLA_BYTES_NOTSENT,
  TCP_NLA_EDT,
  TCP_NLA_TTL,
  TCP_NLA_REHASH,
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_UAPI_H_
