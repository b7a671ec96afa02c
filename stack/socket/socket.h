// How a socket comes to be: socket() looks up the family, the family
// looks up type and protocol (net/socket.c).
#ifndef TAPEDECK_STACK_SOCKET_SOCKET_H_
#define TAPEDECK_STACK_SOCKET_SOCKET_H_

#include <cstdint>

#include "stack/core/net.h"
#include "stack/core/sock.h"
#include "stack/core/socket.h"
#include "stack/core/uapi.h"
#include "stack/kernel/slab.h"
#include "stack/socket/file.h"

namespace tapedeck {

struct net_proto_family {
  uint16_t family;
  // Sets sock->ops and sock->sk for sock->type and `protocol`. 0 or -errno.
  int (*create)(net& net, socket* sock, int protocol);
};

// The families of a host, by number.
struct net_families {
  static constexpr int kMax = 46;  // NPROTO
  const net_proto_family* by_number[kMax] = {};
};
// `family` must outlive the host. 0 or -EEXIST.
int sock_register(net_families& families, const net_proto_family* family);

struct socket_caches {
  explicit socket_caches(Arena& arena) : sockets(arena, "socket") {}
  SlabCache<socket> sockets;
};

// A socket without a file. 0 or -errno.
int sock_create(net& net, net_families& families, socket_caches& caches, int family, int type,
                int protocol, socket** result);
// One that accept is about to tie to a connection.
socket* sock_alloc(socket_caches& caches, uint16_t type, const proto_ops* ops);
// Lets the protocol close, and frees.
void sock_release(socket* sock);

// A file for `sock`, which it owns from then on; nullptr where memory failed. `flags`:
// SOCK_NONBLOCK.
file* sock_alloc_file(files_struct& files, socket* sock, uint32_t flags);
// The socket of a file; nullptr where it is no socket (-ENOTSOCK).
socket* sock_from_file(const file* file);

// A message, or a piece of a stream, to and from the protocol; results as proto_ops::sendmsg's and
// recvmsg's.
[[gnu::always_inline]] inline int64_t sock_sendmsg(socket* sock, msghdr* msg, size_t bytes) {
  TRACE_FUNCTION(sock->sk->sk_net, nullptr, sock_sendmsg, sock, msg, bytes);
  return sock->ops->sendmsg(sock, msg, bytes);
}
[[gnu::always_inline]] inline int64_t sock_recvmsg(socket* sock, msghdr* msg, size_t bytes,
                                                   uint32_t flags) {
  TRACE_FUNCTION(sock->sk->sk_net, nullptr, sock_recvmsg, sock, msg, bytes, flags);
  return sock->ops->recvmsg(sock, msg, bytes, flags);
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_SOCKET_H_
