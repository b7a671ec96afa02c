// TCP in /proc/net: what netstat, nstat and ss read (tcp4_seq_show, snmp_seq_show_tcp,
// netstat_seq_show).
#ifndef TAPEDECK_STACK_TCP_TCP_PROC_H_
#define TAPEDECK_STACK_TCP_TCP_PROC_H_

#include <string>

#include "stack/core/net.h"

namespace tapedeck {

// Each appends its text to *text.
// /proc/net/tcp: listeners, then connections, requests and time-wait sockets of IPv4. Pointers read
// as zeros, as for those without privilege; the inode is the socket's number in traces.
void tcp4_seq_show(net& net, std::string* text);
// The two lines "Tcp:" of /proc/net/snmp.
void snmp_seq_show_tcp(const net& net, std::string* text);
// The two lines "TcpExt:" of /proc/net/netstat.
void netstat_seq_show_tcpext(const net& net, std::string* text);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_PROC_H_
