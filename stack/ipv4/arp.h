// ARP (net/ipv4/arp.c; RFC 826, RFC 5227): packets in and out, and the neighbour table's functions
// for IPv4.
#ifndef TAPEDECK_STACK_IPV4_ARP_H_
#define TAPEDECK_STACK_IPV4_ARP_H_

#include <cstdint>

#include "stack/base/ip_address.h"
#include "stack/core/dev.h"
#include "stack/core/neighbour.h"
#include "stack/core/skbuff.h"

namespace tapedeck {

struct net;

// packet_type function for ETH_P_ARP.
int arp_rcv(sk_buff* skb, net_device* dev, packet_type* pt, net_device* orig_dev);

// Sends one packet. nullptr for a hardware address: `dest_hw` broadcast, `src_hw` the device's own,
// `target_hw` zero. Nothing on a device without ARP.
void arp_send(uint16_t op, Ipv4Address dest_ip, net_device* dev, Ipv4Address src_ip,
              const uint8_t* dest_hw, const uint8_t* src_hw, const uint8_t* target_hw);

// The neighbour of a next hop, made where there was none, without a reference; nullptr where that
// failed.
neighbour* ip_neigh_gw4(net_device* dev, Ipv4Address next_hop);

// Makes net.arp_tbl; empties it and lets go of it.
int arp_init(net& net);
void arp_exit(net& net);
// Announces an address (gratuitous request), as for arp_notify.
void arp_announce_address(net_device* dev, Ipv4Address addr);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_ARP_H_
