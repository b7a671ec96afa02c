#include "stack/socket/af_unix.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "stack/core/datagram.h"
#include "stack/core/skb_data.h"
#include "stack/core/sock_cmsg.h"
#include "stack/core/sockaddr.h"
#include "stack/socket/syscalls.h"

namespace tapedeck {
namespace {

constexpr uint32_t kPieceBytesMax = 32768;  // of a stream: one packet
constexpr uint32_t kSndbufSlackBytes = 64;

// How far a reader has got in a packet of a stream.
struct unix_skb_parms {
  uint32_t consumed;
};
unix_skb_parms* UNIXCB(sk_buff* skb) { return SKB_CB<unix_skb_parms>(skb); }

unix_sock* unix_sk(sock* sk) { return static_cast<unix_sock*>(sk); }
bool ConnectionOriented(const sock* sk) { return sk->sk_type != SOCK_DGRAM; }

bool unix_writable(const sock* sk) { return uint64_t{sk_wmem_alloc_get(sk)} * 4 <= sk->sk_sndbuf; }
void unix_write_space(sock* sk) {
  if (unix_writable(sk)) sk->sk_wq.WakeUp(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
}

// --- The protocol: life only. ---

sock* UnixAlloc(net& net, uint16_t family);
void UnixFree(sock* sk) { sk->sk_net.unix_ns->sockets.Delete(unix_sk(sk)); }

void UnixClose(sock* sk, SimTime /*linger_until*/) {
  unix_sock* const peer = std::exchange(unix_sk(sk)->peer, nullptr);
  if (peer != nullptr) {
    if (ConnectionOriented(sk)) {
      peer->sk_shutdown = SHUTDOWN_MASK;
      // What nobody has read is lost, and its sender is told.
      if (!skb_queue_empty(&sk->sk_receive_queue)) peer->sk_err = ECONNRESET;
      peer->sk_state_change(peer);
    }
    sock_put(peer);
  }
  skb_queue_purge(&sk->sk_receive_queue);
  sk_common_release(sk);
}

constexpr proto MakeProto() {
  proto prot = {};
  prot.name = "UNIX";
  prot.alloc = UnixAlloc;
  prot.free = UnixFree;
  prot.close = UnixClose;
  return prot;
}
constexpr proto kUnixProto = MakeProto();

sock* UnixAlloc(net& net, uint16_t family) {
  unix_sock* const sk = net.unix_ns->sockets.New(net, family, &kUnixProto);
  if (sk != nullptr) sk->sk_write_space = unix_write_space;
  return sk;
}

// --- Sending. ---

// A packet with the next `bytes` of the message, paid for by `sk`.
sk_buff* NextPacket(sock* sk, msghdr* msg, uint32_t bytes, int64_t* err) {
  int alloc_err = 0;
  sk_buff* const skb = sock_alloc_send_skb(sk, bytes, &alloc_err);
  *err = alloc_err;
  if (skb == nullptr) return nullptr;
  if (copy_from_iter(skb_put(skb, bytes), bytes, &msg->msg_iter) == bytes) {
    UNIXCB(skb)->consumed = 0;
    return skb;
  }
  kfree_skb_reason(skb, SKB_DROP_REASON_SKB_UCOPY_FAULT);
  *err = -EFAULT;
  return nullptr;
}

void Deliver(unix_sock* peer, sk_buff* skb) {
  __skb_queue_tail(&peer->sk_receive_queue, skb);
  peer->sk_data_ready(peer);
}

// Whom a send goes to; nullptr and *err.
unix_sock* Peer(sock* sk, const msghdr* msg, int64_t* err) {
  unix_sock* const peer = unix_sk(sk)->peer;
  // A connection of packets does not look at names.
  const bool named = msg->msg_namelen != 0 && sk->sk_type != SOCK_SEQPACKET;
  if ((msg->msg_flags & MSG_OOB) != 0) {
    *err = -EOPNOTSUPP;
  } else if (named) {
    *err = sk->sk_type == SOCK_DGRAM ? -EINVAL : peer != nullptr ? -EISCONN : -EOPNOTSUPP;
  } else if (peer == nullptr) {
    *err = -ENOTCONN;
  } else {
    return peer;
  }
  return nullptr;
}

int64_t unix_stream_sendmsg(socket* sock, msghdr* msg, size_t bytes) {
  struct sock* const sk = sock->sk;
  int64_t err = 0;
  unix_sock* const peer = Peer(sk, msg, &err);
  if (peer == nullptr) return err;
  if ((sk->sk_shutdown & SEND_SHUTDOWN) != 0) return -EPIPE;
  size_t sent = 0;
  sk->sk_nospace = false;
  while (sent < bytes) {
    const bool deaf = sock_flag(peer, SOCK_DEAD) || (peer->sk_shutdown & RCV_SHUTDOWN) != 0;
    if (deaf) {
      err = -EPIPE;
      break;
    }
    const auto size = static_cast<uint32_t>(
        std::min<size_t>({bytes - sent, kPieceBytesMax, sk->sk_sndbuf / 2 - kSndbufSlackBytes}));
    sk_buff* const skb = NextPacket(sk, msg, size, &err);
    if (skb == nullptr) break;
    Deliver(peer, skb);
    sent += size;
  }
  return sent != 0 ? static_cast<int64_t>(sent) : err;
}

int64_t unix_dgram_sendmsg(socket* sock, msghdr* msg, size_t bytes) {
  struct sock* const sk = sock->sk;
  int64_t err = 0;
  unix_sock* const peer = Peer(sk, msg, &err);
  if (peer == nullptr) return err;
  if (bytes > sk->sk_sndbuf - 32) return -EMSGSIZE;
  if ((sk->sk_shutdown & SEND_SHUTDOWN) != 0) return -EPIPE;
  if (sock_flag(peer, SOCK_DEAD)) return ConnectionOriented(sk) ? -EPIPE : -ECONNREFUSED;
  if ((peer->sk_shutdown & RCV_SHUTDOWN) != 0) return -EPIPE;
  sk_buff* const skb = NextPacket(sk, msg, static_cast<uint32_t>(bytes), &err);
  if (skb == nullptr) return err;
  Deliver(peer, skb);
  return static_cast<int64_t>(bytes);
}

// --- Receiving. ---

// Copies what is left of a packet, as far as there is room; *faulted where user memory ends early.
size_t CopyRest(sk_buff* skb, msghdr* msg, bool peek, bool* faulted) {
  const uint32_t consumed = UNIXCB(skb)->consumed;
  const auto wanted =
      static_cast<uint32_t>(std::min<size_t>(skb->len - consumed, iov_iter_count(&msg->msg_iter)));
  *faulted = skb_copy_datagram_iter(skb, consumed, &msg->msg_iter, wanted) != 0;
  if (*faulted) return 0;
  if (!peek) UNIXCB(skb)->consumed += wanted;
  return wanted;
}

int64_t unix_stream_recvmsg(socket* sock, msghdr* msg, size_t bytes, uint32_t flags) {
  struct sock* const sk = sock->sk;
  if (sk->sk_state != TCP_ESTABLISHED) return -EINVAL;
  if ((flags & MSG_OOB) != 0) return -EOPNOTSUPP;
  const bool peek = (flags & MSG_PEEK) != 0;
  msg->msg_namelen = 0;
  size_t copied = 0;
  bool faulted = false;
  sk_buff* skb = skb_peek(&sk->sk_receive_queue);
  if (bytes == 0 && skb != nullptr) return 0;
  while (skb != nullptr && copied < bytes && !faulted) {
    sk_buff* const next = skb_peek_next(skb, &sk->sk_receive_queue);
    copied += CopyRest(skb, msg, peek, &faulted);
    if (!peek && UNIXCB(skb)->consumed == skb->len) {
      __skb_unlink(skb, &sk->sk_receive_queue);
      consume_skb(skb);
    }
    skb = next;
  }
  if (copied != 0) return static_cast<int64_t>(copied);
  if (faulted) return -EFAULT;
  if (const int err = sock_error(sk); err != 0) return err;
  return (sk->sk_shutdown & RCV_SHUTDOWN) != 0 ? 0 : -EAGAIN;
}

int64_t unix_dgram_recvmsg(socket* sock, msghdr* msg, size_t bytes, uint32_t flags) {
  struct sock* const sk = sock->sk;
  if ((flags & MSG_OOB) != 0) return -EOPNOTSUPP;
  if (ConnectionOriented(sk) && sk->sk_state != TCP_ESTABLISHED) return -ENOTCONN;
  int offset = 0;
  int err = 0;
  sk_buff* const skb = skb_recv_datagram(sk, flags, &offset, &err);
  if (skb == nullptr) {
    const bool over = ConnectionOriented(sk) && (sk->sk_shutdown & RCV_SHUTDOWN) != 0;
    return err == -EAGAIN && over ? 0 : err;
  }
  msg->msg_namelen = 0;
  if (skb->len > bytes) msg->msg_flags |= MSG_TRUNC;
  const auto copied = static_cast<uint32_t>(std::min<size_t>(skb->len, bytes));
  const int fault = skb_copy_datagram_iter(skb, 0, &msg->msg_iter, copied);
  const int64_t whole = skb->len;
  skb_free_datagram(sk, skb);
  if (fault != 0) return fault;
  return (flags & MSG_TRUNC) != 0 ? whole : copied;
}

// --- The other calls. ---

int unix_release(socket* sock) {
  sock->sk->sk_prot->close(sock->sk, SimTime::Zero());
  sock->sk = nullptr;
  return 0;
}
// Only names of other families are told apart from those that there could be.
int unix_bind(socket* /*sock*/, const void* addr, uint32_t addr_len) {
  const bool unix_name = addr_len >= sizeof(uint16_t) && SockaddrFamily(addr) == kAfUnix;
  return unix_name ? -EOPNOTSUPP : -EINVAL;
}
int unix_stream_connect(socket* sock, const void* addr, uint32_t addr_len, uint32_t /*flags*/) {
  return unix_bind(sock, addr, addr_len);
}
// AF_UNSPEC takes the peer away.
int unix_dgram_connect(socket* sock, const void* addr, uint32_t addr_len, uint32_t /*flags*/) {
  if (addr_len < sizeof(uint16_t) || SockaddrFamily(addr) != kAfUnspec) {
    return unix_bind(sock, addr, addr_len);
  }
  unix_sock* const peer = std::exchange(unix_sk(sock->sk)->peer, nullptr);
  if (peer != nullptr) sock_put(peer);
  sock->sk->sk_state = TCP_CLOSE;
  return 0;
}
// Pairs are connected, and never wait for others.
int unix_listen(socket* /*sock*/, int /*backlog*/) { return -EINVAL; }
int unix_accept(socket* /*sock*/, socket* /*newsock*/, uint32_t /*flags*/) { return -EINVAL; }

int unix_socketpair(socket* first, socket* second) {
  unix_sock* const a = unix_sk(first->sk);
  unix_sock* const b = unix_sk(second->sk);
  sock_hold(a);
  sock_hold(b);
  a->peer = b;
  b->peer = a;
  a->sk_state = b->sk_state = TCP_ESTABLISHED;
  if (ConnectionOriented(a)) first->state = second->state = SS_CONNECTED;
  return 0;
}

// Nobody here has a name but his family.
int unix_getname(socket* sock, void* addr, SocketName which) {
  if (which != SocketName::kOwn && unix_sk(sock->sk)->peer == nullptr) return -ENOTCONN;
  std::memcpy(addr, &kAfUnix, sizeof(kAfUnix));
  return sizeof(kAfUnix);
}

uint32_t unix_poll(socket* sock) {
  const struct sock* const sk = sock->sk;
  uint32_t mask = 0;
  if (sk->sk_err != 0) mask |= EPOLLERR;
  if (sk->sk_shutdown == SHUTDOWN_MASK) mask |= EPOLLHUP;
  if ((sk->sk_shutdown & RCV_SHUTDOWN) != 0) mask |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
  if (!skb_queue_empty(&sk->sk_receive_queue)) mask |= EPOLLIN | EPOLLRDNORM;
  if (ConnectionOriented(sk) && sk->sk_state == TCP_CLOSE) mask |= EPOLLHUP;
  if (unix_writable(sk)) mask |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
  return mask;
}

int unix_ioctl(socket* sock, uint32_t command, int* argument) {
  struct sock* const sk = sock->sk;
  if (command == kSiocoutq) {
    *argument = static_cast<int>(sk_wmem_alloc_get(sk));
    return 0;
  }
  if (command != kSiocinq) return -ENOTTY;
  uint32_t bytes = 0;
  const sk_buff_head* const queue = &sk->sk_receive_queue;
  for (sk_buff* skb = skb_peek(queue); skb != nullptr; skb = skb_peek_next(skb, queue)) {
    bytes += skb->len - (sk->sk_type == SOCK_STREAM ? UNIXCB(skb)->consumed : 0);
    if (sk->sk_type == SOCK_DGRAM) break;
  }
  *argument = static_cast<int>(bytes);
  return 0;
}

int unix_shutdown(socket* sock, int how) {
  if (how < kShutRead || how > kShutBoth) return -EINVAL;
  const auto mode = static_cast<uint8_t>(how + 1);
  struct sock* const sk = sock->sk;
  sk->sk_shutdown |= mode;
  if (unix_sock* const peer = unix_sk(sk)->peer; peer != nullptr && ConnectionOriented(sk)) {
    if ((mode & RCV_SHUTDOWN) != 0) peer->sk_shutdown |= SEND_SHUTDOWN;
    if ((mode & SEND_SHUTDOWN) != 0) peer->sk_shutdown |= RCV_SHUTDOWN;
    peer->sk_state_change(peer);
  }
  sk->sk_state_change(sk);
  return 0;
}

int NoSetsockopt(socket*, int, int, const void*, uint32_t) { return -EOPNOTSUPP; }
int NoGetsockopt(socket*, int, int, void*, uint32_t*) { return -EOPNOTSUPP; }

constexpr proto_ops UnixDgramOps() {
  return {.family = kAfUnix,
          .has_peek_off = true,
          .release = unix_release,
          .linger = nullptr,
          .bind = unix_bind,
          .connect = unix_dgram_connect,
          .listen = nullptr,
          .accept = nullptr,
          .socketpair = unix_socketpair,
          .getname = unix_getname,
          .poll = unix_poll,
          .ioctl = unix_ioctl,
          .shutdown = unix_shutdown,
          .setsockopt = NoSetsockopt,
          .getsockopt = NoGetsockopt,
          .sendmsg = unix_dgram_sendmsg,
          .recvmsg = unix_dgram_recvmsg};
}
constexpr proto_ops UnixSeqpacketOps() {
  proto_ops ops = UnixDgramOps();
  ops.connect = unix_stream_connect;
  ops.listen = unix_listen;
  ops.accept = unix_accept;
  return ops;
}
constexpr proto_ops UnixStreamOps() {
  proto_ops ops = UnixSeqpacketOps();
  ops.sendmsg = unix_stream_sendmsg;
  ops.recvmsg = unix_stream_recvmsg;
  return ops;
}
constexpr proto_ops unix_dgram_ops = UnixDgramOps();
constexpr proto_ops unix_seqpacket_ops = UnixSeqpacketOps();
constexpr proto_ops unix_stream_ops = UnixStreamOps();

int unix_create(net& net, socket* sock, int protocol) {
  if (protocol != 0 && protocol != kAfUnix) return -EPROTONOSUPPORT;
  switch (sock->type) {
    case SOCK_STREAM:
      sock->ops = &unix_stream_ops;
      break;
    case SOCK_RAW:  // BSD programs say so and mean datagrams
      sock->type = SOCK_DGRAM;
      [[fallthrough]];
    case SOCK_DGRAM:
      sock->ops = &unix_dgram_ops;
      break;
    case SOCK_SEQPACKET:
      sock->ops = &unix_seqpacket_ops;
      break;
    default:
      return -ESOCKTNOSUPPORT;
  }
  struct sock* const sk = sk_alloc(net, kAfUnix, &kUnixProto);
  if (sk == nullptr) {
    sock->ops = nullptr;
    return -ENOBUFS;
  }
  sk->sk_type = sock->type;
  sock->sk = sk;
  sock_graft(sk, sock);
  return 0;
}

}  // namespace

const net_proto_family unix_family_ops = {.family = kAfUnix, .create = unix_create};

void unix_init(net& net) { net.unix_ns = net.world.arena().New<netns_unix>(net.world.arena()); }

}  // namespace tapedeck
