// TCP over IPv4 (net/ipv4/tcp_ipv4.c; RFC 9293): what a host does with segments while no connection
// exists on it. Each is checked and counted, and answered with a reset.
//
//   in:  ip_protocol_deliver_rcu -> tcp_v4_rcv -> (lookup) -> tcp_v4_send_reset ->
//   ip_send_unicast_reply
#ifndef TAPEDECK_STACK_TCP_TCP_H_
#define TAPEDECK_STACK_TCP_TCP_H_

#include <cstdint>

#include "stack/core/net.h"
#include "stack/core/sock.h"
#include "stack/ipv4/inet_sock.h"
#include "stack/kernel/slab.h"
#include "stack/wire/tcp.h"

namespace tapedeck {

inline const wire::TcpHeader* tcp_hdr(const sk_buff* skb) {
  return reinterpret_cast<const wire::TcpHeader*>(skb_transport_header(skb));
}

// All TCP state of a host.
struct netns_tcp {
  explicit netns_tcp(net& its_net);
  netns_tcp(const netns_tcp&) = delete;
  netns_tcp& operator=(const netns_tcp&) = delete;

  net& host_net;
  SlabCache<inet_sock> control_sockets;
  sock* control_sk = nullptr;  // sends what belongs to no connection (ipv4_tcp_sk)
};
inline netns_tcp& net_tcp(net& net) { return *net.tcp; }

// Brings TCP up on a host: after ipv4_init, once. And takes it down: its control socket is freed.
void tcp_init(net& net);
void tcp_exit(net& net);

// net_protocol::handler and err_handler of protocol 6.
int tcp_v4_rcv(sk_buff* skb);
int tcp_v4_err(sk_buff* skb, uint32_t info);

// Answers a segment that belongs to nothing (`sk` is null) or that its socket refuses, by RFC
// 9293 3.10.7.1: never a reset, never what was not for us alone. The packet stays the caller's.
void tcp_v4_send_reset(const sock* sk, sk_buff* skb);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_H_
