#include "stack/socket/af_inet.h"

#include <cerrno>
#include <cstring>

#include "stack/core/net.h"
#include "stack/core/sock_cmsg.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv4/fib.h"
#include "stack/ipv4/inet_datagram.h"
#include "stack/ipv4/inet_sock.h"
#include "stack/ipv4/mcast_sock.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/socket/af_inet_stream.h"
#include "stack/socket/file.h"
#include "stack/socket/ping.h"
#include "stack/socket/raw.h"
#include "stack/tcp/tcp.h"
#include "stack/udp/udp.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

int __inet_bind(inet_sock* sk, const sockaddr_in& sin, uint8_t addr_type) {
  if (!inet_addr_valid_or_nonlocal(sk, sin.sin_addr, addr_type)) return -EADDRNOTAVAIL;
  if (sk->sk_state != TCP_CLOSE || sk->inet_num != 0) return -EINVAL;
  sk->inet_rcv_saddr = sk->inet_saddr = sin.sin_addr;
  // A group or broadcast address is no source.
  if (addr_type == RTN_MULTICAST || addr_type == RTN_BROADCAST) sk->inet_saddr = kIpv4Any;
  const uint16_t port = sin.sin_port.host();
  if (port != 0 || !sk->bind_address_no_port) {
    if (const int err = sk->sk_prot->get_port(sk, port); err != 0) {
      inet_reset_saddr(sk);
      return err;
    }
  }
  if (!sk->inet_rcv_saddr.IsAny()) sk->sk_userlocks |= SOCK_BINDADDR_LOCK;
  if (port != 0) sk->sk_userlocks |= SOCK_BINDPORT_LOCK;
  sk->inet_sport = sk->inet_num;
  sk->inet_daddr = kIpv4Any;
  sk->inet_dport = be16{};
  sk_dst_reset(sk);
  return 0;
}

int inet_bind(socket* sock, const void* addr, uint32_t addr_len) {
  struct sock* const sk = sock->sk;
  if (sk->sk_prot->bind != nullptr) return sk->sk_prot->bind(sk, addr, addr_len);
  uint8_t addr_type = 0;
  if (const int err = inet_bind_address(sk, addr, addr_len, &addr_type); err != 0) return err;
  sockaddr_in sin;
  std::memcpy(&sin, addr, sizeof(sin));
  lock_sock(sk);
  const int err = __inet_bind(inet_sk(sk), sin, addr_type);
  release_sock(sk);
  return err;
}

int inet_getname(socket* sock, void* addr, SocketName which) {
  const inet_sock* const sk = inet_sk(sock->sk);
  sockaddr_in sin;
  if (which != SocketName::kOwn) {
    const bool connected = sk->sk_state != TCP_CLOSE && sk->sk_state != TCP_SYN_SENT;
    if (sk->inet_dport == be16{} || (!connected && which == SocketName::kPeer)) return -ENOTCONN;
    sin.sin_port = sk->inet_dport;
    sin.sin_addr = sk->inet_daddr.v4();
  } else {
    sin.sin_port = sk->inet_sport;
    sin.sin_addr = sk->inet_rcv_saddr.IsAny() ? sk->inet_saddr.v4() : sk->inet_rcv_saddr.v4();
  }
  std::memcpy(addr, &sin, sizeof(sin));
  return sizeof(sin);
}

// The part of inet_shutdown under the lock. `mode` is a set of RCV_SHUTDOWN and SEND_SHUTDOWN.
int __inet_shutdown(socket* sock, uint8_t mode) {
  struct sock* const sk = sock->sk;
  const uint8_t state = sk->sk_state;
  if (sock->state == SS_CONNECTING) {
    const bool over = state != TCP_SYN_SENT && state != TCP_SYN_RECV && state != TCP_CLOSE;
    sock->state = over ? SS_CONNECTED : SS_DISCONNECTING;
  }
  // A listener that is told to receive no more, and a connection that is not there yet, end.
  if (state == TCP_SYN_SENT || (state == TCP_LISTEN && (mode & RCV_SHUTDOWN) != 0)) {
    const int err = sk->sk_prot->disconnect(sk, kONonblock);
    sock->state = err != 0 ? SS_DISCONNECTING : SS_UNCONNECTED;
    return err;
  }
  if (state == TCP_LISTEN) return 0;
  // An unconnected socket is told off and shut down all the same: who polls it must hear of it.
  sk->sk_shutdown |= mode;
  if (sk->sk_prot->shutdown != nullptr) sk->sk_prot->shutdown(sk, mode);
  return state == TCP_CLOSE ? -ENOTCONN : 0;
}

