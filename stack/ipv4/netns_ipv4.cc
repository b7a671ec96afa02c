#include "stack/ipv4/netns_ipv4.h"

#include "stack/core/net.h"
#include "stack/ipv4/arp.h"
#include "stack/ipv4/icmp.h"
#include "stack/ipv4/igmp.h"
#include "stack/ipv4/inet_ports.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/ip_internal.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {

namespace {

constexpr net_protocol kIcmpProtocol = {
    .handler = icmp_rcv,
    .err_handler = icmp_err,
    .no_policy = true,
};

struct Notifier : netdev_notifier {
  static int Call(netdev_notifier* /*nb*/, NetdevEvent event, net_device* dev) {
    return inetdev_event(dev, event);
  }
};

int32_t Ms(net& net, uint64_t ms) { return static_cast<int32_t>(net.kernel.MsecsToJiffies(ms)); }

// Defaults in jiffies, which depend on HZ.
void SetTimes(netns_ipv4& ns) {
  net& net = ns.host_net;
  ipv4_settings& s = ns.settings;
  s.icmp_ratelimit = Ms(net, 1000);
  s.route_mtu_expires = Ms(net, 600'000);
  s.route_redirect_load = Ms(net, 20);
  s.route_redirect_silence = s.route_redirect_load << (s.route_redirect_number + 1);
  s.route_error_cost = Ms(net, 1000);
  s.route_error_burst = 5 * s.route_error_cost;
  ns.frags.timeout = Ms(net, 30'000);
}

void ListSettings(SysctlFiles& files, void* owner) {
  netns_ipv4& ns = *static_cast<netns_ipv4*>(owner);
  ipv4_settings& s = ns.settings;
  files.AddInt("net/ipv4/ip_default_ttl", &s.ip_default_ttl, 1, 255);
  files.AddInt("net/ipv4/ip_no_pmtu_disc", &s.ip_no_pmtu_disc, 0, 3);
  files.AddInt("net/ipv4/ip_forward_use_pmtu", &s.ip_forward_use_pmtu, 0, 255);
  files.AddInt("net/ipv4/ip_forward_update_priority", &s.ip_forward_update_priority, 0, 1);
  files.AddInt("net/ipv4/ip_nonlocal_bind", &s.ip_nonlocal_bind, 0, 255);
  files.AddInt("net/ipv4/ip_early_demux", &s.ip_early_demux, 0, 255);
  files.AddInt("net/ipv4/ip_dynaddr", &s.ip_dynaddr, 0, 255);
  files.AddInt("net/ipv4/fwmark_reflect", &s.fwmark_reflect, 0, 255);
  files.AddInt("net/ipv4/icmp_echo_ignore_all", &s.icmp_echo_ignore_all, 0, 1);
  files.AddInt("net/ipv4/icmp_echo_ignore_broadcasts", &s.icmp_echo_ignore_broadcasts, 0, 1);
  files.AddInt("net/ipv4/icmp_ignore_bogus_error_responses", &s.icmp_ignore_bogus_error_responses,
               0, 1);
  files.AddInt("net/ipv4/icmp_errors_use_inbound_ifaddr", &s.icmp_errors_use_inbound_ifaddr, 0, 1);
  files.AddMsJiffies("net/ipv4/icmp_ratelimit", &s.icmp_ratelimit);
  files.AddInt("net/ipv4/icmp_ratemask", &s.icmp_ratemask);
  files.AddInt("net/ipv4/icmp_msgs_per_sec", &s.icmp_msgs_per_sec, 0, INT32_MAX);
  files.AddInt("net/ipv4/icmp_msgs_burst", &s.icmp_msgs_burst, 0, INT32_MAX);
  files.AddInt("net/ipv4/fib_multipath_hash_policy", &s.fib_multipath_hash_policy, 0, 1);
  files.AddInt("net/ipv4/route/min_pmtu", &s.route_min_pmtu, 0, INT32_MAX);
  files.AddInt("net/ipv4/route/min_adv_mss", &s.route_min_advmss);
  files.AddJiffies("net/ipv4/route/mtu_expires", &s.route_mtu_expires);
  files.AddInt("net/ipv4/route/redirect_load", &s.route_redirect_load);
  files.AddInt("net/ipv4/route/redirect_number", &s.route_redirect_number, 0, 31);
  files.AddInt("net/ipv4/route/redirect_silence", &s.route_redirect_silence);
  files.AddInt("net/ipv4/route/error_cost", &s.route_error_cost);
  files.AddInt("net/ipv4/route/error_burst", &s.route_error_burst);
  fqdir_sysctl_list(files, ns.frags, "net/ipv4/ipfrag_high_thresh", "net/ipv4/ipfrag_low_thresh",
                    "net/ipv4/ipfrag_time");
  files.AddInt("net/ipv4/ipfrag_max_dist", &ns.frags.max_dist, 0, INT32_MAX);
  files.AddInt("net/ipv4/inet_peer_threshold", &ns.peers.threshold, 1, INT32_MAX);
  devinet_sysctl_list_forward(files, ns);
}

sock* ControlSockAlloc(net& net, uint16_t family) {
  return net_ipv4(net).ctl_socks.New(net, family, &inet_ctl_prot);
}
void ControlSockFree(sock* sk) {
  net_ipv4(sk->sk_net).ctl_socks.Delete(static_cast<inet_sock*>(sk));
}

}  // namespace

const proto inet_ctl_prot = [] {
  proto prot{};
  prot.name = "CTL";
  prot.alloc = ControlSockAlloc;
  prot.free = ControlSockFree;
  return prot;
}();

inet_sock* inet_ctl_sock_create(net& net, uint8_t protocol) {
  auto* const sk = static_cast<inet_sock*>(sk_alloc(net, kAfInet, &inet_ctl_prot));
  if (sk == nullptr) return nullptr;
  sk->sk_type = SOCK_RAW;
  sk->sk_protocol = protocol;
  sock_set_flag(sk, SOCK_USE_WRITE_QUEUE);
  --net.live_socks;  // no user's: it does not count among the sockets that must go before a run
                     // ends
  return sk;
}

void inet_ctl_sock_destroy(inet_sock* sk) {
  if (sk == nullptr) return;
  ip_flush_pending_frames(sk);
  ++sk->sk_net.live_socks;
  sock_put(sk);
}

netns_ipv4::netns_ipv4(net& its_net)
    : host_net(its_net),
      in_devices(its_net.world.arena(), "in_device"),
      ifaddrs(its_net.world.arena(), "in_ifaddr"),
      mc_lists(its_net.world.arena(), "ip_mc_list"),
      fib(*this),
      rtables(its_net.world.arena(), "ip_dst_cache"),
      ctl_socks(its_net.world.arena(), "inet_ctl_sock"),
      prng(its_net.world.NewPrng()),
      frags(its_net),
      peers(*this) {
  for (uint32_t& id : ip_idents) id = prng.Next32();
  ip_id_key.k0 = prng.Next64();
  ip_id_key.k1 = prng.Next64();
  devconf_all.ns = devconf_dflt.ns = this;
  // The values of `all` and `default` that differ from a single device's (net/ipv4/devinet.c,
  // ipv4_devconf_dflt).
  devconf_dflt.accept_source_route = 1;
}

void ipv4_init(net& net) {
  CHECK(net.ipv4 == nullptr);
  auto* const ns = net.world.arena().New<netns_ipv4>(net);
  net.ipv4 = ns;
  ns->fib.local = fib_new_table(*ns, RT_TABLE_LOCAL);
  ns->fib.main = fib_new_table(*ns, RT_TABLE_MAIN);
  ns->fib.deflt = fib_new_table(*ns, RT_TABLE_DEFAULT);
  SetTimes(*ns);
  net.kernel.sysctl().AddOwner(ListSettings, ns);
  devinet_sysctl_register(net, &ns->devconf_all, "all");
  devinet_sysctl_register(net, &ns->devconf_dflt, "default");
  inet_ports_init(net);
  arp_init(net);
  ns->icmp_sk = inet_ctl_sock_create(net, wire::kIpProtoIcmp);
  CHECK(ns->icmp_sk != nullptr);
  icmp_sk_init(ns->icmp_sk);
  inet_add_protocol(net, &kIcmpProtocol, wire::kIpProtoIcmp);
  igmp_init(net);
  ns->notifier.call = Notifier::Call;
  register_netdevice_notifier(net, &ns->notifier);
  ns->ip_packet_type.type = wire::kEtherTypeIpv4;
  ns->ip_packet_type.func = ip_rcv;
  ns->ip_packet_type.list_func = ip_list_rcv;
  dev_add_pack(net, &ns->ip_packet_type);
  ns->arp_packet_type.type = wire::kEtherTypeArp;
  ns->arp_packet_type.func = arp_rcv;
  dev_add_pack(net, &ns->arp_packet_type);
  dev_add_offload(net, &ip_packet_offload);
}

void ipv4_exit(net& net) {
  netns_ipv4& ns = net_ipv4(net);
  inet_ports_exit(net);
  dev_remove_offload(net, &ip_packet_offload);
  dev_remove_pack(&ns.arp_packet_type);
  dev_remove_pack(&ns.ip_packet_type);
  unregister_netdevice_notifier(&ns.notifier);
  fqdir_flush(ns.frags);
  for (net_device& dev : net.devices) {
    if (dev.ip_ptr != nullptr) inetdev_destroy(dev.ip_ptr);
  }
  fib_clear(ns);
  arp_exit(net);
  inetpeer_invalidate(ns.peers);
  igmp_exit(net);
  inet_del_protocol(net, &kIcmpProtocol, wire::kIpProtoIcmp);
  inet_ctl_sock_destroy(ns.icmp_sk);
  ns.icmp_sk = nullptr;
}

ipv4_ledger ipv4_objects(const netns_ipv4& ns) {
  return {.rtables = ns.rtables.cache().live_objects(),
          .fib_infos = ns.fib.infos.cache().live_objects(),
          .fib_aliases = ns.fib.aliases.cache().live_objects(),
          .addresses = ns.ifaddrs.cache().live_objects(),
          .in_devices = ns.in_devices.cache().live_objects(),
          .mc_groups = ns.mc_lists.cache().live_objects(),
          .frag_queues = ns.frags.cache.cache().live_objects(),
          .peers = ns.peers.cache.cache().live_objects()};
}

}  // namespace tapedeck
