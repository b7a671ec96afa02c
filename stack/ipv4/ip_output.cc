// From a transport's segment to the neighbour (net/ipv4/ip_output.c). Datagrams that are put
// together piece by piece are in ip_append.cc, fragments in ip_output_fragment.cc.
#include <cerrno>
#include <cstring>

#include "stack/base/checksum.h"
#include "stack/core/dev_loopback.h"
#include "stack/core/gso.h"
#include "stack/core/neighbour.h"
#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/ipv4/arp.h"
#include "stack/ipv4/icmp.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/ip_internal.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/wire/ethernet.h"

namespace tapedeck {

namespace {

// A copy of what we send comes in again, with a route that delivers it here (ip_mc_finish_output,
// dev_loopback_xmit).
void LoopBack(net& net, sk_buff* skb) {
  sk_buff* const copy = skb_clone(skb);
  if (copy == nullptr) return;
  // rt_iif is not the device's here: a receiver sees the packet as come in by the device it left
  // by.
  if (net.loopback_dev != nullptr) {
    rtable* const rt = rt_dst_clone(net.loopback_dev, skb_rtable(copy));
    if (rt != nullptr) {
      rt->rt_iif = 0;
      skb_dst_drop(copy);
      skb_dst_set(copy, rt);
    }
  }
  dev_loopback_xmit(copy);
}

void CountOutput(net& net, const sk_buff* skb, uint8_t rt_type) {
  Mib<IpExtMib>& mib = net.ip_ext_mib;
  if (rt_type == RTN_MULTICAST) {
    mib.Inc(IpExtMib::kOutMcastPkts);
    mib.Add(IpExtMib::kOutMcastOctets, skb->len);
  } else if (rt_type == RTN_BROADCAST) {
    mib.Inc(IpExtMib::kOutBcastPkts);
    mib.Add(IpExtMib::kOutBcastOctets, skb->len);
  }
  mib.Inc(IpExtMib::kOutTransmits);
  mib.Add(IpExtMib::kOutOctets, skb->len);
}

int ip_finish_output2(net& net, sock* sk, sk_buff* skb) {
  TRACE_FUNCTION(net, skb, ip_finish_output2, net, sk, skb);
  const rtable* const rt = skb_rtable(skb);
  net_device* const dev = rt->dev;
  CountOutput(net, skb, rt->rt_type);
  const uint32_t room = LL_RESERVED_SPACE(dev);
  if (skb_headroom(skb) < room && dev->header_ops != nullptr) {
    skb = skb_expand_head(skb, room);
    if (skb == nullptr) return -ENOMEM;
  }
  neighbour* const neigh = ip_neigh_gw4(dev, rt_nexthop(rt, ip_hdr(skb)->daddr));
  if (neigh == nullptr) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_CREATEFAIL);
    return -EINVAL;
  }
  if (skb->dst_pending_confirm) {
    skb->dst_pending_confirm = false;
    neigh_confirm(neigh);
  }
  return neigh_output(neigh, skb, false);
}

// Sends in pieces what does not fit, or tells the sender that it may not be cut.
int ip_fragment(net& net, sock* sk, sk_buff* skb, uint32_t mtu) {
  const uint32_t frag_max_size = IPCB(skb)->frag_max_size;
  const bool may_cut = !ip_hdr(skb)->dont_fragment() ||
                       (skb->ignore_df && (frag_max_size == 0 || frag_max_size <= mtu));
  if (may_cut) return ip_do_fragment(net, sk, skb, ip_finish_output2);
  net.ip_mib.Inc(IpMib::kFragFails);
  icmp_send(skb, wire::kIcmpDestUnreachable, wire::kIcmpFragmentationNeeded, mtu);
  kfree_skb_reason(skb, SKB_DROP_REASON_PKT_TOO_BIG);
  return -EMSGSIZE;
}

// A packet that the device, or the device layer, will cut into segments. They fit, unless the path
// has become narrower since or the packet is forwarded: then it is cut here, and fragmented.
int ip_finish_output_gso(net& net, sock* sk, sk_buff* skb, uint32_t mtu) {
  if (skb_gso_validate_network_len(skb, mtu)) return ip_finish_output2(net, sk, skb);
  const GsoResult result = skb_gso_segment(skb, skb->dev->features & ~NETIF_F_GSO_MASK);
  if (result.segs == nullptr) {
    kfree_skb_reason(skb, SKB_DROP_REASON_SKB_GSO_SEG);
    return -ENOMEM;
  }
  consume_skb(skb);
  int ret = 0;
  for (sk_buff* seg = result.segs; seg != nullptr;) {
    sk_buff* const next = seg->next;
    seg->next = nullptr;
    const int err = ip_fragment(net, sk, seg, mtu);
    if (err != 0 && ret == 0) ret = err;
    seg = next;
  }
  return ret;
}

int ip_finish_output(net& net, sock* sk, sk_buff* skb) {
  const uint32_t mtu = ip_skb_dst_mtu(sk, skb);
  if (skb_is_gso(skb)) return ip_finish_output_gso(net, sk, skb, mtu);
  if (skb->len > mtu || IPCB(skb)->frag_max_size != 0) return ip_fragment(net, sk, skb, mtu);
  return ip_finish_output2(net, sk, skb);
}

