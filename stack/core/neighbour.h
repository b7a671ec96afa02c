// Neighbours: who has which link-layer address, as a state machine that ARP and neighbour discovery
// share (net/core/neighbour.c; states and timers of RFC 4861 7.3). A table's owner gives it the
// functions that ask (solicit) and give up (error_report), and tells what it has heard by
// neigh_update.
//
//   NONE -- packet --> INCOMPLETE -- answer --> REACHABLE -- reachable_time --> STALE -- packet -->
//   DELAY -- 5 s --> PROBE
//                        |  3 probes, 1 s apart | 3 unicast probes v v
//                      FAILED: every waiting packet is reported and dropped FAILED
//
// Each change of state is traced (kNeighState). Entries are counted references; the table holds one
// while the entry is linked.
#ifndef TAPEDECK_STACK_CORE_NEIGHBOUR_H_
#define TAPEDECK_STACK_CORE_NEIGHBOUR_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "stack/base/hash.h"
#include "stack/base/list.h"
#include "stack/base/prng.h"
#include "stack/core/net.h"
#include "stack/core/net_device.h"
#include "stack/core/sk_buff_head.h"
#include "stack/core/skbuff.h"
#include "stack/kernel/slab.h"
#include "stack/kernel/timer.h"

namespace tapedeck {

struct neigh_ops;
struct neigh_parms;
struct neigh_table;

// neighbour::nud_state.
enum : uint8_t {
  NUD_NONE = 0x00,
  NUD_INCOMPLETE = 0x01,
  NUD_REACHABLE = 0x02,
  NUD_STALE = 0x04,
  NUD_DELAY = 0x08,
  NUD_PROBE = 0x10,
  NUD_FAILED = 0x20,
  NUD_NOARP = 0x40,
  NUD_PERMANENT = 0x80,
  NUD_IN_TIMER = NUD_INCOMPLETE | NUD_REACHABLE | NUD_DELAY | NUD_PROBE,
  NUD_VALID = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY,
  NUD_CONNECTED = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE,
};

// Flags of neigh_update.
enum : uint32_t {
  NEIGH_UPDATE_F_OVERRIDE = 0x00000001,  // a known address may be replaced
  NEIGH_UPDATE_F_WEAK_OVERRIDE =
      0x00000002,  // a different one makes a connected entry suspect (STALE)
  NEIGH_UPDATE_F_OVERRIDE_ISROUTER = 0x00000004,
  NEIGH_UPDATE_F_USE = 0x10000000,          // only looked at: a question is to be asked
  NEIGH_UPDATE_F_EXT_LEARNED = 0x20000000,  // somebody else looks after the entry
  NEIGH_UPDATE_F_ISROUTER = 0x40000000,
  NEIGH_UPDATE_F_ADMIN = 0x80000000,
};
// neighbour::flags and pneigh_entry::flags; NTF_USE in requests only.
enum : uint8_t {
  NTF_USE = 0x01,
  NTF_PROXY = 0x08,
  NTF_EXT_LEARNED = 0x10,  // never collected
  NTF_ROUTER = 0x80,
};

// A ready-made link-layer header of 14 bytes, right-aligned in 16 so that it is copied with one
// store.
struct hh_cache {
  uint16_t hh_len = 0;  // 0: none yet
  uint8_t hh_data[16] = {};
};
inline constexpr uint16_t HH_DATA_MOD = 16;

// Settings of a table on one device (net/ipv4/neigh/<dev>/...), or its defaults. Jiffies unless
// said otherwise.
struct neigh_parms : ListNode<> {
  neigh_table* tbl = nullptr;
  net_device* dev = nullptr;  // nullptr: the defaults
  int32_t mcast_probes = 3;   // times to ask everybody
  int32_t ucast_probes = 3;   // times to ask the last known address
  int32_t app_probes = 0;
  int32_t mcast_reprobes = 0;
  int32_t retrans_time = 0;          // between questions: 1 s
  int32_t base_reachable_time = 0;   // 30 s
  int32_t delay_probe_time = 0;      // 5 s
  int32_t interval_probe_time = 0;   // 5 s
  int32_t gc_staletime = 0;          // 60 s
  int32_t queue_len_bytes = 212992;  // truesize of packets that wait
  int32_t proxy_qlen = 64;           // packets
  int32_t anycast_delay = 0;         // 1 s
  int32_t proxy_delay = 0;           // 0.8 s
  int32_t locktime = 0;              // 1 s: for so long a new address is not replaced
  uint32_t data_state =
      0;  // settings that were written for this device: the defaults no longer follow
  Jiffies reachable_time = 0;        // drawn from 0.5 to 1.5 times base_reachable_time
  Jiffies last_rand = 0;             // when it was drawn
  char dev_name[kIfNameBytes] = {};  // whose files these are
};

// On its table's list of entries that may be collected, longest unchanged first.
struct neighbour : ListNode<> {
  neighbour* next = nullptr;  // in its bucket
  neigh_table* tbl = nullptr;
  neigh_parms* parms = nullptr;
  net_device* dev = nullptr;  // a reference
  Jiffies confirmed = 0;      // the neighbour was known to be there
  Jiffies updated = 0;        // the state or address changed
  Jiffies used = 0;           // a packet went to it
  uint32_t refcount = 1;
  uint32_t probes = 0;
  uint8_t nud_state = NUD_NONE;
  uint8_t type =
      0;  // of the address: unicast, multicast, broadcast, local (set by the table's constructor)
  uint8_t flags = 0;  // NTF_*
  bool dead = false;
  uint16_t protocol = 0;         // EtherType of its packets
  uint8_t ha[8] = {};            // link-layer address, dev->addr_len bytes
  uint8_t primary_key[16] = {};  // protocol address, tbl->key_len bytes in wire order
  hh_cache hh;
  // Sends a packet whose data is at the network header: resolves, or prepends the header and
  // queues.
  int (*output)(neighbour* neigh, sk_buff* skb) = nullptr;
  const neigh_ops* ops = nullptr;
  sk_buff_head arp_queue;            // waits for the address
  uint32_t arp_queue_len_bytes = 0;  // truesize
  struct Timer : TimerList {
    using TimerList::TimerList;
    neighbour* neigh = nullptr;
  } timer;

