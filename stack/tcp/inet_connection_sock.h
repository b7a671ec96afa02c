// A connection-oriented internet socket (include/net/inet_connection_sock.h): what a protocol with
// connections needs beside inet_sock. Timers, the accept queue, the bound port, MTU probing, and
// the operations that depend on the address family.
#ifndef TAPEDECK_STACK_TCP_INET_CONNECTION_SOCK_H_
#define TAPEDECK_STACK_TCP_INET_CONNECTION_SOCK_H_

#include <cstdint>

#include "stack/core/flow.h"
#include "stack/core/net.h"
#include "stack/core/sock.h"
#include "stack/ipv4/inet_sock.h"
#include "stack/kernel/timer.h"
#include "stack/tcp/inet_hashtables.h"
#include "stack/tcp/request_sock.h"

namespace tapedeck {

struct tcp_congestion_ops;

// What TCP asks of the network layer below a connection: one table per address family. A mapped
// IPv4 connection of an IPv6 socket uses the IPv4 table with IPv6 socket options.
struct inet_connection_sock_af_ops {
  uint16_t net_header_len;  // bytes of the header without options
  uint16_t sockaddr_len;
  // Sends a segment with its TCP header complete but for the checksum (ip_queue_xmit). Owns it.
  int (*queue_xmit)(sock* sk, sk_buff* skb, flowi* fl);
  // Fills the checksum field of an outgoing segment (CHECKSUM_PARTIAL).
  void (*send_check)(sock* sk, sk_buff* skb);
  // Routes a connection anew (inet_sk_rebuild_header). 0 or -errno.
  int (*rebuild_header)(sock* sk);
  // Keeps the input route of a segment for early demux.
  void (*sk_rx_dst_set)(sock* sk, const sk_buff* skb);
  // A SYN for a listener. The packet stays the caller's. 0; below zero: answer with a reset.
  int (*conn_request)(sock* sk, sk_buff* skb);
  // The child of a completed handshake. nullptr where it failed; *own_req: the request was still in
  // the hash table and is the caller's to finish.
  sock* (*syn_recv_sock)(const sock* sk, sk_buff* skb, request_sock* req, dst_entry* dst,
                         request_sock* req_unhash, bool* own_req);
  int (*setsockopt)(sock* sk, int level, int optname, const void* optval, uint32_t optlen);
  int (*getsockopt)(sock* sk, int level, int optname, void* optval, uint32_t* optlen);
  // An ICMP message about the path MTU that was put off while the socket was owned.
  void (*mtu_reduced)(sock* sk);
};

// icsk_pending: which event the retransmission timer stands for. Values as in the kernel.
enum : uint8_t {
  ICSK_TIME_RETRANS = 1,
  ICSK_TIME_DACK = 2,
  ICSK_TIME_PROBE0 = 3,
  ICSK_TIME_LOSS_PROBE = 5,
  ICSK_TIME_REO_TIMEOUT = 6,
};

// icsk_ack.pending.
enum : uint8_t {
  ICSK_ACK_SCHED = 1,
  ICSK_ACK_TIMER = 2,
  ICSK_ACK_PUSHED = 4,
  ICSK_ACK_PUSHED2 = 8,
  ICSK_ACK_NOW = 16,  // send the next ACK immediately, once
  ICSK_ACK_NOMEM = 32,
};

struct inet_connection_sock;

// A timer of a connection. While it is pending the socket has one more reference.
struct icsk_timer : TimerList {
  icsk_timer(inet_connection_sock* its_sk, Function handler) : TimerList(handler), sk(its_sk) {}
  inet_connection_sock* sk;
};

struct inet_connection_sock : inet_sock {
  inet_connection_sock(net& host_net, uint16_t family, const proto* prot);

  inet_ehash_node icsk_hash_node;  // in ehash or, listening, in lhash2
  request_sock_queue icsk_accept_queue;
  inet_bind_node icsk_bind_node;  // in the bucket of its local port
  icsk_timer icsk_retransmit_timer;
  icsk_timer icsk_delack_timer;
  icsk_timer icsk_keepalive_timer;

