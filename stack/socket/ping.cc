#include "stack/socket/ping.h"

#include <cerrno>
#include <cstring>

#include "stack/core/datagram.h"
#include "stack/core/skb_data.h"
#include "stack/core/sock_cmsg.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv4/fib.h"
#include "stack/ipv4/icmp.h"
#include "stack/ipv4/inet_datagram.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/ip_recverr.h"
#include "stack/ipv4/ip_sockopt.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/socket/af_inet.h"
#include "stack/socket/packet_recv.h"
#include "stack/socket/ping_impl.h"
#include "stack/wire/icmp.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

constexpr uint32_t kIcmpHeaderBytes = sizeof(wire::IcmpHeader);
constexpr int32_t kProcessGroup = 0;  // the group id of our one process

// --- Identifiers. ---

List<ping_sock>& SlotOf(net& net, uint16_t ident) {
  return net_ping(net).table[(ident + net.hash_mix) & (netns_ping::kSlots - 1)];
}

bool IdentTaken(net& net, uint16_t ident) {
  for (const ping_sock& sk : SlotOf(net, ident)) {
    if (sk.inet_num == ident) return true;
  }
  return false;
}

// The next free identifier behind the one given last; 0 where none is.
uint16_t NextFreeIdent(net& net) {
  netns_ping& ns = net_ping(net);
  for (uint32_t tried = 0; tried < 0x10000; ++tried) {
    const auto ident = static_cast<uint16_t>(ns.port_rover + 1 + tried);
    if (ident != 0 && !IdentTaken(net, ident)) return ident;
  }
  return 0;
}

bool Conflicts(sock* sk, uint16_t ident) {
  for (const ping_sock& other : SlotOf(sk->sk_net, ident)) {
    if (other.inet_num == ident && &other != sk && (other.sk_reuse == 0 || sk->sk_reuse == 0)) {
      return true;
    }
  }
  return false;
}

// --- Life. ---

sock* PingAlloc(net& net, uint16_t family) {
  return net_ping(net).sockets.New(net, family, &ping_prot);
}
int Bind(sock* sk, const void* addr, uint32_t addr_len) {
  ping_sock* const ping = ping_sk(sk);
  uint8_t type = 0;
  if (const int err = inet_bind_address(sk, addr, addr_len, &type); err != 0) return err;
  sockaddr_in sin;
  std::memcpy(&sin, addr, sizeof(sin));
  if (sin.sin_addr == kIpv4Any) type = RTN_LOCAL;
  const bool nonlocal_ok =
      net_ipv4(sk->sk_net).settings.ip_nonlocal_bind != 0 || ping->freebind || ping->transparent;
  if (type == RTN_MULTICAST || type == RTN_BROADCAST || (type != RTN_LOCAL && !nonlocal_ok)) {
    return -EADDRNOTAVAIL;
  }
  if (ping->inet_num != 0) return -EINVAL;
  if (ping_get_port(sk, sin.sin_port.host()) != 0) return -EADDRINUSE;
  ping->inet_rcv_saddr = ping->inet_saddr = sin.sin_addr;
  if (sin.sin_addr != kIpv4Any) sk->sk_userlocks |= SOCK_BINDADDR_LOCK;
  if (sin.sin_port != be16{}) sk->sk_userlocks |= SOCK_BINDPORT_LOCK;
  ping->inet_sport = ping->inet_num;
  ping->inet_daddr = kIpv4Any;
  ping->inet_dport = be16{};
  sk_dst_reset(sk);
  return 0;
}

int Connect(sock* sk, const void* addr, uint32_t addr_len) {
  return __ip4_datagram_connect(inet_sk(sk), addr, addr_len);
}

// --- Sending. ---

bool ping_supported(uint8_t type, uint8_t code) { return type == wire::kIcmpEcho && code == 0; }

int ping_v4_push_pending_frames(sock* sk, wire::IcmpHeader header, wsum sum, flowi4* fl4) {
  sk_buff* const skb = skb_peek(&sk->sk_write_queue);
  if (skb == nullptr) return 0;
  const auto* const bytes = reinterpret_cast<const uint8_t*>(&header);
  header.checksum = csum_fold(csum_partial({bytes, kIcmpHeaderBytes}, sum));
  std::memcpy(skb_writable(skb, skb_transport_header(skb), kIcmpHeaderBytes), &header,
              kIcmpHeaderBytes);
  skb->ip_summed = CHECKSUM_NONE;
  return ip_push_pending_frames(sk, fl4);
}

