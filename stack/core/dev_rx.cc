// From a driver to the protocols: netif_receive_skb and what is below it in net/core/dev.c.
#include <cerrno>

#include "stack/core/dev.h"
#include "stack/core/eth.h"
#include "stack/core/net.h"

namespace tapedeck {

namespace {

List<packet_type, PtypeTag>& ptype_head(net& net, packet_type* pt) {
  if (pt->type == kProtocolAll) return pt->dev != nullptr ? pt->dev->ptype_all : net.ptype_all;
  if (pt->dev != nullptr) return pt->dev->ptype_specific;
  return net.ptype_base[pt->type & (net::PTYPE_HASH_SIZE - 1)];
}

void net_timestamp_check(net& net, bool wanted_here, sk_buff* skb) {
  if (net.netstamp_needed == 0 || !wanted_here || skb->tstamp != 0) return;
  skb->tstamp = static_cast<int64_t>(net.kernel.now().ns());
}

// One more user takes the packet, which we keep.
[[gnu::noinline]] int deliver_skb(sk_buff* skb, packet_type* pt, net_device* orig_dev) {
  TRACE_FUNCTION(*skb->owner, skb, deliver_skb, skb, pt, orig_dev);
  return pt->func(skb_get(skb), skb->dev, pt, orig_dev);
}

// Gives the packet to all takers of the list but the last, which becomes *pt_prev: it gets the
// packet itself, not a use of it.
[[gnu::always_inline]] inline void deliver_ptype_list_skb(sk_buff* skb, packet_type** pt_prev,
                                                          net_device* orig_dev, uint16_t type,
                                                          const List<packet_type, PtypeTag>& list) {
  for (packet_type* pt = list.front(); pt != nullptr; pt = list.Next(pt)) {
    if (pt->type != type) continue;
    if (*pt_prev != nullptr) deliver_skb(skb, *pt_prev, orig_dev);
    *pt_prev = pt;
  }
}

net_device* vlan_find_dev(const net_device* dev, uint16_t proto, uint16_t id) {
  for (net_device* vlan = dev->vlan_list; vlan != nullptr; vlan = vlan->vlan_next) {
    if (vlan->vlan_id == id && vlan->vlan_proto == proto) return vlan;
  }
  return nullptr;
}

constexpr uint16_t kVlanIdMask = 0x0fff;

// True where the packet now belongs to a VLAN device; *pskb is nullptr where it was dropped.
bool vlan_do_receive(sk_buff** pskb) {
  sk_buff* skb = *pskb;
  net_device* const vlan =
      vlan_find_dev(skb->dev, skb->vlan_proto, skb_vlan_tag_get(skb) & kVlanIdMask);
  if (vlan == nullptr) return false;
  skb = *pskb = skb_share_check(skb);
  if (skb == nullptr) return false;
  if ((vlan->flags & IFF_UP) == 0) {
    ++vlan->stats.rx_dropped;
    kfree_skb_reason(skb, SKB_DROP_REASON_DEV_READY);
    *pskb = nullptr;
    return false;
  }
  skb->dev = vlan;
  // Our own address may differ from that of the device below.
  if (skb->pkt_type == PACKET_OTHERHOST && eth_hdr(skb)->dest == vlan->dev_addr) {
    skb->pkt_type = PACKET_HOST;
  }
  __vlan_hwaccel_clear_tag(skb);
  ++vlan->stats.rx_packets;
  vlan->stats.rx_bytes += skb->len;
  if (skb->pkt_type == PACKET_MULTICAST) ++vlan->stats.multicast;
  return true;
}

// What the stages of __netif_receive_skb_core say.
enum class Stage : uint8_t { kGoOn, kAnotherRound, kDone };

// The stages. Each costs a test where it has nothing to do, which is what most packets meet.

[[gnu::noinline]] Stage VlanDevice(sk_buff** pskb, packet_type** pt_prev, net_device* orig_dev) {
  if (*pt_prev != nullptr) {
    deliver_skb(*pskb, *pt_prev, orig_dev);
    *pt_prev = nullptr;
  }
  if (vlan_do_receive(pskb)) return Stage::kAnotherRound;
  return *pskb == nullptr ? Stage::kDone : Stage::kGoOn;
}

[[gnu::noinline]] Stage RxHandler(sk_buff** pskb, packet_type** pt_prev, net_device* orig_dev,
                                  bool* exact) {
  if (*pt_prev != nullptr) {
    deliver_skb(*pskb, *pt_prev, orig_dev);
    *pt_prev = nullptr;
  }
  switch ((*pskb)->dev->rx_handler(pskb)) {
    case RX_HANDLER_CONSUMED:
      *pskb = nullptr;
      return Stage::kDone;
    case RX_HANDLER_ANOTHER:
      return Stage::kAnotherRound;
    case RX_HANDLER_EXACT:
      *exact = true;
      return Stage::kGoOn;
    case RX_HANDLER_PASS:
      return Stage::kGoOn;
  }
  return Stage::kGoOn;
}

// A tag that no VLAN device wanted: a priority tag (id 0) is ignored, any other makes the packet
// somebody else's.
[[gnu::noinline]] Stage LeftOverTag(sk_buff** pskb) {
  sk_buff* skb = *pskb;
  if ((skb_vlan_tag_get(skb) & kVlanIdMask) != 0) {
    skb->pkt_type = PACKET_OTHERHOST;
  } else if (wire::IsVlanType(skb->protocol)) {
    // The inner tag counts.
    __vlan_hwaccel_clear_tag(skb);
    skb = *pskb = skb_vlan_untag(skb);
    if (skb == nullptr) return Stage::kDone;
    if (vlan_do_receive(pskb)) return Stage::kAnotherRound;
    if (*pskb == nullptr) return Stage::kDone;
    if ((skb_vlan_tag_get(*pskb) & kVlanIdMask) != 0) (*pskb)->pkt_type = PACKET_OTHERHOST;
  }
  __vlan_hwaccel_clear_tag(*pskb);
  return Stage::kGoOn;
}

// One pass over a packet's takers up to the protocol; kAnotherRound where it has moved to another
// device.
[[gnu::always_inline]] inline Stage ReceiveRound(net& net, sk_buff** pskb, packet_type** pt_prev,
                                                 net_device* orig_dev, bool* exact) {
  net_device* const dev = (*pskb)->dev;
  (*pskb)->skb_iif = dev->ifindex;
  ++net.this_softnet().processed;
  if (__builtin_expect(wire::IsVlanType((*pskb)->protocol), 0)) {
    *pskb = skb_vlan_untag(*pskb);
    if (*pskb == nullptr) return Stage::kDone;
  }
  deliver_ptype_list_skb(*pskb, pt_prev, orig_dev, kProtocolAll, net.ptype_all);
  deliver_ptype_list_skb(*pskb, pt_prev, orig_dev, kProtocolAll, dev->ptype_all);
  Stage stage = Stage::kGoOn;
  if (skb_vlan_tag_present(*pskb)) stage = VlanDevice(pskb, pt_prev, orig_dev);
  if (stage == Stage::kGoOn && dev->rx_handler != nullptr) {
    stage = RxHandler(pskb, pt_prev, orig_dev, exact);
  }
  if (stage == Stage::kGoOn && skb_vlan_tag_present(*pskb)) stage = LeftOverTag(pskb);
  return stage;
}

// The protocols that want a packet which has had its rounds.
[[gnu::always_inline]] inline void Protocols(net& net, sk_buff* skb, packet_type** pt_prev,
                                             net_device* orig_dev, bool exact) {
  const uint16_t type = skb->protocol;
  if (!exact) {
    deliver_ptype_list_skb(skb, pt_prev, orig_dev, type,
                           net.ptype_base[type & (net::PTYPE_HASH_SIZE - 1)]);
  }
  deliver_ptype_list_skb(skb, pt_prev, orig_dev, type, orig_dev->ptype_specific);
  if (skb->dev != orig_dev) {
    deliver_ptype_list_skb(skb, pt_prev, orig_dev, type, skb->dev->ptype_specific);
  }
}

// The beginning of __netif_receive_skb_core: a time stamp for who wants one, and where the headers
// are.
[[gnu::always_inline]] inline void StampAndMeasure(net& net, sk_buff* skb) {
  net_timestamp_check(net, net.core.netdev_tstamp_prequeue == 0, skb);
  net.Charge(CostPoint::k_netif_receive);
  skb_reset_network_header(skb);
  if (!skb_transport_header_was_set(skb)) skb_reset_transport_header(skb);
  skb_reset_mac_len(skb);
}

// Gives *pskb to all who want it but the last, which is returned in *ppt_prev and gets it from the
// caller; nullptr there means that the packet is gone.
[[gnu::always_inline]] inline int __netif_receive_skb_core(net& net, sk_buff** pskb,
                                                           packet_type** ppt_prev) {
  TRACE_FUNCTION(net, *pskb, __netif_receive_skb_core, net, pskb, ppt_prev);
  net_device* const orig_dev = (*pskb)->dev;
  StampAndMeasure(net, *pskb);
  packet_type* pt_prev = nullptr;
  bool exact = false;
  Stage stage = Stage::kAnotherRound;
  while (stage == Stage::kAnotherRound) {
    stage = ReceiveRound(net, pskb, &pt_prev, orig_dev, &exact);
  }
  *ppt_prev = nullptr;
  if (stage == Stage::kDone) return NET_RX_SUCCESS;
  sk_buff* const skb = *pskb;
  Protocols(net, skb, &pt_prev, orig_dev, exact);
  if (pt_prev != nullptr) {
    *ppt_prev = pt_prev;
    return NET_RX_SUCCESS;
  }
  ++(exact ? skb->dev->stats.rx_nohandler : skb->dev->stats.rx_dropped);
  kfree_skb_reason(skb, SKB_DROP_REASON_UNHANDLED_PROTO);
  return NET_RX_DROP;
}

int __netif_receive_skb_one_core(net& net, sk_buff* skb) {
  net_device* const orig_dev = skb->dev;
  packet_type* pt = nullptr;
  const int ret = __netif_receive_skb_core(net, &skb, &pt);
  return pt != nullptr ? pt->func(skb, skb->dev, pt, orig_dev) : ret;
}

void __netif_receive_skb_list_ptype(sk_buff_head* list, packet_type* pt, net_device* orig_dev) {
  if (pt == nullptr || skb_queue_empty(list)) return;
  if (pt->list_func != nullptr) {
    pt->list_func(list, pt, orig_dev);
    return;
  }
  while (sk_buff* const skb = __skb_dequeue(list)) pt->func(skb, skb->dev, pt, orig_dev);
}

// Whether nobody but a protocol can want packets from `dev`, and nobody listens to the functions on
// their way: no tap, no bridge.
bool IsPlainDevice(const net& net, const net_device* dev) {
  return net.ptype_all.empty() && dev->ptype_all.empty() && dev->ptype_specific.empty() &&
         dev->rx_handler == nullptr && net.function_tracer == nullptr;
}

// The only protocol that wants packets of `type`; nullptr where there are several, or none.
packet_type* OnlyProtocol(const net& net, uint16_t type) {
  packet_type* only = nullptr;
  const auto& protocols = net.ptype_base[type & (net::PTYPE_HASH_SIZE - 1)];
  for (packet_type* pt = protocols.front(); pt != nullptr; pt = protocols.Next(pt)) {
    if (pt->type != type) continue;
    if (only != nullptr) return nullptr;
    only = pt;
  }
  return only;
}

// The protocol that alone wants packets of one type from one device, found once for many of them:
// it is the same until somebody else's code runs, before which it must be forgotten.
class PlainReceiver {
 public:
  // nullptr where others may want the packet: it has a VLAN tag or another user, or its device is
  // not plain.
  packet_type* Find(const net& net, const sk_buff* skb) {
    if (skb_vlan_tag_present(skb) || skb_shared(skb)) return nullptr;
    if (skb->dev != dev_ || skb->protocol != type_) FindAnew(net, skb);
    return pt_;
  }
  void Forget() { dev_ = nullptr; }

