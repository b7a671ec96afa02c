// The rules that choose tables (net/ipv6/fib6_rules.c).
#include <cerrno>

#include "stack/core/net.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/ipv6/ip6_fib.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/ipv6/route6_internal.h"

namespace tapedeck {

namespace {

constexpr uint32_t kLocalRulePref = 0;
constexpr uint32_t kMainRulePref = 0x7ffe;

bool Matches(const fib6_rule& rule, const flowi6& fl6, int flags) {
  if (!ipv6_prefix_equal(fl6.daddr, rule.dst.addr, rule.dst.plen)) return false;
  if (rule.src.plen > 0 && ((flags & RT6_LOOKUP_F_HAS_SADDR) == 0 ||
                            !ipv6_prefix_equal(fl6.saddr, rule.src.addr, rule.src.plen))) {
    return false;
  }
  if (rule.iif != 0 && rule.iif != fl6.iif) return false;
  if (rule.oif != 0 && rule.oif != fl6.oif) return false;
  if (((rule.mark ^ fl6.mark) & rule.mark_mask) != 0) return false;
  return rule.tos == 0 || rule.tos == (ip6_tclass(fl6.flowlabel) & IPTOS_RT_MASK);
}

// Walks the rules: `refuse(type)` for one that refuses, else `look(table)`; -EAGAIN goes on to the
// next. What the last of them said, -ENETUNREACH where none had anything.
template <typename Refuse, typename Look>
int WalkRules(netns_ipv6& ns, const flowi6& fl6, int flags, Refuse refuse, Look look) {
  const fib6_state& fib = *ns.fib;
  for (uint32_t i = 0; i < fib.rule_count; ++i) {
    const fib6_rule& rule = fib.rules[i];
    if (!Matches(rule, fl6, flags)) continue;
    if (rule.action != RTN_UNICAST) return refuse(rule.action);
    fib6_table* const table = fib6_get_table(ns, rule.table);
    const int err = table == nullptr ? -EAGAIN : look(table);
    if (err != -EAGAIN) return err;
  }
  return -ENETUNREACH;
}

int RuleError(uint8_t action) {
  switch (action) {
    case RTN_UNREACHABLE:
      return -ENETUNREACH;
    case RTN_PROHIBIT:
      return -EACCES;
    default:
      return -EINVAL;
  }
}

rt6_info* RuleEntry(const fib6_state& fib, uint8_t action) {
  switch (action) {
    case RTN_UNREACHABLE:
      return fib.ip6_null_entry;
    case RTN_PROHIBIT:
      return fib.ip6_prohibit_entry;
    default:
      return fib.ip6_blk_hole_entry;
  }
}

// The route of one table, if it is an answer: nullptr where the next is to be asked.
rt6_info* LookIn(netns_ipv6& ns, fib6_table* table, flowi6* fl6, sk_buff* skb, int flags,
                 pol_lookup_t lookup) {
  rt6_info* const rt = lookup(ns, table, fl6, skb, flags);
  if (rt != ns.fib->ip6_null_entry && rt->error != -EAGAIN) return rt;
  dst_release(rt);
  return nullptr;
}

// While the rules are the default ones there is nothing to match. The first change makes them real.
void MakeDefaultRules(fib6_state& fib) {
  if (fib.has_custom_rules) return;
  fib.has_custom_rules = true;
  fib.rules[0] = fib6_rule{.pref = kLocalRulePref, .table = RT6_TABLE_LOCAL};
  fib.rules[1] = fib6_rule{.pref = kMainRulePref, .table = RT6_TABLE_MAIN};
  fib.rule_count = 2;
}

}  // namespace

bool operator==(const fib6_rule& a, const fib6_rule& b) {
  return a.pref == b.pref && a.src.addr == b.src.addr && a.src.plen == b.src.plen &&
         a.dst.addr == b.dst.addr && a.dst.plen == b.dst.plen && a.iif == b.iif && a.oif == b.oif &&
         a.mark == b.mark && a.mark_mask == b.mark_mask && a.tos == b.tos && a.action == b.action &&
         a.table == b.table;
}

rt6_info* fib6_rule_lookup(netns_ipv6& ns, flowi6* fl6, sk_buff* skb, int flags,
                           pol_lookup_t lookup) {
  fib6_state& fib = *ns.fib;
  rt6_info* rt = nullptr;
  const auto look = [&](fib6_table* table) {
    rt = LookIn(ns, table, fl6, skb, flags, lookup);
    return rt != nullptr ? 0 : -EAGAIN;
  };
  if (!fib.has_custom_rules) {
    if (look(fib.local) != 0) look(fib.main);
  } else {
    const auto refuse = [&](uint8_t action) {
      rt = HeldRoute(RuleEntry(fib, action));
      return 0;
    };
    WalkRules(ns, *fl6, flags, refuse, look);
  }
  return rt != nullptr ? rt : HeldRoute(fib.ip6_null_entry);
}

int fib6_lookup(netns_ipv6& ns, int oif, const flowi6& fl6, fib6_result* res, int flags) {
  const fib6_state& fib = *ns.fib;
  const auto look = [&](fib6_table* table) {
    fib6_table_lookup(ns, table, oif, fl6, res, flags);
    return res->f6i != fib.null_entry ? 0 : -EAGAIN;
  };
  if (fib.has_custom_rules) return WalkRules(ns, fl6, flags, RuleError, look);
  if (look(fib.local) != 0) look(fib.main);
  return 0;
}

int fib6_rule_add(netns_ipv6& ns, const fib6_rule& rule) {
  fib6_state& fib = *ns.fib;
  const bool refuses = rule.action >= RTN_BLACKHOLE && rule.action <= RTN_PROHIBIT;
  if (rule.action != RTN_UNICAST && !refuses) return -EINVAL;
  if (rule.src.plen > 128 || rule.dst.plen > 128) return -EINVAL;
  if (rule.action == RTN_UNICAST && rule.table == RT_TABLE_UNSPEC) return -EINVAL;
  MakeDefaultRules(fib);
  if (fib.rule_count == fib6_state::kRulesMax) return -ENOBUFS;
  if (rule.action == RTN_UNICAST && fib6_new_table(ns, rule.table) == nullptr) return -ENOBUFS;
  uint32_t at = fib.rule_count;
  while (at > 0 && fib.rules[at - 1].pref > rule.pref) {
    fib.rules[at] = fib.rules[at - 1];
    --at;
  }
  fib.rules[at] = rule;
  ++fib.rule_count;
  rt6_cache_flush(ns.host_net);
  return 0;
}

int fib6_rule_delete(netns_ipv6& ns, const fib6_rule& rule) {
  fib6_state& fib = *ns.fib;
  MakeDefaultRules(fib);
  for (uint32_t i = 0; i < fib.rule_count; ++i) {
    if (!(fib.rules[i] == rule)) continue;
    for (uint32_t j = i + 1; j < fib.rule_count; ++j) fib.rules[j - 1] = fib.rules[j];
    --fib.rule_count;
    rt6_cache_flush(ns.host_net);
    return 0;
  }
  return -ENOENT;
}

}  // namespace tapedeck
