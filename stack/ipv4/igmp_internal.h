// What the parts of IGMP share among themselves. Not for others.
#ifndef TAPEDECK_STACK_IPV4_IGMP_INTERNAL_H_
#define TAPEDECK_STACK_IPV4_IGMP_INTERNAL_H_

#include "stack/core/net.h"
#include "stack/ipv4/devinet.h"
#include "stack/ipv4/igmp.h"
#include "stack/ipv4/netns_ipv4.h"

namespace tapedeck::igmp_internal {

// Defaults of a querier (RFC 3376 8.2, 8.3).
inline constexpr uint64_t kQueryIntervalSeconds = 125;
inline constexpr uint64_t kQueryResponseIntervalSeconds = 10;

inline net& NetOf(const in_device* in_dev) { return dev_net(in_dev->dev); }
inline Kmalloc& KmallocOf(const in_device* in_dev) { return NetOf(in_dev).kernel.kmalloc(); }

// Whether that version is spoken: by order, or while a router of it is about.
bool IGMP_V1_SEEN(const in_device* in_dev);
bool IGMP_V2_SEEN(const in_device* in_dev);
// Whether the group is told of at all.
bool IsReported(const in_device* in_dev, Ipv4Address group);

void igmp_stop_timer(ip_mc_list* im);
// Its report within `max_delay` jiffies; an earlier one stays.
void igmp_mod_timer(ip_mc_list* im, Jiffies max_delay);
void igmp_gq_start_timer(in_device* in_dev);
void igmp_ifc_stop_timer(in_device* in_dev);
// Forgets what was still to be told of groups and sources that were left.
void igmpv3_clear_delrec(in_device* in_dev);

// --- igmp_report.cc: what goes out. ---

// A message of version 1 or 2.
void igmp_send_report(in_device* in_dev, Ipv4Address group, uint8_t type);
// Version 3: the state of one group or (null) of all; what has changed.
void igmpv3_send_report(in_device* in_dev, ip_mc_list* only);
void igmpv3_send_cr(in_device* in_dev);

}  // namespace tapedeck::igmp_internal

#endif  // TAPEDECK_STACK_IPV4_IGMP_INTERNAL_H_
