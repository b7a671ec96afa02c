#include "stack/ipv4/ip_recverr.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/core/sock_cmsg.h"
#include "stack/ipv4/icmp.h"
#include "stack/ipv4/ip.h"

namespace tapedeck {
namespace {

void FillExtErr(sk_buff* skb, const sock_extended_err& ee, uint16_t addr_offset, be16 port) {
  sock_exterr_skb* const serr = SKB_EXT_ERR(skb);
  serr->ee = ee;
  serr->addr_offset = addr_offset;
  serr->port = port.host();
}

// The destination of the datagram that failed, where the packet says it
// (ipv4_datagram_support_addr).
void CopyDestination(msghdr* msg, const sk_buff* skb, const sock_exterr_skb& serr) {
  const bool known = serr.ee.ee_origin == kSoEeOriginIcmp ||
                     serr.ee.ee_origin == kSoEeOriginLocal || serr.port != 0;
  if (msg->msg_name == nullptr || !known) return;
  sockaddr_in sin;
  sin.sin_port = serr.port;
  std::memcpy(&sin.sin_addr, skb_network_header(skb) + serr.addr_offset, sizeof(sin.sin_addr));
  std::memcpy(msg->msg_name, &sin, sizeof(sin));
  msg->msg_namelen = sizeof(sin);
}

}  // namespace

void ip_icmp_error(sock* sk, sk_buff* skb, int err, be16 port, uint32_t info,
                   uint32_t payload_offset) {
  sk_buff* const clone = skb_clone(skb);
  if (clone == nullptr) return;
  const wire::IcmpHeader* const icmph = icmp_hdr(clone);
  const uint8_t* const quoted_daddr =
      reinterpret_cast<const uint8_t*>(icmph + 1) + offsetof(wire::Ipv4Header, daddr);
  FillExtErr(clone,
             {.ee_errno = static_cast<uint32_t>(err),
              .ee_origin = kSoEeOriginIcmp,
              .ee_type = icmph->type,
              .ee_code = icmph->code,
              .ee_pad = 0,
              .ee_info = info,
              .ee_data = 0},
             static_cast<uint16_t>(quoted_daddr - skb_network_header(clone)), port);
  if (skb_pull(clone, payload_offset) != nullptr) {
    skb_reset_transport_header(clone);
    if (sock_queue_err_skb(sk, clone) == 0) return;
  }
  kfree_skb_reason(clone, SKB_DROP_REASON_SOCKET_RCVBUFF);
}

void ip_local_error(sock* sk, int err, Ipv4Address daddr, be16 port, uint32_t info) {
  if (!inet_sk(sk)->recverr) return;
  sk_buff* const skb = alloc_skb(sk->sk_net, sizeof(wire::Ipv4Header));
  if (skb == nullptr) return;
  auto* const iph =
      reinterpret_cast<wire::Ipv4Header*>(skb_put_zero(skb, sizeof(wire::Ipv4Header)));
  skb_reset_network_header(skb);
  iph->daddr = daddr;
  FillExtErr(skb,
             {.ee_errno = static_cast<uint32_t>(err),
              .ee_origin = kSoEeOriginLocal,
              .ee_type = 0,
              .ee_code = 0,
              .ee_pad = 0,
              .ee_info = info,
              .ee_data = 0},
             offsetof(wire::Ipv4Header, daddr), port);
  __skb_pull(skb, sizeof(wire::Ipv4Header));
  skb_reset_transport_header(skb);
  if (sock_queue_err_skb(sk, skb) != 0) kfree_skb_reason(skb, SKB_DROP_REASON_SOCKET_RCVBUFF);
}

int64_t ip_recv_error(sock* sk, msghdr* msg, size_t len) {
  sk_buff* skb = nullptr;
  const int64_t copied = sock_recv_queued_error(sk, msg, len, &skb);
  if (skb == nullptr) return copied;
  const sock_exterr_skb& serr = *SKB_EXT_ERR(skb);
  CopyDestination(msg, skb, serr);
  ip_recverr_data data{.ee = serr.ee, .offender = {}};
  data.offender.sin_family = kAfUnspec;
  if (serr.ee.ee_origin == kSoEeOriginIcmp) {
    data.offender.sin_family = kAfInet;
    data.offender.sin_addr = ip_hdr(skb)->saddr;
    if (inet_sk(sk)->cmsg_flags != 0) ip_cmsg_recv(msg, sk, skb);
  }
  put_cmsg(msg, kSolIp, kIpRecverr, &data, sizeof(data));
  msg->msg_flags |= MSG_ERRQUEUE;
  consume_skb(skb);
  return copied;
}

}  // namespace tapedeck
