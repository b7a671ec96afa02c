// Congestion control as a plug-in (net/ipv4/tcp_cong.c): a table of functions per algorithm,
// private state in the socket. Reno is always there; CUBIC is the default; DCTCP and BBR beside
// them.
#ifndef TAPEDECK_STACK_TCP_TCP_CONG_H_
#define TAPEDECK_STACK_TCP_TCP_CONG_H_

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_queues.h"
#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

enum tcp_ca_event : uint8_t {
  CA_EVENT_TX_START,      // first transmission with nothing in flight
  CA_EVENT_CWND_RESTART,  // after idle
  CA_EVENT_COMPLETE_CWR,
  CA_EVENT_LOSS,
  CA_EVENT_ECN_NO_CE,
  CA_EVENT_ECN_IS_CE,
};

// in_ack_event's flags.
enum : uint32_t { CA_ACK_SLOWPATH = 1, CA_ACK_WIN_UPDATE = 2, CA_ACK_ECE = 4 };

// tcp_congestion_ops::flags.
enum : uint32_t {
  TCP_CONG_NON_RESTRICTED = 1 << 0,
  TCP_CONG_NEEDS_ECN = 1 << 1,
  TCP_CONG_NEEDS_ACCECN = 1 << 2,
  TCP_CONG_ECT_1_NEGOTIATION = 1 << 3,
  TCP_CONG_NO_FALLBACK_RFC3168 = 1 << 4,
};

inline constexpr uint32_t TCP_CA_NAME_MAX = 16;

struct ack_sample {
  uint32_t pkts_acked;
  int32_t rtt_us;
  uint32_t in_flight;
};

// Packets delivered over an interval; invalid where delivered or interval_us is negative.
struct rate_sample {
  uint64_t prior_mstamp_us = 0;
  uint32_t prior_delivered = 0;
  uint32_t prior_delivered_ce = 0;
  int32_t delivered = 0;
  int32_t delivered_ce = 0;
  int64_t interval_us = 0;
  uint32_t snd_interval_us = 0;
  uint32_t rcv_interval_us = 0;
  int64_t rtt_us = -1;
  int32_t losses = 0;
  uint32_t acked_sacked = 0;
  uint32_t prior_in_flight = 0;
  SeqNum last_end_seq;
  bool is_app_limited = false;
  bool is_retrans = false;
  bool is_ack_delayed = false;
};

// What an algorithm tells about itself: TCP_CC_INFO (uapi linux/inet_diag.h).
struct tcp_dctcp_info {
  uint16_t dctcp_enabled;
  uint16_t dctcp_ce_state;
  uint32_t dctcp_alpha;   // of 1024
  uint32_t dctcp_ab_ecn;  // bytes of the present round trip that were marked
  uint32_t dctcp_ab_tot;
};
struct tcp_bbr_info {
  uint32_t bbr_bw_lo;  // bytes a second
  uint32_t bbr_bw_hi;
  uint32_t bbr_min_rtt;      // us
  uint32_t bbr_pacing_gain;  // of 256
  uint32_t bbr_cwnd_gain;
};
union tcp_cc_info {
  tcp_dctcp_info dctcp;
  tcp_bbr_info bbr;
};
static_assert(sizeof(tcp_cc_info) == 20);

// One algorithm. ssthresh and undo_cwnd are set, and one of cong_avoid and cong_control; the others
// may be null.
struct tcp_congestion_ops {
  char name[TCP_CA_NAME_MAX];
  uint32_t flags;  // TCP_CONG_*
  void (*init)(sock* sk) = nullptr;
  void (*release)(sock* sk) = nullptr;
  uint32_t (*ssthresh)(sock* sk) = nullptr;
  uint32_t (*undo_cwnd)(sock* sk) = nullptr;
  void (*cong_avoid)(sock* sk, uint32_t ack, uint32_t acked) = nullptr;
  void (*cong_control)(sock* sk, uint32_t ack, uint32_t flag, const rate_sample* rs) = nullptr;
  void (*set_state)(sock* sk, uint8_t new_state) = nullptr;
  void (*cwnd_event)(sock* sk, tcp_ca_event event) = nullptr;
  void (*cwnd_event_tx_start)(sock* sk) = nullptr;
  void (*in_ack_event)(sock* sk, uint32_t flags) = nullptr;
  void (*pkts_acked)(sock* sk, const ack_sample* sample) = nullptr;
  uint32_t (*min_tso_segs)(sock* sk) = nullptr;
  uint32_t (*sndbuf_expand)(sock* sk) = nullptr;
  // Fills TCP_CC_INFO; its bytes.
  uint32_t (*get_info)(sock* sk, tcp_cc_info* info) = nullptr;
};

extern const tcp_congestion_ops tcp_reno;
extern const tcp_congestion_ops cubictcp;
extern const tcp_congestion_ops dctcp;
extern const tcp_congestion_ops dctcp_reno;  // what dctcp is without ECN
extern const tcp_congestion_ops tcp_bbr_cong_ops;

