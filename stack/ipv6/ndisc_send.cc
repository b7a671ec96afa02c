// Neighbour discovery that goes out (net/ipv6/ndisc.c).
#include <algorithm>
#include <cstring>

#include "stack/base/checksum.h"
#include "stack/core/dst.h"
#include "stack/core/skb_data.h"
#include "stack/ipv4/inetpeer.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/icmpv6.h"
#include "stack/ipv6/ip6_route.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/ndisc.h"
#include "stack/ipv6/ndisc_internal.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/wire/ethernet.h"

namespace tapedeck {

using namespace ndisc_internal;  // NOLINT(google-build-using-namespace): this is its other half

namespace {

constexpr uint32_t kNonceOptionBytes = 8;

// ip6_nd_hdr.
void PushIpv6Header(sk_buff* skb, const Ipv6Address& saddr, const Ipv6Address& daddr,
                    uint8_t hop_limit) {
  const inet6_dev* const idev = __in6_dev_get(skb->dev);
  wire::Ipv6Header header;
  header.set_class_and_flow(idev == nullptr ? 0 : static_cast<uint8_t>(idev->cnf->ndisc_tclass), 0);
  header.payload_len = static_cast<uint16_t>(skb->len);
  header.nexthdr = wire::kIpProtoIcmpv6;
  header.hop_limit = hop_limit;
  header.saddr = saddr;
  header.daddr = daddr;
  std::memcpy(skb_push(skb, sizeof(header)), &header, sizeof(header));
  skb_reset_network_header(skb);
}

void PutNonce(sk_buff* skb, uint64_t nonce) {
  uint8_t* const opt = skb_put(skb, kNonceOptionBytes);
  uint8_t bytes[8];
  StoreBe64(bytes, nonce << 16);
  opt[0] = wire::kNdOptNonce;
  opt[1] = kNonceOptionBytes >> 3;
  std::memcpy(opt + 2, bytes, 6);
}

// Whether the address of a router solicitation may be tied to our link-layer address: not an
// optimistic one (RFC 4429 2.2), and not what is none of ours.
bool MayShowLinkAddress(net_device* dev, const Ipv6Address& saddr) {
  if (dev->addr_len == 0) return false;
  inet6_ifaddr* const ifp = ipv6_get_ifaddr(dev_net(dev), saddr, dev, true);
  if (ifp == nullptr) return false;
  const bool optimistic = (ifp->flags & IFA_F_OPTIMISTIC) != 0;
  in6_ifa_put(ifp);
  return !optimistic;
}

// --- Redirect ---

// The link-layer address of the better next hop; false where it is not known.
bool AddressOfTarget(const sk_buff* skb, const Ipv6Address& target, uint8_t* ha) {
  const dst_entry* const dst = skb_dst(skb);
  neighbour* const neigh = dst->ops->neigh_lookup(dst, nullptr, target.bytes().data());
  if (neigh == nullptr) return false;
  const bool valid = (neigh->nud_state & NUD_VALID) != 0;
  if (valid) std::memcpy(ha, neigh->ha, sizeof(neigh->ha));
  neigh_release(neigh);
  return valid;
}

// The packet that is redirected, as much of it as the smallest MTU takes.
void PutRedirectedHeader(sk_buff* skb, const sk_buff* redirected, uint32_t bytes) {
  uint8_t* const opt = skb_put_zero(skb, bytes);
  opt[0] = wire::kNdOptRedirectedHeader;
  opt[1] = static_cast<uint8_t>(bytes >> 3);
  const auto from = static_cast<uint32_t>(skb_network_offset(redirected));
  CHECK_EQ(skb_copy_bits(redirected, from, opt + 8, bytes - 8), 0);
}

// A route for the message to the packet's sender, a neighbour that has not been told too often; a
// reference, or nullptr.
dst_entry* RouteOfRedirect(net& net, const sk_buff* skb, const Ipv6Address& saddr) {
  const Ipv6Address& sender = ipv6_hdr(skb)->saddr;
  netns_ipv4& peers_ns = net_ipv4(net);
  flowi6 fl6;
  icmpv6_flow_init(net_ipv6(net).ndisc_sk, &fl6, wire::kIcmpv6Redirect, saddr, sender,
                   skb->dev->ifindex);
  dst_entry* const dst = ip6_route_output(net, nullptr, &fl6);
  if (dst->error == 0 && (dst_rt6_info(dst)->rt6i_flags & RTF_GATEWAY) == 0) {
    inet_peer* const peer = inet_getpeer_v6(peers_ns.peers, sender);
    if (peer != nullptr &&
        inet_peer_xrlim_allow(peers_ns, peer, static_cast<int32_t>(net.kernel.hz()))) {
      return dst;
    }
  }
  dst_release(dst);
  return nullptr;
}

bool MayBeTarget(const Ipv6Address& daddr, const Ipv6Address& target) {
  return daddr == target || ipv6_addr_type(target) == (IPV6_ADDR_UNICAST | IPV6_ADDR_LINKLOCAL);
}

}  // namespace

namespace ndisc_internal {

sk_buff* ndisc_alloc_skb(net_device* dev, uint32_t bytes) {
  net& net = dev_net(dev);
  const uint32_t headroom =
      LL_RESERVED_SPACE(dev) + static_cast<uint32_t>(sizeof(wire::Ipv6Header));
  sk_buff* const skb = alloc_skb(net, headroom + bytes + dev->needed_tailroom);
  if (skb == nullptr) return nullptr;
  skb->protocol = wire::kEtherTypeIpv6;
  skb->dev = dev;
  skb_reserve(skb, headroom);
  skb_reset_transport_header(skb);
  skb_set_owner_w(skb, net_ipv6(net).ndisc_sk);
  return skb;
}

void ndisc_fill_addr_option(sk_buff* skb, uint8_t type, const uint8_t* address) {
  const uint32_t bytes = ndisc_opt_addr_space(skb->dev);
  uint8_t* const opt = skb_put_zero(skb, bytes);
  opt[0] = type;
  opt[1] = static_cast<uint8_t>(bytes >> 3);
  std::memcpy(opt + 2, address, skb->dev->addr_len);
}

void ndisc_send_skb(sk_buff* skb, const Ipv6Address& daddr, const Ipv6Address& saddr) {
  net& net = dev_net(skb->dev);
  TRACE_FUNCTION(net, skb, ndisc_send_skb, skb, daddr, saddr);
  inet_sock* const sk = net_ipv6(net).ndisc_sk;
  auto* const header = reinterpret_cast<wire::Icmpv6Header*>(
      skb_writable(skb, skb_transport_header(skb), sizeof(wire::Icmpv6Header)));
  const uint8_t type = header->type;
  if (skb_dst(skb) == nullptr) {
    flowi6 fl6;
    icmpv6_flow_init(sk, &fl6, type, saddr, daddr, skb->dev->ifindex);
    dst_entry* const dst = icmp6_dst_alloc(skb->dev, fl6);
    if (dst == nullptr) {
      kfree_skb(skb);
      return;
    }
    skb_dst_set(skb, dst);
  }
  header->checksum = 0;
  const wsum sum = csum_partial({skb_transport_header(skb), skb->len}, 0);
  header->checksum =
      csum_ipv6_magic(saddr.bytes(), daddr.bytes(), skb->len, wire::kIpProtoIcmpv6, sum);
  PushIpv6Header(skb, saddr, daddr, static_cast<uint8_t>(inet6_sk(sk)->hop_limit));
  net.ip6_mib.Inc(Ip6Mib::kOutRequests);
  if (dst_output(net, sk, skb) == 0) icmp6_out_count(net, type);
}

}  // namespace ndisc_internal

void ndisc_send_na(net_device* dev, const Ipv6Address& daddr, const Ipv6Address& solicited_addr,
                   bool router, bool solicited, bool override, bool inc_opt) {
  net& net = dev_net(dev);
  Ipv6Address saddr = solicited_addr;
  if (inet6_ifaddr* const ifp = ipv6_get_ifaddr(net, solicited_addr, dev, true); ifp != nullptr) {
    if ((ifp->flags & IFA_F_OPTIMISTIC) != 0) override = false;
    inc_opt = inc_opt || ifp->idev->cnf->force_tllao != 0;
    in6_ifa_put(ifp);
  } else if (ipv6_dev_get_saddr(net, dev, daddr, inet6_sk(net_ipv6(net).ndisc_sk)->srcprefs,
                                &saddr) != 0) {
    return;  // an anycast or proxied address, and none of our own
  }
  inc_opt = inc_opt && dev->addr_len != 0;
  const uint32_t option_bytes = inc_opt ? ndisc_opt_addr_space(dev) : 0;
  sk_buff* const skb =
      ndisc_alloc_skb(dev, static_cast<uint32_t>(sizeof(wire::NdMessage)) + option_bytes);
  if (skb == nullptr) return;
  wire::NdMessage message;
  message.header.type = wire::kIcmpv6NeighbourAdvertisement;
  message.set_flags(router, solicited, override);
  message.target = solicited_addr;
  skb_put_data(skb, &message, sizeof(message));
  if (inc_opt) {
    ndisc_fill_addr_option(skb, wire::kNdOptTargetLinkAddress, dev->dev_addr.bytes().data());
  }
  ndisc_send_skb(skb, daddr, saddr);
}

void ndisc_send_ns(net_device* dev, const Ipv6Address& solicit, const Ipv6Address& daddr,
                   const Ipv6Address* saddr, uint64_t nonce) {
  Ipv6Address source;
  if (saddr != nullptr) {
    source = *saddr;
  } else if (ipv6_get_lladdr(dev, &source, IFA_F_TENTATIVE | IFA_F_OPTIMISTIC) != 0) {
    return;
  }
  const bool inc_opt = dev->addr_len != 0 && !ipv6_addr_any(source);
  const uint32_t option_bytes =
      (inc_opt ? ndisc_opt_addr_space(dev) : 0) + (nonce != 0 ? kNonceOptionBytes : 0);
  sk_buff* const skb =
      ndisc_alloc_skb(dev, static_cast<uint32_t>(sizeof(wire::NdMessage)) + option_bytes);
  if (skb == nullptr) return;
  wire::NdMessage message;
  message.header.type = wire::kIcmpv6NeighbourSolicitation;
  message.target = solicit;
  skb_put_data(skb, &message, sizeof(message));
  if (inc_opt) {
    ndisc_fill_addr_option(skb, wire::kNdOptSourceLinkAddress, dev->dev_addr.bytes().data());
  }
  if (nonce != 0) PutNonce(skb, nonce);
  ndisc_send_skb(skb, daddr, source);
}

void ndisc_send_rs(net_device* dev, const Ipv6Address& saddr, const Ipv6Address& daddr) {
  const bool send_sllao = MayShowLinkAddress(dev, saddr);
  const uint32_t option_bytes = send_sllao ? ndisc_opt_addr_space(dev) : 0;
  sk_buff* const skb =
      ndisc_alloc_skb(dev, static_cast<uint32_t>(sizeof(wire::Icmpv6Header)) + option_bytes);
  if (skb == nullptr) return;
  wire::Icmpv6Header message;
  message.type = wire::kIcmpv6RouterSolicitation;
  skb_put_data(skb, &message, sizeof(message));
  if (send_sllao) {
    ndisc_fill_addr_option(skb, wire::kNdOptSourceLinkAddress, dev->dev_addr.bytes().data());
  }
  ndisc_send_skb(skb, daddr, saddr);
}

void ndisc_send_redirect(sk_buff* skb, const Ipv6Address& target) {
  net_device* const dev = skb->dev;
  net& net = dev_net(dev);
  const wire::Ipv6Header ip = *ipv6_hdr(skb);
  Ipv6Address saddr;
  if (ipv6_get_lladdr(dev, &saddr, IFA_F_TENTATIVE) != 0 || !MayBeTarget(ip.daddr, target)) return;
  dst_entry* const dst = RouteOfRedirect(net, skb, saddr);
  if (dst == nullptr) return;
  uint8_t ha[sizeof(neighbour::ha)];
  const bool has_ha = dev->addr_len != 0 && AddressOfTarget(skb, target, ha);
  const uint32_t ha_bytes = has_ha ? ndisc_opt_addr_space(dev) : 0;
  constexpr auto kRoom = static_cast<uint32_t>(wire::kIpv6MinMtu - sizeof(wire::Ipv6Header) -
                                               sizeof(wire::NdRedirect));
  const uint32_t header_bytes = std::min(kRoom - ha_bytes, skb->len + 8) & ~7U;
  sk_buff* const message_skb = ndisc_alloc_skb(
      dev, static_cast<uint32_t>(sizeof(wire::NdRedirect)) + ha_bytes + header_bytes);
  if (message_skb == nullptr) {
    dst_release(dst);
    return;
  }
  wire::NdRedirect message;
  message.header.type = wire::kIcmpv6Redirect;
  message.target = target;
  message.destination = ip.daddr;
  skb_put_data(message_skb, &message, sizeof(message));
  if (has_ha) ndisc_fill_addr_option(message_skb, wire::kNdOptTargetLinkAddress, ha);
  PutRedirectedHeader(message_skb, skb, header_bytes);
  skb_dst_set(message_skb, dst);
  ndisc_send_skb(message_skb, ip.saddr, saddr);
}

}  // namespace tapedeck
