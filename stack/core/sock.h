// The stack's side of a socket: queues, memory accounting, callbacks (include/net/sock.h,
// net/core/sock.c). Protocols derive from it (inet_sock, udp_sock, ...) and describe themselves in
// a table, proto. The user's side, struct socket, is above.
//
// Nothing here blocks: a function that would have to wait returns -EAGAIN, and the system call
// sleeps on sk_wq and tries again.
//
// Memory, in Linux's bytes (truesize): sk_rmem_alloc is what lies in the receive queues, limited by
// sk_rcvbuf; sk_wmem_alloc is what is on its way out, plus 1 for the socket itself, limited by
// sk_sndbuf. A packet pays back through its destructor, so a socket's memory outlives its last
// reference until its last packet has gone.
#ifndef TAPEDECK_STACK_CORE_SOCK_H_
#define TAPEDECK_STACK_CORE_SOCK_H_

#include <cstdint>

#include "stack/core/dst.h"
#include "stack/core/msghdr.h"
#include "stack/core/sk_buff_head.h"
#include "stack/core/skbuff.h"
#include "stack/core/uapi.h"
#include "stack/kernel/timer.h"
#include "stack/kernel/wait.h"

namespace tapedeck {

struct net;
struct proto;
struct socket;

// sk_state. Datagram sockets use TCP's names, as in the kernel.
enum : uint8_t {
  TCP_ESTABLISHED = 1,
  TCP_SYN_SENT,
  TCP_SYN_RECV,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_TIME_WAIT,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_LAST_ACK,
  TCP_LISTEN,
  TCP_CLOSING,
  TCP_NEW_SYN_RECV,
  TCP_MAX_STATES,
};

// sk_flags, by bit number.
enum sock_flags : uint8_t {
  SOCK_DEAD,
  SOCK_DONE,
  SOCK_URGINLINE,
  SOCK_KEEPOPEN,
  SOCK_LINGER,
  SOCK_DESTROY,
  SOCK_BROADCAST,
  SOCK_TIMESTAMP,
  SOCK_USE_WRITE_QUEUE,
  SOCK_DBG,
  SOCK_RCVTSTAMP,
  SOCK_RCVTSTAMPNS,
  SOCK_LOCALROUTE,
  SOCK_FASYNC,
  SOCK_RXQ_OVFL,
  SOCK_NOFCS,
  SOCK_FILTER_LOCKED,
  SOCK_RCU_FREE,
  SOCK_TSTAMP_NEW,
  SOCK_TIMESTAMPING_RX_SOFTWARE,
  SOCK_TIMESTAMPING_ANY,  // some bit of sk_tsflags asks for received time stamps
  SOCK_ZEROCOPY,
  SOCK_SELECT_ERR_QUEUE,  // poll tells of the error queue as EPOLLPRI
  SOCK_TXTIME,
  SOCK_RCVMARK,
  SOCK_RCVPRIORITY,
};

// sk_userlocks.
enum : uint8_t {
  SOCK_SNDBUF_LOCK = 1,
  SOCK_RCVBUF_LOCK = 2,
  SOCK_BUF_LOCK_MASK = SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK,
  SOCK_BINDADDR_LOCK = 4,
  SOCK_BINDPORT_LOCK = 8,
};
enum : uint8_t { SK_NO_REUSE = 0, SK_CAN_REUSE = 1, SK_FORCE_REUSE = 2 };

// sk_txrehash.
enum : uint8_t { SOCK_TXREHASH_DISABLED = 0, SOCK_TXREHASH_ENABLED = 1 };

// sk_pacing_status.
enum : uint8_t { SK_PACING_NONE = 0, SK_PACING_NEEDED = 1, SK_PACING_FQ = 2 };

inline constexpr uint32_t kSockMinSndbuf = 4608;  // SOCK_MIN_SNDBUF: 2 * TCP_SKB_MIN_TRUESIZE
inline constexpr uint32_t kSockMinRcvbuf = 2304;  // SOCK_MIN_RCVBUF
static_assert(kSockMinRcvbuf == 2048 + kSkBuffLogicalBytes);

struct sock {
  sock(net& host_net, uint16_t family, const proto* prot);
  sock(const sock&) = delete;
  sock& operator=(const sock&) = delete;