 private:
  [[gnu::noinline]] void FindAnew(const net& net, const sk_buff* skb) {
    dev_ = skb->dev;
    type_ = skb->protocol;
    const bool plain = IsPlainDevice(net, dev_) && !wire::IsVlanType(type_);
    pt_ = plain ? OnlyProtocol(net, type_) : nullptr;
  }

  const net_device* dev_ = nullptr;  // no packet's while nothing is known
  packet_type* pt_ = nullptr;
  uint16_t type_ = 0;
};

// What __netif_receive_skb_core does with a plain packet before its protocol gets it.
[[gnu::always_inline]] inline void ReceivePlain(net& net, softnet_data& sd, sk_buff* skb) {
  StampAndMeasure(net, skb);
  skb->skb_iif = skb->dev->ifindex;
  ++sd.processed;
}

// With any other packet; who gets it, nullptr: it is gone.
[[gnu::noinline]] packet_type* ReceiveOther(net& net, sk_buff** pskb) {
  packet_type* pt = nullptr;
  __netif_receive_skb_core(net, pskb, &pt);
  return pt;
}

// Gives what stands in `list` before `end` (nullptr: all of it) to `pt`.
[[gnu::noinline]] void DeliverBefore(sk_buff_head* list, const sk_buff* end, packet_type* pt,
                                     net_device* orig_dev) {
  if (end == nullptr) return __netif_receive_skb_list_ptype(list, pt, orig_dev);
  sk_buff_head waiting;
  skb_queue_cut_before(list, end, &waiting);
  __netif_receive_skb_list_ptype(&waiting, pt, orig_dev);
}

// Hands runs of packets for the same protocol from the same device up together. A run waits where
// it is: at the list's head, before the packet that is looked at.
void __netif_receive_skb_list_core(net& net, sk_buff_head* list) {
  PlainReceiver receiver;
  softnet_data& sd = net.this_softnet();
  packet_type* pt_curr = nullptr;
  net_device* od_curr = nullptr;
  sk_buff* next = nullptr;
  for (sk_buff* skb = skb_peek(list); skb != nullptr; skb = next) {
    next = skb_peek_next(skb, list);
    net_device* const orig_dev = skb->dev;
    packet_type* pt = receiver.Find(net, skb);
    const bool plain = pt != nullptr;
    if (plain) {
      ReceivePlain(net, sd, skb);
      if (pt == pt_curr && orig_dev == od_curr) continue;
    } else {
      __skb_unlink(skb, list);
      pt = ReceiveOther(net, &skb);
      receiver.Forget();
      if (pt == nullptr) continue;
    }
    // Taps that kept a use of the packet do not stop it: shared packets go up alone.
    const bool alone = !plain && skb_shared(skb);
    if (pt != pt_curr || orig_dev != od_curr || alone) {
      if (pt_curr != nullptr) {
        DeliverBefore(list, plain ? skb : next, pt_curr, od_curr);
        receiver.Forget();
      }
      pt_curr = pt;
      od_curr = orig_dev;
    }
    if (alone) {
      pt->func(skb, skb->dev, pt, orig_dev);
    } else if (!plain) {
      __skb_queue_before(list, next != nullptr ? next : list->as_skb(), skb);
    }
  }
  __netif_receive_skb_list_ptype(list, pt_curr, od_curr);
}

// enqueue_to_backlog.
int EnqueueToBacklog(sk_buff* skb) {
  net& net = dev_net(skb->dev);
  net_timestamp_check(net, net.core.netdev_tstamp_prequeue != 0, skb);
  softnet_data& sd = net.this_softnet();
  DropReason reason = SKB_DROP_REASON_DEV_READY;
  if (netif_running(skb->dev)) {
    reason = SKB_DROP_REASON_CPU_BACKLOG;
    if (skb_queue_len(&sd.input_pkt_queue) <= static_cast<uint32_t>(net.core.netdev_max_backlog)) {
      if (skb_queue_empty(&sd.input_pkt_queue)) napi_schedule(sd.cpu, &sd.backlog);
      __skb_queue_tail(&sd.input_pkt_queue, skb);
      return NET_RX_SUCCESS;
    }
    ++sd.dropped;
  }
  ++skb->dev->stats.rx_dropped;
  kfree_skb_reason(skb, reason);
  return NET_RX_DROP;
}

}  // namespace

void dev_add_pack(net& net, packet_type* pt) { ptype_head(net, pt).PushFront(pt); }

void dev_remove_pack(packet_type* pt) { pt->Unlink(); }

int netif_receive_skb(sk_buff* skb) {
  net& net = dev_net(skb->dev);
  TRACE_FUNCTION(net, skb, netif_receive_skb, skb);
  net_timestamp_check(net, net.core.netdev_tstamp_prequeue != 0, skb);
  return __netif_receive_skb_one_core(net, skb);
}

void netif_receive_skb_list_internal(net& net, sk_buff_head* list) {
  TRACE_FUNCTION(net, nullptr, netif_receive_skb_list_internal, net, list);
  if (net.netstamp_needed != 0 && net.core.netdev_tstamp_prequeue != 0) {
    for (sk_buff* skb = skb_peek(list); skb != nullptr; skb = skb_peek_next(skb, list)) {
      net_timestamp_check(net, true, skb);
    }
  }
  __netif_receive_skb_list_core(net, list);
}

int __netif_rx(sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, __netif_rx, skb);
  return EnqueueToBacklog(skb);
}

