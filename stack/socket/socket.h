// The user's side of a socket, and how one comes to be: socket() looks up the family, the family
// looks up type and protocol (net/socket.c).
#ifndef TAPEDECK_STACK_SOCKET_SOCKET_H_
#define TAPEDECK_STACK_SOCKET_SOCKET_H_

#include <cstdint>

#include "stack/core/msghdr.h"
#include "stack/core/net.h"
#include "stack/core/sock.h"
#include "stack/core/uapi.h"
#include "stack/kernel/slab.h"
#include "stack/socket/file.h"

namespace tapedeck {

struct proto_ops;
struct socket_caches;

enum socket_state : uint8_t {
  SS_FREE,
  SS_UNCONNECTED,
  SS_CONNECTING,
  SS_CONNECTED,
  SS_DISCONNECTING,
};

struct socket {
  socket_state state = SS_UNCONNECTED;
  uint16_t type = 0;  // SOCK_DGRAM, ...
  const proto_ops* ops = nullptr;
  struct sock* sk = nullptr;
  struct file* file = nullptr;  // no reference: it owns us
  socket_caches* caches = nullptr;
};

// What a kind of socket does for each call. Addresses are sockaddr_* bytes, copied from the user,
// at most kSockaddrStorageBytes as said, but no more than SockAddr::kBytes as present. Calls that
// have to wait return -EAGAIN. All members are set. (listen and accept come with the first kind of
// socket that has connections.)
struct proto_ops {
  uint16_t family;
  bool has_peek_off;  // SO_PEEK_OFF may be set
  int (*release)(socket* sock);
  int (*bind)(socket* sock, const void* addr, uint32_t addr_len);
  int (*connect)(socket* sock, const void* addr, uint32_t addr_len, uint32_t flags);
  // Writes the own (`peer`: the other side's) address and returns its length, or -errno.
  int (*getname)(socket* sock, void* addr, bool peer);
  uint32_t (*poll)(socket* sock);
  int (*ioctl)(socket* sock, uint32_t command, int* argument);
  int (*shutdown)(socket* sock, int how);
  int (*setsockopt)(socket* sock, int level, int name, const void* value, uint32_t length);
  int (*getsockopt)(socket* sock, int level, int name, void* value, uint32_t* length);
  int64_t (*sendmsg)(socket* sock, msghdr* msg, size_t bytes);
  int64_t (*recvmsg)(socket* sock, msghdr* msg, size_t bytes, uint32_t flags);
};

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
// Lets the protocol close, and frees.
void sock_release(socket* sock);

// A file for `sock`, which it owns from then on; nullptr where memory failed. `flags`:
// SOCK_NONBLOCK.
file* sock_alloc_file(files_struct& files, socket* sock, uint32_t flags);
// The socket of a file; nullptr where it is no socket (-ENOTSOCK).
socket* sock_from_file(const file* file);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_SOCKET_H_
