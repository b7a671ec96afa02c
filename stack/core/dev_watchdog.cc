// The transmit watchdog (dev_watchdog of net/sched/sch_generic.c). The kernel's timer runs as long
// as the device is up; ours only while a queue is stopped, so that an idle host has nothing to wait
// for. It fires when Linux's would at the latest useful moment: watchdog_timeo after the last
// transmission of a queue that is still stopped.
#include "stack/core/dev.h"
#include "stack/core/net.h"

namespace tapedeck {

namespace {

Jiffies TimeoutJiffies(net_device* dev) {
  constexpr uint64_t kDefaultMs = 5000;
  const uint64_t ms = dev->watchdog_timeo.ms();
  return dev->nd_net.kernel.MsecsToJiffies(ms != 0 ? ms : kDefaultMs);
}

// Reports queues that have been stopped for too long; returns when to look again, 0 where no queue
// is stopped.
Jiffies CheckQueues(net_device* dev) {
  const Jiffies now = dev->nd_net.jiffies();
  const Jiffies timeout = TimeoutJiffies(dev);
  Jiffies next = 0;
  for (uint32_t i = 0; i < dev->num_tx_queues; ++i) {
    netdev_queue* const txq = &dev->tx[i];
    if (!netif_xmit_stopped(txq)) continue;
    if (now >= txq->trans_start + timeout) {
      ++txq->trans_timeout;
      dev->netdev_ops->ndo_tx_timeout(dev, i);
      txq->trans_start = now;
    }
    const Jiffies due = txq->trans_start + timeout;
    if (netif_xmit_stopped(txq) && (next == 0 || due < next)) next = due;
  }
  return next;
}

void dev_watchdog(TimerList* timer) {
  net_device* const dev = static_cast<net_device::Watchdog*>(timer)->dev;
  if (!netif_running(dev) || !netif_carrier_ok(dev)) return;
  const Jiffies next = CheckQueues(dev);
  if (next != 0 && !timer->pending()) mod_timer(dev->nd_net.this_cpu(), timer, next);
}

}  // namespace

void netdev_watchdog_up(net_device* dev) {
  if (dev->netdev_ops->ndo_tx_timeout == nullptr || !netif_running(dev)) return;
  net_device::Watchdog* const timer = &dev->watchdog_timer;
  if (timer->pending()) return;
  timer->dev = dev;
  timer->function = dev_watchdog;
  mod_timer(dev->nd_net.this_cpu(), timer, dev->nd_net.jiffies() + TimeoutJiffies(dev));
}

void netdev_watchdog_down(net_device* dev) { timer_delete(&dev->watchdog_timer); }

}  // namespace tapedeck
