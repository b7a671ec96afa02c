// A send that is also the connect (MSG_FASTOPEN, TCP_FASTOPEN_CONNECT; RFC 7413): the SYN carries
// what it can, and the call goes on when it is answered.
#include <cerrno>
#include <new>

#include "stack/core/sockaddr.h"
#include "stack/core/socket.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_fastopen.h"
#include "stack/tcp/tcp_output.h"

namespace tapedeck {
namespace {

constexpr uint32_t kConnectFlags = SOCK_NONBLOCK | kConnectForSendmsg;

// The outcome of a connect that has been waited for.
int FastopenDone(sock* sk, int err, int* copied) {
  tcp_sock* const tp = tcp_sk(sk);
  // It is gone where the connection failed.
  if (tp->fastopen_req != nullptr) {
    *copied = tp->fastopen_req->copied;
    tcp_free_fastopen_req(tp);
    tp->defer_connect = false;
  }
  return err;
}

// -EINPROGRESS of a call that may wait is -EAGAIN: as if nothing had been taken, but the request
// remembers what the SYN has, and sk_nospace says whether there is more.
int FastopenResult(sock* sk, const msghdr* msg, int err, int* copied) {
  tcp_fastopen_request* const req = tcp_sk(sk)->fastopen_req;
  if (err == -EINPROGRESS && (msg->msg_flags & MSG_DONTWAIT) == 0 && req != nullptr) {
    if (!req->waiting) sk->sk_nospace = req->data != nullptr;
    req->data = nullptr;
    req->waiting = true;
    return -EAGAIN;
  }
  return FastopenDone(sk, err, copied);
}

// The next attempt of a call that sleeps until its SYN is answered.
int FastopenAgain(sock* sk, msghdr* msg, int* copied) {
  socket* const sock = sk->sk_socket;
  const int err = sock->state != SS_CONNECTED
                      ? sock->ops->connect(sock, nullptr, 0, kConnectFlags | kConnectAgain)
                      : 0;
  const int result = FastopenResult(sk, msg, err, copied);
  iov_iter_advance(&msg->msg_iter, static_cast<size_t>(*copied));
  return result;
}

int MakeRequest(sock* sk, msghdr* msg, size_t size) {
  tcp_sock* const tp = tcp_sk(sk);
  void* const memory = sk->sk_net.kernel.kmalloc().Alloc(sizeof(tcp_fastopen_request));
  if (memory == nullptr) return -ENOBUFS;
  tp->fastopen_req = new (memory) tcp_fastopen_request;
  tp->fastopen_req->data = msg;
  tp->fastopen_req->size = size;
  return 0;
}

// The SYN that TCP_FASTOPEN_CONNECT has put off.
void SendDeferredSyn(sock* sk) {
  if (tcp_connect(sk) == 0) return;
  tcp_set_state(sk, TCP_CLOSE);
  tcp_sk(sk)->inet_dport = be16{};
  sk->sk_route_caps = 0;
}

}  // namespace

int tcp_sendmsg_fastopen(sock* sk, msghdr* msg, int* copied, size_t size) {
  tcp_sock* const tp = tcp_sk(sk);
  *copied = 0;
  if (msg->msg_again) return FastopenAgain(sk, msg, copied);
  const bool disconnects = msg->msg_name != nullptr && msg->msg_namelen >= sizeof(uint16_t) &&
                           SockaddrFamily(msg->msg_name) == kAfUnspec;
  const auto setting = static_cast<uint32_t>(tcp_sysctl(sk).fastopen);
  if ((setting & TFO_CLIENT_ENABLE) == 0 || disconnects) return -EOPNOTSUPP;
  // One that was left waiting had a signal.
  if (tp->fastopen_req != nullptr && tp->fastopen_req->waiting) tcp_free_fastopen_req(tp);
  if (tp->fastopen_req != nullptr) return -EALREADY;
  if (const int err = MakeRequest(sk, msg, size); err != 0) return err;
  const iov_iter start = msg->msg_iter;
  if (tp->defer_connect) SendDeferredSyn(sk);
  socket* const sock = sk->sk_socket;
  const int err = sock->ops->connect(sock, msg->msg_name, msg->msg_namelen, kConnectFlags);
  const int result = FastopenResult(sk, msg, err, copied);
  if (result == -EAGAIN) msg->msg_iter = start;
  return result;
}

}  // namespace tapedeck
