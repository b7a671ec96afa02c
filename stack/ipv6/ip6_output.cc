// From a transport's segment to the neighbour (net/ipv6/ip6_output.c, output_core.c). Datagrams
// that are put together piece by piece are in ip6_append.cc, fragments in ip6_output_fragment.cc.
#include <bit>
#include <cerrno>

#include "stack/base/hash.h"
#include "stack/core/dev_loopback.h"
#include "stack/core/gso.h"
#include "stack/core/neighbour.h"
#include "stack/core/net.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/datagram.h"
#include "stack/ipv6/ip6_internal.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/mcast.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/wire/ethernet.h"

namespace tapedeck {

namespace {

// net/ipv6/auto_flowlabels.
enum : int32_t {
  IP6_AUTO_FLOW_LABEL_OFF,
  IP6_AUTO_FLOW_LABEL_OPTOUT,
  IP6_AUTO_FLOW_LABEL_OPTIN,
  IP6_AUTO_FLOW_LABEL_FORCED,
};
// With net/ipv6/flowlabel_state_ranges: labels that nobody leased.
constexpr uint32_t IPV6_FLOWLABEL_STATELESS_FLAG = 0x00080000;

// A packet to a group: members on this host get a copy. False where it goes no further.
bool OutputToGroup(net& net, sock* sk, sk_buff* skb) {
  const wire::Ipv6Header& hdr = *ipv6_hdr(skb);
  const net_device* const dev = skb->dst->dev;
  const bool loopback = (dev->flags & IFF_LOOPBACK) != 0;
  if (!loopback && sk_mc_loop(sk) && ipv6_chk_mcast_addr(dev, hdr.daddr, &hdr.saddr)) {
    sk_buff* const copy = skb_clone(skb);
    if (copy != nullptr) dev_loopback_xmit(copy);
    if (hdr.hop_limit == 0) {
      net.ip6_mib.Inc(Ip6Mib::kOutDiscards);
      kfree_skb(skb);
      return false;
    }
  }
  net.ip6_mib.Inc(Ip6Mib::kOutMcastPkts);
  net.ip6_mib.Add(Ip6Mib::kOutMcastOctets, skb->len);
  if ((hdr.daddr.bytes()[1] & 0x0f) <= kScopeInterfaceLocal && !loopback) {
    kfree_skb(skb);
    return false;
  }
  return true;
}

int ip6_finish_output2(net& net, sock* sk, sk_buff* skb) {
  TRACE_FUNCTION(net, skb, ip6_finish_output2, net, sk, skb);
  const rt6_info* const rt = skb_rt6_info(skb);
  net_device* const dev = rt->dev;
  const uint32_t room = LL_RESERVED_SPACE(dev);
  if (skb_headroom(skb) < room && dev->header_ops != nullptr) {
    skb = skb_expand_head(skb, room);
    if (skb == nullptr) {
      net.ip6_mib.Inc(Ip6Mib::kOutDiscards);
      return -ENOMEM;
    }
  }
  if (ipv6_addr_is_multicast(ipv6_hdr(skb)->daddr) && !OutputToGroup(net, sk, skb)) return 0;
  net.ip6_mib.Inc(Ip6Mib::kOutTransmits);
  net.ip6_mib.Add(Ip6Mib::kOutOctets, skb->len);
  const Ipv6Address& nexthop = rt6_nexthop(rt, ipv6_hdr(skb)->daddr);
  neighbour* const neigh = neigh_create_noref(net.nd_tbl, nexthop.bytes().data(), dev);
  if (neigh == nullptr) {
    net.ip6_mib.Inc(Ip6Mib::kOutNoRoutes);
    kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_CREATEFAIL);
    return -EINVAL;
  }
  if (skb->dst_pending_confirm) {
    skb->dst_pending_confirm = false;
    neigh_confirm(neigh);
  }
  return neigh_output(neigh, skb, false);
}

// A packet that the device, or the device layer, will cut into segments. They fit, unless the path
// has become narrower since or the packet is forwarded: then it is cut here, and fragmented. A last
// segment that fits stays whole: a fragment header would make it an atomic fragment (RFC 8021).
int ip6_finish_output_gso(net& net, sock* sk, sk_buff* skb, uint32_t mtu) {
  if (skb_gso_validate_network_len(skb, mtu)) return ip6_finish_output2(net, sk, skb);
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
    const int err = seg->len > mtu ? ip6_fragment(net, sk, seg, ip6_finish_output2)
                                   : ip6_finish_output2(net, sk, seg);
    if (err != 0 && ret == 0) ret = err;
    seg = next;
  }
  return ret;
}

