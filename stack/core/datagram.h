// Receiving whole packets from a socket's queue: what UDP, raw and packet sockets share
// (net/core/datagram.c).
#ifndef TAPEDECK_STACK_CORE_DATAGRAM_H_
#define TAPEDECK_STACK_CORE_DATAGRAM_H_

#include <cstdint>

#include "stack/core/skb_data.h"
#include "stack/core/skbuff.h"
#include "stack/core/sock.h"

namespace tapedeck {

// The next packet for recvmsg with `flags`, with one use of it for the caller. With MSG_PEEK it
// stays queued, and *off is where in it to start (SO_PEEK_OFF; below 0: at its head). nullptr and
// *err: -EAGAIN (none; the call sleeps), a pending error, or 0 (shut down).
sk_buff* skb_recv_datagram(sock* sk, uint32_t flags, int* off, int* err);
// Its two halves, for protocols with a queue of their own: the next packet of `queue`, nullptr
// where there is none; and what a call is told that finds none: 0 or -EAGAIN.
sk_buff* __skb_try_recv_from_queue(sk_buff_head* queue, uint32_t flags, int* off);
int skb_recv_nothing(const sock* sk, uint32_t flags);
// The caller has done with what skb_recv_datagram returned.
void skb_free_datagram(sock* sk, sk_buff* skb);
// The same for a packet found to be bad (`reason`): a peeked one leaves the queue as well. 0, or
// -ENOENT where another reader has taken it.
int skb_kill_datagram(sock* sk, sk_buff* skb, uint32_t flags, DropReason reason);
// The poll(2) mask of a datagram socket.
uint32_t datagram_poll(const sock* sk);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_DATAGRAM_H_
