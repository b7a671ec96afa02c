// Sending UDP over IPv6 (see udp_ipv6.h for the path).
#include <cerrno>
#include <cstring>

#include "stack/core/neighbour.h"
#include "stack/core/net.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv6/datagram.h"
#include "stack/ipv6/ipv6.h"
#include "stack/udp/udp_impl.h"
#include "stack/udp/udp_ipv6.h"
#include "stack/udp/udp_output.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

constexpr uint32_t kSockaddrBytesMin = 2;  // a family
constexpr size_t kUdp6LengthMax = INT32_MAX - wire::kUdpHeaderBytes;

wsum PseudoSum(const flowi6& fl6, uint32_t len) {
  return csum_ipv6_nofold(fl6.saddr.bytes(), fl6.daddr.bytes(), len, wire::kIpProtoUdp, 0);
}

void SetChecksum(const udp_sock* sk, sk_buff* skb, wire::UdpHeader* uh, const flowi6& fl6,
                 uint32_t len) {
  if (skb_is_gso(skb) || (!sk->no_check6_tx && skb->ip_summed == CHECKSUM_PARTIAL)) {
    udp_hwcsum(skb, uh, PseudoSum(fl6, len), len);
  } else if (sk->no_check6_tx) {
    skb->ip_summed = CHECKSUM_NONE;
  } else {
    uh->check = udp_mangle_zero(csum_fold(csum_add(PseudoSum(fl6, len), udp_csum(skb, uh))));
  }
}

// Writes the header of a datagram that has its IP header, and sends it. 0 or -errno.
int udp_v6_send_skb(udp_sock* sk, sk_buff* skb, const flowi6& fl6, const inet_cork& cork) {
  net& net = sk->sk_net;
  TRACE_FUNCTION(net, skb, udp_v6_send_skb, sk, skb, fl6, cork);
  const uint32_t len = skb->len - static_cast<uint32_t>(skb_transport_offset(skb));
  wire::UdpHeader* const uh = udp_hdr_writable(skb);
  uh->source = fl6.sport;
  uh->dest = fl6.dport;
  uh->len = static_cast<uint16_t>(len);
  uh->check = 0;
  int err = udp_prepare_gso(sk, skb, cork, len - wire::kUdpHeaderBytes);
  if (err == 0 && cork.gso_size != 0 && sk->no_check6_tx) err = -EINVAL;
  if (err != 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
    return err;
  }
  SetChecksum(sk, skb, uh, fl6, len);
  return udp_sent(ip6_send_skb(skb), inet6_sk(sk)->recverr, net.udp6_mib);
}

// The rest of a mapped destination's way is IPv4's.
int64_t SendMapped(udp_sock* sk, msghdr* msg, size_t len, const sockaddr_in& to) {
  if (ipv6_only_sock(sk)) return -ENETUNREACH;
  sockaddr_in sin = to;
  void* const name = msg->msg_name;
  const uint32_t namelen = msg->msg_namelen;
  msg->msg_name = &sin;
  msg->msg_namelen = sizeof(sin);
  const int64_t result = udp_sendmsg(sk, msg, len);
  msg->msg_name = name;
  msg->msg_namelen = namelen;
  return result;
}

// Whose business a call is.
enum class Way { kIpv6, kMapped, kIpv4, kFail };

