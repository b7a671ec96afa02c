// Multicast listening (net/ipv6/mcast.c; RFC 2710, 3810): groups of devices and sockets, with
// source filters, and their reports.
#ifndef TAPEDECK_STACK_IPV6_MCAST_H_
#define TAPEDECK_STACK_IPV6_MCAST_H_

#include <cstdint>

#include "stack/base/ip_address.h"
#include "stack/core/net_device.h"
#include "stack/core/skbuff.h"
#include "stack/core/sock.h"
#include "stack/kernel/timer.h"

namespace tapedeck {

struct inet6_dev;
struct net;

// A device joins / leaves on behalf of one user. 0, -ENODEV, -ENOMEM, -ENOENT.
int ipv6_dev_mc_inc(net_device* dev, const Ipv6Address& addr);
int ipv6_dev_mc_dec(net_device* dev, const Ipv6Address& addr);
int __ipv6_dev_mc_dec(inet6_dev* idev, const Ipv6Address& addr);
// Whether packets from `src` (null: any) to `group` are for this device's host.
bool ipv6_chk_mcast_addr(const net_device* dev, const Ipv6Address& group, const Ipv6Address* src);
void ipv6_mc_init_dev(inet6_dev* idev);
void ipv6_mc_up(inet6_dev* idev);
void ipv6_mc_down(inet6_dev* idev);
void ipv6_mc_destroy_dev(inet6_dev* idev);
// The link-local address has become usable: reports that waited go out.
void ipv6_mc_dad_complete(inet6_dev* idev);

// Sockets. Names and errors as in the kernel.
int ipv6_sock_mc_join(sock* sk, int ifindex, const Ipv6Address& addr);
int ipv6_sock_mc_drop(sock* sk, int ifindex, const Ipv6Address& addr);
void ipv6_sock_mc_close(sock* sk);
// Whether the socket wants what comes from `src` to group `group` (inet6_mc_check).
bool inet6_mc_check(const sock* sk, const Ipv6Address& group, const Ipv6Address& src);
// MCAST_* options: source filters. `omode`: 0 include, 1 exclude; `add` joins or leaves.
int ip6_mc_source(bool add, int omode, sock* sk, int ifindex, const Ipv6Address& group,
                  const Ipv6Address& source);

// Messages of types 130, 131, 132, 143; data at the ICMPv6 header. The packet stays the caller's.
DropReason igmp6_event_query(sk_buff* skb);
DropReason igmp6_event_report(sk_buff* skb);

// inet6_dev's timers: answers to a general query, reports of changes, reports once DAD has ended.
void mld_gq_timer_expire(TimerList* timer);
void mld_ifc_timer_expire(TimerList* timer);
void mld_dad_timer_expire(TimerList* timer);

// Makes netns_ipv6::igmp6 and mc_sk; before addrconf_init.
int igmp6_init(net& net);
void igmp6_cleanup(net& net);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_MCAST_H_
