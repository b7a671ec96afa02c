#include "stack/socket/proc_net.h"

#include <cerrno>

#include "stack/ipv4/igmp_proc.h"
#include "stack/ipv6/ipv6_proc.h"
#include "stack/tcp/tcp_proc.h"

namespace tapedeck {
namespace {

constexpr proc_net_file kFiles[] = {
    {"anycast6", ac6_seq_show},
    {"arp", arp_seq_show},
    {"dev", dev_seq_show},
    {"icmp", ping_v4_seq_show},
    {"icmp6", ping_v6_seq_show},
    {"if_inet6", if6_seq_show},
    {"igmp", igmp_mc_seq_show},
    {"igmp6", igmp6_mc_seq_show},
    {"ipv6_route", ipv6_route_seq_show},
    {"mcfilter", igmp_mcf_seq_show},
    {"mcfilter6", igmp6_mcf_seq_show},
    {"netstat", netstat_seq_show},
    {"raw", raw_seq_show},
    {"raw6", raw6_seq_show},
    {"route", fib_route_seq_show},
    {"snmp", snmp_seq_show},
    {"snmp6", snmp6_seq_show},
    {"sockstat", sockstat_seq_show},
    {"softnet_stat", softnet_seq_show},
    {"tcp", tcp4_seq_show},
    {"tcp6", tcp6_seq_show},
    {"udp", udp4_seq_show},
    {"udp6", udp6_seq_show},
};

}  // namespace

std::span<const proc_net_file> proc_net_files() { return kFiles; }

int proc_net_read(net& net, std::string_view path, std::string* text) {
  for (const std::string_view prefix : {"/proc/", "net/"}) {
    if (path.substr(0, prefix.size()) == prefix) path.remove_prefix(prefix.size());
  }
  for (const proc_net_file& file : kFiles) {
    if (path != file.name) continue;
    file.show(net, text);
    return 0;
  }
  return -ENOENT;
}

}  // namespace tapedeck
