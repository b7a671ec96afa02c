// Options of level UDP, of both families (udp_lib_setsockopt and udp_lib_getsockopt).
#ifndef TAPEDECK_STACK_UDP_UDP_SOCKOPT_H_
#define TAPEDECK_STACK_UDP_UDP_SOCKOPT_H_

#include <cstdint>

#include "stack/core/sock.h"

namespace tapedeck {

// `push_pending_frames` sends the datagram that is corked. 0, -EINVAL (too short, UDP_SEGMENT out
// of range), -EFAULT, -ENOPROTOOPT.
int udp_lib_setsockopt(sock* sk, int optname, const void* optval, uint32_t optlen,
                       int (*push_pending_frames)(sock* sk));
// *optlen: the room on entry, the bytes written on return. 0, -EINVAL, -EFAULT, -ENOPROTOOPT.
int udp_lib_getsockopt(const sock* sk, int optname, void* optval, uint32_t* optlen);

// The socket may have a tunnel: ICMP errors look for one from now on (udp_tunnel_encap_enable).
// Undone by udp_encap_release, when the socket is destroyed.
void udp_tunnel_encap_enable(sock* sk);
void udp_encap_release(sock* sk);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_UDP_UDP_SOCKOPT_H_
