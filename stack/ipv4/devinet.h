// IPv4 on a device: addresses and settings (net/ipv4/devinet.c). Its groups are in igmp.h.
//
// Adding an address adds its routes as Linux does: local, the connected network, its broadcast
// address.
#ifndef TAPEDECK_STACK_IPV4_DEVINET_H_
#define TAPEDECK_STACK_IPV4_DEVINET_H_

#include <cstdint>
#include <string_view>

#include "stack/base/ip_address.h"
#include "stack/base/list.h"
#include "stack/core/net_device.h"
#include "stack/kernel/sysctl.h"
#include "stack/kernel/timer.h"

namespace tapedeck {

struct ip_mc_list;
struct net;
struct netns_ipv4;
struct rtable;

// X(member, file, default): net/ipv4/conf/<dev>/<file>. Defaults as in net/ipv4/devinet.c.
#define TAPEDECK_IPV4_DEVCONF(X)                                                     \
  X(forwarding, "forwarding", 0)                                                     \
  X(mc_forwarding, "mc_forwarding", 0)                                               \
  X(bc_forwarding, "bc_forwarding", 0)                                               \
  X(accept_redirects, "accept_redirects", 1)                                         \
  X(secure_redirects, "secure_redirects", 1)                                         \
  X(shared_media, "shared_media", 1)                                                 \
  X(rp_filter, "rp_filter", 0)                                                       \
  X(send_redirects, "send_redirects", 1)                                             \
  X(accept_source_route, "accept_source_route", 0)                                   \
  X(accept_local, "accept_local", 0)                                                 \
  X(src_valid_mark, "src_valid_mark", 0)                                             \
  X(proxy_arp, "proxy_arp", 0)                                                       \
  X(proxy_arp_pvlan, "proxy_arp_pvlan", 0)                                           \
  X(medium_id, "medium_id", 0)                                                       \
  X(bootp_relay, "bootp_relay", 0)                                                   \
  X(log_martians, "log_martians", 0)                                                 \
  X(arp_filter, "arp_filter", 0)                                                     \
  X(arp_announce, "arp_announce", 0)                                                 \
  X(arp_ignore, "arp_ignore", 0)                                                     \
  X(arp_accept, "arp_accept", 0)                                                     \
  X(arp_notify, "arp_notify", 0)                                                     \
  X(arp_evict_nocarrier, "arp_evict_nocarrier", 1)                                   \
  X(drop_unicast_in_l2_multicast, "drop_unicast_in_l2_multicast", 0)                 \
  X(drop_gratuitous_arp, "drop_gratuitous_arp", 0)                                   \
  X(promote_secondaries, "promote_secondaries", 0)                                   \
  X(route_localnet, "route_localnet", 0)                                             \
  X(ignore_routes_with_linkdown, "ignore_routes_with_linkdown", 0)                   \
  X(force_igmp_version, "force_igmp_version", 0)                                     \
  X(igmpv2_unsolicited_report_interval, "igmpv2_unsolicited_report_interval", 10000) \
  X(igmpv3_unsolicited_report_interval, "igmpv3_unsolicited_report_interval", 1000)

// Settings of a device, of `default` (new devices copy it) or of `all` (combined with the device's,
// see IN_DEV_*).
struct ipv4_devconf : ListNode<> {
#define X(member, file, value) int32_t member = value;
  TAPEDECK_IPV4_DEVCONF(X)
#undef X
  netns_ipv4* ns = nullptr;
  char name[kIfNameBytes] = {};  // whose files these are
};

// in_ifaddr::ifa_flags.
enum : uint32_t { IFA_F_SECONDARY = 0x01, IFA_F_PERMANENT = 0x80, IFA_F_NOPREFIXROUTE = 0x200 };

struct in_device;

// One address. The first of a subnet is primary, others in it are secondary and go when it goes
// (or, with promote_secondaries, take its place).
struct in_ifaddr : ListNode<> {
  in_ifaddr* hash_next = nullptr;
  in_device* ifa_dev = nullptr;
  Ipv4Address ifa_local;      // ours
  Ipv4Address ifa_address;    // the peer's on a point-to-point link, else the same
  Ipv4Address ifa_broadcast;  // 0.0.0.0: none
  uint8_t ifa_prefixlen = 0;
  uint8_t ifa_scope = 0;
  uint32_t ifa_flags = 0;
  uint32_t ifa_rt_priority = 0;
  Ipv4Prefix prefix() const { return {ifa_address, ifa_prefixlen}; }
};
inline bool inet_ifa_match(Ipv4Address addr, const in_ifaddr& ifa) {
  return ifa.prefix().Contains(addr);
}

// A decision made for packets to us, for the next one of its flow (as ip_route_use_hint of list
// receive): it holds while nothing that decides has changed.
struct in_route_hint {
  Ipv4Address saddr;
  Ipv4Address daddr;
  uint32_t genid = 0;
  uint8_t tos = 0;
  rtable* rt = nullptr;  // a reference
};

struct in_device {
  in_device(net_device* its_dev, ipv4_devconf* its_conf);
  net_device* dev;  // a reference
  ipv4_devconf* conf;
  bool dead = false;
  List<in_ifaddr> ifa_list;  // primaries first, in the order they came; each secondary behind
  // Groups (igmp.h): those joined, and those that were left and are still to be told of.
  ip_mc_list* mc_list = nullptr;
  ip_mc_list* mc_tomb = nullptr;
  Jiffies mr_v1_seen = 0;  // a querier of that version is heeded until then
  Jiffies mr_v2_seen = 0;
  Jiffies mr_maxdelay = 0;  // of the answer to the last general query
  Jiffies mr_qi = 0;        // the querier's interval
  Jiffies mr_qri = 0;       // and how long answers may take
  uint8_t mr_qrv = 0;       // its robustness
  uint8_t mr_ifc_count = 0;
  bool mr_gq_running = false;
  struct Timer : TimerList {
    using TimerList::TimerList;
    in_device* in_dev = nullptr;
  };
  Timer mr_gq_timer;
  Timer mr_ifc_timer;
  static constexpr uint32_t kHints = 8;  // by the low bits of the source
  in_route_hint hints[kHints];
};

inline in_device* __in_dev_get_rcu(const net_device* dev) { return dev->ip_ptr; }

// The settings of a device as `all` modifies them (inetdevice.h). ANDCONF: both must be set;
// ORCONF: either; MAXCONF: the greater; FORWARD: the device's alone.
struct in_dev_conf {
  explicit in_dev_conf(const in_device* in_dev);
  const ipv4_devconf& dev;
  const ipv4_devconf& all;

