// What the parts of multicast listener discovery share among themselves. Not for others.
#ifndef TAPEDECK_STACK_IPV6_MLD_INTERNAL_H_
#define TAPEDECK_STACK_IPV6_MLD_INTERNAL_H_

#include <cstdint>
#include <span>

#include "stack/core/net.h"
#include "stack/ipv4/mc_group.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/kernel/timer.h"

namespace tapedeck {

// A group of a device, on inet6_dev::mc_list, newest first; or one that was left, on mc_tomb.
struct ifmcaddr6 : mc_group<Ipv6Address> {
  ifmcaddr6();
  ifmcaddr6* next = nullptr;
  inet6_dev* idev = nullptr;  // a reference
  uint32_t refcnt = 1;        // the list, and the timer while it is armed
  struct Timer : TimerList {
    using TimerList::TimerList;
    ifmcaddr6* mc = nullptr;
  } timer;
};

namespace mld_internal {

inline Kmalloc& KmallocOf(const inet6_dev* idev) { return dev_net(idev->dev).kernel.kmalloc(); }

// Whether version 1 is spoken: by order, or while a router of that version is about.
bool mld_in_v1_mode(const inet6_dev* idev);
bool mld_in_v2_mode_only(const inet6_dev* idev);
// Jiffies between a report nobody asked for and its repetition, at most.
Jiffies unsolicited_report_interval(const inet6_dev* idev);

// A change is told qrv times, the first one very soon.
void mld_ifc_event(inet6_dev* idev);
void mld_ifc_stop_timer(inet6_dev* idev);
// An answer to a general query, within mc_maxdelay / not any more.
void mld_gq_start_timer(inet6_dev* idev);
void mld_gq_stop_timer(inet6_dev* idev);
// Forgets what was still to be told of groups and sources that were left.
void mld_clear_delrec(inet6_dev* idev);
// The group's report within `resptime` jiffies; an earlier one stays.
void igmp6_group_queried(ifmcaddr6* ma, Jiffies resptime);
bool igmp6_group_stop_timer(ifmcaddr6* ma);

// Source filters of a group of the device. 0, -ESRCH, -EINVAL, -ENOBUFS.
int ip6_mc_add_src(inet6_dev* idev, const Ipv6Address& group, uint8_t mode,
                   std::span<const Ipv6Address> sources, bool delta);
int ip6_mc_del_src(inet6_dev* idev, const Ipv6Address& group, uint8_t mode,
                   std::span<const Ipv6Address> sources, bool delta);
int __ipv6_dev_mc_inc(net_device* dev, const Ipv6Address& addr, uint8_t mode);

// --- mld_report.cc: what goes out. ---

// Version 1: a report or done message about one group.
void igmp6_send(const Ipv6Address& group, net_device* dev, uint8_t type);
// Version 2: the state of all groups, or of one; what has changed; what DAD kept silent.
void mld_send_report(inet6_dev* idev, ifmcaddr6* only);
void mld_send_cr(inet6_dev* idev);
void mld_send_initial_cr(inet6_dev* idev);

}  // namespace mld_internal

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_MLD_INTERNAL_H_
