#include "replay/lab/net_counters.h"

#include <sstream>

#include "stack/socket/proc_net.h"

namespace tapedeck {

std::vector<NetCounter> ReadNetCounters(net& net) {
  std::vector<NetCounter> counters;
  // Pairs of lines, names above values, "Tcp: InSegs ..." each.
  std::string text;
  snmp_seq_show(net, &text);
  netstat_seq_show(net, &text);
  std::istringstream lines(text);
  std::string names;
  std::string values;
  while (std::getline(lines, names) && std::getline(lines, values)) {
    std::istringstream name_words(names);
    std::istringstream value_words(values);
    NetCounter counter;
    name_words >> counter.group;
    value_words >> counter.value;
    counter.group.pop_back();  // the colon
    while (name_words >> counter.name && value_words >> counter.value) counters.push_back(counter);
  }
  // A line a counter: "Ip6InReceives 3".
  std::string six;
  snmp6_seq_show(net, &six);
  std::istringstream words(six);
  NetCounter counter;
  while (words >> counter.name >> counter.value) counters.push_back(counter);
  return counters;
}

}  // namespace tapedeck
