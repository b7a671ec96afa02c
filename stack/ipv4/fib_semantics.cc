// What routes share: nexthops, checked when they are made and marked as devices come and go
// (net/ipv4/fib_semantics.c).
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "stack/base/hash.h"
#include "stack/core/net.h"
#include "stack/ipv4/fib.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv4/route.h"
#include "stack/ipv4/route_internal.h"

namespace tapedeck {

const fib_prop fib_props[RTN_MAX + 1] = {
    {0, RT_SCOPE_NOWHERE},               // RTN_UNSPEC
    {0, RT_SCOPE_UNIVERSE},              // RTN_UNICAST
    {0, RT_SCOPE_HOST},                  // RTN_LOCAL
    {0, RT_SCOPE_LINK},                  // RTN_BROADCAST
    {0, RT_SCOPE_LINK},                  // RTN_ANYCAST
    {0, RT_SCOPE_UNIVERSE},              // RTN_MULTICAST
    {-EINVAL, RT_SCOPE_UNIVERSE},        // RTN_BLACKHOLE
    {-EHOSTUNREACH, RT_SCOPE_UNIVERSE},  // RTN_UNREACHABLE
    {-EACCES, RT_SCOPE_UNIVERSE},        // RTN_PROHIBIT
    {-EAGAIN, RT_SCOPE_UNIVERSE},        // RTN_THROW
};

namespace {

constexpr uint32_t kFirstHashBits = 4;
constexpr uint32_t kMaxHashBits = 13;  // one kmalloc block of buckets

Kmalloc& Memory(netns_ipv4& ns) { return ns.host_net.kernel.kmalloc(); }

uint32_t InfoHash(const fib_info& fi) {
  uint32_t hash = jhash_3words(uint32_t{fi.protocol} << 16 | uint32_t{fi.scope} << 8 | fi.type,
                               fi.prefsrc.host(), fi.priority, fi.nhs);
  for (uint32_t i = 0; i < fi.nhs; ++i) {
    hash = jhash_2words(static_cast<uint32_t>(fi.nh[i].nh_oif), fi.nh[i].nh_gw.host(), hash);
  }
  return hash;
}

bool SameNexthop(const fib_nh& a, const fib_nh& b) {
  constexpr uint8_t kCompared = RTNH_F_ONLINK;
  return a.nh_oif == b.nh_oif && a.nh_gw == b.nh_gw && a.nh_scope == b.nh_scope &&
         a.nh_weight == b.nh_weight && ((a.nh_flags ^ b.nh_flags) & kCompared) == 0;
}

bool SameInfo(const fib_info& a, const fib_info& b) {
  if (a.nhs != b.nhs || a.protocol != b.protocol || a.scope != b.scope || a.type != b.type ||
      a.prefsrc != b.prefsrc || a.priority != b.priority || a.tb_id != b.tb_id || b.dead ||
      ((a.flags ^ b.flags) & RTNH_F_DEAD) != 0 ||
      !std::equal(std::begin(a.metrics), std::end(a.metrics), std::begin(b.metrics))) {
    return false;
  }
  for (uint32_t i = 0; i < a.nhs; ++i) {
    if (!SameNexthop(a.nh[i], b.nh[i])) return false;
  }
  return true;
}

fib_info* FindInfo(const fib_state& fib, const fib_info& wanted) {
  if (fib.info_hash == nullptr) return nullptr;
  for (fib_info* fi = fib.info_hash[wanted.hash >> (32 - fib.info_hash_bits)]; fi != nullptr;
       fi = fi->hash_next) {
    if (fi->hash == wanted.hash && SameInfo(wanted, *fi)) return fi;
  }
  return nullptr;
}

// Doubles the buckets when there is an entry for each. False where there are none at all for want
// of memory.
bool GrowInfoHash(netns_ipv4& ns) {
  fib_state& fib = ns.fib;
  const uint32_t old_bits = fib.info_hash_bits;
  if (fib.info_hash != nullptr && (fib.info_count < (1U << old_bits) || old_bits == kMaxHashBits)) {
    return true;
  }
  const uint32_t bits = fib.info_hash == nullptr ? kFirstHashBits : old_bits + 1;
  auto** const buckets = static_cast<fib_info**>(Memory(ns).Alloc(sizeof(fib_info*) << bits));
  if (buckets == nullptr) return fib.info_hash != nullptr;
  std::fill_n(buckets, size_t{1} << bits, nullptr);
  for (fib_info& fi : fib.info_list) {
    fib_info** const bucket = &buckets[fi.hash >> (32 - bits)];
    fi.hash_next = *bucket;
    *bucket = &fi;
  }
  if (fib.info_hash != nullptr)
    Memory(ns).Free(static_cast<void*>(fib.info_hash), sizeof(fib_info*) << old_bits);
  fib.info_hash = buckets;
  fib.info_hash_bits = bits;
  return true;
}

void LinkInfo(fib_state& fib, fib_info* fi) {
  fib_info** const bucket = &fib.info_hash[fi->hash >> (32 - fib.info_hash_bits)];
  fi->hash_next = *bucket;
  *bucket = fi;
  fib.info_list.PushBack(fi);
  ++fib.info_count;
}

void UnlinkInfo(fib_state& fib, fib_info* fi) {
  fib_info** at = &fib.info_hash[fi->hash >> (32 - fib.info_hash_bits)];
  while (*at != fi) at = &(*at)->hash_next;
  *at = fi->hash_next;
  fi->Unlink();
  --fib.info_count;
}

// Lets the shared rtables of a hop go: whoever still holds one finds it dead.
void ReleaseRtable(rtable** slot) {
  rtable* const rt = *slot;
  if (rt == nullptr) return;
  *slot = nullptr;
  dst_dev_put(rt);
  dst_release(rt);
}

void FreeInfo(netns_ipv4& ns, fib_info* fi) {
  for (uint32_t i = 0; i < fi->nhs; ++i) {
    ReleaseRtable(&fi->nh[i].nh_rth_input);
    ReleaseRtable(&fi->nh[i].nh_rth_output);
    rt_free_exceptions(ns, &fi->nh[i]);
    dev_put(fi->nh[i].nh_dev);
  }
  if (fi->nh != nullptr) Memory(ns).Free(fi->nh, fi->nhs * sizeof(fib_nh));
  ns.fib.infos.Delete(fi);
}

// A gateway must be one hop away: a lookup of its own at the next nearer scope
// (fib_check_nh_v4_gw).
int CheckGateway(netns_ipv4& ns, fib_nh* nh, uint8_t scope) {
  net& net = ns.host_net;
  if ((nh->nh_flags & RTNH_F_ONLINK) != 0) {
    if (scope >= RT_SCOPE_LINK) return -EINVAL;
    if (inet_addr_type(net, nh->nh_gw) != RTN_UNICAST) return -EINVAL;
    net_device* const dev = dev_get_by_index(net, nh->nh_oif);
    if (dev == nullptr) return -ENODEV;
    if ((dev->flags & IFF_UP) == 0) return -ENETDOWN;
    if (!netif_carrier_ok(dev)) nh->nh_flags |= RTNH_F_LINKDOWN;
    nh->nh_dev = dev;
    nh->nh_scope = RT_SCOPE_LINK;
    dev_hold(dev);
    return 0;
  }
  flowi4 flow;
  flow.daddr = nh->nh_gw;
  flow.scope = std::max<uint8_t>(static_cast<uint8_t>(scope + 1), RT_SCOPE_LINK);
  flow.oif = nh->nh_oif;
  flow.iif = kLoopbackIfindex;
  fib_result res;
  const int err = fib_lookup(ns, flow, &res, FIB_LOOKUP_IGNORE_LINKSTATE);
  if (err != 0) return -ENETUNREACH;
  if (res.type != RTN_UNICAST && res.type != RTN_LOCAL) return -EINVAL;
  net_device* const dev = FIB_RES_DEV(res);
  if (dev == nullptr) return -ENODEV;
  nh->nh_scope = res.scope;
  nh->nh_oif = FIB_RES_OIF(res);
  nh->nh_dev = dev;
  dev_hold(dev);
  if (!netif_carrier_ok(dev)) nh->nh_flags |= RTNH_F_LINKDOWN;
  return (dev->flags & IFF_UP) != 0 ? 0 : -ENETDOWN;
}

int CheckDevice(netns_ipv4& ns, fib_nh* nh) {
  if ((nh->nh_flags & RTNH_F_ONLINK) != 0) return -EINVAL;
  net_device* const dev = dev_get_by_index(ns.host_net, nh->nh_oif);
  if (dev == nullptr || dev->ip_ptr == nullptr) return -ENODEV;
  if ((dev->flags & IFF_UP) == 0) return -ENETDOWN;
  if (!netif_carrier_ok(dev)) nh->nh_flags |= RTNH_F_LINKDOWN;
  nh->nh_dev = dev;
  nh->nh_scope = RT_SCOPE_HOST;
  dev_hold(dev);
  return 0;
}

// An address of the host is one hop by definition, on a device that may be down.
int CheckHostScope(netns_ipv4& ns, fib_info* fi) {
  fib_nh* const nh = &fi->nh[0];
  if (fi->nhs != 1 || nh->nh_gw != kIpv4Any) return -EINVAL;
  net_device* const dev = dev_get_by_index(ns.host_net, nh->nh_oif);
  if (dev == nullptr) return -ENODEV;
  nh->nh_dev = dev;
  nh->nh_scope = RT_SCOPE_NOWHERE;
  dev_hold(dev);
  return 0;
}

int CheckNexthops(netns_ipv4& ns, const fib_config& cfg, fib_info* fi) {
  if (cfg.scope > RT_SCOPE_HOST) return -EINVAL;
  if (cfg.scope == RT_SCOPE_HOST) return CheckHostScope(ns, fi);
  uint32_t linkdown = 0;
  for (uint32_t i = 0; i < fi->nhs; ++i) {
    fib_nh* const nh = &fi->nh[i];
    const int err = nh->nh_gw == kIpv4Any ? CheckDevice(ns, nh) : CheckGateway(ns, nh, cfg.scope);
    if (err != 0) return err;
    if ((nh->nh_flags & RTNH_F_LINKDOWN) != 0) ++linkdown;
  }
  if (linkdown == fi->nhs) fi->flags |= RTNH_F_LINKDOWN;
  return 0;
}

bool PrefsrcIsValid(netns_ipv4& ns, const fib_config& cfg) {
  if (cfg.prefsrc == kIpv4Any) return true;
  if (cfg.type == RTN_LOCAL && cfg.dst != kIpv4Any && cfg.prefsrc == cfg.dst) return true;
  return inet_addr_type(ns.host_net, cfg.prefsrc) == RTN_LOCAL;
}

bool NexthopIsUsable(const fib_nh& nh) {
  if ((nh.nh_flags & RTNH_F_DEAD) != 0) return false;
  if ((nh.nh_flags & RTNH_F_LINKDOWN) == 0) return true;
  const in_device* const in_dev = nh.nh_dev->ip_ptr;
  return in_dev == nullptr || !in_dev_conf(in_dev).ignore_routes_with_linkdown();
}

// Gives each usable hop its share of the 31-bit hash (fib_rebalance). A hop that may not be used
// gets none.
void Rebalance(fib_info* fi) {
  uint64_t total = 0;
  for (uint32_t i = 0; i < fi->nhs; ++i) {
    if (NexthopIsUsable(fi->nh[i])) total += fi->nh[i].nh_weight;
  }
  uint64_t sum = 0;
  for (uint32_t i = 0; i < fi->nhs; ++i) {
    fib_nh& nh = fi->nh[i];
    if (!NexthopIsUsable(nh)) {
      nh.nh_upper_bound = kNoUpperBound;
      continue;
    }
    sum += nh.nh_weight;
    nh.nh_upper_bound = static_cast<uint32_t>(((sum << 31) + total / 2) / total - 1);
  }
}

bool FillNexthops(netns_ipv4& ns, const fib_config& cfg, fib_info* fi) {
  const fib_config_nexthop single{cfg.oif, cfg.gw, cfg.nh_flags, 1};
  const std::span<const fib_config_nexthop> hops =
      cfg.nexthops.empty() ? std::span(&single, 1) : cfg.nexthops;
  auto* const nh = static_cast<fib_nh*>(Memory(ns).Alloc(hops.size() * sizeof(fib_nh)));
  if (nh == nullptr) return false;
  fi->nhs = static_cast<uint32_t>(hops.size());
  fi->nh = nh;
  for (size_t i = 0; i < hops.size(); ++i) {
    nh[i] = fib_nh{};
    nh[i].nh_parent = fi;
    nh[i].nh_oif = hops[i].oif;
    nh[i].nh_gw = hops[i].gw;
    nh[i].nh_flags = hops[i].flags;
    nh[i].nh_weight = hops[i].weight;
  }
  return true;
}

int CheckConfig(const fib_config& cfg) {
  if (cfg.type == RTN_UNSPEC || cfg.type > RTN_MAX) return -EINVAL;
  if (fib_props[cfg.type].scope > cfg.scope) return -EINVAL;
  if ((cfg.nh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) != 0) return -EINVAL;
  if (!cfg.nexthops.empty() && (cfg.oif != 0 || cfg.gw != kIpv4Any)) return -EINVAL;
  if (cfg.nexthops.size() > kNexthopsMax) return -EINVAL;
  for (const fib_config_nexthop& nh : cfg.nexthops) {
    if (nh.weight == 0 || (nh.flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) != 0) return -EINVAL;
  }
  return 0;
}

// The new fib_info's own checks, up to where it could be linked. 0 or -errno.
int Complete(netns_ipv4& ns, const fib_config& cfg, fib_info* fi) {
  if (fib_props[cfg.type].error != 0) {
    return cfg.gw != kIpv4Any || cfg.oif != 0 || !cfg.nexthops.empty() ? -EINVAL : 0;
  }
  const int err = CheckNexthops(ns, cfg, fi);
  if (err != 0) return err;
  if (!PrefsrcIsValid(ns, cfg)) return -EINVAL;
  for (uint32_t i = 0; i < fi->nhs; ++i) {
    fib_nh& nh = fi->nh[i];
    nh.nh_saddr = inet_select_addr(nh.nh_dev, nh.nh_gw, fi->scope);
    nh.nh_saddr_genid = ns.dev_addr_genid;
  }
  Rebalance(fi);
  return 0;
}

}  // namespace

fib_info* fib_create_info(netns_ipv4& ns, const fib_config& cfg, int* err) {
  *err = CheckConfig(cfg);
  if (*err != 0) return nullptr;
  *err = -ENOBUFS;
  if (!GrowInfoHash(ns)) return nullptr;
  fib_info* const fi = ns.fib.infos.New();
  if (fi == nullptr) return nullptr;
  fi->protocol = cfg.protocol;
  fi->scope = cfg.scope;
  fi->type = cfg.type;
  fi->prefsrc = cfg.prefsrc;
  fi->priority = cfg.priority;
  fi->tb_id = cfg.table;
  std::copy(std::begin(cfg.metrics), std::end(cfg.metrics), std::begin(fi->metrics));
  if (FillNexthops(ns, cfg, fi)) *err = Complete(ns, cfg, fi);
  if (*err != 0) {
    FreeInfo(ns, fi);
    return nullptr;
  }
  fi->hash = InfoHash(*fi);
  if (fib_info* const existing = FindInfo(ns.fib, *fi); existing != nullptr) {
    FreeInfo(ns, fi);
    ++existing->treeref;
    return existing;
  }
  fi->treeref = 1;
  LinkInfo(ns.fib, fi);
  return fi;
}

void fib_release_info(netns_ipv4& ns, fib_info* fi) {
  CHECK_GT(fi->treeref, 0U);
  if (--fi->treeref > 0) return;
  fi->dead = true;
  UnlinkInfo(ns.fib, fi);
  FreeInfo(ns, fi);
}

bool fib_nh_matches(const fib_config& cfg, const fib_info& fi) {
  if (cfg.priority != 0 && cfg.priority != fi.priority) return false;
  if (!cfg.nexthops.empty()) {
    if (cfg.nexthops.size() != fi.nhs) return false;
    for (uint32_t i = 0; i < fi.nhs; ++i) {
      const fib_config_nexthop& wanted = cfg.nexthops[i];
      if (wanted.oif != 0 && wanted.oif != fi.nh[i].nh_oif) return false;
      if (wanted.gw != kIpv4Any && wanted.gw != fi.nh[i].nh_gw) return false;
    }
    return true;
  }
  if (cfg.oif == 0 && cfg.gw == kIpv4Any) return true;
  return (cfg.oif == 0 || cfg.oif == fi.nh[0].nh_oif) &&
         (cfg.gw == kIpv4Any || cfg.gw == fi.nh[0].nh_gw);
}

int fib_sync_down_addr(netns_ipv4& ns, Ipv4Address local) {
  if (local == kIpv4Any) return 0;
  int died = 0;
  for (fib_info& fi : ns.fib.info_list) {
    if (fi.prefsrc != local || (fi.flags & RTNH_F_DEAD) != 0) continue;
    fi.flags |= RTNH_F_DEAD;
    ++died;
  }
  return died;
}

// A local address (its hop has scope nowhere) stays while its device is down; with `force` all
// goes.
int fib_sync_down_dev(net_device* dev, bool force) {
  int died = 0;
  for (fib_info& fi : dev_ipv4(dev).fib.info_list) {
    uint32_t dead = 0;
    bool concerned = false;
    for (uint32_t i = 0; i < fi.nhs; ++i) {
      fib_nh& nh = fi.nh[i];
      if (nh.nh_dev == dev && (force || nh.nh_scope != RT_SCOPE_NOWHERE)) {
        nh.nh_flags |= RTNH_F_DEAD | RTNH_F_LINKDOWN;
        concerned = true;
      }
      if ((nh.nh_flags & RTNH_F_DEAD) != 0) ++dead;
    }
    if (!concerned) continue;
    // A route over a device that is unregistered goes whole: that hop could never come back.
    if ((dead == fi.nhs || force) && (fi.flags & RTNH_F_DEAD) == 0) {
      fi.flags |= RTNH_F_DEAD;
      ++died;
    }
    Rebalance(&fi);
  }
  return died;
}

void fib_sync_down_carrier(net_device* dev) {
  netns_ipv4& ns = dev_ipv4(dev);
  for (fib_info& fi : ns.fib.info_list) {
    uint32_t down = 0;
    for (uint32_t i = 0; i < fi.nhs; ++i) {
      if (fi.nh[i].nh_dev == dev && fi.scope != RT_SCOPE_HOST) {
        fi.nh[i].nh_flags |= RTNH_F_LINKDOWN;
      }
      if ((fi.nh[i].nh_flags & RTNH_F_LINKDOWN) != 0) ++down;
    }
    if (fi.nhs > 0 && down == fi.nhs) fi.flags |= RTNH_F_LINKDOWN;
    if (down > 0) Rebalance(&fi);
  }
  rt_cache_flush(ns.host_net);
}

void fib_sync_up(net_device* dev, uint8_t flags) {
  if ((dev->flags & IFF_UP) == 0) return;
  netns_ipv4& ns = dev_ipv4(dev);
  const uint8_t cleared =
      netif_carrier_ok(dev) ? static_cast<uint8_t>(flags | RTNH_F_LINKDOWN) : flags;
  for (fib_info& fi : ns.fib.info_list) {
    bool changed = false;
    for (uint32_t i = 0; i < fi.nhs; ++i) {
      fib_nh& nh = fi.nh[i];
      if (nh.nh_dev != dev || (nh.nh_flags & cleared) == 0 || dev->ip_ptr == nullptr) continue;
      nh.nh_flags &= static_cast<uint8_t>(~cleared);
      changed = true;
    }
    if (!changed) continue;
    fi.flags &= static_cast<uint8_t>(~cleared);
    Rebalance(&fi);
  }
  rt_cache_flush(ns.host_net);
}

void fib_select_path(netns_ipv4& ns, fib_result* res, flowi4* flp) {
  if (res->fi == nullptr || res->fi->nhs < 2) return;
  if (flp->oif != 0 && (flp->flags & FLOWI_FLAG_SKIP_NH_OIF) == 0) return;
  uint32_t hash = flp->multipath_hash;
  if (hash == 0) {
    hash = jhash_3words(flp->saddr.host(), flp->daddr.host(), 0, ns.host_net.hash_mix);
    if (ns.settings.fib_multipath_hash_policy == 1) {
      const uint32_t ports = uint32_t{flp->sport.host()} << 16 | flp->dport.host();
      hash = jhash_3words(hash, ports, flp->proto, ns.host_net.hash_mix);
    }
  }
  hash >>= 1;
  for (uint32_t i = 0; i < res->fi->nhs; ++i) {
    const fib_nh& nh = res->fi->nh[i];
    if (nh.nh_upper_bound == kNoUpperBound || hash > nh.nh_upper_bound) continue;
    res->nh_sel = i;
    res->nhc = &res->fi->nh[i];
    return;
  }
}

Ipv4Address fib_result_prefsrc(netns_ipv4& ns, fib_result* res) {
  if (res->fi->prefsrc != kIpv4Any) return res->fi->prefsrc;
  fib_nh* const nh = res->nhc;
  if (nh->nh_saddr_genid != ns.dev_addr_genid) {
    nh->nh_saddr = inet_select_addr(nh->nh_dev, nh->nh_gw, res->fi->scope);
    nh->nh_saddr_genid = ns.dev_addr_genid;
  }
  return nh->nh_saddr;
}

}  // namespace tapedeck
