// Routes in the nodes of the trie: how they come, stand beside each other and go (fib6_add,
// fib6_add_rt2node, fib6_del_route of net/ipv6/ip6_fib.c; rt6_multipath_* of route.c).
#include <algorithm>
#include <cerrno>

#include "stack/base/check.h"
#include "stack/core/net.h"
#include "stack/ipv6/fib6_internal.h"
#include "stack/ipv6/ip6_fib.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/ipv6/route6_internal.h"

namespace tapedeck {

namespace {

uint32_t NewSernum(fib6_state& fib) {
  // 0 is the cookie of what has no route.
  if (++fib.last_sernum == 0) ++fib.last_sernum;
  return fib.last_sernum;
}

// Where a new route goes in its node's list, and what stands there already.
struct Place {
  fib6_info** at = nullptr;          // the link that will lead to it
  fib6_info* same_metric = nullptr;  // to be replaced
};

bool IsDuplicate(const fib6_info& a, const fib6_info& b) {
  return a.nh.fib_nh_dev == b.nh.fib_nh_dev && a.nh.has_gateway == b.nh.has_gateway &&
         a.nh.fib_nh_gw6 == b.nh.fib_nh_gw6;
}

// The route is there already: it lives as long as the new one says.
void Refresh(netns_ipv6& ns, fib6_info* existing, const fib6_info& rt) {
  if ((existing->fib6_flags & RTF_EXPIRES) == 0) return;
  if ((rt.fib6_flags & RTF_EXPIRES) == 0) {
    fib6_clean_expires(ns, existing);
  } else {
    existing->expires = rt.expires;
    fib6_add_gc_list(ns, existing);
  }
  if ((rt.fib6_flags & (RTF_ADDRCONF | RTF_PREFIX_RT)) == 0 && !existing->nh.has_gateway) {
    existing->fib6_flags &= ~uint32_t{RTF_ADDRCONF | RTF_PREFIX_RT};
  }
  if (rt.metrics[RTAX_MTU] != 0) fib6_metric_set(existing, RTAX_MTU, rt.metrics[RTAX_MTU]);
}

// Behind all of its metric and below. A replacement takes the place of the first of its metric that
// may have siblings as it may (or not, as it), else of the first. 0 or -EEXIST.
int FindPlace(netns_ipv6& ns, fib6_node* fn, const fib6_info& rt, const fib6_add_mode& mode,
              Place* place) {
  fib6_info** fallback = nullptr;
  fib6_info** at = &fn->leaf;
  for (; *at != nullptr && (*at)->fib6_metric <= rt.fib6_metric; at = &(*at)->fib6_next) {
    fib6_info* const iter = *at;
    if (iter->fib6_metric != rt.fib6_metric) continue;
    if (mode.excl) return -EEXIST;
    if (mode.replace) {
      if (rt6_qualify_for_ecmp(&rt) == rt6_qualify_for_ecmp(iter)) {
        place->same_metric = iter;
        break;
      }
      if (fallback == nullptr) fallback = at;
    } else if (IsDuplicate(*iter, rt)) {
      Refresh(ns, iter, rt);
      return -EEXIST;
    }
  }
  if (place->same_metric == nullptr && fallback != nullptr) {
    at = fallback;
    place->same_metric = *at;
  }
  place->at = at;
  return 0;
}

// What a removed route leaves behind goes: routes made of it are dead.
void Purge(netns_ipv6& ns, fib6_info* rt) {
  rt->node = nullptr;
  rt->fib6_next = nullptr;
  rt->fib6_nsiblings = 0;
  fib6_nh_release(ns, &rt->nh);
  rt->fib6_flags &= ~uint32_t{RTF_EXPIRES};
  rt->fib6_gc_node::Unlink();
  if (rt->fib6_src.plen > 0) --ns.fib->routes_require_src;
  fib6_info_release(ns, rt);
}

// Takes `*at` off its list.
fib6_info* Unlink(fib6_info** at) {
  fib6_info* const rt = *at;
  *at = rt->fib6_next;
  return rt;
}

// A multipath route that is replaced goes whole.
void RemoveSiblingsBehind(netns_ipv6& ns, fib6_info* rt) {
  for (fib6_info** at = &rt->fib6_next; *at != nullptr && (*at)->fib6_metric <= rt->fib6_metric;) {
    if (rt6_qualify_for_ecmp(*at)) {
      Purge(ns, Unlink(at));
    } else {
      at = &(*at)->fib6_next;
    }
  }
}

void Replace(netns_ipv6& ns, fib6_info* rt, const Place& place) {
  fib6_info* const old = place.same_metric;
  const bool had_siblings = old->fib6_nsiblings > 0;
  rt->fib6_next = old->fib6_next;
  *place.at = rt;
  Purge(ns, old);
  if (had_siblings) RemoveSiblingsBehind(ns, rt);
}

// fib6_add_rt2node.
int AddToNode(netns_ipv6& ns, fib6_node* fn, fib6_info* rt, const fib6_add_mode& mode) {
  Place place;
  const int err = FindPlace(ns, fn, *rt, mode, &place);
  if (err != 0) return err;
  if (place.same_metric == nullptr && !mode.create) return -ENOENT;
  rt->node = fn;
  if (place.same_metric != nullptr) {
    Replace(ns, rt, place);
  } else {
    rt->fib6_next = *place.at;
    *place.at = rt;
  }
  fib6_info_hold(rt);
  rt6_multipath_rebalance(rt);
  return 0;
}

bool IsDead(const fib6_info& rt) {
  return (rt.nh.fib_nh_flags & RTNH_F_DEAD) != 0 ||
         ((rt.nh.fib_nh_flags & RTNH_F_LINKDOWN) != 0 && ip6_ignore_linkdown(rt.nh.fib_nh_dev));
}

// Timers that need not be exact fire together, on whole seconds, three jiffies later on each CPU
// (round_jiffies_common of kernel/time/timer.c).
Jiffies RoundJiffies(net& net, Jiffies at) {
  const Jiffies hz = net.kernel.hz();
  const auto skew = static_cast<Jiffies>(3 * net.this_cpu().id());
  const Jiffies past = (at + skew) % hz;
  const Jiffies rounded = past < hz / 4 ? at - past : at - past + hz;
  return rounded > net.jiffies() ? rounded : at;
}

}  // namespace

int fib6_add(netns_ipv6& ns, fib6_info* rt, const fib6_add_mode& mode) {
  fib6_node* const root = rt->table->root;
  if (!mode.create && fib6_locate(root, rt->fib6_dst, rt->fib6_src) == nullptr) return -ENOENT;
  fib6_node* const fn = fib6_make_node(ns, root, rt->fib6_dst, rt->fib6_src);
  if (fn == nullptr) return -ENOMEM;
  const int err = AddToNode(ns, fn, rt, mode);
  if (err != 0) {
    fib6_repair_tree(ns, fn);
    return err;
  }
  if (rt->fib6_src.plen > 0) ++ns.fib->routes_require_src;
  fib6_update_sernum_upto_root(ns, rt);
  if ((rt->fib6_flags & RTF_EXPIRES) != 0) {
    fib6_add_gc_list(ns, rt);
    fib6_force_start_gc(ns);
  }
  return 0;
}

int fib6_del(netns_ipv6& ns, fib6_info* rt) {
  fib6_node* const fn = rt->node;
  if (fn == nullptr) return -ENOENT;
  fib6_info** at = &fn->leaf;
  while (*at != rt) at = &(*at)->fib6_next;
  Unlink(at);
  // Those that are left share what it took.
  for (fib6_info* other = fn->leaf; other != nullptr && rt->fib6_nsiblings > 0;
       other = other->fib6_next) {
    if (other->fib6_metric != rt->fib6_metric || !rt6_qualify_for_ecmp(other)) continue;
    rt6_multipath_rebalance(other);
    break;
  }
  Purge(ns, rt);
  fib6_repair_tree(ns, fn);
  return 0;
}

fib6_info* rt6_multipath_first_sibling(const fib6_info* rt) {
  if (rt->node == nullptr) return nullptr;
  for (fib6_info* iter = rt->node->leaf; iter != nullptr; iter = iter->fib6_next) {
    if (iter->fib6_metric == rt->fib6_metric && rt6_qualify_for_ecmp(iter)) return iter;
  }
  return nullptr;
}

fib6_info* rt6_multipath_next_sibling(const fib6_info* rt) {
  for (fib6_info* iter = rt->fib6_next; iter != nullptr && iter->fib6_metric == rt->fib6_metric;
       iter = iter->fib6_next) {
    if (rt6_qualify_for_ecmp(iter)) return iter;
  }
  return nullptr;
}

void rt6_multipath_rebalance(fib6_info* rt) {
  if (!rt6_qualify_for_ecmp(rt) || rt->should_flush) return;
  fib6_info* const first = rt6_multipath_first_sibling(rt);
  uint32_t count = 0;
  uint64_t total = 0;
  for (fib6_info* iter = first; iter != nullptr; iter = rt6_multipath_next_sibling(iter)) {
    ++count;
    if (!IsDead(*iter)) total += iter->nh.fib_nh_weight;
  }
  uint64_t sum = 0;
  for (fib6_info* iter = first; iter != nullptr; iter = rt6_multipath_next_sibling(iter)) {
    iter->fib6_nsiblings = count - 1;
    iter->nh.fib_nh_upper_bound = -1;
    if (total == 0 || IsDead(*iter)) continue;
    sum += iter->nh.fib_nh_weight;
    iter->nh.fib_nh_upper_bound = static_cast<int32_t>(((sum << 31) + total / 2) / total - 1);
  }
}

void fib6_update_sernum(netns_ipv6& ns, fib6_info* rt) {
  if (rt->node != nullptr) rt->node->fn_sernum = NewSernum(*ns.fib);
}

void fib6_update_sernum_upto_root(netns_ipv6& ns, fib6_info* rt) {
  const uint32_t sernum = NewSernum(*ns.fib);
  for (fib6_node* fn = rt->node; fn != nullptr; fn = fn->parent) fn->fn_sernum = sernum;
}

void fib6_flush_trees(netns_ipv6& ns) {
  const uint32_t sernum = NewSernum(*ns.fib);
  for (fib6_info& rt : ns.fib->info_list) {
    if (rt.node != nullptr) rt.node->fn_sernum = sernum;
  }
}

fib6_info* fib6_info_alloc(netns_ipv6& ns) {
  fib6_info* const rt = ns.fib->infos.New();
  if (rt != nullptr) ns.fib->info_list.PushBack(rt);
  return rt;
}

void fib6_info_release(netns_ipv6& ns, fib6_info* rt) {
  CHECK_GT(rt->refcnt, 0U);
  if (--rt->refcnt > 0) return;
  CHECK(rt->node == nullptr);
  fib6_nh_release(ns, &rt->nh);
  rt->ListNode<>::Unlink();
  ns.fib->infos.Delete(rt);
}

void fib6_metric_set(fib6_info* rt, uint32_t metric, uint32_t value) {
  rt->metrics[metric] = value;
  rt->has_metrics = true;
  rt6_info* const made = rt->nh.rt6i_pcpu;
  if (made != nullptr && made->shares_metrics) dst_metric_set(made, metric, value);
}

bool fib6_check_expired(const netns_ipv6& ns, const fib6_info* rt) {
  return (rt->fib6_flags & RTF_EXPIRES) != 0 && ns.host_net.jiffies() > rt->expires;
}

void fib6_clean_expires(netns_ipv6& /*ns*/, fib6_info* rt) {
  rt->fib6_flags &= ~uint32_t{RTF_EXPIRES};
  rt->expires = 0;
  if (rt->nh.exceptions == nullptr) rt->fib6_gc_node::Unlink();
}

void fib6_set_expires(net& net, fib6_info* rt, uint64_t expires) {
  rt->expires = expires;
  rt->fib6_flags |= RTF_EXPIRES;
  if (rt->node == nullptr) return;
  fib6_add_gc_list(net_ipv6(net), rt);
  fib6_force_start_gc(net_ipv6(net));
}

// --- Garbage collection. ---

void fib6_add_gc_list(netns_ipv6& ns, fib6_info* rt) {
  if (!rt->fib6_gc_node::linked()) ns.fib->gc_list.PushFront(rt);
}

void fib6_force_start_gc(netns_ipv6& ns) {
  fib6_state& fib = *ns.fib;
  if (fib.gc_timer.pending()) return;
  net& net = ns.host_net;
  mod_timer(net.this_cpu(), &fib.gc_timer, net.jiffies() + static_cast<Jiffies>(fib.gc_interval));
}

void fib6_run_gc(netns_ipv6& ns, Jiffies timeout) {
  fib6_state& fib = *ns.fib;
  net& net = ns.host_net;
  if (timeout == 0) timeout = static_cast<Jiffies>(fib.gc_interval);
  bool more = false;
  for (fib6_info* rt = fib.gc_list.front(); rt != nullptr;) {
    fib6_info* const next = fib.gc_list.Next(rt);
    if (fib6_check_expired(ns, rt)) {
      fib6_del(ns, rt);
    } else {
      const bool may_expire = (rt->fib6_flags & RTF_EXPIRES) != 0;
      const bool has_exceptions = rt6_age_exceptions(ns, rt, timeout);
      if (!may_expire && !has_exceptions) rt->fib6_gc_node::Unlink();
      more = more || may_expire || has_exceptions;
    }
    rt = next;
  }
  fib.last_gc = net.jiffies();
  if (more) {
    mod_timer(net.this_cpu(), &fib.gc_timer,
              RoundJiffies(net, fib.last_gc + static_cast<Jiffies>(fib.gc_interval)));
  } else {
    timer_delete(&fib.gc_timer);
  }
}

namespace fib6_internal {
List<fib6_info>& InfoList(netns_ipv6& ns) { return ns.fib->info_list; }
}  // namespace fib6_internal

}  // namespace tapedeck
