// Who has which local port: buckets by port and, below, by local address (the bind hash of
// net/ipv4/inet_hashtables.c).
#include <cerrno>

#include "stack/core/uapi.h"
#include "stack/ipv4/inet_datagram.h"
#include "stack/tcp/inet_hashinfo.h"

namespace tapedeck {
namespace {

inet_bind_node* BindNode(sock* sk) { return &inet_csk(sk)->icsk_bind_node; }

// inet_bhashfn without the mask: neighbouring ports share no bucket.
uint32_t PortHash(uint16_t port) { return port; }

void Unbind(inet_hashinfo& info, inet_bind_node* node) {
  inet_bind2_bucket* const tb2 = node->tb;
  inet_bind_bucket* const tb = tb2->tb;
  static_cast<ListNode<BindTag>*>(node)->Unlink();
  node->tb = nullptr;
  inet_bind2_bucket_destroy(info, tb2);
  inet_bind_bucket_destroy(info, tb);
}

// Moves a bound socket into the bucket of its new address, which is there.
void Rebind(inet_hashinfo& info, sock* sk, const IpAddress& saddr) {
  inet_bind_node* const node = BindNode(sk);
  inet_bind2_bucket* const old = node->tb;
  inet_bind_bucket* const tb = old->tb;
  inet_bind2_bucket* tb2 = inet_bind2_bucket_find(tb, saddr);
  CHECK(tb2 != nullptr);
  static_cast<ListNode<BindTag>*>(node)->Unlink();
  node->tb = tb2;
  tb2->owners.PushFront(node);
  if (old != tb2) inet_bind2_bucket_destroy(info, old);
}

}  // namespace

inet_bind_bucket* inet_bind_bucket_find(inet_hashinfo& info, uint16_t port) {
  for (inet_bind_bucket& tb : info.bhash.bucket(PortHash(port))) {
    if (tb.port == port) return &tb;
  }
  return nullptr;
}

inet_bind_bucket* inet_bind_bucket_create(inet_hashinfo& info, uint16_t port) {
  inet_bind_bucket* const tb = info.bind_buckets.New();
  if (tb == nullptr) return nullptr;
  tb->hash = PortHash(port);
  tb->port = port;
  info.bhash.Insert(tb);
  return tb;
}

inet_bind2_bucket* inet_bind2_bucket_find(inet_bind_bucket* tb, const IpAddress& address) {
  for (inet_bind2_bucket& tb2 : tb->bhash2) {
    if (tb2.rcv_saddr == address) return &tb2;
  }
  return nullptr;
}

inet_bind2_bucket* inet_bind2_bucket_create(inet_hashinfo& info, inet_bind_bucket* tb,
                                            const IpAddress& address) {
  inet_bind2_bucket* const tb2 = info.bind2_buckets.New();
  if (tb2 == nullptr) return nullptr;
  tb2->tb = tb;
  tb2->rcv_saddr = address;
  tb->bhash2.PushFront(tb2);
  return tb2;
}

void inet_bind_bucket_destroy(inet_hashinfo& info, inet_bind_bucket* tb) {
  if (tb->bhash2.empty()) {
    info.bhash.Remove(tb);
    info.bind_buckets.Delete(tb);
    return;
  }
  for (const inet_bind2_bucket& tb2 : tb->bhash2) {
    if (tb2.fastreuse != kFastreuseConnect || tb2.fastreuseport != kFastreuseConnect) return;
  }
  tb->fastreuse = tb->fastreuseport = kFastreuseConnect;
}

void inet_bind2_bucket_destroy(inet_hashinfo& info, inet_bind2_bucket* tb2) {
  if (tb2->owners.empty()) {
    tb2->Unlink();
    info.bind2_buckets.Delete(tb2);
    return;
  }
  for (const inet_bind_node& owner : tb2->owners) {
    if (!owner.connect_bind) return;
  }
  tb2->fastreuse = tb2->fastreuseport = kFastreuseConnect;
}

void inet_bind_hash(sock* sk, inet_bind2_bucket* tb2, uint16_t port) {
  inet_sk(sk)->inet_num = port;
  BindNode(sk)->tb = tb2;
  tb2->owners.PushFront(BindNode(sk));
}

void inet_put_port(sock* sk) {
  inet_sk(sk)->inet_num = 0;
  BindNode(sk)->connect_bind = false;
  if (BindNode(sk)->tb != nullptr) Unbind(tcp_hashinfo(sk->sk_net), BindNode(sk));
}

void inet_twsk_bind_unhash(inet_timewait_sock* tw) {
  if (tw->bind_node.tb != nullptr) Unbind(tcp_hashinfo(tw->tw_net), &tw->bind_node);
}

int __inet_inherit_port(const sock* sk, sock* child) {
  inet_hashinfo& info = tcp_hashinfo(sk->sk_net);
  inet_bind2_bucket* tb2 = inet_csk(sk)->icsk_bind_node.tb;
  if (tb2 == nullptr) return -ENOENT;
  const uint16_t port = inet_sk(child)->inet_num;
  inet_bind_bucket* tb = tb2->tb;
  // A transparent proxy's listener takes connections to other ports than its own.
  const bool other_port = tb->port != port;
  if (other_port) {
    tb = inet_bind_bucket_find(info, port);
    if (tb == nullptr) tb = inet_bind_bucket_create(info, port);
    if (tb == nullptr) return -ENOMEM;
  }
  if (other_port || tb2->rcv_saddr != inet_sk(child)->inet_rcv_saddr) {
    tb2 = inet_bind2_bucket_find(tb, inet_sk(child)->inet_rcv_saddr);
    if (tb2 == nullptr) {
      tb2 = inet_bind2_bucket_create(info, tb, inet_sk(child)->inet_rcv_saddr);
    }
    if (tb2 == nullptr) {
      inet_bind_bucket_destroy(info, tb);
      return -ENOMEM;
    }
  }
  if (other_port) inet_csk_update_fastreuse(child, tb, tb2);
  inet_bind_hash(child, tb2, port);
  return 0;
}

int inet_bhash2_update_saddr(sock* sk, const IpAddress& saddr) {
  inet_sock* const inet = inet_sk(sk);
  inet_bind_node* const node = BindNode(sk);
  if (node->tb != nullptr && node->tb->rcv_saddr != saddr) {
    inet_hashinfo& info = tcp_hashinfo(sk->sk_net);
    inet_bind_bucket* const tb = node->tb->tb;
    if (inet_bind2_bucket_find(tb, saddr) == nullptr) {
      inet_bind2_bucket* const tb2 = inet_bind2_bucket_create(info, tb, saddr);
      if (tb2 == nullptr) return -ENOMEM;
      if (node->connect_bind) tb2->fastreuse = tb2->fastreuseport = kFastreuseConnect;
    }
    Rebind(info, sk, saddr);
  }
  inet->inet_saddr = inet->inet_rcv_saddr = saddr;
  return 0;
}

void inet_bhash2_reset_saddr(sock* sk) {
  if ((sk->sk_userlocks & SOCK_BINDADDR_LOCK) != 0) return;
  const IpAddress any = sk->sk_family == kAfInet6 ? IpAddress(kIpv6Any) : IpAddress(kIpv4Any);
  if (inet_bhash2_update_saddr(sk, any) == 0) return;
  // The tables must say what the socket says: without memory it loses its port.
  inet_put_port(sk);
  inet_reset_saddr(inet_sk(sk));
}

}  // namespace tapedeck
