// Socket options of level SOL_IP (part of net/ipv4/ip_sockglue.c). Names: the kIp... numbers of
// ip.h and those below.
#ifndef TAPEDECK_STACK_IPV4_IP_SOCKOPT_H_
#define TAPEDECK_STACK_IPV4_IP_SOCKOPT_H_

#include <cstdint>

#include "stack/core/sock.h"

namespace tapedeck {

inline constexpr int kIpRecverrRfc4884 = 26;

// `optval` is `optlen` bytes of user memory, null where the process may not touch it. 0, -EINVAL
// (length or value), -EFAULT, -ENOPROTOOPT, or what joining a group gives.
int ip_setsockopt(sock* sk, int level, int optname, const void* optval, uint32_t optlen);
// *optlen: the room on entry, the bytes written on return. 0, -EINVAL, -EFAULT, -ENOTCONN (IP_MTU),
// -ENOPROTOOPT.
int ip_getsockopt(sock* sk, int level, int optname, void* optval, uint32_t* optlen);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_IP_SOCKOPT_H_
