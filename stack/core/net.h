// struct net: all network state of one host. Everything is reached from here (or from something
// that points here): the kernel underneath, devices, protocols, counters, settings, and the state
// of each layer above, which that layer sets.
#ifndef TAPEDECK_STACK_CORE_NET_H_
#define TAPEDECK_STACK_CORE_NET_H_

#include <cstdint>
#include <type_traits>

#include "stack/base/drop_reason.h"
#include "stack/base/list.h"
#include "stack/base/mib.h"
#include "stack/core/dev.h"
#include "stack/core/function_trace.h"
#include "stack/core/net_device.h"
#include "stack/core/skbuff.h"
#include "stack/kernel/kernel.h"
#include "stack/kernel/slab.h"

namespace tapedeck {

struct neigh_table;
struct netns_ipv4;
struct netns_ipv6;
struct netns_packet;
struct netns_ping;
struct netns_tcp;
struct netns_udp;
struct netns_unix;
struct packet_offload;

// net/core/*: settings with Linux's defaults.
struct netns_core {
  uint32_t rmem_max = 4 << 20;
  uint32_t wmem_max = 4 << 20;
  uint32_t rmem_default = 212992;
  uint32_t wmem_default = 212992;
  int32_t optmem_max = 131072;
  int32_t somaxconn = 4096;
  int32_t netdev_budget = 300;        // packets in one net_rx_action
  uint32_t netdev_budget_usecs = 0;   // time for one; two jiffies
  int32_t netdev_max_backlog = 1000;  // packets in input_pkt_queue
  int32_t dev_weight = 64;            // packets in one process_backlog or __qdisc_run
  int32_t dev_weight_rx_bias = 1;
  int32_t dev_weight_tx_bias = 1;
  int32_t gro_normal_batch = 8;  // packets in one gro_normal_list
  int32_t netdev_tstamp_prequeue = 1;
};

struct net {
  // Registers NET_RX, NET_TX and the settings, and puts itself at Kernel::network(). To be made in
  // the arena.
  explicit net(Kernel& its_kernel);
  net(const net&) = delete;
  net& operator=(const net&) = delete;

  // The CPU that runs, and its share of the network.
  Cpu& this_cpu() { return kernel.this_cpu(); }
  softnet_data& this_softnet() { return *softnet[kernel.this_cpu().id()]; }
  Jiffies jiffies() { return kernel.jiffies(); }
  // As Cpu's, of the CPU that runs.
  void Charge(CostPoint point, uint64_t times = 1) {
    if (!costs_free) this_cpu().Charge(point, times);
  }
  void ChargeBytes(CostPoint point, size_t bytes) {
    if (!costs_free) this_cpu().ChargeBytes(point, bytes);
  }

  Kernel& kernel;
  World& world;
  // Hears of the functions of function_trace.h; must outlive the run. nullptr: nobody listens.
  FunctionTracer* function_tracer = nullptr;
  const bool costs_free;  // nothing costs time (CostTable::free)

  // Packets: sk_buffs, pages. Their live objects are the ledger.
  KmemCache skbuff_cache;
  SlabCache<page> page_cache;
  uint64_t drops[kDropReasons] = {};

  Mib<IpMib> ip_mib;
  Mib<IpExtMib> ip_ext_mib;
  Mib<IcmpMib> icmp_mib;
  Mib<UdpMib> udp_mib;
  Mib<Ip6Mib> ip6_mib;
  Mib<Icmp6Mib> icmp6_mib;
  Mib<UdpMib> udp6_mib;
  Mib<TcpMib> tcp_mib;
  Mib<TcpExtMib> tcp_ext_mib;

  // Devices, in the order of their registration.
  List<net_device> devices;
  net_device* loopback_dev = nullptr;
  // Of dead routes (dst_dev_put). Never registered, and there as long as the host is.
  net_device* blackhole_netdev = nullptr;
  int last_ifindex = 0;
  List<netdev_notifier> netdev_chain;

  // Who takes frames: taps, and protocols by the low bits of their EtherType.
  static constexpr uint32_t PTYPE_HASH_SIZE = 16;
  List<packet_type, PtypeTag> ptype_all;
  List<packet_type, PtypeTag> ptype_base[PTYPE_HASH_SIZE];

  // Who cuts packets of several segments, by EtherType (gso.h).
  static constexpr int kOffloads = 2;
  const packet_offload* offload_base[kOffloads] = {};

  softnet_data* softnet[Kernel::kCpusMax] = {};
  uint32_t last_napi_id = Kernel::kCpusMax;  // MIN_NAPI_ID: ids below could be CPU numbers
  uint32_t netstamp_needed = 0;  // users of packet time stamps: sockets with SO_TIMESTAMP, taps
  netns_core core;
  uint32_t hash_mix;          // keys of the tables
  uint32_t last_sock_id = 0;  // names sockets in traces
  uint64_t live_socks = 0;

  // ARP and ND; set by their owners.
  neigh_table* arp_tbl = nullptr;
  neigh_table* nd_tbl = nullptr;

  // State of the layers above, each set by its layer; nullptr where the layer is absent.
  netns_ipv4* ipv4 = nullptr;
  netns_ipv6* ipv6 = nullptr;
  netns_udp* udp = nullptr;
  netns_tcp* tcp = nullptr;
  netns_packet* packet = nullptr;
  netns_ping* ping = nullptr;
  netns_unix* unix_ns = nullptr;
};

// The network of the host that `cpu` belongs to.
inline net& cpu_net(Cpu& cpu) { return *static_cast<net*>(cpu.kernel().network()); }
inline softnet_data& cpu_softnet(Cpu& cpu) { return *cpu_net(cpu).softnet[cpu.id()]; }

// For TRACE_FUNCTION: calls a function between Enter and Leave.
template <auto kFunction>
struct TracedCall;
template <typename Result, typename... Args, Result (*kFunction)(Args...)>
struct TracedCall<kFunction> {
  [[gnu::cold, gnu::noinline]] static Result Run(net& net, PathFunction name, const sk_buff* skb,
                                                 Args... args) {
    FunctionTracer& tracer = *net.function_tracer;
    Cpu& cpu = net.this_cpu();
    tracer.Enter(cpu, name, skb == nullptr ? 0 : skb->frame_id);
    tracer.Pass();
    if constexpr (std::is_void_v<Result>) {
      kFunction(args...);
      tracer.Leave(cpu, name);
    } else {
      const Result result = kFunction(args...);
      tracer.Leave(cpu, name);
      return result;
    }
  }
};

// The first statement of a function with a trace point: `function` with its own arguments, on
// behalf of the packet `skb` (nullptr: of none), in the network `its_net`. Nothing with an effect
// may stand before it.
#define TRACE_FUNCTION(its_net, skb, function, ...) \
  TRACE_FUNCTION_AS(function, its_net, skb, function, __VA_ARGS__)
// The same where Linux calls the function `name`.
#define TRACE_FUNCTION_AS(name, its_net, skb, function, ...)       \
  if (__builtin_expect((its_net).function_tracer != nullptr, 0) && \
      (its_net).function_tracer->Intercepts())                     \
  return TracedCall<function>::Run(its_net, PathFunction::k_##name, skb, __VA_ARGS__)

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_NET_H_