  // What lookups and delivery read comes first.
  net& sk_net;
  const proto* sk_prot;
  uint16_t sk_family;
  uint16_t sk_type = 0;     // SOCK_DGRAM, ...
  uint8_t sk_protocol = 0;  // wire::kIpProto...
  uint8_t sk_state = TCP_CLOSE;
  uint8_t sk_reuse = SK_NO_REUSE;
  bool sk_reuseport = false;
  bool sk_ipv6only = false;
  uint8_t sk_shutdown = 0;  // RCV_SHUTDOWN | SEND_SHUTDOWN
  uint8_t sk_userlocks = 0;
  bool sk_owned = false;  // lock_sock: packets go to the backlog
  bool sk_no_check_tx = false;
  bool sk_no_check_rx = false;
  int32_t sk_bound_dev_if = 0;  // ifindex; 0: any
  uint32_t sk_id;               // names it in traces
  uint32_t sk_refcnt = 1;
  uint32_t sk_flags = 0;  // bits of sock_flags

  // Receive.
  sk_buff_head sk_receive_queue;
  uint32_t sk_rmem_alloc = 0;
  uint32_t sk_rcvbuf;
  int32_t sk_rcvlowat = 1;
  uint32_t sk_drops = 0;  // packets that did not fit
  struct {
    sk_buff* head = nullptr;
    sk_buff* tail = nullptr;
    uint32_t len = 0;  // truesize
  } sk_backlog;        // what came while the socket was owned, linked by next
  sk_buff_head sk_error_queue;

  // Transmit.
  sk_buff_head sk_write_queue;
  uint32_t sk_wmem_alloc = 1;
  uint32_t sk_sndbuf;
  int32_t sk_wmem_queued = 0;
  int32_t sk_write_pending = 0;  // calls that sleep with more to send
  uint32_t sk_disconnects = 0;   // tells a call that slept that it was another connection
  uint32_t sk_omem_alloc = 0;    // of options and notifications, limited by optmem_max
  uint32_t sk_zckey = 0;         // number of the next zero-copy send
  uint32_t sk_tskey = 0;         // what SOF_TIMESTAMPING_OPT_ID counts
  dst_entry* sk_dst_cache = nullptr;
  page_frag sk_frag;
  uint64_t sk_route_caps = 0;  // features of the route's device (NETIF_F_*)
  uint32_t sk_gso_type = 0;    // SKB_GSO_*
  uint32_t sk_gso_max_size = 0;
  uint16_t sk_gso_max_segs = 0;
  bool sk_gso_disabled = false;
  uint8_t sk_pacing_shift = 10;
  uint8_t sk_pacing_status = 0;          // SK_PACING_*
  uint64_t sk_pacing_rate = UINT64_MAX;  // bytes a second
  uint64_t sk_max_pacing_rate = UINT64_MAX;
  uint32_t sk_txhash = 0;  // of the flow, for queue choice; changed by sk_rethink_txhash
  uint32_t sk_priority = 0;
  uint32_t sk_mark = 0;

  // Memory that the protocol counts over all its sockets, in quanta of a page.
  int32_t sk_forward_alloc = 0;

