// recvmsg of sockets whose packets are read one at a time and whole: raw and ping sockets.
#ifndef TAPEDECK_STACK_SOCKET_PACKET_RECV_H_
#define TAPEDECK_STACK_SOCKET_PACKET_RECV_H_

#include <cstddef>
#include <cstdint>

#include "stack/core/msghdr.h"
#include "stack/core/skbuff.h"
#include "stack/core/sock.h"

namespace tapedeck {

// Takes the next packet, copies what there is room for, and has `tell` say whom it came from and
// what else the user wants to know. The bytes copied, with MSG_TRUNC in `flags` those that the
// packet has; or -errno.
int64_t packet_recv(sock* sk, msghdr* msg, size_t len, uint32_t flags,
                    void (*tell)(sock* sk, msghdr* msg, sk_buff* skb));
// The source of a packet of IPv4, where the user asks for it. It has no port.
void packet_recv_source(msghdr* msg, const sk_buff* skb);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_PACKET_RECV_H_
