// The neighbour table of IPv6: its functions, and messages on their way to it (net/ipv6/ndisc.c).
#include "stack/ipv6/ndisc.h"

#include <cerrno>
#include <cstring>

#include "stack/core/dst.h"
#include "stack/ipv4/fib.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/ipv6/ip6_fib.h"
#include "stack/ipv6/mcast.h"
#include "stack/ipv6/ndisc_internal.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/wire/ethernet.h"

namespace tapedeck {

using namespace ndisc_internal;  // NOLINT(google-build-using-namespace): this is its other half

namespace {

constexpr uint8_t kHopLimit = 255;

Ipv6Address KeyOf(const uint8_t* key) { return Ipv6Address(std::span<const uint8_t, 16>(key, 16)); }

// --- The neighbour table's functions. ---

void ndisc_solicit(neighbour* neigh, sk_buff* skb) {
  net_device* const dev = neigh->dev;
  const Ipv6Address target = KeyOf(neigh->primary_key);
  // The question shows the address of the packet that waits, where it is one of this device's.
  Ipv6Address waiting;
  const Ipv6Address* saddr = nullptr;
  if (skb != nullptr) {
    waiting = ipv6_hdr(skb)->saddr;
    if (ipv6_chk_addr_and_flags(dev_net(dev), waiting, dev, false, true,
                                IFA_F_TENTATIVE | IFA_F_OPTIMISTIC)) {
      saddr = &waiting;
    }
  }
  const neigh_parms& parms = *neigh->parms;
  const auto probes = static_cast<int32_t>(neigh->probes);
  if (probes < parms.ucast_probes) {
    ndisc_send_ns(dev, target, target, saddr, 0);
  } else if (probes >= parms.ucast_probes + parms.app_probes) {
    ndisc_send_ns(dev, target, addrconf_addr_solict_mult(target), saddr, 0);
  }
  // Between the two it would be up to a user-space daemon (app_solicit).
}

// RFC 4861 7.2.2: whoever sent `skb` is told that the address cannot be reached.
void ndisc_error_report(neighbour* /*neigh*/, sk_buff* skb) {
  dst_link_failure(skb);
  kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_FAILED);
}

const neigh_ops ndisc_hh_ops = {
    .family = kAfInet6,
    .solicit = ndisc_solicit,
    .error_report = ndisc_error_report,
    .output = neigh_resolve_output,
    .connected_output = neigh_resolve_output,
};
const neigh_ops ndisc_generic_ops = {
    .family = kAfInet6,
    .solicit = ndisc_solicit,
    .error_report = ndisc_error_report,
    .output = neigh_resolve_output,
    .connected_output = neigh_connected_output,
};
const neigh_ops ndisc_direct_ops = {
    .family = kAfInet6,
    .solicit = nullptr,
    .error_report = ndisc_error_report,
    .output = neigh_direct_output,
    .connected_output = neigh_direct_output,
};

void SetAddress(neighbour* neigh, const MacAddress& address) {
  neigh->nud_state = NUD_NOARP;
  std::memcpy(neigh->ha, address.bytes().data(), sizeof(MacAddress));
}

int ndisc_constructor(neighbour* neigh) {
  net_device* const dev = neigh->dev;
  if (dev->ip6_ptr == nullptr) return -EINVAL;
  neigh->parms = dev->ip6_ptr->nd_parms;
  const Ipv6Address addr = KeyOf(neigh->primary_key);
  const bool is_multicast = ipv6_addr_is_multicast(addr);
  neigh->type = is_multicast ? RTN_MULTICAST : RTN_UNICAST;
  if (dev->header_ops == nullptr) {
    neigh->nud_state = NUD_NOARP;
    neigh->ops = &ndisc_direct_ops;
    neigh->output = neigh_direct_output;
    return 0;
  }
  if (is_multicast) {
    SetAddress(neigh, dev->type == kArphrdEther ? MacAddress::ForMulticast(addr) : dev->broadcast);
  } else if ((dev->flags & (IFF_NOARP | IFF_LOOPBACK)) != 0) {
    SetAddress(neigh, dev->dev_addr);
    if ((dev->flags & IFF_LOOPBACK) != 0) neigh->type = RTN_LOCAL;
  } else if ((dev->flags & IFF_POINTOPOINT) != 0) {
    SetAddress(neigh, dev->broadcast);
  }
  neigh->ops = dev->header_ops->cache != nullptr ? &ndisc_hh_ops : &ndisc_generic_ops;
  neigh->output =
      (neigh->nud_state & NUD_VALID) != 0 ? neigh->ops->connected_output : neigh->ops->output;
  return 0;
}

// Questions for a proxied address go to its solicited-node group, which the device joins.
int pndisc_constructor(pneigh_entry* entry) {
  if (entry->dev == nullptr) return -EINVAL;
  return ipv6_dev_mc_inc(entry->dev, addrconf_addr_solict_mult(KeyOf(entry->key)));
}
void pndisc_destructor(pneigh_entry* entry) {
  ipv6_dev_mc_dec(entry->dev, addrconf_addr_solict_mult(KeyOf(entry->key)));
}

void pndisc_redo(sk_buff* skb) { kfree_skb_reason(skb, ndisc_recv_ns(skb, /*delayed=*/true)); }

bool ndisc_is_multicast(const void* key) {
  return ipv6_addr_is_multicast(KeyOf(static_cast<const uint8_t*>(key)));
}

bool ndisc_allow_add(const net_device* dev) {
  return dev->ip6_ptr != nullptr && dev->ip6_ptr->cnf->disable_ipv6 == 0;
}

// RFC 6980: discovery in fragments is not trusted, unless a sysctl says so.
bool ndisc_suppress_frag_ndisc(const sk_buff* skb) {
  const inet6_dev* const idev = __in6_dev_get(skb->dev);
  return idev == nullptr ||
         ((IP6CB(skb)->flags & IP6SKB_FRAGMENTED) != 0 && idev->cnf->suppress_frag_ndisc != 0);
}

// Tells everybody of the addresses of `dev`: its link-layer address is a new one.
void ndisc_send_unsol_na(net_device* dev) {
  const inet6_dev* const idev = __in6_dev_get(dev);
  if (idev == nullptr) return;
  for (const inet6_ifaddr& ifa : idev->addr_list) {
    constexpr uint32_t kBits = IFA_F_TENTATIVE | IFA_F_OPTIMISTIC;
    if ((ifa.flags & kBits) == IFA_F_TENTATIVE) continue;
    ndisc_send_na(dev, kIpv6AllNodes, ifa.addr, /*router=*/idev->cnf->forwarding != 0,
                  /*solicited=*/false, /*override=*/true, /*inc_opt=*/true);
  }
}

void NotifyIfWanted(net_device* dev) {
  const inet6_dev* const idev = __in6_dev_get(dev);
  if (idev == nullptr) return;
  if (idev->cnf->ndisc_notify != 0 || dev_ipv6(dev).devconf_all.ndisc_notify != 0) {
    ndisc_send_unsol_na(dev);
  }
}

bool EvictsOnCarrierLoss(const net_device* dev) {
  const inet6_dev* const idev = __in6_dev_get(dev);
  return idev == nullptr || (idev->cnf->ndisc_evict_nocarrier != 0 &&
                             dev_ipv6(dev).devconf_all.ndisc_evict_nocarrier != 0);
}

}  // namespace