  // What went wrong: the next call's error, and one reported only where a call fails anyway.
  int32_t sk_err = 0;  // positive errno
  int32_t sk_err_soft = 0;
  int32_t sk_peek_off = -1;
  SimTime sk_stamp;  // of the last packet delivered
  Duration sk_rcvtimeo = Duration::Max();
  Duration sk_sndtimeo = Duration::Max();
  uint32_t sk_tsflags = 0;  // SOF_TIMESTAMPING_*
  uint32_t sk_lingertime_s = 0;
  uint32_t sk_uid = 0;
  uint64_t sk_napi_id = 0;
  uint32_t sk_ll_usec = 0;  // SO_BUSY_POLL
  uint16_t sk_busy_poll_budget = 0;
  bool sk_prefer_busy_poll = false;
  bool sk_txtime_deadline_mode = false;
  bool sk_txtime_report_errors = false;
  uint8_t sk_txrehash = 1;  // SO_TXREHASH; SOCK_TXREHASH_*
  int32_t sk_clockid = 0;   // of SO_TXTIME
  int32_t sk_incoming_cpu = -1;
  int32_t sk_reserved_mem = 0;  // SO_RESERVE_MEM, bytes
  uint64_t sk_cookie = 0;       // SO_COOKIE; 0: not asked for yet

  // The user's side.
  socket* sk_socket = nullptr;
  WaitQueue sk_wq;
  bool sk_nospace = false;  // a writer waits (SOCK_NOSPACE)
  uint32_t sk_max_ack_backlog = 0;
  uint32_t sk_ack_backlog = 0;

