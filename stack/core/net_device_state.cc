// What changes about a device while it runs: carrier, transmit queues, address filters.
#include <cerrno>

#include "stack/core/dev.h"
#include "stack/core/ethtool.h"
#include "stack/core/net.h"
#include "stack/core/net_device.h"
#include "stack/core/qdisc.h"

namespace tapedeck {

namespace {

void TraceLink(net_device* dev, bool up) {
  uint64_t mbps = 0;
  if (up && dev->ethtool_ops != nullptr && dev->ethtool_ops->get_link_ksettings != nullptr) {
    ethtool_link_settings settings = {};
    if (dev->ethtool_ops->get_link_ksettings(dev, &settings) == 0) mbps = settings.speed_mbps;
  }
  dev->nd_net.this_cpu().Trace(TraceKind::kLink, static_cast<uint64_t>(dev->ifindex), up, mbps);
}

void UpdateRxMode(net_device* dev) {
  if ((dev->flags & IFF_UP) == 0) return;
  if (dev->netdev_ops->ndo_set_rx_mode != nullptr) dev->netdev_ops->ndo_set_rx_mode(dev);
}

netdev_hw_addr* Find(const List<netdev_hw_addr>& list, const MacAddress& addr) {
  for (netdev_hw_addr& entry : list) {
    if (entry.addr == addr) return &entry;
  }
  return nullptr;
}

int AddAddress(net_device* dev, List<netdev_hw_addr>& list, const MacAddress& addr) {
  netdev_hw_addr* entry = Find(list, addr);
  if (entry != nullptr) {
    ++entry->refcount;
    return 0;
  }
  void* const memory = dev->nd_net.kernel.kmalloc().Alloc(sizeof(netdev_hw_addr));
  if (memory == nullptr) return -ENOMEM;
  entry = new (memory) netdev_hw_addr;
  entry->addr = addr;
  list.PushBack(entry);
  UpdateRxMode(dev);
  return 0;
}

int DelAddress(net_device* dev, List<netdev_hw_addr>& list, const MacAddress& addr) {
  netdev_hw_addr* const entry = Find(list, addr);
  if (entry == nullptr) return -ENOENT;
  if (--entry->refcount > 0) return 0;
  entry->Unlink();
  dev->nd_net.kernel.kmalloc().Free(entry, sizeof(*entry));
  UpdateRxMode(dev);
  return 0;
}

void Count(uint32_t* counter, int inc) {
  CHECK(inc >= 0 || *counter >= static_cast<uint32_t>(-inc));
  *counter += static_cast<uint32_t>(inc);
}

}  // namespace

void netif_carrier_on(net_device* dev) {
  if (netif_carrier_ok(dev)) return;
  dev->state &= static_cast<uint8_t>(~LINK_STATE_NOCARRIER);
  if (dev->reg_state != RegState::kRegistered) return;
  TraceLink(dev, true);
  if (netif_running(dev)) dev_activate(dev);
  call_netdevice_notifiers(NetdevEvent::kChange, dev);
}

void netif_carrier_off(net_device* dev) {
  if (!netif_carrier_ok(dev)) return;
  dev->state |= LINK_STATE_NOCARRIER;
  if (dev->reg_state != RegState::kRegistered) return;
  TraceLink(dev, false);
  if (netif_running(dev)) dev_deactivate(dev);
  call_netdevice_notifiers(NetdevEvent::kChange, dev);
}

void netif_tx_wake_queue(netdev_queue* txq) {
  if (!netif_tx_queue_stopped(txq)) return;
  netif_tx_start_queue(txq);
  __netif_schedule(txq->qdisc);
}

void netif_tx_stop_queue(netdev_queue* txq) {
  if (netif_tx_queue_stopped(txq)) return;
  txq->state |= QUEUE_STATE_DRV_XOFF;
  netdev_watchdog_up(txq->dev);
}

void netif_tx_stop_all_queues(net_device* dev) {
  for (uint32_t i = 0; i < dev->num_tx_queues; ++i) netif_stop_subqueue(dev, i);
}

void netif_tx_start_all_queues(net_device* dev) {
  for (uint32_t i = 0; i < dev->num_tx_queues; ++i) netif_start_subqueue(dev, i);
}

void netif_tx_wake_all_queues(net_device* dev) {
  for (uint32_t i = 0; i < dev->num_tx_queues; ++i) netif_wake_subqueue(dev, i);
}

int netif_set_real_num_tx_queues(net_device* dev, uint16_t queues) {
  if (queues < 1 || queues > dev->num_tx_queues) return -EINVAL;
  for (uint32_t i = queues; i < dev->real_num_tx_queues; ++i) {
    if (dev->tx[i].qdisc != nullptr) qdisc_reset(dev->tx[i].qdisc);
  }
  dev->real_num_tx_queues = queues;
  return 0;
}

int netif_set_real_num_rx_queues(net_device* dev, uint16_t queues) {
  if (queues < 1 || queues > dev->num_rx_queues) return -EINVAL;
  dev->real_num_rx_queues = queues;
  return 0;
}

void dev_set_promiscuity(net_device* dev, int inc) {
  Count(&dev->promiscuity, inc);
  dev->flags = dev->promiscuity > 0 ? dev->flags | IFF_PROMISC : dev->flags & ~IFF_PROMISC;
  UpdateRxMode(dev);
}

void dev_set_allmulti(net_device* dev, int inc) {
  Count(&dev->allmulti, inc);
  dev->flags = dev->allmulti > 0 ? dev->flags | IFF_ALLMULTI : dev->flags & ~IFF_ALLMULTI;
  UpdateRxMode(dev);
}

int dev_mc_add(net_device* dev, const MacAddress& addr) { return AddAddress(dev, dev->mc, addr); }
int dev_mc_del(net_device* dev, const MacAddress& addr) { return DelAddress(dev, dev->mc, addr); }
int dev_uc_add(net_device* dev, const MacAddress& addr) { return AddAddress(dev, dev->uc, addr); }
int dev_uc_del(net_device* dev, const MacAddress& addr) { return DelAddress(dev, dev->uc, addr); }

}  // namespace tapedeck
