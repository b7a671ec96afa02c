#include "stack/tcp/tcp.h"

#include "stack/ipv4/inet_datagram.h"
#include "stack/ipv4/protocol.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

// What every Linux host says in /proc/net/snmp (tcp_mib_init). MaxConn is -1: no fixed limit.
constexpr uint64_t kRtoAlgorithm = 1;
constexpr uint64_t kRtoMinMs = 200;
constexpr uint64_t kRtoMaxMs = 120'000;

const net_protocol kTcpProtocol = {.handler = tcp_v4_rcv,
                                   .err_handler = tcp_v4_err,
                                   .early_demux = nullptr,
                                   .no_policy = true,
                                   .icmp_strict_tag_validation = true};

sock* AllocControl(net& net, uint16_t family);
void FreeControl(sock* sk) { net_tcp(sk->sk_net).control_sockets.Delete(inet_sk(sk)); }

// The control socket's protocol: it only lends its settings to what belongs to no connection.
constexpr proto ControlProt() {
  proto prot{};
  prot.name = "TCP-control";
  prot.alloc = AllocControl;
  prot.free = FreeControl;
  return prot;
}
constexpr proto kTcpControlProt = ControlProt();

sock* AllocControl(net& net, uint16_t family) {
  return net_tcp(net).control_sockets.New(net, family, &kTcpControlProt);
}

// inet_ctl_sock_create, and what tcp_sk_init sets on it.
sock* MakeControlSocket(net& net) {
  sock* const sk = sk_alloc(net, kAfInet, &kTcpControlProt);
  CHECK(sk != nullptr);
  sk->sk_type = SOCK_RAW;
  sk->sk_protocol = wire::kIpProtoTcp;
  inet_sock* const inet = inet_sk(sk);
  inet_sock_init(inet);
  // tcp_sk_init: resets carry DF and therefore no IP ID.
  inet->pmtudisc = kIpPmtudiscDo;
  return sk;
}

}  // namespace

netns_tcp::netns_tcp(net& its_net)
    : host_net(its_net), control_sockets(its_net.world.arena(), "TCP-control") {}

void tcp_init(net& net) {
  CHECK(net.tcp == nullptr);
  net.tcp = net.world.arena().New<netns_tcp>(net);
  net.tcp->control_sk = MakeControlSocket(net);
  net.tcp_mib.Add(TcpMib::kRtoAlgorithm, kRtoAlgorithm);
  net.tcp_mib.Add(TcpMib::kRtoMin, kRtoMinMs);
  net.tcp_mib.Add(TcpMib::kRtoMax, kRtoMaxMs);
  net.tcp_mib.Dec(TcpMib::kMaxConn);
  CHECK_EQ(inet_add_protocol(net, &kTcpProtocol, wire::kIpProtoTcp), 0);
}

void tcp_exit(net& net) {
  CHECK_EQ(inet_del_protocol(net, &kTcpProtocol, wire::kIpProtoTcp), 0);
  sock_put(net_tcp(net).control_sk);
  net_tcp(net).control_sk = nullptr;
}

}  // namespace tapedeck