// Reads the destination of a call: in *sin6 where *named, else the socket's peer.
struct Destination6 {
  bool named = false;
  sockaddr_in6 sin6;
};
Way ReadDestination(const udp_sock* sk, const msghdr* msg, Destination6* to, int* err) {
  *err = 0;
  const void* const name = msg->msg_name;
  if (name != nullptr) {
    *err = -EINVAL;
    if (msg->msg_namelen < kSockaddrBytesMin) return Way::kFail;
    const uint16_t family = SockaddrFamily(name);
    if (family == kAfInet) return Way::kIpv4;
    if (family == kAfUnspec) return Way::kIpv6;  // as if there were no address
    if (family != kAfInet6 || msg->msg_namelen < kSin6LenRfc2133) return Way::kFail;
    to->named = true;
    to->sin6 = CopySockaddrIn6(name, msg->msg_namelen);
    if (ipv6_addr_any(to->sin6.sin6_addr) && sk->inet_saddr.is_v4()) {
      to->sin6.sin6_addr = Ipv6Address::Mapped(kIpv4Loopback);
    }
    return ipv6_addr_v4mapped(to->sin6.sin6_addr) ? Way::kMapped : Way::kIpv6;
  }
  if (sk->pending != 0) return Way::kIpv6;
  if (sk->sk_state != TCP_ESTABLISHED) {
    *err = -EDESTADDRREQ;
    return Way::kFail;
  }
  to->sin6.sin6_addr = sk->inet_daddr.v6();
  to->sin6.sin6_port = sk->inet_dport;
  return sk->inet_daddr.is_v4() ? Way::kMapped : Way::kIpv6;
}

// MSG_CONFIRM: the application knows that the neighbour is there.
void ConfirmNeighbour(const dst_entry* dst, const Ipv6Address& daddr) {
  if (dst->ops->neigh_lookup == nullptr) return;
  neighbour* const neigh = dst->ops->neigh_lookup(dst, nullptr, daddr.bytes().data());
  if (neigh == nullptr) return;
  neigh_confirm(neigh);
  neigh_release(neigh);
}

// Adds the call's bytes to the corked datagram, and sends it unless more is to come. REQUIRES: the
// socket is owned.
int AppendData(udp_sock* sk, msghdr* msg, uint32_t bytes, ipcm6_cookie* ipc6, flowi6* fl6,
               dst_entry* dst, bool more) {
  sk->len += bytes;
  const uint32_t flags = more ? msg->msg_flags | MSG_MORE : msg->msg_flags;
  const int err = ip6_append_data(sk, ip_generic_getfrag, msg, bytes, wire::kUdpHeaderBytes, ipc6,
                                  fl6, dst == nullptr ? nullptr : dst_rt6_info(dst), flags);
  if (err != 0) {
    udp_v6_flush_pending_frames(sk);
    return err < 0 ? err : 0;
  }
  if (!more) return udp_v6_push_pending_frames(sk);
  if (skb_queue_empty(&sk->sk_write_queue)) sk->pending = 0;
  return 0;
}

// A datagram is under way: more bytes for it.
int SendToPending6(udp_sock* sk, msghdr* msg, uint32_t len, bool more) {
  if (sk->pending != kAfInet6) return -EAFNOSUPPORT;
  ipcm6_cookie ipc6;
  ipcm6_init_sk(&ipc6, sk);
  lock_sock(sk);
  const int err = AppendData(sk, msg, len, &ipc6, &sk->cork.fl.ip6, nullptr, more);
  release_sock(sk);
  return err;
}

// Sends one whole datagram without touching the socket's queue.
int SendUncorked(udp_sock* sk, msghdr* msg, uint32_t ulen, ip6_datagram_call* call,
                 dst_entry* dst) {
  inet_cork_full cork;
  cork.fl.ip6 = call->fl6;
  int err = 0;
  sk_buff* const skb = ip6_make_skb(sk, ip_generic_getfrag, msg, ulen, wire::kUdpHeaderBytes,
                                    &call->ipc6, dst_rt6_info(dst), msg->msg_flags, &cork, &err);
  return skb == nullptr ? err : udp_v6_send_skb(sk, skb, call->fl6, cork.base);
}

// Begins a datagram that later calls add to.
int SendCorked(udp_sock* sk, msghdr* msg, uint32_t ulen, ip6_datagram_call* call, dst_entry* dst) {
  lock_sock(sk);
  sk->pending = kAfInet6;
  sk->cork.fl.ip6 = call->fl6;
  const int err = AppendData(sk, msg, ulen, &call->ipc6, &call->fl6, dst, true);
  release_sock(sk);
  return err;
}

