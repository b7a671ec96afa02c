// TCP as the socket layer and the rest of the host see it (net/ipv4/tcp.c; RFC 9293).
//
//   in:   ip_protocol_deliver_rcu -> tcp_v4_rcv | tcp_v6_rcv -> tcp_rcv_segment (lookup) ->
//         tcp_do_rcv -> tcp_rcv_established |
//         tcp_rcv_state_process -> tcp_ack, tcp_data_queue -> sk_data_ready
//   out:  tcp_sendmsg -> tcp_push -> tcp_write_xmit -> tcp_transmit_skb -> queue_xmit
//
// Files: tcp.cc (init), tcp_prot.cc (the table), tcp_init_sock.cc, tcp_sendmsg.cc, tcp_push.cc,
// tcp_recvmsg.cc, tcp_close.cc (close, shutdown, set_state, done), tcp_disconnect.cc,
// tcp_setsockopt.cc, tcp_getsockopt.cc, tcp_info.cc, tcp_poll.cc, tcp_splice.cc, tcp_memory.cc,
// tcp_sysctl.cc, tcp_proc.cc.
#ifndef TAPEDECK_STACK_TCP_TCP_H_
#define TAPEDECK_STACK_TCP_TCP_H_

#include <cstdint>

#include "stack/base/seqnum.h"
#include "stack/core/net.h"
#include "stack/core/sock.h"
#include "stack/core/socket.h"

namespace tapedeck {

struct tcp_sock;
struct tcp_info;

extern const proto tcp_prot;

// Brings TCP up on a host: after ipv4_init, once. And takes it down, when no socket has a user any
// more: what still lives (requests, time-wait, orphans) ends at once.
void tcp_init(net& net);
void tcp_exit(net& net);

// Live objects of TCP, for the ledger.
struct tcp_ledger {
  uint64_t socks = 0;
  uint64_t requests = 0;
  uint64_t timewaits = 0;
  uint64_t metrics = 0;
};
tcp_ledger tcp_objects(const net& net);

// --- proto's functions (tcp_prot), called by each other too. ---
int tcp_init_sock(sock* sk);
void tcp_close(sock* sk, SimTime linger_until);
// close without the caller's reference. REQUIRES: the socket is owned.
void __tcp_close(sock* sk);
// proto::linger.
bool tcp_linger(sock* sk);
void tcp_shutdown(sock* sk, int how);
int tcp_disconnect(sock* sk, uint32_t flags);
int64_t tcp_sendmsg(sock* sk, msghdr* msg, size_t size);
int64_t tcp_recvmsg(sock* sk, msghdr* msg, size_t len, uint32_t flags);
uint32_t tcp_poll(sock* sk);
int tcp_ioctl(sock* sk, uint32_t cmd, int* arg);
int tcp_setsockopt(sock* sk, int level, int optname, const void* optval, uint32_t optlen);
int tcp_getsockopt(sock* sk, int level, int optname, void* optval, uint32_t* optlen);
void tcp_release_cb(sock* sk);

// --- State. ---
void tcp_set_state(sock* sk, uint8_t state);
// The connection is over: TCP_CLOSE, timers stopped, its user told; freed where it has none.
void tcp_done(sock* sk);
void tcp_done_with_error(sock* sk, int err);  // `err`: positive errno
// Ends a connection for the administrator (SOCK_DESTROY): reset where it needs one. 0, or -ENOENT:
// it is closed already.
int tcp_abort(sock* sk, int err);
// Whether an end in `state` is told to the peer by a reset (RFC 9293 3.10.5).
bool tcp_need_reset(uint8_t state);
// Frees the SYN that TCP_SAVED_SYN would have given.
void tcp_saved_syn_free(tcp_sock* tp);
// Whether memory or the number of orphans demands that this one be dropped.
bool tcp_check_oom(const sock* sk, int shift);

// --- Sending. ---
// An empty packet for the write queue, MAX_TCP_HEADER reserved; nullptr: no memory.
sk_buff* tcp_stream_alloc_skb(sock* sk, bool force_schedule);
// Appends `skb` to the write queue and charges it.
void tcp_skb_entail(sock* sk, sk_buff* skb);
void tcp_mark_push(tcp_sock* tp, sk_buff* skb);
// Half of the largest window is written and not pushed.
bool forced_push(const tcp_sock* tp);
void tcp_push(sock* sk, uint32_t flags, uint32_t mss_now, int nonagle, uint32_t size_goal);
uint32_t tcp_send_mss(sock* sk, uint32_t* size_goal, uint32_t flags);
bool tcp_stream_memory_free(const sock* sk, bool wake);
// How many of `copy` bytes may be charged; at least a little where nothing is queued.
uint32_t tcp_wmem_schedule(sock* sk, uint32_t copy);
// Frees a packet at the end of the write queue that got no data.
void tcp_remove_empty_skb(sock* sk);
// Data of a connect() with MSG_FASTOPEN. 0 or -errno; *copied bytes went with the SYN.
int tcp_sendmsg_fastopen(sock* sk, msghdr* msg, int* copied, size_t size);

// --- Receiving. ---
// After the user has read `copied` bytes: sends a window update where it matters.
void tcp_cleanup_rbuf(sock* sk, int copied);
uint32_t tcp_inq(const sock* sk);  // SIOCINQ
// The packet of the receive queue that holds `seq`, at *offset; read ones before it are freed.
sk_buff* tcp_recv_skb(sock* sk, SeqNum seq, uint32_t* offset);
// Frees the head of the receive queue, which has been read.
void tcp_eat_recv_skb(sock* sk, sk_buff* skb);
// Gives what is there, up to `len` bytes and before urgent data, to `actor` without copying: as
// sendfile and splice read (tcp_read_sock). Bytes, or -errno where there were none.
int64_t tcp_read_sock(sock* sk, size_t len, splice_actor actor, void* context);
// One attempt of splice(2) from a socket: as tcp_recvmsg, -EAGAIN where it would wait. `flags` may
// have MSG_DONTWAIT.
int64_t tcp_splice_read(sock* sk, size_t len, uint32_t flags, splice_actor actor, void* context);
// sendfile and splice into a socket are over: what MSG_MORE has held back goes out.
void tcp_splice_eof(sock* sk);
int tcp_set_rcvlowat(sock* sk, int val);
int tcp_set_window_clamp(sock* sk, int val);

// TCP_INFO (uapi linux/tcp.h).
void tcp_get_info(sock* sk, tcp_info* info);
// proto::get_timestamping_opt_stats.
sk_buff* tcp_get_timestamping_opt_stats(const sock* sk, const sk_buff* orig_skb,
                                        const sk_buff* ack_skb);

// --- Memory of all of TCP (tcp_memory.cc). ---
proto_memory* tcp_memory(net& net);
void tcp_enter_memory_pressure(sock* sk);

// Every segment counts here on its way in.
void tcp_segs_in(tcp_sock* tp, const sk_buff* skb);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_H_
