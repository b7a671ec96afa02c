// How a datagram call over IPv6 begins, whatever the protocol: destination, labels, control
// messages and options become a flow (what udpv6_sendmsg and rawv6_sendmsg share).
#include <cerrno>
#include <cstring>

#include "stack/core/net.h"
#include "stack/ipv6/datagram.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/ipv6/ipv6.h"

namespace tapedeck {
namespace {

int LeaseLabel(sock* sk, ip6_datagram_call* call) {
  if (call->flowlabel != nullptr || (call->fl6.flowlabel & IPV6_FLOWLABEL_MASK) == 0) return 0;
  int err = 0;
  call->flowlabel = fl6_sock_lookup(sk, call->fl6.flowlabel, &err);
  return err != 0 ? -EINVAL : 0;
}

// Where to: an address of the call, or the socket's peer.
int TakeDestination(inet_sock* sk, const sockaddr_in6* to, ip6_datagram_call* call) {
  const ipv6_pinfo* const np = inet6_sk(sk);
  flowi6& fl6 = call->fl6;
  if (to == nullptr) {
    if (sk->sk_state != TCP_ESTABLISHED) return -EDESTADDRREQ;
    fl6.daddr = sk->inet_daddr.v6();
    fl6.flowlabel = np->flow_label;
    call->connected = true;
    return 0;
  }
  fl6.daddr = to->sin6_addr;
  if (np->sndflow) {
    fl6.flowlabel = to->sin6_flowinfo.host() & IPV6_FLOWINFO_MASK;
    if (const int err = LeaseLabel(sk, call); err != 0) return err;
  }
  if (to->sin6_scope_id != 0 && __ipv6_addr_needs_scope_id(ipv6_addr_type(fl6.daddr))) {
    fl6.oif = static_cast<int>(to->sin6_scope_id);
  }
  return 0;
}

int TakeControl(sock* sk, msghdr* msg, ip6_datagram_call* call) {
  if (msg->msg_controllen == 0) return 0;
  call->connected = false;
  const int err = ip6_datagram_send_ctl(sk->sk_net, sk, msg, &call->fl6, &call->ipc6);
  return err != 0 ? err : LeaseLabel(sk, call);
}

// The extension headers: the call's own, else the socket's; those of a leased label come first.
int ChooseOptions(sock* sk, ip6_datagram_call* call) {
  net& net = sk->sk_net;
  ipv6_txoptions*& opt = call->ipc6.opt;
  if (opt == nullptr) opt = txopt_get(inet6_sk(sk));
  if (call->flowlabel == nullptr) return 0;
  int err = 0;
  ipv6_txoptions* const merged = fl6_merge_options(net, call->flowlabel, opt, &err);
  txopt_put(net, opt);
  opt = merged;
  return err;
}

// What is left open comes from the socket.
void CompleteFlow(const inet_sock* sk, ip6_datagram_call* call) {
  const ipv6_pinfo* const np = inet6_sk(sk);
  flowi6& fl6 = call->fl6;
  fl6.proto = sk->sk_protocol;
  fl6.mark = call->ipc6.sockc.mark;
  if (ipv6_addr_any(fl6.daddr)) fl6.daddr = kIpv6Loopback;
  if (ipv6_addr_any(fl6.saddr)) fl6.saddr = sk->inet_saddr.v6();
  call->final_p = fl6_update_dst(&fl6, call->ipc6.opt, &call->final_daddr);
  if (call->final_p != nullptr) call->connected = false;
  if (fl6.oif == 0 && ipv6_addr_is_multicast(fl6.daddr)) {
    fl6.oif = np->mcast_oif;
    call->connected = false;
  } else if (fl6.oif == 0) {
    fl6.oif = np->ucast_oif;
  }
}

}  // namespace

int ip6_datagram_send_begin(inet_sock* sk, msghdr* msg, const sockaddr_in6* to,
                            ip6_datagram_call* call) {
  ipcm6_init_sk(&call->ipc6, sk);
  if (const int err = TakeDestination(sk, to, call); err != 0) return err;
  if (call->fl6.oif == 0) call->fl6.oif = sk->sk_bound_dev_if;
  if (call->fl6.oif == 0) call->fl6.oif = static_cast<int>(inet6_sk(sk)->sticky_pktinfo_ifindex);
  if (const int err = TakeControl(sk, msg, call); err != 0) return err;
  if (const int err = ChooseOptions(sk, call); err != 0) return err;
  CompleteFlow(sk, call);
  return 0;
}

dst_entry* ip6_datagram_send_route(inet_sock* sk, ip6_datagram_call* call, int* err) {
  flowi6& fl6 = call->fl6;
  fl6.flowlabel = ip6_make_flowinfo(static_cast<uint8_t>(call->ipc6.tclass), fl6.flowlabel);
  dst_entry* const dst = ip6_sk_dst_lookup_flow(sk, &fl6, call->final_p, call->connected, err);
  if (dst != nullptr && call->ipc6.hlimit < 0) {
    call->ipc6.hlimit = ip6_sk_dst_hoplimit(inet6_sk(sk), fl6, dst);
  }
  return dst;
}

void ip6_datagram_send_end(inet_sock* sk, ip6_datagram_call* call) {
  fl6_sock_release(sk->sk_net, call->flowlabel);
  call->flowlabel = nullptr;
  txopt_put(sk->sk_net, call->ipc6.opt);
  call->ipc6.opt = nullptr;
}

sockaddr_in6 CopySockaddrIn6(const void* addr, uint32_t addr_len) {
  sockaddr_in6 sin6;
  std::memcpy(&sin6, addr, addr_len < sizeof(sin6) ? addr_len : sizeof(sin6));
  return sin6;
}

}  // namespace tapedeck
