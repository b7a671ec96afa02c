// A host's counters as its /proc/net files have them.
#ifndef TAPEDECK_REPLAY_LAB_NET_COUNTERS_H_
#define TAPEDECK_REPLAY_LAB_NET_COUNTERS_H_

#include <string>
#include <vector>

#include "stack/core/net.h"

namespace tapedeck {

// One of them: "Tcp" and "InSegs". Those of snmp6 have no group: their names are whole,
// "Ip6InReceives".
struct NetCounter {
  std::string group;
  std::string name;
  std::string value;  // decimal; a setting such as MaxConn may be negative
};

// Of snmp, netstat and snmp6, in the files' order, those that are zero too.
std::vector<NetCounter> ReadNetCounters(net& net);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_NET_COUNTERS_H_
