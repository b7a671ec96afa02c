// Groups of devices and the timers of their reports (net/ipv6/mcast.c).
#include <cerrno>
#include <new>

#include "stack/ipv6/ip6_addr.h"
#include "stack/ipv6/mcast.h"
#include "stack/ipv6/mld_internal.h"
#include "stack/wire/icmpv6.h"

namespace tapedeck {

using namespace mld_internal;  // NOLINT(google-build-using-namespace): this is its other half

namespace {

constexpr uint64_t kQueryIntervalSeconds = 125;
constexpr uint64_t kQueryResponseIntervalSeconds = 10;

net& NetOf(const inet6_dev* idev) { return dev_net(idev->dev); }

int ScopeOf(const Ipv6Address& group) { return group.bytes()[1] & 0xf; }

// Arms a timer of the device for a random time below `delay` jiffies from now (and the two more
// that the kernel gives it).
void StartTimer(inet6_dev* idev, inet6_dev::Timer* timer, Jiffies delay) {
  net& net = NetOf(idev);
  const Jiffies wait = dev_ipv6(idev->dev).prng.Below(static_cast<uint32_t>(delay)) + 2;
  if (!mod_timer(net.this_cpu(), timer, net.jiffies() + wait)) ++idev->refcnt;
}

void StopTimer(inet6_dev* idev, inet6_dev::Timer* timer) {
  if (timer_delete(timer)) in6_dev_put(idev);
}

void ma_put(ifmcaddr6* mc) {
  if (--mc->refcnt > 0) return;
  inet6_dev* const idev = mc->idev;
  Kmalloc& kmalloc = KmallocOf(idev);
  mc->~ifmcaddr6();
  kmalloc.Free(mc, sizeof(*mc));
  in6_dev_put(idev);
}

ifmcaddr6* mca_alloc(inet6_dev* idev, const Ipv6Address& addr, uint8_t mode) {
  void* const memory = KmallocOf(idev).Alloc(sizeof(ifmcaddr6));
  if (memory == nullptr) return nullptr;
  auto* const mc = new (memory) ifmcaddr6;
  mc->multiaddr = addr;
  mc->idev = idev;
  ++idev->refcnt;
  mc->sfmode = mode;
  mc->sfcount[mode] = 1;
  mc->noreport = ipv6_addr_is_ll_all_nodes(addr) || ScopeOf(addr) < IPV6_ADDR_SCOPE_LINKLOCAL;
  return mc;
}

void mld_add_delrec(inet6_dev* idev, ifmcaddr6* mc) {
  ifmcaddr6* const left = mca_alloc(idev, mc->multiaddr, mc->sfmode);
  if (left == nullptr) return;
  mc_filter::FillLeft(left, mc, idev->mc_qrv);
  left->next = idev->mc_tomb;
  idev->mc_tomb = left;
}

void mld_del_delrec(inet6_dev* idev, ifmcaddr6* mc) {
  ifmcaddr6** const link = mc_filter::FindGroup(&idev->mc_tomb, mc->multiaddr);
  ifmcaddr6* const left = *link;
  if (left == nullptr) return;
  *link = left->next;
  mc_filter::TakeBack(mc, left, idev->mc_qrv);
  mc_filter::ClearSources(KmallocOf(idev), left);
  ma_put(left);
}

// Version 1: reported at once, and a second time within the interval.
void igmp6_join_group(ifmcaddr6* mc) {
  if (mc->noreport) return;
  igmp6_send(mc->multiaddr, mc->idev->dev, wire::kIcmpv6ListenerReport);
  igmp6_group_queried(mc, unsolicited_report_interval(mc->idev));
  mc->last_reporter = true;
}

// The device hears the group and routers are told, where it is up and speaks IPv6. A device that
// does not is asked for nothing, which the kernel would do.
void igmp6_group_added(ifmcaddr6* mc) {
  inet6_dev* const idev = mc->idev;
  net_device* const dev = idev->dev;
  if (ScopeOf(mc->multiaddr) < IPV6_ADDR_SCOPE_LINKLOCAL || idev->cnf->disable_ipv6 != 0) return;
  if (!mc->loaded) {
    mc->loaded = true;
    if (dev->type == kArphrdEther) dev_mc_add(dev, MacAddress::ForMulticast(mc->multiaddr));
  }
  if ((dev->flags & IFF_UP) == 0 || mc->noreport) return;
  if (mld_in_v1_mode(idev)) {
    igmp6_join_group(mc);
    return;
  }
  // RFC 3810 6.1: from not at all to some sources is no change of mode.
  if (mc->sfmode == kMcastExclude) mc->crcount = idev->mc_qrv;
  mld_ifc_event(idev);
}

void igmp6_leave_group(ifmcaddr6* mc) {
  if (!mld_in_v1_mode(mc->idev)) {
    mld_add_delrec(mc->idev, mc);
    mld_ifc_event(mc->idev);
  } else if (mc->last_reporter) {
    igmp6_send(mc->multiaddr, mc->idev->dev, wire::kIcmpv6ListenerDone);
  }
}

void igmp6_group_dropped(ifmcaddr6* mc) {
  net_device* const dev = mc->idev->dev;
  if (ScopeOf(mc->multiaddr) < IPV6_ADDR_SCOPE_LINKLOCAL) return;
  if (mc->loaded) {
    mc->loaded = false;
    if (dev->type == kArphrdEther) dev_mc_del(dev, MacAddress::ForMulticast(mc->multiaddr));
  }
  if (mc->noreport) return;
  if (!mc->idev->dead) igmp6_leave_group(mc);
  igmp6_group_stop_timer(mc);
}

// The report that a query asked for, or the second one of a join.
void mld_mca_timer_expire(TimerList* timer) {
  ifmcaddr6* const mc = static_cast<ifmcaddr6::Timer*>(timer)->mc;
  if (mld_in_v1_mode(mc->idev)) {
    igmp6_send(mc->multiaddr, mc->idev->dev, wire::kIcmpv6ListenerReport);
  } else {
    mld_send_report(mc->idev, mc);
  }
  mc->last_reporter = true;
  mc->timer_running = false;
  ma_put(mc);
}

void ipv6_mc_reset(inet6_dev* idev) {
  net& net = NetOf(idev);
  idev->mc_qrv = static_cast<uint8_t>(net_ipv6(net).settings.mld_qrv);
  idev->mc_qi = kQueryIntervalSeconds * net.kernel.hz();
  idev->mc_qri = kQueryResponseIntervalSeconds * net.kernel.hz();
  idev->mc_v1_seen = 0;
  idev->mc_maxdelay = unsolicited_report_interval(idev);
}

// A change of sources has been made: whoever must hear of it will.
int Tell(inet6_dev* idev, const mc_filter::Change& change) {
  if (change.tell) mld_ifc_event(idev);
  return change.err;
}

// One round of the reports after DAD, and when the next is.
void SendInitial(inet6_dev* idev) {
  mld_send_initial_cr(idev);
  if (idev->mc_dad_count == 0) return;
  --idev->mc_dad_count;
  if (idev->mc_dad_count != 0) {
    StartTimer(idev, &idev->mc_dad_timer, unsolicited_report_interval(idev));
  }
}

}  // namespace

ifmcaddr6::ifmcaddr6() : timer(mld_mca_timer_expire) { timer.mc = this; }

namespace mld_internal {

namespace {
int ForcedVersion(const inet6_dev* idev) {
  const int32_t all = dev_ipv6(idev->dev).devconf_all.force_mld_version;
  return all != 0 ? all : idev->cnf->force_mld_version;
}
}  // namespace

bool mld_in_v2_mode_only(const inet6_dev* idev) { return ForcedVersion(idev) == 2; }

bool mld_in_v1_mode(const inet6_dev* idev) {
  const int forced = ForcedVersion(idev);
  if (forced == 1 || forced == 2) return forced == 1;
  return idev->mc_v1_seen != 0 && NetOf(idev).jiffies() < idev->mc_v1_seen;
}

Jiffies unsolicited_report_interval(const inet6_dev* idev) {
  const int32_t interval = mld_in_v1_mode(idev) ? idev->cnf->mldv1_unsolicited_report_interval
                                                : idev->cnf->mldv2_unsolicited_report_interval;
  return interval > 0 ? static_cast<Jiffies>(interval) : 1;
}

void mld_ifc_event(inet6_dev* idev) {
  if (mld_in_v1_mode(idev) || idev->cnf->disable_ipv6 != 0) return;
  idev->mc_ifc_count = idev->mc_qrv;
  StartTimer(idev, &idev->mc_ifc_timer, 1);
}

void mld_ifc_stop_timer(inet6_dev* idev) {
  idev->mc_ifc_count = 0;
  StopTimer(idev, &idev->mc_ifc_timer);
}

void mld_gq_start_timer(inet6_dev* idev) {
  idev->mc_gq_running = 1;
  StartTimer(idev, &idev->mc_gq_timer, idev->mc_maxdelay);
}

void mld_gq_stop_timer(inet6_dev* idev) {
  idev->mc_gq_running = 0;
  StopTimer(idev, &idev->mc_gq_timer);
}

void mld_clear_delrec(inet6_dev* idev) {
  while (ifmcaddr6* const left = idev->mc_tomb) {
    idev->mc_tomb = left->next;
    mc_filter::ClearSources(KmallocOf(idev), left);
    ma_put(left);
  }
  for (ifmcaddr6* mc = idev->mc_list; mc != nullptr; mc = mc->next) {
    mc_filter::FreeSources(KmallocOf(idev), &mc->tomb);
  }
}

bool igmp6_group_stop_timer(ifmcaddr6* mc) {
  if (!timer_delete(&mc->timer)) return false;
  CHECK_GT(mc->refcnt, 1U);
  --mc->refcnt;
  return true;
}

void igmp6_group_queried(ifmcaddr6* mc, Jiffies resptime) {
  if (mc->noreport) return;
  net& net = NetOf(mc->idev);
  const Jiffies now = net.jiffies();
  Jiffies delay = resptime;
  if (igmp6_group_stop_timer(mc)) delay = mc->timer.expires > now ? mc->timer.expires - now : 0;
  if (delay >= resptime) {
    delay = dev_ipv6(mc->idev->dev).prng.Below(static_cast<uint32_t>(resptime));
  }
  mod_timer(net.this_cpu(), &mc->timer, now + delay);
  ++mc->refcnt;
  mc->timer_running = true;
}

int ip6_mc_add_src(inet6_dev* idev, const Ipv6Address& group, uint8_t mode,
                   std::span<const Ipv6Address> sources, bool delta) {
  ifmcaddr6* const mc = *mc_filter::FindGroup(&idev->mc_list, group);
  if (mc == nullptr) return -ESRCH;
  return Tell(idev, mc_filter::AddSources(KmallocOf(idev), mc, mode, sources, delta, idev->mc_qrv,
                                          !mld_in_v1_mode(idev)));
}

int ip6_mc_del_src(inet6_dev* idev, const Ipv6Address& group, uint8_t mode,
                   std::span<const Ipv6Address> sources, bool delta) {
  ifmcaddr6* const mc = *mc_filter::FindGroup(&idev->mc_list, group);
  if (mc == nullptr) return -ESRCH;
  return Tell(idev, mc_filter::DeleteSources(KmallocOf(idev), mc, mode, sources, delta,
                                             idev->mc_qrv, !mld_in_v1_mode(idev)));
}

int __ipv6_dev_mc_inc(net_device* dev, const Ipv6Address& addr, uint8_t mode) {
  inet6_dev* const idev = __in6_dev_get(dev);
  if (idev == nullptr) return -EINVAL;
  if (idev->dead) return -ENODEV;
  if (ifmcaddr6* const known = *mc_filter::FindGroup(&idev->mc_list, addr); known != nullptr) {
    ++known->users;
    ip6_mc_add_src(idev, addr, mode, {}, false);
    return 0;
  }
  ifmcaddr6* const mc = mca_alloc(idev, addr, mode);
  if (mc == nullptr) return -ENOMEM;
  mc->next = idev->mc_list;
  idev->mc_list = mc;
  mld_del_delrec(idev, mc);
  igmp6_group_added(mc);
  return 0;
}

}  // namespace mld_internal

int ipv6_dev_mc_inc(net_device* dev, const Ipv6Address& addr) {
  return __ipv6_dev_mc_inc(dev, addr, kMcastExclude);
}

int __ipv6_dev_mc_dec(inet6_dev* idev, const Ipv6Address& addr) {
  ifmcaddr6** const link = mc_filter::FindGroup(&idev->mc_list, addr);
  ifmcaddr6* const mc = *link;
  if (mc == nullptr) return -ENOENT;
  if (--mc->users > 0) return 0;
  *link = mc->next;
  igmp6_group_dropped(mc);
  mc_filter::ClearSources(KmallocOf(idev), mc);
  ma_put(mc);
  return 0;
}

int ipv6_dev_mc_dec(net_device* dev, const Ipv6Address& addr) {
  inet6_dev* const idev = __in6_dev_get(dev);
  return idev == nullptr ? -ENODEV : __ipv6_dev_mc_dec(idev, addr);
}

bool ipv6_chk_mcast_addr(const net_device* dev, const Ipv6Address& group, const Ipv6Address* src) {
  inet6_dev* const idev = __in6_dev_get(dev);
  if (idev == nullptr) return false;
  const ifmcaddr6* const mc = *mc_filter::FindGroup(&idev->mc_list, group);
  if (mc == nullptr) return false;
  return src == nullptr || ipv6_addr_any(*src) || mc_filter::Hears(*mc, *src);
}

void ipv6_mc_init_dev(inet6_dev* idev) { ipv6_mc_reset(idev); }

void ipv6_mc_up(inet6_dev* idev) {
  ipv6_mc_reset(idev);
  for (ifmcaddr6* mc = idev->mc_list; mc != nullptr; mc = mc->next) {
    mld_del_delrec(idev, mc);
    igmp6_group_added(mc);
  }
}

void ipv6_mc_down(inet6_dev* idev) {
  for (ifmcaddr6* mc = idev->mc_list; mc != nullptr; mc = mc->next) igmp6_group_dropped(mc);
  // Behind the drops, which start them again.
  mld_ifc_stop_timer(idev);
  mld_gq_stop_timer(idev);
  StopTimer(idev, &idev->mc_dad_timer);
}

void ipv6_mc_destroy_dev(inet6_dev* idev) {
  ipv6_mc_down(idev);
  mld_clear_delrec(idev);
  while (ifmcaddr6* const mc = idev->mc_list) {
    idev->mc_list = mc->next;
    mc_filter::ClearSources(KmallocOf(idev), mc);
    ma_put(mc);
  }
}

void ipv6_mc_dad_complete(inet6_dev* idev) {
  idev->mc_dad_count = idev->mc_qrv;
  if (idev->mc_dad_count != 0) SendInitial(idev);
}

void mld_gq_timer_expire(TimerList* timer) {
  inet6_dev* const idev = static_cast<inet6_dev::Timer*>(timer)->idev;
  mld_send_report(idev, nullptr);
  idev->mc_gq_running = 0;
  in6_dev_put(idev);
}

void mld_ifc_timer_expire(TimerList* timer) {
  inet6_dev* const idev = static_cast<inet6_dev::Timer*>(timer)->idev;
  mld_send_cr(idev);
  if (idev->mc_ifc_count != 0 && --idev->mc_ifc_count != 0) {
    StartTimer(idev, &idev->mc_ifc_timer, unsolicited_report_interval(idev));
  }
  in6_dev_put(idev);
}

void mld_dad_timer_expire(TimerList* timer) {
  inet6_dev* const idev = static_cast<inet6_dev::Timer*>(timer)->idev;
  SendInitial(idev);
  in6_dev_put(idev);
}

int igmp6_init(net& net) {
  netns_ipv6& ns = net_ipv6(net);
  ns.mc_sk = inet6_ctl_sock_create(net, wire::kIpProtoIcmpv6);
  if (ns.mc_sk == nullptr) return -ENOBUFS;
  inet6_sk(ns.mc_sk)->hop_limit = 1;
  return 0;
}

void igmp6_cleanup(net& net) {
  netns_ipv6& ns = net_ipv6(net);
  inet6_ctl_sock_destroy(ns.mc_sk);
  ns.mc_sk = nullptr;
}

}  // namespace tapedeck
