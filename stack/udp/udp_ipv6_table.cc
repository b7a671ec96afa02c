#include <algorithm>

#include "stack/ipv6/mcast.h"
#include "stack/udp/udp.h"
#include "stack/udp/udp_ipv6.h"
#include "stack/udp/udp_table.h"

namespace tapedeck {
namespace {

// Whether the socket is connected to someone else than the sender.
bool OtherPeer(const udp_sock* sk, const udp_flow6& flow) {
  if (sk->inet_dport != be16{} && sk->inet_dport != flow.sport) return true;
  return !sk->inet_daddr.IsAny() && sk->inet_daddr != IpAddress(flow.saddr);
}

// How well a socket that is bound to `local` fits; negative: not at all. The kernel's
// compute_score.
int ComputeScore(const udp_sock* sk, const udp_flow6& flow, const Ipv6Address& local) {
  if (sk->udp_port_hash != flow.hnum || sk->sk_family != kAfInet6) return -1;
  if (sk->inet_rcv_saddr != IpAddress(local)) return -1;
  if (OtherPeer(sk, flow) || !udp_sk_bound_dev_eq(sk, flow.dif)) return -1;
  int score = 0;
  if (sk->inet_dport != be16{}) ++score;
  if (!sk->inet_daddr.IsAny()) ++score;
  if (sk->sk_bound_dev_if != 0) ++score;
  if (sk->sk_incoming_cpu == sk->sk_net.this_cpu().id()) ++score;
  return score;
}

uint32_t Ehash(net& net, const udp_flow6& flow) {
  const uint32_t ports = uint32_t{flow.sport.host()} << 16 | flow.hnum;
  const uint32_t words[] = {flow.daddr.word(3), flow.saddr.word(0), flow.saddr.word(1),
                            flow.saddr.word(2), flow.saddr.word(3), ports};
  return jhash2(words, net_udp(net).ehash_secret);
}

udp_sock* Lookup2(net& net, const udp_flow6& flow, const Ipv6Address& local) {
  udp_hslot2& slot = net_udp(net).table.hash2[udp_portaddr_hashfn(net, local, flow.hnum)];
  udp_sock* best = nullptr;
  int best_score = -1;
  for (udp_sock& sk : slot.sockets) {
    const int score = ComputeScore(&sk, flow, local);
    if (score <= best_score) continue;
    best = &sk;
    best_score = score;
    if (!sk.sk_reuseport || sk.sk_state == TCP_ESTABLISHED) continue;
    const UdpGroupChoice choice = udp_reuseport_select(slot, &sk, Ehash(net, flow));
    if (!choice.has_conns) return choice.sk;
    best = choice.sk;
    best_score = std::max(score, ComputeScore(best, flow, local));
  }
  return best;
}

}  // namespace

udp_sock* __udp6_lib_lookup(net& net, const udp_flow6& flow) {
  udp_sock* const sk = Lookup2(net, flow, flow.daddr);
  return sk != nullptr ? sk : Lookup2(net, flow, kIpv6Any);
}

udp_sock* __udp6_lib_demux_lookup(net& net, const udp_flow6& flow) {
  const uint32_t slot = udp_portaddr_hashfn(net, flow.daddr, flow.hnum);
  udp_sock* const sk = net_udp(net).table.hash2[slot].sockets.front();
  if (sk == nullptr || sk->sk_state != TCP_ESTABLISHED) return nullptr;
  const bool match = sk->udp_port_hash == flow.hnum && sk->inet_dport == flow.sport &&
                     sk->inet_daddr == IpAddress(flow.saddr) &&
                     sk->inet_rcv_saddr == IpAddress(flow.daddr) &&
                     udp_sk_bound_dev_eq(sk, flow.dif);
  return match ? sk : nullptr;
}

bool __udp_v6_is_mcast_sock(const udp_sock* sk, const udp_flow6& flow) {
  if (sk->udp_port_hash != flow.hnum || sk->sk_family != kAfInet6) return false;
  if (OtherPeer(sk, flow) || !udp_sk_bound_dev_eq(sk, flow.dif)) return false;
  if (sk->inet_rcv_saddr != IpAddress(kIpv6Any) && sk->inet_rcv_saddr != IpAddress(flow.daddr)) {
    return false;
  }
  return inet6_mc_check(sk, flow.daddr, flow.saddr);
}

}  // namespace tapedeck
