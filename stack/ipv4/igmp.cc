// Groups of devices and the timers of their reports.
#include "stack/ipv4/igmp.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "stack/ipv4/igmp_internal.h"
#include "stack/ipv4/protocol.h"
#include "stack/ipv4/route.h"
#include "stack/wire/igmp.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {

using namespace igmp_internal;  // NOLINT(google-build-using-namespace): this is its other half

namespace {

constexpr uint32_t kUserTicks = 100;  // USER_HZ

constexpr net_protocol kIgmpProtocol = {.handler = igmp_rcv};

// Robustness: the querier's, else the setting.
uint8_t Qrv(const in_device* in_dev) {
  if (in_dev->mr_qrv != 0) return in_dev->mr_qrv;
  return static_cast<uint8_t>(net_ipv4(NetOf(in_dev)).settings.igmp_qrv);
}

bool SpeaksV3(const in_device* in_dev) { return !IGMP_V1_SEEN(in_dev) && !IGMP_V2_SEEN(in_dev); }

Jiffies unsolicited_report_interval(const in_device* in_dev) {
  const int32_t ms = SpeaksV3(in_dev) ? in_dev->conf->igmpv3_unsolicited_report_interval
                                      : in_dev->conf->igmpv2_unsolicited_report_interval;
  const Jiffies j = ms > 0 ? NetOf(in_dev).kernel.MsecsToJiffies(static_cast<uint64_t>(ms)) : 0;
  return std::max<Jiffies>(j, 1);
}

// A random time below `delay` jiffies, and the two more that the kernel gives it.
Jiffies RandomTime(const in_device* in_dev, Jiffies delay) {
  net& net = NetOf(in_dev);
  return net.jiffies() + net_ipv4(net).prng.Below(static_cast<uint32_t>(delay)) + 2;
}

void igmp_start_timer(ip_mc_list* im, Jiffies max_delay) {
  im->timer_running = true;
  mod_timer(NetOf(im->interface).this_cpu(), &im->timer, RandomTime(im->interface, max_delay));
}

void igmp_ifc_start_timer(in_device* in_dev, Jiffies delay) {
  mod_timer(NetOf(in_dev).this_cpu(), &in_dev->mr_ifc_timer, RandomTime(in_dev, delay));
}

void igmp_ifc_event(in_device* in_dev) {
  if (!SpeaksV3(in_dev)) return;
  in_dev->mr_ifc_count = Qrv(in_dev);
  igmp_ifc_start_timer(in_dev, 1);
}

// The report that a query asked for, or one of those of a join.
void igmp_timer_expire(TimerList* timer) {
  ip_mc_list* const im = static_cast<ip_mc_list::Timer*>(timer)->im;
  in_device* const in_dev = im->interface;
  im->timer_running = false;
  if (im->unsolicit_count != 0 && --im->unsolicit_count != 0) {
    igmp_start_timer(im, unsolicited_report_interval(in_dev));
  }
  im->last_reporter = true;
  if (IGMP_V1_SEEN(in_dev)) {
    igmp_send_report(in_dev, im->multiaddr, wire::kIgmpV1Report);
  } else if (IGMP_V2_SEEN(in_dev)) {
    igmp_send_report(in_dev, im->multiaddr, wire::kIgmpV2Report);
  } else {
    igmpv3_send_report(in_dev, im);
  }
}

ip_mc_list* NewGroup(in_device* in_dev, Ipv4Address group, uint8_t mode) {
  ip_mc_list* const im = net_ipv4(NetOf(in_dev)).mc_lists.New();
  if (im == nullptr) return nullptr;
  im->interface = in_dev;
  im->multiaddr = group;
  im->sfmode = mode;
  im->sfcount[mode] = 1;
  im->noreport = group == kIpv4AllHosts;
  return im;
}

void FreeGroup(ip_mc_list* im) {
  const in_device* const in_dev = im->interface;
  mc_filter::ClearSources(KmallocOf(in_dev), im);
  net_ipv4(NetOf(in_dev)).mc_lists.Delete(im);
}

void igmpv3_add_delrec(in_device* in_dev, ip_mc_list* im) {
  ip_mc_list* const left = NewGroup(in_dev, im->multiaddr, im->sfmode);
  if (left == nullptr) return;
  mc_filter::FillLeft(left, im, Qrv(in_dev));
  left->next = in_dev->mc_tomb;
  in_dev->mc_tomb = left;
}

void igmpv3_del_delrec(in_device* in_dev, ip_mc_list* im) {
  ip_mc_list** const link = mc_filter::FindGroup(&in_dev->mc_tomb, im->multiaddr);
  ip_mc_list* const left = *link;
  if (left == nullptr) return;
  *link = left->next;
  mc_filter::TakeBack(im, left, Qrv(in_dev));
  FreeGroup(left);
}

// The device hears the group, and routers are told.
void igmp_group_added(ip_mc_list* im) {
  in_device* const in_dev = im->interface;
  if (!im->loaded) {
    im->loaded = true;
    dev_mc_add(in_dev->dev, MacAddress::ForMulticast(im->multiaddr));
  }
  if (!IsReported(in_dev, im->multiaddr) || in_dev->dead) return;
  im->unsolicit_count = static_cast<uint8_t>(net_ipv4(NetOf(in_dev)).settings.igmp_qrv);
  if (!SpeaksV3(in_dev)) {
    igmp_start_timer(im, 1);
    return;
  }
  // RFC 3376 5.1: from not at all to some sources is no change of mode.
  if (im->sfmode == kMcastExclude) im->crcount = Qrv(in_dev);
  igmp_ifc_event(in_dev);
}

void igmp_group_dropped(ip_mc_list* im) {
  in_device* const in_dev = im->interface;
  if (im->loaded) {
    im->loaded = false;
    dev_mc_del(in_dev->dev, MacAddress::ForMulticast(im->multiaddr));
  }
  if (!IsReported(in_dev, im->multiaddr)) return;
  const bool last_reporter = im->last_reporter;
  igmp_stop_timer(im);
  if (in_dev->dead || IGMP_V1_SEEN(in_dev)) return;
  if (IGMP_V2_SEEN(in_dev)) {
    if (last_reporter) igmp_send_report(in_dev, im->multiaddr, wire::kIgmpV2Leave);
    return;
  }
  igmpv3_add_delrec(in_dev, im);
  igmp_ifc_event(in_dev);
}

int Tell(in_device* in_dev, const mc_filter::Change& change) {
  if (change.tell) igmp_ifc_event(in_dev);
  return change.err;
}

void ShowGroup(const ip_mc_list& im, std::string* out) {
  net& net = NetOf(im.interface);
  const Jiffies now = net.jiffies();
  const Jiffies left =
      im.timer_running && im.timer.expires > now ? im.timer.expires - now : Jiffies{0};
  char line[64];
  // The address as the kernel prints it: the bytes of the wire read as a little-endian number.
  std::snprintf(line, sizeof(line), "\t\t\t\t%08X %5u %d:%08X\t\t%d\n",
                static_cast<unsigned>(LoadLe32(im.multiaddr.bytes().data())), im.users,
                im.timer_running ? 1 : 0,
                static_cast<unsigned>(left * kUserTicks / net.kernel.hz()),
                im.last_reporter ? 1 : 0);
  *out += line;
}

}  // namespace

