#include "stack/drivers/loopback.h"

#include "stack/core/dev.h"
#include "stack/core/eth.h"
#include "stack/core/qdisc.h"
#include "stack/core/tx_timestamp.h"
#include "stack/core/zerocopy.h"

namespace tapedeck {

namespace {

constexpr uint32_t kLoopbackMtu = 65536;

netdev_tx_t LoopbackXmit(sk_buff* skb, net_device* dev) {
  TRACE_FUNCTION_AS(loopback_xmit, *skb->owner, skb, LoopbackXmit, skb, dev);
  skb_tx_timestamp(skb);
  // When it was to leave is not when it came in.
  skb->tstamp = 0;
  // What is received here must not be tied to what the sender may still see as his.
  if (skb_orphan_frags_rx(skb) != 0) {
    ++dev->stats.tx_dropped;
    kfree_skb_reason(skb, SKB_DROP_REASON_SKB_UCOPY_FAULT);
    return NETDEV_TX_OK;
  }
  // The receiver must not have to wait for the sender's buffer space.
  skb_orphan(skb);
  skb->protocol = eth_type_trans(skb, dev);
  const uint32_t bytes = skb->len;
  if (__netif_rx(skb) == NET_RX_SUCCESS) {
    ++dev->stats.rx_packets;
    ++dev->stats.tx_packets;
    dev->stats.rx_bytes += bytes;
    dev->stats.tx_bytes += bytes;
  } else {
    ++dev->stats.tx_dropped;
  }
  return NETDEV_TX_OK;
}

constexpr net_device_ops kLoopbackOps = {
    .ndo_start_xmit = &LoopbackXmit,
};

// A route that died while somebody held it still names a device; its packets are dropped before
// they get here.
netdev_tx_t BlackholeXmit(sk_buff* skb, net_device* /*dev*/) {
  kfree_skb_reason(skb, SKB_DROP_REASON_DEV_READY);
  return NETDEV_TX_OK;
}

constexpr net_device_ops kBlackholeOps = {
    .ndo_start_xmit = &BlackholeXmit,
};

// gen_lo_setup.
void GeneralSetup(net_device* dev, uint32_t mtu, const net_device_ops* ops) {
  ether_setup(dev);
  dev->mtu = mtu;
  dev->max_mtu = 0;
  dev->type = kArphrdLoopback;
  dev->flags = IFF_LOOPBACK;
  dev->priv_flags |= IFF_NO_QUEUE;
  dev->tx_queue_len = 1000;
  dev->dev_addr = MacAddress();
  dev->broadcast = MacAddress();
  // Nothing between sender and receiver can damage a packet, so checksums are neither made nor
  // looked at.
  dev->features =
      NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_HW_CSUM | NETIF_F_RXCSUM | NETIF_F_HIGHDMA;
  // A datagram of several segments comes in as it went out.
  dev->features |= NETIF_F_GSO_UDP_L4;
  dev->netdev_ops = ops;
}

void LoopbackSetup(net_device* dev) { GeneralSetup(dev, kLoopbackMtu, &kLoopbackOps); }

void BlackholeSetup(net_device* dev) {
  GeneralSetup(dev, kEthMtuMin, &kBlackholeOps);
  dev->flags |= IFF_UP;
}

}  // namespace

net_device* loopback_init(net& net) {
  net.blackhole_netdev = alloc_netdev_mqs(net, 0, "blackhole_dev", &BlackholeSetup, 1, 1);
  if (net.blackhole_netdev == nullptr) return nullptr;
  dev_init_scheduler(net.blackhole_netdev);
  net_device* const dev = alloc_netdev_mqs(net, 0, "lo", &LoopbackSetup, 1, 1);
  if (dev == nullptr) return nullptr;
  net.loopback_dev = dev;
  if (register_netdev(dev) != 0 || dev_open(dev) != 0) {
    net.loopback_dev = nullptr;
    free_netdev(dev);
    return nullptr;
  }
  return dev;
}

void loopback_exit(net& net) {
  if (net.loopback_dev == nullptr) return;
  unregister_netdev(net.loopback_dev);
  free_netdev(net.loopback_dev);
  net.loopback_dev = nullptr;
}

}  // namespace tapedeck
