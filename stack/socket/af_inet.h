// The internet family: socket() for it, and what its sockets do for each call (net/ipv4/af_inet.c).
#ifndef TAPEDECK_STACK_SOCKET_AF_INET_H_
#define TAPEDECK_STACK_SOCKET_AF_INET_H_

#include <cstdint>

#include "stack/core/sock.h"
#include "stack/socket/socket.h"

namespace tapedeck {

// The family AF_INET: its `create` finds type and protocol in the protocol switch (UDP, ping).
// -EINVAL, -ESOCKTNOSUPPORT, -EPROTONOSUPPORT, -EACCES, -ENOBUFS.
extern const net_proto_family inet_family_ops;

// What every bind checks about an address: -EAFNOSUPPORT; on 0 *addr_type is its RTN_*.
int inet_bind_address(sock* sk, const void* addr, uint32_t addr_len, uint8_t* addr_type);
// Gives an unbound socket a port of its own. 0, or -EAGAIN where there is none, whatever the socket
// says about waiting.
int inet_autobind(sock* sk);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_AF_INET_H_
