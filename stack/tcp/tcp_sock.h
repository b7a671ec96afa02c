// A TCP connection's state (include/linux/tcp.h): the variables of RFC 9293 by their names, and
// what Linux keeps beside them. Functions are declared by the file that defines them: tcp_input.h
// (and tcp_ack.h), tcp_output.h, tcp_timer.h, tcp_cong.h, ...
//
// Sequence numbers are SeqNum, which only compares the right way. Times: *_us in microseconds of
// the host's clock, jiffies in tcp_jiffies32, *_ns in nanoseconds.
#ifndef TAPEDECK_STACK_TCP_TCP_SOCK_H_
#define TAPEDECK_STACK_TCP_TCP_SOCK_H_

#include <cstdint>

#include "stack/base/list.h"
#include "stack/base/rbtree.h"
#include "stack/base/seqnum.h"
#include "stack/core/skbuff.h"
#include "stack/ipv4/ip.h"
#include "stack/kernel/timer.h"
#include "stack/tcp/inet_connection_sock.h"
#include "stack/tcp/tcp_constants.h"
#include "stack/tcp/win_minmax.h"
#include "stack/wire/tcp.h"

namespace tapedeck {

inline const wire::TcpHeader* tcp_hdr(const sk_buff* skb) {
  return reinterpret_cast<const wire::TcpHeader*>(skb_transport_header(skb));
}
inline uint32_t tcp_hdrlen(const sk_buff* skb) {
  return static_cast<uint32_t>(tcp_hdr(skb)->header_bytes());
}

struct tcp_sack_block {
  SeqNum start_seq;
  SeqNum end_seq;
};
inline constexpr int kTcpNumSacks = 4;  // TCP_NUM_SACKS

// A fast open cookie (RFC 7413); len -1: none was asked for or given, 0: one is requested.
struct tcp_fastopen_cookie {
  static constexpr int kMinBytes = 4;
  static constexpr int kMaxBytes = 16;
  uint8_t val[kMaxBytes] = {};
  int8_t len = 0;
  bool exp = false;  // in the experimental option
};

// What the last segment's options said, and what the handshake agreed on.
struct tcp_options_received {
  uint32_t ts_recent_stamp_s = 0;  // when ts_recent was stored (seconds); 0: never
  uint32_t ts_recent = 0;
  uint32_t rcv_tsval = 0;
  uint32_t rcv_tsecr = 0;
  bool saw_tstamp = false;  // on the last segment
  bool tstamp_ok = false;   // agreed
  bool dsack = false;       // the next SACK starts with duplicate_sack
  bool wscale_ok = false;
  uint8_t sack_ok = 0;  // TCP_SACK_SEEN | TCP_DSACK_SEEN
  uint8_t snd_wscale = 0;
  uint8_t rcv_wscale = 0;
  uint8_t accecn = 0;  // offset of the AccECN option in the TCP header, bytes; 0: none
  bool saw_unknown = false;
  uint8_t num_sacks = 0;
  uint16_t user_mss = 0;   // TCP_MAXSEG
  uint16_t mss_clamp = 0;  // agreed
};

// Control block of a packet in TCP's hands.
struct tcp_skb_cb {
  SeqNum seq;
  SeqNum end_seq;  // seq + SYN + FIN + data
  union {
    uint32_t tcp_tw_isn;  // input: ISN that a time-wait socket suggests; 0: none
    struct {
      uint16_t tcp_gso_segs;  // write queue only
      uint16_t tcp_gso_size;
    };
  };
  uint16_t tcp_flags;  // TCPHDR_*
  uint8_t sacked;      // TCPCB_*
  uint8_t ip_dsfield;  // TOS of the IP header
  bool txstamp_ack : 1;
  bool eor : 1;  // MSG_EOR: nothing is appended
  bool has_rxtstamp : 1;
  SeqNum ack_seq;  // input
  union {
    struct {
      uint32_t is_app_limited : 1;
      uint32_t delivered_ce : 20;
      uint32_t unused : 11;
      uint32_t delivered;  // packets (s)acked when it was sent
      uint64_t first_tx_mstamp_us;
      uint64_t delivered_mstamp_us;
    } tx;
    uint8_t header[24];  // input: the network layer's control block, moved behind (see tcp_ipv4.cc)
  };
};
static_assert(sizeof(tcp_skb_cb) <= 48);
inline tcp_skb_cb* TCP_SKB_CB(sk_buff* skb) {
  static_assert(alignof(tcp_skb_cb) <= 8);
  return reinterpret_cast<tcp_skb_cb*>(skb->cb);
}
inline const tcp_skb_cb* TCP_SKB_CB(const sk_buff* skb) {
  return reinterpret_cast<const tcp_skb_cb*>(skb->cb);
}

// Packets ordered by sequence: the retransmission queue and the out-of-order queue. The links lie
// over next, prev and dev of the packet (as in the kernel), so it is on no list and has no device
// while it is in a tree.
inline rb_node* skb_rb(sk_buff* skb) { return reinterpret_cast<rb_node*>(skb); }
inline sk_buff* rb_to_skb(rb_node* node) { return reinterpret_cast<sk_buff*>(node); }
static_assert(offsetof(sk_buff, dev) == 2 * sizeof(void*));
inline sk_buff* skb_rb_first(const rb_root* root) { return rb_to_skb(rb_first(root)); }
inline sk_buff* skb_rb_last(const rb_root* root) { return rb_to_skb(rb_last(root)); }
inline sk_buff* skb_rb_next(sk_buff* skb) { return rb_to_skb(rb_next(skb_rb(skb))); }
inline sk_buff* skb_rb_prev(sk_buff* skb) { return rb_to_skb(rb_prev(skb_rb(skb))); }
// Inserts by TCP_SKB_CB(skb)->seq.
void tcp_rbtree_insert(rb_root* root, sk_buff* skb);
// Drops all of `root`.
void skb_rbtree_purge(rb_root* root);

// The packets in flight in the order in which they were (last) sent (tsorted_sent_queue).
struct tcp_tsorted_list {
  sk_buff* first = nullptr;
  sk_buff* last = nullptr;
};

struct tcp_sock;
struct tcp_pacing_timer : HrTimer {
  tcp_pacing_timer(Cpu& its_cpu, Function function_in, tcp_sock* its_tp)
      : HrTimer(its_cpu, function_in), tp(its_tp) {}
  tcp_sock* tp;
};

// tcp_sock::tsq_flags: what has to be done when the socket is let go (release_cb).
enum : uint8_t {
  TSQF_THROTTLED = 1 << 0,
  TSQF_QUEUED = 1 << 1,
  TCPF_TSQ_DEFERRED = 1 << 2,
  TCPF_WRITE_TIMER_DEFERRED = 1 << 3,
  TCPF_DELACK_TIMER_DEFERRED = 1 << 4,
  TCPF_MTU_REDUCED_DEFERRED = 1 << 5,
  TCPF_ACK_DEFERRED = 1 << 6,
};

// tcp_sock::chrono_type.
enum tcp_chrono : uint8_t {
  TCP_CHRONO_UNSPEC,
  TCP_CHRONO_BUSY,
  TCP_CHRONO_RWND_LIMITED,
  TCP_CHRONO_SNDBUF_LIMITED,
};

struct tcp_fastopen_request {
  tcp_fastopen_cookie cookie;
  struct msghdr* data = nullptr;  // of the sendmsg that connects; nullptr: connect() without data
  size_t size = 0;
  int copied = 0;        // bytes that the SYN took
  bool waiting = false;  // the sendmsg sleeps until it is connected; `data` is gone
};

// Links a socket into its CPU's list of those whose output waits for the softirq.
struct TsqTag;

struct tcp_sock : inet_connection_sock, ListNode<TsqTag> {
  tcp_sock(net& host_net, uint16_t family, const proto* prot);

