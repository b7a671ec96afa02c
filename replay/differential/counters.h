// The SNMP counters that both stacks keep, in one order. Ours are arrays; the kernel's are text, in
// which each group is a line of names and a line of values (net/ipv4/proc.c).
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_COUNTERS_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_COUNTERS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tapedeck {
struct net;
}  // namespace tapedeck

namespace tapedeck::differential {

// "Ip.InReceives", "TcpExt.TW", ...: all that our stack has.
const std::vector<std::string>& CounterNames();
// Their values, in that order.
void ReadCounters(const net& net, std::vector<uint64_t>* values);

// Reads /proc/net/snmp and /proc/net/netstat, again and again.
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
  // Of each group. IcmpMsg, whose lines come and change with the messages seen, is none.
  std::vector<Line> lines_;
  std::vector<bool> known_;
};

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_COUNTERS_H_
