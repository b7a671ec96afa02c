// What is learnt about single destinations: path MTUs and redirects (rt6_exception of
// net/ipv6/route.c; RFC 8201, RFC 4861 8.3).
#include <array>
#include <cerrno>
#include <cstring>

#include "stack/core/neighbour.h"
#include "stack/core/net.h"
#include "stack/ipv6/ip6_fib.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/ipv6/route6_internal.h"

namespace tapedeck {

namespace {

using Bucket = rt6_exception_table::Bucket;

Kmalloc& Memory(netns_ipv6& ns) { return ns.host_net.kernel.kmalloc(); }

// Routes with a source prefix are remembered by both addresses, others by the destination.
Bucket* BucketOf(netns_ipv6& ns, const fib6_nh& nh, const Ipv6Address& daddr,
                 const Ipv6Address* saddr) {
  std::array<uint8_t, 32> key{};
  std::memcpy(key.data(), daddr.bytes().data(), 16);
  if (saddr != nullptr) std::memcpy(key.data() + 16, saddr->bytes().data(), 16);
  const uint64_t hash = SipHash24(std::span<const uint8_t>(key), ns.fib->exception_key);
  return &nh.exceptions->buckets[hash % rt6_exception_table::kBuckets];
}

// The link that leads to what is known of these addresses; to nullptr where nothing is.
rt6_exception** Find(Bucket* bucket, const Ipv6Address& daddr, const Ipv6Address* saddr) {
  rt6_exception** at = &bucket->chain;
  while (*at != nullptr && ((*at)->rt6i->rt6i_dst.addr != daddr ||
                            (saddr != nullptr && (*at)->rt6i->rt6i_src.addr != *saddr))) {
    at = &(*at)->next;
  }
  return at;
}

// Forgets `*at`; holders of its rt6_info find it dead.
void Remove(netns_ipv6& ns, Bucket* bucket, rt6_exception** at) {
  rt6_exception* const ex = *at;
  *at = ex->next;
  --bucket->depth;
  rt6_dev_put(ex->rt6i);
  dst_release(ex->rt6i);
  ns.fib->exceptions.Delete(ex);
}

void RemoveOldest(netns_ipv6& ns, Bucket* bucket) {
  rt6_exception** oldest = &bucket->chain;
  for (rt6_exception** at = oldest; *at != nullptr; at = &(*at)->next) {
    if ((*at)->stamp < (*oldest)->stamp) oldest = at;
  }
  Remove(ns, bucket, oldest);
}

// Removes those that `decide(rt6_info*)` says; whether others are left.
template <typename Decide>
bool RemoveIf(netns_ipv6& ns, fib6_nh* nh, Decide decide) {
  if (nh->exceptions == nullptr) return false;
  bool left = false;
  for (Bucket& bucket : nh->exceptions->buckets) {
    for (rt6_exception** at = &bucket.chain; *at != nullptr;) {
      if (decide((*at)->rt6i)) {
        Remove(ns, &bucket, at);
      } else {
        left = true;
        at = &(*at)->next;
      }
    }
  }
  return left;
}

bool MakeTable(netns_ipv6& ns, fib6_nh* nh) {
  if (nh->exceptions != nullptr) return true;
  void* const memory = Memory(ns).Alloc(sizeof(rt6_exception_table));
  if (memory != nullptr) nh->exceptions = new (memory) rt6_exception_table;
  return memory != nullptr;
}

// What packets over the route itself may be (fib6_mtu).
uint32_t MtuOf(const fib6_result& res) {
  uint32_t mtu = res.f6i->metrics[RTAX_MTU];
  if (mtu == 0) {
    const inet6_dev* const idev = res.nh->fib_nh_dev->ip6_ptr;
    if (idev == nullptr) return 0;
    mtu = static_cast<uint32_t>(idev->cnf->mtu6);
  }
  return std::min(mtu, IP6_MAX_MTU);
}

const Ipv6Address* SourceKey(const fib6_info& route, const rt6_info* rt) {
  return route.fib6_src.plen > 0 ? &rt->rt6i_src.addr : nullptr;
}

// Path MTUs go when they expire, other lessons when nobody has used them for long, and those over a
// router that has become a host (rt6_age_examine_exception).
bool IsOver(const netns_ipv6& ns, const rt6_info* rt, Jiffies timeout) {
  const Jiffies now = ns.host_net.jiffies();
  if ((rt->rt6i_flags & RTF_EXPIRES) != 0) {
    if (now > rt->expires) return true;
  } else if (now >= rt->lastuse + timeout) {
    return true;
  }
  if ((rt->rt6i_flags & RTF_GATEWAY) == 0) return false;
  const neighbour* const neigh =
      __neigh_lookup_noref(ns.host_net.nd_tbl, rt->rt6i_gateway.bytes().data(), rt->dev);
  return neigh == nullptr || (neigh->flags & NTF_ROUTER) == 0;
}

// A smaller MTU bounds every path; a larger one those that were bounded by this device
// (rt6_mtu_change_route_allowed).
bool MtuFollows(const inet6_dev* idev, const rt6_info* rt, uint32_t mtu) {
  const uint32_t current = dst_mtu(rt);
  return current >= mtu || current == static_cast<uint32_t>(idev->cnf->mtu6);
}

}  // namespace

rt6_info* rt6_find_cached_rt(netns_ipv6& ns, const fib6_result& res, const Ipv6Address& daddr,
                             const Ipv6Address& saddr) {
  if (res.nh->exceptions == nullptr) return nullptr;
  const bool by_source = res.f6i->fib6_src.plen > 0;
  // Learnt of this very source, or by the route's whole prefix.
  for (const Ipv6Address& source : {saddr, res.f6i->fib6_src.addr}) {
    const Ipv6Address* const key = by_source ? &source : nullptr;
    const rt6_exception* const ex = *Find(BucketOf(ns, *res.nh, daddr, key), daddr, key);
    if (ex != nullptr && !rt6_check_expired(ex->rt6i)) return ex->rt6i;
    if (!by_source) break;
  }
  return nullptr;
}

int rt6_insert_exception(netns_ipv6& ns, rt6_info* nrt, const fib6_result& res) {
  if (res.f6i->node == nullptr) return -ENOENT;
  if (!MakeTable(ns, res.nh)) return -ENOMEM;
  if (nrt->metrics[RTAX_MTU] >= MtuOf(res)) return -EINVAL;
  const Ipv6Address* const source = SourceKey(*res.f6i, nrt);
  Bucket* const bucket = BucketOf(ns, *res.nh, nrt->rt6i_dst.addr, source);
  rt6_exception** const known = Find(bucket, nrt->rt6i_dst.addr, source);
  if (*known != nullptr) Remove(ns, bucket, known);
  rt6_exception* const ex = ns.fib->exceptions.New();
  if (ex == nullptr) return -ENOMEM;
  ex->rt6i = nrt;
  ex->stamp = ns.host_net.jiffies();
  ex->next = bucket->chain;
  bucket->chain = ex;
  ++bucket->depth;
  // As in the kernel the limit is random, so that nobody learns from it who else was remembered.
  const uint32_t max_depth = FIB6_MAX_DEPTH + ns.prng.Below(FIB6_MAX_DEPTH);
  while (bucket->depth > max_depth) RemoveOldest(ns, bucket);
  // Whoever goes this way asks again.
  fib6_update_sernum(ns, res.f6i);
  fib6_add_gc_list(ns, res.f6i);
  fib6_force_start_gc(ns);
  return 0;
}

int rt6_remove_exception_rt(rt6_info* rt) {
  fib6_info* const from = rt->from;
  if (from == nullptr || (rt->rt6i_flags & RTF_CACHE) == 0) return -EINVAL;
  if (from->nh.exceptions == nullptr) return -ENOENT;
  netns_ipv6& ns = *rt->ns;
  const Ipv6Address* const source = SourceKey(*from, rt);
  Bucket* const bucket = BucketOf(ns, from->nh, rt->rt6i_dst.addr, source);
  rt6_exception** const at = Find(bucket, rt->rt6i_dst.addr, source);
  if (*at == nullptr) return -ENOENT;
  Remove(ns, bucket, at);
  return 0;
}

void rt6_update_exception_stamp_rt(rt6_info* rt) {
  const fib6_info* const from = rt->from;
  if (from == nullptr || from->nh.exceptions == nullptr) return;
  netns_ipv6& ns = *rt->ns;
  const Ipv6Address* const source = SourceKey(*from, rt);
  rt6_exception* const ex =
      *Find(BucketOf(ns, from->nh, rt->rt6i_dst.addr, source), rt->rt6i_dst.addr, source);
  if (ex != nullptr) ex->stamp = ns.host_net.jiffies();
}

void fib6_nh_flush_exceptions(netns_ipv6& ns, fib6_nh* nh) {
  RemoveIf(ns, nh, [](const rt6_info* /*rt*/) { return true; });
  if (nh->exceptions == nullptr) return;
  Memory(ns).Free(nh->exceptions, sizeof(rt6_exception_table));
  nh->exceptions = nullptr;
}

void fib6_nh_exceptions_clean_tohost(netns_ipv6& ns, fib6_nh* nh, const Ipv6Address& gateway) {
  RemoveIf(ns, nh, [&gateway](const rt6_info* rt) {
    return (rt->rt6i_flags & RTF_GATEWAY) != 0 && rt->rt6i_gateway == gateway;
  });
}

bool rt6_age_exceptions(netns_ipv6& ns, fib6_info* rt, Jiffies timeout) {
  return RemoveIf(ns, &rt->nh,
                  [&ns, timeout](const rt6_info* known) { return IsOver(ns, known, timeout); });
}

void rt6_exceptions_update_pmtu(const inet6_dev* idev, fib6_nh* nh, uint32_t mtu) {
  if (nh->exceptions == nullptr) return;
  for (Bucket& bucket : nh->exceptions->buckets) {
    for (rt6_exception* ex = bucket.chain; ex != nullptr; ex = ex->next) {
      rt6_info* const rt = ex->rt6i;
      // Without a path MTU of its own it follows the route.
      if (rt->metrics[RTAX_MTU] != 0 && MtuFollows(idev, rt, mtu)) {
        dst_metric_set(rt, RTAX_MTU, mtu);
      }
    }
  }
}

}  // namespace tapedeck
