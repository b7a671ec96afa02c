// UDP over IPv6 (net/ipv6/udp.c; RFC 768, RFC 8200 8.1, RFC 6936). The tables, queues and options
// are those of udp.h: one udp_sock serves both versions, and a socket of AF_INET6 whose peer is
// mapped, or that is bound to any address, takes IPv4's paths too.
//
//   in:  ip6_protocol_deliver_rcu -> udpv6_rcv (checks, lookup) -> udpv6_queue_rcv_skb -> socket
//        queue -> udpv6_recvmsg
//   out: udpv6_sendmsg -> ip6_make_skb -> udp_v6_send_skb -> ip6_send_skb, or corked:
//        ip6_append_data ... udp_v6_push_pending_frames
#ifndef TAPEDECK_STACK_UDP_UDP_IPV6_H_
#define TAPEDECK_STACK_UDP_UDP_IPV6_H_

#include <cstddef>
#include <cstdint>

#include "stack/base/byteorder.h"
#include "stack/base/ip_address.h"
#include "stack/core/gso.h"
#include "stack/core/msghdr.h"
#include "stack/core/skbuff.h"
#include "stack/core/sock.h"

namespace tapedeck {

struct net;
struct udp_sock;

// What sockets of AF_INET6 are.
extern const proto udpv6_prot;

// Puts UDP onto IPv6: after ipv6_init and udp_init, once. And takes it off.
void udpv6_init(net& net);
void udpv6_exit(net& net);

// --- Lookup (udp_ipv6_table.cc). ---

// A packet's addresses, seen from us: `daddr` and `hnum` are local.
struct udp_flow6 {
  Ipv6Address saddr;
  Ipv6Address daddr;
  be16 sport;
  uint16_t hnum;  // local port, host order
  int dif;        // ifindex it came in by
};
// As __udp4_lib_lookup, __udp4_lib_demux_lookup and __udp_is_mcast_sock.
udp_sock* __udp6_lib_lookup(net& net, const udp_flow6& flow);
udp_sock* __udp6_lib_demux_lookup(net& net, const udp_flow6& flow);
bool __udp_v6_is_mcast_sock(const udp_sock* sk, const udp_flow6& flow);

// --- Input (udp_ipv6_input.cc): inet6_protocol's members. ---

int udpv6_rcv(sk_buff* skb);
int udpv6_err(sk_buff* skb, uint8_t type, uint8_t code, int offset, uint32_t info);
int udp_v6_early_demux(sk_buff* skb, DropReason* reason);
GsoResult udp6_ufo_fragment(sk_buff* skb, netdev_features_t features);

// --- Calls. ---

// As udp_sendmsg; also -ENETUNREACH (a mapped address on a socket of IPv6 only).
int64_t udpv6_sendmsg(sock* sk, msghdr* msg, size_t len);
// The datagram that is corked, of either version: sent / forgotten.
int udp_v6_push_pending_frames(sock* sk);
void udp_v6_flush_pending_frames(sock* sk);
// As udp_recvmsg: the source is a sockaddr_in6, mapped where the datagram came by IPv4.
int64_t udpv6_recvmsg(sock* sk, msghdr* msg, size_t len, uint32_t flags);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_UDP_UDP_IPV6_H_
