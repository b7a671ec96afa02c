// The SNMP counters that both stacks keep, in one order. Ours are arrays; the kernel's are text, in
// which each group is a line of names and a line of values (net/ipv4/proc.c), and of IPv6 each
// counter a line (net/ipv6/proc.c).
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_COUNTERS_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_COUNTERS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tapedeck {
struct net;
}  // namespace tapedeck

namespace tapedeck::differential {

// "Ip.InReceives", "TcpExt.TW", "Icmp6.InType128", ...: all that our stack has.
const std::vector<std::string>& CounterNames();
// Where it stands in CounterNames(). REQUIRES: there is one of that name.
size_t CounterIndex(std::string_view name);
// Their values, in that order.
void ReadCounters(net& net, std::vector<uint64_t>* values);

// Reads /proc/net/snmp, /proc/net/netstat and, behind them, /proc/net/snmp6, again and again.
class CounterText {
 public:
  // Learns from a first reading where each value stands.
  explicit CounterText(std::string_view text);
  // Values in the order of CounterNames(), 0 for what the kernel does not have. REQUIRES: the same
  // files of the same kernel.
  void Read(std::string_view text, std::vector<uint64_t>* values) const;
  // Whether the kernel has that counter.
  bool has(size_t counter) const { return known_[counter]; }

 private:
  struct Line {
    std::string group;          // "Ip:"
    std::vector<int> counters;  // which one each number is; -1 for one that is not ours
  };
  // What lies behind the groups: a name and a value a line.
  void LearnLines(std::string_view text);
  void ReadLines(std::string_view text, std::vector<uint64_t>* values) const;

  // Of each group. IcmpMsg, whose lines come and change with the messages seen, is none.
  std::vector<Line> lines_;
  std::vector<std::pair<std::string, size_t>> by_line_;  // sorted
  std::vector<bool> known_;
};

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_COUNTERS_H_
