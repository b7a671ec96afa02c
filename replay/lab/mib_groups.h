// A host's counters by the names that nstat has for them: a group and an item, "TcpExt" and
// "TCPRcvQDrop".
#ifndef TAPEDECK_REPLAY_LAB_MIB_GROUPS_H_
#define TAPEDECK_REPLAY_LAB_MIB_GROUPS_H_

#include "stack/core/net.h"

namespace tapedeck {

// Calls visit("Ip", network.ip_mib) and so on, in the order of nstat.
template <typename Visit>
void ForEachMib(const net& network, Visit visit) {
  visit("Ip", network.ip_mib);
  visit("Icmp", network.icmp_mib);
  visit("Tcp", network.tcp_mib);
  visit("Udp", network.udp_mib);
  visit("Ip6", network.ip6_mib);
  visit("Icmp6", network.icmp6_mib);
  visit("Udp6", network.udp6_mib);
  visit("TcpExt", network.tcp_ext_mib);
  visit("IpExt", network.ip_ext_mib);
}

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_MIB_GROUPS_H_
