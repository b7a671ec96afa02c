// The IPv6 forwarding information base (net/ipv6/ip6_fib.c, fib6_rules.c): routes in tables, each
// a binary trie over the destination in which every node may carry another trie over the source.
//
//   rules -> fib6_table -> fib6_node (a prefix) -> fib6_info (one way: its nexthop lies in it) ->
//   rt6_info (what packets carry)
//
// The routes of a prefix are a list by rising metric. Among those of one metric a lookup chooses by
// router preference and reachability (RFC 4191 2.2, RFC 4861 6.3.6); gateways of one metric are
// siblings that share flows by a hash (RFC 2992).
//
// Validity: each node has a serial number; whoever keeps an rt6_info keeps the number of its node
// (the cookie). A change to a route renews the numbers of its node and of all above it, whose
// packets might now go another way.
//
// Unlike the kernel's, a node knows its own prefix, so that a node without routes needs none to
// lend it one.
#ifndef TAPEDECK_STACK_IPV6_IP6_FIB_H_
#define TAPEDECK_STACK_IPV6_IP6_FIB_H_

#include <cstdint>

#include "stack/base/hash.h"
#include "stack/base/ip_address.h"
#include "stack/base/list.h"
#include "stack/core/dst.h"
#include "stack/core/flow.h"
#include "stack/core/net_device.h"
#include "stack/ipv4/fib.h"
#include "stack/ipv6/ip6_route.h"
#include "stack/kernel/slab.h"
#include "stack/kernel/timer.h"

