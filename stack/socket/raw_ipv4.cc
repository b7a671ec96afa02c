// Raw sockets of IPv4 (net/ipv4/raw.c).
#include <cerrno>
#include <cstring>

#include "stack/core/skb_data.h"
#include "stack/core/sock_cmsg.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv4/fib.h"
#include "stack/ipv4/icmp.h"
#include "stack/ipv4/inet_datagram.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/ip_fragment.h"
#include "stack/ipv4/ip_recverr.h"
#include "stack/ipv4/ip_sockopt.h"
#include "stack/ipv4/mcast_sock.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv6/in6.h"
#include "stack/socket/af_inet.h"
#include "stack/socket/packet_recv.h"
#include "stack/socket/raw_impl.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/icmp.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

constexpr size_t kRawLengthMax = 0xffff;

// --- Input. ---

// Whether the socket wants what `raddr` sends to `laddr` (raw_v4_match).
bool raw_v4_match(const raw_sock* sk, uint8_t protocol, Ipv4Address raddr, Ipv4Address laddr,
                  int dif) {
  if (sk->inet_num != protocol) return false;
  if (!sk->inet_daddr.IsAny() && sk->inet_daddr != IpAddress(raddr)) return false;
  if (!sk->inet_rcv_saddr.IsAny() && sk->inet_rcv_saddr != IpAddress(laddr)) return false;
  return raw_bound_dev_eq(sk, dif);
}

// Whether ICMP_FILTER keeps this message from the socket.
bool IcmpIsFiltered(const raw_sock* sk, const sk_buff* skb) {
  if (sk->inet_num != wire::kIpProtoIcmp) return false;
  uint8_t copy[sizeof(wire::IcmpHeader)];
  const int offset = skb_transport_offset(skb);
  const void* const header =
      offset < 0 ? nullptr
                 : skb_header_pointer(skb, static_cast<uint32_t>(offset), sizeof(copy), copy);
  if (header == nullptr) return true;
  const uint8_t type = *static_cast<const uint8_t*>(header);
  return type < 32 && (sk->icmp_filter >> type & 1) != 0;
}

// The packet is the socket's, from its IP header on.
void raw_rcv(raw_sock* sk, sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, raw_rcv, sk, skb);
  __skb_push(skb, static_cast<uint32_t>(-skb_network_offset(skb)));
  ipv4_pktinfo_prepare(sk, skb, true);
  raw_queue(sk, skb);
}

// A copy to each socket of `slot` that wants the packet; whether any does.
[[gnu::noinline]] bool DeliverToRaw(List<raw_sock>& slot, sk_buff* skb, uint8_t protocol) {
  const wire::Ipv4Header iph = *ip_hdr(skb);
  bool delivered = false;
  for (raw_sock& sk : slot) {
    if (!raw_v4_match(&sk, protocol, iph.saddr, iph.daddr, inet_iif(skb)) || !raw_has_room(&sk)) {
      continue;
    }
    delivered = true;
    if (IcmpIsFiltered(&sk, skb) || !ip_mc_sf_allow(&sk, iph.daddr, iph.saddr, skb->dev->ifindex)) {
      continue;
    }
    sk_buff* const clone = skb_clone(skb);
    if (clone != nullptr) raw_rcv(&sk, clone);
  }
  return delivered;
}

bool raw_local_deliver(sk_buff* skb, uint8_t protocol) {
  net& net = *skb->owner;
  auto& slot = net_raw(net).slot4(protocol);
  return !slot.empty() && DeliverToRaw(slot, skb, protocol);
}

// A packet that is forwarded and says that routers should look: every socket with IP_ROUTER_ALERT
// of its protocol gets it, whole. True where one has taken it.
bool RawRouterAlert(sk_buff* skb) {
  net& net = *skb->owner;
  raw_sock* last = nullptr;
  const uint8_t protocol = ip_hdr(skb)->protocol;
  for (raw_sock* sk = net_raw(net).ra_chain4; sk != nullptr; sk = sk->ra_next) {
    if (sk->inet_num != protocol || !raw_bound_dev_eq(sk, skb->dev->ifindex)) continue;
    if (ip_hdr(skb)->is_fragment()) {
      skb = ip_defrag(net, skb, IP_DEFRAG_CALL_RA_CHAIN);
      if (skb == nullptr) return true;  // it waits for the rest
    }
    if (last != nullptr) {
      sk_buff* const clone = skb_clone(skb);
      if (clone != nullptr) raw_rcv(last, clone);
    }
    last = sk;
  }
  if (last == nullptr) return false;
  raw_rcv(last, skb);
  return true;
}

