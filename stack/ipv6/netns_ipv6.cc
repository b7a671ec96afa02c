#include "stack/ipv6/netns_ipv6.h"

#include "stack/core/net.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/datagram.h"
#include "stack/ipv6/icmpv6.h"
#include "stack/ipv6/ip6_fib.h"
#include "stack/ipv6/ip6_route.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/mcast.h"
#include "stack/ipv6/ndisc.h"
#include "stack/ipv6/reassembly.h"
#include "stack/wire/ethernet.h"

namespace tapedeck {

namespace {

// IPv6 has a stream of random numbers that the order in which a Lab is built does not name: hosts
// of IPv4 alone draw what they drew without it.
constexpr uint64_t kPrngStream = uint64_t{0x697076} << 40 | uint64_t{6} << 32;

void ListIpv6Settings(SysctlFiles& files, void* owner) {
  ipv6_settings& s = *static_cast<ipv6_settings*>(owner);
  files.AddInt("net/ipv6/bindv6only", &s.bindv6only, 0, 255);
  files.AddInt("net/ipv6/anycast_src_echo_reply", &s.anycast_src_echo_reply, 0, 255);
  files.AddInt("net/ipv6/auto_flowlabels", &s.auto_flowlabels, 0, 3);
  files.AddInt("net/ipv6/flowlabel_consistency", &s.flowlabel_consistency, 0, 255);
  files.AddInt("net/ipv6/flowlabel_state_ranges", &s.flowlabel_state_ranges, 0, 255);
  files.AddInt("net/ipv6/flowlabel_reflect", &s.flowlabel_reflect, 0, 7);
  files.AddInt("net/ipv6/fwmark_reflect", &s.fwmark_reflect, 0, 255);
  files.AddInt("net/ipv6/idgen_retries", &s.idgen_retries);
  files.AddJiffies("net/ipv6/idgen_delay", &s.idgen_delay);
  files.AddInt("net/ipv6/ip_nonlocal_bind", &s.ip_nonlocal_bind, 0, 255);
  files.AddInt("net/ipv6/mld_max_msf", &s.mld_max_msf);
  files.AddInt("net/ipv6/mld_qrv", &s.mld_qrv, 1, INT32_MAX);
  files.AddInt("net/ipv6/max_dst_opts_number", &s.max_dst_opts_number);
  files.AddInt("net/ipv6/max_hbh_opts_number", &s.max_hbh_opts_number);
  files.AddInt("net/ipv6/max_dst_opts_length", &s.max_dst_opts_length);
  files.AddInt("net/ipv6/max_hbh_length", &s.max_hbh_length);
  files.AddInt("net/ipv6/fib_multipath_hash_policy", &s.fib_multipath_hash_policy, 0, 1);
}

}  // namespace

netns_ipv6::netns_ipv6(net& its_net)
    : host_net(its_net),
      inet6_devs(its_net.world.arena(), "inet6_dev"),
      ifaddrs(its_net.world.arena(), "inet6_ifaddr"),
      prng(its_net.world.seed(), kPrngStream | its_net.hash_mix),
      rt6_infos(its_net.world.arena(), "ip6_dst_cache"),
      pinfos(its_net.world.arena(), "ipv6_pinfo") {
  ip_id_key.k0 = prng.Next64();
  ip_id_key.k1 = prng.Next64();
  settings.idgen_delay = static_cast<int32_t>(its_net.kernel.hz());
  devconf_all.ns = devconf_dflt.ns = this;
  // Devices of a Lab speak IPv6 when they are told to.
  devconf_dflt.disable_ipv6 = 1;
}

void ipv6_init(net& net) {
  CHECK(net.ipv6 == nullptr);
  auto* const ns = net.world.arena().New<netns_ipv6>(net);
  net.ipv6 = ns;
  net.kernel.sysctl().AddOwner(ListIpv6Settings, &ns->settings);
  CHECK_EQ(icmpv6_init(net), 0);
  CHECK_EQ(ndisc_init(net), 0);
  CHECK_EQ(igmp6_init(net), 0);
  CHECK_EQ(ip6_route_init(net), 0);
  CHECK_EQ(addrconf_init(net), 0);
  CHECK_EQ(ipv6_exthdrs_init(net), 0);
  CHECK_EQ(ipv6_frag_init(net), 0);
  ns->ipv6_packet_type.type = wire::kEtherTypeIpv6;
  ns->ipv6_packet_type.func = ipv6_rcv;
  ns->ipv6_packet_type.list_func = ipv6_list_rcv;
  dev_add_pack(net, &ns->ipv6_packet_type);
  dev_add_offload(net, &ipv6_packet_offload);
}

void ipv6_exit(net& net) {
  netns_ipv6& ns = net_ipv6(net);
  dev_remove_offload(net, &ipv6_packet_offload);
  dev_remove_pack(&ns.ipv6_packet_type);
  ipv6_frags_flush(net);
  ip6_flowlabel_cleanup(net);
  addrconf_exit(net);
  igmp6_cleanup(net);
  ndisc_cleanup(net);
  ip6_route_exit(net);
  icmpv6_cleanup(net);
}

ipv6_ledger ipv6_objects(const netns_ipv6& ns) {
  return {.rt6_infos = ns.rt6_infos.cache().live_objects(),
          .fib6_infos = ns.fib->infos.cache().live_objects() +
                        ns.fib->nodes.cache().live_objects() +
                        ns.fib->exceptions.cache().live_objects(),
          .addresses = ns.inet6_devs.cache().live_objects() + ns.ifaddrs.cache().live_objects(),
          .frag_queues = ns.frags->cache.cache().live_objects(),
          .pinfos = ns.pinfos.cache().live_objects(),
          .flowlabels = ip6_flowlabel_count(ns)};
}

}  // namespace tapedeck