namespace ndisc_internal {

bool ndisc_parse_options(std::span<const uint8_t> bytes, ndisc_options* options) {
  *options = ndisc_options{};
  options->all = bytes;
  for (size_t at = 0; at < bytes.size(); at += OptionBytes(&bytes[at])) {
    const size_t left = bytes.size() - at;
    const uint8_t* const opt = &bytes[at];
    if (left < sizeof(wire::NdOption) || opt[1] == 0 || OptionBytes(opt) > left) return false;
    const uint8_t** slot = nullptr;
    switch (opt[0]) {
      case wire::kNdOptSourceLinkAddress:
        slot = &options->src_lladdr;
        break;
      case wire::kNdOptTargetLinkAddress:
        slot = &options->tgt_lladdr;
        break;
      case wire::kNdOptRedirectedHeader:
        slot = &options->redirect_header;
        break;
      case wire::kNdOptMtu:
        slot = &options->mtu;
        break;
      case wire::kNdOptNonce:
        slot = &options->nonce;
        break;
      default:  // walked, or unknown: ignored (RFC 4861 4.6)
        break;
    }
    if (slot != nullptr && *slot == nullptr) *slot = opt;
  }
  return true;
}

const uint8_t* ndisc_opt_addr_data(const uint8_t* opt, const net_device* dev) {
  return OptionBytes(opt) == ndisc_opt_addr_space(dev) ? opt + sizeof(wire::NdOption) : nullptr;
}

}  // namespace ndisc_internal

