// Routes that packets of IPv6 take: source selection, refusing routes, path MTUs, redirects,
// routers and their preference, devices that come and go, what expires.
#include <cerrno>

#include "ipv6_host.h"
#include "stack/ipv6/ip6_route.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/ndisc.h"

namespace tapedeck {
namespace {

const Ipv6Address kFar6 = Ip6("2001:db8:ffff::9");
const Ipv6Address kRouter = Ip6("fe80::10");
const Ipv6Address kOtherRouter = Ip6("fe80::20");

class Route6Test : public Ipv6Test {
 protected:
  // The route to `daddr` with the source open, as a socket without one gets it. Null and *err_.
  dst_entry* Output(const Ipv6Address& daddr) {
    flow_ = flowi6{};
    flow_.daddr = daddr;
    return ip6_dst_lookup_flow(host.n, nullptr, &flow_, nullptr, &err_);
  }
  int OutputError(const Ipv6Address& daddr) {
    dst_entry* const dst = Output(daddr);
    dst_release(dst);
    return dst != nullptr ? 0 : err_;
  }
  std::string NextHop(const Ipv6Address& daddr) {
    dst_entry* const dst = Output(daddr);
    if (dst == nullptr) return std::to_string(err_);
    const std::string text =
        std::string(dst->dev->name) + " " + rt6_nexthop(dst_rt6_info(dst), daddr).ToString();
    dst_release(dst);
    return text;
  }
  uint32_t Mtu(const Ipv6Address& daddr) {
    dst_entry* const dst = Output(daddr);
    const uint32_t mtu = dst_mtu(dst);
    dst_release(dst);
    return mtu;
  }
  void LearnMtu(const Ipv6Address& daddr, uint32_t mtu) {
    dst_entry* const dst = Output(daddr);
    wire::Ipv6Header header;
    header.saddr = kUs6;
    header.daddr = daddr;
    sk_buff* const skb =
        MakePacket(host.n, Bytes(reinterpret_cast<const uint8_t*>(&header),
                                 reinterpret_cast<const uint8_t*>(&header) + sizeof(header)));
    skb_reset_network_header(skb);
    dst->ops->update_pmtu(dst, nullptr, skb, mtu, true);
    consume_skb(skb);
    dst_release(dst);
  }
  int AddType(const char* prefix, uint8_t type) {
    fib6_config config = Route(prefix, nullptr);
    config.type = type;
    return Add(config);
  }
  void SetNeighbour(const Ipv6Address& addr, uint8_t state) {
    neighbour* const neigh = neigh_create(host.n.nd_tbl, addr.bytes().data(), eth.dev());
    neigh_update(neigh, kPeerMac.bytes().data(), NUD_STALE,
                 NEIGH_UPDATE_F_ADMIN | NEIGH_UPDATE_F_OVERRIDE);
    neigh_update(neigh, nullptr, state, NEIGH_UPDATE_F_ADMIN | NEIGH_UPDATE_F_OVERRIDE);
    neigh_release(neigh);
  }
  // What is learnt behind a gateway that is no router is soon forgotten.
  void MakeRouter(const Ipv6Address& addr) {
    neighbour* const neigh = neigh_lookup(host.n.nd_tbl, addr.bytes().data(), eth.dev());
    neigh->flags |= NTF_ROUTER;
    neigh_release(neigh);
  }
  // A redirect from `router`: `daddr` is reached by `target` (RFC 4861 4.5).
  void ReceiveRedirect(const Ipv6Address& router, const Ipv6Address& target,
                       const Ipv6Address& daddr) {
    wire::Ipv6Header ip;
    ip.saddr = router;
    ip.daddr = kUs6;
    ip.hop_limit = 255;
    wire::Icmpv6Header icmp;
    icmp.type = wire::kIcmpv6Redirect;
    uint8_t body[32];
    std::copy_n(target.bytes().begin(), 16, body);
    std::copy_n(daddr.bytes().begin(), 16, body + 16);
    Receive(NewFrame().Ipv6(ip).Icmpv6(icmp).Payload(body).Build());
  }