// What an ICMP error means to the socket. false: nothing.
bool RawErrorOf(sk_buff* skb, raw_sock* sk, int* err, bool* hard) {
  const wire::IcmpHeader& icmph = *icmp_hdr(skb);
  *hard = false;
  *err = EHOSTUNREACH;
  switch (icmph.type) {
    case wire::kIcmpSourceQuench:
      return false;
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
    *err = EMSGSIZE;
    *hard = sk->pmtudisc != kIpPmtudiscDont;
  } else if (icmph.code <= wire::kIcmpUnreachableCodeMax) {
    *err = icmp_err_convert[icmph.code].err;
    *hard = icmp_err_convert[icmph.code].fatal;
  }
  return true;
}

void raw_err(raw_sock* sk, sk_buff* skb, uint32_t info) {
  const wire::IcmpHeader& icmph = *icmp_hdr(skb);
  if (icmph.type == wire::kIcmpRedirect) {
    ipv4_sk_redirect(skb, sk);
    return;
  }
  if (icmph.type == wire::kIcmpDestUnreachable && icmph.code == wire::kIcmpFragmentationNeeded) {
    ipv4_sk_update_pmtu(skb, sk, info);
  }
  // Without a peer an error says nothing to who has not asked for it.
  if (!sk->recverr && sk->sk_state != TCP_ESTABLISHED) return;
  int err = 0;
  bool hard = false;
  if (!RawErrorOf(skb, sk, &err, &hard)) return;
  if (sk->recverr) {
    const auto& iph = *reinterpret_cast<const wire::Ipv4Header*>(skb->data);
    const auto payload = sk->hdrincl ? 0U : static_cast<uint32_t>(iph.header_bytes());
    ip_icmp_error(sk, skb, err, be16{}, info, payload);
  }
  if (!sk->recverr && !hard) return;
  sk->sk_err = err;
  sk_error_report(sk);
}

void raw_icmp_error(sk_buff* skb, uint8_t protocol, uint32_t info) {
  // The quoted datagram is ours: its source is our address.
  const wire::Ipv4Header iph = *reinterpret_cast<const wire::Ipv4Header*>(skb->data);
  for (raw_sock& sk : net_raw(*skb->owner).slot4(protocol)) {
    if (raw_v4_match(&sk, protocol, iph.daddr, iph.saddr, skb->dev->ifindex))
      raw_err(&sk, skb, info);
  }
}

// --- Sending. ---

int RawGetDestination(const inet_sock* sk, const msghdr* msg, Ipv4Address* daddr) {
  if (msg->msg_name == nullptr || msg->msg_namelen == 0) {
    if (sk->sk_state != TCP_ESTABLISHED) return -EDESTADDRREQ;
    *daddr = sk->inet_daddr.v4();
    return 0;
  }
  sockaddr_in sin;
  if (msg->msg_namelen < sizeof(sin)) return -EINVAL;
  std::memcpy(&sin, msg->msg_name, sizeof(sin));
  // AF_UNSPEC passes for AF_INET, as it always has.
  if (sin.sin_family != kAfInet && sin.sin_family != kAfUnspec) return -EAFNOSUPPORT;
  *daddr = sin.sin_addr;
  return 0;
}

// Completes the header that the user wrote. 0 or -EINVAL.
int RawCompleteHeader(net& net, sk_buff* skb, const flowi4& fl4) {
  auto* const iph = reinterpret_cast<wire::Ipv4Header*>(skb->data);
  const auto header_bytes = static_cast<uint32_t>(iph->header_bytes());
  if (header_bytes > skb->len || header_bytes < sizeof(*iph)) return -EINVAL;
  if (iph->saddr == kIpv4Any) iph->saddr = fl4.saddr;
  if (iph->id == be16{}) ip_select_ident_segs(net, iph, nullptr, false, 1);
  iph->tot_len = static_cast<uint16_t>(skb->len);
  ip_send_check(iph);
  skb->transport_header = static_cast<uint16_t>(skb->transport_header + header_bytes);
  if (iph->protocol == wire::kIpProtoIcmp && skb->len >= header_bytes + sizeof(wire::IcmpHeader)) {
    icmp_out_count(net, skb->data[header_bytes]);
  }
  return 0;
}

int raw_send_hdrinc(inet_sock* sk, const flowi4& fl4, msghdr* msg, uint32_t length, rtable** rtp) {
  net& net = sk->sk_net;
  const uint32_t mtu = (*rtp)->dev->mtu;
  if (length > mtu) {
    ip_local_error(sk, EMSGSIZE, fl4.daddr, sk->inet_dport, mtu);
    return -EMSGSIZE;
  }
  if (length < sizeof(wire::Ipv4Header)) return -EINVAL;
  if ((msg->msg_flags & MSG_PROBE) != 0) return 0;
  int err = 0;
  sk_buff* const skb = raw_alloc_hdrinc(sk, msg, length, LL_RESERVED_SPACE((*rtp)->dev), &err);
  if (skb != nullptr) {
    skb->protocol = wire::kEtherTypeIpv4;
    err = RawCompleteHeader(net, skb, fl4);
    if (err != 0) {
      kfree_skb_reason(skb, SKB_DROP_REASON_IP_INHDR);
    } else {
      skb_dst_set(skb, *rtp);
      *rtp = nullptr;
      err = dst_output(net, sk, skb);
      if (err > 0) err = net_xmit_errno(err);
    }
  }
  if (err != 0) net.ip_mib.Inc(IpMib::kOutDiscards);
  return err;
}

