// The choice of a source address (RFC 6724 5), with the rules in the order in which Linux asks
// them.
#include <cerrno>
#include <cstdint>

#include "stack/ipv6/addrconf_internal.h"

namespace tapedeck {

using namespace addrconf_internal;  // NOLINT(google-build-using-namespace): this is its other half

namespace {

enum Rule : int {
  kRuleInit,       // there is one at all
  kRuleLocal,      // 1: the destination itself
  kRuleScope,      // 2: of sufficient, else of the widest scope
  kRulePreferred,  // 3: not deprecated, not optimistic
  kRuleOif,        // 5: of the device it leaves by
  kRuleLabel,      // 6: of the same label
  kRulePrivacy,    // 7: public, unless temporary ones are wanted
  kRuleOrchid,     // of the same kind (RFC 4843)
  kRulePrefix,     // 8: with the longest common prefix
  kRuleNotOptimistic,
  kRules,
};

struct Destination {
  Ipv6Address addr;
  int ifindex;
  int scope;
  uint32_t label;
  uint32_t prefs;
};

// One candidate, and what the rules asked so far say of it: the greater is the better.
struct Score {
  int rule = -1;  // the last one asked
  const inet6_ifaddr* ifa = nullptr;
  int values[kRules] = {};
};

// Sufficient scope: the smaller the better, all above any that is insufficient, where the greater
// is the better.
int ScoreOfScope(int scope, int wanted) { return scope >= wanted ? -scope : scope - 128; }

bool IsTransitional(uint32_t type) {
  return (type & (IPV6_ADDR_MAPPED | IPV6_ADDR_COMPATv4 | IPV6_ADDR_LOOPBACK)) != 0;
}

bool IsPreferred(const inet6_ifaddr& ifa) {
  uint32_t avoid = IFA_F_DEPRECATED;
  if (!ipv6_use_optimistic_addr(ifa.idev)) avoid |= IFA_F_OPTIMISTIC;
  return IsTransitional(ipv6_addr_type(ifa.addr)) || (ifa.flags & avoid) == 0;
}

bool HasWantedPrivacy(const inet6_ifaddr& ifa, uint32_t prefs) {
  const bool asked = (prefs & (IPV6_PREFER_SRC_PUBLIC | IPV6_PREFER_SRC_TMP)) != 0;
  const bool wants_temporary =
      asked ? (prefs & IPV6_PREFER_SRC_TMP) != 0 : ifa.idev->cnf->use_tempaddr >= 2;
  return ((ifa.flags & IFA_F_TEMPORARY) != 0) == wants_temporary;
}

int CommonPrefix(const inet6_ifaddr& ifa, const Ipv6Address& daddr) {
  const unsigned bits = ipv6_addr_diff(ifa.addr, daddr);
  return static_cast<int>(bits > ifa.prefix_len ? ifa.prefix_len : bits);
}

int Evaluate(const inet6_ifaddr& ifa, const Destination& dst, int rule) {
  switch (rule) {
    case kRuleLocal:
      return ifa.addr == dst.addr ? 1 : 0;
    case kRuleScope:
      return ScoreOfScope(ipv6_addr_src_scope(ifa.addr), dst.scope);
    case kRulePreferred:
      return IsPreferred(ifa) ? 1 : 0;
    case kRuleOif:
      return dst.ifindex == 0 || dst.ifindex == ifa.idev->dev->ifindex ? 1 : 0;
    case kRuleLabel:
      return ipv6_addr_label(ifa.addr, ifa.idev->dev->ifindex) == dst.label ? 1 : 0;
    case kRulePrivacy:
      return HasWantedPrivacy(ifa, dst.prefs) ? 1 : 0;
    case kRuleOrchid:
      return ipv6_addr_orchid(ifa.addr) == ipv6_addr_orchid(dst.addr) ? 1 : 0;
    case kRulePrefix:
      return CommonPrefix(ifa, dst.addr);
    case kRuleNotOptimistic:
      return (ifa.flags & IFA_F_OPTIMISTIC) == 0 ? 1 : 0;
    default:
      return 1;
  }
}

// What `rule` says of the candidate, remembered (ipv6_get_saddr_eval).
int ValueOf(Score* score, const Destination& dst, int rule) {
  if (score->ifa == nullptr) return rule == kRuleInit ? 0 : -1;
  if (rule > score->rule) {
    score->values[rule] = Evaluate(*score->ifa, dst, rule);
    score->rule = rule;
  }
  return score->values[rule];
}

// Whether the first rule that tells the two apart prefers the candidate.
bool IsBetter(Score* candidate, Score* best, const Destination& dst) {
  for (int rule = 0; rule < kRules; ++rule) {
    const int best_value = ValueOf(best, dst, rule);
    const int value = ValueOf(candidate, dst, rule);
    if (value != best_value) return value > best_value;
  }
  return false;
}

// __ipv6_dev_get_saddr: the addresses of one device. A tentative one is none yet, unless it is
// optimistic.
void ConsiderDevice(const inet6_dev* idev, const Destination& dst, Score* best) {
  for (const inet6_ifaddr& ifa : idev->addr_list) {
    constexpr uint32_t kBits = IFA_F_TENTATIVE | IFA_F_OPTIMISTIC;
    if ((ifa.flags & kBits) == IFA_F_TENTATIVE) continue;
    Score candidate;
    candidate.ifa = &ifa;
    if (IsBetter(&candidate, best, dst)) *best = candidate;
  }
}

}  // namespace

int ipv6_dev_get_saddr(net& net, const net_device* dst_dev, const Ipv6Address& daddr,
                       uint32_t prefs, Ipv6Address* saddr) {
  Destination dst;
  dst.addr = daddr;
  dst.ifindex = dst_dev != nullptr ? dst_dev->ifindex : 0;
  dst.scope = ipv6_addr_src_scope(daddr);
  dst.label = ipv6_addr_label(daddr, dst.ifindex);
  dst.prefs = prefs;
  Score best;
  const inet6_dev* const own = dst_dev != nullptr ? __in6_dev_get(dst_dev) : nullptr;
  // RFC 6724 4: for the link and for groups only addresses of that link come into question.
  const bool only_own = dst_dev != nullptr &&
                        (ipv6_addr_is_multicast(daddr) || dst.scope <= IPV6_ADDR_SCOPE_LINKLOCAL ||
                         (own != nullptr && own->cnf->use_oif_addrs_only != 0));
  if (only_own) {
    if (own != nullptr) ConsiderDevice(own, dst, &best);
  } else {
    for (const net_device& dev : net.devices) {
      if (dev.ip6_ptr != nullptr) ConsiderDevice(dev.ip6_ptr, dst, &best);
    }
  }
  if (best.ifa == nullptr) return -EADDRNOTAVAIL;
  *saddr = best.ifa->addr;
  return 0;
}

}  // namespace tapedeck
