// Prefixes: their routes, and what router advertisements say of them (RFC 4862 5.5.3, RFC 4861
// 6.3.4).
#include <algorithm>
#include <cstring>

#include "stack/ipv6/addrconf_internal.h"
#include "stack/wire/ndisc.h"

namespace tapedeck {

using namespace addrconf_internal;  // NOLINT(google-build-using-namespace): this is its other half

namespace {

constexpr uint32_t kMinValidLifetimeSeconds = 2 * 3600;  // MIN_VALID_LIFETIME

// A prefix information option, taken apart.
struct Prefix {
  explicit Prefix(const wire::NdPrefixInfo& info)
      : prefix(info.prefix),
        plen(info.prefix_len),
        onlink(info.onlink()),
        autoconf(info.autoconf()),
        prefers_pd(info.prefer_pd()),
        valid_lft(info.valid.host()),
        prefered_lft(info.prefered.host()) {}
  Ipv6Address prefix;
  uint8_t plen;
  bool onlink;
  bool autoconf;
  bool prefers_pd;
  uint32_t valid_lft;     // s
  uint32_t prefered_lft;  // s
};

// The route to a prefix on the link is made, lives on, or ends.
void UpdatePrefixRoute(net_device* dev, const Prefix& p) {
  net& net = dev_net(dev);
  const bool finite = addrconf_finite_timeout(p.valid_lft);
  const Jiffies life = finite ? Jiffies{p.valid_lft} * Hz(net) : 0;
  fib6_info* const route = addrconf_get_prefix_route(
      p.prefix, p.plen, dev, RTF_ADDRCONF | RTF_PREFIX_RT, RTF_DEFAULT, true);
  if (route == nullptr) {
    if (p.valid_lft == 0) return;
    addrconf_prefix_route(p.prefix, p.plen, 0, dev, life,
                          RTF_ADDRCONF | RTF_PREFIX_RT | (finite ? uint32_t{RTF_EXPIRES} : 0U));
    return;
  }
  if (p.valid_lft == 0) {
    ip6_del_rt(net, route);
    return;
  }
  if (finite) {
    fib6_set_expires(net, route, net.jiffies() + life);
  } else {
    fib6_clean_expires(net_ipv6(net), route);
  }
  fib6_info_release(net_ipv6(net), route);
}

// Where the identifier of an address in the prefix comes from. False where there is none.
bool MakeAddress(inet6_dev* idev, const Prefix& p, Ipv6Address* addr, uint32_t* flags,
                 bool* tokenized) {
  *addr = p.prefix;
  if (!ipv6_addr_any(idev->token)) {
    std::array<uint8_t, 8> iid;
    std::copy_n(idev->token.bytes().begin() + 8, 8, iid.begin());
    *addr = ipv6_addr_with_iid(*addr, iid);
    *tokenized = true;
    return true;
  }
  const int32_t mode = idev->cnf->addr_gen_mode;
  if ((mode == IN6_ADDR_GEN_MODE_STABLE_PRIVACY || mode == IN6_ADDR_GEN_MODE_RANDOM) &&
      ipv6_generate_stable_address(idev, 0, addr)) {
    *flags |= IFA_F_STABLE_PRIVACY;
    return true;
  }
  return ipv6_generate_eui64(idev->dev, addr) || ipv6_inherit_eui64(idev, addr);
}

// A new address of a prefix, with a reference; nullptr where there may be none.
inet6_ifaddr* AddAutoconfAddress(inet6_dev* idev, const Prefix& p, const Ipv6Address& addr,
                                 uint32_t flags, bool sllao, bool tokenized) {
  netns_ipv6& ns = dev_ipv6(idev->dev);
  ifa6_config config = {.pfx = addr,
                        .plen = p.plen,
                        .scope = ipv6_addr_scope(p.prefix),
                        .ifa_flags = flags,
                        .valid_lft = p.valid_lft,
                        .preferred_lft = p.prefered_lft};
  if (Either(ns.devconf_all.optimistic_dad, idev->cnf->optimistic_dad) &&
      ns.devconf_all.forwarding == 0 && sllao) {
    config.ifa_flags |= IFA_F_OPTIMISTIC;
  }
  const int32_t max_addresses = idev->cnf->max_addresses;
  if (max_addresses != 0 && ipv6_count_addresses(idev) >= max_addresses) return nullptr;
  int err = 0;
  inet6_ifaddr* const ifp = ipv6_add_addr(idev, config, &err);
  if (ifp == nullptr) return nullptr;
  ifp->flags |= IFA_F_MANAGETEMPADDR;
  ifp->tokenized = tokenized;
  addrconf_dad_start(ifp);
  return ifp;
}

// RFC 4862 5.5.3 e: a router may extend a life, but not cut what is left of it to less than two
// hours, unless ra_honor_pio_life believes him. Returns the valid lifetime that was taken.
uint32_t UpdateLifetimes(inet6_dev* idev, inet6_ifaddr* ifp, const Prefix& p) {
  net& net = dev_net(idev->dev);
  const Jiffies now = net.jiffies();
  const Jiffies age_s = (now - ifp->tstamp) / Hz(net);
  const uint32_t left_s =
      ifp->valid_lft > age_s ? ifp->valid_lft - static_cast<uint32_t>(age_s) : 0;
  if (left_s == 0) return p.valid_lft;
  uint32_t valid_lft = p.valid_lft;
  if (idev->cnf->ra_honor_pio_life == 0) {
    valid_lft = std::max(valid_lft, std::min(left_s, kMinValidLifetimeSeconds));
  }
  ifp->valid_lft = valid_lft;
  ifp->prefered_lft = p.prefered_lft;
  ifp->tstamp = now;
  ifp->flags &= ~uint32_t{IFA_F_DEPRECATED};
  if ((ifp->flags & IFA_F_TENTATIVE) == 0) ipv6_ifa_notify(IfaEvent::kChanged, ifp);
  return valid_lft;
}

// addrconf_prefix_rcv_add_addr. False where no address could be made.
void Autoconfigure(inet6_dev* idev, const Prefix& p, bool sllao) {
  net& net = dev_net(idev->dev);
  Ipv6Address addr;
  uint32_t flags = 0;
  bool tokenized = false;
  if (p.plen != 64 || !MakeAddress(idev, p, &addr, &flags, &tokenized)) return;
  inet6_ifaddr* ifp = ipv6_get_ifaddr(net, addr, idev->dev, true);
  uint32_t valid_lft = p.valid_lft;
  const bool create = ifp == nullptr && valid_lft != 0;
  if (create) {
    ifp = AddAutoconfAddress(idev, p, addr, flags, sllao, tokenized);
  } else if (ifp != nullptr) {
    valid_lft = UpdateLifetimes(idev, ifp, p);
  }
  if (ifp == nullptr) return;
  manage_tempaddrs(idev, ifp, valid_lft, p.prefered_lft, create);
  in6_ifa_put(ifp);
  addrconf_verify(net);
}

}  // namespace

void addrconf_prefix_rcv(net_device* dev, const uint8_t* opt, int len, bool sllao) {
  wire::NdPrefixInfo info;
  if (len < static_cast<int>(sizeof(info))) return;
  std::memcpy(&info, opt, sizeof(info));
  const Prefix p(info);
  const uint32_t type = ipv6_addr_type(p.prefix);
  if ((type & (IPV6_ADDR_MULTICAST | IPV6_ADDR_LINKLOCAL)) != 0 || p.prefered_lft > p.valid_lft) {
    return;
  }
  inet6_dev* const idev = in6_dev_get(dev);
  if (idev == nullptr) return;
  const ipv6_devconf& conf = *idev->cnf;
  const bool too_short =
      p.valid_lft != 0 && p.valid_lft < static_cast<uint32_t>(conf.accept_ra_min_lft);
  if (!too_short) {
    if (p.onlink) UpdatePrefixRoute(dev, p);
    const bool for_delegation = conf.ra_honor_pio_pflag != 0 && p.prefers_pd;
    if (p.autoconf && conf.autoconf != 0 && !for_delegation) Autoconfigure(idev, p, sllao);
  }
  in6_dev_put(idev);
}

namespace addrconf_internal {

void addrconf_prefix_route(const Ipv6Address& pfx, uint8_t plen, uint32_t metric, net_device* dev,
                           Jiffies expires, uint32_t flags) {
  fib6_config config;
  config.table = RT6_TABLE_PREFIX;
  config.metric = metric != 0 ? metric : IP6_RT_PRIO_ADDRCONF;
  config.ifindex = dev->ifindex;
  config.expires = expires;
  config.dst = pfx;
  config.dst_len = plen;
  config.flags = RTF_UP | flags;
  config.protocol = RTPROT_KERNEL;
  config.type = RTN_UNICAST;
  ip6_route_add(dev_net(dev), config);
}

fib6_info* addrconf_get_prefix_route(const Ipv6Address& pfx, uint8_t plen, const net_device* dev,
                                     uint32_t flags, uint32_t noflags, bool no_gw) {
  netns_ipv6& ns = dev_ipv6(dev);
  fib6_table* const table = fib6_get_table(ns, RT6_TABLE_PREFIX);
  if (table == nullptr) return nullptr;
  const rt6key key = {.addr = ipv6_addr_prefix(pfx, plen), .plen = plen};
  const fib6_node* const node = fib6_locate(table->root, key, rt6key());
  if (node == nullptr) return nullptr;
  for (fib6_info* route = node->leaf; route != nullptr; route = route->fib6_next) {
    if (route->nh.fib_nh_dev != dev || (no_gw && route->nh.has_gateway) ||
        (route->fib6_flags & flags) != flags || (route->fib6_flags & noflags) != 0) {
      continue;
    }
    fib6_info_hold(route);
    return route;
  }
  return nullptr;
}

}  // namespace addrconf_internal

}  // namespace tapedeck