  neighbour();
};

struct neigh_ops {
  uint16_t family;
  // Asks for the address. `skb` is the packet that wants it and stays the queue's; may be null.
  void (*solicit)(neighbour* neigh, sk_buff* skb);
  // The neighbour does not answer: tells the sender of `skb` and drops it.
  void (*error_report)(neighbour* neigh, sk_buff* skb);
  int (*output)(neighbour* neigh, sk_buff* skb);            // while the address must be verified
  int (*connected_output)(neighbour* neigh, sk_buff* skb);  // while it is known
};

// An address that we answer for on `dev` (`ip neigh add proxy`).
struct pneigh_entry {
  pneigh_entry* next = nullptr;
  net_device* dev = nullptr;  // a reference; nullptr: on every device
  uint8_t flags = 0;          // NTF_*
  bool permanent = false;     // outlives a loss of the carrier
  uint8_t key[16] = {};       // protocol address, tbl->key_len bytes in wire order
};

struct neigh_statistics {
  uint64_t allocs = 0;
  uint64_t destroys = 0;
  uint64_t hash_grows = 0;
  uint64_t res_failed = 0;
  uint64_t lookups = 0;
  uint64_t hits = 0;
  uint64_t periodic_gc_runs = 0;
  uint64_t forced_gc_runs = 0;
  uint64_t unres_discards = 0;
  uint64_t table_fulls = 0;
  uint64_t rcv_probes_mcast = 0;
  uint64_t rcv_probes_ucast = 0;
};

struct neigh_table {
  // `sysctl_prefix` is "net/ipv4/neigh"; it and `id` must be literals. Random times are drawn from
  // `table_prng`, which must outlive the table.
  neigh_table(net& host_net, const char* table_id, uint16_t table_family, uint16_t table_protocol,
              uint8_t table_key_len, const char* sysctl_prefix_path, Prng& table_prng);

