// ICMP and ICMPv6 messages about segments of ours, as TCP understands both (tcp_v4_err, tcp_v6_err;
// RFC 1122 4.2.3.9, RFC 5927, RFC 6069, RFC 1191, RFC 8201).
#ifndef TAPEDECK_STACK_TCP_TCP_ERR_H_
#define TAPEDECK_STACK_TCP_TCP_ERR_H_

#include <cstdint>

#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

// A message and the segment that it quotes, whose first eight bytes are there.
struct tcp_icmp_error {
  enum Kind : uint8_t { kNothing, kRedirect, kMtu, kError };

  sk_buff* skb;
  const wire::TcpHeader* th;
  uint32_t payload_offset;  // of `th` from skb->data
  IpAddress saddr;          // of the segment: ours
  IpAddress daddr;
  int dif;
  uint8_t ttl;  // TTL or hop limit, for IP_MINTTL
  Kind kind = kNothing;
  int err = 0;        // positive errno; 0: means nothing to a connection
  uint32_t info = 0;  // MTU, pointer, gateway
  bool ends_request = false;
  // The way there may be back: the RTO's backoff is undone (RFC 6069).
  bool unreachable = false;

  bool is_v4() const { return saddr.is_v4(); }
  SeqNum seq() const { return th->sequence(); }
};
// 0, or -ENOENT where nobody sent the segment.
int tcp_err(const tcp_icmp_error& error);
// An error about a request, with the caller's reference / reverts the RTO backoff after one.
void tcp_req_err(request_sock* req, SeqNum seq, bool abort);
void tcp_ld_RTO_revert(sock* sk, SeqNum seq);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_ERR_H_
