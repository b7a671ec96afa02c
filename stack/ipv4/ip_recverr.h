// The error queue of IPv4 sockets (IP_RECVERR; part of net/ipv4/ip_sockglue.c).
#ifndef TAPEDECK_STACK_IPV4_IP_RECVERR_H_
#define TAPEDECK_STACK_IPV4_IP_RECVERR_H_

#include <cstdint>

#include "stack/base/byteorder.h"
#include "stack/base/ip_address.h"
#include "stack/core/msghdr.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv4/inet_sock.h"

namespace tapedeck {

// What the control message IP_RECVERR holds: the error and who reported it.
struct ip_recverr_data {
  sock_extended_err ee;
  sockaddr_in offender;
};
static_assert(sizeof(ip_recverr_data) == 32);

// Queues an ICMP error `err` (positive errno) about a datagram to `port`. `skb`, which stays the
// caller's, has its data at the quoted IP header and its transport header at the ICMP header;
// `payload_offset` bytes behind data the quoted payload begins, which the user will read. `info` as
// net_protocol::err_handler's.
void ip_icmp_error(sock* sk, sk_buff* skb, int err, be16 port, uint32_t info,
                   uint32_t payload_offset);
// Queues an error of our own about a datagram to `daddr`, where the socket wants it (recverr).
void ip_local_error(sock* sk, int err, Ipv4Address daddr, be16 port, uint32_t info);
// recvmsg with MSG_ERRQUEUE: the offending datagram's payload, its destination, and the error as a
// control message. Bytes, -EAGAIN where there is none, -EFAULT.
int64_t ip_recv_error(sock* sk, msghdr* msg, size_t len);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_IP_RECVERR_H_