int ip6_finish_output(net& net, sock* sk, sk_buff* skb) {
  const uint32_t mtu = ip6_skb_dst_mtu(skb);
  if (skb_is_gso(skb)) return ip6_finish_output_gso(net, sk, skb, mtu);
  const uint32_t frag_max_size = IP6CB(skb)->frag_max_size;
  if (skb->len > mtu || (frag_max_size != 0 && skb->len > frag_max_size)) {
    return ip6_fragment(net, sk, skb, ip6_finish_output2);
  }
  return ip6_finish_output2(net, sk, skb);
}

// skb_get_hash_flowi6: the transport's hash of the flow, else one of addresses and ports.
uint32_t HashOfFlow(net& net, const sk_buff* skb, const flowi6& fl6) {
  if (skb->hash != 0) return skb->hash;
  const Ipv6Address& s = fl6.saddr;
  const Ipv6Address& d = fl6.daddr;
  // A message's type and code lie where other protocols have the source port (struct flowi_uli).
  const bool icmp = fl6.proto == wire::kIpProtoIcmpv6;
  const uint32_t ports = icmp ? uint32_t{fl6.icmp_type} << 24 | uint32_t{fl6.icmp_code} << 16
                              : uint32_t{fl6.sport.host()} << 16 | fl6.dport.host();
  const uint32_t words[] = {s.word(0), s.word(1), s.word(2), s.word(3), d.word(0),
                            d.word(1), d.word(2), d.word(3), ports,     fl6.proto};
  const auto hash = static_cast<uint32_t>(SipHash24(words, net_ipv6(net).ip_id_key));
  return hash != 0 ? hash : 1;
}

// The fields of the header that ip6_xmit and ip6_forward's kin do not share with datagrams.
uint8_t HopLimitOfSocket(const sock* sk, const dst_entry* dst) {
  const ipv6_pinfo* const np = inet6_sk(sk);
  return np != nullptr && np->hop_limit >= 0 ? static_cast<uint8_t>(np->hop_limit)
                                             : ip6_dst_hoplimit(dst);
}

// Puts the options' headers before the segment; *proto becomes the first of them, *first_hop where
// the packet goes.
void PushOptions(sk_buff* skb, const ipv6_txoptions* opt, const flowi6& fl6, uint8_t* proto,
                 Ipv6Address* first_hop) {
  if (opt->opt_flen != 0) ipv6_push_frag_opts(skb, opt, proto);
  if (opt->opt_nflen != 0) ipv6_push_nfrag_opts(skb, opt, proto, first_hop, &fl6.saddr);
}

}  // namespace

int __ip6_local_out(net& /*net*/, sock* /*sk*/, sk_buff* skb) {
  const uint32_t payload = skb->len - static_cast<uint32_t>(sizeof(wire::Ipv6Header));
  ipv6_hdr_writable(skb)->payload_len =
      payload <= kIpv6PayloadMax ? static_cast<uint16_t>(payload) : uint16_t{0};
  IP6CB(skb)->nhoff = offsetof(wire::Ipv6Header, nexthdr);
  skb->protocol = wire::kEtherTypeIpv6;
  return 1;
}

int ip6_local_out(net& net, sock* sk, sk_buff* skb) {
  TRACE_FUNCTION(net, skb, ip6_local_out, net, sk, skb);
  const int err = __ip6_local_out(net, sk, skb);
  return err == 1 ? dst_output(net, sk, skb) : err;
}

int ip6_output(net& net, sock* sk, sk_buff* skb) {
  TRACE_FUNCTION(net, skb, ip6_output, net, sk, skb);
  net.Charge(CostPoint::k_ip_output);
  const inet6_dev* const idev = ip6_dst_idev(skb->dst);
  skb->protocol = wire::kEtherTypeIpv6;
  skb->dev = skb->dst->dev;
  if (idev == nullptr || idev->cnf->disable_ipv6 != 0) {
    net.ip6_mib.Inc(Ip6Mib::kOutDiscards);
    kfree_skb_reason(skb, SKB_DROP_REASON_IPV6_DISABLED);
    return 0;
  }
  return ip6_finish_output(net, sk, skb);
}