// The fields that all headers of ours have.
wire::Ipv4Header* PushHeader(sk_buff* skb, uint32_t option_bytes, uint8_t tos, uint8_t ttl,
                             uint8_t protocol) {
  auto* const iph =
      reinterpret_cast<wire::Ipv4Header*>(skb_push(skb, wire::kIpv4HeaderBytes + option_bytes));
  skb_reset_network_header(skb);
  *iph = wire::Ipv4Header{};
  iph->set_ihl(static_cast<uint8_t>((wire::kIpv4HeaderBytes + option_bytes) / 4));
  iph->tos = tos;
  iph->ttl = ttl;
  iph->protocol = protocol;
  return iph;
}

// The socket's route while it is right, else a new one, which it keeps. nullptr where there is
// none.
rtable* RouteOfSocket(sock* sk, flowi4* flow, uint8_t tos) {
  dst_entry* const cached = sk_dst_check(sk, 0);
  if (cached != nullptr) return static_cast<rtable*>(cached);
  const inet_sock* const inet = inet_sk(sk);
  const Ipv4Address daddr = inet->has_opt && inet->inet_opt.opt.srr != 0 ? inet->inet_opt.opt.faddr
                                                                         : inet->inet_daddr.v4();
  *flow = flowi4_init_output(sk->sk_bound_dev_if, sk->sk_mark, tos, ip_sock_rt_scope(sk),
                             sk->sk_protocol, inet_sk_flowi_flags(sk), daddr, inet->inet_saddr.v4(),
                             inet->inet_dport, inet->inet_sport);
  int err = 0;
  rtable* const rt = ip_route_output_flow(sk->sk_net, flow, sk, &err);
  if (rt != nullptr) sk_setup_caps(sk, dst_clone(rt));
  return rt;
}

}  // namespace

bool sk_mc_loop(const sock* sk) {
  if (sk == nullptr) return true;
  return sk->sk_family == kAfInet6 ? inet_sk(sk)->mc6_loop : inet_sk(sk)->mc_loop;
}

bool ip_dont_fragment(const sock* sk, const dst_entry* dst) {
  const uint8_t pmtudisc = inet_sk(sk)->pmtudisc;
  return pmtudisc == kIpPmtudiscDo || (pmtudisc == kIpPmtudiscWant && !ip_mtu_locked(dst));
}

uint8_t ip_select_ttl(const inet_sock* inet, const dst_entry* dst) {
  return inet->uc_ttl >= 0 ? static_cast<uint8_t>(inet->uc_ttl) : ip4_dst_hoplimit(dst);
}

void ip_send_check(wire::Ipv4Header* iph) {
  iph->check = uint16_t{0};
  iph->check = ip_fast_csum(reinterpret_cast<const uint8_t*>(iph), iph->ihl());
}

int __ip_local_out(net& net, sock* /*sk*/, sk_buff* skb) {
  wire::Ipv4Header* const iph = ip_hdr_writable(skb);
  iph->tot_len = static_cast<uint16_t>(skb->len);
  ip_send_check(iph);
  net.ip_mib.Inc(IpMib::kOutRequests);
  skb->protocol = wire::kEtherTypeIpv4;
  return 1;
}

int ip_local_out(net& net, sock* sk, sk_buff* skb) {
  TRACE_FUNCTION(net, skb, ip_local_out, net, sk, skb);
  const int err = __ip_local_out(net, sk, skb);
  return err == 1 ? dst_output(net, sk, skb) : err;
}

int ip_output(net& net, sock* sk, sk_buff* skb) {
  TRACE_FUNCTION(net, skb, ip_output, net, sk, skb);
  net.Charge(CostPoint::k_ip_output);
  skb->dev = skb->dst->dev;
  skb->protocol = wire::kEtherTypeIpv4;
  return ip_finish_output(net, sk, skb);
}

int ip_mc_output(net& net, sock* sk, sk_buff* skb) {
  TRACE_FUNCTION(net, skb, ip_mc_output, net, sk, skb);
  const rtable* const rt = skb_rtable(skb);
  skb->dev = rt->dev;
  skb->protocol = wire::kEtherTypeIpv4;
  if ((rt->rt_flags & RTCF_MULTICAST) != 0) {
    if (sk_mc_loop(sk) && (rt->rt_flags & RTCF_LOCAL) != 0) LoopBack(net, skb);
    // A group's packet with TTL 0 stays on this host (RFC 1112 6.1).
    if (ip_hdr(skb)->ttl == 0) {
      consume_skb(skb);
      return 0;
    }
  }
  if ((rt->rt_flags & RTCF_BROADCAST) != 0) LoopBack(net, skb);
  net.Charge(CostPoint::k_ip_output);
  return ip_finish_output(net, sk, skb);
}

