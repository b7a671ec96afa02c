// TCP over IPv6 (net/ipv6/tcp_ipv6.c, inet6_connection_sock.c): what differs from IPv4. Files:
// tcp_ipv6.cc (rcv, early demux, do_rcv), tcp_ipv6_err.cc, tcp_ipv6_connect.cc, tcp_ipv6_reply.cc,
// tcp_ipv6_listen.cc (conn_request, syn_recv_sock, route_req), tcp_ipv6_sock.cc (a socket's
// beginning, ipv6_specific, ipv6_mapped), inet6_csk_route.cc (routes and queue_xmit).
//
// An AF_INET6 socket whose peer is ::ffff:a.b.c.d is an IPv4 connection with IPv6 socket options:
// its icsk_af_ops is ipv6_mapped, its addresses are IPv4's.
#ifndef TAPEDECK_STACK_TCP_TCP_IPV6_H_
#define TAPEDECK_STACK_TCP_TCP_IPV6_H_

#include <cstdint>

#include "stack/ipv6/ipv6_sock.h"
#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

// What a peer takes that has said nothing: the least MTU of IPv6 without headers, bytes.
inline constexpr uint16_t kIpv6MinMss =
    wire::kIpv6MinMtu - sizeof(wire::TcpHeader) - sizeof(wire::Ipv6Header);

extern const proto tcpv6_prot;
extern const inet_connection_sock_af_ops ipv6_specific;
extern const inet_connection_sock_af_ops ipv6_mapped;

// inet6_protocol::handler, err_handler and early_demux of next header 6.
int tcp_v6_rcv(sk_buff* skb);
int tcp_v6_err(sk_buff* skb, uint8_t type, uint8_t code, int offset, uint32_t info);
int tcp_v6_early_demux(sk_buff* skb, DropReason* reason);
// sk_backlog_rcv: tcp_do_rcv, after which what the user asked for of the packet's headers is kept.
int tcp_v6_do_rcv(sock* sk, sk_buff* skb);
int tcp_v6_connect(sock* sk, const void* addr, uint32_t addr_len);
int tcp_v6_conn_request(sock* sk, sk_buff* skb);
sock* tcp_v6_syn_recv_sock(const sock* sk, sk_buff* skb, request_sock* req, dst_entry* dst,
                           request_sock* req_unhash, bool* own_req);
// The child of an AF_INET6 listener whose peer speaks IPv4.
void tcp_v6_mapped_child_init(sock* child);
void tcp_v6_mtu_reduced(sock* sk);
int tcp_v6_init_sock(sock* sk);  // proto::init
// Fills in the checksum of a segment between two addresses (CHECKSUM_PARTIAL).
void __tcp_v6_send_check(sk_buff* skb, const Ipv6Address& saddr, const Ipv6Address& daddr);
// Whether the user wants to see something of this packet's headers (ipv6_opt_accepted).
bool tcp_v6_opt_accepted(const sock* sk, const sk_buff* skb);

// --- Routes (net/ipv6/inet6_connection_sock.c). ---
// The route of a SYN-ACK or child, with a reference; nullptr: none.
dst_entry* inet6_csk_route_req(const sock* sk, flowi6* fl6, const request_sock* req);
// The socket's route looked up and kept; without a reference of the caller's. nullptr and *err.
dst_entry* inet6_csk_route_socket(sock* sk, int* err);
int inet6_csk_xmit(sock* sk, sk_buff* skb, flowi* fl);
int inet6_sk_rebuild_header(sock* sk);
dst_entry* inet6_csk_update_pmtu(sock* sk, uint32_t mtu);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_IPV6_H_
