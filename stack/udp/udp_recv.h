#ifndef TAPEDECK_STACK_UDP_UDP_RECV_H_
#define TAPEDECK_STACK_UDP_UDP_RECV_H_

#include <cstddef>
#include <cstdint>

#include "stack/core/msghdr.h"
#include "stack/core/sock.h"

namespace tapedeck {

// proto::recvmsg: one datagram, of which what does not fit is lost (MSG_TRUNC in msg_flags; with
// MSG_TRUNC in `flags` the result is its whole length). Bytes, 0 after shutdown, -EAGAIN, -EFAULT,
// or a pending error. Datagrams whose checksum turns out wrong are dropped on the way.
int64_t udp_recvmsg(sock* sk, msghdr* msg, size_t len, uint32_t flags);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_UDP_UDP_RECV_H_
