// Packets of several datagrams (UDP_SEGMENT; net/ipv4/udp_offload.c). One send is one packet down
// to the device; what the device cannot cut is cut in front of it, and what comes back over the
// loopback device is cut in front of a socket that has not asked for such packets (UDP_GRO).
#ifndef TAPEDECK_STACK_UDP_UDP_OFFLOAD_H_
#define TAPEDECK_STACK_UDP_UDP_OFFLOAD_H_

#include <cstdint>

#include "stack/core/gso.h"
#include "stack/core/sock.h"

namespace tapedeck {

// Cuts a packet whose data is at the UDP header, whose checksum is left to the device. Of either
// family: IP headers are the caller's to put right. -EINVAL where it is not such a packet.
GsoResult __udp_gso_segment(sk_buff* skb, netdev_features_t features);

// net_protocol::gso_segment of IPv4 (udp_ipv4_offload.cc).
GsoResult udp4_ufo_fragment(sk_buff* skb, netdev_features_t features);

// Whether `skb` has several datagrams and `sk` wants them one by one.
bool udp_unexpected_gso(const sock* sk, const sk_buff* skb);
// Cuts it for `sk`, data at the UDP header: the datagrams, data at the link-layer header, linked by
// next; nullptr where that failed, with the drops counted. The packet is consumed.
sk_buff* udp_rcv_segment(sock* sk, sk_buff* skb);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_UDP_UDP_OFFLOAD_H_
