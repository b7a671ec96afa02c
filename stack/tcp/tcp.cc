#include "stack/tcp/tcp.h"

#include "stack/ipv4/inet_datagram.h"
#include "stack/ipv4/protocol.h"
#include "stack/ipv6/ipv6_sock.h"
#include "stack/ipv6/protocol.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_gro.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_ipv6.h"
#include "stack/tcp/tcp_offload.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

// What every Linux host says in /proc/net/snmp (tcp_mib_init). MaxConn is -1: no fixed limit.
constexpr uint64_t kRtoAlgorithm = 1;
constexpr uint64_t kRtoMinMs = 200;
constexpr uint64_t kRtoMaxMs = 120'000;

const net_protocol kTcpProtocol = {.handler = tcp_v4_rcv,
                                   .err_handler = tcp_v4_err,
                                   .early_demux = tcp_v4_early_demux,
                                   .no_policy = true,
                                   .icmp_strict_tag_validation = true,
                                   .gso_segment = tcp4_gso_segment,
                                   .gro_receive = tcp4_gro_receive,
                                   .gro_complete = tcp4_gro_complete};

const inet6_protocol kTcpv6Protocol = {.handler = tcp_v6_rcv,
                                       .err_handler = tcp_v6_err,
                                       .early_demux = tcp_v6_early_demux,
                                       .flags = INET6_PROTO_NOPOLICY | INET6_PROTO_FINAL,
                                       .gso_segment = tcp6_gso_segment,
                                       .gro_receive = tcp6_gro_receive,
                                       .gro_complete = tcp6_gro_complete};

// tcp_sk_init's control socket: resets carry DF and therefore no IP ID.
inet_sock* MakeControlSocket(net& net) {
  inet_sock* const sk = inet_ctl_sock_create(net, wire::kIpProtoTcp);
  CHECK(sk != nullptr);
  sk->pmtudisc = kIpPmtudiscDo;
  return sk;
}

}  // namespace

tcp_settings::tcp_settings(const tcp_ticks& ticks)
    : keepalive_time(static_cast<int32_t>(ticks.keepalive_time)),
      keepalive_intvl(static_cast<int32_t>(ticks.keepalive_intvl)),
      fin_timeout(static_cast<int32_t>(ticks.timewait_len)),
      invalid_ratelimit(static_cast<int32_t>(ticks.hz / 2)) {}

netns_tcp::netns_tcp(net& its_net)
    : host_net(its_net),
      ticks(its_net.kernel.hz()),
      settings(ticks),
      socks(its_net.world.arena(), "TCP"),
      reqsks(its_net.world.arena(), "request_sock_TCP"),
      twsks(its_net.world.arena(), "tw_sock_TCP") {}

void tcp_init(net& net) {
  CHECK(net.tcp == nullptr);
  net.tcp = net.world.arena().New<netns_tcp>(net);
  net.tcp->control_sk = MakeControlSocket(net);
  tcp_sk_init(*net.tcp);
  net.tcp_mib.Add(TcpMib::kRtoAlgorithm, kRtoAlgorithm);
  net.tcp_mib.Add(TcpMib::kRtoMin, kRtoMinMs);
  net.tcp_mib.Add(TcpMib::kRtoMax, kRtoMaxMs);
  net.tcp_mib.Dec(TcpMib::kMaxConn);
  CHECK_EQ(inet_add_protocol(net, &kTcpProtocol, wire::kIpProtoTcp), 0);
  if (net.ipv6 == nullptr) return;
  net.tcp->control_sk6 = inet6_ctl_sock_create(net, wire::kIpProtoTcp);
  CHECK(net.tcp->control_sk6 != nullptr);
  CHECK_EQ(inet6_add_protocol(net, &kTcpv6Protocol, wire::kIpProtoTcp), 0);
}

void tcp_exit(net& net) {
  CHECK_EQ(inet_del_protocol(net, &kTcpProtocol, wire::kIpProtoTcp), 0);
  if (net.ipv6 != nullptr) {
    CHECK_EQ(inet6_del_protocol(net, &kTcpv6Protocol, wire::kIpProtoTcp), 0);
  }
  tcp_sk_exit(net_tcp(net));
  if (net_tcp(net).control_sk6 != nullptr) inet6_ctl_sock_destroy(net_tcp(net).control_sk6);
  net_tcp(net).control_sk6 = nullptr;
  inet_ctl_sock_destroy(net_tcp(net).control_sk);
  net_tcp(net).control_sk = nullptr;
}

}  // namespace tapedeck
