// Memory that fails on purpose: which of a host's caches that is about.
#include "stack/core/neighbour.h"
#include "stack/host.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv6/ip6_fib.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/ipv6/reassembly.h"
#include "stack/tcp/inet_hashinfo.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/udp/udp.h"

namespace tapedeck {

void Host::FailSlab(uint64_t nth) {
  fail_slab_nth_ = nth;
  const auto fail = [this](auto&... caches) { (caches.cache().FailWith(&fail_slab_nth_), ...); };
  net_->skbuff_cache.FailWith(&fail_slab_nth_);
  fail(net_->page_cache, arp_table_->cache, nd_table_->cache, net_udp(*net_).sockets);
  netns_tcp& tcp = net_tcp(*net_);
  fail(tcp.socks, tcp.reqsks, tcp.twsks, tcp.hashinfo->bind_buckets, tcp.hashinfo->bind2_buckets);
  netns_ipv4& ipv4 = *net_->ipv4;
  fail(ipv4.ifaddrs, ipv4.mc_lists, ipv4.rtables, ipv4.fib.infos, ipv4.fib.aliases,
       ipv4.fib.exceptions, ipv4.frags.cache, ipv4.peers.cache);
  netns_ipv6& ipv6 = *net_->ipv6;
  fail(ipv6.ifaddrs, ipv6.rt6_infos, ipv6.pinfos, ipv6.fib->infos, ipv6.fib->nodes,
       ipv6.fib->exceptions, ipv6.frags->cache);
  syscalls_->FailWith(&fail_slab_nth_);
}

}  // namespace tapedeck
