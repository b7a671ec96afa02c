// Connections in /proc/net/tcp and tcp6, which netstat and ss read (tcp4_seq_show, tcp6_seq_show).
#ifndef TAPEDECK_STACK_TCP_TCP_PROC_H_
#define TAPEDECK_STACK_TCP_TCP_PROC_H_

#include <string>

#include "stack/core/net.h"

namespace tapedeck {

// Each appends its text to *text: listeners, then connections, requests and time-wait sockets.
// Pointers read as zeros, as for those without privilege; the inode is the socket's number in
// traces.
void tcp4_seq_show(net& net, std::string* text);
void tcp6_seq_show(net& net, std::string* text);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_PROC_H_
