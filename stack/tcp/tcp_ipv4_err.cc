// ICMP messages about segments of ours, and path MTUs (tcp_v4_err and tcp_v4_mtu_reduced of
// net/ipv4/tcp_ipv4.c).
#include <cerrno>

#include "stack/core/net.h"
#include "stack/ipv4/icmp.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/ip_internal.h"
#include "stack/tcp/inet_connection_sock.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_err.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_output.h"

namespace tapedeck {
namespace {

void Classify(uint8_t type, uint8_t code, tcp_icmp_error* error) {
  error->kind = tcp_icmp_error::kError;
  switch (type) {
    case wire::kIcmpRedirect:
      error->kind = tcp_icmp_error::kRedirect;
      break;
    case wire::kIcmpParameterProblem:
      error->err = EPROTO;
      error->ends_request = true;
      break;
    case wire::kIcmpTimeExceeded:
      error->err = EHOSTUNREACH;
      error->ends_request = true;
      break;
    case wire::kIcmpDestUnreachable:
      if (code == wire::kIcmpFragmentationNeeded) error->kind = tcp_icmp_error::kMtu;
      error->unreachable = code == wire::kIcmpNetUnreachable || code == wire::kIcmpHostUnreachable;
      error->ends_request = error->unreachable;
      if (code <= wire::kIcmpUnreachableCodeMax) error->err = icmp_err_convert[code].err;
      break;
    default:
      break;  // source quench among them (RFC 6633)
  }
}

}  // namespace

int tcp_v4_err(sk_buff* skb, uint32_t info) {
  const auto* const iph = reinterpret_cast<const wire::Ipv4Header*>(skb->data);
  const auto header_bytes = static_cast<uint32_t>(iph->header_bytes());
  tcp_icmp_error error{.skb = skb,
                       .th = reinterpret_cast<const wire::TcpHeader*>(skb->data + header_bytes),
                       .payload_offset = header_bytes,
                       .saddr = iph->saddr,
                       .daddr = iph->daddr,
                       .dif = inet_iif(skb),
                       .ttl = iph->ttl,
                       .info = info};
  Classify(icmp_hdr(skb)->type, icmp_hdr(skb)->code, &error);
  const int err = tcp_err(error);
  if (err != 0) skb->owner->icmp_mib.Inc(IcmpMib::kInErrors);
  return err;
}

void tcp_v4_mtu_reduced(sock* sk) {
  if (sk->sk_state == TCP_LISTEN || sk->sk_state == TCP_CLOSE) return;
  const uint32_t mtu = tcp_sk(sk)->mtu_info;
  dst_entry* const dst = inet_csk_update_pmtu(sk, mtu);
  if (dst == nullptr) return;
  // Should nothing get through from here on, this is why.
  const uint32_t path_mtu = dst_mtu(dst);
  if (mtu < path_mtu && ip_dont_fragment(sk, dst)) sk->sk_err_soft = EMSGSIZE;
  const uint8_t pmtudisc = inet_sk(sk)->pmtudisc;
  const bool accepts_pmtu = pmtudisc != kIpPmtudiscInterface && pmtudisc != kIpPmtudiscOmit;
  if (pmtudisc != kIpPmtudiscDont && accepts_pmtu && inet_csk(sk)->icsk_pmtu_cookie > path_mtu) {
    tcp_sync_mss(sk, path_mtu);
    // The segment that was too big is lost for certain.
    tcp_simple_retransmit(sk);
  }
}

}  // namespace tapedeck
