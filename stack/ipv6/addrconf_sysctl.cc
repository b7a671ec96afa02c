// The files net/ipv6/conf/<dev>/* and what a write to them starts.
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>

#include "stack/ipv6/addrconf_internal.h"
#include "stack/ipv6/mcast.h"

namespace tapedeck::addrconf_internal {

namespace {

using Conf = ipv6_devconf;

inet6_dev* DeviceOf(const Conf* conf) {
  return conf->dev == nullptr ? nullptr : conf->dev->ip6_ptr;
}

template <typename Function>
void ForEachDevice(netns_ipv6& ns, Function function) {
  for (net_device& dev : ns.host_net.devices) {
    if (dev.ip6_ptr != nullptr) function(dev.ip6_ptr);
  }
}

// --- forwarding ---

// Sets a device's switch; what depends on it changes where it did not stand so before.
void SetForwarding(inet6_dev* idev, int32_t value) {
  Conf* const conf = idev->cnf;
  const bool changed = (conf->forwarding_applied != 0) != (value != 0);
  conf->forwarding = conf->forwarding_applied = value;
  if (changed) dev_forward_change(idev);
}

// addrconf_fixup_forwarding.
void ForwardingChanged(void* context) {
  auto* const conf = static_cast<Conf*>(context);
  netns_ipv6& ns = *conf->ns;
  const int32_t value = conf->forwarding;
  if (conf == &ns.devconf_dflt) return;
  if (conf == &ns.devconf_all) {
    ns.devconf_dflt.forwarding = value;
    ForEachDevice(ns, [value](inet6_dev* idev) {
      if (value == 0) idev->cnf->force_forwarding = 0;
      SetForwarding(idev, value);
    });
  } else if (inet6_dev* const idev = DeviceOf(conf); idev != nullptr) {
    SetForwarding(idev, value);
  }
  if (value != 0) rt6_purge_dflt_routers(ns.host_net);
  rt6_cache_flush(ns.host_net);
}

void ForceForwardingChanged(void* context) {
  auto* const conf = static_cast<Conf*>(context);
  netns_ipv6& ns = *conf->ns;
  if (conf != &ns.devconf_all) return;
  const int32_t value = conf->force_forwarding;
  ns.devconf_dflt.force_forwarding = value;
  ForEachDevice(ns, [value](inet6_dev* idev) { idev->cnf->force_forwarding = value; });
}

// --- disable_ipv6 ---

void SetDisabled(inet6_dev* idev, int32_t value) {
  Conf* const conf = idev->cnf;
  const bool changed = (conf->disable_ipv6_applied != 0) != (value != 0);
  conf->disable_ipv6 = conf->disable_ipv6_applied = value;
  if (changed) addrconf_notify(idev->dev, value != 0 ? NetdevEvent::kDown : NetdevEvent::kUp);
}

void DisableChanged(void* context) {
  auto* const conf = static_cast<Conf*>(context);
  netns_ipv6& ns = *conf->ns;
  const int32_t value = conf->disable_ipv6;
  if (conf == &ns.devconf_dflt) return;
  if (conf == &ns.devconf_all) {
    ns.devconf_dflt.disable_ipv6 = value;
    ForEachDevice(ns, [value](inet6_dev* idev) { SetDisabled(idev, value); });
  } else if (inet6_dev* const idev = DeviceOf(conf); idev != nullptr) {
    SetDisabled(idev, value);
  }
}

// --- ignore_routes_with_linkdown ---

void LinkdownChanged(void* context) {
  auto* const conf = static_cast<Conf*>(context);
  netns_ipv6& ns = *conf->ns;
  if (conf == &ns.devconf_all) {
    const int32_t value = conf->ignore_routes_with_linkdown;
    ns.devconf_dflt.ignore_routes_with_linkdown = value;
    ForEachDevice(ns, [value](inet6_dev* idev) { idev->cnf->ignore_routes_with_linkdown = value; });
  }
  rt6_cache_flush(ns.host_net);
}

// --- addr_gen_mode ---

void ReadAddrGenMode(void* context, std::string* text) {
  *text = std::to_string(static_cast<const Conf*>(context)->addr_gen_mode);
}

void SetAddrGenMode(inet6_dev* idev, int32_t mode) {
  if (idev->cnf->addr_gen_mode == mode) return;
  idev->cnf->addr_gen_mode = mode;
  addrconf_init_auto_addrs(idev->dev);
}

int WriteAddrGenMode(void* context, std::string_view text) {
  auto* const conf = static_cast<Conf*>(context);
  netns_ipv6& ns = *conf->ns;
  int32_t mode = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), mode);
  if (parsed.ec != std::errc() || mode < IN6_ADDR_GEN_MODE_EUI64 ||
      mode > IN6_ADDR_GEN_MODE_RANDOM) {
    return -EINVAL;
  }
  if (inet6_dev* const idev = DeviceOf(conf); idev != nullptr) {
    const bool has_secret = conf->stable_secret_set || ns.devconf_dflt.stable_secret_set;
    if (mode == IN6_ADDR_GEN_MODE_STABLE_PRIVACY && !has_secret) return -EINVAL;
    SetAddrGenMode(idev, mode);
  } else if (conf == &ns.devconf_all) {
    ns.devconf_dflt.addr_gen_mode = mode;
    ForEachDevice(ns, [mode](inet6_dev* any) { SetAddrGenMode(any, mode); });
  }
  conf->addr_gen_mode = mode;
  return 0;
}