  // --- Send sequence space (RFC 9293 3.3.1). ---
  SeqNum snd_una;
  SeqNum snd_nxt;
  SeqNum write_seq;   // behind all that was written
  SeqNum pushed_seq;  // last pushed
  SeqNum snd_sml;     // end of the last small segment (Minshall)
  SeqNum snd_up;      // urgent pointer
  SeqNum snd_wl1;     // of the last window update
  uint32_t snd_wnd = 0;
  uint32_t max_window = 0;  // largest that the peer has offered

  // --- Receive sequence space. ---
  SeqNum rcv_nxt;
  SeqNum copied_seq;  // the user has read up to here
  SeqNum rcv_wup;     // rcv_nxt when the window was last advertised
  uint32_t rcv_wnd = 0;
  SeqNum rcv_mwnd_seq;  // largest right edge advertised (RFC 7323 2.4)
  uint32_t rcv_ssthresh = 0;
  uint32_t window_clamp = 0;
  uint8_t scaling_ratio = 0;  // window bytes per 256 bytes of buffer
  uint16_t advmss = 0;
  uint16_t urg_data = 0;  // TCP_URG_* and the byte
  SeqNum urg_seq;

  // --- Segments. ---
  uint32_t tsoffset = 0;
  uint32_t mss_cache = 0;       // bytes of data per segment without SACK blocks
  uint16_t tcp_header_len = 0;  // bytes with the options of every segment
  uint16_t gso_segs = 0;        // most segments in one packet
  uint32_t pred_flags =
      0;  // header prediction: bytes 12..15 of the header as a host number; 0: off
  tcp_options_received rx_opt;
  SeqNum compressed_ack_rcv_nxt;
  uint8_t compressed_ack = 0;
  uint8_t dup_ack_counter = 0;
  uint8_t nonagle = 0;  // TCP_NAGLE_*
  bool repair = false;
  bool tcp_usec_ts = false;
  bool recvmsg_inq = false;

