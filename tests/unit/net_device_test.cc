// Devices: names, numbers, up and down, addresses, and who is told.
#include "stack/core/net_device.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "core_host.h"

namespace tapedeck {
namespace {

struct Listener : netdev_notifier {
  Listener() {
    call = [](netdev_notifier* nb, NetdevEvent event, net_device*) {
      auto* const self = static_cast<Listener*>(nb);
      self->events.push_back(event);
      return event == self->refuse ? -EPERM : 0;
    };
  }
  std::vector<NetdevEvent> events;
  NetdevEvent refuse = NetdevEvent::kFeatChange;
};

TEST(NetDevice, NamesTakeTheFirstFreeNumber) {
  CoreHost host;
  TestDevice a(host);
  a.Up();
  TestDevice b(host);
  b.Up();
  EXPECT_STREQ(a->name, "eth0");
  EXPECT_STREQ(b->name, "eth1");
  EXPECT_EQ(a->ifindex, 1);
  EXPECT_EQ(b->ifindex, 2);
  EXPECT_EQ(dev_get_by_name(host.n, "eth1"), b.dev());
  EXPECT_EQ(dev_get_by_index(host.n, 1), a.dev());
  EXPECT_EQ(dev_get_by_name(host.n, "eth2"), nullptr);
  EXPECT_EQ(dev_get_by_index(host.n, 3), nullptr);
  for (const char* name : {"eth0", "", ".", "..", "a/b", "a b", "a:b", "0123456789abcdef", "%s"}) {
    EXPECT_EQ(alloc_netdev_mqs(host.n, 0, name, ether_setup, 1, 1), nullptr) << name;
  }
}

TEST(NetDevice, OthersAreTold) {
  CoreHost host;
  Listener early;
  register_netdevice_notifier(host.n, &early);
  TestDevice device(host);
  device.Up();
  EXPECT_EQ(early.events, (std::vector{NetdevEvent::kRegister, NetdevEvent::kUp}));
  Listener late;
  register_netdevice_notifier(host.n, &late);
  EXPECT_EQ(late.events, early.events);
  EXPECT_EQ(dev_set_mtu(device.dev(), 1400), 0);
  EXPECT_EQ(dev_set_mtu(device.dev(), 67), -EINVAL);
  EXPECT_EQ(dev_set_mtu(device.dev(), 1501), -EINVAL);
  late.refuse = NetdevEvent::kChangeMtu;
  EXPECT_EQ(dev_set_mtu(device.dev(), 1300), -EPERM);
  EXPECT_EQ(device->mtu, 1400U);
  late.events.clear();
  EXPECT_EQ(dev_set_mac_address(device.dev(), MacAddress(2, 0, 0, 0, 0, 7)), -EBUSY);
  dev_close(device.dev());
  EXPECT_EQ(dev_set_mac_address(device.dev(), MacAddress(1, 0, 0, 0, 0, 7)), -EADDRNOTAVAIL);
  EXPECT_EQ(dev_set_mac_address(device.dev(), MacAddress(2, 0, 0, 0, 0, 7)), 0);
  unregister_netdev(device.dev());
  EXPECT_EQ(late.events, (std::vector{NetdevEvent::kGoingDown, NetdevEvent::kDown,
                                      NetdevEvent::kChangeAddr, NetdevEvent::kUnregister}));
  EXPECT_EQ(dev_get_by_name(host.n, "eth0"), nullptr);
  unregister_netdevice_notifier(&early);
  unregister_netdevice_notifier(&late);
}

TEST(NetDevice, OpeningCanFail) {
  CoreHost host;
  TestDevice device(host);
  ASSERT_EQ(register_netdev(device.dev()), 0);
  device->dev_addr = MacAddress();
  EXPECT_EQ(dev_open(device.dev()), -EADDRNOTAVAIL);
  EXPECT_FALSE(netif_running(device.dev()));
  device->dev_addr = MacAddress(2, 0, 0, 0, 0, 1);
  device.ops().ndo_open = [](net_device*) { return -EIO; };
  EXPECT_EQ(dev_open(device.dev()), -EIO);
  EXPECT_EQ(dev_get_flags(device.dev()) & (IFF_UP | IFF_RUNNING), 0U);
  device.ops().ndo_open = nullptr;
  EXPECT_EQ(dev_open(device.dev()), 0);
  EXPECT_EQ(dev_get_flags(device.dev()),
            IFF_UP | IFF_BROADCAST | IFF_MULTICAST | IFF_RUNNING | IFF_LOWER_UP);
}

TEST(NetDevice, FiltersAreCountedAndReachTheDriver) {
  static int updates;
  updates = 0;
  CoreHost host;
  TestDevice device(host);
  device.ops().ndo_set_rx_mode = [](net_device*) { ++updates; };
  device.Up();
  EXPECT_EQ(updates, 1);
  const MacAddress group(1, 0, 0x5e, 0, 0, 1);
  EXPECT_EQ(dev_mc_add(device.dev(), group), 0);
  EXPECT_EQ(dev_mc_add(device.dev(), group), 0);
  EXPECT_EQ(updates, 2);
  EXPECT_EQ(dev_mc_del(device.dev(), group), 0);
  EXPECT_EQ(updates, 2);
  EXPECT_EQ(dev_mc_del(device.dev(), group), 0);
  EXPECT_EQ(updates, 3);
  EXPECT_EQ(dev_mc_del(device.dev(), group), -ENOENT);
  dev_set_promiscuity(device.dev(), 1);
  dev_set_promiscuity(device.dev(), 1);
  dev_set_promiscuity(device.dev(), -1);
  EXPECT_NE(dev_get_flags(device.dev()) & IFF_PROMISC, 0U);
  dev_set_promiscuity(device.dev(), -1);
  EXPECT_EQ(dev_get_flags(device.dev()) & IFF_PROMISC, 0U);
  EXPECT_EQ(dev_change_flags(device.dev(), IFF_UP | IFF_BROADCAST | IFF_ALLMULTI), 0);
  EXPECT_EQ(device->allmulti, 1U);
  EXPECT_EQ(dev_change_flags(device.dev(), IFF_BROADCAST), 0);
  EXPECT_FALSE(netif_running(device.dev()));
  EXPECT_EQ(device->allmulti, 0U);
}

TEST(NetDevice, CountersOfDriverAndStackAddUp) {
  CoreHost host;
  TestDevice device(host);
  device.Up();
  device->stats.rx_dropped = 3;
  rtnl_link_stats64 stats;
  dev_get_stats(device.dev(), &stats);
  EXPECT_EQ(stats.rx_dropped, 3U);
  device.ops().ndo_get_stats64 = [](net_device*, rtnl_link_stats64* s) {
    s->rx_packets = 5;
    s->rx_dropped = 4;
  };
  dev_get_stats(device.dev(), &stats);
  EXPECT_EQ(stats.rx_packets, 5U);
  EXPECT_EQ(stats.rx_dropped, 7U);
}

TEST(NetDevice, MemoryComesBack) {
  CoreHost host;
  const uint64_t before = host.kernel.kmalloc().live_objects();
  {
    TestDevice device(host, "eth%d", 4);
    device.Up();
    dev_uc_add(device.dev(), MacAddress(2, 0, 0, 0, 0, 3));
  }
  EXPECT_EQ(host.kernel.kmalloc().live_objects(), before);
}

TEST(NetDeviceDeathTest, AHeldDeviceMayNotGo) {
  CoreHost host;
  TestDevice device(host);
  device.Up();
  dev_hold(device.dev());
  EXPECT_DEATH(unregister_netdev(device.dev()), "CHECK failed");
  dev_put(device.dev());
}

}  // namespace
}  // namespace tapedeck