constexpr proto_ops kInetDgramOps = InetOps(kAfInet, inet_bind, inet_getname, true);
constexpr proto_ops kInetSockrawOps = InetOps(kAfInet, inet_bind, inet_getname, false);
constexpr proto_ops kInetStreamOps = InetStreamOps(kAfInet, inet_bind, inet_getname);

// --- The protocol switch. ---

// The first entry of a type is what protocol 0 means.
constexpr inet_protosw kInetSw[] = {
    {SOCK_STREAM, wire::kIpProtoTcp, &tcp_prot, &kInetStreamOps, false},
    {SOCK_DGRAM, wire::kIpProtoUdp, &udp_prot, &kInetDgramOps, false},
    {SOCK_DGRAM, wire::kIpProtoIcmp, &ping_prot, &kInetSockrawOps, true},
    {SOCK_RAW, kIpprotoIp, &raw_prot, &kInetSockrawOps, true},
};

int inet_create(net& net, socket* sock, int protocol) {
  TRACE_FUNCTION(net, nullptr, inet_create, net, sock, protocol);
  const inet_protosw* entry = nullptr;
  int err = inet_find_protosw(kInetSw, sock->type, protocol, &entry);
  if (err != 0) return err;
  struct sock* const sk = sk_alloc(net, kAfInet, entry->prot);
  if (sk == nullptr) return -ENOBUFS;
  inet_sk_begin(sk, sock, *entry, protocol);
  inet_sock_init(inet_sk(sk));
  sock_graft(sk, sock);
  if (sk->sk_prot->init != nullptr) err = sk->sk_prot->init(sk);
  if (err != 0) {
    sk_common_release(sk);
    return err;
  }
  sock->ops = entry->ops;
  sock->sk = sk;
  return 0;
}

}  // namespace

const proto_ops inet_dgram_ops = kInetDgramOps;
const proto_ops inet_stream_ops = kInetStreamOps;

const net_proto_family inet_family_ops = {.family = kAfInet, .create = inet_create};

int inet_bind_address(sock* sk, const void* addr, uint32_t addr_len, uint8_t* addr_type) {
  sockaddr_in sin;
  if (addr_len < sizeof(sin)) return -EINVAL;
  std::memcpy(&sin, addr, sizeof(sin));
  // AF_UNSPEC passes for AF_INET with the wildcard address, as it always has.
  const bool wildcard = sin.sin_family == kAfUnspec && sin.sin_addr == kIpv4Any;
  if (sin.sin_family != kAfInet && !wildcard) return -EAFNOSUPPORT;
  *addr_type = inet_addr_type(sk->sk_net, sin.sin_addr);
  return 0;
}

int inet_autobind(sock* sk) {
  inet_sock* const inet = inet_sk(sk);
  // Protocols without ports have nothing to be bound to.
  if (inet->inet_num != 0 || sk->sk_prot->get_port == nullptr) return 0;
  if (sk->sk_prot->get_port(sk, 0) != 0) return -EAGAIN;
  inet->inet_sport = inet->inet_num;
  return 0;
}

bool inet_addr_valid_or_nonlocal(const inet_sock* sk, Ipv4Address address, uint8_t type) {
  const bool nonlocal_ok =
      net_ipv4(sk->sk_net).settings.ip_nonlocal_bind != 0 || sk->freebind || sk->transparent;
  return nonlocal_ok || address == kIpv4Any || type == RTN_LOCAL || type == RTN_MULTICAST ||
         type == RTN_BROADCAST;
}

