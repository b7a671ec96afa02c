// What sockets a host has, as `ss` asks the kernel (net/ipv4/inet_diag.c, udp_diag.c).
#ifndef TAPEDECK_STACK_SOCKET_SOCK_DIAG_H_
#define TAPEDECK_STACK_SOCKET_SOCK_DIAG_H_

#include <cstdint>

#include "stack/base/ip_address.h"
#include "stack/core/net.h"
#include "stack/core/sock.h"

namespace tapedeck {

struct sock_diag_entry {
  uint8_t protocol = 0;  // wire::kIpProto...
  uint8_t state = 0;     // TCP_*
  Endpoint local;
  Endpoint peer;
  uint32_t rqueue = 0;  // bytes to be read; of a listener: connections to be accepted
  uint32_t wqueue = 0;  // bytes to be acknowledged or sent; of a listener: its backlog
  // The socket; nullptr of requests and time-wait sockets.
  sock* sk = nullptr;
};

using sock_diag_visit = void (*)(const sock_diag_entry& entry, void* context);
// Calls `visit` for each TCP socket (listeners first), request and time-wait socket, then for each
// UDP socket, in the order of the tables.
void sock_diag_for_each(net& net, sock_diag_visit visit, void* context);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_SOCK_DIAG_H_
