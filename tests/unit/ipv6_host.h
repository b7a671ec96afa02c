// A host with IPv6 and one Ethernet device, 2001:db8::1/64, whose driver is the test: frames go in
// by Receive, what is sent lies in `eth.sent`. The peer 2001:db8::2 is a permanent neighbour. At
// the end everything must have been given back.
#ifndef TAPEDECK_TESTS_UNIT_IPV6_HOST_H_
#define TAPEDECK_TESTS_UNIT_IPV6_HOST_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "ip_host.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/ip6_fib.h"
#include "stack/ipv6/ip6_route.h"
#include "stack/ipv6/netns_ipv6.h"

namespace tapedeck {

inline Ipv6Address Ip6(const char* text) { return *Ipv6Address::Parse(text); }

inline const Ipv6Address kUs6 = Ip6("2001:db8::1");
inline const Ipv6Address kPeer6 = Ip6("2001:db8::2");

class Ipv6Test : public IpTest {
 protected:
  Ipv6Test() : IpTest(InitProtocols), ns(*host.n.ipv6) {
    // No link-local address, no solicitations: only what a test brings about is sent.
    ns.devconf_dflt.addr_gen_mode = IN6_ADDR_GEN_MODE_NONE;
    ns.devconf_dflt.disable_ipv6 = 0;
    ns.devconf_dflt.accept_ra = 0;
    eth.Up();
    EXPECT_EQ(AddAddress(eth.dev(), kUs6, 64), 0);
    AddNeighbour(eth.dev(), kPeer6, kPeerMac);
    Settle();
  }

  void TearDown() override {
    Settle();
    loopback_exit(host.n);
    ipv6_exit(host.n);
    ipv4_exit(host.n);
    FreeSent();
    const ipv6_ledger left = ipv6_objects(ns);
    EXPECT_EQ(left.rt6_infos, 0U);
    EXPECT_EQ(left.fib6_infos, 0U);
    EXPECT_EQ(left.addresses, 0U);
    EXPECT_EQ(left.frag_queues, 0U);
    EXPECT_EQ(left.pinfos, 0U);
    EXPECT_EQ(left.flowlabels, 0U);
    EXPECT_EQ(host.LivePackets(), 0U);
    EXPECT_EQ(host.kernel.pending_timers(), 0U);
  }

  // Lets reports of groups and the like go, and forgets what was sent.
  void Settle() {
    host.RunFor(Duration::Seconds(20));
    FreeSent();
  }

  int AddAddress(net_device* dev, const Ipv6Address& local, uint8_t prefixlen) {
    inet6_address_config config;
    config.local = local;
    config.prefixlen = prefixlen;
    config.flags = IFA_F_NODAD;
    return inet6_addr_add(dev, config);
  }
  // "2001:db8::/32"; the second is a source prefix, "" for none.
  static fib6_config Route(const std::string& dst, net_device* dev,
                           const Ipv6Address& gateway = kIpv6Any, uint32_t metric = 0) {
    fib6_config config;
    SplitPrefix(dst, &config.dst, &config.dst_len);
    config.ifindex = dev != nullptr ? dev->ifindex : 0;
    config.gateway = gateway;
    config.metric = metric;
    config.excl = true;
    return config;
  }
  static void SplitPrefix(const std::string& text, Ipv6Address* addr, uint8_t* length) {
    const size_t slash = text.find('/');
    *addr = Ip6(text.substr(0, slash).c_str());
    *length = static_cast<uint8_t>(std::stoi(text.substr(slash + 1)));
  }
  int Add(const fib6_config& config) { return ip6_route_add(host.n, config); }
  int Del(const fib6_config& config) { return ip6_route_del(host.n, config); }

  void AddNeighbour(net_device* dev, const Ipv6Address& addr, const MacAddress& mac) {
    IpTest::AddNeighbour(host.n.nd_tbl, dev, addr.bytes(), mac);
  }
  TestDevice& AddDevice(const char* name, const Ipv6Address& local, uint8_t prefixlen) {
    TestDevice& device = NewDevice(name);
    EXPECT_EQ(AddAddress(device.dev(), local, prefixlen), 0);
    return device;
  }

  uint64_t Ip6Count(Ip6Mib item) const { return host.n.ip6_mib.Get(item); }

  static void InitProtocols(net& n) {
    ipv4_init(n);
    ipv6_init(n);
  }

  netns_ipv6& ns;
};

}  // namespace tapedeck

#endif  // TAPEDECK_TESTS_UNIT_IPV6_HOST_H_
