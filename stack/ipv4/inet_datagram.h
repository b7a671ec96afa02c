// What sockets over IPv4 share whatever their protocol, and datagram sockets among them: how they
// begin and end, connect and disconnect (parts of net/ipv4/af_inet.c and datagram.c).
#ifndef TAPEDECK_STACK_IPV4_INET_DATAGRAM_H_
#define TAPEDECK_STACK_IPV4_INET_DATAGRAM_H_

#include <cstdint>

#include "stack/core/msghdr.h"
#include "stack/ipv4/inet_sock.h"

namespace tapedeck {

// A new socket's addresses (any of its family) and settings; its sk_destruct becomes
// inet_sock_destruct.
void inet_sock_init(inet_sock* sk);
// Frees what the queues, the route cache and the options hold; the packets themselves have gone
// (checked).
void inet_sock_destruct(sock* sk);
// Forgets the source address that connect chose.
void inet_reset_saddr(inet_sock* sk);

// sockaddr_in at `addr`, of at least its size: a destination.
// Connects: chooses route and source address, which become the socket's. 0, -EINVAL (short
// address), -EAFNOSUPPORT, an error of routing, -EACCES (broadcast without SO_BROADCAST). Where the
// local address was open the caller's tables must follow it.
int __ip4_datagram_connect(inet_sock* sk, const void* addr, uint32_t addr_len);
// The flow of an unconnected datagram without ports, of protocol `proto`, to `daddr`, from the
// call's control messages (`ipc`) and the socket's options; FLOWI_FLAG_* beside the socket's.
// Leaves the final destination in ipc->addr. 0 or -EINVAL (a source route to nowhere).
int ip_datagram_flow(inet_sock* sk, const msghdr* msg, Ipv4Address daddr, uint8_t proto,
                     uint8_t flags, ipcm_cookie* ipc, flowi4* fl4);
// The part of disconnecting that all protocols share; as in Linux it also undoes SO_BINDTODEVICE.
// The local address that connect chose is forgotten; unhashing or rehashing by userlocks is the
// caller's, as is inet_sport.
void __ip4_datagram_disconnect(inet_sock* sk);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_INET_DATAGRAM_H_