  // Called when something happened; the defaults wake sk_wq.
  void (*sk_state_change)(sock* sk);
  void (*sk_data_ready)(sock* sk);
  void (*sk_write_space)(sock* sk);
  void (*sk_error_report)(sock* sk);
  int (*sk_backlog_rcv)(sock* sk, sk_buff* skb) = nullptr;
  void (*sk_destruct)(sock* sk);
  void* sk_user_data = nullptr;
};

// Memory of all sockets of a protocol: pages held, and the three marks of
// /proc/sys/net/ipv4/{udp,tcp}_mem in pages.
struct proto_memory {
  int64_t allocated_pages = 0;
  int64_t sysctl_mem[3] = {};
  int64_t sockets = 0;
  bool pressure = false;
  // What every socket may hold even under pressure, bytes; null: nothing.
  const int32_t* rmem_min = nullptr;
  const int32_t* wmem_min = nullptr;
  // Told when pressure begins and ends; may be null.
  void (*pressure_changed)(net& net, bool on) = nullptr;
};

// What a protocol does. Addresses are sockaddr_* bytes. Any member may be null where the protocol
// has no such call. All return 0 or a count, or -errno; -EAGAIN: would have to wait.
struct proto {
  const char* name;  // "UDP"
  // Makes a zero-state socket from the protocol's slab cache (nullptr: no memory), and frees it.
  sock* (*alloc)(net& net, uint16_t family);
  void (*free)(sock* sk);
  int (*init)(sock* sk);
  void (*destroy)(sock* sk);
  // The end: lets go of its user and, in its own time, of itself. `linger_until` is not Zero()
  // where a lingering close has waited (see `linger`).
  void (*close)(sock* sk, SimTime linger_until);
  // First half of a close that lingers: what close does up to the point where the kernel waits
  // (data thrown away, FIN or reset sent). True while the peer's answer is outstanding: the call
  // sleeps on sk_wq and asks again, and calls `close` in the end. Harmless when repeated. Null:
  // closing never waits.
  bool (*linger)(sock* sk) = nullptr;
  int (*connect)(sock* sk, const void* addr, uint32_t addr_len);
  int (*disconnect)(sock* sk, uint32_t flags);
  sock* (*accept)(sock* sk, uint32_t flags, int* err);
  int (*ioctl)(sock* sk, uint32_t cmd, int* arg);
  void (*shutdown)(sock* sk, int how);
  int (*setsockopt)(sock* sk, int level, int optname, const void* optval, uint32_t optlen);
  int (*getsockopt)(sock* sk, int level, int optname, void* optval, uint32_t* optlen);
  int64_t (*sendmsg)(sock* sk, msghdr* msg, size_t len);
  int64_t (*recvmsg)(sock* sk, msghdr* msg, size_t len, uint32_t flags);
  int (*bind)(sock* sk, const void* addr, uint32_t addr_len);
  uint32_t (*poll)(sock* sk);
  int (*backlog_rcv)(sock* sk, sk_buff* skb);
  void (*release_cb)(sock* sk);
  int (*hash)(sock* sk);
  void (*unhash)(sock* sk);
  int (*get_port)(sock* sk, uint16_t port);
  proto_memory* (*memory)(net& net);  // null: not counted
  // Whether a stream may take more to send beside its buffer limit; `wake`: for one who sleeps.
  bool (*stream_memory_free)(const sock* sk, bool wake) = nullptr;
  // SO_RCVLOWAT, in bytes > 0. Null: sk_rcvlowat is set.
  int (*set_rcvlowat)(sock* sk, int bytes) = nullptr;
  // A packet with the statistics that a transmit time stamp carries (SOF_TIMESTAMPING_OPT_STATS);
  // nullptr where memory failed. `ack_skb`: the segment that acknowledged it, or null.
  sk_buff* (*get_timestamping_opt_stats)(const sock* sk, const sk_buff* orig_skb,
                                         const sk_buff* ack_skb) = nullptr;
  // keepalive is switched on or off.
  void (*keepalive)(sock* sk, bool on) = nullptr;
  bool no_autobind = false;  // sending gives no port
  // Part of sk_setup_caps: what the protocol adds to sk_route_caps or keeps of a new route.
  void (*setup_caps)(sock* sk, const dst_entry* dst) = nullptr;
};

// --- Life. ---

// A socket of `prot`, initialised; nullptr where memory failed. Counted in net::live_socks until
// its memory is freed.
sock* sk_alloc(net& net, uint16_t family, const proto* prot);
inline void sock_hold(sock* sk) { ++sk->sk_refcnt; }
// Drops one reference; the last frees the socket once its packets have gone.
void sock_put(sock* sk);
// Drops the last of what sk_wmem_alloc counts beside packets: the socket's own, or the byte that a
// destructor has kept. Frees the socket where nothing is left.
void sk_free(sock* sk);
// Cuts it off from its user: the last act of close.
void sock_orphan(sock* sk);
// The common end of close: orphan, unhash, destroy, put.
void sk_common_release(sock* sk);
// Ties it to its user.
void sock_graft(sock* sk, socket* parent);

inline bool sock_flag(const sock* sk, sock_flags flag) { return (sk->sk_flags >> flag & 1) != 0; }
inline void sock_set_flag(sock* sk, sock_flags flag) { sk->sk_flags |= 1U << flag; }
inline void sock_reset_flag(sock* sk, sock_flags flag) { sk->sk_flags &= ~(1U << flag); }
inline void sock_valbool_flag(sock* sk, sock_flags flag, bool on) {
  on ? sock_set_flag(sk, flag) : sock_reset_flag(sk, flag);
}
// Changes sk_state, with a trace event.
void sk_set_state(sock* sk, uint8_t state);

// --- Ownership. ---

// The task works on the socket: packets that softirqs bring meanwhile wait in the backlog. Not
// nested.
void lock_sock(sock* sk);
// Works off the backlog and lets go.
void release_sock(sock* sk);
// Works off the backlog only; the task stays the owner.
void __release_sock(sock* sk);
// The same where there is any; whether there was.
inline bool sk_flush_backlog(sock* sk) {
  if (sk->sk_backlog.head == nullptr) return false;
  __release_sock(sk);
  return true;
}
inline bool sock_owned_by_user(const sock* sk) { return sk->sk_owned; }
// Queues a packet until release_sock. 0, or -ENOBUFS where backlog and receive queue together
// exceed `limit`.
int sk_add_backlog(sock* sk, sk_buff* skb, uint32_t limit);

// --- Memory. ---

inline uint32_t sk_rmem_alloc_get(const sock* sk) { return sk->sk_rmem_alloc; }
inline uint32_t sk_wmem_alloc_get(const sock* sk) { return sk->sk_wmem_alloc - 1; }
inline bool sock_writeable(const sock* sk) { return sk->sk_wmem_alloc < sk->sk_sndbuf / 2; }

// The packet is paid for by `sk`: in its receive buffer / until it has been sent / without
// accounting.
void skb_set_owner_r(sk_buff* skb, sock* sk);
void skb_set_owner_w(sk_buff* skb, sock* sk);
void skb_set_owner_sk_safe(sk_buff* skb, sock* sk);
// Destructors of the three.
void sock_rfree(sk_buff* skb);
void sock_wfree(sk_buff* skb);
void sock_efree(sk_buff* skb);

// Whether the protocol lets this socket hold `size` more bytes; on true they are reserved in
// sk_forward_alloc.
bool sk_rmem_schedule(sock* sk, uint32_t size);
bool sk_wmem_schedule(sock* sk, uint32_t size);
inline void sk_mem_charge(sock* sk, uint32_t size) {
  if (sk->sk_prot->memory != nullptr) sk->sk_forward_alloc -= static_cast<int32_t>(size);
}
void sk_mem_uncharge(sock* sk, uint32_t size);
// Gives whole unused pages back.
void sk_mem_reclaim(sock* sk);
// Reserves `size` bytes whatever the limits say: what has to be kept (FIN, data of a SYN).
void sk_forced_mem_schedule(sock* sk, uint32_t size);
inline void sk_wmem_queued_add(sock* sk, int32_t bytes) { sk->sk_wmem_queued += bytes; }
// The protocol as a whole is short of memory / has found that it is.
bool sk_under_memory_pressure(const sock* sk);
void sk_enter_memory_pressure(sock* sk);
inline constexpr int32_t kSkMemQuantum = 4096;

// A packet to be filled by sendmsg with `header_len` linear and `data_len` fragment bytes, owned by
// `sk`. nullptr and *err: -EAGAIN (send buffer full), -EPIPE (shut down), a pending error,
// -ENOBUFS.
sk_buff* sock_alloc_send_pskb(sock* sk, uint32_t header_len, uint32_t data_len, int* err);
inline sk_buff* sock_alloc_send_skb(sock* sk, uint32_t size, int* err) {
  return sock_alloc_send_pskb(sk, size, 0, err);
}
// One that ignores the limit where `force`; nullptr where the send buffer is full or memory failed.
sk_buff* sock_wmalloc(sock* sk, uint32_t size, bool force);
// sk_frag with at least 32 bytes left; false where memory failed.
bool sk_page_frag_refill(sock* sk);

// Sets sk_rcvbuf / sk_sndbuf as setsockopt does: doubled, at least the minimum, at most the sysctl
// (unless forced).
void sock_set_rcvbuf(sock* sk, uint32_t bytes, bool force);
void sock_set_sndbuf(sock* sk, uint32_t bytes, bool force);

// --- Receive. ---

// Queues a packet for the user and wakes him. 0, or -ENOMEM / -ENOBUFS with *reason; the packet
// stays the caller's then.
int sock_queue_rcv_skb_reason(sock* sk, sk_buff* skb, DropReason* reason);
// The part of it after the limits have been checked.
int __sock_queue_rcv_skb(sock* sk, sk_buff* skb, DropReason* reason);

// Defaults of the callbacks.
void sock_def_wakeup(sock* sk);
void sock_def_readable(sock* sk);
void sock_def_write_space(sock* sk);
void sock_def_error_report(sock* sk);
void sock_def_destruct(sock* sk);

// A packet for the socket's own purposes (a notification), paid from optmem_max. nullptr
// where that is used up or memory failed.
sk_buff* sock_omalloc(sock* sk, uint32_t size);

// --- Errors. ---

// The pending error as -errno, which it clears; 0 where there is none.
int sock_error(sock* sk);
inline void sk_error_report(sock* sk) { sk->sk_error_report(sk); }

struct sock_extended_err {
  uint32_t ee_errno;
  uint8_t ee_origin;  // SO_EE_ORIGIN_*
  uint8_t ee_type;
  uint8_t ee_code;
  uint8_t ee_pad;
  uint32_t ee_info;
  uint32_t ee_data;
};
static_assert(sizeof(sock_extended_err) == 16);  // user interface
inline constexpr uint8_t kSoEeOriginLocal = 1;
inline constexpr uint8_t kSoEeOriginIcmp = 2;
inline constexpr uint8_t kSoEeOriginIcmp6 = 3;
inline constexpr uint8_t kSoEeOriginTimestamping = 4;
inline constexpr uint8_t kSoEeOriginZerocopy = 5;
inline constexpr uint8_t kSoEeCodeZerocopyCopied = 1;

// Control block of a packet on the error queue. The first bytes stay what they were for the network
// layer.
struct sock_exterr_skb {
  uint8_t header[24];
  sock_extended_err ee;
  uint16_t addr_offset;  // of the offender's address, from the network header
  uint16_t port;         // host order
  bool opt_stats;        // the packet's data are statistics (SCM_TIMESTAMPING_OPT_STATS)
};
inline sock_exterr_skb* SKB_EXT_ERR(sk_buff* skb) { return SKB_CB<sock_exterr_skb>(skb); }
// Whether a packet came from the error queue: it is marked as if it went out.
inline bool skb_is_err_queue(const sk_buff* skb) { return skb->pkt_type == PACKET_OUTGOING; }
// Queues for MSG_ERRQUEUE and reports. 0, or -ENOMEM where the receive buffer is full; the packet
// stays the caller's then.
int sock_queue_err_skb(sock* sk, sk_buff* skb);
// The next one; clears or refreshes sk_err. nullptr where there is none.
sk_buff* sock_dequeue_err_skb(sock* sk);

// --- Routes. ---

inline dst_entry* __sk_dst_get(const sock* sk) { return sk->sk_dst_cache; }
// The cached route with a reference, or nullptr.
inline dst_entry* sk_dst_get(const sock* sk) { return dst_clone(sk->sk_dst_cache); }
// Takes over the caller's reference.
inline void sk_dst_set(sock* sk, dst_entry* dst) {
  dst_entry* const old = sk->sk_dst_cache;
  sk->sk_dst_cache = dst;
  dst_release(old);
}
inline void sk_dst_reset(sock* sk) { sk_dst_set(sk, nullptr); }
// sk_dst_set, and what the route's device can do for this socket (sk_route_caps, sk_gso_*).
void sk_setup_caps(sock* sk, dst_entry* dst);
// sk_gso_type is one that sk_route_caps allow.
bool sk_can_gso(const sock* sk);
// From here on every packet is one segment.
void sk_gso_disable(sock* sk);
// The route does not seem to work: it may be forgotten, and another path tried (dst_negative_advice
// changes sk_txhash too).
void __dst_negative_advice(sock* sk);
void dst_negative_advice(sock* sk);
// A flow hash at random. sk_rethink_txhash: another one, where there was one and the socket allows
// it (SO_TXREHASH); whether it did.
void sk_set_txhash(sock* sk);
bool sk_rethink_txhash(sock* sk);
// The same; a socket of IPv6 looks for a route by the new hash.
bool __sk_rethink_txhash_reset_dst(sock* sk);
uint32_t net_tx_rndhash(net& net);
// The packet gets its socket's flow hash.
inline void skb_set_hash_from_sk(sk_buff* skb, const sock* sk) {
  if (sk->sk_txhash != 0) skb_set_hash(skb, sk->sk_txhash, true);
}
// The cached route while it is valid, with a reference; a stale one is forgotten.
dst_entry* sk_dst_check(sock* sk, uint32_t cookie);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_SOCK_H_