int netif_rx(sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, netif_rx, skb);
  Cpu& cpu = dev_net(skb->dev).this_cpu();
  const int ret = EnqueueToBacklog(skb);
  cpu.local_bh_enable();
  return ret;
}

int process_backlog(napi_struct* napi, int budget) {
  TRACE_FUNCTION(cpu_net(*napi->cpu), nullptr, process_backlog, napi, budget);
  softnet_data& sd = cpu_softnet(*napi->cpu);
  int work = 0;
  for (;;) {
    while (sk_buff* const skb = __skb_dequeue(&sd.process_queue)) {
      __netif_receive_skb_one_core(sd.host_net, skb);
      if (++work >= budget) return work;
    }
    if (skb_queue_empty(&sd.input_pkt_queue)) break;
    skb_queue_splice_tail_init(&sd.input_pkt_queue, &sd.process_queue);
  }
  napi->state = 0;
  return work;
}

int netdev_rx_handler_register(net_device* dev, rx_handler_func_t handler, void* data) {
  if (dev->rx_handler != nullptr) return -EBUSY;
  dev->rx_handler_data = data;
  dev->rx_handler = handler;
  return 0;
}

void netdev_rx_handler_unregister(net_device* dev) {
  dev->rx_handler = nullptr;
  dev->rx_handler_data = nullptr;
}

}  // namespace tapedeck
