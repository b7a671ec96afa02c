// Datagrams put together from pieces (ip6_append_data, ip6_make_skb and their kin in
// net/ipv6/ip6_output.c): stack/ipv4/cork_append.h with IPv6's limits and headers.
#include <algorithm>
#include <cerrno>

#include "stack/core/net.h"
#include "stack/core/uapi.h"
#include "stack/ipv4/cork_append.h"
#include "stack/ipv6/datagram.h"
#include "stack/ipv6/icmpv6.h"
#include "stack/ipv6/ip6_internal.h"
#include "stack/ipv6/ipv6.h"

namespace tapedeck {

namespace {

// Takes over what the call says, with references of its own.
void SetUpCork(sock* sk, inet_cork_full* full, const ipcm6_cookie* ipc6, rt6_info* rt) {
  const ipv6_pinfo* const np = inet6_sk(sk);
  inet_cork* const cork = &full->base;
  *cork = inet_cork{};
  dst_hold(rt);
  cork->dst = rt;
  full->base6.opt = ipc6->opt;
  if (ipc6->opt != nullptr) ++ipc6->opt->refcnt;
  full->base6.hop_limit = static_cast<uint8_t>(ipc6->hlimit);
  full->base6.tclass = static_cast<uint8_t>(ipc6->tclass);
  full->base6.dontfrag = ipc6->dontfrag > 0;
  uint32_t mtu = np->pmtudisc >= kIpPmtudiscProbe ? rt->dev->mtu : dst_mtu(rt);
  if (np->frag_size != 0) mtu = std::min(mtu, np->frag_size);
  if (sk->sk_protocol == wire::kIpProtoUdp) mtu = std::min(mtu, kIpv6PacketMax);
  cork->fragsize = mtu;
  cork->gso_size = ipc6->gso_size;
  cork_take_sockc(cork, ipc6->sockc);
}

void ReleaseCork(net& net, inet_cork_full* full) {
  txopt_put(net, full->base6.opt);
  full->base6.opt = nullptr;
  dst_release(full->base.dst);
  full->base.dst = nullptr;
}

void FlushPendingFrames(net& net, sk_buff_head* queue, inet_cork_full* full) {
  while (sk_buff* const skb = __skb_dequeue_tail(queue)) consume_skb(skb);
  ReleaseCork(net, full);
}

// Protocols whose datagrams IPV6_DONTFRAG keeps whole.
bool MindsDontFrag(const sock* sk) {
  return sk->sk_protocol == wire::kIpProtoUdp || sk->sk_protocol == wire::kIpProtoIcmpv6 ||
         sk->sk_protocol == wire::kIpProtoRaw;
}

// Whether the datagram may grow by `length`. `all_headers`: with the first fragment's options.
bool MayGrow(sock* sk, const inet_cork_full* full, const CorkGeometry& geometry,
             uint32_t all_headers, uint32_t length, uint32_t transhdrlen) {
  const uint32_t mtu = geometry.mtu;
  if (mtu <= geometry.header_bytes ||
      ((mtu - geometry.header_bytes) & ~7U) + geometry.header_bytes <=
          wire::kIpv6FragmentHeaderBytes) {
    return false;
  }
  // RFC 7112 5: all headers are in the first fragment.
  if (all_headers + transhdrlen > mtu) return false;
  const uint64_t total = uint64_t{full->base.length} + length;
  if (full->base6.dontfrag && MindsDontFrag(sk) && total > mtu - all_headers) {
    ipv6_local_rxpmtu(sk, &full->fl.ip6, mtu - all_headers + wire::kIpv6HeaderBytes);
    return false;
  }
  const uint32_t largest = ip6_sk_ignore_df(sk) ? kIpv6PacketMax : mtu;
  return total <= largest - std::min(largest, all_headers);
}

// Adds the bytes of one call; `length` and `transhdrlen` with the options behind a fragment header.
int Append(sock* sk, sk_buff_head* queue, inet_cork_full* full, ip_getfrag_t getfrag, void* from,
           uint32_t length, uint32_t transhdrlen, uint32_t flags) {
  inet_cork* const cork = &full->base;
  const ipv6_txoptions* const opt = full->base6.opt;
  const uint32_t first_bytes = opt != nullptr ? opt->opt_flen : 0U;
  const uint32_t header_bytes = wire::kIpv6HeaderBytes + (opt != nullptr ? opt->opt_nflen : 0U);
  const uint32_t all_headers = header_bytes + first_bytes;
  const bool plain_udp =
      sk->sk_protocol == wire::kIpProtoUdp && all_headers == wire::kIpv6HeaderBytes;
  const CorkGeometry geometry{
      .mtu = cork->gso_size != 0 ? kIpv6PacketMax : cork->fragsize,
      .header_bytes = header_bytes,
      .fragment_header_bytes = wire::kIpv6FragmentHeaderBytes,
      .first_bytes = first_bytes,
      .spare_bytes = 0,
      .csum_features = plain_udp ? NETIF_F_HW_CSUM | NETIF_F_IPV6_CSUM : netdev_features_t{0}};
  if (!MayGrow(sk, full, geometry, all_headers, length, transhdrlen)) {
    const uint32_t room = geometry.mtu + wire::kIpv6HeaderBytes;
    ipv6_local_error(sk, EMSGSIZE, &full->fl.ip6, room > all_headers ? room - all_headers : 0);
    return -EMSGSIZE;
  }
  const int err = cork_append({.sk = sk,
                               .queue = queue,
                               .cork = cork,
                               .getfrag = getfrag,
                               .from = from,
                               .length = length,
                               .transhdrlen = transhdrlen,
                               .flags = flags,
                               .geometry = geometry});
  if (err != 0) sk->sk_net.ip6_mib.Inc(Ip6Mib::kOutDiscards);
  return err;
}

// The type of an outgoing ICMPv6 message. Raw sockets, ours among them, say it in the flow: the
// message's own first byte need not be linear.
void CountIcmpv6(net& net, const sock* sk, const sk_buff* skb, const flowi6& fl6) {
  const bool raw = sk->sk_socket == nullptr || sk->sk_type == SOCK_RAW;
  const bool in_flow = raw && (fl6.flags & FLOWI_FLAG_KNOWN_NH) == 0;
  icmp6_out_count(net, in_flow ? fl6.icmp_type : icmp6_hdr(skb)->type);
}

}  // namespace

int ip6_append_data(sock* sk, ip_getfrag_t getfrag, void* from, uint32_t length,
                    uint32_t transhdrlen, ipcm6_cookie* ipc6, flowi6* fl6, rt6_info* rt,
                    uint32_t flags) {
  if ((flags & MSG_PROBE) != 0) return 0;
  inet_cork_full* const full = &inet_sk(sk)->cork;
  if (skb_queue_empty(&sk->sk_write_queue)) {
    SetUpCork(sk, full, ipc6, rt);
    full->fl.ip6 = *fl6;
    const uint32_t first_bytes = ipc6->opt != nullptr ? ipc6->opt->opt_flen : 0U;
    length += first_bytes;
    transhdrlen += first_bytes;
  } else {
    transhdrlen = 0;
  }
  return Append(sk, &sk->sk_write_queue, full, getfrag, from, length, transhdrlen, flags);
}

sk_buff* __ip6_make_skb(sock* sk, sk_buff_head* queue, inet_cork_full* full) {
  net& net = sk->sk_net;
  sk_buff* const skb = cork_join(queue);
  if (skb == nullptr) return nullptr;
  const flowi6& fl6 = full->fl.ip6;
  skb->ignore_df = ip6_sk_ignore_df(sk);
  __skb_pull(skb, skb_network_header_len(skb));
  uint8_t proto = fl6.proto;
  Ipv6Address first_hop = fl6.daddr;
  const ipv6_txoptions* const opt = full->base6.opt;
  if (opt != nullptr) {
    if (opt->opt_flen != 0) ipv6_push_frag_opts(skb, opt, &proto);
    if (opt->opt_nflen != 0) ipv6_push_nfrag_opts(skb, opt, &proto, &first_hop, &fl6.saddr);
  }
  auto* const hdr = reinterpret_cast<wire::Ipv6Header*>(skb_push(skb, wire::kIpv6HeaderBytes));
  skb_reset_network_header(skb);
  hdr->set_class_and_flow(full->base6.tclass, ip6_make_flowlabel(net, skb, fl6.flowlabel,
                                                                 ip6_autoflowlabel(net, sk), fl6));
  hdr->payload_len = uint16_t{0};
  hdr->nexthdr = proto;
  hdr->hop_limit = full->base6.hop_limit;
  hdr->saddr = fl6.saddr;
  hdr->daddr = first_hop;
  *IP6CB(skb) = inet6_skb_parm{};
  skb->priority = full->base.priority;
  skb->mark = full->base.mark;
  skb->tstamp = full->base.transmit_time;
  // The packet takes over the cork's reference.
  skb_dst_set(skb, full->base.dst);
  full->base.dst = nullptr;
  net.ip6_mib.Inc(Ip6Mib::kOutRequests);
  if (proto == wire::kIpProtoIcmpv6) CountIcmpv6(net, sk, skb, fl6);
  ReleaseCork(net, full);
  return skb;
}

int ip6_send_skb(sk_buff* skb) {
  net& net = *skb->owner;
  int err = ip6_local_out(net, skb->sk, skb);
  if (err > 0) err = net_xmit_errno(err);
  if (err != 0) net.ip6_mib.Inc(Ip6Mib::kOutDiscards);
  return err;
}

int ip6_push_pending_frames(sock* sk) {
  sk_buff* const skb = ip6_finish_skb(sk);
  return skb == nullptr ? 0 : ip6_send_skb(skb);
}

void ip6_flush_pending_frames(sock* sk) {
  FlushPendingFrames(sk->sk_net, &sk->sk_write_queue, &inet_sk(sk)->cork);
}

sk_buff* ip6_make_skb(sock* sk, ip_getfrag_t getfrag, void* from, uint32_t length,
                      uint32_t transhdrlen, ipcm6_cookie* ipc6, rt6_info* rt, uint32_t flags,
                      inet_cork_full* cork, int* err) {
  TRACE_FUNCTION(sk->sk_net, nullptr, ip6_make_skb, sk, getfrag, from, length, transhdrlen, ipc6,
                 rt, flags, cork, err);
  *err = 0;
  if ((flags & MSG_PROBE) != 0) return nullptr;
  const uint32_t first_bytes = ipc6->opt != nullptr ? ipc6->opt->opt_flen : 0U;
  sk_buff_head queue;
  SetUpCork(sk, cork, ipc6, rt);
  *err = Append(sk, &queue, cork, getfrag, from, length + first_bytes, transhdrlen + first_bytes,
                flags);
  if (*err != 0) {
    FlushPendingFrames(sk->sk_net, &queue, cork);
    return nullptr;
  }
  return __ip6_make_skb(sk, &queue, cork);
}

}  // namespace tapedeck
