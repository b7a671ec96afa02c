#include "fuzz/nic_oracle.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <variant>

#include "fuzz/oracles.h"
#include "stack/core/dev.h"
#include "stack/drivers/ixgbe_adapter.h"

namespace tapedeck::fuzz {

namespace {

[[noreturn, gnu::noinline]] void RxRingWaits(const ixgbe::RxRing& ring) {
  ReportBroken("LIVE", "served", "rx_ring");
  std::fprintf(stderr, "at %u, filled up to %u\n", ring.next_to_clean, ring.next_to_use);
  std::abort();
}
[[noreturn, gnu::noinline]] void TxRingWaits(const ixgbe::TxRing& ring) {
  ReportBroken("LIVE", "served", "tx_ring");
  std::fprintf(stderr, "at %u, filled up to %u\n", ring.next_to_clean, ring.next_to_use);
  std::abort();
}
[[noreturn, gnu::noinline]] void TxQueueSleeps(const ixgbe::TxRing& ring) {
  ReportBroken("LIVE", "woken", "tx_queue");
  std::fprintf(stderr, "%" PRIu64 " packets sent\n", ring.packets);
  std::abort();
}

void CheckAdapter(const ixgbe::Adapter& adapter) {
  if (!adapter.up || !adapter.link_up) return;
  const ixgbe::RxRing& rx = adapter.rx;
  const bool filled = rx.next_to_clean != rx.next_to_use;
  const uint32_t rx_status = rx.desc[rx.next_to_clean].wb.status_error.host();
  if (filled && (rx_status & ixgbe::RXD_STAT_DD) != 0) RxRingWaits(rx);
  const ixgbe::TxRing& tx = adapter.tx;
  if (tx.next_to_clean == tx.next_to_use) {
    if (netif_subqueue_stopped(adapter.netdev, tx.queue)) TxQueueSleeps(tx);
    return;
  }
  const uint16_t last = tx.buffers[tx.next_to_clean].packet_end;
  if ((tx.desc[last].wb.status.host() & ixgbe::TXD_STAT_DD) != 0) TxRingWaits(tx);
}

}  // namespace

bool LeavesInterruptsAlone(const Script& script) {
  return std::none_of(script.steps.begin(), script.steps.end(), [](const Step& step) {
    return std::holds_alternative<NicRegisterStep>(step.what) ||
           std::holds_alternative<NicFaultStep>(step.what) ||
           std::holds_alternative<CpuBusyStep>(step.what) ||
           std::holds_alternative<LinkStep>(step.what);
  });
}

void CheckRingsServed(Lab& lab) {
  for (int i = 0; i < lab.hosts(); ++i) {
    const ixgbe::Adapter* const adapter = ixgbe::ixgbe_adapter_of(lab.device(i));
    // Devices act when somebody looks.
    lab.nic(i).AdvanceTo(lab.world().now());
    if (adapter != nullptr) CheckAdapter(*adapter);
  }
}

}  // namespace tapedeck::fuzz
