// ICMPv6 messages about segments of ours, and path MTUs (tcp_v6_err and tcp_v6_mtu_reduced of
// net/ipv6/tcp_ipv6.c).
#include "stack/core/net.h"
#include "stack/ipv6/icmpv6.h"
#include "stack/ipv6/ipv6.h"
#include "stack/tcp/inet_connection_sock.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_err.h"
#include "stack/tcp/tcp_ipv6.h"
#include "stack/tcp/tcp_output.h"

namespace tapedeck {
namespace {

void ClassifyV6(uint8_t type, uint8_t code, tcp_icmp_error* error) {
  error->ends_request = icmpv6_err_convert(type, code, &error->err);
  error->unreachable = type == wire::kIcmpv6DestUnreachable && code == wire::kIcmpv6NoRoute;
  switch (type) {
    case wire::kIcmpv6Redirect:
      error->kind = tcp_icmp_error::kRedirect;
      break;
    case wire::kIcmpv6PacketTooBig:
      error->kind = tcp_icmp_error::kMtu;
      break;
    default:
      error->kind = tcp_icmp_error::kError;
  }
}

}  // namespace

int tcp_v6_err(sk_buff* skb, uint8_t type, uint8_t code, int offset, uint32_t info) {
  const auto* const hdr = reinterpret_cast<const wire::Ipv6Header*>(skb->data);
  tcp_icmp_error error{.skb = skb,
                       .th = reinterpret_cast<const wire::TcpHeader*>(skb->data + offset),
                       .payload_offset = static_cast<uint32_t>(offset),
                       .saddr = hdr->saddr,
                       .daddr = hdr->daddr,
                       .dif = skb->dev->ifindex,
                       .ttl = ipv6_hdr(skb)->hop_limit,
                       .info = info};
  ClassifyV6(type, code, &error);
  const int err = tcp_err(error);
  if (err != 0) skb->owner->icmp6_mib.Inc(Icmp6Mib::kInErrors);
  return err;
}

void tcp_v6_mtu_reduced(sock* sk) {
  if (sk->sk_state == TCP_LISTEN || sk->sk_state == TCP_CLOSE) return;
  // No path's MTU is smaller (RFC 8200 5), and a message cannot raise it.
  const uint32_t mtu = tcp_sk(sk)->mtu_info;
  const uint8_t pmtudisc = inet6_sk(sk)->pmtudisc;
  if (mtu < wire::kIpv6MinMtu || pmtudisc == kIpPmtudiscInterface || pmtudisc == kIpPmtudiscOmit) {
    return;
  }
  if (tcp_mtu_to_mss(sk, static_cast<int>(mtu)) >= static_cast<int>(tcp_sk(sk)->mss_cache)) return;
  dst_entry* const dst = inet6_csk_update_pmtu(sk, mtu);
  if (dst == nullptr) return;
  const uint32_t path_mtu = dst_mtu(dst);
  if (inet_csk(sk)->icsk_pmtu_cookie <= path_mtu) return;
  tcp_sync_mss(sk, path_mtu);
  // The segment that was too big is lost for certain.
  tcp_simple_retransmit(sk);
}

}  // namespace tapedeck
