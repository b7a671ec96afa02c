// Devices, CPUs, neighbours, routes and addresses in /proc/net (net/core/net-procfs.c,
// net/ipv4/arp.c, net/ipv4/fib_trie.c, net/ipv6/addrconf.c).
#include <cinttypes>

#include "stack/core/dev.h"
#include "stack/core/neighbour.h"
#include "stack/core/net_device.h"
#include "stack/core/seq_file.h"
#include "stack/ipv4/fib.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/socket/proc_net.h"

namespace tapedeck {
namespace {

// Flags of an entry of /proc/net/arp (if_arp.h).
constexpr unsigned kAtfCom = 0x02;
constexpr unsigned kAtfPerm = 0x04;

// Of /proc/net/route (route.h).
constexpr unsigned kRtfUp = 0x0001;
constexpr unsigned kRtfGateway = 0x0002;
constexpr unsigned kRtfHost = 0x0004;
constexpr unsigned kRtfReject = 0x0200;
constexpr size_t kRouteLineBytes = 127;

unsigned ArpFlags(const neighbour* neigh) {
  if ((neigh->nud_state & NUD_PERMANENT) != 0) return kAtfPerm | kAtfCom;
  return (neigh->nud_state & NUD_VALID) != 0 ? kAtfCom : 0;
}

unsigned RouteFlags(const Ipv4Prefix& prefix, const fib_alias& alias) {
  unsigned flags = kRtfUp;
  if (alias.type == RTN_UNREACHABLE || alias.type == RTN_PROHIBIT) flags |= kRtfReject;
  if (alias.info->nh[0].nh_gw != kIpv4Any) flags |= kRtfGateway;
  if (prefix.length_bits() == 32) flags |= kRtfHost;
  return flags;
}

void ShowRoute(const Ipv4Prefix& prefix, const fib_alias& alias, std::string* text) {
  if (alias.type == RTN_BROADCAST || alias.type == RTN_MULTICAST) return;
  const size_t start = text->size();
  const fib_info& info = *alias.info;
  const fib_nh& nh = info.nh[0];
  const uint32_t advmss = info.metrics[RTAX_ADVMSS];
  seq_printf(text, "%s\t", nh.nh_dev != nullptr ? nh.nh_dev->name : "*");
  seq_address(text, prefix.network());
  *text += '\t';
  seq_address(text, nh.nh_gw);
  seq_printf(text, "\t%04X\t%d\t%u\t%u\t", RouteFlags(prefix, alias), 0, 0U, info.priority);
  seq_address(text, Ipv4Address(prefix.mask()));
  seq_printf(text, "\t%u\t%u\t%u", advmss != 0 ? advmss + 40 : 0, info.metrics[RTAX_WINDOW],
             info.metrics[RTAX_RTT] >> 3);
  seq_pad(text, start, kRouteLineBytes);
}

}  // namespace

void dev_seq_show(net& net, std::string* text) {
  *text +=
      "Inter-|   Receive                                                |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs "
      "drop "
      "fifo colls carrier compressed\n";
  for (net_device& dev : net.devices) {
    rtnl_link_stats64 s;
    dev_get_stats(&dev, &s);
    seq_printf(text,
               "%6s: %7" PRIu64 " %7" PRIu64 " %4" PRIu64 " %4" PRIu64 " %4" PRIu64 " %5" PRIu64
               " %10d %9" PRIu64,
               dev.name, s.rx_bytes, s.rx_packets, s.rx_errors, s.rx_dropped + s.rx_missed_errors,
               s.rx_fifo_errors,
               s.rx_length_errors + s.rx_over_errors + s.rx_crc_errors + s.rx_frame_errors, 0,
               s.multicast);
    seq_printf(
        text,
        " %8" PRIu64 " %7" PRIu64 " %4" PRIu64 " %4" PRIu64 " %4" PRIu64 " %5" PRIu64 " %7" PRIu64
        " %10d\n",
        s.tx_bytes, s.tx_packets, s.tx_errors, s.tx_dropped, s.tx_fifo_errors, s.collisions,
        s.tx_carrier_errors + s.tx_aborted_errors + s.tx_window_errors + s.tx_heartbeat_errors, 0);
  }
}

void softnet_seq_show(net& net, std::string* text) {
  for (int cpu = 0; cpu < net.kernel.cpus(); ++cpu) {
    const softnet_data& sd = *net.softnet[cpu];
    const uint32_t input = sd.input_pkt_queue.qlen;
    const uint32_t process = sd.process_queue.qlen;
    seq_printf(text, "%08x %08x %08x ", static_cast<uint32_t>(sd.processed),
               static_cast<uint32_t>(sd.dropped), static_cast<uint32_t>(sd.time_squeeze));
    // What was fastroute and CPU collisions.
    for (int i = 0; i < 6; ++i) seq_printf(text, "%08x ", 0U);
    seq_printf(text, "%08x %08x %08x %08x %08x %08x\n", static_cast<uint32_t>(sd.received_rps), 0U,
               input + process, static_cast<uint32_t>(cpu), input, process);
  }
}

void arp_seq_show(net& net, std::string* text) {
  *text += "IP address       HW type     Flags       HW address            Mask     Device\n";
  neigh_for_each(net.arp_tbl, [&](const neighbour* neigh) {
    if ((neigh->nud_state & ~NUD_NOARP) == 0) return;
    const net_device* const dev = neigh->dev;
    std::string hardware;
    for (int i = 0; i < dev->addr_len && i < 8; ++i) {
      seq_printf(&hardware, i == 0 ? "%02x" : ":%02x", neigh->ha[i]);
    }
    const Ipv4Address address(LoadBe32(neigh->primary_key));
    seq_printf(text, "%-16s 0x%-10x0x%-10x%-17s     *        %s\n", address.ToString().c_str(),
               dev->type, ArpFlags(neigh), hardware.c_str(), dev->name);
  });
}

void fib_route_seq_show(net& net, std::string* text) {
  seq_printf(text, "%-127s\n",
             "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT");
  const fib_table* const main = fib_get_table(net_ipv4(net), RT_TABLE_MAIN);
  if (main == nullptr) return;
  fib_table_for_each(main, [&](const Ipv4Prefix& prefix, const fib_alias& alias) {
    ShowRoute(prefix, alias, text);
  });
}

void if6_seq_show(net& net, std::string* text) {
  for (const net_device& dev : net.devices) {
    const inet6_dev* const idev = __in6_dev_get(&dev);
    if (idev == nullptr) continue;
    for (const inet6_ifaddr& ifp : idev->addr_list) {
      for (const uint8_t byte : ifp.addr.bytes()) seq_printf(text, "%02x", byte);
      seq_printf(text, " %02x %02x %02x %02x %8s\n", static_cast<unsigned>(dev.ifindex),
                 ifp.prefix_len, ifp.scope, ifp.flags & 0xff, dev.name);
    }
  }
}

}  // namespace tapedeck
