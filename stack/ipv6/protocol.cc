#include "stack/ipv6/protocol.h"

#include "stack/core/net.h"
#include "stack/ipv6/netns_ipv6.h"

namespace tapedeck {

int inet6_add_protocol(net& net, const inet6_protocol* protocol, uint8_t number) {
  const inet6_protocol*& slot = net_ipv6(net).inet6_protos[number];
  if (slot != nullptr) return -1;
  slot = protocol;
  return 0;
}

int inet6_del_protocol(net& net, const inet6_protocol* protocol, uint8_t number) {
  const inet6_protocol*& slot = net_ipv6(net).inet6_protos[number];
  if (slot != protocol) return -1;
  slot = nullptr;
  return 0;
}

void inet6_set_raw_hooks(net& net, const raw6_hooks& hooks) { net_ipv6(net).raw = hooks; }

void inet6_set_ping_hooks(net& net, const ping6_hooks& hooks) { net_ipv6(net).ping = hooks; }

}  // namespace tapedeck
