// Packets that are for somebody else (ip6_forward of net/ipv6/ip6_output.c; RFC 8200, RFC 4443).
#include <algorithm>
#include <cerrno>

#include "stack/core/gso.h"
#include "stack/core/neighbour.h"
#include "stack/core/net.h"
#include "stack/ipv4/inetpeer.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv6/icmpv6.h"
#include "stack/ipv6/ip6_internal.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/ndisc.h"
#include "stack/ipv6/netns_ipv6.h"

namespace tapedeck {

namespace {

int DropForward(sk_buff* skb, DropReason reason) {
  kfree_skb_reason(skb, reason);
  return -EINVAL;
}

int DropAddressError(net& net, sk_buff* skb) {
  net.ip6_mib.Inc(Ip6Mib::kInAddrErrors);
  return DropForward(skb, SKB_DROP_REASON_IP_INADDRERRORS);
}

bool ForwardingIsOn(net& net, const sk_buff* skb) {
  if (net_ipv6(net).devconf_all.forwarding != 0) return true;
  const net_device* const dev = dev_get_by_index(net, IP6CB(skb)->iif);
  const inet6_dev* const idev = dev != nullptr ? __in6_dev_get(dev) : nullptr;
  return idev != nullptr && idev->cnf->force_forwarding != 0;
}

// A packet with a router alert goes to the raw sockets that asked for its value, as it is.
bool ip6_call_ra_chain(sk_buff* skb, int value) {
  const raw6_hooks& raw = net_ipv6(*skb->owner).raw;
  return raw.router_alert != nullptr && raw.router_alert(skb, value);
}

bool IsNeighbourDiscovery(uint8_t type) {
  return type >= wire::kIcmpv6RouterSolicitation && type <= wire::kIcmpv6Redirect;
}

// What becomes of a packet to an address that we answer for.
enum class Proxied : uint8_t { kForward, kInput, kDrop };

// ip6_forward_proxy_check: neighbour discovery with the proxied address is for us; link-local
// addresses cannot be reached across a router.
Proxied CheckProxied(sk_buff* skb) {
  uint8_t nexthdr = ipv6_hdr(skb)->nexthdr;
  int offset = sizeof(wire::Ipv6Header);
  if (ipv6_ext_hdr(nexthdr)) {
    uint16_t frag_off = 0;
    offset = ipv6_skip_exthdr(skb, offset, &nexthdr, &frag_off);
    if (offset < 0) return Proxied::kForward;
  }
  if (nexthdr == wire::kIpProtoIcmpv6) {
    if (!pskb_may_pull(skb, static_cast<uint32_t>(skb_network_offset(skb) + offset + 1))) {
      return Proxied::kForward;
    }
    if (IsNeighbourDiscovery(skb_network_header(skb)[offset])) return Proxied::kInput;
  }
  if ((ipv6_addr_type(ipv6_hdr(skb)->daddr) & IPV6_ADDR_LINKLOCAL) != 0) {
    dst_link_failure(skb);
    return Proxied::kDrop;
  }
  return Proxied::kForward;
}

// The packet leaves by the link it came in on: the sender could have sent it to the next hop
// itself. Limited by destination here and by source in ndisc_send_redirect.
void SendRedirect(net& net, sk_buff* skb) {
  const rt6_info* const rt = skb_rt6_info(skb);
  const Ipv6Address& daddr = ipv6_hdr(skb)->daddr;
  const bool gateway = (rt->rt6i_flags & RTF_GATEWAY) != 0;
  netns_ipv4& ns4 = net_ipv4(net);
  inet_peer* const peer = inet_getpeer_v6(ns4.peers, daddr);
  const auto interval = static_cast<int32_t>(net.kernel.MsecsToJiffies(1000));
  if (peer != nullptr && inet_peer_xrlim_allow(ns4, peer, interval)) {
    ndisc_send_redirect(skb, gateway ? rt->rt6i_gateway : daddr);
  }
}

// Whether the source means anything on the next link; the sender is told where it does not.
bool SourceMayPass(sk_buff* skb) {
  const uint32_t type = ipv6_addr_type(ipv6_hdr(skb)->saddr);
  if (type == IPV6_ADDR_ANY || (type & (IPV6_ADDR_MULTICAST | IPV6_ADDR_LOOPBACK)) != 0) {
    return false;
  }
  if ((type & IPV6_ADDR_LINKLOCAL) == 0) return true;
  icmpv6_send(skb, wire::kIcmpv6DestUnreachable, wire::kIcmpv6NotNeighbour, 0);
  return false;
}

bool ip6_pkt_too_big(const sk_buff* skb, uint32_t mtu) {
  if (skb->len <= mtu) return false;
  if (IP6CB(skb)->frag_max_size > mtu) return true;
  if (skb->ignore_df) return false;
  return !(skb_is_gso(skb) && skb_gso_validate_network_len(skb, mtu));
}

int TellTooBig(net& net, sk_buff* skb, uint32_t mtu) {
  // The message's source is an address of the link that is too narrow.
  skb->dev = skb->dst->dev;
  icmpv6_send(skb, wire::kIcmpv6PacketTooBig, 0, mtu);
  net.ip6_mib.Inc(Ip6Mib::kInTooBigErrors);
  net.ip6_mib.Inc(Ip6Mib::kFragFails);
  kfree_skb_reason(skb, SKB_DROP_REASON_PKT_TOO_BIG);
  return -EMSGSIZE;
}

// The last part of the way: MTU, a private header, one hop less.
int Pass(net& net, sk_buff* skb) {
  const dst_entry* const dst = skb->dst;
  net.ip6_mib.Inc(Ip6Mib::kOutForwDatagrams);
  const uint32_t mtu = std::max<uint32_t>(ip6_dst_mtu_maybe_forward(dst, true), wire::kIpv6MinMtu);
  if (ip6_pkt_too_big(skb, mtu)) return TellTooBig(net, skb, mtu);
  if (skb_cow(skb, dst->dev->hard_header_len) != 0) {
    net.ip6_mib.Inc(Ip6Mib::kOutDiscards);
    return DropForward(skb, SKB_DROP_REASON_NOMEM);
  }
  --ipv6_hdr_writable(skb)->hop_limit;
  return ip6_forward_finish(net, nullptr, skb);
}

}  // namespace

int ip6_forward_finish(net& net, sock* sk, sk_buff* skb) {
  skb->tstamp = 0;
  net.this_cpu().Trace(TraceKind::kForward, skb->frame_id, skb->len,
                       static_cast<uint64_t>(skb->skb_iif),
                       static_cast<uint64_t>(skb_dst(skb)->dev->ifindex));
  return dst_output(net, sk, skb);
}

int ip6_forward(sk_buff* skb) {
  net& net = *skb->owner;
  TRACE_FUNCTION(net, skb, ip6_forward, skb);
  net.Charge(CostPoint::k_ip_forward);
  if (!ForwardingIsOn(net, skb)) return DropAddressError(net, skb);
  // Addressed to us by the link layer, and to nobody on this host.
  if (skb->pkt_type != PACKET_HOST || skb->sk != nullptr) {
    return DropForward(skb, SKB_DROP_REASON_NOT_SPECIFIED);
  }
  if (skb->ip_summed == CHECKSUM_COMPLETE) skb->ip_summed = CHECKSUM_NONE;
  if ((IP6CB(skb)->flags & IP6SKB_ROUTERALERT) != 0 && ip6_call_ra_chain(skb, IP6CB(skb)->ra)) {
    return 0;
  }
  if (ipv6_hdr(skb)->hop_limit <= 1) {
    icmpv6_send(skb, wire::kIcmpv6TimeExceeded, kIcmpv6HopLimitExceeded, 0);
    net.ip6_mib.Inc(Ip6Mib::kInHdrErrors);
    kfree_skb_reason(skb, SKB_DROP_REASON_IP_INHDR);
    return -ETIMEDOUT;
  }
  if (net_ipv6(net).devconf_all.proxy_ndp != 0 &&
      pneigh_lookup(net.nd_tbl, ipv6_hdr(skb)->daddr.bytes().data(), skb->dev) != nullptr) {
    switch (CheckProxied(skb)) {
      case Proxied::kInput:
        // Not forwarded: neighbour discovery needs its hop limit of 255.
        return ip6_input(skb);
      case Proxied::kDrop:
        net.ip6_mib.Inc(Ip6Mib::kInDiscards);
        return DropForward(skb, SKB_DROP_REASON_NOT_SPECIFIED);
      case Proxied::kForward:
        break;
    }
  }
  if (IP6CB(skb)->iif == skb->dst->dev->ifindex && IP6CB(skb)->srcrt == 0) {
    SendRedirect(net, skb);
  } else if (!SourceMayPass(skb)) {
    return DropAddressError(net, skb);
  }
  return Pass(net, skb);
}

}  // namespace tapedeck
