// Raw sockets: socket(AF_INET or AF_INET6, SOCK_RAW, protocol). They send datagrams of any protocol
// and see copies of those that come in, beside whoever handles the protocol (net/ipv4/raw.c,
// net/ipv6/raw.c). Of IPv4 the user sees the IP header, of IPv6 what is behind it.
#ifndef TAPEDECK_STACK_SOCKET_RAW_H_
#define TAPEDECK_STACK_SOCKET_RAW_H_

#include <cstdint>

#include "stack/base/list.h"
#include "stack/core/net.h"
#include "stack/core/sock.h"
#include "stack/ipv4/inet_sock.h"
#include "stack/kernel/slab.h"

namespace tapedeck {

struct raw_sock : inet_sock, ListNode<> {
  using inet_sock::inet_sock;

  uint32_t icmp_filter = 0;       // ICMP_FILTER: types that are kept from it
  uint32_t icmp6_filter[8] = {};  // ICMPV6_FILTER
  bool checksum = false;          // IPV6_CHECKSUM: filled in and checked ...
  uint32_t checksum_offset = 0;   // ... here
  raw_sock* ra_next = nullptr;    // IP_ROUTER_ALERT, IPV6_ROUTER_ALERT
  int32_t ra_sel = -1;            // which alerts; negative: on no chain
};

// All raw sockets of a host.
struct netns_raw {
  explicit netns_raw(net& its_net);
  netns_raw(const netns_raw&) = delete;
  netns_raw& operator=(const netns_raw&) = delete;

  // By protocol; the kernel has 256, and few hosts have two raw sockets.
  static constexpr uint32_t kSlots = 32;
  List<raw_sock>& slot4(uint32_t protocol) { return table4[protocol % kSlots]; }
  List<raw_sock>& slot6(uint32_t protocol) { return table6[protocol % kSlots]; }

  SlabCache<raw_sock> sockets;
  List<raw_sock> table4[kSlots];  // newest first
  List<raw_sock> table6[kSlots];
  raw_sock* ra_chain4 = nullptr;  // newest first
  raw_sock* ra_chain6 = nullptr;
};
netns_raw& net_raw(net& net);

// Brings raw sockets up on a host: after ping_init, and ipv6_init where there is IPv6.
void raw_init(net& net);

extern const proto raw_prot;
extern const proto rawv6_prot;

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_RAW_H_
