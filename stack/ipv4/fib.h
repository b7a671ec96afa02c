// The forwarding information base: routes in tables, each table a longest-prefix-match trie
// (net/ipv4/fib_trie.c, fib_semantics.c, fib_frontend.c, fib_rules.c).
//
//   rules -> fib_table -> trie -> prefix -> fib_alias (TOS, type, priority) -> fib_info (shared) ->
//   fib_nh (where to)
//
// A lookup tries the tables that the rules name in order: local, main, default. In a table the
// prefixes that match are tried from the longest to the shortest, and the aliases of a prefix by
// TOS and priority, until one fits the flow.
//
// The rtables that a route leads to are kept at its nexthop: there is no cache by destination.
#ifndef TAPEDECK_STACK_IPV4_FIB_H_
#define TAPEDECK_STACK_IPV4_FIB_H_

#include <cstdint>
#include <span>

#include "stack/base/ip_address.h"
#include "stack/base/list.h"
#include "stack/core/dst.h"
#include "stack/core/flow.h"
#include "stack/ipv4/lpm_trie.h"
#include "stack/kernel/slab.h"

namespace tapedeck {

struct fib_info;
struct net;
struct net_device;
struct netns_ipv4;
struct rtable;

// Route types (rtnetlink.h).
enum : uint8_t {
  RTN_UNSPEC,
  RTN_UNICAST,
  RTN_LOCAL,
  RTN_BROADCAST,
  RTN_ANYCAST,
  RTN_MULTICAST,
  RTN_BLACKHOLE,
  RTN_UNREACHABLE,
  RTN_PROHIBIT,
  RTN_THROW,
  RTN_MAX = RTN_THROW,
};

// Who made a route.
enum : uint8_t { RTPROT_UNSPEC, RTPROT_REDIRECT, RTPROT_KERNEL, RTPROT_BOOT, RTPROT_STATIC };

enum : uint32_t {
  RT_TABLE_UNSPEC = 0,
  RT_TABLE_DEFAULT = 253,
  RT_TABLE_MAIN = 254,
  RT_TABLE_LOCAL = 255
};

inline constexpr int kLoopbackIfindex =
    1;  // LOOPBACK_IFINDEX: loopback is the first device of a host
inline constexpr size_t kNexthopsMax = 64;  // of one route
inline constexpr uint32_t kNoUpperBound =
    0xffffffff;  // fib_nh::nh_upper_bound of a hop that takes no flow

// fib_nh::flags and fib_info::flags.
enum : uint8_t {
  RTNH_F_DEAD = 1,
  RTNH_F_ONLINK = 4,     // the gateway is on the link whatever the table says
  RTNH_F_LINKDOWN = 16,  // no carrier
};

// --- What `ip route add` says. ---

struct fib_config_nexthop {
  int oif = 0;         // ifindex; 0: found from the gateway
  Ipv4Address gw;      // 0.0.0.0: the destination is on the link
  uint8_t flags = 0;   // RTNH_F_ONLINK
  uint8_t weight = 1;  // 1..255
};

struct fib_config {
  Ipv4Address dst;
  uint8_t dst_len = 0;
  uint8_t tos = 0;
  uint8_t protocol = RTPROT_BOOT;
  uint8_t scope = RT_SCOPE_UNIVERSE;
  uint8_t type = RTN_UNICAST;
  uint32_t table = RT_TABLE_MAIN;
  uint32_t priority = 0;  // metric: the smallest wins
  Ipv4Address prefsrc;    // source of packets that go this way; 0.0.0.0: chosen
  // The way: `oif` and `gw`, or several `nexthops` of which each flow takes one.
  int oif = 0;
  Ipv4Address gw;
  uint8_t nh_flags = 0;
  std::span<const fib_config_nexthop> nexthops;
  uint32_t metrics[RTAX_MAX + 1] = {};
  bool replace = false;  // NLM_F_REPLACE
  bool append = false;   // NLM_F_APPEND: beside one of the same TOS and priority
};

// --- What the tables hold. ---

// What was learnt about one destination behind a nexthop: a path MTU, a better gateway
// (fib_nh_exception).
struct fib_nh_exception {
  fib_nh_exception* next = nullptr;  // newest first
  Ipv4Address daddr;
  Ipv4Address gw;  // 0.0.0.0: none
  uint32_t pmtu = 0;
  bool mtu_locked = false;
  Jiffies expires = 0;
  Jiffies stamp = 0;            // of its last use
  rtable* rth_input = nullptr;  // references
  rtable* rth_output = nullptr;
};
inline constexpr uint32_t kExceptionBuckets = 64;

struct fib_nh {
  fib_info* nh_parent = nullptr;
  net_device* nh_dev = nullptr;  // a reference
  int nh_oif = 0;
  Ipv4Address nh_gw;                    // 0.0.0.0: none
  uint8_t nh_scope = RT_SCOPE_NOWHERE;  // of the nexthop itself
  uint8_t nh_flags = 0;
  uint8_t nh_weight = 1;
  uint32_t nh_upper_bound = 0;  // of the multipath hash, 31 bits
  // Source for packets over this hop, while the addresses of the host stay as they are.
  Ipv4Address nh_saddr;
  uint32_t nh_saddr_genid = 0;
  // The routes that all destinations over this hop share; references.
  rtable* nh_rth_input = nullptr;
  rtable* nh_rth_output = nullptr;
  fib_nh_exception** nh_exceptions =
      nullptr;  // kExceptionBuckets lists; nullptr while there never was one
};

// What routes with the same way and properties share. Counted by its aliases and by lookups that
// hold it.
struct fib_info : ListNode<> {
  fib_info* hash_next = nullptr;
  uint32_t treeref = 0;  // aliases
  uint32_t hash = 0;
  uint8_t protocol = RTPROT_UNSPEC;
  uint8_t scope = RT_SCOPE_UNIVERSE;
  uint8_t type = RTN_UNSPEC;
  uint8_t flags = 0;  // RTNH_F_DEAD: no way is left
  bool dead = false;  // being removed
  Ipv4Address prefsrc;
  uint32_t tb_id = 0;
  uint32_t priority = 0;
  uint32_t metrics[RTAX_MAX + 1] = {};
  uint32_t nhs = 0;
  fib_nh* nh = nullptr;  // `nhs` of them
};

struct fib_alias {
  fib_alias* next = nullptr;  // of the same prefix: falling TOS, then rising priority
  fib_info* info = nullptr;
  uint8_t tos = 0;
  uint8_t type = RTN_UNSPEC;
  uint8_t plen = 0;  // of its prefix
};

struct fib_table {
  fib_table(netns_ipv4& its_ns, uint32_t table_id);
  netns_ipv4& ns;
  uint32_t id;
  fib_table* next = nullptr;
  LpmTrie<fib_alias> trie;
};

// What a lookup found. Valid until a route changes.
struct fib_result {
  Ipv4Address prefix;
  uint8_t prefixlen = 0;
  uint8_t type = RTN_UNSPEC;
  uint8_t scope = RT_SCOPE_UNIVERSE;
  uint32_t nh_sel = 0;
  fib_info* fi = nullptr;
  fib_nh* nhc = nullptr;
  fib_table* table = nullptr;
  fib_alias* aliases = nullptr;  // of the prefix
};
inline net_device* FIB_RES_DEV(const fib_result& res) { return res.nhc->nh_dev; }
inline int FIB_RES_OIF(const fib_result& res) { return res.nhc->nh_oif; }

// One `ip rule`. The address and device it names must match; 0 matches all.
struct fib_rule {
  uint32_t pref = 0;
  Ipv4Prefix src{};
  Ipv4Prefix dst{};
  int iif = 0;
  int oif = 0;
  uint32_t mark = 0;
  uint32_t mark_mask = 0;
  uint8_t tos = 0;
  uint8_t action =
      RTN_UNICAST;  // RTN_UNICAST: look into `table`; else refuse as a route of that type
  uint32_t table = RT_TABLE_MAIN;
  friend bool operator==(const fib_rule&, const fib_rule&) = default;
};

// Lookup flags.
enum : uint32_t { FIB_LOOKUP_IGNORE_LINKSTATE = 2 };

// What fib_lookup found, as long as nothing that decides has changed (rt_genid) and nobody has
// rules of their own. The kernel has no such cache, for its own could be made to grow; this one is
// a few words.
struct fib_lookup_cache {
  uint32_t genid = 0;
  Ipv4Address daddr;
  int oif = 0;
  uint8_t tos = 0;
  uint8_t scope = 0;
  bool skip_nh_oif = false;
  uint32_t flags = 0;
  int err = 0;
  fib_result result;
  bool filled = false;
};

// All of it for one host.
struct fib_state {
  static constexpr uint32_t kRulesMax = 64;
  static constexpr uint32_t kCacheEntries = 4;

