// Devices of a host: making, registering, opening, and telling others about it.
#include "stack/core/net_device.h"

#include <cerrno>
#include <cstring>
#include <string>

#include "stack/core/dev.h"
#include "stack/core/net.h"
#include "stack/core/qdisc.h"

namespace tapedeck {

namespace {

constexpr int kUnitsMax = 10000;  // devices that share a pattern of names

// dev_valid_name: fits, is not "." or "..", and has no '/', ':' or space.
bool ValidName(std::string_view name) {
  if (name.empty() || name.size() >= kIfNameBytes || name == "." || name == "..") return false;
  for (const char c : name) {
    if (c == '/' || c == ':' || c == ' ' || (c >= '\t' && c <= '\r')) return false;
  }
  return true;
}

// Writes `pattern` with its "%d" replaced by the lowest number that no device has. False where none
// fits.
bool AllocName(net& net, std::string_view pattern, char (&name)[kIfNameBytes]) {
  const size_t percent = pattern.find('%');
  if (percent == std::string_view::npos) {
    if (!ValidName(pattern) || dev_get_by_name(net, pattern) != nullptr) return false;
    std::memcpy(name, pattern.data(), pattern.size());
    return true;
  }
  if (pattern.substr(percent, 2) != "%d") return false;
  for (int unit = 0; unit < kUnitsMax; ++unit) {
    std::string candidate(pattern.substr(0, percent));
    candidate.append(std::to_string(unit)).append(pattern.substr(percent + 2));
    if (!ValidName(candidate)) return false;
    if (dev_get_by_name(net, candidate) != nullptr) continue;
    std::memcpy(name, candidate.data(), candidate.size());
    return true;
  }
  return false;
}

// netdev_run_todo's promise: whoever held the device has let go.
void CheckUnused(const net_device* dev) { CHECK_EQ(dev->refcount, 1U); }

}  // namespace

net_device::net_device(net& host_net) : nd_net(host_net), watchdog_timer(nullptr) {}

net_device* alloc_netdev_mqs(net& net, uint32_t priv_bytes, std::string_view name,
                             void (*setup)(net_device* dev), uint16_t tx_queues,
                             uint16_t rx_queues) {
  CHECK(tx_queues > 0 && rx_queues > 0);
  Kmalloc& kmalloc = net.kernel.kmalloc();
  void* const memory = kmalloc.Alloc(sizeof(net_device));
  if (memory == nullptr) return nullptr;
  auto* const dev = new (memory) net_device(net);
  void* const queues = kmalloc.Alloc(tx_queues * sizeof(netdev_queue));
  dev->priv = priv_bytes > 0 ? kmalloc.Alloc(priv_bytes) : nullptr;
  dev->priv_bytes = priv_bytes;
  dev->num_tx_queues = dev->real_num_tx_queues = tx_queues;
  dev->num_rx_queues = dev->real_num_rx_queues = rx_queues;
  dev->state = LINK_STATE_PRESENT;
  if (queues != nullptr) {
    dev->tx = new (queues) netdev_queue[tx_queues];
    for (uint32_t i = 0; i < tx_queues; ++i) dev->tx[i].dev = dev;
  }
  const bool complete = queues != nullptr && (priv_bytes == 0 || dev->priv != nullptr);
  if (!complete || !AllocName(net, name, dev->name)) {
    free_netdev(dev);
    return nullptr;
  }
  if (dev->priv != nullptr) std::memset(dev->priv, 0, priv_bytes);
  setup(dev);
  return dev;
}

void free_netdev(net_device* dev) {
  CHECK(dev->reg_state != RegState::kRegistered);
  CheckUnused(dev);
  Kmalloc& kmalloc = dev->nd_net.kernel.kmalloc();
  while (netdev_hw_addr* const addr = dev->mc.PopFront()) kmalloc.Free(addr, sizeof(*addr));
  while (netdev_hw_addr* const addr = dev->uc.PopFront()) kmalloc.Free(addr, sizeof(*addr));
  if (dev->tx != nullptr) kmalloc.Free(dev->tx, dev->num_tx_queues * sizeof(netdev_queue));
  if (dev->priv != nullptr) kmalloc.Free(dev->priv, dev->priv_bytes);
  dev->~net_device();
  kmalloc.Free(dev, sizeof(*dev));
}

int register_netdev(net_device* dev) {
  CHECK(dev->reg_state == RegState::kUninitialized);
  net& net = dev->nd_net;
  if (dev->netdev_ops->ndo_init != nullptr) {
    const int error = dev->netdev_ops->ndo_init(dev);
    if (error != 0) return error;
  }
  dev->ifindex = ++net.last_ifindex;
  dev->features |= dev->hw_features;
  dev_init_scheduler(dev);
  net.devices.PushBack(dev);
  dev->reg_state = RegState::kRegistered;
  const int error = call_netdevice_notifiers(NetdevEvent::kRegister, dev);
  if (error != 0) unregister_netdev(dev);
  return error;
}

void unregister_netdev(net_device* dev) {
  CHECK(dev->reg_state == RegState::kRegistered);
  dev_close(dev);
  dev->Unlink();
  dev->reg_state = RegState::kUnregistered;
  dev_shutdown(dev);
  call_netdevice_notifiers(NetdevEvent::kUnregister, dev);
  if (dev->netdev_ops->ndo_uninit != nullptr) dev->netdev_ops->ndo_uninit(dev);
  CheckUnused(dev);
}

int dev_open(net_device* dev) {
  if ((dev->flags & IFF_UP) != 0) return 0;
  if ((dev->state & LINK_STATE_PRESENT) == 0) return -ENODEV;
  const net_device_ops* const ops = dev->netdev_ops;
  dev->state |= LINK_STATE_START;
  int error = ops->ndo_validate_addr != nullptr ? ops->ndo_validate_addr(dev) : 0;
  if (error == 0 && ops->ndo_open != nullptr) error = ops->ndo_open(dev);
  if (error != 0) {
    dev->state &= static_cast<uint8_t>(~LINK_STATE_START);
    return error;
  }
  dev->flags |= IFF_UP;
  if (ops->ndo_set_rx_mode != nullptr) ops->ndo_set_rx_mode(dev);
  dev_activate(dev);
  call_netdevice_notifiers(NetdevEvent::kUp, dev);
  return 0;
}

void dev_close(net_device* dev) {
  if ((dev->flags & IFF_UP) == 0) return;
  call_netdevice_notifiers(NetdevEvent::kGoingDown, dev);
  dev->state &= static_cast<uint8_t>(~LINK_STATE_START);
  dev_deactivate(dev);
  if (dev->netdev_ops->ndo_stop != nullptr) dev->netdev_ops->ndo_stop(dev);
  dev->flags &= ~IFF_UP;
  call_netdevice_notifiers(NetdevEvent::kDown, dev);
}

int dev_change_flags(net_device* dev, uint32_t flags) {
  const uint32_t old = dev->flags;
  constexpr uint32_t kSettable = IFF_NOARP | IFF_MULTICAST;
  dev->flags = (flags & kSettable) | (dev->flags & ~kSettable);
  int error = 0;
  if (((old ^ flags) & IFF_UP) != 0) {
    if ((flags & IFF_UP) != 0) {
      error = dev_open(dev);
    } else {
      dev_close(dev);
    }
  }
  if (((dev_get_flags(dev) ^ flags) & IFF_PROMISC) != 0) {
    dev_set_promiscuity(dev, (flags & IFF_PROMISC) != 0 ? 1 : -1);
  }
  if (((dev_get_flags(dev) ^ flags) & IFF_ALLMULTI) != 0) {
    dev_set_allmulti(dev, (flags & IFF_ALLMULTI) != 0 ? 1 : -1);
  }
  if (((dev->flags ^ old) & kSettable) != 0) call_netdevice_notifiers(NetdevEvent::kChange, dev);
  return error;
}

int dev_set_mtu(net_device* dev, uint32_t mtu) {
  if (mtu == dev->mtu) return 0;
  if (mtu < dev->min_mtu || (dev->max_mtu > 0 && mtu > dev->max_mtu)) return -EINVAL;
  const uint32_t old = dev->mtu;
  if (dev->netdev_ops->ndo_change_mtu != nullptr) {
    const int error = dev->netdev_ops->ndo_change_mtu(dev, mtu);
    if (error != 0) return error;
  }
  dev->mtu = mtu;
  const int error = call_netdevice_notifiers(NetdevEvent::kChangeMtu, dev);
  if (error != 0) {
    if (dev->netdev_ops->ndo_change_mtu != nullptr) dev->netdev_ops->ndo_change_mtu(dev, old);
    dev->mtu = old;
  }
  return error;
}

int dev_set_mac_address(net_device* dev, const MacAddress& address) {
  if (dev->netdev_ops->ndo_set_mac_address == nullptr) return -EOPNOTSUPP;
  const int error = dev->netdev_ops->ndo_set_mac_address(dev, address);
  if (error == 0) call_netdevice_notifiers(NetdevEvent::kChangeAddr, dev);
  return error;
}

void netdev_set_features(net_device* dev, netdev_features_t wanted) {
  netdev_features_t features = (dev->features & ~dev->hw_features) | (wanted & dev->hw_features);
  const net_device_ops* const ops = dev->netdev_ops;
  if (ops->ndo_fix_features != nullptr) features = ops->ndo_fix_features(dev, features);
  if (features == dev->features) return;
  if (ops->ndo_set_features != nullptr && ops->ndo_set_features(dev, features) < 0) return;
  dev->features = features;
  call_netdevice_notifiers(NetdevEvent::kFeatChange, dev);
}

void dev_get_stats(net_device* dev, rtnl_link_stats64* stats) {
  *stats = dev->stats;
  if (dev->netdev_ops->ndo_get_stats64 == nullptr) return;
  *stats = {};
  dev->netdev_ops->ndo_get_stats64(dev, stats);
  // What the stack counted in dev->stats, as dev_core_stats.
  stats->rx_dropped += dev->stats.rx_dropped;
  stats->tx_dropped += dev->stats.tx_dropped;
  stats->rx_nohandler += dev->stats.rx_nohandler;
}

uint32_t dev_get_flags(const net_device* dev) {
  uint32_t flags = dev->flags & ~(IFF_PROMISC | IFF_ALLMULTI | IFF_RUNNING | IFF_LOWER_UP);
  if (dev->promiscuity > 0) flags |= IFF_PROMISC;
  if (dev->allmulti > 0) flags |= IFF_ALLMULTI;
  if (netif_running(dev) && netif_carrier_ok(dev)) flags |= IFF_RUNNING | IFF_LOWER_UP;
  return flags;
}

net_device* dev_get_by_index(net& net, int ifindex) {
  for (net_device& dev : net.devices) {
    if (dev.ifindex == ifindex) return &dev;
  }
  return nullptr;
}

net_device* dev_get_by_name(net& net, std::string_view name) {
  for (net_device& dev : net.devices) {
    if (name == dev.name) return &dev;
  }
  return nullptr;
}

void register_netdevice_notifier(net& net, netdev_notifier* nb) {
  net.netdev_chain.PushBack(nb);
  for (net_device& dev : net.devices) {
    nb->call(nb, NetdevEvent::kRegister, &dev);
    if ((dev.flags & IFF_UP) != 0) nb->call(nb, NetdevEvent::kUp, &dev);
  }
}

void unregister_netdevice_notifier(netdev_notifier* nb) { nb->Unlink(); }

int call_netdevice_notifiers(NetdevEvent event, net_device* dev) {
  for (netdev_notifier& nb : dev->nd_net.netdev_chain) {
    const int error = nb.call(&nb, event, dev);
    if (error != 0) return error;
  }
  return 0;
}

}  // namespace tapedeck
