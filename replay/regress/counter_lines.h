// A host's counters as a golden has them: those that are not zero, a line a group.
#ifndef TAPEDECK_REPLAY_REGRESS_COUNTER_LINES_H_
#define TAPEDECK_REPLAY_REGRESS_COUNTER_LINES_H_

#include <string>
#include <vector>

#include "stack/core/net.h"

namespace tapedeck::regress {

// Of /proc/net/snmp, netstat and snmp6: "Udp InDatagrams 20 OutDatagrams 20".
std::vector<std::string> CounterLines(net& net);

}  // namespace tapedeck::regress

#endif  // TAPEDECK_REPLAY_REGRESS_COUNTER_LINES_H_
