// What ioctl(2) wants for the network interfaces of this machine's kernel (netdevice(7)).
#ifndef TAPEDECK_REPLAY_OUTSIDE_INTERFACE_REQUEST_H_
#define TAPEDECK_REPLAY_OUTSIDE_INTERFACE_REQUEST_H_

#include <net/if.h>
#include <sys/socket.h>

#include <string>

#include "stack/base/ip_address.h"

namespace tapedeck {

// A request about the interface `name`, all else zero.
struct ifreq InterfaceRequest(const std::string& name);

// An address, or a netmask, for such a request.
struct sockaddr SockaddrOf(Ipv4Address address);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_OUTSIDE_INTERFACE_REQUEST_H_