int GetDestination(const inet_sock* sk, const msghdr* msg, Ipv4Address* daddr) {
  if (msg->msg_name == nullptr) {
    if (sk->sk_state != TCP_ESTABLISHED) return -EDESTADDRREQ;
    *daddr = sk->inet_daddr.v4();
    return 0;
  }
  sockaddr_in sin;
  if (msg->msg_namelen < sizeof(sin)) return -EINVAL;
  std::memcpy(&sin, msg->msg_name, sizeof(sin));
  if (sin.sin_family != kAfInet) return -EAFNOSUPPORT;
  *daddr = sin.sin_addr;
  return 0;
}

int SendOver(inet_sock* sk, msghdr* msg, uint32_t len, const wire::IcmpHeader& user_header,
             ipcm_cookie* ipc, flowi4* fl4, rtable** rt) {
  if ((*rt)->rt_flags & RTCF_BROADCAST && !sock_flag(sk, SOCK_BROADCAST)) return -EACCES;
  if (ipc->addr == kIpv4Any) ipc->addr = fl4->daddr;
  pingfakehdr pfh = {.msg = msg, .wcheck = 0};
  wire::IcmpHeader header = user_header;
  header.checksum = be16{};
  header.set_id(sk->inet_num);
  const int err =
      ip_append_data(sk, fl4, ping_getfrag, &pfh, len, kIcmpHeaderBytes, ipc, rt, msg->msg_flags);
  if (err != 0) {
    ip_flush_pending_frames(sk);
    return err;
  }
  return ping_v4_push_pending_frames(sk, header, pfh.wcheck, fl4);
}

int64_t ping_v4_sendmsg(sock* sk, msghdr* msg, size_t len) {
  TRACE_FUNCTION(sk->sk_net, nullptr, ping_v4_sendmsg, sk, msg, len);
  inet_sock* const inet = inet_sk(sk);
  wire::IcmpHeader user_header;
  if (const int err = ping_take_header(msg, len, &user_header); err != 0) return err;
  if (!ping_supported(user_header.type, user_header.code)) return -EINVAL;
  Ipv4Address daddr;
  if (const int err = GetDestination(inet, msg, &daddr); err != 0) return err;
  ipcm_cookie ipc;
  ipcm_init_sk(&ipc, inet);
  if (msg->msg_controllen != 0) {
    if (const int err = ip_cmsg_send(sk, msg, &ipc); err != 0) return err;
  }
  flowi4 fl4;
  if (const int err = ip_datagram_flow(inet, msg, daddr, sk->sk_protocol, 0, &ipc, &fl4); err != 0)
    return err;
  int err = 0;
  rtable* rt = ip_route_output_flow(sk->sk_net, &fl4, sk, &err);
  if (rt == nullptr) {
    if (err == -ENETUNREACH) sk->sk_net.ip_mib.Inc(IpMib::kOutNoRoutes);
    return err;
  }
  err = SendOver(inet, msg, static_cast<uint32_t>(len), user_header, &ipc, &fl4, &rt);
  dst_release(rt);
  return err != 0 ? err : static_cast<int64_t>(len);
}

// --- Receiving. ---

// ping_hooks::rcv. data is at the ICMP header, whose checksum is right.
bool ping_rcv(sk_buff* skb) {
  net& net = *skb->owner;
  TRACE_FUNCTION(net, skb, ping_rcv, skb);
  const uint16_t ident = icmp_hdr(skb)->id();
  ping_sock* const sk = ping_lookup(net, ip_hdr(skb)->daddr, skb->skb_iif, ident);
  if (sk == nullptr) return false;
  ipv4_pktinfo_prepare(sk, skb, true);
  ping_queue_rcv_skb(sk, skb);
  return true;
}

