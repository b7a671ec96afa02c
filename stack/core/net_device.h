// Network devices: net_device, its operation tables and its transmit queues
// (include/linux/netdevice.h). A driver fills the tables and keeps its own state behind the
// structure (netdev_priv); upper layers hang theirs on ip_ptr and ip6_ptr.
#ifndef TAPEDECK_STACK_CORE_NET_DEVICE_H_
#define TAPEDECK_STACK_CORE_NET_DEVICE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "stack/base/ip_address.h"
#include "stack/base/list.h"
#include "stack/core/skbuff.h"
#include "stack/kernel/cpu.h"
#include "stack/kernel/timer.h"

namespace tapedeck {

struct Qdisc;
struct ethtool_ops;
struct hh_cache;
struct in_device;
struct inet6_dev;
struct napi_struct;
struct neighbour;
struct neigh_parms;
struct packet_type;

// net_device::flags (if.h).
enum : uint32_t {
  IFF_UP = 1U << 0,
  IFF_BROADCAST = 1U << 1,
  IFF_LOOPBACK = 1U << 3,
  IFF_POINTOPOINT = 1U << 4,
  IFF_RUNNING = 1U << 6,
  IFF_NOARP = 1U << 7,
  IFF_PROMISC = 1U << 8,
  IFF_ALLMULTI = 1U << 9,
  IFF_MASTER = 1U << 10,
  IFF_SLAVE = 1U << 11,
  IFF_MULTICAST = 1U << 12,
  IFF_LOWER_UP = 1U << 16,
};

// net_device::priv_flags.
enum : uint32_t {
  IFF_NO_QUEUE = 1U << 0,  // no qdisc by default (loopback, veth)
  IFF_LIVE_ADDR_CHANGE = 1U << 1,
  IFF_TX_SKB_SHARING = 1U << 2,
  IFF_UNICAST_FLT = 1U << 3,  // filters several unicast addresses
};

// Hardware types (if_arp.h).
enum : uint16_t {
  kArphrdEther = 1,
  kArphrdLoopback = 772,
  kArphrdNone = 0xfffe,
};

// net_device::features.
using netdev_features_t = uint64_t;
enum : netdev_features_t {
  NETIF_F_SG = 1ULL << 0,
  NETIF_F_IP_CSUM = 1ULL << 1,
  NETIF_F_HW_CSUM = 1ULL << 3,
  NETIF_F_IPV6_CSUM = 1ULL << 4,
  NETIF_F_HIGHDMA = 1ULL << 5,
  NETIF_F_FRAGLIST = 1ULL << 6,
  NETIF_F_HW_VLAN_CTAG_TX = 1ULL << 7,
  NETIF_F_HW_VLAN_CTAG_RX = 1ULL << 8,
  NETIF_F_HW_VLAN_CTAG_FILTER = 1ULL << 9,
  NETIF_F_GSO = 1ULL << 11,
  NETIF_F_GRO = 1ULL << 14,
  NETIF_F_LRO = 1ULL << 15,
  NETIF_F_TSO = 1ULL << 16,
  NETIF_F_TSO6 = 1ULL << 20,
  NETIF_F_GSO_UDP_L4 = 1ULL << 32,
  NETIF_F_RXHASH = 1ULL << 36,
  NETIF_F_RXCSUM = 1ULL << 37,
  NETIF_F_GRO_UDP_FWD = 1ULL << 61,
};
inline constexpr netdev_features_t NETIF_F_CSUM_MASK =
    NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM | NETIF_F_HW_CSUM;

// What ndo_start_xmit answers. On BUSY the packet still belongs to the caller.
enum netdev_tx_t : int { NETDEV_TX_OK = 0x00, NETDEV_TX_BUSY = 0x10 };

struct rtnl_link_stats64 {
  uint64_t rx_packets = 0;
  uint64_t tx_packets = 0;
  uint64_t rx_bytes = 0;
  uint64_t tx_bytes = 0;
  uint64_t rx_errors = 0;
  uint64_t tx_errors = 0;
  uint64_t rx_dropped = 0;  // by the stack
  uint64_t tx_dropped = 0;
  uint64_t multicast = 0;
  uint64_t collisions = 0;
  uint64_t rx_length_errors = 0;
  uint64_t rx_over_errors = 0;
  uint64_t rx_crc_errors = 0;
  uint64_t rx_frame_errors = 0;
  uint64_t rx_fifo_errors = 0;
  uint64_t rx_missed_errors = 0;
  uint64_t tx_aborted_errors = 0;
  uint64_t tx_carrier_errors = 0;
  uint64_t tx_fifo_errors = 0;
  uint64_t tx_heartbeat_errors = 0;
  uint64_t tx_window_errors = 0;
  uint64_t rx_nohandler = 0;
};

// What a driver can do. Members may be null where the comment of the caller allows it: all but
// ndo_start_xmit.
struct net_device_ops {
  int (*ndo_init)(net_device* dev) = nullptr;
  void (*ndo_uninit)(net_device* dev) = nullptr;
  int (*ndo_open)(net_device* dev) = nullptr;
  int (*ndo_stop)(net_device* dev) = nullptr;
  netdev_tx_t (*ndo_start_xmit)(sk_buff* skb, net_device* dev) = nullptr;
  uint16_t (*ndo_select_queue)(net_device* dev, sk_buff* skb) = nullptr;
  netdev_features_t (*ndo_features_check)(sk_buff* skb, net_device* dev,
                                          netdev_features_t features) = nullptr;
  void (*ndo_set_rx_mode)(net_device* dev) = nullptr;
  int (*ndo_set_mac_address)(net_device* dev, const MacAddress& address) = nullptr;
  int (*ndo_validate_addr)(net_device* dev) = nullptr;
  int (*ndo_change_mtu)(net_device* dev, uint32_t mtu) = nullptr;
  void (*ndo_tx_timeout)(net_device* dev, uint32_t queue) = nullptr;
  // Fills *stats from scratch. Null: dev->stats is the truth.
  void (*ndo_get_stats64)(net_device* dev, rtnl_link_stats64* stats) = nullptr;
  int (*ndo_vlan_rx_add_vid)(net_device* dev, uint16_t proto, uint16_t vid) = nullptr;
  int (*ndo_vlan_rx_kill_vid)(net_device* dev, uint16_t proto, uint16_t vid) = nullptr;
  netdev_features_t (*ndo_fix_features)(net_device* dev, netdev_features_t features) = nullptr;
  int (*ndo_set_features)(net_device* dev, netdev_features_t features) = nullptr;
};

// How link-layer headers are made. Addresses are dev->addr_len bytes.
struct header_ops {
  // Pushes a header; nullptr addresses mean unknown / the device's own. Returns its length,
  // negative (minus the length) where the destination is still missing.
  int (*create)(sk_buff* skb, net_device* dev, uint16_t type, const uint8_t* daddr,
                const uint8_t* saddr, uint32_t len);
  // Writes the sender's address to `haddr`; returns its length, 0 where there is none.
  int (*parse)(const sk_buff* skb, uint8_t* haddr);
  // Fills `hh` for `neigh`; non-zero where it cannot be cached.
  int (*cache)(const neighbour* neigh, hh_cache* hh, uint16_t type);
  void (*cache_update)(hh_cache* hh, const net_device* dev, const uint8_t* haddr);
  // Whether the header of `len` bytes at `header` is one.
  bool (*validate)(const uint8_t* header, uint32_t len);
};

// netdev_queue::state.
enum : uint8_t {
  QUEUE_STATE_DRV_XOFF = 1U << 0,    // the driver has no descriptors left
  QUEUE_STATE_STACK_XOFF = 1U << 1,  // byte queue limits
  QUEUE_STATE_FROZEN = 1U << 2,
};

// One transmit queue.
struct netdev_queue {
  net_device* dev = nullptr;
  Qdisc* qdisc = nullptr;           // where packets are queued now
  Qdisc* noop_qdisc = nullptr;      // stands in while it is down
  Qdisc* qdisc_sleeping = nullptr;  // what it is while the device is up
  Jiffies trans_start = 0;          // of the last transmission, for the watchdog
  uint64_t trans_timeout = 0;
  uint8_t state = 0;  // QUEUE_STATE_*
};

// net_device::state.
enum : uint8_t {
  LINK_STATE_START = 1U << 0,
  LINK_STATE_PRESENT = 1U << 1,
  LINK_STATE_NOCARRIER = 1U << 2,
};

enum class RegState : uint8_t { kUninitialized, kRegistered, kUnregistered };

// A group or further unicast address the device listens to.
struct netdev_hw_addr : ListNode<> {
  MacAddress addr;
  uint32_t refcount = 1;
};

// What an rx_handler did with a packet (bonding, bridge, macvlan).
enum rx_handler_result_t : uint8_t {
  RX_HANDLER_CONSUMED,  // it is gone
  RX_HANDLER_ANOTHER,   // skb->dev has changed: start again
  RX_HANDLER_EXACT,     // only to packet types bound to the device
  RX_HANDLER_PASS,      // go on
};
using rx_handler_func_t = rx_handler_result_t (*)(sk_buff** pskb);

inline constexpr size_t kIfNameBytes = 16;  // IFNAMSIZ: a name and its NUL

struct PtypeTag;

struct net_device : ListNode<> {
  explicit net_device(net& host_net);

