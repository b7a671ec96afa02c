// A host with IPv4 and one Ethernet device, 10.0.0.1/24, whose driver is the test: frames go in by
// Receive, what is sent lies in `eth.sent`. The peer 10.0.0.2 is a permanent neighbour. At the end
// everything must have been given back.
#ifndef TAPEDECK_TESTS_UNIT_IPV4_HOST_H_
#define TAPEDECK_TESTS_UNIT_IPV4_HOST_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core_host.h"
#include "stack/core/neighbour.h"
#include "stack/core/sock.h"
#include "stack/drivers/loopback.h"
#include "stack/ipv4/arp.h"
#include "stack/ipv4/devinet.h"
#include "stack/ipv4/icmp.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/wire/describe.h"
#include "stack/wire/frame_builder.h"

namespace tapedeck {

inline constexpr Ipv4Address kUs{10, 0, 0, 1};
inline constexpr Ipv4Address kPeer{10, 0, 0, 2};
inline constexpr Ipv4Address kFar{192, 0, 2, 9};
inline constexpr MacAddress kUsMac{2, 0, 0, 0, 0, 1};
inline constexpr MacAddress kPeerMac{2, 0, 0, 0, 0, 2};

class Ipv4Test : public ::testing::Test {
 protected:
  Ipv4Test() : ns((ipv4_init(host.n), *host.n.ipv4)), eth(host, "eth0") {
    host.kernel.request_irq(/*slot=*/0, kVector, /*cpu=*/0, RunWork, this);
    loopback_init(host.n);
    eth.Up();
    EXPECT_EQ(AddAddress(eth.dev(), kUs, 24), 0);
    AddNeighbour(eth.dev(), kPeer, kPeerMac);
  }

  void TearDown() override {
    host.RunFor(Duration::Seconds(40));  // past reassembly timers
    eth.FreeSent();
    for (auto& device : more) device->FreeSent();
    loopback_exit(host.n);
    ipv4_exit(host.n);
    for (auto& device : more) device->FreeSent();
    eth.FreeSent();
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
    neighbour* const neigh = neigh_create(host.n.arp_tbl, addr.bytes().data(), dev);
    ASSERT_NE(neigh, nullptr);
    neigh_update(neigh, mac.bytes().data(), NUD_PERMANENT,
                 NEIGH_UPDATE_F_ADMIN | NEIGH_UPDATE_F_OVERRIDE);
    neigh_release(neigh);
  }
  // Another Ethernet device with an address and a permanent neighbour ...2 on its network.
  TestDevice& AddDevice(const char* name, Ipv4Address local, uint8_t prefixlen) {
    more.push_back(std::make_unique<TestDevice>(host, name));
    TestDevice& device = *more.back();
    device->dev_addr = MacAddress(2, 0, 0, 0, 1, static_cast<uint8_t>(more.size()));
    device.Up();
    EXPECT_EQ(AddAddress(device.dev(), local, prefixlen), 0);
    AddNeighbour(device.dev(), Ipv4Address((local.host() & ~0xffU) | 2), kPeerMac);
    return device;
  }
  int Sysctl(const char* path, int value) {
    return host.kernel.sysctl().Write(path, std::to_string(value));
  }

  // Runs `work` on the CPU, at the world's time, with what it sets off.
  void OnCpu(std::function<void()> work) {
    pending_work = std::move(work);
    host.kernel.DeliverMsix(/*slot=*/0, kVector, host.world.now());
    host.world.RunUntil(host.world.now());
    ASSERT_EQ(pending_work, nullptr);
  }
  void Receive(TestDevice& device, std::span<const uint8_t> frame) {
    OnCpu([&] { netif_rx(ReceivedFrame(device.dev(), Bytes(frame.begin(), frame.end()))); });
  }
  void Receive(std::span<const uint8_t> frame) { Receive(eth, frame); }

  wire::FrameBuilder NewFrame(const MacAddress& dest = kUsMac) {
    return wire::FrameBuilder(buffer).Ethernet(dest, kPeerMac);
  }
  // The first frame sent since the last call, in tcpdump's words; "" where none was.
  std::string NextSent(TestDevice& device) {
    if (device.sent.empty()) return "";
    last_sent = BytesOf(device.sent.front());
    consume_skb(device.sent.front());
    device.sent.erase(device.sent.begin());
    return wire::DescribeFrame(last_sent);
  }
  std::string NextSent() { return NextSent(eth); }
  wire::Ipv4View LastSentIp() const {
    const auto view = wire::ParseIpv4(std::span<const uint8_t>(last_sent).subspan(14));
    EXPECT_TRUE(view.ok());
    return *view;
  }

  uint64_t Ip(IpMib item) const { return host.n.ip_mib.Get(item); }
  uint64_t IpExt(IpExtMib item) const { return host.n.ip_ext_mib.Get(item); }
  uint64_t Icmp(IcmpMib item) const { return host.n.icmp_mib.Get(item); }
  uint64_t Drops(DropReason reason) const { return host.Drops(reason); }
  size_t Delivered() const { return host.sink.Of(TraceKind::kDeliver).size(); }

  static constexpr int kVector = 1;
  static void RunWork(Cpu&, void* test) {
    const auto work = std::exchange(static_cast<Ipv4Test*>(test)->pending_work, nullptr);
    if (work != nullptr) work();
  }
  std::function<void()> pending_work;

  CoreHost host{KernelOptions{.hz = 1000}};
  netns_ipv4& ns;
  TestDevice eth;
  std::vector<std::unique_ptr<TestDevice>> more;
  uint8_t buffer[2048] = {};
  Bytes last_sent;
};

}  // namespace tapedeck

#endif  // TAPEDECK_TESTS_UNIT_IPV4_HOST_H_
