// The device layer's paths: receive from a driver's poll up to the protocols, transmit from the
// network layer down to a driver. Functions keep the kernel's names (net/core/dev.c) and may be
// read beside it.
//
//   in:  napi_schedule -> NET_RX_SOFTIRQ -> net_rx_action -> poll -> napi_gro_receive ->
//   gro_normal_list ->
//        netif_receive_skb_list_internal -> __netif_receive_skb_core -> deliver_skb ->
//        packet_type::func (ip_rcv, ...)
//   out: dev_queue_xmit -> qdisc (or none) -> sch_direct_xmit -> dev_hard_start_xmit ->
//   ndo_start_xmit
#ifndef TAPEDECK_STACK_CORE_DEV_H_
#define TAPEDECK_STACK_CORE_DEV_H_

#include <cstdint>

#include "stack/base/list.h"
#include "stack/core/net_device.h"
#include "stack/core/sk_buff_head.h"
#include "stack/core/skbuff.h"
#include "stack/kernel/cpu.h"

namespace tapedeck {

struct Qdisc;

// --- Protocols and taps. ---

// packet_type::type of taps, and the type eth_type_trans gives to 802.3 frames with LLC (ETH_P_ALL,
// ETH_P_802_2).
inline constexpr uint16_t kProtocolAll = 0x0003;
inline constexpr uint16_t kProtocol8022 = 0x0004;

// Results of a packet_type function and of netif_receive_skb.
enum : int { NET_RX_SUCCESS = 0, NET_RX_DROP = 1 };
// Results of dev_queue_xmit; negative ones are errors.
enum : int { NET_XMIT_SUCCESS = 0, NET_XMIT_DROP = 1, NET_XMIT_CN = 2 };
// What an upper layer makes of it: congestion is no error.
constexpr int net_xmit_errno(int rc) {
  return rc == NET_XMIT_CN ? 0 : rc == NET_XMIT_DROP ? -105 : rc;
}
constexpr int net_xmit_eval(int rc) { return rc == NET_XMIT_CN ? 0 : rc; }

// A protocol that takes frames of an EtherType, or a tap that sees all (kProtocolAll). It owns each
// packet it is given, which may have other users: skb_share_check before changing it.
struct packet_type : ListNode<PtypeTag> {
  uint16_t type = 0;          // EtherType, host order
  net_device* dev = nullptr;  // only frames of this device; nullptr: of any
  // `orig_dev` is where it was received, `dev` where VLAN or bonding put it.
  int (*func)(sk_buff* skb, net_device* dev, packet_type* pt, net_device* orig_dev) = nullptr;
  // Takes a whole batch of the same device off `list`; may be null.
  void (*list_func)(sk_buff_head* list, packet_type* pt, net_device* orig_dev) = nullptr;
  sock* af_packet_sk = nullptr;  // its own packets are not shown to it on the way out
};
void dev_add_pack(net& net, packet_type* pt);
void dev_remove_pack(packet_type* pt);

// --- NAPI. ---

inline constexpr int NAPI_POLL_WEIGHT = 64;
inline constexpr uint32_t GRO_HASH_BUCKETS = 8;

// napi_struct::state.
enum : uint8_t {
  NAPI_STATE_SCHED = 1U << 0,    // polled, or about to be
  NAPI_STATE_MISSED = 1U << 1,   // an interrupt came while polling
  NAPI_STATE_DISABLE = 1U << 2,  // napi_disable
  NAPI_STATE_LISTED = 1U << 3,
};

struct napi_struct : ListNode<> {
  net_device* dev = nullptr;
  // Receives up to `budget` packets; returns how many. Fewer than budget means it has called
  // napi_complete_done. With budget 0 only transmit work is done.
  int (*poll)(napi_struct* napi, int budget) = nullptr;
  int weight = NAPI_POLL_WEIGHT;
  uint32_t napi_id = 0;
  uint32_t vector = 0;  // for traces
  uint8_t state = NAPI_STATE_SCHED;
  Cpu* cpu = nullptr;  // where it is scheduled
  // Packets on their way to netif_receive_skb_list_internal, and for how many segments they stand.
  sk_buff_head rx_list;
  uint32_t rx_count = 0;
  // Packets that wait for more of their flow (gro.h), by hash; which buckets have any.
  sk_buff_head gro_hash[GRO_HASH_BUCKETS];
  uint8_t gro_bitmask = 0;
  napi_struct* dev_next = nullptr;  // the device's other instances
};

// Registers `napi`, disabled until napi_enable.
void netif_napi_add(net_device* dev, napi_struct* napi, int (*poll)(napi_struct* napi, int budget),
                    int weight = NAPI_POLL_WEIGHT);
// REQUIRES: disabled.
void netif_napi_del(napi_struct* napi);
void napi_enable(napi_struct* napi);
// From task context. A poll that is due is taken off its list: what the kernel reaches by waiting
// for it.
void napi_disable(napi_struct* napi);

// True where the caller may (and must) call __napi_schedule. If it is being polled, the poll will
// be repeated (MISSED).
bool napi_schedule_prep(napi_struct* napi);
// Puts it on `cpu`'s poll list and raises NET_RX_SOFTIRQ there. REQUIRES: napi_schedule_prep said
// true.
void __napi_schedule(Cpu& cpu, napi_struct* napi);
// What an interrupt handler calls. True where it was not scheduled already.
bool napi_schedule(Cpu& cpu, napi_struct* napi);
// The poll function has done all there was, `work_done` packets. True: the driver may enable its
// interrupt. False: an interrupt was missed, it will be polled again.
bool napi_complete_done(napi_struct* napi, int work_done);
inline bool napi_complete(napi_struct* napi) { return napi_complete_done(napi, 0); }

// A packet from a poll function, link-layer header pulled (eth_type_trans). It reaches its protocol
// with the next batch: after gro_normal_batch packets or at the end of the poll. Where the device
// has NETIF_F_GRO it may wait for others to be merged with (gro.h).
void napi_gro_receive(napi_struct* napi, sk_buff* skb);
// Hands the batch up.
void gro_normal_list(napi_struct* napi);

// --- Receive. ---

// softnet_data: what a CPU holds for the network.
struct softnet_data {
  softnet_data(net& its_net, Cpu& its_cpu);