// --- stable_secret: an address whose 16 bytes are the secret. Linux refuses to read it where none
// was set; here that is an empty file. ---

void ReadStableSecret(void* context, std::string* text) {
  const auto* const conf = static_cast<const Conf*>(context);
  if (!conf->stable_secret_set) return;
  char groups[8 * 5 + 1];
  char* at = groups;
  for (size_t i = 0; i < 8; ++i) {
    at += std::snprintf(at, 6, i == 0 ? "%04x" : ":%04x",
                        static_cast<unsigned>(conf->stable_secret.group(i)));
  }
  *text = groups;
}

int WriteStableSecret(void* context, std::string_view text) {
  auto* const conf = static_cast<Conf*>(context);
  netns_ipv6& ns = *conf->ns;
  const auto secret = Ipv6Address::Parse(text);
  if (conf == &ns.devconf_all || !secret.has_value()) return -EIO;
  conf->stable_secret = *secret;
  conf->stable_secret_set = true;
  if (conf == &ns.devconf_dflt) {
    ForEachDevice(
        ns, [](inet6_dev* idev) { idev->cnf->addr_gen_mode = IN6_ADDR_GEN_MODE_STABLE_PRIVACY; });
  } else {
    conf->addr_gen_mode = IN6_ADDR_GEN_MODE_STABLE_PRIVACY;
  }
  return 0;
}

// --- Registration. ---

struct File {
  const char* name;
  int32_t Conf::* member;
  int64_t min = INT32_MIN;
  int64_t max = INT32_MAX;
  void (*changed)(void* context) = nullptr;
};

// What has a range or starts something; the others take any number.
constexpr File kSpecialFiles[] = {
    {"", &Conf::forwarding, INT32_MIN, INT32_MAX, ForwardingChanged},
    {"", &Conf::disable_ipv6, INT32_MIN, INT32_MAX, DisableChanged},
    {"", &Conf::ignore_routes_with_linkdown, INT32_MIN, INT32_MAX, LinkdownChanged},
    {"", &Conf::force_forwarding, 0, 1, ForceForwardingChanged},
    {"", &Conf::hop_limit, 1, 255},
    {"", &Conf::mtu6, static_cast<int64_t>(wire::kIpv6MinMtu), INT32_MAX},
    {"", &Conf::rtr_solicits, -1, INT32_MAX},
    {"", &Conf::ra_honor_pio_life, 0, 1},
    {"", &Conf::ra_honor_pio_pflag, 0, 1},
    {"", &Conf::ndisc_tclass, 0, 255},
    {"", &Conf::rpl_seg_enabled, 0, 1},
    {"", &Conf::ioam6_enabled, 0, 1},
    {"", &Conf::ioam6_id, 0, UINT16_MAX},
    {"", &Conf::ndisc_evict_nocarrier, 0, 1},
    {"", &Conf::accept_untracked_na, 0, 2},
};

