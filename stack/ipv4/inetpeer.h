// What is remembered about single hosts for the sake of rate limits (net/ipv4/inetpeer.c): ICMP
// messages and redirects sent to them. Least recently used entries go when there are too many. One
// table holds the hosts of both families.
#ifndef TAPEDECK_STACK_IPV4_INETPEER_H_
#define TAPEDECK_STACK_IPV4_INETPEER_H_

#include <cstdint>

#include "stack/base/ip_address.h"
#include "stack/base/list.h"
#include "stack/kernel/slab.h"
#include "stack/kernel/timer.h"

namespace tapedeck {

struct netns_ipv4;

struct inet_peer : ListNode<> {
  inet_peer* hash_next = nullptr;
  IpAddress daddr;
  int vif = 0;
  Jiffies rate_tokens = 0;  // unused time, in jiffies
  Jiffies rate_last = 0;
  uint32_t n_redirects = 0;
  uint32_t rid = 0;  // fragments seen from it (ipfrag_max_dist)
};

struct inet_peer_base {
  static constexpr uint32_t kBuckets = 256;

  explicit inet_peer_base(netns_ipv4& its_ns);
  netns_ipv4& ns;
  SlabCache<inet_peer> cache;
  inet_peer* buckets[kBuckets] = {};
  List<inet_peer> lru;  // least recently used first
  uint32_t total = 0;
  int32_t threshold = 0;  // net/ipv4/inet_peer_threshold
};

// The entry for a host, made where there was none; nullptr where memory failed. Valid until the
// next call.
inet_peer* inet_getpeer(inet_peer_base& base, const IpAddress& daddr, int vif);
inline inet_peer* inet_getpeer_v4(inet_peer_base& base, Ipv4Address daddr, int vif) {
  return inet_getpeer(base, daddr, vif);
}
inline inet_peer* inet_getpeer_v6(inet_peer_base& base, const Ipv6Address& daddr) {
  return inet_getpeer(base, daddr, 0);
}
// Whether a message may be sent that costs `timeout` jiffies: a token bucket that holds six of them
// (XRLIM_BURST_FACTOR).
bool inet_peer_xrlim_allow(netns_ipv4& ns, inet_peer* peer, int32_t timeout);
// Forgets all.
void inetpeer_invalidate(inet_peer_base& base);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_INETPEER_H_
