// IPv6 on a device: addresses with their lives (DAD, preferred and valid lifetimes), settings,
// stateless configuration, source address selection (net/ipv6/addrconf.c, addrconf_core.c,
// addrlabel.c, anycast.c; RFC 4862, 4941, 6724).
#ifndef TAPEDECK_STACK_IPV6_ADDRCONF_H_
#define TAPEDECK_STACK_IPV6_ADDRCONF_H_

#include <cstdint>
#include <string_view>

#include "stack/base/ip_address.h"
#include "stack/base/list.h"
#include "stack/core/net_device.h"
#include "stack/kernel/sysctl.h"
#include "stack/kernel/timer.h"

namespace tapedeck {

struct ifmcaddr6;
struct ifacaddr6;
struct inet6_dev;
struct neigh_parms;
struct net;
struct netns_ipv6;

// X(member, file, default): net/ipv6/conf/<dev>/<file>. Defaults as ipv6_devconf; members in
// jiffies are set by addrconf_init. The owner of addrconf.cc completes the list.
#define TAPEDECK_IPV6_DEVCONF(X)                                     \
  X(forwarding, "forwarding", 0)                                     \
  X(hop_limit, "hop_limit", 64)                                      \
  X(mtu6, "mtu", 1280)                                               \
  X(accept_ra, "accept_ra", 1)                                       \
  X(accept_redirects, "accept_redirects", 1)                         \
  X(autoconf, "autoconf", 1)                                         \
  X(dad_transmits, "dad_transmits", 1)                               \
  X(rtr_solicits, "router_solicitations", -1)                        \
  X(force_mld_version, "force_mld_version", 0)                       \
  X(use_tempaddr, "use_tempaddr", 0)                                 \
  X(temp_valid_lft, "temp_valid_lft", 604800)                        \
  X(temp_prefered_lft, "temp_prefered_lft", 86400)                   \
  X(regen_min_advance, "regen_min_advance", 2)                       \
  X(regen_max_retry, "regen_max_retry", 3)                           \
  X(max_desync_factor, "max_desync_factor", 600)                     \
  X(max_addresses, "max_addresses", 16)                              \
  X(accept_ra_defrtr, "accept_ra_defrtr", 1)                         \
  X(ra_defrtr_metric, "ra_defrtr_metric", 1024)                      \
  X(accept_ra_min_hop_limit, "accept_ra_min_hop_limit", 1)           \
  X(accept_ra_min_lft, "accept_ra_min_lft", 0)                       \
  X(accept_ra_pinfo, "accept_ra_pinfo", 1)                           \
  X(ra_honor_pio_life, "ra_honor_pio_life", 0)                       \
  X(ra_honor_pio_pflag, "ra_honor_pio_pflag", 0)                     \
  X(accept_ra_rtr_pref, "accept_ra_rtr_pref", 1)                     \
  X(accept_ra_rt_info_min_plen, "accept_ra_rt_info_min_plen", 0)     \
  X(accept_ra_rt_info_max_plen, "accept_ra_rt_info_max_plen", 0)     \
  X(accept_ra_from_local, "accept_ra_from_local", 0)                 \
  X(accept_ra_mtu, "accept_ra_mtu", 1)                               \
  X(proxy_ndp, "proxy_ndp", 0)                                       \
  X(accept_source_route, "accept_source_route", 0)                   \
  X(optimistic_dad, "optimistic_dad", 0)                             \
  X(use_optimistic, "use_optimistic", 0)                             \
  X(mc_forwarding, "mc_forwarding", 0)                               \
  X(disable_ipv6, "disable_ipv6", 0)                                 \
  X(accept_dad, "accept_dad", 1)                                     \
  X(force_tllao, "force_tllao", 0)                                   \
  X(ndisc_notify, "ndisc_notify", 0)                                 \
  X(suppress_frag_ndisc, "suppress_frag_ndisc", 1)                   \
  X(use_oif_addrs_only, "use_oif_addrs_only", 0)                     \
  X(drop_unicast_in_l2_multicast, "drop_unicast_in_l2_multicast", 0) \
  X(drop_unsolicited_na, "drop_unsolicited_na", 0)                   \
  X(accept_untracked_na, "accept_untracked_na", 0)                   \
  X(ignore_routes_with_linkdown, "ignore_routes_with_linkdown", 0)   \
  X(keep_addr_on_down, "keep_addr_on_down", 0)                       \
  X(enhanced_dad, "enhanced_dad", 1)                                 \
  X(addr_gen_mode, "addr_gen_mode", 0)                               \
  X(disable_policy, "disable_policy", 0)                             \
  X(ndisc_tclass, "ndisc_tclass", 0)                                 \
  X(ndisc_evict_nocarrier, "ndisc_evict_nocarrier", 1)               \
  X(seg6_enabled, "seg6_enabled", 0)                                 \
  X(seg6_require_hmac, "seg6_require_hmac", 0)                       \
  X(rpl_seg_enabled, "rpl_seg_enabled", 0)                           \
  X(ioam6_enabled, "ioam6_enabled", 0)                               \
  X(ioam6_id, "ioam6_id", 65535)                                     \
  X(ioam6_id_wide, "ioam6_id_wide", -1)                              \
  X(force_forwarding, "force_forwarding", 0)

// ipv6_devconf::addr_gen_mode: where interface identifiers come from.
enum : int32_t {
  IN6_ADDR_GEN_MODE_EUI64,
  IN6_ADDR_GEN_MODE_NONE,
  IN6_ADDR_GEN_MODE_STABLE_PRIVACY,  // RFC 7217, with stable_secret
  IN6_ADDR_GEN_MODE_RANDOM,          // the same, with a secret drawn once
};

struct ipv6_devconf : ListNode<> {
#define X(member, file, value) int32_t member = value;
  TAPEDECK_IPV6_DEVCONF(X)
#undef X
  // Jiffies; files of their own.
  int32_t rtr_solicit_interval = 0;               // 4 s
  int32_t rtr_solicit_max_interval = 0;           // 1 h
  int32_t rtr_solicit_delay = 0;                  // 1 s
  int32_t mldv1_unsolicited_report_interval = 0;  // 10 s
  int32_t mldv2_unsolicited_report_interval = 0;  // 1 s
  int32_t rtr_probe_interval = 0;                 // 60 s
  Ipv6Address stable_secret;
  bool stable_secret_set = false;
  netns_ipv6* ns = nullptr;
  net_device* dev = nullptr;  // nullptr: of `all`, `default`, or of a device that has gone
  // What the last change of these settings took effect as; a write is compared with it.
  int32_t forwarding_applied = 0;
  int32_t disable_ipv6_applied = 0;
  char name[kIfNameBytes] = {};
};

// inet6_ifaddr::flags (IFA_F_*; the first ones are devinet.h's).
enum : uint32_t {
  IFA_F_TEMPORARY = 0x01,
  IFA_F_NODAD = 0x02,
  IFA_F_OPTIMISTIC = 0x04,
  IFA_F_DADFAILED = 0x08,
  IFA_F_DEPRECATED = 0x20,
  IFA_F_TENTATIVE = 0x40,
  IFA_F_MANAGETEMPADDR = 0x100,
  IFA_F_STABLE_PRIVACY = 0x800,
};
inline constexpr uint32_t kInfinityLifeTime = 0xffffffff;  // INFINITY_LIFE_TIME

enum class Inet6IfaddrState : uint8_t { kPredad, kDad, kPostdad, kErrdad, kDead };

struct TempAddrTag;

struct inet6_ifaddr : ListNode<>, ListNode<TempAddrTag> {
  Ipv6Address addr;
  Ipv6Address peer_addr;  // ::: none
  uint8_t prefix_len = 0;
  uint16_t scope = 0;  // of ipv6_addr_type
  uint32_t flags = 0;  // IFA_F_*
  Inet6IfaddrState state = Inet6IfaddrState::kPredad;
  uint8_t dad_probes = 0;
  uint64_t dad_nonce = 0;
  uint32_t rt_priority = 0;
  uint32_t valid_lft = kInfinityLifeTime;     // s
  uint32_t prefered_lft = kInfinityLifeTime;  // s
  Jiffies cstamp = 0;
  Jiffies tstamp = 0;
  bool tokenized = false;
  bool hashed = false;       // lookups find it
  bool rt_inserted = false;  // its local route is in the table
  uint8_t stable_privacy_retry = 0;
  int32_t regen_count = 0;  // temporary addresses that were tried
  uint32_t refcnt = 1;
  inet6_ifaddr* hash_next = nullptr;
  inet6_ifaddr* ifpub = nullptr;  // of a temporary address: the public one, a reference
  inet6_dev* idev = nullptr;      // a reference
  struct DadTimer : TimerList {
    using TimerList::TimerList;
    inet6_ifaddr* ifp = nullptr;
  } dad_timer;