  // --- Queues. sk_write_queue: not yet sent; sk_receive_queue: in order. ---
  rb_root tcp_rtx_queue;       // sent, by sequence
  rb_root out_of_order_queue;  // received ahead, by sequence
  sk_buff* ooo_last_skb = nullptr;
  tcp_tsorted_list tsorted_sent_queue;
  sk_buff* retransmit_skb_hint = nullptr;
  sk_buff* highest_sack =
      nullptr;  // just behind the highest SACKed one; valid where sacked_out > 0

  // --- In flight, in packets. ---
  uint32_t packets_out = 0;
  uint32_t sacked_out = 0;
  uint32_t lost_out = 0;
  uint32_t retrans_out = 0;
  uint32_t max_packets_out = 0;
  SeqNum cwnd_usage_seq;
  bool is_cwnd_limited = false;
  uint32_t notsent_lowat = 0;

  // --- Congestion (RFC 5681, 6937, 8985). ---
  uint32_t snd_cwnd = 0;
  uint32_t snd_ssthresh = 0;
  uint32_t snd_cwnd_cnt = 0;
  uint32_t snd_cwnd_clamp = 0;
  uint32_t snd_cwnd_used = 0;
  uint32_t snd_cwnd_stamp = 0;
  uint32_t prior_cwnd = 0;
  uint32_t prior_ssthresh = 0;
  uint32_t prr_delivered = 0;
  uint32_t prr_out = 0;
  SeqNum high_seq;          // snd_nxt when the congestion event began
  SeqNum tlp_high_seq;      // snd_nxt at the time of the TLP
  bool tlp_active = false;  // tlp_high_seq is valid (the kernel's tlp_high_seq != 0)
  bool tlp_retrans = false;
  SeqNum undo_marker;
  bool undo_marker_valid = false;  // (the kernel's undo_marker != 0)
  int32_t undo_retrans = 0;
  uint32_t retrans_stamp = 0;  // tcp_time_stamp_ts of the first retransmission; 0: none
  uint32_t reordering = 0;
  uint32_t reord_seen = 0;
  bool is_sack_reneg = false;
  bool frto = false;
  bool thin_lto = false;
  tcp_sack_block duplicate_sack[1];
  tcp_sack_block selective_acks[kTcpNumSacks];
  tcp_sack_block recv_sack_cache[kTcpNumSacks];
  struct {
    uint64_t mstamp_us = 0;
    uint32_t rtt_us = 0;
    SeqNum end_seq;
    uint32_t last_delivered = 0;
    uint8_t reo_wnd_steps = 0;
    uint8_t reo_wnd_persist = 0;
    bool dsack_seen = false;
    bool advanced = false;
  } rack;

  // --- Round trip (RFC 6298). ---
  uint32_t srtt_us = 0;  // << 3
  uint32_t mdev_us = 0;  // << 2
  uint32_t mdev_max_us = 0;
  uint32_t rttvar_us = 0;
  SeqNum rtt_seq;
  minmax rtt_min;
  struct {
    uint32_t rtt_us = 0;
    SeqNum seq;
    uint64_t time_us = 0;
  } rcv_rtt_est;
  uint32_t rcv_rtt_last_tsecr = 0;
  struct {
    uint32_t space = 0;
    SeqNum seq;
    uint64_t time_us = 0;
  } rcvq_space;

  // --- Clock, pacing and rates. ---
  uint64_t tcp_clock_cache_ns = 0;
  uint64_t tcp_mstamp_us = 0;
  uint64_t tcp_wstamp_ns = 0;
  uint64_t first_tx_mstamp_us = 0;
  uint64_t delivered_mstamp_us = 0;
  uint32_t lsndtime = 0;  // tcp_jiffies32
  uint32_t delivered = 0;
  uint32_t delivered_ce = 0;
  uint32_t lost = 0;
  uint32_t app_limited = 0;
  uint32_t rate_delivered = 0;
  uint32_t rate_interval_us = 0;
  bool rate_app_limited = false;
  tcp_pacing_timer pacing_timer;
  tcp_pacing_timer compressed_ack_timer;
  uint8_t tsq_flags = 0;  // TSQF_* and TCPF_*
  uint8_t chrono_type = TCP_CHRONO_UNSPEC;
  uint32_t chrono_start = 0;  // tcp_jiffies32
  uint32_t chrono_stat[3] = {};