  explicit fib_state(netns_ipv4& its_ns);
  netns_ipv4& ns;
  SlabCache<fib_info> infos;
  SlabCache<fib_alias> aliases;
  SlabCache<fib_nh_exception> exceptions;
  List<fib_info> info_list;
  fib_info** info_hash = nullptr;  // buckets
  uint32_t info_hash_bits = 0;
  uint32_t info_count = 0;
  fib_table* tables = nullptr;  // the three first, then others in the order of their making
  fib_table* local = nullptr;
  fib_table* main = nullptr;
  fib_table* deflt = nullptr;
  fib_rule rules[kRulesMax];  // by rising pref
  uint32_t rule_count = 0;
  bool has_custom_rules = false;
  bool has_custom_local_routes = false;
  fib_lookup_cache cache[kCacheEntries];  // by destination
};

// --- Lookup. ---

// The route for `flp`. 0, or -ENETUNREACH (none), -EHOSTUNREACH, -EINVAL (blackhole), -EACCES
// (prohibit): the types that refuse. *res is valid on 0 and, but for -ENETUNREACH, names the
// refusing type.
int fib_lookup(netns_ipv4& ns, const flowi4& flp, fib_result* res, uint32_t flags = 0);
// In one table; -EAGAIN where it has nothing.
int fib_table_lookup(fib_table* table, const flowi4& flp, fib_result* res, uint32_t flags);
// nullptr where there is none with this id.
fib_table* fib_get_table(netns_ipv4& ns, uint32_t id);
// The same, made where there was none.
fib_table* fib_new_table(netns_ipv4& ns, uint32_t id);

// Of several nexthops, chooses the one for this flow (fib_select_path). `skb` may be null.
void fib_select_path(netns_ipv4& ns, fib_result* res, flowi4* flp);
// The source for packets by this result.
Ipv4Address fib_result_prefsrc(netns_ipv4& ns, fib_result* res);

// RTN_* of an address: whose it is (fib_frontend.c). RTN_BROADCAST for 0.0.0.0 and 255.255.255.255,
// RTN_MULTICAST for groups, RTN_UNICAST where no local route says otherwise. With `dev`, only as
// seen from that device.
uint8_t inet_addr_type(net& net, Ipv4Address addr);
uint8_t inet_dev_addr_type(net& net, const net_device* dev, Ipv4Address addr);

// Whether a packet from `src` may come in by `dev` (RFC 3704; sysctl rp_filter). >= 0: yes, 1 where
// the source is on the link behind `dev`; -EINVAL: its address is one of ours, -EXDEV: it should
// have come by another device. `oif`: the device it goes to, 0 where it is for us.
int fib_validate_source(net& net, Ipv4Address src, Ipv4Address dst, uint8_t tos, int oif,
                        net_device* dev, uint32_t mark);

// --- Change. All return 0 or -errno as rtnetlink does. ---

// -EEXIST (there is one and neither replace nor append), -EINVAL, -ENETUNREACH (the gateway is on
// no link), -ENODEV, -ENETDOWN, -ENOBUFS.
int fib_table_insert(netns_ipv4& ns, const fib_config& cfg);
// Removes the first route to the prefix that fits: of cfg's TOS; what is left zero in type,
// protocol, prefsrc, priority, oif and gw (and a scope of RT_SCOPE_NOWHERE) fits anything. -ESRCH
// where none does.
int fib_table_delete(netns_ipv4& ns, const fib_config& cfg);
// Inserts a rule behind those of the same preference / removes the first equal one (-ENOENT).
int fib_rule_add(netns_ipv4& ns, const fib_rule& rule);
int fib_rule_delete(netns_ipv4& ns, const fib_rule& rule);

// `dev` goes down or away (`force`): its nexthops die, and routes without a hop are flushed.
// Returns how many were.
int fib_disable_ip(net_device* dev, bool force);
// The carrier was lost / is back: RTNH_F_LINKDOWN.
void fib_sync_down_carrier(net_device* dev);
// The device is up: nexthops that died with it live again.
void fib_sync_up(net_device* dev, uint8_t flags);
// An address is gone: routes that prefer it as source go with it.
void fib_del_local_addr(netns_ipv4& ns, Ipv4Address local);
// Removes every route.
void fib_clear(netns_ipv4& ns);

// --- Between the parts of the FIB. ---

struct fib_prop {
  int error;      // what a lookup that ends at such a route returns
  uint8_t scope;  // a route of this type is at least so near
};
extern const fib_prop fib_props[RTN_MAX + 1];
// The fib_info that `cfg` asks for, shared with equal ones, with one treeref more. nullptr and
// *err.
fib_info* fib_create_info(netns_ipv4& ns, const fib_config& cfg, int* err);
// Drops one treeref.
void fib_release_info(netns_ipv4& ns, fib_info* fi);
// Whether the hop of a delete request is this route's.
bool fib_nh_matches(const fib_config& cfg, const fib_info& fi);
// Removes the routes whose fib_info is dead; how many.
int fib_flush(netns_ipv4& ns);
// Marks the fib_infos dead that prefer `local` as source; how many.
int fib_sync_down_addr(netns_ipv4& ns, Ipv4Address local);
// Marks nexthops over `dev` dead; how many fib_infos have died with it.
int fib_sync_down_dev(net_device* dev, bool force);
// The rules' way through the tables, for hosts that have changed the rules.
int fib_rules_lookup(netns_ipv4& ns, const flowi4& flp, fib_result* res, uint32_t flags);

// Calls `visit(prefix, alias)` for each route of `table` in the order of addresses, shorter
// prefixes first.
template <typename Visit>
void fib_table_for_each(const fib_table* table, Visit visit) {
  uint32_t key = 0;
  unsigned length = 0;
  for (fib_alias* fa = table->trie.First(&key, &length); fa != nullptr;
       fa = table->trie.Next(&key, &length)) {
    for (const fib_alias* alias = fa; alias != nullptr; alias = alias->next) {
      visit(Ipv4Prefix(Ipv4Address(key), length), *alias);
    }
  }
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_FIB_H_
