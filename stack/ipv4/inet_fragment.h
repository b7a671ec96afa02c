// Reassembly as both families do it (net/ipv4/inet_fragment.c; RFC 815, RFC 5722): queues of
// fragments, found by key, with a life and a limit of memory.
//
// A queue per (source, destination, protocol, identification, user, interface) holds fragments in
// the order of their offsets. A fragment that was there already is dropped alone; one that overlaps
// others in part ends the datagram. Memory is counted as Linux's: truesize of all fragments and the
// size of the kernel's queues, together at most the family's high_thresh.
#ifndef TAPEDECK_STACK_IPV4_INET_FRAGMENT_H_
#define TAPEDECK_STACK_IPV4_INET_FRAGMENT_H_

#include <cstdint>

#include "stack/base/ip_address.h"
#include "stack/base/list.h"
#include "stack/core/skbuff.h"
#include "stack/kernel/slab.h"
#include "stack/kernel/sysctl.h"
#include "stack/kernel/timer.h"

namespace tapedeck {

struct fqdir;
struct net;

struct inet_frag_key {
  IpAddress saddr;
  IpAddress daddr;
  uint32_t id = 0;
  uint32_t user = 0;  // who reassembles: datagrams of different users never mix
  uint32_t iif = 0;   // ifindex, where addresses mean something on one link only
  uint8_t protocol = 0;
  friend constexpr bool operator==(const inet_frag_key&, const inet_frag_key&) = default;
};

// Fragments of one datagram: runs of fragments that follow one another without a gap, by rising
// offset. Only a fragment at the very end extends a run; one that fills a gap is a run of its own,
// as in the kernel, which tells duplicates (inside one run) from overlaps by that.
struct inet_frag_queue : ListNode<> {
  static constexpr uint32_t kZones = 64;
  static constexpr uint32_t kZoneBytes = 65536 / kZones;

  inet_frag_queue(fqdir& its_dir, const inet_frag_key& its_key);
  fqdir& dir;
  inet_frag_key key;
  inet_frag_queue* hash_next = nullptr;
  // Heads of runs, linked by sk_buff::next and prev.
  sk_buff* first_run = nullptr;
  sk_buff* last_run = nullptr;
  sk_buff* tail = nullptr;  // the fragment with the greatest offset
  // The last run that begins in each zone: bounds the search for a place.
  sk_buff* zones[kZones] = {};
  uint32_t len = 0;       // of the datagram's payload, as far as known
  uint32_t meat = 0;      // bytes received
  uint32_t max_size = 0;  // of the largest fragment, with its headers
  bool first_in = false;
  bool last_in = false;
  uint8_t ecn = 0;  // ECN codepoints seen, one bit each
  int iif = 0;      // ifindex of the last arrival
  int64_t stamp = 0;
  uint32_t mem = 0;  // truesize of the fragments
  // IPv4: the largest fragment with DF, and the count of its peer's fragments when the last came.
  uint32_t max_df_size = 0;
  uint32_t rid = 0;
  // IPv6: where the first fragment says what follows its fragment header, from its network header.
  uint16_t nhoffset = 0;
  struct Timer : TimerList {
    using TimerList::TimerList;
    inet_frag_queue* queue = nullptr;
  } timer;

  // Whether all has come.
  bool complete() const { return first_in && last_in && meat == len; }
};

// The queues of one family on one host. A family derives from it where it has settings of its own.
struct fqdir {
  static constexpr uint32_t kBuckets = 64;

  // `queue_bytes`: what the kernel's queue counts for. `on_expire` is given a queue's timer.
  fqdir(net& its_net, const char* cache_name, uint32_t queue_bytes,
        void (*on_expire)(TimerList* timer));
  net& host_net;
  SlabCache<inet_frag_queue> cache;
  inet_frag_queue* buckets[kBuckets] = {};
  List<inet_frag_queue> queues;  // in the order of their making
  const uint32_t queue_logical_bytes;
  void (*const expire)(TimerList* timer);
  // Settings.
  int32_t high_thresh = 4 * 1024 * 1024;
  int32_t low_thresh = 3 * 1024 * 1024;
  int32_t timeout = 0;  // jiffies
  uint32_t mem = 0;     // truesize of fragments, and the queues
};

// The three files of the settings. Each threshold bounds what may be written to the other.
void fqdir_sysctl_list(SysctlFiles& files, fqdir& dir, const char* high_thresh,
                       const char* low_thresh, const char* time);

// The queue of a fragment, made where there was none, with its timer. nullptr where the limits
// forbid another fragment or memory failed.
inet_frag_queue* inet_frag_find(fqdir& dir, const inet_frag_key& key);
// The timer begins anew.
void inet_frag_restart_timer(inet_frag_queue* queue);

// Puts a fragment in its place: bytes [offset, end) of the datagram, data at the first of them.
// What is not inserted stays the caller's.
enum class FragInsertion : uint8_t { kDone, kDuplicate, kOverlap };
FragInsertion inet_frag_queue_insert(inet_frag_queue* queue, sk_buff* skb, uint32_t offset,
                                     uint32_t end);
// Counts a fragment that was inserted. `fragment_bytes`: with its headers.
void inet_frag_account(inet_frag_queue* queue, const sk_buff* skb, uint32_t offset,
                       uint32_t fragment_bytes, uint8_t ecn);

// Drops what is queued.
void inet_frag_queue_flush(inet_frag_queue* queue, DropReason reason);
// The same, and the queue goes too.
void inet_frag_kill(inet_frag_queue* queue, DropReason reason);
// Takes the first fragment, whose headers an ICMP message will quote, out of its queue; nullptr
// where it has not come.
sk_buff* inet_frag_pull_head(inet_frag_queue* queue);

// What the ECN codepoint of the datagram becomes, given those of its fragments (RFC 3168 5.3): to
// be ORed into the header's. kFragEcnInvalid: they may not be mixed.
inline constexpr uint8_t kFragEcnInvalid = 0xff;
uint8_t ip_frag_ecn(uint8_t codepoints_seen);

// The fragments of a complete queue as one packet, data at its payload: the first with the others
// in its frag_list; each of these is traced as delivered. The first has a private linear part. The
// queue goes. nullptr where memory failed; the queue is unchanged then.
sk_buff* inet_frag_reasm(inet_frag_queue* queue);

// Ends all queues.
void fqdir_flush(fqdir& dir);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_INET_FRAGMENT_H_
