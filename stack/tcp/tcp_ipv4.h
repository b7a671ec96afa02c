// TCP over IPv4 (net/ipv4/tcp_ipv4.c): segments as IPv4 delivers them, errors about them,
// connecting, and the operations a connection calls by its address family. Files: tcp_ipv4.cc (rcv,
// early demux), tcp_ipv4_err.cc, tcp_ipv4_connect.cc, tcp_ipv4_reply.cc, tcp_ipv4_listen.cc
// (conn_request, syn_recv_sock, route_req), tcp_ipv4_sock.cc (a socket's beginning and end,
// ipv4_specific). What both families share: tcp_rcv.cc, tcp_reply.cc (reset, ACK without a socket),
// tcp_err.cc, tcp_syn_recv_sock.cc, tcp_conn_request.cc, tcp_make_synack.cc, tcp_backlog.cc,
// tcp_secure_seq.cc.
#ifndef TAPEDECK_STACK_TCP_TCP_IPV4_H_
#define TAPEDECK_STACK_TCP_TCP_IPV4_H_

#include <cstdint>

#include "stack/base/hash.h"
#include "stack/ipv4/ip_options.h"
#include "stack/tcp/tcp_minisocks.h"
#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

extern const inet_connection_sock_af_ops ipv4_specific;

// net_protocol::handler, err_handler and early_demux of protocol 6.
int tcp_v4_rcv(sk_buff* skb);
int tcp_v4_err(sk_buff* skb, uint32_t info);
int tcp_v4_early_demux(sk_buff* skb, DropReason* reason);
int tcp_v4_connect(sock* sk, const void* addr, uint32_t addr_len);
void tcp_v4_mtu_reduced(sock* sk);
int tcp_v4_conn_request(sock* sk, sk_buff* skb);
sock* tcp_v4_syn_recv_sock(const sock* sk, sk_buff* skb, request_sock* req, dst_entry* dst,
                           request_sock* req_unhash, bool* own_req);
// Members of ipv4_specific that a mapped connection has too.
void tcp_v4_send_check(sock* sk, sk_buff* skb);
void inet_sk_rx_dst_set(sock* sk, const sk_buff* skb);
// Fills in the checksum of a segment between two addresses (CHECKSUM_PARTIAL).
void __tcp_v4_send_check(sk_buff* skb, Ipv4Address saddr, Ipv4Address daddr);
int inet_sk_rebuild_header(sock* sk);
void tcp_v4_destroy_sock(sock* sk);  // proto::destroy
int tcp_v4_init_sock(sock* sk);      // proto::init

// --- What both families do (net/ipv4/tcp_input.c, tcp_output.c). ---
// Queues a segment for a socket that is owned, or appends it to the last one there. CONSUMED, or
// why it could not; the packet stays the caller's then.
DropReason tcp_add_backlog(sock* sk, sk_buff* skb);
// A SYN is dropped: counts.
void tcp_listendrop(sock* sk);
// A SYN for listener `sk`: request, SYN-ACK, cookies, fast open. 0.
int tcp_conn_request(const request_sock_ops* ops, sock* sk, sk_buff* skb);
sk_buff* tcp_make_synack(const sock* sk, dst_entry* dst, request_sock* req,
                         tcp_fastopen_cookie* foc, tcp_synack_type type, sk_buff* syn_skb);
// TOS or traffic class of a SYN-ACK: the listener's `own`, or the SYN's where the host reflects it.
uint8_t tcp_synack_dsfield(const sock* sk, const request_sock* req, uint8_t own);
int tcp_rtx_synack(const sock* sk, request_sock* req);
void tcp_openreq_init_rwin(request_sock* req, const sock* sk_listener, const dst_entry* dst);

// --- Secrets (net/core/secure_seq.c). ---
// Draws the host's keys. For tcp_init.
void tcp_secrets_init(netns_tcp& ns);
// The first sequence number of a connection and the offset of its timestamps (0 unless
// tcp_timestamps is 1), both hard to guess for who is not at its ends.
struct tcp_seq_and_ts_off {
  uint32_t seq;
  uint32_t ts_off;
};
tcp_seq_and_ts_off secure_tcp_seq_and_ts_off(net& net, const IpAddress& saddr,
                                             const IpAddress& daddr, be16 sport, be16 dport);
// Those of the connection that an arriving segment belongs to, seen from us.
tcp_seq_and_ts_off tcp_init_seq_and_ts_off(const sk_buff* skb);
// Two addresses and two words, as the kernel hashes them for each family: words of four bytes for
// IPv4, for IPv6 the addresses before them.
uint64_t tcp_secure_hash(const SipHashKey& key, const IpAddress& saddr, const IpAddress& daddr,
                         uint32_t a, uint32_t b);
// Where a search for a local port begins, by destination.
uint64_t secure_port_ephemeral(net& net, const IpAddress& saddr, const IpAddress& daddr,
                               be16 dport);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_IPV4_H_