ip_mc_list::ip_mc_list() : timer(igmp_timer_expire) { timer.im = this; }

namespace igmp_internal {

bool IGMP_V1_SEEN(const in_device* in_dev) {
  if (dev_ipv4(in_dev->dev).devconf_all.force_igmp_version == 1) return true;
  if (in_dev->conf->force_igmp_version == 1) return true;
  return in_dev->mr_v1_seen != 0 && NetOf(in_dev).jiffies() < in_dev->mr_v1_seen;
}

bool IGMP_V2_SEEN(const in_device* in_dev) {
  if (dev_ipv4(in_dev->dev).devconf_all.force_igmp_version == 2) return true;
  if (in_dev->conf->force_igmp_version == 2) return true;
  return in_dev->mr_v2_seen != 0 && NetOf(in_dev).jiffies() < in_dev->mr_v2_seen;
}

bool IsReported(const in_device* in_dev, Ipv4Address group) {
  if (group == kIpv4AllHosts) return false;
  return !ipv4_is_local_multicast(group) ||
         net_ipv4(NetOf(in_dev)).settings.igmp_link_local_mcast_reports != 0;
}

void igmp_stop_timer(ip_mc_list* im) {
  timer_delete(&im->timer);
  im->timer_running = im->last_reporter = false;
  im->unsolicit_count = 0;
}

void igmp_mod_timer(ip_mc_list* im, Jiffies max_delay) {
  im->unsolicit_count = 0;
  const Jiffies now = NetOf(im->interface).jiffies();
  if (im->timer.pending() && im->timer.expires < now + max_delay) return;
  igmp_start_timer(im, max_delay);
}

void igmp_gq_start_timer(in_device* in_dev) {
  const Jiffies expires = RandomTime(in_dev, in_dev->mr_maxdelay);
  if (in_dev->mr_gq_running && expires >= in_dev->mr_gq_timer.expires) return;
  in_dev->mr_gq_running = true;
  mod_timer(NetOf(in_dev).this_cpu(), &in_dev->mr_gq_timer, expires);
}

void igmp_ifc_stop_timer(in_device* in_dev) {
  in_dev->mr_ifc_count = 0;
  timer_delete(&in_dev->mr_ifc_timer);
}

void igmpv3_clear_delrec(in_device* in_dev) {
  while (ip_mc_list* const left = in_dev->mc_tomb) {
    in_dev->mc_tomb = left->next;
    FreeGroup(left);
  }
  for (ip_mc_list* im = in_dev->mc_list; im != nullptr; im = im->next) {
    mc_filter::FreeSources(KmallocOf(in_dev), &im->tomb);
  }
}

}  // namespace igmp_internal

