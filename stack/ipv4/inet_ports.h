// Which local ports are given out (net/ipv4/ip_local_port_range, ip_local_reserved_ports,
// IP_LOCAL_PORT_RANGE): what all transports ask, of both families.
#ifndef TAPEDECK_STACK_IPV4_INET_PORTS_H_
#define TAPEDECK_STACK_IPV4_INET_PORTS_H_

#include <cstdint>

#include "stack/ipv4/inet_sock.h"

namespace tapedeck {

// The first and the last port that may be chosen for a socket: the host's, narrowed by its own
// where that lies within.
struct PortRange {
  uint16_t low;
  uint16_t high;
  bool of_socket;  // IP_LOCAL_PORT_RANGE is set
};
PortRange inet_sk_get_local_port_range(const inet_sock* sk);

// Whether a port is never chosen, only given to who asks for it by name.
bool inet_is_local_reserved_port(const net& net, uint16_t port);

// IP_LOCAL_PORT_RANGE: the first port, the last one shifted by 16; 0 in either place is the host's.
// 0 or -EINVAL.
int inet_set_local_port_range(inet_sock* sk, uint32_t range);

// The two settings. Released by inet_ports_exit.
void inet_ports_init(net& net);
void inet_ports_exit(net& net);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_INET_PORTS_H_
