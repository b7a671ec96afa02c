#include "stack/socket/socket.h"

#include <cerrno>

namespace tapedeck {
namespace {

constexpr int kSockMax = 11;  // SOCK_MAX: one more than the largest type
constexpr int kSockPacket = SOCK_PACKET;

socket* SocketOf(const file* file) { return static_cast<socket*>(file->private_data); }

uint32_t Poll(file* file) {
  socket* const sock = SocketOf(file);
  return sock->ops->poll(sock);
}
WaitQueue* Queue(file* file) { return &SocketOf(file)->sk->sk_wq; }
void ReleaseSocket(file* file) { sock_release(SocketOf(file)); }

constexpr file_operations kSocketFileOps = {
    .poll = Poll, .wait_queue = Queue, .release = ReleaseSocket};

}  // namespace

int sock_register(net_families& families, const net_proto_family* family) {
  const net_proto_family*& slot = families.by_number[family->family];
  if (slot != nullptr) return -EEXIST;
  slot = family;
  return 0;
}

int sock_create(net& net, net_families& families, socket_caches& caches, int family, int type,
                int protocol, socket** result) {
  if (family < 0 || family >= net_families::kMax) return -EAFNOSUPPORT;
  if (type < 0 || type >= kSockMax) return -EINVAL;
  // SOCK_PACKET of AF_INET is AF_PACKET under its first name.
  if (family == kAfInet && type == kSockPacket) family = kAfPacket;
  const net_proto_family* const pf = families.by_number[family];
  if (pf == nullptr) return -EAFNOSUPPORT;
  socket* const sock = caches.sockets.New();
  if (sock == nullptr) return -ENFILE;
  sock->type = static_cast<uint16_t>(type);
  sock->caches = &caches;
  if (const int err = pf->create(net, sock, protocol); err != 0) {
    sock_release(sock);
    return err;
  }
  *result = sock;
  return 0;
}

socket* sock_alloc(socket_caches& caches, uint16_t type, const proto_ops* ops) {
  socket* const sock = caches.sockets.New();
  if (sock == nullptr) return nullptr;
  sock->type = type;
  sock->ops = ops;
  sock->caches = &caches;
  return sock;
}

void sock_release(socket* sock) {
  // Without a sock the family has refused it, or there was none to accept.
  if (sock->sk != nullptr) sock->ops->release(sock);
  sock->caches->sockets.Delete(sock);
}

file* sock_alloc_file(files_struct& files, socket* sock, uint32_t flags) {
  file* const file = files.alloc_file(&kSocketFileOps, sock, kORdwr | flags);
  if (file != nullptr) sock->file = file;
  return file;
}

socket* sock_from_file(const file* file) {
  return file->f_op == &kSocketFileOps ? SocketOf(file) : nullptr;
}

}  // namespace tapedeck
