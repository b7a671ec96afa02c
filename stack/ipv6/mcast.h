// Multicast listening (net/ipv6/mcast.c; RFC 2710, 3810): groups of devices and sockets, with
// source filters, and their reports.
#ifndef TAPEDECK_STACK_IPV6_MCAST_H_
#define TAPEDECK_STACK_IPV6_MCAST_H_

#include <cstdint>
#include <span>

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
// Joins with an empty filter of `mode` (kMcastInclude, kMcastExclude of mc_group.h), as
// MCAST_JOIN_SOURCE_GROUP begins.
int ipv6_sock_mc_join_ssm(sock* sk, int ifindex, const Ipv6Address& addr, uint8_t mode);
// MCAST_{JOIN,LEAVE}_SOURCE_GROUP (`omode` kMcastInclude), MCAST_{,UN}BLOCK_SOURCE (kMcastExclude):
// adds or removes one source. -EINVAL (no group, not joined, a filter of the other mode), -ENODEV,
// -EADDRNOTAVAIL (there already, or not), -ENOBUFS (mld_max_msf).
int ip6_mc_source(bool add, uint8_t omode, sock* sk, int ifindex, const Ipv6Address& group,
                  const Ipv6Address& source);
// MCAST_MSFILTER: replaces the filter of a joined group.
int ip6_mc_msfilter(sock* sk, int ifindex, const Ipv6Address& group, uint8_t fmode,
                    std::span<const Ipv6Address> sources);
// Reads it: *count is how many sources there are, of which as many as fit are copied. 0,
// -EINVAL, -EADDRNOTAVAIL.
int ip6_mc_msfget(const sock* sk, int ifindex, const Ipv6Address& group, uint8_t* fmode,
                  std::span<Ipv6Address> sources, uint32_t* count);

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
