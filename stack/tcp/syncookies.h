// SYN cookies (net/ipv4/syncookies.c): a request's state in the ISN and timestamp of the SYN-ACK.
#ifndef TAPEDECK_STACK_TCP_SYNCOOKIES_H_
#define TAPEDECK_STACK_TCP_SYNCOOKIES_H_

#include <cstdint>

#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

// A cookie as ISN for the SYN `skb`; *mss becomes what it can carry (cookie_v4_init_sequence,
// cookie_v6_init_sequence).
uint32_t cookie_init_sequence(const sk_buff* skb, uint16_t* mss);
// Timestamp of a SYN-ACK with cookie: the options that were agreed in its low bits. ns.
uint64_t cookie_init_timestamp(request_sock* req, uint64_t now_ns);
// An ACK for a listener with no request: the child, `sk` where it is no cookie's, nullptr where it
// was one and failed, and then the packet has been dropped (cookie_v4_check, cookie_v6_check).
sock* cookie_check(sock* sk, sk_buff* skb);
// Notes that the SYN queue of `sk` has overflown / whether none of late has.
void tcp_synq_overflow(const sock* sk);
bool tcp_synq_no_recent_overflow(const sock* sk);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_SYNCOOKIES_H_
