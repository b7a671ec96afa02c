// IPv6 on a device as the device comes, goes up and down, and changes (addrconf_notify).
#include <cerrno>
#include <cstring>

#include "stack/core/neighbour.h"
#include "stack/ipv6/addrconf_internal.h"
#include "stack/ipv6/mcast.h"
#include "stack/ipv6/ndisc.h"

namespace tapedeck {

using namespace addrconf_internal;  // NOLINT(google-build-using-namespace): this is its other half

namespace {

bool addrconf_link_ready(const net_device* dev) {
  return netif_running(dev) && netif_carrier_ok(dev);
}

// The settings of the device's name, made where there were none: their files stay.
ipv6_devconf* ConfFor(netns_ipv6& ns, net_device* dev) {
  for (ipv6_devconf& conf : ns.devconfs) {
    if (std::strncmp(conf.name, dev->name, kIfNameBytes) == 0) return &conf;
  }
  auto* const conf = ns.host_net.world.arena().New<ipv6_devconf>();
  ns.devconfs.PushBack(conf);
  conf->dev = dev;
  addrconf_sysctl_register(ns.host_net, conf, dev->name);
  return conf;
}

// What a device begins with: the defaults.
void CopyDefaults(ipv6_devconf* to, const ipv6_devconf& from) {
#define X(member, file, value) to->member = from.member;
  TAPEDECK_IPV6_DEVCONF(X)
#undef X
  to->rtr_solicit_interval = from.rtr_solicit_interval;
  to->rtr_solicit_max_interval = from.rtr_solicit_max_interval;
  to->rtr_solicit_delay = from.rtr_solicit_delay;
  to->mldv1_unsolicited_report_interval = from.mldv1_unsolicited_report_interval;
  to->mldv2_unsolicited_report_interval = from.mldv2_unsolicited_report_interval;
  to->rtr_probe_interval = from.rtr_probe_interval;
  to->stable_secret = from.stable_secret;
  to->stable_secret_set = from.stable_secret_set;
}

void ConfigureDevice(net_device* dev, ipv6_devconf* conf) {
  conf->dev = dev;
  conf->mtu6 = static_cast<int32_t>(dev->mtu);
  if (conf->stable_secret_set) conf->addr_gen_mode = IN6_ADDR_GEN_MODE_STABLE_PRIVACY;
  if ((dev->flags & (IFF_NOARP | IFF_LOOPBACK)) != 0) conf->accept_dad = -1;
  if ((dev->flags & IFF_LOOPBACK) != 0 || dev->type == kArphrdNone) conf->use_tempaddr = -1;
  // The loopback device always speaks IPv6; others when they are told to (see ipv6_init).
  if ((dev->flags & IFF_LOOPBACK) != 0) {
    conf->disable_ipv6 = dev_ipv6(dev).devconf_all.disable_ipv6;
  }
  conf->forwarding_applied = conf->forwarding;
  conf->disable_ipv6_applied = conf->disable_ipv6;
}

void addrconf_add_mroute(net_device* dev) {
  fib6_config config;
  config.table = RT6_TABLE_LOCAL;
  config.metric = IP6_RT_PRIO_ADDRCONF;
  config.ifindex = dev->ifindex;
  config.dst = Ipv6Address(std::array<uint16_t, 8>{0xff00, 0, 0, 0, 0, 0, 0, 0});
  config.dst_len = 8;
  config.flags = RTF_UP;
  config.type = RTN_MULTICAST;
  config.protocol = RTPROT_KERNEL;
  ip6_route_add(dev_net(dev), config);
}

// ::1/128, in use at once.
void init_loopback(net_device* dev) {
  inet6_dev* const idev = ipv6_find_idev(dev);
  if (idev == nullptr) return;
  const ifa6_config config = {
      .pfx = kIpv6Loopback, .plen = 128, .scope = IFA_HOST, .ifa_flags = IFA_F_PERMANENT};
  int err = 0;
  inet6_ifaddr* const ifp = ipv6_add_addr(idev, config, &err);
  if (ifp == nullptr) return;
  ifp->flags &= ~uint32_t{IFA_F_TENTATIVE};
  rt6_cache_flush(dev_net(dev));
  ipv6_ifa_notify(IfaEvent::kNew, ifp);
  in6_ifa_put(ifp);
}

void addrconf_dev_config(net_device* dev) {
  int err = 0;
  inet6_dev* const idev = addrconf_add_dev(dev, &err);
  if (idev == nullptr) return;
  // A device without addresses of its own has nothing to make an identifier of.
  if (dev->type == kArphrdNone && idev->cnf->addr_gen_mode == IN6_ADDR_GEN_MODE_EUI64) {
    idev->cnf->addr_gen_mode = IN6_ADDR_GEN_MODE_RANDOM;
  }
  addrconf_addr_gen(idev);
}

// The routes of a permanent address that was kept while the device was down, and its DAD.
void fixup_permanent_addr(inet6_dev* idev, inet6_ifaddr* ifp) {
  if ((ifp->flags & IFA_F_NOPREFIXROUTE) == 0) {
    addrconf_prefix_route(ifp->addr, ifp->prefix_len, ifp->rt_priority, idev->dev, 0, 0);
  }
  if (ifp->state == Inet6IfaddrState::kPredad) addrconf_dad_start(ifp);
}

void addrconf_permanent_addr(inet6_dev* idev) {
  for (inet6_ifaddr* ifp = idev->addr_list.front(); ifp != nullptr;
       ifp = idev->addr_list.Next(ifp)) {
    if ((ifp->flags & IFA_F_PERMANENT) != 0) fixup_permanent_addr(idev, ifp);
  }
}

// The device can be used: its own addresses are made, DAD that waited goes on.
void Configure(net_device* dev, bool run_pending) {
  addrconf_init_auto_addrs(dev);
  inet6_dev* const idev = __in6_dev_get(dev);
  if (idev == nullptr) return;
  if (run_pending) addrconf_dad_run(idev, false);
  rt6_sync_up(dev, RTNH_F_DEAD);
  if (idev->cnf->mtu6 != static_cast<int32_t>(dev->mtu) && dev->mtu >= wire::kIpv6MinMtu) {
    rt6_mtu_change(dev, dev->mtu);
    idev->cnf->mtu6 = static_cast<int32_t>(dev->mtu);
  }
  idev->tstamp = dev_net(dev).jiffies();
  if (dev->mtu < wire::kIpv6MinMtu) addrconf_ifdown(dev, (dev->flags & IFF_LOOPBACK) == 0);
}

void OnUp(net_device* dev) {
  inet6_dev* idev = __in6_dev_get(dev);
  if (idev != nullptr && idev->cnf->disable_ipv6 != 0) return;
  if (idev != nullptr) addrconf_permanent_addr(idev);
  if (!addrconf_link_ready(dev)) return;
  if (idev == nullptr && dev->mtu >= wire::kIpv6MinMtu) {
    int err = 0;
    idev = ipv6_add_dev(dev, &err);
  }
  if (idev != nullptr) {
    if (idev->cnf->disable_ipv6 != 0) return;
    idev->if_flags |= IF_READY;
  }
  Configure(dev, idev != nullptr);
}

void OnChange(net_device* dev) {
  inet6_dev* const idev = __in6_dev_get(dev);
  if (idev != nullptr && idev->cnf->disable_ipv6 != 0) return;
  if (!addrconf_link_ready(dev)) {
    rt6_sync_down_carrier(dev);
    return;
  }
  if (idev != nullptr) {
    if ((idev->if_flags & IF_READY) != 0) {
      // Perhaps on another switch: it shall know our groups.
      ipv6_mc_up(idev);
      rt6_sync_up(dev, RTNH_F_LINKDOWN);
      return;
    }
    idev->if_flags |= IF_READY;
  }
  Configure(dev, true);
}

void OnMtuChange(net_device* dev) {
  if (dev->mtu < wire::kIpv6MinMtu) {
    addrconf_ifdown(dev, (dev->flags & IFF_LOOPBACK) == 0);
    return;
  }
  if (inet6_dev* const idev = __in6_dev_get(dev); idev != nullptr) {
    rt6_mtu_change(dev, dev->mtu);
    idev->cnf->mtu6 = static_cast<int32_t>(dev->mtu);
    return;
  }
  int err = 0;
  const inet6_dev* const idev = ipv6_add_dev(dev, &err);
  if (idev == nullptr || (idev->if_flags & IF_READY) == 0 || idev->cnf->disable_ipv6 != 0) return;
  Configure(dev, true);
}

bool addr_is_local(const Ipv6Address& addr) {
  return (ipv6_addr_type(addr) & (IPV6_ADDR_LINKLOCAL | IPV6_ADDR_LOOPBACK)) != 0;
}

// Whether permanent addresses outlive the device's going down (sysctl keep_addr_on_down).
bool KeepsAddresses(const inet6_dev* idev, bool unregister) {
  if (unregister || idev->cnf->disable_ipv6 != 0) return false;
  const int32_t all = dev_ipv6(idev->dev).devconf_all.keep_addr_on_down;
  return (all != 0 ? all : idev->cnf->keep_addr_on_down) > 0;
}

// A kept address waits for the device, without routes.
void KeepAddress(inet6_ifaddr* ifp) {
  net_device* const dev = ifp->idev->dev;
  ifp->state = Inet6IfaddrState::kPredad;
  if ((ifp->flags & IFA_F_NODAD) == 0) ifp->flags |= IFA_F_TENTATIVE;
  if (ifp->rt_inserted) {
    ifp->rt_inserted = false;
    ip6_del_local_rt(dev_net(dev), dev, ifp->addr);
  }
  if (ifp->idev->cnf->forwarding != 0) addrconf_leave_anycast(ifp);
  addrconf_leave_solict(ifp->idev, ifp->addr);
}

void DropTempaddrs(inet6_dev* idev) {
  while (inet6_ifaddr* const ift = idev->tempaddr_list.PopFront()) {
    if (ift->ifpub != nullptr) in6_ifa_put(ift->ifpub);
    ift->ifpub = nullptr;
    in6_ifa_put(ift);
  }
}

void DropAddresses(inet6_dev* idev, bool keep_addr) {
  netns_ipv6& ns = dev_ipv6(idev->dev);
  for (inet6_ifaddr* ifp = idev->addr_list.front(); ifp != nullptr;) {
    inet6_ifaddr* const next = idev->addr_list.Next(ifp);
    addrconf_del_dad_work(ifp);
    if (keep_addr && (ifp->flags & IFA_F_PERMANENT) != 0 && !addr_is_local(ifp->addr)) {
      KeepAddress(ifp);
    } else {
      Unhash(ns, ifp);
      ifp->state = Inet6IfaddrState::kDead;
      ipv6_ifa_notify(IfaEvent::kDeleted, ifp);
      static_cast<ListNode<>*>(ifp)->Unlink();
      in6_ifa_put(ifp);
    }
    ifp = next;
  }
}

struct AddressNotifier : netdev_notifier {
  static int Call(netdev_notifier* /*nb*/, NetdevEvent event, net_device* dev) {
    const int err = addrconf_notify(dev, event);
    ndisc_netdev_event(dev, event);
    return err;
  }
};

}  // namespace

inet6_dev::inet6_dev(net_device* its_dev, ipv6_devconf* its_conf)
    : dev(its_dev),
      cnf(its_conf),
      mc_gq_timer(mld_gq_timer_expire),
      mc_ifc_timer(mld_ifc_timer_expire),
      mc_dad_timer(mld_dad_timer_expire),
      rs_timer(addrconf_rs_timer) {
  mc_gq_timer.idev = mc_ifc_timer.idev = mc_dad_timer.idev = rs_timer.idev = this;
}

void in6_dev_put(inet6_dev* idev) {
  CHECK_GT(idev->refcnt, 0U);
  if (--idev->refcnt > 0) return;
  CHECK(idev->dead && idev->addr_list.empty());
  net_device* const dev = idev->dev;
  dev_ipv6(dev).inet6_devs.Delete(idev);
  dev_put(dev);
}

inet6_dev* ipv6_find_idev(net_device* dev) {
  int err = 0;
  inet6_dev* const idev = dev->ip6_ptr != nullptr ? dev->ip6_ptr : ipv6_add_dev(dev, &err);
  if (idev != nullptr && (dev->flags & IFF_UP) != 0) ipv6_mc_up(idev);
  return idev;
}

namespace addrconf_internal {

inet6_dev* ipv6_add_dev(net_device* dev, int* err) {
  *err = -EINVAL;
  if (dev->mtu < wire::kIpv6MinMtu) return nullptr;
  netns_ipv6& ns = dev_ipv6(dev);
  ipv6_devconf* const conf = ConfFor(ns, dev);
  CopyDefaults(conf, ns.devconf_dflt);
  ConfigureDevice(dev, conf);
  *err = -ENOMEM;
  inet6_dev* const idev = ns.inet6_devs.New(dev, conf);
  if (idev == nullptr) return nullptr;
  idev->nd_parms = neigh_parms_alloc(dev, ns.host_net.nd_tbl);
  if (idev->nd_parms == nullptr) {
    ns.inet6_devs.Delete(idev);
    return nullptr;
  }
  dev->nd_parms = idev->nd_parms;
  dev_hold(dev);
  if (addrconf_link_ready(dev)) idev->if_flags |= IF_READY;
  ipv6_mc_init_dev(idev);
  idev->tstamp = ns.host_net.jiffies();
  dev->ip6_ptr = idev;
  ipv6_dev_mc_inc(dev, kIpv6InterfaceAllNodes);
  ipv6_dev_mc_inc(dev, kIpv6AllNodes);
  if (conf->forwarding != 0 && (dev->flags & IFF_MULTICAST) != 0) {
    ipv6_dev_mc_inc(dev, kIpv6AllRouters);
  }
  *err = 0;
  return idev;
}

inet6_dev* addrconf_add_dev(net_device* dev, int* err) {
  inet6_dev* const idev = ipv6_find_idev(dev);
  *err = idev == nullptr ? (dev->mtu < wire::kIpv6MinMtu ? -EINVAL : -ENOBUFS) : 0;
  if (idev != nullptr && idev->cnf->disable_ipv6 != 0) *err = -EACCES;
  if (*err != 0) return nullptr;
  if ((dev->flags & IFF_LOOPBACK) == 0) addrconf_add_mroute(dev);
  return idev;
}

void addrconf_init_auto_addrs(net_device* dev) {
  switch (dev->type) {
    case kArphrdLoopback:
      init_loopback(dev);
      break;
    case kArphrdEther:
    case kArphrdNone:
      addrconf_dev_config(dev);
      break;
    default:
      if (dev->ip6_ptr != nullptr && (dev->flags & IFF_UP) != 0 &&
          (dev->flags & IFF_MULTICAST) != 0) {
        ipv6_mc_up(dev->ip6_ptr);
      }
      break;
  }
}

void addrconf_ifdown(net_device* dev, bool unregister) {
  net& net = dev_net(dev);
  rt6_disable_ip(dev);
  inet6_dev* const idev = __in6_dev_get(dev);
  if (idev == nullptr) return;
  if (unregister) {
    idev->dead = true;
    dev->ip6_ptr = nullptr;
  }
  const bool keep_addr = KeepsAddresses(idev, unregister);
  addrconf_del_rs_timer(idev);
  const bool was_ready = (idev->if_flags & IF_READY) != 0;
  if (!unregister) idev->if_flags &= ~uint32_t{IF_RS_SENT | IF_RA_RCVD | IF_READY};
  DropTempaddrs(idev);
  DropAddresses(idev, keep_addr);
  if (unregister) {
    ipv6_ac_destroy_dev(idev);
    ipv6_mc_destroy_dev(idev);
  } else if (was_ready) {
    ipv6_mc_down(idev);
  }
  idev->tstamp = net.jiffies();
  idev->ra_mtu = 0;
  if (!unregister) return;
  idev->cnf->dev = nullptr;
  neigh_parms_release(net.nd_tbl, idev->nd_parms);
  dev->nd_parms = idev->nd_parms = nullptr;
  neigh_ifdown(net.nd_tbl, dev);
  in6_dev_put(idev);
}

}  // namespace addrconf_internal

int addrconf_notify(net_device* dev, NetdevEvent event) {
  switch (event) {
    case NetdevEvent::kRegister:
      if (dev->ip6_ptr == nullptr && dev->mtu >= wire::kIpv6MinMtu) {
        int err = 0;
        return ipv6_add_dev(dev, &err) == nullptr ? err : 0;
      }
      break;
    case NetdevEvent::kChangeMtu:
      OnMtuChange(dev);
      break;
    case NetdevEvent::kUp:
      OnUp(dev);
      break;
    case NetdevEvent::kChange:
      OnChange(dev);
      break;
    case NetdevEvent::kDown:
      addrconf_ifdown(dev, false);
      break;
    case NetdevEvent::kUnregister:
      addrconf_ifdown(dev, true);
      break;
    case NetdevEvent::kGoingDown:
    case NetdevEvent::kChangeAddr:
    case NetdevEvent::kFeatChange:
      break;
  }
  return 0;
}

int addrconf_init(net& net) {
  netns_ipv6& ns = net_ipv6(net);
  const auto hz = static_cast<int32_t>(net.kernel.hz());
  for (ipv6_devconf* conf : {&ns.devconf_all, &ns.devconf_dflt}) {
    conf->ns = &ns;
    conf->rtr_solicit_interval = 4 * hz;
    conf->rtr_solicit_max_interval = 3600 * hz;
    conf->rtr_solicit_delay = hz;
    conf->mldv1_unsolicited_report_interval = 10 * hz;
    conf->mldv2_unsolicited_report_interval = hz;
    conf->rtr_probe_interval = 60 * hz;
  }
  ns.devconf_all.accept_dad = 0;
  ns.devconf_dflt.disable_ipv6 = ns.devconf_dflt.disable_ipv6_applied = 1;
  addrconf_sysctl_register(net, &ns.devconf_all, "all");
  addrconf_sysctl_register(net, &ns.devconf_dflt, "default");
  ns.addr_chk_timer.ns = &ns;
  ns.notifier.call = AddressNotifier::Call;
  register_netdevice_notifier(net, &ns.notifier);
  addrconf_verify(net);
  return 0;
}

void addrconf_exit(net& net) {
  netns_ipv6& ns = net_ipv6(net);
  unregister_netdevice_notifier(&ns.notifier);
  for (net_device& dev : net.devices) {
    if (dev.ip6_ptr != nullptr) addrconf_ifdown(&dev, true);
  }
  timer_delete(&ns.addr_chk_timer);
}

}  // namespace tapedeck