  net& host_net;
  Prng& prng;
  const char* id;  // "arp_cache"
  const char* sysctl_prefix;
  uint16_t family;
  uint16_t protocol;
  uint8_t key_len;
  // Fills type, nud_state, ops, output (and ha, where it follows from the key) of a new entry. 0 or
  // -errno to refuse.
  int (*constructor)(neighbour* neigh) = nullptr;
  // A question for an address that we answer for, after its proxy delay.
  void (*proxy_redo)(sk_buff* skb) = nullptr;
  // A proxied address comes (0, or -errno to refuse) / goes. May be null, as those below.
  int (*pconstructor)(pneigh_entry* entry) = nullptr;
  void (*pdestructor)(pneigh_entry* entry) = nullptr;
  bool (*is_multicast)(const void* key) = nullptr;
  // Whether an administrator may add entries for `dev`.
  bool (*allow_add)(const net_device* dev) = nullptr;

  neigh_parms parms;  // the defaults
  List<neigh_parms> parms_list;
  int32_t gc_interval = 0;    // jiffies: 30 s
  int32_t gc_thresh1 = 128;   // below: no garbage collection
  int32_t gc_thresh2 = 512;   // above, for 5 s: collected by force
  int32_t gc_thresh3 = 1024;  // never more
  uint32_t entries = 0;
  uint32_t gc_entries = 0;  // without permanent ones
  List<neighbour> gc_list;
  Jiffies last_flush = 0;
  neighbour** buckets = nullptr;
  uint32_t hash_shift = 3;
  uint32_t hash_rnd = 0;
  SlabCache<neighbour> cache;
  neigh_statistics stats;
  static constexpr uint32_t kProxyBuckets = 16;
  pneigh_entry* phash_buckets[kProxyBuckets] = {};
  sk_buff_head proxy_queue;
  struct Timer : TimerList {
    using TimerList::TimerList;
    neigh_table* tbl = nullptr;
  };
  Timer proxy_timer;
  Timer gc_timer;  // runs while gc_thresh1 is reached
};

// The entry for `key` (key_len bytes in wire order) on `dev`, without a reference; nullptr where
// there is none. For use until the next thing happens.
neighbour* __neigh_lookup_noref(neigh_table* tbl, const void* key, const net_device* dev);
// The same with a reference.
neighbour* neigh_lookup(neigh_table* tbl, const void* key, const net_device* dev);
// The entry, made where there was none. nullptr where the table is full, memory failed or the
// constructor refused. With a reference / without.
neighbour* neigh_create(neigh_table* tbl, const void* key, net_device* dev);
neighbour* neigh_create_noref(neigh_table* tbl, const void* key, net_device* dev);

inline neighbour* neigh_clone(neighbour* neigh) {
  if (neigh != nullptr) ++neigh->refcount;
  return neigh;
}
void neigh_destroy(neighbour* neigh);
inline void neigh_release(neighbour* neigh) {
  CHECK_GT(neigh->refcount, 0U);
  if (--neigh->refcount == 0) neigh_destroy(neigh);
}

// Something was heard of the neighbour: its address (nullptr: none new) and the state that follows.
// NEIGH_UPDATE_F_*. 0, -EPERM (a permanent entry and not an administrator), -EINVAL (no address).
int neigh_update(neighbour* neigh, const uint8_t* lladdr, uint8_t new_state, uint32_t flags);
// A packet from `lladdr` has arrived that lets us know the neighbour without asking (STALE). The
// entry, with a reference.
neighbour* neigh_event_ns(neigh_table* tbl, const uint8_t* lladdr, const void* saddr,
                          net_device* dev);
// A packet is to be sent: false where the address may be used; true where `skb` now waits (or was
// dropped, where it is not null). Also what moves STALE to DELAY.
bool neigh_event_send(neighbour* neigh, sk_buff* skb);
// The layers above know that it is there (a TCP ACK of new data).
void neigh_confirm(neighbour* neigh);
// A neighbour that did not answer is about to be asked once more: an answer counts
// (__neigh_set_probe_once).
void neigh_set_probe_once(neighbour* neigh);
// Forgets an entry by order of an administrator. False where it is permanent or in use.
bool neigh_remove_one(neighbour* neigh);

// Functions for neighbour::output.
int neigh_resolve_output(neighbour* neigh, sk_buff* skb);
int neigh_connected_output(neighbour* neigh, sk_buff* skb);
int neigh_direct_output(neighbour* neigh, sk_buff* skb);
// Prepends the cached header.
int neigh_hh_output(const hh_cache* hh, sk_buff* skb);
// What the network layer calls, with data at the network header.
[[gnu::always_inline]] inline int neigh_output(neighbour* neigh, sk_buff* skb, bool skip_cache) {
  TRACE_FUNCTION(*skb->owner, skb, neigh_output, neigh, skb, skip_cache);
  if (!skip_cache && (neigh->nud_state & NUD_CONNECTED) != 0 && neigh->hh.hh_len != 0) {
    return neigh_hh_output(&neigh->hh, skb);
  }
  return neigh->output(neigh, skb);
}

// Settings of `dev`: a copy of the defaults, with files under the table's prefix.
// neigh_parms_release forgets them.
neigh_parms* neigh_parms_alloc(net_device* dev, neigh_table* tbl);
void neigh_parms_release(neigh_table* tbl, neigh_parms* parms);
// Draws reachable_time after base_reachable_time was changed.
void neigh_set_reach_time(neigh_parms* parms);

// The link-layer address of `dev` changed / the device goes down / the carrier was lost (permanent
// entries stay).
void neigh_changeaddr(neigh_table* tbl, net_device* dev);
void neigh_ifdown(neigh_table* tbl, net_device* dev);
void neigh_carrier_down(neigh_table* tbl, net_device* dev);
// Drops all entries and timers: the end of a run.
void neigh_table_clear(neigh_table* tbl);

// --- Answering for others. ---

// Whether we answer for `key` on `dev`: the entry, or nullptr.
pneigh_entry* pneigh_lookup(neigh_table* tbl, const void* key, const net_device* dev);
// 0 or -ENOBUFS; `dev` nullptr: every device. An entry that is there takes the new flags.
int pneigh_create(neigh_table* tbl, const void* key, net_device* dev, uint8_t flags,
                  bool permanent);
// 0 or -ENOENT.
int pneigh_delete(neigh_table* tbl, const void* key, const net_device* dev);

// Answers `skb` (a question for a proxied address) after a random part of the proxy delay. Drops it
// where too many wait.
void pneigh_enqueue(neigh_table* tbl, neigh_parms* parms, sk_buff* skb);

// --- Control. ---

// What `ip neigh` asks for (struct ndmsg and its attributes).
struct neigh_request {
  uint8_t key[16] = {};             // tbl->key_len bytes in wire order
  net_device* dev = nullptr;        // nullptr: of proxies, every device
  const uint8_t* lladdr = nullptr;  // dev->addr_len bytes; nullptr: not said
  uint8_t state = NUD_PERMANENT;
  uint8_t flags = 0;  // NTF_*
  bool create = false;
  bool excl = false;
  bool replace = false;
};
// RTM_NEWNEIGH. 0, -EINVAL, -ENOENT (not there, no `create`), -EEXIST (`excl`), -ENOBUFS.
int neigh_add(neigh_table* tbl, const neigh_request& request);
// RTM_DELNEIGH: reads key, dev and NTF_PROXY. 0, -EINVAL, -ENOENT.
int neigh_delete(neigh_table* tbl, const neigh_request& request);
// One command as ip(8) takes it, with addresses of either family:
//   {add|change|replace} ADDR [lladdr MAC] [nud STATE] [router] [use] [extern_learn] dev DEV
//   {add|change|replace|del} proxy ADDR [dev DEV]      del ADDR dev DEV
//   flush dev DEV                                      show [proxy] [dev DEV]
// `show` appends a line an entry to *out, in ip's format. 0; -EINVAL where the text is wrong;
// -ENODEV; an error of the above.
int neigh_command(net& net, std::string_view command, std::string* out);

// Calls `visit(neighbour*)` for each entry in the order of buckets.
template <typename Visit>
void neigh_for_each(neigh_table* tbl, Visit visit) {
  for (uint32_t i = 0; i < (1U << tbl->hash_shift); ++i) {
    for (neighbour* n = tbl->buckets[i]; n != nullptr;) {
      neighbour* const next = n->next;
      visit(n);
      n = next;
    }
  }
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_NEIGHBOUR_H_