  net& host_net;
  Cpu& cpu;

  List<napi_struct> poll_list;
  // The slices of one net_rx_action (see there): what is still to be polled, what must be polled
  // again.
  List<napi_struct> action_list;
  List<napi_struct> action_repoll;
  bool in_net_rx_action = false;
  int action_budget = 0;
  Jiffies action_time_limit = 0;

  // netif_rx.
  sk_buff_head input_pkt_queue;
  sk_buff_head process_queue;
  napi_struct backlog;

  // NET_TX: queues to run, packets to free.
  Qdisc* output_queue = nullptr;
  Qdisc** output_queue_tail = &output_queue;
  sk_buff* completion_queue = nullptr;

  int xmit_recursion = 0;
  bool xmit_more = false;  // what netdev_xmit_more() tells the driver

  // /proc/net/softnet_stat.
  uint64_t processed = 0;
  uint64_t dropped = 0;
  uint64_t time_squeeze = 0;
  uint64_t received_rps = 0;
};

// Softirq actions. net_rx_action polls once per slice and yields, so that interrupts are taken
// between polls.
SoftirqSlice net_rx_action(Cpu& cpu);
SoftirqSlice net_tx_action(Cpu& cpu);

// One packet / a list of packets from a driver, at once. `list` is empty afterwards.
int netif_receive_skb(sk_buff* skb);
void netif_receive_skb_list_internal(net& net, sk_buff_head* list);
// A packet from anywhere, by way of the CPU's backlog queue (loopback, tunnels). NET_RX_DROP where
// that is full.
int netif_rx(sk_buff* skb);
// The same where the caller has bottom halves off: the softirq runs when it has done.
int __netif_rx(sk_buff* skb);
// The poll function of the backlog.
int process_backlog(napi_struct* napi, int budget);

// Diverts what is received on `dev` (bonding, bridge). 0 or -EBUSY.
int netdev_rx_handler_register(net_device* dev, rx_handler_func_t handler, void* data);
void netdev_rx_handler_unregister(net_device* dev);

// --- Transmit. ---

// Sends a packet with its link-layer header through skb->dev's queue. The packet is consumed in any
// case. Returns NET_XMIT_* or -errno (-ENETDOWN where the device is down).
int dev_queue_xmit(sk_buff* skb);
// Sends without a queue (packet sockets with PACKET_QDISC_BYPASS). NETDEV_TX_* or NET_XMIT_DROP.
int dev_direct_xmit(sk_buff* skb, uint16_t queue);
// Gives a list of packets to the driver; returns what it did not take, *ret says why.
sk_buff* dev_hard_start_xmit(sk_buff* first, net_device* dev, netdev_queue* txq, int* ret);
// Does in software what the device cannot: VLAN tags, segments (the result is a list linked by
// `next` then), linear buffers, checksums. nullptr where the packet was dropped.
sk_buff* validate_xmit_skb(sk_buff* skb, net_device* dev);
sk_buff* validate_xmit_skb_list(sk_buff* skb, net_device* dev);
// Whether a driver's answer means that the packet is gone.
constexpr bool dev_xmit_complete(int rc) { return rc != NETDEV_TX_BUSY; }

netdev_queue* netdev_core_pick_tx(net_device* dev, sk_buff* skb);
// For ndo_start_xmit: whether another packet follows at once, so that the doorbell can wait.
bool netdev_xmit_more(const net_device* dev);
// A driver's transmit completions: counts for byte queue limits.
void netif_trans_update(net_device* dev);

// Runs `q` from NET_TX_SOFTIRQ.
void __netif_schedule(Qdisc* q);

// The watchdog: calls ndo_tx_timeout where a stopped queue has sent nothing for watchdog_timeo.
void netdev_watchdog_up(net_device* dev);
void netdev_watchdog_down(net_device* dev);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_DEV_H_
