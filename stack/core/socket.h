// struct socket, the user's side of a socket, and what a kind of socket does for each call
// (include/linux/net.h). The families that fill it in are above (stack/socket); protocols see it
// through sock::sk_socket.
#ifndef TAPEDECK_STACK_CORE_SOCKET_H_
#define TAPEDECK_STACK_CORE_SOCKET_H_

#include <cstdint>

#include "stack/core/msghdr.h"
#include "stack/core/sock.h"

namespace tapedeck {

struct file;
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
  uint16_t type = 0;  // SOCK_STREAM, ...
  const proto_ops* ops = nullptr;
  struct sock* sk = nullptr;
  struct file* file = nullptr;  // no reference: it owns us
  socket_caches* caches = nullptr;
};

// `flags` of proto_ops::connect beside O_NONBLOCK: a sendmsg connects (Fast Open), with the socket
// locked; a call that has slept asks what became of the connect that it began.
inline constexpr uint32_t kConnectForSendmsg = 1U << 31;
inline constexpr uint32_t kConnectAgain = 1U << 30;

// Whose name getname tells: the socket's own, its peer's, or that of the peer it once had.
enum class SocketName : uint8_t { kOwn, kPeer, kLastPeer };

// Takes up to `len` bytes at `offset` of a packet that is being read; how many it took, or -errno.
using splice_actor = int (*)(void* context, sk_buff* skb, uint32_t offset, uint32_t len);

// What a kind of socket does for each call. Addresses are sockaddr_* bytes, copied from the user,
// at most kSockaddrStorageBytes as said, but no more than SockAddr::kBytes as present (AF_UNIX has
// none that matter). Nothing here waits: what would have to returns -EAGAIN, and connect
// -EINPROGRESS or -EALREADY; stack/socket/system_call.h says how the call goes on from there.
struct proto_ops {
  uint16_t family;
  bool has_peek_off;  // SO_PEEK_OFF may be set
  int (*release)(socket* sock);
  // A close that lingers: true while it has to wait (see proto::linger). Null: it never does.
  bool (*linger)(socket* sock) = nullptr;
  int (*bind)(socket* sock, const void* addr, uint32_t addr_len);
  // `addr` is null where a sendmsg connects without an address (TCP_FASTOPEN_CONNECT).
  int (*connect)(socket* sock, const void* addr, uint32_t addr_len, uint32_t flags);
  // Null where there are no connections to wait for: -EOPNOTSUPP.
  int (*listen)(socket* sock, int backlog) = nullptr;
  // Ties the next connection to `newsock`, which has type and ops but no sock. -EAGAIN: none yet.
  int (*accept)(socket* sock, socket* newsock, uint32_t flags) = nullptr;
  int (*socketpair)(socket* first, socket* second) = nullptr;
  // Writes an address and returns its length, or -errno.
  int (*getname)(socket* sock, void* addr, SocketName which);
  uint32_t (*poll)(socket* sock);
  int (*ioctl)(socket* sock, uint32_t command, int* argument);
  int (*shutdown)(socket* sock, int how);
  int (*setsockopt)(socket* sock, int level, int name, const void* value, uint32_t length);
  int (*getsockopt)(socket* sock, int level, int name, void* value, uint32_t* length);
  int64_t (*sendmsg)(socket* sock, msghdr* msg, size_t bytes);
  int64_t (*recvmsg)(socket* sock, msghdr* msg, size_t bytes, uint32_t flags);
  // Gives what there is, up to `bytes`, to `actor`; results as recvmsg's. Null: there is only
  // recvmsg.
  int64_t (*splice_read)(socket* sock, size_t bytes, uint32_t flags, splice_actor actor,
                         void* context) = nullptr;
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_SOCKET_H_