int __ip_queue_xmit(sock* sk, sk_buff* skb, flowi4* fl, uint8_t tos) {
  net& net = sk->sk_net;
  const inet_sock* const inet = inet_sk(sk);
  if (skb->dst == nullptr) skb->dst = RouteOfSocket(sk, fl, tos);
  const rtable* const rt = skb_rtable(skb);
  const uint32_t option_bytes = inet->has_opt ? inet->inet_opt.opt.optlen : 0;
  if (rt == nullptr ||
      (inet->has_opt && inet->inet_opt.opt.is_strictroute && rt->rt_uses_gateway)) {
    net.ip_mib.Inc(IpMib::kOutNoRoutes);
    kfree_skb_reason(skb, SKB_DROP_REASON_IP_OUTNOROUTES);
    return -EHOSTUNREACH;
  }
  wire::Ipv4Header* const iph =
      PushHeader(skb, option_bytes, tos, ip_select_ttl(inet, rt), sk->sk_protocol);
  if (ip_dont_fragment(sk, rt) && !skb->ignore_df) iph->frag_off = wire::kIpv4DontFragment;
  iph->saddr = fl->saddr;
  iph->daddr = fl->daddr;
  if (option_bytes != 0) ip_options_build(skb, inet->inet_opt, inet->inet_daddr.v4(), rt);
  const uint32_t segs = skb_shinfo(skb)->gso_segs;
  ip_select_ident_segs(net, iph, sk, skb->ignore_df, segs != 0 ? segs : 1);
  skb->priority = sk->sk_priority;
  skb->mark = sk->sk_mark;
  return ip_local_out(net, sk, skb);
}

int ip_queue_xmit(sock* sk, sk_buff* skb, flowi* fl) {
  TRACE_FUNCTION(*skb->owner, skb, ip_queue_xmit, sk, skb, fl);
  return __ip_queue_xmit(sk, skb, &fl->ip4, inet_sk(sk)->tos);
}

int ip_build_and_send_pkt(sk_buff* skb, const sock* sk, Ipv4Address saddr, Ipv4Address daddr,
                          const ip_options_data* opt, uint8_t tos) {
  net& net = *skb->owner;
  const rtable* const rt = skb_rtable(skb);
  const uint32_t option_bytes = opt != nullptr ? opt->opt.optlen : 0;
  wire::Ipv4Header* const iph =
      PushHeader(skb, option_bytes, tos, ip_select_ttl(inet_sk(sk), rt), sk->sk_protocol);
  iph->daddr = opt != nullptr && opt->opt.srr != 0 ? opt->opt.faddr : daddr;
  iph->saddr = saddr;
  // What every link carries whole needs no ID (RFC 6864).
  if (skb->len <= wire::kIpv4MinMtu || ip_dont_fragment(sk, rt)) {
    iph->frag_off = wire::kIpv4DontFragment;
  } else if (sk->sk_protocol == wire::kIpProtoTcp) {
    iph->id = static_cast<uint16_t>(net_ipv4(net).prng.Next32());
  } else {
    __ip_select_ident(net, iph, 1);
  }
  if (option_bytes != 0) ip_options_build(skb, *opt, daddr, rt);
  skb->priority = sk->sk_priority;
  if (skb->mark == 0) skb->mark = sk->sk_mark;
  return ip_local_out(net, skb->sk, skb);
}

int ip_send_skb(net& net, sk_buff* skb) {
  int err = ip_local_out(net, skb->sk, skb);
  if (err > 0) err = net_xmit_errno(err);
  if (err != 0) net.ip_mib.Inc(IpMib::kOutDiscards);
  return err;
}

void __ip_select_ident(net& net, wire::Ipv4Header* iph, uint32_t segs) {
  netns_ipv4& ns = net_ipv4(net);
  const uint32_t words[] = {iph->daddr.host(), iph->saddr.host(), iph->protocol};
  const auto bucket =
      static_cast<uint32_t>(SipHash24(words, ns.ip_id_key)) % netns_ipv4::kIdentBuckets;
  // Time that passed unused makes the next ID jump, so that nobody can count our packets by them.
  const auto now = static_cast<uint32_t>(net.jiffies());
  const uint32_t idle = now - ns.ip_tstamps[bucket];
  const uint32_t jump = idle != 0 ? ns.prng.Below(idle) : 0;
  ns.ip_tstamps[bucket] = now;
  ns.ip_idents[bucket] += segs + jump;
  iph->id = static_cast<uint16_t>(ns.ip_idents[bucket] - segs);
}

void ip_select_ident_segs(net& net, wire::Ipv4Header* iph, const sock* sk, bool ignore_df,
                          uint32_t segs) {
  // A connected socket has a sequence of its own, which no other destination can watch.
  if (sk != nullptr && inet_sk(sk)->inet_daddr.is_v4() && !inet_sk(sk)->inet_daddr.IsAny()) {
    auto* const inet = const_cast<inet_sock*>(inet_sk(sk));
    const uint16_t before = inet->inet_id;
    inet->inet_id = static_cast<uint16_t>(before + segs);
    iph->id = sk->sk_protocol == wire::kIpProtoTcp ? before : inet->inet_id;
    return;
  }
  if (iph->dont_fragment() && !ignore_df) {
    iph->id = uint16_t{0};
  } else {
    __ip_select_ident(net, iph, segs);
  }
}

}  // namespace tapedeck
