// Queueing disciplines in general, and running them (net/sched/sch_generic.c).
#include "stack/core/qdisc.h"

#include <cerrno>
#include <cstring>

#include "stack/core/net.h"

namespace tapedeck {

namespace {

int noop_enqueue(sk_buff* skb, Qdisc* /*q*/, sk_buff** to_free) {
  skb->next = *to_free;
  *to_free = skb;
  return NET_XMIT_CN;
}
sk_buff* noop_dequeue(Qdisc* /*q*/) { return nullptr; }

// Puts back what the driver did not take: it goes first next time (dev_requeue_skb).
void dev_requeue_skb(sk_buff* skb, Qdisc* q) {
  while (skb != nullptr) {
    sk_buff* const next = skb->next;
    skb->next = nullptr;
    __skb_queue_tail(&q->gso_skb, skb);
    ++q->requeues;
    ++q->qlen;
    q->backlog += skb->len;
    skb = next;
  }
  __netif_schedule(q);
}

// What goes next: packets the driver gave back, while its queue is open, then the discipline's.
// *validate is false for the former, which have been through it.
sk_buff* dequeue_skb(Qdisc* q, bool* validate) {
  *validate = true;
  const bool stopped = netif_xmit_frozen_or_stopped(q->dev_queue);
  if (!skb_queue_empty(&q->gso_skb)) {
    if (stopped) return nullptr;
    sk_buff* const skb = __skb_dequeue(&q->gso_skb);
    --q->qlen;
    q->backlog -= skb->len;
    *validate = false;
    return skb;
  }
  // TCQ_F_ONETXQUEUE: nothing is taken out that could not be sent.
  return stopped ? nullptr : q->ops->dequeue(q);
}

bool qdisc_run_begin(Qdisc* q) {
  if ((q->state & QDISC_STATE_RUNNING) != 0) return false;
  q->state |= QDISC_STATE_RUNNING;
  return true;
}
void qdisc_run_end(Qdisc* q) { q->state &= static_cast<uint8_t>(~QDISC_STATE_RUNNING); }

void CountSent(Qdisc* q, const sk_buff* skb) {
  ++q->packets;
  q->bytes += skb->len;
}

// Sends one packet; false where nothing could be sent.
bool qdisc_restart(Qdisc* q) {
  bool validate = true;
  sk_buff* const skb = dequeue_skb(q, &validate);
  if (skb == nullptr) return false;
  netdev_queue* const txq = q->dev_queue;
  if (validate) CountSent(q, skb);
  return sch_direct_xmit(skb, q, txq->dev, txq, validate);
}

// The loop of __qdisc_run with the discipline held.
void RunQueue(Qdisc* q) {
  const netns_core& core = q->dev_queue->dev->nd_net.core;
  int quota = core.dev_weight * core.dev_weight_tx_bias;
  while (qdisc_restart(q)) {
    if (--quota <= 0) {
      __netif_schedule(q);
      return;
    }
  }
}

Qdisc* AttachNew(netdev_queue* txq, const Qdisc_ops* ops) {
  Qdisc* const q = qdisc_create(txq, ops);
  CHECK(q != nullptr);
  return q;
}

// What a device that comes up gets (attach_one_default_qdisc).
const Qdisc_ops* DefaultOps(const net_device* dev) {
  const bool no_queue = (dev->priv_flags & IFF_NO_QUEUE) != 0 || dev->tx_queue_len == 0;
  return no_queue ? &noqueue_qdisc_ops : &pfifo_fast_ops;
}

}  // namespace

const Qdisc_ops noop_qdisc_ops = {
    .id = "noop",
    .priv_bytes = 0,
    .enqueue = noop_enqueue,
    .dequeue = noop_dequeue,
    .peek = noop_dequeue,
    .init = nullptr,
    .reset = nullptr,
    .destroy = nullptr,
};

const Qdisc_ops noqueue_qdisc_ops = {
    .id = "noqueue",
    .priv_bytes = 0,
    .enqueue = nullptr,
    .dequeue = noop_dequeue,
    .peek = noop_dequeue,
    .init = nullptr,
    .reset = nullptr,
    .destroy = nullptr,
};

Qdisc* qdisc_create(netdev_queue* txq, const Qdisc_ops* ops) {
  Kmalloc& kmalloc = txq->dev->nd_net.kernel.kmalloc();
  void* const memory = kmalloc.Alloc(sizeof(Qdisc));
  if (memory == nullptr) return nullptr;
  auto* const q = new (memory) Qdisc;
  q->ops = ops;
  q->dev_queue = txq;
  q->limit = txq->dev->tx_queue_len;
  if (ops->priv_bytes > 0) q->priv = kmalloc.Alloc(ops->priv_bytes);
  const bool ready =
      (ops->priv_bytes == 0 || q->priv != nullptr) && (ops->init == nullptr || ops->init(q) == 0);
  if (ready) return q;
  if (q->priv != nullptr) kmalloc.Free(q->priv, ops->priv_bytes);
  kmalloc.Free(q, sizeof(*q));
  return nullptr;
}

void qdisc_reset(Qdisc* q) {
  __skb_queue_purge_reason(&q->gso_skb, SKB_DROP_REASON_TX_QUEUE_STOPPED);
  if (q->ops->reset != nullptr) q->ops->reset(q);
  q->qlen = 0;
  q->backlog = 0;
}

void qdisc_destroy(Qdisc* q) {
  qdisc_reset(q);
  net& net = q->dev_queue->dev->nd_net;
  // A run that is due on some CPU finds it gone.
  for (int cpu = 0; cpu < net.kernel.cpus(); ++cpu) {
    softnet_data& sd = *net.softnet[cpu];
    for (Qdisc** link = &sd.output_queue; *link != nullptr;) {
      if (*link != q) {
        link = &(*link)->next_sched;
        continue;
      }
      *link = q->next_sched;
    }
    sd.output_queue_tail = &sd.output_queue;
    while (*sd.output_queue_tail != nullptr) {
      sd.output_queue_tail = &(*sd.output_queue_tail)->next_sched;
    }
  }
  if (q->ops->destroy != nullptr) q->ops->destroy(q);
  Kmalloc& kmalloc = net.kernel.kmalloc();
  if (q->priv != nullptr) kmalloc.Free(q->priv, q->ops->priv_bytes);
  kmalloc.Free(q, sizeof(*q));
}

void dev_init_scheduler(net_device* dev) {
  for (uint32_t i = 0; i < dev->num_tx_queues; ++i) {
    netdev_queue* const txq = &dev->tx[i];
    txq->noop_qdisc = AttachNew(txq, &noop_qdisc_ops);
    txq->qdisc = txq->qdisc_sleeping = txq->noop_qdisc;
  }
}

void dev_activate(net_device* dev) {
  for (uint32_t i = 0; i < dev->num_tx_queues; ++i) {
    netdev_queue* const txq = &dev->tx[i];
    if (txq->qdisc_sleeping == txq->noop_qdisc) {
      txq->qdisc_sleeping = AttachNew(txq, DefaultOps(dev));
    }
    // The rest waits for the link.
    if (!netif_carrier_ok(dev) || txq->qdisc == txq->qdisc_sleeping) continue;
    txq->qdisc_sleeping->state &= static_cast<uint8_t>(~QDISC_STATE_DEACTIVATED);
    txq->qdisc = txq->qdisc_sleeping;
    txq->trans_start = dev->nd_net.jiffies();
  }
}

void dev_deactivate(net_device* dev) {
  netdev_watchdog_down(dev);
  for (uint32_t i = 0; i < dev->num_tx_queues; ++i) {
    netdev_queue* const txq = &dev->tx[i];
    if (txq->qdisc == txq->noop_qdisc) continue;
    txq->qdisc->state |= QDISC_STATE_DEACTIVATED;
    txq->qdisc = txq->noop_qdisc;
    qdisc_reset(txq->qdisc_sleeping);
  }
}

int dev_graft_qdisc(net_device* dev, const Qdisc_ops* ops, const uint32_t* limit) {
  const bool active = netif_running(dev);
  if (active) dev_deactivate(dev);
  int error = 0;
  for (uint32_t i = 0; i < dev->num_tx_queues && error == 0; ++i) {
    netdev_queue* const txq = &dev->tx[i];
    Qdisc* const q = qdisc_create(txq, ops != nullptr ? ops : DefaultOps(dev));
    if (q == nullptr) {
      error = -ENOMEM;
      continue;
    }
    if (limit != nullptr) q->limit = *limit;
    Qdisc* const old = txq->qdisc_sleeping;
    txq->qdisc_sleeping = q;
    if (old != txq->noop_qdisc) qdisc_destroy(old);
  }
  if (active) {
    dev_activate(dev);
    netdev_watchdog_up(dev);
  }
  return error;
}

void dev_shutdown(net_device* dev) {
  for (uint32_t i = 0; i < dev->num_tx_queues; ++i) {
    netdev_queue* const txq = &dev->tx[i];
    if (txq->qdisc_sleeping != txq->noop_qdisc) qdisc_destroy(txq->qdisc_sleeping);
    qdisc_destroy(txq->noop_qdisc);
    txq->qdisc = txq->qdisc_sleeping = txq->noop_qdisc = nullptr;
  }
}

void __qdisc_run(Qdisc* q) {
  TRACE_FUNCTION(dev_net(q->dev_queue->dev), nullptr, __qdisc_run, q);
  if (!qdisc_run_begin(q)) return;
  RunQueue(q);
  qdisc_run_end(q);
}

bool sch_direct_xmit(sk_buff* skb, Qdisc* q, net_device* dev, netdev_queue* txq, bool validate) {
  TRACE_FUNCTION(dev->nd_net, skb, sch_direct_xmit, skb, q, dev, txq, validate);
  if (validate) skb = validate_xmit_skb_list(skb, dev);
  if (skb == nullptr) return true;
  int ret = NETDEV_TX_BUSY;
  if (!netif_xmit_frozen_or_stopped(txq)) skb = dev_hard_start_xmit(skb, dev, txq, &ret);
  if (dev_xmit_complete(ret)) return true;
  dev_requeue_skb(skb, q);
  return false;
}

int __dev_xmit_skb(sk_buff* skb, Qdisc* q, net_device* dev, netdev_queue* txq) {
  TRACE_FUNCTION(dev->nd_net, skb, __dev_xmit_skb, skb, q, dev, txq);
  dev->nd_net.Charge(CostPoint::k_qdisc);
  if ((q->flags & TCQ_F_CAN_BYPASS) != 0 && q->qlen == 0 && qdisc_run_begin(q)) {
    // Nothing waits and nobody sends: past the queue.
    CountSent(q, skb);
    if (sch_direct_xmit(skb, q, dev, txq, /*validate=*/true) && q->qlen > 0) RunQueue(q);
    qdisc_run_end(q);
    return NET_XMIT_SUCCESS;
  }
  sk_buff* to_free = nullptr;
  const int rc = q->ops->enqueue(skb, q, &to_free);
  __qdisc_run(q);
  if (to_free != nullptr) kfree_skb_list_reason(to_free, SKB_DROP_REASON_QDISC_DROP);
  return rc;
}

}  // namespace tapedeck
