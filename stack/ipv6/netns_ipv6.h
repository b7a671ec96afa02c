// All IPv6 state of one host (struct netns_ipv6), and how it comes and goes.
#ifndef TAPEDECK_STACK_IPV6_NETNS_IPV6_H_
#define TAPEDECK_STACK_IPV6_NETNS_IPV6_H_

#include <cstdint>

#include "stack/base/hash.h"
#include "stack/base/list.h"
#include "stack/base/prng.h"
#include "stack/core/dev.h"
#include "stack/core/net.h"
#include "stack/core/net_device.h"
#include "stack/ipv4/inet_sock.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/ip6_route.h"
#include "stack/ipv6/ipv6_sock.h"
#include "stack/ipv6/protocol.h"
#include "stack/kernel/slab.h"

namespace tapedeck {

struct fib6_state;   // ip6_fib.h
struct igmp6_state;  // mcast.cc
struct ip6_frags;    // reassembly.h
struct ndisc_state;  // ndisc.cc
struct ip6_flowlabels;

// net/ipv6/*: settings with Linux's defaults. Registered by their owners.
struct ipv6_settings {
  int32_t bindv6only = 0;
  int32_t anycast_src_echo_reply = 0;
  int32_t auto_flowlabels = 1;
  int32_t flowlabel_consistency = 1;
  int32_t flowlabel_state_ranges = 0;
  int32_t flowlabel_reflect = 0;
  int32_t fwmark_reflect = 0;
  int32_t idgen_retries = 3;
  int32_t idgen_delay = 0;  // jiffies: 1 s
  int32_t ip_nonlocal_bind = 0;
  int32_t mld_max_msf = 64;
  int32_t mld_qrv = 2;
  int32_t max_dst_opts_number = 8;
  int32_t max_hbh_opts_number = 8;
  int32_t max_dst_opts_length = INT32_MAX;
  int32_t max_hbh_length = INT32_MAX;
  int32_t skip_notify_on_dev_down = 0;
  // net/ipv6/icmp/*.
  int32_t icmp_ratelimit = 0;      // ms in the file, jiffies here: 1 s
  uint32_t icmp_ratemask[8] = {};  // 256 bits: types that are limited
  int32_t icmp_echo_ignore_all = 0;
  int32_t icmp_echo_ignore_multicast = 0;
  int32_t icmp_echo_ignore_anycast = 0;
  int32_t icmp_error_anycast_as_unicast = 0;
  int32_t icmp_errors_extension_mask = 0;
  // net/ipv6/route/*.
  int32_t route_min_advmss = 1220;  // IPV6_MIN_MTU - 40 - 20
  int32_t route_mtu_expires = 0;    // 600 s
  int32_t fib_multipath_hash_policy = 0;
};

struct netns_ipv6 {
  explicit netns_ipv6(net& its_net);
  netns_ipv6(const netns_ipv6&) = delete;
  netns_ipv6& operator=(const netns_ipv6&) = delete;

  net& host_net;
  ipv6_settings settings;

  // --- Devices and addresses (addrconf.cc). ---
  ipv6_devconf devconf_all;
  ipv6_devconf devconf_dflt;
  List<ipv6_devconf> devconfs;
  SlabCache<inet6_dev> inet6_devs;
  SlabCache<inet6_ifaddr> ifaddrs;
  static constexpr uint32_t kAddrBuckets = 64;
  inet6_ifaddr* addr_buckets[kAddrBuckets] = {};
  AddrCheckTimer addr_chk_timer;
  uint32_t dev_addr_genid = 0;
  netdev_notifier notifier;
  Prng prng;

  // --- Routes (ip6_fib.cc, route6*.cc). ---
  fib6_state* fib = nullptr;
  SlabCache<rt6_info> rt6_infos;
  List<rt6_info> rt6_list;

  // --- Protocols. ---
  const inet6_protocol* inet6_protos[256] = {};
  raw6_hooks raw;
  ping6_hooks ping;
  packet_type ipv6_packet_type;
  SipHashKey ip_id_key;

  // --- ICMPv6. ---
  inet_sock* icmp_sk = nullptr;     // sends our messages
  inet_sock* ndisc_sk = nullptr;    // and those of neighbour discovery
  inet_sock* mc_sk = nullptr;       // and reports
  uint32_t icmpv6msg_in[256] = {};  // /proc/net/snmp6 Icmp6InType*
  uint32_t icmpv6msg_out[256] = {};

  SlabCache<ipv6_pinfo> pinfos;
  ip6_frags* frags = nullptr;
  igmp6_state* igmp6 = nullptr;
  ip6_flowlabels* flowlabels = nullptr;  // made by the first lease
};

inline netns_ipv6& net_ipv6(net& net) { return *net.ipv6; }
inline netns_ipv6& dev_ipv6(const net_device* dev) { return *dev_net(dev).ipv6; }

// Brings IPv6 up on a host, after ipv4_init and before transports. Once. Devices other than the
// loopback begin with disable_ipv6 = 1 (conf/default): the host's owner switches it off for those
// that are to speak IPv6, so that a Lab of IPv4 sees no solicitations and reports.
void ipv6_init(net& net);
// Forgets routes, neighbours, addresses, fragments, and unregisters.
void ipv6_exit(net& net);

struct ipv6_ledger {
  uint64_t rt6_infos = 0;
  uint64_t fib6_infos = 0;
  uint64_t addresses = 0;  // with devices, groups and anycast addresses
  uint64_t frag_queues = 0;
  uint64_t pinfos = 0;
  uint64_t flowlabels = 0;
};
ipv6_ledger ipv6_objects(const netns_ipv6& ns);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_NETNS_IPV6_H_