void igmp_gq_timer_expire(TimerList* timer) {
  in_device* const in_dev = static_cast<in_device::Timer*>(timer)->in_dev;
  in_dev->mr_gq_running = false;
  igmpv3_send_report(in_dev, nullptr);
}

void igmp_ifc_timer_expire(TimerList* timer) {
  in_device* const in_dev = static_cast<in_device::Timer*>(timer)->in_dev;
  igmpv3_send_cr(in_dev);
  if (in_dev->mr_ifc_count == 0) return;
  --in_dev->mr_ifc_count;
  igmp_ifc_start_timer(in_dev, unsolicited_report_interval(in_dev));
}

int ip_mc_add_src(in_device* in_dev, Ipv4Address group, uint8_t mode,
                  std::span<const Ipv4Address> sources, bool delta) {
  ip_mc_list* const im = *mc_filter::FindGroup(&in_dev->mc_list, group);
  if (im == nullptr) return -ESRCH;
  const bool reports = SpeaksV3(in_dev) && IsReported(in_dev, group);
  return Tell(in_dev, mc_filter::AddSources(KmallocOf(in_dev), im, mode, sources, delta,
                                            Qrv(in_dev), reports));
}

int ip_mc_del_src(in_device* in_dev, Ipv4Address group, uint8_t mode,
                  std::span<const Ipv4Address> sources, bool delta) {
  ip_mc_list* const im = *mc_filter::FindGroup(&in_dev->mc_list, group);
  if (im == nullptr) return -ESRCH;
  const bool reports = SpeaksV3(in_dev) && IsReported(in_dev, group);
  return Tell(in_dev, mc_filter::DeleteSources(KmallocOf(in_dev), im, mode, sources, delta,
                                               Qrv(in_dev), reports));
}

int __ip_mc_inc_group(in_device* in_dev, Ipv4Address group, uint8_t mode) {
  if (!ipv4_is_multicast(group)) return -EINVAL;
  if (ip_mc_list* const known = *mc_filter::FindGroup(&in_dev->mc_list, group); known != nullptr) {
    ++known->users;
    ip_mc_add_src(in_dev, group, mode, {}, false);
    return 0;
  }
  ip_mc_list* const im = NewGroup(in_dev, group, mode);
  if (im == nullptr) return -ENOBUFS;
  im->next = in_dev->mc_list;
  in_dev->mc_list = im;
  igmpv3_del_delrec(in_dev, im);
  igmp_group_added(im);
  if (!in_dev->dead) rt_cache_flush(NetOf(in_dev));
  return 0;
}

int ip_mc_inc_group(in_device* in_dev, Ipv4Address group) {
  return __ip_mc_inc_group(in_dev, group, kMcastExclude);
}

