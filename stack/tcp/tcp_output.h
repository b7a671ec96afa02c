// A segment's way out (net/ipv4/tcp_output.c).
// Files: tcp_output.cc (transmit_skb, write_xmit, push, Nagle, TSO deferral),
// tcp_options_output.cc, tcp_fragment.cc (split, trim, collapse), tcp_retransmit.cc,
// tcp_loss_probe.cc, tcp_mtu_probe.cc (probe and MSS), tcp_window.cc (select_window),
// tcp_control_output.cc (ACK, FIN, RST, probes), tcp_connect.cc, tcp_tsq.cc (small queues, pacing).
#ifndef TAPEDECK_STACK_TCP_TCP_OUTPUT_H_
#define TAPEDECK_STACK_TCP_TCP_OUTPUT_H_

#include <cstdint>

#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

enum class tcp_queue : uint8_t { kRtx, kWrite };

// --- Data. ---
// How many packets `push_one` lets out whatever the congestion window says: no limit but the usual
// ones, one, or one loss probe.
inline constexpr int kPushLossProbe = 2;
// The truesize by which a pure ACK is known on its way down (skb_set_tcp_pure_ack).
inline constexpr uint32_t kPureAckTruesize = 2;

// Sends as much of the write queue as windows, Nagle, TSO and pacing allow. True where data
// remains, nothing is in flight, and nobody will be told: a probe timer is needed.
bool tcp_write_xmit(sock* sk, uint32_t mss_now, int nonagle, int push_one);
void __tcp_push_pending_frames(sock* sk, uint32_t cur_mss, int nonagle);
void tcp_push_pending_frames(sock* sk);
void tcp_push_one(sock* sk, uint32_t mss_now);
// Sends one packet of the queue (`clone_it`) or one made for this. 0, NET_XMIT_* or -errno.
int tcp_transmit_skb(sock* sk, sk_buff* skb, bool clone_it);
int __tcp_transmit_skb(sock* sk, sk_buff* skb, bool clone_it, SeqNum rcv_nxt);
// Moves the sent head of the write queue to the retransmission queue.
void tcp_event_new_data_sent(sock* sk, sk_buff* skb);

// --- Retransmission. ---
int __tcp_retransmit_skb(sock* sk, sk_buff* skb, uint32_t segs);
int tcp_retransmit_skb(sock* sk, sk_buff* skb, uint32_t segs);
void tcp_xmit_retransmit_queue(sock* sk);
bool tcp_schedule_loss_probe(sock* sk, bool advancing_rto);
void tcp_send_loss_probe(sock* sk);

// --- Packets of the queues. ---
// Splits `skb` (or a part of the write queue) after `len` bytes. 0 or -ENOMEM.
int tcp_fragment(sock* sk, tcp_queue queue, sk_buff* skb, uint32_t len, uint32_t mss_now);
// Takes the first `len` bytes, acknowledged, away. 0 or -ENOMEM.
int tcp_trim_head(sock* sk, sk_buff* skb, uint32_t len);
// Sets tcp_gso_segs/size for `mss_now` and returns the segments.
uint32_t tcp_set_skb_tso_segs(sk_buff* skb, uint32_t mss_now);
// Retransmission `skb` takes the transmit time stamp request of `next_skb` over.
void tcp_skb_collapse_tstamp(sk_buff* skb, const sk_buff* next_skb);
void tcp_skb_shift_counts(sock* sk, sk_buff* skb, int decr);  // tcp_adjust_pcount

// --- Control segments. ---
int tcp_connect(sock* sk);  // SYN; 0 or -errno
// Before that, with both ends known: the ISN and the timestamps' offset / what the socket has kept
// from its last connection is forgotten where that was to another peer.
void tcp_choose_isn(sock* sk);
void tcp_forget_other_peer(sock* sk, const IpAddress& daddr);
void tcp_send_fin(sock* sk);
void tcp_send_active_reset(sock* sk);
int tcp_send_synack(sock* sk);  // of a simultaneous open
void tcp_send_ack(sock* sk);
void __tcp_send_ack(sock* sk, SeqNum rcv_nxt, uint16_t flags);
void tcp_send_delayed_ack(sock* sk);
void tcp_send_probe0(sock* sk);
// A probe, or the head of the queue where the window allows. 0, > 0: nothing sent, below 0: error.
int tcp_write_wakeup(sock* sk, TcpExtMib mib);
void tcp_send_window_probe(sock* sk);