  // Jiffies.
  uint32_t icsk_rto = 0;
  uint32_t icsk_rto_min = 0;
  uint32_t icsk_rto_max = 0;
  uint32_t icsk_delack_max = 0;
  uint32_t icsk_user_timeout_ms = 0;  // TCP_USER_TIMEOUT; 0: none
  uint32_t icsk_probes_tstamp = 0;    // tcp_jiffies32 of the first unanswered probe; 0: none
  uint32_t icsk_pmtu_cookie = 0;      // last path MTU seen, bytes

  const tcp_congestion_ops* icsk_ca_ops = nullptr;
  const inet_connection_sock_af_ops* icsk_af_ops = nullptr;

  uint8_t icsk_ca_state = 0;  // TCP_CA_*
  bool icsk_ca_initialized = false;
  bool icsk_ca_setsockopt = false;
  bool icsk_ca_dst_locked = false;
  uint8_t icsk_retransmits = 0;  // of the segment at the head, without an ACK
  uint8_t icsk_pending = 0;      // ICSK_TIME_*; 0: none
  uint8_t icsk_backoff = 0;
  uint8_t icsk_syn_retries = 0;     // 0: the sysctl's
  uint8_t icsk_probes_out = 0;      // unanswered zero window or keepalive probes
  uint16_t icsk_ext_hdr_len = 0;    // bytes of IP options, of extension headers
  bool icsk_accepted_ipv6 = false;  // of a listener, by IPv6

  struct {
    uint8_t pending = 0;  // ICSK_ACK_*
    uint8_t quick = 0;    // ACKs still to be sent at once
    uint8_t pingpong = 0;
    uint8_t retry = 0;
    uint32_t ato = 0;       // jiffies: predicted time between segments
    uint32_t lrcvtime = 0;  // tcp_jiffies32 of the last data segment
    bool dst_quick_ack = false;
    uint16_t last_seg_size = 0;
    uint16_t rcv_mss = 0;         // estimate of the peer's segments, for the ACK decisions
    uint32_t lrcv_flowlabel = 0;  // IPv6: of the last data segment
  } icsk_ack;

  struct {
    int search_high = 0;  // bytes of MTU
    int search_low = 0;
    uint32_t probe_size = 0;  // bytes of MTU that the probe in flight tries; 0: none
    bool enabled = false;
    uint32_t probe_timestamp = 0;  // tcp_jiffies32
  } icsk_mtup;

