#include "stack/ipv4/igmp_proc.h"

#include <cinttypes>

#include "stack/core/seq_file.h"
#include "stack/ipv4/igmp_internal.h"

namespace tapedeck {

void igmp_mc_seq_show(net& net, std::string* text) {
  *text += "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n";
  for (const net_device& dev : net.devices) {
    const in_device* const in_dev = __in_dev_get_rcu(&dev);
    if (in_dev == nullptr || in_dev->mc_list == nullptr) continue;
    int count = 0;
    for (const ip_mc_list* im = in_dev->mc_list; im != nullptr; im = im->next) ++count;
    const char* const querier = igmp_internal::IGMP_V1_SEEN(in_dev)   ? "V1"
                                : igmp_internal::IGMP_V2_SEEN(in_dev) ? "V2"
                                                                      : "V3";
    seq_printf(text, "%d\t%-10s: %5d %7s\n", dev.ifindex, dev.name, count, querier);
    for (const ip_mc_list* im = in_dev->mc_list; im != nullptr; im = im->next) {
      const uint64_t left =
          im->timer_running ? seq_clock_ticks(net.kernel, im->timer.expires) : uint64_t{0};
      *text += "\t\t\t\t";
      seq_address(text, im->multiaddr);
      seq_printf(text, " %5u %d:%08" PRIX64 "\t\t%d\n", im->users, int{im->timer_running}, left,
                 int{im->last_reporter});
    }
  }
}

void igmp_mcf_seq_show(net& net, std::string* text) {
  *text += "Idx Device        MCA        SRC    INC    EXC\n";
  for (const net_device& dev : net.devices) {
    const in_device* const in_dev = __in_dev_get_rcu(&dev);
    if (in_dev == nullptr) continue;
    for (const ip_mc_list* im = in_dev->mc_list; im != nullptr; im = im->next) {
      for (const auto* source = im->sources; source != nullptr; source = source->next) {
        seq_printf(text, "%3d %6.6s 0x%08x 0x%08x %6u %6u\n", dev.ifindex, dev.name,
                   im->multiaddr.host(), source->addr.host(), source->count[kMcastInclude],
                   source->count[kMcastExclude]);
      }
    }
  }
}

}  // namespace tapedeck
