// Sending UDP (see udp.h for the path).
#ifndef TAPEDECK_STACK_UDP_UDP_OUTPUT_H_
#define TAPEDECK_STACK_UDP_UDP_OUTPUT_H_

#include <cstddef>
#include <cstdint>

#include "stack/core/msghdr.h"
#include "stack/core/sock.h"
#include "stack/ipv4/inet_sock.h"

namespace tapedeck {

// proto::sendmsg. `len`, or -EMSGSIZE (above 65535 bytes, or the path's MTU with DF), -EOPNOTSUPP
// (MSG_OOB), -EINVAL, -EAFNOSUPPORT, -EDESTADDRREQ, -EACCES (broadcast without SO_BROADCAST),
// -EAGAIN (send buffer full), -EFAULT, -EPIPE, routing's errors, and a pending error of the socket.
int64_t udp_sendmsg(sock* sk, msghdr* msg, size_t len);
// Takes the control messages of level UDP (UDP_SEGMENT); *need_ip: there are others. 0 or -EINVAL.
int udp_cmsg_send(const msghdr* msg, uint16_t* gso_size, bool* need_ip);
// Makes a packet of several datagrams of one with `data_bytes` of payload where `cork` says so
// (UDP_SEGMENT). 0, -EMSGSIZE (a datagram does not fit the MTU: they are never fragmented), -EINVAL
// (more than kUdpMaxSegments, or no checksums are sent). The packet stays the caller's.
int udp_prepare_gso(const sock* sk, sk_buff* skb, const inet_cork& cork, uint32_t data_bytes);
// Sends the datagram that is corked. 0 or -errno.
int udp_push_pending_frames(sock* sk);
// Forgets it.
void udp_flush_pending_frames(sock* sk);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_UDP_UDP_OUTPUT_H_