int RawSendAppended(inet_sock* sk, flowi4* fl4, msghdr* msg, uint32_t length, ipcm_cookie* ipc,
                    rtable** rt) {
  raw_frag_vec rfv;
  rfv.msg = msg;
  if (sk->sk_protocol == wire::kIpProtoIcmp) {
    if (const int err = raw_probe_head(&rfv); err != 0) return err;
  }
  if (ipc->addr == kIpv4Any) ipc->addr = fl4->daddr;
  lock_sock(sk);
  int err = ip_append_data(sk, fl4, raw_getfrag, &rfv, length, 0, ipc, rt, msg->msg_flags);
  if (err != 0) {
    ip_flush_pending_frames(sk);
  } else if ((msg->msg_flags & MSG_MORE) == 0) {
    err = ip_push_pending_frames(sk, fl4);
  }
  release_sock(sk);
  return err;
}

int RawSendOver(inet_sock* sk, flowi4* fl4, msghdr* msg, uint32_t length, ipcm_cookie* ipc,
                rtable** rt) {
  if (((*rt)->rt_flags & RTCF_BROADCAST) != 0 && !sock_flag(sk, SOCK_BROADCAST)) return -EACCES;
  const int err = sk->hdrincl ? raw_send_hdrinc(sk, *fl4, msg, length, rt)
                              : RawSendAppended(sk, fl4, msg, length, ipc, rt);
  // A full queue is told to nobody who has not asked for it.
  return err == -ENOBUFS && !sk->recverr ? 0 : err;
}

int64_t raw_sendmsg(sock* sk, msghdr* msg, size_t len) {
  TRACE_FUNCTION(sk->sk_net, nullptr, raw_sendmsg, sk, msg, len);
  inet_sock* const inet = inet_sk(sk);
  if (len > kRawLengthMax) return -EMSGSIZE;
  if ((msg->msg_flags & MSG_OOB) != 0) return -EOPNOTSUPP;
  Ipv4Address daddr;
  if (const int err = RawGetDestination(inet, msg, &daddr); err != 0) return err;
  ipcm_cookie ipc;
  ipcm_init_sk(&ipc, inet);
  if (msg->msg_controllen != 0) {
    if (const int err = ip_cmsg_send(sk, msg, &ipc); err != 0) return err;
  }
  // Options and a header of the user's own contradict each other.
  if (inet->hdrincl && (ipc.has_opt || inet->has_opt)) return -EINVAL;
  flowi4 fl4;
  const uint8_t proto = inet->hdrincl ? wire::kIpProtoRaw : sk->sk_protocol;
  const uint8_t flags = inet->hdrincl ? uint8_t{FLOWI_FLAG_KNOWN_NH} : uint8_t{0};
  int err = ip_datagram_flow(inet, msg, daddr, proto, flags, &ipc, &fl4);
  if (err != 0) return err;
  rtable* rt = ip_route_output_flow(sk->sk_net, &fl4, sk, &err);
  if (rt == nullptr) return err;
  err = RawSendOver(inet, &fl4, msg, static_cast<uint32_t>(len), &ipc, &rt);
  dst_release(rt);
  return err < 0 ? err : static_cast<int64_t>(len);
}

// --- Life and calls. ---

sock* RawAlloc(net& net, uint16_t family) {
  return net_raw(net).sockets.New(net, family, &raw_prot);
}

int RawHash(sock* sk) {
  raw_register_ipv4(sk->sk_net);
  net_raw(sk->sk_net).slot4(sk->sk_protocol).PushFront(raw_sk(sk));
  return 0;
}
void RawDestroy(sock* sk) { ip_flush_pending_frames(sk); }
void RawClose(sock* sk, SimTime /*linger_until*/) {
  raw_ra_leave(&net_raw(sk->sk_net).ra_chain4, raw_sk(sk));
  sk_common_release(sk);
}

int RawBind(sock* sk, const void* addr, uint32_t addr_len) {
  inet_sock* const inet = inet_sk(sk);
  sockaddr_in sin;
  if (sk->sk_state != TCP_CLOSE || addr_len < sizeof(sin)) return -EINVAL;
  std::memcpy(&sin, addr, sizeof(sin));
  const uint8_t type = inet_addr_type(sk->sk_net, sin.sin_addr);
  if (!inet_addr_valid_or_nonlocal(inet, sin.sin_addr, type)) return -EADDRNOTAVAIL;
  inet->inet_rcv_saddr = inet->inet_saddr = sin.sin_addr;
  // A group or broadcast address is no source.
  if (type == RTN_MULTICAST || type == RTN_BROADCAST) inet->inet_saddr = kIpv4Any;
  sk_dst_reset(sk);
  return 0;
}

