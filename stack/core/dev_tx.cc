// From the network layer to a driver: dev_queue_xmit and what is below it in net/core/dev.c.
#include <cerrno>

#include "stack/core/dev.h"
#include "stack/core/gso.h"
#include "stack/core/net.h"
#include "stack/core/qdisc.h"
#include "stack/core/skb_data.h"
#include "stack/core/tx_timestamp.h"
#include "stack/wire/ethernet.h"

namespace tapedeck {

namespace {

constexpr int kXmitRecursionLimit = 8;  // XMIT_RECURSION_LIMIT
constexpr uint16_t kTcpCheckOffset = 16;
constexpr uint16_t kUdpCheckOffset = 6;

bool HasTaps(const net_device* dev) {
  return !dev->nd_net.ptype_all.empty() || !dev->ptype_all.empty();
}

// Shows a packet that is about to be sent to the taps: one clone, of which each gets a use.
void dev_queue_xmit_nit(sk_buff* skb, net_device* dev) {
  packet_type* pt_prev = nullptr;
  sk_buff* shown = nullptr;
  const auto show = [&](packet_type& pt) {
    const bool own = pt.af_packet_sk != nullptr && pt.af_packet_sk == skb->sk;
    if (own) return;
    if (pt_prev != nullptr) {
      pt_prev->func(skb_get(shown), dev, pt_prev, dev);
    } else {
      shown = skb_clone(skb);
      if (shown == nullptr) return;
      if (shown->tstamp == 0)
        shown->tstamp = static_cast<int64_t>(dev->nd_net.this_cpu().now().ns());
      skb_reset_mac_header(shown);
      const int network = skb_network_offset(shown);
      if (network < 0 || network > static_cast<int>(skb_headlen(shown))) {
        skb_reset_network_header(shown);
      }
      shown->transport_header = shown->network_header;
      shown->pkt_type = PACKET_OUTGOING;
    }
    pt_prev = &pt;
  };
  for (packet_type& pt : dev->nd_net.ptype_all) show(pt);
  for (packet_type& pt : dev->ptype_all) show(pt);
  if (pt_prev != nullptr) pt_prev->func(shown, dev, pt_prev, dev);
}

int xmit_one(sk_buff* skb, net_device* dev, netdev_queue* txq, bool more) {
  if (HasTaps(dev)) dev_queue_xmit_nit(skb, dev);
  dev->nd_net.this_softnet().xmit_more = more;
  const netdev_tx_t rc = dev->netdev_ops->ndo_start_xmit(skb, dev);
  if (rc == NETDEV_TX_OK) txq->trans_start = dev->nd_net.jiffies();
  return rc;
}

// gso_features_check: a packet beyond what the device takes is cut in software.
netdev_features_t gso_features_check(const sk_buff* skb, const net_device* dev,
                                     netdev_features_t features) {
  const uint32_t max_size =
      skb->protocol == wire::kEtherTypeIpv6 ? dev->gso_max_size : dev->gso_ipv4_max_size;
  const bool fits = skb_shinfo(skb)->gso_segs <= dev->gso_max_segs && skb->len < max_size &&
                    skb_shinfo(skb)->gso_type != 0;
  return fits ? features : features & ~NETIF_F_GSO_MASK;
}

netdev_features_t netif_skb_features(sk_buff* skb, net_device* dev) {
  netdev_features_t features = dev->features;
  if (skb_is_gso(skb)) features = gso_features_check(skb, dev, features);
  if (skb_vlan_tag_present(skb) || wire::IsVlanType(skb->protocol)) {
    features &= dev->vlan_features | NETIF_F_HW_VLAN_CTAG_TX;
  }
  if (dev->netdev_ops->ndo_features_check != nullptr) {
    features &= dev->netdev_ops->ndo_features_check(skb, dev, features);
  }
  return features;
}

// Whether the device can fill in the checksum that a CHECKSUM_PARTIAL packet wants
// (can_checksum_protocol, skb_csum_hwoffload_help).
bool CanChecksum(const sk_buff* skb, netdev_features_t features) {
  if ((features & NETIF_F_HW_CSUM) != 0) return true;
  const bool known = skb->csum_offset == kTcpCheckOffset || skb->csum_offset == kUdpCheckOffset;
  if (!known) return false;
  if (skb->protocol == wire::kEtherTypeIpv4) return (features & NETIF_F_IP_CSUM) != 0;
  if (skb->protocol == wire::kEtherTypeIpv6) return (features & NETIF_F_IPV6_CSUM) != 0;
  return false;
}

bool skb_needs_linearize(const sk_buff* skb, netdev_features_t features) {
  if (!skb_is_nonlinear(skb)) return false;
  return (skb_has_frag_list(skb) && (features & NETIF_F_FRAGLIST) == 0) ||
         (skb_shinfo(skb)->nr_frags > 0 && (features & NETIF_F_SG) == 0);
}

// What a device cannot do is done for it: one buffer, checksum. False where the packet was dropped.
bool CompleteForDevice(sk_buff* skb, net_device* dev, netdev_features_t features) {
  bool ready = !skb_needs_linearize(skb, features) || __skb_linearize(skb) == 0;
  if (ready && skb->ip_summed == CHECKSUM_PARTIAL) {
    skb->transport_header = skb->csum_start;
    ready = CanChecksum(skb, features) || skb_checksum_help(skb) == 0;
  }
  if (ready) return true;
  ++dev->stats.tx_dropped;
  kfree_skb_reason(skb, SKB_DROP_REASON_SKB_CSUM);
  return false;
}

// The same for each of `segs`; those that are left.
sk_buff* CompleteSegments(sk_buff* segs, net_device* dev, netdev_features_t features) {
  sk_buff* head = nullptr;
  sk_buff** tail = &head;
  while (segs != nullptr) {
    sk_buff* const next = segs->next;
    segs->next = nullptr;
    if (CompleteForDevice(segs, dev, features)) {
      *tail = segs;
      tail = &segs->next;
    }
    segs = next;
  }
  return head;
}

// netdev_pick_tx without XPS: the queue the packet came in by when it is forwarded, else its
// flow's.
uint16_t PickQueue(const net_device* dev, const sk_buff* skb) {
  const uint16_t queues = dev->real_num_tx_queues;
  if (skb_rx_queue_recorded(skb)) return static_cast<uint16_t>(skb_get_rx_queue(skb) % queues);
  return static_cast<uint16_t>(uint64_t{skb->hash} * queues >> 32);  // reciprocal_scale
}

// A device without a queue: straight to the driver. The packet is consumed.
int XmitWithoutQueue(sk_buff* skb, net_device* dev, netdev_queue* txq) {
  softnet_data& sd = dev->nd_net.this_softnet();
  const bool usable = (dev->flags & IFF_UP) != 0 && sd.xmit_recursion < kXmitRecursionLimit;
  if (usable) {
    skb = validate_xmit_skb(skb, dev);
    if (skb == nullptr) return -ENOMEM;
    // Of several segments some may go: to the sender that means that none was lost here.
    const bool is_list = skb->next != nullptr;
    if (!netif_xmit_stopped(txq)) {
      int rc = NETDEV_TX_OK;
      ++sd.xmit_recursion;
      skb = dev_hard_start_xmit(skb, dev, txq, &rc);
      --sd.xmit_recursion;
      if (skb == nullptr) return is_list ? NETDEV_TX_OK : rc;
    }
    if (is_list) {
      ++dev->stats.tx_dropped;
      kfree_skb_list_reason(skb, SKB_DROP_REASON_DEV_READY);
      return NETDEV_TX_OK;
    }
  }
  ++dev->stats.tx_dropped;
  kfree_skb_list_reason(skb, SKB_DROP_REASON_DEV_READY);
  return -ENETDOWN;
}

int __dev_queue_xmit(sk_buff* skb) {
  net_device* const dev = skb->dev;
  skb_reset_mac_header(skb);
  if ((skb_shinfo(skb)->tx_flags & SKBTX_SCHED_TSTAMP) != 0) {
    __skb_tstamp_tx(skb, nullptr, skb->sk, SCM_TSTAMP_SCHED);
  }
  netdev_queue* const txq = netdev_core_pick_tx(dev, skb);
  Qdisc* const q = txq->qdisc;
  if (q->ops->enqueue != nullptr) return __dev_xmit_skb(skb, q, dev, txq);
  return XmitWithoutQueue(skb, dev, txq);
}

}  // namespace

netdev_queue* netdev_core_pick_tx(net_device* dev, sk_buff* skb) {
  uint16_t queue = 0;
  if (dev->real_num_tx_queues > 1) {
    queue = dev->netdev_ops->ndo_select_queue != nullptr
                ? dev->netdev_ops->ndo_select_queue(dev, skb)
                : PickQueue(dev, skb);
    if (queue >= dev->real_num_tx_queues) queue = 0;  // netdev_cap_txqueue
  }
  skb->queue_mapping = queue;
  return netdev_get_tx_queue(dev, queue);
}

sk_buff* validate_xmit_skb(sk_buff* skb, net_device* dev) {
  const netdev_features_t features = netif_skb_features(skb, dev);
  if (skb_vlan_tag_present(skb) && (features & NETIF_F_HW_VLAN_CTAG_TX) == 0) {
    skb = __vlan_hwaccel_push_inside(skb);
    if (skb == nullptr) {
      ++dev->stats.tx_dropped;
      return nullptr;
    }
  }
  if (netif_needs_gso(skb, features)) {
    const GsoResult result = skb_gso_segment(skb, features);
    if (result.error != 0) {
      ++dev->stats.tx_dropped;
      kfree_skb_reason(skb, SKB_DROP_REASON_SKB_GSO_SEG);
      return nullptr;
    }
    if (result.segs != nullptr) {
      consume_skb(skb);
      return CompleteSegments(result.segs, dev, features);
    }
  }
  return CompleteForDevice(skb, dev, features) ? skb : nullptr;
}

sk_buff* validate_xmit_skb_list(sk_buff* skb, net_device* dev) {
  sk_buff* head = nullptr;
  sk_buff** tail = &head;
  while (skb != nullptr) {
    sk_buff* const next = skb->next;
    skb->next = nullptr;
    *tail = validate_xmit_skb(skb, dev);
    while (*tail != nullptr) tail = &(*tail)->next;
    skb = next;
  }
  return head;
}

sk_buff* dev_hard_start_xmit(sk_buff* first, net_device* dev, netdev_queue* txq, int* ret) {
  TRACE_FUNCTION(dev->nd_net, first, dev_hard_start_xmit, first, dev, txq, ret);
  sk_buff* skb = first;
  int rc = NETDEV_TX_OK;
  while (skb != nullptr) {
    sk_buff* const next = skb->next;
    skb->next = nullptr;
    rc = xmit_one(skb, dev, txq, next != nullptr);
    if (!dev_xmit_complete(rc)) {
      skb->next = next;
      break;
    }
    skb = next;
    if (netif_tx_queue_stopped(txq) && skb != nullptr) {
      rc = NETDEV_TX_BUSY;
      break;
    }
  }
  *ret = rc;
  return skb;
}

int dev_queue_xmit(sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, dev_queue_xmit, skb);
  Cpu& cpu = dev_net(skb->dev).this_cpu();
  const int rc = __dev_queue_xmit(skb);
  cpu.local_bh_enable();
  return rc;
}