  inet6_ifaddr();
};

// What a device holds for IPv6 (struct inet6_dev), net_device::ip6_ptr. Counted.
struct inet6_dev {
  inet6_dev(net_device* its_dev, ipv6_devconf* its_conf);
  net_device* dev;  // a reference
  ipv6_devconf* cnf;
  uint32_t refcnt = 1;
  bool dead = false;
  uint32_t if_flags = 0;         // IF_*
  List<inet6_ifaddr> addr_list;  // by falling scope, as the kernel's; a reference each
  List<inet6_ifaddr, TempAddrTag> tempaddr_list;  // newest first; a reference each
  uint32_t desync_factor = UINT32_MAX;            // s (RFC 8981 3.8); UINT32_MAX: not drawn yet
  // Multicast (mcast.cc): groups joined and those left that are still to be reported.
  ifmcaddr6* mc_list = nullptr;
  ifmcaddr6* mc_tomb = nullptr;
  uint8_t mc_qrv = 2;
  uint8_t mc_gq_running = 0;
  uint8_t mc_ifc_count = 0;
  uint8_t mc_dad_count = 0;
  Jiffies mc_v1_seen = 0;
  Jiffies mc_qi = 0;
  Jiffies mc_qri = 0;
  Jiffies mc_maxdelay = 0;
  struct Timer : TimerList {
    using TimerList::TimerList;
    inet6_dev* idev = nullptr;
  };
  Timer mc_gq_timer;
  Timer mc_ifc_timer;
  Timer mc_dad_timer;
  ifacaddr6* ac_list = nullptr;
  neigh_parms* nd_parms = nullptr;
  // Router discovery.
  Timer rs_timer;
  Jiffies rs_interval = 0;
  uint8_t rs_probes = 0;
  Jiffies tstamp = 0;  // of the last change that /proc shows
  uint32_t ra_mtu = 0;
  Ipv6Address token;
};

// inet6_dev::if_flags.
enum : uint32_t {
  IF_RA_OTHERCONF = 0x80,
  IF_RA_MANAGED = 0x40,
  IF_RA_RCVD = 0x20,
  IF_RS_SENT = 0x10,
  IF_READY = 0x80000000,
};

inline inet6_dev* __in6_dev_get(const net_device* dev) { return dev->ip6_ptr; }
void in6_dev_put(inet6_dev* idev);
inline inet6_dev* in6_dev_get(const net_device* dev) {
  inet6_dev* const idev = dev->ip6_ptr;
  if (idev != nullptr) ++idev->refcnt;
  return idev;
}
void in6_ifa_put(inet6_ifaddr* ifp);

// --- Addresses. ---

struct inet6_address_config {
  Ipv6Address local{};
  uint8_t prefixlen = 128;
  Ipv6Address peer{};
  uint32_t flags = 0;  // IFA_F_NODAD, ...
  uint32_t valid_lft = kInfinityLifeTime;
  uint32_t prefered_lft = kInfinityLifeTime;
  uint32_t metric = 0;
};
// `ip -6 address add/del`; adding an address that lives for ever makes it permanent. 0, -EEXIST,
// -EINVAL, -EACCES (disable_ipv6), -ENOBUFS / -EADDRNOTAVAIL.
int inet6_addr_add(net_device* dev, const inet6_address_config& config);
int inet6_addr_del(net_device* dev, const Ipv6Address& addr, uint8_t prefixlen);

// Whether `addr` is ours (on `dev` where not null; strictly: a link-local one only on its device;
// `banned`: with none of these IFA_F_*). ipv6_chk_addr bans tentative ones.
bool ipv6_chk_addr(net& net, const Ipv6Address& addr, const net_device* dev, bool strict);
bool ipv6_chk_addr_and_flags(net& net, const Ipv6Address& addr, const net_device* dev,
                             bool skip_dev_check, bool strict, uint32_t banned_flags);
// The entry of one of ours, with a reference; nullptr.
inet6_ifaddr* ipv6_get_ifaddr(net& net, const Ipv6Address& addr, const net_device* dev,
                              bool strict);
// Whether `addr` is in the prefix of one of the device's addresses.
bool ipv6_chk_prefix(const Ipv6Address& addr, const net_device* dev);
net_device* ipv6_dev_find(net& net, const Ipv6Address& addr, net_device* dev);
// The link-local address of `dev`. 0 or -EADDRNOTAVAIL.
int ipv6_get_lladdr(net_device* dev, Ipv6Address* addr, uint32_t banned_flags);
// The source for `daddr` by RFC 6724 as Linux orders its rules; `prefs` IPV6_PREFER_SRC_*. 0 or
// -EADDRNOTAVAIL.
int ipv6_dev_get_saddr(net& net, const net_device* dst_dev, const Ipv6Address& daddr,
                       uint32_t prefs, Ipv6Address* saddr);
// Whether the device takes router advertisements: unless it forwards, or accept_ra is 2.
bool ipv6_accept_ra(const inet6_dev* idev);
// Whether an interface's addresses of DAD may be used before it ends (RFC 4429).
bool ipv6_use_optimistic_addr(const inet6_dev* idev);
// The label of the policy table (RFC 6724 2.1).
uint32_t ipv6_addr_label(const Ipv6Address& addr, int ifindex);
enum : uint8_t {
  IPV6_PREFER_SRC_TMP = 0x01,
  IPV6_PREFER_SRC_PUBLIC = 0x02,
  IPV6_PREFER_SRC_COA = 0x04,
};

// --- Anycast. ---
int ipv6_sock_ac_join(sock* sk, int ifindex, const Ipv6Address& addr);
int ipv6_sock_ac_drop(sock* sk, int ifindex, const Ipv6Address& addr);
void ipv6_sock_ac_close(sock* sk);
bool ipv6_chk_acast_addr(net& net, const net_device* dev, const Ipv6Address& addr);
bool ipv6_chk_acast_addr_src(net& net, const net_device* dev, const Ipv6Address& addr);
// The device takes part / no longer. 0, -ENODEV, -ENOMEM / 0, -ENOENT.
int __ipv6_dev_ac_inc(inet6_dev* idev, const Ipv6Address& addr);
int __ipv6_dev_ac_dec(inet6_dev* idev, const Ipv6Address& addr);
void ipv6_ac_destroy_dev(inet6_dev* idev);
struct ifacaddr6 {
  ifacaddr6* next = nullptr;
  Ipv6Address addr;
  uint32_t users = 1;
};

// --- What neighbour discovery hears. ---

// A prefix information option of a router advertisement, `len` bytes.
void addrconf_prefix_rcv(net_device* dev, const uint8_t* opt, int len, bool sllao);
// Another host has, or asks for, a tentative address of ours.
void addrconf_dad_failure(sk_buff* skb, inet6_ifaddr* ifp);
void addrconf_join_solict(net_device* dev, const Ipv6Address& addr);
void addrconf_leave_solict(inet6_dev* idev, const Ipv6Address& addr);

// --- Life. ---

// IPv6 on `dev`, made where it was not; nullptr below an MTU of 1280 or without memory.
inet6_dev* ipv6_find_idev(net_device* dev);
// Runs when the life of some address changes (addrconf_verify_work).
struct AddrCheckTimer : TimerList {
  AddrCheckTimer();
  netns_ipv6* ns = nullptr;  // set by addrconf_init
  bool verifying = false;    // a look at all lifetimes is under way
  bool again = false;        // something changed during it
};
// What register_netdevice_notifier calls (addrconf_notify), before ndisc_netdev_event.
int addrconf_notify(net_device* dev, NetdevEvent event);
// Sets the defaults that depend on HZ, registers net/ipv6/conf/{all,default}, gives devices there
// are their inet6_dev by ways of netns_ipv6::notifier. REQUIRES: ndisc_init, igmp6_init.
int addrconf_init(net& net);
// Takes IPv6 off every device.
void addrconf_exit(net& net);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_ADDRCONF_H_