// What an ICMP error about an echo request means to its sender. false: nothing.
bool ErrorOf(sk_buff* skb, inet_sock* sk, uint32_t info, int* err, bool* hard) {
  const wire::IcmpHeader& icmph = *icmp_hdr(skb);
  *hard = false;
  *err = EHOSTUNREACH;
  switch (icmph.type) {
    case wire::kIcmpRedirect:
      ipv4_sk_redirect(skb, sk);
      [[fallthrough]];
    case wire::kIcmpSourceQuench:
      // No error, but ping(8) wants to see it: an errno that nothing else gives.
      *err = EREMOTEIO;
      return true;
    case wire::kIcmpParameterProblem:
      *err = EPROTO;
      *hard = true;
      return true;
    case wire::kIcmpDestUnreachable:
      break;
    default:
      return true;
  }
  if (icmph.code == wire::kIcmpFragmentationNeeded) {
    ipv4_sk_update_pmtu(skb, sk, info);
    *err = EMSGSIZE;
    *hard = true;
    return sk->pmtudisc != kIpPmtudiscDont;
  }
  if (icmph.code <= wire::kIcmpUnreachableCodeMax) {
    *err = icmp_err_convert[icmph.code].err;
    *hard = icmp_err_convert[icmph.code].fatal;
  }
  return true;
}

// ping_hooks::err. data is at the quoted IP header, the quoted ICMP header `offset` bytes behind
// it.
void ping_err(sk_buff* skb, int offset, uint32_t info) {
  const auto* const quoted = reinterpret_cast<const wire::IcmpHeader*>(skb->data + offset);
  if (!ping_supported(quoted->type, quoted->code)) return;
  ping_sock* const sk = ping_lookup(*skb->owner, ip_hdr(skb)->daddr, skb->skb_iif, quoted->id());
  if (sk == nullptr) return;
  int err = 0;
  bool hard = false;
  if (!ErrorOf(skb, sk, info, &err, &hard)) return;
  if (sk->recverr) {
    ip_icmp_error(sk, skb, err, be16{}, info, static_cast<uint32_t>(offset));
  } else if (!hard || sk->sk_state != TCP_ESTABLISHED) {
    return;
  }
  sk->sk_err = err;
  sk_error_report(sk);
}

void PingTell(sock* sk, msghdr* msg, sk_buff* skb) {
  sock_recv_timestamp(msg, sk, skb);
  packet_recv_source(msg, skb);
  if (inet_sk(sk)->cmsg_flags != 0) ip_cmsg_recv(msg, sk, skb);
}

int64_t ping_recvmsg(sock* sk, msghdr* msg, size_t len, uint32_t flags) {
  TRACE_FUNCTION(sk->sk_net, nullptr, ping_recvmsg, sk, msg, len, flags);
  if ((flags & MSG_OOB) != 0) return -EOPNOTSUPP;
  if ((flags & MSG_ERRQUEUE) != 0) return ip_recv_error(sk, msg, len);
  return packet_recv(sk, msg, len, flags & ~uint32_t{MSG_TRUNC}, PingTell);
}

constexpr proto PingProt() {
  proto prot{};
  prot.name = "PING";
  prot.alloc = PingAlloc;
  prot.free = ping_free;
  prot.init = ping_init_sock;
  prot.close = ping_close;
  prot.connect = Connect;
  prot.disconnect = ping_disconnect;
  prot.setsockopt = ip_setsockopt;
  prot.getsockopt = ip_getsockopt;
  prot.sendmsg = ping_v4_sendmsg;
  prot.recvmsg = ping_recvmsg;
  prot.bind = Bind;
  prot.poll = ping_poll;
  prot.unhash = ping_unhash;
  prot.get_port = ping_get_port;
  return prot;
}

// ipv4_ping_group_range: a range that is none means nobody.
void NormaliseGroupRange(void* context) {
  int32_t* const range = static_cast<ipv4_settings*>(context)->ping_group_range;
  if (range[0] <= range[1]) return;
  range[0] = 1;
  range[1] = 0;
}

}  // namespace

int ping_get_port(sock* sk, uint16_t ident) {
  net& net = sk->sk_net;
  if (ident == 0) {
    ident = NextFreeIdent(net);
    if (ident == 0) return 1;
    net_ping(net).port_rover = ident;
  } else if (Conflicts(sk, ident)) {
    return 1;
  }
  ping_sock* const ping = ping_sk(sk);
  ping->inet_num = ident;
  if (!ping->linked()) SlotOf(net, ident).PushFront(ping);
  return 0;
}