  // Of the congestion control: memset to 0 when one is assigned.
  static constexpr uint32_t kCaPrivBytes = 104;
  alignas(8) uint8_t icsk_ca_priv[kCaPrivBytes] = {};
};

inline inet_connection_sock* inet_csk(sock* sk) { return static_cast<inet_connection_sock*>(sk); }
inline const inet_connection_sock* inet_csk(const sock* sk) {
  return static_cast<const inet_connection_sock*>(sk);
}
// The congestion control's private data as `T`.
template <typename T>
T* inet_csk_ca(sock* sk) {
  static_assert(sizeof(T) <= inet_connection_sock::kCaPrivBytes && alignof(T) <= 8);
  return reinterpret_cast<T*>(inet_csk(sk)->icsk_ca_priv);
}

// --- Timers. ---

// The low 32 bits of jiffies, which TCP's stamps are (tcp_jiffies32).
inline uint32_t tcp_jiffies32(const sock* sk) {
  return static_cast<uint32_t>(sk->sk_net.jiffies());
}

// Says what the three timers call. `retransmit` sees the socket as static_cast<icsk_timer*>(t)->sk.
void inet_csk_init_xmit_timers(sock* sk, TimerList::Function retransmit, TimerList::Function delack,
                               TimerList::Function keepalive);
// Stops all three and forgets what was pending.
void inet_csk_clear_xmit_timers(sock* sk);
// Arms a timer for the jiffy `expires` / disarms it; a pending timer holds the socket.
void sk_reset_timer(icsk_timer* timer, Jiffies expires);
void sk_stop_timer(icsk_timer* timer);
// `what` is RETRANS, PROBE0, LOSS_PROBE or REO_TIMEOUT (one timer) or DACK. Clearing one only
// forgets why the timer runs, as in the kernel: an expiry without a reason does nothing.
void inet_csk_clear_xmit_timer(sock* sk, uint8_t what);
// Arms for `when` jiffies from now, at most `max_when`.
void inet_csk_reset_xmit_timer(sock* sk, uint8_t what, uint64_t when, uint64_t max_when);
// icsk_rto with its backoff, at most `max_when` jiffies.
inline uint32_t inet_csk_rto_backoff(const inet_connection_sock* icsk, uint32_t max_when) {
  const uint64_t when = uint64_t{icsk->icsk_rto} << icsk->icsk_backoff;
  return when < max_when ? static_cast<uint32_t>(when) : max_when;
}

// --- Delayed ACK state. ---

inline void inet_csk_schedule_ack(sock* sk) { inet_csk(sk)->icsk_ack.pending |= ICSK_ACK_SCHED; }
inline bool inet_csk_ack_scheduled(const sock* sk) {
  return (inet_csk(sk)->icsk_ack.pending & ICSK_ACK_SCHED) != 0;
}
inline void inet_csk_delack_init(sock* sk) { inet_csk(sk)->icsk_ack = {}; }
void inet_csk_enter_pingpong_mode(sock* sk);
inline void inet_csk_exit_pingpong_mode(sock* sk) { inet_csk(sk)->icsk_ack.pingpong = 0; }
bool inet_csk_in_pingpong_mode(const sock* sk);
inline void inet_csk_inc_pingpong_cnt(sock* sk) {
  if (inet_csk(sk)->icsk_ack.pingpong < UINT8_MAX) ++inet_csk(sk)->icsk_ack.pingpong;
}

// --- Listening and accepting (inet_connection_sock.cc). ---

// proto::get_port: binds to local port `snum`, 0: any free one. 0 or -EADDRINUSE.
int inet_csk_get_port(sock* sk, uint16_t snum);
// TCP_CLOSE -> TCP_LISTEN. 0, -EADDRINUSE, -EADDRNOTAVAIL.
int inet_csk_listen_start(sock* sk);
// Ends all requests and children that nobody has accepted.
void inet_csk_listen_stop(sock* sk);
// proto::accept: the next established child, without waiting: nullptr and *err = -EAGAIN where
// there is none, -EINVAL where it does not listen.
sock* inet_csk_accept(sock* sk, uint32_t flags, int* err);
// Poll events of a listener.
uint32_t inet_csk_listen_poll(const sock* sk);

// A copy of listener `sk` for `req`'s connection, TCP_SYN_RECV, one reference more (for its owner);
// nullptr where memory failed.
sock* inet_csk_clone_lock(const sock* sk, const request_sock* req);
// Frees what remains of a closed connection nobody holds. REQUIRES: TCP_CLOSE, SOCK_DEAD, not
// hashed.
void inet_csk_destroy_sock(sock* sk);
// Undoes a child that could not be put in place: closes it with the next tcp_done.
void inet_csk_prepare_forced_close(sock* sk);

// Puts a request into ehash with its timer; false where the same connection is there already.
bool inet_csk_reqsk_queue_hash_add(sock* sk, request_sock* req);
inline uint32_t inet_csk_reqsk_queue_len(const sock* sk) {
  return inet_csk(sk)->icsk_accept_queue.qlen;
}
inline bool inet_csk_reqsk_queue_is_full(const sock* sk) {
  return inet_csk_reqsk_queue_len(sk) > sk->sk_max_ack_backlog;
}
inline bool sk_acceptq_is_full(const sock* sk) {
  return sk->sk_ack_backlog > sk->sk_max_ack_backlog;
}
// Takes a request out of ehash and forgets it; whether it was there.
bool inet_csk_reqsk_queue_drop(sock* sk, request_sock* req);
void inet_csk_reqsk_queue_drop_and_put(sock* sk, request_sock* req);
// The accept queue gets `child`. It, or nullptr where the listener has closed (child reset).
sock* inet_csk_reqsk_queue_add(sock* sk, request_sock* req, sock* child);
// The request becomes `child`, if it was ours to finish (`own_req`).
sock* inet_csk_complete_hashdance(sock* sk, sock* child, request_sock* req, bool own_req);

// The route of a SYN-ACK / of the child; nullptr where there is none.
dst_entry* inet_csk_route_req(const sock* sk, flowi4* fl4, const request_sock* req);
dst_entry* inet_csk_route_child_sock(const sock* sk, sock* newsk, const request_sock* req);
// A new path MTU for the socket's route; the route, or nullptr.
dst_entry* inet_csk_update_pmtu(sock* sk, uint32_t mtu);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_INET_CONNECTION_SOCK_H_
