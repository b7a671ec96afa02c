// Reassembly of IPv4 datagrams (net/ipv4/ip_fragment.c; RFC 815, RFC 1122 3.3.2): inet_fragment.h
// with IPv4's rules. A queue lives 30 s at most; the sender of a first fragment then gets an ICMP
// time exceeded.
#ifndef TAPEDECK_STACK_IPV4_IP_FRAGMENT_H_
#define TAPEDECK_STACK_IPV4_IP_FRAGMENT_H_

#include <cstdint>

#include "stack/core/skbuff.h"
#include "stack/ipv4/inet_fragment.h"

namespace tapedeck {

struct net;
struct netns_ipv4;

// inet_frag_key::user (enum ip_defrag_users).
enum ip_defrag_users : uint32_t {
  IP_DEFRAG_LOCAL_DELIVER,
  IP_DEFRAG_CALL_RA_CHAIN,
  IP_DEFRAG_CONNTRACK_IN,
};

// The queues of one host, with net/ipv4/ipfrag_*.
struct ip_frags : fqdir {
  explicit ip_frags(net& its_net);
  int32_t max_dist = 64;  // fragments
};

// Takes a fragment whose header is linear and whose route is set. Returns the whole datagram when
// it is complete (its first sk_buff with the header put right, the others in frag_list; each
// fragment but the first is traced as delivered), nullptr where the fragment was kept or dropped.
// Counts ReasmReqds and the outcome.
sk_buff* ip_defrag(net& net, sk_buff* skb, uint32_t user);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_IP_FRAGMENT_H_
