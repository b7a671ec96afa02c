// Segments that the host itself sends over IPv4, and their checksum.
#include <cstddef>

#include "stack/core/net.h"
#include "stack/ipv4/ip.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_reply.h"
#include "stack/tcp/tcp_segment.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {

bool tcp_v4_send_reply(sk_buff* skb, std::span<const uint8_t> segment,
                       const tcp_reply_sender& sender, uint8_t tos) {
  net& net = *skb->owner;
  const wire::Ipv4Header* const iph = ip_hdr(skb);
  const auto bytes = static_cast<uint32_t>(segment.size());
  ip_reply_arg arg;
  arg.data = segment.data();
  arg.len = bytes;
  arg.csum = csum_tcpudp_nofold(iph->daddr.wire(), iph->saddr.wire(), bytes, wire::kIpProtoTcp, 0);
  arg.csumoffset = offsetof(wire::TcpHeader, check);
  arg.bound_dev_if = sender.bound_dev_if;
  arg.tos = tos;
  arg.flags = sender.transparent ? uint8_t{FLOWI_FLAG_ANYSRC} : uint8_t{0};
  inet_sock* const ctl_sk = net_tcp(net).control_sk;
  ctl_sk->sk_mark = sender.mark;
  ctl_sk->sk_priority = sender.priority;
  ip_send_unicast_reply(ctl_sk, skb, tcp_v4_ipcb(skb)->opt, iph->saddr, iph->daddr, arg, bytes);
  TCP_INC_STATS(net, TcpMib::kOutSegs);
  return true;
}

void __tcp_v4_send_check(sk_buff* skb, Ipv4Address saddr, Ipv4Address daddr) {
  auto* const th = reinterpret_cast<wire::TcpHeader*>(
      skb_writable(skb, skb_transport_header(skb), sizeof(wire::TcpHeader)));
  th->check = static_cast<uint16_t>(
      csum_tcpudp_nofold(saddr.wire(), daddr.wire(), skb->len, wire::kIpProtoTcp, 0));
  skb->csum_start = skb->transport_header;
  skb->csum_offset = offsetof(wire::TcpHeader, check);
}

}  // namespace tapedeck
