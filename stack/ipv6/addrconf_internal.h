// What the parts of address configuration share among themselves. Not for others.
#ifndef TAPEDECK_STACK_IPV6_ADDRCONF_INTERNAL_H_
#define TAPEDECK_STACK_IPV6_ADDRCONF_INTERNAL_H_

#include <cstdint>
#include <string_view>

#include "stack/core/net.h"
#include "stack/ipv4/devinet.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/ipv6/ip6_fib.h"
#include "stack/ipv6/ip6_route.h"
#include "stack/ipv6/netns_ipv6.h"

namespace tapedeck::addrconf_internal {

// inet6_ifaddr::scope.
inline constexpr uint16_t IFA_HOST = IPV6_ADDR_LOOPBACK;
inline constexpr uint16_t IFA_LINK = IPV6_ADDR_LINKLOCAL;

inline uint32_t Hz(net& net) { return net.kernel.hz(); }
inline bool Either(int32_t all, int32_t dev) { return all != 0 || dev != 0; }

// How early a lifetime may end, so that several end together (ADDRCONF_TIMER_FUZZ_MINUS).
inline Jiffies FuzzMinus(net& net) { return Hz(net) > 50 ? Hz(net) / 50 : 1; }

// A lifetime in whole seconds as jiffies of a route can hold it; infinity stays infinity.
inline bool addrconf_finite_timeout(uint32_t seconds) { return seconds != kInfinityLifeTime; }

// --- addrconf.cc: addresses of a device. ---

struct ifa6_config {
  Ipv6Address pfx{};
  Ipv6Address peer_pfx{};  // ::: none
  uint8_t plen = 128;
  uint16_t scope = 0;
  uint32_t ifa_flags = 0;
  uint32_t valid_lft = kInfinityLifeTime;      // s
  uint32_t preferred_lft = kInfinityLifeTime;  // s
  uint32_t rt_priority = 0;
};
// A new address, tentative unless it skips DAD, with a reference. nullptr and *err: -EADDRNOTAVAIL,
// -ENODEV, -EACCES, -ENOBUFS, -EEXIST.
inet6_ifaddr* ipv6_add_addr(inet6_dev* idev, const ifa6_config& config, int* err);
// Takes an address off its device, with its routes; the caller's reference goes too.
void ipv6_del_addr(inet6_ifaddr* ifp);
void Unhash(netns_ipv6& ns, inet6_ifaddr* ifp);
int ipv6_count_addresses(const inet6_dev* idev);

// What has become of an address: routes, anycast and solicited-node groups follow.
enum class IfaEvent : uint8_t { kChanged, kNew, kDeleted };
void ipv6_ifa_notify(IfaEvent event, inet6_ifaddr* ifp);
void addrconf_join_anycast(inet6_ifaddr* ifp);
void addrconf_leave_anycast(inet6_ifaddr* ifp);

// --- addrconf_dad.cc ---

void addrconf_dad_start(inet6_ifaddr* ifp);
// Addresses whose DAD waits for the device go on; `restart`: all begin anew.
void addrconf_dad_run(inet6_dev* idev, bool restart);
// After `delay` jiffies the next step is done; at once where it is 0.
void addrconf_mod_dad_work(inet6_ifaddr* ifp, Jiffies delay);
void addrconf_del_dad_work(inet6_ifaddr* ifp);
void addrconf_dad_timer(TimerList* timer);
void addrconf_del_rs_timer(inet6_dev* idev);
void addrconf_rs_timer(TimerList* timer);

// --- addrconf_iid.cc: interface identifiers. False where none can be made. ---

bool ipv6_generate_eui64(const net_device* dev, Ipv6Address* addr);
// Of the device's link-local address.
bool ipv6_inherit_eui64(const inet6_dev* idev, Ipv6Address* addr);
// RFC 7217, from the secret of the device or of `default`; `dad_count` tells apart addresses after
// collisions.
bool ipv6_generate_stable_address(const inet6_dev* idev, uint8_t dad_count, Ipv6Address* addr);
// RFC 8981 3.3.1.
void ipv6_gen_rnd_iid(netns_ipv6& ns, Ipv6Address* addr);
// The link-local address of a device by its addr_gen_mode.
void addrconf_addr_gen(inet6_dev* idev);

// --- addrconf_prefix.cc ---

// The route to an on-link prefix. `expires`: jiffies from now, with RTF_EXPIRES; metric 0: 256.
void addrconf_prefix_route(const Ipv6Address& pfx, uint8_t plen, uint32_t metric, net_device* dev,
                           Jiffies expires, uint32_t flags);
// That route, where it has all of `flags` and none of `noflags`, without a gateway where `no_gw`;
// a reference, or nullptr.
fib6_info* addrconf_get_prefix_route(const Ipv6Address& pfx, uint8_t plen, const net_device* dev,
                                     uint32_t flags, uint32_t noflags, bool no_gw);

// --- addrconf_temp.cc: temporary addresses (RFC 8981). ---

// s before the end of its preferred life at which a temporary address gets a successor.
uint32_t ipv6_get_regen_advance(const inet6_dev* idev);
int ipv6_create_tempaddr(inet6_ifaddr* ifp);
void manage_tempaddrs(inet6_dev* idev, inet6_ifaddr* ifp, uint32_t valid_lft, uint32_t prefered_lft,
                      bool create);
void delete_tempaddrs(inet6_dev* idev, inet6_ifaddr* ifp);

// --- addrconf_verify.cc ---

// Looks at all lifetimes and sets the timer for the next end of one.
void addrconf_verify(net& net);
void addrconf_verify_timer(TimerList* timer);

// --- addrconf_notify.cc ---

// REQUIRES: dev->ip6_ptr == nullptr. nullptr and *err.
inet6_dev* ipv6_add_dev(net_device* dev, int* err);
// The same as ipv6_find_idev where IPv6 is not switched off, with the route of groups; else nullptr
// and *err.
inet6_dev* addrconf_add_dev(net_device* dev, int* err);
void addrconf_init_auto_addrs(net_device* dev);
void addrconf_ifdown(net_device* dev, bool unregister);

// --- addrconf_sysctl.cc ---

// The files net/ipv6/conf/<name>/*.
void addrconf_sysctl_register(net& net, ipv6_devconf* conf, std::string_view name);
void dev_forward_change(inet6_dev* idev);

}  // namespace tapedeck::addrconf_internal

#endif  // TAPEDECK_STACK_IPV6_ADDRCONF_INTERNAL_H_
