#include "stack/udp/udp_output.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/core/neighbour.h"
#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv4/ip.h"
#include "stack/udp/udp.h"
#include "stack/udp/udp_impl.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

constexpr size_t kLengthMax = 0xffff;

wsum PseudoSum(const flowi4& fl4, uint32_t len) {
  return csum_tcpudp_nofold(fl4.saddr.wire(), fl4.daddr.wire(), len, wire::kIpProtoUdp, 0);
}

void SetChecksum(const sock* sk, sk_buff* skb, wire::UdpHeader* uh, const flowi4& fl4,
                 uint32_t len) {
  if (sk->sk_no_check_tx) {
    skb->ip_summed = CHECKSUM_NONE;
  } else if (skb_is_gso(skb) || skb->ip_summed == CHECKSUM_PARTIAL) {
    udp_hwcsum(skb, uh, PseudoSum(fl4, len), len);
  } else {
    uh->check = udp_mangle_zero(csum_fold(csum_add(PseudoSum(fl4, len), udp_csum(skb, uh))));
  }
}

// Writes the header of a datagram that has its IP header, and sends it. 0 or -errno.
int udp_send_skb(sock* sk, sk_buff* skb, const flowi4& fl4, const inet_cork& cork) {
  net& net = sk->sk_net;
  TRACE_FUNCTION(net, skb, udp_send_skb, sk, skb, fl4, cork);
  const uint32_t len = skb->len - static_cast<uint32_t>(skb_transport_offset(skb));
  wire::UdpHeader* const uh = udp_hdr_writable(skb);
  uh->source = inet_sk(sk)->inet_sport;
  uh->dest = fl4.dport;
  uh->len = static_cast<uint16_t>(len);
  uh->check = 0;
  if (const int err = udp_prepare_gso(sk, skb, cork, len - wire::kUdpHeaderBytes); err != 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
    return err;
  }
  SetChecksum(sk, skb, uh, fl4, len);
  return udp_sent(ip_send_skb(net, skb), inet_sk(sk)->recverr, net.udp_mib);
}

// Where a datagram is to go, as the call and the socket say.
struct Destination {
  Ipv4Address daddr;
  be16 dport;
  bool connected = false;  // the socket's peer: its cached route will do
};

int GetDestination(const inet_sock* sk, const msghdr* msg, Destination* to) {
  if (msg->msg_name == nullptr) {
    if (sk->sk_state != TCP_ESTABLISHED) return -EDESTADDRREQ;
    *to = {sk->inet_daddr.v4(), sk->inet_dport, true};
    return 0;
  }
  sockaddr_in sin;
  if (msg->msg_namelen < sizeof(sin)) return -EINVAL;
  std::memcpy(&sin, msg->msg_name, sizeof(sin));
  // AF_UNSPEC passes for AF_INET, as it always has.
  if (sin.sin_family != kAfInet && sin.sin_family != kAfUnspec) return -EAFNOSUPPORT;
  if (sin.sin_port == be16{}) return -EINVAL;
  *to = {sin.sin_addr, sin.sin_port, false};
  return 0;
}

// What control messages and the socket's options say about this datagram; one that says anything
// of its own about IP gets its own route, and *connected becomes false.
int GetCookie(udp_sock* sk, msghdr* msg, ipcm_cookie* ipc, bool* connected) {
  ipcm_init_sk(ipc, sk);
  ipc->gso_size = sk->gso_size;
  if (msg->msg_controllen != 0) {
    bool need_ip = false;
    if (const int err = udp_cmsg_send(msg, &ipc->gso_size, &need_ip); err != 0) return err;
    if (need_ip) {
      if (const int err = ip_cmsg_send(sk, msg, ipc); err != 0) return err;
      *connected = false;
    }
  }
  if (!ipc->has_opt && sk->has_opt) {
    ipc->has_opt = true;
    ipc->opt = sk->inet_opt;
  }
  return 0;
}

