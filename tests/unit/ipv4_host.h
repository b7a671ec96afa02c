// A host with IPv4 and one Ethernet device, 10.0.0.1/24, whose driver is the test: frames go in by
// Receive, what is sent lies in `eth.sent`. The peer 10.0.0.2 is a permanent neighbour. At the end
// everything must have been given back.
#ifndef TAPEDECK_TESTS_UNIT_IPV4_HOST_H_
#define TAPEDECK_TESTS_UNIT_IPV4_HOST_H_

#include <gtest/gtest.h>

#include <cstdint>

#include "ip_host.h"
#include "stack/core/sock.h"
#include "stack/ipv4/arp.h"
#include "stack/ipv4/devinet.h"
#include "stack/ipv4/icmp.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/netns_ipv4.h"

namespace tapedeck {

inline constexpr Ipv4Address kUs{10, 0, 0, 1};
inline constexpr Ipv4Address kPeer{10, 0, 0, 2};
inline constexpr Ipv4Address kFar{192, 0, 2, 9};

class Ipv4Test : public IpTest {
 protected:
  Ipv4Test() : IpTest([](net& n) { ipv4_init(n); }), ns(*host.n.ipv4) {
    eth.Up();
    EXPECT_EQ(AddAddress(eth.dev(), kUs, 24), 0);
    AddNeighbour(eth.dev(), kPeer, kPeerMac);
  }

  void TearDown() override {
    host.RunFor(Duration::Seconds(40));  // past reassembly timers
    FreeSent();
    loopback_exit(host.n);
    ipv4_exit(host.n);
    FreeSent();
    const ipv4_ledger left = ipv4_objects(ns);
    EXPECT_EQ(left.rtables, 0U);
    EXPECT_EQ(left.fib_infos, 0U);
    EXPECT_EQ(left.fib_aliases, 0U);
    EXPECT_EQ(left.addresses, 0U);
    EXPECT_EQ(left.in_devices, 0U);
    EXPECT_EQ(left.mc_groups, 0U);
    EXPECT_EQ(left.frag_queues, 0U);
    EXPECT_EQ(left.peers, 0U);
    EXPECT_EQ(host.LivePackets(), 0U);
    EXPECT_EQ(ns.frags.mem, 0U);
    EXPECT_EQ(ns.ctl_socks.cache().live_objects(), 0U);
  }

  int AddAddress(net_device* dev, Ipv4Address local, uint8_t prefixlen) {
    inet_address_config config;
    config.local = local;
    config.prefixlen = prefixlen;
    return inet_add_address(dev, config);
  }
  int AddRoute(const char* prefix, net_device* dev, Ipv4Address gw = kIpv4Any,
               uint8_t type = RTN_UNICAST, uint32_t priority = 0) {
    const Ipv4Prefix dst = *Ipv4Prefix::Parse(prefix);
    fib_config config;
    config.dst = dst.network();
    config.dst_len = static_cast<uint8_t>(dst.length_bits());
    config.oif = dev != nullptr ? dev->ifindex : 0;
    config.gw = gw;
    config.type = type;
    config.priority = priority;
    if (gw == kIpv4Any && type == RTN_UNICAST) config.scope = RT_SCOPE_LINK;
    return fib_table_insert(ns, config);
  }
  void AddNeighbour(net_device* dev, Ipv4Address addr, const MacAddress& mac) {
    IpTest::AddNeighbour(host.n.arp_tbl, dev, addr.bytes(), mac);
  }
  // Another Ethernet device with an address and a permanent neighbour ...2 on its network.
  TestDevice& AddDevice(const char* name, Ipv4Address local, uint8_t prefixlen) {
    TestDevice& device = NewDevice(name);
    EXPECT_EQ(AddAddress(device.dev(), local, prefixlen), 0);
    AddNeighbour(device.dev(), Ipv4Address((local.host() & ~0xffU) | 2), kPeerMac);
    return device;
  }
  wire::Ipv4View LastSentIp() const {
    const auto view = wire::ParseIpv4(std::span<const uint8_t>(last_sent).subspan(14));
    EXPECT_TRUE(view.ok());
    return *view;
  }

  uint64_t Ip(IpMib item) const { return host.n.ip_mib.Get(item); }
  uint64_t IpExt(IpExtMib item) const { return host.n.ip_ext_mib.Get(item); }
  uint64_t Icmp(IcmpMib item) const { return host.n.icmp_mib.Get(item); }
  size_t Delivered() const { return host.sink.Of(TraceKind::kDeliver).size(); }

  netns_ipv4& ns;
};

}  // namespace tapedeck

#endif  // TAPEDECK_TESTS_UNIT_IPV4_HOST_H_
