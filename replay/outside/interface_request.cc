#include "replay/outside/interface_request.h"

#include <netinet/in.h>

#include <cstring>

namespace tapedeck {

struct ifreq InterfaceRequest(const std::string& name) {
  struct ifreq request = {};
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  return request;
}

struct sockaddr SockaddrOf(Ipv4Address address) {
  struct sockaddr_in sin = {};
  sin.sin_family = AF_INET;
  sin.sin_addr.s_addr = htonl(address.host());
  struct sockaddr generic = {};
  std::memcpy(&generic, &sin, sizeof(sin));
  return generic;
}

}  // namespace tapedeck
