// Tables of IPv6 routes: what addresses bring, longest prefix of destination and source, metrics,
// siblings, rules; a random table against a list that is searched from end to end.
#include <algorithm>
#include <cerrno>
#include <map>
#include <tuple>

#include "ipv6_host.h"
#include "stack/base/prng.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/ipv6/ip6_fib.h"

namespace tapedeck {
namespace {

class Fib6Test : public Ipv6Test {
 protected:
  static std::string TypeName(uint8_t type) {
    static constexpr const char* kNames[] = {"unspec",   "unicast",   "local",     "broadcast",
                                             "anycast",  "multicast", "blackhole", "unreachable",
                                             "prohibit", "throw"};
    return kNames[type];
  }
  static std::string Line(const fib6_info& rt) {
    std::string text = TypeName(rt.fib6_type) + " " + rt.fib6_dst.addr.ToString() + "/" +
                       std::to_string(rt.fib6_dst.plen);
    if (rt.fib6_src.plen > 0) {
      text += " from " + rt.fib6_src.addr.ToString() + "/" + std::to_string(rt.fib6_src.plen);
    }
    if (rt.nh.has_gateway) text += " via " + rt.nh.fib_nh_gw6.ToString();
    text += std::string(" dev ") + rt.nh.fib_nh_dev->name;
    return text + " metric " + std::to_string(rt.fib6_metric) + "\n";
  }
  std::string Table(uint32_t id) {
    std::string text;
    fib6_table_for_each(fib6_get_table(ns, id), [&](const fib6_info& rt) { text += Line(rt); });
    return text;
  }
  // The route to `daddr`, "via GATEWAY" or "dev NAME"; "none".
  std::string Lookup(const char* daddr, const char* saddr = "::", int oif = 0) {
    flowi6 flow;
    flow.daddr = Ip6(daddr);
    flow.saddr = Ip6(saddr);
    fib6_result res;
    fib6_table_lookup(ns, ns.fib->main, oif, flow, &res, oif != 0 ? RT6_LOOKUP_F_IFACE : 0);
    if (res.f6i == ns.fib->null_entry) return "none";
    if (res.nh->has_gateway) return "via " + res.nh->fib_nh_gw6.ToString();
    return std::string("dev ") + res.nh->fib_nh_dev->name;
  }
  fib6_config From(fib6_config config, const std::string& src) {
    SplitPrefix(src, &config.src, &config.src_len);
    return config;
  }
};

TEST_F(Fib6Test, AnAddressBringsItsRoutes) {
  EXPECT_EQ(Table(RT6_TABLE_LOCAL),
            "local ::1/128 dev lo metric 0\n"
            "local 2001:db8::1/128 dev eth0 metric 0\n"
            "multicast ff00::/8 dev eth0 metric 256\n");
  EXPECT_EQ(Lookup("2001:db8::77"), "dev eth0");
}

TEST_F(Fib6Test, TheLongestPrefixWins) {
  ASSERT_EQ(Add(Route("::/0", eth.dev(), Ip6("2001:db8::10"))), 0);
  ASSERT_EQ(Add(Route("2001:db8:8000::/33", eth.dev(), Ip6("2001:db8::11"))), 0);
  ASSERT_EQ(Add(Route("2001:db8:8000::5/128", eth.dev(), Ip6("2001:db8::12"))), 0);
  EXPECT_EQ(Lookup("2001:db8:8000::5"), "via 2001:db8::12");
  EXPECT_EQ(Lookup("2001:db8:8000::4"), "via 2001:db8::11");
  EXPECT_EQ(Lookup("2001:db8:7fff::4"), "via 2001:db8::10");
  ASSERT_EQ(Del(Route("2001:db8:8000::/33", nullptr)), 0);
  EXPECT_EQ(Lookup("2001:db8:8000::4"), "via 2001:db8::10");
  EXPECT_EQ(Lookup("2001:db8:8000::5"), "via 2001:db8::12");
}

TEST_F(Fib6Test, TheSmallestMetricWinsAndIsUnique) {
  ASSERT_EQ(Add(Route("2001:db8:1::/48", eth.dev(), Ip6("2001:db8::10"), 20)), 0);
  ASSERT_EQ(Add(Route("2001:db8:1::/48", eth.dev(), Ip6("2001:db8::11"), 10)), 0);
  EXPECT_EQ(Add(Route("2001:db8:1::/48", eth.dev(), Ip6("2001:db8::12"), 10)), -EEXIST);
  EXPECT_EQ(Lookup("2001:db8:1::1"), "via 2001:db8::11");
  fib6_config better = Route("2001:db8:1::/48", eth.dev(), Ip6("2001:db8::12"), 10);
  better.excl = false;
  better.replace = true;
  ASSERT_EQ(Add(better), 0);
  EXPECT_EQ(Lookup("2001:db8:1::1"), "via 2001:db8::12");
  better.metric = 30;
  better.create = false;  // `ip route change`
  EXPECT_EQ(Add(better), -ENOENT);
  EXPECT_EQ(Del(Route("2001:db8:1::/48", nullptr, kIpv6Any, 30)), -ESRCH);
  ASSERT_EQ(Del(Route("2001:db8:1::/48", nullptr, kIpv6Any, 10)), 0);
  EXPECT_EQ(Lookup("2001:db8:1::1"), "via 2001:db8::10");
}

// As seen on Linux 6.18: where a destination has routes for some sources, its route for any source
// does not count for others, unless it is the default route.
TEST_F(Fib6Test, RoutesMayAskForASource) {
  ASSERT_EQ(Add(Route("::/0", eth.dev(), Ip6("2001:db8::4"))), 0);
  ASSERT_EQ(Add(Route("2001:aaaa::/32", eth.dev(), Ip6("2001:db8::2"))), 0);
  ASSERT_EQ(Add(From(Route("2001:aaaa::/32", eth.dev(), Ip6("2001:db8::3")), "2001:db8::/64")), 0);
  EXPECT_EQ(Lookup("2001:aaaa::1", "2001:db8::1"), "via 2001:db8::3");
  EXPECT_EQ(Lookup("2001:aaaa::1", "2001:db9::1"), "via 2001:db8::4");
  EXPECT_EQ(Lookup("2001:aaaa::1"), "via 2001:db8::4");
  ASSERT_EQ(Del(From(Route("2001:aaaa::/32", nullptr), "2001:db8::/64")), 0);
  EXPECT_EQ(Lookup("2001:aaaa::1", "2001:db8::1"), "via 2001:db8::2");
  EXPECT_EQ(ns.fib->routes_require_src, 0U);
}

TEST_F(Fib6Test, ADeviceThatIsNamedIsTaken) {
  TestDevice& other = AddDevice("eth1", Ip6("2001:db8:5::1"), 64);
  ASSERT_EQ(Add(Route("2001:db8:1::/48", eth.dev(), kIpv6Any, 10)), 0);
  ASSERT_EQ(Add(Route("2001:db8:1::/48", other.dev(), kIpv6Any, 20)), 0);
  EXPECT_EQ(Lookup("2001:db8:1::1"), "dev eth0");
  EXPECT_EQ(Lookup("2001:db8:1::1", "::", other->ifindex), "dev eth1");
}

TEST_F(Fib6Test, ConfigurationsThatCannotBe) {
  EXPECT_EQ(Add(Route("2001:db8:1::/48", nullptr)), -ENODEV);
  EXPECT_EQ(Add(Route("2001:db8:1::/48", nullptr, Ip6("2001:db9::1"))), -EHOSTUNREACH);
  EXPECT_EQ(Add(Route("2001:db8:1::/48", eth.dev(), Ip6("2001:db9::1"))), -EHOSTUNREACH);
  EXPECT_EQ(Add(Route("2001:db8:1::/48", nullptr, Ip6("fe80::1"))), -EINVAL);
  EXPECT_EQ(Add(Route("2001:db8:1::/48", eth.dev(), Ip6("ff02::1"))), -EINVAL);
  EXPECT_EQ(Add(Route("2001:db8:1::/48", eth.dev(), kUs6)), -EINVAL);
  fib6_config config = Route("2001:db8:1::/48", eth.dev());
  config.dst_len = 129;
  EXPECT_EQ(Add(config), -EINVAL);
  config = Route("2001:db8:1::/48", eth.dev());
  config.prefsrc = kPeer6;
  EXPECT_EQ(Add(config), -EINVAL);
  config = Route("2001:db8:1::/48", eth.dev());
  config.flags = RTF_CACHE;
  EXPECT_EQ(Add(config), -EINVAL);
  EXPECT_EQ(Lookup("2001:db8:1::1"), "none");
}

TEST_F(Fib6Test, FlowsAreSharedByWeightAndStayTogether) {
  const fib6_config_nexthop hops[] = {{.ifindex = 0, .gateway = Ip6("2001:db8::10"), .weight = 1},
                                      {.ifindex = 0, .gateway = Ip6("2001:db8::11"), .weight = 3}};
  fib6_config config = Route("2001:db8:1::/48", nullptr);
  config.nexthops = hops;
  ASSERT_EQ(Add(config), 0);
  std::map<std::string, int> taken;
  Prng prng(1, 1);
  for (int i = 0; i < 4000; ++i) {
    flowi6 flow;
    flow.saddr = kUs6;
    flow.daddr = Ip6("2001:db8:1::1");
    flow.flowlabel = prng.Next32() & IPV6_FLOWLABEL_MASK;
    fib6_result res;
    fib6_table_lookup(ns, ns.fib->main, 0, flow, &res, 0);
    fib6_select_path(ns, &res, &flow, 0, false, nullptr, 0);
    const Ipv6Address first = res.nh->fib_nh_gw6;
    ++taken[first.ToString()];
    fib6_table_lookup(ns, ns.fib->main, 0, flow, &res, 0);
    fib6_select_path(ns, &res, &flow, 0, false, nullptr, 0);
    EXPECT_EQ(res.nh->fib_nh_gw6, first);
  }
  EXPECT_NEAR(taken["2001:db8::10"], 1000, 150);
  EXPECT_NEAR(taken["2001:db8::11"], 3000, 150);
  // One hop goes by name, all without.
  ASSERT_EQ(Del(Route("2001:db8:1::/48", nullptr, Ip6("2001:db8::10"))), 0);
  EXPECT_EQ(Lookup("2001:db8:1::1"), "via 2001:db8::11");
  ASSERT_EQ(Del(Route("2001:db8:1::/48", nullptr)), 0);
  EXPECT_EQ(Lookup("2001:db8:1::1"), "none");
  ASSERT_EQ(Add(config), 0);
  ASSERT_EQ(Del(Route("2001:db8:1::/48", nullptr)), 0);
  EXPECT_EQ(Lookup("2001:db8:1::1"), "none");
}

TEST_F(Fib6Test, RulesChooseTables) {
  fib6_config config = Route("2001:db8:1::/48", eth.dev(), Ip6("2001:db8::10"));
  config.table = 100;
  ASSERT_EQ(Add(config), 0);
  const auto rule_lookup = [&](uint32_t mark) {
    flowi6 flow;
    flow.daddr = Ip6("2001:db8:1::1");
    flow.mark = mark;
    fib6_result res;
    const int err = fib6_lookup(ns, 0, flow, &res, 0);
    if (err != 0) return std::to_string(err);
    return res.f6i == ns.fib->null_entry ? std::string("none") : res.nh->fib_nh_gw6.ToString();
  };
  EXPECT_EQ(rule_lookup(7), "none");
  fib6_rule rule;
  rule.pref = 50;
  rule.mark = 7;
  rule.mark_mask = ~0U;
  rule.table = 100;
  ASSERT_EQ(fib6_rule_add(ns, rule), 0);
  EXPECT_EQ(rule_lookup(7), "2001:db8::10");
  EXPECT_EQ(rule_lookup(8), "-101");
  fib6_rule refuse;
  refuse.pref = 40;
  refuse.action = RTN_PROHIBIT;
  refuse.dst = {Ip6("2001:db8:1::"), 48};
  ASSERT_EQ(fib6_rule_add(ns, refuse), 0);
  EXPECT_EQ(rule_lookup(7), std::to_string(-EACCES));
  ASSERT_EQ(fib6_rule_delete(ns, refuse), 0);
  EXPECT_EQ(fib6_rule_delete(ns, refuse), -ENOENT);
  EXPECT_EQ(rule_lookup(7), "2001:db8::10");
}

// --- A random table. ---

// A prefix of few bits from a small alphabet, so that prefixes nest and meet.
rt6key RandomKey(Prng& prng) {
  std::array<uint8_t, 16> bytes{0x20, 0x01};
  const uint8_t length = static_cast<uint8_t>(prng.Below(8) == 0 ? 0 : 12 + prng.Below(40));
  for (size_t i = 1; i < 8; ++i) bytes[i] = static_cast<uint8_t>(prng.Below(2) * 0xff);
  return {ipv6_addr_prefix(Ipv6Address(std::span<const uint8_t, 16>(bytes)), length), length};
}

struct Entry {
  rt6key dst;
  rt6key src;
  uint32_t metric = 0;
};

bool Same(const rt6key& a, const rt6key& b) { return a.addr == b.addr && a.plen == b.plen; }
bool Matches(const rt6key& key, const Ipv6Address& addr) {
  return ipv6_prefix_equal(key.addr, addr, key.plen);
}

// What Linux finds, from its description: the longest destination whose routes count, of these the
// longest source, of these the smallest metric.
const Entry* Search(const std::vector<Entry>& entries, const Ipv6Address& daddr,
                    const Ipv6Address& saddr) {
  std::map<int, std::vector<const Entry*>> by_length;
  for (const Entry& e : entries) {
    if (Matches(e.dst, daddr)) by_length[e.dst.plen].push_back(&e);
  }
  const auto best_of = [&](const std::vector<const Entry*>& same_dst, bool of_sources) {
    const Entry* best = nullptr;
    for (const Entry* e : same_dst) {
      if ((e->src.plen > 0) != of_sources || !Matches(e->src, saddr)) continue;
      if (best == nullptr || e->src.plen > best->src.plen ||
          (e->src.plen == best->src.plen && e->metric < best->metric)) {
        best = e;
      }
    }
    return best;
  };
  for (auto at = by_length.rbegin(); at != by_length.rend(); ++at) {
    const bool has_sources = std::any_of(at->second.begin(), at->second.end(),
                                         [](const Entry* e) { return e->src.plen > 0; });
    const Entry* found = best_of(at->second, has_sources);
    if (found == nullptr && at->first == 0) found = best_of(at->second, false);
    if (found != nullptr) return found;
  }
  return nullptr;
}

TEST_F(Fib6Test, ARandomTableIsSearchedAsAListWouldBe) {
  constexpr uint32_t kTable = 77;
  Prng prng(20261122, 6);
  std::vector<Entry> entries;
  fib6_table* const table = fib6_new_table(ns, kTable);
  const uint64_t nodes_before = ns.fib->nodes.cache().live_objects();
  const auto config_of = [&](const Entry& e) {
    fib6_config config;
    config.table = kTable;
    config.dst = e.dst.addr;
    config.dst_len = e.dst.plen;
    config.src = e.src.addr;
    config.src_len = e.src.plen;
    config.metric = e.metric;
    config.ifindex = eth.dev()->ifindex;
    config.excl = true;
    return config;
  };
  int lookups = 0;
  for (int round = 0; round < 2000; ++round) {
    if (entries.size() < 300 && prng.Below(3) != 0) {
      Entry e{RandomKey(prng), prng.Below(3) == 0 ? RandomKey(prng) : rt6key{}, 1 + prng.Below(3)};
      const bool known = std::any_of(entries.begin(), entries.end(), [&](const Entry& other) {
        return Same(e.dst, other.dst) && Same(e.src, other.src) && e.metric == other.metric;
      });
      ASSERT_EQ(Add(config_of(e)), known ? -EEXIST : 0);
      if (!known) entries.push_back(e);
    } else if (!entries.empty()) {
      const size_t at = prng.Below(static_cast<uint32_t>(entries.size()));
      ASSERT_EQ(Del(config_of(entries[at])), 0);
      entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(at));
    }
    for (int i = 0; i < 8; ++i) {
      const Ipv6Address daddr = RandomKey(prng).addr;
      const Ipv6Address saddr = RandomKey(prng).addr;
      const Entry* const expected = Search(entries, daddr, saddr);
      flowi6 flow;
      flow.daddr = daddr;
      flow.saddr = saddr;
      fib6_result res;
      fib6_table_lookup(ns, table, 0, flow, &res, 0);
      if (expected == nullptr) {
        ASSERT_EQ(res.f6i, ns.fib->null_entry) << daddr.ToString();
        continue;
      }
      ++lookups;
      ASSERT_NE(res.f6i, ns.fib->null_entry) << daddr.ToString();
      ASSERT_TRUE(Same(res.f6i->fib6_dst, expected->dst) &&
                  Same(res.f6i->fib6_src, expected->src) &&
                  res.f6i->fib6_metric == expected->metric)
          << daddr.ToString() << " from " << saddr.ToString() << ": found " << Line(*res.f6i);
    }
  }
  EXPECT_GT(lookups, 5000);
  for (const Entry& e : entries) ASSERT_EQ(Del(config_of(e)), 0);
  EXPECT_EQ(ns.fib->nodes.cache().live_objects(), nodes_before);
}

}  // namespace
}  // namespace tapedeck
