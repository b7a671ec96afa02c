// What setting and reading options of level SOL_IPV6 share.
#ifndef TAPEDECK_STACK_IPV6_IPV6_SOCKOPT_INTERNAL_H_
#define TAPEDECK_STACK_IPV6_IPV6_SOCKOPT_INTERNAL_H_

#include <cstdint>

#include "stack/ipv6/ipv6_sock.h"

namespace tapedeck {

// Bits of IPV6_ADDR_PREFERENCES beside addrconf.h's (RFC 5014).
inline constexpr int kPreferSrcCga = 0x08;
inline constexpr int kPreferSrcPubtmpDefault = 0x100;
inline constexpr int kPreferSrcHome = 0x400;
inline constexpr int kPreferSrcNoncga = 0x800;

// Options that ask for a control message: false for others.
bool SetRxOption(ipv6_rxopt* rxopt, int optname, bool on);
bool IsRxOption(int optname);
// Options that are a bool of their own; nullptr for others.
bool* FlagMember6(inet_sock* sk, int optname);

// MCAST_* (RFC 3678): 0, -EINVAL, -EFAULT, -EADDRNOTAVAIL (no group of IPv6), -ENOBUFS, or what
// joining gives. The second reads MCAST_MSFILTER.
int ipv6_set_mcast_option(sock* sk, int optname, const void* optval, uint32_t optlen);
int ipv6_get_msfilter(sock* sk, void* optval, uint32_t* optlen);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_IPV6_SOCKOPT_INTERNAL_H_
