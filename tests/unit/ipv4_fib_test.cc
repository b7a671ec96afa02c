#include <cerrno>

#include "ipv4_host.h"
#include "stack/ipv4/fib.h"

namespace tapedeck {
namespace {

class FibTest : public Ipv4Test {
 protected:
  static std::string TypeName(uint8_t type) {
    static constexpr const char* kNames[] = {"unspec",   "unicast",   "local",     "broadcast",
                                             "anycast",  "multicast", "blackhole", "unreachable",
                                             "prohibit", "throw"};
    return kNames[type];
  }
  // One line a route: "local 10.0.0.1/32 dev eth0 src 10.0.0.1".
  std::string Table(uint32_t id) {
    std::string text;
    fib_table_for_each(fib_get_table(ns, id), [&](const Ipv4Prefix& prefix, const fib_alias& fa) {
      text += TypeName(fa.type) + " " + prefix.ToString();
      if (fa.info->nhs > 0 && fa.info->nh[0].nh_gw != kIpv4Any) {
        text += " via " + fa.info->nh[0].nh_gw.ToString();
      }
      if (fa.info->nhs > 0 && fa.info->nh[0].nh_dev != nullptr) {
        text += std::string(" dev ") + fa.info->nh[0].nh_dev->name;
      }
      if (fa.info->prefsrc != kIpv4Any) text += " src " + fa.info->prefsrc.ToString();
      if (fa.info->priority != 0) text += " metric " + std::to_string(fa.info->priority);
      text += "\n";
    });
    return text;
  }
  // "unicast dev eth0 via 10.0.0.254", or the error.
  std::string Lookup(Ipv4Address daddr, uint8_t tos = 0, int oif = 0) {
    flowi4 flow;
    flow.daddr = daddr;
    flow.tos = tos;
    flow.oif = oif;
    fib_result res;
    const int err = fib_lookup(ns, flow, &res);
    if (err != 0) return std::to_string(err);
    std::string text = TypeName(res.type) + " dev " + FIB_RES_DEV(res)->name;
    if (res.nhc->nh_gw != kIpv4Any) text += " via " + res.nhc->nh_gw.ToString();
    return text;
  }
};

TEST_F(FibTest, AnAddressBringsItsRoutes) {
  EXPECT_EQ(Table(RT_TABLE_LOCAL),
            "local 10.0.0.1/32 dev eth0 src 10.0.0.1\n"
            "broadcast 10.0.0.255/32 dev eth0 src 10.0.0.1\n"
            "local 127.0.0.0/8 dev lo src 127.0.0.1\n"
            "local 127.0.0.1/32 dev lo src 127.0.0.1\n"
            "broadcast 127.255.255.255/32 dev lo src 127.0.0.1\n");
  EXPECT_EQ(Table(RT_TABLE_MAIN), "unicast 10.0.0.0/24 dev eth0 src 10.0.0.1\n");
}

TEST_F(FibTest, AddressTypes) {
  EXPECT_EQ(inet_addr_type(host.n, kUs), RTN_LOCAL);
  EXPECT_EQ(inet_addr_type(host.n, kPeer), RTN_UNICAST);
  EXPECT_EQ(inet_addr_type(host.n, Ipv4Address(10, 0, 0, 255)), RTN_BROADCAST);
  EXPECT_EQ(inet_addr_type(host.n, kIpv4Broadcast), RTN_BROADCAST);
  EXPECT_EQ(inet_addr_type(host.n, kIpv4Any), RTN_BROADCAST);
  EXPECT_EQ(inet_addr_type(host.n, kIpv4AllHosts), RTN_MULTICAST);
  EXPECT_EQ(inet_addr_type(host.n, Ipv4Address(127, 9, 9, 9)), RTN_LOCAL);
  EXPECT_EQ(inet_dev_addr_type(host.n, host.n.loopback_dev, kUs), RTN_UNICAST);
}

// `ip addr add` and `del` leave no route behind, whatever the order.
TEST_F(FibTest, SecondaryAddressesShareTheSubnet) {
  ASSERT_EQ(AddAddress(eth.dev(), Ipv4Address(10, 0, 0, 7), 24), 0);
  EXPECT_EQ(AddAddress(eth.dev(), Ipv4Address(10, 0, 0, 7), 24), -EEXIST);
  EXPECT_EQ(Lookup(Ipv4Address(10, 0, 0, 7)), "local dev eth0");
  EXPECT_EQ(Table(RT_TABLE_MAIN), "unicast 10.0.0.0/24 dev eth0 src 10.0.0.1\n");
  ASSERT_EQ(inet_del_address(eth.dev(), Ipv4Address(10, 0, 0, 7), 24), 0);
  EXPECT_EQ(Lookup(Ipv4Address(10, 0, 0, 7)), "unicast dev eth0");
  EXPECT_EQ(inet_del_address(eth.dev(), Ipv4Address(10, 0, 0, 7), 24), -EADDRNOTAVAIL);

  // Secondaries go with their primary.
  ASSERT_EQ(AddAddress(eth.dev(), Ipv4Address(10, 0, 0, 7), 24), 0);
  ASSERT_EQ(inet_del_address(eth.dev(), kUs, 24), 0);
  EXPECT_EQ(Lookup(Ipv4Address(10, 0, 0, 7)), std::to_string(-ENETUNREACH));
  EXPECT_EQ(Table(RT_TABLE_MAIN), "");
}

TEST_F(FibTest, PromotedSecondaryKeepsTheSubnet) {
  ASSERT_EQ(Sysctl("net/ipv4/conf/eth0/promote_secondaries", 1), 0);
  ASSERT_EQ(AddAddress(eth.dev(), Ipv4Address(10, 0, 0, 7), 24), 0);
  ASSERT_EQ(AddAddress(eth.dev(), Ipv4Address(10, 0, 0, 8), 24), 0);
  ASSERT_EQ(inet_del_address(eth.dev(), kUs, 24), 0);
  EXPECT_EQ(Table(RT_TABLE_MAIN), "unicast 10.0.0.0/24 dev eth0 src 10.0.0.7\n");
  EXPECT_EQ(Lookup(Ipv4Address(10, 0, 0, 8)), "local dev eth0");
  EXPECT_EQ(Lookup(kUs), "unicast dev eth0");
}

TEST_F(FibTest, PointToPointAndHostAddresses) {
  inet_address_config config;
  config.local = Ipv4Address(10, 9, 9, 1);
  config.peer = Ipv4Address(10, 9, 9, 2);
  config.prefixlen = 32;
  ASSERT_EQ(inet_add_address(eth.dev(), config), 0);
  EXPECT_EQ(Lookup(Ipv4Address(10, 9, 9, 1)), "local dev eth0");
  EXPECT_EQ(Lookup(Ipv4Address(10, 9, 9, 2)), "unicast dev eth0");
  ASSERT_EQ(AddAddress(eth.dev(), Ipv4Address(10, 8, 0, 1), 32), 0);
  EXPECT_EQ(Lookup(Ipv4Address(10, 8, 0, 1)), "local dev eth0");
  // RFC 3021: no broadcast addresses in a /31.
  ASSERT_EQ(AddAddress(eth.dev(), Ipv4Address(10, 7, 0, 0), 31), 0);
  EXPECT_EQ(Lookup(Ipv4Address(10, 7, 0, 1)), "unicast dev eth0");
}

TEST_F(FibTest, RoutesGoWithTheirDeviceAndAddressesStay) {
  ASSERT_EQ(AddRoute("0.0.0.0/0", eth.dev(), kPeer), 0);
  EXPECT_EQ(Lookup(kFar), "unicast dev eth0 via 10.0.0.2");
  dev_close(eth.dev());
  EXPECT_EQ(Lookup(kFar), std::to_string(-ENETUNREACH));
  EXPECT_EQ(Lookup(kUs), "local dev eth0");
  EXPECT_EQ(Table(RT_TABLE_MAIN), "");
  ASSERT_EQ(dev_open(eth.dev()), 0);
  EXPECT_EQ(Table(RT_TABLE_MAIN), "unicast 10.0.0.0/24 dev eth0 src 10.0.0.1\n");
}

TEST_F(FibTest, RouteTypesRefuse) {
  ASSERT_EQ(AddRoute("192.0.2.0/24", nullptr, kIpv4Any, RTN_UNREACHABLE), 0);
  ASSERT_EQ(AddRoute("192.0.3.0/24", nullptr, kIpv4Any, RTN_BLACKHOLE), 0);
  ASSERT_EQ(AddRoute("192.0.4.0/24", nullptr, kIpv4Any, RTN_PROHIBIT), 0);
  ASSERT_EQ(AddRoute("192.0.5.0/24", nullptr, kIpv4Any, RTN_THROW), 0);
  EXPECT_EQ(Lookup(Ipv4Address(192, 0, 2, 1)), std::to_string(-EHOSTUNREACH));
  EXPECT_EQ(Lookup(Ipv4Address(192, 0, 3, 1)), std::to_string(-EINVAL));
  EXPECT_EQ(Lookup(Ipv4Address(192, 0, 4, 1)), std::to_string(-EACCES));
  EXPECT_EQ(Lookup(Ipv4Address(192, 0, 5, 1)), std::to_string(-ENETUNREACH));
  EXPECT_EQ(AddRoute("192.0.6.0/24", eth.dev(), kIpv4Any, RTN_BLACKHOLE), -EINVAL);
}

TEST_F(FibTest, ChecksWhatItIsGiven) {
  // A gateway must be on a link, and not be one of ours by a host route.
  EXPECT_EQ(AddRoute("0.0.0.0/0", eth.dev(), kFar), -ENETUNREACH);
  EXPECT_EQ(AddRoute("0.0.0.0/0", nullptr), -ENODEV);
  fib_config config;
  config.dst = Ipv4Address(10, 1, 1, 1);
  config.dst_len = 24;  // host bits set
  config.oif = eth->ifindex;
  EXPECT_EQ(fib_table_insert(ns, config), -EINVAL);
  config.dst_len = 32;
  config.prefsrc = kPeer;  // not ours
  config.scope = RT_SCOPE_LINK;
  EXPECT_EQ(fib_table_insert(ns, config), -EINVAL);
  config.prefsrc = kIpv4Any;
  config.type = 77;
  EXPECT_EQ(fib_table_insert(ns, config), -EINVAL);
  // On the link by order.
  config.type = RTN_UNICAST;
  config.scope = RT_SCOPE_UNIVERSE;
  config.gw = kFar;
  config.nh_flags = RTNH_F_ONLINK;
  EXPECT_EQ(fib_table_insert(ns, config), 0);
}

TEST_F(FibTest, MetricAndTosChooseAmongAliases) {
  ASSERT_EQ(AddRoute("192.0.2.0/24", eth.dev(), Ipv4Address(10, 0, 0, 9), RTN_UNICAST, 200), 0);
  ASSERT_EQ(AddRoute("192.0.2.0/24", eth.dev(), Ipv4Address(10, 0, 0, 8), RTN_UNICAST, 100), 0);
  EXPECT_EQ(AddRoute("192.0.2.0/24", eth.dev(), Ipv4Address(10, 0, 0, 7), RTN_UNICAST, 100),
            -EEXIST);
  EXPECT_EQ(Lookup(kFar), "unicast dev eth0 via 10.0.0.8");
  fib_config config;
  config.dst = Ipv4Address(192, 0, 2, 0);
  config.dst_len = 24;
  config.tos = 0x10;
  config.oif = eth->ifindex;
  config.gw = Ipv4Address(10, 0, 0, 6);
  ASSERT_EQ(fib_table_insert(ns, config), 0);
  EXPECT_EQ(Lookup(kFar, 0x10), "unicast dev eth0 via 10.0.0.6");
  EXPECT_EQ(Lookup(kFar, 0x08), "unicast dev eth0 via 10.0.0.8");
  ASSERT_EQ(fib_table_delete(ns, config), 0);
  EXPECT_EQ(fib_table_delete(ns, config), -ESRCH);
  config.tos = 0;
  config.priority = 100;
  config.gw = Ipv4Address(10, 0, 0, 5);
  config.replace = true;
  ASSERT_EQ(fib_table_insert(ns, config), 0);
  EXPECT_EQ(Lookup(kFar), "unicast dev eth0 via 10.0.0.5");
}

// A route that does not fit the flow (here its device) gives way to a shorter prefix.
TEST_F(FibTest, BacktracksToShorterPrefixes) {
  TestDevice& eth1 = AddDevice("eth1", Ipv4Address(10, 1, 0, 1), 24);
  ASSERT_EQ(AddRoute("0.0.0.0/0", eth1.dev(), Ipv4Address(10, 1, 0, 2)), 0);
  ASSERT_EQ(AddRoute("192.0.2.0/24", eth.dev(), kPeer), 0);
  EXPECT_EQ(Lookup(kFar), "unicast dev eth0 via 10.0.0.2");
  EXPECT_EQ(Lookup(kFar, 0, eth1->ifindex), "unicast dev eth1 via 10.1.0.2");
}

TEST_F(FibTest, RulesChooseTables) {
  fib_config config;
  config.table = 100;
  config.oif = eth->ifindex;
  config.gw = Ipv4Address(10, 0, 0, 77);
  ASSERT_EQ(fib_table_insert(ns, config), 0);
  EXPECT_EQ(Lookup(kFar), std::to_string(-ENETUNREACH));
  fib_rule rule;
  rule.pref = 1000;
  rule.dst = Ipv4Prefix(kFar, 24);
  rule.table = 100;
  ASSERT_EQ(fib_rule_add(ns, rule), 0);
  EXPECT_EQ(Lookup(kFar), "unicast dev eth0 via 10.0.0.77");
  EXPECT_EQ(Lookup(Ipv4Address(198, 51, 100, 1)), std::to_string(-ENETUNREACH));
  rule.action = RTN_PROHIBIT;
  rule.pref = 10;
  ASSERT_EQ(fib_rule_add(ns, rule), 0);
  EXPECT_EQ(Lookup(kFar), std::to_string(-EACCES));
  ASSERT_EQ(fib_rule_delete(ns, rule), 0);
  EXPECT_EQ(fib_rule_delete(ns, rule), -ENOENT);
  EXPECT_EQ(Lookup(kFar), "unicast dev eth0 via 10.0.0.77");
}

// Each hop takes its share of flows, by weight.
TEST_F(FibTest, MultipathSpreadsFlowsByWeight) {
  const fib_config_nexthop hops[] = {
      {.oif = eth->ifindex, .gw = Ipv4Address(10, 0, 0, 2), .flags = 0, .weight = 1},
      {.oif = eth->ifindex, .gw = Ipv4Address(10, 0, 0, 3), .flags = 0, .weight = 3}};
  fib_config config;
  config.nexthops = hops;
  ASSERT_EQ(fib_table_insert(ns, config), 0);
  int second = 0;
  for (uint32_t i = 0; i < 4000; ++i) {
    flowi4 flow;
    flow.saddr = kUs;
    flow.daddr = Ipv4Address(kFar.host() + i);
    fib_result res;
    ASSERT_EQ(fib_lookup(ns, flow, &res), 0);
    fib_select_path(ns, &res, &flow);
    if (res.nhc->nh_gw == Ipv4Address(10, 0, 0, 3)) ++second;
  }
  EXPECT_NEAR(second, 3000, 150);
}

TEST_F(FibTest, EqualRoutesShareTheirInfo) {
  const uint64_t before = ipv4_objects(ns).fib_infos;
  for (uint32_t i = 0; i < 200; ++i) {
    fib_config config;
    config.dst = Ipv4Address(0xc0000200 + (i << 8));
    config.dst_len = 24;
    config.oif = eth->ifindex;
    config.gw = kPeer;
    ASSERT_EQ(fib_table_insert(ns, config), 0);
  }
  EXPECT_EQ(ipv4_objects(ns).fib_infos, before + 1);
}

TEST_F(FibTest, SourceSelection) {
  ASSERT_EQ(AddAddress(eth.dev(), Ipv4Address(172, 16, 0, 1), 16), 0);
  ASSERT_EQ(AddRoute("0.0.0.0/0", eth.dev(), kPeer), 0);
  const auto source = [&](Ipv4Address daddr) {
    int err = 0;
    flowi4 flow;
    flow.daddr = daddr;
    rtable* const rt = ip_route_output_key(host.n, &flow, &err);
    EXPECT_NE(rt, nullptr) << err;
    dst_release(rt);
    return flow.saddr.ToString();
  };
  EXPECT_EQ(source(kPeer), "10.0.0.1");
  EXPECT_EQ(source(Ipv4Address(172, 16, 3, 3)), "172.16.0.1");
  EXPECT_EQ(source(kFar), "10.0.0.1");
  EXPECT_EQ(source(Ipv4Address(127, 0, 0, 1)), "127.0.0.1");
  EXPECT_EQ(source(Ipv4Address(172, 16, 0, 1)), "172.16.0.1");
  // The default route is still there: its gateway is looked at when it is made only.
  ASSERT_EQ(inet_del_address(eth.dev(), kUs, 24), 0);
  EXPECT_EQ(source(kFar), "172.16.0.1");
  // The last address takes everything with it.
  ASSERT_EQ(inet_del_address(eth.dev(), Ipv4Address(172, 16, 0, 1), 16), 0);
  EXPECT_EQ(Table(RT_TABLE_MAIN), "");
}

TEST_F(FibTest, OutputErrors) {
  const auto error = [&](flowi4 flow) {
    int err = 0;
    rtable* const rt = ip_route_output_key(host.n, &flow, &err);
    if (rt != nullptr) dst_release(rt);
    return rt != nullptr ? 0 : err;
  };
  flowi4 flow;
  flow.daddr = kFar;
  EXPECT_EQ(error(flow), -ENETUNREACH);
  flow.daddr = kPeer;
  flow.saddr = kFar;  // not ours
  EXPECT_EQ(error(flow), -ENETUNREACH);
  flow.saddr = kIpv4AllHosts;
  EXPECT_EQ(error(flow), -EINVAL);
  flow.saddr = kIpv4Loopback;  // may not leave the host
  EXPECT_EQ(error(flow), -EINVAL);
  flow.saddr = kIpv4Any;
  flow.oif = 99;
  EXPECT_EQ(error(flow), -ENODEV);
  flow.oif = eth->ifindex;
  flow.daddr = kFar;  // the device is named: taken to be on its link
  EXPECT_EQ(error(flow), 0);
}

// Destinations behind one hop share an rtable; a change of the tables makes it stale.
TEST_F(FibTest, RtablesAreSharedAndInvalidated) {
  const auto route = [&](Ipv4Address daddr) {
    int err = 0;
    return ip_route_output(host.n, daddr, kIpv4Any, 0, 0, RT_SCOPE_UNIVERSE, &err);
  };
  rtable* const a = route(kPeer);
  rtable* const b = route(Ipv4Address(10, 0, 0, 3));
  EXPECT_EQ(a, b);
  EXPECT_EQ(dst_check(a, 0), a);
  ASSERT_EQ(AddRoute("192.0.2.0/24", eth.dev(), kPeer), 0);
  EXPECT_EQ(dst_check(a, 0), nullptr);
  rtable* const c = route(kPeer);
  EXPECT_NE(c, a);
  dst_release(a);
  dst_release(b);
  dst_release(c);
}

}  // namespace
}  // namespace tapedeck
