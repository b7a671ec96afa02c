#include "replay/regress/counter_lines.h"

#include <sstream>

#include "absl/strings/str_cat.h"
#include "stack/socket/proc_net.h"

namespace tapedeck::regress {

namespace {

// Settings and constants that stand among the counters.
bool IsSetting(const std::string& name) {
  return name == "RtoAlgorithm" || name == "RtoMin" || name == "RtoMax" || name == "MaxConn" ||
         name == "Forwarding" || name == "DefaultTTL";
}

// "Tcp: InSegs ..." and the line of values below it.
std::string GroupLine(const std::string& names, const std::string& values) {
  std::istringstream name_words(names);
  std::istringstream value_words(values);
  std::string group;
  std::string name;
  std::string value;
  name_words >> group;
  value_words >> value;
  group.pop_back();
  std::string line = group;
  while (name_words >> name && value_words >> value) {
    if (value != "0" && !IsSetting(name)) absl::StrAppend(&line, " ", name, " ", value);
  }
  return line == group ? "" : line;
}

// snmp6 has a line a counter: "Ip6InReceives 3".
std::string SixLine(const std::string& text) {
  std::istringstream words(text);
  std::string name;
  std::string value;
  std::string line = "Six";
  while (words >> name >> value) {
    if (value != "0") absl::StrAppend(&line, " ", name, " ", value);
  }
  return line == "Six" ? "" : line;
}

}  // namespace

std::vector<std::string> CounterLines(net& net) {
  std::string text;
  snmp_seq_show(net, &text);
  netstat_seq_show(net, &text);
  std::istringstream pairs(text);
  std::vector<std::string> lines;
  std::string names;
  std::string values;
  while (std::getline(pairs, names) && std::getline(pairs, values)) {
    lines.push_back(GroupLine(names, values));
  }
  std::string six;
  snmp6_seq_show(net, &six);
  lines.push_back(SixLine(six));
  std::erase(lines, "");
  return lines;
}

}  // namespace tapedeck::regress
