// Segments that the host itself sends over IPv6 (tcp_v6_send_response), and their checksum.
#include <cstddef>
#include <cstring>

#include "stack/core/net.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_ipv6.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_reply.h"
#include "stack/tcp/tcp_segment.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

// rt6_need_strict: addresses that mean nothing without a device.
bool NeedsDevice(const Ipv6Address& address) {
  return (ipv6_addr_type(address) &
          (IPV6_ADDR_MULTICAST | IPV6_ADDR_LINKLOCAL | IPV6_ADDR_LOOPBACK)) != 0;
}

flowi6 ReplyFlowV6(const sk_buff* skb, const tcp_reply_sender& sender) {
  const wire::Ipv6Header* const hdr = ipv6_hdr(skb);
  const wire::TcpHeader* const th = tcp_hdr(skb);
  flowi6 fl6;
  fl6.daddr = hdr->saddr;
  fl6.saddr = hdr->daddr;
  fl6.flowlabel = sender.flowlabel;
  fl6.proto = wire::kIpProtoTcp;
  const bool strict = NeedsDevice(fl6.daddr) && sender.bound_dev_if == 0;
  fl6.oif = strict ? tcp_iif(skb) : sender.bound_dev_if;
  const bool reflect_mark = net_ipv6(*skb->owner).settings.fwmark_reflect != 0;
  fl6.mark = reflect_mark && skb->mark != 0 ? skb->mark : sender.mark;
  fl6.dport = th->source;
  fl6.sport = th->dest;
  return fl6;
}

}  // namespace

bool tcp_v6_send_reply(sk_buff* skb, std::span<const uint8_t> segment,
                       const tcp_reply_sender& sender, uint8_t tclass) {
  net& net = *skb->owner;
  sk_buff* const reply = alloc_skb(net, MAX_TCP_HEADER);
  if (reply == nullptr) return false;
  skb_reserve(reply, MAX_TCP_HEADER);
  std::memcpy(skb_push(reply, static_cast<uint32_t>(segment.size())), segment.data(),
              segment.size());
  skb_reset_transport_header(reply);
  flowi6 fl6 = ReplyFlowV6(skb, sender);
  reply->ip_summed = CHECKSUM_PARTIAL;
  __tcp_v6_send_check(reply, fl6.saddr, fl6.daddr);
  if (sender.txhash != 0) skb_set_hash(reply, sender.txhash, true);

  inet_sock* const ctl_sk = net_tcp(net).control_sk6;
  const sock* const routed_for = sender.sk != nullptr ? sender.sk : ctl_sk;
  int err = 0;
  dst_entry* const dst = ip6_dst_lookup_flow(net, routed_for, &fl6, nullptr, &err);
  if (dst == nullptr) {
    kfree_skb_reason(reply, SKB_DROP_REASON_IP_OUTNOROUTES);
    return false;
  }
  skb_dst_set(reply, dst);
  ip6_xmit(ctl_sk, reply, &fl6, fl6.mark, nullptr, tclass, sender.priority);
  TCP_INC_STATS(net, TcpMib::kOutSegs);
  return true;
}

void __tcp_v6_send_check(sk_buff* skb, const Ipv6Address& saddr, const Ipv6Address& daddr) {
  auto* const th = reinterpret_cast<wire::TcpHeader*>(
      skb_writable(skb, skb_transport_header(skb), sizeof(wire::TcpHeader)));
  th->check = static_cast<uint16_t>(
      csum_ipv6_nofold(saddr.bytes(), daddr.bytes(), skb->len, wire::kIpProtoTcp, 0));
  skb->csum_start = skb->transport_header;
  skb->csum_offset = offsetof(wire::TcpHeader, check);
}

}  // namespace tapedeck
