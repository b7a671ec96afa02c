// The counters of /proc/net/snmp, netstat and snmp6 (net/ipv4/proc.c, net/ipv6/proc.c).
#include <cinttypes>

#include "stack/core/seq_file.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/socket/proc_net.h"
#include "stack/wire/icmp.h"

namespace tapedeck {
namespace {

// Lines "Ip: names" and "Ip: values" made together.
class TwoLines {
 public:
  explicit TwoLines(const char* group)
      : names_(std::string(group) + ":"), values_(std::string(group) + ":") {}
  void Add(const std::string& name, uint64_t value) {
    names_ += ' ' + name;
    values_ += ' ' + std::to_string(value);
  }
  void Show(std::string* text) const { *text += names_ + '\n' + values_ + '\n'; }

 private:
  std::string names_;
  std::string values_;
};

struct IpItem {
  const char* name;
  IpMib item;
};
// snmp4_ipstats_list without its last item, which is of the other group.
constexpr IpItem kIpItems[] = {
    {"InReceives", IpMib::kInReceives},
    {"InHdrErrors", IpMib::kInHdrErrors},
    {"InAddrErrors", IpMib::kInAddrErrors},
    {"ForwDatagrams", IpMib::kOutForwDatagrams},
    {"InUnknownProtos", IpMib::kInUnknownProtos},
    {"InDiscards", IpMib::kInDiscards},
    {"InDelivers", IpMib::kInDelivers},
    {"OutRequests", IpMib::kOutRequests},
    {"OutDiscards", IpMib::kOutDiscards},
    {"OutNoRoutes", IpMib::kOutNoRoutes},
    {"ReasmTimeout", IpMib::kReasmTimeout},
    {"ReasmReqds", IpMib::kReasmReqds},
    {"ReasmOKs", IpMib::kReasmOKs},
    {"ReasmFails", IpMib::kReasmFails},
    {"FragOKs", IpMib::kFragOKs},
    {"FragFails", IpMib::kFragFails},
    {"FragCreates", IpMib::kFragCreates},
};

// The message types that have counters by name (icmpmibmap), which the kernel also keeps by number.
struct IcmpName {
  const char* name;
  uint8_t type;
};
constexpr IcmpName kIcmpNames[] = {
    {"DestUnreachs", wire::kIcmpDestUnreachable},
    {"TimeExcds", wire::kIcmpTimeExceeded},
    {"ParmProbs", wire::kIcmpParameterProblem},
    {"SrcQuenchs", wire::kIcmpSourceQuench},
    {"Redirects", wire::kIcmpRedirect},
    {"Echos", wire::kIcmpEcho},
    {"EchoReps", wire::kIcmpEchoReply},
    {"Timestamps", wire::kIcmpTimestamp},
    {"TimestampReps", wire::kIcmpTimestampReply},
    {"AddrMasks", 17},
    {"AddrMaskReps", 18},
};

void ShowIp(net& net, std::string* text) {
  const netns_ipv4& ns = net_ipv4(net);
  TwoLines lines("Ip");
  lines.Add("Forwarding", ns.devconf_all.forwarding != 0 ? 1 : 2);
  lines.Add("DefaultTTL", static_cast<uint64_t>(ns.settings.ip_default_ttl));
  for (const IpItem& ip : kIpItems) lines.Add(ip.name, net.ip_mib.Get(ip.item));
  lines.Add("OutTransmits", net.ip_ext_mib.Get(IpExtMib::kOutTransmits));
  lines.Show(text);
}

void ShowIcmp(net& net, std::string* text) {
  const netns_ipv4& ns = net_ipv4(net);
  TwoLines lines("Icmp");
  lines.Add("InMsgs", net.icmp_mib.Get(IcmpMib::kInMsgs));
  lines.Add("InErrors", net.icmp_mib.Get(IcmpMib::kInErrors));
  lines.Add("InCsumErrors", net.icmp_mib.Get(IcmpMib::kInCsumErrors));
  for (const IcmpName& icmp : kIcmpNames) {
    lines.Add(std::string("In") + icmp.name, ns.icmpmsg_in[icmp.type]);
  }
  lines.Add("OutMsgs", net.icmp_mib.Get(IcmpMib::kOutMsgs));
  lines.Add("OutErrors", net.icmp_mib.Get(IcmpMib::kOutErrors));
  lines.Add("OutRateLimitGlobal", net.icmp_mib.Get(IcmpMib::kOutRateLimitGlobal));
  lines.Add("OutRateLimitHost", net.icmp_mib.Get(IcmpMib::kOutRateLimitHost));
  for (const IcmpName& icmp : kIcmpNames) {
    lines.Add(std::string("Out") + icmp.name, ns.icmpmsg_out[icmp.type]);
  }
  lines.Show(text);
}

// icmpmsg_put: what is not zero, by number, sixteen in a line.
void ShowIcmpMsg(net& net, std::string* text) {
  constexpr int kPerLine = 16;
  const netns_ipv4& ns = net_ipv4(net);
  TwoLines lines("IcmpMsg");
  int count = 0;
  for (int i = 0; i < 512; ++i) {
    const bool out = i >= 256;
    const uint32_t value = out ? ns.icmpmsg_out[i - 256] : ns.icmpmsg_in[i];
    if (value == 0) continue;
    lines.Add((out ? "OutType" : "InType") + std::to_string(i & 0xff), value);
    if (++count < kPerLine) continue;
    lines.Show(text);
    lines = TwoLines("IcmpMsg");
    count = 0;
  }
  if (count > 0) lines.Show(text);
}

template <typename Item>
void ShowMib6(const char* prefix, const Mib<Item>& mib, std::string* text) {
  for (size_t i = 0; i < Mib<Item>::kItems; ++i) {
    const auto item = static_cast<Item>(i);
    const std::string name = std::string(prefix) + MibName(item);
    seq_printf(text, "%-32s\t%" PRIu64 "\n", name.c_str(), mib.Get(item));
  }
}

constexpr IcmpName kIcmp6Names[] = {
    {"DestUnreachs", wire::kIcmpv6DestUnreachable},
    {"PktTooBigs", wire::kIcmpv6PacketTooBig},
    {"TimeExcds", wire::kIcmpv6TimeExceeded},
    {"ParmProblems", wire::kIcmpv6ParameterProblem},
    {"Echos", wire::kIcmpv6EchoRequest},
    {"EchoReplies", wire::kIcmpv6EchoReply},
    {"GroupMembQueries", wire::kIcmpv6ListenerQuery},
    {"GroupMembResponses", wire::kIcmpv6ListenerReport},
    {"GroupMembReductions", wire::kIcmpv6ListenerDone},
    {"RouterSolicits", wire::kIcmpv6RouterSolicitation},
    {"RouterAdvertisements", wire::kIcmpv6RouterAdvertisement},
    {"NeighborSolicits", wire::kIcmpv6NeighbourSolicitation},
    {"NeighborAdvertisements", wire::kIcmpv6NeighbourAdvertisement},
    {"Redirects", wire::kIcmpv6Redirect},
    {"MLDv2Reports", wire::kIcmpv6ListenerReport2},
};

void ShowIcmpv6Msg(const uint32_t (&counts)[256], const char* direction, bool by_name,
                   std::string* text) {
  const std::string prefix = std::string("Icmp6") + direction;
  if (by_name) {
    for (const IcmpName& icmp : kIcmp6Names) {
      seq_printf(text, "%-32s\t%u\n", (prefix + icmp.name).c_str(), counts[icmp.type]);
    }
    return;
  }
  for (int type = 0; type < 256; ++type) {
    if (counts[type] == 0) continue;
    seq_printf(text, "%-32s\t%u\n", (prefix + "Type" + std::to_string(type)).c_str(), counts[type]);
  }
}

}  // namespace

void snmp_seq_show(net& net, std::string* text) {
  ShowIp(net, text);
  ShowIcmp(net, text);
  ShowIcmpMsg(net, text);
  seq_show_mib(text, "Tcp", net.tcp_mib);
  seq_show_mib(text, "Udp", net.udp_mib);
}

void netstat_seq_show(net& net, std::string* text) {
  seq_show_mib(text, "TcpExt", net.tcp_ext_mib);
  TwoLines lines("IpExt");
  lines.Add("InNoRoutes", net.ip_mib.Get(IpMib::kInNoRoutes));
  lines.Add("InTruncatedPkts", net.ip_mib.Get(IpMib::kInTruncatedPkts));
  // The last item, OutTransmits, is in snmp.
  for (size_t i = 0; i < static_cast<size_t>(IpExtMib::kOutTransmits); ++i) {
    const auto item = static_cast<IpExtMib>(i);
    lines.Add(MibName(item), net.ip_ext_mib.Get(item));
  }
  lines.Show(text);
}

void snmp6_seq_show(net& net, std::string* text) {
  const netns_ipv6& ns = net_ipv6(net);
  ShowMib6("Ip6", net.ip6_mib, text);
  ShowMib6("Icmp6", net.icmp6_mib, text);
  for (const bool by_name : {true, false}) {
    ShowIcmpv6Msg(ns.icmpv6msg_in, "In", by_name, text);
    ShowIcmpv6Msg(ns.icmpv6msg_out, "Out", by_name, text);
  }
  ShowMib6("Udp6", net.udp6_mib, text);
}

}  // namespace tapedeck