  bool forward() const { return dev.forwarding != 0; }
  bool bc_forward() const { return all.bc_forwarding != 0 && dev.bc_forwarding != 0; }
  int rpfilter() const { return Max(all.rp_filter, dev.rp_filter); }
  bool src_vmark() const { return all.src_valid_mark != 0 || dev.src_valid_mark != 0; }
  bool source_route() const { return all.accept_source_route != 0 && dev.accept_source_route != 0; }
  bool accept_local() const { return all.accept_local != 0 || dev.accept_local != 0; }
  bool route_localnet() const { return all.route_localnet != 0 || dev.route_localnet != 0; }
  bool log_martians() const { return all.log_martians != 0 || dev.log_martians != 0; }
  bool proxy_arp() const { return all.proxy_arp != 0 || dev.proxy_arp != 0; }
  bool shared_media() const { return all.shared_media != 0 || dev.shared_media != 0; }
  bool tx_redirects() const { return all.send_redirects != 0 || dev.send_redirects != 0; }
  bool rx_redirects() const {
    return forward() ? all.accept_redirects != 0 && dev.accept_redirects != 0
                     : all.accept_redirects != 0 || dev.accept_redirects != 0;
  }
  bool sec_redirects() const { return all.secure_redirects != 0 || dev.secure_redirects != 0; }
  bool promote_secondaries() const {
    return all.promote_secondaries != 0 || dev.promote_secondaries != 0;
  }
  bool drop_unicast_in_l2_multicast() const {
    return all.drop_unicast_in_l2_multicast != 0 || dev.drop_unicast_in_l2_multicast != 0;
  }
  bool drop_gratuitous_arp() const {
    return all.drop_gratuitous_arp != 0 || dev.drop_gratuitous_arp != 0;
  }
  bool arpfilter() const { return all.arp_filter != 0 || dev.arp_filter != 0; }
  int arp_accept() const { return Max(all.arp_accept, dev.arp_accept); }
  int arp_announce() const { return Max(all.arp_announce, dev.arp_announce); }
  int arp_ignore() const { return Max(all.arp_ignore, dev.arp_ignore); }
  int arp_notify() const { return Max(all.arp_notify, dev.arp_notify); }
  bool arp_evict_nocarrier() const {
    return all.arp_evict_nocarrier != 0 && dev.arp_evict_nocarrier != 0;
  }
  bool ignore_routes_with_linkdown() const {
    return all.ignore_routes_with_linkdown != 0 || dev.ignore_routes_with_linkdown != 0;
  }

