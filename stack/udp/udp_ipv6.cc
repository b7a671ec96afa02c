#include "stack/udp/udp_ipv6.h"

#include <cerrno>

#include "stack/core/net.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv6/datagram.h"
#include "stack/ipv6/protocol.h"
#include "stack/udp/udp_gro.h"
#include "stack/udp/udp_impl.h"
#include "stack/udp/udp_sockopt.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

constexpr inet6_protocol kUdpv6Protocol = {
    .handler = udpv6_rcv,
    .err_handler = udpv6_err,
    .early_demux = udp_v6_early_demux,
    .flags = INET6_PROTO_NOPOLICY | INET6_PROTO_FINAL,
    .gso_segment = udp6_ufo_fragment,
    .gro_receive = udp6_gro_receive,
    .gro_complete = udp6_gro_complete,
};

sock* Alloc6(net& net, uint16_t family) {
  return net_udp(net).sockets.New(net, family, &udpv6_prot);
}

void Destruct(sock* sk) {
  inet6_sock_destruct(inet_sk(sk));
  udp_destruct_sock(sk);
}
int Init6(sock* sk) {
  sk->sk_destruct = Destruct;
  return 0;
}
void Destroy6(sock* sk) {
  // Whoever looks on sees a dead socket before its cork goes.
  sock_set_flag(sk, SOCK_DEAD);
  udp_v6_flush_pending_frames(sk);
  udp_encap_release(sk);
}

int Connect6(sock* sk, const void* addr, uint32_t addr_len) {
  lock_sock(sk);
  udp_sock* const up = udp_sk(sk);
  const flowi flow_before = up->cork.fl;
  const int err = __ip6_datagram_connect(up, addr, addr_len);
  // Over IPv4 that has written its flow where the flow of a datagram is that is being put together.
  // Of one over IPv6 Linux then makes a packet with IPv4 addresses and ports in its own (seen on
  // 6.18); here it is lost.
  if (up->pending == kAfInet6) {
    if (err == 0 && up->inet_daddr.is_v4()) {
      udp_v6_flush_pending_frames(sk);
    } else {
      up->cork.fl = flow_before;
    }
  }
  if (err == 0) {
    net_udp(sk->sk_net).has_connected = true;
    udp_lib_rehash(sk);
  }
  release_sock(sk);
  return err;
}

int Setsockopt6(sock* sk, int level, int optname, const void* optval, uint32_t optlen) {
  return level == kSolUdp
             ? udp_lib_setsockopt(sk, optname, optval, optlen, udp_v6_push_pending_frames)
             : ipv6_setsockopt(sk, level, optname, optval, optlen);
}
int Getsockopt6(sock* sk, int level, int optname, void* optval, uint32_t* optlen) {
  return level == kSolUdp ? udp_lib_getsockopt(sk, optname, optval, optlen)
                          : ipv6_getsockopt(sk, level, optname, optval, optlen);
}

}  // namespace

const proto udpv6_prot = {
    .name = "UDPv6",
    .alloc = Alloc6,
    .free = udp_free,
    .init = Init6,
    .destroy = Destroy6,
    .close = udp_lib_close,
    .connect = Connect6,
    .disconnect = udp_disconnect,
    .accept = nullptr,
    .ioctl = udp_ioctl,
    .shutdown = nullptr,
    .setsockopt = Setsockopt6,
    .getsockopt = Getsockopt6,
    .sendmsg = udpv6_sendmsg,
    .recvmsg = udpv6_recvmsg,
    .bind = nullptr,
    .poll = udp_poll,
    .backlog_rcv = nullptr,
    .release_cb = ip6_datagram_release_cb,
    .hash = nullptr,
    .unhash = udp_lib_unhash,
    .get_port = udp_v4_get_port,
    .memory = udp_memory,
};

void udpv6_init(net& net) {
  CHECK_EQ(inet6_add_protocol(net, &kUdpv6Protocol, wire::kIpProtoUdp), 0);
}

void udpv6_exit(net& net) {
  CHECK_EQ(inet6_del_protocol(net, &kUdpv6Protocol, wire::kIpProtoUdp), 0);
}

}  // namespace tapedeck