int ip6_xmit(const sock* sk, sk_buff* skb, flowi6* fl6, uint32_t mark, const ipv6_txoptions* opt,
             uint8_t tclass, uint32_t priority) {
  net& net = sk->sk_net;
  TRACE_FUNCTION(net, skb, ip6_xmit, sk, skb, fl6, mark, opt, tclass, priority);
  const uint32_t option_bytes = opt != nullptr ? uint32_t{opt->opt_flen} + opt->opt_nflen : 0;
  const auto header_bytes = static_cast<uint32_t>(sizeof(wire::Ipv6Header));
  const uint32_t room = header_bytes + LL_RESERVED_SPACE(skb->dst->dev) + option_bytes;
  if (skb_headroom(skb) < room) {
    skb = skb_expand_head(skb, room);
    if (skb == nullptr) {
      net.ip6_mib.Inc(Ip6Mib::kOutDiscards);
      return -ENOBUFS;
    }
  }
  uint8_t proto = fl6->proto;
  Ipv6Address first_hop = fl6->daddr;
  if (opt != nullptr) PushOptions(skb, opt, *fl6, &proto, &first_hop);
  const uint32_t payload = skb->len;
  auto* const hdr = reinterpret_cast<wire::Ipv6Header*>(skb_push(skb, header_bytes));
  skb_reset_network_header(skb);
  hdr->set_class_and_flow(
      tclass, ip6_make_flowlabel(net, skb, fl6->flowlabel, ip6_autoflowlabel(net, sk), *fl6));
  hdr->payload_len = payload <= kIpv6PayloadMax ? static_cast<uint16_t>(payload) : uint16_t{0};
  hdr->nexthdr = proto;
  hdr->hop_limit = HopLimitOfSocket(sk, skb->dst);
  hdr->saddr = fl6->saddr;
  hdr->daddr = first_hop;
  skb->protocol = wire::kEtherTypeIpv6;
  skb->priority = priority;
  skb->mark = mark;
  auto* const sender = const_cast<sock*>(sk);
  const uint32_t mtu = dst_mtu(skb->dst);
  if (skb->len <= mtu || skb->ignore_df || skb_is_gso(skb)) {
    net.ip6_mib.Inc(Ip6Mib::kOutRequests);
    return dst_output(net, sender, skb);
  }
  skb->dev = skb->dst->dev;
  ipv6_local_error(sender, EMSGSIZE, fl6, mtu);
  net.ip6_mib.Inc(Ip6Mib::kFragFails);
  kfree_skb_reason(skb, SKB_DROP_REASON_PKT_TOO_BIG);
  return -EMSGSIZE;
}

uint32_t ipv6_select_ident(net& net, const Ipv6Address& /*daddr*/, const Ipv6Address& /*saddr*/) {
  // Random, and never 0, which some take for "no fragment".
  for (;;) {
    const uint32_t id = net_ipv6(net).prng.Next32();
    if (id != 0) return id;
  }
}

bool ip6_autoflowlabel(net& net, const sock* sk) {
  const ipv6_pinfo* const np = sk != nullptr ? inet6_sk(sk) : nullptr;
  if (np != nullptr && np->autoflowlabel_set) return np->autoflowlabel;
  const int32_t mode = net_ipv6(net).settings.auto_flowlabels;
  return mode == IP6_AUTO_FLOW_LABEL_OPTOUT || mode == IP6_AUTO_FLOW_LABEL_FORCED;
}

uint32_t ip6_make_flowlabel(net& net, const sk_buff* skb, uint32_t flowlabel, bool autolabel,
                            const flowi6& fl6) {
  flowlabel &= IPV6_FLOWLABEL_MASK;
  if (flowlabel != 0) return flowlabel;
  const ipv6_settings& settings = net_ipv6(net).settings;
  if (settings.auto_flowlabels == IP6_AUTO_FLOW_LABEL_OFF ||
      (!autolabel && settings.auto_flowlabels != IP6_AUTO_FLOW_LABEL_FORCED)) {
    return 0;
  }
  // Rotated, so that the bits that choose queues do not go over the wire as they are.
  flowlabel = std::rotl(HashOfFlow(net, skb, fl6), 16) & IPV6_FLOWLABEL_MASK;
  if (settings.flowlabel_state_ranges != 0) flowlabel |= IPV6_FLOWLABEL_STATELESS_FLAG;
  return flowlabel;
}

uint8_t ip6_sk_dst_hoplimit(const ipv6_pinfo* np, const flowi6& fl6, const dst_entry* dst) {
  const int hops = ipv6_addr_is_multicast(fl6.daddr) ? np->mcast_hops : np->hop_limit;
  return hops >= 0 ? static_cast<uint8_t>(hops) : ip6_dst_hoplimit(dst);
}

}  // namespace tapedeck
