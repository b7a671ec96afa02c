// Ping sockets of IPv6: socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6) (net/ipv6/ping.c).
#include <cerrno>
#include <cstring>

#include "stack/core/skb_data.h"
#include "stack/core/sock_cmsg.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv4/inet_datagram.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/datagram.h"
#include "stack/ipv6/icmpv6.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/socket/packet_recv.h"
#include "stack/socket/ping_impl.h"

namespace tapedeck {
namespace {

sock* Pingv6Alloc(net& net, uint16_t family) {
  return net_ping(net).sockets.New(net, family, &pingv6_prot);
}

void Pingv6Destruct(sock* sk) {
  inet6_sock_destruct(inet_sk(sk));
  inet_sock_destruct(sk);
}
int Pingv6Init(sock* sk) {
  sk->sk_destruct = Pingv6Destruct;
  return ping_init_sock(sk);
}

int Pingv6Connect(sock* sk, const void* addr, uint32_t addr_len) {
  if (SockaddrFamily(addr) != kAfInet6) return -EAFNOSUPPORT;
  return __ip6_datagram_connect(inet_sk(sk), addr, addr_len);
}

// ping_check_bind_addr: whether the socket may have this address; a link-local one ties it to its
// device.
int CheckBindAddress(ping_sock* sk, const sockaddr_in6& sin6) {
  const uint32_t type = ipv6_addr_type(sin6.sin6_addr);
  const bool scoped = __ipv6_addr_needs_scope_id(type);
  const bool any = type == IPV6_ADDR_ANY;
  if ((!any && (type & IPV6_ADDR_UNICAST) == 0) || (scoped && sin6.sin6_scope_id == 0)) {
    return -EINVAL;
  }
  const auto scope = static_cast<int>(sin6.sin6_scope_id);
  const int ifindex = scope != 0 ? scope : sk->sk_bound_dev_if;
  const net_device* const dev = ifindex == 0 ? nullptr : dev_get_by_index(sk->sk_net, ifindex);
  if (ifindex != 0 && dev == nullptr) return -ENODEV;
  if (!any && !ipv6_can_nonlocal_bind(sk->sk_net, sk) &&
      !ipv6_chk_addr(sk->sk_net, sin6.sin6_addr, dev, scoped)) {
    return -EADDRNOTAVAIL;
  }
  if (scoped) sk->sk_bound_dev_if = scope;
  return 0;
}

int Pingv6Bind(sock* sk, const void* addr, uint32_t addr_len) {
  ping_sock* const ping = ping_sk(sk);
  if (addr_len < sizeof(sockaddr_in6)) return -EINVAL;
  const sockaddr_in6 sin6 = CopySockaddrIn6(addr, addr_len);
  if (sin6.sin6_family != kAfInet6) return -EAFNOSUPPORT;
  if (const int err = CheckBindAddress(ping, sin6); err != 0) return err;
  if (ping->inet_num != 0) return -EINVAL;
  if (ping_get_port(sk, sin6.sin6_port.host()) != 0) return -EADDRINUSE;
  ping->inet_rcv_saddr = ping->inet_saddr = sin6.sin6_addr;
  if (!ipv6_addr_any(sin6.sin6_addr)) sk->sk_userlocks |= SOCK_BINDADDR_LOCK;
  if (sin6.sin6_port != be16{}) sk->sk_userlocks |= SOCK_BINDPORT_LOCK;
  ping->inet_sport = ping->inet_num;
  ping->inet_daddr = kIpv6Any;
  ping->inet_dport = be16{};
  sk_dst_reset(sk);
  return 0;
}

// --- Sending. ---

// Where to and by which device.
int Pingv6Flow(const inet_sock* sk, const msghdr* msg, flowi6* fl6) {
  const ipv6_pinfo* const np = inet6_sk(sk);
  int oif = 0;
  if (msg->msg_name != nullptr) {
    if (msg->msg_namelen < sizeof(sockaddr_in6)) return -EINVAL;
    const sockaddr_in6 sin6 = CopySockaddrIn6(msg->msg_name, msg->msg_namelen);
    if (sin6.sin6_family != kAfInet6) return -EAFNOSUPPORT;
    fl6->daddr = sin6.sin6_addr;
    if (np->sndflow) fl6->flowlabel = sin6.sin6_flowinfo.host() & IPV6_FLOWINFO_MASK;
    oif = static_cast<int>(ipv6_iface_scope_id(fl6->daddr, static_cast<int>(sin6.sin6_scope_id)));
  } else {
    if (sk->sk_state != TCP_ESTABLISHED) return -EDESTADDRREQ;
    fl6->daddr = sk->inet_daddr.v6();
    fl6->flowlabel = np->flow_label;
  }
  if (oif == 0) oif = sk->sk_bound_dev_if;
  fl6->oif = ip6_datagram_oif(sk, fl6->daddr, oif);
  const uint32_t type = ipv6_addr_type(fl6->daddr);
  const bool other_device =
      fl6->oif != 0 && sk->sk_bound_dev_if != 0 && fl6->oif != sk->sk_bound_dev_if;
  const bool no_device = __ipv6_addr_needs_scope_id(type) && fl6->oif == 0;
  return no_device || other_device || (type & IPV6_ADDR_MAPPED) != 0 ? -EINVAL : 0;
}

int Pingv6SendOver(inet_sock* sk, msghdr* msg, uint32_t len, wire::Icmpv6Header header,
                   ipcm6_cookie* ipc6, flowi6* fl6, dst_entry* dst) {
  if (ipc6->hlimit < 0) ipc6->hlimit = ip6_sk_dst_hoplimit(inet6_sk(sk), *fl6, dst);
  header.set_id(sk->inet_num);
  pingfakehdr pfh = {.msg = msg, .wcheck = 0};
  lock_sock(sk);
  int err = ip6_append_data(sk, ping_getfrag, &pfh, len, wire::kIcmpv6HeaderBytes, ipc6, fl6,
                            dst_rt6_info(dst), MSG_DONTWAIT);
  if (err != 0) {
    sk->sk_net.icmp6_mib.Inc(Icmp6Mib::kOutErrors);
    ip6_flush_pending_frames(sk);
  } else {
    skb_peek(&sk->sk_write_queue)->csum = pfh.wcheck;
    icmpv6_push_pending_frames(sk, *fl6, header, len);
  }
  release_sock(sk);
  return err;
}

int64_t ping_v6_sendmsg(sock* sk, msghdr* msg, size_t len) {
  TRACE_FUNCTION(sk->sk_net, nullptr, ping_v6_sendmsg, sk, msg, len);
  inet_sock* const inet = inet_sk(sk);
  wire::Icmpv6Header header;
  if (const int err = ping_take_header(msg, len, &header); err != 0) return err;
  if (header.type != wire::kIcmpv6EchoRequest || header.code != 0) return -EINVAL;
  flowi6 fl6;
  if (const int err = Pingv6Flow(inet, msg, &fl6); err != 0) return err;
  ipcm6_cookie ipc6;
  ipcm6_init_sk(&ipc6, sk);
  if (msg->msg_controllen != 0) {
    const int err = ip6_datagram_send_ctl(sk->sk_net, sk, msg, &fl6, &ipc6);
    // Extension headers are not sent, as in Linux.
    txopt_put(sk->sk_net, ipc6.opt);
    ipc6.opt = nullptr;
    if (err != 0) return err;
  }
  fl6.proto = wire::kIpProtoIcmpv6;
  fl6.saddr = inet->inet_saddr.v6();
  fl6.mark = ipc6.sockc.mark;
  fl6.icmp_type = header.type;
  fl6.flowlabel = ip6_make_flowinfo(static_cast<uint8_t>(ipc6.tclass), fl6.flowlabel);
  int err = 0;
  dst_entry* const dst = ip6_sk_dst_lookup_flow(sk, &fl6, nullptr, false, &err);
  if (dst == nullptr) return err;
  err = Pingv6SendOver(inet, msg, static_cast<uint32_t>(len), header, &ipc6, &fl6, dst);
  dst_release(dst);
  return err != 0 ? err : static_cast<int64_t>(len);
}

// --- Receiving. ---

// ping6_hooks::rcv. data is at the ICMPv6 header, whose checksum is right.
bool pingv6_rcv(sk_buff* skb) {
  ping_sock* const sk =
      ping_lookup(*skb->owner, ipv6_hdr(skb)->daddr, inet6_iif(skb), icmp6_hdr(skb)->id());
  if (sk == nullptr) return false;
  skb_dst_drop(skb);
  ping_queue_rcv_skb(sk, skb);
  return true;
}

// ping6_hooks::err. data is at the quoted IPv6 header, the quoted ICMPv6 header `offset` bytes
// behind it.
void pingv6_err(sk_buff* skb, int offset, uint32_t info) {
  const auto& quoted = *reinterpret_cast<const wire::Icmpv6Header*>(skb->data + offset);
  const wire::Icmpv6Header& icmp = *icmp6_hdr(skb);
  ping_sock* const sk = ping_lookup(*skb->owner, ipv6_hdr(skb)->daddr, inet6_iif(skb), quoted.id());
  if (sk == nullptr) return;
  int err = 0;
  const bool hard = icmpv6_err_convert(icmp.type, icmp.code, &err);
  if (inet6_sk(sk)->recverr) {
    ipv6_icmp_error(sk, skb, err, be16{}, info, static_cast<uint32_t>(offset));
  } else if (!hard || sk->sk_state != TCP_ESTABLISHED) {
    return;
  }
  sk->sk_err = err;
  sk_error_report(sk);
}

void Pingv6Tell(sock* sk, msghdr* msg, sk_buff* skb) {
  sock_recv_timestamp(msg, sk, skb);
  if (msg->msg_name != nullptr) {
    const wire::Ipv6Header& iph = *ipv6_hdr(skb);
    sockaddr_in6 sin6;
    sin6.sin6_addr = iph.saddr;
    if (inet6_sk(sk)->sndflow) sin6.sin6_flowinfo = iph.ver_tc_flow.host() & IPV6_FLOWINFO_MASK;
    sin6.sin6_scope_id = ipv6_iface_scope_id(sin6.sin6_addr, inet6_iif(skb));
    std::memcpy(msg->msg_name, &sin6, sizeof(sin6));
    msg->msg_namelen = sizeof(sin6);
  }
  if (inet6_sk(sk)->rxopt.any()) ip6_datagram_recv_ctl(sk, msg, skb);
}

int64_t ping_v6_recvmsg(sock* sk, msghdr* msg, size_t len, uint32_t flags) {
  TRACE_FUNCTION(sk->sk_net, nullptr, ping_v6_recvmsg, sk, msg, len, flags);
  if ((flags & MSG_OOB) != 0) return -EOPNOTSUPP;
  if ((flags & MSG_ERRQUEUE) != 0) return ipv6_recv_error(sk, msg, len);
  return packet_recv(sk, msg, len, flags & ~uint32_t{MSG_TRUNC}, Pingv6Tell);
}

constexpr proto Pingv6Prot() {
  proto prot{};
  prot.name = "PINGv6";
  prot.alloc = Pingv6Alloc;
  prot.free = ping_free;
  prot.init = Pingv6Init;
  prot.close = ping_close;
  prot.connect = Pingv6Connect;
  prot.disconnect = ping_disconnect;
  prot.setsockopt = ipv6_setsockopt;
  prot.getsockopt = ipv6_getsockopt;
  prot.sendmsg = ping_v6_sendmsg;
  prot.recvmsg = ping_v6_recvmsg;
  prot.bind = Pingv6Bind;
  prot.poll = ping_poll;
  prot.unhash = ping_unhash;
  prot.get_port = ping_get_port;
  return prot;
}

}  // namespace

const proto pingv6_prot = Pingv6Prot();

void ping_register_ipv6(net& net) {
  inet6_set_ping_hooks(net, {.rcv = pingv6_rcv, .err = pingv6_err});
}

}  // namespace tapedeck
