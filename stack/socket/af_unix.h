// Unix domain sockets as pairs (net/unix/af_unix.c): socketpair of SOCK_STREAM, SOCK_DGRAM and
// SOCK_SEQPACKET, for applications and tests that talk to themselves. No names: bind, connect and
// listen answer EOPNOTSUPP.
#ifndef TAPEDECK_STACK_SOCKET_AF_UNIX_H_
#define TAPEDECK_STACK_SOCKET_AF_UNIX_H_

#include "stack/core/net.h"
#include "stack/core/sock.h"
#include "stack/kernel/slab.h"
#include "stack/socket/socket.h"

namespace tapedeck {

struct unix_sock : sock {
  using sock::sock;
  unix_sock* peer = nullptr;  // a reference; nullptr: none, or gone
};

// All Unix domain state of a host.
struct netns_unix {
  explicit netns_unix(Arena& arena) : sockets(arena, "UNIX") {}
  SlabCache<unix_sock> sockets;
};

// Brings the family up on a host, once.
void unix_init(net& net);

extern const net_proto_family unix_family_ops;

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_AF_UNIX_H_
