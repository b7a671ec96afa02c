// What devices do to routes: they go down and come back, lose their carrier, change their MTU
// (fib6_ifdown, fib6_ifup, rt6_mtu_change of net/ipv6/route.c).
#include "stack/core/neighbour.h"
#include "stack/core/net.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/ip6_fib.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/ipv6/route6_internal.h"

namespace tapedeck {

namespace {

bool IsDeadOrOver(const fib6_info& rt, const net_device* dev) {
  return rt.nh.fib_nh_dev == dev || (rt.nh.fib_nh_flags & RTNH_F_DEAD) != 0;
}

// A route with several ways loses those over `dev`; without any left it goes whole
// (fib6_ifdown, NETDEV_DOWN).
Fib6Clean SiblingsGoDown(netns_ipv6& ns, fib6_info* rt, const net_device* dev) {
  bool uses_device = false;
  bool one_lives = false;
  fib6_info* const first = rt6_multipath_first_sibling(rt);
  for (fib6_info* at = first; at != nullptr; at = rt6_multipath_next_sibling(at)) {
    uses_device = uses_device || at->nh.fib_nh_dev == dev;
    one_lives = one_lives || !IsDeadOrOver(*at, dev);
  }
  if (!uses_device) return Fib6Clean::kKeep;
  for (fib6_info* at = first; at != nullptr; at = rt6_multipath_next_sibling(at)) {
    if (!one_lives) at->should_flush = true;
    if (at->nh.fib_nh_dev == dev) at->nh.fib_nh_flags |= RTNH_F_DEAD | RTNH_F_LINKDOWN;
  }
  if (!one_lives) return Fib6Clean::kDelete;
  fib6_update_sernum(ns, rt);
  rt6_multipath_rebalance(rt);
  return Fib6Clean::kKeep;
}

Fib6Clean GoesDown(netns_ipv6& ns, fib6_info* rt, const net_device* dev) {
  if (rt->should_flush) return Fib6Clean::kDelete;
  if (rt->fib6_nsiblings > 0) return SiblingsGoDown(ns, rt, dev);
  return rt->nh.fib_nh_dev == dev ? Fib6Clean::kDelete : Fib6Clean::kKeep;
}

// rt6_infos that are still held somewhere let go of the device.
void FlushHeld(netns_ipv6& ns, const net_device* dev) {
  const fib6_state& fib = *ns.fib;
  for (rt6_info& rt : ns.rt6_list) {
    const bool special =
        &rt == fib.ip6_null_entry || &rt == fib.ip6_prohibit_entry || &rt == fib.ip6_blk_hole_entry;
    const bool over = rt.dev == dev || (rt.rt6i_idev != nullptr && rt.rt6i_idev->dev == dev);
    if (over && !special) rt6_dev_put(&rt);
  }
}

// The routes that stand for the lack of one are the loopback device's.
void SetSpecialDevice(fib6_state& fib, net_device* dev) {
  for (rt6_info* const rt : {fib.ip6_null_entry, fib.ip6_prohibit_entry, fib.ip6_blk_hole_entry}) {
    dev_put(rt->dev);
    rt->dev = dev;
    if (dev != nullptr) dev_hold(dev);
  }
  dev_put(fib.null_entry->nh.fib_nh_dev);
  fib.null_entry->nh.fib_nh_dev = dev;
  if (dev != nullptr) dev_hold(dev);
}

struct RouteNotifier : netdev_notifier {
  static int Call(netdev_notifier* /*nb*/, NetdevEvent event, net_device* dev) {
    if ((dev->flags & IFF_LOOPBACK) == 0) return 0;
    fib6_state& fib = *dev_ipv6(dev).fib;
    if (event == NetdevEvent::kRegister) SetSpecialDevice(fib, dev);
    if (event == NetdevEvent::kUnregister) SetSpecialDevice(fib, nullptr);
    return 0;
  }
};

int32_t Seconds(net& net, uint32_t seconds) {
  return static_cast<int32_t>(net.kernel.hz() * seconds);
}

void FlushWritten(void* context) {
  netns_ipv6& ns = *static_cast<netns_ipv6*>(context);
  const int32_t delay = ns.fib->flush_delay;
  fib6_run_gc(ns, delay <= 0 ? 0 : static_cast<Jiffies>(delay));
}

void ListRouteSettings(SysctlFiles& files, void* owner) {
  netns_ipv6& ns = *static_cast<netns_ipv6*>(owner);
  fib6_state& fib = *ns.fib;
  SysctlEntry* const flush = files.AddInt("net/ipv6/route/flush", &fib.flush_delay);
  flush->changed = FlushWritten;
  flush->context = &ns;
  files.AddInt("net/ipv6/route/gc_thresh", &fib.gc_thresh);
  files.AddInt("net/ipv6/route/max_size", &fib.max_size);
  files.AddJiffies("net/ipv6/route/gc_min_interval", &fib.gc_min_interval);
  files.AddMsJiffies("net/ipv6/route/gc_min_interval_ms", &fib.gc_min_interval);
  files.AddJiffies("net/ipv6/route/gc_timeout", &fib.gc_timeout);
  files.AddJiffies("net/ipv6/route/gc_interval", &fib.gc_interval);
  files.AddInt("net/ipv6/route/gc_elasticity", &fib.gc_elasticity, 0, 31);
  files.AddJiffies("net/ipv6/route/mtu_expires", &ns.settings.route_mtu_expires);
  files.AddInt("net/ipv6/route/min_adv_mss", &ns.settings.route_min_advmss);
  files.AddInt("net/ipv6/route/skip_notify_on_dev_down", &ns.settings.skip_notify_on_dev_down, 0,
               1);
}

void SetRouteDefaults(netns_ipv6& ns) {
  net& net = ns.host_net;
  fib6_state& fib = *ns.fib;
  fib.gc_min_interval = Seconds(net, 1) / 2;
  fib.gc_timeout = Seconds(net, 60);
  fib.gc_interval = Seconds(net, 30);
  fib.gc_expire = Seconds(net, 30);
  ns.settings.route_mtu_expires = Seconds(net, 600);
}

}  // namespace

void rt6_disable_ip(net_device* dev) {
  netns_ipv6& ns = dev_ipv6(dev);
  const bool for_ever = dev->reg_state == RegState::kUnregistered;
  fib6_clean_all(ns, [&ns, dev, for_ever](fib6_info* rt) {
    if (!for_ever) return GoesDown(ns, rt, dev);
    return rt->nh.fib_nh_dev == dev ? Fib6Clean::kDelete : Fib6Clean::kKeep;
  });
  FlushHeld(ns, dev);
  if (ns.host_net.nd_tbl != nullptr) neigh_ifdown(ns.host_net.nd_tbl, dev);
}

void rt6_sync_up(net_device* dev, uint8_t nh_flags) {
  netns_ipv6& ns = dev_ipv6(dev);
  if ((nh_flags & RTNH_F_DEAD) != 0 && netif_carrier_ok(dev)) nh_flags |= RTNH_F_LINKDOWN;
  fib6_clean_all(ns, [&ns, dev, nh_flags](fib6_info* rt) {
    if (rt->nh.fib_nh_dev == dev) {
      rt->nh.fib_nh_flags &= static_cast<uint8_t>(~nh_flags);
      fib6_update_sernum_upto_root(ns, rt);
      rt6_multipath_rebalance(rt);
    }
    return Fib6Clean::kKeep;
  });
}

void rt6_sync_down_carrier(net_device* dev) {
  netns_ipv6& ns = dev_ipv6(dev);
  fib6_clean_all(ns, [&ns, dev](fib6_info* rt) {
    if (rt->nh.fib_nh_dev == dev && (rt->fib6_flags & (RTF_LOCAL | RTF_ANYCAST)) == 0) {
      rt->nh.fib_nh_flags |= RTNH_F_LINKDOWN;
      fib6_update_sernum(ns, rt);
      rt6_multipath_rebalance(rt);
    }
    return Fib6Clean::kKeep;
  });
}

void rt6_mtu_change(net_device* dev, uint32_t mtu) {
  netns_ipv6& ns = dev_ipv6(dev);
  const inet6_dev* const idev = dev->ip6_ptr;
  if (idev == nullptr) return;
  fib6_clean_all(ns, [dev, idev, mtu](fib6_info* rt) {
    if (rt->nh.fib_nh_dev != dev || fib6_metric_locked(rt, RTAX_MTU)) return Fib6Clean::kKeep;
    const uint32_t current = rt->metrics[RTAX_MTU];
    // Nobody would tell us that a path carries more now.
    if (current >= mtu || current == static_cast<uint32_t>(idev->cnf->mtu6)) {
      fib6_metric_set(rt, RTAX_MTU, mtu);
    }
    rt6_exceptions_update_pmtu(idev, &rt->nh, mtu);
    return Fib6Clean::kKeep;
  });
}

void rt6_remove_prefsrc(net_device* dev, const Ipv6Address& addr) {
  net& net = dev_net(dev);
  fib6_clean_all(net_ipv6(net), [&net, &addr](fib6_info* rt) {
    if (rt->fib6_prefsrc == addr && !ipv6_chk_addr(net, addr, rt->nh.fib_nh_dev, false)) {
      rt->fib6_prefsrc = kIpv6Any;
    }
    return Fib6Clean::kKeep;
  });
}

int ip6_route_init(net& net) {
  netns_ipv6& ns = net_ipv6(net);
  fib6_init(ns);
  ip6_route_init_special_entries(ns);
  SetRouteDefaults(ns);
  net.kernel.sysctl().AddOwner(ListRouteSettings, &ns);
  ns.fib->notifier.call = RouteNotifier::Call;
  register_netdevice_notifier(net, &ns.fib->notifier);
  return 0;
}

void ip6_route_exit(net& net) {
  netns_ipv6& ns = net_ipv6(net);
  fib6_state& fib = *ns.fib;
  unregister_netdevice_notifier(&fib.notifier);
  fib6_exit(ns);
  SetSpecialDevice(fib, nullptr);
  for (rt6_info** const rt :
       {&fib.ip6_null_entry, &fib.ip6_prohibit_entry, &fib.ip6_blk_hole_entry}) {
    dst_release(*rt);
    *rt = nullptr;
  }
  fib6_info_release(ns, fib.null_entry);
  fib.null_entry = nullptr;
}

}  // namespace tapedeck
