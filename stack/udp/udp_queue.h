// A socket's received datagrams and what they cost, of both families (net/ipv4/udp.c).
//
// There are two queues: the network puts into sk_receive_queue, readers take from reader_queue and
// move over all there is when that is empty. A datagram is paid for when it is put in; what a
// reader frees (forward_deficit) is given back when it comes to a quarter of the buffer, or when
// he has read all of his queue. So a full buffer has room again only then.
#ifndef TAPEDECK_STACK_UDP_UDP_QUEUE_H_
#define TAPEDECK_STACK_UDP_UDP_QUEUE_H_

#include <cstdint>

#include "stack/core/skbuff.h"
#include "stack/core/sock.h"

namespace tapedeck {

// Queues a datagram, data at its payload, and wakes a reader. One larger than the buffer fits where
// it is alone. 0, or the packet stays the caller's: -ENOMEM (the socket's limit) or -ENOBUFS (the
// protocol's) with *reason.
int __udp_enqueue_schedule_skb(sock* sk, sk_buff* skb, DropReason* reason);

// As skb_recv_datagram, of either queue.
sk_buff* __skb_recv_udp(sock* sk, uint32_t flags, int* off, int* err);
// What that has given turns out damaged: it is dropped, and where it was only peeked at leaves the
// queue. 0, or -ENOENT where another reader has taken it.
int udp_drop_damaged(sock* sk, sk_buff* skb, uint32_t flags);

// Length of the first datagram whose checksum is right, those before it are dropped; -1 where there
// is none.
int first_packet_length(sock* sk);

// Bytes that wait to be read, as /proc/net/udp has them (udp_rqueue_get).
uint32_t udp_rqueue_get(const sock* sk);

// The end: drops all that waits and gives back what it cost (udp_destruct_common).
void udp_destruct_common(sock* sk);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_UDP_UDP_QUEUE_H_