  char name[kIfNameBytes] = {};
  net& nd_net;
  int ifindex = 0;
  uint32_t flags = 0;       // IFF_*
  uint32_t priv_flags = 0;  // IFF_NO_QUEUE, ...
  uint32_t mtu = 0;
  uint32_t min_mtu = 0;
  uint32_t max_mtu = 0;  // 0: no limit
  uint16_t type = 0;     // kArphrd...
  uint16_t hard_header_len = 0;
  uint16_t needed_headroom = 0;
  uint16_t needed_tailroom = 0;
  uint8_t addr_len = 0;
  uint8_t state = 0;  // LINK_STATE_*
  RegState reg_state = RegState::kUninitialized;
  MacAddress dev_addr;
  MacAddress broadcast;
  netdev_features_t features = 0;
  netdev_features_t hw_features = 0;  // what a user may change
  netdev_features_t vlan_features = 0;
  const net_device_ops* netdev_ops = nullptr;
  const tapedeck::header_ops* header_ops = nullptr;
  const tapedeck::ethtool_ops* ethtool_ops = nullptr;

  // Largest packet of several segments it is given, in bytes and segments.
  uint32_t gso_max_size = 65536;
  uint32_t gso_ipv4_max_size = 65536;
  uint16_t gso_max_segs = 65535;

