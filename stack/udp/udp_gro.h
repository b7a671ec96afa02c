// Making one packet of datagrams of a flow (udp_gro_receive of net/ipv4/udp_offload.c). Registered
// in net_protocol::gro_receive and gro_complete; see gro.h.
#ifndef TAPEDECK_STACK_UDP_UDP_GRO_H_
#define TAPEDECK_STACK_UDP_UDP_GRO_H_

#include <cstdint>

#include "stack/core/sk_buff_head.h"
#include "stack/core/skbuff.h"

namespace tapedeck {

// Datagrams of a merged packet at most (UDP_GRO_CNT_MAX).
inline constexpr uint16_t kUdpGroDatagramsMax = 64;

// Merged are datagrams with a checksum and data, for a socket that asked for it (UDP_GRO) or, where
// the device says so (rx-udp-gro-forwarding), for none of this host's: all as long as the first but
// the last, which may be shorter.
sk_buff* udp4_gro_receive(sk_buff_head* held, sk_buff* skb);
sk_buff* udp6_gro_receive(sk_buff_head* held, sk_buff* skb);
// The packet as one that UDP_SEGMENT makes: CHECKSUM_PARTIAL, gso_type and gso_segs set.
void udp4_gro_complete(sk_buff* skb, uint32_t thoff);
void udp6_gro_complete(sk_buff* skb, uint32_t thoff);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_UDP_UDP_GRO_H_