DropReason ndisc_rcv(sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, ndisc_rcv, skb);
  if (ndisc_suppress_frag_ndisc(skb)) return SKB_DROP_REASON_IPV6_NDISC_FRAG;
  if (skb_linearize(skb) != 0) return SKB_DROP_REASON_NOMEM;
  const auto& header = MessageOf<wire::Icmpv6Header>(skb);
  if (ipv6_hdr(skb)->hop_limit != kHopLimit) return SKB_DROP_REASON_IPV6_NDISC_HOP_LIMIT;
  if (header.code != 0) return SKB_DROP_REASON_IPV6_NDISC_BAD_CODE;
  switch (header.type) {
    case wire::kIcmpv6NeighbourSolicitation:
      return ndisc_recv_ns(skb, /*delayed=*/false);
    case wire::kIcmpv6NeighbourAdvertisement:
      return ndisc_recv_na(skb);
    case wire::kIcmpv6RouterSolicitation:
      return ndisc_recv_rs(skb);
    case wire::kIcmpv6RouterAdvertisement:
      return ndisc_router_discovery(skb);
    case wire::kIcmpv6Redirect:
      return ndisc_redirect_rcv(skb);
    default:
      return SKB_DROP_REASON_NOT_SPECIFIED;
  }
}

void ndisc_netdev_event(net_device* dev, NetdevEvent event) {
  net& net = dev_net(dev);
  switch (event) {
    case NetdevEvent::kChangeAddr:
      neigh_changeaddr(net.nd_tbl, dev);
      fib6_run_gc(net_ipv6(net), 0);
      NotifyIfWanted(dev);
      break;
    case NetdevEvent::kUp:
      NotifyIfWanted(dev);
      break;
    case NetdevEvent::kChange:
      if (!netif_carrier_ok(dev) && EvictsOnCarrierLoss(dev)) neigh_carrier_down(net.nd_tbl, dev);
      break;
    case NetdevEvent::kDown:
      neigh_ifdown(net.nd_tbl, dev);
      fib6_run_gc(net_ipv6(net), 0);
      break;
    case NetdevEvent::kRegister:
    case NetdevEvent::kUnregister:
    case NetdevEvent::kGoingDown:
    case NetdevEvent::kChangeMtu:
    case NetdevEvent::kFeatChange:
      break;
  }
}

int ndisc_init(net& net) {
  netns_ipv6& ns = net_ipv6(net);
  auto* const tbl = net.world.arena().New<neigh_table>(net, "ndisc_cache", uint16_t{kAfInet6},
                                                       wire::kEtherTypeIpv6, uint8_t{16},
                                                       "net/ipv6/neigh", ns.prng);
  tbl->constructor = ndisc_constructor;
  tbl->pconstructor = pndisc_constructor;
  tbl->pdestructor = pndisc_destructor;
  tbl->proxy_redo = pndisc_redo;
  tbl->is_multicast = ndisc_is_multicast;
  tbl->allow_add = ndisc_allow_add;
  tbl->parms.locktime = 0;  // an advertisement says itself whether it overrides
  net.nd_tbl = tbl;
  ns.ndisc_sk = inet6_ctl_sock_create(net, wire::kIpProtoIcmpv6);
  if (ns.ndisc_sk == nullptr) return -ENOBUFS;
  inet6_sk(ns.ndisc_sk)->hop_limit = kHopLimit;
  ns.ndisc_sk->mc6_loop = false;
  return 0;
}

void ndisc_cleanup(net& net) {
  netns_ipv6& ns = net_ipv6(net);
  inet6_ctl_sock_destroy(ns.ndisc_sk);
  ns.ndisc_sk = nullptr;
  if (net.nd_tbl != nullptr) neigh_table_clear(net.nd_tbl);
}

}  // namespace tapedeck
