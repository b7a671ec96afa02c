#include "stack/socket/proc_net.h"

#include <cerrno>

#include "stack/tcp/tcp_proc.h"

namespace tapedeck {
namespace {

constexpr proc_net_file kFiles[] = {
    {"arp", arp_seq_show},
    {"dev", dev_seq_show},
    {"if_inet6", if6_seq_show},
    {"netstat", netstat_seq_show},
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
