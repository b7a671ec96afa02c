#include "replay/differential/counters.h"

#include <algorithm>

#include "stack/base/mib.h"
#include "stack/core/net.h"

namespace tapedeck::differential {

namespace {

constexpr std::string_view kChangingGroup = "IcmpMsg";

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
  return names;
}

// Cuts the first line off `text`.
std::string_view TakeLine(std::string_view* text) {
  const size_t end = std::min(text->find('\n'), text->size());
  const std::string_view line = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return line;
}

// The kernel prints some counters under other names, or in the other part of the IP group.
std::string OurName(std::string_view group, std::string_view name) {
  if (group == "Ip" && name == "ForwDatagrams") name = "OutForwDatagrams";
  if (group == "Ip" && name == "OutTransmits") group = "IpExt";
  if (group == "IpExt" && (name == "InNoRoutes" || name == "InTruncatedPkts")) group = "Ip";
  return std::string(group) + "." + std::string(name);
}

}  // namespace

const std::vector<std::string>& CounterNames() {
  static const auto* const kNames = new std::vector<std::string>(MakeNames());
  return *kNames;
}

void ReadCounters(const net& net, std::vector<uint64_t>* values) {
  values->clear();
  AppendValues(net.ip_mib, values);
  AppendValues(net.ip_ext_mib, values);
  AppendValues(net.icmp_mib, values);
  AppendValues(net.udp_mib, values);
  AppendValues(net.tcp_mib, values);
  AppendValues(net.tcp_ext_mib, values);
}

CounterText::CounterText(std::string_view text) : known_(CounterNames().size(), false) {
  const std::vector<std::string>& ours = CounterNames();
  while (!text.empty()) {
    std::string_view names = TakeLine(&text);
    TakeLine(&text);
    const size_t colon = names.find(':');
    if (colon == std::string_view::npos) break;
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
      uint64_t value = 0;
      while (at != end && *at >= '0' && *at <= '9') {
        value = value * 10 + static_cast<uint64_t>(*at++ - '0');
      }
      if (counter >= 0) (*values)[static_cast<size_t>(counter)] = negative ? 0 - value : value;
    }
  }
}

}  // namespace tapedeck::differential