 private:
  static int Max(int a, int b) { return a > b ? a : b; }
};

// --- Addresses. ---

// What `ip address add` says: 10.0.0.1/24 with its scope and broadcast found as ip(8) and the
// kernel do.
struct inet_address_config {
  Ipv4Address local{};
  uint8_t prefixlen = 32;
  Ipv4Address peer{};       // 0.0.0.0: none
  Ipv4Address broadcast{};  // 0.0.0.0: the network's last address, where it has one
  bool no_broadcast = false;
  int scope = -1;  // -1: host for 127/8, else universe
  uint32_t flags = 0;
  uint32_t metric = 0;
};
// 0, -EEXIST (already there), -EINVAL, -ENOBUFS. The device gets its in_device on the way.
int inet_add_address(net_device* dev, const inet_address_config& config);
// 0 or -EADDRNOTAVAIL.
int inet_del_address(net_device* dev, Ipv4Address local, uint8_t prefixlen);

// The device that has `addr` as its own; nullptr where none has. No reference.
net_device* __ip_dev_find(net& net, Ipv4Address addr);
// The address entry for one of ours; nullptr where it is not.
in_ifaddr* inet_lookup_ifaddr(netns_ipv4& ns, Ipv4Address addr);
// The primary address of `dev`'s subnet that holds `dst`, of at most `scope`; then any of the
// device, then of any device (save host addresses). 0.0.0.0 where there is none.
Ipv4Address inet_select_addr(const net_device* dev, Ipv4Address dst, uint8_t scope);
// An address of `in_dev` (any device where it is nullptr) that `local` may be (0.0.0.0: any) and
// from which `dst` (0.0.0.0: any) is on the link; 0.0.0.0 where there is none.
Ipv4Address inet_confirm_addr(net& net, const in_device* in_dev, Ipv4Address dst, Ipv4Address local,
                              uint8_t scope);
// Whether `a` and (unless it is 0.0.0.0) `b` are in one subnet of the device.
bool inet_addr_onlink(const in_device* in_dev, Ipv4Address a, Ipv4Address b);

// The routes of an address: local, connected network, broadcast (fib_add_ifaddr, fib_del_ifaddr).
// `primary` is the primary address of a secondary one, nullptr: found.
void fib_add_ifaddr(in_ifaddr* ifa);
void fib_del_ifaddr(in_ifaddr* ifa, const in_ifaddr* primary);

// --- Life. ---

// IPv4 on `dev`, made where it was not. nullptr where memory failed or its MTU is below 68.
in_device* inetdev_init(net_device* dev);
// Takes IPv4 off a device: addresses, routes, neighbours.
void inetdev_destroy(in_device* in_dev);
// What register_netdevice_notifier calls: as inetdev_event, fib_netdev_event and arp_netdev_event
// together.
int inetdev_event(net_device* dev, NetdevEvent event);
// The files net/ipv4/conf/<name>/*.
void devinet_sysctl_register(net& net, ipv4_devconf* conf, std::string_view name);
// The file net/ipv4/ip_forward: forwarding of all.
void devinet_sysctl_list_forward(SysctlFiles& files, netns_ipv4& ns);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_DEVINET_H_
