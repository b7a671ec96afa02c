// Groups that a socket has joined (the socket part of net/ipv4/igmp.c).
#ifndef TAPEDECK_STACK_IPV4_MCAST_SOCK_H_
#define TAPEDECK_STACK_IPV4_MCAST_SOCK_H_

#include <cstdint>
#include <span>

#include "stack/base/ip_address.h"
#include "stack/ipv4/inet_sock.h"
#include "stack/ipv4/mc_socket_filter.h"
#include "stack/ipv4/mcast_uapi.h"

namespace tapedeck {

// struct ip_mreqn of the user interface (in.h).
struct ip_mreqn {
  Ipv4Address imr_multiaddr;
  Ipv4Address imr_address;  // of the device, where imr_ifindex is 0
  int imr_ifindex = 0;
};
static_assert(sizeof(ip_mreqn) == 12);

// One membership, on inet_sock::mc_list, newest first.
struct ip_mc_socklist {
  ip_mc_socklist* next = nullptr;
  ip_mreqn multi;
  mc_socket_filter<Ipv4Address> filter;
};

// Joins on the device of that index, of that address, or of the route to the group. 0, -EINVAL (no
// group), -ENODEV, -EADDRINUSE (joined already), -ENOBUFS (sysctl igmp_max_memberships, or no
// memory).
int ip_mc_join_group(inet_sock* sk, ip_mreqn imr);
// The same with an empty filter of `mode` (kMcastInclude, kMcastExclude), as
// IP_ADD_SOURCE_MEMBERSHIP begins.
int ip_mc_join_group_ssm(inet_sock* sk, ip_mreqn imr, uint8_t mode);
// 0, -ENODEV, -EADDRNOTAVAIL (not joined).
int ip_mc_leave_group(inet_sock* sk, ip_mreqn imr);
// Leaves all: the socket is closed.
void ip_mc_drop_socket(inet_sock* sk);
// Adds or removes one source of the filter of a membership: of those that are wanted (`omode`
// kMcastInclude) or refused (kMcastExclude). -EINVAL (no group, not joined, a filter of the other
// mode), -ENODEV, -EADDRNOTAVAIL (there already, or not), -ENOBUFS (sysctl igmp_max_msf).
int ip_mc_source(bool add, uint8_t omode, inet_sock* sk, ip_mreqn imr, Ipv4Address source);
// Replaces it.
int ip_mc_msfilter(inet_sock* sk, ip_mreqn imr, uint8_t fmode,
                   std::span<const Ipv4Address> sources);
// The membership that a request means, its device found; nullptr and *err: -EINVAL, -ENODEV,
// -EADDRNOTAVAIL.
const ip_mc_socklist* ip_mc_find_membership(inet_sock* sk, ip_mreqn imr, int* err);
// Whether the socket wants what `src` sends to `local` by device `dif`: by the filter of its
// membership; without one always, unless IP_MULTICAST_ALL is off.
bool ip_mc_sf_allow(const inet_sock* sk, Ipv4Address local, Ipv4Address src, int dif);

// Options of groups and sources; `optname` one of mcast_uapi.h. As ip_setsockopt, ip_getsockopt.
bool ip_is_mcast_option(int optname);
int ip_set_mcast_option(inet_sock* sk, int optname, const void* optval, uint32_t optlen);
int ip_get_mcast_option(inet_sock* sk, int optname, void* optval, uint32_t* optlen);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_MCAST_SOCK_H_