uint8_t ip_sendmsg_scope(const sock* sk, const ipcm_cookie& ipc, const msghdr* msg) {
  const bool on_link = sock_flag(sk, SOCK_LOCALROUTE) || (msg->msg_flags & MSG_DONTROUTE) != 0 ||
                       (ipc.has_opt && ipc.opt.opt.is_strictroute);
  return on_link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

// The flow of an unconnected datagram; sets to->connected to false where it is not the socket's
// usual one, and leaves the final destination in ipc->addr. 0 or -EINVAL.
int FillFlow(inet_sock* sk, const msghdr* msg, ipcm_cookie* ipc, Destination* to, flowi4* fl4) {
  Ipv4Address saddr = ipc->addr;
  Ipv4Address faddr = to->daddr;
  ipc->addr = to->daddr;
  if (ipc->has_opt && ipc->opt.opt.srr != 0) {
    if (to->daddr == kIpv4Any) return -EINVAL;
    faddr = ipc->opt.opt.faddr;
    to->connected = false;
  }
  const uint8_t scope = ip_sendmsg_scope(sk, *ipc, msg);
  if (scope == RT_SCOPE_LINK) to->connected = false;
  if (ipv4_is_multicast(to->daddr)) {
    if (ipc->oif == 0) ipc->oif = sk->mc_index;
    if (saddr == kIpv4Any) saddr = sk->mc_addr;
    to->connected = false;
  } else if (ipc->oif == 0) {
    ipc->oif = sk->uc_index;
  } else if (ipv4_is_lbcast(to->daddr) && sk->uc_index != 0) {
    // The limited broadcast goes where IP_UNICAST_IF says, unless the socket is bound to another
    // device.
    if (ipc->oif != sk->uc_index && sk->sk_bound_dev_if == 0) ipc->oif = sk->uc_index;
  }
  *fl4 = flowi4_init_output(ipc->oif, ipc->sockc.mark, get_rttos(ipc, sk), scope, sk->sk_protocol,
                            inet_sk_flowi_flags(sk), faddr, saddr, to->dport, sk->inet_sport);
  return 0;
}

// A route for `fl4`, with a reference: the socket's own where the datagram goes to its peer.
// nullptr and *err.
rtable* GetRoute(inet_sock* sk, const Destination& to, flowi4** fl4, int* err) {
  if (to.connected) {
    dst_entry* const cached = sk_dst_check(sk, 0);
    if (cached != nullptr) {
      *fl4 = &sk->cork.fl.ip4;  // as connect left it
      return static_cast<rtable*>(cached);
    }
  }
  rtable* const rt = ip_route_output_flow(sk->sk_net, *fl4, sk, err);
  if (rt == nullptr) {
    if (*err == -ENETUNREACH) sk->sk_net.ip_mib.Inc(IpMib::kOutNoRoutes);
    return nullptr;
  }
  if ((rt->rt_flags & RTCF_BROADCAST) != 0 && !sock_flag(sk, SOCK_BROADCAST)) {
    dst_release(rt);
    *err = -EACCES;
    return nullptr;
  }
  if (to.connected) sk_dst_set(sk, dst_clone(rt));
  return rt;
}

// MSG_CONFIRM: the application knows that the neighbour is there.
void ConfirmNeighbour(const rtable* rt, Ipv4Address daddr) {
  if (rt->ops->neigh_lookup == nullptr) return;
  neighbour* const neigh = rt->ops->neigh_lookup(rt, nullptr, &daddr);
  if (neigh == nullptr) return;
  neigh_confirm(neigh);
  neigh_release(neigh);
}

// Adds the call's bytes to the corked datagram, and sends it unless more is to come. REQUIRES: the
// socket is owned.
int AppendData(udp_sock* sk, flowi4* fl4, msghdr* msg, uint32_t bytes, ipcm_cookie* ipc,
               rtable** rt, bool more) {
  sk->len += bytes;
  const uint32_t flags = more ? msg->msg_flags | MSG_MORE : msg->msg_flags;
  const int err = ip_append_data(sk, fl4, ip_generic_getfrag, msg, bytes, wire::kUdpHeaderBytes,
                                 ipc, rt, flags);
  if (err != 0) {
    udp_flush_pending_frames(sk);
    return err;
  }
  if (!more) return udp_push_pending_frames(sk);
  if (skb_queue_empty(&sk->sk_write_queue)) sk->pending = 0;
  return 0;
}

// A datagram is under way: more bytes for it.
int SendToPending(udp_sock* sk, msghdr* msg, uint32_t len, bool more) {
  if (sk->pending != kAfInet) return -EINVAL;
  ipcm_cookie ipc;
  rtable* rt = nullptr;
  lock_sock(sk);
  const int err = AppendData(sk, &sk->cork.fl.ip4, msg, len, &ipc, &rt, more);
  release_sock(sk);
  return err;
}

// Sends one whole datagram without touching the socket's queue.
int SendUncorked(udp_sock* sk, flowi4* fl4, msghdr* msg, uint32_t ulen, ipcm_cookie* ipc,
                 rtable** rt) {
  inet_cork cork;
  int err = 0;
  sk_buff* const skb = ip_make_skb(sk, fl4, ip_generic_getfrag, msg, ulen, wire::kUdpHeaderBytes,
                                   ipc, rt, &cork, msg->msg_flags, &err);
  return skb == nullptr ? err : udp_send_skb(sk, skb, *fl4, cork);
}

// Begins a datagram that later calls add to.
int SendCorked(udp_sock* sk, const flowi4& route_flow, msghdr* msg, uint32_t ulen, ipcm_cookie* ipc,
               rtable** rt, be16 dport) {
  flowi4* const fl4 = &sk->cork.fl.ip4;
  fl4->daddr = ipc->addr;
  fl4->saddr = route_flow.saddr;
  fl4->dport = dport;
  fl4->sport = sk->inet_sport;
  sk->pending = kAfInet;
  lock_sock(sk);
  const int err = AppendData(sk, fl4, msg, ulen, ipc, rt, true);
  release_sock(sk);
  return err;
}

int SendNew(udp_sock* sk, msghdr* msg, uint32_t len, bool corked) {
  Destination to;
  if (const int err = GetDestination(sk, msg, &to); err != 0) return err;
  ipcm_cookie ipc;
  if (const int err = GetCookie(sk, msg, &ipc, &to.connected); err != 0) return err;
  flowi4 flow;
  if (const int err = FillFlow(sk, msg, &ipc, &to, &flow); err != 0) return err;
  flowi4* fl4 = &flow;
  int err = 0;
  rtable* rt = GetRoute(sk, to, &fl4, &err);
  if (rt == nullptr) return err;
  if ((msg->msg_flags & MSG_CONFIRM) != 0 && (msg->msg_flags & MSG_PROBE) != 0) {
    ConfirmNeighbour(rt, fl4->daddr);
  }
  const bool probe_only = (msg->msg_flags & (MSG_CONFIRM | MSG_PROBE)) == (MSG_CONFIRM | MSG_PROBE);
  if (!probe_only || len != 0) {
    if (ipc.addr == kIpv4Any) ipc.addr = fl4->daddr;
    const uint32_t ulen = len + wire::kUdpHeaderBytes;
    err = corked ? SendCorked(sk, *fl4, msg, ulen, &ipc, &rt, to.dport)
                 : SendUncorked(sk, fl4, msg, ulen, &ipc, &rt);
  }
  dst_release(rt);
  return err;
}

}  // namespace

