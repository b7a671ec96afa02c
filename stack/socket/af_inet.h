// The internet family: socket() for it, and what its sockets do for each call (net/ipv4/af_inet.c).
#ifndef TAPEDECK_STACK_SOCKET_AF_INET_H_
#define TAPEDECK_STACK_SOCKET_AF_INET_H_

#include <cstdint>
#include <span>

#include "stack/base/ip_address.h"
#include "stack/core/sock.h"
#include "stack/socket/af_inet_stream.h"
#include "stack/socket/socket.h"

namespace tapedeck {

struct inet_sock;

// The family AF_INET: its `create` finds type and protocol in the protocol switch (UDP, ping).
// -EINVAL, -ESOCKTNOSUPPORT, -EPROTONOSUPPORT, -EACCES, -ENOBUFS.
extern const net_proto_family inet_family_ops;

// What every bind checks about an address: -EAFNOSUPPORT; on 0 *addr_type is its RTN_*.
int inet_bind_address(sock* sk, const void* addr, uint32_t addr_len, uint8_t* addr_type);
// Gives an unbound socket a port of its own. 0, or -EAGAIN where there is none, whatever the socket
// says about waiting.
int inet_autobind(sock* sk);

// --- What both internet families share. ---

inline constexpr int kIpprotoMax = 263;  // IPPROTO_MAX
inline constexpr int kIpprotoIp = 0;     // any protocol: one to be chosen, or of a wild entry

// An entry of a family's protocol switch. The first entry of a type is what protocol 0 means.
struct inet_protosw {
  uint16_t type;
  uint16_t protocol;  // kIpprotoIp: takes any number
  const proto* prot;
  const proto_ops* ops;
  bool reuse;  // ports are shared as if by SO_REUSEADDR (INET_PROTOSW_REUSE)
};
// 0, -EINVAL (no protocol number), -ESOCKTNOSUPPORT, -EPROTONOSUPPORT.
int inet_find_protosw(std::span<const inet_protosw> protosw, uint16_t type, int protocol,
                      const inet_protosw** found);

// A new socket's type and protocol (`protocol` where the entry is wild); a raw one is hashed by it.
void inet_sk_begin(sock* sk, const socket* sock, const inet_protosw& entry, int protocol);
// Whether `sk` may have `address`, which is of type RTN_* `type`, as its own.
bool inet_addr_valid_or_nonlocal(const inet_sock* sk, Ipv4Address address, uint8_t type);

int inet_release(socket* sock);
int inet_dgram_connect(socket* sock, const void* addr, uint32_t addr_len, uint32_t flags);
uint32_t inet_poll(socket* sock);
int inet_ioctl(socket* sock, uint32_t command, int* argument);
int inet_shutdown(socket* sock, int how);
int sock_common_setsockopt(socket* sock, int level, int name, const void* value, uint32_t length);
int sock_common_getsockopt(socket* sock, int level, int name, void* value, uint32_t* length);
int64_t inet_sendmsg(socket* sock, msghdr* msg, size_t bytes);
int64_t inet_recvmsg(socket* sock, msghdr* msg, size_t bytes, uint32_t flags);
int64_t inet_splice_read(socket* sock, size_t bytes, uint32_t flags, splice_actor actor,
                         void* context);

// The calls of datagram and raw sockets of a family, and of its streams.
constexpr proto_ops InetOps(uint16_t family, decltype(proto_ops::bind) bind,
                            decltype(proto_ops::getname) getname, bool has_peek_off) {
  return {.family = family,
          .has_peek_off = has_peek_off,
          .release = inet_release,
          .linger = nullptr,
          .bind = bind,
          .connect = inet_dgram_connect,
          .listen = nullptr,
          .accept = nullptr,
          .socketpair = nullptr,
          .getname = getname,
          .poll = inet_poll,
          .ioctl = inet_ioctl,
          .shutdown = inet_shutdown,
          .setsockopt = sock_common_setsockopt,
          .getsockopt = sock_common_getsockopt,
          .sendmsg = inet_sendmsg,
          .recvmsg = inet_recvmsg};
}
constexpr proto_ops InetStreamOps(uint16_t family, decltype(proto_ops::bind) bind,
                                  decltype(proto_ops::getname) getname) {
  proto_ops ops = InetOps(family, bind, getname, true);
  ops.linger = inet_linger;
  ops.connect = inet_stream_connect;
  ops.listen = inet_listen;
  ops.accept = inet_accept;
  ops.sendmsg = inet_stream_sendmsg;
  ops.splice_read = inet_splice_read;
  return ops;
}
// AF_INET's, which IPV6_ADDRFORM gives to a socket of AF_INET6.
extern const proto_ops inet_dgram_ops;
extern const proto_ops inet_stream_ops;

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_AF_INET_H_
