// TCP as the socket layer calls it.
#include "stack/tcp/inet_connection_sock.h"
#include "stack/tcp/inet_hashtables.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_ipv6.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_segment.h"
#include "stack/tcp/tcp_timer.h"

namespace tapedeck {
namespace {

sock* Alloc(net& net, uint16_t family) { return net_tcp(net).socks.New(net, family, &tcp_prot); }
sock* AllocV6(net& net, uint16_t family) {
  return net_tcp(net).socks.New(net, family, &tcpv6_prot);
}
void Free(sock* sk) { sock_tcp(sk).socks.Delete(tcp_sk(sk)); }

constexpr proto kTcpProt = {
    .name = "TCP",
    .alloc = Alloc,
    .free = Free,
    .init = tcp_v4_init_sock,
    .destroy = tcp_v4_destroy_sock,
    .close = tcp_close,
    .linger = tcp_linger,
    .connect = tcp_v4_connect,
    .disconnect = tcp_disconnect,
    .accept = inet_csk_accept,
    .ioctl = tcp_ioctl,
    .shutdown = tcp_shutdown,
    .setsockopt = tcp_setsockopt,
    .getsockopt = tcp_getsockopt,
    .sendmsg = tcp_sendmsg,
    .recvmsg = tcp_recvmsg,
    .bind = nullptr,
    .poll = tcp_poll,
    .backlog_rcv = tcp_do_rcv,
    .release_cb = tcp_release_cb,
    .hash = inet_hash,
    .unhash = inet_unhash,
    .get_port = inet_csk_get_port,
    .memory = tcp_memory,
    .stream_memory_free = tcp_stream_memory_free,
    .set_rcvlowat = tcp_set_rcvlowat,
    .get_timestamping_opt_stats = tcp_get_timestamping_opt_stats,
    .keepalive = tcp_set_keepalive,
    .no_autobind = true,
    .setup_caps = tcp_setup_caps,
};

// The same calls over another network layer.
constexpr proto TcpV6Prot() {
  proto prot = kTcpProt;
  prot.name = "TCPv6";
  prot.alloc = AllocV6;
  prot.init = tcp_v6_init_sock;
  prot.connect = tcp_v6_connect;
  prot.backlog_rcv = tcp_v6_do_rcv;
  return prot;
}

}  // namespace

const proto tcp_prot = kTcpProt;
const proto tcpv6_prot = TcpV6Prot();

}  // namespace tapedeck