// --- MSS and window. ---
// proto::setup_caps: TCP makes packets of several segments whatever the device can.
void tcp_setup_caps(sock* sk, const dst_entry* dst);
uint32_t tcp_sync_mss(sock* sk, uint32_t pmtu);
uint32_t tcp_current_mss(sock* sk);  // bytes of data of the next segment
int tcp_mtu_to_mss(sock* sk, int pmtu);
int tcp_mss_to_mtu(sock* sk, int mss);
void tcp_mtup_init(sock* sk);
// The window to put into the next header, scaled.
uint16_t tcp_select_window(sock* sk);
uint32_t __tcp_select_window(sock* sk);  // bytes
void tcp_select_initial_window(const sock* sk, int space, uint32_t mss, uint32_t* rcv_wnd,
                               uint32_t* window_clamp, bool wscale_ok, uint8_t* rcv_wscale,
                               uint32_t init_rcv_wnd);
void tcp_cwnd_restart(sock* sk, int32_t delta);
void tcp_slow_start_after_idle_check(sock* sk);
uint32_t tcp_dst_advmss(const dst_entry* dst);
void tcp_update_skb_after_send(sock* sk, sk_buff* skb, uint64_t prior_wstamp_ns);
bool tcp_needs_internal_pacing(const sock* sk);
void tcp_chrono_start(sock* sk, tcp_chrono type);
void tcp_chrono_stop(sock* sk, tcp_chrono type);

// --- Options on the wire: shared with SYN-ACKs (tcp_options_output.cc). ---
struct tcp_out_options {
  uint16_t options = 0;  // OPTION_*
  uint16_t mss = 0;      // 0: none
  uint8_t ws = 0;
  uint8_t num_sack_blocks = 0;
  uint8_t num_accecn_fields = 0;
  bool use_synack_ecn_bytes = false;
  uint32_t tsval = 0;
  uint32_t tsecr = 0;
  const tcp_fastopen_cookie* fastopen_cookie = nullptr;
};
enum : uint16_t {
  OPTION_SACK_ADVERTISE = 1 << 0,
  OPTION_TS = 1 << 1,
  OPTION_MD5 = 1 << 2,
  OPTION_WSCALE = 1 << 3,
  OPTION_FAST_OPEN_COOKIE = 1 << 8,
  OPTION_ACCECN = 1 << 12,
};
struct tcp_md5sig_key;
// Chooses the options of a SYN-ACK; their bytes (tcp_synack_options).
uint32_t tcp_synack_options(const sock* sk, request_sock* req, uint32_t mss, sk_buff* skb,
                            tcp_out_options* opts, const tcp_md5sig_key* md5,
                            tcp_fastopen_cookie* foc, tcp_synack_type type, sk_buff* syn_skb);
// Writes them behind the 20 bytes of `th`. `tp` is null and `req` set for a SYN-ACK. With MD5,
// *md5_hash points at the 16 bytes to fill.
void tcp_options_write(wire::TcpHeader* th, tcp_sock* tp, const request_sock* req,
                       tcp_out_options* opts, uint8_t** md5_hash);

// Sends what TSQ and pacing had held back on `sk` (tcp_tsq_handler), and release_cb's part of it.
void tcp_tsq_handler(sock* sk);
// The part of it for a socket that may send now (release_cb).
void tcp_tsq_write(sock* sk);
// Registers the softirq that does (tcp_tsq.cc).
void tcp_tasklet_init(net& net);
// sk_buff::destructor of segments on their way out.
void tcp_wfree(sk_buff* skb);
void tcp_pace_kick(HrTimer* timer);  // pacing_timer's function

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_OUTPUT_H_
