// Tables and their routes (net/ipv4/fib_trie.c), and the rules that choose tables (fib_rules.c).
#include <algorithm>
#include <cerrno>

#include "stack/core/net.h"
#include "stack/ipv4/fib.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv4/route.h"

namespace tapedeck {

namespace {

fib_table* NewTable(netns_ipv4& ns, uint32_t id) {
  fib_table* const table = ns.host_net.world.arena().New<fib_table>(ns, id);
  fib_table** last = &ns.fib.tables;
  while (*last != nullptr) last = &(*last)->next;
  *last = table;
  return table;
}

// Where in the list of a prefix an alias of this TOS and priority belongs: in front of the one
// pointed to.
fib_alias** FindPlace(fib_alias** list, uint8_t tos, uint32_t priority) {
  fib_alias** at = list;
  while (*at != nullptr &&
         ((*at)->tos > tos || ((*at)->tos == tos && (*at)->info->priority < priority))) {
    at = &(*at)->next;
  }
  return at;
}

bool IsEqual(const fib_alias* fa, uint8_t tos, uint32_t priority) {
  return fa != nullptr && fa->tos == tos && fa->info->priority == priority;
}

// Chooses what the new alias `tos`/`fi` does to the list at `*place`: -EEXIST, 0 to insert at
// *place, 1 where the alias at *place is to be replaced.
int Reconcile(const fib_config& cfg, const fib_info* fi, fib_alias*** place) {
  if (!IsEqual(**place, cfg.tos, fi->priority)) return 0;
  if (cfg.replace) return 1;
  if (!cfg.append) return -EEXIST;
  fib_alias** at = *place;
  for (; IsEqual(*at, cfg.tos, fi->priority); at = &(*at)->next) {
    if ((*at)->type == cfg.type && (*at)->info == fi) return -EEXIST;
  }
  *place = at;
  return 0;
}

bool DeleteFits(const fib_config& cfg, const fib_alias* fa) {
  const fib_info* const fi = fa->info;
  return fa->tos == cfg.tos && (cfg.type == RTN_UNSPEC || fa->type == cfg.type) &&
         (cfg.scope == RT_SCOPE_NOWHERE || fi->scope == cfg.scope) &&
         (cfg.prefsrc == kIpv4Any || fi->prefsrc == cfg.prefsrc) &&
         (cfg.protocol == RTPROT_UNSPEC || fi->protocol == cfg.protocol) &&
         fib_nh_matches(cfg, *fi);
}

void FreeAlias(netns_ipv4& ns, fib_alias* fa) {
  fib_info* const fi = fa->info;
  ns.fib.aliases.Delete(fa);
  fib_release_info(ns, fi);
}

// Removes the aliases of `table` for which `condemned(alias)` holds; how many.
template <typename Condemned>
int RemoveIf(fib_table* table, Condemned condemned) {
  netns_ipv4& ns = table->ns;
  int removed = 0;
  uint32_t key = 0;
  unsigned length = 0;
  for (fib_alias* head = table->trie.First(&key, &length); head != nullptr;) {
    fib_alias* kept = nullptr;
    fib_alias** last = &kept;
    for (fib_alias* fa = head; fa != nullptr;) {
      fib_alias* const next = fa->next;
      if (condemned(fa)) {
        FreeAlias(ns, fa);
        ++removed;
      } else {
        *last = fa;
        last = &fa->next;
      }
      fa = next;
    }
    *last = nullptr;
    if (kept == nullptr) {
      table->trie.Remove(key, length);
    } else if (kept != head) {
      CHECK(table->trie.Set(key, length, kept));  // replacing allocates nothing
    }
    head = table->trie.Next(&key, &length);
  }
  return removed;
}

bool HopFits(const fib_nh& nh, const flowi4& flp, uint32_t flags) {
  if ((nh.nh_flags & RTNH_F_DEAD) != 0) return false;
  if ((nh.nh_flags & RTNH_F_LINKDOWN) != 0 && (flags & FIB_LOOKUP_IGNORE_LINKSTATE) == 0) {
    const in_device* const in_dev = nh.nh_dev->ip_ptr;
    if (in_dev != nullptr && in_dev_conf(in_dev).ignore_routes_with_linkdown()) return false;
  }
  return (flp.flags & FLOWI_FLAG_SKIP_NH_OIF) != 0 || flp.oif == 0 || flp.oif == nh.nh_oif;
}

}  // namespace

fib_table::fib_table(netns_ipv4& its_ns, uint32_t table_id)
    : ns(its_ns), id(table_id), trie(its_ns.host_net.kernel.kmalloc()) {}

fib_state::fib_state(netns_ipv4& its_ns)
    : ns(its_ns),
      infos(its_ns.host_net.world.arena(), "fib_info"),
      aliases(its_ns.host_net.world.arena(), "ip_fib_alias"),
      exceptions(its_ns.host_net.world.arena(), "fib_nh_exception") {
  // fib_default_rules_init.
  rules[0] = {.pref = 0, .table = RT_TABLE_LOCAL};
  rules[1] = {.pref = 0x7ffe, .table = RT_TABLE_MAIN};
  rules[2] = {.pref = 0x7fff, .table = RT_TABLE_DEFAULT};
  rule_count = 3;
}

fib_table* fib_get_table(netns_ipv4& ns, uint32_t id) {
  if (id == RT_TABLE_UNSPEC) id = RT_TABLE_MAIN;
  for (fib_table* table = ns.fib.tables; table != nullptr; table = table->next) {
    if (table->id == id) return table;
  }
  return nullptr;
}

fib_table* fib_new_table(netns_ipv4& ns, uint32_t id) {
  fib_table* const found = fib_get_table(ns, id);
  return found != nullptr ? found : NewTable(ns, id);
}

int fib_table_lookup(fib_table* table, const flowi4& flp, fib_result* res, uint32_t flags) {
  int result = -EAGAIN;
  table->trie.Match(flp.daddr.host(), [&](fib_alias* head) {
    for (fib_alias* fa = head; fa != nullptr; fa = fa->next) {
      fib_info* const fi = fa->info;
      if (fa->tos != 0 && fa->tos != flp.tos) continue;
      if (fi->dead || fi->scope < flp.scope) continue;
      const int error = fib_props[fa->type].error;
      if (error != 0) {
        res->type = fa->type;
        res->fi = nullptr;
        result = error;
        return true;
      }
      if ((fi->flags & RTNH_F_DEAD) != 0) continue;
      for (uint32_t i = 0; i < fi->nhs; ++i) {
        if (!HopFits(fi->nh[i], flp, flags)) continue;
        res->prefix = Ipv4Prefix(flp.daddr, fa->plen).network();
        res->prefixlen = fa->plen;
        res->type = fa->type;
        res->scope = fi->scope;
        res->nh_sel = i;
        res->fi = fi;
        res->nhc = &fi->nh[i];
        res->table = table;
        res->aliases = head;
        result = 0;
        return true;
      }
    }
    return false;
  });
  return result;
}

namespace {

int LookupInTables(netns_ipv4& ns, const flowi4& flp, fib_result* res, uint32_t flags) {
  int err = fib_table_lookup(ns.fib.local, flp, res, flags);
  if (err == -EAGAIN) err = fib_table_lookup(ns.fib.main, flp, res, flags);
  if (err == -EAGAIN && ns.fib.deflt->trie.size() != 0) {
    err = fib_table_lookup(ns.fib.deflt, flp, res, flags);
  }
  return err == -EAGAIN ? -ENETUNREACH : err;
}

}  // namespace

int fib_lookup(netns_ipv4& ns, const flowi4& flp, fib_result* res, uint32_t flags) {
  if (ns.fib.has_custom_rules) return fib_rules_lookup(ns, flp, res, flags);
  fib_lookup_cache& cached = ns.fib.cache[flp.daddr.host() % fib_state::kCacheEntries];
  // All that fib_table_lookup reads of the flow.
  const bool skip_nh_oif = (flp.flags & FLOWI_FLAG_SKIP_NH_OIF) != 0;
  if (!cached.filled || cached.genid != ns.rt_genid || cached.daddr != flp.daddr ||
      cached.oif != flp.oif || cached.tos != flp.tos || cached.scope != flp.scope ||
      cached.skip_nh_oif != skip_nh_oif || cached.flags != flags) {
    cached = {.genid = ns.rt_genid,
              .daddr = flp.daddr,
              .oif = flp.oif,
              .tos = flp.tos,
              .scope = flp.scope,
              .skip_nh_oif = skip_nh_oif,
              .flags = flags,
              .err = 0,
              .result = {},
              .filled = true};
    cached.err = LookupInTables(ns, flp, &cached.result, flags);
  }
  if (cached.err != -ENETUNREACH) *res = cached.result;
  return cached.err;
}

int fib_rules_lookup(netns_ipv4& ns, const flowi4& flp, fib_result* res, uint32_t flags) {
  for (uint32_t i = 0; i < ns.fib.rule_count; ++i) {
    const fib_rule& rule = ns.fib.rules[i];
    if (!rule.dst.Contains(flp.daddr) || !rule.src.Contains(flp.saddr)) continue;
    if (rule.iif != 0 && rule.iif != flp.iif) continue;
    if (rule.oif != 0 && rule.oif != flp.oif) continue;
    if (((rule.mark ^ flp.mark) & rule.mark_mask) != 0) continue;
    if (rule.tos != 0 && rule.tos != flp.tos) continue;
    if (rule.action != RTN_UNICAST) {
      res->type = rule.action;
      res->fi = nullptr;
      return fib_props[rule.action].error;
    }
    fib_table* const table = fib_get_table(ns, rule.table);
    const int err = table == nullptr ? -EAGAIN : fib_table_lookup(table, flp, res, flags);
    if (err != -EAGAIN) return err;
  }
  return -ENETUNREACH;
}

int fib_rule_add(netns_ipv4& ns, const fib_rule& rule) {
  fib_state& fib = ns.fib;
  if (rule.action == RTN_UNSPEC || rule.action > RTN_MAX ||
      (rule.action != RTN_UNICAST && fib_props[rule.action].error == 0)) {
    return -EINVAL;
  }
  if (fib.rule_count == fib_state::kRulesMax) return -ENOBUFS;
  uint32_t at = fib.rule_count;
  while (at > 0 && fib.rules[at - 1].pref > rule.pref) {
    fib.rules[at] = fib.rules[at - 1];
    --at;
  }
  fib.rules[at] = rule;
  ++fib.rule_count;
  fib.has_custom_rules = true;
  if (rule.action == RTN_UNICAST) fib_new_table(ns, rule.table);
  rt_cache_flush(ns.host_net);
  return 0;
}

int fib_rule_delete(netns_ipv4& ns, const fib_rule& rule) {
  fib_state& fib = ns.fib;
  for (uint32_t i = 0; i < fib.rule_count; ++i) {
    if (!(fib.rules[i] == rule)) continue;
    std::copy(fib.rules + i + 1, fib.rules + fib.rule_count, fib.rules + i);
    --fib.rule_count;
    fib.has_custom_rules = true;
    rt_cache_flush(ns.host_net);
    return 0;
  }
  return -ENOENT;
}

int fib_table_insert(netns_ipv4& ns, const fib_config& cfg) {
  if (cfg.dst_len > 32 || Ipv4Prefix(cfg.dst, cfg.dst_len).network() != cfg.dst) return -EINVAL;
  fib_table* const table = fib_new_table(ns, cfg.table);
  int err = 0;
  fib_info* const fi = fib_create_info(ns, cfg, &err);
  if (fi == nullptr) return err;
  const uint32_t key = cfg.dst.host();
  fib_alias* head = table->trie.Find(key, cfg.dst_len);
  fib_alias** place = FindPlace(&head, cfg.tos, fi->priority);
  const int outcome = Reconcile(cfg, fi, &place);
  fib_alias* const fa = outcome < 0 ? nullptr : ns.fib.aliases.New();
  if (fa == nullptr) {
    fib_release_info(ns, fi);
    return outcome < 0 ? outcome : -ENOBUFS;
  }
  fa->info = fi;
  fa->tos = cfg.tos;
  fa->type = cfg.type;
  fa->plen = cfg.dst_len;
  fib_alias* const replaced = outcome == 1 ? *place : nullptr;
  fa->next = replaced != nullptr ? replaced->next : *place;
  *place = fa;
  if (head == fa && !table->trie.Set(key, cfg.dst_len, head)) {
    FreeAlias(ns, fa);
    return -ENOBUFS;
  }
  if (replaced != nullptr) FreeAlias(ns, replaced);
  if (table == ns.fib.local && cfg.protocol != RTPROT_KERNEL && cfg.type == RTN_LOCAL) {
    ns.fib.has_custom_local_routes = true;
  }
  rt_cache_flush(ns.host_net);
  return 0;
}

int fib_table_delete(netns_ipv4& ns, const fib_config& cfg) {
  fib_table* const table = fib_get_table(ns, cfg.table);
  if (table == nullptr || cfg.dst_len > 32) return -ESRCH;
  const uint32_t key = cfg.dst.host();
  fib_alias* head = table->trie.Find(key, cfg.dst_len);
  fib_alias** at = &head;
  while (*at != nullptr && !DeleteFits(cfg, *at)) at = &(*at)->next;
  fib_alias* const fa = *at;
  if (fa == nullptr) return -ESRCH;
  *at = fa->next;
  if (head == nullptr) {
    table->trie.Remove(key, cfg.dst_len);
  } else {
    CHECK(table->trie.Set(key, cfg.dst_len, head));  // replacing allocates nothing
  }
  FreeAlias(ns, fa);
  rt_cache_flush(ns.host_net);
  return 0;
}

int fib_flush(netns_ipv4& ns) {
  int flushed = 0;
  for (fib_table* table = ns.fib.tables; table != nullptr; table = table->next) {
    flushed +=
        RemoveIf(table, [](const fib_alias* fa) { return (fa->info->flags & RTNH_F_DEAD) != 0; });
  }
  if (flushed > 0) rt_cache_flush(ns.host_net);
  return flushed;
}

int fib_disable_ip(net_device* dev, bool force) {
  netns_ipv4& ns = dev_ipv4(dev);
  const int flushed = fib_sync_down_dev(dev, force) > 0 ? fib_flush(ns) : 0;
  if (flushed == 0) rt_cache_flush(ns.host_net);
  return flushed;
}

void fib_del_local_addr(netns_ipv4& ns, Ipv4Address local) {
  if (fib_sync_down_addr(ns, local) > 0) fib_flush(ns);
}

void fib_clear(netns_ipv4& ns) {
  for (fib_table* table = ns.fib.tables; table != nullptr; table = table->next) {
    RemoveIf(table, [](const fib_alias*) { return true; });
  }
  rt_cache_flush(ns.host_net);
  fib_state& fib = ns.fib;
  if (fib.info_hash == nullptr) return;
  ns.host_net.kernel.kmalloc().Free(static_cast<void*>(fib.info_hash), sizeof(fib_info*)
                                                                           << fib.info_hash_bits);
  fib.info_hash = nullptr;
  fib.info_hash_bits = 0;
}

}  // namespace tapedeck
