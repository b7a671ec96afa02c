// Stream sockets of the internet family: connecting, listening, accepting (net/ipv4/af_inet.c).
#ifndef TAPEDECK_STACK_SOCKET_AF_INET_STREAM_H_
#define TAPEDECK_STACK_SOCKET_AF_INET_STREAM_H_

#include <cstdint>

#include "stack/core/socket.h"

namespace tapedeck {

// The members of inet_stream_ops that datagram sockets do not share. `flags`: O_NONBLOCK,
// kConnectForSendmsg, kConnectAgain.
int inet_stream_connect(socket* sock, const void* addr, uint32_t addr_len, uint32_t flags);
// `backlog` is at most somaxconn. 0, -EINVAL (connected, connecting), -EADDRINUSE.
int inet_listen(socket* sock, int backlog);
int inet_accept(socket* sock, socket* newsock, uint32_t flags);
bool inet_linger(socket* sock);
int64_t inet_stream_sendmsg(socket* sock, msghdr* msg, size_t bytes);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_AF_INET_STREAM_H_
