// Sending UDP (see udp.h for the path).
#ifndef TAPEDECK_STACK_UDP_UDP_OUTPUT_H_
#define TAPEDECK_STACK_UDP_UDP_OUTPUT_H_

#include <cstddef>
#include <cstdint>

#include "stack/core/msghdr.h"
#include "stack/core/sock.h"

namespace tapedeck {

// proto::sendmsg. `len`, or -EMSGSIZE (above 65535 bytes, or the path's MTU with DF), -EOPNOTSUPP
// (MSG_OOB), -EINVAL, -EAFNOSUPPORT, -EDESTADDRREQ, -EACCES (broadcast without SO_BROADCAST),
// -EAGAIN (send buffer full), -EFAULT, -EPIPE, routing's errors, and a pending error of the socket.
int64_t udp_sendmsg(sock* sk, msghdr* msg, size_t len);
// Sends the datagram that is corked. 0 or -errno.
int udp_push_pending_frames(sock* sk);
// Forgets it.
void udp_flush_pending_frames(sock* sk);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_UDP_UDP_OUTPUT_H_