// All that can be chosen, Reno first. nullptr past the end / where there is none.
const tcp_congestion_ops* tcp_ca_at(int index);
const tcp_congestion_ops* tcp_ca_find(std::string_view name);
// What a route says in RTAX_CC_ALGO to mean the algorithm: never 0.
uint32_t tcp_ca_key(const tcp_congestion_ops* ops);
// dst_entry's own bit in RTAX_FEATURES, beside those of the user: the algorithm needs ECN.
inline constexpr uint32_t DST_FEATURE_ECN_CA = 1U << 31;

void tcp_assign_congestion_control(sock* sk);  // the host's default, at socket()
// That of the route, where it names one: whether it does.
bool tcp_ca_dst_init(sock* sk, const dst_entry* dst);
void tcp_init_congestion_control(sock* sk);  // when established
void tcp_cleanup_congestion_control(sock* sk);
void tcp_set_ca_state(sock* sk, uint8_t ca_state);
// TCP_CONGESTION. 0, -ENOENT, -EPERM (restricted and not `cap_net_admin`), -EPERM.
int tcp_set_congestion_control(sock* sk, std::string_view name, bool cap_net_admin);
// Whether an unprivileged user may choose it.
bool tcp_ca_allowed(const net& net, const tcp_congestion_ops* ops);
int tcp_set_default_congestion_control(net& net, std::string_view name);
int tcp_set_allowed_congestion_control(net& net, std::string_view names);

// Reno's parts, which others build on (RFC 5681).
uint32_t tcp_slow_start(tcp_sock* tp, uint32_t acked);  // acked packets left over
void tcp_cong_avoid_ai(tcp_sock* tp, uint32_t w, uint32_t acked);
uint32_t tcp_reno_ssthresh(sock* sk);
uint32_t tcp_reno_undo_cwnd(sock* sk);
void tcp_reno_cong_avoid(sock* sk, uint32_t ack, uint32_t acked);

inline bool tcp_ca_needs_ecn(const sock* sk) {
  return (inet_csk(sk)->icsk_ca_ops->flags & TCP_CONG_NEEDS_ECN) != 0;
}
inline bool tcp_ca_needs_accecn(const sock* sk) {
  return (inet_csk(sk)->icsk_ca_ops->flags & TCP_CONG_NEEDS_ACCECN) != 0;
}
inline bool tcp_ca_ect_1_negotiation(const sock* sk) {
  return (inet_csk(sk)->icsk_ca_ops->flags & TCP_CONG_ECT_1_NEGOTIATION) != 0;
}
inline bool tcp_ca_no_fallback_rfc3168(const sock* sk) {
  return (inet_csk(sk)->icsk_ca_ops->flags & TCP_CONG_NO_FALLBACK_RFC3168) != 0;
}
inline void tcp_ca_event_notify(sock* sk, tcp_ca_event event) {
  const tcp_congestion_ops* const ops = inet_csk(sk)->icsk_ca_ops;
  if (event == CA_EVENT_TX_START) {
    if (ops->cwnd_event_tx_start != nullptr) ops->cwnd_event_tx_start(sk);
  } else if (ops->cwnd_event != nullptr) {
    ops->cwnd_event(sk, event);
  }
}

// --- The window. ---

inline uint32_t tcp_snd_cwnd(const tcp_sock* tp) { return tp->snd_cwnd; }
inline void tcp_snd_cwnd_set(tcp_sock* tp, uint32_t val) {
  CHECK_GT(static_cast<int32_t>(val), 0);
  tp->snd_cwnd = val;
}
inline bool tcp_in_slow_start(const tcp_sock* tp) { return tp->snd_cwnd < tp->snd_ssthresh; }
inline bool tcp_in_initial_slowstart(const tcp_sock* tp) {
  return tp->snd_ssthresh >= TCP_INFINITE_SSTHRESH;
}
inline bool tcp_in_cwnd_reduction(const sock* sk) {
  return ((1U << TCP_CA_CWR | 1U << TCP_CA_Recovery) & 1U << inet_csk(sk)->icsk_ca_state) != 0;
}
inline uint32_t tcp_current_ssthresh(const sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (tcp_in_cwnd_reduction(sk)) return tp->snd_ssthresh;
  return std::max(tp->snd_ssthresh, (tp->snd_cwnd >> 1) + (tp->snd_cwnd >> 2));
}
inline bool tcp_is_cwnd_limited(const sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (tp->is_cwnd_limited) return true;
  // In slow start cwnd may grow to twice what was used.
  return tcp_in_slow_start(tp) && tp->snd_cwnd < 2 * tp->max_packets_out;
}
inline uint32_t tcp_min_rtt(const tcp_sock* tp) { return minmax_get(&tp->rtt_min); }

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_CONG_H_
