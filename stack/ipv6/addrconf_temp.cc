// Temporary addresses (RFC 8981): an address with a random identifier beside each one that was
// configured from a prefix, replaced before it is deprecated. As in Linux their lifetimes count
// from the public address's last advertisement.
#include <algorithm>

#include "stack/core/neighbour.h"
#include "stack/ipv6/addrconf_internal.h"

namespace tapedeck::addrconf_internal {

namespace {

uint32_t AgeSeconds(net& net, Jiffies since) {
  return static_cast<uint32_t>((net.jiffies() - since) / Hz(net));
}

// RFC 8981 3.8: DESYNC_FACTOR, drawn again where the settings have made it too large.
void UpdateDesyncFactor(inet6_dev* idev, uint32_t regen_advance) {
  const ipv6_devconf& conf = *idev->cnf;
  const int64_t longest =
      std::min<int64_t>(conf.max_desync_factor, int64_t{conf.temp_prefered_lft} - regen_advance);
  if (int64_t{idev->desync_factor} <= longest) return;
  idev->desync_factor =
      longest > 0 ? dev_ipv6(idev->dev).prng.Below(static_cast<uint32_t>(longest)) : 0;
}

// Lifetimes of a successor made now, counted from the public address's time stamp. False where it
// would be deprecated as soon as it is there.
bool ChooseLifetimes(inet6_dev* idev, const inet6_ifaddr* ifp, ifa6_config* config) {
  net& net = dev_net(idev->dev);
  const ipv6_devconf& conf = *idev->cnf;
  const uint32_t regen_advance = ipv6_get_regen_advance(idev);
  uint32_t age = AgeSeconds(net, ifp->tstamp);
  UpdateDesyncFactor(idev, regen_advance);
  config->valid_lft = std::min(ifp->valid_lft, static_cast<uint32_t>(conf.temp_valid_lft) + age);
  config->preferred_lft =
      std::min({ifp->prefered_lft, config->valid_lft,
                static_cast<uint32_t>(conf.temp_prefered_lft) + age - idev->desync_factor});
  age = static_cast<uint32_t>((net.jiffies() - ifp->tstamp + FuzzMinus(net)) / Hz(net));
  if (config->preferred_lft > regen_advance + age) return true;
  // RFC 8981 3.4: lived out as the minimum, unless the public address does not live so long.
  config->preferred_lft = regen_advance + age + 1;
  return config->preferred_lft <= config->valid_lft && config->preferred_lft <= ifp->prefered_lft;
}

// One try with one random identifier. False where that address cannot be had and another is to be
// tried.
bool TryTempaddr(inet6_dev* idev, inet6_ifaddr* ifp, int* result) {
  netns_ipv6& ns = dev_ipv6(idev->dev);
  *result = -1;
  if (idev->cnf->use_tempaddr <= 0) return true;
  if (ifp->regen_count++ >= idev->cnf->regen_max_retry) {
    idev->cnf->use_tempaddr = -1;  // given up for good
    return true;
  }
  ifa6_config config = {.pfx = ifp->addr, .plen = ifp->prefix_len};
  ipv6_gen_rnd_iid(ns, &config.pfx);
  if (!ChooseLifetimes(idev, ifp, &config)) return true;
  config.ifa_flags = IFA_F_TEMPORARY | (ifp->flags & IFA_F_OPTIMISTIC);
  config.scope = ipv6_addr_scope(config.pfx);
  int err = 0;
  inet6_ifaddr* const ift = ipv6_add_addr(idev, config, &err);
  if (ift == nullptr) return false;
  ++ifp->refcnt;
  ift->ifpub = ifp;
  ift->tstamp = ifp->tstamp;
  addrconf_dad_start(ift);
  in6_ifa_put(ift);
  *result = 0;
  return true;
}

}  // namespace

uint32_t ipv6_get_regen_advance(const inet6_dev* idev) {
  const ipv6_devconf& conf = *idev->cnf;
  const uint32_t hz = Hz(dev_net(idev->dev));
  const uint64_t retrans =
      std::max<uint64_t>(static_cast<uint32_t>(idev->nd_parms->retrans_time), hz / 100);
  const uint64_t probing = static_cast<uint64_t>(conf.regen_max_retry) *
                           static_cast<uint64_t>(conf.dad_transmits) * retrans / hz;
  return static_cast<uint32_t>(static_cast<uint64_t>(conf.regen_min_advance) + probing);
}

int ipv6_create_tempaddr(inet6_ifaddr* ifp) {
  int result = 0;
  while (!TryTempaddr(ifp->idev, ifp, &result)) {
  }
  return result;
}

void delete_tempaddrs(inet6_dev* idev, inet6_ifaddr* ifp) {
  for (inet6_ifaddr* ift = idev->tempaddr_list.front(); ift != nullptr;) {
    inet6_ifaddr* const next = idev->tempaddr_list.Next(ift);
    if (ift->ifpub == ifp) {
      ++ift->refcnt;
      ipv6_del_addr(ift);
    }
    ift = next;
  }
}

void manage_tempaddrs(inet6_dev* idev, inet6_ifaddr* ifp, uint32_t valid_lft, uint32_t prefered_lft,
                      bool create) {
  net& net = dev_net(idev->dev);
  const ipv6_devconf& conf = *idev->cnf;
  const bool is_preferred = prefered_lft > 0;
  bool reset_done = false;
  for (inet6_ifaddr* ift = idev->tempaddr_list.front(); ift != nullptr;
       ift = idev->tempaddr_list.Next(ift)) {
    if (ift->ifpub != ifp) continue;
    // RFC 8981 3.4: extended with the public address, within what temporary ones may live.
    const auto age = static_cast<int64_t>(AgeSeconds(net, ift->cstamp));
    const int64_t max_valid = std::max<int64_t>(conf.temp_valid_lft - age, 0);
    const int64_t max_prefered =
        std::max<int64_t>(int64_t{conf.temp_prefered_lft} - idev->desync_factor - age, 0);
    valid_lft = static_cast<uint32_t>(std::min<int64_t>(valid_lft, max_valid));
    prefered_lft = static_cast<uint32_t>(std::min<int64_t>(prefered_lft, max_prefered));
    // The first one is the newest.
    if (!reset_done && is_preferred) {
      ift->regen_count = 0;
      reset_done = true;
    }
    ift->valid_lft = valid_lft;
    ift->prefered_lft = prefered_lft;
    ift->tstamp = net.jiffies();
    if (prefered_lft > 0) ift->flags &= ~uint32_t{IFA_F_DEPRECATED};
    if ((ift->flags & IFA_F_TENTATIVE) == 0) ipv6_ifa_notify(IfaEvent::kChanged, ift);
  }
  // Also where it was switched on after the public address came; but not in taking that one off.
  if (idev->tempaddr_list.empty() && (valid_lft != 0 || prefered_lft != 0)) create = true;
  if (create && conf.use_tempaddr > 0) ipv6_create_tempaddr(ifp);
}

}  // namespace tapedeck::addrconf_internal
