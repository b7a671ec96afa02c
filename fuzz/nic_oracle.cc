#include "fuzz/nic_oracle.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>

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

[[noreturn, gnu::noinline]] void DmaNotAllowed(const TraceEvent& event) {
  ReportBroken("DMA-OWN", "allowed", "access");
  std::fprintf(stderr, "fault %" PRIu64 ", %" PRIu64 " bytes\n", event.args[1], event.args[3]);
  std::abort();
}
[[noreturn, gnu::noinline]] void RxBudgetExceeded(uint64_t frames, uint64_t budget) {
  ReportBroken("FAIR", "within_budget", "rx_ring");
  std::fprintf(stderr, "%" PRIu64 " frames in a poll, its budget is %" PRIu64 "\n", frames, budget);
  std::abort();
}
[[noreturn, gnu::noinline]] void TxBudgetExceeded(uint64_t packets, uint64_t budget) {
  ReportBroken("FAIR", "within_budget", "tx_ring");
  std::fprintf(stderr, "%" PRIu64 " packets in a poll, at most %" PRIu64 "\n", packets, budget);
  std::abort();
}

// The next descriptor has been written back, and the driver has not taken it.
bool Waits(const ixgbe::RxRing& rx) {
  const bool filled = rx.next_to_clean != rx.next_to_use;
  const uint32_t status = rx.desc[rx.next_to_clean].wb.status_error.host();
  return filled && (status & ixgbe::RXD_STAT_DD) != 0;
}
bool Waits(const ixgbe::TxRing& tx) {
  if (tx.next_to_clean == tx.next_to_use) return false;
  const uint16_t last = tx.buffers[tx.next_to_clean].packet_end;
  return (tx.desc[last].wb.status.host() & ixgbe::TXD_STAT_DD) != 0;
}
// Nothing is in the ring that could wake the queue.
bool SleepsForGood(const ixgbe::Adapter& adapter) {
  const ixgbe::TxRing& tx = adapter.tx;
  return tx.next_to_clean == tx.next_to_use && netif_subqueue_stopped(adapter.netdev, tx.queue);
}

// Calls `look` for each NIC that is up. Devices act when somebody looks.
template <typename Look>
void ForEachAdapter(Lab& lab, Look look) {
  for (int i = 0; i < lab.hosts(); ++i) {
    const ixgbe::Adapter* const adapter = ixgbe::ixgbe_adapter_of(lab.device(i));
    lab.nic(i).AdvanceTo(lab.world().now());
    if (adapter != nullptr && adapter->up && adapter->link_up) look(*adapter);
  }
}

}  // namespace

void NicOracle::Begin(bool honest, bool goes_back) {
  honest_ = honest;
  counting_ = honest && !goes_back;
  for (int i = 0; i < lab_.hosts(); ++i) before_[static_cast<size_t>(i)] = CountedBy(i);
}

NicOracle::Counted NicOracle::CountedBy(int host) {
  Counted counted;
  for (int i = 0; i < lab_.nics(host); ++i) {
    const ixgbe::Adapter* const adapter = ixgbe::ixgbe_adapter_of(lab_.device(host, i));
    if (adapter == nullptr) continue;
    counted.received += adapter->rx.packets + adapter->netdev->stats.rx_errors;
    counted.sent += adapter->tx.packets;
    counted.sent_max = std::max<uint64_t>(counted.sent_max, adapter->tx.entries / 2);
  }
  return counted;
}

void NicOracle::CheckPoll(const TraceEvent& event) {
  // Its frames come before the event of a poll, and those of the next behind it.
  const uint64_t budget = event.args[2];
  Counted& before = before_[event.host];
  const Counted now = CountedBy(event.host);
  if (now.received - before.received > budget) {
    RxBudgetExceeded(now.received - before.received, budget);
  }
  if (now.sent - before.sent > now.sent_max) TxBudgetExceeded(now.sent - before.sent, now.sent_max);
  before = now;
}

void NicOracle::Observe(uint64_t, const TraceEvent& event, const FrameLedger&) {
  if (event.kind == TraceKind::kDeviceFault && honest_) DmaNotAllowed(event);
  if (event.kind == TraceKind::kNapiPoll && counting_) CheckPoll(event);
}

bool RingsServed(Lab& lab) {
  bool served = true;
  ForEachAdapter(lab, [&](const ixgbe::Adapter& adapter) {
    served &= !Waits(adapter.rx) && !Waits(adapter.tx) && !SleepsForGood(adapter);
  });
  return served;
}

void CheckRingsServed(Lab& lab) {
  ForEachAdapter(lab, [](const ixgbe::Adapter& adapter) {
    if (Waits(adapter.rx)) RxRingWaits(adapter.rx);
    if (Waits(adapter.tx)) TxRingWaits(adapter.tx);
    if (SleepsForGood(adapter)) TxQueueSleeps(adapter.tx);
  });
}

}  // namespace tapedeck::fuzz
