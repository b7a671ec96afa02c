// Control messages of level SOL_SOCKET, both ways (part of net/core/sock.c and net/socket.c).
#ifndef TAPEDECK_STACK_CORE_SOCK_CMSG_H_
#define TAPEDECK_STACK_CORE_SOCK_CMSG_H_

#include <cstdint>

#include "stack/core/msghdr.h"
#include "stack/core/sock.h"

namespace tapedeck {

inline constexpr int kSolSocket = 1;
// Types of control messages, which are the options' numbers. The NEW ones hold 64-bit times on all
// machines, as the others do on ours.
inline constexpr int kScmPriority = 12;
inline constexpr int kScmTimestamp = 29;    // struct timeval
inline constexpr int kScmTimestampns = 35;  // struct timespec
inline constexpr int kScmMark = 36;
inline constexpr int kScmTimestamping = 37;  // three struct timespec: software, 0, hardware
inline constexpr int kSoRxqOvfl = 40;
inline constexpr int kScmTimestampingOptStats = 54;
inline constexpr int kScmTxtime = 61;
inline constexpr int kScmTimestampNew = 63;
inline constexpr int kScmTimestampnsNew = 64;
inline constexpr int kScmTimestampingNew = 65;
inline constexpr int kScmTsOptId = 81;

// struct timeval and struct timespec of the user interface: virtual time begins at the epoch.
struct user_timeval {
  int64_t tv_sec;
  int64_t tv_usec;
};
struct user_timespec {
  int64_t tv_sec;
  int64_t tv_nsec;
};
// struct scm_timestamping.
struct user_scm_timestamping {
  user_timespec ts[3];
};

// The end of the control block of a packet in a receive queue: how many packets did not fit before
// it, as far as the socket counts them (SO_RXQ_OVFL).
struct sock_skb_cb {
  uint8_t protocol[44];
  uint32_t dropcount;
};
inline void sock_skb_set_dropcount(const sock* sk, sk_buff* skb) {
  SKB_CB<sock_skb_cb>(skb)->dropcount = sock_flag(sk, SOCK_RXQ_OVFL) ? sk->sk_drops : 0;
}

// `user` (SOCK_TIMESTAMP: SO_TIMESTAMP and SO_TIMESTAMPNS; SOCK_TIMESTAMPING_RX_SOFTWARE) wants
// packets stamped, or no more: devices stamp what comes in while anybody wants it
// (sock_enable_timestamp). Both are switched off when the socket is freed; a copy of a socket
// counts as one more (sock_copied_timestamp).
void sock_enable_timestamp(sock* sk, sock_flags user, bool on);
inline void sock_set_timestamp(sock* sk, bool on) {
  sock_enable_timestamp(sk, SOCK_TIMESTAMP, on);
  if (!on) sock_enable_timestamp(sk, SOCK_TIMESTAMPING_RX_SOFTWARE, false);
}

void sock_copied_timestamp(sock* copy);

// Tells the user when a packet came in (SO_TIMESTAMP, SO_TIMESTAMPNS, SO_TIMESTAMPING), or when it
// passed a place on its way out (error queue).
void sock_recv_timestamp(msghdr* msg, sock* sk, sk_buff* skb);
// The same for a stream, whose packets are gone: `stamp_ns` is when the last byte that was read
// came in, 0 where that is not known (tcp_recv_timestamp).
void sock_recv_stream_timestamp(msghdr* msg, sock* sk, int64_t stamp_ns);
// The time stamp, how many packets did not fit before this one (SO_RXQ_OVFL), its mark and
// priority.
void __sock_recv_cmsgs(msghdr* msg, sock* sk, sk_buff* skb);
inline void sock_recv_cmsgs(msghdr* msg, sock* sk, sk_buff* skb) {
  constexpr uint32_t kWanted = 1U << SOCK_RCVTSTAMP | 1U << SOCK_RXQ_OVFL | 1U << SOCK_RCVMARK |
                               1U << SOCK_RCVPRIORITY | 1U << SOCK_TIMESTAMPING_ANY;
  if ((sk->sk_flags & kWanted) != 0) __sock_recv_cmsgs(msg, sk, skb);
}

// What a send says about itself: from control messages, else the socket's.
struct sockcm_cookie {
  uint64_t transmit_time = 0;  // SCM_TXTIME, ns
  uint32_t mark = 0;
  uint32_t tsflags = 0;  // SOF_TIMESTAMPING_*
  uint32_t ts_opt_id = 0;
  uint32_t priority = 0;
};
inline void sockcm_init(sockcm_cookie* sockc, const sock* sk) {
  *sockc = {};
  sockc->mark = sk->sk_mark;
  sockc->tsflags = sk->sk_tsflags;
  sockc->priority = sk->sk_priority;
}
// Takes one control message of level SOL_SOCKET. 0 or -EINVAL.
int __sock_cmsg_send(const sock* sk, const cmsghdr* cmsg, sockcm_cookie* sockc);
// Takes all of a message's; those of other levels are skipped. 0 or -EINVAL.
int sock_cmsg_send(const sock* sk, const msghdr* msg, sockcm_cookie* sockc);

// recvmsg with MSG_ERRQUEUE as far as all protocols do it alike: takes the next error, with the
// packet it is about and its time stamps in `msg`. Bytes, and the caller owns *taken. -EAGAIN where
// there is none, -EFAULT: *taken is null.
int64_t sock_recv_queued_error(sock* sk, msghdr* msg, size_t len, sk_buff** taken);
// recvmsg with MSG_ERRQUEUE of protocols without addresses: what is next, its error as a control
// message (`level`, `type`). Bytes, -EAGAIN where there is none, -EFAULT.
int64_t sock_recv_errqueue(sock* sk, msghdr* msg, size_t len, int level, int type);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_SOCK_CMSG_H_
