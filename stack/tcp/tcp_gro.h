// Making one TCP packet of consecutive segments of a connection (tcp_gro_receive of
// net/ipv4/tcp_offload.c). Registered in net_protocol::gro_receive and gro_complete; see gro.h.
#ifndef TAPEDECK_STACK_TCP_TCP_GRO_H_
#define TAPEDECK_STACK_TCP_TCP_GRO_H_

#include <cstdint>

#include "stack/core/sk_buff_head.h"
#include "stack/core/skbuff.h"

namespace tapedeck {

// Merged are segments that follow one another with the same acknowledgement, window, flags (but FIN
// and PSH) and options, all as long as the first but the last. One with FIN, SYN, RST, PSH or URG,
// or shorter than the first, is the last.
sk_buff* tcp4_gro_receive(sk_buff_head* held, sk_buff* skb);
sk_buff* tcp6_gro_receive(sk_buff_head* held, sk_buff* skb);
// The packet as one of ours would be: CHECKSUM_PARTIAL, gso_type and gso_segs set.
void tcp4_gro_complete(sk_buff* skb, uint32_t thoff);
void tcp6_gro_complete(sk_buff* skb, uint32_t thoff);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_GRO_H_