wire::UdpHeader* udp_hdr_writable(sk_buff* skb) {
  return reinterpret_cast<wire::UdpHeader*>(
      skb_writable(skb, skb_transport_header(skb), wire::kUdpHeaderBytes));
}

wsum udp_csum(const sk_buff* skb, const wire::UdpHeader* uh) {
  wsum csum =
      csum_partial({reinterpret_cast<const uint8_t*>(uh), wire::kUdpHeaderBytes}, skb->csum);
  for (const sk_buff* frag = skb_shinfo(skb)->frag_list; frag != nullptr; frag = frag->next) {
    csum = csum_add(csum, frag->csum);
  }
  return csum;
}

void udp_hwcsum(sk_buff* skb, wire::UdpHeader* uh, wsum pseudo, uint32_t len) {
  const auto offset = static_cast<uint32_t>(skb_transport_offset(skb));
  if (!skb_has_frag_list(skb)) {
    skb->ip_summed = CHECKSUM_PARTIAL;
    skb->csum_start = skb->transport_header;
    skb->csum_offset = offsetof(wire::UdpHeader, check);
    uh->check = csum_from64to16(pseudo);
    return;
  }
  wsum csum = pseudo;
  uint32_t head_bytes = len;
  for (const sk_buff* frag = skb_shinfo(skb)->frag_list; frag != nullptr; frag = frag->next) {
    csum = csum_add(csum, frag->csum);
    head_bytes -= frag->len;
  }
  skb->ip_summed = CHECKSUM_NONE;
  uh->check = udp_mangle_zero(csum_fold(skb_checksum(skb, offset, head_bytes, csum)));
}

