#include "stack/ipv4/inet_datagram.h"

#include <cerrno>
#include <cstring>

#include "stack/core/net.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv4/route.h"

namespace tapedeck {
namespace {

IpAddress AnyOf(const inet_sock* sk) {
  return sk->sk_family == kAfInet6 ? IpAddress(kIpv6Any) : IpAddress(kIpv4Any);
}

}  // namespace

void inet_sock_init(inet_sock* sk) {
  sk->inet_daddr = sk->inet_saddr = sk->inet_rcv_saddr = AnyOf(sk);
  const ipv4_settings& settings = net_ipv4(sk->sk_net).settings;
  sk->pmtudisc = settings.ip_no_pmtu_disc != 0 ? kIpPmtudiscDont : kIpPmtudiscWant;
  sk->sk_destruct = inet_sock_destruct;
}

void inet_sock_destruct(sock* sk) {
  skb_queue_purge(&sk->sk_receive_queue);
  skb_queue_purge(&sk->sk_error_queue);
  sk_mem_reclaim(sk);
  CHECK(skb_queue_empty(&sk->sk_write_queue));
  CHECK_EQ(sk->sk_rmem_alloc, 0U);
  sk_dst_reset(sk);
}

void inet_reset_saddr(inet_sock* sk) { sk->inet_rcv_saddr = sk->inet_saddr = AnyOf(sk); }

int __ip4_datagram_connect(inet_sock* sk, const void* addr, uint32_t addr_len) {
  sockaddr_in sin;
  if (addr_len < sizeof(sin)) return -EINVAL;
  std::memcpy(&sin, addr, sizeof(sin));
  if (sin.sin_family != kAfInet) return -EAFNOSUPPORT;
  sk_dst_reset(sk);

  int oif = sk->sk_bound_dev_if;
  // A socket that was connected by IPv6 has a local address that is none of ours.
  Ipv4Address saddr = sk->inet_saddr.is_v6() ? kIpv4Any : sk->inet_saddr.v4();
  if (ipv4_is_multicast(sin.sin_addr)) {
    if (oif == 0) oif = sk->mc_index;
    if (saddr == kIpv4Any) saddr = sk->mc_addr;
  } else if (oif == 0) {
    oif = sk->uc_index;
  }
  int err = 0;
  flowi4* const fl4 = &sk->cork.fl.ip4;
  rtable* const rt = ip_route_connect(sk->sk_net, fl4, sin.sin_addr, saddr, oif, sk->sk_protocol,
                                      sk->inet_sport, sin.sin_port, sk, &err);
  if (rt == nullptr) {
    if (err == -ENETUNREACH) sk->sk_net.ip_mib.Inc(IpMib::kOutNoRoutes);
    return err;
  }
  if ((rt->rt_flags & RTCF_BROADCAST) != 0 && !sock_flag(sk, SOCK_BROADCAST)) {
    dst_release(rt);
    return -EACCES;
  }
  sk->inet_daddr = fl4->daddr;
  sk->inet_dport = sin.sin_port;
  if (sk->inet_saddr.IsAny() || sk->inet_saddr.is_v6()) sk->inet_saddr = fl4->saddr;
  if (sk->inet_rcv_saddr.IsAny()) sk->inet_rcv_saddr = fl4->saddr;
  sk_set_state(sk, TCP_ESTABLISHED);
  sk_set_txhash(sk);
  sk->inet_id = static_cast<uint16_t>(net_ipv4(sk->sk_net).prng.Next32());
  sk_dst_set(sk, rt);
  return 0;
}

int ip_datagram_flow(inet_sock* sk, const msghdr* msg, Ipv4Address daddr, uint8_t proto,
                     uint8_t flags, ipcm_cookie* ipc, flowi4* fl4) {
  if (!ipc->has_opt && sk->has_opt) {
    ipc->has_opt = true;
    ipc->opt = sk->inet_opt;
  }
  Ipv4Address saddr = ipc->addr;
  Ipv4Address faddr = daddr;
  ipc->addr = daddr;
  if (ipc->has_opt && ipc->opt.opt.srr != 0) {
    if (daddr == kIpv4Any) return -EINVAL;
    faddr = ipc->opt.opt.faddr;
  }
  const bool on_link = sock_flag(sk, SOCK_LOCALROUTE) || (msg->msg_flags & MSG_DONTROUTE) != 0 ||
                       (ipc->has_opt && ipc->opt.opt.is_strictroute);
  if (ipv4_is_multicast(daddr)) {
    if (ipc->oif == 0) ipc->oif = sk->mc_index;
    if (saddr == kIpv4Any) saddr = sk->mc_addr;
  } else if (ipc->oif == 0) {
    ipc->oif = sk->uc_index;
  }
  *fl4 = flowi4_init_output(
      ipc->oif, ipc->sockc.mark, get_rttos(ipc, sk), on_link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
      proto, static_cast<uint8_t>(inet_sk_flowi_flags(sk) | flags), faddr, saddr, be16{}, be16{});
  return 0;
}

void __ip4_datagram_disconnect(inet_sock* sk) {
  sk_set_state(sk, TCP_CLOSE);
  sk->inet_daddr = AnyOf(sk);
  sk->inet_dport = be16{};
  sk->sk_bound_dev_if = 0;
  if ((sk->sk_userlocks & SOCK_BINDADDR_LOCK) == 0) inet_reset_saddr(sk);
  sk_dst_reset(sk);
}

}  // namespace tapedeck
