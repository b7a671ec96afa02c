// Ping sockets: socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP). The user sends and receives echo
// messages; the kernel owns their identifier, which is the socket's port, and their checksum
// (net/ipv4/ping.c). Who may have one: net/ipv4/ping_group_range, by default nobody.
#ifndef TAPEDECK_STACK_SOCKET_PING_H_
#define TAPEDECK_STACK_SOCKET_PING_H_

#include <cstdint>

#include "stack/base/list.h"
#include "stack/core/net.h"
#include "stack/core/sock.h"
#include "stack/ipv4/inet_sock.h"
#include "stack/kernel/slab.h"

namespace tapedeck {

struct netns_raw;

struct ping_sock : inet_sock, ListNode<> {
  using inet_sock::inet_sock;
};

// All ping state of a host.
struct netns_ping {
  explicit netns_ping(net& its_net);
  netns_ping(const netns_ping&) = delete;
  netns_ping& operator=(const netns_ping&) = delete;

  static constexpr uint32_t kSlots = 64;  // PING_HTABLE_SIZE
  net& host_net;
  List<ping_sock> table[kSlots];  // by identifier, newest first
  SlabCache<ping_sock> sockets;
  uint16_t port_rover = 0;   // the identifier given last
  netns_raw* raw = nullptr;  // raw sockets, which live beside (raw.h)
};

// Brings ping sockets up on a host: after ipv4_init, once.
void ping_init(net& net);

extern const proto ping_prot;
extern const proto pingv6_prot;

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_PING_H_
