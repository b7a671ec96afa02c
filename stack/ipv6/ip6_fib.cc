// Tables, and the trie of prefixes in them (fib6_add_1, fib6_node_lookup, fib6_repair_tree and
// their callers in net/ipv6/ip6_fib.c).
#include "stack/ipv6/ip6_fib.h"

#include <algorithm>
#include <cerrno>

#include "stack/base/check.h"
#include "stack/core/net.h"
#include "stack/ipv6/fib6_internal.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/ipv6/route6_internal.h"

namespace tapedeck {

namespace {

unsigned BitOf(const Ipv6Address& addr, unsigned index) {
  return addr.bytes()[index / 8] >> (7 - index % 8) & 1U;
}
// The way on from `fn` for a longer prefix.
fib6_node** ChildFor(fib6_node* fn, const Ipv6Address& addr) {
  return &fn->child[fn->fn_bit < 128 ? BitOf(addr, fn->fn_bit) : 0];
}

fib6_node* NewNode(fib6_state& fib, const Ipv6Address& key, unsigned length, fib6_node* parent) {
  fib6_node* const fn = fib.nodes.New();
  if (fn == nullptr) return nullptr;
  fn->key = ipv6_addr_prefix(key, length);
  fn->fn_bit = static_cast<uint8_t>(length);
  fn->parent = parent;
  return fn;
}

// Puts `fn` where `old` hangs.
void ReplaceChild(fib6_node* old, fib6_node* fn) {
  fib6_node* const parent = old->parent;
  parent->child[parent->child[0] == old ? 0 : 1] = fn;
  if (fn != nullptr) fn->parent = parent;
}

void Adopt(fib6_node* parent, fib6_node* fn) {
  *ChildFor(parent, fn->key) = fn;
  fn->parent = parent;
}

// A node for a prefix that does not lie in that of `below`: above it, or beside it under a new
// fork.
fib6_node* InsertAbove(fib6_state& fib, fib6_node* below, const Ipv6Address& key, unsigned length) {
  const unsigned common = ipv6_addr_diff(below->key, key);
  fib6_node* const fn = NewNode(fib, key, length, nullptr);
  if (fn == nullptr) return nullptr;
  fib6_node* above = fn;
  if (length > common) {
    above = NewNode(fib, key, common, nullptr);
    if (above == nullptr) {
      fib.nodes.Delete(fn);
      return nullptr;
    }
  }
  ReplaceChild(below, above);
  Adopt(above, below);
  if (above != fn) Adopt(above, fn);
  return fn;
}

// The node of a prefix, made where there was none; nullptr where memory failed.
fib6_node* FindOrMakeNode(fib6_state& fib, fib6_node* root, const rt6key& key) {
  fib6_node* fn = root;
  for (;;) {
    if (key.plen < fn->fn_bit || !ipv6_prefix_equal(fn->key, key.addr, fn->fn_bit)) {
      return InsertAbove(fib, fn, key.addr, key.plen);
    }
    if (key.plen == fn->fn_bit) return fn;
    fib6_node** const child = ChildFor(fn, key.addr);
    if (*child == nullptr) {
      *child = NewNode(fib, key.addr, key.plen, fn);
      return *child;
    }
    fn = *child;
  }
}

fib6_node* FindNode(fib6_node* root, const rt6key& key) {
  fib6_node* fn = root;
  while (fn != nullptr && fn->fn_bit < key.plen) {
    if (!ipv6_prefix_equal(fn->key, key.addr, fn->fn_bit)) return nullptr;
    fn = *ChildFor(fn, key.addr);
  }
  if (fn == nullptr || fn->fn_bit != key.plen) return nullptr;
  return ipv6_prefix_equal(fn->key, key.addr, key.plen) ? fn : nullptr;
}

bool IsTableRoot(const fib6_node* fn) { return fn->is_root && fn->parent == nullptr; }
// Whether packets end there: a table's root does even without routes, with the null entry.
bool HasRoutes(const fib6_node* fn) { return fn->leaf != nullptr || IsTableRoot(fn); }

// The longest prefix with routes for `addr` in a trie; nullptr where there is none. `saddr`: of
// nodes that have a trie of sources only what that says counts; nullptr: this is such a trie.
fib6_node* LongestMatch(fib6_node* root, const Ipv6Address& addr, const Ipv6Address* saddr) {
  fib6_node* fn = root;
  while (fib6_node* const next = *ChildFor(fn, addr)) fn = next;
  for (; fn != nullptr; fn = fn->is_root ? nullptr : fn->parent) {
    if ((fn->subtree == nullptr && !HasRoutes(fn)) ||
        !ipv6_prefix_equal(fn->key, addr, fn->fn_bit)) {
      continue;
    }
    if (fn->subtree == nullptr || saddr == nullptr) return fn;
    fib6_node* const of_source = LongestMatch(fn->subtree, *saddr, nullptr);
    // As in the kernel the routes of the same destination from anywhere do not count then.
    if (of_source != nullptr) return of_source;
  }
  return nullptr;
}

}  // namespace

fib6_node* fib6_node_lookup(fib6_node* root, const Ipv6Address& daddr, const Ipv6Address& saddr) {
  fib6_node* const fn = LongestMatch(root, daddr, &saddr);
  return fn != nullptr ? fn : root;
}

fib6_node* fib6_backtrack(fib6_node* fn, const Ipv6Address& saddr) {
  while (!IsTableRoot(fn)) {
    fib6_node* const parent = fn->parent;
    fib6_node* of_source = nullptr;
    if (parent->subtree != nullptr && parent->subtree != fn) {
      of_source = LongestMatch(parent->subtree, saddr, nullptr);
    }
    fn = of_source != nullptr ? of_source : parent;
    if (HasRoutes(fn)) return fn;
  }
  return nullptr;
}

fib6_node* fib6_locate(fib6_node* root, const rt6key& dst, const rt6key& src) {
  fib6_node* fn = FindNode(root, dst);
  if (fn != nullptr && src.plen > 0) {
    fn = fn->subtree != nullptr ? FindNode(fn->subtree, src) : nullptr;
  }
  return fn != nullptr && fn->leaf != nullptr ? fn : nullptr;
}

fib6_node* fib6_make_node(netns_ipv6& ns, fib6_node* root, const rt6key& dst, const rt6key& src) {
  fib6_state& fib = *ns.fib;
  fib6_node* const fn = FindOrMakeNode(fib, root, dst);
  if (fn == nullptr || src.plen == 0) return fn;
  if (fn->subtree == nullptr) {
    fn->subtree = NewNode(fib, kIpv6Any, 0, fn);
    if (fn->subtree != nullptr) fn->subtree->is_root = true;
  }
  fib6_node* const sn = fn->subtree != nullptr ? FindOrMakeNode(fib, fn->subtree, src) : nullptr;
  if (sn == nullptr) fib6_repair_tree(ns, fn->subtree != nullptr ? fn->subtree : fn);
  return sn;
}

void fib6_repair_tree(netns_ipv6& ns, fib6_node* fn) {
  while (fn->leaf == nullptr && fn->subtree == nullptr && !IsTableRoot(fn)) {
    fib6_node* const only = fn->child[0] != nullptr ? fn->child[0] : fn->child[1];
    const bool is_fork = fn->child[0] != nullptr && fn->child[1] != nullptr;
    if (is_fork || (fn->is_root && only != nullptr)) return;
    fib6_node* const parent = fn->parent;
    if (fn->is_root) {
      parent->subtree = nullptr;
    } else {
      ReplaceChild(fn, only);
    }
    ns.fib->nodes.Delete(fn);
    fn = parent;
  }
}

fib6_state::fib6_state(netns_ipv6& its_ns)
    : ns(its_ns),
      infos(its_ns.host_net.world.arena(), "fib6_info"),
      nodes(its_ns.host_net.world.arena(), "fib6_nodes"),
      exceptions(its_ns.host_net.world.arena(), "rt6_exception"),
      gc_timer([](TimerList* timer) { fib6_run_gc(*static_cast<GcTimer*>(timer)->ns, 0); }) {
  gc_timer.ns = &its_ns;
}

fib6_table* fib6_get_table(netns_ipv6& ns, uint32_t id) {
  for (fib6_table* table = ns.fib->tables; table != nullptr; table = table->next) {
    if (table->id == id) return table;
  }
  return nullptr;
}

fib6_table* fib6_new_table(netns_ipv6& ns, uint32_t id) {
  if (id == RT_TABLE_UNSPEC) id = RT_TABLE_MAIN;
  if (fib6_table* const table = fib6_get_table(ns, id)) return table;
  auto* const table = ns.host_net.world.arena().New<fib6_table>();
  table->id = id;
  table->root = NewNode(*ns.fib, kIpv6Any, 0, nullptr);
  if (table->root == nullptr) return nullptr;
  table->root->is_root = true;
  fib6_table** last = &ns.fib->tables;
  while (*last != nullptr) last = &(*last)->next;
  *last = table;
  return table;
}

void fib6_init(netns_ipv6& ns) {
  auto* const fib = ns.host_net.world.arena().New<fib6_state>(ns);
  ns.fib = fib;
  fib->exception_key.k0 = ns.prng.Next64();
  fib->exception_key.k1 = ns.prng.Next64();
  fib->local = fib6_new_table(ns, RT6_TABLE_LOCAL);
  fib->main = fib6_new_table(ns, RT6_TABLE_MAIN);
  CHECK(fib->local != nullptr && fib->main != nullptr);
}

void fib6_exit(netns_ipv6& ns) {
  fib6_state& fib = *ns.fib;
  timer_delete(&fib.gc_timer);
  fib6_clean_all(ns, [](fib6_info* /*rt*/) { return Fib6Clean::kDelete; });
  for (fib6_table* table = fib.tables; table != nullptr; table = table->next) {
    fib.nodes.Delete(table->root);
    table->root = nullptr;
  }
  fib.tables = fib.local = fib.main = nullptr;
  fib.rule_count = 0;
}

}  // namespace tapedeck
