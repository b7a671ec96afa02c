// Groups that a socket has joined (the socket part of net/ipv4/igmp.c).
#ifndef TAPEDECK_STACK_IPV4_MCAST_SOCK_H_
#define TAPEDECK_STACK_IPV4_MCAST_SOCK_H_

#include "stack/base/ip_address.h"
#include "stack/ipv4/inet_sock.h"

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
};

inline constexpr int kIgmpMaxMemberships = 20;  // sysctl igmp_max_memberships

// Joins on the device of that index, of that address, or of the route to the group. 0, -EINVAL (no
// group), -ENODEV, -EADDRINUSE (joined already), -ENOBUFS (too many, or no memory).
int ip_mc_join_group(inet_sock* sk, ip_mreqn imr);
// 0, -ENODEV, -EADDRNOTAVAIL (not joined).
int ip_mc_leave_group(inet_sock* sk, ip_mreqn imr);
// Leaves all: the socket is closed.
void ip_mc_drop_socket(inet_sock* sk);
// Whether the socket wants what comes to `local` by device `dif`: always, unless that is a group
// which it has not joined there and IP_MULTICAST_ALL is off.
bool ip_mc_sf_allow(const inet_sock* sk, Ipv4Address local, int dif);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_MCAST_SOCK_H_