namespace tapedeck {

struct fib6_info;
struct fib6_table;
struct netns_ipv6;

// Who made a route, beside those of fib.h.
inline constexpr uint8_t RTPROT_RA = 9;

// The tables of routes of their kinds.
inline constexpr uint32_t RT6_TABLE_MAIN = RT_TABLE_MAIN;
inline constexpr uint32_t RT6_TABLE_DFLT = RT_TABLE_MAIN;
inline constexpr uint32_t RT6_TABLE_INFO = RT_TABLE_MAIN;
inline constexpr uint32_t RT6_TABLE_PREFIX = RT_TABLE_MAIN;
inline constexpr uint32_t RT6_TABLE_LOCAL = RT_TABLE_LOCAL;

// Metrics: of addresses' prefixes, and of routes that name none.
inline constexpr uint32_t IP6_RT_PRIO_ADDRCONF = 256;
inline constexpr uint32_t IP6_RT_PRIO_USER = 1024;

// The router preference of RFC 4191 in RTF_PREF_MASK: 0 medium, 1 high, 3 low.
constexpr uint32_t RTF_PREF(uint32_t pref) { return pref << 27; }
constexpr uint32_t IPV6_EXTRACT_PREF(uint32_t flags) { return (flags & RTF_PREF_MASK) >> 27; }
// 1 low, 2 medium, 3 high: the greater is the better.
constexpr uint32_t IPV6_DECODE_PREF(uint32_t pref) { return (pref ^ 2) & 3; }

// What was learnt about one destination behind a nexthop: its rt6_info (RTF_CACHE) has a path MTU
// or another gateway.
struct rt6_exception {
  rt6_exception* next = nullptr;  // newest first
  rt6_info* rt6i = nullptr;       // a reference
  Jiffies stamp = 0;              // of its last use by a message
};

// Lists of exceptions by destination (and source, where the route asks for one). The kernel has
// 1024: fewer only make destinations share a list sooner, and keep a Lab small.
struct rt6_exception_table {
  static constexpr uint32_t kBuckets = 64;
  struct Bucket {
    rt6_exception* chain = nullptr;
    uint32_t depth = 0;
  };
  Bucket buckets[kBuckets];
};
inline constexpr uint32_t FIB6_MAX_DEPTH = 5;  // up to twice as many in a list

struct fib6_nh {
  net_device* fib_nh_dev = nullptr;  // a reference; nullptr: of a route that has been removed
  Ipv6Address fib_nh_gw6;            // where has_gateway
  bool has_gateway = false;
  uint8_t fib_nh_flags = 0;  // RTNH_F_*
  uint8_t fib_nh_weight = 1;
  int32_t fib_nh_upper_bound = 0;  // of the multipath hash, 31 bits; -1: takes no flow
  Jiffies last_probe = 0;          // of the gateway's reachability
  // The route that all destinations share, a reference; the kernel has one for each CPU.
  rt6_info* rt6i_pcpu = nullptr;
  rt6_exception_table* exceptions = nullptr;  // nullptr while there never was one
};

struct Fib6GcTag;

// A node of the trie: a prefix.
struct fib6_node {
  fib6_node* parent = nullptr;   // of a subtree's root: the node it hangs from
  fib6_node* child[2] = {};      // by the bit behind the prefix
  fib6_node* subtree = nullptr;  // routes from certain sources: a trie over these
  fib6_info* leaf = nullptr;     // by rising metric
  Ipv6Address key;               // the prefix; bits behind it are zero
  uint8_t fn_bit = 0;            // its length
  bool is_root = false;          // of a table or subtree
  uint32_t fn_sernum = 0;
};

// One route. Counted by its table, by rt6_infos made of it, and by lookups that hold it. On the
// list of all routes; with expiry or exceptions also on that of garbage collection.
struct fib6_info : ListNode<>, ListNode<Fib6GcTag> {
  uint32_t refcnt = 1;
  fib6_info* fib6_next = nullptr;
  fib6_table* table = nullptr;
  fib6_node* node = nullptr;  // nullptr: in no table (yet, or no more)
  rt6key fib6_dst;
  rt6key fib6_src;
  Ipv6Address fib6_prefsrc;  // source of packets that go this way; :: chosen
  uint32_t fib6_metric = 0;  // the smallest wins
  uint32_t fib6_flags = 0;   // RTF_*
  uint8_t fib6_protocol = RTPROT_UNSPEC;
  uint8_t fib6_type = RTN_UNSPEC;
  bool dst_nocount = false;
  bool dst_nopolicy = false;
  bool should_flush = false;
  bool has_metrics = false;     // fib6_metrics is not dst_default_metrics, for good
  uint32_t fib6_nsiblings = 0;  // other gateways of this prefix and metric
  Jiffies expires = 0;          // with RTF_EXPIRES
  uint32_t metrics[RTAX_MAX + 1] = {};
  fib6_nh nh;
};
using fib6_gc_node = ListNode<Fib6GcTag>;

struct fib6_table {
  fib6_table* next = nullptr;
  uint32_t id = 0;
  bool has_dflt_router = false;  // RT6_TABLE_HAS_DFLT_ROUTER: had one by advertisement
  fib6_node* root = nullptr;
};

// What a lookup found. Valid until a route changes.
struct fib6_result {
  fib6_info* f6i = nullptr;
  fib6_nh* nh = nullptr;
  uint32_t fib6_flags = 0;
  uint8_t fib6_type = RTN_UNSPEC;
};

// One `ip -6 rule`. The prefixes and devices it names must match; 0 matches all.
struct fib6_rule {
  uint32_t pref = 0;
  rt6key src{};
  rt6key dst{};
  int iif = 0;
  int oif = 0;
  uint32_t mark = 0;
  uint32_t mark_mask = 0;
  uint8_t tos = 0;  // the DSCP bits
  // RTN_UNICAST: look into `table`; else refuse as a route of that type.
  uint8_t action = RTN_UNICAST;
  uint32_t table = RT_TABLE_MAIN;
};
bool operator==(const fib6_rule& a, const fib6_rule& b);

// All of it for one host.
struct fib6_state {
  static constexpr uint32_t kRulesMax = 64;

