// Neighbour discovery (net/ipv6/ndisc.c; RFC 4861): what the table of neighbours asks and hears,
// and router discovery.
#ifndef TAPEDECK_STACK_IPV6_NDISC_H_
#define TAPEDECK_STACK_IPV6_NDISC_H_

#include <cstdint>

#include "stack/base/ip_address.h"
#include "stack/core/neighbour.h"
#include "stack/core/skbuff.h"

namespace tapedeck {

struct inet6_ifaddr;
struct net;

// A message of ICMPv6 types 133 to 137; data at its header. CONSUMED or why it was not taken. The
// packet stays the caller's.
DropReason ndisc_rcv(sk_buff* skb);
// `saddr` null: the device's link-local address. `nonce`: 48 bits, 0: none.
void ndisc_send_ns(net_device* dev, const Ipv6Address& solicit, const Ipv6Address& daddr,
                   const Ipv6Address* saddr, uint64_t nonce);
void ndisc_send_na(net_device* dev, const Ipv6Address& daddr, const Ipv6Address& solicited_addr,
                   bool router, bool solicited, bool override, bool inc_opt);
void ndisc_send_rs(net_device* dev, const Ipv6Address& saddr, const Ipv6Address& daddr);
// Tells the sender of a packet that is being forwarded of the better next hop `target`.
void ndisc_send_redirect(sk_buff* skb, const Ipv6Address& target);
// What addrconf's notifier calls behind addrconf_notify: entries of a device that goes down or
// changes its address are forgotten, new addresses announced (sysctl ndisc_notify).
void ndisc_netdev_event(net_device* dev, NetdevEvent event);
// Makes net.nd_tbl; before addrconf_init. Empties it and lets go of it.
int ndisc_init(net& net);
void ndisc_cleanup(net& net);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_NDISC_H_