  uint32_t tx_queue_len = 0;  // packets
  uint16_t num_tx_queues = 0;
  uint16_t real_num_tx_queues = 0;
  uint16_t num_rx_queues = 0;
  uint16_t real_num_rx_queues = 0;
  netdev_queue* tx = nullptr;
  Duration watchdog_timeo;  // zero: 5 s
  struct Watchdog : TimerList {
    using TimerList::TimerList;
    net_device* dev = nullptr;
  } watchdog_timer;

  // Receive.
  rx_handler_func_t rx_handler = nullptr;
  void* rx_handler_data = nullptr;
  List<packet_type, PtypeTag> ptype_all;       // taps on this device
  List<packet_type, PtypeTag> ptype_specific;  // packet types bound to it
  napi_struct* napi_list = nullptr;

  // Filters.
  List<netdev_hw_addr> mc;
  List<netdev_hw_addr> uc;
  uint32_t promiscuity = 0;
  uint32_t allmulti = 0;

  // State of the layers above, set and freed by them.
  in_device* ip_ptr = nullptr;
  inet6_dev* ip6_ptr = nullptr;
  neigh_parms* arp_parms = nullptr;  // by neigh_parms_alloc
  neigh_parms* nd_parms = nullptr;
  // VLAN devices above this one, linked by vlan_next; and what this one is where it is a VLAN
  // device.
  net_device* vlan_list = nullptr;
  net_device* vlan_next = nullptr;
  net_device* real_dev = nullptr;
  uint16_t vlan_proto = 0;
  uint16_t vlan_id = 0;
  net_device* master = nullptr;

