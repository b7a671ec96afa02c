// Cutting TCP packets of several segments (net/ipv4/tcp_offload.c). Registered in
// net_protocol::gso_segment.
#ifndef TAPEDECK_STACK_TCP_TCP_OFFLOAD_H_
#define TAPEDECK_STACK_TCP_TCP_OFFLOAD_H_

#include "stack/core/gso.h"
#include "stack/core/skbuff.h"

namespace tapedeck {

// Data is at the TCP header, whose checksum field holds the sum of the pseudo-header of the whole
// packet (CHECKSUM_PARTIAL). The segments that follow from it, headers complete but for IP's; each
// is CHECKSUM_PARTIAL again, and all together are paid for by the packet's socket.
GsoResult tcp_gso_segment(sk_buff* skb, netdev_features_t features);

// The same over IPv4 and IPv6, for packets of others too (forwarded ones come with complete
// checksums).
GsoResult tcp4_gso_segment(sk_buff* skb, netdev_features_t features);
GsoResult tcp6_gso_segment(sk_buff* skb, netdev_features_t features);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_OFFLOAD_H_
