// Which of the routes to a prefix a packet takes: preference and reachability of routers (RFC 4191
// 2.2, 3.5; RFC 4861 6.3.6), devices that were named, siblings that share flows (rt6_select,
// find_rr_leaf, rt6_device_match, fib6_select_path of net/ipv6/route.c).
#include <algorithm>

#include "stack/base/hash.h"
#include "stack/core/neighbour.h"
#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/ipv6/ip6_fib.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/ndisc.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/ipv6/route6_internal.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {

namespace {

// rt6_score_route: the greater is the better; below 0 it is not to be used.
constexpr int kScoreHard = -3;   // RT6_NUD_FAIL_HARD: not over this device
constexpr int kScoreProbe = -2;  // RT6_NUD_FAIL_PROBE: its gateway does not answer
constexpr int kScoreDevice = 2;  // it is the device that was asked for
constexpr int kScorePrefShift = 2;

void UseNullEntry(const netns_ipv6& ns, fib6_result* res) {
  res->f6i = ns.fib->null_entry;
  res->nh = &res->f6i->nh;
  res->fib6_flags = res->f6i->fib6_flags;
  res->fib6_type = res->f6i->fib6_type;
}

void Use(fib6_info* rt, fib6_result* res) {
  res->f6i = rt;
  res->nh = &rt->nh;
  res->fib6_flags = rt->fib6_flags;
  res->fib6_type = rt->fib6_type;
}

neighbour* GatewayOf(const netns_ipv6& ns, const fib6_nh& nh) {
  return __neigh_lookup_noref(ns.host_net.nd_tbl, nh.fib_nh_gw6.bytes().data(), nh.fib_nh_dev);
}

// A router nobody has asked about counts as reachable: it is asked when a packet goes there.
bool GatewayIsReachable(const netns_ipv6& ns, const fib6_nh& nh) {
  const neighbour* const neigh = GatewayOf(ns, nh);
  return neigh == nullptr || (neigh->nud_state & NUD_FAILED) == 0;
}

int RouteScore(const netns_ipv6& ns, const fib6_nh& nh, uint32_t fib6_flags, int oif, int strict) {
  const bool device_fits = oif == 0 || nh.fib_nh_dev->ifindex == oif;
  if (!device_fits && (strict & RT6_LOOKUP_F_IFACE) != 0) return kScoreHard;
  if ((strict & RT6_LOOKUP_F_REACHABLE) != 0 && (fib6_flags & RTF_NONEXTHOP) == 0 &&
      nh.has_gateway && !GatewayIsReachable(ns, nh)) {
    return kScoreProbe;
  }
  const auto preference = static_cast<int>(IPV6_DECODE_PREF(IPV6_EXTRACT_PREF(fib6_flags)));
  return (device_fits ? kScoreDevice : 0) | preference << kScorePrefShift;
}

// Asks a router that was not reachable whether it is again, once a minute (RFC 4191 3.5). The
// kernel does it from a work queue: nothing here holds a lock.
void Probe(netns_ipv6& ns, fib6_nh* nh) {
  const inet6_dev* const idev = nh->fib_nh_dev->ip6_ptr;
  if (!nh->has_gateway || idev == nullptr) return;
  const Jiffies now = ns.host_net.jiffies();
  const auto interval = static_cast<Jiffies>(idev->cnf->rtr_probe_interval);
  if (neighbour* const neigh = GatewayOf(ns, *nh); neigh != nullptr) {
    if ((neigh->nud_state & NUD_VALID) != 0 || now <= neigh->updated + interval) return;
    neigh_set_probe_once(neigh);
  } else if (now <= nh->last_probe + interval) {
    return;
  }
  nh->last_probe = now;
  const Ipv6Address group = addrconf_addr_solict_mult(nh->fib_nh_gw6);
  ndisc_send_ns(nh->fib_nh_dev, nh->fib_nh_gw6, group, nullptr, 0);
}

// Whether a route is better than what was found so far, whose score *best is (find_match).
bool IsBetter(netns_ipv6& ns, fib6_info* rt, int oif, int strict, int* best) {
  fib6_nh* const nh = &rt->nh;
  if ((nh->fib_nh_flags & RTNH_F_DEAD) != 0) return false;
  if ((nh->fib_nh_flags & RTNH_F_LINKDOWN) != 0 && ip6_ignore_linkdown(nh->fib_nh_dev) &&
      (strict & RT6_LOOKUP_F_IGNORE_LINKSTATE) == 0) {
    return false;
  }
  const int score = RouteScore(ns, *nh, rt->fib6_flags, oif, strict);
  if (score == kScoreHard) return false;
  if ((strict & RT6_LOOKUP_F_REACHABLE) != 0) Probe(ns, nh);
  if (score <= *best) return false;
  *best = score;
  return true;
}

// rt6_select: the best of the lowest metric; where none of that will do, the best of the others,
// whose metrics decide between equally good ones only. (The kernel's round robin is for hosts
// without router preferences.)
void Select(netns_ipv6& ns, const fib6_node* fn, int oif, fib6_result* res, int strict) {
  res->f6i = nullptr;
  int best = -1;
  for (fib6_info* rt = fn->leaf; rt != nullptr; rt = rt->fib6_next) {
    const bool found_of_lowest =
        res->f6i != nullptr && res->f6i->fib6_metric == fn->leaf->fib6_metric;
    if (found_of_lowest && rt->fib6_metric != fn->leaf->fib6_metric) break;
    if (!fib6_check_expired(ns, rt) && IsBetter(ns, rt, oif, strict, &best)) Use(rt, res);
  }
  if (res->f6i == nullptr) UseNullEntry(ns, res);
}

// Over a device that was named, else one that has the source.
bool DeviceMatches(netns_ipv6& ns, const fib6_nh& nh, const Ipv6Address& saddr, int oif,
                   int flags) {
  if ((nh.fib_nh_flags & RTNH_F_DEAD) != 0) return false;
  if (oif != 0) return nh.fib_nh_dev->ifindex == oif;
  return ipv6_chk_addr(ns.host_net, saddr, nh.fib_nh_dev, (flags & RT6_LOOKUP_F_IFACE) != 0);
}

uint32_t HashOfAddress(const Ipv6Address& a, uint32_t seed) {
  return jhash_3words(a.word(0), a.word(1), a.word(2), jhash_1word(a.word(3), seed));
}

uint32_t L3Hash(const netns_ipv6& ns, const Ipv6Address& saddr, const Ipv6Address& daddr,
                uint32_t flowlabel, uint8_t proto) {
  const uint32_t hash = HashOfAddress(saddr, HashOfAddress(daddr, ns.host_net.hash_mix));
  return jhash_2words(flowlabel & IPV6_FLOWLABEL_MASK, proto, hash);
}

uint32_t L4Hash(const netns_ipv6& ns, const flowi6& fl6, uint32_t ports) {
  const uint32_t hash = HashOfAddress(fl6.saddr, HashOfAddress(fl6.daddr, ns.host_net.hash_mix));
  return jhash_2words(ports, fl6.proto, hash);
}

// Errors take the way of the packets they are about, so that path MTU discovery meets the right
// host (ip6_multipath_l3_keys).
uint32_t L3HashOfPacket(const netns_ipv6& ns, const sk_buff* skb) {
  const wire::Ipv6Header* header = ipv6_hdr(skb);
  uint8_t buffer[sizeof(wire::Icmpv6Header) + sizeof(wire::Ipv6Header)];
  if (header->nexthdr == wire::kIpProtoIcmpv6) {
    const auto offset = static_cast<uint32_t>(skb_transport_offset(skb));
    const auto* const message =
        static_cast<const uint8_t*>(skb_header_pointer(skb, offset, sizeof(buffer), buffer));
    if (message != nullptr && reinterpret_cast<const wire::Icmpv6Header*>(message)->is_error()) {
      header = reinterpret_cast<const wire::Ipv6Header*>(message + sizeof(wire::Icmpv6Header));
    }
  }
  return L3Hash(ns, header->saddr, header->daddr, header->flow_label(), header->nexthdr);
}

// The ports of a packet that has some in its first four bytes; 0.
uint32_t PortsOf(const sk_buff* skb, uint8_t* proto) {
  uint16_t frag_off = 0;
  const int start = skb_network_offset(skb) + static_cast<int>(sizeof(wire::Ipv6Header));
  const int offset = ipv6_skip_exthdr(skb, start, proto, &frag_off);
  if (offset < 0 || frag_off != 0) return 0;
  if (*proto != wire::kIpProtoTcp && *proto != wire::kIpProtoUdp) return 0;
  uint8_t buffer[4];
  const void* const ports =
      skb_header_pointer(skb, static_cast<uint32_t>(offset), sizeof(buffer), buffer);
  return ports != nullptr ? LoadBe32(static_cast<const uint8_t*>(ports)) : 0;
}

}  // namespace