int SendOver(udp_sock* sk, msghdr* msg, uint32_t len, bool corked, ip6_datagram_call* call,
             dst_entry* dst) {
  constexpr uint32_t kProbe = MSG_CONFIRM | MSG_PROBE;
  if ((msg->msg_flags & kProbe) == kProbe) {
    ConfirmNeighbour(dst, call->fl6.daddr);
    if (len == 0) return 0;
  }
  const uint32_t ulen = len + wire::kUdpHeaderBytes;
  return corked ? SendCorked(sk, msg, ulen, call, dst) : SendUncorked(sk, msg, ulen, call, dst);
}

// The control messages of level UDP; the others are IPv6's.
int TakeUdpControl(const udp_sock* sk, const msghdr* msg, uint16_t* gso_size) {
  *gso_size = sk->gso_size;
  bool need_ip = false;
  return msg->msg_controllen == 0 ? 0 : udp_cmsg_send(msg, gso_size, &need_ip);
}

int SendNew(udp_sock* sk, msghdr* msg, uint32_t len, const Destination6& to, bool corked) {
  if (to.named && to.sin6.sin6_port == be16{}) return -EINVAL;
  uint16_t gso_size = 0;
  if (const int err = TakeUdpControl(sk, msg, &gso_size); err != 0) return err;
  ip6_datagram_call call;
  int err = ip6_datagram_send_begin(sk, msg, to.named ? &to.sin6 : nullptr, &call);
  if (err == 0) {
    call.ipc6.gso_size = gso_size;
    call.fl6.dport = to.named ? to.sin6.sin6_port : sk->inet_dport;
    call.fl6.sport = sk->inet_sport;
    dst_entry* const dst = ip6_datagram_send_route(sk, &call, &err);
    if (dst != nullptr) err = SendOver(sk, msg, len, corked, &call, dst);
    dst_release(dst);
  }
  ip6_datagram_send_end(sk, &call);
  return err;
}

}  // namespace

int64_t udpv6_sendmsg(sock* sk, msghdr* msg, size_t len) {
  TRACE_FUNCTION(sk->sk_net, nullptr, udpv6_sendmsg, sk, msg, len);
  udp_sock* const up = udp_sk(sk);
  Destination6 to;
  int err = 0;
  switch (ReadDestination(up, msg, &to, &err)) {
    case Way::kFail:
      return err;
    case Way::kIpv4:
      return ipv6_only_sock(sk) ? -ENETUNREACH : udp_sendmsg(sk, msg, len);
    case Way::kMapped: {
      sockaddr_in sin;
      sin.sin_port = to.sin6.sin6_port;
      sin.sin_addr = IpAddress(to.sin6.sin6_addr).v4();
      return SendMapped(up, msg, len, sin);
    }
    case Way::kIpv6:
      break;
  }
  if (len > kUdp6LengthMax) return -EMSGSIZE;
  if (up->pending == kAfInet) return udp_sendmsg(sk, msg, len);
  const bool corked = up->corkflag || (msg->msg_flags & MSG_MORE) != 0;
  const auto bytes = static_cast<uint32_t>(len);
  err = up->pending != 0 ? SendToPending6(up, msg, bytes, corked)
                         : SendNew(up, msg, bytes, to, corked);
  return udp_sendmsg_result(msg, len, err, sk->sk_net.udp6_mib);
}

int udp_v6_push_pending_frames(sock* sk) {
  udp_sock* const up = udp_sk(sk);
  if (up->pending == kAfInet) return udp_push_pending_frames(sk);
  sk_buff* const skb = ip6_finish_skb(sk);
  const int err = skb == nullptr ? 0 : udp_v6_send_skb(up, skb, up->cork.fl.ip6, up->cork.base);
  up->len = 0;
  up->pending = 0;
  return err;
}

void udp_v6_flush_pending_frames(sock* sk) {
  udp_sock* const up = udp_sk(sk);
  if (up->pending == kAfInet) {
    udp_flush_pending_frames(sk);
  } else if (up->pending != 0) {
    up->len = 0;
    up->pending = 0;
    ip6_flush_pending_frames(sk);
  }
}

}  // namespace tapedeck