  explicit fib6_state(netns_ipv6& its_ns);
  netns_ipv6& ns;
  SlabCache<fib6_info> infos;
  SlabCache<fib6_node> nodes;
  SlabCache<rt6_exception> exceptions;
  List<fib6_info> info_list;  // of all tables, in the order of their making
  List<fib6_info, Fib6GcTag> gc_list;
  fib6_table* tables = nullptr;  // local and main first, then others in the order of their making
  fib6_table* local = nullptr;
  fib6_table* main = nullptr;
  fib6_rule rules[kRulesMax];  // by rising pref
  uint32_t rule_count = 0;
  bool has_custom_rules = false;
  uint32_t routes_require_src = 0;  // routes with a source prefix
  uint32_t last_sernum = 0;
  uint32_t dst_entries = 0;  // rt6_infos that count against gc_thresh
  SipHashKey exception_key;
  // Routes that stand for the lack of one.
  fib6_info* null_entry = nullptr;
  rt6_info* ip6_null_entry = nullptr;
  rt6_info* ip6_prohibit_entry = nullptr;
  rt6_info* ip6_blk_hole_entry = nullptr;
  netdev_notifier notifier;
  // Garbage collection, net/ipv6/route/*; jiffies unless said otherwise.
  struct GcTimer : TimerList {
    using TimerList::TimerList;
    netns_ipv6* ns = nullptr;
  } gc_timer;
  int32_t gc_thresh = 1024;      // rt6_infos
  int32_t max_size = INT32_MAX;  // kept for its file: the kernel ignores it too
  int32_t gc_min_interval = 0;   // 0.5 s
  int32_t gc_timeout = 0;        // 60 s
  int32_t gc_interval = 0;       // 30 s
  int32_t gc_elasticity = 9;     // a shift
  int32_t flush_delay = 0;
  int32_t gc_expire = 0;
  Jiffies last_gc = 0;
};

// --- Lookup. ---

// nullptr where there is none with this id / the same, made where there was none (nullptr: memory).
fib6_table* fib6_get_table(netns_ipv6& ns, uint32_t id);
fib6_table* fib6_new_table(netns_ipv6& ns, uint32_t id);

// The node with routes for a packet from `saddr` to `daddr`: the longest destination, of that the
// longest source; the root where there is none.
fib6_node* fib6_node_lookup(fib6_node* root, const Ipv6Address& daddr, const Ipv6Address& saddr);
// The node with the next shorter prefixes that has routes; nullptr behind the root.
fib6_node* fib6_backtrack(fib6_node* fn, const Ipv6Address& saddr);
// The node of exactly these prefixes, nullptr where it has no routes.
fib6_node* fib6_locate(fib6_node* root, const rt6key& dst, const rt6key& src);

// The best route in one table; the null entry where there is none. `strict` RT6_LOOKUP_F_*.
void fib6_table_lookup(netns_ipv6& ns, fib6_table* table, int oif, const flowi6& fl6,
                       fib6_result* res, int strict);
// The same by the rules. 0, or -ENETUNREACH and what refusing rules say.
int fib6_lookup(netns_ipv6& ns, int oif, const flowi6& fl6, fib6_result* res, int flags);
// Of several siblings, chooses the one for this flow. `skb` may be null.
void fib6_select_path(netns_ipv6& ns, fib6_result* res, flowi6* fl6, int oif, bool have_oif_match,
                      sk_buff* skb, int strict);

// How a table is searched: the route with a reference, ip6_null_entry where there is none.
using pol_lookup_t = rt6_info* (*)(netns_ipv6& ns, fib6_table* table, flowi6* fl6, sk_buff* skb,
                                   int flags);
// Searches the tables that the rules name until one has a route; that, or a refusing entry, with a
// reference.
rt6_info* fib6_rule_lookup(netns_ipv6& ns, flowi6* fl6, sk_buff* skb, int flags,
                           pol_lookup_t lookup);

// --- Change. 0 or -errno as rtnetlink. ---

// How a route is added: NLM_F_*.
struct fib6_add_mode {
  bool create = true;    // where there is none
  bool replace = false;  // what has its metric
  bool excl = false;     // only where none has its metric
};
// Puts `rt` into its table, which takes a reference. -EEXIST, -ENOENT (nothing to replace),
// -ENOMEM.
int fib6_add(netns_ipv6& ns, fib6_info* rt, const fib6_add_mode& mode);
// Takes it out. -ENOENT where it is in none.
int fib6_del(netns_ipv6& ns, fib6_info* rt);
// Inserts a rule behind those of the same preference / removes the first equal one (-ENOENT).
int fib6_rule_add(netns_ipv6& ns, const fib6_rule& rule);
int fib6_rule_delete(netns_ipv6& ns, const fib6_rule& rule);

// What fib6_clean_all does with a route.
enum class Fib6Clean : uint8_t { kKeep, kDelete };
// Calls `decide(fib6_info*)` for every route of every table and removes those it says.
template <typename Decide>
void fib6_clean_all(netns_ipv6& ns, Decide decide);

// Renews the serial number of the route's node / and of all above.
void fib6_update_sernum(netns_ipv6& ns, fib6_info* rt);
void fib6_update_sernum_upto_root(netns_ipv6& ns, fib6_info* rt);
// Renews all.
void fib6_flush_trees(netns_ipv6& ns);

// --- Routes themselves. ---

fib6_info* fib6_info_alloc(netns_ipv6& ns);
inline void fib6_info_hold(fib6_info* rt) { ++rt->refcnt; }
void fib6_info_release(netns_ipv6& ns, fib6_info* rt);
// Sets a metric of the route and of what was made of it since it had metrics: as in the kernel,
// what was made before reads the default ones.
void fib6_metric_set(fib6_info* rt, uint32_t metric, uint32_t value);
inline bool fib6_metric_locked(const fib6_info* rt, uint32_t metric) {
  return (rt->metrics[RTAX_LOCK] >> metric & 1) != 0;
}
bool fib6_check_expired(const netns_ipv6& ns, const fib6_info* rt);
// The route no longer expires.
void fib6_clean_expires(netns_ipv6& ns, fib6_info* rt);
// Whether it may have siblings: those that advertisements brought are chosen from by preference.
inline bool rt6_qualify_for_ecmp(const fib6_info* rt) {
  return (rt->fib6_flags & RTF_ADDRCONF) == 0 && rt->nh.has_gateway;
}
// Gives each of `rt` and its siblings its share of the hash (rt6_multipath_rebalance), and counts
// them. REQUIRES: in a table.
void rt6_multipath_rebalance(fib6_info* rt);
// The first of the siblings of `rt`; nullptr where it is in no table.
fib6_info* rt6_multipath_first_sibling(const fib6_info* rt);
// The one behind it; nullptr at the end.
fib6_info* rt6_multipath_next_sibling(const fib6_info* rt);

// --- Garbage collection. ---

void fib6_add_gc_list(netns_ipv6& ns, fib6_info* rt);
// Arms the timer if it is not.
void fib6_force_start_gc(netns_ipv6& ns);
// Removes what has expired, and exceptions unused for `timeout` jiffies (0: gc_interval).
void fib6_run_gc(netns_ipv6& ns, Jiffies timeout);

void fib6_init(netns_ipv6& ns);
// Removes every route, rule and table.
void fib6_exit(netns_ipv6& ns);

template <typename Decide>
void fib6_clean_all(netns_ipv6& ns, Decide decide);

namespace fib6_internal {
List<fib6_info>& InfoList(netns_ipv6& ns);
template <typename Visit>
void WalkNode(const fib6_node* fn, Visit& visit) {
  if (fn == nullptr) return;
  WalkNode(fn->subtree, visit);
  WalkNode(fn->child[0], visit);
  WalkNode(fn->child[1], visit);
  for (const fib6_info* rt = fn->leaf; rt != nullptr; rt = rt->fib6_next) visit(*rt);
}
}  // namespace fib6_internal

template <typename Decide>
void fib6_clean_all(netns_ipv6& ns, Decide decide) {
  List<fib6_info>& list = fib6_internal::InfoList(ns);
  for (fib6_info* rt = list.front(); rt != nullptr;) {
    fib6_info* const next = list.Next(rt);
    if (rt->node != nullptr && decide(rt) == Fib6Clean::kDelete) fib6_del(ns, rt);
    rt = next;
  }
}

// Calls `visit(const fib6_info&)` for the routes of `table` in the kernel's order: longer prefixes
// before the shorter they lie in, else by address.
template <typename Visit>
void fib6_table_for_each(const fib6_table* table, Visit visit) {
  fib6_internal::WalkNode(table->root, visit);
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_IP6_FIB_H_