uint32_t rt6_multipath_hash(netns_ipv6& ns, const flowi6& fl6, sk_buff* skb) {
  uint32_t hash = 0;
  if (ns.settings.fib_multipath_hash_policy == 1) {
    flowi6 flow = fl6;
    uint32_t ports = uint32_t{fl6.sport.host()} << 16 | fl6.dport.host();
    if (skb != nullptr) ports = PortsOf(skb, &flow.proto);
    hash = L4Hash(ns, flow, ports);
  } else {
    hash = skb != nullptr ? L3HashOfPacket(ns, skb)
                          : L3Hash(ns, fl6.saddr, fl6.daddr, fl6.flowlabel, fl6.proto);
  }
  return hash >> 1;
}

void fib6_table_lookup(netns_ipv6& ns, fib6_table* table, int oif, const flowi6& fl6,
                       fib6_result* res, int strict) {
  fib6_node* const longest = fib6_node_lookup(table->root, fl6.daddr, fl6.saddr);
  for (;;) {
    for (fib6_node* fn = longest; fn != nullptr; fn = fib6_backtrack(fn, fl6.saddr)) {
      Select(ns, fn, oif, res, strict);
      if (res->f6i != ns.fib->null_entry) return;
    }
    if ((strict & RT6_LOOKUP_F_REACHABLE) == 0) return;
    // Better a router that does not answer than none.
    strict &= ~RT6_LOOKUP_F_REACHABLE;
  }
}