  rtnl_link_stats64 stats;
  uint32_t refcount = 1;
  uint32_t priv_bytes = 0;
  void* priv = nullptr;
};

// The driver's state.
template <typename T>
T* netdev_priv(const net_device* dev) {
  return static_cast<T*>(dev->priv);
}
inline net& dev_net(const net_device* dev) { return dev->nd_net; }

// A new device with `priv_bytes` of zeroed driver state, named `name` ("%d" in it takes the first
// free number), with so many queues; `setup` sets what its kind has in common. nullptr where memory
// failed or the name is taken or invalid.
net_device* alloc_netdev_mqs(net& net, uint32_t priv_bytes, std::string_view name,
                             void (*setup)(net_device* dev), uint16_t tx_queues,
                             uint16_t rx_queues);
// REQUIRES: never registered, or unregistered.
void free_netdev(net_device* dev);
// Puts the device among those of its host: ifindex, ndo_init, NETDEV_REGISTER. 0 or -errno.
int register_netdev(net_device* dev);
// Closes it if it is up, tells everybody, waits for nobody: REQUIRES that after NETDEV_UNREGISTER
// no reference is left.
void unregister_netdev(net_device* dev);

// Up and down, as `ip link set dev ... up`. 0 or -errno.
int dev_open(net_device* dev);
void dev_close(net_device* dev);
int dev_change_flags(net_device* dev, uint32_t flags);
int dev_set_mtu(net_device* dev, uint32_t mtu);
int dev_set_mac_address(net_device* dev, const MacAddress& address);
void dev_set_promiscuity(net_device* dev, int inc);
void dev_set_allmulti(net_device* dev, int inc);
// The device hears frames to `addr`; counted. 0 or -ENOENT for the removal of an unknown one.
int dev_mc_add(net_device* dev, const MacAddress& addr);
int dev_mc_del(net_device* dev, const MacAddress& addr);
int dev_uc_add(net_device* dev, const MacAddress& addr);
int dev_uc_del(net_device* dev, const MacAddress& addr);
// Lets driver state follow dev->hw_features and what was asked for.
void netdev_set_features(net_device* dev, netdev_features_t wanted);
// All counters: the driver's with the stack's own drops added.
void dev_get_stats(net_device* dev, rtnl_link_stats64* stats);
uint32_t dev_get_flags(const net_device* dev);  // as user space sees them

// nullptr where there is none; no reference is taken.
net_device* dev_get_by_index(net& net, int ifindex);
net_device* dev_get_by_name(net& net, std::string_view name);
inline void dev_hold(net_device* dev) { ++dev->refcount; }
inline void dev_put(net_device* dev) {
  if (dev == nullptr) return;
  CHECK_GT(dev->refcount, 1U);
  --dev->refcount;
}

// --- State. ---

inline bool netif_running(const net_device* dev) { return (dev->state & LINK_STATE_START) != 0; }
inline bool netif_carrier_ok(const net_device* dev) {
  return (dev->state & LINK_STATE_NOCARRIER) == 0;
}
// The link came / went: traced as kLink, NETDEV_CHANGE, qdiscs start / stop.
void netif_carrier_on(net_device* dev);
void netif_carrier_off(net_device* dev);

inline netdev_queue* netdev_get_tx_queue(const net_device* dev, uint32_t index) {
  CHECK_LT(index, dev->num_tx_queues);
  return &dev->tx[index];
}
inline bool netif_tx_queue_stopped(const netdev_queue* txq) {
  return (txq->state & QUEUE_STATE_DRV_XOFF) != 0;
}
inline bool netif_xmit_stopped(const netdev_queue* txq) {
  return (txq->state & (QUEUE_STATE_DRV_XOFF | QUEUE_STATE_STACK_XOFF)) != 0;
}
inline bool netif_xmit_frozen_or_stopped(const netdev_queue* txq) { return txq->state != 0; }
// The driver cannot take more; / may now, without / with a run of the queue (NET_TX).
void netif_tx_stop_queue(netdev_queue* txq);
inline void netif_tx_start_queue(netdev_queue* txq) {
  txq->state &= static_cast<uint8_t>(~QUEUE_STATE_DRV_XOFF);
}
void netif_tx_wake_queue(netdev_queue* txq);
inline void netif_stop_subqueue(net_device* dev, uint32_t i) {
  netif_tx_stop_queue(netdev_get_tx_queue(dev, i));
}
inline void netif_start_subqueue(net_device* dev, uint32_t i) {
  netif_tx_start_queue(netdev_get_tx_queue(dev, i));
}
inline void netif_wake_subqueue(net_device* dev, uint32_t i) {
  netif_tx_wake_queue(netdev_get_tx_queue(dev, i));
}
inline bool netif_subqueue_stopped(const net_device* dev, uint32_t i) {
  return netif_tx_queue_stopped(netdev_get_tx_queue(dev, i));
}
inline void netif_stop_queue(net_device* dev) { netif_stop_subqueue(dev, 0); }
inline void netif_start_queue(net_device* dev) { netif_start_subqueue(dev, 0); }
inline void netif_wake_queue(net_device* dev) { netif_wake_subqueue(dev, 0); }
void netif_tx_stop_all_queues(net_device* dev);
void netif_tx_start_all_queues(net_device* dev);
void netif_tx_wake_all_queues(net_device* dev);
int netif_set_real_num_tx_queues(net_device* dev, uint16_t queues);
int netif_set_real_num_rx_queues(net_device* dev, uint16_t queues);

// --- Headers. ---

// Pushes a link-layer header; 0 where the device has none.
inline int dev_hard_header(sk_buff* skb, net_device* dev, uint16_t type, const uint8_t* daddr,
                           const uint8_t* saddr, uint32_t len) {
  if (dev->header_ops == nullptr || dev->header_ops->create == nullptr) return 0;
  return dev->header_ops->create(skb, dev, type, daddr, saddr, len);
}
// Headroom of packets for `dev`: its header and what it needs in front, in steps of 16
// (HH_DATA_MOD).
inline uint32_t LL_RESERVED_SPACE(const net_device* dev) {
  return ((uint32_t{dev->hard_header_len} + dev->needed_headroom) & ~15U) + 16;
}

// --- Who wants to know. ---

enum class NetdevEvent : uint8_t {
  kRegister,
  kUnregister,
  kGoingDown,
  kDown,
  kUp,
  kChange,  // carrier or flags
  kChangeMtu,
  kChangeAddr,
  kFeatChange,
};
struct netdev_notifier : ListNode<> {
  // 0, or -errno to refuse (honoured for kRegister and kChangeMtu).
  int (*call)(netdev_notifier* nb, NetdevEvent event, net_device* dev) = nullptr;
};
// Replays kRegister and kUp of the devices there are.
void register_netdevice_notifier(net& net, netdev_notifier* nb);
void unregister_netdevice_notifier(netdev_notifier* nb);
int call_netdevice_notifiers(NetdevEvent event, net_device* dev);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_NET_DEVICE_H_
