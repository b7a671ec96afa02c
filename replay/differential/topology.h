// What both stacks are set up as: a host with two Ethernet devices, whose neighbours are the cases.
//
//   10.1.0.0/16, MTU 1500 -- tap0  [10.1.0.1    10.2.0.1]  tap1 -- 10.2.0.0/16, MTU 1280
//   10.3.0.0/16 lies behind 10.2.0.99, 10.4.0.0/16 behind 10.1.0.99; everything else is out of
//   reach.
//
// Where the case is IPv6's, the devices speak that, too, with 2001:db8:1::/64, 2001:db8:2::/64 and
// a link-local address each; 2001:db8:3::/64 lies behind 2001:db8:2::99, 2001:db8:4::/64 behind
// fe80::99 of the first link.
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_TOPOLOGY_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_TOPOLOGY_H_

#include <cstdint>

#include "stack/base/ip_address.h"

namespace tapedeck::differential {

inline constexpr int kPorts = 2;

struct PortPlan {
  const char* name;
  MacAddress mac;
  Ipv4Address address;
  uint8_t prefix_bits;
  uint32_t mtu_bytes;
  Ipv6Address address6;     // of a /64
  Ipv6Address link_local6;  // that the device makes of its MAC address
};
inline constexpr uint8_t kPrefixBits6 = 64;
inline constexpr PortPlan kPortPlans[kPorts] = {
    {"tap0", MacAddress(2, 0, 0, 0, 1, 1), Ipv4Address(10, 1, 0, 1), 16, 1500,
     Ipv6Address({0x2001, 0xdb8, 1, 0, 0, 0, 0, 1}),
     Ipv6Address({0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 0x101})},
    {"tap1", MacAddress(2, 0, 0, 0, 2, 1), Ipv4Address(10, 2, 0, 1), 16, 1280,
     Ipv6Address({0x2001, 0xdb8, 2, 0, 0, 0, 0, 1}),
     Ipv6Address({0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 0x201})},
};
// Of the first port, on both sides: the loopback device has 1.
inline constexpr int kFirstIfindex = 2;

struct RoutePlan {
  Ipv4Address network;
  uint8_t prefix_bits;
  int port;
  Ipv4Address gateway;
};
inline constexpr RoutePlan kRoutePlans[] = {
    {Ipv4Address(10, 3, 0, 0), 16, 1, Ipv4Address(10, 2, 0, 99)},
    {Ipv4Address(10, 4, 0, 0), 16, 0, Ipv4Address(10, 1, 0, 99)},
};

struct Route6Plan {
  Ipv6Address network;  // of a /64
  int port;
  Ipv6Address gateway;
};
inline constexpr Route6Plan kRoute6Plans[] = {
    {Ipv6Address({0x2001, 0xdb8, 3, 0, 0, 0, 0, 0}), 1,
     Ipv6Address({0x2001, 0xdb8, 2, 0, 0, 0, 0, 0x99})},
    {Ipv6Address({0x2001, 0xdb8, 4, 0, 0, 0, 0, 0}), 0,
     Ipv6Address({0xfe80, 0, 0, 0, 0, 0, 0, 0x99})},
};

// Settings of both, so that what they have in common does not depend on the machine, on what other
// cases did, or on the wall clock.
struct SettingPlan {
  const char* path;
  const char* value;
};
inline constexpr SettingPlan kSettingPlans[] = {
    // Limits that cases share are off; the unit tests know them.
    {"net/ipv4/icmp_ratemask", "0"},
    {"net/ipv4/tcp_challenge_ack_limit", "2147483647"},
    {"net/ipv4/ipfrag_high_thresh", "1073741824"},
    // Nothing is remembered of a peer.
    {"net/ipv4/tcp_no_metrics_save", "1"},
    // Groups of 224.0.0.0/24 are joined without reports, which would come at random times.
    {"net/ipv4/igmp_link_local_mcast_reports", "0"},
    // Depends on the machine's memory.
    {"net/ipv4/tcp_rmem", "4096 131072 6291456"},
    {"net/ipv4/tcp_wmem", "4096 16384 4194304"},
    // Timers of less than a millisecond, which depend on how quick the machine is.
    {"net/ipv4/tcp_early_retrans", "0"},
    {"net/ipv4/tcp_comp_sack_nr", "0"},
    {"net/ipv4/tcp_ecn", "2"},
    // Inherited from the machine's first namespace.
    {"net/ipv4/conf/all/rp_filter", "0"},
    {"net/ipv4/conf/all/accept_redirects", "1"},
    {"net/ipv4/conf/all/send_redirects", "1"},
    {"net/ipv4/conf/all/secure_redirects", "1"},
    {"net/ipv4/conf/all/shared_media", "1"},
    {"net/ipv4/conf/all/accept_source_route", "0"},
};
// The same for each device, below net/ipv4/conf/NAME/.
inline constexpr SettingPlan kDeviceSettingPlans[] = {
    {"rp_filter", "0"},        {"accept_redirects", "1"}, {"send_redirects", "1"},
    {"secure_redirects", "1"}, {"shared_media", "1"},     {"accept_source_route", "1"},
};

// What cases of IPv6 have besides.
inline constexpr SettingPlan kSetting6Plans[] = {
    {"net/ipv6/icmp/ratemask", "255"},
    {"net/ipv6/ip6frag_high_thresh", "1073741824"},
    {"net/ipv6/conf/all/forwarding", "0"},
};
// Below net/ipv6/conf/default/, before there are devices, and conf/NAME/.
inline constexpr SettingPlan kDeviceSetting6Plans[] = {
    // Nobody is asked whether an address is free, nor for routers: that takes time.
    {"accept_dad", "0"},
    {"dad_transmits", "0"},
    {"router_solicitations", "0"},
    // Groups are reported at random times, but soon.
    {"mldv1_unsolicited_report_interval", "1"},
    {"mldv2_unsolicited_report_interval", "1"},
    // Whether a router is there is asked by a work queue, soon after.
    {"router_probe_interval", "86400"},
    {"addr_gen_mode", "0"},
    {"use_tempaddr", "0"},
    {"accept_source_route", "0"},
};

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_TOPOLOGY_H_
