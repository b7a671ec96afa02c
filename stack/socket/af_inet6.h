// The family AF_INET6: socket() for it, and where its sockets differ from AF_INET's for a call
// (net/ipv6/af_inet6.c). An address that is IPv4-mapped makes a socket speak IPv4: it is held as
// that IPv4 address (see inet_sock), and shown mapped again.
#ifndef TAPEDECK_STACK_SOCKET_AF_INET6_H_
#define TAPEDECK_STACK_SOCKET_AF_INET6_H_

#include <cstdint>

#include "stack/socket/socket.h"

namespace tapedeck {

// Its `create` finds type and protocol in its protocol switch. As inet_family_ops; -EAFNOSUPPORT on
// a host without IPv6.
extern const net_proto_family inet6_family_ops;

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_AF_INET6_H_
