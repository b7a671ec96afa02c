// Reassembly of IPv4 datagrams (net/ipv4/ip_fragment.c, inet_fragment.c; RFC 815, RFC 1122 3.3.2).
//
// A queue per (source, destination, protocol, ID, user, vif) holds fragments in the order of their
// offsets. A fragment that was there already is dropped; one that overlaps others in part kills the
// queue (Linux since 4.20). A queue lives 30 s at most; the sender of a first fragment then gets an
// ICMP time exceeded. Memory is limited as Linux's: truesize of all queues, at most
// ipfrag_high_thresh.
#ifndef TAPEDECK_STACK_IPV4_IP_FRAGMENT_H_
#define TAPEDECK_STACK_IPV4_IP_FRAGMENT_H_

#include <cstdint>

#include "stack/base/ip_address.h"
#include "stack/base/list.h"
#include "stack/core/skbuff.h"
#include "stack/ipv4/ip_options.h"
#include "stack/kernel/slab.h"
#include "stack/kernel/timer.h"

namespace tapedeck {

struct net;
struct netns_ipv4;

// Who reassembles: datagrams of different users never mix (enum ip_defrag_users).
enum ip_defrag_users : uint32_t {
  IP_DEFRAG_LOCAL_DELIVER,
  IP_DEFRAG_CALL_RA_CHAIN,
  IP_DEFRAG_CONNTRACK_IN,
};

struct ipq_key {
  Ipv4Address saddr;
  Ipv4Address daddr;
  uint32_t user = 0;
  uint32_t vif = 0;
  uint16_t id = 0;
  uint8_t protocol = 0;
  friend constexpr bool operator==(const ipq_key&, const ipq_key&) = default;
};

// Fragments of one datagram: runs of fragments that follow one another without a gap, by rising
// offset. Only a fragment at the very end extends a run; one that fills a gap is a run of its own,
// as in the kernel, which tells duplicates (inside one run) from overlaps by that.
struct ipq : ListNode<> {
  static constexpr uint32_t kZones = 64;
  static constexpr uint32_t kZoneBytes = 65536 / kZones;

  ipq(netns_ipv4& its_ns, const ipq_key& its_key);
  netns_ipv4& ns;
  ipq_key key;
  ipq* hash_next = nullptr;
  // Heads of runs, linked by sk_buff::next and prev.
  sk_buff* first_run = nullptr;
  sk_buff* last_run = nullptr;
  sk_buff* tail = nullptr;  // the fragment with the greatest offset
  // The last run that begins in each zone: bounds the search for a place.
  sk_buff* zones[kZones] = {};
  uint32_t len = 0;          // of the datagram's payload, as far as known
  uint32_t meat = 0;         // bytes received
  uint32_t max_size = 0;     // of the largest fragment, with its header
  uint32_t max_df_size = 0;  // of the largest with DF
  bool first_in = false;
  bool last_in = false;
  uint8_t ecn = 0;  // ECN codepoints seen, one bit each
  int iif = 0;
  int64_t stamp = 0;
  uint32_t rid = 0;
  uint32_t mem = 0;  // truesize of the fragments
  struct Timer : TimerList {
    using TimerList::TimerList;
    ipq* queue = nullptr;
  } timer;
};

// struct fqdir: the queues of one host.
struct ip_frags {
  static constexpr uint32_t kBuckets = 64;

  explicit ip_frags(netns_ipv4& its_ns);
  netns_ipv4& ns;
  SlabCache<ipq> cache;
  ipq* buckets[kBuckets] = {};
  List<ipq> queues;  // in the order of their making
  uint32_t hash_key = 0;
  // net/ipv4/ipfrag_*.
  int32_t high_thresh = 4 * 1024 * 1024;
  int32_t low_thresh = 3 * 1024 * 1024;
  int32_t timeout = 0;  // jiffies: 30 s
  int32_t max_dist = 64;
  uint32_t mem = 0;  // truesize of fragments, and the queues
};

// Takes a fragment whose header is linear and whose route is set. Returns the whole datagram when
// it is complete (its first sk_buff with the header put right, the others in frag_list; each
// fragment but the first is traced as delivered), nullptr where the fragment was kept or dropped.
// Counts ReasmReqds and the outcome.
sk_buff* ip_defrag(net& net, sk_buff* skb, uint32_t user);

// Forgets all queues.
void ip_frags_flush(netns_ipv4& ns);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_IP_FRAGMENT_H_
