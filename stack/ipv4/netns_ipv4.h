// All IPv4 state of one host (struct netns_ipv4), and how it comes and goes.
#ifndef TAPEDECK_STACK_IPV4_NETNS_IPV4_H_
#define TAPEDECK_STACK_IPV4_NETNS_IPV4_H_

#include <cstdint>

#include "stack/base/hash.h"
#include "stack/base/list.h"
#include "stack/base/prng.h"
#include "stack/core/dev.h"
#include "stack/core/net.h"
#include "stack/core/net_device.h"
#include "stack/ipv4/devinet.h"
#include "stack/ipv4/fib.h"
#include "stack/ipv4/igmp.h"
#include "stack/ipv4/inet_sock.h"
#include "stack/ipv4/inetpeer.h"
#include "stack/ipv4/ip_fragment.h"
#include "stack/ipv4/protocol.h"
#include "stack/ipv4/route.h"
#include "stack/kernel/slab.h"

namespace tapedeck {

// net/ipv4/*: settings with Linux's defaults (6.18).
struct ipv4_settings {
  int32_t ip_default_ttl = 64;
  int32_t ip_no_pmtu_disc = 0;
  int32_t ip_forward_use_pmtu = 0;
  int32_t ip_forward_update_priority = 1;
  int32_t ip_nonlocal_bind = 0;
  int32_t ip_early_demux = 1;
  int32_t ip_dynaddr = 0;
  int32_t fwmark_reflect = 0;
  int32_t icmp_echo_ignore_all = 0;
  int32_t icmp_echo_ignore_broadcasts = 1;
  int32_t icmp_ignore_bogus_error_responses = 1;
  int32_t icmp_errors_use_inbound_ifaddr = 0;
  int32_t icmp_ratelimit = 0;  // jiffies between two messages to one host: 1 s
  int32_t icmp_ratemask =
      0x1818;  // of types: unreachable, quench, time exceeded, parameter problem
  int32_t icmp_msgs_per_sec = 1000;
  int32_t icmp_msgs_burst = 50;
  int32_t igmp_max_memberships = 20;  // of a socket
  int32_t igmp_max_msf = 10;          // sources of one membership
  int32_t igmp_qrv = 2;
  int32_t igmp_link_local_mcast_reports = 1;
  int32_t fib_multipath_hash_policy = 0;
  int32_t ip_local_port_range[2] = {32768, 60999};  // see inet_ports.h
  int32_t ping_group_range[2] = {1, 0};             // group ids that may have ping sockets: none
  // net/ipv4/route/*, in jiffies unless said otherwise.
  int32_t route_min_pmtu = 552;     // bytes
  int32_t route_min_advmss = 256;   // bytes
  int32_t route_mtu_expires = 0;    // 600 s
  int32_t route_redirect_load = 0;  // 20 ms
  int32_t route_redirect_number = 9;
  int32_t route_redirect_silence = 0;  // 20 ms << 10
  int32_t route_error_cost = 0;        // 1 s
  int32_t route_error_burst = 0;       // 5 s
};

struct netns_ipv4 {
  explicit netns_ipv4(net& its_net);
  netns_ipv4(const netns_ipv4&) = delete;
  netns_ipv4& operator=(const netns_ipv4&) = delete;

  net& host_net;
  ipv4_settings settings;

  // --- Devices. ---
  ipv4_devconf devconf_all;
  ipv4_devconf devconf_dflt;
  List<ipv4_devconf> devconfs;  // of devices, past ones too: their files stay
  SlabCache<in_device> in_devices;
  SlabCache<in_ifaddr> ifaddrs;
  SlabCache<ip_mc_list> mc_lists;
  static constexpr uint32_t kAddrBuckets = 64;  // inet_addr_lst
  in_ifaddr* addr_buckets[kAddrBuckets] = {};
  uint32_t dev_addr_genid = 0;
  netdev_notifier notifier;

  // --- Routes. ---
  fib_state fib;
  SlabCache<rtable> rtables;
  List<rtable> rt_list;  // all there are
  uint32_t rt_genid = 0;

  // --- Protocols. ---
  const net_protocol* inet_protos[256] = {};
  raw_hooks raw;
  ping_hooks ping;
  packet_type ip_packet_type;
  packet_type arp_packet_type;

  // ip_local_reserved_ports, a bit for each; null: none.
  uint64_t* local_reserved_ports = nullptr;

  // --- Output. ---
  SlabCache<inet_sock> ctl_socks;  // of transports that answer without a user's socket
  // IP IDs by destination (ip_idents): each bucket counts on, faster where the host has been idle.
  // The kernel has 2048 or more: fewer only make destinations share one sooner, and keep a Lab
  // small.
  static constexpr uint32_t kIdentBuckets = 256;
  uint32_t ip_idents[kIdentBuckets];
  uint32_t ip_tstamps[kIdentBuckets] = {};
  SipHashKey ip_id_key;
  Prng prng;

  // --- ICMP. ---
  inet_sock* icmp_sk = nullptr;  // sends our messages
  int32_t icmp_global_credit = 0;
  Jiffies icmp_global_stamp = 0;
  uint32_t icmpmsg_in[256] = {};  // /proc/net/snmp IcmpMsg: by type
  uint32_t icmpmsg_out[256] = {};

  ip_frags frags;
  inet_peer_base peers;
};

inline netns_ipv4& net_ipv4(net& net) { return *net.ipv4; }
inline netns_ipv4& dev_ipv4(const net_device* dev) { return *dev_net(dev).ipv4; }

// Brings IPv4 up on a host: tables, ARP, ICMP, packet types, settings, devices that there are.
// Once.
void ipv4_init(net& net);
// Forgets routes, neighbours, addresses, fragments and peers, and unregisters: afterwards no object
// of IPv4 is left, unless a socket or packet still holds a route.
void ipv4_exit(net& net);

// Live objects for the ledgers.
struct ipv4_ledger {
  uint64_t rtables = 0;
  uint64_t fib_infos = 0;
  uint64_t fib_aliases = 0;
  uint64_t addresses = 0;
  uint64_t in_devices = 0;
  uint64_t mc_groups = 0;
  uint64_t frag_queues = 0;
  uint64_t peers = 0;
};
ipv4_ledger ipv4_objects(const netns_ipv4& ns);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_NETNS_IPV4_H_