int inet_find_protosw(std::span<const inet_protosw> protosw, uint16_t type, int protocol,
                      const inet_protosw** found) {
  if (protocol < 0 || protocol >= kIpprotoMax) return -EINVAL;
  int err = -ESOCKTNOSUPPORT;
  for (const inet_protosw& entry : protosw) {
    if (entry.type != type) continue;
    const bool wild = entry.protocol == kIpprotoIp;
    if (protocol == kIpprotoIp ? !wild : wild || protocol == entry.protocol) {
      *found = &entry;
      return 0;
    }
    err = -EPROTONOSUPPORT;
  }
  return err;
}

void inet_sk_begin(sock* sk, const socket* sock, const inet_protosw& entry, int protocol) {
  sk->sk_type = sock->type;
  sk->sk_protocol = static_cast<uint8_t>(entry.protocol == kIpprotoIp ? protocol : entry.protocol);
  if (entry.reuse) sk->sk_reuse = SK_CAN_REUSE;
  if (sock->type != SOCK_RAW) return;
  // A raw socket's port is its protocol, and it has it from the beginning.
  inet_sock* const inet = inet_sk(sk);
  inet->inet_num = sk->sk_protocol;
  inet->inet_sport = inet->inet_num;
  inet->hdrincl = sk->sk_protocol == wire::kIpProtoRaw;
  sk->sk_prot->hash(sk);
}

int inet_release(socket* sock) {
  ip_mc_drop_socket(inet_sk(sock->sk));
  sock->sk->sk_prot->close(sock->sk, SimTime::Zero());
  sock->sk = nullptr;
  return 0;
}

int inet_dgram_connect(socket* sock, const void* addr, uint32_t addr_len, uint32_t flags) {
  struct sock* const sk = sock->sk;
  const proto* const prot = sk->sk_prot;
  if (addr_len < sizeof(uint16_t)) return -EINVAL;
  if (SockaddrFamily(addr) == kAfUnspec) return prot->disconnect(sk, flags);
  if (const int err = inet_autobind(sk); err != 0) return err;
  return prot->connect(sk, addr, addr_len);
}

uint32_t inet_poll(socket* sock) { return sock->sk->sk_prot->poll(sock->sk); }

int inet_ioctl(socket* sock, uint32_t command, int* argument) {
  const proto* const prot = sock->sk->sk_prot;
  return prot->ioctl == nullptr ? -ENOTTY : prot->ioctl(sock->sk, command, argument);
}

int inet_shutdown(socket* sock, int how) {
  if (how < kShutRead || how > kShutBoth) return -EINVAL;
  struct sock* const sk = sock->sk;
  lock_sock(sk);
  // Counted from 1, both is the union of the other two.
  const int err = __inet_shutdown(sock, static_cast<uint8_t>(how + 1));
  sk->sk_state_change(sk);
  release_sock(sk);
  return err;
}

int sock_common_setsockopt(socket* sock, int level, int name, const void* value, uint32_t length) {
  return sock->sk->sk_prot->setsockopt(sock->sk, level, name, value, length);
}
int sock_common_getsockopt(socket* sock, int level, int name, void* value, uint32_t* length) {
  return sock->sk->sk_prot->getsockopt(sock->sk, level, name, value, length);
}

int64_t inet_sendmsg(socket* sock, msghdr* msg, size_t bytes) {
  TRACE_FUNCTION(sock->sk->sk_net, nullptr, inet_sendmsg, sock, msg, bytes);
  if (const int err = inet_autobind(sock->sk); err != 0) return err;
  return sock->sk->sk_prot->sendmsg(sock->sk, msg, bytes);
}
int64_t inet_recvmsg(socket* sock, msghdr* msg, size_t bytes, uint32_t flags) {
  return sock->sk->sk_prot->recvmsg(sock->sk, msg, bytes, flags);
}

int64_t inet_splice_read(socket* sock, size_t bytes, uint32_t flags, splice_actor actor,
                         void* context) {
  return tcp_splice_read(sock->sk, bytes, flags, actor, context);
}

}  // namespace tapedeck