int udp_sent(int err, bool recverr, Mib<UdpMib>& mib) {
  if (err == 0) {
    mib.Inc(UdpMib::kOutDatagrams);
  } else if (err == -ENOBUFS && !recverr) {
    // A full queue is told to nobody who has not asked for it.
    mib.Inc(UdpMib::kSndbufErrors);
    return 0;
  }
  return err;
}

int64_t udp_sendmsg_result(const msghdr* msg, size_t len, int err, Mib<UdpMib>& mib) {
  if (err == 0) return static_cast<int64_t>(len);
  // -EAGAIN is an error only of calls that will not wait.
  const bool no_space = err == -EAGAIN && (msg->msg_flags & MSG_DONTWAIT) != 0;
  if (err == -ENOBUFS || no_space) mib.Inc(UdpMib::kSndbufErrors);
  return err;
}

int udp_cmsg_send(const msghdr* msg, uint16_t* gso_size, bool* need_ip) {
  for (const cmsghdr* cmsg = cmsg_firsthdr(msg); cmsg != nullptr; cmsg = cmsg_nxthdr(msg, cmsg)) {
    if (!cmsg_ok(msg, cmsg)) return -EINVAL;
    if (cmsg->cmsg_level != kSolUdp) {
      *need_ip = true;
      continue;
    }
    const bool known =
        cmsg->cmsg_type == kUdpSegment && cmsg->cmsg_len == sizeof(cmsghdr) + sizeof(*gso_size);
    if (!known) return -EINVAL;
    std::memcpy(gso_size, cmsg_data(cmsg), sizeof(*gso_size));
  }
  return 0;
}

int udp_prepare_gso(const sock* sk, sk_buff* skb, const inet_cork& cork, uint32_t data_bytes) {
  const uint32_t gso_size = cork.gso_size;
  if (gso_size == 0) return 0;
  const uint32_t header_bytes = skb_network_header_len(skb) + wire::kUdpHeaderBytes;
  if (header_bytes + std::min(data_bytes, gso_size) > cork.fragsize) return -EMSGSIZE;
  if (data_bytes > gso_size * kUdpMaxSegments) return -EINVAL;
  if (sk->sk_no_check_tx) return -EINVAL;
  if (data_bytes <= gso_size) return 0;
  skb_shared_info* const info = skb_shinfo(skb);
  info->gso_size = cork.gso_size;
  info->gso_type = SKB_GSO_UDP_L4;
  info->gso_segs = static_cast<uint16_t>((data_bytes + gso_size - 1) / gso_size);
  return 0;
}

int64_t udp_sendmsg(sock* sk, msghdr* msg, size_t len) {
  TRACE_FUNCTION(sk->sk_net, nullptr, udp_sendmsg, sk, msg, len);
  udp_sock* const up = udp_sk(sk);
  if (len > kLengthMax) return -EMSGSIZE;
  if ((msg->msg_flags & MSG_OOB) != 0) return -EOPNOTSUPP;
  const bool corked = up->corkflag || (msg->msg_flags & MSG_MORE) != 0;
  const auto bytes = static_cast<uint32_t>(len);
  const int err =
      up->pending != 0 ? SendToPending(up, msg, bytes, corked) : SendNew(up, msg, bytes, corked);
  return udp_sendmsg_result(msg, len, err, sk->sk_net.udp_mib);
}

int udp_push_pending_frames(sock* sk) {
  udp_sock* const up = udp_sk(sk);
  flowi4* const fl4 = &up->cork.fl.ip4;
  sk_buff* const skb = ip_finish_skb(sk, fl4);
  const int err = skb == nullptr ? 0 : udp_send_skb(sk, skb, *fl4, up->cork.base);
  up->len = 0;
  up->pending = 0;
  return err;
}

void udp_flush_pending_frames(sock* sk) {
  udp_sock* const up = udp_sk(sk);
  if (up->pending == 0) return;
  up->len = 0;
  up->pending = 0;
  ip_flush_pending_frames(sk);
}

}  // namespace tapedeck
