#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/debug/field_table.h"
#include "replay/debug/fields.h"
#include "replay/trace/event_text.h"
#include "stack/core/neighbour.h"
#include "stack/core/net_device.h"
#include "stack/core/qdisc.h"
#include "stack/drivers/ixgbe_adapter.h"
#include "stack/kernel/cpu.h"

namespace tapedeck {

namespace {

FieldValue LinkAddress(const neighbour& neigh) {
  if ((neigh.nud_state & NUD_VALID) == 0) return {};
  std::string text;
  for (uint8_t i = 0; i < neigh.dev->addr_len; ++i) {
    absl::StrAppendFormat(&text, "%s%02x", i == 0 ? "" : ":", neigh.ha[i]);
  }
  return ValueOf(std::move(text));
}

const char* ContextName(Context context) {
  constexpr std::array<const char*, 4> kNames = {"idle", "hardirq", "softirq", "task"};
  return kNames[static_cast<size_t>(context)];
}

FieldValue OfQueue(const net_device& dev, FieldValue (*read)(const Qdisc& queue)) {
  return dev.tx == nullptr || dev.tx[0].qdisc == nullptr ? FieldValue{} : read(*dev.tx[0].qdisc);
}

// Of the first transmit queue's discipline.
#define TAPEDECK_QUEUE_FIELD(member)  \
  TAPEDECK_FIELD_AS("qdisc." #member, \
                    OfQueue(object, [](const Qdisc& q) { return ValueOf(q.member); }))

}  // namespace

std::span<const Field> NeighFields() {
  using Object = neighbour;
  static constexpr Field kFields[] = {
      TAPEDECK_FIELD_AS("nud_state", ValueOf(NudStateName(object.nud_state))),
      TAPEDECK_FIELD_AS("ha", LinkAddress(object)),
      TAPEDECK_FIELD_AS("timer.expires",
                        object.timer.pending() ? ValueOf(object.timer.expires) : FieldValue{}),
      TAPEDECK_FIELD(confirmed),
      TAPEDECK_FIELD(updated),
      TAPEDECK_FIELD(used),
      TAPEDECK_FIELD(refcount),
      TAPEDECK_FIELD(probes),
      TAPEDECK_FIELD(type),
      TAPEDECK_FIELD(flags),
      TAPEDECK_FIELD(dead),
      TAPEDECK_FIELD(arp_queue.qlen),
      TAPEDECK_FIELD(arp_queue_len_bytes),
  };
  return kFields;
}

std::span<const Field> DevFields() {
  using Object = net_device;
  static constexpr Field kFields[] = {
      TAPEDECK_FIELD(ifindex),
      TAPEDECK_FIELD(flags),
      TAPEDECK_FIELD(priv_flags),
      TAPEDECK_FIELD(mtu),
      TAPEDECK_FIELD(state),
      TAPEDECK_FIELD(dev_addr),
      TAPEDECK_FIELD(features),
      TAPEDECK_FIELD(gso_max_size),
      TAPEDECK_FIELD(gso_max_segs),
      TAPEDECK_FIELD(tx_queue_len),
      TAPEDECK_FIELD(promiscuity),
      TAPEDECK_FIELD(allmulti),
      TAPEDECK_FIELD(refcount),
      TAPEDECK_FIELD(stats.rx_packets),
      TAPEDECK_FIELD(stats.tx_packets),
      TAPEDECK_FIELD(stats.rx_bytes),
      TAPEDECK_FIELD(stats.tx_bytes),
      TAPEDECK_FIELD(stats.rx_errors),
      TAPEDECK_FIELD(stats.tx_errors),
      TAPEDECK_FIELD(stats.rx_dropped),
      TAPEDECK_FIELD(stats.tx_dropped),
      TAPEDECK_FIELD(stats.multicast),
      TAPEDECK_FIELD_AS("qdisc.id",
                        OfQueue(object, [](const Qdisc& q) { return ValueOf(q.ops->id); })),
      TAPEDECK_QUEUE_FIELD(qlen),
      TAPEDECK_QUEUE_FIELD(backlog),
      TAPEDECK_QUEUE_FIELD(packets),
      TAPEDECK_QUEUE_FIELD(bytes),
      TAPEDECK_QUEUE_FIELD(drops),
      TAPEDECK_QUEUE_FIELD(requeues),
  };
  return kFields;
}

std::span<const Field> RxRingFields() {
  using Object = ixgbe::RxRing;
  static constexpr Field kFields[] = {
      TAPEDECK_FIELD(entries),
      TAPEDECK_FIELD(next_to_use),
      TAPEDECK_FIELD(next_to_clean),
      TAPEDECK_FIELD(packets),
      TAPEDECK_FIELD(bytes),
      TAPEDECK_FIELD(csum_err),
      TAPEDECK_FIELD(alloc_failed),
      TAPEDECK_FIELD(non_eop),
      TAPEDECK_FIELD_AS("unused", ValueOf(object.unused())),
  };
  return kFields;
}

std::span<const Field> TxRingFields() {
  using Object = ixgbe::TxRing;
  static constexpr Field kFields[] = {
      TAPEDECK_FIELD(entries),       TAPEDECK_FIELD(next_to_use),
      TAPEDECK_FIELD(next_to_clean), TAPEDECK_FIELD(packets),
      TAPEDECK_FIELD(bytes),         TAPEDECK_FIELD(restart_queue),
      TAPEDECK_FIELD(tx_busy),       TAPEDECK_FIELD_AS("unused", ValueOf(object.unused())),
  };
  return kFields;
}

std::span<const Field> CpuFields() {
  using Object = Cpu;
  static constexpr Field kFields[] = {
      TAPEDECK_FIELD_AS("context", ValueOf(ContextName(object.context()))),
      TAPEDECK_FIELD_AS("now", ValueOf(object.now())),
      TAPEDECK_FIELD_AS("jiffies", ValueOf(object.jiffies())),
      TAPEDECK_FIELD_AS("softirq_pending", ValueOf(object.softirq_pending())),
      TAPEDECK_FIELD_AS("runnable", ValueOf(object.runnable())),
      TAPEDECK_FIELD_AS("interrupts", ValueOf(object.interrupts())),
      TAPEDECK_FIELD_AS("softirqs.TIMER", ValueOf(object.softirqs(TIMER_SOFTIRQ))),
      TAPEDECK_FIELD_AS("softirqs.NET_TX", ValueOf(object.softirqs(NET_TX_SOFTIRQ))),
      TAPEDECK_FIELD_AS("softirqs.NET_RX", ValueOf(object.softirqs(NET_RX_SOFTIRQ))),
      TAPEDECK_FIELD_AS("softirqs.TASKLET", ValueOf(object.softirqs(TASKLET_SOFTIRQ))),
      TAPEDECK_FIELD_AS("softirqs.HRTIMER", ValueOf(object.softirqs(HRTIMER_SOFTIRQ))),
  };
  return kFields;
}

}  // namespace tapedeck
