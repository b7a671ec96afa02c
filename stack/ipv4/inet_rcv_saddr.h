// Whether the local addresses of two sockets mean a common one (inet_rcv_saddr_equal of
// net/ipv4/inet_connection_sock.c): what decides about sharing a port.
#ifndef TAPEDECK_STACK_IPV4_INET_RCV_SADDR_H_
#define TAPEDECK_STACK_IPV4_INET_RCV_SADDR_H_

#include "stack/base/ip_address.h"
#include "stack/ipv4/inet_sock.h"

namespace tapedeck {

// `match_..._wildcard`: any equals each of its family, and IPv6's also IPv4's unless the socket is
// IPv6 only.
inline bool rcv_saddr_equal(const IpAddress& a, bool a_ipv6only, const IpAddress& b,
                            bool b_ipv6only, bool match_a_wildcard, bool match_b_wildcard) {
  if (a.is_v6() && b.is_v4()) return a.IsAny() && match_a_wildcard && !a_ipv6only;
  if (a.is_v4() && b_ipv6only) return false;
  if (a.is_v4() && b.is_v6()) {
    return (match_b_wildcard && b.IsAny()) || (match_a_wildcard && a.IsAny());
  }
  return a == b || (match_a_wildcard && a.IsAny()) || (match_b_wildcard && b.IsAny());
}

inline bool inet_rcv_saddr_equal(const sock* sk, const sock* sk2, bool match_wildcard) {
  return rcv_saddr_equal(inet_sk(sk)->inet_rcv_saddr, sk->sk_ipv6only, inet_sk(sk2)->inet_rcv_saddr,
                         sk2->sk_ipv6only, match_wildcard, match_wildcard);
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_INET_RCV_SADDR_H_
