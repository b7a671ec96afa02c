// What an AF_INET6 socket has beside inet_sock: its beginning, its copy for a child, its end
// (parts of net/ipv6/af_inet6.c).
#include "stack/ipv6/ipv6_sock.h"

#include <cerrno>

#include "stack/core/net.h"
#include "stack/ipv6/datagram.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/netns_ipv6.h"

namespace tapedeck {
namespace {

constexpr int32_t kReflectEstablished = 1;  // FLOWLABEL_REFLECT_ESTABLISHED
constexpr int16_t kDefaultMcastHops = 1;    // IPV6_DEFAULT_MCASTHOPS

ipv6_pinfo* NewPinfo(net& net) { return net_ipv6(net).pinfos.New(); }

// Everything that one socket alone may hold.
void ForgetOwned(ipv6_pinfo* np) {
  np->pktoptions = nullptr;
  np->rxpmtu = nullptr;
  np->ipv6_mc_list = nullptr;
  np->ipv6_ac_list = nullptr;
  np->ipv6_fl_list = nullptr;
  np->daddr_cached = false;
  np->dst_cookie = 0;
}

}  // namespace

int inet6_sock_init(inet_sock* sk) {
  CHECK(sk->pinet6 == nullptr);
  net& net = sk->sk_net;
  ipv6_pinfo* const np = NewPinfo(net);
  if (np == nullptr) return -ENOBUFS;
  const ipv6_settings& settings = net_ipv6(net).settings;
  np->mcast_hops = kDefaultMcastHops;
  np->repflow = (settings.flowlabel_reflect & kReflectEstablished) != 0;
  sk->pinet6 = np;
  sk->sk_ipv6only = settings.bindv6only != 0;
  return 0;
}

int inet6_sock_clone(const inet_sock* sk, inet_sock* child) {
  child->pinet6 = nullptr;
  if (sk->pinet6 == nullptr) return 0;
  ipv6_pinfo* const np = NewPinfo(sk->sk_net);
  if (np == nullptr) return -ENOBUFS;
  *np = *sk->pinet6;
  ForgetOwned(np);
  child->pinet6 = np;
  if (np->opt != nullptr) {
    ++np->opt->refcnt;
    child->sk_omem_alloc += np->opt->tot_len;
  }
  return 0;
}

void inet6_cleanup_sock(inet_sock* sk) {
  ipv6_pinfo* const np = sk->pinet6;
  consume_skb(np->pktoptions);
  np->pktoptions = nullptr;
  consume_skb(np->rxpmtu);
  np->rxpmtu = nullptr;
  fl6_free_socklist(sk);
  if (np->opt != nullptr) {
    sk->sk_omem_alloc -= np->opt->tot_len;
    txopt_put(sk->sk_net, np->opt);
    np->opt = nullptr;
  }
}

void inet6_sock_destruct(inet_sock* sk) {
  if (sk->pinet6 == nullptr) return;
  inet6_cleanup_sock(sk);
  net_ipv6(sk->sk_net).pinfos.Delete(sk->pinet6);
  sk->pinet6 = nullptr;
}

inet_sock* inet6_ctl_sock_create(net& net, uint8_t protocol) {
  inet_sock* const sk = inet_ctl_sock_create(net, protocol);
  if (sk == nullptr) return nullptr;
  sk->sk_family = kAfInet6;
  sk->inet_daddr = sk->inet_saddr = sk->inet_rcv_saddr = kIpv6Any;
  if (inet6_sock_init(sk) == 0) return sk;
  inet_ctl_sock_destroy(sk);
  return nullptr;
}

void inet6_ctl_sock_destroy(inet_sock* sk) {
  if (sk == nullptr) return;
  ip6_flush_pending_frames(sk);
  inet6_sock_destruct(sk);
  inet_ctl_sock_destroy(sk);
}

void txopt_put(net& net, ipv6_txoptions* opt) {
  if (opt == nullptr || --opt->refcnt != 0) return;
  net.kernel.kmalloc().Free(opt, opt->tot_len);
}

}  // namespace tapedeck
