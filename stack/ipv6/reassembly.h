// Reassembly of IPv6 datagrams (net/ipv6/reassembly.c; RFC 8200 4.5, RFC 5722, RFC 6946):
// inet_fragment.h with IPv6's rules, as the handler of the fragment header.
#ifndef TAPEDECK_STACK_IPV6_REASSEMBLY_H_
#define TAPEDECK_STACK_IPV6_REASSEMBLY_H_

#include "stack/core/skbuff.h"
#include "stack/ipv4/inet_fragment.h"

namespace tapedeck {

struct net;

// The queues of one host, with net/ipv6/ip6frag_*. A queue lives 60 s at most.
struct ip6_frags : fqdir {
  explicit ip6_frags(net& its_net);
};

// inet6_protocol::handler of the fragment header. A packet that is whole all the same (an atomic
// fragment) goes on; a complete datagram starts again behind the headers of its first fragment.
int ipv6_frag_rcv(sk_buff* skb);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_REASSEMBLY_H_