int RawConnect(sock* sk, const void* addr, uint32_t addr_len) {
  return __ip4_datagram_connect(inet_sk(sk), addr, addr_len);
}
int RawDisconnect(sock* sk, uint32_t /*flags*/) {
  __ip4_datagram_disconnect(inet_sk(sk));
  return 0;
}

void RawTell(sock* sk, msghdr* msg, sk_buff* skb) {
  sock_recv_cmsgs(msg, sk, skb);
  packet_recv_source(msg, skb);
  if (inet_sk(sk)->cmsg_flags != 0) ip_cmsg_recv(msg, sk, skb);
}

int64_t raw_recvmsg(sock* sk, msghdr* msg, size_t len, uint32_t flags) {
  TRACE_FUNCTION(sk->sk_net, nullptr, raw_recvmsg, sk, msg, len, flags);
  if ((flags & MSG_OOB) != 0) return -EOPNOTSUPP;
  if ((flags & MSG_ERRQUEUE) != 0) return ip_recv_error(sk, msg, len);
  return packet_recv(sk, msg, len, flags, RawTell);
}

int RawSetFlag(raw_sock* sk, int optname, const void* optval, uint32_t optlen) {
  int value = 0;
  if (optlen != 0 && optval == nullptr) return -EFAULT;
  if (optlen >= sizeof(value)) {
    std::memcpy(&value, optval, sizeof(value));
  } else if (optlen >= 1) {
    value = *static_cast<const uint8_t*>(optval);
  }
  if (optname == kIpHdrincl) {
    sk->hdrincl = value != 0;
    return 0;
  }
  if (sk->inet_num == wire::kIpProtoRaw) return -EINVAL;
  const int err = raw_ra_control(&net_raw(sk->sk_net).ra_chain4, sk, value != 0 ? 0 : -1);
  return err == -ENOBUFS ? -ENOENT : err;
}

int RawSetsockopt(sock* sk, int level, int optname, const void* optval, uint32_t optlen) {
  raw_sock* const raw = raw_sk(sk);
  if (level == kSolIp && (optname == kIpHdrincl || optname == kIpRouterAlert)) {
    return RawSetFlag(raw, optname, optval, optlen);
  }
  if (level != kSolRaw) return ip_setsockopt(sk, level, optname, optval, optlen);
  if (optname != kIcmpFilterOption) return -ENOPROTOOPT;
  if (raw->inet_num != wire::kIpProtoIcmp) return -EOPNOTSUPP;
  return raw_set_filter(&raw->icmp_filter, sizeof(raw->icmp_filter), optval, optlen);
}

int RawGetsockopt(sock* sk, int level, int optname, void* optval, uint32_t* optlen) {
  const raw_sock* const raw = raw_sk(sk);
  if (level == kSolIp && (optname == kIpHdrincl || optname == kIpRouterAlert)) {
    const int32_t value = (optname == kIpHdrincl ? raw->hdrincl : raw->ra_sel >= 0) ? 1 : 0;
    return raw_get_filter(&value, sizeof(value), optval, optlen);
  }
  if (level != kSolRaw) return ip_getsockopt(sk, level, optname, optval, optlen);
  if (optname != kIcmpFilterOption) return -ENOPROTOOPT;
  if (raw->inet_num != wire::kIpProtoIcmp) return -EOPNOTSUPP;
  return raw_get_filter(&raw->icmp_filter, sizeof(raw->icmp_filter), optval, optlen);
}

constexpr proto RawProt() {
  proto prot{};
  prot.name = "RAW";
  prot.alloc = RawAlloc;
  prot.free = raw_free;
  prot.destroy = RawDestroy;
  prot.close = RawClose;
  prot.connect = RawConnect;
  prot.disconnect = RawDisconnect;
  prot.ioctl = raw_ioctl;
  prot.setsockopt = RawSetsockopt;
  prot.getsockopt = RawGetsockopt;
  prot.sendmsg = raw_sendmsg;
  prot.recvmsg = raw_recvmsg;
  prot.bind = RawBind;
  prot.poll = raw_poll;
  prot.hash = RawHash;
  prot.unhash = raw_unhash_sk;
  return prot;
}

}  // namespace

const proto raw_prot = RawProt();

void raw_register_ipv4(net& net) {
  inet_set_raw_hooks(net, {.local_deliver = raw_local_deliver,
                           .router_alert = RawRouterAlert,
                           .icmp_error = raw_icmp_error});
}

}  // namespace tapedeck