int ip_mc_dec_group(in_device* in_dev, Ipv4Address group) {
  ip_mc_list** const link = mc_filter::FindGroup(&in_dev->mc_list, group);
  ip_mc_list* const im = *link;
  if (im == nullptr) return -EADDRNOTAVAIL;
  if (--im->users > 0) return 0;
  *link = im->next;
  igmp_group_dropped(im);
  FreeGroup(im);
  if (!in_dev->dead) rt_cache_flush(NetOf(in_dev));
  return 0;
}

bool ip_check_mc(const in_device* in_dev, Ipv4Address group, Ipv4Address src, uint8_t proto) {
  const ip_mc_list* im = in_dev->mc_list;
  while (im != nullptr && im->multiaddr != group) im = im->next;
  if (im == nullptr) return false;
  return proto == wire::kIpProtoIgmp || src == kIpv4Any || mc_filter::Hears(*im, src);
}

void ip_mc_up(in_device* in_dev) {
  net& net = NetOf(in_dev);
  in_dev->mr_qi = kQueryIntervalSeconds * net.kernel.hz();
  in_dev->mr_qri = kQueryResponseIntervalSeconds * net.kernel.hz();
  in_dev->mr_qrv = static_cast<uint8_t>(net_ipv4(net).settings.igmp_qrv);
  if (*mc_filter::FindGroup(&in_dev->mc_list, kIpv4AllHosts) == nullptr) {
    ip_mc_inc_group(in_dev, kIpv4AllHosts);
  }
  for (ip_mc_list* im = in_dev->mc_list; im != nullptr; im = im->next) {
    igmpv3_del_delrec(in_dev, im);
    igmp_group_added(im);
  }
}

void ip_mc_down(in_device* in_dev) {
  for (ip_mc_list* im = in_dev->mc_list; im != nullptr; im = im->next) igmp_group_dropped(im);
  igmp_ifc_stop_timer(in_dev);
  in_dev->mr_gq_running = false;
  timer_delete(&in_dev->mr_gq_timer);
  ip_mc_dec_group(in_dev, kIpv4AllHosts);
}

void ip_mc_destroy_dev(in_device* in_dev) {
  ip_mc_down(in_dev);
  igmpv3_clear_delrec(in_dev);
  while (ip_mc_list* const im = in_dev->mc_list) {
    in_dev->mc_list = im->next;
    FreeGroup(im);
  }
}

namespace {

void ListIgmpSettings(SysctlFiles& files, void* owner) {
  ipv4_settings& s = *static_cast<ipv4_settings*>(owner);
  files.AddInt("net/ipv4/igmp_max_memberships", &s.igmp_max_memberships);
  files.AddInt("net/ipv4/igmp_max_msf", &s.igmp_max_msf);
  files.AddInt("net/ipv4/igmp_qrv", &s.igmp_qrv, 1, INT32_MAX);
  files.AddInt("net/ipv4/igmp_link_local_mcast_reports", &s.igmp_link_local_mcast_reports, 0, 255);
}

}  // namespace

void igmp_init(net& net) {
  net.kernel.sysctl().AddOwner(ListIgmpSettings, &net_ipv4(net).settings);
  inet_add_protocol(net, &kIgmpProtocol, wire::kIpProtoIgmp);
}

void igmp_exit(net& net) { inet_del_protocol(net, &kIgmpProtocol, wire::kIpProtoIgmp); }

void igmp_proc_show(net& net, std::string* out) {
  *out += "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n";
  for (const net_device& dev : net.devices) {
    const in_device* const in_dev = dev.ip_ptr;
    if (in_dev == nullptr || in_dev->mc_list == nullptr) continue;
    unsigned count = 0;
    for (const ip_mc_list* im = in_dev->mc_list; im != nullptr; im = im->next) ++count;
    const char* const querier = IGMP_V1_SEEN(in_dev) ? "V1" : IGMP_V2_SEEN(in_dev) ? "V2" : "V3";
    char line[80];
    std::snprintf(line, sizeof(line), "%d\t%-10s: %5u %7s\n", dev.ifindex, dev.name, count,
                  querier);
    *out += line;
    for (const ip_mc_list* im = in_dev->mc_list; im != nullptr; im = im->next) {
      ShowGroup(*im, out);
    }
  }
}

}  // namespace tapedeck