void ping_unhash(sock* sk) {
  ping_sock* const ping = ping_sk(sk);
  if (!ping->linked()) return;
  ping->Unlink();
  ping->inet_num = 0;
  ping->inet_sport = be16{};
}

void ping_free(sock* sk) { net_ping(sk->sk_net).sockets.Delete(ping_sk(sk)); }

int ping_init_sock(sock* sk) {
  const int32_t* const range = net_ipv4(sk->sk_net).settings.ping_group_range;
  return range[0] <= kProcessGroup && kProcessGroup <= range[1] ? 0 : -EACCES;
}
void ping_close(sock* sk, SimTime /*linger_until*/) { sk_common_release(sk); }

int ping_disconnect(sock* sk, uint32_t /*flags*/) {
  __ip4_datagram_disconnect(inet_sk(sk));
  if ((sk->sk_userlocks & SOCK_BINDPORT_LOCK) == 0) ping_unhash(sk);
  return 0;
}

uint32_t ping_poll(sock* sk) { return datagram_poll(sk); }

ping_sock* ping_lookup(net& net, const IpAddress& daddr, int iif, uint16_t ident) {
  for (ping_sock& sk : SlotOf(net, ident)) {
    if (sk.inet_num != ident) continue;
    const bool same_family = daddr.is_v4() == (sk.sk_family == kAfInet);
    if (!same_family || (!sk.inet_rcv_saddr.IsAny() && sk.inet_rcv_saddr != daddr)) continue;
    if (sk.sk_bound_dev_if != 0 && sk.sk_bound_dev_if != iif) continue;
    return &sk;
  }
  return nullptr;
}

void ping_queue_rcv_skb(ping_sock* sk, sk_buff* skb) {
  const uint32_t frame_id = skb->frame_id;
  const uint32_t len = skb->len;
  DropReason reason = SKB_DROP_REASON_NOT_SPECIFIED;
  sock_skb_set_dropcount(sk, skb);
  if (sock_queue_rcv_skb_reason(sk, skb, &reason) != 0) {
    kfree_skb_reason(skb, reason);
  } else {
    sk->sk_net.this_cpu().Trace(TraceKind::kDeliver, frame_id, len, sk->sk_protocol, sk->inet_num);
  }
}

int ping_take_header(msghdr* msg, size_t len, void* header) {
  constexpr size_t kLengthMax = 0xffff;
  if (len > kLengthMax) return -EMSGSIZE;
  if (len < kIcmpHeaderBytes) return -EINVAL;
  if ((msg->msg_flags & MSG_OOB) != 0) return -EOPNOTSUPP;
  return copy_from_iter_full(header, kIcmpHeaderBytes, &msg->msg_iter) ? 0 : -EFAULT;
}

int ping_getfrag(void* from, uint8_t* to, uint32_t /*offset*/, uint32_t len, uint32_t /*odd*/,
                 sk_buff* /*skb*/) {
  auto* const pfh = static_cast<pingfakehdr*>(from);
  return csum_and_copy_from_iter_full(to, len, &pfh->wcheck, 0, &pfh->msg->msg_iter) ? 0 : -EFAULT;
}

const proto ping_prot = PingProt();

netns_ping::netns_ping(net& its_net) : host_net(its_net), sockets(its_net.world.arena(), "PING") {}

namespace {

void ListPingSettings(SysctlFiles& files, void* owner) {
  ipv4_settings& settings = *static_cast<ipv4_settings*>(owner);
  SysctlEntry* const range =
      files.AddInt("net/ipv4/ping_group_range", settings.ping_group_range, 0, INT32_MAX, 2);
  range->changed = NormaliseGroupRange;
  range->context = &settings;
}

}  // namespace

void ping_init(net& net) {
  CHECK(net.ping == nullptr);
  net.ping = net.world.arena().New<netns_ping>(net);
  net.kernel.sysctl().AddOwner(ListPingSettings, &net_ipv4(net).settings);
  inet_set_ping_hooks(net, {.rcv = ping_rcv, .err = ping_err});
  if (net.ipv6 != nullptr) ping_register_ipv6(net);
}

}  // namespace tapedeck
