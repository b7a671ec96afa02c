// A request becomes a connection: what both families do, and what each adds.
#ifndef TAPEDECK_STACK_TCP_TCP_SYN_RECV_SOCK_H_
#define TAPEDECK_STACK_TCP_TCP_SYN_RECV_SOCK_H_

#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

struct tcp_child_ops {
  // The child's side of its family: options, TTL, TOS as the segment and request say.
  void (*init_child)(const sock* sk, const sk_buff* skb, const request_sock* req, sock* child);
  // A route for it, with a reference; nullptr: none.
  dst_entry* (*route_child)(const sock* sk, sock* child, const request_sock* req);
  // The route becomes the socket's, which takes the reference over.
  void (*store_route)(sock* child, dst_entry* dst);
};
// As inet_connection_sock_af_ops::syn_recv_sock.
sock* tcp_syn_recv_sock(const tcp_child_ops& ops, const sock* sk, sk_buff* skb, request_sock* req,
                        dst_entry* dst, request_sock* req_unhash, bool* own_req);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_SYN_RECV_SOCK_H_
