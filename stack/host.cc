#include "stack/host.h"

#include <string>

#include "stack/core/neighbour.h"
#include "stack/drivers/loopback.h"
#include "stack/drivers/tun.h"
#include "stack/ipv4/devinet.h"
#include "stack/ipv4/fib.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/ip6_route.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/tcp/tcp.h"
#include "stack/udp/udp.h"
#include "stack/udp/udp_ipv6.h"

namespace tapedeck {

Host::Host(World& world, const KernelOptions& options, const CostTable& costs)
    : kernel_(world, options, costs), net_(world.arena().New<net>(kernel_)) {
  ipv4_init(*net_);
  arp_table_ = net_->arp_tbl;
  ipv6_init(*net_);
  nd_table_ = net_->nd_tbl;
  udp_init(*net_);
  udpv6_init(*net_);
  tcp_init(*net_);
  CHECK(loopback_init(*net_) != nullptr);
  syscalls_ = world.arena().New<Syscalls>(*net_);
}

net_device* Host::AddNic(int slot, std::string_view name, const ixgbe::IxgbeOptions& options) {
  CHECK_LT(nic_count_, kNicsMax);
  net_device* const dev = ixgbe::ixgbe_probe(*net_, slot, name, options);
  if (dev != nullptr) nics_[nic_count_++] = dev;
  return dev;
}

net_device* Host::AddTun(std::string_view name, uint32_t mtu_bytes) {
  CHECK_LT(tun_count_, kTunsMax);
  net_device* const dev = tun_probe(*net_, name, mtu_bytes);
  if (dev != nullptr) tuns_[tun_count_++] = dev;
  return dev;
}

net_device* Host::AddTap(std::string_view name, const MacAddress& address, uint32_t mtu_bytes) {
  CHECK_LT(tun_count_, kTunsMax);
  net_device* const dev = tap_probe(*net_, name, address, mtu_bytes);
  if (dev != nullptr) tuns_[tun_count_++] = dev;
  return dev;
}

int Host::AddAddress(net_device* dev, Ipv4Address address, uint8_t prefix_length_bits) {
  inet_address_config config;
  config.local = address;
  config.prefixlen = prefix_length_bits;
  return inet_add_address(dev, config);
}

int Host::AddRoute(net_device* dev, const Ipv4Prefix& prefix, Ipv4Address gateway) {
  fib_config config;
  config.dst = prefix.network();
  config.dst_len = static_cast<uint8_t>(prefix.length_bits());
  config.oif = dev->ifindex;
  config.gw = gateway;
  return fib_table_insert(*net_->ipv4, config);
}

int Host::AddOnLinkDefaultRoute(net_device* dev) {
  fib_config config;
  config.scope = RT_SCOPE_LINK;
  config.oif = dev->ifindex;
  return fib_table_insert(*net_->ipv4, config);
}

int Host::AddAddress(net_device* dev, const Ipv6Address& address, uint8_t prefix_length_bits) {
  const std::string conf = std::string("net/ipv6/conf/") + dev->name;
  kernel_.sysctl().Write(conf + "/dad_transmits", "0");
  const int err = kernel_.sysctl().Write(conf + "/disable_ipv6", "0");
  if (err != 0) return err;
  inet6_address_config config;
  config.local = address;
  config.prefixlen = prefix_length_bits;
  config.flags = IFA_F_NODAD;
  return inet6_addr_add(dev, config);
}

int Host::AddRoute(net_device* dev, const Ipv6Address& prefix, uint8_t prefix_length_bits,
                   const Ipv6Address& gateway) {
  fib6_config config;
  config.dst = prefix;
  config.dst_len = prefix_length_bits;
  config.ifindex = dev->ifindex;
  config.gateway = gateway;
  config.excl = true;
  return ip6_route_add(*net_, config);
}

void Host::Shutdown() {
  syscalls_->CloseAll();
  kernel_.EndThreads();
  for (int i = 0; i < nic_count_; ++i) ixgbe::ixgbe_remove(nics_[i]);
  nic_count_ = 0;
  for (int i = 0; i < tun_count_; ++i) tun_remove(tuns_[i]);
  tun_count_ = 0;
  tcp_exit(*net_);
  udp_exit(*net_);
  udpv6_exit(*net_);
  loopback_exit(*net_);
  ipv6_exit(*net_);
  ipv4_exit(*net_);
}

int Host::Ledger(LedgerEntry entries[kLedgerEntriesMax]) const {
  int count = 0;
  const auto add = [&](const char* name, uint64_t held) {
    CHECK_LT(count, kLedgerEntriesMax);
    entries[count++] = {name, held};
  };
  const ipv4_ledger ipv4 = ipv4_objects(*net_->ipv4);
  const ipv6_ledger ipv6 = ipv6_objects(*net_->ipv6);
  const tcp_ledger tcp = tcp_objects(*net_);
  add("sk_buffs", net_->skbuff_cache.live_objects());
  add("pages", net_->page_cache.cache().live_objects());
  add("socks", net_->live_socks);
  add("sockets", syscalls_->live_sockets());
  add("files", syscalls_->live_files());
  add("threads", kernel_.live_threads());
  add("DMA mappings", kernel_.bus().live_mappings());
  add("routes (dst)", ipv4.rtables);
  add("fib entries", ipv4.fib_infos + ipv4.fib_aliases);
  add("addresses", ipv4.addresses + ipv4.in_devices + ipv4.mc_groups);
  add("fragment queues", ipv4.frag_queues);
  add("inet peers", ipv4.peers);
  add("IPv6 routes (dst)", ipv6.rt6_infos);
  add("IPv6 fib entries", ipv6.fib6_infos);
  add("IPv6 addresses", ipv6.addresses);
  add("IPv6 fragment queues", ipv6.frag_queues);
  add("IPv6 sockets' parts", ipv6.pinfos + ipv6.flowlabels);
  add("neighbours",
      arp_table_->cache.cache().live_objects() + nd_table_->cache.cache().live_objects());
  add("connection requests", tcp.requests);
  add("time-wait sockets", tcp.timewaits);
  add("timers", kernel_.pending_timers());
  return count;
}

}  // namespace tapedeck
