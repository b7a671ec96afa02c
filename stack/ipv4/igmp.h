// Groups of devices and IGMP, versions 1 to 3 (net/ipv4/igmp.c; RFC 1112, 2236, 3376): queries are
// answered, joins and leaves told. All hosts (224.0.0.1) is never reported, other groups of the
// link are unless sysctl igmp_link_local_mcast_reports is 0.
#ifndef TAPEDECK_STACK_IPV4_IGMP_H_
#define TAPEDECK_STACK_IPV4_IGMP_H_

#include <cstdint>
#include <span>
#include <string>

#include "stack/base/ip_address.h"
#include "stack/core/skbuff.h"
#include "stack/ipv4/mc_group.h"
#include "stack/kernel/timer.h"

namespace tapedeck {

struct in_device;
struct net;

// A group of a device, on in_device::mc_list, newest first; or one that was left, on mc_tomb.
struct ip_mc_list : mc_group<Ipv4Address> {
  ip_mc_list();
  ip_mc_list* next = nullptr;
  in_device* interface = nullptr;
  uint8_t unsolicit_count = 0;  // reports of the join that are still to come (versions 1 and 2)
  struct Timer : TimerList {
    using TimerList::TimerList;
    ip_mc_list* im = nullptr;
  } timer;
};

// net_protocol::handler of protocol 2.
int igmp_rcv(sk_buff* skb);

// A user joins / leaves. 0, -EINVAL (no group), -ENOBUFS / 0, -EADDRNOTAVAIL. The first form joins
// with an empty filter of `mode` (kMcastInclude, kMcastExclude).
int __ip_mc_inc_group(in_device* in_dev, Ipv4Address group, uint8_t mode);
int ip_mc_inc_group(in_device* in_dev, Ipv4Address group);
int ip_mc_dec_group(in_device* in_dev, Ipv4Address group);
// Source filters of a group of the device. 0, -ESRCH, -EINVAL, -ENOBUFS.
int ip_mc_add_src(in_device* in_dev, Ipv4Address group, uint8_t mode,
                  std::span<const Ipv4Address> sources, bool delta);
int ip_mc_del_src(in_device* in_dev, Ipv4Address group, uint8_t mode,
                  std::span<const Ipv4Address> sources, bool delta);
// Whether packets from `src` (0.0.0.0: any) to `group` are for this device's host
// (ip_check_mc_rcu).
bool ip_check_mc(const in_device* in_dev, Ipv4Address group, Ipv4Address src, uint8_t proto);

// The device goes up: its groups are told again; down: nothing more is; it goes for good.
void ip_mc_up(in_device* in_dev);
void ip_mc_down(in_device* in_dev);
void ip_mc_destroy_dev(in_device* in_dev);
// in_device's timers: answers to a general query, reports of changes.
void igmp_gq_timer_expire(TimerList* timer);
void igmp_ifc_timer_expire(TimerList* timer);

// Registers protocol and settings.
void igmp_init(net& net);
void igmp_exit(net& net);
// Appends what /proc/net/igmp shows.
void igmp_proc_show(net& net, std::string* out);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_IGMP_H_
