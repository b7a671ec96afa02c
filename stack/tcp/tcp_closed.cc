// Segments as IPv4 delivers them, and the reset that answers those without a connection.
#include <cerrno>

#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/ipv4/icmp.h"
#include "stack/ipv4/ip.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_sock.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

constexpr uint32_t kTcpHeaderBytes = sizeof(wire::TcpHeader);

// Why a segment may not be looked up; CONSUMED: it may. `*count_as_error`: it also counts in
// InErrs.
DropReason CheckSegment(net& net, sk_buff* skb, bool* count_as_error) {
  *count_as_error = false;
  if (skb->pkt_type != PACKET_HOST) {
    // RFC 9293 3.9.2.3: nobody connects to or from a group of hosts.
    const bool unicast = (skb_rtable(skb)->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) == 0;
    return unicast ? SKB_DROP_REASON_UNICAST_IN_L2_MULTICAST : SKB_DROP_REASON_IP_INVALID_DEST;
  }
  net.tcp_mib.Inc(TcpMib::kInSegs);
  if (!pskb_may_pull(skb, kTcpHeaderBytes)) return SKB_DROP_REASON_PKT_TOO_SMALL;
  const auto header_bytes = static_cast<uint32_t>(tcp_hdr(skb)->header_bytes());
  if (header_bytes < kTcpHeaderBytes) {
    *count_as_error = true;
    return SKB_DROP_REASON_PKT_TOO_SMALL;
  }
  if (!pskb_may_pull(skb, header_bytes)) return SKB_DROP_REASON_PKT_TOO_SMALL;
  return SKB_DROP_REASON_CONSUMED;
}

// Sum of the pseudo-header of a segment of `bytes` between two addresses.
wsum PseudoHeaderSum(Ipv4Address saddr, Ipv4Address daddr, uint32_t bytes) {
  return csum_tcpudp_nofold(saddr.wire(), daddr.wire(), bytes, wire::kIpProtoTcp, 0);
}

// The checksum of a whole segment. Resets are for right ones only, so it is computed here where
// nobody has before.
bool ChecksumWrong(sk_buff* skb) {
  if (skb_csum_unnecessary(skb)) return false;
  const wire::Ipv4Header* const iph = ip_hdr(skb);
  const wsum pseudo = PseudoHeaderSum(iph->saddr, iph->daddr, skb->len);
  return skb_checksum_validate(skb, true, false, tcp_hdr(skb)->check.host(), pseudo) != 0;
}

// RFC 9293 3.10.7.1: the reset that makes sense to the sender of `th`, followed by `payload_bytes`.
wire::TcpHeader ResetFor(const wire::TcpHeader& th, uint32_t payload_bytes) {
  wire::TcpHeader reset;
  reset.source = th.dest;
  reset.dest = th.source;
  reset.set_doff(kTcpHeaderBytes / 4);
  if (th.ack()) {
    reset.set_flags(wire::kTcpRst);
    reset.seq = th.ack_seq;
  } else {
    const SeqNum end = th.sequence() + payload_bytes + th.syn() + th.fin();
    reset.set_flags(wire::kTcpRst | wire::kTcpAck);
    reset.ack_seq = end.value();
  }
  return reset;
}

void SendReset(const sock* sk, sk_buff* skb) {
  net& net = *skb->owner;
  const wire::TcpHeader& th = *tcp_hdr(skb);
  if (th.rst()) return;
  if (sk == nullptr && skb_rtable(skb)->rt_type != RTN_LOCAL) return;

  const wire::TcpHeader reset = ResetFor(th, skb->len - static_cast<uint32_t>(th.header_bytes()));
  const wire::Ipv4Header* const iph = ip_hdr(skb);
  ip_reply_arg arg;
  arg.data = reinterpret_cast<const uint8_t*>(&reset);
  arg.len = sizeof(reset);
  arg.csum = PseudoHeaderSum(iph->daddr, iph->saddr, sizeof(reset));
  arg.csumoffset = offsetof(wire::TcpHeader, check);
  // Without a socket nobody knows what it was bound to; the route decides.
  arg.bound_dev_if = sk != nullptr ? sk->sk_bound_dev_if : 0;
  arg.tos = iph->tos;
  ip_send_unicast_reply(net_tcp(net).control_sk, skb, IPCB(skb)->opt, iph->saddr, iph->daddr, arg,
                        sizeof(reset));
  net.tcp_mib.Inc(TcpMib::kOutSegs);
  net.tcp_mib.Inc(TcpMib::kOutRsts);
}

}  // namespace

int tcp_v4_rcv_closed(sk_buff* skb) {
  net& net = *skb->owner;
  net.this_cpu().Charge(CostPoint::k_tcp_rcv);
  bool count_as_error = false;
  DropReason reason = CheckSegment(net, skb, &count_as_error);
  if (reason == SKB_DROP_REASON_CONSUMED) {
    if (ChecksumWrong(skb)) {
      net.tcp_mib.Inc(TcpMib::kInCsumErrors);
      count_as_error = true;
      reason = SKB_DROP_REASON_TCP_CSUM;
    } else {
      SendReset(nullptr, skb);
      reason = SKB_DROP_REASON_NO_SOCKET;
    }
  }
  if (count_as_error) net.tcp_mib.Inc(TcpMib::kInErrs);
  kfree_skb_reason(skb, reason);
  return 0;
}

int tcp_v4_err_closed(sk_buff* skb, uint32_t /*info*/) {
  // No connection has sent what the error is about.
  skb->owner->icmp_mib.Inc(IcmpMib::kInErrors);
  return -ENOENT;
}

}  // namespace tapedeck