  // --- ECN (RFC 3168) and AccECN (RFC 9768). ---
  uint8_t ecn_flags = 0;
  uint8_t prev_ecnfield = 0;
  uint8_t received_ce_pending = 0;
  bool accecn_opt_sent_w_dsack = false;
  uint8_t accecn_minlen = 0;
  uint8_t est_ecnfield = 0;
  uint8_t accecn_opt_demand = 0;
  uint8_t syn_ect_snt = 0;
  uint8_t syn_ect_rcv = 0;
  uint8_t accecn_fail_mode = 0;
  uint8_t saw_accecn_opt = 0;
  uint64_t accecn_opt_tstamp_us = 0;
  uint32_t received_ce = 0;
  uint32_t received_ecn_bytes[3] = {};  // ECT(1), ECT(0), CE
  uint32_t delivered_ecn_bytes[3] = {};
  uint16_t pkts_acked_ewma = 0;

  // --- Connection options. ---
  uint32_t keepalive_time = 0;  // jiffies; 0: the sysctl's
  uint32_t keepalive_intvl = 0;
  uint8_t keepalive_probes = 0;
  int32_t linger2 = 0;  // jiffies in FIN-WAIT-2; 0: the sysctl's; below 0: none
  uint8_t save_syn = 0;
  uint32_t tcp_tx_delay_us = 0;

  // --- Fast open. ---
  bool fastopen_connect = false;
  bool fastopen_no_cookie = false;
  uint8_t fastopen_client_fail = 0;  // TFO_STATUS_*
  bool syn_data = false;
  bool syn_fastopen = false;
  bool syn_fastopen_exp = false;
  bool syn_fastopen_ch = false;
  bool syn_data_acked = false;
  bool syn_fastopen_child = false;
  tcp_fastopen_request* fastopen_req = nullptr;
  request_sock* fastopen_rsk = nullptr;  // the SYN whose data made this socket, until it is ACKed
  struct saved_syn* saved_syn = nullptr;

  // --- Counts (RFC 4898, TCP_INFO). ---
  uint64_t bytes_acked = 0;
  uint64_t bytes_sent = 0;
  uint64_t bytes_retrans = 0;
  uint64_t bytes_received = 0;
  uint32_t segs_in = 0;
  uint32_t segs_out = 0;
  uint32_t data_segs_in = 0;
  uint32_t data_segs_out = 0;
  uint32_t dsack_dups = 0;
  uint32_t total_retrans = 0;
  uint32_t rto_stamp_ms = 0;
  uint16_t total_rto = 0;
  uint16_t total_rto_recoveries = 0;
  uint32_t total_rto_time_ms = 0;
  uint32_t rcv_ooopack = 0;
  uint16_t timeout_rehash = 0;
  uint32_t rcv_tstamp = 0;  // tcp_jiffies32 of the last ACK
  uint32_t last_oow_ack_time = 0;

  // --- Path MTU. ---
  uint32_t mtu_info = 0;  // of an ICMP message that was put off
  struct {
    SeqNum probe_seq_start;
    SeqNum probe_seq_end;
  } mtu_probe;

  struct tcp_md5sig_info* md5sig_info = nullptr;
  dst_entry* sk_rx_dst = nullptr;  // input route of the last segment, for early demux
  int sk_rx_dst_ifindex = 0;
  uint32_t sk_rx_dst_cookie = 0;  // IPv6: what dst_check compares
  // ACKs tell that the next hop lives (sk_dst_confirm): the next segment's dst_pending_confirm says
  // so to its neighbour, and this is false again.
  bool sk_dst_pending_confirm = false;
};

inline tcp_sock* tcp_sk(sock* sk) { return static_cast<tcp_sock*>(sk); }
inline const tcp_sock* tcp_sk(const sock* sk) { return static_cast<const tcp_sock*>(sk); }

// `mss`, or TCP_MAXSEG where that is less.
inline uint16_t tcp_mss_clamp(const tcp_sock* tp, uint32_t mss) {
  const uint16_t user_mss = tp->rx_opt.user_mss;
  return user_mss != 0 && user_mss < mss ? user_mss : static_cast<uint16_t>(mss);
}
// Whether timestamps to this route count microseconds.
inline bool dst_tcp_usec_ts(const dst_entry* dst) {
  constexpr uint32_t kRtaxFeatureTcpUsecTs = 1U << 4;
  return (dst_metric_raw(dst, RTAX_FEATURES) & kRtaxFeatureTcpUsecTs) != 0;
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_SOCK_H_
