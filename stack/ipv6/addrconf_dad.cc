// Duplicate address detection (RFC 4862 5.4, optimistic RFC 4429, with a nonce RFC 7527) and the
// router solicitations that follow the first link-local address (RFC 4861 6.3.7, backoff of RFC
// 7559). The kernel's work queue runs a step without delay as soon as it can; here it runs at once.
#include <algorithm>
#include <cerrno>

#include "stack/core/neighbour.h"
#include "stack/ipv6/addrconf_internal.h"
#include "stack/ipv6/mcast.h"
#include "stack/ipv6/ndisc.h"

namespace tapedeck {

using namespace addrconf_internal;  // NOLINT(google-build-using-namespace): this is its other half

namespace {

using State = Inet6IfaddrState;

constexpr uint32_t kDadFlags = IFA_F_TENTATIVE | IFA_F_OPTIMISTIC | IFA_F_DADFAILED;

netns_ipv6& NsOf(const inet6_ifaddr* ifp) { return dev_ipv6(ifp->idev->dev); }

// `value` times a random factor of (middle - 0.1) to (middle + 0.1), in tenths.
int32_t Jittered(netns_ipv6& ns, uint32_t middle_tenths, int32_t value) {
  const uint64_t factor = (middle_tenths - 1) * uint64_t{100'000} + ns.prng.Below(200'001);
  return static_cast<int32_t>(factor * static_cast<uint64_t>(value) / 1'000'000);
}

// RFC 3315 14, as RFC 7559 has it.
int32_t FirstSolicitInterval(netns_ipv6& ns, const ipv6_devconf& conf) {
  return Jittered(ns, 10, conf.rtr_solicit_interval);
}
int32_t NextSolicitInterval(netns_ipv6& ns, int32_t last, int32_t longest) {
  const int32_t next = Jittered(ns, 20, last);
  return next > longest ? Jittered(ns, 10, longest) : next;
}

void addrconf_mod_rs_timer(inet6_dev* idev, Jiffies when) {
  net& net = dev_net(idev->dev);
  if (!mod_timer(net.this_cpu(), &idev->rs_timer, net.jiffies() + when)) ++idev->refcnt;
}

// One more question to the routers, unless one of them has answered.
void SolicitRouters(inet6_dev* idev) {
  const ipv6_devconf& conf = *idev->cnf;
  if (idev->dead || (idev->if_flags & IF_READY) == 0 || !ipv6_accept_ra(idev) ||
      (idev->if_flags & IF_RA_RCVD) != 0) {
    return;
  }
  const bool again = conf.rtr_solicits < 0 || idev->rs_probes < conf.rtr_solicits;
  ++idev->rs_probes;
  Ipv6Address lladdr;
  if (!again || ipv6_get_lladdr(idev->dev, &lladdr, IFA_F_TENTATIVE) != 0) return;
  ndisc_send_rs(idev->dev, lladdr, kIpv6AllRouters);
  idev->rs_interval = static_cast<Jiffies>(NextSolicitInterval(
      dev_ipv6(idev->dev), static_cast<int32_t>(idev->rs_interval), conf.rtr_solicit_max_interval));
  // The wait after the last one can be shorter.
  const bool last = idev->rs_probes == conf.rtr_solicits;
  addrconf_mod_rs_timer(idev,
                        last ? static_cast<Jiffies>(conf.rtr_solicit_delay) : idev->rs_interval);
}

// Whether `ifp` is the only link-local address in use.
bool ipv6_lonely_lladdr(const inet6_ifaddr* ifp) {
  const inet6_dev* const idev = ifp->idev;
  for (const inet6_ifaddr* other = idev->addr_list.back(); other != nullptr;
       other = idev->addr_list.Prev(other)) {
    if (other->scope > IFA_LINK) break;
    if (other != ifp && other->scope == IFA_LINK &&
        (other->flags & (IFA_F_PERMANENT | kDadFlags)) == IFA_F_PERMANENT) {
      return false;
    }
  }
  return true;
}

void StartSoliciting(inet6_dev* idev) {
  Ipv6Address lladdr;
  if (ipv6_get_lladdr(idev->dev, &lladdr, IFA_F_TENTATIVE) != 0) return;
  ndisc_send_rs(idev->dev, lladdr, kIpv6AllRouters);
  idev->rs_interval = static_cast<Jiffies>(FirstSolicitInterval(dev_ipv6(idev->dev), *idev->cnf));
  idev->rs_probes = 1;
  idev->if_flags |= IF_RS_SENT;
  addrconf_mod_rs_timer(idev, idev->rs_interval);
}

// Nobody else has the address: it is ours from now on.
void addrconf_dad_completed(inet6_ifaddr* ifp) {
  inet6_dev* const idev = ifp->idev;
  net_device* const dev = idev->dev;
  netns_ipv6& ns = dev_ipv6(dev);
  const bool was_tentative = (ifp->flags & IFA_F_TENTATIVE) != 0;
  const bool send_na = was_tentative && (ifp->flags & IFA_F_OPTIMISTIC) == 0;
  ifp->flags &= ~kDadFlags;
  addrconf_del_dad_work(ifp);
  ipv6_ifa_notify(IfaEvent::kNew, ifp);
  const bool first_lladdr = ifp->scope == IFA_LINK && ipv6_lonely_lladdr(ifp);
  // Reports were sent from :: so far; now they can be heard.
  if (first_lladdr) ipv6_mc_dad_complete(idev);
  if (send_na && Either(ns.devconf_all.ndisc_notify, idev->cnf->ndisc_notify)) {
    ndisc_send_na(dev, kIpv6AllNodes, ifp->addr, /*router=*/idev->cnf->forwarding != 0,
                  /*solicited=*/false, /*override=*/true, /*inc_opt=*/true);
  }
  if (first_lladdr && ipv6_accept_ra(idev) && idev->cnf->rtr_solicits != 0 &&
      (dev->flags & IFF_LOOPBACK) == 0) {
    StartSoliciting(idev);
  }
  if (was_tentative) rt6_cache_flush(ns.host_net);
  // So that its successor is there before it is deprecated.
  if ((ifp->flags & IFA_F_TEMPORARY) != 0) addrconf_verify(ns.host_net);
}

// Gives the address up, or lets it wait. Takes over the caller's reference.
void addrconf_dad_stop(inet6_ifaddr* ifp, bool dad_failed) {
  if (dad_failed) ifp->flags |= IFA_F_DADFAILED;
  if ((ifp->flags & IFA_F_TEMPORARY) != 0) {
    if (inet6_ifaddr* const ifpub = ifp->ifpub; ifpub != nullptr) {
      ++ifpub->refcnt;
      ipv6_create_tempaddr(ifpub);
      in6_ifa_put(ifpub);
    }
    ipv6_del_addr(ifp);
  } else if ((ifp->flags & IFA_F_PERMANENT) != 0 || !dad_failed) {
    addrconf_del_dad_work(ifp);
    ifp->flags |= IFA_F_TENTATIVE;
    if (dad_failed) {
      ifp->flags &= ~uint32_t{IFA_F_OPTIMISTIC};
      ipv6_ifa_notify(IfaEvent::kChanged, ifp);
    }
    in6_ifa_put(ifp);
  } else {
    ipv6_del_addr(ifp);
  }
}

// RFC 4862 5.4.2: a random delay before the first question, none for an optimistic address.
void addrconf_dad_kick(inet6_ifaddr* ifp) {
  netns_ipv6& ns = NsOf(ifp);
  const ipv6_devconf& conf = *ifp->idev->cnf;
  Jiffies delay = 0;
  if ((ifp->flags & IFA_F_OPTIMISTIC) == 0 && conf.rtr_solicit_delay > 0) {
    delay = ns.prng.Below(static_cast<uint32_t>(conf.rtr_solicit_delay));
  }
  uint64_t nonce = 0;
  if (Either(ns.devconf_all.enhanced_dad, conf.enhanced_dad)) {
    do {
      nonce = ns.prng.Next64() >> 16;
    } while (nonce == 0);
  }
  ifp->dad_nonce = nonce;
  ifp->dad_probes = static_cast<uint8_t>(conf.dad_transmits);
  addrconf_mod_dad_work(ifp, delay);
}

bool NeedsNoDad(const inet6_ifaddr* ifp) {
  const inet6_dev* const idev = ifp->idev;
  return (idev->dev->flags & (IFF_NOARP | IFF_LOOPBACK)) != 0 ||
         (NsOf(ifp).devconf_all.accept_dad < 1 && idev->cnf->accept_dad < 1) ||
         (ifp->flags & IFA_F_TENTATIVE) == 0 || (ifp->flags & IFA_F_NODAD) != 0;
}

void addrconf_dad_begin(inet6_ifaddr* ifp) {
  inet6_dev* const idev = ifp->idev;
  addrconf_join_solict(idev->dev, ifp->addr);
  if (ifp->state == State::kDead) return;
  if (NeedsNoDad(ifp)) {
    addrconf_dad_completed(ifp);
    return;
  }
  if ((idev->if_flags & IF_READY) == 0) {
    // A permanent address waits for the device, others do not live so long.
    ++ifp->refcnt;
    addrconf_dad_stop(ifp, false);
    return;
  }
  if ((ifp->flags & IFA_F_OPTIMISTIC) != 0 && !ifp->rt_inserted) {
    ifp->rt_inserted = true;
    ip6_ins_local_rt(dev_net(idev->dev), idev->dev, ifp->addr, false, 0);
  }
  addrconf_dad_kick(ifp);
}

// With accept_dad 2 a collision of the address made of our MAC ends IPv6 on the device: the MAC is
// taken too.
bool MacIsTaken(const inet6_ifaddr* ifp) {
  const inet6_dev* const idev = ifp->idev;
  if ((NsOf(ifp).devconf_all.accept_dad <= 1 && idev->cnf->accept_dad <= 1) ||
      idev->cnf->disable_ipv6 != 0 || (ifp->flags & IFA_F_STABLE_PRIVACY) != 0) {
    return false;
  }
  Ipv6Address from_mac = kIpv6LinkLocalPrefix;
  return ipv6_generate_eui64(idev->dev, &from_mac) && from_mac == ifp->addr;
}

void AbortDad(inet6_ifaddr* ifp) {
  inet6_dev* const idev = ifp->idev;
  ifp->state = State::kPostdad;
  const bool disable = MacIsTaken(ifp);
  if (disable) idev->cnf->disable_ipv6 = idev->cnf->disable_ipv6_applied = 1;
  ++ifp->refcnt;
  addrconf_dad_stop(ifp, true);
  if (disable) addrconf_ifdown(idev->dev, false);
}

// One more question whether somebody has the address, or the end of asking.
void ProbeOrComplete(inet6_ifaddr* ifp) {
  inet6_dev* const idev = ifp->idev;
  if (ifp->dad_probes == 0) {
    if (ifp->state != State::kDad) return;
    ifp->state = State::kPostdad;
  }
  if (idev->dead || (idev->if_flags & IF_READY) == 0 || ifp->state == State::kDead) return;
  if (ifp->dad_probes == 0) {
    addrconf_dad_completed(ifp);
    return;
  }
  --ifp->dad_probes;
  const auto shortest = static_cast<int32_t>(Hz(dev_net(idev->dev)) / 100);
  addrconf_mod_dad_work(ifp,
                        static_cast<Jiffies>(std::max(idev->nd_parms->retrans_time, shortest)));
  const Ipv6Address group = addrconf_addr_solict_mult(ifp->addr);
  ndisc_send_ns(idev->dev, ifp->addr, group, &kIpv6Any, ifp->dad_nonce);
}

void addrconf_dad_work(inet6_ifaddr* ifp) {
  switch (ifp->state) {
    case State::kPredad:
      ifp->state = State::kDad;
      addrconf_dad_begin(ifp);
      break;
    case State::kErrdad:
      AbortDad(ifp);
      break;
    case State::kDad:
    case State::kPostdad:
    case State::kDead:
      ProbeOrComplete(ifp);
      break;
  }
}

// After a collision a stable address is tried with the next number (RFC 7217 6). False where there
// is none left.
bool TryNextStableAddress(const inet6_ifaddr* ifp) {
  inet6_dev* const idev = ifp->idev;
  netns_ipv6& ns = dev_ipv6(idev->dev);
  const int retries = ifp->stable_privacy_retry + 1;
  ifa6_config config = {.pfx = ifp->addr,
                        .plen = ifp->prefix_len,
                        .scope = ifp->scope,
                        .ifa_flags = ifp->flags,
                        .valid_lft = ifp->valid_lft,
                        .preferred_lft = ifp->prefered_lft};
  if (retries > ns.settings.idgen_retries ||
      !ipv6_generate_stable_address(idev, static_cast<uint8_t>(retries), &config.pfx)) {
    return false;
  }
  const int32_t max_addresses = idev->cnf->max_addresses;
  if (max_addresses != 0 && ipv6_count_addresses(idev) >= max_addresses) return false;
  int err = 0;
  inet6_ifaddr* const next = ipv6_add_addr(idev, config, &err);
  if (next == nullptr) return false;
  next->stable_privacy_retry = static_cast<uint8_t>(retries);
  next->state = State::kPredad;
  addrconf_mod_dad_work(next, static_cast<Jiffies>(ns.settings.idgen_delay));
  in6_ifa_put(next);
  return true;
}

}  // namespace

void addrconf_dad_failure(sk_buff* /*skb*/, inet6_ifaddr* ifp) {
  if (ifp->state == State::kDad) {
    ifp->state = State::kPostdad;
    if ((ifp->flags & IFA_F_STABLE_PRIVACY) != 0) TryNextStableAddress(ifp);
    if (ifp->state == State::kPostdad) {
      ifp->state = State::kErrdad;
      addrconf_mod_dad_work(ifp, 0);
    }
  }
  in6_ifa_put(ifp);
}

namespace addrconf_internal {

void addrconf_mod_dad_work(inet6_ifaddr* ifp, Jiffies delay) {
  net& net = dev_net(ifp->idev->dev);
  if (delay > 0) {
    if (!mod_timer(net.this_cpu(), &ifp->dad_timer, net.jiffies() + delay)) ++ifp->refcnt;
    return;
  }
  addrconf_del_dad_work(ifp);
  ++ifp->refcnt;
  addrconf_dad_work(ifp);
  in6_ifa_put(ifp);
}

void addrconf_del_dad_work(inet6_ifaddr* ifp) {
  if (timer_delete(&ifp->dad_timer)) in6_ifa_put(ifp);
}

void addrconf_dad_timer(TimerList* timer) {
  inet6_ifaddr* const ifp = static_cast<inet6_ifaddr::DadTimer*>(timer)->ifp;
  addrconf_dad_work(ifp);
  in6_ifa_put(ifp);
}

void addrconf_dad_start(inet6_ifaddr* ifp) {
  if (ifp->state == State::kDead) return;
  ifp->state = State::kPredad;
  addrconf_mod_dad_work(ifp, 0);
}

void addrconf_dad_run(inet6_dev* idev, bool restart) {
  inet6_ifaddr* next = nullptr;
  for (inet6_ifaddr* ifp = idev->addr_list.front(); ifp != nullptr; ifp = next) {
    // A step that is done at once may take the address off the list, and others with it.
    next = idev->addr_list.Next(ifp);
    if (next != nullptr) ++next->refcnt;
    const bool waits = (ifp->flags & IFA_F_TENTATIVE) != 0 && ifp->state == State::kDad;
    if (waits || restart) {
      if (restart) ifp->state = State::kPredad;
      addrconf_dad_kick(ifp);
    }
    if (next == nullptr) break;
    const bool gone = next->state == State::kDead;
    in6_ifa_put(next);
    if (gone) break;
  }
}

void addrconf_del_rs_timer(inet6_dev* idev) {
  if (timer_delete(&idev->rs_timer)) in6_dev_put(idev);
}

void addrconf_rs_timer(TimerList* timer) {
  inet6_dev* const idev = static_cast<inet6_dev::Timer*>(timer)->idev;
  SolicitRouters(idev);
  in6_dev_put(idev);
}

}  // namespace addrconf_internal

}  // namespace tapedeck
