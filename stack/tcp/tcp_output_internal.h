// What the parts of TCP output share among themselves. Not for others.
#ifndef TAPEDECK_STACK_TCP_TCP_OUTPUT_INTERNAL_H_
#define TAPEDECK_STACK_TCP_TCP_OUTPUT_INTERNAL_H_

#include <cstdint>

#include "stack/base/trace_event.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_queues.h"
#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

struct tcp_md5sig_key;

inline constexpr int kMtuSearchAll = 2;  // tcp_mtu_probing: always, not only after a black hole

// sk_state is one of these.
template <typename... State>
inline bool tcp_state_is(const sock* sk, State... states) {
  return ((sk->sk_state == states) || ...);
}
// There is urgent data that has not been acknowledged.
inline bool tcp_urg_mode(const tcp_sock* tp) { return tp->snd_una != tp->snd_up; }
inline uint32_t DivRoundUp(uint32_t a, uint32_t b) { return (a + b - 1) / b; }
inline uint32_t RoundDown(uint32_t a, uint32_t b) { return a - a % b; }

// --- Options (tcp_options_output.cc). ---
// Chooses the options of a SYN (`skb`, also a crossed SYN-ACK), or of any other segment; their
// bytes. `skb` may be null in the latter: only the size is asked for.
uint32_t tcp_syn_options(sock* sk, const sk_buff* skb, tcp_out_options* opts,
                         const tcp_md5sig_key* md5);
uint32_t tcp_established_options(sock* sk, const sk_buff* skb, tcp_out_options* opts,
                                 const tcp_md5sig_key* md5);

// --- Packets (tcp_fragment.cc, tcp_tso.cc). ---
// The control block of a segment without data.
void tcp_init_nondata_skb(sk_buff* skb, SeqNum seq, uint16_t flags);
// A new one of these with its headroom; nullptr: no memory.
sk_buff* tcp_alloc_nondata_skb(sock* sk, SeqNum seq, uint16_t flags);
bool tcp_has_tx_tstamp(const sk_buff* skb);
// Requests for time stamps, and the mark of a record's end, follow their last byte from `skb` to
// what was cut off it.
void tcp_fragment_tstamp(sk_buff* skb, sk_buff* skb2);
void tcp_skb_fragment_eor(sk_buff* skb, sk_buff* skb2);
// What is cut off `skb` after `len` bytes of sequence space is `buff`: numbers and flags of both.
void tcp_skb_split_sequence(sk_buff* skb, sk_buff* buff, uint32_t len);
// `src` of the write queue is empty, its bytes are in `dst`: frees it.
void tcp_eat_one_skb(sock* sk, sk_buff* dst, sk_buff* src);
// The segments of `skb` for `mss_now`, counted anew where needed.
uint32_t tcp_init_tso_segs(sk_buff* skb, uint32_t mss_now);
// Cuts the unsent `skb` after `len` bytes. 0 or -ENOMEM.
int tso_fragment(sock* sk, sk_buff* skb, uint32_t len, uint32_t mss_now);
// Moves up to `amount` bytes of the next packet into `skb`, the head of the write queue.
void tcp_grow_skb(sock* sk, sk_buff* skb, uint32_t amount);

// --- How much goes out (tcp_tso.cc, tcp_cwnd_validate.cc, tcp_tsq.cc). ---
// Segments that a packet should have.
uint32_t tcp_tso_segs(sock* sk, uint32_t mss_now);
// Bytes of `skb` that may be sent.
uint32_t tcp_mss_split_point(const sock* sk, const sk_buff* skb, uint32_t mss_now,
                             uint32_t max_segs, int nonagle);
// A `partial` segment waits for more data (RFC 896, with Minshall's modification).
bool tcp_nagle_check(bool partial, const tcp_sock* tp, int nonagle);
bool tcp_tso_should_defer(sock* sk, const sk_buff* skb, bool* is_cwnd_limited,
                          bool* is_rwnd_limited, uint32_t max_segs);
// Whether at least one segment of `skb` fits into the peer's window.
bool tcp_snd_wnd_test(const tcp_sock* tp, const sk_buff* skb, uint32_t cur_mss);
void tcp_cwnd_validate(sock* sk, bool is_cwnd_limited);
// True: it is too early for the next packet, and a timer will say when.
bool tcp_pacing_check(sock* sk);
// True: enough waits in this host's queues. Limits are 2^factor times as high.
bool tcp_small_queue_check(sock* sk, const sk_buff* skb, uint32_t factor);

// --- Path MTU (tcp_mtu_probe.cc, tcp_mss.cc). ---
int __tcp_mtu_to_mss(sock* sk, int pmtu);
enum class MtuProbe : uint8_t { kNone, kWait, kSent };
MtuProbe tcp_mtu_probe(sock* sk);

// --- Retransmission (tcp_retransmit.cc). ---
// A clone of `skb` still waits in this host.
bool skb_still_in_host_queue(sock* sk, const sk_buff* skb);
void TraceRetransmit(sock* sk, const sk_buff* skb, TcpRetransmitWhy why);

// The sequence number that a segment without data carries: snd_nxt where the window allows it.
SeqNum tcp_acceptable_seq(const sock* sk);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_OUTPUT_INTERNAL_H_
