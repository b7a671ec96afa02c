// The error queue of IPv6 sockets (IPV6_RECVERR) and path MTUs the user is told of
// (IPV6_RECVPATHMTU; net/ipv6/datagram.c).
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/core/sock_cmsg.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv6/datagram.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/wire/ethernet.h"

namespace tapedeck {
namespace {

// What the control message IPV6_RECVERR holds: the error and who reported it.
struct ErrorData {
  sock_extended_err ee;
  sockaddr_in6 offender;
};
static_assert(sizeof(ErrorData) == 44);

void Queue(sock* sk, sk_buff* skb, const sock_extended_err& ee, uint16_t addr_offset, be16 port) {
  skb->protocol = wire::kEtherTypeIpv6;
  sock_exterr_skb* const serr = SKB_EXT_ERR(skb);
  serr->ee = ee;
  serr->addr_offset = addr_offset;
  serr->port = port.host();
  skb_reset_transport_header(skb);
  if (sock_queue_err_skb(sk, skb) != 0) kfree_skb_reason(skb, SKB_DROP_REASON_SOCKET_RCVBUFF);
}

// An empty packet whose IPv6 header says where a datagram of ours was to go; data is behind it.
// nullptr where memory failed.
sk_buff* HeaderOf(sock* sk, const flowi6& fl6) {
  sk_buff* const skb = alloc_skb(sk->sk_net, sizeof(wire::Ipv6Header));
  if (skb == nullptr) return nullptr;
  auto* const iph =
      reinterpret_cast<wire::Ipv6Header*>(skb_put_zero(skb, sizeof(wire::Ipv6Header)));
  skb_reset_network_header(skb);
  iph->daddr = fl6.daddr;
  iph->set_class_and_flow(0, 0);
  __skb_pull(skb, sizeof(wire::Ipv6Header));
  skb_reset_transport_header(skb);
  return skb;
}

// ipv6_datagram_support_addr: where the packet says whom the datagram that failed was for.
bool SupportsAddress(const sock_exterr_skb& serr) {
  return serr.ee.ee_origin == kSoEeOriginIcmp6 || serr.ee.ee_origin == kSoEeOriginIcmp ||
         serr.ee.ee_origin == kSoEeOriginLocal || serr.port != 0;
}

// ip6_datagram_support_cmsg.
bool SupportsCmsg(const sk_buff* skb, const sock_exterr_skb& serr) {
  if (serr.ee.ee_origin == kSoEeOriginIcmp || serr.ee.ee_origin == kSoEeOriginIcmp6) return true;
  return serr.ee.ee_origin != kSoEeOriginLocal && IP6CB(skb)->iif != 0;
}

bool IsIpv6(const sk_buff* skb) { return skb->protocol == wire::kEtherTypeIpv6; }

void CopyDestination(msghdr* msg, const sock* sk, const sk_buff* skb, const sock_exterr_skb& serr) {
  if (msg->msg_name == nullptr || !SupportsAddress(serr)) return;
  const uint8_t* const at = skb_network_header(skb) + serr.addr_offset;
  sockaddr_in6 sin6;
  sin6.sin6_port = serr.port;
  if (IsIpv6(skb)) {
    const auto& iph =
        *reinterpret_cast<const wire::Ipv6Header*>(at - offsetof(wire::Ipv6Header, daddr));
    sin6.sin6_addr = iph.daddr;
    if (inet6_sk(sk)->sndflow) sin6.sin6_flowinfo = iph.ver_tc_flow.host() & IPV6_FLOWINFO_MASK;
    sin6.sin6_scope_id = ipv6_iface_scope_id(sin6.sin6_addr, IP6CB(skb)->iif);
  } else {
    sin6.sin6_addr = Ipv6Address::Mapped(Ipv4Address(LoadBe32(at)));
  }
  std::memcpy(msg->msg_name, &sin6, sizeof(sin6));
  msg->msg_namelen = sizeof(sin6);
}

// Who reported the error, and the control messages that a packet of his brings along.
sockaddr_in6 TakeOffender(sock* sk, msghdr* msg, sk_buff* skb) {
  const bool wants_any = inet6_sk(sk)->rxopt.any();
  sockaddr_in6 offender;
  if (wants_any) ip6_datagram_recv_common_ctl(sk, msg, skb);
  if (IsIpv6(skb)) {
    offender.sin6_addr = ipv6_hdr(skb)->saddr;
    if (wants_any) ip6_datagram_recv_specific_ctl(sk, msg, skb);
    offender.sin6_scope_id = ipv6_iface_scope_id(offender.sin6_addr, IP6CB(skb)->iif);
  } else {
    offender.sin6_addr = Ipv6Address::Mapped(ip_hdr(skb)->saddr);
    if (inet_sk(sk)->cmsg_flags != 0) ip_cmsg_recv(msg, sk, skb);
  }
  return offender;
}

// What IPV6_PATHMTU tells, in the control block of ipv6_pinfo::rxpmtu.
ip6_mtuinfo* IP6CBMTU(sk_buff* skb) { return SKB_CB<ip6_mtuinfo>(skb); }

}  // namespace

void ipv6_icmp_error(sock* sk, sk_buff* skb, int err, be16 port, uint32_t info,
                     uint32_t payload_offset) {
  if (!inet6_sk(sk)->recverr) return;
  sk_buff* const clone = skb_clone(skb);
  if (clone == nullptr) return;
  const wire::Icmpv6Header* const icmph = icmp6_hdr(clone);
  const uint8_t* const quoted_daddr =
      reinterpret_cast<const uint8_t*>(icmph + 1) + offsetof(wire::Ipv6Header, daddr);
  const auto offset = static_cast<uint16_t>(quoted_daddr - skb_network_header(clone));
  const sock_extended_err ee = {.ee_errno = static_cast<uint32_t>(err),
                                .ee_origin = kSoEeOriginIcmp6,
                                .ee_type = icmph->type,
                                .ee_code = icmph->code,
                                .ee_pad = 0,
                                .ee_info = info,
                                .ee_data = 0};
  if (skb_pull(clone, payload_offset) == nullptr) {
    kfree_skb_reason(clone, SKB_DROP_REASON_PKT_TOO_SMALL);
    return;
  }
  Queue(sk, clone, ee, offset, port);
}

void ipv6_local_error(sock* sk, int err, const flowi6* fl6, uint32_t info) {
  if (!inet6_sk(sk)->recverr) return;
  sk_buff* const skb = HeaderOf(sk, *fl6);
  if (skb == nullptr) return;
  Queue(sk, skb,
        {.ee_errno = static_cast<uint32_t>(err),
         .ee_origin = kSoEeOriginLocal,
         .ee_type = 0,
         .ee_code = 0,
         .ee_pad = 0,
         .ee_info = info,
         .ee_data = 0},
        offsetof(wire::Ipv6Header, daddr), fl6->dport);
}

void ipv6_local_rxpmtu(sock* sk, const flowi6* fl6, uint32_t mtu) {
  ipv6_pinfo* const np = inet6_sk(sk);
  if (!np->rxopt.rxpmtu) return;
  sk_buff* const skb = HeaderOf(sk, *fl6);
  if (skb == nullptr) return;
  ip6_mtuinfo* const info = IP6CBMTU(skb);
  *info = ip6_mtuinfo{};
  info->ip6m_addr.sin6_addr = fl6->daddr;
  info->ip6m_addr.sin6_scope_id = static_cast<uint32_t>(fl6->oif);
  info->ip6m_mtu = mtu;
  consume_skb(np->rxpmtu);
  np->rxpmtu = skb;
}

int64_t ipv6_recv_error(sock* sk, msghdr* msg, size_t len) {
  sk_buff* skb = nullptr;
  const int64_t copied = sock_recv_queued_error(sk, msg, len, &skb);
  if (skb == nullptr) return copied;
  const sock_exterr_skb& serr = *SKB_EXT_ERR(skb);
  CopyDestination(msg, sk, skb, serr);
  ErrorData data{.ee = serr.ee, .offender = {}};
  data.offender.sin6_family = kAfUnspec;
  if (SupportsCmsg(skb, serr)) data.offender = TakeOffender(sk, msg, skb);
  put_cmsg(msg, kSolIpv6, kIpv6Recverr, &data, sizeof(data));
  msg->msg_flags |= MSG_ERRQUEUE;
  consume_skb(skb);
  return copied;
}

int64_t ipv6_recv_rxpmtu(sock* sk, msghdr* msg, size_t len) {
  ipv6_pinfo* const np = inet6_sk(sk);
  sk_buff* const skb = np->rxpmtu;
  if (skb == nullptr) return -EAGAIN;
  np->rxpmtu = nullptr;
  if (skb->len > len) msg->msg_flags |= MSG_TRUNC;
  sock_recv_timestamp(msg, sk, skb);
  const ip6_mtuinfo info = *IP6CBMTU(skb);
  if (msg->msg_name != nullptr) {
    std::memcpy(msg->msg_name, &info.ip6m_addr, sizeof(info.ip6m_addr));
    msg->msg_namelen = sizeof(info.ip6m_addr);
  }
  put_cmsg(msg, kSolIpv6, kIpv6Pathmtu, &info, sizeof(info));
  const uint32_t copied = skb->len;  // no bytes: it carries a message alone
  consume_skb(skb);
  return copied;
}

}  // namespace tapedeck
