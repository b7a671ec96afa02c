// Control messages of level SOL_SOCKET (part of net/core/sock.c and net/socket.c).
#ifndef TAPEDECK_STACK_CORE_SOCK_CMSG_H_
#define TAPEDECK_STACK_CORE_SOCK_CMSG_H_

#include <cstdint>

#include "stack/core/msghdr.h"
#include "stack/core/sock.h"

namespace tapedeck {

inline constexpr int kSolSocket = 1;
// Types of control messages, which are the options' numbers.
inline constexpr int kScmTimestamp = 29;    // struct timeval
inline constexpr int kScmTimestampns = 35;  // struct timespec
inline constexpr int kSoRxqOvfl = 40;

// struct timeval and struct timespec of the user interface: virtual time begins at the epoch.
struct user_timeval {
  int64_t tv_sec;
  int64_t tv_usec;
};
struct user_timespec {
  int64_t tv_sec;
  int64_t tv_nsec;
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

// SO_TIMESTAMP or SO_TIMESTAMPNS is switched on or off: devices stamp what comes in while anybody
// wants it (sock_enable_timestamp). Switched off also when the socket ends.
void sock_set_timestamp(sock* sk, bool on);

// Tells the user when `skb` came in (SO_TIMESTAMP, SO_TIMESTAMPNS) and how many did not fit before
// it (SO_RXQ_OVFL).
void sock_recv_timestamp(msghdr* msg, sock* sk, sk_buff* skb);
void __sock_recv_cmsgs(msghdr* msg, sock* sk, sk_buff* skb);
inline void sock_recv_cmsgs(msghdr* msg, sock* sk, sk_buff* skb) {
  if (sock_flag(sk, SOCK_RCVTSTAMP) || sock_flag(sk, SOCK_RXQ_OVFL)) {
    __sock_recv_cmsgs(msg, sk, skb);
  }
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_SOCK_CMSG_H_