  flowi6 flow_;
  int err_ = 0;
};

TEST_F(Route6Test, TheSourceIsChosenWithTheRoute) {
  dst_entry* const dst = Output(kPeer6);
  ASSERT_NE(dst, nullptr);
  EXPECT_EQ(flow_.saddr, kUs6);
  EXPECT_EQ(dst->dev, eth.dev());
  EXPECT_EQ(dst_mtu(dst), 1500U);
  EXPECT_EQ(dst_metric_advmss(dst), 1440U);
  EXPECT_EQ(ip6_dst_hoplimit(dst), 64);
  dst_release(dst);
  EXPECT_EQ(OutputError(kFar6), -ENETUNREACH);
  EXPECT_EQ(Ip6Count(Ip6Mib::kOutNoRoutes), 1U);
}

TEST_F(Route6Test, ARouteMayPreferASource) {
  ASSERT_EQ(AddAddress(eth.dev(), Ip6("2001:db8:7::1"), 64), 0);
  fib6_config config = Route("2001:db8:ffff::/48", eth.dev(), kPeer6);
  config.prefsrc = Ip6("2001:db8:7::1");
  ASSERT_EQ(Add(config), 0);
  dst_release(Output(kFar6));
  EXPECT_EQ(flow_.saddr, config.prefsrc);
  // Without the address the route stays and the preference goes.
  ASSERT_EQ(inet6_addr_del(eth.dev(), config.prefsrc, 64), 0);
  dst_release(Output(kFar6));
  EXPECT_EQ(flow_.saddr, kUs6);
}

// What was shared before the route had any metric goes on with the defaults.
TEST_F(Route6Test, MetricsThatComeLaterReachWhatHadSome) {
  fib6_config with = Route("2001:db8:a::/48", eth.dev(), kPeer6);
  with.metrics[RTAX_HOPLIMIT] = 9;
  ASSERT_EQ(Add(with), 0);
  ASSERT_EQ(Add(Route("2001:db8:b::/48", eth.dev(), kPeer6)), 0);
  const std::pair<Ipv6Address, int> limits[] = {{Ip6("2001:db8:a::1"), 7},
                                                {Ip6("2001:db8:b::1"), 64}};
  for (const auto& [daddr, hop_limit] : limits) {
    dst_entry* const dst = Output(daddr);
    fib6_metric_set(dst_rt6_info(dst)->from, RTAX_HOPLIMIT, 7);
    dst_release(dst);
    dst_entry* const again = Output(daddr);
    EXPECT_EQ(ip6_dst_hoplimit(again), hop_limit);
    dst_release(again);
  }
}

TEST_F(Route6Test, OurOwnAddressesAreBehindTheLoopbackDevice) {
  dst_entry* const dst = Output(kUs6);
  ASSERT_NE(dst, nullptr);
  EXPECT_EQ(dst->dev, host.n.loopback_dev);
  EXPECT_NE(dst_rt6_info(dst)->rt6i_flags & RTF_LOCAL, 0U);
  dst_release(dst);
  EXPECT_EQ(OutputError(kIpv6Loopback), 0);
}

TEST_F(Route6Test, RoutesThatRefuse) {
  ASSERT_EQ(AddType("2001:db8:a::/48", RTN_BLACKHOLE), 0);
  ASSERT_EQ(AddType("2001:db8:b::/48", RTN_UNREACHABLE), 0);
  ASSERT_EQ(AddType("2001:db8:c::/48", RTN_PROHIBIT), 0);
  ASSERT_EQ(AddType("2001:db8:d::/48", RTN_THROW), 0);
  ASSERT_EQ(Add(Route("::/0", eth.dev(), kPeer6)), 0);
  EXPECT_EQ(OutputError(Ip6("2001:db8:a::1")), -EINVAL);
  EXPECT_EQ(OutputError(Ip6("2001:db8:b::1")), -EHOSTUNREACH);
  EXPECT_EQ(OutputError(Ip6("2001:db8:c::1")), -EACCES);
  // The table has nothing to say, and there is no other.
  EXPECT_EQ(OutputError(Ip6("2001:db8:d::1")), -ENETUNREACH);
  EXPECT_EQ(OutputError(Ip6("2001:db8:e::1")), 0);
}

TEST_F(Route6Test, ARouteIsSharedUntilABetterOneComes) {
  ASSERT_EQ(Add(Route("2001:db8:ffff::/48", eth.dev(), kPeer6)), 0);
  dst_entry* const first = Output(kFar6);
  dst_entry* const second = Output(Ip6("2001:db8:ffff::a"));
  EXPECT_EQ(first, second);
  const uint32_t cookie = rt6_get_cookie(dst_rt6_info(first));
  EXPECT_EQ(dst_check(first, cookie), first);
  // Elsewhere in the tree: nothing changes for it.
  ASSERT_EQ(Add(Route("2001:db8:eeee::/48", eth.dev(), kPeer6)), 0);
  EXPECT_EQ(dst_check(first, cookie), first);
  ASSERT_EQ(Add(Route("2001:db8:ffff::/64", eth.dev(), kPeer6)), 0);
  EXPECT_EQ(dst_check(first, cookie), nullptr);
  dst_release(first);
  dst_release(second);
}

TEST_F(Route6Test, ADeletedRouteIsDeadForItsHolders) {
  ASSERT_EQ(Add(Route("2001:db8:ffff::/48", eth.dev(), kPeer6)), 0);
  dst_entry* const dst = Output(kFar6);
  const uint32_t cookie = rt6_get_cookie(dst_rt6_info(dst));
  ASSERT_EQ(Del(Route("2001:db8:ffff::/48", nullptr)), 0);
  EXPECT_EQ(dst_check(dst, cookie), nullptr);
  EXPECT_EQ(dst->dev, dev_net(eth.dev()).blackhole_netdev);
  dst_release(dst);
}

// --- Path MTUs (RFC 8201). ---

TEST_F(Route6Test, APathMtuIsOfOneDestinationAndExpires) {
  MakeRouter(kPeer6);
  ASSERT_EQ(Add(Route("::/0", eth.dev(), kPeer6)), 0);
  LearnMtu(kFar6, 1400);
  EXPECT_EQ(Mtu(kFar6), 1400U);
  EXPECT_EQ(Mtu(Ip6("2001:db8:ffff::a")), 1500U);
  LearnMtu(kFar6, 1450);  // nothing new
  EXPECT_EQ(Mtu(kFar6), 1400U);
  LearnMtu(kFar6, 1300);
  EXPECT_EQ(Mtu(kFar6), 1300U);
  LearnMtu(kFar6, 1200);  // no path carries less than 1280
  EXPECT_EQ(Mtu(kFar6), 1300U);
  // What we announce is what we can take.
  dst_entry* const dst = Output(kFar6);
  EXPECT_EQ(dst_metric_advmss(dst), 1440U);
  // A router does not believe what it was told as a host.
  EXPECT_EQ(ip6_dst_mtu_maybe_forward(dst, true), 1500U);
  dst_release(dst);
  host.RunFor(Duration::Seconds(590));
  EXPECT_EQ(Mtu(kFar6), 1300U);
  host.RunFor(Duration::Seconds(11));
  EXPECT_EQ(Mtu(kFar6), 1500U);
  host.RunFor(Duration::Seconds(40));
  EXPECT_EQ(ns.fib->exceptions.cache().live_objects(), 0U);
}

TEST_F(Route6Test, WhoHoldsTheSharedRouteAsksAgainAfterAPathMtu) {
  ASSERT_EQ(Add(Route("::/0", eth.dev(), kPeer6)), 0);
  dst_entry* const dst = Output(kFar6);
  const uint32_t cookie = rt6_get_cookie(dst_rt6_info(dst));
  LearnMtu(kFar6, 1400);
  EXPECT_EQ(dst_check(dst, cookie), nullptr);
  dst_release(dst);
}

TEST_F(Route6Test, FewDestinationsAreRememberedInOneList) {
  ASSERT_EQ(Add(Route("::/0", eth.dev(), kPeer6)), 0);
  for (int i = 0; i < 3000; ++i) {
    LearnMtu(Ip6(("2001:db8:ffff::" + std::to_string(i)).c_str()), 1400);
  }
  const uint64_t bound = uint64_t{2} * FIB6_MAX_DEPTH * rt6_exception_table::kBuckets;
  EXPECT_LE(ns.fib->exceptions.cache().live_objects(), bound);
  EXPECT_GT(ns.fib->exceptions.cache().live_objects(), bound / 4);
}

TEST_F(Route6Test, ASmallerDeviceMtuBoundsPaths) {
  ASSERT_EQ(Add(Route("::/0", eth.dev(), kPeer6)), 0);
  LearnMtu(kFar6, 1400);
  ASSERT_EQ(dev_set_mtu(eth.dev(), 1350), 0);
  EXPECT_EQ(Mtu(kFar6), 1350U);
  EXPECT_EQ(Mtu(Ip6("2001:db8:ffff::a")), 1350U);
}

// --- Routers. ---

TEST_F(Route6Test, AReachableRouterIsPreferredAndAnyIsBetterThanNone) {
  fib6_config config = Route("::/0", eth.dev(), kRouter);
  config.excl = false;
  config.flags = RTF_ADDRCONF | RTF_DEFAULT;
  ASSERT_EQ(Add(config), 0);
  config.gateway = kOtherRouter;
  ASSERT_EQ(Add(config), 0);
  EXPECT_EQ(NextHop(kFar6), "eth0 fe80::10");
  SetNeighbour(kRouter, NUD_FAILED);
  EXPECT_EQ(NextHop(kFar6), "eth0 fe80::20");
  SetNeighbour(kOtherRouter, NUD_FAILED);
  EXPECT_EQ(NextHop(kFar6), "eth0 fe80::10");
}

// RFC 4191 2.1: high (1), medium (0), low (3).
TEST_F(Route6Test, ThePreferenceOfRoutersCounts) {
  fib6_info* rt = rt6_add_dflt_router(host.n, kRouter, eth.dev(), 3, 1024, 600);
  ASSERT_NE(rt, nullptr);
  fib6_info_release(ns, rt);
  rt = rt6_add_dflt_router(host.n, kOtherRouter, eth.dev(), 0, 1024, 300);
  ASSERT_NE(rt, nullptr);
  fib6_info_release(ns, rt);
  EXPECT_EQ(NextHop(kFar6), "eth0 fe80::20");
  // Its lifetime is over.
  host.RunFor(Duration::Seconds(301));
  EXPECT_EQ(NextHop(kFar6), "eth0 fe80::10");
  // A router that has become a host takes its routes along.
  rt6_clean_tohost(host.n, kRouter);
  EXPECT_EQ(OutputError(kFar6), -ENETUNREACH);
}

TEST_F(Route6Test, RoutesThatRoutersInformOf) {
  const uint8_t option[16] = {24,   2,    48,   0x08, 0,    0,    0,    30,
                              0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, 0xff, 0xff};
  EXPECT_EQ(rt6_route_rcv(eth.dev(), option, 16, kRouter), 0);
  EXPECT_EQ(NextHop(kFar6), "eth0 fe80::10");
  host.RunFor(Duration::Seconds(31));
  EXPECT_EQ(OutputError(kFar6), -ENETUNREACH);
  uint8_t wrong[16];
  std::copy(std::begin(option), std::end(option), wrong);
  wrong[3] = 0x10;  // a preference that is reserved
  EXPECT_EQ(rt6_route_rcv(eth.dev(), wrong, 16, kRouter), -EINVAL);
  wrong[3] = 0;
  wrong[2] = 65;  // needs 24 bytes
  EXPECT_EQ(rt6_route_rcv(eth.dev(), wrong, 16, kRouter), -EINVAL);
}

TEST_F(Route6Test, ARedirectChangesTheFirstHopOfOneDestination) {
  AddNeighbour(eth.dev(), kRouter, kPeerMac);
  ASSERT_EQ(Add(Route("::/0", eth.dev(), kRouter)), 0);
  ReceiveRedirect(kRouter, kOtherRouter, kFar6);
  EXPECT_EQ(NextHop(kFar6), "eth0 fe80::20");
  EXPECT_EQ(NextHop(Ip6("2001:db8:ffff::a")), "eth0 fe80::10");
  // Not from who is not the first hop; not to a global address that is another's.
  ReceiveRedirect(Ip6("fe80::40"), Ip6("fe80::30"), kFar6);
  EXPECT_EQ(NextHop(kFar6), "eth0 fe80::20");
  ReceiveRedirect(kRouter, Ip6("2001:db8::30"), Ip6("2001:db8:ffff::a"));
  EXPECT_EQ(NextHop(Ip6("2001:db8:ffff::a")), "eth0 fe80::10");
  // The destination is on the link.
  ReceiveRedirect(kRouter, Ip6("2001:db8:ffff::b"), Ip6("2001:db8:ffff::b"));
  EXPECT_EQ(NextHop(Ip6("2001:db8:ffff::b")), "eth0 2001:db8:ffff::b");
}

TEST_F(Route6Test, RedirectsMayBeSwitchedOff) {
  AddNeighbour(eth.dev(), kRouter, kPeerMac);
  ASSERT_EQ(Add(Route("::/0", eth.dev(), kRouter)), 0);
  ASSERT_EQ(Sysctl("net/ipv6/conf/eth0/accept_redirects", 0), 0);
  ReceiveRedirect(kRouter, kOtherRouter, kFar6);
  EXPECT_EQ(NextHop(kFar6), "eth0 fe80::10");
}

// --- Devices and time. ---

TEST_F(Route6Test, RoutesGoWithTheirDevice) {
  TestDevice& other = AddDevice("eth1", Ip6("2001:db8:5::1"), 64);
  ASSERT_EQ(Add(Route("2001:db8:ffff::/48", eth.dev(), kPeer6)), 0);
  const fib6_config_nexthop hops[] = {{.ifindex = 0, .gateway = kPeer6},
                                      {.ifindex = other->ifindex, .gateway = Ip6("2001:db8:5::2")}};
  fib6_config both = Route("2001:db8:eeee::/48", nullptr);
  both.nexthops = hops;
  ASSERT_EQ(Add(both), 0);
  dst_entry* const held = Output(kFar6);
  dev_close(eth.dev());
  EXPECT_EQ(held->dev, dev_net(eth.dev()).blackhole_netdev);
  dst_release(held);
  EXPECT_EQ(OutputError(kFar6), -ENETUNREACH);
  // Of several ways those that are left are taken, whatever the flow.
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(NextHop(Ip6(("2001:db8:eeee::" + std::to_string(i)).c_str())), "eth1 2001:db8:5::2");
  }
  dev_close(other.dev());
  EXPECT_EQ(OutputError(Ip6("2001:db8:eeee::1")), -ENETUNREACH);
}

TEST_F(Route6Test, RoutesWithoutCarrierCountUnlessTheyAreToBeIgnored) {
  ASSERT_EQ(Add(Route("2001:db8:ffff::/48", eth.dev(), kPeer6)), 0);
  rt6_sync_down_carrier(eth.dev());
  EXPECT_EQ(OutputError(kFar6), 0);
  ASSERT_EQ(Sysctl("net/ipv6/conf/eth0/ignore_routes_with_linkdown", 1), 0);
  EXPECT_EQ(OutputError(kFar6), -ENETUNREACH);
  rt6_sync_up(eth.dev(), RTNH_F_LINKDOWN);
  EXPECT_EQ(OutputError(kFar6), 0);
}

TEST_F(Route6Test, ARouteExpires) {
  fib6_config config = Route("2001:db8:ffff::/48", eth.dev(), kPeer6);
  config.flags = RTF_EXPIRES;
  config.expires = 5000;
  ASSERT_EQ(Add(config), 0);
  const uint64_t routes = ns.fib->infos.cache().live_objects();
  host.RunFor(Duration::Seconds(4));
  EXPECT_EQ(OutputError(kFar6), 0);
  host.RunFor(Duration::Milliseconds(1100));
  EXPECT_EQ(OutputError(kFar6), -ENETUNREACH);
  host.RunFor(Duration::Seconds(40));
  EXPECT_EQ(ns.fib->infos.cache().live_objects(), routes - 1);
}

// --- Input. ---

TEST_F(Route6Test, APacketForNowhereIsAnsweredAndCounted) {
  ASSERT_EQ(Sysctl("net/ipv6/conf/all/forwarding", 1), 0);
  Settle();
  wire::Ipv6Header ip;
  ip.saddr = kPeer6;
  ip.daddr = kFar6;
  ip.hop_limit = 64;
  wire::UdpHeader udp;
  udp.source = 1;
  udp.dest = 2;
  Receive(NewFrame().Ipv6(ip).Udp(udp).Build());
  EXPECT_EQ(Ip6Count(Ip6Mib::kInNoRoutes), 1U);
  EXPECT_EQ(Drops(SKB_DROP_REASON_IP_INNOROUTES), 1U);
  EXPECT_NE(NextSent().find("unreachable"), std::string::npos);
}

}  // namespace
}  // namespace tapedeck
