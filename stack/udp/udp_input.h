// Receiving UDP (see udp.h for the path).
#ifndef TAPEDECK_STACK_UDP_UDP_INPUT_H_
#define TAPEDECK_STACK_UDP_UDP_INPUT_H_

#include <cstdint>

#include "stack/core/skbuff.h"
#include "stack/core/sock.h"

namespace tapedeck {

// net_protocol::handler, err_handler and early_demux of protocol 17.
int udp_rcv(sk_buff* skb);
int udp_err(sk_buff* skb, uint32_t info);
int udp_v4_early_demux(sk_buff* skb, DropReason* reason);

// A datagram found its socket: data is at the UDP header. It is taken in any case but > 0, which
// asks to go on with another protocol (a tunnel); 0, or -1 where it was dropped.
int udp_queue_rcv_skb(sock* sk, sk_buff* skb);

// Whether the checksum of a datagram in the queue turns out wrong.
bool udp_lib_checksum_complete(sk_buff* skb);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_UDP_UDP_INPUT_H_
