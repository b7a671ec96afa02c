#include "replay/regress/counter_lines.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "replay/lab/net_counters.h"

namespace tapedeck::regress {

namespace {

// Settings and constants that stand among the counters.
bool IsSetting(std::string_view name) {
  return name == "RtoAlgorithm" || name == "RtoMin" || name == "RtoMax" || name == "MaxConn" ||
         name == "Forwarding" || name == "DefaultTTL";
}

}  // namespace

std::vector<std::string> CounterLines(net& net) {
  std::vector<std::string> lines;
  std::string group;
  for (const NetCounter& counter : ReadNetCounters(net)) {
    if (counter.value == "0" || IsSetting(counter.name)) continue;
    const std::string name = counter.group.empty() ? "Six" : counter.group;
    if (name != group) lines.push_back(name);
    group = name;
    absl::StrAppend(&lines.back(), " ", counter.name, " ", counter.value);
  }
  return lines;
}

}  // namespace tapedeck::regress
