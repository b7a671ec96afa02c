// IPV6_ADDRFORM (part of net/ipv6/ipv6_sockglue.c).
#ifndef TAPEDECK_STACK_SOCKET_ADDRFORM_H_
#define TAPEDECK_STACK_SOCKET_ADDRFORM_H_

#include <cstdint>

#include "stack/core/socket.h"

namespace tapedeck {

// Turns a connected socket of AF_INET6 whose peer is mapped into one of AF_INET. `value`: an int,
// AF_INET. 0, -EINVAL, -EFAULT, -ENOPROTOOPT (neither UDP nor TCP), -EBUSY (a datagram of IPv6 is
// being put together), -ENOTCONN, -EADDRNOTAVAIL (the peer is not mapped).
int ipv6_addrform(socket* sock, const void* value, uint32_t length);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_ADDRFORM_H_