void rt6_device_match(netns_ipv6& ns, fib6_result* res, const Ipv6Address& saddr, int oif,
                      int flags) {
  fib6_info* const first = res->f6i;
  const bool first_is_dead = (first->nh.fib_nh_flags & RTNH_F_DEAD) != 0;
  if (oif == 0 && ipv6_addr_any(saddr) && !first_is_dead) return Use(first, res);
  for (fib6_info* rt = first; rt != nullptr; rt = rt->fib6_next) {
    if (DeviceMatches(ns, rt->nh, saddr, oif, flags)) return Use(rt, res);
  }
  if ((oif != 0 && (flags & RT6_LOOKUP_F_IFACE) != 0) || first_is_dead) {
    return UseNullEntry(ns, res);
  }
  Use(first, res);
}

void fib6_select_path(netns_ipv6& ns, fib6_result* res, flowi6* fl6, int oif, bool have_oif_match,
                      sk_buff* skb, int strict) {
  if (res->f6i->fib6_nsiblings == 0 || have_oif_match) return;
  if (skb != nullptr) IP6CB(skb)->flags |= IP6SKB_MULTIPATH;
  if (fl6->mp_hash == 0) fl6->mp_hash = rt6_multipath_hash(ns, *fl6, skb);
  const auto hash = static_cast<int32_t>(fl6->mp_hash);
  for (fib6_info* rt = rt6_multipath_first_sibling(res->f6i); rt != nullptr;
       rt = rt6_multipath_next_sibling(rt)) {
    if (hash > rt->nh.fib_nh_upper_bound) continue;
    // One that is not to be used leaves the flow with what the lookup found.
    if (RouteScore(ns, rt->nh, rt->fib6_flags, oif, strict) < 0) return;
    return Use(rt, res);
  }
}

}  // namespace tapedeck
