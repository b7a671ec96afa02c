// What is learnt about single destinations: path MTUs and redirects (update_or_create_fnhe and its
// users in route.c).
#include <algorithm>
#include <cerrno>

#include "stack/base/hash.h"
#include "stack/core/neighbour.h"
#include "stack/core/net.h"
#include "stack/core/sock.h"
#include "stack/ipv4/arp.h"
#include "stack/ipv4/devinet.h"
#include "stack/ipv4/icmp.h"
#include "stack/ipv4/inet_sock.h"
#include "stack/ipv4/inetpeer.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv4/route.h"
#include "stack/ipv4/route_internal.h"

namespace tapedeck {

namespace {

constexpr uint32_t kReclaimDepth = 5;           // FNHE_RECLAIM_DEPTH
constexpr uint64_t kRedirectLifeSeconds = 300;  // RT_GC_TIMEOUT

uint32_t BucketOf(const netns_ipv4& ns, Ipv4Address daddr) {
  return jhash_1word(daddr.host(), ns.host_net.hash_mix) % kExceptionBuckets;
}

// Lets the shared rtables go; holders find them dead.
void FlushRoutes(fib_nh_exception* fnhe) {
  for (rtable** const slot : {&fnhe->rth_input, &fnhe->rth_output}) {
    rtable* const rt = *slot;
    *slot = nullptr;
    if (rt == nullptr) continue;
    dst_dev_put(rt);
    dst_release(rt);
  }
}

void Delete(netns_ipv4& ns, fib_nh_exception** at) {
  fib_nh_exception* const fnhe = *at;
  *at = fnhe->next;
  FlushRoutes(fnhe);
  ns.fib.exceptions.Delete(fnhe);
}

void RemoveOldest(netns_ipv4& ns, fib_nh_exception** list) {
  fib_nh_exception** oldest = list;
  for (fib_nh_exception** at = list; *at != nullptr; at = &(*at)->next) {
    if ((*at)->stamp <= (*oldest)->stamp) oldest = at;
  }
  Delete(ns, oldest);
}

void Fill(rtable* rt, const fib_nh_exception& fnhe) {
  rt->rt_pmtu = fnhe.pmtu;
  rt->rt_mtu_locked = fnhe.mtu_locked;
  rt->expires = fnhe.expires;
  if (fnhe.gw == kIpv4Any) return;
  rt->rt_flags |= RTCF_REDIRECTED;
  rt->rt_uses_gateway = true;
  rt->rt_gw4 = fnhe.gw;
}

struct Lesson {
  Ipv4Address gw;     // 0.0.0.0: nothing about it
  uint32_t pmtu = 0;  // 0: nothing about it
  bool mtu_locked = false;
  Jiffies expires = 0;
};

void Apply(fib_nh_exception* fnhe, const Lesson& lesson) {
  if (lesson.gw != kIpv4Any) fnhe->gw = lesson.gw;
  if (lesson.pmtu != 0) {
    fnhe->pmtu = lesson.pmtu;
    fnhe->mtu_locked = lesson.mtu_locked;
  }
  fnhe->expires = std::max<Jiffies>(1, lesson.expires);
}

// The route that everybody shares no longer suits this destination: those who hold it ask again.
void StaleShared(rtable* rt) {
  if (rt != nullptr) rt->obsolete = DST_OBSOLETE_KILL;
}

bool MakeBuckets(netns_ipv4& ns, fib_nh* nh) {
  if (nh->nh_exceptions != nullptr) return true;
  constexpr size_t kBytes = kExceptionBuckets * sizeof(fib_nh_exception*);
  void* const memory = ns.host_net.kernel.kmalloc().Alloc(kBytes);
  if (memory == nullptr) return false;
  nh->nh_exceptions = static_cast<fib_nh_exception**>(memory);
  std::fill_n(nh->nh_exceptions, kExceptionBuckets, nullptr);
  return true;
}

// update_or_create_fnhe.
void Learn(netns_ipv4& ns, fib_nh* nh, Ipv4Address daddr, const Lesson& lesson) {
  if (!MakeBuckets(ns, nh)) return;
  fib_nh_exception** const list = &nh->nh_exceptions[BucketOf(ns, daddr)];
  uint32_t depth = 0;
  fib_nh_exception* fnhe = *list;
  while (fnhe != nullptr && fnhe->daddr != daddr) {
    fnhe = fnhe->next;
    ++depth;
  }
  if (fnhe != nullptr) {
    Apply(fnhe, lesson);
    if (fnhe->rth_input != nullptr) Fill(fnhe->rth_input, *fnhe);
    if (fnhe->rth_output != nullptr) Fill(fnhe->rth_output, *fnhe);
  } else {
    // As in the kernel the limit is random, so that nobody learns from it who else was remembered.
    const uint32_t max_depth = kReclaimDepth + ns.prng.Below(kReclaimDepth);
    for (; depth > max_depth; --depth) RemoveOldest(ns, list);
    fnhe = ns.fib.exceptions.New();
    if (fnhe == nullptr) return;
    fnhe->daddr = daddr;
    Apply(fnhe, lesson);
    fnhe->next = *list;
    *list = fnhe;
    StaleShared(nh->nh_rth_input);
    StaleShared(nh->nh_rth_output);
  }
  fnhe->stamp = ns.host_net.jiffies();
}

void LearnForFlow(netns_ipv4& ns, flowi4* flow, const Lesson& lesson) {
  fib_result res;
  if (fib_lookup(ns, *flow, &res) != 0 || res.fi == nullptr || res.nhc == nullptr) return;
  fib_select_path(ns, &res, flow);
  Learn(ns, res.nhc, flow->daddr, lesson);
}

// Whether some route on `dev` has this gateway (ip_fib_check_default).
bool IsKnownGateway(netns_ipv4& ns, Ipv4Address gw, const net_device* dev) {
  for (const fib_info& fi : ns.fib.info_list) {
    for (uint32_t i = 0; i < fi.nhs; ++i) {
      const fib_nh& nh = fi.nh[i];
      if (nh.nh_dev == dev && nh.nh_gw == gw && (nh.nh_flags & RTNH_F_DEAD) == 0) return true;
    }
  }
  return false;
}

// RFC 1122 3.2.2.2 and the secure_redirects, shared_media settings.
bool RedirectIsBelievable(netns_ipv4& ns, const net_device* dev, Ipv4Address new_gw,
                          Ipv4Address old_gw) {
  const in_device* const in_dev = dev->ip_ptr;
  if (in_dev == nullptr) return false;
  const in_dev_conf conf(in_dev);
  if (new_gw == old_gw || !conf.rx_redirects() || ipv4_is_multicast(new_gw) ||
      ipv4_is_lbcast(new_gw) || ipv4_is_zeronet(new_gw)) {
    return false;
  }
  if (conf.shared_media()) return inet_addr_type(ns.host_net, new_gw) == RTN_UNICAST;
  return inet_addr_onlink(in_dev, new_gw, old_gw) &&
         (!conf.sec_redirects() || IsKnownGateway(ns, new_gw, dev));
}

const wire::Ipv4Header& QuotedHeader(const sk_buff* skb) {
  return *reinterpret_cast<const wire::Ipv4Header*>(skb->data);
}

void FlowOfSocket(const sk_buff* skb, const sock* sk, flowi4* flow) {
  const wire::Ipv4Header& iph = QuotedHeader(skb);
  *flow =
      flowi4_init_output(sk->sk_bound_dev_if, sk->sk_mark, ip_sock_rt_tos(sk), ip_sock_rt_scope(sk),
                         sk->sk_protocol, inet_sk_flowi_flags(sk), iph.daddr, iph.saddr, 0, 0);
}

bool AcceptsPmtu(const sock* sk) {
  return inet_sk(sk)->pmtudisc != kIpPmtudiscInterface && inet_sk(sk)->pmtudisc != kIpPmtudiscOmit;
}

}  // namespace

fib_nh_exception* find_exception(netns_ipv4& ns, fib_nh* nh, Ipv4Address daddr) {
  if (nh->nh_exceptions == nullptr) return nullptr;
  fib_nh_exception** at = &nh->nh_exceptions[BucketOf(ns, daddr)];
  while (*at != nullptr && (*at)->daddr != daddr) at = &(*at)->next;
  fib_nh_exception* const fnhe = *at;
  if (fnhe == nullptr) return nullptr;
  if (ns.host_net.jiffies() <= fnhe->expires) return fnhe;
  Delete(ns, at);
  return nullptr;
}

rtable** rt_exception_slot(fib_nh_exception* fnhe, bool is_input) {
  return is_input ? &fnhe->rth_input : &fnhe->rth_output;
}

void rt_bind_exception(rtable* rt, fib_nh_exception* fnhe, Ipv4Address daddr, bool do_cache) {
  Fill(rt, *fnhe);
  if (rt->rt_gw4 == kIpv4Any) rt->rt_gw4 = daddr;
  fnhe->stamp = rt->ns->host_net.jiffies();
  if (!do_cache) return;
  rtable** const slot = rt_exception_slot(fnhe, rt->rt_is_input);
  rtable* const old = *slot;
  dst_hold(rt);
  *slot = rt;
  if (old == nullptr) return;
  dst_dev_put(old);
  dst_release(old);
}

void rt_free_exceptions(netns_ipv4& ns, fib_nh* nh) {
  if (nh->nh_exceptions == nullptr) return;
  for (uint32_t i = 0; i < kExceptionBuckets; ++i) {
    while (nh->nh_exceptions[i] != nullptr) Delete(ns, &nh->nh_exceptions[i]);
  }
  ns.host_net.kernel.kmalloc().Free(static_cast<void*>(nh->nh_exceptions),
                                    kExceptionBuckets * sizeof(fib_nh_exception*));
  nh->nh_exceptions = nullptr;
}

void rt_update_pmtu(rtable* rt, flowi4* flow, uint32_t mtu) {
  netns_ipv4& ns = *rt->ns;
  const auto min_pmtu = static_cast<uint32_t>(ns.settings.route_min_pmtu);
  const auto lifetime = static_cast<Jiffies>(ns.settings.route_mtu_expires);
  const Jiffies now = ns.host_net.jiffies();
  if (ip_mtu_locked(rt)) return;
  const uint32_t old_mtu = dst_mtu(rt);
  if (old_mtu < mtu) return;
  bool lock = false;
  if (mtu < min_pmtu) {
    lock = true;
    mtu = std::min(old_mtu, min_pmtu);
  }
  if (rt->rt_pmtu == mtu && !lock && now + lifetime / 2 < rt->expires) return;
  LearnForFlow(ns, flow,
               {.gw = kIpv4Any, .pmtu = mtu, .mtu_locked = lock, .expires = now + lifetime});
}

void rt_redirect(rtable* rt, sk_buff* skb, flowi4* flow, bool kill_route) {
  netns_ipv4& ns = *rt->ns;
  const wire::IcmpHeader& icmp = *icmp_hdr(skb);
  const Ipv4Address new_gw = icmp.gateway();
  const Ipv4Address old_gw = ip_hdr(skb)->saddr;
  if ((icmp.code & 7) > wire::kIcmpRedirectHostTos) return;
  if (rt->rt_gw4 == kIpv4Any || rt->rt_gw4 != old_gw) return;
  if (!RedirectIsBelievable(ns, skb->dev, new_gw, old_gw)) return;
  neighbour* const neigh = neigh_clone(ip_neigh_gw4(rt->dev, new_gw));
  if (neigh == nullptr) return;
  if ((neigh->nud_state & NUD_VALID) == 0) {
    neigh_event_send(neigh, nullptr);
  } else {
    const Jiffies expires =
        ns.host_net.jiffies() + ns.host_net.kernel.MsecsToJiffies(kRedirectLifeSeconds * 1000);
    LearnForFlow(ns, flow, {.gw = new_gw, .pmtu = 0, .mtu_locked = false, .expires = expires});
    if (kill_route) rt->obsolete = DST_OBSOLETE_KILL;
  }
  neigh_release(neigh);
}

void rt_flow_of_header(const sk_buff* skb, const wire::Ipv4Header& iph, int oif, uint8_t protocol,
                       flowi4* flow) {
  *flow =
      flowi4_init_output(oif, skb->mark, iph.tos, RT_SCOPE_UNIVERSE,
                         protocol != 0 ? protocol : iph.protocol, 0, iph.daddr, iph.saddr, 0, 0);
}

void ipv4_update_pmtu(sk_buff* skb, net& net, uint32_t mtu, int oif, uint8_t protocol) {
  flowi4 flow;
  rt_flow_of_header(skb, QuotedHeader(skb), oif, protocol, &flow);
  int err = 0;
  rtable* const rt = ip_route_output_key(net, &flow, &err);
  if (rt == nullptr) return;
  rt_update_pmtu(rt, &flow, mtu);
  dst_release(rt);
}

void ipv4_sk_update_pmtu(sk_buff* skb, sock* sk, uint32_t mtu) {
  if (!AcceptsPmtu(sk)) return;
  flowi4 flow;
  FlowOfSocket(skb, sk, &flow);
  int err = 0;
  dst_entry* dst = sk_dst_get(sk);
  const bool keeps_route = dst != nullptr && !sock_owned_by_user(sk);
  if (dst == nullptr || dst_check(dst, 0) == nullptr) {
    dst_release(dst);
    dst = ip_route_output_flow(sk->sk_net, &flow, sk, &err);
    if (dst == nullptr) return;
    if (keeps_route) sk_dst_set(sk, dst_clone(dst));
  }
  rt_update_pmtu(static_cast<rtable*>(dst), &flow, mtu);
  if (keeps_route && dst_check(dst, 0) == nullptr) {
    dst_entry* const fresh = ip_route_output_flow(sk->sk_net, &flow, sk, &err);
    if (fresh != nullptr) sk_dst_set(sk, fresh);
  }
  dst_release(dst);
}

void ipv4_redirect(sk_buff* skb, net& net, int oif, uint8_t protocol) {
  flowi4 flow;
  rt_flow_of_header(skb, QuotedHeader(skb), oif, protocol, &flow);
  int err = 0;
  rtable* const rt = ip_route_output_key(net, &flow, &err);
  if (rt == nullptr) return;
  rt_redirect(rt, skb, &flow, false);
  dst_release(rt);
}

void ipv4_sk_redirect(sk_buff* skb, sock* sk) {
  flowi4 flow;
  FlowOfSocket(skb, sk, &flow);
  int err = 0;
  rtable* const rt = ip_route_output_flow(sk->sk_net, &flow, sk, &err);
  if (rt == nullptr) return;
  rt_redirect(rt, skb, &flow, false);
  dst_release(rt);
}

void ip_rt_send_redirect(sk_buff* skb) {
  const rtable* const rt = skb_rtable(skb);
  const in_device* const in_dev = rt->dev->ip_ptr;
  if (in_dev == nullptr || !in_dev_conf(in_dev).tx_redirects()) return;
  netns_ipv4& ns = *rt->ns;
  const uint32_t gateway = rt_nexthop(rt, ip_hdr(skb)->daddr).host();
  inet_peer* const peer = inet_getpeer_v4(ns.peers, ip_hdr(skb)->saddr, 0);
  if (peer == nullptr) {
    icmp_send(skb, wire::kIcmpRedirect, wire::kIcmpRedirectHost, gateway);
    return;
  }
  const Jiffies now = ns.host_net.jiffies();
  if (now > peer->rate_last + static_cast<Jiffies>(ns.settings.route_redirect_silence)) {
    peer->rate_tokens = 0;
    peer->n_redirects = 0;
  }
  // A host that ignored so many will not listen.
  if (peer->n_redirects >= static_cast<uint32_t>(ns.settings.route_redirect_number)) {
    peer->rate_last = now;
    return;
  }
  const Jiffies pause = static_cast<Jiffies>(ns.settings.route_redirect_load) << peer->n_redirects;
  if (peer->n_redirects != 0 && now <= peer->rate_last + pause) return;
  peer->rate_last = now;
  ++peer->n_redirects;
  icmp_send(skb, wire::kIcmpRedirect, wire::kIcmpRedirectHost, gateway);
}

}  // namespace tapedeck
