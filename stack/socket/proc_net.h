// /proc/net as a program of the host reads it, in Linux's formats (net/ipv4/proc.c,
// net/ipv6/proc.c, net/core/net-procfs.c and the seq_show functions of each protocol). Files:
// proc_mib.cc (snmp, netstat, snmp6), proc_devices.cc (dev, softnet_stat, arp, route, if_inet6),
// proc_sockets.cc (udp, udp6, raw, raw6, icmp, icmp6, sockstat); tcp and tcp6 are TCP's
// (tcp_proc.h), igmp and mcfilter IPv4's (igmp_proc.h), igmp6, mcfilter6, anycast6 and ipv6_route
// IPv6's (ipv6_proc.h).
//
// Pointers of the kernel read as zeros, as for those without privilege; the inode of a socket is
// its number in traces.
#ifndef TAPEDECK_STACK_SOCKET_PROC_NET_H_
#define TAPEDECK_STACK_SOCKET_PROC_NET_H_

#include <span>
#include <string>
#include <string_view>

#include "stack/core/net.h"

namespace tapedeck {

struct proc_net_file {
  const char* name;  // below /proc/net
  // Appends the file's text.
  void (*show)(net& net, std::string* text);
};
// All there are, sorted by name.
std::span<const proc_net_file> proc_net_files();
// The text of "/proc/net/snmp", also spelt "net/snmp" or "snmp". 0, or -ENOENT.
int proc_net_read(net& net, std::string_view path, std::string* text);

void snmp_seq_show(net& net, std::string* text);
void netstat_seq_show(net& net, std::string* text);
void snmp6_seq_show(net& net, std::string* text);
void dev_seq_show(net& net, std::string* text);
void softnet_seq_show(net& net, std::string* text);
void arp_seq_show(net& net, std::string* text);
void fib_route_seq_show(net& net, std::string* text);
void if6_seq_show(net& net, std::string* text);
void udp4_seq_show(net& net, std::string* text);
void udp6_seq_show(net& net, std::string* text);
void raw_seq_show(net& net, std::string* text);
void raw6_seq_show(net& net, std::string* text);
void ping_v4_seq_show(net& net, std::string* text);
void ping_v6_seq_show(net& net, std::string* text);
void sockstat_seq_show(net& net, std::string* text);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_PROC_NET_H_