constexpr File kFiles[] = {
#define X(member, file, value) {file, &ipv6_devconf::member},
    TAPEDECK_IPV6_DEVCONF(X)
#undef X
};

constexpr File kSecondsFiles[] = {
    {"router_solicitation_interval", &Conf::rtr_solicit_interval},
    {"router_solicitation_max_interval", &Conf::rtr_solicit_max_interval},
    {"router_solicitation_delay", &Conf::rtr_solicit_delay},
    {"router_probe_interval", &Conf::rtr_probe_interval},
};
constexpr File kMillisecondsFiles[] = {
    {"mldv1_unsolicited_report_interval", &Conf::mldv1_unsolicited_report_interval},
    {"mldv2_unsolicited_report_interval", &Conf::mldv2_unsolicited_report_interval},
};

SysctlEntry* AddNumber(SysctlFiles& files, Conf* conf, const File& file) {
  if (file.member == &Conf::ra_defrtr_metric || file.member == &Conf::ioam6_id_wide) {
    auto* const value = reinterpret_cast<uint32_t*>(&(conf->*file.member));
    return files.AddUnsigned(file.name, value, file.member == &Conf::ra_defrtr_metric ? 1 : 0);
  }
  for (const File& special : kSpecialFiles) {
    if (special.member != file.member) continue;
    SysctlEntry* const entry =
        files.AddInt(file.name, &(conf->*file.member), special.min, special.max);
    entry->changed = special.changed;
    entry->context = conf;
    return entry;
  }
  return files.AddInt(file.name, &(conf->*file.member));
}

void AddFile(SysctlFiles& files, Conf* conf, const File& file) {
  if (file.member == &Conf::addr_gen_mode) {
    files.AddText(file.name, ReadAddrGenMode, WriteAddrGenMode, conf);
    return;
  }
  SysctlEntry* const entry = AddNumber(files, conf, file);
  if (file.member == &Conf::mtu6 && conf->dev != nullptr) entry->max = conf->dev->mtu;
}

void ListConf(SysctlFiles& files, void* owner) {
  auto* const conf = static_cast<Conf*>(owner);
  for (const File& file : kFiles) AddFile(files, conf, file);
  for (const File& file : kSecondsFiles) files.AddJiffies(file.name, &(conf->*file.member));
  for (const File& file : kMillisecondsFiles) files.AddMsJiffies(file.name, &(conf->*file.member));
  files.AddText("stable_secret", ReadStableSecret, WriteStableSecret, conf);
}

}  // namespace

void addrconf_sysctl_register(net& net, ipv6_devconf* conf, std::string_view name) {
  conf->ns = &net_ipv6(net);
  name.copy(conf->name, kIfNameBytes - 1);
  net.kernel.sysctl().AddOwner(ListConf, conf, "net/ipv6/conf", conf->name);
}

void dev_forward_change(inet6_dev* idev) {
  net_device* const dev = idev->dev;
  const bool forwards = idev->cnf->forwarding != 0;
  if ((dev->flags & IFF_MULTICAST) != 0) {
    for (const Ipv6Address& group :
         {kIpv6AllRouters, kIpv6InterfaceAllRouters, kIpv6SiteAllRouters}) {
      if (forwards) {
        ipv6_dev_mc_inc(dev, group);
      } else {
        ipv6_dev_mc_dec(dev, group);
      }
    }
  }
  for (inet6_ifaddr& ifa : idev->addr_list) {
    if ((ifa.flags & IFA_F_TENTATIVE) != 0) continue;
    if (forwards) {
      addrconf_join_anycast(&ifa);
    } else {
      addrconf_leave_anycast(&ifa);
    }
  }
}

}  // namespace tapedeck::addrconf_internal
