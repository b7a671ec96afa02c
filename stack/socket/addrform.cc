#include "stack/socket/addrform.h"

#include <cerrno>
#include <cstring>

#include "stack/core/uapi.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/ipv6_sock.h"
#include "stack/ipv6/mcast.h"
#include "stack/socket/af_inet.h"
#include "stack/tcp/inet_connection_sock.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_output.h"
#include "stack/udp/udp.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

// Whether the socket may become one of IPv4. 0 or -errno.
int MayTurn(const sock* sk) {
  if (sk->sk_type == SOCK_RAW) return -ENOPROTOOPT;
  if (sk->sk_protocol == wire::kIpProtoUdp) {
    if (udp_sk(sk)->pending == kAfInet6) return -EBUSY;
  } else if (sk->sk_protocol != wire::kIpProtoTcp) {
    return -ENOPROTOOPT;
  }
  if (sk->sk_state != TCP_ESTABLISHED) return -ENOTCONN;
  return ipv6_only_sock(sk) || !inet_sk(sk)->inet_daddr.is_v4() ? -EADDRNOTAVAIL : 0;
}

void TurnTcp(sock* sk) {
  sk->sk_prot = &tcp_prot;
  inet_connection_sock* const icsk = inet_csk(sk);
  icsk->icsk_af_ops = &ipv4_specific;
  tcp_sync_mss(sk, icsk->icsk_pmtu_cookie);
}

}  // namespace

int ipv6_addrform(socket* sock, const void* value, uint32_t length) {
  int family = 0;
  if (length < sizeof(family)) return -EINVAL;
  if (value != nullptr) std::memcpy(&family, value, sizeof(family));
  if (family != kAfInet) return -EINVAL;
  struct sock* const sk = sock->sk;
  lock_sock(sk);
  const int err = MayTurn(sk);
  if (err == 0) {
    ipv6_sock_mc_close(sk);
    ipv6_sock_ac_close(sk);
    inet6_cleanup_sock(inet_sk(sk));
    sk->sk_family = kAfInet;
    if (sk->sk_protocol == wire::kIpProtoTcp) {
      TurnTcp(sk);
      sock->ops = &inet_stream_ops;
    } else {
      sk->sk_prot = &udp_prot;
      sock->ops = &inet_dgram_ops;
    }
  }
  release_sock(sk);
  return err;
}

}  // namespace tapedeck
