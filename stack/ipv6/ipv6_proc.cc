#include "stack/ipv6/ipv6_proc.h"

#include <algorithm>
#include <cinttypes>
#include <utility>
#include <vector>

#include "stack/core/seq_file.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/ip6_fib.h"
#include "stack/ipv6/ip6_route.h"
#include "stack/ipv6/mld_internal.h"
#include "stack/ipv6/netns_ipv6.h"

namespace tapedeck {

namespace {

// MAF_* of if_inet6.h.
constexpr unsigned kMafTimerRunning = 0x01;
constexpr unsigned kMafLastReporter = 0x02;
constexpr unsigned kMafLoaded = 0x04;
constexpr unsigned kMafNoReport = 0x08;
constexpr unsigned kMafGsQuery = 0x10;

// FIB6_TABLE_HASHSZ: tables are shown in the order of the kernel's buckets.
constexpr uint32_t kTableBuckets = 256;

// An address as %pi6 prints it.
void ShowAddress(const Ipv6Address& address, std::string* text) {
  for (const uint8_t byte : address.bytes()) seq_printf(text, "%02x", byte);
}

unsigned FlagsOf(const ifmcaddr6& mc) {
  return (mc.timer_running ? kMafTimerRunning : 0) | (mc.last_reporter ? kMafLastReporter : 0) |
         (mc.loaded ? kMafLoaded : 0) | (mc.noreport ? kMafNoReport : 0) |
         (mc.gsquery ? kMafGsQuery : 0);
}

void ShowRoute6(const fib6_info& rt, std::string* text) {
  ShowAddress(rt.fib6_dst.addr, text);
  seq_printf(text, " %02x ", static_cast<unsigned>(rt.fib6_dst.plen));
  ShowAddress(rt.fib6_src.addr, text);
  seq_printf(text, " %02x ", static_cast<unsigned>(rt.fib6_src.plen));
  ShowAddress(rt.nh.has_gateway ? rt.nh.fib_nh_gw6 : kIpv6Any, text);
  const uint32_t flags = rt.fib6_flags | (rt.nh.has_gateway ? uint32_t{RTF_GATEWAY} : 0);
  const net_device* const dev = rt.nh.fib_nh_dev;
  seq_printf(text, " %08x %08x %08x %08x %8s\n", rt.fib6_metric, rt.refcnt, 0U, flags,
             dev != nullptr ? dev->name : "");
}

}  // namespace

void ipv6_route_seq_show(net& net, std::string* text) {
  if (net.ipv6 == nullptr) return;
  const fib6_state& fib = *net_ipv6(net).fib;
  std::vector<const fib6_table*> tables;
  for (const fib6_table* it = fib.tables; it != nullptr; it = it->next) tables.push_back(it);
  std::sort(tables.begin(), tables.end(), [](const fib6_table* a, const fib6_table* b) {
    return std::pair(a->id % kTableBuckets, a->id) < std::pair(b->id % kTableBuckets, b->id);
  });
  for (const fib6_table* table : tables) {
    fib6_table_for_each(table, [&](const fib6_info& rt) { ShowRoute6(rt, text); });
    // Without a default route the root holds the lack of one.
    const bool has_default = table->root != nullptr && table->root->leaf != nullptr;
    if (!has_default && fib.null_entry != nullptr) ShowRoute6(*fib.null_entry, text);
  }
}

void igmp6_mc_seq_show(net& net, std::string* text) {
  for (const net_device& dev : net.devices) {
    const inet6_dev* const idev = __in6_dev_get(&dev);
    if (idev == nullptr) continue;
    for (const ifmcaddr6* mc = idev->mc_list; mc != nullptr; mc = mc->next) {
      const uint64_t left =
          mc->timer_running ? seq_clock_ticks(net.kernel, mc->timer.expires) : uint64_t{0};
      seq_printf(text, "%-4d %-15s ", dev.ifindex, dev.name);
      ShowAddress(mc->multiaddr, text);
      seq_printf(text, " %5u %08X %" PRIu64 "\n", mc->users, FlagsOf(*mc), left);
    }
  }
}

void igmp6_mcf_seq_show(net& net, std::string* text) {
  *text +=
      "Idx Device                Multicast Address                   Source Address    INC    "
      "EXC\n";
  for (const net_device& dev : net.devices) {
    const inet6_dev* const idev = __in6_dev_get(&dev);
    if (idev == nullptr) continue;
    for (const ifmcaddr6* mc = idev->mc_list; mc != nullptr; mc = mc->next) {
      for (const auto* source = mc->sources; source != nullptr; source = source->next) {
        seq_printf(text, "%3d %6.6s ", dev.ifindex, dev.name);
        ShowAddress(mc->multiaddr, text);
        *text += ' ';
        ShowAddress(source->addr, text);
        seq_printf(text, " %6u %6u\n", source->count[kMcastInclude], source->count[kMcastExclude]);
      }
    }
  }
}

void ac6_seq_show(net& net, std::string* text) {
  for (const net_device& dev : net.devices) {
    const inet6_dev* const idev = __in6_dev_get(&dev);
    if (idev == nullptr) continue;
    for (const ifacaddr6* ac = idev->ac_list; ac != nullptr; ac = ac->next) {
      seq_printf(text, "%-4d %-15s ", dev.ifindex, dev.name);
      ShowAddress(ac->addr, text);
      seq_printf(text, " %5u\n", ac->users);
    }
  }
}

}  // namespace tapedeck
