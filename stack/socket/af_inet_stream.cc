#include "stack/socket/af_inet_stream.h"

#include <cerrno>

#include "stack/core/sockaddr.h"
#include "stack/ipv4/inet_sock.h"
#include "stack/tcp/inet_connection_sock.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_fastopen.h"

namespace tapedeck {
namespace {

int Disconnect(socket* sock, uint32_t flags) {
  ++sock->sk->sk_disconnects;
  return sock->sk->sk_prot->disconnect(sock->sk, flags);
}

// The connection has failed: its error, and the socket is as if it had never tried.
int ConnectFailed(socket* sock, uint32_t flags) {
  const int pending = sock_error(sock->sk);
  sock->state = SS_UNCONNECTED;
  if (Disconnect(sock, flags) != 0) sock->state = SS_DISCONNECTING;
  return pending != 0 ? pending : -ECONNABORTED;
}

// Where a connection that is under way stands. `err`: what it is while it is not over.
int ConnectOutcome(socket* sock, int err, uint32_t flags) {
  const uint8_t state = sock->sk->sk_state;
  if (state == TCP_SYN_SENT || state == TCP_SYN_RECV) return err;
  if (state == TCP_CLOSE) return ConnectFailed(sock, flags);
  sock->state = SS_CONNECTED;
  return 0;
}

int StartConnect(socket* sock, const void* addr, uint32_t addr_len, uint32_t flags) {
  struct sock* const sk = sock->sk;
  if (sk->sk_state != TCP_CLOSE) return -EISCONN;
  if (const int err = sk->sk_prot->connect(sk, addr, addr_len); err < 0) return err;
  sock->state = SS_CONNECTING;
  // TCP_FASTOPEN_CONNECT: the SYN goes with the first data.
  if (inet_sk(sk)->defer_connect) return 0;
  return ConnectOutcome(sock, -EINPROGRESS, flags);
}

int __inet_stream_connect(socket* sock, const void* addr, uint32_t addr_len, uint32_t flags) {
  if (addr != nullptr) {
    if (addr_len < sizeof(uint16_t)) return -EINVAL;
    if (SockaddrFamily(addr) == kAfUnspec) {
      const int err = Disconnect(sock, flags);
      sock->state = err != 0 ? SS_DISCONNECTING : SS_UNCONNECTED;
      return err;
    }
  }
  if ((flags & kConnectAgain) != 0) return ConnectOutcome(sock, -EINPROGRESS, flags);
  const bool is_sendmsg = (flags & kConnectForSendmsg) != 0;
  switch (sock->state) {
    case SS_CONNECTED:
      return -EISCONN;
    case SS_CONNECTING: {
      const bool deferred = inet_sk(sock->sk)->defer_connect;
      const int err = !deferred ? -EALREADY : is_sendmsg ? -EINPROGRESS : -EISCONN;
      return ConnectOutcome(sock, err, flags);
    }
    case SS_UNCONNECTED:
      return StartConnect(sock, addr, addr_len, flags);
    case SS_FREE:
    case SS_DISCONNECTING:
      return -EINVAL;
  }
  return -EINVAL;
}

// A listener may serve Fast Open without asking for it, where the host says so.
void EnableFastOpenOfHost(sock* sk, int backlog) {
  constexpr auto kByDefault =
      static_cast<uint32_t>(TFO_SERVER_ENABLE) | static_cast<uint32_t>(TFO_SERVER_WO_SOCKOPT1);
  const auto setting = static_cast<uint32_t>(sock_tcp(sk).settings.fastopen);
  if ((setting & kByDefault) != kByDefault) return;
  if (inet_csk(sk)->icsk_accept_queue.fastopenq.max_qlen != 0) return;
  fastopen_queue_tune(sk, backlog);
  tcp_fastopen_init_key_once(sk->sk_net);
}

int __inet_listen_sk(sock* sk, int backlog) {
  if (sk->sk_state != TCP_CLOSE && sk->sk_state != TCP_LISTEN) return -EINVAL;
  sk->sk_max_ack_backlog = static_cast<uint32_t>(backlog);
  // One that listens already only gets another backlog.
  if (sk->sk_state == TCP_LISTEN) return 0;
  EnableFastOpenOfHost(sk, backlog);
  return inet_csk_listen_start(sk);
}

}  // namespace

int inet_stream_connect(socket* sock, const void* addr, uint32_t addr_len, uint32_t flags) {
  if ((flags & kConnectForSendmsg) != 0) {
    return __inet_stream_connect(sock, addr, addr_len, flags);
  }
  lock_sock(sock->sk);
  const int err = __inet_stream_connect(sock, addr, addr_len, flags);
  release_sock(sock->sk);
  return err;
}

int inet_listen(socket* sock, int backlog) {
  struct sock* const sk = sock->sk;
  lock_sock(sk);
  const int err = sock->state != SS_UNCONNECTED ? -EINVAL : __inet_listen_sk(sk, backlog);
  release_sock(sk);
  return err;
}

int inet_accept(socket* sock, socket* newsock, uint32_t flags) {
  struct sock* const sk = sock->sk;
  int err = -EINVAL;
  lock_sock(sk);
  struct sock* const newsk = sk->sk_prot->accept(sk, flags, &err);
  release_sock(sk);
  if (newsk == nullptr) return err;
  lock_sock(newsk);
  newsock->sk = newsk;
  sock_graft(newsk, newsock);
  newsock->state = SS_CONNECTED;
  release_sock(newsk);
  return 0;
}

bool inet_linger(socket* sock) {
  const proto* const prot = sock->sk->sk_prot;
  return prot->linger != nullptr && prot->linger(sock->sk);
}

int64_t inet_stream_sendmsg(socket* sock, msghdr* msg, size_t bytes) {
  TRACE_FUNCTION_AS(inet_sendmsg, sock->sk->sk_net, nullptr, inet_stream_sendmsg, sock, msg, bytes);
  return sock->sk->sk_prot->sendmsg(sock->sk, msg, bytes);
}

}  // namespace tapedeck
