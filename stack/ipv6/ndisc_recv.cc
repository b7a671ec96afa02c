// Neighbour solicitations, advertisements and router solicitations that come in, with the checks of
// RFC 4861 6.1.1, 7.1.1 and 7.1.2 in the kernel's order. What fails a check without a reason of its
// own in the kernel has none here either.
#include <cstring>

#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/ipv6/ip6_route.h"
#include "stack/ipv6/ndisc.h"
#include "stack/ipv6/ndisc_internal.h"
#include "stack/ipv6/netns_ipv6.h"

namespace tapedeck::ndisc_internal {

namespace {

const uint8_t* Bytes(const Ipv6Address& addr) { return addr.bytes().data(); }

// The entry of `addr`, made where it may be; a reference or nullptr (__neigh_lookup).
neighbour* LookupOrCreate(net_device* dev, const Ipv6Address& addr, bool create) {
  neigh_table* const tbl = dev_net(dev).nd_tbl;
  neighbour* const known = neigh_lookup(tbl, Bytes(addr), dev);
  return known != nullptr || !create ? known : neigh_create(tbl, Bytes(addr), dev);
}

uint64_t NonceOf(const ndisc_options& options) {
  if (options.nonce == nullptr || OptionBytes(options.nonce) != 8) return 0;
  return LoadBe64(options.nonce) & 0xffffffffffff;
}

// A solicitation that has passed the checks.
struct Solicitation {
  Ipv6Address saddr;
  Ipv6Address daddr;
  Ipv6Address target;
  const uint8_t* lladdr = nullptr;
  uint64_t nonce = 0;
  bool dad() const { return ipv6_addr_any(saddr); }
  bool to_group() const { return ipv6_addr_is_multicast(daddr); }
};

DropReason CheckSolicitation(const sk_buff* skb, Solicitation* ns) {
  if (skb->len < sizeof(wire::NdMessage)) return SKB_DROP_REASON_PKT_TOO_SMALL;
  ns->saddr = ipv6_hdr(skb)->saddr;
  ns->daddr = ipv6_hdr(skb)->daddr;
  ns->target = MessageOf<wire::NdMessage>(skb).target;
  if (ipv6_addr_is_multicast(ns->target)) return kNoReason;
  if (ns->dad() && !ipv6_addr_is_solict_mult(ns->daddr)) return kNoReason;
  ndisc_options options;
  if (!ndisc_parse_options(OptionsOf(skb, sizeof(wire::NdMessage)), &options)) {
    return SKB_DROP_REASON_IPV6_NDISC_BAD_OPTIONS;
  }
  if (options.src_lladdr != nullptr) {
    ns->lladdr = ndisc_opt_addr_data(options.src_lladdr, skb->dev);
    if (ns->lladdr == nullptr || ns->dad()) return kNoReason;
  }
  ns->nonce = NonceOf(options);
  return SKB_DROP_REASON_CONSUMED;
}

// For which kind of address the question is.
enum class Target : uint8_t {
  kOurs,
  kCollision,  // ours and tentative: another host is about to take it, too
  kIgnored,    // ours, but not in use yet
  kOthers,     // of an anycast group or a host we are proxy for
  kNotOurs,
};

Target Classify(const inet6_ifaddr* ifp, const Solicitation& ns) {
  if ((ifp->flags & (IFA_F_TENTATIVE | IFA_F_OPTIMISTIC)) == 0) return Target::kOurs;
  if (ns.dad()) {
    // RFC 7527: our own question, looped back by the link.
    const bool echo = ns.nonce != 0 && ifp->dad_nonce == ns.nonce;
    return echo ? Target::kIgnored : Target::kCollision;
  }
  return (ifp->flags & IFA_F_OPTIMISTIC) != 0 ? Target::kOurs : Target::kIgnored;
}

// Whether we speak for an address that is not ours; `*router` where its entry says what it is.
bool SpeaksFor(net_device* dev, const Ipv6Address& target, bool* router) {
  net& net = dev_net(dev);
  const inet6_dev* const idev = __in6_dev_get(dev);
  if (ipv6_chk_acast_addr(net, dev, target)) return true;
  if (idev->cnf->forwarding == 0 ||
      (net_ipv6(net).devconf_all.proxy_ndp == 0 && idev->cnf->proxy_ndp == 0)) {
    return false;
  }
  const pneigh_entry* const proxied = pneigh_lookup(net.nd_tbl, Bytes(target), dev);
  if (proxied == nullptr) return false;
  *router = (proxied->flags & NTF_ROUTER) != 0;
  return true;
}

// RFC 4861 7.2.7, 7.2.8: the answer for others waits, so that the host itself comes first.
bool MustWait(const sk_buff* skb, const Solicitation& ns, bool delayed) {
  return !delayed && skb->pkt_type != PACKET_HOST && ns.to_group() &&
         __in6_dev_get(skb->dev)->nd_parms->proxy_delay != 0;
}

// Answers, and remembers who asked. CONSUMED where the question was answered.
DropReason Answer(net_device* dev, const Solicitation& ns, bool ours, bool router) {
  if (ns.dad()) {
    ndisc_send_na(dev, kIpv6AllNodes, ns.target, router, /*solicited=*/false, /*override=*/ours,
                  /*inc_opt=*/true);
    return kNoReason;
  }
  neigh_statistics& stats = dev_net(dev).nd_tbl->stats;
  ++(ns.to_group() ? stats.rcv_probes_mcast : stats.rcv_probes_ucast);
  neighbour* const neigh =
      LookupOrCreate(dev, ns.saddr, !ns.to_group() || ns.lladdr != nullptr || dev->addr_len == 0);
  if (neigh != nullptr) {
    neigh_update(neigh, ns.lladdr, NUD_STALE,
                 NEIGH_UPDATE_F_WEAK_OVERRIDE | NEIGH_UPDATE_F_OVERRIDE);
  }
  if (neigh == nullptr && dev->header_ops != nullptr) return kNoReason;
  ndisc_send_na(dev, ns.saddr, ns.target, router, /*solicited=*/true,
                /*override=*/ours && ns.to_group(), /*inc_opt=*/ns.to_group());
  if (neigh != nullptr) neigh_release(neigh);
  return SKB_DROP_REASON_CONSUMED;
}

// RFC 9131: whether an advertisement nobody asked for may make an entry.
bool accept_untracked_na(const inet6_dev* idev, const Ipv6Address& saddr) {
  switch (idev->cnf->accept_untracked_na) {
    case 1:
      return true;
    case 2:
      return ipv6_chk_prefix(saddr, idev->dev);
    default:
      return false;
  }
}

// An advertisement that has passed the checks.
struct Advertisement {
  wire::NdMessage message;
  const uint8_t* lladdr = nullptr;
};

DropReason CheckAdvertisement(const sk_buff* skb, Advertisement* na) {
  if (skb->len < sizeof(wire::NdMessage)) return SKB_DROP_REASON_PKT_TOO_SMALL;
  na->message = MessageOf<wire::NdMessage>(skb);
  if (ipv6_addr_is_multicast(na->message.target)) return kNoReason;
  if (ipv6_addr_is_multicast(ipv6_hdr(skb)->daddr) && na->message.solicited()) return kNoReason;
  const inet6_dev* const idev = __in6_dev_get(skb->dev);
  if (!na->message.solicited() && idev != nullptr && idev->cnf->drop_unsolicited_na != 0) {
    return kNoReason;
  }
  ndisc_options options;
  if (!ndisc_parse_options(OptionsOf(skb, sizeof(wire::NdMessage)), &options)) {
    return SKB_DROP_REASON_IPV6_NDISC_BAD_OPTIONS;
  }
  if (options.tgt_lladdr != nullptr) {
    na->lladdr = ndisc_opt_addr_data(options.tgt_lladdr, skb->dev);
    if (na->lladdr == nullptr) return kNoReason;
  }
  return SKB_DROP_REASON_CONSUMED;
}

// Our own advertisement for a host we are proxy for has come back: it says nothing about that host.
bool IsOwnProxyAnswer(net_device* dev, const Advertisement& na) {
  net& net = dev_net(dev);
  const ipv6_devconf& all = net_ipv6(net).devconf_all;
  return na.lladdr != nullptr &&
         std::memcmp(na.lladdr, dev->dev_addr.bytes().data(), dev->addr_len) == 0 &&
         all.forwarding != 0 && all.proxy_ndp != 0 &&
         pneigh_lookup(net.nd_tbl, Bytes(na.message.target), dev) != nullptr;
}

// What an advertisement says about `neigh`.
DropReason Learn(neighbour* neigh, const sk_buff* skb, const Advertisement& na, uint8_t state) {
  net_device* const dev = skb->dev;
  if ((neigh->nud_state & NUD_FAILED) != 0 || IsOwnProxyAnswer(dev, na)) return kNoReason;
  const bool was_router = (neigh->flags & NTF_ROUTER) != 0;
  uint32_t flags = NEIGH_UPDATE_F_WEAK_OVERRIDE | NEIGH_UPDATE_F_OVERRIDE_ISROUTER;
  if (na.message.override()) flags |= NEIGH_UPDATE_F_OVERRIDE;
  if (na.message.router()) flags |= NEIGH_UPDATE_F_ISROUTER;
  neigh_update(neigh, na.lladdr, state, flags);
  if (was_router && (neigh->flags & NTF_ROUTER) == 0) {
    rt6_clean_tohost(dev_net(dev), ipv6_hdr(skb)->saddr);
  }
  return SKB_DROP_REASON_CONSUMED;
}

}  // namespace

DropReason ndisc_recv_ns(sk_buff* skb, bool delayed) {
  Solicitation ns;
  if (const DropReason reason = CheckSolicitation(skb, &ns); reason != SKB_DROP_REASON_CONSUMED) {
    return reason;
  }
  net_device* const dev = skb->dev;
  inet6_ifaddr* const ifp = ipv6_get_ifaddr(dev_net(dev), ns.target, dev, true);
  const inet6_dev* const idev = __in6_dev_get(dev);
  if (idev == nullptr) return kNoReason;
  bool router = idev->cnf->forwarding != 0;
  Target target = Target::kNotOurs;
  if (ifp != nullptr) {
    target = Classify(ifp, ns);
  } else if (SpeaksFor(dev, ns.target, &router)) {
    target = Target::kOthers;
  }
  DropReason reason = kNoReason;
  switch (target) {
    case Target::kCollision:
      addrconf_dad_failure(skb, ifp);  // takes the reference
      return kNoReason;
    case Target::kIgnored:
      break;
    case Target::kNotOurs:
      reason = SKB_DROP_REASON_IPV6_NDISC_NS_OTHERHOST;
      break;
    case Target::kOthers:
      if (MustWait(skb, ns, delayed)) {
        sk_buff* const waiting = skb_clone(skb);
        if (waiting != nullptr) pneigh_enqueue(dev_net(dev).nd_tbl, idev->nd_parms, waiting);
        break;
      }
      [[fallthrough]];
    case Target::kOurs:
      reason = Answer(dev, ns, target == Target::kOurs, router);
      break;
  }
  if (ifp != nullptr) in6_ifa_put(ifp);
  return reason;
}

DropReason ndisc_recv_na(sk_buff* skb) {
  Advertisement na;
  if (const DropReason reason = CheckAdvertisement(skb, &na); reason != SKB_DROP_REASON_CONSUMED) {
    return reason;
  }
  net_device* const dev = skb->dev;
  net& net = dev_net(dev);
  if (inet6_ifaddr* const ifp = ipv6_get_ifaddr(net, na.message.target, dev, true);
      ifp != nullptr) {
    // Somebody says that he has our address. While we are still asking, it is his.
    if (skb->pkt_type != PACKET_LOOPBACK && (ifp->flags & IFA_F_TENTATIVE) != 0) {
      addrconf_dad_failure(skb, ifp);
    } else {
      in6_ifa_put(ifp);
    }
    return kNoReason;
  }
  neighbour* neigh = neigh_lookup(net.nd_tbl, Bytes(na.message.target), dev);
  uint8_t state = na.message.solicited() ? NUD_REACHABLE : NUD_STALE;
  const inet6_dev* const idev = __in6_dev_get(dev);
  if (neigh == nullptr && na.lladdr != nullptr && idev != nullptr && idev->cnf->forwarding != 0 &&
      accept_untracked_na(idev, ipv6_hdr(skb)->saddr)) {
    neigh = neigh_create(net.nd_tbl, Bytes(na.message.target), dev);
    state = NUD_STALE;
  }
  if (neigh == nullptr) return kNoReason;
  const DropReason reason = Learn(neigh, skb, na, state);
  neigh_release(neigh);
  return reason;
}

DropReason ndisc_recv_rs(sk_buff* skb) {
  if (skb->len < sizeof(wire::Icmpv6Header)) return SKB_DROP_REASON_PKT_TOO_SMALL;
  net_device* const dev = skb->dev;
  const inet6_dev* const idev = __in6_dev_get(dev);
  const Ipv6Address& saddr = ipv6_hdr(skb)->saddr;
  // Answers are up to a user-space daemon; the sender is remembered, where he has an address.
  if (idev == nullptr || idev->cnf->forwarding == 0 || ipv6_addr_any(saddr)) return kNoReason;
  ndisc_options options;
  if (!ndisc_parse_options(OptionsOf(skb, sizeof(wire::Icmpv6Header)), &options)) {
    return SKB_DROP_REASON_IPV6_NDISC_BAD_OPTIONS;
  }
  const uint8_t* lladdr = nullptr;
  if (options.src_lladdr != nullptr) {
    lladdr = ndisc_opt_addr_data(options.src_lladdr, dev);
    if (lladdr == nullptr) return kNoReason;
  }
  neighbour* const neigh = LookupOrCreate(dev, saddr, true);
  if (neigh == nullptr) return kNoReason;
  neigh_update(
      neigh, lladdr, NUD_STALE,
      NEIGH_UPDATE_F_WEAK_OVERRIDE | NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_OVERRIDE_ISROUTER);
  neigh_release(neigh);
  return SKB_DROP_REASON_CONSUMED;
}

}  // namespace tapedeck::ndisc_internal
