#include "replay/differential/counters.h"

#include <algorithm>

#include "stack/base/check.h"
#include "stack/base/mib.h"
#include "stack/core/net.h"
#include "stack/ipv6/netns_ipv6.h"

namespace tapedeck::differential {

namespace {

constexpr std::string_view kChangingGroup = "IcmpMsg";
constexpr size_t kMessageTypes = 256;  // that each direction has a counter for

template <typename Item>
void AppendNames(const char* group, std::vector<std::string>* names) {
  for (size_t i = 0; i < Mib<Item>::kItems; ++i) {
    names->push_back(std::string(group) + "." + MibName(static_cast<Item>(i)));
  }
}

template <typename Item>
void AppendValues(const Mib<Item>& mib, std::vector<uint64_t>* values) {
  for (size_t i = 0; i < Mib<Item>::kItems; ++i) {
    values->push_back(mib.Get(static_cast<Item>(i)));
  }
}

std::vector<std::string> MakeNames() {
  std::vector<std::string> names;
  AppendNames<IpMib>("Ip", &names);
  AppendNames<IpExtMib>("IpExt", &names);
  AppendNames<IcmpMib>("Icmp", &names);
  AppendNames<UdpMib>("Udp", &names);
  AppendNames<TcpMib>("Tcp", &names);
  AppendNames<TcpExtMib>("TcpExt", &names);
  AppendNames<Ip6Mib>("Ip6", &names);
  AppendNames<Icmp6Mib>("Icmp6", &names);
  AppendNames<UdpMib>("Udp6", &names);
  for (const char* const direction : {"In", "Out"}) {
    for (size_t type = 0; type < kMessageTypes; ++type) {
      names.push_back(std::string("Icmp6.") + direction + "Type" + std::to_string(type));
    }
  }
  return names;
}

// Cuts the first line off `text`.
std::string_view TakeLine(std::string_view* text) {
  const size_t end = std::min(text->find('\n'), text->size());
  const std::string_view line = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return line;
}

// Takes the decimal number at `*at`.
uint64_t TakeNumber(const char** at, const char* end) {
  uint64_t value = 0;
  while (*at != end && **at >= '0' && **at <= '9') {
    value = value * 10 + static_cast<uint64_t>(*(*at)++ - '0');
  }
  return value;
}

// The kernel prints some counters under other names, or in the other part of the IP group.
std::string OurName(std::string_view group, std::string_view name) {
  if (group == "Ip" && name == "ForwDatagrams") name = "OutForwDatagrams";
  if (group == "Ip" && name == "OutTransmits") group = "IpExt";
  if (group == "IpExt" && (name == "InNoRoutes" || name == "InTruncatedPkts")) group = "Ip";
  return std::string(group) + "." + std::string(name);
}

}  // namespace

size_t CounterIndex(std::string_view name) {
  const std::vector<std::string>& names = CounterNames();
  const auto found = std::find(names.begin(), names.end(), name);
  CHECK(found != names.end());
  return static_cast<size_t>(found - names.begin());
}

const std::vector<std::string>& CounterNames() {
  static const auto* const kNames = new std::vector<std::string>(MakeNames());
  return *kNames;
}

void ReadCounters(net& net, std::vector<uint64_t>* values) {
  values->clear();
  AppendValues(net.ip_mib, values);
  AppendValues(net.ip_ext_mib, values);
  AppendValues(net.icmp_mib, values);
  AppendValues(net.udp_mib, values);
  AppendValues(net.tcp_mib, values);
  AppendValues(net.tcp_ext_mib, values);
  AppendValues(net.ip6_mib, values);
  AppendValues(net.icmp6_mib, values);
  AppendValues(net.udp6_mib, values);
  const netns_ipv6& ns = net_ipv6(net);
  values->insert(values->end(), std::begin(ns.icmpv6msg_in), std::end(ns.icmpv6msg_in));
  values->insert(values->end(), std::begin(ns.icmpv6msg_out), std::end(ns.icmpv6msg_out));
}

CounterText::CounterText(std::string_view text) : known_(CounterNames().size(), false) {
  const std::vector<std::string>& ours = CounterNames();
  while (text.substr(0, text.find('\n')).find(':') != std::string_view::npos) {
    std::string_view names = TakeLine(&text);
    TakeLine(&text);
    const size_t colon = names.find(':');
    const std::string_view group = names.substr(0, colon);
    names.remove_prefix(colon + 1);
    if (group == kChangingGroup) continue;
    Line& line = lines_.emplace_back();
    line.group = std::string(group) + ":";
    while (!names.empty()) {
      names.remove_prefix(1);
      const size_t end = std::min(names.find(' '), names.size());
      const auto found = std::find(ours.begin(), ours.end(), OurName(group, names.substr(0, end)));
      line.counters.push_back(found == ours.end() ? -1 : static_cast<int>(found - ours.begin()));
      if (found != ours.end()) known_[static_cast<size_t>(found - ours.begin())] = true;
      names.remove_prefix(end);
    }
  }
  if (!text.empty()) LearnLines(text);
}

void CounterText::LearnLines(std::string_view text) {
  const std::vector<std::string>& ours = CounterNames();
  for (size_t i = 0; i < ours.size(); ++i) {
    const size_t dot = ours[i].find('.');
    if (dot == 0 || ours[i][dot - 1] != '6') continue;
    const std::string name = ours[i].substr(0, dot) + ours[i].substr(dot + 1);
    by_line_.emplace_back(name, i);
    // Those of message types are there once there was one.
    known_[i] = name.find("Type") != std::string::npos ||
                text.find(name + ' ') != std::string_view::npos ||
                text.find(name + '\t') != std::string_view::npos;
  }
  std::sort(by_line_.begin(), by_line_.end());
}

void CounterText::Read(std::string_view text, std::vector<uint64_t>* values) const {
  values->assign(known_.size(), 0);
  for (size_t i = 0; !text.empty() && i < lines_.size();) {
    TakeLine(&text);
    const std::string_view numbers = TakeLine(&text);
    const Line& line = lines_[i];
    if (!numbers.starts_with(line.group)) continue;
    ++i;
    const char* at = numbers.data() + line.group.size();
    const char* const end = numbers.data() + numbers.size();
    for (const int counter : line.counters) {
      if (at != end) ++at;
      const bool negative = at != end && *at == '-';
      if (negative) ++at;
      const uint64_t value = TakeNumber(&at, end);
      if (counter >= 0) (*values)[static_cast<size_t>(counter)] = negative ? 0 - value : value;
    }
  }
  ReadLines(text, values);
}

void CounterText::ReadLines(std::string_view text, std::vector<uint64_t>* values) const {
  while (!text.empty()) {
    const std::string_view line = TakeLine(&text);
    const size_t name_end = std::min(line.find_first_of(" \t"), line.size());
    const std::string_view name = line.substr(0, name_end);
    const auto found = std::lower_bound(
        by_line_.begin(), by_line_.end(), name,
        [](const std::pair<std::string, size_t>& a, std::string_view b) { return a.first < b; });
    if (found == by_line_.end() || found->first != name) continue;
    const size_t number = std::min(line.find_first_not_of(" \t", name_end), line.size());
    const char* at = line.data() + number;
    (*values)[found->second] = TakeNumber(&at, line.data() + line.size());
  }
}

}  // namespace tapedeck::differential