int dev_direct_xmit(sk_buff* skb, uint16_t queue) {
  net_device* const dev = skb->dev;
  netdev_queue* const txq = netdev_get_tx_queue(dev, queue);
  skb->queue_mapping = queue;
  if (!netif_running(dev) || !netif_carrier_ok(dev)) {
    ++dev->stats.tx_dropped;
    kfree_skb_reason(skb, SKB_DROP_REASON_DEV_READY);
    return NET_XMIT_DROP;
  }
  skb = validate_xmit_skb(skb, dev);
  if (skb == nullptr) return NET_XMIT_DROP;
  int rc = NETDEV_TX_BUSY;
  if (!netif_xmit_frozen_or_stopped(txq)) dev_hard_start_xmit(skb, dev, txq, &rc);
  if (!dev_xmit_complete(rc)) kfree_skb_reason(skb, SKB_DROP_REASON_TX_QUEUE_STOPPED);
  return rc;
}

bool netdev_xmit_more(const net_device* dev) { return dev->nd_net.this_softnet().xmit_more; }

void netif_trans_update(net_device* dev) { dev->tx[0].trans_start = dev->nd_net.jiffies(); }

void __netif_schedule(Qdisc* q) {
  if ((q->state & QDISC_STATE_SCHED) != 0) return;
  q->state |= QDISC_STATE_SCHED;
  softnet_data& sd = q->dev_queue->dev->nd_net.this_softnet();
  q->next_sched = nullptr;
  *sd.output_queue_tail = q;
  sd.output_queue_tail = &q->next_sched;
  sd.cpu.raise_softirq(NET_TX_SOFTIRQ);
}

SoftirqSlice net_tx_action(Cpu& cpu) {
  TRACE_FUNCTION(cpu_net(cpu), nullptr, net_tx_action, cpu);
  softnet_data& sd = cpu_softnet(cpu);
  sk_buff* done = sd.completion_queue;
  sd.completion_queue = nullptr;
  while (done != nullptr) {
    sk_buff* const next = done->next;
    done->next = nullptr;
    consume_skb(done);
    done = next;
  }
  Qdisc* q = sd.output_queue;
  sd.output_queue = nullptr;
  sd.output_queue_tail = &sd.output_queue;
  while (q != nullptr) {
    Qdisc* const next = q->next_sched;
    q->state &= static_cast<uint8_t>(~QDISC_STATE_SCHED);
    if ((q->state & QDISC_STATE_DEACTIVATED) == 0) __qdisc_run(q);
    q = next;
  }
  return SoftirqSlice::kDone;
}

}  // namespace tapedeck
